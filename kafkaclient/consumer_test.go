package kafkaclient

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const patience = 30 * time.Second

// consumer starts a member of group "g" that reads topic "t" of the cluster.
func consumer(t testing.TB, cluster *kfake.Cluster, handover Handover, change func(*ConsumerConfig)) *Consumer {
	t.Helper()
	cfg := DefaultConsumerConfig()
	cfg.Brokers, cfg.Group, cfg.Topics = cluster.ListenAddrs(), "g", []string{"t"}
	cfg.HeartbeatInterval, cfg.FetchMaxWait, cfg.MetadataMaxAge = 50*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond
	if change != nil {
		change(&cfg)
	}
	ignore := func([]TopicPartition) {}
	if handover.Assigned == nil {
		handover.Assigned = ignore
	}
	if handover.Lost == nil {
		handover.Lost = ignore
	}
	if handover.Revoked == nil {
		handover.Revoked = func(context.Context, []TopicPartition) {}
	}
	c, err := NewConsumer(cfg, handover, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("NewConsumer: %v", err)
	}
	t.Cleanup(func() { closeConsumer(c) })
	return c
}

func closeConsumer(c *Consumer) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.Close(ctx)
}

// plainClient writes records, each to the partition it names.
func plainClient(t testing.TB, cluster *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append(opts, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func write(t testing.TB, cl *kgo.Client, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// pollUntil polls until the offset behind what was read is next, and returns the values.
func pollUntil(t testing.TB, c *Consumer, next int64) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var values []string
	for {
		batches, err := c.Poll(ctx)
		if err != nil {
			t.Fatalf("Poll: %v", err)
		}
		for _, b := range batches {
			for _, rec := range b.Records {
				values = append(values, string(rec.Value))
			}
			if b.Next >= next {
				return values // not released: the caller may still Seek
			}
		}
		c.Release()
	}
}

func commit(t testing.TB, c *Consumer, offset int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Commit(ctx, map[TopicPartition]int64{{"t", 0}: offset}); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func TestConsumerGoesOnBehindTheCommit(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "t"))
	write(t, plainClient(t, cluster), "a", "b", "c")
	c := consumer(t, cluster, Handover{}, nil)
	if got := pollUntil(t, c, 3); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("read %q", got)
	}
	c.Release()
	commit(t, c, 1)
	positions, err := c.Positions(t.Context())
	if want := map[TopicPartition]Position{{"t", 0}: {Beginning: 0, End: 3, Committed: 1}}; err != nil || !cmp.Equal(positions, want) {
		t.Errorf("Positions = %v, %v, want %v", positions, err, want)
	}
	closeConsumer(c)
	if got := pollUntil(t, consumer(t, cluster, Handover{}, nil), 3); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("the next member read %q, want b and c", got)
	}
}

func TestConsumerSeeksAndPauses(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "t"))
	cl := plainClient(t, cluster)
	write(t, cl, "a", "b", "c")
	c := consumer(t, cluster, Handover{}, nil)
	pollUntil(t, c, 3)
	c.Seek(TopicPartition{"t", 0}, 1)
	c.Release()
	if got := pollUntil(t, c, 3); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("after Seek(1) read %q", got)
	}
	c.Pause(TopicPartition{"t", 0})
	c.Release()
	write(t, cl, "d")
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if batches, err := c.Poll(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Poll of a paused partition = %v, %v", batches, err)
	}
	c.Release()
	c.Resume(TopicPartition{"t", 0})
	if got := pollUntil(t, c, 4); !slices.Equal(got, []string{"d"}) {
		t.Errorf("after Resume read %q", got)
	}
}

// TestConsumerCountsMarkers: a transaction's marker is no record, but has been read.
func TestConsumerCountsMarkers(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "t"))
	cl := plainClient(t, cluster, kgo.TransactionalID("x"))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	write(t, cl, "a")
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if got := pollUntil(t, consumer(t, cluster, Handover{}, nil), 2); !slices.Equal(got, []string{"a"}) {
		t.Errorf("read %q", got)
	}
}

// TestConsumerHandsOver: the callbacks tell what comes and goes, and a commit in Revoked counts.
func TestConsumerHandsOver(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "t"))
	write(t, plainClient(t, cluster), "a")
	var c *Consumer
	assigned, revoked := make(chan []TopicPartition, 10), make(chan []TopicPartition, 10)
	c = consumer(t, cluster, Handover{
		Assigned: func(p []TopicPartition) { assigned <- p },
		Revoked: func(ctx context.Context, p []TopicPartition) {
			if len(p) == 0 {
				return
			}
			if err := c.Commit(ctx, map[TopicPartition]int64{{"t", 0}: 1}); err != nil {
				t.Errorf("Commit in Revoked: %v", err)
			}
			revoked <- p
		},
	}, nil)
	pollUntil(t, c, 1)
	want := []TopicPartition{{"t", 0}}
	if got := <-assigned; !cmp.Equal(got, want) {
		t.Errorf("assigned %v", got)
	}
	closeConsumer(c)
	if got := <-revoked; !cmp.Equal(got, want) {
		t.Errorf("revoked %v", got)
	}
	other := consumer(t, cluster, Handover{}, nil)
	if got, err := other.Committed(t.Context()); err != nil || got[TopicPartition{"t", 0}] != 1 {
		t.Errorf("Committed = %v, %v", got, err)
	}
}

// TestConsumerNamesForeignMembers: a group that still has the old connector's members (range
// assignment only) cannot be joined, and the error says what to do.
func TestConsumerNamesForeignMembers(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "t"))
	joined := make(chan struct{}, 10)
	old, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"),
		kgo.Balancers(kgo.RangeBalancer()), kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { joined <- struct{}{} }))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	<-joined
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = consumer(t, cluster, Handover{}, nil).Poll(ctx)
	if !errors.Is(err, kerr.InconsistentGroupProtocol) || !strings.Contains(err.Error(), "stop that first") {
		t.Errorf("Poll = %v", err)
	}
}

// TestCommittedWaitsForTheCoordinator: the first group of a new cluster has none for a moment.
func TestCommittedWaitsForTheCoordinator(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "t"))
	var asked atomic.Int64
	cluster.ControlKey(int16(kmsg.FindCoordinator), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if asked.Add(1) > 3 {
			return nil, nil, false
		}
		response := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
		response.ErrorCode = kerr.CoordinatorNotAvailable.Code
		for _, key := range req.(*kmsg.FindCoordinatorRequest).CoordinatorKeys {
			response.Coordinators = append(response.Coordinators, kmsg.FindCoordinatorResponseCoordinator{Key: key, ErrorCode: kerr.CoordinatorNotAvailable.Code})
		}
		return response, nil, true
	})
	c := consumer(t, cluster, Handover{}, nil)
	if got, err := c.Committed(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("Committed = %v, %v, want none", got, err)
	}
}

func TestPositionsByRegexMatchWholeNames(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "pre.a", "xpre.b", "pre"))
	c := consumer(t, cluster, Handover{}, func(cfg *ConsumerConfig) {
		cfg.Topics, cfg.TopicsRegex = nil, regexp.MustCompile("pre[.].*|pre[.]")
	})
	positions, err := c.Positions(t.Context())
	if want := map[TopicPartition]Position{{"pre.a", 0}: {Committed: -1}}; err != nil || !cmp.Equal(positions, want) {
		t.Errorf("Positions = %v, %v, want %v", positions, err, want)
	}
	if got := positions[TopicPartition{"pre.a", 0}].From(); got != 0 {
		t.Errorf("From = %d, want 0", got)
	}
}
