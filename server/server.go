package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"headrace/openapi"
	"headrace/server/page"
)

// bodyTimeout is how long a client may take to send one request.
const bodyTimeout = 2 * time.Minute

// Routes is who answers the API's paths. It is *handlers.Handlers.
type Routes interface {
	Routes(r chi.Router)
	NotFound(w http.ResponseWriter, r *http.Request)
}

// Server is the HTTP side of the gateway. Make it with New, then Listen and Serve.
type Server struct {
	cfg       Config
	log       *slog.Logger
	http      *http.Server
	listeners []net.Listener
	router    chi.Router
}

// Registry is where the metrics that /metrics shows are registered.
type Registry interface {
	prometheus.Registerer
	prometheus.Gatherer
}

// New returns a server of the routes of api and of its own: /livez, /readyz, /healthz,
// /metrics, /version, /openapi.json, /docs and /ui/. ready says what is missing for requests
// to succeed; it is asked by /readyz, with a deadline.
func New(cfg Config, api Routes, version Version, ready func(context.Context) error, log *slog.Logger, reg Registry) *Server {
	s := &Server{cfg: cfg, log: log, router: chi.NewRouter()}
	s.router.Use(s.measured(newMetrics(reg)))
	api.Routes(s.router)
	s.ownRoutes(version, ready, reg)
	var handler http.Handler = s.router
	if cfg.Compression {
		handler = compressed(handler)
	}
	handler = cleanPaths(browserStart(handler))
	handler = s.identified(handler)
	s.http = &http.Server{
		Handler:           recovered(log, handler),
		ReadHeaderTimeout: cfg.IdleTimeout,
		ReadTimeout:       bodyTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    cfg.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

// Handler is what Serve serves, for tests.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Router holds every route, for the test that holds them to the OpenAPI document.
func (s *Server) Router() chi.Routes { return s.router }

// ownRoutes adds the routes that are not the API's.
func (s *Server) ownRoutes(version Version, ready func(context.Context) error, reg prometheus.Gatherer) {
	get := func(path string, fn http.HandlerFunc) {
		s.router.Get(path, fn)
		s.router.Head(path, fn)
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
}

func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openapi.JSON())
}

// Listen opens the listeners of the configuration.
func (s *Server) Listen(ctx context.Context) error {
	for _, listener := range s.cfg.Listeners {
		ln, err := s.listen(ctx, listener)
		if err != nil {
			s.closeListeners()
			return fmt.Errorf("listening on %s: %w", listener, err)
		}
		s.listeners = append(s.listeners, ln)
	}
	return nil
}

func (s *Server) listen(ctx context.Context, listener string) (net.Listener, error) {
	u, err := url.Parse(listener)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", u.Host)
	if errors.Is(err, syscall.EADDRINUSE) && s.cfg.PortSearch {
		return s.nextFree(ctx, u.Host)
	}
	return ln, err
}

// nextFree listens on the next port after the one of hostPort that is free.
func (s *Server) nextFree(ctx context.Context, hostPort string) (net.Listener, error) {
	host, text, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	for next := port + 1; next <= port+100; next++ {
		ln, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(next)))
		if err == nil {
			s.log.Warn("port is taken, using another", "port", port, "used", next)
			return ln, nil
		}
	}
	return nil, fmt.Errorf("no free port from %d to %d", port, port+100)
}

// Addrs lists the addresses that are listened on, in the order of the configuration.
func (s *Server) Addrs() []string {
	addrs := make([]string, 0, len(s.listeners))
	for _, ln := range s.listeners {
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs
}

func (s *Server) closeListeners() {
	for _, ln := range s.listeners {
		_ = ln.Close()
	}
}

// Serve answers requests until ctx ends, then takes no more and lets those under way finish,
// for shutdown.graceful.ms at most.
func (s *Server) Serve(ctx context.Context) error {
	failed := make(chan error, len(s.listeners))
	var serving sync.WaitGroup
	for _, ln := range s.listeners {
		serving.Go(func() { failed <- s.http.Serve(ln) })
	}
	defer serving.Wait()
	select {
	case err := <-failed:
		_ = s.http.Close()
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	// ctx is over, so draining needs a clock of its own.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
	defer cancel()
	if err := s.http.Shutdown(drain); err != nil {
		_ = s.http.Close()
		return fmt.Errorf("finishing requests in %s: %w", s.cfg.ShutdownTimeout, err)
	}
	return nil
}
