package handlers

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"headrace/schema"
)

const (
	embeddedAvro       = "application/vnd.kafka.avro.v2+json"
	embeddedJSONSchema = "application/vnd.kafka.jsonschema.v2+json"
	embeddedProtobuf   = "application/vnd.kafka.protobuf.v2+json"
)

// withRegistry starts the routes over a fake Kafka and a fake registry.
func withRegistry(t testing.TB, change func(*Config), opts ...kfake.Opt) (*httptest.Server, *kfake.Cluster, *sr.Client) {
	t.Helper()
	registry := httptest.NewServer(srfake.NewRegistry().Handler())
	t.Cleanup(registry.Close)
	cfg := schema.DefaultConfig()
	cfg.URLs = []string{registry.URL}
	schemas, err := schema.New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(schemas.Close)
	client, err := sr.NewClient(sr.URLs(registry.URL))
	if err != nil {
		t.Fatal(err)
	}
	srv, cluster := restOn(t, change, schemas, opts...)
	return srv, cluster, client
}

// posted sends one body to /topics/t.
func posted(t testing.TB, srv *httptest.Server, contentType, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/topics/t", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// stored reads n records of topic t: "KEY VALUE" in hex, null for a Kafka null.
func stored(t *testing.T, cluster *kfake.Cluster, n int) []string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	shown := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return hex.EncodeToString(b)
	}
	var got []string
	for len(got) < n {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, shown(r.Key)+" "+shown(r.Value)) })
	}
	return got
}

func TestProduceAvro(t *testing.T) {
	srv, cluster, registry := withRegistry(t, nil, kfake.SeedTopics(1, "t"))
	status, answer := posted(t, srv, embeddedAvro, `{"key_schema":"\"string\"","value_schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":[\"null\",\"int\"]}]}",
		"records":[{"key":"k","value":{"a":{"int":1}}},{"key":"","value":{"zz":0,"a":null}}]}`)
	want := `{"offsets":[{"partition":0,"offset":0,"error_code":null,"error":null},{"partition":0,"offset":1,"error_code":null,"error":null}],"key_schema_id":1,"value_schema_id":2}`
	if status != 200 || answer != want {
		t.Fatalf("%d %s\nwant %s", status, answer, want)
	}
	// The same by id; a null where the schema knows one is a Kafka null.
	if _, err := registry.CreateSchema(t.Context(), "t-value", sr.Schema{Schema: `["null","int"]`}); err != nil {
		t.Fatal(err)
	}
	status, answer = posted(t, srv, embeddedAvro, `{"value_schema_id":"3","records":[{"value":{"int":2}},{"value":null}]}`)
	if status != 200 || !strings.HasSuffix(answer, `"key_schema_id":null,"value_schema_id":3}`) {
		t.Fatalf("by id: %d %s", status, answer)
	}
	got := stored(t, cluster, 4)
	if diff := cmp.Diff([]string{"0000000001026b 00000000020202", "000000000100 000000000200", "null 00000000030204", "null null"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestSchemaRefusals holds every refusal to the contract's code and text; nothing is stored.
func TestSchemaRefusals(t *testing.T) {
	srv, cluster, registry := withRegistry(t, nil, kfake.SeedTopics(1, "t"))
	for subject, text := range map[string]string{"other-value": `"string"`} {
		if _, err := registry.CreateSchema(t.Context(), subject, sr.Schema{Schema: text}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		body         string
		status, code int
		message      string // its beginning
	}{
		{`{"value_schema":"\"int\"","records":[{"key":1,"value":1}]}`, 422, 42201, "Request includes keys but does not include key schema"},
		{`{"records":[{"value":1}]}`, 422, 42202, "Request includes values but does not include value schema"},
		{`{"value_schema":"x","value_schema_id":1,"records":[{"value":1}]}`, 400, 400, "Bad Request: both a schema and a schema id are given: one of them is wanted."},
		{`{"value_schema":"{\"type\":","records":[{"value":1}]}`, 422, 42205, `Invalid schema: Error when parsing raw schema. format = AVRO, schema = {"type":`},
		{`{"value_schema":"","records":[{"value":1}]}`, 422, 42205, `Invalid schema: Error when parsing raw schema. format = AVRO, schema = `},
		{`{"value_schema_id":999999,"records":[{"value":1}]}`, 422, 42207, "Error serializing message. Error when fetching schema by id. schemaId = 999999\n"},
		{`{"value_schema_id":0,"records":[{"value":1}]}`, 422, 42207, "Error serializing message. Error when fetching schema by id. schemaId = 0\n"},
		{`{"value_schema_id":-5,"records":[{"value":1}]}`, 422, 42207, "Error serializing message. Error when fetching schema by id. schemaId = -5\n"},
		{`{"value_schema_id":1,"records":[{"value":"x"}]}`, 422, 42207, "Error serializing message. Error when fetching schema version. subject = t-value, schema = \"string\"\n"},
		{`{"value_schema":"\"int\"","records":[{"value":1},{"value":"x"}]}`, 400, 400, "Bad Request: Expected int. Got VALUE_STRING"},
		{`{"value_schema":"\"int\"","records":[{"value":1},{"value":null}]}`, 400, 400, "Bad Request: Expected int. Got VALUE_NULL"},
		{`{"value_schema":"\"int\"","key_schema":"\"int\"","records":[{"value":1}]}`, 400, 400, "Bad Request: Expected int. Got VALUE_NULL"},
	} {
		status, answer := posted(t, srv, embeddedAvro, tt.body)
		var got struct {
			Code    int    `json:"error_code"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatal(err)
		}
		if status != tt.status || got.Code != tt.code || !strings.HasPrefix(got.Message, tt.message) {
			t.Errorf("%s: %d %s\nwant %d %d %s", tt.body, status, answer, tt.status, tt.code, tt.message)
		}
	}
	if end := endOffset(t, cluster); end != 0 {
		t.Errorf("%d records were stored", end)
	}
}

// endOffset is the end of partition 0 of topic t.
func endOffset(t *testing.T, cluster *kfake.Cluster) int64 {
	t.Helper()
	info := cluster.PartitionInfo("t", 0)
	if info == nil {
		t.Fatal("topic t is not there")
	}
	return info.HighWatermark
}

func TestNullsMayAlwaysBeKafkaNulls(t *testing.T) {
	srv, cluster, _ := withRegistry(t, func(cfg *Config) { cfg.NullIsNull = true }, kfake.SeedTopics(1, "t"))
	status, answer := posted(t, srv, embeddedAvro, `{"value_schema":"\"int\"","records":[{"value":1},{"value":null}]}`)
	if status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	if diff := cmp.Diff([]string{"null 000000000102", "null null"}, stored(t, cluster, 2)); diff != "" {
		t.Error(diff)
	}
}

func TestNullsNeedNoSchema(t *testing.T) {
	srv, _, _ := withRegistry(t, nil, kfake.SeedTopics(1, "t"))
	if status, answer := posted(t, srv, embeddedProtobuf, `{"records":[{"value":null}]}`); status != 200 || !strings.HasSuffix(answer, `"key_schema_id":null,"value_schema_id":null}`) {
		t.Errorf("%d %s", status, answer)
	}
}

func TestRegistrySwitchedOff(t *testing.T) {
	srv, _ := rest(t, nil, kfake.SeedTopics(1, "t"))
	for _, tt := range []struct{ body, want string }{
		{`{"value_schema":"\"string\"","records":[{"value":"x"}]}`, `{"error_code":42206,"message":"Payload error. Schema Registry must be configured when using schemas."}`},
		{`{"value_schema_id":1,"records":[{"value":"x"}]}`, `{"error_code":42206,"message":"Payload error. Schema Registry must be configured when using schemas."}`},
		{`{"records":[{"value":"x"}]}`, `{"error_code":42207,"message":"Error serializing message. Schema Registry not defined, no Schema Registry client available to serialize message."}`},
	} {
		for _, contentType := range []string{embeddedAvro, embeddedJSONSchema, embeddedProtobuf} {
			if status, answer := posted(t, srv, contentType, tt.body); status != 422 || answer != tt.want {
				t.Errorf("%s: %d %s, want %s", tt.body, status, answer, tt.want)
			}
		}
	}
}

// A hundred Avro records in a request, decoded and encoded but not sent: Kafka's part is the same for every format.
func BenchmarkEncodeAvro(b *testing.B) { benchmarkEncode(b, embeddedAvro) }
func BenchmarkEncodeJSON(b *testing.B) { benchmarkEncode(b, embeddedJSON) }

func benchmarkEncode(b *testing.B, contentType string) {
	registry := httptest.NewServer(srfake.NewRegistry().Handler())
	b.Cleanup(registry.Close)
	cfg := schema.DefaultConfig()
	cfg.URLs = []string{registry.URL}
	schemas, err := schema.New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	request := eventBody()
	budget := NewBudget(1 << 30)
	p := &produceRequest{}
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		*p = produceRequest{format: formats[contentType], topic: "t", partition: -1, argument: "arg2", recs: p.recs[:0]}
		text := bytes.Clone(request)
		p.body = &body{bytes: text, budget: budget}
		if err := p.decode(); err != nil {
			b.Fatal(err)
		}
		if p.format.hasSchema() {
			if err := p.useSchemas(context.Background(), schemas, false); err != nil {
				b.Fatal(err)
			}
		}
		p.body.abandon()
	}
}

// eventBody is a request of 100 records of about 600 bytes, with the schema that fits them.
func eventBody() []byte {
	var out bytes.Buffer
	out.WriteString(`{"value_schema":"{\"type\":\"record\",\"name\":\"Event\",\"fields\":[{\"name\":\"index\",\"type\":\"int\"},{\"name\":\"unique_id\",\"type\":\"string\"},` +
		`{\"name\":\"title\",\"type\":\"string\"},{\"name\":\"description\",\"type\":\"string\"},{\"name\":\"follower_count\",\"type\":\"string\"},{\"name\":\"tag_list\",\"type\":\"string\"},` +
		`{\"name\":\"is_image_or_video\",\"type\":[\"null\",\"string\"]},{\"name\":\"image_src\",\"type\":\"string\"},{\"name\":\"downloaded\",\"type\":\"int\"},{\"name\":\"save_location\",\"type\":\"string\"},{\"name\":\"category\",\"type\":\"string\"}]}","records":[`)
	for i := range 100 {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(`{"value":{"index":7528,"unique_id":"fbe53c66-3442-4773-b19e-d3ec6f54dddf","title":"No Title Data Available",` +
			`"description":"No description available Story format, a long text that goes on for a while so that the record has about the size that the users of this gateway post, with a few commas, and more of it until it is enough for anybody who measures",` +
			`"follower_count":"User Info Error","tag_list":"N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e","is_image_or_video":{"string":"multi-video(story page format)"},` +
			`"image_src":"Image src error.","downloaded":0,"save_location":"Local save in /data/mens-fashion","category":"mens-fashion"}}`)
	}
	out.WriteString(`]}`)
	return out.Bytes()
}

func TestProduceJSONSchemaAndProtobuf(t *testing.T) {
	srv, cluster, _ := withRegistry(t, nil, kfake.SeedTopics(1, "t"))
	status, answer := posted(t, srv, embeddedJSONSchema, `{"value_schema":"{\"type\":[\"object\",\"null\"],\"properties\":{\"a\":{\"type\":\"integer\"}}}","records":[{"value":{ "a" : 1 }},{"value":null}]}`)
	if status != 200 || !strings.HasSuffix(answer, `"key_schema_id":null,"value_schema_id":1}`) {
		t.Fatalf("%d %s", status, answer)
	}
	status, answer = posted(t, srv, embeddedProtobuf, `{"value_schema":"syntax = \"proto3\"; message M { int32 a_b = 1; }","records":[{"value":{"aB":1}},{"value":{"a_b":"0"}}]}`)
	if status != 200 || !strings.HasSuffix(answer, `"key_schema_id":null,"value_schema_id":2}`) {
		t.Fatalf("%d %s", status, answer)
	}
	want := []string{
		"null 0000000001" + hex.EncodeToString([]byte(`{"a":1}`)), "null 0000000001" + hex.EncodeToString([]byte(`null`)),
		"null 0000000002000801", "null 000000000200",
	}
	if diff := cmp.Diff(want, stored(t, cluster, 4)); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct{ contentType, body, want string }{
		{embeddedJSONSchema, `{"value_schema_id":1,"records":[{"value":{"a":2.0}}]}`, `{"error_code":400,"message":"Bad Request: #/a: got number, want integer"}`},
		{embeddedProtobuf, `{"value_schema_id":2,"records":[{"value":{"zz":1}}]}`, `{"error_code":400,"message":"Bad Request: unknown field \"zz\""}`},
		{embeddedProtobuf, `{"value_schema_id":2,"records":[{"value":null}]}`, `{"error_code":400,"message":"Bad Request: Expect message object but got: null"}`},
		// An id whose schema is of another format: the reference's 500 is a defect.
		{embeddedAvro, `{"value_schema_id":2,"records":[{"value":{}}]}`, `{"error_code":400,"message":"Bad Request: schema 2 is of format PROTOBUF, the request is of format AVRO"}`},
	} {
		if status, answer := posted(t, srv, tt.contentType, tt.body); status != 400 || answer != tt.want {
			t.Errorf("%s: %d %s, want %s", tt.body, status, answer, tt.want)
		}
	}
}

// The figure to reach: Avro, 100 records a request, at half of JSON's rate or more.
func BenchmarkProduceAvro(b *testing.B) { benchmarkProduce(b, embeddedAvro) }
func BenchmarkProduceJSON(b *testing.B) { benchmarkProduce(b, embeddedJSON) }

func benchmarkProduce(b *testing.B, contentType string) {
	srv, _, _ := withRegistry(b, nil, kfake.SeedTopics(4, "t"))
	body := string(eventBody())
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if status, answer := posted(b, srv, contentType, body); status != 200 {
			b.Fatal(status, answer)
		}
	}
}
