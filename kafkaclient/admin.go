package kafkaclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Admin asks Kafka about its brokers and topics. Make it with NewAdmin.
// Its errors are Kafka's own (*kerr.Error), *InvalidTopicError, or say that no broker answered.
type Admin struct {
	cfg    Config
	client *kgo.Client
	kafka  *kadm.Client // over the same connections
}

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
	kafka.SetTimeoutMillis(10_000) // what the brokers may take for one question
	return &Admin{cfg: cfg, client: client, kafka: kafka}
}

// Diagnose finds the cause of an error of this client, as Config.Diagnose does.
func (a *Admin) Diagnose(ctx context.Context, err error) Finding { return a.cfg.Diagnose(ctx, err) }

// Close closes the connections.
func (a *Admin) Close() { a.kafka.Close() }

// Partition is one partition of a topic.
type Partition struct {
	ID       int32
	Leader   int32   // -1: none
	Replicas []int32 // brokers, in assignment order
	InSync   []int32
}

// Topic is a topic as the brokers describe it.
type Topic struct {
	Name       string
	Partitions []Partition // by ID
}

// TopicConfig is one setting of a topic that is in force. Value is nil for a secret.
type TopicConfig struct {
	Name  string
	Value *string
}

// Offsets are the first offset of a partition and the next one to be written.
type Offsets struct{ Beginning, End int64 }

// Ping reports whether a broker answers now. It asks for metadata, which nothing on the way has
// in a cache: kadm's ApiVersions goes by the brokers of an earlier answer, and forgives each of
// them its silence.
func (a *Admin) Ping(ctx context.Context) error {
	if _, err := a.metadata(ctx, []kmsg.MetadataRequestTopic{}); err != nil {
		return fmt.Errorf("reaching Kafka: %w", err)
	}
	return nil
}

// Brokers lists the ids of the brokers, rising.
func (a *Admin) Brokers(ctx context.Context) ([]int32, error) {
	meta, err := a.metadata(ctx, []kmsg.MetadataRequestTopic{})
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
	meta, err := a.metadata(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	names := make([]string, 0, len(meta.Topics))
	for _, t := range meta.Topics {
		if t.ErrorCode == 0 && !t.IsInternal && t.Topic != nil {
			names = append(names, *t.Topic)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Topic describes one topic. A missing one is kerr.UnknownTopicOrPartition.
func (a *Admin) Topic(ctx context.Context, name string) (Topic, error) {
	if !validTopic(name) {
		return Topic{}, &InvalidTopicError{Topic: name}
	}
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &name
	meta, err := a.metadata(ctx, []kmsg.MetadataRequestTopic{asked})
	if err != nil {
		return Topic{}, fmt.Errorf("describing topic %s: %w", name, err)
	}
	if len(meta.Topics) != 1 {
		return Topic{}, kerr.UnknownTopicOrPartition
	}
	if err := kerr.ErrorForCode(meta.Topics[0].ErrorCode); err != nil {
		return Topic{}, err
	}
	topic := Topic{Name: name, Partitions: make([]Partition, 0, len(meta.Topics[0].Partitions))}
	for _, p := range meta.Topics[0].Partitions {
		topic.Partitions = append(topic.Partitions, Partition{ID: p.Partition, Leader: p.Leader, Replicas: p.Replicas, InSync: p.ISR})
	}
	slices.SortFunc(topic.Partitions, func(x, y Partition) int { return cmp.Compare(x.ID, y.ID) })
	return topic, nil
}

// metadata asks the brokers anew, past the client's picture, which lasts minutes.
// topics nil means all of them.
func (a *Admin) metadata(ctx context.Context, topics []kmsg.MetadataRequestTopic) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = topics
	return req.RequestWith(ctx, a.client)
}

// TopicConfigs lists all settings in force for a topic, defaults included.
func (a *Admin) TopicConfigs(ctx context.Context, name string) ([]TopicConfig, error) {
	all, err := a.kafka.DescribeTopicConfigs(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("describing configs of topic %s: %w", name, err)
	}
	config, err := all.On(name, nil)
	if err != nil {
		return nil, err
	}
	if config.Err != nil {
		return nil, config.Err
	}
	out := make([]TopicConfig, 0, len(config.Configs))
	for _, c := range config.Configs {
		if c.Sensitive {
			c.Value = nil
		}
		out = append(out, TopicConfig{Name: c.Key, Value: c.Value})
	}
	return out, nil
}

// PartitionOffsets asks for both ends of one partition.
func (a *Admin) PartitionOffsets(ctx context.Context, topic string, partition int32) (Offsets, error) {
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
