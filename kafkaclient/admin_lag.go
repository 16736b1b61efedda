package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// PartitionLag is how far a group is behind on one partition.
type PartitionLag struct {
	TopicPartition
	Committed int64        // the group's stored offset: what it reads next
	End       int64        // what a reader of committed records (read_committed) gets to
	Member    *GroupMember // who reads it now; nil: nobody
}

// Lag is how many offsets the group has to go; never below 0.
func (l PartitionLag) Lag() int64 { return max(0, l.End-l.Committed) }

// Lags tells how far a group is behind, by topic and partition, on the partitions that it has
// stored offsets for; nothing for a group without any. A partition that is no more is left out.
func (a *Admin) Lags(ctx context.Context, group Group) ([]PartitionLag, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	var committed kadm.OffsetResponses
	err := patiently(ctx, func() (err error) {
		committed, err = a.kafka.FetchOffsets(ctx, group.ID)
		return err
	})
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fetching the offsets of group %s: %w", group.ID, err)
	}
	var lags []PartitionLag
	for topic, partitions := range committed {
		for partition, offset := range partitions {
			if offset.Err != nil {
				return nil, offset.Err
			}
			if offset.At >= 0 {
				lags = append(lags, PartitionLag{TopicPartition: TopicPartition{topic, partition}, Committed: offset.At})
			}
		}
	}
	slices.SortFunc(lags, func(x, y PartitionLag) int { return comparePartitions(x.Topic, x.Partition, y.Topic, y.Partition) })
	if lags, err = a.withEnds(ctx, lags); err != nil {
		return nil, fmt.Errorf("asking how far group %s could read: %w", group.ID, err)
	}
	readers := map[TopicPartition]*GroupMember{}
	for i := range group.Members {
		for _, p := range group.Members[i].Assigned {
			readers[p] = &group.Members[i]
		}
	}
	for i := range lags {
		lags[i].Member = readers[lags[i].TopicPartition]
	}
	return lags, nil
}

// latestOffset asks for the end of a partition, committedOnly for the last stable one.
// Source: ListOffsets.
const (
	latestOffset  = -1
	committedOnly = 1
)

// withEnds fills in End. lags are sorted.
func (a *Admin) withEnds(ctx context.Context, lags []PartitionLag) ([]PartitionLag, error) {
	if len(lags) == 0 {
		return nil, nil
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel, req.TimeoutMillis = committedOnly, brokerTimeoutMillis
	for _, lag := range lags {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != lag.Topic {
			topic := kmsg.NewListOffsetsRequestTopic()
			topic.Topic = lag.Topic
			req.Topics = append(req.Topics, topic)
		}
		asked := kmsg.NewListOffsetsRequestTopicPartition()
		asked.Partition, asked.Timestamp = lag.Partition, latestOffset
		topic := &req.Topics[len(req.Topics)-1]
		topic.Partitions = append(topic.Partitions, asked)
	}
	ends := make(map[TopicPartition]int64, len(lags))
	err := a.sharded(ctx, req, func(_ int32, resp kmsg.Response) error {
		for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				switch err := kerr.ErrorForCode(p.ErrorCode); {
				case err == nil:
					ends[TopicPartition{t.Topic, p.Partition}] = p.Offset
				case !errors.Is(err, kerr.UnknownTopicOrPartition):
					return err
				}
			}
		}
		return nil
	}, func() { clear(ends) })
	if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, err
	}
	kept := lags[:0]
	for _, lag := range lags {
		if end, ok := ends[lag.TopicPartition]; ok {
			lag.End = end
			kept = append(kept, lag)
		}
	}
	return kept, nil
}
