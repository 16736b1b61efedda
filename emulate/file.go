package emulate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"
)

// maxLineBytes is the longest line that a file may have: no gateway takes larger bodies (API Gateway: 10 MB).
const maxLineBytes = 10 << 20

// File is a source of JSON lines. A line is one post, an object with the three events under the names of their tables:
//
//	{"pinterest_data":{"index":7,…},"geolocation_data":{"ind":7,…},"user_data":{"ind":7,…}}
//
// The short names pin, geo and user are taken too. Blank lines are skipped. Values go out as they are written, without white space.
type File struct {
	name  string
	file  *os.File
	lines *bufio.Scanner
	line  int // number of the line read last, from 1
	posts int
}

// OpenFile opens a file of posts.
func OpenFile(name string) (*File, error) {
	file, err := os.Open(name)
	if err == nil {
		var info os.FileInfo
		if info, err = file.Stat(); err == nil && info.IsDir() {
			err = errors.New("is a directory")
		}
		if err != nil {
			file.Close()
		}
	}
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err // without the name, which may hold a password
		}
		return nil, nameError("opening source %q: %v (a source is sample, mysql://user:password@host:port/database or a JSON-lines file)",
			maskPassword(name), err)
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 0, 64<<10), maxLineBytes)
	return &File{name: name, file: file, lines: lines}, nil
}

// Next gives the post of the next line. An error names file and line; a file without any post is an error too.
func (f *File) Next(context.Context) (Post, error) {
	for f.lines.Scan() {
		f.line++
		text := f.lines.Bytes()
		if f.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		post, err := parsePost(text)
		if err != nil {
			return Post{}, fmt.Errorf("%s, line %d: %w", f.name, f.line, err)
		}
		f.posts++
		return post, nil
	}
	switch err := f.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return Post{}, fmt.Errorf("%s, line %d: longer than %d bytes", f.name, f.line+1, maxLineBytes)
	case err != nil:
		return Post{}, fmt.Errorf("reading %s after line %d: %w", f.name, f.line, err)
	case f.posts == 0:
		return Post{}, fmt.Errorf("%s: no posts in it, want one a line: %s", f.name, postForm)
	}
	return Post{}, io.EOF
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

const postForm = `{"pinterest_data":{"index":7,…},"geolocation_data":{"ind":7,…},"user_data":{"ind":7,…}}`

func parsePost(line []byte) (Post, error) {
	if !utf8.Valid(line) {
		return Post{}, errors.New("not UTF-8")
	}
	var events map[string]json.RawMessage
	if err := json.Unmarshal(line, &events); err != nil {
		return Post{}, describeJSON(err)
	}
	var post Post
	for name, event := range events {
		switch name {
		case pinTable, "pin":
			post.Pin = compact(event)
		case geoTable, "geo":
			post.Geo = compact(event)
		case userTable, "user":
			post.User = compact(event)
		default:
			return Post{}, fmt.Errorf("unknown event %q, want %s, %s and %s", name, pinTable, geoTable, userTable)
		}
	}
	return post, post.join()
}

func describeJSON(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("byte %d: not JSON: %w", syntax.Offset, err)
	}
	return fmt.Errorf("want an object %s", postForm)
}

// compact copies a JSON value without white space. The value was read by encoding/json, so it has no faults.
func compact(value json.RawMessage) []byte {
	var out bytes.Buffer
	out.Grow(len(value))
	if err := json.Compact(&out, value); err != nil {
		panic("emulate: compacting a valid JSON value: " + err.Error())
	}
	return out.Bytes()
}

// join checks that the three events are there and carry the same number, and sets Key to it.
func (p *Post) join() error {
	var keys [3]string
	for i, event := range [...]struct {
		table, column string
		text          []byte
	}{{pinTable, pinKey, p.Pin}, {geoTable, otherKey, p.Geo}, {userTable, otherKey, p.User}} {
		if event.text == nil {
			return fmt.Errorf("no %s, want %s", event.table, postForm)
		}
		var columns map[string]json.RawMessage
		if err := json.Unmarshal(event.text, &columns); err != nil || columns == nil {
			return fmt.Errorf("%s is not an object", event.table)
		}
		if columns[event.column] == nil {
			return fmt.Errorf("%s has no %q", event.table, event.column)
		}
		keys[i] = string(columns[event.column])
		if keys[i] != keys[0] {
			return fmt.Errorf("%s.%s is %s, but %s.%s is %s: the three events of a post carry the same number",
				pinTable, pinKey, keys[0], event.table, event.column, keys[i])
		}
	}
	p.Key = keys[0]
	if json.Unmarshal([]byte(keys[0]), &p.Key) == nil && p.Key == "" {
		return fmt.Errorf("%s.%s is empty", pinTable, pinKey)
	}
	return nil
}
