package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"headrace/rawjson"
	"headrace/record"
)

// FuzzReadRecord holds the reader of records to the standard library: what is well-formed is never
// called malformed, what is a record has no member that records do not have, and no input of any
// kind breaks the reader or what makes a Kafka record of it.
func FuzzReadRecord(f *testing.F) {
	for _, seed := range []string{
		`{"partition_id":0,"headers":[{"name":"h","value":"djE="}],"key":{"type":"BINARY","data":"a2V5"},"value":{"type":"JSON","data":{"a": 1}},"timestamp":"2021-02-05T19:14:42Z"}`,
		`{"value":{"data":"x","type":"STRING"},"timestamp":1612552482.5}`, `{"value":{"schema_id":1,"data":null}}`, `[1]`, `null`, `{"zzz":{"a":[}}`, `{"key":{"type":"XML"}}`,
		`{"headers":[{"name":"a"},{"name":"b"},{"name":"a","value":null}],"partition_id":"1"}`,
	} {
		f.Add([]byte(seed))
	}
	h := &Handlers{schemas: noSchemas(f, nil), cfg: DefaultConfig()}
	f.Fuzz(func(t *testing.T, in []byte) {
		var d recordReader
		var rec v3Record
		fault, err := d.read(bytes.Clone(in), &rec)
		var syntax *rawjson.SyntaxError
		if err != nil && !errors.As(err, &syntax) {
			t.Fatalf("read(%q) fails with %v, want a SyntaxError", in, err)
		}
		valid := json.Valid(in) && utf8.Valid(in)
		if limited := err != nil && (strings.HasPrefix(syntax.Msg, "nesting") || strings.HasPrefix(syntax.Msg, "number of")); valid != (err == nil) && !limited {
			t.Fatalf("read(%q) = %v, %v; valid is %v", in, fault, err, valid)
		}
		if err != nil {
			return
		}
		var members map[string]json.RawMessage
		if object := json.Unmarshal(in, &members) == nil && members != nil; !object && fault == nil {
			t.Fatalf("read(%q) takes what is no object", in)
		}
		for name := range members {
			if !slices.Contains([]string{"partition_id", "headers", "key", "value", "timestamp"}, name) && fault == nil {
				t.Fatalf("read(%q) takes the member %q", in, name)
			}
		}
		if fault != nil {
			if code, message := receiptError("t", fault); code != 400 || strings.Contains(message, "\n") {
				t.Fatalf("read(%q): receipt %d %q", in, code, message)
			}
			return
		}
		var out record.Record
		if err := h.serialize(t.Context(), "t", &rec, &out); err != nil {
			if code, _ := receiptError("t", err); code >= 500 && code < 600 {
				t.Fatalf("serialize(%q): %v is a fault of ours", in, err)
			}
			return
		}
		if size := rec.value.size; rec.value.given && size != len(out.Value) && (size != -1 || out.Value != nil) {
			t.Fatalf("serialize(%q): size %d of %q", in, size, out.Value)
		}
	})
}
