package main

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestEventsAreCompactPinsOf600Bytes(t *testing.T) {
	events := makeEvents(eventCount)
	seen := make(map[string]bool)
	for i, event := range events {
		if len(event) != eventBytes {
			t.Fatalf("event %d has %d bytes, want %d: %s", i, len(event), eventBytes, event)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, event); err != nil || !bytes.Equal(compact.Bytes(), event) {
			t.Fatalf("event %d is not compact JSON (%v): %s", i, err, event)
		}
		var pin struct {
			Index    *int   `json:"index"`
			Category string `json:"category"`
		}
		if err := json.Unmarshal(event, &pin); err != nil || pin.Index == nil || *pin.Index != i || pin.Category == "" {
			t.Fatalf("event %d is no pin (%v): %s", i, err, event)
		}
		if seen[string(event)] {
			t.Fatalf("event %d came before", i)
		}
		seen[string(event)] = true
	}
	again := makeEvents(eventCount)
	for i := range events {
		if !bytes.Equal(events[i], again[i]) {
			t.Fatalf("event %d differs from run to run", i)
		}
	}
}

func TestBodiesHoldTheEvents(t *testing.T) {
	events := makeEvents(7)
	all := groups(events, 3)
	if len(all) != 2 || len(all[0]) != 3 || !bytes.Equal(all[1][2], events[5]) {
		t.Fatalf("groups of 3 from 7 events: %d groups", len(all))
	}
	var body struct {
		Records []struct{ Value json.RawMessage }
	}
	if err := json.Unmarshal(produceBody(all[0]), &body); err != nil {
		t.Fatal(err)
	}
	if len(body.Records) != 3 || !bytes.Equal(body.Records[2].Value, events[2]) {
		t.Errorf("produceBody holds %d records", len(body.Records))
	}
	var put struct {
		PartitionKey string
		Data         json.RawMessage
	}
	if err := json.Unmarshal(putRecordBody(events[0], `k"1`), &put); err != nil || put.PartitionKey != `k"1` || !bytes.Equal(put.Data, events[0]) {
		t.Errorf("putRecordBody = %+v, %v", put, err)
	}
}
