package kafkaclient

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// NewTopic says what topic to make.
type NewTopic struct {
	Name              string
	Partitions        *int32             // nil: the broker's num.partitions
	ReplicationFactor *int16             // nil: the broker's default.replication.factor
	Assignments       map[int32][]int32  // brokers by partition; instead of the two counts
	Configs           map[string]*string // nil values are passed on, and refused by Kafka
	ValidateOnly      bool               // check everything, make nothing
}

// CreatedTopic says what was made; -1 where the caller may not know.
type CreatedTopic struct {
	Partitions        int32
	ReplicationFactor int16
}

// CreateTopic makes a topic. One that exists is kerr.TopicAlreadyExists.
func (a *Admin) CreateTopic(ctx context.Context, topic NewTopic) (CreatedTopic, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	resp, err := createTopicRequest(topic).RequestWith(ctx, a.client)
	if err != nil {
		return CreatedTopic{}, fmt.Errorf("creating topic %s: %w", topic.Name, err)
	}
	if len(resp.Topics) != 1 {
		return CreatedTopic{}, fmt.Errorf("creating topic %s: the broker answers for %d topics", topic.Name, len(resp.Topics))
	}
	t := resp.Topics[0]
	if err := brokerError(t.ErrorCode, t.ErrorMessage); err != nil {
		return CreatedTopic{}, err
	}
	return CreatedTopic{Partitions: t.NumPartitions, ReplicationFactor: t.ReplicationFactor}, nil
}

func createTopicRequest(topic NewTopic) *kmsg.CreateTopicsRequest {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic.Name, -1, -1
	if topic.Partitions != nil {
		t.NumPartitions = *topic.Partitions
	}
	if topic.ReplicationFactor != nil {
		t.ReplicationFactor = *topic.ReplicationFactor
	}
	if len(topic.Assignments) > 0 {
		t.NumPartitions, t.ReplicationFactor = -1, -1
	}
	for _, partition := range slices.Sorted(maps.Keys(topic.Assignments)) {
		assignment := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		assignment.Partition, assignment.Replicas = partition, topic.Assignments[partition]
		t.ReplicaAssignment = append(t.ReplicaAssignment, assignment)
	}
	for _, name := range slices.Sorted(maps.Keys(topic.Configs)) {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = name, topic.Configs[name]
		t.Configs = append(t.Configs, config)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis, req.ValidateOnly = []kmsg.CreateTopicsRequestTopic{t}, brokerTimeoutMillis, topic.ValidateOnly
	return req
}

// DeleteTopic deletes a topic. A missing one is kerr.UnknownTopicOrPartition.
func (a *Admin) DeleteTopic(ctx context.Context, name string) error {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	t := kmsg.NewDeleteTopicsRequestTopic()
	t.Topic = &name
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Topics, req.TopicNames, req.TimeoutMillis = []kmsg.DeleteTopicsRequestTopic{t}, []string{name}, brokerTimeoutMillis
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return fmt.Errorf("deleting topic %s: %w", name, err)
	}
	for _, t := range resp.Topics {
		if err := brokerError(t.ErrorCode, t.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}

// GrowTopic gives a topic count partitions in all. assignments are the brokers of each new
// partition, in order; nil leaves that to Kafka. A count that is no increase is
// kerr.InvalidPartitions.
func (a *Admin) GrowTopic(ctx context.Context, name string, count int32, assignments [][]int32) error {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = name, count
	for _, replicas := range assignments {
		assignment := kmsg.NewCreatePartitionsRequestTopicAssignment()
		assignment.Replicas = replicas
		t.Assignment = append(t.Assignment, assignment)
	}
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.Topics, req.TimeoutMillis = []kmsg.CreatePartitionsRequestTopic{t}, brokerTimeoutMillis
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return fmt.Errorf("adding partitions to topic %s: %w", name, err)
	}
	for _, t := range resp.Topics {
		if err := brokerError(t.ErrorCode, t.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}

// Reassignment is a partition that is being moved to other brokers.
type Reassignment struct {
	Topic     string
	Partition int32
	Replicas  []int32 // in force now
	Adding    []int32
	Removing  []int32
}

// Reassignments lists what is being moved now, by topic and partition.
func (a *Admin) Reassignments(ctx context.Context) ([]Reassignment, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.TimeoutMillis = brokerTimeoutMillis
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, fmt.Errorf("listing reassignments: %w", err)
	}
	if err := brokerError(resp.ErrorCode, resp.ErrorMessage); err != nil {
		return nil, err
	}
	var all []Reassignment
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			all = append(all, Reassignment{Topic: t.Topic, Partition: p.Partition, Replicas: p.Replicas, Adding: p.AddingReplicas, Removing: p.RemovingReplicas})
		}
	}
	slices.SortFunc(all, func(x, y Reassignment) int { return comparePartitions(x.Topic, x.Partition, y.Topic, y.Partition) })
	return all, nil
}

// DescribeTopics describes these topics, in this order, with what only newer brokers tell of
// partitions (Partition.Eligible). A missing one is kerr.UnknownTopicOrPartition.
func (a *Admin) DescribeTopics(ctx context.Context, names []string) ([]Topic, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	found := make(map[string]*Topic, len(names))
	describe := a.describeByMetadata
	if a.supports(ctx, kmsg.DescribeTopicPartitions) {
		describe = a.describePartitions
	}
	if err := describe(ctx, names, found); err != nil {
		return nil, fmt.Errorf("describing topics: %w", err)
	}
	topics := make([]Topic, 0, len(names))
	for _, name := range names {
		topic, ok := found[name]
		if !ok {
			return nil, kerr.UnknownTopicOrPartition
		}
		slices.SortFunc(topic.Partitions, func(x, y Partition) int { return cmp.Compare(x.ID, y.ID) })
		topics = append(topics, *topic)
	}
	return topics, nil
}

// supports reports whether all brokers know a kind of request.
func (a *Admin) supports(ctx context.Context, key kmsg.Key) bool {
	versions, err := a.kafka.ApiVersions(ctx)
	if err != nil || len(versions) == 0 {
		return false
	}
	for _, broker := range versions {
		if _, ok := broker.KeyMaxVersion(key.Int16()); !ok {
			return false
		}
	}
	return true
}

func (a *Admin) describeByMetadata(ctx context.Context, names []string, found map[string]*Topic) error {
	asked := make([]kmsg.MetadataRequestTopic, 0, len(names))
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		asked = append(asked, t)
	}
	meta, err := a.metadata(ctx, asked, false)
	if err != nil {
		return err
	}
	for i := range meta.Topics {
		t := &meta.Topics[i]
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return err
		}
		if t.Topic != nil {
			topic := newTopic(t, false)
			found[topic.Name] = &topic
		}
	}
	return nil
}

// describePartitions asks in rounds: an answer holds so many partitions at most. Source: KIP-966.
func (a *Admin) describePartitions(ctx context.Context, names []string, found map[string]*Topic) error {
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	for _, name := range slices.Sorted(slices.Values(names)) {
		t := kmsg.NewDescribeTopicPartitionsRequestTopic()
		t.Topic = name
		req.Topics = append(req.Topics, t)
	}
	for {
		resp, err := req.RequestWith(ctx, a.client)
		if err != nil {
			return err
		}
		for i := range resp.Topics {
			t := &resp.Topics[i]
			if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
				return err
			}
			if t.Topic == nil {
				continue
			}
			topic, ok := found[*t.Topic]
			if !ok {
				topic = &Topic{Name: *t.Topic, ID: t.TopicID, Internal: t.IsInternal}
				found[*t.Topic] = topic
			}
			for j := range t.Partitions {
				p := &t.Partitions[j]
				topic.Partitions = append(topic.Partitions, Partition{
					ID: p.Partition, Leader: p.LeaderID, Replicas: p.Replicas, InSync: p.ISR, Eligible: p.EligibleLeaderReplicas, LastEligible: p.LastKnownELR,
				})
			}
		}
		if resp.NextCursor == nil {
			return nil
		}
		cursor := kmsg.NewDescribeTopicPartitionsRequestCursor()
		cursor.Topic, cursor.Partition = resp.NextCursor.Topic, resp.NextCursor.Partition
		req.Cursor = &cursor
	}
}
