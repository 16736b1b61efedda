package sink

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/lake/store"
)

// discard is a store that keeps nothing: what is left is the sink's own cost.
type discard struct{ *store.Dir }

func (discard) Put(context.Context, string, []byte) error { return nil }

// event is 600 bytes, as the users' events are.
func event(i int) []byte {
	return fmt.Appendf(nil, `{"index":%d,"unique_id":"%036d","title":"%s","follower_count":"%d","is_image_or_video":"image"}`,
		i, i, strings.Repeat("t", 480), i%1000)
}

// BenchmarkSink reads b.N events of 600 bytes from a fake Kafka, three topics of one partition.
func BenchmarkSink(b *testing.B) {
	for _, flushSize := range []int{1, 1000, 100_000} {
		for _, kind := range []string{"discard", "dir"} {
			if kind == "dir" && flushSize == 1 {
				continue // measures the disk's fsync
			}
			b.Run(fmt.Sprintf("flush.size=%d/%s", flushSize, kind), func(b *testing.B) {
				benchmarkSink(b, flushSize, kind)
			})
		}
	}
}

func benchmarkSink(b *testing.B, flushSize int, kind string) {
	topics := []string{"demo.pin", "demo.geo", "demo.user"}
	kafka := fakeKafka(b, 1, topics...)
	cl := client(b, kafka.ListenAddrs()...)
	for i := range b.N {
		cl.Produce(b.Context(), &kgo.Record{Topic: topics[i%3], Value: event(i)}, nil)
	}
	if err := cl.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	dir := openDir(b, b.TempDir())
	var objects store.Store = dir
	if kind == "discard" {
		objects = discard{dir}
	}
	cfg := config(b, map[string]string{"topics": strings.Join(topics, ","), "tasks.max": "3", "flush.size": fmt.Sprint(flushSize), "headrace.commit.interval.ms": "1000"})
	job := newJob(b, cfg, objects, kafka.ListenAddrs()...)
	b.SetBytes(600)
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := job.RunUntilCaughtUp(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkLine is the cost of one line alone.
func BenchmarkLine(b *testing.B) {
	for _, java := range []bool{false, true} {
		b.Run(map[bool]string{false: "preserve", true: "java"}[java], func(b *testing.B) {
			l := newLines(&Config{JavaJSON: java})
			value := event(1)
			dst := make([]byte, 0, 1000)
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				rec := recordOf(value)
				if _, what, err := l.appendTo(dst[:0], &rec); what != writable {
					b.Fatal(err)
				}
			}
		})
	}
}
