package kinesisclient

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
)

// maxKeptBody is the largest buffer that is kept for the next request: 600-byte events and
// batches of some hundred of them fit.
const maxKeptBody = 1 << 20

var bodies = sync.Pool{New: func() any { return new(Body) }}

// Body is the JSON text of one call, in memory that serves one request after the other.
// The HTTP transport may go on reading it after a call has returned (an early answer, a
// cancelled request): Free therefore gives the memory back only when no reader is left.
type Body struct {
	Bytes []byte
	open  atomic.Int32 // readers handed to the transport and not yet closed by it
}

// NewBody returns an empty body. End its use with Free.
func NewBody() *Body { return bodies.Get().(*Body) }

// Free ends the use of b and of all slices of its Bytes.
func (b *Body) Free() {
	if b.open.Load() > 0 || cap(b.Bytes) > maxKeptBody {
		return // left to the garbage collector
	}
	b.Bytes = b.Bytes[:0]
	bodies.Put(b)
}

func (b *Body) reader() io.ReadCloser {
	r := &bodyReader{body: b}
	r.Reset(b.Bytes)
	b.open.Add(1)
	return r
}

type bodyReader struct {
	bytes.Reader
	body   *Body
	closed atomic.Bool
}

func (r *bodyReader) Close() error {
	if !r.closed.Swap(true) {
		r.body.open.Add(-1)
	}
	return nil
}
