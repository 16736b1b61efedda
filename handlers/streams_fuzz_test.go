package handlers

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

var streamSeeds = []string{
	`{"Data":{"z":[1, null, true], "a":{"u":"hé"}},"PartitionKey":"p"}`,
	`{"data":"{\"index\":1}","partition-key":7,"explicit-hash-key":"0"}`,
	`{"Data":"\ud83d\ude00\ud800","PartitionKey":"p\"q","SequenceNumberForOrdering":"49"}`,
	`{"Data":null,"PartitionKey":""}`, `{"Data":`, `null`, `[]`, ``, "\xff\xfe{\x00}\x00", `{"Data":-0.1e+9,"PartitionKey":true}`,
}

// fuzzStreams sends text to path: whatever it is, the answer is 200 or the client's fault.
func fuzzStreams(t *testing.T, g *streamsGateway, path, text string) (accepted bool) {
	t.Helper()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "PUT", path, strings.NewReader(text)))
	if w.Code != 200 && w.Code != 400 && w.Code != 413 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if w.Code != 200 {
		kinesisError(t, w)
	}
	return w.Code == 200
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
	g := startStreams(f, healthyKinesis, nil)
	f.Fuzz(func(t *testing.T, text string) {
		g.kinesis.reset()
		if !fuzzStreams(t, g, "/streams/s1/record", text) || strings.IndexByte(text, 0) >= 0 {
			return // refused, or UTF-16
		}
		var sent sentRecord
		if err := json.Unmarshal([]byte(g.kinesis.seen()[0].body), &sent); err != nil {
			t.Fatalf("upstream body %q: %v", g.kinesis.seen()[0].body, err)
		}
		if repeats(text) {
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
	g := startStreams(f, healthyKinesis, nil)
	f.Fuzz(func(t *testing.T, text string) {
		g.kinesis.reset()
		if !fuzzStreams(t, g, "/streams/s1/records", text) || strings.IndexByte(text, 0) >= 0 {
			return
		}
		var sent struct{ Records []sentRecord }
		if err := json.Unmarshal([]byte(g.kinesis.seen()[0].body), &sent); err != nil || len(sent.Records) == 0 {
			t.Fatalf("upstream body %q: %v", g.kinesis.seen()[0].body, err)
		}
		if repeats(text) {
			return
		}
		var records []json.RawMessage
		m := members(t, bytes.TrimPrefix([]byte(text), []byte("\xef\xbb\xbf")))
		if err := json.Unmarshal(first(m, "records", "Records"), &records); err != nil || len(records) != len(sent.Records) {
			t.Fatalf("%d records sent of %d: %v", len(sent.Records), len(records), err)
		}
		for i, raw := range records {
			m := members(t, raw)
			data := first(m, "data", "Data")
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
				fuzzStreams(t, g, "/streams/s1/record", text)
				fuzzStreams(t, g, "/streams/s1/records", `{"records":[`+text+`]}`)
				w := g.do(t, "POST", "/streams/s1", "", &text)
				if w.Code != 200 && w.Code != 400 {
					t.Errorf("create with %q: status %d: %s", text, w.Code, w.Body)
				}
				n += 3
			}
		}
		g.kinesis.reset()
	}
	if n < 10_000 {
		t.Errorf("only %d bodies", n)
	}
}
