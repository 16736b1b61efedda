package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/openapi/spectest"
)

// served is a gateway that was started by its command line.
type served struct {
	url   string
	logs  *logLines
	stop  context.CancelFunc
	ended chan int // the exit code
}

// logLines hands out what is logged as JSON, line by line.
type logLines struct {
	write *io.PipeWriter
	lines chan map[string]any
}

func newLogLines() *logLines {
	read, write := io.Pipe()
	l := &logLines{write, make(chan map[string]any, 1000)}
	go func() {
		defer close(l.lines)
		scanner := bufio.NewScanner(read)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			var line map[string]any
			if json.Unmarshal(scanner.Bytes(), &line) == nil {
				l.lines <- line
			}
		}
	}()
	return l
}

// wait returns the next line with this message.
func (l *logLines) wait(t *testing.T, message string) map[string]any {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-l.lines:
			if !ok {
				t.Fatalf("the log ended before %q", message)
			}
			if line["msg"] == message {
				return line
			}
		case <-deadline:
			t.Fatalf("no %q in the log after 20 s", message)
		}
	}
}

// startServe runs headrace serve with a property file that holds text, on a free port.
func startServe(t *testing.T, text string, args ...string) *served {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kafka-rest.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &served{logs: newLogLines(), stop: stop, ended: make(chan int, 1)}
	go func() {
		args = append([]string{"serve", file, "--listen", "127.0.0.1:0", "--log-format", "json"}, args...)
		s.ended <- run(ctx, args, process{stdout: s.logs.write, stderr: t.Output()})
		_ = s.logs.write.Close()
	}()
	line := s.logs.wait(t, "Server started, listening for requests...")
	s.url = fmt.Sprintf("http://%s", line["addresses"].([]any)[0])
	t.Cleanup(func() { s.end(t) })
	return s
}

// end stops the gateway and returns its exit code.
func (s *served) end(t *testing.T) int {
	t.Helper()
	s.stop()
	select {
	case code := <-s.ended:
		s.ended <- code
		return code
	case <-time.After(20 * time.Second):
		t.Fatal("the gateway has not ended after 20 s")
		return 0
	}
}

func newKafka(t *testing.T, topics ...string) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, req)
}

// do sends a request to the gateway, whose answer has to be as the OpenAPI document says.
func do(t *testing.T, req *http.Request) (status int, body string) {
	t.Helper()
	client := http.Client{Transport: spectest.Validator(t).Transport(t, nil)}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestServe: from the property file to a record in Kafka, and out again with exit code 0.
func TestServe(t *testing.T) {
	cluster := newKafka(t, "orders")
	s := startServe(t, "bootstrap.servers=PLAINTEXT://"+cluster.ListenAddrs()[0]+"\nkinesis.enable=false\n")

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/topics/orders", strings.NewReader(`{"records":[{"value":{"n": 1.50}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.kafka.json.v2+json")
	if status, body := do(t, req); status != http.StatusOK || !strings.Contains(body, `"offset":0`) {
		t.Errorf("POST /topics/orders: %d %s", status, body)
	}
	if got := string(readOne(t, cluster, "orders").Value); got != `{"n":1.50}` {
		t.Errorf("the record's value is %s", got)
	}
	for _, path := range []string{"/livez", "/readyz", "/version"} {
		if status, body := get(t, s.url+path); status != http.StatusOK {
			t.Errorf("GET %s: %d %s", path, status, body)
		}
	}
	if _, body := get(t, s.url+"/metrics"); !strings.Contains(body, "go_goroutines") {
		t.Errorf("/metrics has no metrics of the process: %s", body)
	}
	resp, err := http.Get(s.url + "/streams") // not by get: the document speaks of routes that are there
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("GET /streams with kinesis.enable=false: %d, want 404", resp.StatusCode)
	}
	if code := s.end(t); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
}

func readOne(t *testing.T, cluster *kfake.Cluster, topic string) *kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	fetches := client.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	return fetches.Records()[0]
}

// TestServeWithoutKafka: the server starts at once, is alive and not ready.
func TestServeWithoutKafka(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	s := startServe(t, "bootstrap.servers="+address+"\nkinesis.enable=false\nclient.request.timeout.ms=1000\n")
	if status, body := get(t, s.url+"/livez"); status != http.StatusOK {
		t.Errorf("GET /livez: %d %s", status, body)
	}
	if status, body := get(t, s.url+"/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("GET /readyz: %d %s, want 503", status, body)
	}
	if code := s.end(t); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
}

// TestServeDrains: a request whose body is still on its way when the server is told to stop is answered.
func TestServeDrains(t *testing.T) {
	cluster := newKafka(t, "orders")
	s := startServe(t, "bootstrap.servers="+cluster.ListenAddrs()[0]+"\nkinesis.enable=false\n")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	const body = `{"records":[{"value":1}]}`
	head := "POST /topics/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/vnd.kafka.json.v2+json\r\nExpect: 100-continue\r\nContent-Length: 25\r\n\r\n"
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the handler does not read the body: %q, %v", line, err)
	}
	s.stop()
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(reader)
	if err != nil || !bytes.Contains(answer, []byte(`"offset":0`)) {
		t.Errorf("the request under way was not answered: %s, %v", answer, err)
	}
	if code := s.end(t); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
}

// TestServePortTaken: what only the machine can know is no fault of the configuration.
func TestServePortTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"serve", "--listen", ln.Addr().String()},
		process{stdout: io.Discard, stderr: &stderr, environ: []string{"KAFKA_REST_BOOTSTRAP_SERVERS=127.0.0.1:1"}})
	if code != exitFailed || !strings.Contains(stderr.String(), "listening on http://"+ln.Addr().String()) {
		t.Errorf("exit code %d, want %d: %s", code, exitFailed, stderr.String())
	}
}

const testConnector = `name=s
connector.class=io.confluent.connect.s3.S3SinkConnector
storage.class=io.confluent.connect.s3.storage.S3Storage
format.class=io.confluent.connect.s3.format.json.JsonFormat
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
flush.size=1
topics=orders
s3.region=us-east-1
s3.bucket.name=b
`

// startSink starts a gateway with a sink of the topic orders beside it, into dir.
func startSink(t *testing.T, dir string) *served {
	t.Helper()
	cluster := newKafka(t, "orders")
	connector := filepath.Join(dir, "connector.properties")
	if err := os.WriteFile(connector, []byte(testConnector+"store.url=file://"+filepath.ToSlash(dir)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return startServe(t, "bootstrap.servers="+cluster.ListenAddrs()[0]+"\nkinesis.enable=false\n", "--sink", connector)
}

// post posts records to the topic orders.
func (s *served) post(t *testing.T, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/topics/orders", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.kafka.json.v2+json")
	if status, body := do(t, req); status != http.StatusOK {
		t.Fatalf("POST /topics/orders: %d %s", status, body)
	}
}

// TestServeSink: what is posted to the gateway is an object of the sink beside it.
func TestServeSink(t *testing.T) {
	dir := t.TempDir()
	s := startSink(t, dir)
	s.post(t, `{"records":[{"value":{"n":1}}]}`)
	object := filepath.Join(dir, "b", "topics", "orders", "partition=0", "orders+0+0000000000.json")
	if got := awaitFile(t, object); got != "{\"n\":1}\n" {
		t.Errorf("%s holds %q", object, got)
	}
	if code := s.end(t); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
}

// TestServeOutlivesItsSink: a record that the sink cannot pass stops the sink, not the gateway.
// It once took the gateway along, and every restart again.
func TestServeOutlivesItsSink(t *testing.T) {
	s := startSink(t, t.TempDir())
	s.post(t, `{"records":[{"value":null}]}`)
	line := s.logs.wait(t, "a job beside the gateway has failed and will not go on by itself; requests are still answered")
	if cause := fmt.Sprint(line["err"]); !strings.Contains(cause, "topic orders partition 0 offset 0") {
		t.Errorf("logged %s, want the record's place", cause)
	}
	s.post(t, `{"records":[{"value":{"n":1}}]}`)
	if code := s.end(t); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
}

// awaitFile returns what is in a file once there is one.
func awaitFile(t *testing.T, path string) string {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		if text, err := os.ReadFile(path); err == nil {
			return string(text)
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s after 20 s", path)
		}
	}
}

// TestServeBadSink: a connector that cannot work ends the start, before anything listens.
func TestServeBadSink(t *testing.T) {
	connector := filepath.Join(t.TempDir(), "connector.properties")
	if err := os.WriteFile(connector, []byte("name=s\nflush.size=many\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"serve", "--sink", connector, "--listen", "127.0.0.1:0"},
		process{stdout: &stdout, stderr: &stderr, environ: []string{"KAFKA_REST_BOOTSTRAP_SERVERS=127.0.0.1:1"}})
	if code != exitUsage || !strings.Contains(stderr.String(), "flush.size") || strings.Contains(stdout.String(), "Server started") {
		t.Errorf("exit code %d, want %d: %s", code, exitUsage, stderr.String())
	}
}
