package handlers

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"headrace/kinesisclient"
)

var streamSeeds = []string{
	`{"Data":{"z":[1, null, true], "a":{"u":"hé"}},"PartitionKey":"p"}`,
	`{"data":"{\"index\":1}","partition-key":7,"explicit-hash-key":"0"}`,
	`{"Data":"\ud83d\ude00\ud800","PartitionKey":"p\"q","SequenceNumberForOrdering":"49"}`,
	`{"Data":null,"PartitionKey":""}`, `{"Data":`, `null`, `[]`, ``, "\xff\xfe{\x00}\x00", `{"Data":-0.1e+9,"PartitionKey":true}`,
}

// refusedBody tells whether a body was refused, which must be the client's fault.
func refusedBody(t *testing.T, err error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	var s Streams
	if status, name, message, _ := s.explain(err); status != 400 || message == "" {
		t.Errorf("status %d %s %q of error %v", status, name, message, err)
	}
	return true
}

// members reads an object with the standard library, the last of equal names and no null.
func members(t *testing.T, text []byte) map[string]json.RawMessage {
	t.Helper()
	m := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%q was accepted: %v", text, err)
	}
	return m
}

// first returns the first of the names that m has with another value than null.
func first(m map[string]json.RawMessage, names ...string) json.RawMessage {
	for _, name := range names {
		if raw := m[name]; raw != nil && string(raw) != "null" {
			return raw
		}
	}
	return nil
}

func compacted(t *testing.T, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, raw); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// plain is what a JSON value is as text: a string's own, any other as it is written.
func plain(t *testing.T, raw []byte) string {
	t.Helper()
	if raw[0] != '"' {
		return string(raw)
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// repeats tells whether the text may hold one name twice or a null beside a value: there the
// oracle, which keeps the last, says nothing.
func repeats(text string) bool {
	for _, name := range []string{"ata", "artition", "rder", "ecords", "xplicit", "null", `\`} {
		if strings.Count(text, name) > 1 {
			return true
		}
	}
	return false
}

func FuzzRecordBody(f *testing.F) {
	for _, seed := range streamSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := appendPutRecord(nil, "s1", []byte(text))
		if refusedBody(t, err) {
			return
		}
		var sent sentRecord
		if err := json.Unmarshal(out, &sent); err != nil {
			t.Fatalf("upstream body %q: %v", out, err)
		}
		if repeats(text) || strings.IndexByte(text, 0) >= 0 { // UTF-16
			return
		}
		m := members(t, bytes.TrimPrefix([]byte(text), []byte("\xef\xbb\xbf")))
		if want := compacted(t, first(m, "Data", "data")); !bytes.Equal(sent.Data, want) {
			t.Errorf("stored %q, want %q", sent.Data, want)
		}
		if want := plain(t, first(m, "PartitionKey", "partition-key", "partitionKey")); sent.PartitionKey != want {
			t.Errorf("key %q, want %q", sent.PartitionKey, want)
		}
	})
}

func FuzzRecordsBody(f *testing.F) {
	for _, seed := range streamSeeds {
		f.Add(`{"records":[` + seed + `]}`)
		f.Add(seed)
	}
	f.Add(`{"Records":[{"data":1,"partition-key":"p"}],"records":[{"data":"x","partition-key":"q"},{"data":[],"partition-key":"r"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		d := batchDecoder{batch: &kinesisclient.Batch{Body: new(kinesisclient.Body)}, limit: kinesisclient.MaxRecords, keys: true}
		if refusedBody(t, d.decode("s1", []byte(text))) {
			return
		}
		out := d.batch.Body.Bytes
		var sent struct{ Records []sentRecord }
		if err := json.Unmarshal(out, &sent); err != nil || len(sent.Records) == 0 || len(sent.Records) != len(d.batch.Entries) {
			t.Fatalf("upstream body %q with %d entries: %v", out, len(d.batch.Entries), err)
		}
		for i, e := range d.batch.Entries {
			var r sentRecord
			if err := json.Unmarshal(out[e.Start:e.End], &r); err != nil || e.Size != len(r.Data)+len(e.Key) {
				t.Errorf("entry %d is %q of size %d: %v", i, out[e.Start:e.End], e.Size, err)
			}
		}
		if repeats(text) || strings.IndexByte(text, 0) >= 0 { // UTF-16
			return
		}
		var records []json.RawMessage
		m := members(t, bytes.TrimPrefix([]byte(text), []byte("\xef\xbb\xbf")))
		if err := json.Unmarshal(first(m, "records", "Records"), &records); err != nil || len(records) != len(sent.Records) {
			t.Fatalf("%d records sent of %d: %v", len(sent.Records), len(records), err)
		}
		for i, raw := range records {
			data := first(members(t, raw), "data", "Data")
			want := compacted(t, data)
			if data[0] == '"' {
				want = []byte(plain(t, data))
			}
			if !bytes.Equal(sent.Records[i].Data, want) {
				t.Errorf("record %d: stored %q, want %q", i, sent.Records[i].Data, want)
			}
		}
	})
}

// TestStreamsMutatedBodies sends thousands of damaged bodies to the three routes that read one.
func TestStreamsMutatedBodies(t *testing.T) {
	g := startStreams(t, healthyKinesis, nil)
	n := 0
	for _, seed := range append(streamSeeds, `{"ShardCount":"3","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`) {
		for at := range len(seed) {
			for _, c := range []string{"", "\x00", "\"", "{", "]", ",", "\xff", "9", "null", " "} {
				text := seed[:at] + c + seed[at+1:]
				for path, body := range map[string]string{"": text, "/record": text, "/records": `{"records":[` + text + `]}`} {
					w := g.do(t, "POST", "/streams/s1"+path, "", &body)
					if w.Code != 200 && w.Code != 400 {
						t.Errorf("%s with %q: status %d: %s", path, body, w.Code, w.Body)
					}
					n++
				}
			}
		}
		g.kinesis.reset()
	}
	if n < 10_000 {
		t.Errorf("only %d bodies", n)
	}
}
