package kafkaclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Admin asks Kafka about its brokers, topics, configs, groups and rights, and changes them. Make it
// with NewAdmin. Every call ends within request.timeout.ms, or when its context does.
// Its errors are Kafka's own (*kerr.Error, or *BrokerError around one), *InvalidTopicError, or say
// that no broker answered.
type Admin struct {
	cfg    Config
	client *kgo.Client
	kafka  *kadm.Client // over the same connections
}

// brokerTimeoutMillis is what the brokers may take for one change.
const brokerTimeoutMillis = 10_000

// NewAdmin returns an admin client. It connects when it is first used.
func NewAdmin(cfg Config, log *slog.Logger) (*Admin, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.shared(log)
	opts, err := cfg.options(log)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("making the Kafka admin client: %w", err)
	}
	return newAdmin(cfg, client), nil
}

func newAdmin(cfg Config, client *kgo.Client) *Admin {
	kafka := kadm.NewClient(client)
	kafka.SetTimeoutMillis(brokerTimeoutMillis)
	return &Admin{cfg: cfg, client: client, kafka: kafka}
}

// bounded is ctx with the deadline of one call.
func (a *Admin) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, a.cfg.RequestTimeout)
}

// Diagnose finds the cause of an error of this client, as Config.Diagnose does.
func (a *Admin) Diagnose(ctx context.Context, err error) Finding { return a.cfg.Diagnose(ctx, err) }

// MissingPermission names the IAM action that a refused operation needs; false without an IAM login.
func (a *Admin) MissingPermission(operation, resource string) (Finding, bool) {
	if a.cfg.Login.SASL == nil || a.cfg.Login.SASL.IAM == nil {
		return Finding{}, false
	}
	return MissingPermission(operation, resource), true
}

// Close closes the connections.
func (a *Admin) Close() { a.kafka.Close() }

// Partition is one partition of a topic.
type Partition struct {
	ID       int32
	Leader   int32   // -1: none
	Replicas []int32 // brokers, in assignment order
	InSync   []int32

	// Replicas that may be elected though out of sync, and those last known to be so (KIP-966); nil
	// where that was not asked for or is not told.
	Eligible, LastEligible []int32
}

// Topic is a topic as the brokers describe it.
type Topic struct {
	Name       string
	ID         [16]byte
	Internal   bool        // the brokers' own, such as __consumer_offsets
	Partitions []Partition // by ID
	Operations []string    // what the caller may do with it, such as DESCRIBE; nil unless asked for
}

// Offsets are the first offset of a partition and the next one to be written.
type Offsets struct{ Beginning, End int64 }

// Ping reports whether a broker answers now. It asks for metadata, which nothing on the way has
// in a cache: kadm's ApiVersions goes by the brokers of an earlier answer, and forgives each of
// them its silence.
func (a *Admin) Ping(ctx context.Context) error {
	if _, err := a.metadata(ctx, []kmsg.MetadataRequestTopic{}, false); err != nil {
		return fmt.Errorf("reaching Kafka: %w", err)
	}
	return nil
}

// Brokers lists the ids of the brokers, rising.
func (a *Admin) Brokers(ctx context.Context) ([]int32, error) {
	meta, err := a.metadata(ctx, []kmsg.MetadataRequestTopic{}, false)
	if err != nil {
		return nil, fmt.Errorf("listing brokers: %w", err)
	}
	ids := make([]int32, 0, len(meta.Brokers))
	for _, b := range meta.Brokers {
		ids = append(ids, b.NodeID)
	}
	slices.Sort(ids)
	return ids, nil
}

// Topics lists the names of all topics but the brokers' own, sorted.
func (a *Admin) Topics(ctx context.Context) ([]string, error) {
	all, err := a.AllTopics(ctx, false)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(all))
	for _, t := range all {
		if !t.Internal {
			names = append(names, t.Name)
		}
	}
	return names, nil
}

// AllTopics describes all topics, sorted by name; those that the brokers refuse to describe are left
// out. operations asks for Topic.Operations too.
func (a *Admin) AllTopics(ctx context.Context, operations bool) ([]Topic, error) {
	meta, err := a.metadata(ctx, nil, operations)
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	topics := make([]Topic, 0, len(meta.Topics))
	for i := range meta.Topics {
		if t := &meta.Topics[i]; t.ErrorCode == 0 && t.Topic != nil {
			topics = append(topics, newTopic(t, operations))
		}
	}
	slices.SortFunc(topics, func(x, y Topic) int { return cmp.Compare(x.Name, y.Name) })
	return topics, nil
}

// Topic describes one topic. A missing one is kerr.UnknownTopicOrPartition.
func (a *Admin) Topic(ctx context.Context, name string) (Topic, error) {
	return a.topic(ctx, name, false)
}

// TopicWithOperations is Topic with what the caller may do with it.
func (a *Admin) TopicWithOperations(ctx context.Context, name string) (Topic, error) {
	return a.topic(ctx, name, true)
}

func (a *Admin) topic(ctx context.Context, name string, operations bool) (Topic, error) {
	if !ValidTopic(name) {
		return Topic{}, &InvalidTopicError{Topic: name}
	}
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &name
	meta, err := a.metadata(ctx, []kmsg.MetadataRequestTopic{asked}, operations)
	if err != nil {
		return Topic{}, fmt.Errorf("describing topic %s: %w", name, err)
	}
	if len(meta.Topics) != 1 {
		return Topic{}, kerr.UnknownTopicOrPartition
	}
	if err := kerr.ErrorForCode(meta.Topics[0].ErrorCode); err != nil {
		return Topic{}, err
	}
	return newTopic(&meta.Topics[0], operations), nil
}

func newTopic(t *kmsg.MetadataResponseTopic, operations bool) Topic {
	topic := Topic{Name: *t.Topic, ID: t.TopicID, Internal: t.IsInternal, Partitions: make([]Partition, 0, len(t.Partitions))}
	for i := range t.Partitions {
		p := &t.Partitions[i]
		topic.Partitions = append(topic.Partitions, Partition{ID: p.Partition, Leader: p.Leader, Replicas: p.Replicas, InSync: p.ISR})
	}
	slices.SortFunc(topic.Partitions, func(x, y Partition) int { return cmp.Compare(x.ID, y.ID) })
	if operations {
		topic.Operations = operationNames(t.AuthorizedOperations)
	}
	return topic
}

// operationNames reads a bit field: bit n is the operation with the code n. Source: KIP-430.
func operationNames(bits int32) []string {
	names := []string{}
	if bits == math.MinInt32 { // the broker does not tell
		return names
	}
	for code := range int8(31) {
		if bits&(1<<code) != 0 {
			if name := kmsg.ACLOperation(code).String(); name != "UNKNOWN" {
				names = append(names, name)
			}
		}
	}
	return names
}

// metadata asks the brokers anew, past the client's picture, which lasts minutes.
// topics nil means all of them. The slices of the answer are the caller's.
func (a *Admin) metadata(ctx context.Context, topics []kmsg.MetadataRequestTopic, operations bool) (*kmsg.MetadataResponse, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = topics
	req.IncludeTopicAuthorizedOperations = operations
	return req.RequestWith(ctx, a.client)
}

// PartitionOffsets asks for both ends of one partition.
func (a *Admin) PartitionOffsets(ctx context.Context, topic string, partition int32) (Offsets, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	start, err := a.kafka.ListStartOffsets(ctx, topic)
	if err != nil {
		return Offsets{}, fmt.Errorf("asking for the first offsets of topic %s: %w", topic, err)
	}
	end, err := a.kafka.ListEndOffsets(ctx, topic)
	if err != nil {
		return Offsets{}, fmt.Errorf("asking for the end offsets of topic %s: %w", topic, err)
	}
	first, ok := start.Lookup(topic, partition)
	last, ok2 := end.Lookup(topic, partition)
	if !ok || !ok2 {
		return Offsets{}, kerr.UnknownTopicOrPartition
	}
	if err := errors.Join(first.Err, last.Err); err != nil {
		return Offsets{}, err
	}
	return Offsets{Beginning: first.Offset, End: last.Offset}, nil
}

// partitionCount asks how many partitions a topic has.
func (a *Admin) partitionCount(ctx context.Context, name string) (int, error) {
	topic, err := a.Topic(ctx, name)
	return len(topic.Partitions), err
}
