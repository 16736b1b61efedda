package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// fakeAPI answers a few routes in place of the real ones.
type fakeAPI struct{ slow chan struct{} }

func (f fakeAPI) NotFound(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }

func (f fakeAPI) Blocked(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }

func (f fakeAPI) EndStreams() {}

func (f fakeAPI) RateLimited(w http.ResponseWriter, _ *http.Request) {
	exchangeOf(w).NoteErrorCode(429)
	w.WriteHeader(http.StatusTooManyRequests)
}

func (f fakeAPI) Routes(r chi.Router) {
	r.NotFound(f.NotFound)
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	r.Get("/topics/{topic}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, chi.URLParam(r, "topic")) })
	r.Get("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("long ", 1000)) })
	r.Put("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("long ", 1000)) })
	r.Get("/bug", func(http.ResponseWriter, *http.Request) { panic("a bug") })
	r.Get("/slow", func(w http.ResponseWriter, _ *http.Request) {
		f.slow <- struct{}{}
		<-f.slow
		_, _ = io.WriteString(w, "done")
	})
}

func newServer(t testing.TB, change func(*Config), ready error) (*Server, *prometheus.Registry, fakeAPI) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Listeners[0].Address = "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	reg := prometheus.NewRegistry()
	api := fakeAPI{slow: make(chan struct{})}
	s, err := New(cfg, api, Version{Version: "1.2.3", GoVersion: "go1"}, func(context.Context) error { return ready }, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	return s, reg, api
}

func get(s *Server, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func TestPathsAreCleaned(t *testing.T) {
	s, _, _ := newServer(t, nil, nil)
	for target, want := range map[string]int{
		"/topics/a": 200, "/topics/a/": 200, "/topics/a;x=1": 200, "/topics;v=2/a;x=1/": 200,
		"/topics//a": 400, "/topics/../a": 400, "/topics/..": 400, "/topics/a%00": 400, "/Topics/a": 404, "/nosuch": 404,
	} {
		w := get(s, http.MethodGet, target)
		if w.Code != want || want == 200 && w.Body.String() != "a" {
			t.Errorf("GET %s = %d %s, want %d", target, w.Code, w.Body, want)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	s, _, _ := newServer(t, nil, nil)
	first, second := get(s, "GET", "/").Header().Get("X-Request-Id"), get(s, "GET", "/").Header().Get("X-Request-Id")
	if first == "" || first == second {
		t.Errorf("ids %q and %q, want two of them", first, second)
	}
	if got := get(s, "GET", "/", "X-Request-Id", "from-the-client").Header().Get("X-Request-Id"); got != "from-the-client" {
		t.Errorf("id %q, want the client's", got)
	}
	if got := get(s, "GET", "/", "X-Request-Id", "line\nbreak").Header().Get("X-Request-Id"); strings.Contains(got, "break") {
		t.Errorf("id %q was taken from the client", got)
	}
}

func TestBrowsersAreLedToTheStartPage(t *testing.T) {
	s, _, _ := newServer(t, nil, nil)
	if w := get(s, "GET", "/", "Accept", "text/html,*/*"); w.Code != http.StatusFound || w.Header().Get("Location") != "ui/" {
		t.Errorf("a browser gets %d to %q, want 302 to ui/", w.Code, w.Header().Get("Location"))
	}
	if w := get(s, "GET", "/", "Accept", "*/*"); w.Body.String() != "{}" {
		t.Errorf("an API client gets %s, want {}", w.Body)
	}
	for _, path := range []string{"/ui/", "/docs", "/openapi.json", "/version"} {
		if w := get(s, "GET", path); w.Code != 200 || w.Body.Len() == 0 {
			t.Errorf("GET %s = %d with %d bytes", path, w.Code, w.Body.Len())
		}
	}
}

func TestCompressionIsForGetAndPost(t *testing.T) {
	s, _, _ := newServer(t, nil, nil)
	w := get(s, "GET", "/long", "Accept-Encoding", "gzip")
	if w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatal("GET is not compressed")
	}
	unzipped, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(unzipped); err != nil || len(text) != 5000 {
		t.Errorf("unzipped %d bytes, %v", len(text), err)
	}
	if w := get(s, "PUT", "/long", "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" {
		t.Error("PUT is compressed")
	}
	plain, _, _ := newServer(t, func(cfg *Config) { cfg.Listeners[0].Compression = false }, nil)
	if w := get(plain, "GET", "/long", "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" {
		t.Error("compressed with compression.enable=false")
	}
}

func TestBugsAreAnswered(t *testing.T) {
	s, _, _ := newServer(t, nil, nil)
	if w := get(s, "GET", "/bug"); w.Code != 500 || w.Body.String() != `{"error_code":500,"message":"Internal Server Error"}` {
		t.Errorf("a panic gives %d %s", w.Code, w.Body)
	}
}

func TestProbes(t *testing.T) {
	s, _, _ := newServer(t, nil, errors.New("no broker answers"))
	if w := get(s, "GET", "/livez"); w.Code != 200 {
		t.Errorf("/livez = %d", w.Code)
	}
	for _, path := range []string{"/readyz", "/healthz"} {
		if w := get(s, "GET", path); w.Code != 503 || !strings.Contains(w.Body.String(), "no broker answers") || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s = %d %s", path, w.Code, w.Body)
		}
	}
}

func TestMetricsHaveOnlyOurOwnLabels(t *testing.T) {
	s, reg, _ := newServer(t, nil, nil)
	for _, target := range []string{"/topics/a", "/topics/b", "/nosuch/1", "/nosuch/2"} {
		get(s, "GET", target)
	}
	get(s, "BREW", "/topics/a")
	w := get(s, "GET", "/metrics")
	for _, want := range []string{
		`headrace_request_duration_seconds_count{method="GET",route="/topics/{topic}",status="200"} 2`,
		`headrace_request_duration_seconds_count{method="GET",route="other",status="404"} 2`,
		`method="other"`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("/metrics lacks %s:\n%s", want, w.Body)
		}
	}
	if strings.Contains(w.Body.String(), "nosuch") || strings.Contains(w.Body.String(), "BREW") {
		t.Error("a client's own words became labels")
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

// A stop lets the request under way finish, and takes no other.
func TestGracefulStop(t *testing.T) {
	s, _, api := newServer(t, nil, nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(ctx) }()
	answer := make(chan string)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	url := "http://" + s.Addrs()[0]
	go func() {
		resp, err := client.Get(url + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		answer <- string(text)
	}()
	<-api.slow // the request has come in
	stop()
	for { // until the door is closed
		conn, err := net.Dial("tcp", s.Addrs()[0])
		if err != nil {
			break
		}
		conn.Close()
	}
	api.slow <- struct{}{}
	if got := <-answer; got != "done" {
		t.Errorf("the request under way got %q, want done", got)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// Connections that were opened and never used, as load balancers hold them in store, do not use up the time of a stop:
// net/http waits 5 s for each.
func TestStopDoesNotWaitForSilence(t *testing.T) {
	s, _, _ := newServer(t, func(cfg *Config) { cfg.ShutdownTimeout = 3 * time.Second }, nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(ctx) }()
	silent, err := net.Dial("tcp", s.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	resp, err := http.Get("http://" + s.Addrs()[0] + "/livez") // the one before is taken by now
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	stop()
	if err := <-served; err != nil {
		t.Errorf("Serve = %v, want nil: nothing was under way", err)
	}
}

func TestStopHasADeadline(t *testing.T) {
	s, _, api := newServer(t, func(cfg *Config) { cfg.ShutdownTimeout = 10 * time.Millisecond }, nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	left := make(chan struct{})
	go func() {
		defer close(left)
		resp, err := client.Get("http://" + s.Addrs()[0] + "/slow")
		if err == nil {
			resp.Body.Close()
		}
	}()
	<-api.slow
	stop()
	if err := <-served; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Serve = %v, want the deadline", err)
	}
	api.slow <- struct{}{}
	<-left
}

func TestTakenPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	on := func(search bool) (*Server, error) {
		s, _, _ := newServer(t, func(cfg *Config) {
			cfg.Listeners[0].Address, cfg.PortSearch = taken.Addr().String(), search
		}, nil)
		return s, s.Listen(t.Context())
	}
	if _, err := on(false); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("Listen on a taken port = %v, want an error that names it", err)
	}
	s, err := on(true)
	if err != nil || s.Addrs()[0] == taken.Addr().String() {
		t.Errorf("Listen = %v, want another port", err)
	}
	s.closeListeners()
}

func BenchmarkOverhead(b *testing.B) {
	s, _, _ := newServer(b, func(cfg *Config) { cfg.RequestLog.To = io.Discard }, nil)
	r := httptest.NewRequest(http.MethodGet, "/topics/a", nil)
	b.ReportAllocs()
	for b.Loop() {
		s.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
