package sink

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/lake/store"
)

// realServices returns the broker and bucket of the environment, or skips and says what is missed.
func realServices(t *testing.T) (brokers []string, endpoint, bucket string) {
	t.Helper()
	kafka, endpoint := os.Getenv("HEADRACE_TEST_KAFKA"), os.Getenv("HEADRACE_TEST_S3")
	if kafka == "" || endpoint == "" {
		const missed = "HEADRACE_TEST_KAFKA or HEADRACE_TEST_S3 is not set: the sink is not tested against a real Kafka and S3"
		if os.Getenv("CI") != "" {
			t.Fatal(missed)
		}
		t.Skip(missed)
	}
	return strings.Split(kafka, ","), endpoint, os.Getenv("HEADRACE_TEST_S3_BUCKET")
}

// TestGoldenOnRealServices replays the recorded runs over a real Kafka and a real S3.
func TestGoldenOnRealServices(t *testing.T) {
	brokers, endpoint, bucket := realServices(t)
	cl := client(t, brokers...)
	for _, c := range goldenCases(t) {
		if refused[c.name()] != "" {
			continue
		}
		t.Run(c.name(), func(t *testing.T) {
			t.Cleanup(func() { _, _ = kadm.NewClient(cl).DeleteTopic(context.Background(), c.Topic) })
			c.load(t, cl)
			for _, mode := range []string{"java", "preserve"} {
				changes := c.properties(mode)
				changes["consumer.override.session.timeout.ms"] = "6000"
				changes["consumer.override.group.id"] = fmt.Sprintf("golden-%s-%d", mode, time.Now().UnixNano())
				c.Config = changes
				s := openS3(t, endpoint, bucket)
				clearTopic(t, bucket, c.Topic)
				c.run(t, s, mode, brokers)
			}
		})
	}
}

func openS3(t *testing.T, endpoint, bucket string) store.Store {
	t.Helper()
	cfg := config(t, map[string]string{"store.url": endpoint, "s3.bucket.name": bucket, "aws.access.key.id": "test", "aws.secret.access.key": "testsecret"})
	s, free, err := OpenStore(t.Context(), &cfg)
	if err != nil {
		t.Fatalf("OpenStore: %v", err)
	}
	t.Cleanup(free)
	return s
}

// clearTopic removes what an earlier run wrote: the server keeps objects as files.
func clearTopic(t *testing.T, bucket, topic string) {
	t.Helper()
	dir := os.Getenv("HEADRACE_TEST_S3_DIR")
	if dir == "" {
		t.Skip("HEADRACE_TEST_S3_DIR is not set: objects of earlier runs cannot be removed")
	}
	for _, path := range []string{"/topics/" + topic, "/" + topic} {
		if err := os.RemoveAll(dir + "/" + bucket + path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPartsOnRealS3: an object over the part size arrives whole, and stopping in the middle of
// one leaves no upload behind.
func TestPartsOnRealS3(t *testing.T) {
	brokers, endpoint, bucket := realServices(t)
	cl := client(t, brokers...)
	topic := fmt.Sprintf("parts-%d", time.Now().UnixNano())
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = kadm.NewClient(cl).DeleteTopic(context.Background(), topic) })
	pad := strings.Repeat("z", 700_000)
	var want strings.Builder
	for i := range 30 {
		value := fmt.Sprintf(`{"i":%d,"pad":"%s"}`, i, pad)
		produce(t, cl, &kgo.Record{Topic: topic, Value: []byte(value)})
		if i < 20 {
			want.WriteString(value + "\n")
		}
	}
	cfg := config(t, map[string]string{
		"name": topic, "topics": topic, "flush.size": "20", "s3.part.size": "5242880", "consumer.override.session.timeout.ms": "6000",
	})
	s := openS3(t, endpoint, bucket)
	partials, err := runToEnd(t, newJob(t, cfg, s, brokers...))
	if err != nil || len(partials) != 1 {
		t.Fatalf("RunUntilCaughtUp = %v, %v", partials, err)
	}
	got := contents(t, s, "topics/"+topic+"/")
	if body := got["topics/"+topic+"/partition=0/"+topic+"+0+0000000000.json"]; body != want.String() || len(got) != 1 {
		t.Errorf("%d objects, the first of %d bytes; want one of %d", len(got), len(body), want.Len())
	}
}
