package embedded

import (
	"fmt"
	"slices"
	"sort"
	"sync"
)

// What one shard takes and gives a second, and what one call may take out of it.
// Source: contract/kinesis.md §3.
const (
	shardWriteRecords  = 1000
	shardWriteBytes    = 1 << 20
	shardReadBytes     = 2 << 20
	shardReads         = 5
	shardIterators     = 5
	maxReadRecords     = 10_000
	maxReadBytes       = 10 << 20
	noShard            = -1 // as a parent
	recordOverhead     = 80 // bytes of a kept record beside key and data: its struct and two allocations
	compactShardBeyond = 1024
)

// record is one stored record. It does not change once it is stored.
type record struct {
	key     string
	data    []byte
	arrived int64 // ms since 1970
}

func (r *record) size() int64 { return int64(len(r.key) + len(r.data) + recordOverhead) }

// shardState is what the log keeps of a shard beside its records.
type shardState struct {
	Index      int
	Start, End hashKey // inclusive
	Parent     int     // noShard: made with the stream
	Adjacent   int     // the other parent of a merge; noShard: none
	Created    int64   // the second in its sequence numbers
	Opened     int64   // ms since 1970
	Closed     int64   // ms since 1970; 0: open
	Children   []int
	First      uint64 // index of the oldest record that is kept, or Next
	Next       uint64 // index of the record to come, from 1
	Last       int64  // arrival of the latest record, ms since 1970
}

// shard holds the records of one range of hash keys. Start, End and what concerns its
// family change only while the stream is locked; mu guards the rest.
type shard struct {
	shardState
	id      string
	mu      sync.Mutex
	records []record // records[head] has the index First
	head    int

	written, writtenBytes, read, readBytes, iterators bucket
}

func newShard(state shardState) *shard {
	return &shard{
		shardState:   state,
		id:           shardName(state.Index),
		written:      bucket{rate: shardWriteRecords, burst: shardWriteRecords},
		writtenBytes: bucket{rate: shardWriteBytes, burst: shardWriteBytes},
		read:         bucket{rate: shardReads, burst: shardReads},
		readBytes:    bucket{rate: shardReadBytes},
		iterators:    bucket{rate: shardIterators, burst: shardIterators},
	}
}

func shardName(index int) string { return fmt.Sprintf("shardId-%012d", index) }

func (sh *shard) open() bool { return sh.Closed == 0 }

// startSequence and endSequence enclose the numbers of the shard's records.
func (sh *shard) startSequence() sequence {
	return makeSequence(sh.Created, sh.Index, 0, sh.Created)
}

func (sh *shard) endSequence() sequence {
	return makeSequence(sh.Created, sh.Index, maxSequenceIndex, sh.Closed/1000)
}

func (sh *shard) sequence(index uint64, arrived int64) sequence {
	return makeSequence(sh.Created, sh.Index, index, arrived/1000)
}

// admit charges a write of size bytes to the shard's limits; false: too much.
func (sh *shard) admit(size int, now int64) bool {
	if !sh.written.has(1, now) || !sh.writtenBytes.has(float64(size), now) {
		return false
	}
	sh.written.spend(1)
	sh.writtenBytes.spend(float64(size))
	return true
}

// push stores a record that has the next index. The caller holds mu.
func (sh *shard) push(r record) {
	sh.records = append(sh.records, r)
	sh.Next++
	sh.Last = r.arrived
}

// drop removes the oldest record and returns the bytes that are free now. The caller holds mu.
func (sh *shard) drop() int64 {
	size := sh.records[sh.head].size()
	sh.records[sh.head] = record{}
	sh.head++
	sh.First++
	if sh.head >= compactShardBeyond && 2*sh.head > len(sh.records) {
		sh.records = slices.Delete(sh.records, 0, sh.head)
		sh.head = 0
	}
	return size
}

// kept returns the records from the oldest on. The caller holds mu.
func (sh *shard) kept() []record { return sh.records[sh.head:] }

// expire drops what arrived before the time before; it returns the bytes that are free now.
func (sh *shard) expire(before int64) int64 {
	freed := int64(0)
	for len(sh.kept()) > 0 && sh.kept()[0].arrived < before {
		freed += sh.drop()
	}
	return freed
}

// clear drops everything; it returns the bytes that are free now.
func (sh *shard) clear() int64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	freed := int64(0)
	for _, r := range sh.kept() {
		freed += r.size()
	}
	sh.First, sh.records, sh.head = sh.Next, nil, 0
	return freed
}

// from returns up to limit records, and no more bytes than one call may take, beginning with
// the record at index or the oldest one that is kept after it. It returns the index of the
// first record of the answer, and of the one that comes after the answer. The caller holds mu.
func (sh *shard) from(index uint64, limit int) (recs []record, first, next uint64) {
	first = min(max(index, sh.First), sh.Next)
	rest := sh.kept()[first-sh.First:]
	size := 0
	for i := range rest {
		size += len(rest[i].data) + len(rest[i].key)
		if i == limit || i > 0 && size > maxReadBytes {
			rest = rest[:i]
			break
		}
	}
	return slices.Clone(rest), first, first + uint64(len(rest))
}

// position finds the index of the first record that is at or, with after, behind q.
// The caller holds mu.
func (sh *shard) position(q sequence, after bool) uint64 {
	i := min(max(q.index(), sh.First), sh.Next)
	if i == q.index() && i < sh.Next {
		at := sh.sequence(i, sh.kept()[i-sh.First].arrived)
		if at.less(q) || after && at == q {
			i++
		}
	}
	return i
}

// since finds the index of the first record that arrived at or after the time ms.
// The caller holds mu.
func (sh *shard) since(ms int64) uint64 {
	kept := sh.kept()
	return sh.First + uint64(sort.Search(len(kept), func(i int) bool { return kept[i].arrived >= ms }))
}

// oldest returns the arrival of the oldest record; never: there is none.
func (sh *shard) oldest() int64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(sh.kept()) == 0 {
		return never
	}
	return sh.kept()[0].arrived
}

// dropUntil drops records that arrived up to the time last, one at least, until size bytes
// are free; it returns how many are.
func (sh *shard) dropUntil(last, size int64) int64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	freed := int64(0)
	for len(sh.kept()) > 0 && freed < size && (freed == 0 || sh.kept()[0].arrived <= last) {
		freed += sh.drop()
	}
	return freed
}
