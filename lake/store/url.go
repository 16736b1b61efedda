package store

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// OpenURL opens a place that users name: a directory's path, file:///DIR, or
// s3://BUCKET/PREFIX?region=…&endpoint=…, which an endpoint makes path style. What lies at the
// place has keys that begin with prefix: "" or "a/b/". close frees what was opened.
func OpenURL(ctx context.Context, place string) (in Store, prefix string, closeStore func(), err error) {
	if !strings.Contains(place, "://") {
		place = "file://" + place
	}
	if dir, ok := strings.CutPrefix(place, "file://"); ok {
		in, err = openPlace(dir)
		return in, "", func() {}, err
	}
	u, err := url.Parse(place)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return nil, "", nil, fmt.Errorf("place %q: expected a directory, or s3://BUCKET/PREFIX?region=…&endpoint=…", place)
	}
	cfg := S3Config{Bucket: u.Host, Retries: 5, RetryBackoff: 200 * time.Millisecond, Connections: 32}
	for name, values := range u.Query() {
		switch name {
		case "region":
			cfg.Region = values[0]
		case "endpoint":
			cfg.Endpoint, cfg.PathStyle = values[0], true
		default:
			return nil, "", nil, fmt.Errorf("place %q: parameter %q: expected region or endpoint", place, name)
		}
	}
	s, err := OpenS3(ctx, cfg)
	if err != nil {
		return nil, "", nil, fmt.Errorf("opening %s: %w", place, err)
	}
	if prefix = strings.Trim(u.Path, "/"); prefix != "" {
		prefix += "/"
	}
	return s, prefix, s.Close, nil
}

// openPlace opens a directory as a bucket of its own.
func openPlace(dir string) (Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return OpenDir(filepath.Dir(dir), filepath.Base(dir))
}
