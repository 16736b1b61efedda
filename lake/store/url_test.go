package store

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenURL(t *testing.T) {
	base := t.TempDir()
	places := map[string]string{filepath.Join(base, "plain"): "", "file://" + filepath.Join(base, "scheme"): ""}
	if endpoint := os.Getenv("HEADRACE_TEST_S3"); endpoint != "" {
		t.Setenv("AWS_ACCESS_KEY_ID", "test")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "testsecret")
		places["s3://"+os.Getenv("HEADRACE_TEST_S3_BUCKET")+"/a/b/?region=us-east-1&endpoint="+url.QueryEscape(endpoint)] = "a/b/"
	}
	for place, wantPrefix := range places {
		in, prefix, closeStore, err := OpenURL(t.Context(), place)
		if err != nil || prefix != wantPrefix {
			t.Errorf("OpenURL(%s) has prefix %q, %v; want %q", place, prefix, err, wantPrefix)
			continue
		}
		if err := in.Put(t.Context(), prefix+"x/y", []byte("z")); err != nil {
			t.Error(err)
		}
		if got := read(t, in, prefix+"x/y"); got != "z" {
			t.Errorf("%s: read %q", place, got)
		}
		closeStore()
	}
	if text, err := os.ReadFile(filepath.Join(base, "plain", "x", "y")); string(text) != "z" {
		t.Errorf("the directory has %q, %v", text, err)
	}
	for _, place := range []string{"s3://", "gs://bucket/x", "s3://b/x?zone=1"} {
		if _, _, _, err := OpenURL(t.Context(), place); err == nil || !strings.Contains(err.Error(), place) {
			t.Errorf("OpenURL(%s) = %v, want an error that names it", place, err)
		}
	}
}
