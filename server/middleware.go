package server

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/klauspost/compress/gzhttp"

	"headrace/handlers"
)

// requestIDHeader carries an id through logs and answers. A client's own is kept.
const requestIDHeader = "X-Request-Id"

// maxRequestID is the longest id that is taken from a client.
const maxRequestID = 128

// identified gives each request an id and says Vary, as the reference does on every answer.
func (s *Server) identified(next http.Handler) http.Handler {
	prefix := rand.Text()[:12] + "-"
	vary := []string{"Accept-Encoding"}
	var count atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header[requestIDHeader]
		if len(id) != 1 || !validID(id[0]) {
			var text [32]byte
			id = []string{string(strconv.AppendUint(append(text[:0], prefix...), count.Add(1), 36))}
		}
		w.Header()[requestIDHeader] = id
		w.Header()["Vary"] = vary
		next.ServeHTTP(w, r)
	})
}

// validID reports whether an id is short and printable.
func validID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] >= 0x7f {
			return false
		}
	}
	return true
}

// recovered answers a bug with a 500 instead of a broken connection, and logs where it is.
func recovered(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			bug := recover()
			if bug == nil {
				return
			}
			if bug == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so itself
				panic(bug)
			}
			log.Error("panic in a request", "method", r.Method, "path", r.URL.Path, "err", bug, "stack", string(debug.Stack()))
			writeError(w, http.StatusInternalServerError, "Internal Server Error")
		}()
		next.ServeHTTP(w, r)
	})
}

// isStream reports whether the answer to a path is one of receipts, which must not wait for others.
func isStream(path string) bool {
	return strings.HasPrefix(path, "/v3/") && strings.HasSuffix(path, "/records")
}

// compressed gzips answers to GET and POST for clients that take it.
func compressed(next http.Handler) http.Handler {
	zipped := gzhttp.GzipHandler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Accept-Encoding"]) == 0 || r.Method != http.MethodGet && r.Method != http.MethodPost || isStream(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Del("Vary") // which gzhttp adds
		zipped.ServeHTTP(w, r)
	})
}

// browserStart leads a browser that asks for / to the start page; API clients get the API.
func browserStart(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
			w.Header().Set("Location", "ui/") // relative: a stage may stand before the path
			w.WriteHeader(http.StatusFound)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// cleanPaths makes paths what the reference's HTTP layer makes them: a slash at the end and
// matrix parameters (;a=b) count for nothing, escapes are what they stand for, but for an escaped
// slash, which is part of a name. An empty segment, "..", and a NUL are a 400; legacy takes the
// first two: the segment goes, and ".." leads back.
func cleanPaths(legacy bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isPlain(r.URL) || clean(r.URL) {
			next.ServeHTTP(w, r)
			return
		}
		if legacy {
			r.URL.RawPath = collapsed(r.URL.EscapedPath())
			if path, err := url.PathUnescape(r.URL.RawPath); err == nil {
				r.URL.Path = path
				if clean(r.URL) {
					next.ServeHTTP(w, r)
					return
				}
			}
		}
		refuse(w, r, http.StatusBadRequest, `Ambiguous URI: an empty segment, ".." or a NUL`)
	})
}

// collapsed drops empty segments from an escaped path and follows its "..".
func collapsed(escaped string) string {
	var kept []string
	for segment := range strings.SplitSeq(escaped, "/") {
		switch name, _, _ := strings.Cut(segment, ";"); name {
		case "":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/")
}

// isPlain reports whether there is nothing to clean in a path, as in most.
func isPlain(u *url.URL) bool {
	path := u.Path
	return u.RawPath == "" && len(path) > 0 && path[0] == '/' && (len(path) == 1 || path[len(path)-1] != '/') &&
		strings.IndexByte(path, ';') < 0 && strings.IndexByte(path, 0) < 0 && !strings.Contains(path, "//") && !strings.Contains(path, "/..")
}

// clean changes u to its clean path and reports whether there is one.
func clean(u *url.URL) bool {
	if u.Path == "*" { // OPTIONS *
		return true
	}
	path := plain(u.EscapedPath())
	if path == "" || path[0] != '/' || strings.Contains(path, "//") || strings.IndexByte(u.Path, 0) >= 0 {
		return false
	}
	segments := strings.Split(path, "/")
	escaped := false
	for i, segment := range segments {
		name, err := url.PathUnescape(segment)
		if err != nil || name == ".." {
			return false
		}
		escaped = escaped || strings.ContainsAny(name, "/%")
		segments[i] = name
	}
	u.Path, u.RawPath = strings.Join(segments, "/"), ""
	if escaped { // only what would be read as something else
		for i, name := range segments {
			segments[i] = strings.NewReplacer("%", "%25", "/", "%2F").Replace(name)
		}
		u.RawPath = strings.Join(segments, "/")
	}
	return true
}

// plain drops matrix parameters and the slash at the end. The pages' own slash stays.
func plain(path string) string {
	segments := strings.Split(path, "/")
	for i := range segments {
		segments[i], _, _ = strings.Cut(segments[i], ";")
	}
	path = strings.Join(segments, "/")
	if len(path) > 1 && path != "/ui/" && !strings.HasSuffix(path, "//") {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}

// writeError answers a request that reached no route, in the shape of the API's errors.
func writeError(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"error_code":` + strconv.Itoa(status) + `,"message":` + strconv.Quote(message) + `}`))
}

// observed is the outermost step: it times a request, and counts and logs its answer.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{ResponseWriter: w, server: s, started: time.Now()}
		s.metrics.inFlight.Inc()
		s.compat.running.Add(1)
		method, uri, remote := r.Method, r.RequestURI, r.RemoteAddr // which later steps may change
		defer func() {
			s.metrics.inFlight.Dec()
			s.compat.running.Add(-1)
			now := time.Now()
			took := now.Sub(x.started)
			s.metrics.observe(method, x.route, x.status(), took)
			if !s.own[x.route] {
				s.compat.answered(x.endpoint, x.status(), max(r.ContentLength, 0), x.bytes, took, now)
			}
			if s.requestLog != nil {
				s.requestLog.write(x, r, requestLine{method, uri, remote}, now)
			}
		}()
		next.ServeHTTP(x, r)
	})
}

// routed notes which route has answered.
func (s *Server) routed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(w)
		defer func() {
			x.route = routePattern(r)
			if !x.asked {
				x.endpoint = s.endpointOf(r, x.route)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// endpointOf is the endpoint that a request for a route of the router asks for; the zero one for
// none, and for a format that there is not.
func (s *Server) endpointOf(r *http.Request, route string) handlers.Endpoint {
	key := methodRoute{r.Method, route, ""}
	e, ok := s.loadEndpoint(key)
	if !ok {
		found, _ := handlers.EndpointOf(r.Method, route)
		e = s.storeEndpoint(key, found)
	}
	if !e.HasFormat() {
		return e
	}
	key.format = handlers.FormatOf(r)
	if key.format == "" {
		return handlers.Endpoint{}
	}
	if in, ok := s.loadEndpoint(key); ok {
		return in
	}
	return s.storeEndpoint(key, e.In(key.format))
}

// methodRoute is what an endpoint's name depends on.
type methodRoute struct{ method, route, format string }

func (s *Server) loadEndpoint(key methodRoute) (handlers.Endpoint, bool) {
	found, ok := s.endpoints.Load(key)
	if !ok {
		return handlers.Endpoint{}, false
	}
	return found.(handlers.Endpoint), true
}

func (s *Server) storeEndpoint(key methodRoute, e handlers.Endpoint) handlers.Endpoint {
	if knownMethod(key.method) { // or clients could fill the map with methods of their own
		s.endpoints.Store(key, e)
	}
	return e
}

// routePattern is the route that answered a request, "" for none.
func routePattern(r *http.Request) string {
	route := chi.RouteContext(r.Context())
	if len(route.RoutePatterns) == 1 {
		return route.RoutePatterns[0] // which RoutePattern would copy
	}
	return route.RoutePattern()
}
