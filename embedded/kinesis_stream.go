package embedded

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The states of a stream.
const (
	creating = "CREATING"
	active   = "ACTIVE"
	updating = "UPDATING"
	deleting = "DELETING"
)

// The modes of a stream.
const (
	provisioned = "PROVISIONED"
	onDemand    = "ON_DEMAND"
	// onDemandShards is what an ON_DEMAND stream begins with. Source: contract/kinesis.md §5.
	onDemandShards = 4
)

// Source: contract/kinesis.md §3 and the service model.
const (
	defaultRetentionHours = 24
	maxRetentionHours     = 8760
	defaultMaxRecordKiB   = 1024
	hourMillis            = int64(time.Hour / time.Millisecond)
)

// streamState is what the log keeps of a stream beside its records.
type streamState struct {
	Name         string
	Created      int64 // ms since 1970
	Status       string
	Mode         string
	Retention    int // hours
	MaxRecordKiB int
	Tags         map[string]string
	NextShard    int     // index of the next shard to be made
	Rescaled     []int64 // when UpdateShardCount was called, ms since 1970
	Pending      *change // what ends the present status
	Puts         int64   // records acknowledged; counted in stream.puts while running
	Shards       []shardState
}

// change is what happens to a stream when its status has been seen long enough.
type change struct {
	Kind  string // one of the changes below
	At    int64  // ms since 1970
	Shard int    // split, merge
	Other int    // merge: the adjacent shard
	Split hashKey
	Count int // create, rescale: shards; resize: KiB of the largest record
}

const (
	createChange  = "create"
	deleteChange  = "delete"
	splitChange   = "split"
	mergeChange   = "merge"
	rescaleChange = "rescale"
	resizeChange  = "resize"
)

// stream is one stream. mu guards all but the records: who puts or reads holds it for
// reading, who changes shards or settings for writing.
type stream struct {
	streamState
	mu     sync.RWMutex
	shards []*shard // by index, closed ones too until their records have expired
	opened []*shard // the open ones, by hash key: together they cover all keys
	due    atomic.Int64
	puts   atomic.Int64
	gone   bool // deleted for good
}

const never = math.MaxInt64

func newStream(state streamState) *stream {
	s := &stream{}
	s.due.Store(never)
	s.restore(state)
	return s
}

// restore sets s to a state from the log. Shards that are in both keep their records; it
// returns the bytes of the others.
func (s *stream) restore(state streamState) (freed int64) {
	old := s.shards
	s.streamState = state
	s.Shards = nil
	s.puts.Store(state.Puts)
	s.shards = nil
	for _, st := range state.Shards {
		i := slices.IndexFunc(old, func(sh *shard) bool { return sh.Index == st.Index })
		if i < 0 {
			st.First = st.Next
			s.shards = append(s.shards, newShard(st))
			continue
		}
		sh := old[i]
		st.First, st.Next = sh.First, sh.Next
		sh.shardState = st
		s.shards = append(s.shards, sh)
	}
	for _, sh := range old {
		if s.shard(sh.Index) == nil {
			freed += sh.clear()
		}
	}
	s.reopen()
	s.await(state.Pending)
	return freed
}

// snapshot is the state that restore takes. The caller holds mu for writing.
func (s *stream) snapshot() streamState {
	state := s.streamState
	state.Puts = s.puts.Load()
	for _, sh := range s.shards {
		state.Shards = append(state.Shards, sh.shardState)
	}
	return state
}

// await sets what comes next; nil: nothing.
func (s *stream) await(c *change) {
	s.Pending = c
	if c == nil {
		s.due.Store(never)
		return
	}
	s.due.Store(c.At)
}

// reopen lists the open shards anew.
func (s *stream) reopen() {
	s.opened = s.opened[:0:0]
	for _, sh := range s.shards {
		if sh.open() {
			s.opened = append(s.opened, sh)
		}
	}
	slices.SortFunc(s.opened, func(a, b *shard) int {
		return cmp.Or(cmp.Compare(a.Start.hi, b.Start.hi), cmp.Compare(a.Start.lo, b.Start.lo))
	})
}

// route returns the open shard that holds key.
func (s *stream) route(key hashKey) *shard {
	lo, hi := 0, len(s.opened)-1
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if key.less(s.opened[mid].Start) {
			hi = mid - 1
		} else {
			lo = mid
		}
	}
	return s.opened[lo]
}

func (s *stream) shard(index int) *shard {
	i, ok := slices.BinarySearchFunc(s.shards, index, func(sh *shard, index int) int {
		return cmp.Compare(sh.Index, index)
	})
	if !ok {
		return nil
	}
	return s.shards[i]
}

// everyShard locks mu for the moment.
func (s *stream) everyShard() []*shard {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.shards)
}

func (s *stream) writable() bool { return s.Status == active || s.Status == updating }

func (s *stream) maxRecordBytes() int { return s.MaxRecordKiB << 10 }

// horizon is the arrival before which records have expired, ms since 1970.
func (s *stream) horizon(now int64) int64 { return now - int64(s.Retention)*hourMillis }

// listed returns the shards that still can hold records, by index.
func (s *stream) listed(now int64) []*shard {
	before := s.horizon(now)
	return slices.DeleteFunc(slices.Clone(s.shards), func(sh *shard) bool {
		return !sh.open() && sh.Closed < before
	})
}

// forget drops the closed shards whose records have expired; it returns the bytes that are free now.
func (s *stream) forget(now int64) (freed int64) {
	kept := s.listed(now)
	for _, sh := range s.shards {
		if !slices.Contains(kept, sh) {
			freed += sh.clear()
		}
	}
	s.shards = kept
	return freed
}

// clear drops all records; it returns the bytes that are free now.
func (s *stream) clear() int64 {
	freed := int64(0)
	for _, sh := range s.shards {
		freed += sh.clear()
	}
	return freed
}

// apply does c. The caller holds mu for writing.
func (s *stream) apply(c *change) {
	s.Status = active
	switch c.Kind {
	case createChange:
		s.makeShards(c.Count, c.At)
	case deleteChange:
		s.Status, s.gone = deleting, true
	case splitChange:
		s.split(s.shard(c.Shard), c.Split, c.At)
	case mergeChange:
		s.merge(s.shard(c.Shard), s.shard(c.Other), c.At)
	case rescaleChange:
		s.rescale(c.Count, c.At)
	case resizeChange:
		s.MaxRecordKiB = c.Count
	}
	s.reopen()
}

// makeShards gives a new stream its shards.
func (s *stream) makeShards(count int, at int64) {
	starts := uniformStarts(count)
	for i, start := range starts {
		end := maxHashKey()
		if i+1 < count {
			end = starts[i+1].prev()
		}
		s.add(shardState{Start: start, End: end, Created: s.Created / 1000, Opened: at, Parent: noShard, Adjacent: noShard})
	}
}

func (s *stream) add(state shardState) *shard {
	state.Index = s.NextShard
	state.First, state.Next = 1, 1
	s.NextShard++
	sh := newShard(state)
	s.shards = append(s.shards, sh)
	return sh
}

// split closes sh and opens two children, the second one from the key at on.
func (s *stream) split(sh *shard, at hashKey, when int64) (left, right *shard) {
	child := shardState{
		Start: sh.Start, End: at.prev(), Parent: sh.Index, Adjacent: noShard,
		Opened: when, Created: childSecond(when, sh),
	}
	left = s.add(child)
	child.Start, child.End = at, sh.End
	right = s.add(child)
	s.shut(sh, when, left, right)
	return left, right
}

// merge closes two neighbours, a the lower one, and opens their child.
func (s *stream) merge(a, b *shard, when int64) *shard {
	child := s.add(shardState{
		Start: a.Start, End: b.End, Parent: a.Index, Adjacent: b.Index,
		Opened: when, Created: max(childSecond(when, a), childSecond(when, b)),
	})
	s.shut(a, when, child)
	s.shut(b, when, child)
	return child
}

// childSecond makes the numbers of a child larger than all of its parent's.
func childSecond(when int64, parent *shard) int64 { return max(when/1000, parent.Created+1) }

func (s *stream) shut(sh *shard, when int64, children ...*shard) {
	sh.Closed = max(when, sh.Last, 1)
	for _, c := range children {
		sh.Children = append(sh.Children, c.Index)
	}
}

// rescale brings the stream to count shards of equal width by splits and merges, as the
// service does: shards of a moment appear among the closed ones.
func (s *stream) rescale(count int, when int64) {
	starts := s.snapped(uniformStarts(count))
	for _, start := range starts {
		s.reopen()
		if sh := s.route(start); sh.Start != start {
			s.split(sh, start, when)
		}
	}
	s.reopen()
	open := slices.Clone(s.opened)
	for i := 0; i < len(open); {
		sh := open[i]
		for i++; i < len(open) && !slices.Contains(starts, open[i].Start); i++ {
			sh = s.merge(sh, open[i], when)
		}
	}
}

// snapped moves each start onto the start of an open shard that is next to it, so that the
// remainder of a division makes no shard of a few keys.
func (s *stream) snapped(starts []hashKey) []hashKey {
	near := hashKey{1 << 32, 0} // 2^96 keys: far less than a shard of the largest stream
	for i, start := range starts {
		for _, sh := range s.opened {
			if sh.Start.distance(start).less(near) {
				starts[i] = sh.Start
			}
		}
	}
	return starts
}
