package handlers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"headrace/kinesisclient"
)

// kinesisCall is one request that the scripted Kinesis has received.
type kinesisCall struct {
	op   string
	body string
}

// scriptedKinesis answers call number n, from 0, with what answer returns.
type scriptedKinesis struct {
	mu     sync.Mutex
	calls  []kinesisCall
	answer func(n int, c kinesisCall) (status int, text string)
}

func (k *scriptedKinesis) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c := kinesisCall{op: strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "Kinesis_20131202."), body: string(body)}
	k.mu.Lock()
	n := len(k.calls)
	k.calls = append(k.calls, c)
	k.mu.Unlock()
	status, text := k.answer(n, c)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("x-amzn-RequestId", "upstream-id")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func (k *scriptedKinesis) seen() []kinesisCall {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]kinesisCall(nil), k.calls...)
}

func (k *scriptedKinesis) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = nil
}

// healthyKinesis answers every call with the success of its kind.
func healthyKinesis(_ int, c kinesisCall) (int, string) {
	switch c.op {
	case "ListStreams":
		return 200, `{"HasMoreStreams":false,"StreamNames":["s1"]}`
	case "DescribeStream":
		return 200, `{"StreamDescription":{"StreamName":"s1","StreamCreationTimestamp":1.7E9,"KeyId":null}}`
	case "PutRecord":
		return 200, `{"SequenceNumber":"49","ShardId":"shardId-000000000000"}`
	case "PutRecords":
		n := strings.Count(c.body, `"PartitionKey":`)
		result := `{"SequenceNumber":"49","ShardId":"shardId-000000000000"}`
		return 200, `{"FailedRecordCount":0,"Records":[` + strings.TrimSuffix(strings.Repeat(result+",", n), ",") + `]}`
	}
	return 200, ``
}

// streamsGateway is the Kinesis routes over a scripted Kinesis.
type streamsGateway struct {
	http.Handler
	kinesis *scriptedKinesis
	streams *Streams
	log     *bytes.Buffer
}

type streamsConfig struct {
	handlers Config
	client   kinesisclient.Config
}

func startStreams(t testing.TB, answer func(int, kinesisCall) (int, string), change func(*streamsConfig)) *streamsGateway {
	t.Helper()
	k := &scriptedKinesis{answer: answer}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	cfg := streamsConfig{handlers: DefaultConfig(), client: kinesisclient.DefaultConfig()}
	cfg.client.Endpoint, cfg.client.StaticKey, cfg.client.StaticSecret = server.URL, "AKID", "secret"
	if change != nil {
		change(&cfg)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	client, err := kinesisclient.New(t.Context(), cfg.client, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	streams := NewStreams(client, cfg.handlers, NewBudget(cfg.handlers.MemoryBudgetBytes), log)
	router := chi.NewRouter()
	streams.mount(router)
	if cfg.handlers.KinesisBasePath != "" {
		router.Route(cfg.handlers.KinesisBasePath, streams.mount)
	}
	return &streamsGateway{Handler: router, kinesis: k, streams: streams, log: &out}
}

// do sends a request; body nil sends none.
func (g *streamsGateway) do(t testing.TB, method, path, contentType string, body *string) *httptest.ResponseRecorder {
	t.Helper()
	var r *http.Request
	if body == nil {
		r = httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	} else {
		r = httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(*body))
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// put sends JSON with PUT.
func (g *streamsGateway) put(t testing.TB, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	return g.do(t, http.MethodPut, path, "application/json", &body)
}

// kinesisError reads an error in Amazon's shape.
func kinesisError(t testing.TB, w *httptest.ResponseRecorder) (name, message string) {
	t.Helper()
	var body map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body) != 2 {
		t.Errorf("error body %q is not of Amazon's shape: %v", w.Body, err)
	}
	if got := w.Header().Get("x-amzn-ErrorType"); got != body["__type"] {
		t.Errorf("x-amzn-ErrorType %q beside __type %q", got, body["__type"])
	}
	return body["__type"], body["message"]
}

func diffJSON(t testing.TB, want, got string) string {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(want), &a); err != nil {
		t.Fatalf("%q: %v", want, err)
	}
	if err := json.Unmarshal([]byte(got), &b); err != nil {
		t.Errorf("%q: %v", got, err)
	}
	return cmp.Diff(a, b)
}

func TestStreamsRoutes(t *testing.T) {
	cases := []struct {
		name, method, path, body string
		op, upstream             string
	}{
		{"list", "GET", "/streams", "", "ListStreams", `{}`},
		{"list with a slash", "GET", "/streams/", "", "ListStreams", `{}`},
		{
			"list a page", "GET", "/streams?limit=3&exclusive-start-stream-name=s1&next-token=a%22b", "", "ListStreams",
			`{"Limit":3,"ExclusiveStartStreamName":"s1","NextToken":"a\"b"}`,
		},
		{"list from a token", "GET", "/streams?next-token=t", "", "ListStreams", `{"NextToken":"t"}`},
		{"describe", "GET", "/streams/s1", "", "DescribeStream", `{"StreamName":"s1"}`},
		{"describe with a slash", "GET", "/streams/s1/", "", "DescribeStream", `{"StreamName":"s1"}`},
		{
			"describe a page", "GET", "/streams/s1?limit=1&exclusive-start-shard-id=shardId-000000000001", "", "DescribeStream",
			`{"StreamName":"s1","Limit":1,"ExclusiveStartShardId":"shardId-000000000001"}`,
		},
		{
			"describe from a shard", "GET", "/streams/s1?exclusive-start-shard-id=x", "", "DescribeStream",
			`{"StreamName":"s1","ExclusiveStartShardId":"x"}`,
		},
		{"percent-encoded name", "GET", "/streams/s%31%2Ex", "", "DescribeStream", `{"StreamName":"s1.x"}`},
		{"delete", "DELETE", "/streams/s1", "", "DeleteStream", `{"StreamName":"s1"}`},
		{
			"delete with consumers", "DELETE", "/streams/s1?enforce-consumer-deletion=true", "", "DeleteStream",
			`{"StreamName":"s1","EnforceConsumerDeletion":true}`,
		},
		{"delete without", "DELETE", "/streams/s1?enforce-consumer-deletion=false", "", "DeleteStream", `{"StreamName":"s1"}`},
		{
			"put a record", "PUT", "/streams/s1/record", `{"Data":1,"PartitionKey":"p"}`, "PutRecord",
			`{"StreamName":"s1","Data":"MQ==","PartitionKey":"p"}`,
		},
		{
			"post a record", "POST", "/streams/s1/record/", `{"Data":1,"PartitionKey":"p"}`, "PutRecord",
			`{"StreamName":"s1","Data":"MQ==","PartitionKey":"p"}`,
		},
		{
			"put records", "PUT", "/streams/s1/records", `{"records":[{"data":1,"partition-key":"p"}]}`, "PutRecords",
			`{"StreamName":"s1","Records":[{"Data":"MQ==","PartitionKey":"p"}]}`,
		},
		{
			"post records", "POST", "/streams/s1/records", `{"records":[{"data":1,"partition-key":"p"}]}`, "PutRecords",
			`{"StreamName":"s1","Records":[{"Data":"MQ==","PartitionKey":"p"}]}`,
		},
	}
	for _, base := range []string{"", "/prod"} {
		g := startStreams(t, healthyKinesis, func(cfg *streamsConfig) { cfg.handlers.KinesisBasePath = "/prod" })
		for i, tc := range cases {
			t.Run(base+tc.name, func(t *testing.T) {
				body := &tc.body
				if tc.body == "" {
					body = nil
				}
				w := g.do(t, tc.method, base+tc.path, "", body)
				if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("x-amzn-RequestId") != "upstream-id" {
					t.Errorf("status %d, headers %v, body %s", w.Code, w.Header(), w.Body)
				}
				got := g.kinesis.seen()[i]
				if got.op != tc.op {
					t.Errorf("called %s, want %s", got.op, tc.op)
				}
				if diff := diffJSON(t, tc.upstream, got.body); diff != "" {
					t.Errorf("upstream body: -want +got:\n%s", diff)
				}
			})
		}
	}
}

func TestStreamsAnswersAreRelayed(t *testing.T) {
	list := `{ "StreamSummaries":[{"StreamCreationTimestamp":1.7312E9,"StreamName":"s"}],"HasMoreStreams":false, "StreamNames":["s"]}`
	g := startStreams(t, func(_ int, c kinesisCall) (int, string) {
		switch c.op {
		case "CreateStream", "DeleteStream":
			return 200, `{}` // as one of the stand-ins answers
		case "DescribeStream":
			return 200, `{"StreamDescription":{"StreamName":"s1","KeyId":null}}`
		}
		return 200, list
	}, nil)
	if got := g.do(t, "GET", "/streams", "", nil).Body.String(); got != list {
		t.Errorf("list answered %s, want the service's bytes", got)
	}
	if got := g.do(t, "GET", "/streams/s1", "", nil).Body.String(); got != `{"StreamDescription":{"StreamName":"s1"}}` {
		t.Errorf("describe answered %s, want no null members", got)
	}
	for _, method := range []string{"POST", "DELETE"} {
		w := g.do(t, method, "/streams/s1", "", nil)
		if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "0" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: status %d, headers %v, body %q; want 200 and an empty body", method, w.Code, w.Header(), w.Body)
		}
	}
	if line := g.log.String(); !strings.Contains(line, `msg="stream created" stream=s1 shards=5`) {
		t.Errorf("the count of shards is not logged:\n%s", line)
	}
}

func TestStreamsUnknownPathsAndMethods(t *testing.T) {
	cases := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/streams/s1/x", 404, ""},
		{"GET", "/streams/s1/record/x", 404, ""},
		{"PUT", "/streams", 405, "GET"},
		{"PUT", "/streams/", 405, "GET"},
		{"PUT", "/streams/s1", 405, "GET, POST, DELETE"},
		{"PATCH", "/streams/s1/", 405, "GET, POST, DELETE"},
		{"GET", "/streams/s1/record", 405, "PUT, POST"},
		{"DELETE", "/streams/s1/records/", 405, "PUT, POST"},
	}
	g := startStreams(t, healthyKinesis, nil)
	for _, tc := range cases {
		w := g.do(t, tc.method, tc.path, "", nil)
		name, message := kinesisError(t, w)
		if w.Code != tc.status || w.Header().Get("Allow") != tc.allow || name != "UnknownOperationException" || message == "" {
			t.Errorf("%s %s: status %d, Allow %q, %s; want %d, %q", tc.method, tc.path, w.Code, w.Header().Get("Allow"), w.Body, tc.status, tc.allow)
		}
		if w.Header().Get("x-amzn-RequestId") == "" {
			t.Errorf("%s %s: no request id", tc.method, tc.path)
		}
	}
	if calls := g.kinesis.seen(); len(calls) != 0 {
		t.Errorf("Kinesis was called: %v", calls)
	}
}

func TestStreamsMediaTypes(t *testing.T) {
	g := startStreams(t, healthyKinesis, nil)
	body := `{"Data":1,"PartitionKey":"p"}`
	for mediaType, status := range map[string]int{
		"": 200, "application/json": 200, "application/json; charset=utf-8": 200, "Application/JSON": 200,
		"application/vnd.kafka.json.v2+json": 200, "application/x-amz-json-1.1": 200, "text/x+json;q=1": 200,
		"text/plain": 415, "application/x-www-form-urlencoded": 415, "application/xml": 415, "+json": 415, "json": 415, "a/+json": 415,
	} {
		w := g.do(t, "PUT", "/streams/s1/record", mediaType, &body)
		if w.Code != status {
			t.Errorf("%q: status %d, want %d: %s", mediaType, w.Code, status, w.Body)
		}
		if status == 415 {
			if name, _ := kinesisError(t, w); name != "UnsupportedMediaType" {
				t.Errorf("%q: type %q", mediaType, name)
			}
		}
	}
	if w := g.do(t, "POST", "/streams/s1", "application/x-www-form-urlencoded", nil); w.Code != 200 {
		t.Errorf("no body: status %d, want 200: there is nothing to read", w.Code)
	}
}

// TestStreamsBodyLimit: a body of the limit's length goes on, one byte more does not, whether its
// length is told or not.
func TestStreamsBodyLimit(t *testing.T) {
	g := startStreams(t, healthyKinesis, func(cfg *streamsConfig) { cfg.handlers.KinesisMaxRequestBytes = 1000 })
	frame := `{"Data":"","PartitionKey":"p"}`
	for _, extra := range []int{0, 1} {
		for _, chunked := range []bool{false, true} {
			text := strings.Replace(frame, `""`, `"`+strings.Repeat("x", 1000-len(frame)+extra)+`"`, 1)
			r := httptest.NewRequestWithContext(t.Context(), "PUT", "/streams/s1/record", strings.NewReader(text))
			if chunked {
				r.ContentLength = -1
			}
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if extra == 0 {
				if w.Code != 200 {
					t.Errorf("%d bytes: status %d: %s", len(text), w.Code, w.Body)
				}
				continue
			}
			if name, message := kinesisError(t, w); w.Code != 413 || name != "RequestTooLarge" || !strings.Contains(message, "1000") {
				t.Errorf("%d bytes, chunked %v: status %d: %s", len(text), chunked, w.Code, w.Body)
			}
		}
	}
}

func TestStreamsBudget(t *testing.T) {
	g := startStreams(t, healthyKinesis, func(cfg *streamsConfig) { cfg.handlers.MemoryBudgetBytes = 3000 })
	if !g.streams.budget.free.TryAcquire(2900) {
		t.Fatal("the budget is not free")
	}
	body := `{"Data":"` + strings.Repeat("x", 60) + `","PartitionKey":"p"}`
	w := g.put(t, "/streams/s1/record", body)
	if name, _ := kinesisError(t, w); w.Code != 429 || name != "ThrottlingException" || w.Header().Get("Retry-After") != "1" {
		t.Errorf("status %d, headers %v: %s", w.Code, w.Header(), w.Body)
	}
	g.streams.budget.free.Release(2900)
	if w := g.put(t, "/streams/s1/record", body); w.Code != 200 {
		t.Errorf("with room: status %d: %s", w.Code, w.Body)
	}
	if !g.streams.budget.free.TryAcquire(3000) {
		t.Error("requests that are done still hold some of the budget")
	}
}

// TestStreamsBusy holds one request in Kinesis; a second one of at most one is told to come back.
func TestStreamsBusy(t *testing.T) {
	arrived, leave := make(chan struct{}), make(chan struct{})
	g := startStreams(t, func(n int, c kinesisCall) (int, string) {
		if n == 0 {
			close(arrived)
			<-leave
		}
		return healthyKinesis(n, c)
	}, func(cfg *streamsConfig) { cfg.client.MaxInFlight = 1 })
	body := `{"Data":1,"PartitionKey":"p"}`
	first := make(chan int)
	go func() { first <- g.put(t, "/streams/s1/record", body).Code }()
	<-arrived
	for _, path := range []string{"/streams/s1/record", "/streams/s1/records"} {
		text := body
		if strings.HasSuffix(path, "s") {
			text = `{"records":[` + body + `]}`
		}
		w := g.put(t, path, text)
		if name, _ := kinesisError(t, w); w.Code != 429 || name != "ThrottlingException" || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: status %d, headers %v: %s", path, w.Code, w.Header(), w.Body)
		}
	}
	close(leave)
	if status := <-first; status != 200 {
		t.Errorf("the first request: status %d", status)
	}
	if w := g.put(t, "/streams/s1/record", body); w.Code != 200 {
		t.Errorf("after it: status %d: %s", w.Code, w.Body)
	}
}

func TestStreamsCreateStreamBodies(t *testing.T) {
	const name = `{"StreamName":"s1"`
	cases := []struct{ body, want string }{ // want "" is a 400 ValidationException
		{``, name + `,"ShardCount":5}`},
		{` `, name + `,"ShardCount":5}`},
		{`{}`, name + `,"ShardCount":5}`},
		{`null`, name + `,"ShardCount":5}`},
		{`""`, name + `,"ShardCount":5}`},
		{`{"ShardCount":null}`, name + `,"ShardCount":5}`},
		{`{"ShardCount":""}`, name + `,"ShardCount":5}`},
		{`{"ShardCount":2}`, name + `,"ShardCount":2}`},
		{`{"ShardCount":"3"}`, name + `,"ShardCount":3}`},
		{`{"ShardCount":3.0}`, name + `,"ShardCount":3}`},
		{`{"ShardCount":1,"ShardCount":4}`, name + `,"ShardCount":4}`},
		{`{"StreamName":"other","ShardCount":1,"x":{}}`, name + `,"ShardCount":1}`},
		{`{"StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`, name + `,"StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`},
		{`{"StreamModeDetails":{"StreamMode":"ON_DEMAND"},"ShardCount":7}`, name + `,"ShardCount":7,"StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`},
		{`{"StreamModeDetails":{"StreamMode":"PROVISIONED"}}`, name + `,"ShardCount":5,"StreamModeDetails":{"StreamMode":"PROVISIONED"}}`},
		{`{"StreamModeDetails":null,"Tags":{"a":"b"},"MaxRecordSizeInKiB":2048}`, name + `,"ShardCount":5,"Tags":{"a":"b"},"MaxRecordSizeInKiB":2048}`},
		{`{"ShardCount":0}`, ``},
		{`{"ShardCount":-1}`, ``},
		{`{"ShardCount":1.5}`, ``},
		{`{"ShardCount":1e2}`, ``},
		{`{"ShardCount":"three"}`, ``},
		{`{"ShardCount":" "}`, ``},
		{`{"ShardCount":"-"}`, ``},
		{`{"ShardCount":true}`, ``},
		{`{"ShardCount":[1]}`, ``},
		{`{"ShardCount":100001}`, ``},
		{`{"ShardCount":99999999999999999999}`, ``},
		{`{"ShardCount":-99999999999999999999}`, ``},
		{`[]`, ``},
		{`5`, ``},
	}
	g := startStreams(t, healthyKinesis, nil)
	calls := 0
	for _, tc := range cases {
		w := g.do(t, "POST", "/streams/s1", "application/json", &tc.body)
		if tc.want == "" {
			if name, message := kinesisError(t, w); w.Code != 400 || name != "ValidationException" || message == "" {
				t.Errorf("%s: status %d: %s", tc.body, w.Code, w.Body)
			}
			continue
		}
		if w.Code != 200 {
			t.Errorf("%s: status %d: %s", tc.body, w.Code, w.Body)
			continue
		}
		if diff := diffJSON(t, tc.want, g.kinesis.seen()[calls].body); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tc.body, diff)
		}
		calls++
	}
	if got := len(g.kinesis.seen()); got != calls {
		t.Errorf("%d calls, want %d: a refused request was sent", got, calls)
	}
}

// TestStreamsRefusedBeforeKinesis: faults that Kinesis would find are found here, with its type and
// its words, and nothing is sent.
func TestStreamsRefusedBeforeKinesis(t *testing.T) {
	const validation, syntax = "ValidationException", "SerializationException"
	key257 := strings.Repeat("é", 257)
	cases := []struct{ name, method, path, body, wantType, wantText string }{
		{
			"absent data", "PUT", "/streams/s1/record", `{"PartitionKey":"p"}`, validation,
			"1 validation error detected: Value null at 'data' failed to satisfy constraint: Member must not be null",
		},
		{"null data", "PUT", "/streams/s1/record", `{"Data":null,"PartitionKey":"p"}`, validation, "Value null at 'data'"},
		{"no body", "PUT", "/streams/s1/record", ``, validation, "Value null at 'data'"},
		{"body null", "PUT", "/streams/s1/record", `null`, validation, "Value null at 'data'"},
		{"body of another kind", "PUT", "/streams/s1/record", `[1]`, validation, "be a JSON object"},
		{"absent key", "PUT", "/streams/s1/record", `{"Data":1}`, validation, "Value null at 'partitionKey'"},
		{
			"empty key", "PUT", "/streams/s1/record", `{"Data":1,"PartitionKey":""}`, validation,
			"1 validation error detected: Value '' at 'partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		{
			"long key", "PUT", "/streams/s1/record", `{"Data":1,"PartitionKey":"` + key257 + `"}`, validation,
			"at 'partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256",
		},
		{"key of another kind", "PUT", "/streams/s1/record", `{"Data":1,"PartitionKey":{"a":1}}`, validation, "be a string"},
		{"bad hash key", "PUT", "/streams/s1/record", `{"Data":1,"PartitionKey":"p","ExplicitHashKey":"07"}`, validation, `0|([1-9]\d{0,38})`},
		{"bad order", "PUT", "/streams/s1/record", `{"Data":1,"PartitionKey":"p","SequenceNumberForOrdering":"x"}`, validation, `0|([1-9]\d{0,128})`},
		{"malformed", "PUT", "/streams/s1/record", `{"Data":`, syntax, "the body is no JSON"},
		{"text behind", "PUT", "/streams/s1/record", `{"Data":1,"PartitionKey":"p"} x`, syntax, "the body is no JSON"},
		{"not UTF-8", "PUT", "/streams/s1/record", "{\"Data\":\"\xff\",\"PartitionKey\":\"p\"}", syntax, "UTF-8"},
		{"half UTF-16", "PUT", "/streams/s1/record", "\xfe\xff\x00", syntax, "UTF-16"},
		{
			"bad name", "GET", "/streams/a%20b", ``, validation,
			"1 validation error detected: Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
		},
		{"slash in the name", "GET", "/streams/a%2Fb", ``, validation, "Value 'a/b' at 'streamName'"},
		{"percent in the name", "GET", "/streams/a%2541", ``, validation, "Value 'a%41' at 'streamName'"},
		{"long name", "DELETE", "/streams/" + strings.Repeat("x", 129), ``, validation, "less than or equal to 128"},
		{"bad limit", "GET", "/streams?limit=x", ``, validation, "Value 'x' at 'limit'"},
		{"limit 0", "GET", "/streams/s1?limit=0", ``, validation, "greater than or equal to 1"},
		{"limit 10001", "GET", "/streams?limit=10001", ``, validation, "less than or equal to 10000"},
		{"bad start", "GET", "/streams?exclusive-start-stream-name=a%20", ``, validation, "exclusiveStartStreamName"},
		{"bad shard", "GET", "/streams/s1?exclusive-start-shard-id=a%20", ``, validation, "exclusiveStartShardId"},
		{"bad switch", "DELETE", "/streams/s1?enforce-consumer-deletion=yes", ``, validation, "be true or false"},
		{"no records", "PUT", "/streams/s1/records", `{}`, validation, "Value null at 'records'"},
		{"null records", "PUT", "/streams/s1/records", `{"records":null}`, validation, "Value null at 'records'"},
		{"records of another kind", "PUT", "/streams/s1/records", `{"records":{}}`, validation, "be an array"},
		{
			"empty records", "PUT", "/streams/s1/records", `{"records":[]}`, validation,
			"1 validation error detected: Value '[]' at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		{
			"501 records", "PUT", "/streams/s1/records", `{"records":[` + strings.Repeat(`{"data":1,"partition-key":1},`, 500) + `{}]}`, validation,
			"at 'records' failed to satisfy constraint: Member must have length less than or equal to 500",
		},
		{"a record of another kind", "PUT", "/streams/s1/records", `{"records":[{"data":1,"partition-key":1},7]}`, validation, "Value '7' at 'records.2'"},
		{
			"a record without data", "PUT", "/streams/s1/records", `{"records":[{"data":1,"partition-key":"p"},{"partition-key":"p"}]}`, validation,
			"1 validation error detected: Value null at 'records.2.member.data' failed to satisfy constraint: Member must not be null",
		},
		{"a record without key", "PUT", "/streams/s1/records", `{"records":[{"data":1},{"data":2}]}`, validation, "Value null at 'records.1.member.partitionKey'"},
		{"a record with an empty key", "PUT", "/streams/s1/records", `{"records":[{"data":1,"partition-key":""}]}`, validation, "Value '' at 'records.1.member.partitionKey'"},
		{"malformed behind a fault", "PUT", "/streams/s1/records", `{"records":[{"data":1},]}`, syntax, "the body is no JSON"},
	}
	g := startStreams(t, healthyKinesis, nil)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := g.do(t, tc.method, tc.path, "", &tc.body)
			name, message := kinesisError(t, w)
			if w.Code != 400 || name != tc.wantType || !strings.Contains(message, tc.wantText) {
				t.Errorf("status %d: %s\nwant 400 %s with %s", w.Code, w.Body, tc.wantType, tc.wantText)
			}
		})
	}
	if calls := g.kinesis.seen(); len(calls) != 0 {
		t.Errorf("Kinesis was called: %v", calls)
	}
}

// sentRecord is a record as Kinesis gets it; Data is decoded.
type sentRecord struct {
	Data                                                     []byte
	PartitionKey, ExplicitHashKey, SequenceNumberForOrdering string
}

// TestStreamsStored is the contract's table "What is stored".
func TestStreamsStored(t *testing.T) {
	cases := []struct {
		name, fields  string // the members of a record
		single, batch sentRecord
	}{
		{
			"object keeps its order and digits", `"data":{ "z" : 1.50, "a":[ 1 , 12345678901234567890 ] }, "PartitionKey":"p"`,
			sentRecord{Data: []byte(`{"z":1.50,"a":[1,12345678901234567890]}`), PartitionKey: "p"},
			sentRecord{Data: []byte(`{"z":1.50,"a":[1,12345678901234567890]}`), PartitionKey: "p"},
		},
		{
			"nothing is escaped anew", `"data":{"h":"<é&\u00e9\/>"},"PartitionKey":"p"`,
			sentRecord{Data: []byte(`{"h":"<é&\u00e9\/>"}`), PartitionKey: "p"},
			sentRecord{Data: []byte(`{"h":"<é&\u00e9\/>"}`), PartitionKey: "p"},
		},
		{
			"string", `"data":"plain","PartitionKey":"p"`,
			sentRecord{Data: []byte(`"plain"`), PartitionKey: "p"},
			sentRecord{Data: []byte(`plain`), PartitionKey: "p"},
		},
		{
			"string that holds JSON", `"data":"{\"index\":1}","PartitionKey":"p"`,
			sentRecord{Data: []byte(`"{\"index\":1}"`), PartitionKey: "p"},
			sentRecord{Data: []byte(`{"index":1}`), PartitionKey: "p"},
		},
		{
			"string that looks like base64", `"data":"eA==","PartitionKey":"p"`,
			sentRecord{Data: []byte(`"eA=="`), PartitionKey: "p"},
			sentRecord{Data: []byte(`eA==`), PartitionKey: "p"},
		},
		{
			"empty string", `"data":"","PartitionKey":"p"`,
			sentRecord{Data: []byte(`""`), PartitionKey: "p"},
			sentRecord{Data: []byte{}, PartitionKey: "p"},
		},
		{
			"number and bool", `"data":2.50,"PartitionKey":true`,
			sentRecord{Data: []byte(`2.50`), PartitionKey: "true"},
			sentRecord{Data: []byte(`2.50`), PartitionKey: "true"},
		},
		{
			"numeric key", `"data":false,"PartitionKey":7`,
			sentRecord{Data: []byte(`false`), PartitionKey: "7"},
			sentRecord{Data: []byte(`false`), PartitionKey: "7"},
		},
		{
			"quote in the key", `"data":1,"PartitionKey":"p\"q\\"`,
			sentRecord{Data: []byte(`1`), PartitionKey: `p"q\`},
			sentRecord{Data: []byte(`1`), PartitionKey: `p"q\`},
		},
		{
			"key of 256 characters", `"data":1,"PartitionKey":"` + strings.Repeat("é", 256) + `"`,
			sentRecord{Data: []byte(`1`), PartitionKey: strings.Repeat("é", 256)},
			sentRecord{Data: []byte(`1`), PartitionKey: strings.Repeat("é", 256)},
		},
		{
			"hyphens", `"data":1,"partition-key":"p","explicit-hash-key":340282366920938463463374607431768211455`,
			sentRecord{Data: []byte(`1`), PartitionKey: "p", ExplicitHashKey: "340282366920938463463374607431768211455"},
			sentRecord{Data: []byte(`1`), PartitionKey: "p", ExplicitHashKey: "340282366920938463463374607431768211455"},
		},
		{
			"camel", `"data":1,"partitionKey":"p","ExplicitHashKey":"0"`,
			sentRecord{Data: []byte(`1`), PartitionKey: "p", ExplicitHashKey: "0"},
			sentRecord{Data: []byte(`1`), PartitionKey: "p", ExplicitHashKey: "0"},
		},
		{
			"order", `"data":1,"PartitionKey":"p","SequenceNumberForOrdering":"495"`,
			sentRecord{Data: []byte(`1`), PartitionKey: "p", SequenceNumberForOrdering: "495"},
			sentRecord{Data: []byte(`1`), PartitionKey: "p"},
		},
		{
			"both spellings", `"data":"l","Data":"c","PartitionKey":"c","partition-key":"h","partitionKey":"m","explicit-hash-key":"1","ExplicitHashKey":"2"`,
			sentRecord{Data: []byte(`"c"`), PartitionKey: "c", ExplicitHashKey: "2"},
			sentRecord{Data: []byte(`l`), PartitionKey: "h", ExplicitHashKey: "1"},
		},
		{
			"both spellings, the other way round", `"Data":"c","data":"l","partitionKey":"m","partition-key":"h","PartitionKey":"c"`,
			sentRecord{Data: []byte(`"c"`), PartitionKey: "c"},
			sentRecord{Data: []byte(`l`), PartitionKey: "h"},
		},
		{
			"a null spelling is none", `"Data":null,"data":1,"partition-key":null,"PartitionKey":"p"`,
			sentRecord{Data: []byte(`1`), PartitionKey: "p"},
			sentRecord{Data: []byte(`1`), PartitionKey: "p"},
		},
		{
			"the last of one spelling", `"data":1,"data":2,"StreamName":"zzz","PartitionKey":"p"`,
			sentRecord{Data: []byte(`2`), PartitionKey: "p"},
			sentRecord{Data: []byte(`2`), PartitionKey: "p"},
		},
	}
	g := startStreams(t, healthyKinesis, nil)
	for i, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if w := g.put(t, "/streams/s1/record", "\xef\xbb\xbf{"+tc.fields+"}"); w.Code != 200 {
				t.Fatalf("/record: status %d: %s", w.Code, w.Body)
			}
			if w := g.put(t, "/streams/s1/records", `{"x":[{}],"records" : [ {`+tc.fields+`} , {`+tc.fields+`} ] }`); w.Code != 200 {
				t.Fatalf("/records: status %d: %s", w.Code, w.Body)
			}
			calls := g.kinesis.seen()
			var single struct {
				sentRecord
				StreamName string
			}
			var batch struct {
				Records    []sentRecord
				StreamName string
			}
			strictJSON(t, calls[2*i].body, &single)
			strictJSON(t, calls[2*i+1].body, &batch)
			if single.StreamName != "s1" || batch.StreamName != "s1" {
				t.Errorf("streams %q and %q, want s1", single.StreamName, batch.StreamName)
			}
			if diff := cmp.Diff(tc.single, single.sentRecord); diff != "" {
				t.Errorf("/record: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff([]sentRecord{tc.batch, tc.batch}, batch.Records); diff != "" {
				t.Errorf("/records: -want +got:\n%s", diff)
			}
		})
	}
}

func strictJSON(t testing.TB, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("upstream body %q: %v", text, err)
	}
}

func TestStreamsRecordsSpellings(t *testing.T) {
	record := func(n int) string { return fmt.Sprintf(`[{"data":%d,"partition-key":"p"}]`, n) }
	for body, want := range map[string]string{
		`{"Records":` + record(1) + `}`:                                   "1",
		`{"records":` + record(1) + `,"Records":` + record(2) + `}`:       "1",
		`{"Records":` + record(1) + `,"records":` + record(2) + `}`:       "2",
		`{"records":` + record(1) + `,"records":` + record(2) + `}`:       "2",
		`{"Records":[{}],"records":` + record(2) + `}`:                    "2",
		`{"records":null,"Records":` + record(2) + `,"other":[[1],"\""]}`: "2",
	} {
		g := startStreams(t, healthyKinesis, nil)
		if w := g.put(t, "/streams/s1/records", body); w.Code != 200 {
			t.Errorf("%s: status %d: %s", body, w.Code, w.Body)
			continue
		}
		var sent struct{ Records []sentRecord }
		if err := json.Unmarshal([]byte(g.kinesis.seen()[0].body), &sent); err != nil || len(sent.Records) != 1 || string(sent.Records[0].Data) != want {
			t.Errorf("%s: sent %s, want the one record %s", body, g.kinesis.seen()[0].body, want)
		}
	}
}

func TestStreamsSplitBatches(t *testing.T) {
	g := startStreams(t, healthyKinesis, func(cfg *streamsConfig) { cfg.client.SplitBatches = true })
	w := g.put(t, "/streams/s1/records", `{"records":[`+strings.Repeat(`{"data":1,"partition-key":1},`, 1000)+`{"data":1,"partition-key":1}]}`)
	if w.Code != 200 || len(g.kinesis.seen()) != 3 || strings.Count(w.Body.String(), "SequenceNumber") != 1001 {
		t.Errorf("status %d after %d calls: %.300s", w.Code, len(g.kinesis.seen()), w.Body)
	}
}

// TestStreamsUnreachable: no answer of Kinesis to relay.
func TestStreamsUnreachable(t *testing.T) {
	for _, mode := range []string{"semantic", "upstream", "apigateway"} {
		g := startStreams(t, healthyKinesis, func(cfg *streamsConfig) {
			cfg.client.Endpoint, cfg.handlers.KinesisErrorStatus = "http://127.0.0.1:1", mode
		})
		w := g.do(t, "GET", "/streams", "", nil)
		if name, _ := kinesisError(t, w); w.Code != 503 || name != "ServiceUnavailable" || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: status %d, headers %v: %s", mode, w.Code, w.Header(), w.Body)
		}
		if !strings.Contains(g.log.String(), "kinesis request failed") {
			t.Errorf("%s: nothing logged", mode)
		}
	}
}

func TestStreamsTimeout(t *testing.T) {
	leave := make(chan struct{})
	g := startStreams(t, func(n int, c kinesisCall) (int, string) { <-leave; return healthyKinesis(n, c) },
		func(cfg *streamsConfig) { cfg.client.Budget = 20 * time.Millisecond })
	w := g.do(t, "GET", "/streams", "", nil)
	close(leave)
	if name, _ := kinesisError(t, w); w.Code != 504 || name != "RequestTimeout" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestStreamsWithoutCredentials(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_CONFIG_FILE", "none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
	g := startStreams(t, healthyKinesis, func(cfg *streamsConfig) { cfg.client.StaticKey = "" })
	w := g.do(t, "GET", "/streams", "", nil)
	if name, _ := kinesisError(t, w); w.Code != 403 || name != "MissingAuthenticationToken" || !strings.Contains(g.log.String(), "level=ERROR") {
		t.Errorf("status %d: %s\nlog: %s", w.Code, w.Body, g.log)
	}
	if err := g.streams.client.Ready(t.Context()); err == nil {
		t.Error("ready without credentials")
	}
}

func TestStreamsPooledBodiesStayApart(t *testing.T) {
	g := startStreams(t, healthyKinesis, nil)
	var wg sync.WaitGroup
	want := make([]string, 16)
	for i := range want {
		text := strings.Repeat(string(rune('a'+i)), 1+300*i)
		want[i] = base64.StdEncoding.EncodeToString([]byte(text))
		wg.Go(func() {
			for range 10 {
				if w := g.put(t, "/streams/s1/records", `{"records":[{"data":"`+text+`","partition-key":"p"}]}`); w.Code != 200 {
					t.Errorf("status %d: %s", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]int{}
	for _, c := range g.kinesis.seen() {
		seen[c.body]++
	}
	for _, data := range want {
		if n := seen[`{"StreamName":"s1","Records":[{"Data":"`+data+`","PartitionKey":"p"}]}`]; n != 10 {
			t.Errorf("record %.8s… arrived %d times, want 10", data, n)
		}
	}
}
