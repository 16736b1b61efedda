package conformance

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// recordedLines are calls of Confluent kafka-rest 8.1.5 with Kafka 4.1.1 (one broker, num.partitions=4, topics made when
// missing) and its answers, in the order in which they were recorded: the whole API v2.
//
//go:embed testdata/confluent-v2.jsonl
var recordedLines string

// exchange is one recorded call and its answer.
type exchange struct {
	Name        string            `json:"name"`
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Headers     map[string]string `json:"headers"`
	Body        *string           `json:"body"`
	Status      int               `json:"status"`
	ContentType *string           `json:"response_content_type"`
	Answer      string            `json:"response_body"`

	ResponseHeaders map[string]string `json:"response_headers"` // in lower case
}

// different names each recorded exchange that headrace answers otherwise on purpose, and how.
var different = map[string]struct {
	status int
	why    string
}{
	"produce-json-negative-partition": {400, "the reference's 500 is a defect: refused before anything is sent"},
	"produce-to-partition-negative":   {400, "the reference's 500 is a defect: refused before anything is sent"},
	"records-not-subscribed":          {409, "the reference's 500 is a defect: 40903 says what is missing"},
	"commit-empty-object":             {200, "the reference's 500 is a defect: as good as no body"},
	"commit-bad":                      {422, "the reference's 500 is a defect: an entry without an offset is named"},
	"records-json-undecodable":        {200, "the records before the undecodable one are delivered first, the next read is the 408"},
}

// recorded replays the recording.
func (s *suite) recorded(t *testing.T) {
	lines := strings.ReplaceAll(recordedLines, "gold-", s.prefix)
	lines = strings.NewReplacer("/consumers/grp", "/consumers/"+s.prefix+"grp", "/consumers/nogrp", "/consumers/"+s.prefix+"nogrp").Replace(lines)
	var polls []exchange // after a subscription, which are compared together
	for line := range strings.Lines(lines) {
		var x exchange
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		if x.Name == "records-first-poll" || x.Name == "records-json-poll" {
			polls = append(polls, x)
			continue
		}
		if len(polls) > 0 {
			t.Run("records-polls", func(t *testing.T) { s.replayPolls(t, polls) })
			polls = nil
		}
		t.Run(x.Name, func(t *testing.T) { s.replay(t, x) })
	}
}

// replayPolls reads as often as the recording did and compares the records of all reads together.
func (s *suite) replayPolls(t *testing.T, polls []exchange) {
	var want, got []map[string]any
	for _, x := range polls {
		resp, body := s.send(t, request{method: x.Method, path: x.Path, header: x.Headers})
		if resp.StatusCode != x.Status || resp.Header.Get("Content-Type") != *x.ContentType {
			t.Fatalf("%s: %d %s %.300s, want %d %s", x.Name, resp.StatusCode, resp.Header.Get("Content-Type"), body, x.Status, *x.ContentType)
		}
		want, got = append(want, recordList(t, x.Answer)...), append(got, recordList(t, string(body))...)
	}
	byPlace := cmpopts.SortSlices(func(a, b map[string]any) bool {
		return fmt.Sprint(a["partition"], a["offset"]) < fmt.Sprint(b["partition"], b["offset"])
	})
	if diff := cmp.Diff(want, got, byPlace); diff != "" {
		t.Errorf("records differ (-recorded +got):\n%s", diff)
	}
}

// recordList reads an answer that is an array of records.
func recordList(t *testing.T, body string) (recs []map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &recs); err != nil {
		t.Fatalf("answer %.300s: %v", body, err)
	}
	return recs
}

func (s *suite) replay(t *testing.T, x exchange) {
	r := request{method: x.Method, path: x.Path, header: x.Headers}
	if x.Body != nil {
		r.body = x.whole()
	}
	resp, body := s.send(t, r)
	status := x.Status
	d, differs := different[x.Name]
	if differs = differs && s.opts.Headrace; differs {
		status = d.status
	}
	if resp.StatusCode != status {
		t.Fatalf("status %d %.300s, want %d %.300s", resp.StatusCode, body, status, x.Answer)
	}
	var wantType string
	if x.ContentType != nil {
		wantType = *x.ContentType
	}
	if got := resp.Header.Get("Content-Type"); got != wantType {
		t.Errorf("Content-Type %q, want %q", got, wantType)
	}
	if differs || x.Method == http.MethodHead {
		return
	}
	if diff := cmp.Diff(s.comparable(x, x.Answer), s.comparable(x, string(body))); diff != "" {
		t.Errorf("answer differs (-recorded +got):\n%s", diff)
	}
}

// whole is the body as it was sent: the recording cut those of 4000 characters or more.
func (x exchange) whole() string {
	switch x.Name {
	case "produce-record-too-large":
		return fmt.Sprintf(`{"records": [{"value": "%s", "partition": 0}]}`, strings.Repeat("x", 1_200_000))
	case "produce-huge-body-4mb":
		rec := fmt.Sprintf(`{"value": "%s", "partition": 0}`, strings.Repeat("x", 500_000))
		return `{"records": [` + strings.Repeat(rec+", ", 7) + rec + `]}`
	}
	return *x.Body
}

// comparable drops from an answer what depends on the broker or on the reference's parser.
func (s *suite) comparable(x exchange, body string) any {
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		return body
	}
	if strings.HasPrefix(x.Path, "/consumers/") {
		return consumerComparable(x, v)
	}
	switch {
	case strings.HasPrefix(x.Name, "topics-"):
		if list, ok := v.([]any); ok && len(list) > 0 {
			return "names"
		}
	case x.Name == "brokers":
		if brokers, ok := v.(map[string]any)["brokers"].([]any); ok {
			return len(brokers)
		}
	case x.Name == "topic-get":
		var topic struct {
			Name       string
			Configs    map[string]any
			Partitions []any
		}
		_ = json.Unmarshal([]byte(body), &topic) // what is missing shows
		return fmt.Sprint(topic.Name, len(topic.Configs) > 5, len(topic.Partitions))
	}
	return s.normal(x, v)
}

// generated is what the reference names an instance that was given no name.
var generated = regexp.MustCompile(`rest-consumer-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// consumerComparable drops from an answer under /consumers what differs from run to run.
func consumerComparable(x exchange, v any) any {
	if x.Name == "records-binary" { // records without a key or partition may have gone to this one too
		recs := v.([]any)
		var known []any
		for _, rec := range recs {
			r := rec.(map[string]any)
			delete(r, "offset")
			switch r["value"] {
			case "InRleHQi", "dmFsdWU=", "MQ==":
				known = append(known, r)
			}
		}
		return known
	}
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for name, member := range m {
		switch value := member.(type) {
		case string:
			value = generated.ReplaceAllString(value, "a generated name")
			if name == "base_uri" {
				_, value, _ = strings.Cut(strings.TrimPrefix(value, "http://"), "/")
			}
			if name == "message" && m["error_code"] == float64(400) {
				value = "the reader's own"
			}
			m[name] = value
		case []any: // topics, partitions: the order is free
			slices.SortFunc(value, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
	return m
}

func (s *suite) normal(x exchange, v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = s.normal(x, v[i])
		}
	case map[string]any:
		for name, member := range v {
			v[name] = s.normal(x, member)
		}
		if text, failed := v["error"].(string); failed {
			v["error"] = strings.Replace(text, "60000 ms", fmt.Sprintf("%d ms", s.opts.MaxBlock.Milliseconds()), 1)
		}
		if text, ok := v["message"].(string); ok && v["error_code"] == float64(400) && !strings.HasPrefix(text, "Bad Request: ") {
			v["message"] = "the reader's own"
		}
		if x.Body == nil || !strings.Contains(*x.Body, "partition") && !strings.Contains(x.Path, "/partitions/") {
			delete(v, "partition")
			delete(v, "offset")
		}
		for _, broker := range []string{"leader", "broker", "beginning_offset", "end_offset"} {
			if _, ok := v[broker].(float64); ok {
				delete(v, broker)
			}
		}
		// Offsets on partition 0 move by the records without a partition: the reference put one there.
		if _, ok := v["offset"].(float64); ok {
			v["offset"] = "stored"
		}
	}
	return v
}
