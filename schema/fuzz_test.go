package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"
	"pgregory.net/rapid"
)

// fuzzSchemas are walked by number.
var fuzzSchemas = []string{
	pinSchema,
	`"string"`, `"double"`, `"long"`, `"float"`, `["null","int","string",{"type":"array","items":"bytes"}]`,
	`{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"]}]}`,
	`{"type":"map","values":{"type":"array","items":["null",{"type":"fixed","name":"F","size":3}]}}`,
	`{"type":"array","items":"null"}`,
}

// FuzzAvroEncode: what is taken comes back as the same value, and the library that we do not walk with
// reads the same from our bytes.
func FuzzAvroEncode(f *testing.F) {
	for i := range fuzzSchemas {
		for _, text := range []string{
			`{"id":-3,"tag":{"string":"é"},"blob":"a\u00ff","hash":"\u0000ÿ","kind":"B","at":{"long":1},"list":[1,-64,64],"map":{"x":null},"ok":true}`,
			`"x\ud83d\ude00"`, `1.5e-3`, `-7`, `null`, `{"string":"x"}`, `{"array":["\u00ff"]}`, `{"next":{"L":{"v":1,"next":null}},"v":2,"v":3}`, `{"a":[null,{"F":"abc"}]}`, `[null,null]`,
		} {
			f.Add(i, []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, i int, text []byte) {
		if i < 0 || i >= len(fuzzSchemas) {
			return
		}
		c := mustAvro(t, fuzzSchemas[i])
		data, err := c.encode(nil, text)
		if err != nil || !json.Valid(text) || !utf8.Valid(text) {
			return // what is no JSON never comes here: it only must not break anything
		}
		sameAsLibrary(t, fuzzSchemas[i], c, data)
		back, err := c.decode(nil, data)
		if err != nil {
			t.Fatalf("%s was written, %x cannot be read: %v", text, data, err)
		}
		again, err := c.encode(nil, back)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%s became %x, and its text %s %x, %v", text, data, back, again, err)
		}
	})
}

// FuzzAvroDecode: any bytes are read as the library reads them, or refused.
func FuzzAvroDecode(f *testing.F) {
	for i := range fuzzSchemas {
		f.Add(i, []byte("\x05\x02\x04\xc3\xa9\x04\x61\xff\x00\xff\x02\x02\x02\x06\x02\x7f\x80\x01\x00\x06\x02x\x00\x00\x01"))
		f.Add(i, []byte("\x02\x00"))
		f.Add(i, []byte("\x03\x04\x02\x02\x00\x00"))
	}
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		if i < 0 || i >= len(fuzzSchemas) {
			return
		}
		sameAsLibrary(t, fuzzSchemas[i], mustAvro(t, fuzzSchemas[i]), data)
	})
}

// sameAsLibrary compares what our walk and twmb/avro read from data.
func sameAsLibrary(t *testing.T, schema string, c valueCodec, data []byte) {
	t.Helper()
	text, err := c.decode(nil, data)
	if err != nil {
		return
	}
	if !json.Valid(text) {
		t.Fatalf("%x becomes %s", data, text)
	}
	parsed := avro.MustParse(schema)
	var v any
	if _, err := parsed.Decode(data, &v); err != nil {
		t.Fatalf("%x is %s here, there %v", data, text, err)
	}
	want, err := parsed.EncodeJSON(v, avro.TaggedUnions())
	if err != nil {
		t.Fatalf("%x is %s here, there %v", data, text, err)
	}
	if diff := cmp.Diff(parsedJSON(t, want), parsedJSON(t, text)); diff != "" {
		t.Fatalf("%x (- there, + here): %s", data, diff)
	}
}

func parsedJSON(t *testing.T, text []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return floats(v)
}

// TestAvroAgainstTheLibrary is the same with random schemas.
func TestAvroAgainstTheLibrary(t *testing.T) {
	rapid.Check(t, propAvro)
}

// FuzzAvroSchemas lets the fuzzer choose the random schemas.
func FuzzAvroSchemas(f *testing.F) { f.Fuzz(rapid.MakeFuzz(propAvro)) }

func propAvro(t *rapid.T) {
	x := drawAvro(t)
	c, _, err := newAvro(x.schema, nil, true)
	if err != nil {
		t.Fatalf("%s: %v", x.schema, err)
	}
	data, err := c.encode(nil, []byte(x.value))
	if err != nil {
		t.Fatalf("%s for %s: %v", x.value, x.schema, err)
	}
	parsed := avro.MustParse(x.schema)
	var v any
	if err := parsed.DecodeJSON([]byte(x.value), &v, avro.TaggedUnions()); err != nil {
		t.Fatalf("the library does not read %s for %s: %v", x.value, x.schema, err)
	}
	want, err := parsed.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, data) && !strings.Contains(x.value, `"k1"`) { // the order of a map is nobody's
		t.Fatalf("%s for %s: %x, the library writes %x", x.value, x.schema, data, want)
	}
}

// TestJSONAgainstItself: values that fit are stored as they are but for white space; spoilt ones are refused or stored,
// and never change.
func TestJSONAgainstItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawJSON(t)
		c, _, err := newJSON(x.schema, nil, true)
		if err != nil {
			t.Fatalf("%s: %v", x.schema, err)
		}
		for _, value := range []string{x.value, spoilt(t, x.value)} {
			var want bytes.Buffer
			if err := json.Compact(&want, []byte(value)); err != nil {
				t.Fatal(err)
			}
			data, err := c.encode(nil, []byte(value))
			if err != nil && value == x.value {
				t.Fatalf("%s for %s: %v", value, x.schema, err)
			}
			if err == nil && !bytes.Equal(data, want.Bytes()) {
				t.Fatalf("%s is stored as %s", value, data)
			}
			if _, back := c.decode(nil, []byte(value)); (back == nil) != (err == nil) {
				t.Fatalf("%s: writing %v, reading %v", value, err, back)
			}
		}
	})
}

// FuzzJSONSchema: what is taken is stored as json.Compact would.
func FuzzJSONSchema(f *testing.F) {
	const schema = `{"type":["object","array","string","integer","null"],"properties":{"a":{"type":"integer"},"b":{"$ref":"#"}},"items":{"type":"number"}}`
	for _, text := range []string{`{"a":1,"b":{"a":2}}`, ` [ 1.5 , 2e3 ] `, `"x \u00e9 \" "`, `{"a":2.0}`, `1e999999999`, `null`} {
		f.Add([]byte(text))
	}
	c := mustJSON(f, schema)
	f.Fuzz(func(t *testing.T, text []byte) {
		data, err := c.encode(nil, text)
		if err != nil {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, text); err != nil {
			t.Fatalf("%q is no JSON and was taken: %v", text, err)
		}
		if !bytes.Equal(data, want.Bytes()) {
			t.Fatalf("%q is stored as %q, want %q", text, data, want.Bytes())
		}
	})
}

// FuzzProtobuf: what is taken as JSON comes back as JSON of the same bytes; any bytes are read or refused.
func FuzzProtobuf(f *testing.F) {
	for _, text := range []string{`{"pinId":"7","tag":"x","kind":1,"ns":[1],"subs":{"a":{"s":"b"}},"at":"1970-01-01T00:00:01Z","maybe":5,"any":{"x":[null]},"d":"NaN"}`, `{"b":false}`, "\x00\x08\x07", "\x04\x00\x00\x0a\x01x", "\x02\x02\x08\x05"} {
		f.Add([]byte(text))
	}
	c := mustProto(f, pinProto)
	f.Fuzz(func(t *testing.T, text []byte) {
		if back, err := c.decode(nil, text); err == nil && !json.Valid(back) {
			t.Fatalf("%x becomes %s", text, back)
		}
		data, err := c.encode([]byte{0}, text)
		if err != nil {
			return
		}
		back, err := c.decode(nil, data)
		if err != nil {
			t.Fatalf("%s was written, %x cannot be read: %v", text, data, err)
		}
		again, err := c.encode([]byte{0}, back)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%s became %x, and its text %s %x, %v", text, data, back, again, err)
		}
	})
}

// FuzzDecode: any bytes of a topic give JSON, or an error of the kind that says so.
func FuzzDecode(f *testing.F) {
	s := newFake(f)
	for _, q := range []Query{{Topic: "a", Format: Avro, Text: pinSchema}, {Topic: "j", Format: JSONSchema, Text: `{"type":"object"}`}, {Topic: "p", Format: Protobuf, Text: pinProto}} {
		if _, err := s.Codec(f.Context(), q); err != nil {
			f.Fatal(err)
		}
	}
	for _, data := range []string{"", "\x00", "\x01\x00\x00\x00\x01", "\x00\x00\x00\x00\x01\x02", "\x00\x00\x00\x00\x02{}", "\x00\x00\x00\x00\x03\x00\x08\x07", "\x00\xff\xff\xff\xff"} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if id, _, err := readPrefix(data); err == nil && (id < 1 || id > 3) {
			return // the registry is asked
		}
		text, _, err := s.Decode(t.Context(), data)
		var broken *DataError
		if err == nil && !json.Valid(text) || err != nil && !errors.As(err, &broken) {
			t.Fatalf("%x: %s, %v", data, text, err)
		}
	})
}
