package handlers

import (
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"headrace/kafkaclient"
	"headrace/schema"
)

// Handlers answers the routes of the REST v2 API and of Kinesis. Make it with New.
type Handlers struct {
	cfg       Config
	producer  *kafkaclient.Producer
	admin     *kafkaclient.Admin
	streams   *Streams
	consumers *Consumers // nil: no such routes
	schemas   *schema.Schemas
	budget    *Budget
	log       *slog.Logger
	produces  sync.Pool // of *produceRequest

	slabs     sync.Pool // of *slab
	limits    *recordLimits
	streaming openStreams
	answers   *answerStore
}

// New returns the handlers of all routes. budget is shared with whoever else reads bodies;
// streams nil leaves the Kinesis routes out.
func New(cfg Config, producer *kafkaclient.Producer, admin *kafkaclient.Admin, streams *Streams, schemas *schema.Schemas, budget *Budget, log *slog.Logger) *Handlers {
	h := &Handlers{cfg: cfg, producer: producer, admin: admin, streams: streams, schemas: schemas, budget: budget, log: log}
	h.produces.New = func() any { return new(produceRequest) }
	h.slabs.New = func() any { return newSlab(&h.slabs) }
	h.limits = newRecordLimits(cfg)
	h.answers = newAnswerStore(cfg.IdempotencyWindow, cfg.IdempotencyBytes)
	return h
}

// WithConsumers adds the routes of consumer instances. Call it before Routes.
func (h *Handlers) WithConsumers(c *Consumers) { h.consumers = c }

// Routes adds every route, in the order of the contract.
func (h *Handlers) Routes(r chi.Router) {
	r.NotFound(h.NotFound)
	r.MethodNotAllowed(h.methodNotAllowed)
	if h.cfg.V2 {
		h.resource(r, "/", methods{get: h.v2(acceptsV2Body, h.root), post: h.v2(acceptsV2Body, h.postRoot)})
		h.resource(r, "/brokers", methods{get: h.v2(acceptsAnyBody, h.brokers)})
		h.resource(r, "/topics", methods{get: h.v2(acceptsV2Body, h.topics)})
		h.resource(r, "/topics/{topic}", methods{get: h.v2(acceptsV2Body, h.topic), post: h.v2(acceptsEmbedded, h.produce)})
		h.resource(r, "/topics/{topic}/partitions", methods{get: h.v2(acceptsV2Body, h.partitions)})
		h.resource(r, "/topics/{topic}/partitions/{partition}", methods{get: h.v2(acceptsV2Body, h.partition), post: h.v2(acceptsEmbedded, h.produce)})
		h.resource(r, "/topics/{topic}/partitions/{partition}/offsets", methods{get: h.v2(acceptsV2Body, h.offsets)})
		if h.consumers != nil {
			h.consumers.mount(h, r)
		}
	}
	if h.cfg.V3 {
		h.v3Routes(r)
	}
	if h.streams == nil {
		return
	}
	h.streams.mount(r)
	if base := strings.TrimSuffix(h.cfg.KinesisBasePath, "/"); base != "" {
		r.Route(base, h.streams.mount)
	}
}

// methods are what one path can do; nil is a 405.
type methods struct{ get, post, put, patch, delete http.HandlerFunc }

// resource adds a path with HEAD and OPTIONS, as the reference has them everywhere.
func (h *Handlers) resource(r chi.Router, path string, m methods) {
	var allow []string
	for _, can := range []struct {
		method  string
		handler http.HandlerFunc
	}{
		{http.MethodHead, m.get},
		{http.MethodPost, m.post},
		{http.MethodGet, m.get},
		{http.MethodPut, m.put},
		{http.MethodPatch, m.patch},
		{http.MethodDelete, m.delete},
	} {
		if can.handler != nil {
			r.Method(can.method, path, can.handler)
			allow = append(allow, can.method)
		}
	}
	allow = append(allow, http.MethodOptions)
	r.Options(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", strings.Join(allow, ","))
		writeBody(w, http.StatusOK, "text/plain", []byte(strings.Join(allow, ", ")))
	})
}

// v2 answers a call with fn once its Content-Type passes accepts and its Accept header can
// be met: the one way out for errors of the v2 API. fn gets the answer's Content-Type.
func (h *Handlers) v2(accepts func(*http.Request) error, fn func(http.ResponseWriter, *http.Request, string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := accepts(r); err != nil {
			h.writeError(w, r, h.errorType(r), err)
			return
		}
		answer, err := acceptV2(r)
		if err != nil {
			h.writeError(w, r, "", err)
			return
		}
		if err := fn(w, r, answer); err != nil {
			h.writeError(w, r, answer, err)
		}
	}
}

func acceptsAnyBody(*http.Request) error { return nil }

func acceptsEmbedded(r *http.Request) error {
	_, err := embeddedFormat(r)
	return err
}

// NotFound answers a path that no route has.
func (h *Handlers) NotFound(w http.ResponseWriter, r *http.Request) {
	if other := otherConfigs.FindStringSubmatch(r.URL.Path); h.cfg.V3 && other != nil {
		h.writeError(w, r, typeJSON, badWord("Type", other[1]))
		return
	}
	h.writeError(w, r, "", errNotFound)
}

// methodNotAllowed answers a path that some route has, with another method. The router calls it
// for methods that it does not know, whatever the path: that may be a 404 all the same.
// Allow, which RFC 9110 demands, is more than the reference says.
func (h *Handlers) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	allow := allowed(r)
	if len(allow) == 0 {
		h.NotFound(w, r)
		return
	}
	w.Header().Set("Allow", strings.Join(allow, ","))
	h.writeError(w, r, "", errMethodNotAllowed)
}

// allowed lists the methods that routes have for the path of r.
func allowed(r *http.Request) (methods []string) {
	routes := chi.RouteContext(r.Context()).Routes
	path := r.URL.EscapedPath()
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodGet, http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if routes.Match(chi.NewRouteContext(), method, path) {
			methods = append(methods, method)
		}
	}
	return methods
}

// pathParam returns a variable of the path, decoded.
func pathParam(r *http.Request, name string) string {
	value := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return value // the path was matched decoded
	}
	if decoded, err := url.PathUnescape(value); err == nil {
		return decoded
	}
	return value
}

// partitionParam returns the partition in the path. Text that is no 32-bit integer is a 404,
// as in the reference.
func partitionParam(r *http.Request) (int32, error) {
	id, err := strconv.ParseInt(pathParam(r, "partition"), 10, 32)
	if err != nil {
		return 0, errNotFound
	}
	return int32(id), nil
}
