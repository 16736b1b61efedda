package emulate

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// Post is three events about one thing. Each is a compact JSON object; the numbers pin.index, geo.ind and user.ind are equal.
type Post struct {
	Key  string // that number as text: the partition key of the streams
	Pin  []byte // a row of pinterest_data
	Geo  []byte // a row of geolocation_data
	User []byte // a row of user_data
}

// Source gives one post after another. It is used by one goroutine at a time.
type Source interface {
	// Next gives the next post, or io.EOF after the last one.
	Next(ctx context.Context) (Post, error)
	// Close lets go of the file or the connections.
	Close() error
}

var (
	_ Source = (*sampleSource)(nil)
	_ Source = (*File)(nil)
	_ Source = (*MySQL)(nil)
)

// The tables of the users' database, and the column of each that joins them.
const (
	pinTable  = "pinterest_data"
	geoTable  = "geolocation_data"
	userTable = "user_data"
	pinKey    = "index"
	otherKey  = "ind"
)

// OpenSource opens what --source names: "sample", a URL mysql://user:password@host:port/database, or a JSON-lines file.
// The seed chooses the posts of the sample and the order in which rows of the database are drawn; a file has its own order.
// The error is a *SourceNameError when the name itself is wrong. No error holds the password.
func OpenSource(ctx context.Context, name string, seed uint64) (Source, error) {
	scheme, _, isURL := strings.Cut(name, "://")
	switch {
	case name == "sample":
		return Sample(seed).Source(), nil
	case isURL && strings.EqualFold(scheme, "mysql"):
		return OpenMySQL(ctx, name, seed)
	case isURL:
		return nil, nameError("source %s://…: unknown kind of URL, want mysql://user:password@host:port/database", scheme)
	}
	return OpenFile(name)
}

// SourceNameError tells that a source cannot be what its name says, whatever the state of the world outside:
// a URL of the wrong form, a file that cannot be opened.
type SourceNameError struct{ text string }

func (e *SourceNameError) Error() string { return e.text }

func nameError(format string, args ...any) error {
	return &SourceNameError{fmt.Sprintf(format, args...)}
}

// password matches what may be one in text that was meant to be a database address: user:password@host.
var password = regexp.MustCompile(`(?s):.*@`)

func maskPassword(text string) string {
	return password.ReplaceAllString(text, ":***@")
}
