package handlers

import (
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkV3Topics lists 5,000 topics of 6 partitions. The figure to reach is 150 ms.
func BenchmarkV3Topics(b *testing.B) {
	topics := make([]string, 5000)
	for i := range topics {
		topics[i] = fmt.Sprintf("topic-%04d", i)
	}
	srv, _ := rest(b, nil, kfake.SeedTopics(6, topics...))
	benchmarkGet(b, srv.URL+"/v3/clusters/kfake/topics", 3_000_000)
}

// BenchmarkV3LagSummary sums up a group that has offsets on 2,000 partitions. The figure to reach
// is 150 ms.
func BenchmarkV3LagSummary(b *testing.B) {
	const topics, partitions = 20, 100
	names := make([]string, topics)
	var offsets kadm.Offsets
	for i := range names {
		names[i] = fmt.Sprintf("topic-%02d", i)
		for p := range int32(partitions) {
			offsets.Add(kadm.Offset{Topic: names[i], Partition: p, At: 0, LeaderEpoch: -1})
		}
	}
	srv, cluster := rest(b, nil, kfake.SeedTopics(partitions, names...))
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	if err := kadm.NewClient(client).CommitAllOffsets(b.Context(), "etl", offsets); err != nil {
		b.Fatal(err)
	}
	benchmarkGet(b, srv.URL+"/v3/clusters/kfake/consumer-groups/etl/lag-summary", 500)
}

// benchmarkGet asks for url, whose answer has so many bytes at least.
// Beside the time it tells the processor time of both sides and of the fake Kafka, which a busy machine does not stretch.
func benchmarkGet(b *testing.B, url string, least int64) {
	b.ReportAllocs()
	before := cpuTime(b)
	defer func() { b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op") }()
	for b.Loop() {
		resp, err := http.Get(url)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || n < least {
			b.Fatalf("%d with %d bytes, %v", resp.StatusCode, n, err)
		}
	}
}

// cpuTime is the processor time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
