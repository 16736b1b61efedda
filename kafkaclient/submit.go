package kafkaclient

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/record"
)

// Delivery is one record that is handed over with Submit, and what became of it. Make it with
// NewDelivery. It may be used again after its end.
type Delivery struct {
	Record record.Record // with its bytes it must not change before the end
	Ack    record.Ack    // valid from the end on; its errors are those of Produce

	end     func(*Delivery)
	owner   *Producer
	kafka   kgo.Record
	promise func(*kgo.Record, error)
}

// NewDelivery returns a delivery that calls end at each of its ends: on a goroutine of the
// producer's, which it must not hold up, or inside Submit.
func NewDelivery(end func(*Delivery)) *Delivery {
	d := &Delivery{end: end}
	d.promise = d.settle
	return d
}

// Timestamp is the time that the record was given, to the millisecond. Valid from the end on.
func (d *Delivery) Timestamp() time.Time { return d.kafka.Timestamp }

// Submit hands over one record and does not wait until it is stored: d's end says that. Records that
// one goroutine submits to one partition are stored in the order of the calls.
// It reports false, and has done nothing, while the record's topic or named partition is not known
// to exist: SubmitUnknown is for such a record.
func (p *Producer) Submit(d *Delivery) bool {
	if d.Record.Partition >= p.seen(d.Record.Topic) && ValidTopic(d.Record.Topic) {
		return false
	}
	if p.refused(d) {
		return true
	}
	headers := d.kafka.Headers[:0]
	for _, h := range d.Record.Headers {
		headers = append(headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	d.kafka = kgo.Record{
		Topic: d.Record.Topic, Partition: d.Record.Partition, Key: d.Record.Key, Value: d.Record.Value,
		Timestamp: d.Record.Timestamp, Headers: headers,
	}
	p.kafka.Produce(p.lifetime(time.Now()), &d.kafka, d.promise)
	return true
}

// refused ends a record that cannot be sent.
func (p *Producer) refused(d *Delivery) bool {
	d.owner = p
	if d.Record.Timestamp.IsZero() {
		d.Record.Timestamp = time.Now()
	}
	d.kafka.Timestamp = d.Record.Timestamp.Truncate(time.Millisecond)
	err := p.refuse(&d.Record)
	if err != nil {
		d.Ack = record.Ack{Err: err}
		d.end(d)
	}
	return err != nil
}

// SubmitUnknown hands over one record and waits for its end, as the Java client waits for a topic or
// a partition that it has not seen yet: for max.block.ms when there is none.
// It reports whether the end has come. If not (ctx or the time of delivery ended first), d.Ack is an
// *UnknownOutcomeError from now on, and the end, when it comes, says only that nothing holds the
// record's bytes any more.
func (p *Producer) SubmitUnknown(ctx context.Context, d *Delivery) bool {
	if p.refused(d) {
		return true
	}
	d.Ack = p.Produce(ctx, []record.Record{d.Record})[0]
	var unknown *UnknownOutcomeError
	if errors.As(d.Ack.Err, &unknown) {
		unknown.AfterEnd(func() { d.end(d) })
		return false
	}
	d.end(d)
	return true
}

// PatienceLimit is the longest time from Submit to a delivery's end while brokers can be reached. Who waits
// longer may call the outcome unknown; the end comes later, or never while no broker answers.
func (p *Producer) PatienceLimit() time.Duration { return p.cfg.DeliveryTimeout + p.cfg.RequestTimeout }

// settle is the client's word on a record.
func (d *Delivery) settle(r *kgo.Record, err error) {
	if err != nil {
		d.Ack = record.Ack{Err: d.owner.late(&d.Record, r.Partition, err)}
	} else {
		d.Ack = record.Ack{Partition: r.Partition, Offset: r.Offset}
		d.owner.learn(r.Topic, r.Partition)
	}
	clear(r.Headers)
	*r = kgo.Record{Timestamp: r.Timestamp, Headers: r.Headers}
	d.end(d)
}

// late explains the failure of a record whose topic and partition were known when it was handed over.
// When they are no more, the next record will have to ask for them.
func (p *Producer) late(rec *record.Record, partition int32, err error) error {
	switch {
	case partition <= refusedPartition:
		p.known.Delete(rec.Topic)
		return &NotInMetadataError{Topic: rec.Topic, Partition: rec.Partition, Count: int(refusedPartition - partition), Waited: p.cfg.MaxBlock}
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		p.known.Delete(rec.Topic)
		return &NotInMetadataError{Topic: rec.Topic, Partition: record.AnyPartition, Waited: p.cfg.MaxBlock}
	}
	return p.reason(err)
}

// seen is how many partitions of a topic are known to exist: -1 for a topic that is not.
func (p *Producer) seen(topic string) int32 {
	if count, ok := p.known.Load(topic); ok {
		return count.(*atomic.Int32).Load()
	}
	return record.AnyPartition
}

// learn remembers that a partition exists.
func (p *Producer) learn(topic string, partition int32) {
	known, ok := p.known.Load(topic)
	if !ok {
		known, _ = p.known.LoadOrStore(topic, new(atomic.Int32))
	}
	count := known.(*atomic.Int32)
	for {
		old := count.Load()
		if partition < old || count.CompareAndSwap(old, partition+1) {
			return
		}
	}
}
