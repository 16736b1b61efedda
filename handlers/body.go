package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// budgetWait is how long a request waits for room in the budget before it is told to come
// back: long enough for the bodies before it, short enough for API Gateway's 29 s.
const budgetWait = 2 * time.Second

// maxDrained is the most of a refused body that is read and thrown away, so that the client,
// still sending, can read the answer instead of a broken connection.
const maxDrained = 64 << 20

// errBusy says that the requests under way hold all the memory they may.
var errBusy = errors.New("the server's memory for requests under way is used up: try again")

// tooLargeError says that a body is over the limit.
type tooLargeError struct{ limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the request takes more than %d bytes, body and records together: send fewer records at once, or raise headrace.max.request.bytes and headrace.memory.budget.bytes", e.limit)
}

// brokenBodyError says that a body could not be read to its end.
type brokenBodyError struct{ cause error }

func (e *brokenBodyError) Error() string {
	return "reading the request body: " + e.cause.Error()
}

func (e *brokenBodyError) Unwrap() error { return e.cause }

// Budget bounds the bytes that all requests under way hold together. Make it with NewBudget.
type Budget struct {
	size int64
	free *semaphore.Weighted
}

// NewBudget returns a budget of so many bytes.
func NewBudget(bytes int64) *Budget {
	return &Budget{size: bytes, free: semaphore.NewWeighted(bytes)}
}

// acquire takes n bytes, waiting a little for them. It fails with errBusy.
func (b *Budget) acquire(ctx context.Context, n int64) error {
	if b.free.TryAcquire(n) {
		return nil
	}
	if n > b.size {
		return errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, budgetWait)
	defer cancel()
	if b.free.Acquire(ctx, n) != nil {
		return errBusy
	}
	return nil
}

// body is a request body in memory, paid for from the budget.
type body struct {
	bytes   []byte
	buffer  []byte // what bytes is a part of
	budget  *Budget
	charged int64 // bytes paid for
	spare   int64 // of these, for what will be made of the body
}

// grow charges n more bytes to the body, for what is made of it.
func (b *body) grow(n int64) error {
	if n <= b.spare {
		b.spare -= n
		return nil
	}
	if b.charged+n > b.budget.size {
		return &tooLargeError{b.budget.size}
	}
	if !b.budget.free.TryAcquire(n) {
		return errBusy
	}
	b.charged += n
	return nil
}

// release gives the memory back. The bytes must not be used any more.
func (b *body) release() {
	returnBuffer(b.buffer)
	b.abandon()
}

// abandon gives back the budget alone: somebody may still be reading the bytes.
func (b *body) abandon() {
	b.budget.free.Release(b.charged)
	b.bytes, b.buffer, b.charged, b.spare = nil, nil, 0, 0
}

// readBody reads the body of r, of limit bytes at most, within the budget. It fails with
// *tooLargeError, errBusy or *brokenBodyError, and has then read the rest away.
func readBody(r *http.Request, budget *Budget, limit int64) (*body, error) {
	limit = min(limit, budget.size)
	b := &body{budget: budget}
	err := b.read(r, limit)
	if err == nil {
		return b, nil
	}
	b.release()
	var broken *brokenBodyError
	if !errors.As(err, &broken) {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrained) // as far as it goes
	}
	return nil, err
}

func (b *body) read(r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		return &tooLargeError{limit}
	}
	if r.ContentLength >= 0 {
		// As much again is paid for what is made of the body: whoever has been let in and has
		// sent it all should not fail for want of that.
		b.spare = min(r.ContentLength, b.budget.size-r.ContentLength)
		if err := b.charge(r.Context(), r.ContentLength); err != nil {
			return err
		}
		n, err := io.ReadFull(r.Body, b.buffer[:r.ContentLength])
		b.bytes = b.buffer[:n]
		if err != nil && r.ContentLength > 0 {
			return &brokenBodyError{err}
		}
		return nil
	}
	return b.readChunked(r, limit)
}

// readChunked reads a body of unknown length into a buffer that doubles.
func (b *body) readChunked(r *http.Request, limit int64) error {
	size := int64(64 << 10)
	for {
		if err := b.charge(r.Context(), min(size, limit)+1); err != nil {
			return err
		}
		read := len(b.bytes)
		n, err := io.ReadFull(r.Body, b.buffer[read:min(size, limit)+1])
		b.bytes = b.buffer[:read+n]
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return &brokenBodyError{err}
		case int64(len(b.bytes)) > limit:
			return &tooLargeError{limit}
		}
		size *= 2
	}
}

// charge makes the buffer at least n bytes and pays for them.
func (b *body) charge(ctx context.Context, n int64) error {
	if err := b.budget.acquire(ctx, n+b.spare-b.charged); err != nil {
		return err
	}
	b.charged = n + b.spare
	old := b.buffer
	b.buffer = borrowBuffer(int(n))
	copy(b.buffer, b.bytes)
	b.bytes = b.buffer[:len(b.bytes)]
	returnBuffer(old)
	return nil
}

// Buffers are kept by size, in powers of two from 4 KiB to 1 MiB; larger ones are rare and
// left to the garbage collector.
const (
	smallestBuffer = 12
	largestBuffer  = 20
)

var buffers [largestBuffer + 1]sync.Pool

// bufferSize is the size of the buffer that borrowBuffer returns for n bytes.
func bufferSize(n int) int {
	if class := max(bits.Len(uint(max(n, 1)-1)), smallestBuffer); class <= largestBuffer {
		return 1 << class
	}
	return n
}

// borrowBuffer returns a buffer of at least n bytes, with anything in it.
func borrowBuffer(n int) []byte {
	class := max(bits.Len(uint(max(n, 1)-1)), smallestBuffer)
	if class > largestBuffer {
		return make([]byte, n)
	}
	if p, _ := buffers[class].Get().(*[]byte); p != nil {
		return *p
	}
	return make([]byte, 1<<class)
}

func returnBuffer(b []byte) {
	class := bits.Len(uint(cap(b))) - 1
	if class < smallestBuffer || class > largestBuffer || cap(b) != 1<<class {
		return
	}
	b = b[:cap(b)]
	buffers[class].Put(&b)
}
