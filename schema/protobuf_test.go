package schema

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
)

func mustProto(t testing.TB, text string, refs ...reference) *protoCodec {
	t.Helper()
	c, _, err := newProto(t.Context(), text, refs)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*protoCodec)
}

const pinProto = `syntax = "proto3"; package test;
import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto";
message Pin {
  int64 pin_id = 1; string tag = 2; Kind kind = 3; repeated int32 ns = 4; map<string, Sub> subs = 5;
  google.protobuf.Timestamp at = 6; google.protobuf.Int32Value maybe = 7; optional int32 opt = 8; bytes blob = 9;
  oneof choice { string a = 10; bool b = 11; } double d = 12; google.protobuf.Struct any = 13; uint64 u = 14;
  message Sub { string s = 1; message Deep { int32 x = 1; } }
  enum Kind { NONE = 0; SOME = 1; }
}
message Other { int32 x = 1; }`

func TestProtobufBytes(t *testing.T) {
	c := mustProto(t, pinProto)
	for _, tt := range []struct{ value, want, back string }{
		{`{}`, "", `{"pinId":"0","tag":"","kind":"NONE","ns":[],"subs":{},"blob":"","d":0,"u":"0"}`},
		{`{"pinId":"7","tag":"x"}`, "0807120178", `{"pinId":"7","tag":"x","kind":"NONE","ns":[],"subs":{},"blob":"","d":0,"u":"0"}`},
		{`{"pin_id":7,"kind":1,"opt":0}`, "080718014000", `{"pinId":"7","tag":"","kind":"SOME","ns":[],"subs":{},"opt":0,"blob":"","d":0,"u":"0"}`},
		{
			`{"kind":"SOME","ns":["1",2],"at":"1970-01-01T00:00:01Z","maybe":5,"b":false,"d":"NaN"}`,
			"180122020102320208013a020805" + "61010000000000f87f" + "5800",
			`{"pinId":"0","tag":"","kind":"SOME","ns":[1,2],"subs":{},"at":"1970-01-01T00:00:01Z","maybe":5,"blob":"","b":false,"d":"NaN","u":"0"}`,
		},
	} {
		got, err := c.encode(nil, []byte(tt.value))
		if err != nil || hex.EncodeToString(got) != tt.want {
			t.Errorf("%s: %x, %v, want %s", tt.value, got, err, tt.want)
			continue
		}
		back, err := c.decode(nil, append([]byte{0}, got...))
		if err != nil || string(back) != tt.back {
			t.Errorf("%s: back %s, %v\nwant %s", tt.value, back, err, tt.back)
		}
	}
}

func TestProtobufMisfits(t *testing.T) {
	c := mustProto(t, pinProto)
	for value, want := range map[string]string{
		`{"zz":1}`:           `unknown field "zz"`,
		`{"pinId":"x"}`:      `invalid value for int64 field pinId: "x"`,
		`{"kind":"MANY"}`:    `invalid value for enum field kind: "MANY"`,
		`{"a":"x","b":true}`: `error parsing "b", oneof test.Pin.choice is already set`,
		`null`:               `Expect message object but got: null`,
		`[]`:                 `Expect message object but got: []`,
		`{"ns":5}`:           `unexpected token 5`,
		`{"u":-1}`:           `invalid value for uint64 field u: -1`,
	} {
		if _, err := c.encode(nil, []byte(value)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
}

// TestMessageIndexes: a reader takes any message of the file, by Confluent's list of indexes.
func TestMessageIndexes(t *testing.T) {
	c := mustProto(t, pinProto)
	for data, want := range map[string]string{
		"00" + "0807":       `{"pinId":"7"`,
		"0202" + "0805":     `{"x":5}`, // one index: 1
		"040000" + "0a0178": `{"s":"x"}`,
		"06000000" + "0803": `{"x":3}`, // Pin.Sub.Deep
	} {
		raw, err := hex.DecodeString(data)
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.decode(nil, raw)
		if err != nil || !strings.HasPrefix(string(back), want) {
			t.Errorf("%s: %s, %v, want %s", data, back, err, want)
		}
	}
	for data, want := range map[string]string{"": "broken", "01": "broken", "0204": "no message of indexes [2]", "ffffffffffffffffffff": "broken", "02": "broken", "00ff": "cannot parse"} {
		raw, err := hex.DecodeString(data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.decode(nil, raw); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", data, err, want)
		}
	}
}

func TestProtobufSchemas(t *testing.T) {
	refs := []reference{{"other.proto", `syntax = "proto3"; package o; message O { int32 x = 1; }`}}
	for _, tt := range []struct {
		name, text, want string
		refs             []reference
	}{
		{"a reference", `syntax = "proto3"; import "other.proto"; message M { o.O o = 1; }`, "0a020805", refs},
		{"its serialized form", base64Proto(t, refs[0].text), "", nil},
		{"Confluent's own imports", `syntax = "proto3"; import "confluent/meta.proto"; import "confluent/type/decimal.proto"; option (confluent.file_meta).doc = "x"; message M { message O { int32 x = 1; } O o = 1; confluent.type.Decimal d = 2; }`, "0a020805", nil},
		{"proto2", `syntax = "proto2"; message M { message O { required int32 x = 1; } optional O o = 1; }`, "0a020805", nil},
	} {
		c := mustProto(t, tt.text, tt.refs...)
		if tt.want == "" {
			continue
		}
		got, err := c.encode(nil, []byte(`{"o":{"x":5}}`))
		if err != nil || hex.EncodeToString(got) != tt.want {
			t.Errorf("%s: %x, %v", tt.name, got, err)
		}
	}
	for text, want := range map[string]string{
		`syntax = "proto3";`: "no message",
		`syntax = "proto3"; import "zz.proto"; message M {}`: `"zz.proto" is not among the schema's references`,
		`message`: "syntax error",
	} {
		if _, _, err := newProto(t.Context(), text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// base64Proto is a schema as Confluent's Python client registers it.
func base64Proto(t *testing.T, text string) string {
	t.Helper()
	data, err := proto.Marshal(protodesc.ToFileDescriptorProto(mustProto(t, text).file))
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(data)
}

// A message of no bytes with many fields, many times: little data, much text.
func TestProtobufTextIsBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString(`syntax = "proto3"; message M { repeated E e = 1; message E {`)
	for i := range 1000 {
		text.WriteString("int32 a_long_name_of_a_field_" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + "_" + hex.EncodeToString([]byte{byte(i >> 8), byte(i)}) + " = " + strconv.Itoa(i+1) + ";")
	}
	text.WriteString("} }")
	c := mustProto(t, text.String())
	data := append([]byte{0}, strings.Repeat("\x0a\x00", 100_000)...)
	if _, err := c.decode(nil, data); err == nil || !strings.Contains(err.Error(), "becomes text of more than") {
		t.Errorf("100,000 empty messages of 1,000 fields: %v", err)
	}
}
