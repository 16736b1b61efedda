package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kprom"
	"golang.org/x/sync/singleflight"

	"headrace/record"
)

// unknownTopicTries is how often the client asks for a topic that is missing, which takes
// it about a second (measured: 4 retries, 1.0 s).
const unknownTopicTries = 4

// unknownTopicsKept is how many missing topics the client may go on asking the brokers for.
const unknownTopicsKept = 64

// Producer writes records to Kafka through one client that all requests share.
// Make it with NewProducer.
type Producer struct {
	cfg   ProducerConfig
	kafka *kgo.Client
	admin *Admin    // the same connections, for asking about topics
	calls sync.Pool // of *call
	known sync.Map  // topic → *atomic.Int32: its highest partition that was produced to with success, and 1
	life  atomic.Pointer[lifetime]

	asking singleflight.Group // why nothing was heard

	mu      sync.Mutex
	unknown map[string]struct{} // missing topics that were produced to
}

// NewProducer returns a producer. It connects when it is first used.
func NewProducer(cfg ProducerConfig, log *slog.Logger, reg prometheus.Registerer) (*Producer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Config = cfg.shared(log)
	opts, err := cfg.options(log)
	if err != nil {
		return nil, err
	}
	metrics := kprom.NewMetrics("headrace_kafka_producer", kprom.Registerer(reg),
		kprom.FetchAndProduceDetail(kprom.ByNode, kprom.UncompressedBytes)) // by topic: a client may invent them
	opts = append(opts, kgo.WithHooks(metrics))
	client, err := kgo.NewClient(append(opts, producerOptions(cfg)...)...)
	if err != nil {
		return nil, fmt.Errorf("making the Kafka producer: %w", err)
	}
	p := &Producer{cfg: cfg, kafka: client, admin: newAdmin(cfg.Config, client), unknown: map[string]struct{}{}}
	p.calls.New = func() any { return newCall() }
	return p, nil
}

// producerOptions turns the settings that only a producer has into the client's.
func producerOptions(cfg ProducerConfig) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.ProducerLinger(cfg.Linger),
		kgo.ProducerBatchMaxBytes(max(cfg.MaxBatchBytes, int32(min(cfg.MaxRecordBytes, math.MaxInt32)))),
		kgo.UnknownTopicRetries(unknownTopicTries),
		kgo.AllowAutoTopicCreation(), // as the Java client: the broker decides
		kgo.RecordPartitioner(partitioner{roundRobin: cfg.RoundRobin}),
		// What requests may hold is bounded where they are read, in bytes, all of them together.
		kgo.MaxBufferedRecords(math.MaxInt32),
	}
	switch cfg.Acks {
	case "all":
		opts = append(opts, kgo.RequiredAcks(kgo.AllISRAcks()))
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	}
	if cfg.Acks == "all" && !cfg.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	if cfg.MaxInFlight > 0 && (cfg.Acks != "all" || !cfg.Idempotent) {
		opts = append(opts, kgo.MaxProduceRequestsInflightPerBroker(cfg.MaxInFlight))
	}
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	codec := codecs[cfg.Compression]
	if cfg.CompressionLevel != 0 {
		codec = codec.WithLevel(goLevel(cfg.Compression, cfg.CompressionLevel))
	}
	return append(opts, kgo.ProducerBatchCompression(codec))
}

// Produce writes recs, all of one topic, and waits until each is stored or has failed.
// The answer has one Ack per record, in the order of recs; Ack.Err is nil when Partition and
// Offset are valid. Errors are of this package (*NotInMetadataError, *RecordTooLargeError,
// *InvalidTopicError, ErrTimeout, *UnknownOutcomeError) or Kafka's own (*kerr.Error).
// recs and their bytes must not change until Produce returns. When an Ack is a
// *UnknownOutcomeError (ctx or the time of delivery ended first, and that record may still be
// stored), they must not change before that has ended.
func (p *Producer) Produce(ctx context.Context, recs []record.Record) []record.Ack {
	acks := make([]record.Ack, len(recs))
	started := time.Now()
	c := p.calls.Get().(*call)
	c.todo = c.todo[:0]
	for i := range recs {
		if acks[i].Err = p.refuse(&recs[i]); acks[i].Err == nil {
			c.todo = append(c.todo, i)
		}
	}
	for len(c.todo) > 0 {
		if !p.send(ctx, c, recs, acks, started) {
			return acks // c is lost to the client
		}
	}
	c.reset()
	p.calls.Put(c)
	return acks
}

// refuse says why a record cannot be sent, before anything is.
func (p *Producer) refuse(rec *record.Record) error {
	if !ValidTopic(rec.Topic) {
		return &InvalidTopicError{Topic: rec.Topic}
	}
	if size := wireSize(rec); size > p.cfg.MaxRecordBytes {
		return &RecordTooLargeError{Size: size, Limit: p.cfg.MaxRecordBytes}
	}
	return nil
}

// send hands the records named by c.todo to the client, waits for their ends and writes them
// into acks. It leaves in c.todo those that are worth sending once more: their topic or
// partition is missing, none of their bytes has left, and there is time to look again.
// It reports false when the wait ended first: the client still holds c and the records, and
// neither may be used again.
func (p *Producer) send(ctx context.Context, c *call, recs []record.Record, acks []record.Ack, started time.Time) bool {
	c.start()
	patience, cancel := p.patience(recs[c.todo[0]].Topic, started)
	defer cancel()
	for n, i := range c.todo {
		c.fill(n, &recs[i], started)
		p.kafka.Produce(patience, &c.recs[n], c.promise) //nolint:contextcheck // a caller's cancel must not take others' records along
	}
	if !c.wait(ctx, p.cfg.DeliveryTimeout+p.cfg.RequestTimeout) {
		unknown := &UnknownOutcomeError{call: c}
		for _, i := range c.todo {
			acks[i].Err = unknown
		}
		return false
	}
	failed := c.failures()
	again, highest := c.todo[:0], record.AnyPartition
	for n, i := range c.todo {
		if failed == nil || failed[&c.recs[n]] == nil {
			acks[i] = record.Ack{Partition: c.recs[n].Partition, Offset: c.recs[n].Offset}
			highest = max(highest, c.recs[n].Partition)
			continue
		}
		refused := c.recs[n].Partition <= refusedPartition
		if acks[i].Err = p.explain(ctx, &recs[i], failed[&c.recs[n]], refused); acks[i].Err == nil {
			again = append(again, i)
		}
	}
	if highest >= 0 {
		p.learn(c.recs[0].Topic, highest)
	}
	c.todo = again
	if len(again) > 0 && !p.pause(ctx, started) {
		for _, i := range again {
			acks[i].Err = &NotInMetadataError{Topic: recs[i].Topic, Partition: record.AnyPartition, Waited: p.cfg.MaxBlock}
		}
		c.todo = c.todo[:0]
	}
	return true
}

// loadTime is what the client gets beyond max.block.ms to hear that a topic is missing.
const loadTime = time.Second

// patience is how long the client may try to load a topic that it may not have loaded yet:
// while no broker can be reached it would go on until the time of delivery is over. A record
// that has been sent does not end with it.
func (p *Producer) patience(topic string, started time.Time) (context.Context, context.CancelFunc) {
	life := p.lifetime(time.Now())
	if _, ok := p.known.Load(topic); ok {
		return life, func() {}
	}
	return context.WithDeadline(life, started.Add(p.cfg.MaxBlock+loadTime))
}

// pause waits a little before a missing topic or partition is looked for again; it reports
// false when there is no time left.
func (p *Producer) pause(ctx context.Context, started time.Time) bool {
	left := p.cfg.MaxBlock - time.Since(started)
	if left <= 0 {
		return false
	}
	select {
	case <-time.After(min(left, p.cfg.RetryBackoff)):
		return true
	case <-ctx.Done():
		return false
	}
}

// explain turns the client's error into one that says what is wrong, or into nil for a
// record that should be sent again.
func (p *Producer) explain(ctx context.Context, rec *record.Record, err error, refused bool) error {
	if refused {
		// The client's picture of the topic may be old: ask the brokers.
		count, askErr := p.admin.partitionCount(ctx, rec.Topic)
		if askErr != nil {
			return askErr
		}
		if int(rec.Partition) < count {
			p.kafka.ForceMetadataRefresh()
			return nil
		}
		return &NotInMetadataError{Topic: rec.Topic, Partition: rec.Partition, Count: count, Waited: p.cfg.MaxBlock}
	}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		p.forget(rec.Topic)
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return p.silence(ctx, rec.Topic)
	}
	return p.reason(err)
}

// reason turns the client's error into Kafka's own, or into one that says that the time was over.
func (p *Producer) reason(err error) error {
	switch {
	case errors.Is(err, ErrTimeout):
		return err
	case errors.Is(err, kgo.ErrRecordTimeout), errors.Is(err, kgo.ErrRecordRetries):
		var cause *kerr.Error
		if errors.As(err, &cause) {
			return cause
		}
		return &TimeoutError{Err: err, Cause: p.cfg.Logins.recent()}
	case errors.Is(err, kgo.ErrClientClosed):
		return fmt.Errorf("%w: the server is stopping", ErrTimeout)
	}
	return err
}

// askTimeout bounds the question why nothing was heard of a topic.
const askTimeout = 3 * time.Second

// silence says why nothing was heard of a topic: the client goes on trying to log in and tells nobody. One caller asks for all.
func (p *Producer) silence(ctx context.Context, topic string) error {
	cause := p.cfg.Logins.recent()
	if cause == nil && p.cfg.Login.SASL != nil {
		_, cause, _ = p.asking.Do("", func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
			defer cancel()
			return nil, p.admin.Ping(ctx)
		})
	}
	if LoginRefused(cause) {
		return cause
	}
	return &NotInMetadataError{Topic: topic, Partition: record.AnyPartition, Waited: p.cfg.MaxBlock, Cause: cause}
}

// forget makes the client stop asking for missing topics once there are many: clients may
// invent as many names as they like.
func (p *Producer) forget(topic string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unknown[topic] = struct{}{}
	if len(p.unknown) < unknownTopicsKept {
		return
	}
	topics := make([]string, 0, len(p.unknown))
	for t := range p.unknown {
		topics = append(topics, t)
	}
	clear(p.unknown)
	p.kafka.PurgeTopicsFromProducing(topics...)
}

// Close sends what is buffered, at most until ctx ends, and closes the connections.
func (p *Producer) Close(ctx context.Context) error {
	err := p.kafka.Flush(ctx)
	p.kafka.Close()
	if err != nil {
		return fmt.Errorf("flushing the Kafka producer: %w", err)
	}
	return nil
}

// call is one Produce under way. Calls are used again, with the memory of their records.
type call struct {
	todo    []int        // records of the caller that are being sent, by index
	recs    []kgo.Record // one for each of todo
	promise func(*kgo.Record, error)
	left    atomic.Int64 // records without an end
	done    chan struct{}
	timer   *time.Timer

	mu     sync.Mutex
	failed map[*kgo.Record]error
	ended  bool   // every record has come to its end
	after  func() // called then, when nobody waits
}

// callRecordsKept bounds the memory that an idle call holds: 4096 records are about 1 MB.
const callRecordsKept = 4096

func newCall() *call {
	c := &call{done: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	c.promise = func(r *kgo.Record, err error) {
		if err != nil {
			c.mu.Lock()
			if c.failed == nil {
				c.failed = map[*kgo.Record]error{}
			}
			c.failed[r] = err
			c.mu.Unlock()
		}
		if c.left.Add(-1) == 0 {
			c.end()
		}
	}
	return c
}

func (c *call) end() {
	c.mu.Lock()
	c.ended = true
	after := c.after
	c.mu.Unlock()
	c.done <- struct{}{} // from here on the call may be another's
	if after != nil {
		after()
	}
}

// afterEnd calls f when every record of the call, which nobody waits for, has come to its end.
func (c *call) afterEnd(f func()) {
	c.mu.Lock()
	ended := c.ended
	c.after = f
	c.mu.Unlock()
	if ended {
		f()
	}
}

func (c *call) start() {
	n := len(c.todo)
	c.failed, c.ended = nil, false
	if cap(c.recs) < n {
		c.recs = make([]kgo.Record, n)
	}
	c.recs = c.recs[:n]
	c.left.Store(int64(n))
}

func (c *call) fill(n int, rec *record.Record, now time.Time) {
	r := &c.recs[n]
	*r = kgo.Record{Topic: rec.Topic, Partition: rec.Partition, Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp}
	if r.Timestamp.IsZero() {
		r.Timestamp = now
	}
	for _, h := range rec.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
}

// wait reports whether every record has come to its end.
func (c *call) wait(ctx context.Context, limit time.Duration) bool {
	c.timer.Reset(limit)
	defer c.timer.Stop()
	select {
	case <-c.done:
		return true
	case <-ctx.Done():
	case <-c.timer.C:
	}
	return false
}

func (c *call) failures() map[*kgo.Record]error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// reset drops every reference to a caller's bytes.
func (c *call) reset() {
	clear(c.recs)
	c.failed = nil
	if cap(c.recs) > callRecordsKept {
		c.recs, c.todo = nil, nil
	}
}

// goLevel is a level as Java counts it in the numbers of the Go codec.
// Source: lz4.CompressionLevel of pierrec/lz4, zstd.EncoderLevelFromZstd of klauspost/compress.
func goLevel(codec string, level int) int {
	switch codec {
	case "lz4":
		return 1 << (8 + min(max(level, 1), 9))
	case "zstd":
		return int(zstd.EncoderLevelFromZstd(level))
	}
	return level
}
