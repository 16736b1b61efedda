package handlers

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const recordsOfT = "/v3/clusters/c1/topics/t/records"

// postRecords posts a body and returns status and answer.
func postRecords(t testing.TB, srv *httptest.Server, path, body string, headers ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", typeJSON)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// readTopic reads n records of a topic.
func readTopic(t testing.TB, cluster *kfake.Cluster, topic string, n int) (recs []*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(recs) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("%d of %d records read: %v", len(recs), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { recs = append(recs, r) })
	}
	return recs
}

// Texts of receipts by the record that they answer: contract, kafka-rest-v3.md §3.2 to §3.4.
func TestReceipts(t *testing.T) {
	srv, _ := rest(t, nil, kfake.SeedTopics(1, "t"))
	const at = `"timestamp":"2021-02-05T19:14:42Z"`
	stored := func(members string) string {
		if members != "" {
			members = "," + members
		}
		return `{"error_code":200,"cluster_id":"c1","topic_name":"t","partition_id":0,"offset":N,` + at + members + "}\r\n"
	}
	failed := func(code int, message string) string {
		return fmt.Sprintf(`{"error_code":%d,"message":%q}`+"\r\n", code, message)
	}
	for _, tt := range []struct{ name, body, want string }{
		{"an empty object is a record of nulls", `{` + at + `}`, stored("")},
		{"JSON keeps its spelling", `{"value":{"type":"JSON","data":{"a": 1.50}},` + at + `}`, stored(`"value":{"type":"JSON","size":10}`)},
		{"type behind data", `{"value":{"data":"a2V5","type":"BINARY"},"key":{"type":"STRING","data":"k\u00e9"},` + at + `}`, stored(`"key":{"type":"STRING","size":3},"value":{"type":"BINARY","size":3}`)},
		{"null data is a Kafka null", `{"value":{"type":"STRING","data":null},"key":{"type":"BINARY","data":""},` + at + `}`, stored(`"key":{"type":"BINARY","size":0},"value":{"type":"STRING","size":-1}`)},
		{"a null key is not named", `{"key":null,` + at + `}`, stored("")},
		{"seconds", `{"timestamp":1612552482.0009}`, stored("")},
		{"seconds as text", `{"timestamp":"1612552482"}`, stored("")},
		{"an offset", `{"timestamp":"2021-02-05T20:14:42.0001+01:00"}`, stored("")},
		{"of a member given twice the last counts", `{"partition_id":7,"partition_id":"0","value":{"type":"JSON","data":1},"value":null,` + at + `}`, stored("")},
		{"not base64", `{"value":{"type":"BINARY","data":"!!"}}`, failed(400, `Bad Request: data="!!" is not a valid base64 string.`)},
		{"not a string", `{"value":{"type":"STRING","data":5}}`, failed(400, `Bad Request: data=5 is not a string.`)},
		{"no data", `{"value":{"type":"JSON"}}`, failed(400, "Cannot construct instance of `"+classData+"`, problem: Null data")},
		{"no registry", `{"value":{"data":{}}}`, failed(422, `Error: 42206 : Payload error. Schema Registry must be configured when using schemas.`)},
		{"a type that is none", `{"value":{"type":"XML","data":1}}`, failed(400, "Cannot deserialize value of type `io.confluent.kafkarest.entities.EmbeddedFormat` from String \"XML\": not one of the values accepted for Enum class: [BINARY, AVRO, JSON, JSONSCHEMA, PROTOBUF, STRING]")},
		{"a schema for JSON", `{"value":{"type":"JSON","schema":"{}","data":1}}`, failed(400, "Cannot construct instance of `"+classData+"`, problem: no schema and no subject can be used with 'type=JSON'.")},
		{"Avro without a schema", `{"value":{"type":"AVRO","data":1}}`, failed(400, "Cannot construct instance of `"+classData+"`, problem: 'schema_version=latest' cannot be used with 'serializer'.")},
		{"type and schema id", `{"value":{"type":"AVRO","schema_id":1,"schema":"x","data":1}}`, failed(400, "Cannot construct instance of `"+classData+"`, problem: Only one of 'schema_id', 'schema_version' or 'schema' can be used.")},
		{"subject and strategy", `{"value":{"subject":"s","subject_name_strategy":"TOPIC_NAME","data":1}}`, failed(400, "Cannot construct instance of `"+classData+"`, problem: Only one of 'subject_name_strategy' or 'subject' can be used.")},
		{"a negative partition", `{"partition_id":-1}`, failed(40402, "Partition not found.")},
		{"a missing partition", `{"partition_id":9}`, failed(40401, "Partition 9 of topic t with partition count 1 is not present in metadata after 200 ms.")},
		{"before 1970", `{"timestamp":-1}`, failed(400, "Bad Request: timestamp 1969-12-31T23:59:59Z is before 1970.")},
		{"a date alone", `{"timestamp":"2021-02-05"}`, failed(400, "Cannot deserialize value of type `java.time.Instant` from String \"2021-02-05\": a time such as \"2021-02-05T19:14:42Z\" or a number of seconds is wanted")},
		{"a header without padding", `{"headers":[{"name":"h","value":"djE"}]}`, failed(400, `header value "djE" is not a valid base64 string`)},
		{"a header without a name", `{"headers":[{"value":null}]}`, failed(400, "Cannot construct instance of `"+classHeader+"`, problem: Null name")},
		{"an array", `[{"value":{"type":"JSON","data":1}}]`, failed(400, "Cannot deserialize value of type `"+classRequest+"$Builder` from Array value (token `JsonToken.START_ARRAY`)")},
		{"null", `null`, failed(400, "Cannot construct instance of `"+classRequest+"$Builder`: null was given, an object is wanted")},
		{"a number", ` 5 `, failed(400, "Cannot construct instance of `"+classRequest+"$Builder`: a number was given, an object is wanted")},
		{"a byte order mark", "\xef\xbb\xbf{" + at + "}", stored("")},
		{"nothing", " \r\n", ""},
		{
			"the records behind an unknown member are stored", `{"records":[{"x":1}]}{` + at + `}`,
			failed(400, `Unrecognized field "records" (class io.confluent.kafkarest.entities.v3.AutoValue_ProduceRequest$Builder), not marked as ignorable (known: "partition_id", "headers", "key", "value", "timestamp")`) + stored(""),
		},
		{"what is no JSON ends the stream", `{` + at + `}not json{}`, stored("") + failed(400, `Bad Request: Error processing message: "not" is no JSON value, null would be at byte 0`)},
		{"a comma ends the stream", `{` + at + `},{}`, stored("") + failed(400, `Bad Request: Error processing message: "," where a value should be at byte 0`)},
		{"an unknown member and no JSON", `{"zzz":1,"value":}{}`, failed(400, `Bad Request: Error processing message: "}" where a value should be at byte 17`)},
		{"cut off", `{"value":`, failed(400, "Bad Request: Error processing message: the text ends inside a value at byte 9")},
	} {
		status, got := postRecords(t, srv, recordsOfT, tt.body)
		for i := range 100 { // offsets rise
			got = strings.ReplaceAll(got, fmt.Sprintf(`"offset":%d,`, i), `"offset":N,`)
		}
		if diff := cmp.Diff(tt.want, got); status != http.StatusOK || diff != "" {
			t.Errorf("%s: %s: status %d, %s", tt.name, tt.body, status, diff)
		}
	}
}

func TestRecordsAreStoredAsGiven(t *testing.T) {
	srv, cluster := rest(t, nil, kfake.SeedTopics(1, "t"))
	_, answer := postRecords(t, srv, recordsOfT, `{"key":{"type":"STRING","data":"k\n"},"value":{"type":"JSON","data":{"a": [1.50, "\u00e9"]}},
		"headers":[{"name":"a","value":"djE="},{"name":"b"},{"name":"a","value":null},{"name":"","value":""}],"timestamp":1612552482.123999}
		{"value":{"type":"STRING","data":""}}`)
	recs := readTopic(t, cluster, "t", 2)
	first, second := recs[0], recs[1]
	if string(first.Key) != "k\n" || string(first.Value) != `{"a":[1.50,"\u00e9"]}` || first.Timestamp.UnixMilli() != 1612552482123 {
		t.Errorf("first record is %q = %q at %s; receipts %s", first.Key, first.Value, first.Timestamp, answer)
	}
	want := []kgo.RecordHeader{{Key: "a", Value: []byte("v1")}, {Key: "a"}, {Key: "b"}, {Key: "", Value: []byte{}}}
	if diff := cmp.Diff(want, first.Headers); diff != "" {
		t.Error(diff)
	}
	if second.Key != nil || second.Value == nil || len(second.Value) != 0 {
		t.Errorf("second record is %q = %#v, want null = zero bytes", second.Key, second.Value)
	}
}

func TestRefusedBeforeTheStream(t *testing.T) {
	srv, _ := rest(t, nil, kfake.SeedTopics(1, "t"))
	for _, tt := range []struct {
		contentType, body string
		status            int
		want              string
	}{
		{"text/plain", "{}", 415, `{"error_code":415,"message":"HTTP 415 Unsupported Media Type"}`},
		{"", "", 422, `{"error_code":42206,"message":"Payload error. Request body is empty. Data is required."}`},
		{"", "{}", 400, "{\"error_code\":400,\"message\":\"Cannot construct instance of `JsonStream`: Content-Type application/json is wanted\"}"},
		{"application/json; charset=UTF-16", "{}", 400, `{"error_code":400,"message":"Unsupported charset in Content-Type header. Supports \"UTF-8\" and \"ISO-8859-1\"."}`},
		{"application/json; charset=iso-8859-1", "", 200, ``},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+recordsOfT, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if tt.contentType != "" {
			req.Header.Set("Content-Type", tt.contentType)
		}
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != tt.status || string(got) != tt.want {
			t.Errorf("%q %q: %d %s, want %d %s", tt.contentType, tt.body, resp.StatusCode, got, tt.status, tt.want)
		}
	}
}

// receipt is what a test reads of a receipt.
type receipt struct {
	ErrorCode int    `json:"error_code"`
	Message   string `json:"message"`
	Partition int32  `json:"partition_id"`
	Offset    int64  `json:"offset"`
}

// openStream opens a stream that stays open.
func openStream(t *testing.T, srv *httptest.Server) (send func(string), receipts *json.Decoder, end func() error) {
	t.Helper()
	body, pipe := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+recordsOfT, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", typeJSON)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pipe.Close(); _ = resp.Body.Close() })
	send = func(text string) {
		if _, err := io.WriteString(pipe, text); err != nil {
			t.Errorf("sending: %v", err)
		}
	}
	return send, json.NewDecoder(resp.Body), pipe.Close
}

// Headers come before the first record, and each receipt before the next record, in both protocols.
func TestStreamInBothDirections(t *testing.T) {
	plain, _ := rest(t, nil, kfake.SeedTopics(1, "t"))
	second := httptest.NewUnstartedServer(plain.Config.Handler)
	second.EnableHTTP2 = true
	second.StartTLS()
	t.Cleanup(second.Close)
	offset := int64(0)
	for _, srv := range []*httptest.Server{plain, second} {
		send, receipts, end := openStream(t, srv)
		for range 3 {
			send("{}\n")
			var got receipt
			if err := receipts.Decode(&got); err != nil || got.ErrorCode != 200 || got.Offset != offset {
				t.Fatalf("receipt %+v, %v, want offset %d", got, err, offset)
			}
			offset++
		}
		send(`{"value":`)
		send(`{"type":"JSON","data":1}}{"zzz":1}{`)
		var got [2]receipt
		for i := range got {
			if err := receipts.Decode(&got[i]); err != nil {
				t.Fatal(err)
			}
		}
		if got[0].Offset != offset || got[1].ErrorCode != 400 {
			t.Errorf("receipts %+v, want offset %d and an error", got, offset)
		}
		offset++
		send("}")
		if err := end(); err != nil {
			t.Fatal(err)
		}
		var last receipt
		if err := receipts.Decode(&last); err != nil || last.Offset != offset {
			t.Errorf("last receipt %+v, %v", last, err)
		}
		offset++
		if err := receipts.Decode(&last); !errors.Is(err, io.EOF) {
			t.Errorf("behind the last receipt: %v, want the end", err)
		}
	}
}

func TestExpectContinue(t *testing.T) {
	srv, _ := rest(t, nil, kfake.SeedTopics(1, "t"))
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 20 * time.Second}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+recordsOfT, io.MultiReader(strings.NewReader("{}{}")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", typeJSON)
	req.Header.Set("Expect", "100-continue")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, _ := io.ReadAll(resp.Body)
	if strings.Count(string(got), `"error_code":200`) != 2 {
		t.Errorf("receipts %s, want two", got)
	}
}

// Records longer than a block, and blocks full of records, keep their bytes and their order.
func TestLongStream(t *testing.T) {
	srv, cluster := rest(t, nil, kfake.SeedTopics(1, "t"))
	const n = 3000
	value := func(i int) string {
		return fmt.Sprintf("%d-%s", i, strings.Repeat(string(rune('a'+i%26)), i%300+(i%500/499)*200_000))
	}
	reader, pipe := io.Pipe()
	go func() {
		buffered := bufio.NewWriterSize(pipe, 3000)
		for i := range n {
			fmt.Fprintf(buffered, `{"value":{"type":"STRING","data":%q}}`, value(i))
			if i%97 == 0 {
				_ = buffered.Flush()
			}
		}
		_ = buffered.Flush()
		_ = pipe.Close()
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+recordsOfT, reader)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", typeJSON)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	receipts := json.NewDecoder(resp.Body)
	for i := range n {
		var got receipt
		if err := receipts.Decode(&got); err != nil || got.ErrorCode != 200 || got.Offset != int64(i) {
			t.Fatalf("receipt %d is %+v, %v", i, got, err)
		}
	}
	for i, rec := range readTopic(t, cluster, "t", n) {
		if string(rec.Value) != value(i) {
			t.Fatalf("record %d is %.40q…, want %.40q…", i, rec.Value, value(i))
		}
	}
}

func TestRecordTextLimit(t *testing.T) {
	srv, cluster := rest(t, func(cfg *Config) { cfg.RecordTextLimit = 1000 }, kfake.SeedTopics(1, "t"))
	small := `{"value":{"type":"STRING","data":"` + strings.Repeat("x", 900) + `"}}`
	large := `{"value":{"type":"STRING","data":"` + strings.Repeat("x", 1000) + `"}}`
	_, got := postRecords(t, srv, recordsOfT, small+small+large+small)
	if n := strings.Count(got, `"error_code":200`); n != 2 || !strings.HasSuffix(got, "\r\n"+`{"error_code":400,"message":"Bad Request: Error processing message: Produce request size is larger than allowed threshold"}`+"\r\n") {
		t.Errorf("receipts %s", got)
	}
	readTopic(t, cluster, "t", 2)
}

func TestRecordRates(t *testing.T) {
	srv, cluster := rest(t, func(cfg *Config) {
		cfg.RecordRates = RecordRates{On: true, Requests: 1000, RequestsGlobal: 3, Bytes: 1000, BytesGlobal: 1000, Expiry: time.Hour}
	}, kfake.SeedTopics(1, "t"))
	status, got := postRecords(t, srv, recordsOfT, strings.Repeat(`{"value":{"type":"JSON","data":1}}`, 5))
	limited := `{"error_code":429,"message":"Request rate limit exceeded: The rate limit of requests per second has been exceeded."}` + "\r\n"
	if status != 200 || strings.Count(got, `"error_code":200`) != 3 || strings.Count(got, limited) != 2 {
		t.Errorf("status %d, receipts %s, want 3 stored and 2 limited", status, got)
	}
	readTopic(t, cluster, "t", 3)
}

func TestStreamMaxDuration(t *testing.T) {
	srv, _ := rest(t, func(cfg *Config) { cfg.StreamMaxDuration, cfg.StreamGrace = 300*time.Millisecond, time.Second }, kfake.SeedTopics(1, "t"))
	send, receipts, _ := openStream(t, srv)
	codes := map[int]bool{}
	for !codes[408] {
		send("{}")
		var got receipt
		if err := receipts.Decode(&got); err != nil {
			t.Fatalf("before a receipt of 408: %v", err)
		}
		codes[got.ErrorCode] = true
	}
	var got receipt
	if err := receipts.Decode(&got); !errors.Is(err, io.EOF) || !codes[200] {
		t.Errorf("after the grace: %+v, %v, codes %v, want the end", got, err, codes)
	}
}

func TestStreamIdles(t *testing.T) {
	srv, _ := rest(t, func(cfg *Config) { cfg.IdleTimeout = 200 * time.Millisecond }, kfake.SeedTopics(1, "t"))
	send, receipts, _ := openStream(t, srv)
	send("{}")
	var got receipt
	if err := receipts.Decode(&got); err != nil || got.ErrorCode != 200 {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := receipts.Decode(&got); !errors.Is(err, io.EOF) {
		t.Errorf("when nothing moves: %v, want the end", err)
	}
}

// A client that reads nothing is not read any further, and cut off after the idle time; all is given back.
func TestClientThatStopsReading(t *testing.T) {
	var api *Handlers
	srv, _ := restWith(t, func(cfg *Config) { cfg.IdleTimeout = 500 * time.Millisecond }, func(h *Handlers) { api = h }, kfake.SeedTopics(1, "t"))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", recordsOfT)
	chunk := strings.Repeat("{}", 8000)
	sent := 0
	for {
		if _, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", len(chunk), chunk); err != nil {
			break // cut off
		}
		if sent += 8000; sent > 10_000_000 {
			t.Fatal("10,000,000 records are taken from a client that reads no receipt")
		}
	}
	waitForBudget(t, api)
}

// A client that resets its connection leaves nothing behind.
func TestClientThatResets(t *testing.T) {
	var api *Handlers
	srv, _ := restWith(t, nil, func(h *Handlers) { api = h }, kfake.SeedTopics(1, "t"))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{}{}{}\r\n", recordsOfT)
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	waitForBudget(t, api)
}

// waitForBudget waits until all memory has been given back.
func waitForBudget(t *testing.T, api *Handlers) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := api.budget.free.Acquire(ctx, api.budget.size); err != nil {
		t.Fatal("memory of the stream has not been given back")
	}
	api.budget.free.Release(api.budget.size)
}

// A server that stops answers what it has read, then ends the stream.
func TestStreamsEndWhenTheServerStops(t *testing.T) {
	var api *Handlers
	srv, cluster := restWith(t, nil, func(h *Handlers) { api = h }, kfake.SeedTopics(1, "t"))
	send, receipts, _ := openStream(t, srv)
	send("{}")
	var got receipt
	if err := receipts.Decode(&got); err != nil {
		t.Fatal(err)
	}
	held, release := make(chan struct{}), make(chan struct{})
	hold := sync.OnceFunc(func() { close(held) })
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.SleepControl(func() { hold(); <-release })
		return nil, nil, false
	})
	send(`{}{}{"value":`)
	<-held
	api.EndStreams()
	close(release)
	for i := range 2 {
		if err := receipts.Decode(&got); err != nil || got.ErrorCode != 200 || got.Offset != int64(i+1) {
			t.Errorf("receipt %+v, %v, want offset %d", got, err, i+1)
		}
	}
	if err := receipts.Decode(&got); !errors.Is(err, io.EOF) {
		t.Errorf("behind the last: %v, want the end", err)
	}
	if status, answer := postRecords(t, srv, recordsOfT, "{}"); status != 200 || !strings.Contains(answer, `"error_code":200`) {
		t.Errorf("one record while the server stops: %d %s", status, answer)
	}
}
