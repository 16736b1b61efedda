package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"headrace/kafkaclient"
	"headrace/record"
)

// RecordError says which record ends the job, and why. It holds nothing of the record's content.
type RecordError struct {
	Topic     string
	Partition int32
	Offset    int64
	Reason    string
	Err       error // may be nil
}

func (e *RecordError) Error() string {
	text := fmt.Sprintf("topic %s partition %d offset %d: %s", e.Topic, e.Partition, e.Offset, e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *RecordError) Unwrap() error { return e.Err }

// task is one member of the consumer group: it reads its partitions, fills files, hands them to
// the uploads and commits behind them.
type task struct {
	id       int
	cfg      *Config
	consumer *kafkaclient.Consumer
	uploads  *uploads
	metrics  *metrics
	log      *slog.Logger
	lines    *lines

	// own is held while lanes are filled, handed on or given up: by the loop, and by the
	// group's callbacks.
	own    sync.Mutex
	parked []*lane // waiting for memory, in turn

	openFiles atomic.Int64

	skippedNull, skippedBad atomic.Int64

	// Guarded by uploads.mu.
	lanes    map[kafkaclient.TopicPartition]*lane
	assigned map[kafkaclient.TopicPartition]bool
	joined   bool

	idle chan struct{} // a lane has nothing under way: a good moment to commit

	commitMu sync.Mutex // one commit at a time, the later with the later offsets
}

func newTask(id int, cfg *Config, kafka kafkaclient.Config, u *uploads, m *metrics, log *slog.Logger) (*task, error) {
	t := &task{
		id: id, cfg: cfg, uploads: u, metrics: m,
		log: log.With("task", id), lines: newLines(cfg),
		lanes:    map[kafkaclient.TopicPartition]*lane{},
		assigned: map[kafkaclient.TopicPartition]bool{},
		idle:     make(chan struct{}, 1),
	}
	consumerConfig, err := cfg.consumer(kafka)
	if err != nil {
		return nil, err
	}
	t.consumer, err = kafkaclient.NewConsumer(consumerConfig, kafkaclient.Handover{
		Assigned: t.assign, Revoked: t.revoke, Lost: t.lose,
	}, t.log)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// parkedPoll is how often a loop with parked lanes looks whether one can go on.
const parkedPoll = 250 * time.Millisecond

// run works until ctx ends, which is no error, or a record or Kafka ends it. Then files under
// way are finished within the drain timeout, what is durable is committed and the group left.
func (t *task) run(ctx context.Context) error {
	commits, stopCommits := context.WithCancel(ctx)
	var committer sync.WaitGroup
	committer.Go(func() { t.commitLoop(commits) })
	err := t.loop(ctx)
	stopCommits()
	committer.Wait()
	t.finish(ctx, err)
	if ctx.Err() != nil {
		err = nil // the end was asked for; why is the job's business
	}
	return err
}

func (t *task) loop(ctx context.Context) error {
	for {
		if err := t.uploads.memory.wait(ctx); err != nil {
			return err
		}
		batches, err := t.poll(ctx)
		if err == nil {
			err = t.handle(batches)
		}
		if err != nil {
			return err
		}
		t.consumer.Release()
	}
}

// poll asks Kafka, for a moment only while lanes are parked.
func (t *task) poll(ctx context.Context) ([]kafkaclient.Batch, error) {
	if !t.anyParked() {
		return t.consumer.Poll(ctx)
	}
	short, cancel := context.WithTimeout(ctx, parkedPoll)
	defer cancel()
	batches, err := t.consumer.Poll(short)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		return nil, nil
	}
	return batches, err
}

// signalIdle wakes the committer.
func (t *task) signalIdle() {
	select {
	case t.idle <- struct{}{}:
	default:
	}
}

// handle writes the batches' records into the files of their partitions.
func (t *task) handle(batches []kafkaclient.Batch) error {
	t.own.Lock()
	defer t.own.Unlock()
	for i := range batches {
		if err := t.handleBatch(&batches[i]); err != nil {
			return err
		}
	}
	t.relieve()
	return nil
}

func (t *task) handleBatch(batch *kafkaclient.Batch) error {
	l := t.lane(batch)
	var failed error
	for i := range batch.Records {
		rec := &batch.Records[i]
		if rec.Offset < l.next {
			continue
		}
		if failed = t.add(l, rec); failed != nil {
			break
		}
		l.next = rec.Offset + 1
	}
	if failed == nil {
		l.next = max(l.next, batch.Next)
	}
	t.publish(l, batch.End)
	return failed
}

// lane returns the partition's lane; its first batch makes it.
func (t *task) lane(batch *kafkaclient.Batch) *lane {
	t.uploads.mu.Lock()
	defer t.uploads.mu.Unlock()
	if l, ok := t.lanes[batch.TopicPartition]; ok {
		return l
	}
	first := batch.Next
	if len(batch.Records) > 0 {
		first = batch.Records[0].Offset
	}
	l := &lane{TopicPartition: batch.TopicPartition, task: t, next: first, tail: first, seen: first, committed: first}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	t.lanes[l.TopicPartition] = l
	t.uploads.lanes++
	return l
}

// publish tells the committer and others how far the lane has come, and stops fetching it
// when too much of it waits.
func (t *task) publish(l *lane, end int64) {
	t.uploads.mu.Lock()
	defer t.uploads.mu.Unlock()
	l.end = end
	l.tail, l.partial = l.next, 0
	if l.open != nil {
		l.tail, l.partial = l.open.first, l.open.records
	}
	l.seen = max(l.seen, l.next)
	if len(l.queue) == 0 && l.open == nil {
		t.signalIdle() // records were only skipped
	}
	if !l.paused && l.pending > t.uploads.laneLimit() {
		l.paused = true
		t.consumer.Pause(l.TopicPartition)
	}
}

// fetchAgain resumes a lane that neither its own backlog nor memory holds back. uploads.mu is held.
func (t *task) fetchAgain(l *lane) {
	if !l.paused && !l.parked {
		t.consumer.Resume(l.TopicPartition)
	}
}

// add appends one record to the lane's open file and closes it when it is full.
func (t *task) add(l *lane, rec *record.Record) error {
	var buffer []byte
	need := len(rec.Value) + len(t.cfg.Separator)
	if l.open != nil {
		buffer = t.grow(l.open.body, need)
	} else {
		buffer = make([]byte, 0, max(need, l.hint))
	}
	body, what, err := t.lines.appendTo(buffer, rec)
	if what != writable {
		return t.skip(rec, what, err)
	}
	f := l.open
	if f == nil {
		f = &file{lane: l, first: rec.Offset, key: t.cfg.objectKey(l.TopicPartition, rec.Offset)}
		l.open = f
		t.openFiles.Add(1)
	}
	f.body, f.last = body, rec.Offset
	f.records++
	if f.records >= t.cfg.FlushSize {
		t.closeFile(l)
		return nil
	}
	for len(f.body) > t.cfg.PartBytes {
		t.handPart(l)
	}
	t.charge(l, cap(f.body))
	return nil
}

// grow makes room for need more bytes. It doubles, up to one part and a record: append's own
// steps of a quarter copy a large file four times.
func (t *task) grow(buffer []byte, need int) []byte {
	if len(buffer)+need <= cap(buffer) {
		return buffer
	}
	size := max(min(2*cap(buffer), t.cfg.PartBytes), len(buffer)) + need
	return append(make([]byte, 0, size), buffer...)
}

// skip decides on a record that cannot be written.
func (t *task) skip(rec *record.Record, what verdict, err error) error {
	switch {
	case what == nullValue && t.cfg.IgnoreNulls:
		t.skippedNull.Add(1)
		t.metrics.skipped.WithLabelValues("null").Inc()
		return nil
	case what == nullValue:
		return &RecordError{rec.Topic, rec.Partition, rec.Offset, "Null valued records are not writeable with behavior.on.null.values=fail (ignore would skip them)", nil}
	case !t.cfg.TolerateAll:
		return &RecordError{rec.Topic, rec.Partition, rec.Offset, "Tolerance exceeded: the value cannot be converted (errors.tolerance=all would skip it)", err}
	}
	if t.cfg.LogBadRecords {
		t.log.Error("record skipped", "topic", rec.Topic, "partition", rec.Partition, "offset", rec.Offset, "err", err)
	}
	t.skippedBad.Add(1)
	t.metrics.skipped.WithLabelValues("bad").Inc()
	return nil
}

// handPart hands the first PartBytes of the open file to the workers.
func (t *task) handPart(l *lane) {
	f := l.open
	part := f.body[:t.cfg.PartBytes:t.cfg.PartBytes]
	f.body = append(make([]byte, 0, max(len(f.body)-len(part), t.cfg.PartBytes/4)), f.body[len(part):]...)
	t.uploads.handOver(f, part, false)
}

// closeFile hands the open file to the workers.
func (t *task) closeFile(l *lane) {
	f := l.open
	l.hint = min(len(f.body)+len(f.body)/16, t.cfg.PartBytes)
	if f.records == 1 {
		l.hint = 0 // the next record's size says it better
	}
	for len(f.body) > t.cfg.PartBytes {
		t.handPart(l)
	}
	t.openFiles.Add(-1)
	l.open, l.turnOver = nil, true
	t.charge(l, 0)
	t.uploads.handOver(f, f.body, true)
	f.body = nil
}

// charge counts the lane's open buffer.
func (t *task) charge(l *lane, size int) {
	if size != l.charged {
		t.uploads.memory.open.Add(int64(size - l.charged))
		l.charged = size
	}
}

// dropOpen gives up the open file. Its records will be read again.
func (t *task) dropOpen(l *lane) {
	f := l.open
	if f == nil {
		return
	}
	l.open = nil
	l.next = f.first
	t.openFiles.Add(-1)
	t.charge(l, 0)
	t.uploads.mu.Lock()
	defer t.uploads.mu.Unlock()
	t.uploads.drop(f)
}

func (t *task) assign(partitions []kafkaclient.TopicPartition) {
	t.uploads.mu.Lock()
	defer t.uploads.mu.Unlock()
	t.joined = true
	for _, tp := range partitions {
		t.assigned[tp] = true
	}
	if len(partitions) > 0 {
		t.log.Info("partitions assigned", "count", len(partitions), "total", len(t.assigned))
	}
}

// revoke finishes what is under way of the partitions, commits it and lets go.
func (t *task) revoke(ctx context.Context, partitions []kafkaclient.TopicPartition) {
	t.own.Lock()
	defer t.own.Unlock()
	t.release(ctx, t.take(partitions), letGo)
	if len(partitions) > 0 {
		t.log.Info("partitions revoked", "count", len(partitions))
	}
}

// lose lets go without a commit.
func (t *task) lose(partitions []kafkaclient.TopicPartition) {
	t.own.Lock()
	defer t.own.Unlock()
	t.release(context.Background(), t.take(partitions), lost)
	if len(partitions) > 0 {
		t.log.Warn("partitions lost", "count", len(partitions))
	}
}

// take returns the lanes of the partitions and no longer counts these as assigned.
func (t *task) take(partitions []kafkaclient.TopicPartition) []*lane {
	t.uploads.mu.Lock()
	defer t.uploads.mu.Unlock()
	var lanes []*lane
	for _, tp := range partitions {
		delete(t.assigned, tp)
		if l := t.lanes[tp]; l != nil {
			lanes = append(lanes, l)
		}
	}
	return lanes
}

// ending is how much of a lane is finished before it ends.
type ending int

const (
	lost   ending = iota // nothing: others may own the partition
	letGo                // what workers have: somebody waits for the partition, or for the end
	behind               // every closed file: the records before the one that ends the job
)

// release ends lanes: open files are dropped, and what is durable is committed, after a wait
// within ctx and the drain timeout. own is held.
func (t *task) release(ctx context.Context, lanes []*lane, how ending) {
	for _, l := range lanes {
		t.dropOpen(l)
	}
	if how != lost && len(lanes) > 0 {
		patience, cancel := context.WithTimeout(ctx, t.cfg.DrainTimeout)
		t.uploads.drain(patience, lanes, how == behind)
		cancel()
		t.commit(ctx)
	}
	for _, l := range lanes {
		t.uploads.forget(l)
		t.forget(l)
	}
}

// forget takes the lane out of the task's lists. A later owner, maybe this task, fetches it anew.
func (t *task) forget(l *lane) {
	t.unpark(l)
	t.uploads.mu.Lock()
	defer t.uploads.mu.Unlock()
	delete(t.lanes, l.TopicPartition)
	t.uploads.lanes--
	t.consumer.Resume(l.TopicPartition) // a pause would outlive the assignment
}

// closeTimeout bounds leaving the group.
const closeTimeout = 5 * time.Second

// finish is the orderly end: ctx is over, or err ends the task.
func (t *task) finish(ctx context.Context, err error) {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	how := behind
	if errors.Is(err, errEnded) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		how = letGo
	}
	ctx = context.WithoutCancel(ctx)
	t.own.Lock()
	var all []*lane
	t.uploads.mu.Lock()
	for _, l := range t.lanes {
		all = append(all, l)
	}
	t.uploads.mu.Unlock()
	t.release(ctx, all, how)
	t.own.Unlock()

	leave, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	t.consumer.Close(leave)
}

// idlePause keeps a slow trickle of records from causing a commit each.
const idlePause = 100 * time.Millisecond

// commitTimeout bounds one commit.
const commitTimeout = 10 * time.Second

// commitLoop commits every interval, and sooner when a lane has nothing under way.
func (t *task) commitLoop(ctx context.Context) {
	tick := time.NewTicker(t.cfg.CommitInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			t.commit(ctx)
		case <-t.idle:
			t.commit(ctx)
			select {
			case <-ctx.Done():
				return
			case <-time.After(min(idlePause, t.cfg.CommitInterval)):
			}
		}
	}
}

// commit stores the position of every lane that has moved. What is refused stays to be
// committed: the records are written already, and at worst written again with the same bytes.
func (t *task) commit(ctx context.Context) {
	t.commitMu.Lock()
	defer t.commitMu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	offsets := t.positions()
	if len(offsets) == 0 {
		return
	}
	if err := t.consumer.Commit(ctx, offsets); err != nil {
		t.log.Warn("offsets not committed", "partitions", len(offsets), "err", err)
		return
	}
	t.metrics.commits.Inc()
	t.uploads.mu.Lock()
	defer t.uploads.mu.Unlock()
	for tp, offset := range offsets {
		if l := t.lanes[tp]; l != nil {
			l.committed = max(l.committed, offset)
		}
	}
}

func (t *task) positions() map[kafkaclient.TopicPartition]int64 {
	t.uploads.mu.Lock()
	defer t.uploads.mu.Unlock()
	offsets := map[kafkaclient.TopicPartition]int64{}
	for tp, l := range t.lanes {
		if at := l.position(); at > l.committed && !l.gone {
			offsets[tp] = at
		}
	}
	return offsets
}
