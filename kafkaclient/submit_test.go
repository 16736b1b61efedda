package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"headrace/record"
)

// submitted hands recs over in their order and waits for all ends.
func submitted(t *testing.T, p *Producer, recs []record.Record) []record.Ack {
	t.Helper()
	ended := make(chan *Delivery, len(recs))
	deliveries := make([]*Delivery, len(recs))
	for i, rec := range recs {
		deliveries[i] = NewDelivery(func(d *Delivery) { ended <- d })
		deliveries[i].Record = rec
		if !p.Submit(deliveries[i]) && !p.SubmitUnknown(t.Context(), deliveries[i]) {
			t.Fatalf("the end of record %d is unknown: %v", i, deliveries[i].Ack.Err)
		}
	}
	acks := make([]record.Ack, len(recs))
	for range recs {
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatal("a record has no end after 20 s")
		}
	}
	for i, d := range deliveries {
		acks[i] = d.Ack
	}
	return acks
}

func TestSubmittedRecordsKeepTheirOrder(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(3, "orders"))
	p := producer(t, cluster, nil)
	const n = 3000
	recs := make([]record.Record, n)
	for i := range recs {
		recs[i] = record.Record{Topic: "orders", Partition: int32(i%4) - 1, Key: fmt.Append(nil, i%7), Value: fmt.Append(nil, i)}
	}
	acks := submitted(t, p, recs)
	last := map[int32]int64{0: -1, 1: -1, 2: -1}
	got := stored(t, cluster, "orders", n)
	for i, ack := range acks {
		if ack.Err != nil || recs[i].Partition >= 0 && ack.Partition != recs[i].Partition {
			t.Fatalf("acks[%d] = %+v, want partition %d", i, ack, recs[i].Partition)
		}
		if ack.Offset != last[ack.Partition]+1 {
			t.Fatalf("acks[%d] is offset %d of partition %d, want %d", i, ack.Offset, ack.Partition, last[ack.Partition]+1)
		}
		last[ack.Partition] = ack.Offset
		if value := got[[2]int64{int64(ack.Partition), ack.Offset}]; value != fmt.Sprint(i) {
			t.Fatalf("record %d is acknowledged where %q is stored", i, value)
		}
	}
}

func TestSubmitRefusesAsProduceDoes(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(3, "orders"))
	p := producer(t, cluster, func(cfg *ProducerConfig) { cfg.MaxBlock = 300 * time.Millisecond })
	acks := submitted(t, p, []record.Record{
		{Topic: "orders", Partition: 0, Value: []byte("a")},
		{Topic: "orders", Partition: 99, Value: []byte("b")},
		{Topic: "orders", Partition: 1, Value: []byte(strings.Repeat("x", 1_200_002))},
		{Topic: "orders", Partition: 0, Value: []byte("c")},
		{Topic: "nowhere", Partition: record.AnyPartition},
		{Topic: "bad topic!", Partition: record.AnyPartition},
	})
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

// A topic that is deleted under a stream, or has fewer partitions than before, is asked for again.
func TestSubmitToATopicThatIsNoMore(t *testing.T) {
	p := producer(t, broker(t, kfake.SeedTopics(2, "orders")), nil)
	p.learn("orders", 7)
	acks := submitted(t, p, []record.Record{{Topic: "orders", Partition: 5}})
	var missing *NotInMetadataError
	if !errors.As(acks[0].Err, &missing) || missing.Partition != 5 || missing.Count != 2 {
		t.Errorf("acks[0].Err = %v, want that partition 5 of 2 is missing", acks[0].Err)
	}
	if seen := p.seen("orders"); seen != record.AnyPartition {
		t.Errorf("%d partitions are taken for known, want none", seen)
	}
	p.learn("gone", 0)
	acks = submitted(t, p, []record.Record{{Topic: "gone", Partition: record.AnyPartition}})
	if !errors.As(acks[0].Err, &missing) || missing.Topic != "gone" {
		t.Errorf("acks[0].Err = %v, want that the topic is missing", acks[0].Err)
	}
	if seen := p.seen("gone"); seen != record.AnyPartition {
		t.Errorf("a missing topic has %d known partitions", seen)
	}
}

func TestSubmittedRecordRefusedByTheBroker(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "orders"))
	p := producer(t, cluster, nil)
	submitted(t, p, []record.Record{{Topic: "orders", Partition: 0}})
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		return refusal(req, kerr.TopicAuthorizationFailed.Code), nil, true
	})
	for i, ack := range submitted(t, p, []record.Record{{Topic: "orders", Partition: 0}}) {
		if !errors.Is(ack.Err, kerr.TopicAuthorizationFailed) {
			t.Errorf("acks[%d].Err = %v, want TOPIC_AUTHORIZATION_FAILED", i, ack.Err)
		}
	}
}

// Who leaves while a topic is looked for hears that the outcome is unknown; the end still comes.
func TestSubmitterThatLeaves(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "orders"))
	p := producer(t, cluster, nil)
	held, release := make(chan struct{}), make(chan struct{})
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.SleepControl(func() { close(held); <-release })
		return nil, nil, false
	})
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-held; leave() }()
	ended := make(chan struct{})
	d := NewDelivery(func(*Delivery) { close(ended) })
	d.Record = record.Record{Topic: "orders", Partition: 0}
	if p.Submit(d) || p.SubmitUnknown(ctx, d) || !errors.Is(d.Ack.Err, ErrUnknownOutcome) {
		t.Errorf("Ack.Err = %v, want an unknown outcome", d.Ack.Err)
	}
	close(release)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("no end after Kafka's answer")
	}
}

func BenchmarkSubmit(b *testing.B) {
	p := producer(b, broker(b, kfake.SeedTopics(1, "orders")), nil)
	free := make(chan *Delivery, 4096)
	value := make([]byte, 600)
	for range cap(free) {
		free <- NewDelivery(func(d *Delivery) {
			if d.Ack.Err != nil {
				b.Error(d.Ack.Err)
			}
			free <- d
		})
	}
	b.ReportAllocs()
	b.SetBytes(600)
	for b.Loop() {
		d := <-free
		d.Record = record.Record{Topic: "orders", Partition: record.AnyPartition, Value: value}
		if !p.Submit(d) {
			p.SubmitUnknown(b.Context(), d)
		}
	}
	for range cap(free) {
		<-free
	}
}

// The client itself with the same window: what BenchmarkSubmit is measured against.
func BenchmarkDirect(b *testing.B) {
	p := producer(b, broker(b, kfake.SeedTopics(1, "orders")), nil)
	free := make(chan *kgo.Record, 4096)
	value := make([]byte, 600)
	for range cap(free) {
		free <- new(kgo.Record)
	}
	b.ReportAllocs()
	b.SetBytes(600)
	for b.Loop() {
		r := <-free
		*r = kgo.Record{Topic: "orders", Partition: record.AnyPartition, Value: value}
		p.kafka.Produce(b.Context(), r, func(r *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
			free <- r
		})
	}
	for range cap(free) {
		<-free
	}
}

// Found by a record of 2021: franz-go counts the time of delivery from a record's timestamp.
func TestOldRecordsAreNotLate(t *testing.T) {
	p := producer(t, broker(t, kfake.SeedTopics(1, "orders")), nil)
	for range 2 {
		for i, ack := range submitted(t, p, []record.Record{{Topic: "orders", Partition: 0, Timestamp: time.UnixMilli(1)}}) {
			if ack.Err != nil {
				t.Errorf("acks[%d].Err = %v", i, ack.Err)
			}
		}
	}
}

// A record that no broker takes ends when its time of delivery is over, whatever its timestamp.
func TestLateRecords(t *testing.T) {
	cluster := broker(t, kfake.SeedTopics(1, "orders"))
	p := producer(t, cluster, func(cfg *ProducerConfig) { cfg.DeliveryTimeout = time.Second })
	submitted(t, p, []record.Record{{Topic: "orders", Partition: 0}})
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		return refusal(req, kerr.NotLeaderForPartition.Code), nil, true
	})
	began := time.Now()
	acks := submitted(t, p, []record.Record{{Topic: "orders", Partition: 0, Timestamp: time.Now().Add(time.Hour)}})
	if took := time.Since(began); !errors.Is(acks[0].Err, ErrTimeout) || took > 5*time.Second {
		t.Errorf("after %s: %v, want that it timed out after a second", took, acks[0].Err)
	}
}
