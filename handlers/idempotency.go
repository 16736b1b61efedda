package handlers

import (
	"bytes"
	fifo "container/list"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"headrace/kafkaclient"
	"headrace/record"
)

// maxIdempotencyKey is the longest Idempotency-Key.
const maxIdempotencyKey = 255

// answerCost is what a kept answer takes beside its key and its bytes.
const answerCost = 512

// Answers of requests with an Idempotency-Key that are not repeated as they were.
var (
	errKeyReused     = unprocessable(http.StatusUnprocessableEntity, "Idempotency-Key was used with another request: a key of its own for each request is wanted")
	errAnswerTooLong = &apiError{http.StatusConflict, http.StatusConflict, "the request with this Idempotency-Key has been done; its answer was too long to be kept"}
)

// answerStore keeps the answers to requests with an Idempotency-Key, so that a request that is sent
// again writes nothing again. It is bounded in time and bytes: when it is full the oldest answers go.
type answerStore struct {
	window time.Duration
	max    int64 // bytes

	mu    sync.Mutex
	used  int64
	byKey map[string]*fifo.Element // of *keptAnswer
	order *fifo.List               // oldest first
}

// keptAnswer is what was answered to the request with a key, or will be.
type keptAnswer struct {
	key   string
	sum   [sha256.Size]byte // of the request
	ready chan struct{}     // closed once the answer is there, or there will be none

	done    bool // the rest is valid
	until   time.Time
	status  int
	header  http.Header
	body    []byte
	tooLong bool
}

func newAnswerStore(window time.Duration, bytes int64) *answerStore {
	return &answerStore{window: window, max: bytes, byKey: map[string]*fifo.Element{}, order: fifo.New()}
}

// claim returns the answer to the request with this key and sum, waiting while it is being made.
// mine says that it is the caller's to make: settle must follow.
// It fails with errKeyReused, errBusy when the store is full of requests under way, or ctx's error.
func (s *answerStore) claim(ctx context.Context, key string, sum [sha256.Size]byte) (a *keptAnswer, mine bool, err error) {
	for {
		a, mine, err := s.find(key, sum, time.Now())
		if mine || err != nil {
			return a, mine, err
		}
		select {
		case <-a.ready:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
		if a.done {
			return a, false, nil
		}
	}
}

// find returns what is kept under a key, or a new place for it.
func (s *answerStore) find(key string, sum [sha256.Size]byte, now time.Time) (a *keptAnswer, mine bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evict(now, 0)
	if e, ok := s.byKey[key]; ok {
		a := e.Value.(*keptAnswer)
		if a.sum != sum {
			return nil, false, errKeyReused
		}
		return a, false, nil
	}
	cost := int64(len(key)) + answerCost
	if s.evict(now, cost); s.used+cost > s.max {
		return nil, false, errBusy
	}
	a = &keptAnswer{key: key, sum: sum, ready: make(chan struct{})}
	s.byKey[key] = s.order.PushBack(a)
	s.used += cost
	return a, true, nil
}

// settle ends a claim: with an answer, which is kept from now on, or with nil, for none.
func (s *answerStore) settle(a *keptAnswer, got *answerRecorder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(a.ready)
	e := s.byKey[a.key]
	if got == nil {
		s.drop(e)
		return
	}
	now := time.Now()
	a.done, a.until, a.status, a.header = true, now.Add(s.window), got.status, got.header
	s.order.MoveToBack(e)
	size := int64(got.body.Len())
	s.evict(now, size)
	if a.tooLong = got.spilled || s.used+size > s.max; !a.tooLong {
		a.body = bytes.Clone(got.body.Bytes())
		s.used += size
	}
}

// evict drops answers that are too old and, to have room for so many bytes more, the oldest.
func (s *answerStore) evict(now time.Time, room int64) {
	for e := s.order.Front(); e != nil; {
		next := e.Next()
		a := e.Value.(*keptAnswer)
		if a.done && (now.After(a.until) || s.used+room > s.max) {
			s.drop(e)
		} else if a.done {
			return
		}
		e = next
	}
}

func (s *answerStore) drop(e *fifo.Element) {
	a := s.order.Remove(e).(*keptAnswer)
	delete(s.byKey, a.key)
	s.used -= int64(len(a.key)) + answerCost + int64(len(a.body))
}

// hasIdempotencyKey reports whether the answer to r is to be kept.
func (h *Handlers) hasIdempotencyKey(r *http.Request) bool {
	return len(r.Header["Idempotency-Key"]) > 0 && h.cfg.IdempotencyWindow > 0
}

// idempotent makes fn heed an Idempotency-Key.
func (h *Handlers) idempotent(fn func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !h.hasIdempotencyKey(r) {
			return fn(w, r)
		}
		return h.once(w, r, fn)
	}
}

// once answers r, which has an Idempotency-Key, with fn, or, if an equal request with the same key was
// answered within the window, with that answer. fn goes on when the client leaves, so that the client's
// next try finds the answer. What fn answers is kept when it calls keepAnswer.
func (h *Handlers) once(w http.ResponseWriter, r *http.Request, fn func(http.ResponseWriter, *http.Request) error) error {
	keys := r.Header["Idempotency-Key"]
	if len(keys) != 1 || keys[0] == "" || len(keys[0]) > maxIdempotencyKey {
		return badRequest("Idempotency-Key must be one header of 1 to %d characters", maxIdempotencyKey)
	}
	b, err := readBody(r, h.budget, h.cfg.MaxRequestBytes)
	if err != nil {
		return err
	}
	defer b.release()
	a, mine, err := h.answers.claim(r.Context(), keys[0], requestSum(r, b.bytes))
	switch {
	case err != nil:
		return err
	case !mine && a.tooLong:
		return errAnswerTooLong
	case !mine:
		w.Header().Set("Idempotent-Replayed", "true")
		return writeKept(w, a.status, a.header, a.body)
	}
	got := &answerRecorder{w: w, notebook: notebookOf(w), header: http.Header{}, max: int(h.answers.max / 2)}
	var kept *answerRecorder
	defer func() { h.answers.settle(a, kept) }()
	again := r.WithContext(context.WithoutCancel(r.Context()))
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(b.bytes)), int64(len(b.bytes))
	if err := fn(got, again); err != nil {
		return err
	}
	if got.keep {
		kept = got
	}
	if got.spilled {
		return nil
	}
	return writeKept(w, got.status, got.header, got.body.Bytes())
}

func writeKept(w http.ResponseWriter, status int, header http.Header, body []byte) error {
	maps.Copy(w.Header(), header)
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone cannot be told
	return nil
}

// requestSum tells requests apart: two with the same sum want the same.
func requestSum(r *http.Request, body []byte) (sum [sha256.Size]byte) {
	hash := sha256.New()
	for _, part := range []string{r.Method, r.URL.Path, r.Header.Get("Content-Type")} {
		_, _ = io.WriteString(hash, part)
		_, _ = hash.Write([]byte{0})
	}
	_, _ = hash.Write(body)
	hash.Sum(sum[:0])
	return sum
}

// answerRecorder is a ResponseWriter that holds an answer back, to be kept. One that is longer than max is
// passed on while it is made.
type answerRecorder struct {
	w        http.ResponseWriter
	notebook Notebook // or nil
	header   http.Header
	status   int
	body     bytes.Buffer
	max      int
	spilled  bool
	keep     bool
}

// keepAnswer says that the request has, or may have, written something: the answer to its
// Idempotency-Key, if there is one, stays.
func keepAnswer(w http.ResponseWriter) {
	if a, ok := w.(*answerRecorder); ok {
		a.keep = true
	}
}

// keepAnswerOf is keepAnswer unless all records have failed for good.
func keepAnswerOf(w http.ResponseWriter, acks []record.Ack) {
	a, ok := w.(*answerRecorder)
	for i := 0; ok && i < len(acks); i++ {
		a.keep = a.keep || acks[i].Err == nil || errors.Is(acks[i].Err, kafkaclient.ErrUnknownOutcome)
	}
}

func (a *answerRecorder) Header() http.Header { return a.header }

func (a *answerRecorder) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answerRecorder) Write(b []byte) (int, error) {
	if !a.spilled && a.body.Len()+len(b) <= a.max {
		return a.body.Write(b)
	}
	if !a.spilled {
		a.spilled = true
		_ = writeKept(a.w, a.status, a.header, a.body.Bytes())
		a.body = bytes.Buffer{}
	}
	return a.w.Write(b)
}

// NoteErrorCode passes a note on.
func (a *answerRecorder) NoteErrorCode(code int) {
	if a.notebook != nil {
		a.notebook.NoteErrorCode(code)
	}
}

// NoteProduce passes a note on.
func (a *answerRecorder) NoteProduce(bytes int, took time.Duration, code int) {
	if a.notebook != nil {
		a.notebook.NoteProduce(bytes, took, code)
	}
}
