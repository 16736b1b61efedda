package handlers

import (
	"context"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
)

// shortBody is a body that a stream reads to its end also while the server stops.
const shortBody = 1 << 20

// v3RecordRoutes adds the two routes that produce.
func (h *Handlers) v3RecordRoutes(r chi.Router) {
	const records = "/v3/clusters/{cluster_id}/topics/{topic_name}/records"
	h.resource(r, records, methods{post: h.v3(acceptsRecords, h.idempotent(h.v3Produce))})
	h.resource(r, records+":batch", methods{post: h.v3(acceptsJSONBody, h.idempotent(h.v3ProduceBatch))})
}

// acceptsRecords refuses what is no stream of JSON (contract: kafka-rest-v3.md §1.1).
func acceptsRecords(r *http.Request) error {
	mediaType, err := contentType(r)
	switch {
	case err != nil:
		return err
	case mediaType == "" && r.ContentLength == 0:
		return unprocessable(42206, "Payload error. Request body is empty. Data is required.")
	case mediaType == "":
		return badRequest("Cannot construct instance of `JsonStream`: Content-Type application/json is wanted")
	case mediaType != typeJSON:
		return errUnsupportedMediaType
	}
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset, given := params["charset"]; err == nil && given && !strings.EqualFold(charset, "UTF-8") && !strings.EqualFold(charset, "ISO-8859-1") {
		return badRequest(`Unsupported charset in Content-Type header. Supports "UTF-8" and "ISO-8859-1".`)
	}
	return nil
}

// v3Produce stores the records of the body, which are JSON objects one behind the other, and answers
// each with a receipt, in their order, while the body still arrives (contract: kafka-rest-v3.md §3).
// With an Idempotency-Key the body is read whole first.
func (h *Handlers) v3Produce(w http.ResponseWriter, r *http.Request) error {
	conn := http.NewResponseController(w)
	_ = conn.EnableFullDuplex() // HTTP/2 is so always
	clock := &streamClock{conn: conn, idle: h.cfg.IdleTimeout, grace: h.cfg.StreamGrace}
	if h.cfg.StreamMaxDuration > 0 {
		clock.last = time.Now().Add(h.cfg.StreamMaxDuration)
	}
	size := int64(blockBytes / 4)
	if r.ContentLength >= 0 {
		size = min(r.ContentLength, blockBytes)
	}
	st, err := h.newStream(r.Context(), pathParam(r, "cluster_id"), pathParam(r, "topic_name"), r.Body, int(size), clock)
	if err != nil {
		return err
	}
	if h.cfg.TraceHeaders {
		st.trace = traceOf(r)
	}
	if r.ContentLength < 0 || r.ContentLength > shortBody {
		h.streaming.add(clock)
		defer h.streaming.remove(clock)
	}
	w.Header()["Content-Type"] = jsonType
	if r.ContentLength < 0 && r.Header.Get("Expect") == "" { // the first read answers that
		w.WriteHeader(http.StatusOK)
		_ = conn.Flush()
	}
	st.run(r.Context(), w)
	return nil
}

// run reads and answers until both are done.
func (st *recordStream) run(ctx context.Context, w http.ResponseWriter) {
	// A read that times out cancels the request's context, but the receipts are still owed. Once the
	// body has been read the context says that the client has left.
	request := ctx
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(request))
	defer cancel(nil)
	defer context.AfterFunc(request, func() {
		if st.clock.whole.Load() {
			cancel(context.Cause(request))
		}
	})()
	writer := st.newWriter(w, notebookOf(w))
	answered := make(chan error, 1)
	go func() {
		err := writer.writeAll(ctx)
		if err != nil {
			cancel(err)
			st.clock.stop()
		}
		answered <- err
	}()
	st.readAll(ctx)
	if err := <-answered; err == nil {
		_ = st.clock.conn.SetWriteDeadline(time.Time{})
		if writer.stored {
			keepAnswer(w)
		}
	}
	writer.abandon()
}

// openStreams are the clocks of the streams that the server must end when it stops.
type openStreams struct {
	mu       sync.Mutex
	stopping bool
	clocks   map[*streamClock]struct{}
}

func (o *openStreams) add(c *streamClock) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopping {
		c.stop()
		return
	}
	if o.clocks == nil {
		o.clocks = map[*streamClock]struct{}{}
	}
	o.clocks[c] = struct{}{}
}

func (o *openStreams) remove(c *streamClock) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.clocks, c)
}

// EndStreams lets no stream of records read any further: what has been read is stored and answered,
// then the streams end. Call it when the server begins to stop.
func (h *Handlers) EndStreams() {
	h.streaming.mu.Lock()
	defer h.streaming.mu.Unlock()
	h.streaming.stopping = true
	for c := range h.streaming.clocks {
		c.stop()
	}
}
