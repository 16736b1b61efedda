package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/time/rate"

	"headrace/keystore"
	"headrace/openapi"
	"headrace/server/page"
)

// bodyTimeout is how long a client may take to send one request.
const bodyTimeout = 2 * time.Minute

// Routes is who answers the API's paths. It is *handlers.Handlers.
type Routes interface {
	Routes(r chi.Router)
	NotFound(w http.ResponseWriter, r *http.Request)
	Blocked(w http.ResponseWriter, r *http.Request)     // an endpoint that access lists take away
	RateLimited(w http.ResponseWriter, r *http.Request) // a request over rate.limit.*
	EndStreams()                                        // lets answers end that would go on as long as their requests
}

// Server is the HTTP side of the gateway. Make it with New, then Listen and Serve.
type Server struct {
	cfg     Config
	log     *slog.Logger
	doors   []*door
	metrics *metrics
	compat  *compat
	own     map[string]bool // our own routes, which the reference's metrics know nothing of

	endpoints   sync.Map // methodRoute → handlers.Endpoint
	limits      *limits
	running     *slots
	connections chan struct{} // places of all listeners together; nil: any number
	traffic     *rate.Limiter
	requestLog  *requestLog
}

// door is one listener with what its requests pass.
type door struct {
	server   *Server
	api      Routes
	listener Listener
	rules    Rules
	router   chi.Router
	guard    *guard
	certs    *certificates
	http     *http.Server
	silent   silent
	ln       net.Listener
}

// Registry is where the metrics that /metrics shows are registered.
type Registry interface {
	prometheus.Registerer
	prometheus.Gatherer
}

// New returns a server of the routes of api and of its own: /livez, /readyz, /healthz,
// /metrics, /version, /openapi.json, /docs and /ui/. ready says what is missing for requests
// to succeed; it is asked by /readyz, with a deadline. Errors are those of reading certificates
// and password files.
func New(cfg Config, api Routes, version Version, ready func(context.Context) error, log *slog.Logger, reg Registry) (*Server, error) {
	s := &Server{
		cfg: cfg, log: log, metrics: newMetrics(reg), compat: newCompat(cfg.Metrics, reg), own: map[string]bool{},
		limits: newLimits(cfg.RateLimit), requestLog: newRequestLog(cfg.RequestLog),
	}
	s.running = newSlots(cfg.MaxRunning, cfg.MaxWaiting, s.compat)
	if cfg.MaxConnections > 0 {
		s.connections = make(chan struct{}, cfg.MaxConnections)
	}
	if cfg.ReadBytesPerSec > 0 {
		s.traffic = perSecond(cfg.ReadBytesPerSec)
	}
	reloads := keystore.NewMetrics(reg)
	var shared []*dosFilter // one for all listeners that have the same rules: it counts for the server
	for _, l := range cfg.Listeners {
		d := &door{server: s, api: api, listener: l, rules: l.Rules}
		if err := d.readFiles(reloads); err != nil {
			return nil, fmt.Errorf("listener %s: %w", l.URL(), err)
		}
		d.router = d.routes(version, ready, reg)
		var dos *dosFilter
		if l.DoS != nil {
			dos, shared = s.sharedDoS(*l.DoS, shared)
		}
		d.http = d.newHTTP(d.chain(dos))
		s.doors = append(s.doors, d)
	}
	return s, nil
}

// sharedDoS finds the filter of these settings, or makes it.
func (s *Server) sharedDoS(cfg DoS, shared []*dosFilter) (*dosFilter, []*dosFilter) {
	for _, f := range shared {
		if reflect.DeepEqual(f.cfg, cfg) {
			return f, shared
		}
	}
	f := newDoSFilter(cfg, s.compat)
	return f, append(shared, f)
}

// readFiles reads the certificate and the users of a listener.
func (d *door) readFiles(reloads *keystore.Metrics) (err error) {
	logged := func(use string) func(error) {
		count := reloads.Watch(use)
		return func(err error) {
			count(err)
			if err != nil {
				d.server.log.Error("a changed file cannot be read: what was read before stays in force", "listener", d.listener.URL(), "use", use, "err", err)
				return
			}
			d.server.log.Info("a changed file was read", "listener", d.listener.URL(), "use", use)
		}
	}
	if d.listener.TLS != nil {
		if d.certs, err = newCertificates(*d.listener.TLS, d.listener.HTTP2, logged("listener")); err != nil {
			return err
		}
	}
	if d.rules.Auth != nil {
		d.guard, err = newGuard(*d.rules.Auth, logged("users"))
	}
	return err
}

// routes makes the router: the API's routes behind the gate, our own beside it.
func (d *door) routes(version Version, ready func(context.Context) error, reg prometheus.Gatherer) chi.Router {
	router := chi.NewRouter()
	d.router = router
	router.Use(d.server.routed)
	router.Group(func(r chi.Router) {
		r.Use(d.gated)
		d.api.Routes(r)
	})
	get := func(path string, fn http.HandlerFunc) {
		d.server.own[path] = true
		router.Get(path, fn)
		router.Head(path, fn)
	}
	get("/livez", live)
	get("/readyz", readiness(ready))
	get("/healthz", readiness(ready))
	get("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP)
	get("/version", version.serve)
	get("/openapi.json", openAPI)
	pages := page.Handler()
	get("/docs", pages.ServeHTTP)
	get("/ui", pages.ServeHTTP)
	get("/ui/*", pages.ServeHTTP)
	return router
}

// chain is what a request passes before the router, the outermost last.
func (d *door) chain(dos *dosFilter) http.Handler {
	var h http.Handler = d.router
	if d.rules.CORS != nil {
		h = d.crossOrigin(h)
	}
	if d.rules.RejectOptions {
		h = withoutOptions(h)
	}
	if d.rules.Compression {
		h = compressed(h)
	}
	h = cleanPaths(d.rules.LegacyURI, browserStart(h))
	if dos != nil {
		h = dos.filter(h)
	}
	if d.certs != nil {
		h = checkSNI(*d.listener.TLS, d.certs, h)
	}
	h = headersFit(d.rules.MaxHeaderBytes, h)
	h = forwarded(d.rules.Forwarded, d.server.cfg.TrustedProxies, h)
	h = withHeaders(d.rules, d.certs != nil, h)
	h = d.server.identified(h)
	return d.server.observed(recovered(d.server.log, h))
}

func (d *door) newHTTP(handler http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	if d.listener.HTTP2 {
		protocols.SetHTTP2(true)
		protocols.SetUnencryptedHTTP2(d.certs == nil)
	}
	made := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: d.rules.IdleTimeout,
		ReadTimeout:       bodyTimeout,
		IdleTimeout:       d.rules.IdleTimeout,
		MaxHeaderBytes:    d.rules.MaxHeaderBytes,
		Protocols:         protocols,
		ConnState: func(conn net.Conn, state http.ConnState) {
			d.server.compat.connection(conn, state)
			d.silent.connection(conn, state)
		},
		ErrorLog: slog.NewLogLogger(d.server.log.Handler(), slog.LevelDebug),
	}
	if d.certs != nil {
		made.TLSConfig = &tls.Config{
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return d.certs.Get(), nil },
			MinVersion:         tls.VersionTLS12, // the configuration for the client says what counts
		}
	}
	return made
}

// silent are the connections that have sent nothing yet. net/http's Shutdown waits 5 s for each
// of them; whoever holds connections in store, as load balancers do, would use up the whole drain.
type silent struct {
	conns sync.Map
	ended atomic.Bool
}

func (s *silent) connection(conn net.Conn, state http.ConnState) {
	if state != http.StateNew {
		s.conns.Delete(conn)
		return
	}
	s.conns.Store(conn, nil)
	if s.ended.Load() {
		_ = conn.Close()
	}
}

// close closes them, and those to come. One whose first request arrives at this moment is cut, as it would be
// a moment later.
func (s *silent) close() {
	s.ended.Store(true)
	s.conns.Range(func(conn, _ any) bool {
		_ = conn.(net.Conn).Close()
		return true
	})
}

// connection counts connections that begin and end.
func (c *compat) connection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.active.Add(1)
		c.opened.record(time.Now(), measure{class: noFailure})
	case http.StateClosed, http.StateHijacked:
		c.active.Add(-1)
		c.closed.record(time.Now(), measure{class: noFailure})
	}
}

// Handler is what the first listener serves, for tests.
func (s *Server) Handler() http.Handler { return s.doors[0].http.Handler }

// Router holds every route, for the test that holds them to the OpenAPI document.
func (s *Server) Router() chi.Routes { return s.doors[0].router }

func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openapi.JSON())
}

// Serve answers requests until ctx ends, then takes no more and lets those under way finish,
// for shutdown.graceful.ms at most.
func (s *Server) Serve(ctx context.Context) error {
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx)) // until the last answer
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stopWatching()
	s.watch(watching, &beside)

	failed := make(chan error, len(s.doors))
	var serving sync.WaitGroup
	defer serving.Wait()
	for _, d := range s.doors {
		serving.Go(func() { failed <- d.serve() })
	}
	select {
	case err := <-failed:
		_ = s.eachDoor(func(d *door) error { return d.http.Close() })
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	for _, d := range s.doors {
		d.api.EndStreams()
	}
	// ctx is over, so draining needs a clock of its own.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
	defer cancel()
	if err := s.eachDoor(func(d *door) error { return d.shutdown(drain) }); err != nil {
		_ = s.eachDoor(func(d *door) error { return d.http.Close() })
		return fmt.Errorf("finishing requests in %s: %w", s.cfg.ShutdownTimeout, err)
	}
	return nil
}

// watch runs what looks after files and the request log.
func (s *Server) watch(ctx context.Context, beside *sync.WaitGroup) {
	if s.requestLog != nil {
		beside.Go(func() { s.requestLog.run(ctx) })
	}
	for _, d := range s.doors {
		if d.certs != nil {
			beside.Go(func() { d.certs.Run(ctx) })
		}
		if d.guard != nil {
			beside.Go(func() { d.guard.run(ctx) })
		}
	}
}

// shutdown takes no more connections, and waits for the requests under way.
func (d *door) shutdown(ctx context.Context) error {
	d.silent.close()
	return d.http.Shutdown(ctx)
}

func (d *door) serve() error {
	if d.certs != nil {
		return d.http.ServeTLS(d.ln, "", "")
	}
	return d.http.Serve(d.ln)
}

// eachDoor does something to all doors at once.
func (s *Server) eachDoor(do func(*door) error) error {
	errs := make([]error, len(s.doors))
	var all sync.WaitGroup
	for i, d := range s.doors {
		all.Go(func() { errs[i] = do(d) })
	}
	all.Wait()
	return errors.Join(errs...)
}
