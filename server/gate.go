package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"headrace/handlers"
)

// streamEndpoint may go on for as long as its client sends: no clock runs for it.
const streamEndpoint = "api.v3.produce.produce-to-topic"

// gated is what a request of the API passes once its route is known: lists of endpoints, the login,
// the limit of permits, a place among those that run, and its deadline. The order is the reference's.
func (d *door) gated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(w)
		if x.let { // by the same gate, on the way to a part of the router
			next.ServeHTTP(w, r)
			return
		}
		e := d.asked(r)
		x.endpoint, x.asked = e, true
		if d.server.cfg.Access.Blocks(e.Name) && r.Method != http.MethodOptions {
			d.api.Blocked(w, r)
			return
		}
		if !d.loggedIn(w, r, x) || !d.permitted(w, r, x, e) {
			return
		}
		streams := e.Name == streamEndpoint || strings.Contains(r.Header.Get("Accept"), "text/event-stream")
		if !streams {
			leave, ok := d.server.running.enter(r.Context())
			if !ok {
				refuse(w, r, http.StatusServiceUnavailable, "")
				return
			}
			defer leave()
			if why := d.overdue(r, x); why != nil {
				ctx, cancel := context.WithTimeoutCause(r.Context(), why.after, why)
				defer cancel()
				if r.ContentLength != 0 {
					_ = http.NewResponseController(w).SetReadDeadline(x.started.Add(why.after + time.Second))
				}
				r = r.WithContext(ctx)
			}
		}
		x.let = true
		next.ServeHTTP(w, r)
	})
}

// asked is the endpoint that a request asks for.
func (d *door) asked(r *http.Request) handlers.Endpoint {
	route := routePattern(r)
	if strings.HasSuffix(route, "/*") { // the way on is not known yet
		path := r.URL.RawPath
		if path == "" {
			path = r.URL.Path
		}
		if len(path) > 1 {
			path = strings.TrimSuffix(path, "/")
		}
		route = d.router.Find(chi.NewRouteContext(), r.Method, path)
	}
	return d.server.endpointOf(r, route)
}

// loggedIn checks the login, where there is one, and refuses a request without.
func (d *door) loggedIn(w http.ResponseWriter, r *http.Request, x *exchange) bool {
	if d.guard == nil || d.guard.skips(r.URL.Path) {
		return true
	}
	if r.Method == http.MethodOptions && d.rules.CORS != nil && d.rules.CORS.SkipOptions {
		return true
	}
	name, status := d.guard.check(r)
	x.user = name
	if status != 0 {
		d.guard.challenge(w, r, status)
	}
	return status == 0
}

// permitted asks the limit of permits, and refuses a request over it.
func (d *door) permitted(w http.ResponseWriter, r *http.Request, x *exchange, e handlers.Endpoint) bool {
	limits := d.server.limits
	if limits == nil || e.Name == "" {
		return true
	}
	code := limits.admit(r.Context(), e.Name, clusterOf(r.URL.Path))
	if code == 0 {
		return true
	}
	d.api.RateLimited(w, r)
	x.NoteErrorCode(code) // the client's says less
	return false
}

// clusterOf is the cluster id in a path of v3, or "".
func clusterOf(path string) string {
	rest, ok := strings.CutPrefix(path, "/v3/clusters/")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/")
	return id
}

// overdue is the earliest deadline of a request, or nil for none.
func (d *door) overdue(r *http.Request, x *exchange) *deadline {
	var first *deadline
	consider := func(after time.Duration, key string, status int) {
		if after > 0 && (first == nil || after < first.after) {
			first = &deadline{after, key, status}
		}
	}
	consider(d.rules.RequestTimeout, "request.timeout.ms", http.StatusGatewayTimeout)
	if x.dos {
		consider(d.rules.DoS.MaxRequest, "dos.filter.max.requests.ms", http.StatusServiceUnavailable)
	}
	if cfg := &d.server.cfg; cfg.GatewayMaxOfAll || fromGateway(r) {
		consider(cfg.GatewayMax, gatewayKey, http.StatusGatewayTimeout)
	}
	return first
}

const gatewayKey = "gateway.max.duration"

// fromGateway reports whether Amazon API Gateway has sent a request.
func fromGateway(r *http.Request) bool {
	return len(r.Header["X-Amzn-Apigateway-Api-Id"]) > 0 || strings.HasPrefix(r.Header.Get("User-Agent"), "AmazonAPIGateway_")
}

// deadline is the cause of a request's end when its time is up.
type deadline struct {
	after  time.Duration
	key    string
	status int
}

var _ handlers.Overdue = (*deadline)(nil)

func (d *deadline) Error() string {
	return fmt.Sprintf("no answer within %s (%s)", d.after, d.key)
}

// Answer refuses a request whose time is up. why is what it was waiting for.
func (d *deadline) Answer(w http.ResponseWriter, r *http.Request, why string) {
	if d.key != gatewayKey {
		refuse(w, r, d.status, "")
		return
	}
	message := fmt.Sprintf("No answer within %s (%s), and Amazon API Gateway would give up after 29s; a write may have happened. Cause: %s", d.after, d.key, why)
	w.Header()["Content-Length"] = nil
	writeError(w, d.status, message)
	exchangeOf(w).NoteErrorCode(d.status)
}

// slots are the places of requests that run at once, and of those that wait for one.
type slots struct {
	places  chan struct{}
	waiting chan struct{}
	compat  *compat
}

// newSlots returns nil for any number of requests.
func newSlots(running, waiting int, c *compat) *slots {
	if running <= 0 {
		return nil
	}
	s := &slots{places: make(chan struct{}, running), compat: c}
	if waiting < 1<<20 { // more is any number
		s.waiting = make(chan struct{}, waiting)
	}
	return s
}

// enter waits for a place. It reports false when too many wait already, or ctx ends.
func (s *slots) enter(ctx context.Context) (leave func(), ok bool) {
	if s == nil {
		return func() {}, true
	}
	leave = func() { <-s.places }
	select {
	case s.places <- struct{}{}:
		return leave, true
	default:
	}
	if s.waiting != nil {
		select {
		case s.waiting <- struct{}{}:
			defer func() { <-s.waiting }()
		default:
			return nil, false
		}
	}
	s.compat.waiting.Add(1)
	defer s.compat.waiting.Add(-1)
	select {
	case s.places <- struct{}{}:
		return leave, true
	case <-ctx.Done():
		return nil, false
	}
}

// headersFit refuses a request whose head is larger than limit: net/http itself lets 4 KiB more pass.
func headersFit(limit int, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len("  \r\n\r\n") + len("Host: \r\n") + len(r.Host)
		for name, values := range r.Header {
			for _, v := range values {
				n += len(name) + len(v) + len(": \r\n")
			}
		}
		if n > limit {
			w.Header().Set("Connection", "close")
			refuse(w, r, http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large: "+strconv.Itoa(limit)+" bytes are taken (max.request.header.size)")
			return
		}
		next.ServeHTTP(w, r)
	})
}
