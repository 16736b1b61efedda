package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// PartitionOffset is a position in a partition, with the text that was stored beside it.
type PartitionOffset struct {
	TopicPartition
	Offset   int64
	Metadata string
}

// PartitionTime is a time in a partition.
type PartitionTime struct {
	TopicPartition
	Time time.Time
}

// askWait bounds a question to the brokers that a read does not bound.
const askWait = 10 * time.Second

// adjust is told by the client where the partitions that came begin, as the group has stored it,
// and says where they really do.
func (i *Instance) adjust(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	stored := map[TopicPartition]int64{}
	for topic, ps := range offsets {
		for id, offset := range ps {
			stored[TopicPartition{topic, id}] = offset.EpochOffset().Offset
		}
	}
	begin, err := i.begins(ctx, stored)
	if err != nil {
		// The client then finds the ends by itself; only positions stay unknown until records come.
		i.set.log.Warn("asking where partitions begin and end failed", "group", i.spec.Group, "instance", i.spec.Name, "err", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for topic, ps := range offsets {
		for id, offset := range ps {
			tp := TopicPartition{topic, id}
			p := i.parts[tp]
			if p == nil {
				continue
			}
			if at, ok := i.pending[tp]; ok {
				delete(i.pending, tp)
				p.moveTo(at)
				ps[id] = kgo.NewOffset().At(at)
				continue
			}
			if p.asked { // a seek was faster
				ps[id] = kgo.NewOffset().At(p.pos)
				continue
			}
			at, known := begin[tp]
			switch {
			case known:
				p.moveTo(at.offset)
				p.goal = at.end
				if offset.EpochOffset().Offset < 0 {
					ps[id] = kgo.NewOffset().At(at.offset)
				} else {
					p.saved = at.offset
				}
			case i.spec.Reset.kind == resetNone:
				p.stuck = &NoOffsetError{tp}
				ps[id] = kgo.NewOffset().At(0) // what comes of it is dropped
			}
		}
	}
	return offsets, nil
}

// begin is where a partition begins for this instance, and its end.
type begin struct{ offset, end int64 }

// begins says where partitions begin: at the stored offset, or where the reset says if that is
// negative. Those that the reset does not help are left out.
func (i *Instance) begins(ctx context.Context, stored map[TopicPartition]int64) (map[TopicPartition]begin, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	var topics []string
	var missing bool
	for tp, offset := range stored {
		missing = missing || offset < 0
		if !slices.Contains(topics, tp.Topic) {
			topics = append(topics, tp.Topic)
		}
	}
	ends, err := i.ends(ctx, topics)
	if err != nil {
		return nil, err
	}
	resets := ends
	if missing {
		if resets, err = i.resets(ctx, ends, topics); err != nil {
			return nil, err
		}
	}
	out := map[TopicPartition]begin{}
	for tp, offset := range stored {
		end, ok := ends.Lookup(tp.Topic, tp.Partition)
		if !ok || end.Err != nil {
			continue
		}
		if offset < 0 {
			reset, ok := resets.Lookup(tp.Topic, tp.Partition)
			if !ok || reset.Err != nil || i.spec.Reset.kind == resetNone {
				continue
			}
			offset = reset.Offset
		}
		out[tp] = begin{offset, end.Offset}
	}
	return out, nil
}

// ends lists the ends of topics as far as this instance may read.
func (i *Instance) ends(ctx context.Context, topics []string) (kadm.ListedOffsets, error) {
	if i.set.cfg.ReadCommitted {
		return i.set.admin.kafka.ListCommittedOffsets(ctx, topics...)
	}
	return i.set.admin.kafka.ListEndOffsets(ctx, topics...)
}

// resets lists where auto.offset.reset points to.
func (i *Instance) resets(ctx context.Context, ends kadm.ListedOffsets, topics []string) (kadm.ListedOffsets, error) {
	switch r := i.spec.Reset; r.kind {
	case resetEarliest:
		return i.set.admin.kafka.ListStartOffsets(ctx, topics...)
	case resetBack:
		return i.set.admin.kafka.ListOffsetsAfterMilli(ctx, time.Now().Add(-r.back).UnixMilli(), topics...)
	}
	return ends, nil
}

// directOffsets says where the partitions that the instance was given begin. The caller holds work.
func (i *Instance) directOffsets(ctx context.Context) (map[string]map[int32]kgo.Offset, error) {
	stored := map[TopicPartition]int64{}
	i.mu.Lock()
	for tp, p := range i.parts {
		stored[tp] = p.pos
	}
	i.mu.Unlock()
	committed, err := i.committed(ctx)
	if err != nil {
		return nil, err
	}
	for tp, pos := range stored {
		if c, ok := committed.Lookup(tp.Topic, tp.Partition); ok && pos < 0 && c.Err == nil {
			stored[tp] = c.At
		}
	}
	begin, err := i.begins(ctx, stored)
	if err != nil {
		return nil, err
	}
	out := map[string]map[int32]kgo.Offset{}
	i.mu.Lock()
	defer i.mu.Unlock()
	for tp, p := range i.parts {
		at, known := begin[tp]
		offset := i.spec.Reset.offset(time.Now())
		switch {
		case known:
			offset = kgo.NewOffset().At(at.offset)
			p.goal = at.end
			if p.pos < 0 {
				p.moveTo(at.offset)
			}
			i.fresh = true
		case i.spec.Reset.kind == resetNone:
			p.stuck = &NoOffsetError{tp}
			continue
		}
		if out[tp.Topic] == nil {
			out[tp.Topic] = map[int32]kgo.Offset{}
		}
		out[tp.Topic][tp.Partition] = offset
	}
	return out, nil
}

// committed asks for all offsets that the group has stored.
func (i *Instance) committed(ctx context.Context) (kadm.OffsetResponses, error) {
	offsets, err := i.set.admin.kafka.FetchOffsets(ctx, i.spec.Group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("asking for the offsets of group %s: %w", i.spec.Group, err)
	}
	return offsets, nil
}

// Seek makes the next record to read of each partition the one at its offset; of several entries
// for a partition the last counts. Records that have been taken from the client and did not fit an
// earlier answer still come first, as in the reference, unless the partition had stopped. An
// *IllegalStateError for a partition that the instance does not have: then nothing has moved.
func (i *Instance) Seek(ctx context.Context, offsets []PartitionOffset) error {
	to := map[TopicPartition]int64{}
	for _, o := range offsets {
		to[o.TopicPartition] = o.Offset
	}
	return i.seek(ctx, to)
}

// Resume is Seek for who has read some of the partitions before. One that the instance does not have
// yet begins there once it comes.
func (i *Instance) Resume(ctx context.Context, offsets []PartitionOffset) error {
	if err := i.hold(ctx); err != nil {
		return err
	}
	to := map[TopicPartition]int64{}
	i.mu.Lock()
	for _, o := range offsets {
		if i.parts[o.TopicPartition] != nil {
			to[o.TopicPartition] = o.Offset
		} else if i.mode.isGroup() {
			if i.pending == nil {
				i.pending = map[TopicPartition]int64{}
			}
			i.pending[o.TopicPartition] = o.Offset
		}
	}
	i.mu.Unlock()
	i.work.Release(1)
	return i.seek(ctx, to)
}

// SeekToTime is Seek to the first record of that time or later, or to the end if there is none.
func (i *Instance) SeekToTime(ctx context.Context, times []PartitionTime) error {
	asked := make([]TopicPartition, 0, len(times))
	for _, t := range times {
		asked = append(asked, t.TopicPartition)
	}
	if err := i.has(ctx, asked); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	to := map[TopicPartition]int64{}
	for _, t := range times {
		listed, err := i.set.admin.kafka.ListOffsetsAfterMilli(ctx, t.Time.UnixMilli(), t.Topic)
		if err != nil {
			return fmt.Errorf("asking for the offset at %s of topic %s: %w", t.Time.UTC().Format(time.RFC3339Nano), t.Topic, err)
		}
		offset, err := listedOffset(listed, t.TopicPartition)
		if err != nil {
			return err
		}
		to[t.TopicPartition] = offset
	}
	return i.seek(ctx, to)
}

func listedOffset(listed kadm.ListedOffsets, tp TopicPartition) (int64, error) {
	o, ok := listed.Lookup(tp.Topic, tp.Partition)
	if !ok {
		return 0, kerr.UnknownTopicOrPartition
	}
	return o.Offset, o.Err
}

// SeekToBeginning moves partitions, or all that the instance has if none is named, to their first record.
func (i *Instance) SeekToBeginning(ctx context.Context, partitions []TopicPartition) error {
	return i.seekToEnds(ctx, partitions, i.set.admin.kafka.ListStartOffsets)
}

// SeekToEnd moves partitions, or all that the instance has if none is named, behind their last record.
func (i *Instance) SeekToEnd(ctx context.Context, partitions []TopicPartition) error {
	return i.seekToEnds(ctx, partitions, func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return i.ends(ctx, topics)
	})
}

func (i *Instance) seekToEnds(ctx context.Context, partitions []TopicPartition, list func(context.Context, ...string) (kadm.ListedOffsets, error)) error {
	if len(partitions) == 0 {
		var err error
		if partitions, err = i.Assignment(ctx); err != nil || len(partitions) == 0 {
			return err
		}
	}
	if err := i.has(ctx, partitions); err != nil {
		return err
	}
	var topics []string
	for _, tp := range partitions {
		if !slices.Contains(topics, tp.Topic) {
			topics = append(topics, tp.Topic)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	listed, err := list(ctx, topics...)
	if err != nil {
		return fmt.Errorf("asking for the ends of %v: %w", topics, err)
	}
	to := map[TopicPartition]int64{}
	for _, tp := range partitions {
		if to[tp], err = listedOffset(listed, tp); err != nil {
			return err
		}
	}
	return i.seek(ctx, to)
}

// has fails with an *IllegalStateError when the instance does not have one of the partitions.
func (i *Instance) has(ctx context.Context, partitions []TopicPartition) error {
	if err := i.hold(ctx); err != nil {
		return err
	}
	defer i.work.Release(1)
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, tp := range partitions {
		if i.parts[tp] == nil {
			return errNotAssigned(tp)
		}
	}
	return nil
}

func (i *Instance) seek(ctx context.Context, to map[TopicPartition]int64) error {
	if err := i.hold(ctx); err != nil {
		return err
	}
	defer i.work.Release(1)
	i.mu.Lock()
	for tp := range to {
		if i.parts[tp] == nil {
			i.mu.Unlock()
			return errNotAssigned(tp)
		}
	}
	stopped, restart := map[TopicPartition]int64{}, false
	for tp, offset := range to {
		p := i.parts[tp]
		if p.stuck != nil || p.large {
			stopped[tp] = offset
		}
		restart = restart || !p.seen || errors.As(p.stuck, new(*NoOffsetError))
		p.moveTo(offset)
		p.epoch++
		p.asked, p.stuck, p.told, p.large = true, nil, false, false
	}
	i.mu.Unlock()
	i.dropQueued(stopped)
	switch {
	case i.client == nil:
	case restart && !i.mode.isGroup():
		// The client moves only partitions that it has read. Another one begins where it is told to.
		client := i.client
		i.client = nil
		i.leave(ctx, client)
		i.giveBack()
		i.mu.Lock()
		i.resting = true
		i.mu.Unlock()
	default:
		i.moveClient(to)
		if len(stopped) > 0 {
			i.client.ResumeFetchPartitions(byTopic(keys(stopped)))
		}
	}
	return nil
}

func keys(m map[TopicPartition]int64) []TopicPartition {
	out := make([]TopicPartition, 0, len(m))
	for tp := range m {
		out = append(out, tp)
	}
	return out
}

// Commit stores offsets for the group: the next ones to read; of several for a partition the last counts. It waits for the answer and fails
// when any of them was not stored.
func (i *Instance) Commit(ctx context.Context, offsets []PartitionOffset) error {
	if err := i.hold(ctx); err != nil {
		return err
	}
	client := i.member()
	i.work.Release(1)
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	last := map[TopicPartition]PartitionOffset{}
	for _, o := range offsets {
		last[o.TopicPartition] = o
	}
	return i.store(ctx, client, slices.Collect(maps.Values(last)))
}

// positionWait is how long CommitPositions waits for its end.
const positionWait = time.Second

// CommitPositions stores how far answers have delivered each partition that the instance has, or
// where a seek has put it. What becomes of it is logged only, as the reference tells nobody either.
func (i *Instance) CommitPositions(ctx context.Context) error {
	if err := i.hold(ctx); err != nil {
		return err
	}
	client, due := i.member(), i.due()
	i.work.Release(1)
	if len(due) == 0 {
		return nil
	}
	done := make(chan struct{})
	i.set.background.Go(func() { //nolint:contextcheck // it goes on when the caller leaves
		defer close(done)
		i.storeLater(client, due)
	})
	wait := time.NewTimer(positionWait)
	defer wait.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-wait.C:
	}
	return nil
}

func (i *Instance) storeLater(client *kgo.Client, due []PartitionOffset) {
	ctx, cancel := context.WithTimeout(i.set.running, askWait)
	defer cancel()
	if err := i.store(ctx, client, due); err != nil {
		i.set.log.Warn("committing the positions of a consumer instance failed", "group", i.spec.Group, "instance", i.spec.Name, "err", err)
	}
}

// commitByItself stores what answers have delivered, if it is time. The caller holds reading.
func (i *Instance) commitByItself(now time.Time) {
	if !i.spec.AutoCommit || now.Sub(i.last) < i.set.cfg.CommitInterval || !i.commit.CompareAndSwap(false, true) {
		return
	}
	i.last = now
	i.set.background.Go(func() {
		defer i.commit.Store(false)
		ctx, cancel := context.WithTimeout(i.set.running, askWait)
		defer cancel()
		if i.work.Acquire(ctx, 1) != nil {
			return
		}
		client, due := i.member(), i.due()
		i.work.Release(1)
		if len(due) > 0 {
			i.storeLater(client, due)
		}
	})
}

// member is the client as far as it is one of a group; nil: commits need no membership.
func (i *Instance) member() *kgo.Client {
	if i.mode.isGroup() {
		return i.client
	}
	return nil
}

// due lists what a commit of the positions would change.
func (i *Instance) due() (out []PartitionOffset) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for tp, p := range i.parts {
		if p.acked >= 0 && p.acked != p.saved {
			out = append(out, PartitionOffset{TopicPartition: tp, Offset: p.acked})
		}
	}
	return out
}

func positions(offsets map[TopicPartition]int64) (out []PartitionOffset) {
	for tp, offset := range offsets {
		out = append(out, PartitionOffset{TopicPartition: tp, Offset: offset})
	}
	return out
}

// store commits offsets, as a member of the group if client is one. While the group is being
// shared out anew it tries again, until ctx ends.
func (i *Instance) store(ctx context.Context, client *kgo.Client, offsets []PartitionOffset) error {
	if len(offsets) == 0 {
		return nil
	}
	for {
		err := i.storeOnce(ctx, client, offsets)
		if err == nil {
			i.saved(offsets)
			return nil
		}
		again := errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.UnknownMemberID) && client != nil
		if !again {
			return err
		}
		pause := time.NewTimer(storePause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

// storePause is how long a commit waits for the group to be shared out before it tries again.
const storePause = 100 * time.Millisecond

func (i *Instance) storeOnce(ctx context.Context, client *kgo.Client, offsets []PartitionOffset) error {
	if client != nil {
		return storeAsMember(ctx, client, offsets)
	}
	all := kadm.Offsets{}
	for _, o := range offsets {
		all.Add(kadm.Offset{Topic: o.Topic, Partition: o.Partition, At: o.Offset, LeaderEpoch: -1, Metadata: o.Metadata})
	}
	answer, err := i.set.admin.kafka.CommitOffsets(ctx, i.spec.Group, all)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		return fmt.Errorf("committing offsets: %w", err)
	}
	return nil
}

func storeAsMember(ctx context.Context, client *kgo.Client, offsets []PartitionOffset) error {
	request, texts := map[string]map[int32]kgo.EpochOffset{}, map[TopicPartition]string{}
	for _, o := range offsets {
		if request[o.Topic] == nil {
			request[o.Topic] = map[int32]kgo.EpochOffset{}
		}
		request[o.Topic][o.Partition] = kgo.EpochOffset{Epoch: -1, Offset: o.Offset}
		texts[o.TopicPartition] = o.Metadata
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for t := range req.Topics {
			for p := range req.Topics[t].Partitions {
				text := texts[TopicPartition{req.Topics[t].Topic, req.Topics[t].Partitions[p].Partition}]
				req.Topics[t].Partitions[p].Metadata = &text
			}
		}
		return nil
	})
	var failed error
	client.CommitOffsetsSync(ctx, request, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
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

// saved notes what the group has stored.
func (i *Instance) saved(offsets []PartitionOffset) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, o := range offsets {
		if p := i.parts[o.TopicPartition]; p != nil {
			p.saved = o.Offset
		}
	}
}

// Committed lists what the group has stored for partitions, in their order. Those without are left out.
func (i *Instance) Committed(ctx context.Context, partitions []TopicPartition) ([]PartitionOffset, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	stored, err := i.committed(ctx)
	if err != nil {
		return nil, err
	}
	var out []PartitionOffset
	for _, tp := range partitions {
		o, ok := stored.Lookup(tp.Topic, tp.Partition)
		if !ok || o.At < 0 {
			continue
		}
		if o.Err != nil {
			return nil, o.Err
		}
		out = append(out, PartitionOffset{TopicPartition: tp, Offset: o.At, Metadata: o.Metadata})
	}
	return out, nil
}
