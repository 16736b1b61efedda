package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"headrace/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broker starts a fake Kafka that ends with the test.
func broker(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func producer(t testing.TB, cluster *kfake.Cluster, change func(*ProducerConfig)) *Producer {
	t.Helper()
	cfg := DefaultProducerConfig()
	cfg.Brokers = cluster.ListenAddrs()
	if change != nil {
		change(&cfg)
	}
	p, err := NewProducer(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

// stored reads n records of a topic back, by partition and offset.
func stored(t *testing.T, cluster *kfake.Cluster, topic string, n int) map[[2]int64]string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	found := map[[2]int64]string{}
	for len(found) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("%d of %d records read: %v", len(found), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { found[[2]int64{int64(r.Partition), r.Offset}] = string(r.Value) })
	}
	return found
}

// Results of the client come in the order of completion: each must go back to its own record.
func TestAcksBelongToTheirRecords(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(12, "orders"))
	p := producer(t, cluster, nil)
	const rounds, size = 20, 48
	var mu sync.Mutex
	want := map[[2]int64]string{}
	var callers sync.WaitGroup
	for round := range rounds {
		callers.Go(func() {
			recs := make([]record.Record, size)
			for i := range recs {
				recs[i] = record.Record{Topic: "orders", Partition: rand.Int32N(13) - 1, Value: fmt.Appendf(nil, "%d-%d", round, i)}
			}
			acks := p.Produce(t.Context(), recs)
			mu.Lock()
			defer mu.Unlock()
			for i, ack := range acks {
				if ack.Err != nil || recs[i].Partition >= 0 && ack.Partition != recs[i].Partition {
					t.Errorf("acks[%d] = %+v, want partition %d", i, ack, recs[i].Partition)
				}
				want[[2]int64{int64(ack.Partition), ack.Offset}] = string(recs[i].Value)
			}
		})
	}
	callers.Wait()
	got := stored(t, cluster, "orders", rounds*size)
	if len(want) != rounds*size {
		t.Errorf("%d places acknowledged for %d records", len(want), rounds*size)
	}
	for at, value := range want {
		if got[at] != value {
			t.Errorf("partition %d offset %d holds %q, want %q", at[0], at[1], got[at], value)
		}
	}
}

func TestRefusedRecordsHarmNobody(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(3, "orders"))
	p := producer(t, cluster, func(cfg *ProducerConfig) { cfg.MaxBlock = 300 * time.Millisecond })
	acks := p.Produce(t.Context(), []record.Record{
		{Topic: "orders", Partition: 0, Value: []byte("a")},
		{Topic: "orders", Partition: 99, Value: []byte("b")},
		{Topic: "orders", Partition: 1, Value: []byte(strings.Repeat("x", 1_200_002))},
		{Topic: "orders", Partition: 0, Value: []byte("c")},
	})
	for _, topic := range []string{"nowhere", "bad topic!"} {
		acks = append(acks, p.Produce(t.Context(), []record.Record{{Topic: topic, Partition: record.AnyPartition, Value: []byte("d")}})...)
	}
	for i, want := range []string{
		"",
		"Partition 99 of topic orders with partition count 3 is not present in metadata after 300 ms.",
		"The message is 1200090 bytes when serialized which is larger than 1048576, which is the value of the max.request.size configuration.",
		"",
		"Topic nowhere not present in metadata after 300 ms.",
		"Invalid topics: [bad topic!]",
	} {
		got := ""
		if acks[i].Err != nil {
			got = acks[i].Err.Error()
		}
		if got != want {
			t.Errorf("acks[%d].Err = %q, want %q", i, got, want)
		}
	}
	if acks[0].Offset != 0 || acks[3].Offset != 1 {
		t.Errorf("offsets %d and %d, want 0 and 1", acks[0].Offset, acks[3].Offset)
	}
}

// The client's picture of a topic lasts minutes: a partition added meanwhile must be found.
func TestPartitionsAddedLaterAreFound(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "orders"))
	p := producer(t, cluster, nil)
	if acks := p.Produce(t.Context(), []record.Record{{Topic: "orders", Partition: 0}}); acks[0].Err != nil {
		t.Fatal(acks[0].Err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = "orders", 4
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.Topics, req.TimeoutMillis = append(req.Topics, topic), 5000
	if _, err := req.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	acks := p.Produce(t.Context(), []record.Record{{Topic: "orders", Partition: 3, Value: []byte("new")}})
	if acks[0].Err != nil || acks[0].Partition != 3 {
		t.Errorf("acks[0] = %+v, want partition 3", acks[0])
	}
}

// With no broker to be reached the answer once came after the time of delivery, 150 s later.
func TestNoBrokerIsAnsweredInTime(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "orders"))
	p := producer(t, cluster, func(cfg *ProducerConfig) { cfg.MaxBlock = 50 * time.Millisecond })
	cluster.Close()
	acks := p.Produce(t.Context(), []record.Record{{Topic: "orders", Partition: 0}, {Topic: "orders", Partition: 0}})
	for i, ack := range acks {
		if ack.Err == nil || ack.Err.Error() != "Topic orders not present in metadata after 50 ms." {
			t.Errorf("acks[%d].Err = %v, want the topic not present in metadata", i, ack.Err)
		}
	}
}

func TestMissingTopicIsMadeWhenTheBrokerAllowsIt(t *testing.T) {
	p := producer(t, broker(t, kfake.AllowAutoTopicCreation()), nil)
	acks := p.Produce(t.Context(), []record.Record{{Topic: "fresh", Partition: record.AnyPartition, Value: []byte("a")}})
	if acks[0].Err != nil || acks[0].Offset != 0 {
		t.Errorf("acks[0] = %+v, want offset 0", acks[0])
	}
}

// A client that leaves must not take others' records along, nor be told that its own are lost.
func TestCallerThatLeaves(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "orders"))
	p := producer(t, cluster, nil)
	release := make(chan struct{})
	held := make(chan struct{})
	hold := sync.OnceFunc(func() { close(held) })
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.SleepControl(func() { hold(); <-release })
		return nil, nil, false
	})
	ctx, leave := context.WithCancel(t.Context())
	first := make(chan []record.Ack)
	go func() {
		first <- p.Produce(ctx, []record.Record{{Topic: "orders", Partition: 0, Value: []byte("mine")}})
	}()
	<-held
	second := make(chan []record.Ack)
	go func() {
		second <- p.Produce(t.Context(), []record.Record{{Topic: "orders", Partition: 0, Value: []byte("other")}})
	}()
	leave()
	var unknown *UnknownOutcomeError
	if acks := <-first; !errors.Is(acks[0].Err, ErrUnknownOutcome) || !errors.As(acks[0].Err, &unknown) {
		t.Fatalf("acks[0].Err = %v, want ErrUnknownOutcome", acks[0].Err)
	}
	ended := make(chan struct{})
	unknown.AfterEnd(func() { close(ended) })
	select {
	case <-ended:
		t.Error("the record has ended before Kafka answered")
	default:
	}
	close(release)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the record has not ended though Kafka answered")
	}
	if acks := <-second; acks[0].Err != nil {
		t.Errorf("the other caller's record failed: %v", acks[0].Err)
	}
	if got := stored(t, cluster, "orders", 2); got[[2]int64{0, 0}] != "mine" {
		t.Errorf("stored %v, want the first record too", got)
	}
}

// refusal is the answer to a produce request that stores nothing.
func refusal(req kmsg.Request, code int16) kmsg.Response {
	in := req.(*kmsg.ProduceRequest)
	out := in.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range in.Topics {
		answer := kmsg.NewProduceResponseTopic()
		answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			refused := kmsg.NewProduceResponseTopicPartition()
			refused.Partition, refused.ErrorCode = partition.Partition, code
			answer.Partitions = append(answer.Partitions, refused)
		}
		out.Topics = append(out.Topics, answer)
	}
	return out
}

func TestBrokerRefusal(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "orders"))
	p := producer(t, cluster, nil)
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		return refusal(req, kerr.TopicAuthorizationFailed.Code), nil, true
	})
	acks := p.Produce(t.Context(), []record.Record{{Topic: "orders", Partition: 0}, {Topic: "orders", Partition: 0}})
	for i, ack := range acks {
		if !errors.Is(ack.Err, kerr.TopicAuthorizationFailed) {
			t.Errorf("acks[%d].Err = %v, want TOPIC_AUTHORIZATION_FAILED", i, ack.Err)
		}
	}
}

// Found by killing leaders: the new one was looked for every 5 s only.
func TestNewLeaderIsFoundSoon(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "orders"))
	p := producer(t, cluster, nil)
	rec := []record.Record{{Topic: "orders", Partition: 0, Value: []byte("a")}}
	if acks := p.Produce(t.Context(), rec); acks[0].Err != nil {
		t.Fatal(acks[0].Err)
	}
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		return refusal(req, kerr.NotLeaderForPartition.Code), nil, true
	})
	began := time.Now()
	if acks := p.Produce(t.Context(), rec); acks[0].Err != nil {
		t.Fatal(acks[0].Err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("after the leader's move a record takes %s, want less than 3 s", took)
	}
}

// The Java client's murmur2 decides where a key lives: other producers write there too.
// Source of the table: org.apache.kafka.common.utils.UtilsTest and the hash's definition.
func TestKeysGoWhereTheJavaClientPutsThem(t *testing.T) {
	part := partitioner{}.ForTopic("")
	for key, hash := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		want := int(hash&0x7fffffff) % 1000
		r := kgo.Record{Key: []byte(key), Partition: record.AnyPartition}
		if got := part.Partition(&r, 1000); got != want {
			t.Errorf("partition of %q among 1000 = %d, want %d", key, got, want)
		}
	}
}

func BenchmarkProduce(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("%d records", size), func(b *testing.B) {
			p := producer(b, broker(b, kfake.SeedTopics(1, "orders")), nil)
			recs := make([]record.Record, size)
			for i := range recs {
				recs[i] = record.Record{Topic: "orders", Partition: record.AnyPartition, Value: make([]byte, 600)}
			}
			b.ReportAllocs()
			b.SetBytes(int64(600 * size))
			for b.Loop() {
				for i, ack := range p.Produce(b.Context(), recs) {
					if ack.Err != nil {
						b.Fatalf("acks[%d]: %v", i, ack.Err)
					}
				}
			}
		})
	}
}
