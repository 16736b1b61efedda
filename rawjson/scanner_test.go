package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestValueKeepsTheSendersSpelling(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{"b" : 1.500, "a": [ 1e3 , -0 ]}`, `{"b":1.500,"a":[1e3,-0]}`},
		{` 12345678901234567890 `, `12345678901234567890`},
		{`{"a":1,"a":2}`, `{"a":1,"a":2}`},
		{"[\n]", `[]`},
		{"{\t}", `{}`},
		{`"a \u00e9 \/ b"`, `"a \u00e9 \/ b"`},
		{`[ [ ] , { } , null , true , false ]`, `[[],{},null,true,false]`},
		{`{"o":{"p":[{"q":1 }] } , "r" :"żółć ☕ 😀"}`, `{"o":{"p":[{"q":1}]},"r":"żółć ☕ 😀"}`},
		{`"\ud800"`, `"\ud800"`},
	} {
		s := NewScanner([]byte(tt.in))
		got, err := s.Value()
		if err == nil {
			err = s.Finish()
		}
		if err != nil || string(got) != tt.want {
			t.Errorf("Value(%s) = %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
}

func TestErrorsSayWhatAndWhere(t *testing.T) {
	for _, tt := range []struct {
		in     string
		offset int
		text   string
	}{
		{``, 0, "the text ends where a value should be"},
		{`{"a":`, 5, "the text ends where a value should be"},
		{`{"a" 1}`, 5, `"1" where ':' behind a member name should be`},
		{`{"a":1,}`, 7, `"}" where a member name in quotes should be`},
		{`[1 2]`, 3, `"2" where ',' or ']' should be`},
		{`[1,]`, 3, `"]" where a value should be`},
		{`nul`, 0, `"nul" is no JSON value, null would be`},
		{`NaN`, 0, `"NaN" where a value should be`},
		{`01`, 0, "number with a leading zero"},
		{`1.`, 2, "the text ends where a digit behind the decimal point should be"},
		{`-`, 1, "the text ends where a digit should be"},
		{`1e+`, 3, "the text ends where a digit of the exponent should be"},
		{`"a`, 2, "the text ends inside a string"},
		{"\"a\nb\"", 2, `raw control character 0x0a in a string, \u000a would be right`},
		{`"\x"`, 1, `"\\x" is no escape`},
		{`"\u12g4"`, 1, `\u without four hexadecimal digits`},
		{"\"\xff\"", 1, "byte 0xff is not valid UTF-8"},
		{`1 xyz`, 2, `"xyz" where nothing more should be`},
		{strings.Repeat("[", MaxDepth+1), MaxDepth, "nesting deeper than 1000"},
		{strings.Repeat("1", MaxNumberDigits+1), 0, "number of 1001 digits, 1000 is the limit"},
	} {
		s := NewScanner([]byte(tt.in))
		_, err := s.Value()
		if err == nil {
			err = s.Finish()
		}
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != tt.offset || syntax.Msg != tt.text {
			t.Errorf("Value(%.40q) fails with %v, want %s at byte %d", tt.in, err, tt.text, tt.offset)
		}
	}
}

func TestLimitsThemselvesAreAllowed(t *testing.T) {
	for _, in := range []string{
		strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth),
		strings.Repeat(`{"":`, MaxDepth) + "1" + strings.Repeat("}", MaxDepth),
		strings.Repeat("1", MaxNumberDigits),
	} {
		if got, err := NewScanner([]byte(in)).Value(); err != nil || string(got) != in {
			t.Errorf("Value(%.20s…) = %.20s…, %v", in, got, err)
		}
	}
}

func TestLeadingZeros(t *testing.T) {
	for in, want := range map[string]string{
		`01`: `1`, `-007`: `-7`, `[00, 0.5, 000.50, 0, -0, "01"]`: `[0,0.5,0.50,0,-0,"01"]`, `{"a": 0012e3}`: `{"a":12e3}`,
	} {
		s := NewScanner([]byte(in))
		s.LeadingZeros = true
		if got, err := s.Value(); err != nil || string(got) != want {
			t.Errorf("Value(%s) = %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestMembersAndElements(t *testing.T) {
	s := NewScanner([]byte(` { "a" : [ 1 , {"x": 2} ] , "b\u0041" : "q\n" } `))
	var got []string
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Object())
	for {
		name, ok, err := s.Member()
		must(err)
		if !ok {
			break
		}
		got = append(got, string(name))
		kind, err := s.Kind()
		must(err)
		if kind == String {
			text, err := s.Text()
			must(err)
			got = append(got, string(text))
			continue
		}
		must(s.Array())
		for {
			ok, err := s.Element()
			must(err)
			if !ok {
				break
			}
			value, err := s.Value()
			must(err)
			got = append(got, string(value))
		}
	}
	must(s.Finish())
	if diff := cmp.Diff([]string{"a", "1", `{"x":2}`, "bA", "q\n"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestUTF8(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", `{"a":"é"}`, `{"a":"é"}`},
		{"UTF-8 mark", "\xef\xbb\xbf{}", `{}`},
		{"big-endian mark", "\xfe\xff\x00\"\x20\xac\x00\"", `"€"`},
		{"little-endian, no mark", "\"\x00\x3d\xd8\x00\xde\"\x00", `"😀"`},
	} {
		if got, err := UTF8([]byte(tt.in)); err != nil || string(got) != tt.want {
			t.Errorf("%s: UTF8 = %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	for _, in := range []string{"\xfe\xff\x00", "\xfe\xff\xd8\x00", "\xfe\xff\xd8\x00\x00a"} {
		if got, err := UTF8([]byte(in)); err == nil {
			t.Errorf("UTF8(%q) = %q, want an error", in, got)
		}
	}
}

// FuzzValue holds the scanner to the standard library: both accept the same texts, and the
// compacted bytes are the same. The limits and UTF-8 are ours alone.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{`{"a": [1, 2.5e-3, null, true, "x\u00e9\\"]}`, `[[[]]]`, `"\ud83d\ude00"`, `-0.0`, `{"a":1,}`, " \t\n1", `{"":{}}`, `"` + strings.Repeat("é", 9) + `"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s := NewScanner(bytes.Clone(in))
		got, err := s.Value()
		if err == nil {
			err = s.Finish()
		}
		var syntax *SyntaxError
		if err != nil && (!errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(in)) {
			t.Fatalf("Value(%q) fails with %v: want a SyntaxError inside the text", in, err)
		}
		valid := json.Valid(in) && utf8.Valid(in)
		if err != nil && valid && (strings.HasPrefix(syntax.Msg, "nesting") || strings.HasPrefix(syntax.Msg, "number of")) {
			return
		}
		if (err == nil) != valid {
			t.Fatalf("Value(%q) = %v, valid is %v", in, err, valid)
		}
		if err != nil {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, in); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("Value(%q) = %q, want %q", in, got, want.Bytes())
		}
		if len(got) > 0 && got[0] == '"' {
			var text string
			if err := json.Unmarshal(got, &text); err != nil || text != string(Unquote(got)) {
				t.Fatalf("Unquote(%q) = %q, want %q (%v)", got, Unquote(got), text, err)
			}
		}
	})
}

func BenchmarkValue(b *testing.B) {
	record := `{"index":7528,"unique_id":"fbe53c66-3442-4773-b19e-d3ec6f54dddf","title":"Koi tattoos for men","description":"` +
		strings.Repeat("free text, quite plain ", 15) + `","follower_count":"136k","tag_list":"Diy Decor,Fun Crafts"}`
	for name, text := range map[string]string{"compact": record, "spaced": strings.ReplaceAll(record, `":`, `": `)} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, len(text))
			var s Scanner
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				copy(buf, text)
				s.Reset(buf)
				if _, err := s.Value(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
