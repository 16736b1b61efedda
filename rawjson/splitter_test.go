package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// split feeds text to a Splitter in pieces of step bytes and returns the values.
func split(text string, step int) (values []string, err error) {
	var s Splitter
	var buf []byte
	for rest := []byte(text); ; {
		n := min(step, len(rest))
		buf, rest = append(buf, rest[:n]...), rest[n:]
		last := len(rest) == 0
		for {
			start, end, ok, err := s.Next(buf, last)
			if err != nil {
				return values, err
			}
			if !ok {
				buf = buf[start:]
				break
			}
			values = append(values, string(buf[start:end]))
			buf = buf[end:]
		}
		if last {
			if len(buf) > 0 {
				return values, fmt.Errorf("%q is left", buf)
			}
			return values, nil
		}
	}
}

func TestSplitter(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
		err  string
	}{
		{``, nil, ""},
		{" \r\n\t", nil, ""},
		{`{}{"a":[1,{}]}[2]`, []string{`{}`, `{"a":[1,{}]}`, `[2]`}, ""},
		{"\n{\"a\":1}\n\n{\"b\":2} ", []string{`{"a":1}`, `{"b":2}`}, ""},
		{`{"}\"{":"\\"}{"\\\\\"":"["}`, []string{`{"}\"{":"\\"}`, `{"\\\\\"":"["}`}, ""},
		{`5 true"a\"b"null -1.5e+3`, []string{"5", "true", `"a\"b"`, "null", "-1.5e+3"}, ""},
		{`{}not json{}`, []string{"{}", "not", "json", "{}"}, ""}, // a Scanner refuses the words
		{`{"a":]}`, nil, `']' where ',' or '}' should be at byte 5`},
		{`{},{}`, []string{"{}"}, `"," where a value should be at byte 0`},
		{`{}}`, []string{"{}"}, `"}" where a value should be at byte 0`},
		{`[1}`, nil, `'}' where ',' or ']' should be at byte 2`},
		{"{\"a\":\"x}\n", nil, `raw control character 0x0a in a string, \u000a would be right at byte 8`},
		{`{"a":`, nil, "the text ends inside a value at byte 5"},
		{`{"a":"\`, nil, "the text ends inside a value at byte 7"},
		{strings.Repeat("[", MaxDepth+1), nil, "nesting deeper than 1000 at byte 1000"},
		{strings.Repeat("9", 2000), nil, "word or number of more than 1000 bytes at byte 0"},
	} {
		for _, step := range []int{1, 2, 3, 7, 1 << 20} {
			got, err := split(tt.text, step)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("split(%.40q, %d): %s", tt.text, step, diff)
			}
			if text := fmt.Sprint(err); err != nil && text != tt.err || err == nil && tt.err != "" {
				t.Errorf("split(%.40q, %d) fails with %v, want %s", tt.text, step, err, tt.err)
			}
		}
	}
}

// FuzzSplitter holds the splitter to the standard library's reader of streams, and to itself:
// where the stream is cut must not matter.
func FuzzSplitter(f *testing.F) {
	for _, seed := range []string{`{"a": [1, 2.5e-3, null, true, "x\u00e9\\"]}{}`, "[[[]]]\n[1]", `"\\" "\"" 5 6`, `{"a":1,}{}`, "{\"a\":\"\n\"}", `{"a":`} {
		f.Add([]byte(seed), uint8(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		got, err := split(string(in), len(in)+1)
		cut, cutErr := split(string(in), int(step)+1)
		if diff := cmp.Diff(got, cut); diff != "" || (err == nil) != (cutErr == nil) {
			t.Fatalf("split(%q) = %q, %v; in pieces of %d: %q, %v", in, got, err, int(step)+1, cut, cutErr)
		}
		reader := json.NewDecoder(bytes.NewReader(in))
		for i, value := range got {
			var want json.RawMessage
			wantErr := reader.Decode(&want)
			valid := json.Valid([]byte(value))
			if !valid && (wantErr != nil || value[0] != '{' && value[0] != '[' && value[0] != '"') {
				return // truefalse is two values to the library
			}
			if wantErr != nil || value != string(want) {
				t.Fatalf("split(%q)[%d] = %q, want %q (%v)", in, i, value, want, wantErr)
			}
		}
		var syntax *SyntaxError
		if errors.As(err, &syntax) && (strings.HasPrefix(syntax.Msg, "nesting") || strings.HasPrefix(syntax.Msg, "word")) {
			return
		}
		var rest json.RawMessage
		if wantErr := reader.Decode(&rest); err == nil && !errors.Is(wantErr, io.EOF) || err != nil && wantErr == nil {
			t.Fatalf("split(%q) ends with %v, the library with %v, %q", in, err, wantErr, rest)
		}
	})
}

func BenchmarkSplitter(b *testing.B) {
	one := `{"value":{"type":"JSON","data":{"index":7528,"unique_id":"fbe53c66-3442-4773-b19e-d3ec6f54dddf","title":"Koi tattoos for men","description":"` +
		strings.Repeat("free text, quite plain ", 15) + `","follower_count":"136k","tag_list":"Diy Decor,Fun Crafts"}}}` + "\n"
	text := []byte(strings.Repeat(one, 100))
	var s Splitter
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		for rest := text; ; {
			_, end, ok, err := s.Next(rest, true)
			if err != nil {
				b.Fatal(err)
			}
			if !ok {
				break
			}
			rest = rest[end:]
		}
	}
}
