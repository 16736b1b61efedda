package sink

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"headrace/kafkaclient"
	"headrace/lake/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline bounds whatever a test waits for.
const deadline = 60 * time.Second

// fakeKafka starts a broker with topics of the given number of partitions.
func fakeKafka(t testing.TB, partitions int32, topics ...string) *kfake.Cluster {
	t.Helper()
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond)}
	if len(topics) > 0 {
		opts = append(opts, kfake.SeedTopics(partitions, topics...))
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatalf("starting kfake: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// kafkaConfig is how a job reaches the brokers.
func kafkaConfig(brokers ...string) kafkaclient.Config {
	cfg := kafkaclient.DefaultConfig()
	cfg.Brokers = brokers
	return cfg
}

// client returns a plain client that writes each record to the partition it names.
func client(t testing.TB, brokers ...string) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.UnknownTopicRetries(20), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression())) // so that fetched bytes are the records' bytes
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// produce writes records and fails the test if one is not stored.
func produce(t testing.TB, cl *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("producing: %v", err)
	}
}

// produceN writes n records {"i":0}… to one partition.
func produceN(t testing.TB, cl *kgo.Client, topic string, partition int32, from, n int) {
	t.Helper()
	var records []*kgo.Record
	for i := from; i < from+n; i++ {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Appendf(nil, `{"i":%d}`, i)})
	}
	produce(t, cl, records...)
}

// config is the users' configuration with changes; a change to "-" leaves a key out.
func config(t testing.TB, changes map[string]string) Config {
	t.Helper()
	cfg, warnings, err := ParseConfig(connector(changes))
	if err != nil {
		t.Fatalf("parsing the configuration: %v", err)
	}
	for _, w := range warnings {
		t.Logf("warning: %s", w)
	}
	return cfg
}

func connector(changes map[string]string) []byte {
	all := map[string]string{
		"name":                                "test",
		"connector.class":                     "io.confluent.connect.s3.S3SinkConnector",
		"storage.class":                       "io.confluent.connect.s3.storage.S3Storage",
		"format.class":                        jsonFormat,
		"partitioner.class":                   partitioners + "DefaultPartitioner",
		"key.converter":                       stringConverter,
		"value.converter":                     jsonConverter,
		"value.converter.schemas.enable":      "false",
		"flush.size":                          "1",
		"schema.compatibility":                "NONE",
		"tasks.max":                           "1",
		"topics":                              "t",
		"s3.region":                           "us-east-1",
		"s3.bucket.name":                      "bucket",
		"headrace.commit.interval.ms":         "50",
		"consumer.override.fetch.max.wait.ms": "20",
		"consumer.override.heartbeat.interval.ms": "50",
		"consumer.override.session.timeout.ms":    "2000",
	}
	maps.Copy(all, changes)
	var b strings.Builder
	for k, v := range all {
		if v != "-" {
			fmt.Fprintf(&b, "%s=%s\n", k, strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(v))
		}
	}
	return []byte(b.String())
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// logger writes to stderr when HEADRACE_TEST_LOG is set.
func logger() *slog.Logger {
	if os.Getenv("HEADRACE_TEST_LOG") == "" {
		return quiet()
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// newJob makes a job with metrics of its own.
func newJob(t testing.TB, cfg Config, objects store.Store, brokers ...string) *Job {
	t.Helper()
	j, err := New(cfg, kafkaConfig(brokers...), objects, logger(), prometheus.NewRegistry())
	if err != nil {
		t.Fatalf("making the job: %v", err)
	}
	return j
}

// running is a job under way.
type running struct {
	*Job
	stop  context.CancelFunc
	ended chan error
}

// start runs a job until stop or the end of the test.
func start(t testing.TB, j *Job) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Job: j, stop: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- j.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		_ = r.wait(t) // the test has looked at it, if it cares
	})
	return r
}

// wait returns how the job ended.
func (r *running) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(deadline):
		t.Fatal("the job does not end")
		return nil
	}
}

// runToEnd runs a job until it is caught up.
func runToEnd(t testing.TB, j *Job) ([]Partial, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	partials, err := j.RunUntilCaughtUp(ctx, nil)
	if ctx.Err() != nil {
		t.Fatal("the job does not catch up")
	}
	return partials, err
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.After(deadline)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end:
			t.Fatalf("waited %v in vain until %s", deadline, what)
		case <-tick.C:
		}
	}
}

// openDir opens bucket "bucket" below base.
func openDir(t testing.TB, base string) *store.Dir {
	t.Helper()
	dir, err := store.OpenDir(base, "bucket")
	if err != nil {
		t.Fatalf("opening the store: %v", err)
	}
	return dir
}

// contents reads a whole store: key → body.
func contents(t testing.TB, s store.Store, prefix string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for object, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("listing: %v", err)
		}
		body, err := s.Get(t.Context(), object.Key)
		if err != nil {
			t.Fatalf("reading %s: %v", object.Key, err)
		}
		text, err := io.ReadAll(body)
		_ = body.Close()
		if err != nil {
			t.Fatalf("reading %s: %v", object.Key, err)
		}
		got[object.Key] = string(text)
	}
	return got
}

// committed reads the group's offsets as a bystander: -1 for none.
func committed(t testing.TB, cl *kgo.Client, group, topic string, partition int32) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	offsets, err := kadm.NewClient(cl).FetchOffsets(ctx, group)
	if err != nil {
		return -1
	}
	if o, ok := offsets.Lookup(topic, partition); ok {
		return o.At
	}
	return -1
}

func testFile(name string) string { return filepath.Join("testdata", name) }
