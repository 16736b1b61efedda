package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"headrace/record"
)

// TopicPartition names one partition of one topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func (tp TopicPartition) String() string { return fmt.Sprintf("%s-%d", tp.Topic, tp.Partition) }

// Batch is what one poll brought of one partition.
type Batch struct {
	TopicPartition
	Records []record.Record // by rising offset; may be empty when only Kafka's own records were read
	Next    int64           // the offset behind everything read, Kafka's own records included
	End     int64           // the next offset to be written to the partition, as last heard
}

// Handover is told when partitions come and go. The methods run while the consumer waits for
// them, never between Poll and Release, and never two at a time.
type Handover struct {
	Assigned func(partitions []TopicPartition)
	// Revoked may still commit: the partitions are handed on when it returns. ctx ends when the
	// group would lose patience.
	Revoked func(ctx context.Context, partitions []TopicPartition)
	// Lost says that others may own the partitions already: a commit would be refused.
	Lost func(partitions []TopicPartition)
}

// Consumer is one member of a consumer group. It commits only what Commit is given.
// Poll, Release, Seek and Close belong to one goroutine; the rest may be called from any.
type Consumer struct {
	cfg    ConsumerConfig
	client *kgo.Client
	admin  *kadm.Client
	log    *slog.Logger
}

// NewConsumer returns a member that joins the group in the background. Partitions are spread
// over all members by the cooperative sticky assignor: evenly over all topics, and only those
// that must move stop for a moment.
func NewConsumer(cfg ConsumerConfig, handover Handover, log *slog.Logger) (*Consumer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Consumer{cfg: cfg, log: log}
	opts, err := cfg.options(log)
	if err != nil {
		return nil, err
	}
	opts = append(opts,
		kgo.ConsumerGroup(cfg.Group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.KeepControlRecords(), // their offsets count for "everything read"
		kgo.ConsumeResetOffset(resetOffset(cfg)),
		kgo.SessionTimeout(cfg.SessionTimeout),
		kgo.HeartbeatInterval(cfg.HeartbeatInterval),
		kgo.RebalanceTimeout(cfg.RebalanceTimeout),
		kgo.FetchMaxBytes(cfg.FetchMaxBytes),
		kgo.FetchMaxPartitionBytes(cfg.FetchMaxPartition),
		kgo.FetchMinBytes(cfg.FetchMinBytes),
		kgo.FetchMaxWait(cfg.FetchMaxWait),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
			handover.Assigned(partitions(m))
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, m map[string][]int32) {
			// Half of the group's patience, so that the join that follows is in time.
			ctx, cancel := context.WithTimeout(ctx, cfg.RebalanceTimeout/2)
			defer cancel()
			handover.Revoked(ctx, partitions(m))
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
			handover.Lost(partitions(m))
		}),
	)
	if cfg.TopicsRegex != nil {
		opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics("^(?:"+cfg.TopicsRegex.String()+")$"))
	} else {
		opts = append(opts, kgo.ConsumeTopics(cfg.Topics...))
	}
	if cfg.ReadCommitted {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("making the Kafka consumer of group %s: %w", cfg.Group, err)
	}
	c.client, c.admin = client, kadm.NewClient(client)
	return c, nil
}

func resetOffset(cfg ConsumerConfig) kgo.Offset {
	if cfg.StartLatest {
		return kgo.NewOffset().AtEnd()
	}
	return kgo.NewOffset().AtStart()
}

func partitions(m map[string][]int32) []TopicPartition {
	var out []TopicPartition
	for topic, ids := range m {
		for _, id := range ids {
			out = append(out, TopicPartition{topic, id})
		}
	}
	return out
}

// maxPollRecords is how many records one Poll returns at most. Fetched batches unpack to many
// times their size; this bounds what the caller is given at once. Source: the Java consumer's
// max.poll.records.
const maxPollRecords = 500

// Poll waits for records and returns at most 500 of them, by partition. Until Release, no partition is taken
// away. It fails with ctx's error when ctx ends first, and with Kafka's when the group or a
// topic cannot be read; what passes by itself is logged and waited for. The records' bytes
// belong to the caller.
func (c *Consumer) Poll(ctx context.Context) ([]Batch, error) {
	for {
		fetches := c.client.PollRecords(ctx, maxPollRecords)
		if err := c.fatal(ctx, fetches); err != nil {
			return nil, err
		}
		if batches := toBatches(fetches); len(batches) > 0 {
			return batches, nil
		}
		c.Release()
	}
}

// Release lets partitions move again.
func (c *Consumer) Release() { c.client.AllowRebalance() }

// fatal returns the first error of fetches that waiting does not cure.
func (c *Consumer) fatal(ctx context.Context, fetches kgo.Fetches) error {
	for _, fetched := range fetches.Errors() {
		err := fetched.Err
		var loss *kgo.ErrDataLoss
		switch {
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return err
		case errors.As(err, &loss):
			c.log.Warn("the log was cut: reading on where it goes on", "topic", fetched.Topic, "partition", fetched.Partition, "err", err)
		case passes(err):
			c.log.Warn("reading from Kafka fails, trying again", "topic", fetched.Topic, "partition", fetched.Partition, "err", err)
		case errors.Is(err, kerr.InconsistentGroupProtocol):
			return fmt.Errorf("joining the consumer group: another kind of member (a Kafka Connect worker?) is in it, stop that first: %w", err)
		case fetched.Topic != "":
			return fmt.Errorf("reading topic %s partition %d: %w", fetched.Topic, fetched.Partition, err)
		default:
			return fmt.Errorf("reading from Kafka: %w", err)
		}
	}
	return nil
}

// passes reports whether err is one that the client gets over by itself: a lost connection, a
// broker that is not there yet, a generation of the group that is over.
func passes(err error) bool {
	var kafka *kerr.Error
	if errors.As(err, &kafka) {
		return kafka.Retriable || errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration) ||
			errors.Is(err, kerr.FencedMemberEpoch) || errors.Is(err, kerr.OffsetOutOfRange)
	}
	return !errors.Is(err, kgo.ErrClientClosed)
}

func toBatches(fetches kgo.Fetches) []Batch {
	var out []Batch
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		batch := Batch{
			TopicPartition: TopicPartition{p.Topic, p.Partition},
			Records:        make([]record.Record, 0, len(p.Records)),
			Next:           p.Records[len(p.Records)-1].Offset + 1,
			End:            p.HighWatermark,
		}
		for _, rec := range p.Records {
			if !rec.Attrs.IsControl() {
				batch.Records = append(batch.Records, toRecord(rec))
			}
		}
		out = append(out, batch)
	})
	return out
}

func toRecord(rec *kgo.Record) record.Record {
	out := record.Record{
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset,
		Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp,
	}
	if len(rec.Headers) > 0 {
		out.Headers = make([]record.Header, len(rec.Headers))
		for i, h := range rec.Headers {
			out.Headers[i] = record.Header{Key: h.Key, Value: h.Value}
		}
	}
	return out
}

// Pause stops fetching the partitions; what was fetched and not yet polled is fetched again later.
func (c *Consumer) Pause(partitions ...TopicPartition) {
	c.client.PauseFetchPartitions(byTopic(partitions))
}

// Resume goes on fetching the partitions.
func (c *Consumer) Resume(partitions ...TopicPartition) {
	c.client.ResumeFetchPartitions(byTopic(partitions))
}

func byTopic(partitions []TopicPartition) map[string][]int32 {
	m := make(map[string][]int32, len(partitions))
	for _, tp := range partitions {
		m[tp.Topic] = append(m[tp.Topic], tp.Partition)
	}
	return m
}

// Seek makes the next Poll read a partition from offset on. Only between Poll and Release, and
// only for a partition that has been polled.
func (c *Consumer) Seek(tp TopicPartition, offset int64) {
	c.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{
		tp.Topic: {tp.Partition: {Epoch: -1, Offset: offset}},
	})
}

// Commit stores the group's offsets and waits for the answer: the next Poll of whoever owns the
// partition then starts there. It fails when any of them was not stored.
func (c *Consumer) Commit(ctx context.Context, offsets map[TopicPartition]int64) error {
	if len(offsets) == 0 {
		return nil
	}
	request := map[string]map[int32]kgo.EpochOffset{}
	for tp, offset := range offsets {
		if request[tp.Topic] == nil {
			request[tp.Topic] = map[int32]kgo.EpochOffset{}
		}
		request[tp.Topic][tp.Partition] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
	var failed error
	c.client.CommitOffsetsSync(ctx, request, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
		failed = err
		if err == nil {
			failed = commitError(response)
		}
	})
	if failed != nil {
		return fmt.Errorf("committing offsets: %w", failed)
	}
	return nil
}

func commitError(response *kmsg.OffsetCommitResponse) error {
	for _, topic := range response.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("topic %s partition %d: %w", topic.Topic, p.Partition, err)
			}
		}
	}
	return nil
}

// Close leaves the group and closes the connections. Partitions that are still held are revoked
// first. When ctx ends the group is left to find out by itself.
func (c *Consumer) Close(ctx context.Context) {
	c.client.AllowRebalance()
	if err := c.client.LeaveGroupContext(ctx); err != nil {
		c.log.Warn("leaving the consumer group failed: its partitions move after the session timeout", "err", err)
	}
	c.client.CloseAllowingRebalance()
}
