package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/semaphore"

	"headrace/record"
)

// IllegalStateError says that a call does not fit what the instance is at. Its text is the Java client's.
type IllegalStateError struct{ Text string }

func (e *IllegalStateError) Error() string { return e.Text }

func errExclusive() error {
	return &IllegalStateError{"Subscription to topics, partitions and pattern are mutually exclusive"}
}

func errNotAssigned(tp TopicPartition) error {
	return &IllegalStateError{"No current assignment for partition " + tp.String()}
}

// Instance is one consumer of the REST API: a member of its group once it has been read, or a
// reader of partitions that it was given. Its methods may be called from any goroutine; they take
// turns, and a read that waits for records lets others through.
type Instance struct {
	set  *Instances
	spec InstanceSpec

	reading *semaphore.Weighted // one read at a time, in the order of the calls
	work    *semaphore.Weighted // what follows, up to parts, belongs to who holds it; first come, first served

	mode    subscription
	client  *kgo.Client // nil: not started
	queue   []run       // taken from the client, not yet delivered
	rec     record.Record
	reserve int64 // bytes of memory that are paid for
	fetch   int32 // bytes of one fetch
	closed  bool

	turn   sync.Mutex // guards wake
	wake   context.CancelFunc
	used   atomic.Int64 // when the last call was, Unix nanoseconds
	calls  atomic.Int32 // reads under way
	commit atomic.Bool  // a commit by itself is under way
	last   time.Time    // of the last commit by itself; belongs to who holds reading

	mu      sync.Mutex // guards the rest, also against the client's callbacks: nothing waits under it
	parts   map[TopicPartition]*part
	resting bool                     // fetches nothing
	rotated time.Time                // when acknowledgeOld last moved on
	pending map[TopicPartition]int64 // where Resume wants partitions to begin that are not here yet
	fresh   bool                     // partitions came, and no read has brought what they hold
}

// subscription is what an instance reads. At most one of the three is set.
type subscription struct {
	topics     []string
	pattern    *regexp.Regexp
	source     string // of pattern
	partitions []TopicPartition
}

func (s subscription) isGroup() bool { return len(s.topics) > 0 || s.pattern != nil }
func (s subscription) isEmpty() bool { return !s.isGroup() && len(s.partitions) == 0 }

// part is one partition that the instance has.
type part struct {
	tp    TopicPartition
	pos   int64 // next record to put into an answer; unknown: -1
	done  int64 // next record behind the last answer that was sent
	acked int64 // next record behind the last answer that the client has come back from: what a commit stores
	older int64 // of a stream: done as of a while ago
	saved int64 // what was last committed; unknown: -1
	goal  int64 // its end when it came
	epoch int   // counts seeks: records from before one do not move pos
	asked bool  // pos was asked for by a seek, and the client has not begun there
	seen  bool  // the client has handed out records of it
	lost  bool  // others may have it
	stuck error // why it does not go on; a seek ends that
	told  bool  // stuck has been answered to a read
	large bool  // its next record was too large for an answer
}

// unknownOffset is a position that is not known.
const unknownOffset = -1

func newPart(tp TopicPartition) *part {
	return &part{tp: tp, pos: unknownOffset, done: unknownOffset, older: unknownOffset, acked: unknownOffset, saved: unknownOffset}
}

// moveTo puts the position somewhere else than behind the last record.
func (p *part) moveTo(offset int64) {
	p.pos, p.done, p.older, p.acked = offset, offset, offset, offset
}

func newInstance(set *Instances, spec InstanceSpec) *Instance {
	i := &Instance{
		set: set, spec: spec, parts: map[TopicPartition]*part{}, last: time.Now(),
		reading: semaphore.NewWeighted(1), work: semaphore.NewWeighted(1),
		fetch: min(set.cfg.FetchInitialBytes, set.cfg.FetchMaxBytes), resting: true,
	}
	i.touch()
	return i
}

// Spec is what the instance was made with.
func (i *Instance) Spec() InstanceSpec { return i.spec }

func (i *Instance) touch() { i.used.Store(time.Now().UnixNano()) }

// idle is how long nobody has called.
func (i *Instance) idle(now time.Time) time.Duration {
	if i.calls.Load() > 0 {
		return 0
	}
	return now.Sub(time.Unix(0, i.used.Load()))
}

// hold waits for the instance's turn and makes a read that waits for records let go. It fails when
// ctx ends first, and with ErrNoInstance when the instance has been closed.
func (i *Instance) hold(ctx context.Context) error {
	for !i.work.TryAcquire(1) {
		// The reader asks for its next turn behind us, so one call is enough once we stand in line; it may
		// have had its turn in between, so look again soon.
		i.interrupt()
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		err := i.work.Acquire(short, 1)
		cancel()
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for the consumer instance: %w", ctx.Err())
		}
	}
	if i.closed {
		i.work.Release(1)
		return ErrNoInstance
	}
	i.acknowledge()
	return nil
}

// interrupt ends the wait of a read that holds work. It then lets others through and waits on.
func (i *Instance) interrupt() {
	i.turn.Lock()
	defer i.turn.Unlock()
	if i.wake != nil {
		i.wake()
	}
}

// waiting returns a context for a wait that interrupt ends.
func (i *Instance) waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	i.turn.Lock()
	defer i.turn.Unlock()
	i.wake = cancel
	return ctx, func() {
		i.turn.Lock()
		defer i.turn.Unlock()
		i.wake = nil
		cancel()
	}
}

// acknowledge says that the client has come back: earlier answers have arrived.
func (i *Instance) acknowledge() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range i.parts {
		p.acked, p.older = p.done, p.done
	}
	i.rotated = time.Now()
}

// acknowledgeAfter is how long ago a part of a stream has been sent when it counts as arrived.
const acknowledgeAfter = 5 * time.Second

// acknowledgeOld is acknowledge for a client that is being sent a stream.
func (i *Instance) acknowledgeOld(now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now.Sub(i.rotated) < acknowledgeAfter {
		return
	}
	i.rotated = now
	for _, p := range i.parts {
		p.acked, p.older = p.older, p.done
	}
}

// Subscribe joins the group for topics, or for every topic that pattern matches, at the next read.
// No topics and no pattern ends the subscription. An *IllegalStateError when the instance has been
// given partitions, or topics in place of a pattern. A missing or empty name is an *InvalidTopicError.
func (i *Instance) Subscribe(ctx context.Context, topics []string, pattern string) error {
	next := subscription{source: pattern}
	if pattern != "" {
		var err error
		if next.pattern, err = TopicPattern(pattern); err != nil {
			return err
		}
	}
	for _, topic := range topics {
		if topic == "" {
			return &InvalidTopicError{topic}
		}
		if !slices.Contains(next.topics, topic) {
			next.topics = append(next.topics, topic)
		}
	}
	if err := i.hold(ctx); err != nil {
		return err
	}
	defer i.work.Release(1)
	switch {
	case next.isEmpty():
		i.turnTo(ctx, next)
		return nil
	case len(i.mode.partitions) > 0,
		next.pattern != nil && len(i.mode.topics) > 0,
		next.pattern == nil && i.mode.pattern != nil:
		return errExclusive()
	case next.source == i.mode.source && sameSet(next.topics, i.mode.topics):
		return nil // as the Java client: nothing moves
	}
	i.turnTo(ctx, next)
	return nil
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Unsubscribe ends a subscription, and the assignment of partitions too.
func (i *Instance) Unsubscribe(ctx context.Context) error {
	if err := i.hold(ctx); err != nil {
		return err
	}
	defer i.work.Release(1)
	i.turnTo(ctx, subscription{})
	return nil
}

// Assign gives the instance partitions to read, in place of earlier ones; none ends that. Whether
// they exist is not asked. An *IllegalStateError when there is a subscription.
func (i *Instance) Assign(ctx context.Context, partitions []TopicPartition) error {
	for _, tp := range partitions {
		if tp.Topic == "" {
			return &InvalidTopicError{tp.Topic}
		}
	}
	if err := i.hold(ctx); err != nil {
		return err
	}
	defer i.work.Release(1)
	if i.mode.isGroup() {
		return errExclusive()
	}
	i.mu.Lock()
	before := maps.Clone(i.parts)
	i.mu.Unlock()
	i.turnTo(ctx, subscription{partitions: partitions})
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, tp := range partitions {
		p := newPart(tp)
		if old := before[tp]; old != nil { // as the Java client: what stays goes on where it was
			p.moveTo(old.done)
			p.acked, p.saved, p.asked = old.acked, old.saved, old.done >= 0
		}
		i.parts[tp] = p
	}
	return nil
}

// turnTo makes next what is read, from the next read on. What was read before is left behind:
// committed, if the instance commits by itself. The caller holds work.
func (i *Instance) turnTo(ctx context.Context, next subscription) {
	i.shut(ctx)
	i.mode = next
}

// Subscription lists the topics that are subscribed to: for a pattern those that match now, once
// there has been a read. Sorted.
func (i *Instance) Subscription(ctx context.Context) ([]string, error) {
	if err := i.hold(ctx); err != nil {
		return nil, err
	}
	mode, started := i.mode, i.client != nil
	i.work.Release(1)
	if mode.pattern == nil {
		return slices.Sorted(slices.Values(mode.topics)), nil
	}
	if !started {
		return nil, nil
	}
	all, err := i.set.admin.Topics(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(topic string) bool { return !mode.pattern.MatchString(topic) }), nil
}

// Assignment lists the partitions that the instance has, sorted: those it was given, or those that
// its group has given it as far as reads went.
func (i *Instance) Assignment(ctx context.Context) ([]TopicPartition, error) {
	if err := i.hold(ctx); err != nil {
		return nil, err
	}
	defer i.work.Release(1)
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.SortedFunc(maps.Keys(i.parts), compareTP), nil
}

// end closes the instance: an answer under way ends, what was delivered is committed if the instance
// commits by itself, the group is left.
func (i *Instance) end() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(i.set.running), endWait)
	defer cancel()
	for !i.work.TryAcquire(1) {
		i.interrupt()
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		err := i.work.Acquire(short, 1)
		cancel()
		if err == nil {
			break
		}
		if ctx.Err() != nil { // an answer to a client that does not read it: its write ends that
			_ = i.work.Acquire(context.WithoutCancel(ctx), 1)
			break
		}
	}
	defer i.work.Release(1)
	i.closed = true
	i.shut(ctx)
}

// endWait bounds the last commit of an instance and its leaving the group. A group that is being
// shared out anew cannot be left before that is done.
const endWait = 30 * time.Second

// shut ends the client. The caller holds work.
func (i *Instance) shut(ctx context.Context) {
	client, direct := i.client, !i.mode.isGroup()
	i.client, i.queue = nil, nil
	if client != nil && direct && i.spec.AutoCommit {
		if err := i.store(ctx, nil, i.due()); err != nil {
			i.set.log.Warn("committing offsets at the end of a consumer instance failed", "group", i.spec.Group, "instance", i.spec.Name, "err", err)
		}
	}
	if client != nil {
		i.leave(ctx, client)
	}
	i.mu.Lock()
	for _, p := range i.parts {
		p.lost = true
	}
	clear(i.parts)
	i.resting, i.fresh = true, false
	i.mu.Unlock()
	i.giveBack()
}

// leave leaves the group, which commits by revoked, and closes the client. What takes longer than
// a moment goes on in the background.
func (i *Instance) leave(ctx context.Context, client *kgo.Client) {
	done := make(chan struct{})
	i.set.background.Go(func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWait)
		defer cancel()
		if err := client.LeaveGroupContext(ctx); err != nil && !errors.Is(err, context.Canceled) {
			i.set.log.Warn("leaving the consumer group failed: its partitions move after the session timeout", "group", i.spec.Group, "instance", i.spec.Name, "err", err)
		}
		client.CloseAllowingRebalance()
	})
	wait := time.NewTimer(closeWait)
	defer wait.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-wait.C:
	}
}

// start makes the client. The caller holds work; ctx bounds what has to be asked first.
func (i *Instance) start(ctx context.Context) error {
	cfg := i.set.cfg
	opts, err := cfg.options(i.set.log)
	if err != nil {
		return err
	}
	opts = append(opts,
		kgo.KeepControlRecords(), // their offsets count for "everything read"
		kgo.ConsumeResetOffset(i.spec.Reset.offset(time.Now())),
		kgo.FetchMaxBytes(i.fetch), kgo.FetchMaxPartitionBytes(min(i.fetch, cfg.FetchMaxPartition)),
		kgo.FetchMinBytes(cfg.FetchMinBytes), kgo.FetchMaxWait(cfg.FetchMaxWait))
	if cfg.ReadCommitted {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if cfg.CreateTopics {
		opts = append(opts, kgo.AllowAutoTopicCreation())
	}
	if i.mode.isGroup() {
		more, err := i.groupOptions()
		if err != nil {
			return err
		}
		opts = append(opts, more...)
	} else {
		from, err := i.directOffsets(ctx)
		if err != nil {
			return err
		}
		opts = append(opts, kgo.ConsumePartitions(from))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("making the Kafka consumer of group %s: %w", i.spec.Group, err)
	}
	i.client = client
	return nil
}

// groupOptions are those of a member of a group.
func (i *Instance) groupOptions() ([]kgo.Opt, error) {
	cfg := i.set.cfg
	assignors, err := balancers(cfg.Assignors)
	if err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.ConsumerGroup(i.spec.Group),
		kgo.Balancers(assignors...),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(cfg.SessionTimeout),
		kgo.HeartbeatInterval(cfg.HeartbeatInterval),
		kgo.RebalanceTimeout(cfg.RebalanceTimeout),
		kgo.OnPartitionsAssigned(func(_ context.Context, client *kgo.Client, m map[string][]int32) { i.assigned(client, m) }),
		kgo.OnPartitionsRevoked(i.revoked),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { i.drop(m) }),
		kgo.AdjustFetchOffsetsFn(i.adjust),
	}
	if i.mode.pattern != nil {
		return append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(i.mode.pattern.String())), nil
	}
	return append(opts, kgo.ConsumeTopics(i.mode.topics...)), nil
}

// balancers are franz-go's, by the names that members exchange.
func balancers(names []string) ([]kgo.GroupBalancer, error) {
	known := map[string]func() kgo.GroupBalancer{
		"range": kgo.RangeBalancer, "roundrobin": kgo.RoundRobinBalancer,
		"sticky": kgo.StickyBalancer, "cooperative-sticky": kgo.CooperativeStickyBalancer,
	}
	var out []kgo.GroupBalancer
	for _, name := range names {
		make, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("assignor %q is not known: %v would work", name, slices.Sorted(maps.Keys(known)))
		}
		out = append(out, make())
	}
	if len(out) == 0 {
		return nil, errors.New("no assignor is named")
	}
	return out, nil
}

// assigned is told by the client which partitions came.
func (i *Instance) assigned(client *kgo.Client, m map[string][]int32) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, tp := range partitions(m) {
		i.parts[tp] = newPart(tp)
		i.fresh = true
		if i.resting {
			client.PauseFetchTopics(tp.Topic)
		}
	}
}

// revoked is told which partitions go. Those of the others stay as they are until it returns.
func (i *Instance) revoked(ctx context.Context, client *kgo.Client, m map[string][]int32) {
	if i.spec.AutoCommit {
		i.mu.Lock()
		due := map[TopicPartition]int64{}
		for _, tp := range partitions(m) {
			if p := i.parts[tp]; p != nil && p.acked >= 0 && p.acked != p.saved {
				due[tp] = p.acked
			}
		}
		i.mu.Unlock()
		ctx, cancel := context.WithTimeout(ctx, revokeWait)
		if err := i.store(ctx, client, positions(due)); err != nil {
			i.set.log.Warn("committing offsets of partitions that go failed: their last records come again", "group", i.spec.Group, "instance", i.spec.Name, "err", err)
		}
		cancel()
	}
	i.drop(m)
}

// revokeWait bounds the commit of partitions that go: the group waits for it.
const revokeWait = 5 * time.Second

// drop forgets partitions.
func (i *Instance) drop(m map[string][]int32) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, tp := range partitions(m) {
		if p := i.parts[tp]; p != nil {
			p.lost = true
			delete(i.parts, tp)
		}
	}
}

// rest stops fetching and gives the memory back, if nobody is at it.
func (i *Instance) rest() {
	if !i.work.TryAcquire(1) {
		return
	}
	defer i.work.Release(1)
	i.mu.Lock()
	if i.resting || i.client == nil || i.calls.Load() > 0 {
		i.mu.Unlock()
		return
	}
	i.resting = true
	topics := map[string]bool{}
	for tp := range i.parts {
		topics[tp.Topic] = true
	}
	i.mu.Unlock()
	if len(topics) > 0 {
		i.client.PauseFetchTopics(slices.Collect(maps.Keys(topics))...)
	}
	_ = i.enqueue(i.client.PollRecords(nil, -1)) //nolint:staticcheck // nil: takes what is there; of paused topics that is dropped. The next read meets an error again
	if i.queueBytes() > keptQueueBytes {
		i.rewindQueue()
	}
	i.fetch = min(i.set.cfg.FetchInitialBytes, i.set.cfg.FetchMaxBytes)
	i.giveBack()
}

// keptQueueBytes is what a resting instance may keep of fetched records.
const keptQueueBytes = 64 << 10

// giveBack frees the memory that was paid for.
func (i *Instance) giveBack() {
	if i.reserve > 0 {
		i.set.memory.Release(i.reserve)
		i.reserve = 0
	}
}

// rouse makes a resting instance fetch again, once there is memory for it. The caller holds work.
func (i *Instance) rouse(ctx context.Context) error {
	i.mu.Lock()
	resting := i.resting
	i.mu.Unlock()
	if !resting {
		return nil
	}
	if err := i.pay(ctx, i.cost(i.fetch)); err != nil {
		return err
	}
	i.client.UpdateFetchMaxBytes(i.fetch, min(i.fetch, i.set.cfg.FetchMaxPartition))
	i.mu.Lock()
	i.resting = false
	i.mu.Unlock()
	if paused := i.client.PauseFetchTopics(); len(paused) > 0 {
		i.client.ResumeFetchTopics(paused...)
	}
	return nil
}

// cost is what fetches of so many bytes may bring in at once: one from each broker.
func (i *Instance) cost(fetch int32) int64 {
	return int64(fetch) * int64(max(1, len(i.client.DiscoveredBrokers())))
}

func (i *Instance) pay(ctx context.Context, n int64) error {
	n = min(n, i.set.cfg.MemoryBytes)
	if err := i.set.acquire(ctx, n); err != nil {
		return err
	}
	i.reserve += n
	return nil
}

// grow makes fetches larger for an instance that reads a lot, while there is memory.
func (i *Instance) grow(taken int64) {
	most := min(i.set.cfg.FetchMaxBytes, maxFetch)
	if taken < int64(i.fetch)/2 || i.fetch >= most || i.client == nil {
		return
	}
	next := min(2*i.fetch, most)
	if more := i.cost(next) - i.reserve; more > 0 {
		if !i.set.memory.TryAcquire(more) {
			return
		}
		i.reserve += more
	}
	i.fetch = next
	i.client.UpdateFetchMaxBytes(next, min(next, i.set.cfg.FetchMaxPartition))
}

// maxFetch is the most that one fetch asks for. More does not make reads faster.
const maxFetch = 4 << 20
