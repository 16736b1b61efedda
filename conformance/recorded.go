package conformance

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recordedLines are calls of Confluent kafka-rest 8.1.5 with Kafka 4.1.1 (one broker, num.partitions=4, topics made when
// missing) and its answers, in the order in which they were recorded: produce and metadata of API v2.
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
}

// recorded replays the recording.
func (s *suite) recorded(t *testing.T) {
	lines := strings.ReplaceAll(recordedLines, "gold-", s.prefix)
	for line := range strings.Lines(lines) {
		var x exchange
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		t.Run(x.Name, func(t *testing.T) { s.replay(t, x) })
	}
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
