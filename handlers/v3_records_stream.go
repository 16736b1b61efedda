package handlers

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"headrace/kafkaclient"
	"headrace/rawjson"
)

// What one stream of records may hold at once. Its client is not read any further while it holds
// that much, so a stream takes the same memory whatever its length.
const (
	streamRecords = 8192    // handed over, receipts not yet out
	streamBytes   = 4 << 20 // of the blocks in which these records stand, if there are several
)

const (
	blockBytes   = 64 << 10 // what is read at once
	slabSlots    = 32       // records whose places are made at once
	slotBytes    = 1024     // what one record takes beside its text, Kafka's client included
	receiptBytes = 32 << 10 // receipts are sent when they are that many bytes, or when no other is ready
)

// streamRoomWait is how long a stream waits for room in the byte budget, which all requests share.
const streamRoomWait = 30 * time.Second

// errStreamEnds says that no more is to be read: the server stops, or the stream's time is over.
var errStreamEnds = errors.New("the stream is ended by the server")

// recordStream is one streaming produce request: a reader, which takes records from the body and
// hands them over, and a writer beside it, which sends a receipt for each, in their order.
type recordStream struct {
	h       *Handlers
	cluster string
	topic   string
	trace   traceHeaders
	body    io.Reader
	clock   *streamClock

	// The reader's alone.
	block    *block
	from, to int  // the part of the block that came from the body and is not yet used
	eof      bool // there is no more of the body
	splitter rawjson.Splitter
	decoder  recordReader
	record   v3Record
	now      time.Time // when the last bytes came
	tail     *slab
	window   *semaphore.Weighted

	handed  atomic.Int64  // slots that are filled
	written atomic.Int64  // slots whose receipts are out, or nearly
	ended   atomic.Bool   // no slot will follow
	awaited atomic.Int64  // the slot that the writer waits for, by its number; -1: none
	ready   chan struct{} // that slot is done, or the reader has ended
	full    atomic.Bool   // the reader waits for room
	room    chan struct{} // there is some
}

// slot is the place of one record among the receipts.
type slot struct {
	number     int64
	stream     *recordStream
	slab       *slab
	block      *block
	delivery   *kafkaclient.Delivery
	key, value shownData
	bytes      int // of the JSON text
	read       time.Time
	fault      error // why it was not handed over; nil: the delivery says what became of it
	done       atomic.Bool
}

// slab is a run of slots. It goes back to its pool when the writer has passed it and each of its
// records has come to its end.
type slab struct {
	slots [slabSlots]slot
	used  int // by the reader
	next  atomic.Pointer[slab]
	holds atomic.Int32
	paid  *Budget
	pool  *sync.Pool
}

// block is a piece of the body. It goes back to its pool when the reader has left it and nothing
// holds its records any more.
type block struct {
	bytes  []byte
	holds  atomic.Int32
	paid   *Budget
	window *semaphore.Weighted
}

// newSlab makes a slab whose deliveries end its slots.
func newSlab(pool *sync.Pool) *slab {
	b := &slab{pool: pool}
	for i := range b.slots {
		s := &b.slots[i]
		s.slab = b
		s.delivery = kafkaclient.NewDelivery(func(*kafkaclient.Delivery) { s.end() })
	}
	return b
}

func (b *slab) release() {
	if b.holds.Add(-1) > 0 {
		return
	}
	b.paid.free.Release(slabSlots * slotBytes)
	b.paid = nil
	b.next.Store(nil)
	b.pool.Put(b)
}

func (b *block) release() {
	if b.holds.Add(-1) > 0 {
		return
	}
	size := int64(len(b.bytes))
	b.paid.free.Release(size)
	b.window.Release(min(size, streamBytes))
	returnBuffer(b.bytes)
	b.bytes = nil
}

// end is called when nothing holds the record any more.
func (s *slot) end() {
	s.block.release()
	s.block = nil
	s.delivery.Record.Key, s.delivery.Record.Value = nil, nil
	b := s.slab
	s.stream.finish(s)
	b.release()
}

// finish marks a slot as done and wakes the writer if it waits for this one.
func (st *recordStream) finish(s *slot) {
	number := s.number
	s.done.Store(true)
	if st.awaited.Load() == number && st.awaited.CompareAndSwap(number, -1) {
		signal(st.ready)
	}
}

// signal leaves a mark in a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// newStream makes a stream and pays for its first block, of size bytes. It fails with errBusy.
func (h *Handlers) newStream(ctx context.Context, cluster, topic string, body io.Reader, size int, clock *streamClock) (*recordStream, error) {
	st := &recordStream{
		h: h, cluster: cluster, topic: topic, body: body, clock: clock, now: time.Now(),
		window: semaphore.NewWeighted(streamBytes), ready: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	st.awaited.Store(-1)
	size = bufferSize(size)
	if err := h.budget.acquire(ctx, int64(size)+slabSlots*slotBytes); err != nil {
		return nil, err
	}
	st.tail = h.emptySlab()
	st.window.TryAcquire(int64(size))
	st.block = st.newBlock(size)
	return st, nil
}

func (h *Handlers) emptySlab() *slab {
	b := h.slabs.Get().(*slab)
	b.used, b.paid = 0, h.budget
	b.holds.Store(1)
	return b
}

func (st *recordStream) newBlock(size int) *block {
	b := &block{bytes: borrowBuffer(size), paid: st.h.budget, window: st.window}
	b.holds.Store(1)
	return b
}

// pay takes n bytes from the budget, waiting for them as long as a stream may. It fails with errBusy.
func (st *recordStream) pay(ctx context.Context, n int64) error {
	budget := st.h.budget
	if budget.free.TryAcquire(n) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, streamRoomWait)
	defer cancel()
	if n > budget.size || budget.free.Acquire(ctx, n) != nil {
		return errBusy
	}
	return nil
}

// readAll takes records from the body until it ends, or a fault does not let the next one be found.
func (st *recordStream) readAll(ctx context.Context) {
	defer func() {
		st.block.release()
		st.ended.Store(true)
		signal(st.ready)
	}()
	if !st.skipMark(ctx) {
		return
	}
	for {
		start, end, ok, err := st.splitter.Next(st.block.bytes[st.from:st.to], st.eof)
		at := st.from + start
		switch {
		case err != nil:
			st.refuse(ctx, st.to-at, malformed(err))
			return
		case ok:
			text := st.block.bytes[at : st.from+end]
			st.from += end
			if !st.take(ctx, text) {
				return
			}
			continue
		case st.eof:
			return
		}
		st.from = at
		if st.h.limits.tooLong(st.to - st.from) {
			st.refuse(ctx, st.to-st.from, errTooLong)
			return
		}
		if err := st.fill(ctx); err != nil {
			if errors.Is(err, errBusy) && ctx.Err() == nil {
				st.refuse(ctx, st.to-st.from, err)
			}
			return
		}
	}
}

// skipMark skips a byte order mark. It reports false when nothing can be read.
func (st *recordStream) skipMark(ctx context.Context) bool {
	const mark = "\xef\xbb\xbf"
	for {
		got := string(st.block.bytes[:min(st.to, len(mark))])
		if got == mark {
			st.from = len(mark)
			return true
		}
		if st.eof || !strings.HasPrefix(mark, got) {
			return true
		}
		if err := st.fill(ctx); err != nil {
			return false
		}
	}
}

// fill reads more of the body. When it fails no more can be read: errStreamEnds or a timeout say
// that the stream's time is over, errBusy that there was no memory, anything else that the client is gone.
func (st *recordStream) fill(ctx context.Context) error {
	if err := st.makeRoom(ctx); err != nil {
		return err
	}
	if !st.clock.extend() {
		return errStreamEnds
	}
	n, err := st.body.Read(st.block.bytes[st.to:])
	st.to += n
	st.now = time.Now()
	if errors.Is(err, io.EOF) {
		st.eof = true
		st.clock.bodyEnds()
		return nil
	}
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// makeRoom sees to it that the block has room for a read that is worth it.
func (st *recordStream) makeRoom(ctx context.Context) error {
	worth := len(st.block.bytes) / 16
	if len(st.block.bytes)-st.to >= worth && st.from < st.to {
		return nil
	}
	left := st.to - st.from
	if st.block.holds.Load() == 1 { // no record stands in it
		copy(st.block.bytes, st.block.bytes[st.from:st.to])
		st.from, st.to = 0, left
	}
	if len(st.block.bytes)-st.to >= worth {
		return nil
	}
	size := bufferSize(max(blockBytes, 2*left))
	if err := st.window.Acquire(ctx, min(int64(size), streamBytes)); err != nil {
		return err
	}
	if err := st.pay(ctx, int64(size)); err != nil {
		st.window.Release(min(int64(size), streamBytes))
		return err
	}
	next := st.newBlock(size)
	copy(next.bytes, st.block.bytes[st.from:st.to])
	st.block.release()
	st.block, st.from, st.to = next, 0, left
	return nil
}

// malformed is the receipt of a text that is no JSON; it ends the stream.
func malformed(err error) *apiError {
	return badRequest("Bad Request: Error processing message: %s", err)
}

// take hands over the record that text is. It reports false when none can follow.
func (st *recordStream) take(ctx context.Context, text []byte) bool {
	if st.h.limits.tooLong(len(text)) {
		st.refuse(ctx, len(text), errTooLong)
		return false
	}
	if st.clock.over(st.now) {
		return st.refuse(ctx, len(text), errTooOld)
	}
	size := len(text)
	fault, err := st.decoder.read(text, &st.record)
	if err != nil {
		st.refuse(ctx, size, malformed(err))
		return false
	}
	if fault == nil {
		fault = st.h.limits.allow(ctx, st.cluster, size)
	}
	if fault != nil {
		return st.refuse(ctx, size, fault)
	}
	s, err := st.slot(ctx, size)
	if err != nil {
		return false
	}
	rec := &s.delivery.Record
	err = st.h.serialize(ctx, st.topic, &st.record, rec)
	s.key, s.value = st.record.key.shownData, st.record.value.shownData
	if err != nil {
		s.fault = err
		st.handed.Add(1)
		st.finish(s)
		return true
	}
	if rec.Timestamp.IsZero() {
		rec.Timestamp = st.now
	}
	rec.Headers = st.trace.addTo(rec.Headers)
	st.submit(ctx, s)
	return true
}

// submit hands a record over to Kafka's client.
func (st *recordStream) submit(ctx context.Context, s *slot) {
	s.block = st.block
	st.block.holds.Add(1)
	s.slab.holds.Add(1)
	st.handed.Add(1)
	if st.h.producer.Submit(s.delivery) || st.h.producer.SubmitUnknown(ctx, s.delivery) { //nolint:contextcheck // a client that leaves must not take its records along
		return
	}
	st.finish(s) // its receipt says that the outcome is unknown
}

// refuse puts a receipt of a fault in the place of a record. It reports whether there was room.
func (st *recordStream) refuse(ctx context.Context, bytes int, fault error) bool {
	s, err := st.slot(ctx, bytes)
	if err != nil {
		return false
	}
	s.fault = fault
	st.handed.Add(1)
	st.finish(s)
	return true
}

// slot returns the next free slot, once there is room for one more receipt.
func (st *recordStream) slot(ctx context.Context, bytes int) (*slot, error) {
	for st.handed.Load()-st.written.Load() >= streamRecords {
		st.full.Store(true)
		if st.handed.Load()-st.written.Load() < streamRecords {
			break
		}
		select {
		case <-st.room:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if st.tail.used == slabSlots {
		if err := st.pay(ctx, slabSlots*slotBytes); err != nil {
			return nil, err
		}
		next := st.h.emptySlab()
		st.tail.next.Store(next)
		st.tail = next
	}
	s := &st.tail.slots[st.tail.used]
	st.tail.used++
	s.done.Store(false)
	s.number, s.stream, s.bytes, s.read, s.fault = st.handed.Load(), st, bytes, st.now, nil
	s.key, s.value = shownData{}, shownData{}
	return s, nil
}

// streamClock ends what a stream waits for: a read when nothing has gone either way for the idle time, all
// reading when the server stops or the stream is too old. It is safe for concurrent use.
type streamClock struct {
	conn    connection
	idle    time.Duration // 0: no limit
	last    time.Time     // no record is taken after it; zero: no limit
	grace   time.Duration // after last
	set     atomic.Int64  // when the deadline was moved, in nanoseconds
	stopped atomic.Bool
	whole   atomic.Bool // the body has been read
}

// connection is what a streamClock needs of an http.ResponseController.
type connection interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	Flush() error
}

// over reports whether no record may be taken any more.
func (c *streamClock) over(now time.Time) bool { return !c.last.IsZero() && now.After(c.last) }

// extend gives the client the idle time anew. It reports false once reading has been stopped.
func (c *streamClock) extend() bool {
	now := time.Now()
	if since := now.UnixNano() - c.set.Load(); since < int64(c.idle/16) || c.whole.Load() {
		return !c.stopped.Load()
	}
	c.set.Store(now.UnixNano())
	var until time.Time
	if c.idle > 0 {
		until = now.Add(c.idle)
	}
	if end := c.last.Add(c.grace); !c.last.IsZero() && (until.IsZero() || end.Before(until)) {
		until = end
	}
	_ = c.conn.SetReadDeadline(until) // without deadlines, in tests, nothing ends early
	switch {
	case c.stopped.Load():
		_ = c.conn.SetReadDeadline(past)
		return false
	case c.whole.Load():
		_ = c.conn.SetReadDeadline(time.Time{})
	}
	return true
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// stop ends reading: what has been read is still answered.
func (c *streamClock) stop() {
	c.stopped.Store(true)
	if !c.whole.Load() {
		_ = c.conn.SetReadDeadline(past)
	}
}

// bodyEnds takes the deadline away: net/http goes on reading, to see the client leave.
func (c *streamClock) bodyEnds() {
	c.whole.Store(true)
	_ = c.conn.SetReadDeadline(time.Time{})
}

// aboutToWrite gives the client the idle time to take some receipts.
func (c *streamClock) aboutToWrite() {
	if c.idle > 0 {
		_ = c.conn.SetWriteDeadline(time.Now().Add(c.idle))
	}
}
