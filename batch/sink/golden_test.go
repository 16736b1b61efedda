package sink

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/lake/store"
)

// goldenCase is one line of s3sink.jsonl: a run of the real connector.
type goldenCase struct {
	Case   string            `json:"case"`
	Format string            `json:"format"`
	Topic  string            `json:"topic"`
	Config map[string]string `json:"config"`
	Input  []struct {
		Partition int32      `json:"partition"`
		Key       []byte     `json:"key_b64"`
		Value     []byte     `json:"value_b64"`
		Headers   [][]string `json:"headers"`
		Timestamp int64      `json:"timestamp_ms"`
	} `json:"input"`
	Objects []struct {
		Name  string `json:"name"`
		Bytes []byte `json:"bytes_b64"`
	} `json:"objects"`
	State string `json:"task_state"`
}

func (c *goldenCase) name() string { return c.Case + "/" + c.Format }

func (c *goldenCase) objects() map[string]string {
	want := map[string]string{}
	for _, o := range c.Objects {
		want[o.Name] = string(o.Bytes)
	}
	return want
}

func goldenCases(t *testing.T) []goldenCase {
	t.Helper()
	text, err := os.ReadFile(testFile("s3sink.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []goldenCase
	for line := range bytes.Lines(text) {
		var c goldenCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("reading %.80s: %v", line, err)
		}
		cases = append(cases, c)
	}
	return cases
}

// refused are the cases beyond what is built: the start names the key.
var refused = map[string]string{
	"time-hourly-flush2/json":          "partitioner.class",
	"daily-newyork/json":               "partitioner.class",
	"recordfield-iso-and-ms/json":      "partitioner.class",
	"fieldpartitioner-schemaless/json": "partitioner.class",
	"store-keys-null-key/json":         "store.kafka.keys",
	"null-write/json":                  "behavior.on.null.values",
	"bad-json-dlq/json":                "errors.deadletterqueue.topic.name",
	"null-ignore-dlq/json":             "errors.deadletterqueue.topic.name",
	"extra-null-key-dlq/json":          "errors.deadletterqueue.topic.name",
	"json-into-bytearray/json":         "format.class", // the connector's task fails at its first record
	"schemas-enabled/json":             "value.converter.schemas.enable",
	"schedule/json":                    "rotate.schedule.interval.ms",
}

// different are the cases whose lines differ as JSON on purpose when the input text is preserved
// (headrace.json.text=preserve, the default); the names never do.
var different = map[string]string{}

// TestGolden replays what the real connector did. In java mode every object is equal to the
// byte, in preserve mode every line is equal as JSON.
func TestGolden(t *testing.T) {
	for _, c := range goldenCases(t) {
		t.Run(c.name(), func(t *testing.T) {
			if key, ok := refused[c.name()]; ok {
				checkRefused(t, &c, key)
				return
			}
			t.Run("java", func(t *testing.T) { replay(t, &c, "java") })
			t.Run("preserve", func(t *testing.T) { replay(t, &c, "preserve") })
		})
	}
}

func (c *goldenCase) properties(mode string) map[string]string {
	all := maps.Clone(c.Config)
	for _, key := range []string{"value.converter.schemas.enable", "topics"} {
		if _, ok := all[key]; !ok {
			all[key] = "-"
		}
	}
	all["name"] = "golden-" + strings.ReplaceAll(c.name(), "/", "-")
	all["s3.bucket.name"] = "bucket"
	all["headrace.json.text"] = mode
	return all
}

func checkRefused(t *testing.T, c *goldenCase, key string) {
	t.Helper()
	_, _, err := ParseConfig(connector(c.properties("java")))
	if err == nil || !strings.Contains(err.Error(), key) {
		t.Errorf("ParseConfig = %v, want a text that names %s", err, key)
	}
}

func replay(t *testing.T, c *goldenCase, mode string) {
	kafka := fakeKafka(t, 0)
	cl := client(t, kafka.ListenAddrs()...)
	c.load(t, cl)
	objects := openDir(t, t.TempDir())
	c.run(t, objects, mode, kafka.ListenAddrs())
}

// run runs the connector over the loaded topic and compares.
func (c *goldenCase) run(t *testing.T, objects store.Store, mode string, brokers []string) {
	t.Helper()
	cfg := config(t, c.properties(mode))
	_, err := runToEnd(t, newJob(t, cfg, objects, brokers...))
	if failed := err != nil; failed != (c.State == "FAILED") {
		t.Fatalf("the run ended with %v, the connector's task with %s", err, c.State)
	}
	prefix := cfg.TopicsDir
	if prefix != "" {
		prefix += cfg.DirectoryDelim
	}
	got, want := contents(t, objects, prefix+c.Topic+"/"), c.objects()
	if mode == "preserve" && c.Format == "json" {
		if diff := cmp.Diff(normal(t, want), normal(t, got)); diff != "" && different[c.name()] == "" {
			t.Errorf("objects as JSON (-connector +ours):\n%s", diff)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-connector +ours):\n%s", diff)
	}
}

// load creates the topic and writes the input.
func (c *goldenCase) load(t *testing.T, cl *kgo.Client) {
	t.Helper()
	partitions := int32(1)
	var records []*kgo.Record
	for _, in := range c.Input {
		rec := &kgo.Record{Topic: c.Topic, Partition: in.Partition, Key: in.Key, Value: in.Value}
		if in.Timestamp > 0 {
			rec.Timestamp = time.UnixMilli(in.Timestamp)
		}
		for _, h := range in.Headers {
			rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
		}
		partitions = max(partitions, in.Partition+1)
		records = append(records, rec)
	}
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), partitions, 1, nil, c.Topic); err != nil {
		t.Fatalf("creating topic %s: %v", c.Topic, err)
	}
	produce(t, cl, records...)
}

// normal reads each object's lines as JSON; numbers compare as doubles.
func normal(t *testing.T, objects map[string]string) map[string][]any {
	t.Helper()
	out := map[string][]any{}
	for key, body := range objects {
		if !strings.HasSuffix(body, "\n") {
			t.Errorf("%s does not end in a line break", key)
		}
		out[key] = []any{}
		for line := range strings.Lines(body) {
			var v any
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Errorf("%s: %v in %.80q", key, err, line)
			}
			out[key] = append(out[key], v)
		}
	}
	return out
}

// TestGoldenCoverage fails when a name in refused or different is no longer a case.
func TestGoldenCoverage(t *testing.T) {
	names := map[string]bool{}
	for _, c := range goldenCases(t) {
		names[c.name()] = true
	}
	for _, m := range []map[string]string{refused, different} {
		for name := range m {
			if !names[name] {
				t.Errorf("no case is called %s", name)
			}
		}
	}
	if len(names) != 59 {
		t.Errorf("%d cases, want 59", len(names))
	}
}
