package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"headrace/kafkaclient"
)

// receiptWriter sends the receipts of one stream.
type receiptWriter struct {
	st       *recordStream
	w        io.Writer
	receipts *receipts
	notebook Notebook // or nil
	patience time.Duration

	slab   *slab // the one that is being answered
	at     int   // the slot in it
	out    []byte
	now    time.Time
	stored bool // a record has been stored, or may have been
	timer  *time.Timer
}

// newWriter makes the writer of a stream that has not begun to read.
func (st *recordStream) newWriter(w io.Writer, notebook Notebook) *receiptWriter {
	return &receiptWriter{
		st: st, w: w, receipts: newReceipts(st.cluster, st.topic), notebook: notebook,
		patience: st.h.producer.PatienceLimit(), slab: st.tail, out: borrowBuffer(receiptBytes)[:0], timer: time.NewTimer(time.Hour),
	}
}

// writeAll sends receipts until the reader has ended and all are out. It fails when the client is
// gone or reads nothing, or when ctx ends.
func (rw *receiptWriter) writeAll(ctx context.Context) error {
	defer rw.close()
	rw.now = time.Now()
	for {
		s := rw.next()
		if s != nil && (s.done.Load() || rw.now.Sub(s.read) > rw.patience) {
			rw.receipt(s)
			if len(rw.out) >= receiptBytes-1024 {
				if err := rw.send(); err != nil {
					return err
				}
			}
			continue
		}
		if s == nil && rw.finished() {
			return rw.send()
		}
		if err := rw.wait(ctx, s); err != nil {
			return err
		}
	}
}

// next returns the next slot that has been handed over, done or not; nil for none.
func (rw *receiptWriter) next() *slot {
	st := rw.st
	if st.handed.Load() == st.written.Load() {
		return nil
	}
	if rw.at == slabSlots {
		passed := rw.slab
		rw.slab, rw.at = passed.next.Load(), 0
		passed.release()
	}
	return &rw.slab.slots[rw.at]
}

func (rw *receiptWriter) finished() bool {
	return rw.st.ended.Load() && rw.st.handed.Load() == rw.st.written.Load()
}

// receipt writes the receipt of s, which is not to be used any more.
func (rw *receiptWriter) receipt(s *slot) {
	st := rw.st
	err := s.fault
	if err == nil {
		if err = kafkaclient.ErrUnknownOutcome; s.done.Load() {
			err = s.delivery.Ack.Err
		}
	}
	if err == nil || errors.Is(err, kafkaclient.ErrUnknownOutcome) {
		rw.stored = true
	}
	code := http.StatusOK
	if err == nil {
		rw.out = append(rw.out, `{"error_code":200,`...)
		rw.out = rw.receipts.appendStored(rw.out, s.delivery.Ack, s.delivery.Timestamp(), &s.key, &s.value)
		rw.out = append(rw.out, "}\r\n"...)
	} else {
		var message string
		code, message = receiptError(st.topic, err)
		rw.out = strconv.AppendInt(append(rw.out, `{"error_code":`...), int64(code), 10)
		rw.out = append(appendString(append(rw.out, `,"message":`...), message), "}\r\n"...)
	}
	if rw.notebook != nil {
		rw.notebook.NoteProduce(s.bytes, rw.now.Sub(s.read), notedCode(err, code))
	}
	rw.at++
	st.written.Add(1)
	if st.full.Load() && st.full.CompareAndSwap(true, false) {
		signal(st.room)
	}
}

// send sends what has been written.
func (rw *receiptWriter) send() error {
	if len(rw.out) == 0 {
		return nil
	}
	rw.st.clock.aboutToWrite()
	_, err := rw.w.Write(rw.out)
	rw.out = rw.out[:0]
	if err == nil {
		_ = rw.st.clock.conn.Flush() // a failure shows at the next Write
	}
	rw.st.clock.extend()
	return err
}

// wait sends what there is and waits until s is done, or, without s, until something follows.
func (rw *receiptWriter) wait(ctx context.Context, s *slot) error {
	// Kafka's client ends the records of a batch one after the other: more may be ready in a moment.
	runtime.Gosched()
	if rw.isReady(s) {
		return nil
	}
	if err := rw.send(); err != nil {
		return err
	}
	st := rw.st
	st.awaited.Store(st.written.Load())
	if rw.isReady(s) {
		st.awaited.Store(-1)
		return nil
	}
	rw.timer.Reset(rw.tick())
	select {
	case <-st.ready:
	case <-rw.timer.C:
		if s != nil {
			st.clock.extend() // the client waits for us
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	rw.now = time.Now()
	return nil
}

// isReady reports whether there is something to do: s is done, or, without s, the next slot or the end.
func (rw *receiptWriter) isReady(s *slot) bool {
	if s != nil {
		return s.done.Load()
	}
	return rw.finished() || rw.st.handed.Load() != rw.st.written.Load()
}

// tick is how often the writer looks at the time while it waits.
func (rw *receiptWriter) tick() time.Duration {
	if idle := rw.st.clock.idle; idle > 0 {
		return min(idle/4, time.Second)
	}
	return time.Second
}

// close leaves slots that were not passed to the ends of their records.
func (rw *receiptWriter) close() {
	rw.timer.Stop()
	returnBuffer(rw.out)
}

// abandon gives up the slabs that the writer has not passed. Neither reader nor writer may use
// the stream any more.
func (rw *receiptWriter) abandon() {
	for b := rw.slab; b != nil; {
		next := b.next.Load()
		b.release()
		b = next
	}
}
