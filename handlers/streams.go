package handlers

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/go-chi/chi/v5"

	"headrace/kinesisclient"
)

// Streams answers the six Kinesis routes. They replace methods of API Gateway that were made
// by hand: each request becomes one call of Kinesis, and the answer is the service's own JSON.
type Streams struct {
	client   *kinesisclient.Client
	log      *slog.Logger
	status   statusMode
	maxBytes int64   // of one body
	budget   *Budget // of all of them and of what is made of them

	complained atomic.Int64 // Unix seconds of the last warning
}

// NewStreams returns the Kinesis routes over client. budget is shared with the other readers
// of bodies.
func NewStreams(client *kinesisclient.Client, cfg Config, budget *Budget, log *slog.Logger) *Streams {
	return &Streams{
		client: client, log: log, status: statusMode(cfg.KinesisErrorStatus),
		maxBytes: cfg.KinesisMaxRequestBytes, budget: budget,
	}
}

// mount adds the routes to r, all below /streams. A path with a slash at its end is the path
// without it.
func (s *Streams) mount(r chi.Router) {
	r.Route("/streams", func(r chi.Router) {
		r.Use(dropLastSlash)
		r.NotFound(s.notFound)
		r.MethodNotAllowed(s.methodNotAllowed)
		r.Get("/", s.handle(s.list))
		r.Get("/{stream}", s.handle(s.describe))
		r.Post("/{stream}", s.handle(s.create))
		r.Delete("/{stream}", s.handle(s.remove))
		r.Put("/{stream}/record", s.handle(s.putRecord))
		r.Post("/{stream}/record", s.handle(s.putRecord))
		r.Put("/{stream}/records", s.handle(s.putRecords))
		r.Post("/{stream}/records", s.handle(s.putRecords))
	})
}

// dropLastSlash makes /streams/s1/ the same route as /streams/s1.
func dropLastSlash(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := chi.RouteContext(r.Context())
		if n := len(route.RoutePath); n > 1 && route.RoutePath[n-1] == '/' {
			route.RoutePath = route.RoutePath[:n-1]
		}
		next.ServeHTTP(w, r)
	})
}

// notFound answers a path below /streams that is no route.
func (s *Streams) notFound(w http.ResponseWriter, r *http.Request) {
	s.writeError(w, r, &streamError{
		http.StatusNotFound, "UnknownOperationException",
		"no such route: there are /streams, /streams/{stream}, /streams/{stream}/record and /streams/{stream}/records",
	})
}

// methodNotAllowed answers a route below /streams that does not take the request's method.
func (s *Streams) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	allow := "GET"
	switch strings.Count(chi.RouteContext(r.Context()).RoutePath, "/") {
	case 1:
		if chi.RouteContext(r.Context()).RoutePath != "/" {
			allow = "GET, POST, DELETE"
		}
	default:
		allow = "PUT, POST"
	}
	w.Header().Set("Allow", allow)
	s.writeError(w, r, &streamError{
		http.StatusMethodNotAllowed, "UnknownOperationException", r.Method + " is no method of this route: it takes " + allow,
	})
}

// handle answers a request with fn's success or with its error.
func (s *Streams) handle(fn func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := fn(w, r); err != nil {
			s.writeError(w, r, err)
		}
	}
}

// list answers GET /streams.
func (s *Streams) list(w http.ResponseWriter, r *http.Request) error {
	body := kinesisclient.NewBody()
	defer body.Free()
	var err error
	if body.Bytes, err = appendListStreams(body.Bytes, r.URL); err != nil {
		return err
	}
	return s.relay(w, r, kinesisclient.OpListStreams, body)
}

// describe answers GET /streams/{stream}.
func (s *Streams) describe(w http.ResponseWriter, r *http.Request) error {
	name, err := streamName(r)
	if err != nil {
		return err
	}
	body := kinesisclient.NewBody()
	defer body.Free()
	if body.Bytes, err = appendDescribeStream(body.Bytes, name, r.URL); err != nil {
		return err
	}
	return s.relay(w, r, kinesisclient.OpDescribeStream, body)
}

// remove answers DELETE /streams/{stream}: 200 without a body, when the deletion has begun.
func (s *Streams) remove(w http.ResponseWriter, r *http.Request) error {
	name, err := streamName(r)
	if err != nil {
		return err
	}
	body := kinesisclient.NewBody()
	defer body.Free()
	if body.Bytes, err = appendDeleteStream(body.Bytes, name, r.URL); err != nil {
		return err
	}
	answer, err := s.call(r, kinesisclient.OpDeleteStream, body)
	if err != nil {
		return err
	}
	s.log.Info("stream deleted", "stream", name)
	writeAnswer(w, answer.RequestID, nil) // some servers answer {}, Amazon nothing
	return nil
}

// create answers POST /streams/{stream}: 200 without a body, when the creation has begun.
func (s *Streams) create(w http.ResponseWriter, r *http.Request) error {
	name, err := streamName(r)
	if err != nil {
		return err
	}
	in, err := s.read(r)
	if err != nil {
		return err
	}
	defer in.release()
	body := kinesisclient.NewBody()
	defer body.Free()
	var shards int64
	if body.Bytes, shards, err = appendCreateStream(body.Bytes, name, in.bytes); err != nil {
		return err
	}
	answer, err := s.call(r, kinesisclient.OpCreateStream, body)
	if err != nil {
		return err
	}
	// A stream's shards cost money by the hour, and five of them come without being asked for.
	s.log.Info("stream created", "stream", name, "shards", shards)
	writeAnswer(w, answer.RequestID, nil) // some servers answer {}, Amazon nothing
	return nil
}

// putRecord answers PUT and POST /streams/{stream}/record.
func (s *Streams) putRecord(w http.ResponseWriter, r *http.Request) error {
	name, err := streamName(r)
	if err != nil {
		return err
	}
	in, err := s.read(r)
	if err != nil {
		return err
	}
	defer in.release()
	body := kinesisclient.NewBody()
	defer body.Free()
	if body.Bytes, err = appendPutRecord(body.Bytes, name, in.bytes); err != nil {
		return err
	}
	return s.relay(w, r, kinesisclient.OpPutRecord, body)
}

// putRecords answers PUT and POST /streams/{stream}/records.
func (s *Streams) putRecords(w http.ResponseWriter, r *http.Request) error {
	name, err := streamName(r)
	if err != nil {
		return err
	}
	in, err := s.read(r)
	if err != nil {
		return err
	}
	defer in.release()
	body := kinesisclient.NewBody()
	defer body.Free()
	d := batchDecoder{batch: &kinesisclient.Batch{Body: body}, keys: s.client.Ordered(), limit: kinesisclient.MaxRecords}
	if s.client.Split() {
		d.limit = maxSplitRecords
	}
	if err := d.decode(name, in.bytes); err != nil {
		return err
	}
	if err := in.grow(int64(len(d.batch.Entries)) * resultBytes); err != nil {
		return err
	}
	if err := s.client.Admit(); err != nil {
		return err
	}
	defer s.client.Leave()
	answer, err := s.client.PutRecords(r.Context(), d.batch)
	if err != nil {
		return err
	}
	writeAnswer(w, answer.RequestID, answer.Body)
	return nil
}

// relay asks Kinesis and answers with what it answers.
func (s *Streams) relay(w http.ResponseWriter, r *http.Request, op string, body *kinesisclient.Body) error {
	answer, err := s.call(r, op, body)
	if err != nil {
		return err
	}
	writeAnswer(w, answer.RequestID, answer.Body)
	return nil
}

// call makes a call as one of the requests that may be under way.
func (s *Streams) call(r *http.Request, op string, body *kinesisclient.Body) (*kinesisclient.Answer, error) {
	if err := s.client.Admit(); err != nil {
		return nil, err
	}
	defer s.client.Leave()
	return s.client.Call(r.Context(), op, body)
}

// read returns the request's body, which must be JSON by its media type or be empty, and
// charges the budget for what will be made of it.
func (s *Streams) read(r *http.Request) (*body, error) {
	if mediaType := r.Header.Get("Content-Type"); r.ContentLength != 0 && !isJSON(mediaType) {
		return nil, &streamError{
			http.StatusUnsupportedMediaType, "UnsupportedMediaType",
			"media type " + quoteShort(mediaType) + " is not read: send application/json",
		}
	}
	limit := min(s.maxBytes, s.budget.size/(1+encodedFactor)) // a larger one would never find room
	in, err := readBody(r, s.budget, limit)
	if err != nil {
		return nil, err
	}
	if err := in.grow(int64(len(in.bytes)) * encodedFactor); err != nil {
		in.release()
		return nil, err
	}
	return in, nil
}

// encodedFactor bounds how many times longer than the client's body the upstream's is:
// base64 makes 4 bytes of 3, and the shortest record, {"data":1,"PartitionKey":1}, grows by a third.
const encodedFactor = 2

// isJSON tells whether a body of the media type is read as JSON.
func isJSON(mediaType string) bool {
	if mediaType == "" || mediaType == "application/json" {
		return true
	}
	name, _, _ := strings.Cut(mediaType, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	kind, sub, ok := strings.Cut(name, "/")
	return name == "application/json" || name == "application/x-amz-json-1.1" ||
		ok && kind != "" && len(sub) > len("+json") && strings.HasSuffix(sub, "+json")
}

// streamName returns the path's {stream}, decoded and checked.
func streamName(r *http.Request) (string, error) {
	name := pathParam(r, "stream")
	return name, checkStreamName(name, "streamName")
}

// checkStreamName holds a name to the service's rule, [a-zA-Z0-9_.-]{1,128}.
func checkStreamName(name, where string) error {
	if name == "" {
		return violation(name, where, "have length greater than or equal to 1")
	}
	if len(name) > 128 {
		return violation(name, where, "have length less than or equal to 128")
	}
	for i := range len(name) {
		c := name[i]
		if c-'a' < 26 || c-'A' < 26 || c-'0' < 10 || c == '_' || c == '.' || c == '-' {
			continue
		}
		return violation(name, where, "satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	}
	return nil
}

// Values of headers that all answers share; nobody writes to them.
var jsonType = []string{"application/json"}

// requestIDHeader is Amazon's header for the id of a call.
const requestIDHeader = "X-Amzn-Requestid"

// writeAnswer answers 200 with text, which may be empty.
func writeAnswer(w http.ResponseWriter, requestID string, text []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if requestID == "" {
		requestID = ownRequestID(w)
	}
	h[requestIDHeader] = []string{requestID}
	if len(text) == 0 {
		h["Content-Length"] = []string{"0"}
	}
	w.WriteHeader(http.StatusOK)
	// The client may be gone: there is nobody left to tell.
	_, _ = w.Write(text)
}

// warnEvery is the fewest seconds between two warnings: while Kinesis is away, each request fails.
const warnEvery = 1

// warn logs a failure that is not the client's.
func (s *Streams) warn(w http.ResponseWriter, r *http.Request, err error, now int64) {
	last := s.complained.Load()
	if now-last >= warnEvery && s.complained.CompareAndSwap(last, now) {
		s.log.Warn("kinesis request failed", "method", r.Method, "path", r.URL.Path,
			"request_id", w.Header().Get("X-Request-Id"), "err", err)
	}
}
