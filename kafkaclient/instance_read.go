package kafkaclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/record"
)

func compareTP(a, b TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// Answer is where a read puts its records. Its methods are called by one goroutine at a time.
type Answer interface {
	// Take adds a record, which it may use until it returns, if its size is less than room, and
	// returns the size. Else it returns ErrFull with the size. ErrSkip passes over the record, an
	// *UndecodableError stops its partition.
	Take(rec *record.Record, room int64) (size int64, err error)
	// Flush may send what has been taken, when it is much. It may wait for the client.
	Flush() error
	// Finish sends the rest. Records count as delivered when it succeeds.
	Finish() error
}

// ErrFull says that a record does not fit into the answer.
var ErrFull = errors.New("the answer is full")

// ErrSkip says that a record is to be passed over.
var ErrSkip = errors.New("the record is passed over")

// UndecodableError says that a record is not in the instance's format. Its partition stops there
// until a seek.
type UndecodableError struct {
	TopicPartition
	Offset int64
	Part   string // "key" or "value"
	Cause  error
}

func (e *UndecodableError) Error() string {
	return fmt.Sprintf("the %s of the record at topic %s, partition %d, offset %d cannot be decoded: %v: seek to offset %d to go on behind it",
		e.Part, e.Topic, e.Partition, e.Offset, e.Cause, e.Offset+1)
}

func (e *UndecodableError) Unwrap() error { return e.Cause }

// OversizeError says that a record does not fit into any answer of the asked size.
type OversizeError struct {
	TopicPartition
	Offset int64
	Size   int64 // key and value, bytes
	Limit  int64 // an answer has to stay below
}

func (e *OversizeError) Error() string {
	return fmt.Sprintf("the record at topic %s, partition %d, offset %d takes %d bytes, and answers have to stay below %d: read with max_bytes=%d or more (and consumer.request.max.bytes no less), or seek to offset %d to go on behind it",
		e.Topic, e.Partition, e.Offset, e.Size, e.Limit, e.Size+1, e.Offset+1)
}

// NoOffsetError says that a partition has nowhere to begin, with auto.offset.reset=none. Its text
// is the Java client's.
type NoOffsetError struct{ TopicPartition }

func (e *NoOffsetError) Error() string {
	return "Undefined offset with no reset policy for partitions: [" + e.TopicPartition.String() + "]"
}

// ReadOptions bound one read.
type ReadOptions struct {
	Wait     time.Duration // the longest wait for records
	MinBytes int64         // answer when there is more; below 0: as soon as there is something and no more at hand
	MaxBytes int64         // sizes of an answer's records stay below, in sum
	// Continued says that the read goes on with what an earlier one began to send: that its client is
	// still there, and has got what was sent acknowledgeAfter ago.
	Continued bool
	FullWait  bool // with MinBytes below 0: wait until Wait is over or the answer full, as the reference does
}

// run is a row of records of one partition.
type run struct {
	part  *part
	epoch int
	recs  []*kgo.Record
}

// filling is a read under way.
type filling struct {
	ReadOptions
	answer Answer
	sum    int64
	count  int
	marks  []mark
}

// mark is how far an answer moved a partition.
type mark struct {
	part       *part
	epoch      int
	from, next int64
}

// firstReadQuiet is how long the first read of partitions waits for those that have records and
// have not sent any, after the last that did.
const firstReadQuiet = 250 * time.Millisecond

// Read delivers records to answer until that is full, enough or the wait is over, and finishes it.
// The error of a read that could not deliver anything: ErrNoInstance, *IllegalStateError without a
// subscription or partitions, *UndecodableError, *OversizeError, *NoOffsetError, Kafka's own, or
// Finish's: then everything the answer had is delivered again. When ctx ends, it counts as not
// delivered too. Reads of one instance take turns, inside their waits.
func (i *Instance) Read(ctx context.Context, o ReadOptions, answer Answer) error {
	i.calls.Add(1)
	defer func() {
		i.touch()
		i.calls.Add(-1)
	}()
	now := time.Now()
	f := &filling{ReadOptions: o, answer: answer}
	wait, cancel := context.WithDeadline(ctx, now.Add(o.Wait))
	defer cancel()
	if !i.reading.TryAcquire(1) && i.reading.Acquire(wait, 1) != nil {
		return answer.Finish()
	}
	defer i.reading.Release(1)
	if o.Continued {
		i.acknowledgeOld(now)
	} else {
		i.acknowledge()
	}
	i.commitByItself(now) //nolint:contextcheck // it goes on when the caller leaves
	err := i.fill(wait, f)
	if err == nil || f.count > 0 { // an error behind records is met again
		err = answer.Finish()
	}
	if err == nil {
		err = ctx.Err()
	}
	if len(f.marks) == 0 {
		return err
	}
	if err != nil {
		i.undo(ctx, f)
		return err
	}
	i.sent(f)
	return nil
}

// sent notes that an answer has gone out.
func (i *Instance) sent(f *filling) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, m := range f.marks {
		if m.part.epoch == m.epoch {
			m.part.done = m.next
		}
	}
	if f.count > 0 { // who was refused for a partition has now had others
		for _, p := range i.parts {
			p.told = false
		}
	}
}

// fill takes turns at the instance until the answer is as it should be.
func (i *Instance) fill(ctx context.Context, f *filling) error {
	for {
		if i.work.Acquire(ctx, 1) != nil {
			// Somebody else may have had it for all the time; a look at what is there costs nothing.
			if f.count > 0 || !i.work.TryAcquire(1) {
				return nil
			}
		}
		done, err := i.step(ctx, f)
		if done || err != nil {
			i.grow(f.sum)
		}
		i.work.Release(1)
		if done || err != nil {
			return err
		}
	}
}

// step delivers what is at hand, after waiting for it if there is nothing. done ends the read.
func (i *Instance) step(ctx context.Context, f *filling) (done bool, err error) {
	switch {
	case i.closed:
		return true, ErrNoInstance
	case i.mode.isEmpty():
		return true, &IllegalStateError{"Consumer is not subscribed to any topics or assigned any partitions"}
	}
	if f.count == 0 {
		if err := i.untold(); err != nil {
			return true, err
		}
	}
	waiting, release := i.waiting(ctx)
	defer release()
	if i.client == nil {
		if err := i.start(waiting); err != nil {
			return ctx.Err() != nil, i.passing(ctx, err)
		}
	}
	if i.rouse(waiting) != nil {
		return ctx.Err() != nil, nil
	}
	if len(i.queue) == 0 {
		if done, err := i.poll(ctx, waiting, f); done || err != nil {
			return done, err
		}
	}
	if full, err := i.deliver(ctx, f); full || err != nil {
		return true, err
	}
	return ctx.Err() != nil || f.MinBytes >= 0 && f.sum > f.MinBytes, nil
}

// passing is err, or nil when it only says that a wait has ended or what gets well by itself.
func (i *Instance) passing(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil //nolint:nilerr // a read that ends without records is no failure
	}
	return err
}

// poll takes records from the client into the queue. done says that there are none, and that the
// read is over.
func (i *Instance) poll(ctx, waiting context.Context, f *filling) (done bool, err error) {
	if f.count == 0 || f.MinBytes >= 0 || f.FullWait {
		return i.wait(ctx, waiting, f)
	}
	err = i.enqueue(i.client.PollRecords(nil, i.set.cfg.MaxPollRecords)) //nolint:staticcheck,contextcheck // nil: takes what is there
	if len(i.queue) > 0 || err != nil {
		return false, err
	}
	if !i.isFresh() {
		return true, nil
	}
	// The first read of partitions brings what they hold, whichever broker is the first to send.
	quiet, cancel := context.WithTimeout(waiting, firstReadQuiet)
	defer cancel()
	done, err = i.wait(ctx, quiet, f)
	return done || len(i.queue) == 0 && errors.Is(quiet.Err(), context.DeadlineExceeded), err
}

// wait polls until records come or waiting ends.
func (i *Instance) wait(ctx, waiting context.Context, f *filling) (done bool, err error) {
	if told := i.told(); told != nil && f.count == 0 {
		// Neighbours of a partition that stopped get a moment; then its error is said again.
		short, cancel := context.WithTimeout(waiting, neighboursWait)
		defer cancel()
		if err := i.enqueue(i.client.PollRecords(short, i.set.cfg.MaxPollRecords)); err != nil || len(i.queue) > 0 {
			return false, err
		}
		return true, told
	}
	err = i.enqueue(i.client.PollRecords(waiting, i.set.cfg.MaxPollRecords))
	return err == nil && len(i.queue) == 0 && ctx.Err() != nil, err
}

// neighboursWait is how long a read waits for other partitions when one cannot go on.
const neighboursWait = 100 * time.Millisecond

// isFresh reports whether partitions came whose records have not all been brought.
func (i *Instance) isFresh() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.fresh {
		return false
	}
	for _, p := range i.parts {
		if p.pos < p.goal && p.stuck == nil {
			return true
		}
	}
	i.fresh = false
	return false
}

// enqueue puts polled records behind the queue and returns the first error that does not pass.
func (i *Instance) enqueue(fetches kgo.Fetches) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		part := i.parts[TopicPartition{p.Topic, p.Partition}]
		if part == nil || part.stuck != nil {
			return // gone meanwhile; or fetched again after a seek
		}
		part.seen, part.asked = true, false
		i.queue = append(i.queue, run{part, part.epoch, p.Records})
	})
	for _, fetched := range fetches.Errors() {
		if err := i.fatal(fetched); err != nil {
			return err
		}
	}
	return nil
}

// fatal returns a fetch error that a read has to answer.
func (i *Instance) fatal(fetched kgo.FetchError) error {
	err := fetched.Err
	var loss *kgo.ErrDataLoss
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.As(err, &loss):
		return nil
	case errors.Is(err, kerr.OffsetOutOfRange) && i.spec.Reset.kind == resetNone:
		return &NoOffsetError{TopicPartition{fetched.Topic, fetched.Partition}}
	case passes(err):
		i.set.log.Debug("reading from Kafka fails, trying again", "group", i.spec.Group, "topic", fetched.Topic, "partition", fetched.Partition, "err", err)
		return nil
	}
	return fmt.Errorf("reading from Kafka: %w", err)
}

// deliver moves records from the queue into the answer. full says that the next one does not fit.
func (i *Instance) deliver(ctx context.Context, f *filling) (full bool, err error) {
	for len(i.queue) > 0 {
		if i.set.threads.Acquire(ctx, 1) != nil && !i.set.threads.TryAcquire(1) {
			return true, nil // all are at work until the wait is over: the records stay for the next read
		}
		full, err := i.deliverRun(f)
		i.set.threads.Release(1)
		if full || err != nil {
			return full, err
		}
		if err := f.answer.Flush(); err != nil {
			return true, err
		}
	}
	return false, nil
}

// flushEvery is how many bytes of records are taken before the answer may be sent on.
const flushEvery = 64 << 10

// deliverRun moves the first run of the queue, or as much of it as is sent at once.
func (i *Instance) deliverRun(f *filling) (full bool, err error) {
	r := &i.queue[0]
	taken := int64(0)
	first, next := r.recs[0].Offset, r.recs[0].Offset
	defer func() { i.settle(f, r, first, next) }()
	for len(r.recs) > 0 && taken < flushEvery {
		rec := r.recs[0]
		if rec.Attrs.IsControl() {
			next, r.recs = rec.Offset+1, r.recs[1:]
			continue
		}
		fillRecord(&i.rec, rec)
		size, err := f.answer.Take(&i.rec, f.MaxBytes-f.sum)
		var bad *UndecodableError
		switch {
		case err == nil:
			f.sum += size
			f.count++
			taken += size
		case errors.Is(err, ErrSkip):
		case errors.Is(err, ErrFull):
			if f.count > 0 {
				return true, nil
			}
			oversize := &OversizeError{r.part.tp, rec.Offset, size, f.MaxBytes}
			i.stick(r.part, oversize, true)
			return true, oversize
		case errors.As(err, &bad):
			i.stick(r.part, bad, f.count == 0)
			r.recs = nil
			if f.count == 0 {
				return true, bad
			}
			return false, nil
		default:
			return true, err
		}
		next, r.recs = rec.Offset+1, r.recs[1:]
	}
	return false, nil
}

// settle notes how far the first run of the queue got, and takes it away when it is done.
func (i *Instance) settle(f *filling, r *run, first, next int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := r.part
	if next > first && !p.lost && p.epoch == r.epoch {
		p.pos = next
		if n := len(f.marks); n > 0 && f.marks[n-1].part == p && f.marks[n-1].epoch == r.epoch {
			f.marks[n-1].next = next
		} else {
			f.marks = append(f.marks, mark{p, r.epoch, first, next})
		}
	}
	if len(r.recs) > 0 && !p.lost {
		return
	}
	i.queue[0] = run{}
	if i.queue = i.queue[1:]; len(i.queue) == 0 {
		i.queue = nil
	}
}

// fillRecord makes out a view of rec.
func fillRecord(out *record.Record, rec *kgo.Record) {
	headers := out.Headers[:0]
	for _, h := range rec.Headers {
		headers = append(headers, record.Header{Key: h.Key, Value: h.Value})
	}
	*out = record.Record{
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset,
		Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp, Headers: headers,
	}
}

// stick stops a partition at its position. Records of it that wait behind are dropped when it is
// undecodable: a seek has to say where to go on. One that is too large stays at the head.
func (i *Instance) stick(p *part, why error, told bool) {
	var oversize *OversizeError
	if errors.As(why, &oversize) {
		i.mu.Lock()
		defer i.mu.Unlock()
		p.large = true // a seek drops what waits behind
		return
	}
	i.mu.Lock()
	p.stuck, p.told = why, told
	i.mu.Unlock()
	rest := i.queue[:1]
	for _, r := range i.queue[1:] {
		if r.part != p {
			rest = append(rest, r)
		}
	}
	i.queue = rest
	i.client.PauseFetchPartitions(byTopic([]TopicPartition{p.tp}))
}

// untold returns the error of a partition that stopped in an earlier answer, once.
func (i *Instance) untold() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range i.parts {
		if p.stuck != nil && !p.told {
			p.told = true
			return p.stuck
		}
	}
	return nil
}

// told returns the error of a partition that has stopped.
func (i *Instance) told() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range i.parts {
		if p.stuck != nil {
			return p.stuck
		}
	}
	return nil
}

// undo takes back an answer that did not arrive: its records are delivered again.
func (i *Instance) undo(ctx context.Context, f *filling) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer cancel()
	if i.work.Acquire(ctx, 1) != nil {
		return
	}
	defer i.work.Release(1)
	back := map[TopicPartition]int64{}
	i.mu.Lock()
	for _, m := range slices.Backward(f.marks) { // the first mark of a partition counts

		if !m.part.lost && m.part.epoch == m.epoch {
			m.part.pos = m.from
			back[m.part.tp] = m.from
		}
	}
	i.mu.Unlock()
	i.dropQueued(back)
	i.moveClient(back)
}

// dropQueued takes records of partitions out of the queue.
func (i *Instance) dropQueued(of map[TopicPartition]int64) {
	var rest []run
	for _, r := range i.queue {
		if _, drop := of[r.part.tp]; !drop {
			rest = append(rest, r)
		}
	}
	i.queue = rest
}

// moveClient makes the client fetch partitions from offsets. The caller holds work.
func (i *Instance) moveClient(to map[TopicPartition]int64) {
	if len(to) == 0 || i.client == nil {
		return
	}
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for tp, at := range to {
		if offsets[tp.Topic] == nil {
			offsets[tp.Topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[tp.Topic][tp.Partition] = kgo.EpochOffset{Epoch: -1, Offset: at}
	}
	i.client.SetOffsets(offsets)
}

// rewindQueue gives back what has been taken from the client and not delivered.
func (i *Instance) rewindQueue() {
	back := map[TopicPartition]int64{}
	i.mu.Lock()
	for _, r := range i.queue {
		if _, ok := back[r.part.tp]; !ok && !r.part.lost && r.epoch == r.part.epoch {
			back[r.part.tp] = r.recs[0].Offset
		}
	}
	i.mu.Unlock()
	i.queue = nil
	i.moveClient(back)
}

func (i *Instance) queueBytes() (n int) {
	for _, r := range i.queue {
		for _, rec := range r.recs {
			n += len(rec.Key) + len(rec.Value)
		}
	}
	return n
}
