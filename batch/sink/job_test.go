package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"headrace/lake/store"
)

// faulty is a directory whose writes first ask before, which may wait or fail.
type faulty struct {
	*store.Dir
	before func(ctx context.Context, key string) error
	puts   sync.Map // key → *atomic.Int64: writes that succeeded
}

func (s *faulty) Put(ctx context.Context, key string, body []byte) error {
	if err := s.before(ctx, key); err != nil {
		return &store.Error{Op: "putting", Key: key, Err: err}
	}
	if err := s.Dir.Put(ctx, key, body); err != nil {
		return err
	}
	count, _ := s.puts.LoadOrStore(key, &atomic.Int64{})
	count.(*atomic.Int64).Add(1)
	return nil
}

func newFaulty(t testing.TB, before func(ctx context.Context, key string) error) *faulty {
	return &faulty{Dir: openDir(t, t.TempDir()), before: before}
}

var errBusy = errors.New("503 slow down") // not permanent: no HTTP answer, no refusal by the file system

// wantObjects are the objects of n records {"i":0}… of one partition, flush.size to each.
func wantObjects(topic string, partition, n, flushSize int) map[string]string {
	want := map[string]string{}
	for first := 0; first+flushSize <= n; first += flushSize {
		var body strings.Builder
		for i := first; i < first+flushSize; i++ {
			fmt.Fprintf(&body, "{\"i\":%d}\n", i)
		}
		want[fmt.Sprintf("topics/%s/partition=%d/%s+%d+%010d.json", topic, partition, topic, partition, first)] = body.String()
	}
	return want
}

// TestCommitBehindDurable looks at every commit on its way to the broker: each offset in it must
// be covered by objects that exist at that moment. The store is slow, out of order, and fails.
func TestCommitBehindDurable(t *testing.T) {
	const partitions, each = 3, 300
	kafka := fakeKafka(t, partitions, "t")
	cl := client(t, kafka.ListenAddrs()...)
	want := map[string]string{}
	for p := range partitions {
		produceN(t, cl, "t", int32(p), 0, each)
		maps.Copy(want, wantObjects("t", p, each, 1))
	}
	objects := newFaulty(t, func(context.Context, string) error {
		<-time.After(time.Duration(rand.IntN(2000)) * time.Microsecond) // a slow store
		if rand.IntN(10) == 0 {
			return errBusy
		}
		return nil
	})
	var commits atomic.Int64
	kafka.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		kafka.KeepControl()
		commits.Add(1)
		for _, topic := range req.(*kmsg.OffsetCommitRequest).Topics {
			for _, p := range topic.Partitions {
				for offset := range p.Offset {
					key := fmt.Sprintf("topics/t/partition=%d/t+%d+%010d.json", p.Partition, p.Partition, offset)
					if body, err := objects.Get(context.Background(), key); err != nil {
						t.Errorf("offset %d of partition %d is committed, and %s is not there", p.Offset, p.Partition, key)
					} else {
						_ = body.Close()
					}
				}
			}
		}
		return nil, nil, false
	})
	cfg := config(t, map[string]string{"tasks.max": "2", "retry.backoff.ms": "5", "headrace.commit.interval.ms": "10"})
	partials, err := runToEnd(t, newJob(t, cfg, objects, kafka.ListenAddrs()...))
	if err != nil || len(partials) > 0 {
		t.Fatalf("RunUntilCaughtUp = %v, %v", partials, err)
	}
	if diff := cmp.Diff(want, contents(t, objects, "")); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	for p := range partitions {
		if got := committed(t, cl, "connect-test", "t", int32(p)); got != each {
			t.Errorf("committed offset of partition %d = %d, want %d", p, got, each)
		}
	}
	if commits.Load() < 3 {
		t.Errorf("%d commits, want several", commits.Load())
	}
}

// TestFailingPartitionHoldsNobody: a partition whose writes fail is tried again until they
// succeed, while the other goes on; nothing behind the failed object is committed meanwhile.
func TestFailingPartitionHoldsNobody(t *testing.T) {
	kafka := fakeKafka(t, 2, "t")
	cl := client(t, kafka.ListenAddrs()...)
	produceN(t, cl, "t", 0, 0, 50)
	produceN(t, cl, "t", 1, 0, 50)
	var broken atomic.Bool
	broken.Store(true)
	var refused atomic.Int64
	objects := newFaulty(t, func(_ context.Context, key string) error {
		if broken.Load() && strings.Contains(key, "t+0+0000000003") {
			refused.Add(1)
			return errBusy
		}
		return nil
	})
	cfg := config(t, map[string]string{"retry.backoff.ms": "20", "headrace.uploads": "2"})
	job := start(t, newJob(t, cfg, objects, kafka.ListenAddrs()...))
	eventually(t, "the healthy partition is done and the other was tried 3 times", func() bool {
		return committed(t, cl, "connect-test", "t", 1) == 50 && refused.Load() >= 3
	})
	if got := committed(t, cl, "connect-test", "t", 0); got > 3 {
		t.Errorf("committed offset of the failing partition = %d, want 3 at most", got)
	}
	if s := job.Stats(); s.Retries < 3 {
		t.Errorf("Stats().Retries = %d, want 3 at least", s.Retries)
	}
	broken.Store(false)
	eventually(t, "all is committed", func() bool { return committed(t, cl, "connect-test", "t", 0) == 50 })
}

// TestRefusedWriteEndsTheJob: what the store refuses for good is named, with all else durable.
func TestRefusedWriteEndsTheJob(t *testing.T) {
	kafka := fakeKafka(t, 1, "t")
	cl := client(t, kafka.ListenAddrs()...)
	produceN(t, cl, "t", 0, 0, 20)
	objects := newFaulty(t, func(_ context.Context, key string) error {
		if strings.Contains(key, "t+0+0000000007") {
			return fs.ErrPermission
		}
		return nil
	})
	_, err := runToEnd(t, newJob(t, config(t, nil), objects, kafka.ListenAddrs()...))
	if !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("RunUntilCaughtUp = %v, want the refusal", err)
	}
	for _, word := range []string{"topic t", "partition 0", "offset 7", "t+0+0000000007.json"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error %q does not name %s", err, word)
		}
	}
	if got := committed(t, cl, "connect-test", "t", 0); got != 7 {
		t.Errorf("committed offset = %d, want 7: all before the refused object, nothing behind", got)
	}
}

// TestBadRecords goes through the table of the contract: what stops, what is skipped.
func TestBadRecords(t *testing.T) {
	const good0, good2 = "topics/t/partition=0/t+0+0000000000.json", "topics/t/partition=0/t+0+0000000002.json"
	both := map[string]string{good0: "{\"i\":0}\n", good2: "{\"i\":2}\n"}
	first := map[string]string{good0: "{\"i\":0}\n"}
	tests := []struct {
		name      string
		value     []byte
		changes   map[string]string
		want      map[string]string
		fails     bool
		committed int64
	}{
		{"bad JSON stops", []byte(`{"i":`), nil, first, true, 1},
		{"bad JSON is tolerated", []byte(`{"i":`), map[string]string{"errors.tolerance": "all"}, both, false, 3},
		{"invalid UTF-8 is tolerated", []byte("\"\xff\""), map[string]string{"errors.tolerance": "all", "errors.log.enable": "true"}, both, false, 3},
		{"null stops", nil, nil, first, true, 1},
		{"null stops whatever the tolerance", nil, map[string]string{"errors.tolerance": "all"}, first, true, 1},
		{"null is ignored", nil, map[string]string{"behavior.on.null.values": "IGNORE"}, both, false, 3},
		{"JSON null is ignored", []byte(" null "), map[string]string{"behavior.on.null.values": "ignore"}, both, false, 3},
		{"blank is ignored", []byte(" "), map[string]string{"behavior.on.null.values": "ignore"}, both, false, 3},
		{"ignoring nulls tolerates no bad JSON", []byte(`x`), map[string]string{"behavior.on.null.values": "ignore"}, first, true, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kafka := fakeKafka(t, 1, "t")
			cl := client(t, kafka.ListenAddrs()...)
			produce(t, cl, &kgo.Record{Topic: "t", Value: []byte(`{"i":0}`)}, &kgo.Record{Topic: "t", Value: tt.value}, &kgo.Record{Topic: "t", Value: []byte(`{"i":2}`)})
			objects := openDir(t, t.TempDir())
			_, err := runToEnd(t, newJob(t, config(t, tt.changes), objects, kafka.ListenAddrs()...))
			if (err != nil) != tt.fails {
				t.Errorf("RunUntilCaughtUp = %v, want an error: %v", err, tt.fails)
			}
			var record *RecordError
			if tt.fails && (!errors.As(err, &record) || record.Topic != "t" || record.Partition != 0 || record.Offset != 1) {
				t.Errorf("the error %v does not name topic t, partition 0, offset 1", err)
			}
			if diff := cmp.Diff(tt.want, contents(t, objects, "")); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if got := committed(t, cl, "connect-test", "t", 0); got != tt.committed {
				t.Errorf("committed offset = %d, want %d", got, tt.committed)
			}
		})
	}
}

// TestSkippedRecordsAreCommitted: a partition that ends in skipped records is caught up, and a
// file that follows a skipped one begins at its own first record.
func TestSkippedRecordsAreCommitted(t *testing.T) {
	kafka := fakeKafka(t, 1, "t")
	cl := client(t, kafka.ListenAddrs()...)
	for _, v := range []string{"", `{"i":1}`, "", `{"i":3}`, "", `{"i":5}`, ""} {
		produce(t, cl, &kgo.Record{Topic: "t", Value: []byte(v)})
	}
	objects := openDir(t, t.TempDir())
	cfg := config(t, map[string]string{"behavior.on.null.values": "ignore", "flush.size": "2"})
	partials, err := runToEnd(t, newJob(t, cfg, objects, kafka.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Partial{{"t", 0, 5, 1}}, partials); diff != "" {
		t.Errorf("partials (-want +got):\n%s", diff)
	}
	want := map[string]string{"topics/t/partition=0/t+0+0000000001.json": "{\"i\":1}\n{\"i\":3}\n"}
	if diff := cmp.Diff(want, contents(t, objects, "")); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if got := committed(t, cl, "connect-test", "t", 0); got != 5 {
		t.Errorf("committed offset = %d, want 5: the first record of the file that is not full", got)
	}
}

// TestRevokeWaitsForUploads: a partition moves while its object is on the way. The old owner
// finishes and commits it first, so that the new one does not write it again.
func TestRevokeWaitsForUploads(t *testing.T) {
	kafka := fakeKafka(t, 2, "t")
	cl := client(t, kafka.ListenAddrs()...)
	produceN(t, cl, "t", 0, 0, 1)
	produceN(t, cl, "t", 1, 0, 1)
	gate := make(chan struct{})
	objects := newFaulty(t, func(ctx context.Context, _ string) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	cfg := config(t, map[string]string{"consumer.override.max.poll.interval.ms": "20000"})
	var rejoined atomic.Int64
	kafka.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		kafka.KeepControl()
		rejoined.Add(1)
		return nil, nil, false
	})
	old := start(t, newJob(t, cfg, objects, kafka.ListenAddrs()...))
	eventually(t, "both objects are on the way", func() bool { return old.Stats().BufferedBytes > 0 && old.Stats().Lag == 2 })
	joins := rejoined.Load()
	second := start(t, newJob(t, cfg, objects, kafka.ListenAddrs()...))
	eventually(t, "the second process has joined", func() bool { return rejoined.Load() > joins })
	if got := committed(t, cl, "connect-test", "t", 0); got > 0 {
		t.Errorf("committed offset = %d before the object is durable", got)
	}
	close(gate)
	eventually(t, "the partitions are shared", func() bool { return held(old.Job) == 1 && held(second.Job) == 1 })
	produceN(t, cl, "t", 0, 1, 1)
	produceN(t, cl, "t", 1, 1, 1)
	eventually(t, "all is committed", func() bool {
		return committed(t, cl, "connect-test", "t", 0) == 2 && committed(t, cl, "connect-test", "t", 1) == 2
	})
	objects.puts.Range(func(key, count any) bool {
		if n := count.(*atomic.Int64).Load(); n != 1 {
			t.Errorf("%s was written %d times, want once", key, n)
		}
		return true
	})
}

// held counts the partitions of a job's tasks.
func held(j *Job) int {
	n := 0
	for _, count := range heldByTask(j) {
		n += count
	}
	return n
}

func heldByTask(j *Job) []int {
	j.mu.Lock()
	defer j.mu.Unlock()
	var counts []int
	for _, task := range j.tasks {
		j.uploads.mu.Lock()
		counts = append(counts, len(task.assigned))
		j.uploads.mu.Unlock()
	}
	return counts
}

// TestTasksShareTopics: three topics of one partition each keep three tasks busy. (The replaced
// connector gives all three to its first task.)
func TestTasksShareTopics(t *testing.T) {
	kafka := fakeKafka(t, 1, "demo.pin", "demo.geo", "demo.user")
	objects := openDir(t, t.TempDir())
	cfg := config(t, map[string]string{"topics": "-", "topics.regex": "demo.*", "tasks.max": "3"})
	job := start(t, newJob(t, cfg, objects, kafka.ListenAddrs()...))
	eventually(t, "each task holds one partition", func() bool {
		return slices.Equal(heldByTask(job.Job), []int{1, 1, 1})
	})
}

// TestProcessesShare: two processes of one connector write everything between them, both work,
// and when one stops the other takes over.
func TestProcessesShare(t *testing.T) {
	const partitions = 8
	kafka := fakeKafka(t, partitions, "t")
	cl := client(t, kafka.ListenAddrs()...)
	objects := openDir(t, t.TempDir())
	cfg := config(t, map[string]string{"tasks.max": "2"})
	a := start(t, newJob(t, cfg, objects, kafka.ListenAddrs()...))
	b := start(t, newJob(t, cfg, objects, kafka.ListenAddrs()...))
	// Two each is where a rebalance ends; four and four is also passed on the way there.
	eventually(t, "the partitions are shared evenly", func() bool {
		return slices.Equal(heldByTask(a.Job), []int{2, 2}) && slices.Equal(heldByTask(b.Job), []int{2, 2})
	})
	n := 0
	write := func(more int) map[string]string {
		want := map[string]string{}
		for p := range partitions {
			produceN(t, cl, "t", int32(p), n, more)
			maps.Copy(want, wantObjects("t", p, n+more, 1))
		}
		n += more
		return want
	}
	want := write(50)
	eventually(t, "all is written", func() bool { return len(contents(t, objects, "")) == len(want) })
	// An object can be seen a moment before it is counted, and a member that a loaded machine
	// delays past its session is replaced for a while: which process writes what is not promised.
	eventually(t, "both processes wrote, and everything between them", func() bool {
		wroteA, wroteB := a.Stats().Total.Records, b.Stats().Total.Records
		return wroteA > 0 && wroteB > 0 && wroteA+wroteB >= partitions*50
	})
	a.stop()
	if err := a.wait(t); err != nil {
		t.Errorf("stopping a process: %v", err)
	}
	want = write(50)
	eventually(t, "all is written by the one that is left", func() bool { return len(contents(t, objects, "")) == len(want) })
	if diff := cmp.Diff(want, contents(t, objects, "")); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// TestNewTopicIsFound: a topic that is made later and matches is read, from its first record.
func TestNewTopicIsFound(t *testing.T) {
	kafka := fakeKafka(t, 1, "pre.a")
	cl := client(t, kafka.ListenAddrs()...)
	objects := openDir(t, t.TempDir())
	cfg := config(t, map[string]string{"topics": "-", "topics.regex": "pre[.].*", "consumer.override.metadata.max.age.ms": "100"})
	job := start(t, newJob(t, cfg, objects, kafka.ListenAddrs()...))
	eventually(t, "the first topic is held", func() bool { return held(job.Job) == 1 })
	for _, topic := range []string{"pre.b", "xpre.c", "pre"} {
		if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
		produceN(t, cl, topic, 0, 0, 2)
	}
	eventually(t, "the new topic's objects are there", func() bool { return len(contents(t, objects, "")) == 2 })
	if diff := cmp.Diff(wantObjects("pre.b", 0, 2, 1), contents(t, objects, "")); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// TestMemoryIsBounded: with a store that stands still, reading stops near the limit; when it
// moves again all is written.
func TestMemoryIsBounded(t *testing.T) {
	const limit, slack, n = 1 << 20, 3 << 20, 600
	kafka := fakeKafka(t, 3, "t")
	cl := client(t, kafka.ListenAddrs()...)
	pad := strings.Repeat("x", 20_000)
	for i := range n {
		produce(t, cl, &kgo.Record{Topic: "t", Partition: int32(i % 3), Value: []byte(`{"pad":"` + pad + `"}`)})
	}
	gate := make(chan struct{})
	objects := newFaulty(t, func(ctx context.Context, _ string) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	cfg := config(t, map[string]string{"headrace.memory.bytes": fmt.Sprint(limit), "consumer.override.max.partition.fetch.bytes": "300000"})
	job := start(t, newJob(t, cfg, objects, kafka.ListenAddrs()...))
	eventually(t, "the memory is full", func() bool { return job.Stats().BufferedBytes > limit/2 })
	worst := int64(0)
	for range 50 {
		worst = max(worst, job.Stats().BufferedBytes)
		<-time.After(5 * time.Millisecond) // a while in which it must not grow
	}
	if worst > limit+slack {
		t.Errorf("%d bytes are held, want %d and one poll at most", worst, limit)
	}
	close(gate)
	eventually(t, "all is written", func() bool { return len(contents(t, objects, "")) == n })
}

// TestOpenFilesWaitForMemory: when the files that cannot be closed yet need more than the
// memory there is, partitions take turns, and the objects are the same.
func TestOpenFilesWaitForMemory(t *testing.T) {
	const partitions, flushSize, each = 12, 100, 250
	kafka := fakeKafka(t, partitions, "t")
	cl := client(t, kafka.ListenAddrs()...)
	pad := strings.Repeat("x", 3000)
	want := map[string]string{}
	for i := range each {
		for p := range partitions {
			value := fmt.Sprintf(`{"i":%d,"p":%d,"pad":"%s"}`, i, p, pad)
			cl.Produce(t.Context(), &kgo.Record{Topic: "t", Partition: int32(p), Value: []byte(value)}, nil)
			if i < each-each%flushSize {
				want[fmt.Sprintf("topics/t/partition=%d/t+%d+%010d.json", p, p, i-i%flushSize)] += value + "\n"
			}
		}
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	objects := openDir(t, t.TempDir())
	cfg := config(t, map[string]string{"flush.size": fmt.Sprint(flushSize), "headrace.memory.bytes": "1048576"})
	job := newJob(t, cfg, objects, kafka.ListenAddrs()...)
	partials, err := runToEnd(t, job)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contents(t, objects, "")); diff != "" {
		t.Errorf("objects (-want +got):\n%.2000s", diff)
	}
	if len(partials) != partitions {
		t.Errorf("partials = %v, want one of each of %d partitions", partials, partitions)
	}
}

// TestLargeObjectGoesInParts: an object over s3.part.size is put together from parts, and what
// was begun and not finished leaves nothing behind.
func TestLargeObjectGoesInParts(t *testing.T) {
	kafka := fakeKafka(t, 1, "t")
	cl := client(t, kafka.ListenAddrs()...)
	pad := strings.Repeat("y", 700_000)
	want := map[string]string{}
	for i := range 49 { // two objects of 14 MB, and a rest whose first part is stored already
		value := fmt.Sprintf(`{"i":%d,"pad":"%s"}`, i, pad)
		produce(t, cl, &kgo.Record{Topic: "t", Value: []byte(value)})
		if i < 40 {
			want[fmt.Sprintf("topics/t/partition=0/t+0+%010d.json", i-i%20)] += value + "\n"
		}
	}
	base := t.TempDir()
	cfg := config(t, map[string]string{"flush.size": "20", "s3.part.size": "5242880"})
	if _, err := runToEnd(t, newJob(t, cfg, openDir(t, base), kafka.ListenAddrs()...)); err != nil {
		t.Fatal(err)
	}
	got := contents(t, openDir(t, base), "")
	for key, body := range want {
		if got[key] != body {
			t.Errorf("%s has %d bytes, want %d", key, len(got[key]), len(body))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d objects, want %d", len(got), len(want))
	}
}

// TestRestartsGiveTheSameObjects: stopping at any moment and going on gives the objects of one
// run, each with the same bytes, for several sizes.
func TestRestartsGiveTheSameObjects(t *testing.T) {
	for _, flushSize := range []int{1, 7, 100} {
		t.Run(fmt.Sprintf("flush.size=%d", flushSize), func(t *testing.T) {
			const partitions, each = 2, 1000
			kafka := fakeKafka(t, partitions, "t")
			cl := client(t, kafka.ListenAddrs()...)
			want := map[string]string{}
			for p := range partitions {
				produceN(t, cl, "t", int32(p), 0, each)
				maps.Copy(want, wantObjects("t", p, each, flushSize))
			}
			objects := openDir(t, t.TempDir())
			cfg := config(t, map[string]string{"flush.size": fmt.Sprint(flushSize), "tasks.max": "2"})
			for range 5 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(60))*time.Millisecond)
				if err := newJob(t, cfg, objects, kafka.ListenAddrs()...).Run(ctx); err != nil {
					t.Fatalf("a run that was stopped: %v", err)
				}
				cancel()
			}
			if _, err := runToEnd(t, newJob(t, cfg, objects, kafka.ListenAddrs()...)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, contents(t, objects, "")); diff != "" {
				t.Errorf("objects (-want +got):\n%.2000s", diff)
			}
		})
	}
}

// TestCaughtUpEndsOfPartitions: the ways in which a partition can have nothing more to write.
func TestCaughtUpEndsOfPartitions(t *testing.T) {
	t.Run("no records at all", func(t *testing.T) {
		kafka := fakeKafka(t, 2, "t")
		if partials, err := runToEnd(t, newJob(t, config(t, nil), openDir(t, t.TempDir()), kafka.ListenAddrs()...)); err != nil || len(partials) > 0 {
			t.Errorf("RunUntilCaughtUp = %v, %v", partials, err)
		}
	})
	t.Run("a second run has nothing to do", func(t *testing.T) {
		kafka := fakeKafka(t, 1, "t")
		produceN(t, client(t, kafka.ListenAddrs()...), "t", 0, 0, 10)
		objects := openDir(t, t.TempDir())
		for range 2 {
			if _, err := runToEnd(t, newJob(t, config(t, nil), objects, kafka.ListenAddrs()...)); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("the log ends in a transaction marker", func(t *testing.T) {
		kafka := fakeKafka(t, 1, "t")
		transactions(t, kafka)
		cl := client(t, kafka.ListenAddrs()...)
		objects := openDir(t, t.TempDir())
		if _, err := runToEnd(t, newJob(t, config(t, nil), objects, kafka.ListenAddrs()...)); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, objects, ""); len(got) != 2 {
			t.Errorf("%d objects, want those of the committed and of the aborted record: %v", len(got), got)
		}
		if got := committed(t, cl, "connect-test", "t", 0); got != 4 {
			t.Errorf("committed offset = %d, want 4", got)
		}
	})
	t.Run("read_committed leaves the aborted record out", func(t *testing.T) {
		kafka := fakeKafka(t, 1, "t")
		transactions(t, kafka)
		objects := openDir(t, t.TempDir())
		cfg := config(t, map[string]string{"consumer.override.isolation.level": "read_committed"})
		if _, err := runToEnd(t, newJob(t, cfg, objects, kafka.ListenAddrs()...)); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, objects, ""); len(got) != 1 {
			t.Errorf("%d objects, want 1: %v", len(got), got)
		}
	})
	t.Run("a topic that does not exist is an error", func(t *testing.T) {
		kafka := fakeKafka(t, 1, "other")
		_, err := runToEnd(t, newJob(t, config(t, nil), openDir(t, t.TempDir()), kafka.ListenAddrs()...))
		if err == nil || !strings.Contains(err.Error(), "topic t ") {
			t.Errorf("RunUntilCaughtUp = %v, want an error that names the topic", err)
		}
	})
	t.Run("a regex that matches nothing is none", func(t *testing.T) {
		kafka := fakeKafka(t, 1, "other")
		cfg := config(t, map[string]string{"topics": "-", "topics.regex": "t.*"})
		if _, err := runToEnd(t, newJob(t, cfg, openDir(t, t.TempDir()), kafka.ListenAddrs()...)); err != nil {
			t.Error(err)
		}
	})
}

// transactions writes a committed record and an aborted one: offsets 0 to 3 with the markers.
func transactions(t *testing.T, kafka *kfake.Cluster) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...), kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, cl, &kgo.Record{Value: []byte(`{"a":1}`)})
		if err := cl.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMigrationGoesOn: the group's offsets, committed by the connector before, are the start.
func TestMigrationGoesOn(t *testing.T) {
	kafka := fakeKafka(t, 1, "t")
	cl := client(t, kafka.ListenAddrs()...)
	produceN(t, cl, "t", 0, 0, 10)
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: "t", Partition: 0, At: 6, LeaderEpoch: -1})
	if err := kadm.NewClient(cl).CommitAllOffsets(t.Context(), "connect-test", offsets); err != nil {
		t.Fatal(err)
	}
	objects := openDir(t, t.TempDir())
	if _, err := runToEnd(t, newJob(t, config(t, nil), objects, kafka.ListenAddrs()...)); err != nil {
		t.Fatal(err)
	}
	want := wantObjects("t", 0, 10, 1)
	maps.DeleteFunc(want, func(key, _ string) bool { return key < "topics/t/partition=0/t+0+0000000006" })
	if diff := cmp.Diff(want, contents(t, objects, "")); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}
