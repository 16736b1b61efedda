package sink

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"headrace/lake/store"
)

// uploads stores files with a fixed number of workers, which take turns over the lanes. One
// lane's files go in parallel; the lane's position moves over the finished beginning only.
type uploads struct {
	store   store.Store
	backoff time.Duration
	memory  *memory
	log     *slog.Logger
	metrics *metrics
	fail    func(error) // ends the job

	mu      sync.Mutex
	work    sync.Cond // for workers: something to do, or the end
	settled sync.Cond // for drain: a file has come to rest
	lanes   int       // of all tasks
	ring    []*lane   // lanes with ready files, in turn
	trash   []*file   // uploads in parts to be aborted
	stopped bool
	written map[string]*Count // by topic
	retries int64
}

func newUploads(objects store.Store, cfg *Config, log *slog.Logger, m *metrics, fail func(error)) *uploads {
	u := &uploads{store: objects, backoff: cfg.RetryBackoff, memory: newMemory(cfg.MemoryBytes), log: log, metrics: m, fail: fail, written: map[string]*Count{}}
	u.work.L, u.settled.L = &u.mu, &u.mu
	return u
}

// abortTimeout bounds the call that drops an unfinished upload.
const abortTimeout = 10 * time.Second

// run is one worker. It returns after stop.
func (u *uploads) run() {
	for {
		f, abort := u.take()
		switch {
		case f == nil:
			return
		case abort:
			u.abort(f)
		default:
			began := time.Now()
			done, err := u.send(f)
			u.metrics.uploadSeconds.Observe(time.Since(began).Seconds())
			u.settle(f, done, err)
		}
	}
}

func (u *uploads) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stopped = true
	u.work.Broadcast()
}

// take waits for the next file to send, or to abort. nil: the end.
func (u *uploads) take() (f *file, abort bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for {
		if n := len(u.trash); n > 0 {
			f, u.trash = u.trash[n-1], u.trash[:n-1]
			return f, true
		}
		if f := u.nextReady(); f != nil {
			return f, false
		}
		if u.stopped {
			return nil, false
		}
		u.work.Wait()
	}
}

// nextReady takes the first file of the lane whose turn it is. A failing lane has one file
// under way at most, so that it does not hold all workers; a refused one none.
func (u *uploads) nextReady() *file {
	for i, l := range u.ring {
		if l.refused || l.failing && l.flying > 0 {
			continue
		}
		u.ring = slices.Delete(u.ring, i, i+1)
		f := l.ready[0]
		l.ready[0] = nil
		l.ready = l.ready[1:]
		if l.inRing = len(l.ready) > 0; l.inRing {
			u.ring = append(u.ring, l)
		}
		l.flying++
		f.flying, f.waiting = true, false
		return f
	}
	return nil
}

// handOver gives part to the workers; last closes the file. mu is not held.
func (u *uploads) handOver(f *file, part []byte, last bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l := f.lane
	f.parts = append(f.parts, part)
	f.bytes += int64(len(part))
	f.closed = last
	l.pending += weight(part)
	u.memory.pending.Add(weight(part))
	if !f.listed {
		f.listed = true
		l.queue = append(l.queue, f)
	}
	if last {
		l.tail, l.partial = f.last+1, 0
	}
	if !f.flying && !f.waiting {
		u.enqueue(f, false)
	}
}

// partOverhead is what a part costs beside its bytes: key, queues, garbage of the call. It keeps
// objects of one small record from queueing by the ten thousand: 153 MB of RSS without it, at
// flush.size=1 behind a slow store.
const partOverhead = 4096

func weight(part []byte) int64 { return int64(cap(part)) + partOverhead }

// laneLimit is how many unfinished bytes one lane may hold before it is not fetched further, so
// that a lane whose writes fail leaves memory to the others. mu is held.
func (u *uploads) laneLimit() int64 { return u.memory.limit / int64(u.lanes+1) }

// enqueue makes f ready, in front of the lane's others when it is tried again.
func (u *uploads) enqueue(f *file, front bool) {
	l := f.lane
	f.waiting = true
	if front {
		l.ready = slices.Insert(l.ready, 0, f)
	} else {
		l.ready = append(l.ready, f)
	}
	if !l.inRing {
		l.inRing = true
		u.ring = append(u.ring, l)
	}
	u.work.Signal()
}

// send stores what has been handed over of f: whole in one call, or part by part. done says
// that the object is durable; else more parts are to come.
func (u *uploads) send(f *file) (done bool, err error) {
	ctx := f.lane.ctx
	for {
		u.mu.Lock()
		closed, waiting := f.closed, len(f.parts)
		var part []byte
		if waiting > 0 {
			part = f.parts[0]
		}
		u.mu.Unlock()
		switch {
		case closed && waiting == 1 && f.upload == nil:
			if err := u.store.Put(ctx, f.key, part); err != nil {
				return false, err
			}
			u.partStored(f)
			return true, nil
		case waiting == 0 && closed:
			if err := f.upload.Complete(ctx); err != nil {
				return false, err
			}
			return true, nil
		case waiting == 0:
			return false, nil
		}
		if f.upload == nil {
			if f.upload, err = u.store.Create(ctx, f.key); err != nil {
				f.upload = nil
				return false, err
			}
		}
		if err := f.upload.Part(ctx, f.sent+1, part); err != nil {
			return false, err
		}
		f.sent++
		u.partStored(f)
	}
}

// partStored frees the first part's memory.
func (u *uploads) partStored(f *file) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f.dropped {
		return // with its memory
	}
	u.free(f.lane, f.parts[0])
	f.parts[0] = nil
	f.parts = f.parts[1:]
}

// free gives back the memory of a part. mu is held.
func (u *uploads) free(l *lane, part []byte) {
	l.pending -= weight(part)
	u.memory.release(weight(part))
	if l.paused && !l.gone && l.pending <= u.laneLimit()/2 {
		l.paused = false
		l.task.fetchAgain(l)
	}
}

// settle notes the outcome of send.
func (u *uploads) settle(f *file, done bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l := f.lane
	l.flying--
	f.flying = false
	switch {
	case f.dropped:
		if f.upload != nil {
			u.trash = append(u.trash, f)
		}
	case err == nil && done:
		f.done = true
		l.failing = false
		u.count(f)
		l.advance()
	case err == nil:
		if len(f.parts) > 0 || f.closed {
			u.enqueue(f, true)
		}
	case l.ctx.Err() != nil:
	case store.Permanent(err):
		l.refused = true
		u.fail(fmt.Errorf("writing topic %s partition %d from offset %d: %w", l.Topic, l.Partition, f.first, err))
	default:
		l.failing = true
		u.retry(f, err)
	}
	u.settled.Broadcast()
	u.work.Signal()
}

// count notes a durable object.
func (u *uploads) count(f *file) {
	c := u.written[f.lane.Topic]
	if c == nil {
		c = &Count{}
		u.written[f.lane.Topic] = c
	}
	c.Records += int64(f.records)
	c.Objects++
	c.Bytes += f.bytes
	u.metrics.records.Add(float64(f.records))
	u.metrics.objects.Inc()
	u.metrics.bytes.Add(float64(f.bytes))
	u.log.Debug("object written", "key", f.key, "records", f.records, "bytes", f.bytes)
}

// advance takes the finished beginning off the queue.
func (l *lane) advance() {
	n := 0
	for n < len(l.queue) && l.queue[n].done {
		l.queue[n] = nil
		n++
	}
	l.queue = l.queue[n:]
	if len(l.queue) == 0 {
		l.queue = nil
		l.task.signalIdle()
	}
}

// retry puts f in front of its lane again after the back-off.
func (u *uploads) retry(f *file, err error) {
	u.retries++
	u.metrics.retries.Inc()
	u.log.Warn("object not written, trying again", "topic", f.lane.Topic, "partition", f.lane.Partition,
		"offset", f.first, "key", f.key, "after", u.backoff, "err", err)
	time.AfterFunc(u.backoff, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if !f.dropped {
			u.enqueue(f, true)
		}
	})
}

// abort drops the parts of an upload that nobody wants. What it cannot drop is left to the
// bucket's lifecycle rule.
func (u *uploads) abort(f *file) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.lane.ctx), abortTimeout)
	defer cancel()
	if err := f.upload.Abort(ctx); err != nil {
		u.log.Warn("an unfinished upload is left behind", "key", f.key, "err", err)
	}
}

// drain waits until every closed file of the lanes is durable, a lane fails, or ctx ends. Without
// all, files that no worker has yet are not waited for: whoever owns the partition next reads
// their records again.
func (u *uploads) drain(ctx context.Context, lanes []*lane, all bool) {
	stop := context.AfterFunc(ctx, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.settled.Broadcast()
	})
	defer stop()
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, l := range lanes {
		if !all {
			l.ready = nil
			u.leaveRing(l)
		}
	}
	for _, l := range lanes {
		for l.underWay(all) && ctx.Err() == nil {
			u.settled.Wait()
		}
	}
}

// underWay says whether waiting brings more files of the lane to rest.
func (l *lane) underWay(all bool) bool {
	return l.flying > 0 || all && len(l.queue) > 0 && !l.failing && !l.refused
}

// drop takes f out of its lane without storing it. mu is held.
func (u *uploads) drop(f *file) {
	l := f.lane
	u.discard(f)
	l.queue = slices.DeleteFunc(l.queue, func(other *file) bool { return other == f })
	l.ready = slices.DeleteFunc(l.ready, func(other *file) bool { return other == f })
	if len(l.ready) == 0 {
		u.leaveRing(l)
	}
}

// discard frees what f holds, in memory and, with a worker's help, in the store. mu is held.
func (u *uploads) discard(f *file) {
	f.dropped = true
	for _, part := range f.parts {
		u.free(f.lane, part)
	}
	if f.upload != nil && !f.flying && !f.done {
		u.trash = append(u.trash, f)
		u.work.Signal()
	}
}

func (u *uploads) leaveRing(l *lane) {
	if l.inRing {
		l.inRing = false
		u.ring = slices.DeleteFunc(u.ring, func(other *lane) bool { return other == l })
	}
}

// forget ends a lane: nothing of it is stored or committed any more.
func (u *uploads) forget(l *lane) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l.gone = true
	l.cancel()
	for _, f := range l.queue {
		u.discard(f)
	}
	l.queue, l.ready = nil, nil
	u.leaveRing(l)
	u.settled.Broadcast()
}
