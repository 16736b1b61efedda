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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/kafkaclient"
)

// bench of consumer tests: the routes over a fake Kafka, and a client past them.
type consumerBench struct {
	url   string
	kafka *kgo.Client
	admin *kadm.Client
}

// consumers starts the consumer routes over a fake Kafka with the topic t of 2 partitions.
func consumers(t testing.TB, change func(*ConsumersConfig, *kafkaclient.InstancesConfig)) *consumerBench {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t", "t2"), kfake.SeedTopics(1, "one"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg, icfg := DefaultConsumersConfig(), kafkaclient.DefaultInstancesConfig()
	cfg.Reset = "earliest"
	icfg.Brokers = cluster.ListenAddrs()
	icfg.HeartbeatInterval, icfg.FetchMaxWait = 100*time.Millisecond, 100*time.Millisecond
	if change != nil {
		change(&cfg, &icfg)
	}
	log := slog.New(slog.DiscardHandler)
	instances, err := kafkaclient.NewInstances(icfg, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	hcfg := DefaultConfig()
	hcfg.V3 = false
	h := New(hcfg, nil, nil, nil, nil, NewBudget(hcfg.MemoryBudgetBytes), log)
	h.WithConsumers(NewConsumers(cfg, instances, NewBudget(1<<26), 1<<20, log))
	router := chi.NewRouter()
	h.Routes(router)
	srv := httptest.NewServer(router)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		srv.CloseClientConnections()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := instances.Close(ctx); err != nil {
			t.Error(err)
		}
		srv.Close()
		client.Close()
	})
	return &consumerBench{url: srv.URL, kafka: client, admin: kadm.NewClient(client)}
}

func (b *consumerBench) store(t testing.TB, topic string, partition int32, values ...string) {
	t.Helper()
	var recs []*kgo.Record
	for _, value := range values {
		recs = append(recs, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)})
	}
	if err := b.kafka.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// reply is an answer, read whole.
type reply struct {
	status int
	kind   string
	body   string
}

func (b *consumerBench) call(t testing.TB, method, path, body string, header ...string) reply {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the answer to %s %s: %v", method, path, err)
	}
	return reply{resp.StatusCode, resp.Header.Get("Content-Type"), string(text)}
}

// must calls and wants a status.
func (b *consumerBench) must(t testing.TB, status int, method, path, body string, header ...string) string {
	t.Helper()
	got := b.call(t, method, path, body, header...)
	if got.status != status {
		t.Fatalf("%s %s %s answers %d %s, want %d", method, path, body, got.status, got.body, status)
	}
	return got.body
}

const inst = "/consumers/g/instances/c"

// instance makes g/c with these members more, and subscribes it to t.
func (b *consumerBench) instance(t testing.TB, members string) {
	t.Helper()
	b.must(t, 200, "POST", "/consumers/g", `{"name":"c","format":"json"`+members+`}`)
	b.must(t, 204, "POST", inst+"/subscription", `{"topics":["t"]}`)
}

// read reads values of g/c.
func (b *consumerBench) read(t testing.TB, query string) (values []string) {
	t.Helper()
	return valuesOf(t, b.must(t, 200, "GET", inst+"/records?"+query, "", "Accept", embeddedJSON))
}

func valuesOf(t testing.TB, body string) (values []string) {
	t.Helper()
	var recs []struct{ Value json.RawMessage }
	if err := json.Unmarshal([]byte(body), &recs); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	for _, rec := range recs {
		values = append(values, string(rec.Value))
	}
	return values
}

func same(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (b *consumerBench) stored(t testing.TB, topic string, partition int32) int64 {
	t.Helper()
	offsets, err := b.admin.FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := offsets.Lookup(topic, partition); ok {
		return o.At
	}
	return -1
}

// Trap 1, the other way round on purpose; and the reference's way by the key.
func TestReadAnswersAsSoonAsItHasSomething(t *testing.T) {
	b := consumers(t, nil)
	b.store(t, "t", 0, "1", "2")
	b.instance(t, `,"consumer.request.timeout.ms":20000`)
	started := time.Now()
	same(t, "the first read", b.read(t, ""), "1", "2")
	b.store(t, "t", 1, "3")
	same(t, "the next read", b.read(t, ""), "3")
	if took := time.Since(started); took > 15*time.Second {
		t.Errorf("two reads with records there took %s", took)
	}
}

func TestFullWaitTakesTheWholeTime(t *testing.T) {
	b := consumers(t, func(c *ConsumersConfig, _ *kafkaclient.InstancesConfig) { c.FullWait = true })
	b.store(t, "t", 0, "1")
	b.instance(t, `,"consumer.request.timeout.ms":1500`)
	started := time.Now()
	same(t, "the read", b.read(t, ""), "1")
	if took := time.Since(started); took < 1500*time.Millisecond {
		t.Errorf("the read took %s, want all of 1.5 s", took)
	}
}

// The first read brings what all partitions hold, and joins the group inside its own time.
func TestFirstReadBringsWhatThereIs(t *testing.T) {
	b := consumers(t, nil)
	for n := range 5 {
		b.store(t, "t", int32(n%2), strconv.Itoa(n))
	}
	b.instance(t, `,"consumer.request.timeout.ms":20000`)
	if got := b.read(t, ""); len(got) != 5 {
		t.Errorf("the first read brings %q, want all 5", got)
	}
}

// Trap 2.
func TestTimeoutOnlyShortens(t *testing.T) {
	b := consumers(t, nil)
	b.instance(t, `,"consumer.request.timeout.ms":300`)
	b.read(t, "")
	started := time.Now()
	same(t, "an empty read", b.read(t, "timeout=60000"))
	if took := time.Since(started); took < 300*time.Millisecond || took > 20*time.Second {
		t.Errorf("a read of 300 ms with timeout=60000 took %s", took)
	}
}

// Traps 3 to 6.
func TestCommitStoresTheNextOffset(t *testing.T) {
	b := consumers(t, nil)
	b.store(t, "t", 0, "1", "2", "3")
	b.instance(t, `,"auto.commit.enable":"false"`)
	b.must(t, 404, "GET", inst+"/offsets", "")
	b.must(t, 422, "GET", inst+"/offsets", "{}")
	for _, body := range []string{
		`{"offsets":[{"topic":"t","partition":0,"offset":1,"metadata":"m"}]}`,
		`{"offsets":[{"topic":"t","partition":0,"offset":9},{"topic":"t","partition":0,"offset":1,"metadata":"m"}]}`,
	} {
		if got := b.must(t, 200, "POST", inst+"/offsets", body); got != "[]" {
			t.Errorf("a commit answers %s", got)
		}
		want := `{"offsets":[{"topic":"t","partition":0,"offset":2,"metadata":"m"}]}`
		if got := b.must(t, 200, "GET", inst+"/offsets", `{"partitions":[{"topic":"t","partition":0},{"topic":"t","partition":1}]}`); got != want {
			t.Errorf("stored is %s, want %s", got, want)
		}
	}
	b.must(t, 200, "POST", inst+"/offsets", `{"offsets":[{"topic":"t","partition":0,"offset":-1}]}`)
	if got := b.stored(t, "t", 0); got != 0 {
		t.Errorf("a commit of -1 stores %d, want 0", got)
	}
	b.must(t, 422, "POST", inst+"/offsets", `{"offsets":[{"topic":"t","partition":0,"offset":-2}]}`)
	same(t, "a read from 0", b.read(t, "timeout=20000"), "1", "2", "3")
	b.must(t, 200, "POST", inst+"/offsets?async=false", "")
	if got := b.stored(t, "t", 0); got != 3 {
		t.Errorf("a commit without a body stores %d, want 3", got)
	}
}

// Trap 24, as far as it is one here: a commit covers what was delivered only, and records that did
// not fit come before what a seek asks for.
func TestCommitCoversOnlyWhatWasDelivered(t *testing.T) {
	b := consumers(t, nil)
	b.store(t, "t", 0, `"aaaa"`, `"bbbb"`, `"cccc"`)
	b.instance(t, "")
	same(t, "a read that is full", b.read(t, "max_bytes=13"), `"aaaa"`, `"bbbb"`)
	b.must(t, 200, "POST", inst+"/offsets", "")
	if got := b.stored(t, "t", 0); got != 2 {
		t.Errorf("after two of three a commit stores %d, want 2", got)
	}
	b.must(t, 204, "POST", inst+"/positions", `{"offsets":[{"topic":"t","partition":0,"offset":1}]}`)
	b.must(t, 200, "POST", inst+"/offsets", "")
	if got := b.stored(t, "t", 0); got != 1 {
		t.Errorf("after a seek to 1 a commit stores %d", got)
	}
	var got []string
	for len(got) < 3 {
		got = append(got, b.read(t, "")...)
	}
	same(t, "after the seek", got, `"cccc"`, `"bbbb"`, `"cccc"`)
}

// A delete commits what was delivered; what was not delivered comes to the next instance.
func TestAutoCommitLosesNothing(t *testing.T) {
	b := consumers(t, nil)
	b.store(t, "t", 0, `"aaaa"`, `"bbbb"`, `"cccc"`)
	b.instance(t, "")
	same(t, "the first", b.read(t, "max_bytes=13"), `"aaaa"`, `"bbbb"`)
	b.must(t, 204, "DELETE", inst, "")
	b.must(t, 404, "DELETE", inst, "")
	b.instance(t, "")
	same(t, "the second", b.read(t, ""), `"cccc"`)
}

// Trap 17, on purpose otherwise when nothing fits: it is an error that names the record.
func TestMaxBytesIsStrict(t *testing.T) {
	b := consumers(t, nil)
	b.store(t, "t", 0, `"12345678"`, "2")
	b.instance(t, "")
	b.call(t, "GET", inst+"/records?max_bytes=1&timeout=1", "", "Accept", embeddedJSON) // joins; when that is quick, it meets the record
	for range 2 {
		got := b.call(t, "GET", inst+"/records?max_bytes=10", "", "Accept", embeddedJSON)
		for got.status == 200 && got.body == "[]" {
			got = b.call(t, "GET", inst+"/records?max_bytes=10", "", "Accept", embeddedJSON)
		}
		for _, part := range []string{"topic t", "partition 0", "offset 0", "10 bytes", "max_bytes=11", "offset 1"} {
			if got.status != 413 || !strings.Contains(got.body, part) {
				t.Errorf("a record that is too large: %d %s, want 413 with %q", got.status, got.body, part)
			}
		}
	}
	same(t, "with room", b.read(t, "max_bytes=11"), `"12345678"`)
	same(t, "the neighbour", b.read(t, ""), "2")
}

func TestSeekGoesPastARecordThatIsTooLarge(t *testing.T) {
	b := consumers(t, nil)
	b.store(t, "t", 0, `"12345678"`, "2")
	b.instance(t, `,"consumer.request.timeout.ms":20000`)
	b.must(t, 413, "GET", inst+"/records?max_bytes=10", "", "Accept", embeddedJSON)
	b.must(t, 204, "POST", inst+"/positions", `{"offsets":[{"topic":"t","partition":0,"offset":1}]}`)
	same(t, "behind it", b.read(t, "max_bytes=10"), "2")
}

// Trap 23, on purpose otherwise: neighbours are neither blocked nor lost.
func TestUndecodableRecordBlocksNobodyElse(t *testing.T) {
	b := consumers(t, nil)
	b.store(t, "t", 0, "1", "no json", "3")
	b.store(t, "t", 1, "4")
	b.instance(t, `,"consumer.request.timeout.ms":20000`)
	if got := b.read(t, ""); len(got) != 2 {
		t.Fatalf("what is before it: %q, want 1 and 4", got)
	}
	got := b.call(t, "GET", inst+"/records", "", "Accept", embeddedJSON)
	if got.status != 408 || !strings.Contains(got.body, `{"error_code":40801,`) || !strings.Contains(got.body, "topic t, partition 0, offset 1") {
		t.Errorf("the undecodable record: %+v", got)
	}
	b.must(t, 408, "GET", inst+"/records", "", "Accept", embeddedJSON)
	b.store(t, "t", 1, "5")
	for { // the neighbour's record and the error take turns
		got = b.call(t, "GET", inst+"/records", "", "Accept", embeddedJSON)
		if got.status == 200 {
			break
		}
	}
	same(t, "the neighbour", valuesOf(t, got.body), "5")
	b.must(t, 204, "POST", inst+"/positions", `{"offsets":[{"topic":"t","partition":0,"offset":2}]}`)
	same(t, "behind it", b.read(t, ""), "3")
}

func TestUndecodableRecordsAsAsked(t *testing.T) {
	for mode, want := range map[string][]string{"skip": {"1", "3"}, "base64": {"1", `"eA=="`, "3"}} {
		b := consumers(t, func(c *ConsumersConfig, _ *kafkaclient.InstancesConfig) { c.OnUndecodable = mode })
		b.store(t, "t", 0, "1", "x", "3")
		b.instance(t, `,"consumer.request.timeout.ms":20000`)
		same(t, mode, b.read(t, ""), want...)
	}
}

// Traps 18, 20, and the texts of creation.
func TestCreate(t *testing.T) {
	b := consumers(t, nil)
	for _, tt := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"id":"i","name":"n"}`, 200, `"instance_id":"i"`},
		{`{"name":5}`, 200, `"instance_id":"5"`},
		{`{"id":"i"}`, 409, "40902"},
		{`{"fetch.min.bytes":-2}`, 422, "40001"},
		{`{"fetch.min.bytes":10000001}`, 422, "40001"},
		{`{"responseMinBytes":10000000,"requestWaitMs":-1}`, 200, "rest-consumer-"},
		{`{"format":"JSON"}`, 200, "rest-consumer-"},
		{`{"format":null}`, 200, "rest-consumer-"},
		{`{"format":""}`, 422, "Invalid format type."},
		{`{"format":"string"}`, 500, "Invalid embedded format STRING for new consumer."},
		{`{"format":"avro"}`, 500, `"error_code":50002,"message":"Failed to construct kafka consumer"`},
		{`{"name":""}`, 422, "422"},
		{`{"auto.offset.reset":"EARLIEST"}`, 422, "42204"},
		{`{"auto.offset.reset":"none"}`, 200, ""},
		{`{"auto.commit.enable":false}`, 200, ""},
		{`[]`, 400, "400"},
		{`null`, 200, "rest-consumer-"},
		{``, 200, "rest-consumer-"},
		{`{"x":null}`, 422, "Unrecognized field: x"},
	} {
		if got := b.call(t, "POST", "/consumers/g", tt.body); got.status != tt.status || !strings.Contains(got.body, tt.want) {
			t.Errorf("creating %s: %d %s, want %d %s", tt.body, got.status, got.body, tt.status, tt.want)
		}
	}
	b.must(t, 200, "POST", "/consumers/other", `{"id":"i"}`)
	got := b.must(t, 200, "POST", "/consumers/h", `{"id":"a/b c"}`)
	if !strings.HasSuffix(got, `/consumers/h/instances/a/b c"}`) {
		t.Errorf("base_uri of a/b c: %s", got)
	}
	b.must(t, 204, "DELETE", "/consumers/h/instances/a%2Fb%20c", "")
}

// Traps 14, 15, 16, 25, and the choice among Accept's entries.
func TestRecordsMediaTypes(t *testing.T) {
	b := consumers(t, nil)
	b.instance(t, `,"consumer.request.timeout.ms":50`)
	b.must(t, 200, "POST", "/consumers/g", `{"name":"b"}`)
	b.must(t, 204, "POST", "/consumers/g/instances/b/assignments", `{"partitions":[{"topic":"one","partition":0}]}`)
	for _, tt := range []struct {
		instance, accept string
		status           int
		kind             string
	}{
		{"c", embeddedJSON, 200, embeddedJSON},
		{"c", embeddedJSON + "; extensions=true", 200, embeddedJSON + ";extensions=true"},
		{"c", embeddedJSON + ", */*;q=0.1", 200, embeddedJSON},
		{"c", embeddedJSON + ", */*", 200, embeddedJSON}, // the reference refuses it
		{"c", "", 406, embeddedBinary},
		{"c", typeV2, 406, typeV2},
		{"c", "application/vnd.kafka.avro.v2+json", 406, "application/vnd.kafka.avro.v2+json"},
		{"c", "application/json", 406, ""},
		{"c", "text/html", 406, ""},
		{"b", "*/*", 200, embeddedBinary},
		{"b", "application/*", 200, embeddedBinary},
		{"b", typeV2, 200, typeV2},
		{"b", typeV2 + ";q=0", 200, typeV2},
		{"nobody", "*/*", 404, embeddedBinary},
	} {
		got := b.call(t, "GET", "/consumers/g/instances/"+tt.instance+"/records?timeout=1", "", "Accept", tt.accept)
		if got.status != tt.status || got.kind != tt.kind {
			t.Errorf("reading %s as %q: %d %q %s, want %d %q", tt.instance, tt.accept, got.status, got.kind, got.body, tt.status, tt.kind)
		}
	}
	for _, query := range []string{"timeout=a", "max_bytes=1.0", "timeout=99999999999999999999"} {
		b.must(t, 404, "GET", "/consumers/g/instances/nobody/records?"+query, "", "Accept", embeddedJSON)
	}
	if got := b.call(t, "POST", inst+"/subscription", "{}", "Content-Type", "application/json"); got.status != 415 || got.kind != "application/json" {
		t.Errorf("a body of application/json: %+v", got)
	}
	for _, kind := range []string{embeddedJSON, embeddedBinary, typeV2} {
		b.must(t, 204, "POST", inst+"/subscription", "{}", "Content-Type", kind)
	}
}

// Traps 19, 27, 28 and the rest of §4.4.
func TestSubscription(t *testing.T) {
	b := consumers(t, nil)
	b.must(t, 422, "POST", "/consumers/g/instances/nobody/subscription", "")
	b.must(t, 400, "POST", "/consumers/g/instances/nobody/subscription", "{")
	b.must(t, 404, "POST", "/consumers/g/instances/nobody/subscription", "{}")
	b.must(t, 200, "POST", "/consumers/g", `{"name":"c","format":"json","consumer.request.timeout.ms":20000}`)
	for _, tt := range []struct {
		body   string
		status int
		topics string
	}{
		{`{}`, 204, `[]`},
		{`{"topics":null}`, 204, `[]`},
		{`{"topics":["t"],"topic_pattern":"x.*"}`, 204, `["t"]`},
		{`{"topics":["t2","t"]}`, 204, `["t","t2"]`},
		{`{"topic_pattern":"t.*"}`, 409, `["t","t2"]`},
		{`{"topics":[null]}`, 400, `["t","t2"]`},
		{`{"topics":[""]}`, 400, `["t","t2"]`},
		{`{"topics":[]}`, 204, `[]`},
		{`{"topic_pattern":""}`, 400, `[]`},
		{`{"topic_pattern":"a++"}`, 400, `[]`},
		{`{"topic_pattern":"[a-z&&[^b]]"}`, 400, `[]`},
		{`{"topic_pattern":"t.?"}`, 204, `[]`},
		{`{"topics":["t"]}`, 409, `[]`},
	} {
		b.must(t, tt.status, "POST", inst+"/subscription", tt.body)
		if got := b.must(t, 200, "GET", inst+"/subscription", ""); got != `{"topics":`+tt.topics+`}` {
			t.Errorf("after %s: %s, want %s", tt.body, got, tt.topics)
		}
	}
	b.store(t, "t", 0, "1")
	same(t, "by the pattern", b.read(t, ""), "1")
	if got := b.must(t, 200, "GET", inst+"/subscription", ""); got != `{"topics":["t","t2"]}` {
		t.Errorf("the pattern's topics: %s", got)
	}
	b.must(t, 409, "POST", inst+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`)
	b.must(t, 204, "DELETE", inst+"/subscription", "")
	b.must(t, 409, "GET", inst+"/records", "", "Accept", embeddedJSON)
	b.must(t, 204, "POST", inst+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`)
	b.must(t, 409, "POST", inst+"/subscription", `{"topics":["t"]}`)
	b.must(t, 422, "POST", inst+"/assignments", `{}`)
	b.must(t, 204, "POST", inst+"/assignments", `{"partitions":[]}`)
	b.must(t, 204, "POST", inst+"/subscription", `{"topics":["t"]}`)
}

// Positions: offsets as they are, times, ends, and what cannot be.
func TestPositions(t *testing.T) {
	b := consumers(t, nil)
	b.store(t, "t", 0, "1", "2", "3")
	b.must(t, 200, "POST", "/consumers/g", `{"name":"c","format":"json","consumer.request.timeout.ms":20000}`)
	b.must(t, 409, "POST", inst+"/positions", `{"offsets":[{"topic":"t","partition":0,"offset":1}]}`)
	b.must(t, 204, "POST", inst+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`)
	seek := func(status int, body string) { t.Helper(); b.must(t, status, "POST", inst+"/positions", body) }
	seek(204, `{"offsets":[{"topic":"t","partition":0,"offset":1}]}`)
	same(t, "before any read", b.read(t, ""), "2", "3")
	seek(204, `{"offsets":[{"topic":"t"}]}`)
	same(t, "a missing offset is 0", b.read(t, ""), "1", "2", "3")
	seek(204, `{"timestamps":[{"topic":"t","partition":0,"timestamp":"2020-01-31T12:00:00Z"}]}`)
	same(t, "a time before all", b.read(t, ""), "1", "2", "3")
	seek(204, `{"offsets":[{"topic":"t","partition":0,"offset":0}],"timestamps":[{"topic":"t","partition":0,"timestamp":4102444800}]}`)
	b.store(t, "t", 0, "4")
	same(t, "a time behind all is the end", b.read(t, ""), "4")
	b.must(t, 204, "POST", inst+"/positions/beginning", `{"partitions":[]}`)
	b.must(t, 204, "POST", inst+"/positions/end", `{"partitions":[{"topic":"t","partition":0}]}`)
	b.store(t, "t", 0, "5")
	same(t, "the end", b.read(t, ""), "5")
	seek(204, `{"offsets":[{"topic":"t","partition":0,"offset":99}]}`)
	same(t, "out of range falls back to earliest", b.read(t, ""), "1", "2", "3", "4", "5")
	seek(422, `{"offsets":[{"topic":"t","partition":0,"offset":-1}]}`)
	seek(400, `{"offsets":[{"partition":0,"offset":1}]}`)
	seek(400, `{"timestamps":[{"topic":"t","partition":0,"timestamp":"x"}]}`)
	b.must(t, 409, "POST", inst+"/positions/end", `{"partitions":[{"topic":"no","partition":0}]}`)
	b.must(t, 422, "POST", inst+"/positions/end", `{}`)
}

func TestInstancesExpire(t *testing.T) {
	b := consumers(t, func(_ *ConsumersConfig, c *kafkaclient.InstancesConfig) { c.IdleTimeout = 10 * time.Millisecond })
	b.must(t, 200, "POST", "/consumers/g", `{"name":"c"}`)
	gone := func() bool { return b.call(t, "POST", "/consumers/g", `{"name":"c"}`).status == 200 }
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range tick.C { // ends with the test's deadline
		if gone() {
			return
		}
	}
}

// A read waits, and other calls go through meanwhile; the next read waits for its turn.
func TestOthersGetThroughALongRead(t *testing.T) {
	b := consumers(t, nil)
	b.instance(t, `,"consumer.request.timeout.ms":30000`)
	var reads sync.WaitGroup
	for range 2 {
		reads.Go(func() {
			if got := b.call(t, "GET", inst+"/records", "", "Accept", embeddedJSON); got.status != 404 {
				t.Errorf("a read whose instance is deleted answers %+v", got)
			}
		})
	}
	for range 10 {
		b.must(t, 200, "POST", inst+"/offsets", "")
		b.must(t, 200, "GET", inst+"/assignments", "")
	}
	b.must(t, 204, "DELETE", inst, "")
	reads.Wait()
}

func TestExtensionsAreOptIn(t *testing.T) {
	b := consumers(t, nil)
	rec := &kgo.Record{Topic: "t", Partition: 0, Value: []byte("1"), Timestamp: time.UnixMilli(1700000000123), Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("x")}, {Key: "b"}}}
	if err := b.kafka.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b.instance(t, `,"consumer.request.timeout.ms":20000`)
	plain := `[{"topic":"t","key":null,"value":1,"partition":0,"offset":0}]`
	if got := b.must(t, 200, "GET", inst+"/records", "", "Accept", embeddedJSON); got != plain {
		t.Errorf("without: %s, want %s", got, plain)
	}
	b.must(t, 204, "POST", inst+"/positions/beginning", `{"partitions":[]}`)
	want := `[{"topic":"t","key":null,"value":1,"partition":0,"offset":0,"timestamp":1700000000123,"headers":[{"key":"a","value":"eA=="},{"key":"b","value":null}]}]`
	if got := b.must(t, 200, "GET", inst+"/records", "", "Accept", embeddedJSON+";extensions=true"); got != want {
		t.Errorf("with: %s, want %s", got, want)
	}
}

// Events have ids by which a stream goes on, and heartbeats.
func TestEventStream(t *testing.T) {
	b := consumers(t, func(c *ConsumersConfig, _ *kafkaclient.InstancesConfig) { c.Heartbeat = 200 * time.Millisecond })
	b.store(t, "one", 0, "1", "2", "3")
	b.must(t, 200, "POST", "/consumers/g", `{"name":"c","format":"json"}`)
	b.must(t, 204, "POST", inst+"/subscription", `{"topics":["one"]}`)
	events := func(lastID string, until string) string {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+inst+"/records", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", typeEvents)
		if lastID != "" {
			req.Header.Set("Last-Event-ID", lastID)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var all strings.Builder
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if line := lines.Text(); line != ": heartbeat" && line != "" {
				fmt.Fprintln(&all, line)
			}
			if lines.Text() == until && (until != ": heartbeat" || all.Len() > 0) {
				break
			}
		}
		return all.String()
	}
	event := func(n int) string {
		return fmt.Sprintf("data: {\"topic\":\"one\",\"key\":null,\"value\":%d,\"partition\":0,\"offset\":%d}\nid: one:0:%d\n", n+1, n, n)
	}
	if got, want := events("", ": heartbeat"), event(0)+event(1)+event(2); got != want {
		t.Errorf("the stream:\n%swant:\n%s", got, want)
	}
	if got, want := events("one:0:0", "id: one:0:2"), event(1)+event(2); got != want {
		t.Errorf("after one:0:0:\n%swant:\n%s", got, want)
	}
	b.must(t, 400, "GET", inst+"/records", "", "Accept", typeEvents, "Last-Event-ID", "x")
}
