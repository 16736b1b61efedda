package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"headrace/conformance"
	"headrace/openapi/spectest"
	"headrace/services/svc"
)

// maxBlock is producer.max.block.ms in tests: time enough for a broker to make a topic.
const maxBlock = 5 * time.Second

// TestConformance: the whole program, over a fake Kafka, is what the reference is.
func TestConformance(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(4))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	runConformance(t, cluster.ListenAddrs(), true)
}

// TestConformanceOverKafka: and over a real one.
func TestConformanceOverKafka(t *testing.T) {
	runConformance(t, strings.Split(svc.Need(t, "HEADRACE_TEST_KAFKA"), ","), false)
}

func runConformance(t *testing.T, brokers []string, fake bool) {
	t.Helper()
	s := startServe(t, fmt.Sprintf("bootstrap.servers=%s\nproducer.max.block.ms=%d\n", strings.Join(brokers, ","), maxBlock.Milliseconds()))
	spec := spectest.Validator(t)
	conformance.Run(t, s.url, conformance.Options{Brokers: brokers, MaxBlock: maxBlock, Headrace: true, FakeKafka: fake, Check: spec.Response})
}
