package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Position is where a group stands in a partition.
type Position struct {
	Beginning int64 // first offset that is kept
	End       int64 // next offset to be written
	Committed int64 // -1: none
}

// From is the offset that the group reads next: the committed one, or the beginning where there
// is none or it is gone.
func (p Position) From() int64 { return max(p.Committed, p.Beginning) }

// Positions asks where the group stands in every partition of the consumer's topics. Topics that
// do not exist are not in the answer. With ReadCommitted, End is that of committed transactions.
func (c *Consumer) Positions(ctx context.Context) (map[TopicPartition]Position, error) {
	topics := c.cfg.Topics
	if c.cfg.TopicsRegex != nil {
		var err error
		if topics, err = c.matching(ctx, c.cfg.TopicsRegex); err != nil {
			return nil, err
		}
	}
	out := map[TopicPartition]Position{}
	if len(topics) == 0 {
		return out, nil
	}
	begins, err := c.admin.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("asking for first offsets: %w", err)
	}
	listEnds := c.admin.ListEndOffsets
	if c.cfg.ReadCommitted {
		listEnds = c.admin.ListCommittedOffsets
	}
	ends, err := listEnds(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("asking for end offsets: %w", err)
	}
	committed, err := c.Committed(ctx)
	if err != nil {
		return nil, err
	}
	err = nil
	ends.Each(func(end kadm.ListedOffset) {
		if errors.Is(end.Err, kerr.UnknownTopicOrPartition) {
			return
		}
		begin, _ := begins.Lookup(end.Topic, end.Partition)
		if cause := errors.Join(begin.Err, end.Err); cause != nil {
			err = fmt.Errorf("asking for offsets of topic %s partition %d: %w", end.Topic, end.Partition, cause)
			return
		}
		tp := TopicPartition{end.Topic, end.Partition}
		position := Position{Beginning: begin.Offset, End: end.Offset, Committed: -1}
		if at, ok := committed[tp]; ok {
			position.Committed = at
		}
		out[tp] = position
	})
	return out, err
}

// matching lists the topics whose whole name matches.
func (c *Consumer) matching(ctx context.Context, regex *regexp.Regexp) ([]string, error) {
	all, err := c.admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	whole, err := regexp.Compile("^(?:" + regex.String() + ")$")
	if err != nil {
		return nil, fmt.Errorf("compiling %q: %w", regex, err)
	}
	return slices.DeleteFunc(all.Names(), func(topic string) bool { return !whole.MatchString(topic) }), nil
}

// Committed asks for all offsets that the group has committed. A coordinator that is not there
// yet (the first group of a new cluster) is waited for, within the request timeout.
func (c *Consumer) Committed(ctx context.Context) (map[TopicPartition]int64, error) {
	patience, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	fetched, err := c.admin.FetchOffsets(patience, c.cfg.Group)
	for err != nil && passes(err) && patience.Err() == nil {
		select {
		case <-patience.Done():
		case <-time.After(c.cfg.RetryBackoff):
			fetched, err = c.admin.FetchOffsets(patience, c.cfg.Group)
		}
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("asking for the offsets of group %s: %w", c.cfg.Group, err)
	}
	out := map[TopicPartition]int64{}
	fetched.Each(func(o kadm.OffsetResponse) {
		if o.Err == nil && o.At >= 0 {
			out[TopicPartition{o.Topic, o.Partition}] = o.At
		}
	})
	return out, nil
}
