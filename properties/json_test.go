package properties

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAny(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []Entry
	}{
		{"a property file", "name=s\nflush.size = 3\n", []Entry{{"name", "s", 1}, {"flush.size", "3", 2}}},
		{"a flat object", "{\n \"name\": \"s\",\n \"flush.size\": \"3\"\n}\n", []Entry{{"name", "s", 2}, {"flush.size", "3", 3}}},
		{"scalars count as their text", `{"a":3,"b":1e400,"c":true,"d":" x ","e":""}`, []Entry{{"a", "3", 1}, {"b", "1e400", 1}, {"c", "true", 1}, {"d", " x ", 1}, {"e", "", 1}}},
		{"escapes", `{"a.b":"é\n\"\\"}`, []Entry{{"a.b", "é\n\"\\", 1}}},
		{"an empty object", " {} ", nil},
		{"the form that Connect's REST takes", "{\"name\":\"s\",\n\"config\":{\"topics\":\"t\"}}", []Entry{{"topics", "t", 2}, {"name", "s", 1}}},
		{"its config has a name of its own", `{"name":"s","config":{"name":"own","topics":"t"}}`, []Entry{{"name", "own", 1}, {"topics", "t", 1}}},
		{"config may be a plain key", `{"config":"x"}`, []Entry{{"config", "x", 1}}},
	} {
		f, err := ParseAny([]byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, f.Entries); diff != "" {
			t.Errorf("%s: ParseAny(%q) (-want +got)\n%s", tt.name, tt.text, diff)
		}
	}
}

func TestParseJSONWarnings(t *testing.T) {
	f, err := ParseJSON([]byte("{\"a\":\"1\",\n\"b\":null,\n\"a\":\"2\"}"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Warning{{2, `"b" is null: taken as not given`}, {3, `"a" was already given on line 1: the later value counts`}}
	if diff := cmp.Diff(want, f.Warnings); diff != "" {
		t.Errorf("warnings (-want +got)\n%s", diff)
	}
	if got := f.Last()["a"].Value; got != "2" {
		t.Errorf("Last()[a] = %q, want the later one", got)
	}
}

func TestParseJSONFaults(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
		line             int
	}{
		{"an array", "[]", "[ where an object of strings is expected", 1},
		{"nothing", "", "EOF", 1},
		{"a nested object", "{\n\"a\":{}}", `the value of "a" is an object or array: a string is expected`, 2},
		{"a nested array", `{"a":[1]}`, `the value of "a" is an object or array: a string is expected`, 1},
		{"a config in a config", `{"config":{"config":{}}}`, `the value of "config" is an object or array: a string is expected`, 1},
		{"text after the end", "{}\n\n{}", "text after the object's end", 3},
		{"an open end", "{\n\"a\":\"1\",", "EOF", 2},
		{"a missing comma", "{\"a\":\"1\"\n\"b\":\"2\"}", "invalid character '\"' after object key:value pair", 2},
	} {
		_, err := ParseJSON([]byte(tt.text))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: ParseJSON(%q) = %v, want a SyntaxError", tt.name, tt.text, err)
			continue
		}
		if !strings.Contains(syntax.Msg, tt.want) || syntax.Line != tt.line {
			t.Errorf("%s: ParseJSON(%q) = %v, want line %d with %q", tt.name, tt.text, err, tt.line, tt.want)
		}
	}
}

// FuzzParseJSON: what the standard library takes as an object of strings, we read alike.
func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"a":"b","c":"d"}`))
	f.Add([]byte(`{"name":"s","config":{"a":"b"}}`))
	f.Add([]byte(`{"a":1,"b":null,"c":true}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseJSON(text)
		var want map[string]string
		if json.Unmarshal(text, &want) != nil || want == nil || strings.Contains(string(text), "null") {
			return
		}
		if err != nil {
			t.Fatalf("ParseJSON(%q): %v", text, err)
		}
		if diff := cmp.Diff(want, values(got)); diff != "" {
			t.Errorf("ParseJSON(%q) (-encoding/json +ours)\n%s", text, diff)
		}
	})
}
