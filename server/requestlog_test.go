package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"headrace/handlers"
)

// TestReferenceLine: the lines of the contract, configuration.md §8.
func TestReferenceLine(t *testing.T) {
	at := time.Date(2026, 1, 31, 23, 4, 5, 0, time.FixedZone("", 3600))
	for _, tt := range []struct {
		name   string
		entry  entry
		custom bool
		want   string
	}{
		{
			"plain success",
			entry{client: "127.0.0.1", requestLine: requestLine{method: "GET", uri: "/topics?x=1"}, proto: "HTTP/1.1", status: 200, bytes: 953, agent: "curl/8.5", took: 26 * time.Millisecond},
			true, `127.0.0.1 - - [31/Jan/2026:22:04:05 +0000] "GET /topics?x=1 HTTP/1.1" 200 953 "-" "curl/8.5" 26 - -`,
		},
		{
			"without the two fields",
			entry{client: "127.0.0.1", requestLine: requestLine{method: "GET", uri: "/"}, proto: "HTTP/2.0", status: 200, bytes: 2, referer: "http://a/", took: 999 * time.Microsecond},
			false, `127.0.0.1 - - [31/Jan/2026:22:04:05 +0000] "GET / HTTP/2.0" 200 2 "http://a/" "-" 0`,
		},
		{
			"rejected by a limiter",
			entry{client: "[::1]", user: "alice", requestLine: requestLine{method: "POST", uri: "/topics/t"}, proto: "HTTP/1.1", status: 429, bytes: 1, took: 3 * time.Millisecond, errorCode: 429005},
			true, `[::1] - alice [31/Jan/2026:22:04:05 +0000] "POST /topics/t HTTP/1.1" 429 1 "-" "-" 3 429005 -`,
		},
		{
			"v3 produce with failures",
			entry{client: "-", requestLine: requestLine{method: "POST", uri: "/v3"}, proto: "HTTP/1.1", status: 200, took: 12 * time.Millisecond, errorCode: 429002, produced: true, failed: map[int]int{429: 5, 400: 1}},
			true, `- - - [31/Jan/2026:22:04:05 +0000] "POST /v3 HTTP/1.1" 200 0 "-" "-" 12 429002 Codes=400:1,429:5`,
		},
		{
			"v3 produce without",
			entry{requestLine: requestLine{method: "POST", uri: "/v3"}, proto: "HTTP/1.1", status: 200, produced: true},
			true, `- - - [31/Jan/2026:22:04:05 +0000] "POST /v3 HTTP/1.1" 200 0 "-" "-" 0 - Codes=`,
		},
		{
			"what would break the line",
			entry{client: "1.1.1.1", user: "a b\n", requestLine: requestLine{method: "GET", uri: "/\"\r\n"}, proto: "HTTP/1.1", status: 400, agent: "x\" 200 \n\x7f"},
			false, `1.1.1.1 - a?b? [31/Jan/2026:22:04:05 +0000] "GET /\"?? HTTP/1.1" 400 0 "-" "x\" 200 ??" 0`,
		},
	} {
		tt.entry.started = at
		if got := string(tt.entry.append(nil, tt.custom)); got != tt.want+"\n" {
			t.Errorf("%s:\n got %s want %s", tt.name, got, tt.want)
		}
	}
}

// TestBytesAreThoseOfTheWire: the answer's length in the log is what a connection brings.
func TestBytesAreThoseOfTheWire(t *testing.T) {
	var log lockedBuffer
	s, _, _ := startServer(t, func(cfg *Config) { cfg.RequestLog.To = &log })
	for _, request := range []string{"GET /livez", "GET /topics//", "GET /version"} {
		conn, err := net.Dial("tcp", s.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, request+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		text, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		s.requestLog.flush()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		fields := regexp.MustCompile(`" \d+ (\d+) "`).FindStringSubmatch(lines[len(lines)-1])
		// The client's own "Connection: close" comes back, which the log cannot know of.
		if want := len(text) - len("Connection: close\r\n"); fields == nil || fields[1] != itoa(want) {
			t.Errorf("%s: %s, want %d bytes:\n%s", request, lines[len(lines)-1], want, text)
		}
	}
}

func itoa(n int) string {
	text, _ := json.Marshal(n)
	return string(text)
}

func TestJSONLine(t *testing.T) {
	var log bytes.Buffer
	s, _, _ := newServer(t, func(cfg *Config) {
		withUsers(t, someUsers, nil)(cfg)
		cfg.RequestLog = RequestLog{Format: "json", To: &log}
	}, nil)
	get(s, "GET", "/topics/a?b=<c>", append(basic("alice", "plain"), "User-Agent", "curl", "X-Request-Id", "id-1")...)
	s.requestLog.flush()
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, &log)
	}
	for name, want := range map[string]any{"method": "GET", "uri": "/topics/a?b=<c>", "status": 200.0, "user": "alice", "user_agent": "curl", "request_id": "id-1", "protocol": "HTTP/1.1"} {
		if line[name] != want {
			t.Errorf("%s = %v, want %v", name, line[name], want)
		}
	}
}

func TestNoLog(t *testing.T) {
	var log bytes.Buffer
	s, _, _ := newServer(t, func(cfg *Config) { cfg.RequestLog = RequestLog{Format: "off", To: &log} }, nil)
	get(s, "GET", "/topics/a")
	if s.requestLog != nil || log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
}

// producingAPI notes as v3 produce does.
type producingAPI struct{ fakeAPI }

func (producingAPI) Routes(r chi.Router) {
	r.Post("/v3/clusters/{c}/topics/{t}/records", func(w http.ResponseWriter, _ *http.Request) {
		n := w.(handlers.Notebook)
		n.NoteProduce(100, 10*time.Millisecond, 200)
		n.NoteProduce(100, 30*time.Millisecond, 429)
		n.NoteProduce(100, 20*time.Millisecond, 40401)
		n.NoteErrorCode(429002)
	})
	r.Get("/topics", func(http.ResponseWriter, *http.Request) {})
	r.Get("/brokers", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
}

// TestCompatibleMetrics: what people scrape from the reference has the same names here.
func TestCompatibleMetrics(t *testing.T) {
	var log bytes.Buffer
	cfg := DefaultConfig()
	cfg.RequestLog.To = &log
	cfg.Metrics.SLO, cfg.Metrics.SLA = time.Hour, time.Nanosecond
	cfg.Metrics.Tags = map[string]string{"data-center": "x"}
	s, err := New(cfg, producingAPI{}, Version{}, func(context.Context) error { return nil }, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	get(s, "POST", "/v3/clusters/c/topics/t/records")
	s.requestLog.flush()
	if !strings.HasSuffix(log.String(), " 429002 Codes=429:1,40401:1\n") {
		t.Errorf("log: %s", &log)
	}
	for range 3 {
		get(s, "GET", "/topics")
	}
	get(s, "GET", "/brokers")
	get(s, "GET", "/nosuch")
	get(s, "GET", "/livez")
	text := get(s, "GET", "/metrics").Body.String()
	for _, want := range []string{
		`kafka_rest_jersey_metrics_request_total{data_center="x"} 6`,
		`kafka_rest_jersey_metrics_topics_list_v2_request_count{data_center="x"} 3`,
		`kafka_rest_jersey_metrics_topics_list_v2_request_latency_99{data_center="x"} `,
		`kafka_rest_jersey_metrics_topics_list_v2_response_below_latency_slo_total{data_center="x"} 3`,
		`kafka_rest_jersey_metrics_topics_list_v2_response_above_latency_sla_total{data_center="x"} 3`,
		`kafka_rest_jersey_metrics_brokers_list_v2_request_error_count{data_center="x",http_status_code="4xx"} 1`,
		`kafka_rest_jersey_metrics_request_error_total{data_center="x"} 2`,
		`kafka_rest_jersey_metrics_request_error_total{data_center="x",http_status_code="429"} 0`,
		`kafka_rest_jetty_metrics_connections_active{data_center="x"} 0`,
		`kafka_rest_jetty_metrics_busy_thread_count{data_center="x"} 1`,
		`kafka_rest_produce_api_metrics_request_count_windowed{data_center="x"} 3`,
		`kafka_rest_produce_api_metrics_record_rate_limited_count_windowed{data_center="x"} 1`,
		`kafka_rest_produce_api_metrics_error_count_windowed{data_center="x"} 1`,
		`kafka_rest_produce_api_metrics_request_byte_total{data_center="x"} 300`,
		`kafka_rest_produce_api_metrics_request_latency_max{data_center="x"} 30`,
		`kafka_rest_produce_api_metrics_request_latency_avg{data_center="x"} 20`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(text, "livez_") || t.Failed() {
		t.Log(text)
	}
}

// TestSensor: windows follow one another, and what is older than all of them is forgotten, as in Kafka's metrics.
func TestSensor(t *testing.T) {
	cfg := MetricsConfig{Samples: 2, Window: 30 * time.Second}
	s := newSensor(cfg)
	at := time.Now()
	second := func(n int) time.Time { return at.Add(time.Duration(n) * time.Second) }
	for i := range 30 {
		s.record(second(i), measure{in: 10, took: time.Duration(i+1) * time.Millisecond, class: noFailure})
	}
	r := s.read(second(29))
	// 30 events; the second window, yet to come, counts as empty: 59 s.
	if r.count != 30 || math.Abs(r.rate(r.count)-30.0/59) > .001 || r.mean(float64(r.in)) != 10 || r.maxTook != 30*time.Millisecond {
		t.Errorf("%d events at %v/s, mean %v, longest %v", r.count, r.rate(r.count), r.mean(float64(r.in)), r.maxTook)
	}
	for share, want := range map[float64]time.Duration{.5: 15 * time.Millisecond, .95: 29 * time.Millisecond, .99: 30 * time.Millisecond} {
		if got := r.percentile(share); math.Abs(float64(got-want)) > float64(want)/14 {
			t.Errorf("%v: %v, want %v", share, got, want)
		}
	}
	s.record(second(31), measure{class: noFailure}) // begins the second window
	if r = s.read(second(59)); r.count != 31 {
		t.Errorf("%d events in two windows, want 31", r.count)
	}
	if r = s.read(second(61)); r.count != 1 {
		t.Errorf("%d events after 61 s, want 1", r.count)
	}
	if r = s.read(second(200)); r.count != 0 || r.total.count != 31 || !math.IsNaN(r.mean(0)) || !math.IsNaN(r.most(1)) {
		t.Errorf("%d events after 200 s, %d in all", r.count, r.total.count)
	}
}

func TestTimeBuckets(t *testing.T) {
	last := -1
	for d := time.Microsecond; d < 3*time.Hour; d += d / 20 {
		i := timeBucket(d)
		if i < last || i >= timeBuckets {
			t.Fatalf("bucket of %v is %d, after %d", d, i, last)
		}
		last = i
		if middle := bucketMiddle(i); d > 20*time.Microsecond && i < timeBuckets-1 && math.Abs(float64(middle-d)) > float64(d)/15 {
			t.Fatalf("the middle of the bucket of %v is %v", d, middle)
		}
	}
}
