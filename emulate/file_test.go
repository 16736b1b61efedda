package emulate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "posts.jsonl")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func readAll(t *testing.T, name string) (posts []Post, err error) {
	t.Helper()
	file, err := OpenFile(name)
	if err != nil {
		t.Fatalf("OpenFile: %v", err)
	}
	defer file.Close()
	for {
		post, err := file.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return posts, nil
		}
		if err != nil {
			return posts, err
		}
		posts = append(posts, post)
	}
}

func TestFileKeepsWhatIsWritten(t *testing.T) {
	posts, err := readAll(t, writeFile(t, "\ufeff"+
		`{ "pinterest_data" : {"index": 7, "x": 2.50, "t": "a\u00e9 <\n>é"}, "geolocation_data":{"ind":7}, "user_data":{"ind":7, "n":12345678901234567890} }`+"\r\n"+
		"\n  \t\n"+
		`{"user":{"ind":"k\"1"},"geo":{"ind":"k\"1"},"pin":{"b":1,"index":"k\"1","a":2}}`))
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	want := []Post{
		{Key: "7", Pin: []byte(`{"index":7,"x":2.50,"t":"a\u00e9 <\n>é"}`), Geo: []byte(`{"ind":7}`), User: []byte(`{"ind":7,"n":12345678901234567890}`)},
		{Key: `k"1`, Pin: []byte(`{"b":1,"index":"k\"1","a":2}`), Geo: []byte(`{"ind":"k\"1"}`), User: []byte(`{"ind":"k\"1"}`)},
	}
	if diff := cmp.Diff(want, posts); diff != "" {
		t.Errorf("posts (-want +got):\n%s", diff)
	}
}

func TestFileErrorsNameTheLine(t *testing.T) {
	const good = `{"pinterest_data":{"index":7},"geolocation_data":{"ind":7},"user_data":{"ind":7}}` + "\n"
	for _, test := range []struct{ name, text, want string }{
		{"no JSON", good + "\n" + `{"pinterest_data":{"index":7},` + "\n", "line 3: byte 30: not JSON: unexpected end of JSON input"},
		{"two values", good + strings.TrimSpace(good) + good, "line 2: byte 82: not JSON: invalid character '{' after top-level value"},
		{"an array", "[1]\n", "line 1: want an object {"},
		{"null", "null\n", "line 1: no pinterest_data, want {"},
		{"no user", `{"pinterest_data":{"index":7},"geolocation_data":{"ind":7}}`, "line 1: no user_data, want {"},
		{"unknown event", `{"pinterest_data":{"index":7},"geolocation_data":{"ind":7},"users":{"ind":7}}`, `line 1: unknown event "users", want pinterest_data, geolocation_data and user_data`},
		{"event no object", `{"pinterest_data":[7],"geolocation_data":{"ind":7},"user_data":{"ind":7}}`, "line 1: pinterest_data is not an object"},
		{"event null", `{"pinterest_data":{"index":7},"geolocation_data":null,"user_data":{"ind":7}}`, "line 1: geolocation_data is not an object"},
		{"no key", `{"pinterest_data":{"ind":7},"geolocation_data":{"ind":7},"user_data":{"ind":7}}`, `line 1: pinterest_data has no "index"`},
		{"empty key", `{"pin":{"index":""},"geo":{"ind":""},"user":{"ind":""}}`, `line 1: pinterest_data.index is empty`},
		{"not joined", good + good + `{"pin":{"index":7},"geo":{"ind":7},"user":{"ind":8}}`, "line 3: pinterest_data.index is 7, but user_data.ind is 8"},
		{"not UTF-8", good + "{\"pin\":\"\xff\"}", "line 2: not UTF-8"},
		{"too long", good + `{"pin":"` + strings.Repeat("x", maxLineBytes) + `"}`, "line 2: longer than 10485760 bytes"},
		{"nothing", "\n\n", "no posts in it, want one a line: {"},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := writeFile(t, test.text)
			posts, err := readAll(t, name)
			if err == nil || !strings.HasPrefix(err.Error(), name) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if want := strings.Count(test.text, good); len(posts) > want {
				t.Errorf("%d posts before the error, want at most %d", len(posts), want)
			}
		})
	}
}

// TestFileOfTheSample: what the sample makes goes through a file unchanged.
func TestFileOfTheSample(t *testing.T) {
	var text bytes.Buffer
	var want []Post
	for row := range 50 {
		p := Sample(9).Post(row)
		want = append(want, p)
		fmt.Fprintf(&text, `{"pinterest_data":%s,"geolocation_data":%s,"user_data":%s}`+"\n", p.Pin, p.Geo, p.User)
	}
	got, err := readAll(t, writeFile(t, text.String()))
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("posts (-want +got):\n%s", diff)
	}
}

func TestOpenSource(t *testing.T) {
	directory := t.TempDir()
	for _, test := range []struct{ name, source, want string }{
		{"no such file", "/no/such/file", `opening source "/no/such/file": no such file or directory (a source is sample, mysql://`},
		{"a directory", directory, "is a directory"},
		{"another database", "postgres://u:hunter2@h/db", "source postgres://…: unknown kind of URL, want mysql://"},
		{"a driver's address", "u:hunter2@tcp(h:3306)/db", `opening source "u:***@tcp(h:3306)/db": no such file`},
		{"a mistyped URL", "mysql:/u:hunter2@h/db", `opening source "mysql:***@h/db": no such file`},
		{"no host", "mysql://u:hunter2@/db", "not of the form mysql://user:password@host:port/database"},
		{"no user", "mysql://h/db", "not of the form"},
		{"no database", "mysql://u:hunter2@h:3306", "not of the form"},
		{"bare slash in the password", "mysql://u:hun/ter2@h:3306/db", "not of the form"},
		{"bare # in the password", "MySQL://u:hunter2#x@h:3306/db", "not of the form"},
		{"bare % in the password", "mysql://u:hunter2%@h:3306/db", "not of the form"},
		{"unknown parameter", "mysql://u:hunter2@h:3306/db?ssl=1", `unknown parameter "ssl", only tls is known`},
		{"unknown TLS", "mysql://u:hunter2@h:3306/db?tls=maybe", "preparing MySQL at h:3306"},
		{"nobody listens", "mysql://u:hunter2@127.0.0.1:1/db", `counting the rows of pinterest_data in MySQL database "db" at 127.0.0.1:1: dial tcp`},
	} {
		t.Run(test.name, func(t *testing.T) {
			src, err := OpenSource(t.Context(), test.source, 1)
			if err == nil {
				src.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q, want %q", err, test.want)
			}
			var name *SourceNameError
			if got, want := errors.As(err, &name), test.name != "nobody listens"; got != want {
				t.Errorf("error %q is one of the name: %v, want %v", err, got, want)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ter2") {
				t.Errorf("the password is shown: %v", err)
			}
		})
	}
	src, err := OpenSource(t.Context(), "sample", 5)
	if err != nil {
		t.Fatalf("sample: %v", err)
	}
	post, err := src.Next(t.Context())
	if err != nil || !bytes.Equal(post.Pin, Sample(5).Post(0).Pin) {
		t.Errorf("first post of the sample: %s (%v)", post.Pin, err)
	}
	if err := src.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
