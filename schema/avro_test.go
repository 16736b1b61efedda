package schema

import (
	"encoding/hex"
	"strings"
	"testing"
)

const pinSchema = `{"type":"record","name":"Pin","namespace":"test","fields":[
	{"name":"id","type":"long"},
	{"name":"tag","type":["null","string"],"default":null},
	{"name":"blob","type":"bytes","default":""},
	{"name":"hash","type":{"type":"fixed","name":"H","size":2}},
	{"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]}},
	{"name":"at","type":["null",{"type":"long","logicalType":"timestamp-millis"}]},
	{"name":"list","type":{"type":"array","items":"int"}},
	{"name":"map","type":{"type":"map","values":["null","double",{"type":"record","name":"In","fields":[{"name":"f","type":"float"}]}]}},
	{"name":"ok","type":"boolean"}]}`

func mustAvro(t testing.TB, text string) valueCodec {
	t.Helper()
	c, _, err := newAvro(text, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The bytes are those of Avro's specification, written out by hand.
func TestAvroBytes(t *testing.T) {
	c := mustAvro(t, pinSchema)
	value := `{"id":-3,"tag":{"string":"é"},"blob":"a\u00ff","hash":"\u0000ÿ","kind":"B","at":{"long":1},"list":[1,-64,64],` +
		`"map":{"x":null,"y":{"double":1.0},"z":{"test.In":{"f":0.5}}},"ok":true}`
	want := strings.ReplaceAll("05 02 04c3a9 04 61ff 00ff 02 02 02 06 02 7f 8001 00 06 0278 00 0279 02 000000000000f03f 027a 04 0000003f 00 01", " ", "")
	got, err := c.encode(nil, []byte(value))
	if err != nil || hex.EncodeToString(got) != want {
		t.Fatalf("got %x, %v\nwant %s", got, err, want)
	}
	back, err := c.decode(nil, got)
	if text := strings.Replace(value, `\u00ff`, "ÿ", 1); err != nil || string(back) != text {
		t.Errorf("back: %s, %v\nwant %s", back, err, text)
	}
	// Members in any order, unknown ones between, the last of two, white space: the same bytes.
	mixed := `{ "ok" : false, "map":{"x":null,"y":{"double":1},"z":{"test.In":{"f":5e-1}}} ,"zz":[{"a":"]"}],"list":[1, -64,64],"at":{"long":1},
		"kind":"\u0042","hash":"\u0000ÿ","blob":"aÿ","tag":{"string":"\u00e9"},"id":-3,"ok":true}`
	if got, err := c.encode(nil, []byte(mixed)); err != nil || hex.EncodeToString(got) != want {
		t.Errorf("mixed: %x, %v\nwant %s", got, err, want)
	}
}

func TestAvroMisfits(t *testing.T) {
	for _, tt := range []struct{ schema, value, want string }{
		{`"int"`, `"1"`, "Expected int. Got VALUE_STRING"},
		{`"int"`, `1.0`, "Expected int. Got VALUE_NUMBER_FLOAT"},
		{`"int"`, `2147483648`, "Numeric value (2147483648) out of range of int (-2147483648 - 2147483647)"},
		{`"long"`, `"1"`, "Expected long. Got VALUE_STRING"},
		{`"long"`, `9223372036854775808`, "Numeric value (9223372036854775808) out of range of long (-9223372036854775808 - 9223372036854775807)"},
		{`"double"`, `true`, "Expected double. Got VALUE_TRUE"},
		{`"boolean"`, `null`, "Expected boolean. Got VALUE_NULL"},
		{`"string"`, `{}`, "Expected string. Got START_OBJECT"},
		{`"null"`, `0`, "Expected null. Got VALUE_NUMBER_INT"},
		{`"bytes"`, `"€"`, "bytes is text of the characters U+0000 to U+00FF, one for each byte: got U+20AC"},
		{`{"type":"fixed","name":"F","size":2}`, `"abc"`, "Expected fixed length 2, but got3"},
		{`{"type":"enum","name":"E","symbols":["A"]}`, `"B"`, "Unknown symbol in enum B"},
		{`["null","string"]`, `"x"`, "Expected start-union. Got VALUE_STRING"},
		{`["null","string"]`, `{"int":1}`, "Unknown union branch int"},
		{`["int","string"]`, `null`, "Unknown union branch null"},
		{`["int","string"]`, `{"int":1,"string":"x"}`, "Expected end-union. Got null"},
		{`{"type":"array","items":"int"}`, `{}`, "Expected array-start. Got START_OBJECT"},
		{`{"type":"map","values":"int"}`, `[]`, "Expected map-start. Got START_ARRAY"},
		{`{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1}]}`, `{}`, "Expected field name not found: a"},
		{`{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`, `[1]`, "Expected record-start. Got START_ARRAY"},
		{`"int"`, `1 2`, "Expected the end. Got VALUE_NUMBER_INT"},
	} {
		got, err := mustAvro(t, tt.schema).encode([]byte("x"), []byte(tt.value))
		if err == nil || !strings.HasPrefix(err.Error(), strings.TrimSuffix(tt.want, "null")) {
			t.Errorf("%s for %s: %v, want %q", tt.value, tt.schema, err, tt.want)
		}
		_ = got
	}
}

func TestAvroTakes(t *testing.T) {
	for _, tt := range []struct{ schema, value, want, back string }{
		{`"double"`, `7`, "0000000000001c40", `7.0`},
		{`"double"`, `-0.0`, "0000000000000080", `-0.0`},
		{`"double"`, `1e7`, "00000000d0126341", `1.0E7`},
		{`"double"`, `0.0001`, "2d431cebe2361a3f", `1.0E-4`},
		{`"double"`, `1e999`, "000000000000f07f", `"Infinity"`},
		{`"double"`, `"NaN"`, "010000000000f87f", `"NaN"`},
		{`"float"`, `1.1`, "cdcc8c3f", `1.1`},
		{`"long"`, `-9223372036854775808`, "ffffffffffffffffff01", `-9223372036854775808`},
		{`"string"`, `"😀\ud83d\ude00\ud83d\n"`, "14f09f9880f09f98803f0a", `"\uD83D\uDE00\uD83D\uDE00?\n"`},
		{`"bytes"`, `"ab"`, "6162", `"ab"`}, // bare: Confluent's serializers write no length at the top
		{`{"type":"array","items":"null"}`, `[]`, "00", `[]`},
		{`{"type":"map","values":"int"}`, `{}`, "00", `{}`},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, `"\u0001"`, "01", `"\u0001"`},
		{`{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}`, `{"next":{"L":{"next":null}}}`, "0200", `{"next":{"L":{"next":null}}}`},
		{`{"type":"record","name":"R","fields":[{"name":"a","type":"int","aliases":["b"]}]}`, `{"b":1}`, "02", `{"a":1}`},
	} {
		c := mustAvro(t, tt.schema)
		got, err := c.encode(nil, []byte(tt.value))
		if err != nil || hex.EncodeToString(got) != tt.want {
			t.Errorf("%s for %s: %x, %v, want %s", tt.value, tt.schema, got, err, tt.want)
			continue
		}
		if back, err := c.decode(nil, got); err != nil || string(back) != tt.back {
			t.Errorf("%s of %s: %s, %v, want %s", tt.want, tt.schema, back, err, tt.back)
		}
	}
}

func TestLongBlocksGetTheirCount(t *testing.T) {
	c := mustAvro(t, `{"type":"array","items":"int"}`)
	for _, n := range []int{1, 63, 64, 8191, 8192, 100_000} {
		value := "[" + strings.TrimSuffix(strings.Repeat("7,", n), ",") + "]"
		got, err := c.encode([]byte("before"), []byte(value))
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.decode(nil, got[len("before"):])
		if err != nil || string(back) != value {
			t.Errorf("%d items come back as %d bytes of %d, %v", n, len(back), len(value), err)
		}
	}
}

func TestHostileAvroBytesAreRefused(t *testing.T) {
	for _, tt := range []struct{ schema, data, want string }{
		{`{"type":"array","items":"null"}`, "feffffffffffffffff01", "becomes text of more than"},
		{`{"type":"record","name":"L","fields":[{"name":"next","type":"L"}]}`, "00", "nested more than"},
		{`"string"`, "7f", "negative"},
		{`"string"`, "feffffffffffffffff01", "end in the middle"},
		{`"int"`, "feffffffffffffffff01", "more than 32 bits"},
		{`"long"`, "ffffffffffffffffffffff", "more than 64 bits"},
		{`{"type":"enum","name":"E","symbols":["A"]}`, "02", "no symbol 1"},
		{`["null"]`, "04", "none of number 2"},
		{`"null"`, "00", "1 bytes are left"},
		{`"boolean"`, "", "end in the middle"},
	} {
		data, err := hex.DecodeString(tt.data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mustAvro(t, tt.schema).decode(nil, data); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %s: %v, want %q", tt.data, tt.schema, err, tt.want)
		}
	}
}
