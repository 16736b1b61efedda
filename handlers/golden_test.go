package handlers

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"

	"headrace/kafkaclient"
)

// rest starts the routes over a fake Kafka; both end with the test.
func rest(t testing.TB, change func(*Config), opts ...kfake.Opt) (*httptest.Server, *kfake.Cluster) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.DefaultNumPartitions(4)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := kafkaclient.DefaultProducerConfig()
	cfg.Brokers = cluster.ListenAddrs()
	cfg.MaxBlock = 200 * time.Millisecond
	log := slog.New(slog.DiscardHandler)
	producer, err := kafkaclient.NewProducer(cfg, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	admin, err := kafkaclient.NewAdmin(cfg.Config, log)
	if err != nil {
		t.Fatal(err)
	}
	hcfg := DefaultConfig()
	if change != nil {
		change(&hcfg)
	}
	router := chi.NewRouter()
	New(hcfg, producer, admin, nil, NewBudget(hcfg.MemoryBudgetBytes), log).Routes(router)
	srv := httptest.NewServer(router)
	t.Cleanup(func() {
		srv.Close()
		admin.Close()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		_ = producer.Close(ctx)
	})
	return srv, cluster
}

// exchange is one recorded call of the reference and its answer.
type exchange struct {
	Name        string            `json:"name"`
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Headers     map[string]string `json:"headers"`
	Body        *string           `json:"body"`
	Status      int               `json:"status"`
	ContentType *string           `json:"response_content_type"`
	Answer      string            `json:"response_body"`
}

// different names each exchange that we answer otherwise on purpose, and how.
var different = map[string]struct {
	status int
	why    string
}{
	"produce-json-negative-partition": {400, "the reference's 500 is a defect: refused before anything is sent"},
	"produce-to-partition-negative":   {400, "the reference's 500 is a defect: refused before anything is sent"},
	"produce-avro-no-registry":        {422, "formats with a schema need the registry, which a later version brings: 42206"},
}

// TestRecordedExchanges replays what the reference answered, produce and metadata.
func TestRecordedExchanges(t *testing.T) {
	srv, _ := rest(t, nil, kfake.AllowAutoTopicCreation(), kfake.SeedTopics(3, "gold-kr2"), kfake.SeedTopics(2, "gold-kr2-c"))
	for _, x := range recorded(t) {
		t.Run(x.Name, func(t *testing.T) {
			got, answer := x.send(t, srv.URL)
			status := x.Status
			if d, ok := different[x.Name]; ok {
				status = d.status
			}
			if got.StatusCode != status {
				t.Fatalf("status %d %s, want %d %s", got.StatusCode, answer, status, x.Answer)
			}
			if got.Header.Get("Content-Type") != deref(x.ContentType) {
				t.Errorf("Content-Type %q, want %q", got.Header.Get("Content-Type"), deref(x.ContentType))
			}
			if _, ok := different[x.Name]; ok || x.Method == http.MethodHead {
				return
			}
			if diff := cmp.Diff(x.comparable(x.Answer), x.comparable(string(answer))); diff != "" {
				t.Errorf("answer differs (-want +got):\n%s", diff)
			}
		})
	}
}

func recorded(t testing.TB) []exchange {
	t.Helper()
	f, err := os.Open("testdata/confluent-v2.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []exchange
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var x exchange
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	return all
}

// send replays the request. Bodies that the recording cut are built again from their note.
func (x exchange) send(t *testing.T, base string) (*http.Response, []byte) {
	t.Helper()
	var body io.Reader
	if x.Body != nil {
		text := *x.Body
		switch x.Name {
		case "produce-record-too-large":
			text = fmt.Sprintf(`{"records": [{"value": "%s", "partition": 0}]}`, strings.Repeat("x", 1_200_000))
		case "produce-huge-body-4mb":
			rec := fmt.Sprintf(`{"value": "%s", "partition": 0}`, strings.Repeat("x", 500_000))
			text = `{"records": [` + strings.Repeat(rec+", ", 7) + rec + `]}`
		}
		body = strings.NewReader(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), x.Method, base+strings.TrimSuffix(x.Path, "/"), body)
	if err != nil {
		t.Fatal(err)
	}
	if x.Path == "/" {
		req.URL, _ = url.Parse(base + "/")
	}
	for name, value := range x.Headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, answer
}

// comparable drops from an answer what depends on the broker or on the reference's parser.
func (x exchange) comparable(answer string) any {
	var v any
	if err := json.Unmarshal([]byte(answer), &v); err != nil {
		return answer
	}
	switch {
	case strings.HasPrefix(x.Name, "topics-"):
		if list, ok := v.([]any); ok && len(list) > 0 {
			return "names"
		}
	case x.Name == "brokers":
		return len(v.(map[string]any)["brokers"].([]any))
	case x.Name == "topic-get":
		topic := v.(map[string]any)
		return []any{topic["name"], len(topic["configs"].(map[string]any)) > 5, len(topic["partitions"].([]any))}
	}
	return x.normal(v)
}

func (x exchange) normal(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = x.normal(v[i])
		}
	case map[string]any:
		for name, member := range v {
			v[name] = x.normal(member)
		}
		if _, failed := v["error"].(string); failed {
			v["error"] = strings.Replace(v["error"].(string), "60000 ms", "200 ms", 1)
		}
		if v["error_code"] == float64(400) && !strings.HasPrefix(v["message"].(string), "Bad Request: ") {
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
		// Offsets on partition 0 move by the records without a partition: 8.1.5 put one there.
		if _, ok := v["offset"].(float64); ok {
			v["offset"] = "stored"
		}
	}
	return v
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
