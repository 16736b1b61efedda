package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/emulate"
	"headrace/services/svc"
)

const (
	emulated = 20 // posts by headrace emulate
	scripted = 10 // posts by each Python script
)

// chain is one gateway with its sink, on real services.
type chain struct {
	python  string
	prefix  string // of topics and streams: new for each run
	kinesis string // endpoint
	posted  map[string][]string
}

// TestChain: posts go in through headrace emulate and through the users' Python scripts; boto3 finds each of them as an
// object without a gap in the names and as a record in the stream, and Kafka's own consumer prints it.
func TestChain(t *testing.T) {
	c := newChain(t, svc.Need(t, "HEADRACE_TEST_KINESIS_MOCK"))
	kafkaDir := svc.Need(t, "HEADRACE_TEST_KAFKA3_DIR")
	endpoint, bucket := svc.Need(t, "HEADRACE_TEST_S3"), svc.Need(t, "HEADRACE_TEST_S3_BUCKET")
	brokers := strings.Split(svc.Alone(t, "HEADRACE_TEST_KAFKA3"), ",")
	partitions := map[string]int32{"pin": 1, "geo": 1, "user": 3}
	for event, n := range partitions {
		createTopic(t, brokers, c.prefix+"."+event, n)
	}
	connector := filepath.Join(t.TempDir(), "connector.properties")
	if err := os.WriteFile(connector, []byte(c.connector(endpoint, bucket)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := c.serve(t, brokers, "--sink", connector)
	c.createStreams(t, s.url)

	c.emulate(t, s.url, "both")
	for _, script := range []string{"user_posting_emulation.py", "user_posting_emulation_streaming.py"} {
		c.script(t, s.url, script)
	}
	for event, n := range partitions {
		topic := c.prefix + "." + event
		t.Run("objects of "+event, func(t *testing.T) { c.holdObjects(t, endpoint, bucket, event, n) })
		t.Run("stream of "+event, func(t *testing.T) { c.holdStream(t, event) })
		t.Run("topic of "+event, func(t *testing.T) {
			printed := command(t, nil, "", svc.Need(t, "HEADRACE_TEST_KAFKA_SH"), "consume", kafkaDir, "--topic", topic,
				"--from-beginning", "--max-messages", fmt.Sprint(len(c.posted[event])), "--timeout-ms", "60000")
			holdValues(t, slices.Collect(strings.Lines(printed)), c.posted[event])
		})
	}
	if code := s.end(t); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
}

// TestChainToKinesalite: the streaming half, on the other stand-in.
func TestChainToKinesalite(t *testing.T) {
	c := newChain(t, svc.Need(t, "HEADRACE_TEST_KINESALITE"))
	s := c.serve(t, []string{"127.0.0.1:1"}) // which streams do not need
	c.createStreams(t, s.url)
	c.emulate(t, s.url, "streaming")
	c.script(t, s.url, "user_posting_emulation_streaming.py")
	for _, event := range []string{"pin", "geo", "user"} {
		t.Run(event, func(t *testing.T) { c.holdStream(t, event) })
	}
	if code := s.end(t); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
}

// newChain knows what will be posted: the first rows of the sample, and what the scripts draw.
func newChain(t *testing.T, kinesis string) *chain {
	t.Helper()
	c := &chain{
		python: svc.Need(t, "HEADRACE_TEST_PYTHON"), prefix: fmt.Sprintf("chain%d", time.Now().UnixNano()%1e12),
		kinesis: kinesis, posted: map[string][]string{},
	}
	for row := range emulated {
		post := emulate.Sample(1).Post(row)
		for event, value := range map[string][]byte{"pin": post.Pin, "geo": post.Geo, "user": post.User} {
			c.posted[event] = append(c.posted[event], string(value))
		}
	}
	for _, line := range readBack[map[string]json.RawMessage](t, c, "drawn", examplesDir(t), fmt.Sprint(scripted)) {
		for event, value := range line {
			c.posted[event] = append(c.posted[event], string(value))
		}
	}
	return c
}

func examplesDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../docs/examples")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// connector is the users' own sink configuration, with this run's names.
func (c *chain) connector(endpoint, bucket string) string {
	return `name=` + c.prefix + `-sink
connector.class=io.confluent.connect.s3.S3SinkConnector
storage.class=io.confluent.connect.s3.storage.S3Storage
format.class=io.confluent.connect.s3.format.json.JsonFormat
partitioner.class=io.confluent.connect.storage.partitioner.DefaultPartitioner
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
schema.compatibility=NONE
flush.size=1
tasks.max=3
topics.regex=` + c.prefix + `.*
s3.region=us-east-1
s3.path.style.access.enabled=true
s3.bucket.name=` + bucket + `
store.url=` + endpoint + "\n"
}

// serve starts the program over these services.
func (c *chain) serve(t *testing.T, brokers []string, args ...string) *served {
	t.Helper()
	env := []string{"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=testsecret", "AWS_EC2_METADATA_DISABLED=true"}
	return startProgram(t, env, fmt.Sprintf("bootstrap.servers=%s\nkinesis.endpoint=%s\nkinesis.region=us-east-1\n",
		strings.Join(brokers, ","), c.kinesis), args...)
}

// createStreams makes the streams through the gateway and waits until they can be written to.
func (c *chain) createStreams(t *testing.T, url string) {
	t.Helper()
	for _, event := range []string{"pin", "geo", "user"} {
		stream := url + "/streams/streaming-" + c.prefix + "-" + event
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, stream, strings.NewReader(`{"ShardCount":2}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if status, body := do(t, req); status != http.StatusOK || body != "" {
			t.Fatalf("POST %s: %d %s", stream, status, body)
		}
		awaitTrue(t, stream+" that is ACTIVE", func() bool {
			status, body := get(t, stream)
			return status == http.StatusOK && strings.Contains(body, `"StreamStatus":"ACTIVE"`)
		})
	}
}

// emulate posts with headrace emulate, as a process of its own.
func (c *chain) emulate(t *testing.T, url, mode string) {
	t.Helper()
	out := command(t, nil, "", "main", "emulate", "--target", url, "--prefix", c.prefix, "--count", fmt.Sprint(emulated), "--seed", "1", "--mode", mode, "--json")
	if !strings.Contains(out, `"failed":0`) {
		t.Errorf("emulate says %s", out)
	}
}

// script posts with one of the users' scripts.
func (c *chain) script(t *testing.T, url, name string) {
	t.Helper()
	out := command(t, nil, "", c.python, filepath.Join(examplesDir(t), name), "--url", url, "--prefix", c.prefix, "--builtin",
		"--count", fmt.Sprint(scripted), "--no-sleep")
	if want := fmt.Sprintf("%d posts, 0 of %d records failed\n", scripted, 3*scripted); !strings.HasSuffix(out, want) {
		t.Errorf("%s: %s", name, out)
	}
}

// holdObjects holds the objects of a topic to what was posted: one line each, and names without a gap.
func (c *chain) holdObjects(t *testing.T, endpoint, bucket, event string, partitions int32) {
	topic := c.prefix + "." + event
	found := readBack[struct{ Key, Text string }](t, c, "objects", endpoint, bucket, "topics/"+topic+"/", fmt.Sprint(len(c.posted[event])))
	names := map[string]bool{}
	values := make([]string, 0, len(found))
	for _, object := range found {
		names[object.Key] = true
		if strings.Count(object.Text, "\n") != 1 || !strings.HasSuffix(object.Text, "\n") {
			t.Errorf("%s is not one line: %q", object.Key, object.Text)
		}
		values = append(values, object.Text)
	}
	for id := range partitions {
		for offset := 0; ; offset++ {
			name := fmt.Sprintf("topics/%s/partition=%d/%s+%d+%010d.json", topic, id, topic, id, offset)
			if !names[name] {
				break
			}
			delete(names, name)
		}
	}
	if len(names) > 0 {
		t.Errorf("objects behind a gap, or with other names: %v", slices.Sorted(maps.Keys(names)))
	}
	holdValues(t, values, c.posted[event])
}

// holdStream holds the records of a stream to what was posted; the key is the post's number.
func (c *chain) holdStream(t *testing.T, event string) {
	found := readBack[struct{ Key, Text, Sequence string }](t, c, "records", c.kinesis, "streaming-"+c.prefix+"-"+event)
	values := make([]string, 0, len(found))
	for _, record := range found {
		var row struct {
			Index json.Number // of pinterest_data
			Ind   json.Number // of the others
		}
		if err := json.Unmarshal([]byte(record.Text), &row); err != nil {
			t.Fatalf("record %s: %v in %s", record.Sequence, err, record.Text)
		}
		if record.Key != row.Index.String() && record.Key != row.Ind.String() {
			t.Errorf("record %s has the key %q: %s", record.Sequence, record.Key, record.Text)
		}
		values = append(values, record.Text)
	}
	holdValues(t, values, c.posted[event])
}

// holdValues compares as JSON, without regard to order: the scripts are several processes.
func holdValues(t *testing.T, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(canonical(t, want), canonical(t, got)); diff != "" {
		t.Errorf("%d values, want %d (-want +got):\n%.2000s", len(got), len(want), diff)
	}
}

// canonical writes each text in one way and sorts them.
func canonical(t *testing.T, texts []string) []string {
	t.Helper()
	all := make([]string, 0, len(texts))
	for _, text := range texts {
		var value any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%v in %.200s", err, text)
		}
		line, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(line))
	}
	slices.Sort(all)
	return all
}

// readBack runs testdata/read_back.py and returns its lines.
func readBack[T any](t *testing.T, c *chain, args ...string) (lines []T) {
	t.Helper()
	out := command(t, []string{"AWS_EC2_METADATA_DISABLED=true"}, "", c.python, append([]string{filepath.Join("testdata", "read_back.py")}, args...)...)
	for text := range strings.Lines(out) {
		var line T
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v in %.200s", err, text)
		}
		lines = append(lines, line)
	}
	return lines
}

// createTopic makes a topic and waits until every partition has a leader.
func createTopic(t *testing.T, brokers []string, topic string, partitions int32) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(t.Context(), partitions, -1, nil, topic); err != nil {
		t.Fatalf("making topic %s: %v", topic, err)
	}
	awaitTrue(t, "leaders of "+topic, func() bool {
		ends, err := admin.ListEndOffsets(t.Context(), topic)
		return err == nil && ends.Error() == nil
	})
}
