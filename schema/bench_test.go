package schema

import (
	"testing"

	"github.com/twmb/avro"
)

// The event of the figures: seven fields, 230 bytes of JSON.
const (
	eventSchema = `{"type":"record","name":"Event","fields":[{"name":"index","type":"int"},{"name":"unique_id","type":"string"},{"name":"title","type":"string"},
		{"name":"price","type":"double"},{"name":"kind","type":["null","string"]},{"name":"tags","type":{"type":"array","items":"string"}},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}`
	eventValue = `{"index":7528,"unique_id":"fbe53c66-3442-4773-b19e-d3ec6f54dddf","title":"No Title Data Available","price":12.5,"kind":{"string":"multi-video(story page format)"},"tags":["mens","fashion","summer"],"at":1700000000456}`
)

func BenchmarkAvroEncode(b *testing.B) {
	c := mustAvro(b, eventSchema)
	var dst []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(eventValue)))
	for b.Loop() {
		var err error
		if dst, err = c.encode(dst[:0], []byte(eventValue)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAvroDecode(b *testing.B) {
	c := mustAvro(b, eventSchema)
	data, err := c.encode(nil, []byte(eventValue))
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(eventValue)))
	for b.Loop() {
		if dst, err = c.decode(dst[:0], data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAvroLibrary is what twmb/avro takes for the way to bytes.
func BenchmarkAvroLibrary(b *testing.B) {
	parsed := avro.MustParse(eventSchema)
	b.ReportAllocs()
	b.SetBytes(int64(len(eventValue)))
	var dst []byte
	for b.Loop() {
		var v any
		if err := parsed.DecodeJSON([]byte(eventValue), &v); err != nil {
			b.Fatal(err)
		}
		var err error
		if dst, err = parsed.AppendEncode(dst[:0], v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSONSchemaEncode(b *testing.B) {
	c := mustJSON(b, `{"type":"object","properties":{"index":{"type":"integer"},"unique_id":{"type":"string"},"title":{"type":"string"},"price":{"type":"number"},"kind":{"type":"object"},"tags":{"type":"array","items":{"type":"string"}},"at":{"type":"integer"}},"required":["index"]}`)
	var dst []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(eventValue)))
	for b.Loop() {
		var err error
		if dst, err = c.encode(dst[:0], []byte(eventValue)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProtobufEncode(b *testing.B) {
	c := mustProto(b, `syntax = "proto3"; message Event { int32 index = 1; string unique_id = 2; string title = 3; double price = 4; Kind kind = 5; repeated string tags = 6; int64 at = 7; message Kind { string string = 1; } }`)
	var dst []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(eventValue)))
	for b.Loop() {
		var err error
		if dst, err = c.encode(dst[:0], []byte(eventValue)); err != nil {
			b.Fatal(err)
		}
	}
}
