package conformance

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recordedV3Lines are calls of the same run as recordedLines, to API v3; the broker had no authorizer.
//
//go:embed testdata/confluent-v3.jsonl
var recordedV3Lines string

// recordedCluster and recordedHost stand in the recording for the cluster's id and the gateway's address.
const (
	recordedCluster = "V030nJUcTRC5BWzfZd026Q"
	recordedHost    = "http://127.0.0.1:8082"
)

// differentV3 names each recorded exchange of API v3 that headrace answers otherwise on purpose, and how.
var differentV3 = map[string]struct {
	recorded string // the part of the answer that differs; "": all of it
	answer   string
	why      string
}{
	"v3-produce-json":     {`"size":87`, `"size":106`, "values are stored as they were sent: escapes stay"},
	"v3-produce-bad-json": {"", `{"error_code":400}`, "one receipt for what is no JSON is enough: the reference says it twice"},
}

// newerKafka names the texts that Kafka 4.3 has changed since 4.1: only their code is compared.
var newerKafka = []string{"v3-create-replication-3"}

// lackedByFake names what the fake Kafka of tests answers otherwise than a broker, and how far it can be compared.
var lackedByFake = map[string]string{
	"v3-create-bad-config":      "status: it takes any setting",
	"v3-create-duplicate":       "code: it has no text, or another one",
	"v3-create-replication-3":   "code: it has no text, or another one",
	"v3-create-zero-partitions": "code: it has no text, or another one",
	"v3-config-put-bad":         "status: it takes any value",
	"v3-partitions-shrink":      "code: it has no text, or another one",
	"v3-topic-config":           "shape: it tells no synonyms",
	"v3-topic-configs":          "shape: it knows fewer settings",
	"v3-broker-configs-cluster": "shape: nothing is set cluster-wide",
}

// recordedV3 replays the recording of API v3, on topics of its own.
func (s *suite) recordedV3(t *testing.T) {
	_, body := s.send(t, get("/v3/clusters"))
	var clusters struct {
		Data []struct {
			ID string `json:"cluster_id"`
		}
	}
	if err := json.Unmarshal(body, &clusters); err != nil || len(clusters.Data) != 1 || clusters.Data[0].ID == "" {
		t.Fatalf("GET /v3/clusters: %.300s, want one cluster with its id: %v", body, err)
	}
	s.kafka.commit(t, s.prefix+"v3-group", s.topic)
	lines := strings.NewReplacer("gold-", s.prefix+"v3-", recordedCluster, clusters.Data[0].ID, recordedHost, s.base).Replace(recordedV3Lines)
	for line := range strings.Lines(lines) {
		var x exchange
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		t.Run(x.Name, func(t *testing.T) { s.replayV3(t, x) })
	}
}

func (s *suite) replayV3(t *testing.T, x exchange) {
	if x.Name == "v3-acls" && s.kafka.hasAuthorizer(t) {
		t.Skip("the brokers have an authorizer, the recording's had none")
	}
	r := request{method: x.Method, path: x.Path, header: x.Headers}
	if x.Body != nil {
		r.body = x.wholeV3()
	}
	resp, body := s.send(t, r)
	lacked := ""
	if s.opts.FakeKafka {
		lacked, _, _ = strings.Cut(lackedByFake[x.Name], ":")
	}
	if slices.Contains(newerKafka, x.Name) {
		lacked = "code"
	}
	if lacked == "status" {
		return
	}
	if resp.StatusCode != x.Status {
		t.Fatalf("status %d %.300s, want %d %.300s", resp.StatusCode, body, x.Status, x.Answer)
	}
	var wantType string
	if x.ContentType != nil {
		wantType = *x.ContentType
	}
	if got := resp.Header.Get("Content-Type"); got != wantType {
		t.Errorf("Content-Type %q, want %q", got, wantType)
	}
	if got := resp.Header.Get("Location"); got != x.ResponseHeaders["location"] {
		t.Errorf("Location %q, want %q", got, x.ResponseHeaders["location"])
	}
	want := x.Answer
	if d, differs := differentV3[x.Name]; differs && s.opts.Headrace {
		if want = d.answer; d.recorded != "" {
			want = strings.Replace(x.Answer, d.recorded, d.answer, 1)
		}
	}
	if diff := cmp.Diff(s.comparableV3(t, x, want, lacked), s.comparableV3(t, x, string(body), lacked)); diff != "" {
		t.Errorf("answer differs (-recorded +got):\n%s", diff)
	}
}

// wholeV3 is the body as it was sent: the recording cut long ones.
func (x exchange) wholeV3() string {
	if x.Name == "v3-produce-too-large" {
		return fmt.Sprintf(`{"partition_id": 0, "value": {"type": "STRING", "data": "%s"}}`, strings.Repeat("x", 1_200_000))
	}
	return *x.Body
}

// comparableV3 reads the objects of an answer, of which a stream has several, and drops from them what depends on the
// broker or on the reference's parser.
func (s *suite) comparableV3(t *testing.T, x exchange, body, lacked string) any {
	t.Helper()
	objects := []any{}
	decoder := json.NewDecoder(strings.NewReader(body))
	for decoder.More() {
		var v any
		if err := decoder.Decode(&v); err != nil {
			t.Fatalf("%.300s: %v", body, err)
		}
		objects = append(objects, s.normalV3(x, v, lacked))
	}
	if x.Name == "v3-topics" || x.Name == "v3-topic-configs" || x.Name == "v3-consumer-groups" || lacked == "shape" {
		return s.shape(objects)
	}
	return objects
}

// brokerNumber is a broker's id in a URL or CRN.
var brokerNumber = regexp.MustCompile(`(brokers/|replicas/|broker=|replica=)\d+`)

func (s *suite) normalV3(x exchange, v any, lacked string) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = s.normalV3(x, v[i], lacked)
		}
	case string:
		return brokerNumber.ReplaceAllString(v, "${1}1")
	case map[string]any:
		for name, member := range v {
			v[name] = s.normalV3(x, member, lacked)
		}
		for _, name := range []string{"broker_id", "host", "port", "rack", "offset"} {
			if _, ok := v[name]; ok {
				v[name] = "the broker's"
			}
		}
		if _, ok := v["timestamp"]; ok && (x.Body == nil || !strings.Contains(*x.Body, "timestamp")) {
			v["timestamp"] = "now"
		}
		if v["partition_id"] != nil && x.Body != nil && !strings.Contains(*x.Body, "partition_id") {
			v["partition_id"] = "any"
		}
		text, _ := v["message"].(string)
		switch {
		case text == "":
		case lacked == "code", v["error_code"] == float64(400) && !strings.HasPrefix(text, "Bad Request: data="):
			delete(v, "message")
		case v["error_code"] == float64(422):
			v["message"], _, _ = strings.Cut(text, " : ") // behind the code, the registry's client speaks
		default:
			v["message"] = strings.Replace(text, "60000 ms", fmt.Sprintf("%d ms", s.opts.MaxBlock.Milliseconds()), 1)
		}
	}
	return v
}

// shape is what is the same on all brokers: the members of a list, and of its first entry.
func (s *suite) shape(objects []any) any {
	var shapes []string
	for _, o := range objects {
		object, _ := o.(map[string]any)
		shapes = append(shapes, fmt.Sprint(object["kind"], slices.Sorted(maps.Keys(object))))
		if entries, _ := object["data"].([]any); len(entries) > 0 && !s.opts.FakeKafka {
			entry, _ := entries[0].(map[string]any)
			shapes = append(shapes, fmt.Sprint(entry["kind"], slices.Sorted(maps.Keys(entry))))
		}
	}
	return shapes
}
