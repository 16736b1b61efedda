package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"headrace/handlers"
)

// basic are the headers of a login.
func basic(name, password string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))}
}

func withUsers(t testing.TB, text string, change func(*Auth)) func(*Config) {
	path := filepath.Join(t.TempDir(), "password.properties")
	replace(t, path, []byte(text))
	return func(cfg *Config) {
		auth := &Auth{Realm: `Kafka "Rest"`, Users: path, Roles: []string{"*"}}
		if change != nil {
			change(auth)
		}
		cfg.Listeners[0].Auth = auth
	}
}

const someUsers = `alice: plain, admin, reader
bob: MD5:5f4dcc3b5aa765d61d8327deb882cf99,reader
carol: CRYPT:abNANd1rDfiNc , writer
dave: OBF:1vny1zlo1x8e1vnw1vn61x8g1zlu1vn4,admin
nobody: role-less
`

func TestBasicLogin(t *testing.T) {
	for _, tt := range []struct {
		name   string
		roles  []string
		login  []string
		status int
	}{
		{"plain", []string{"*"}, basic("alice", "plain"), 200},
		{"MD5", []string{"*"}, basic("bob", "password"), 200},
		{"CRYPT", []string{"*"}, basic("carol", "secret"), 200},
		{"OBF", []string{"*"}, basic("dave", "storepwd"), 200},
		{"none", []string{"*"}, nil, 401},
		{"a wrong password", []string{"*"}, basic("alice", "Plain"), 401},
		{"an empty password", []string{"*"}, basic("alice", ""), 401},
		{"the hash is no password", []string{"*"}, basic("bob", "5f4dcc3b5aa765d61d8327deb882cf99"), 401},
		{"nobody of this name", []string{"*"}, basic("eve", "plain"), 401},
		{"another scheme", []string{"*"}, []string{"Authorization", "Bearer abc"}, 401},
		{"no base64", []string{"*"}, []string{"Authorization", "Basic ???"}, 401},
		{"* needs some role", []string{"*"}, basic("nobody", "role-less"), 403},
		{"** needs none", []string{"**"}, basic("nobody", "role-less"), 200},
		{"one of several roles", []string{"writer", "reader"}, basic("bob", "password"), 200},
		{"none of the roles", []string{"writer"}, basic("bob", "password"), 403},
		{"* among others is a role like any", []string{"*", "writer"}, basic("bob", "password"), 403},
		{"no role is enough", nil, basic("alice", "plain"), 403},
	} {
		s, _, _ := newServer(t, withUsers(t, someUsers, func(a *Auth) { a.Roles = tt.roles }), nil)
		for range 2 { // the second time the password is known
			w := get(s, "GET", "/topics/a", tt.login...)
			challenge := w.Header().Get("WWW-Authenticate")
			if w.Code != tt.status || (challenge == `Basic realm="Kafka \"Rest\""`) != (tt.status == 401) {
				t.Errorf("%s: %d, challenge %q, want %d", tt.name, w.Code, challenge, tt.status)
			}
		}
	}
}

// TestRefusalsAreJettys: the page, or the object where the client takes JSON.
func TestRefusalsAreJettys(t *testing.T) {
	s, _, _ := newServer(t, withUsers(t, someUsers, nil), nil)
	w := get(s, "GET", "/topics/%3Cb%3E")
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || !strings.Contains(w.Body.String(), "<h2>HTTP ERROR 401 Unauthorized</h2>") {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	w = get(s, "GET", "/topics/a", "Accept", "text/html, application/json")
	if want := `{"url":"/topics/a","status":"401","message":"Unauthorized"}`; w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%s, want %s", w.Body, want)
	}
	w = httptest.NewRecorder()
	if refuse(w, httptest.NewRequest(http.MethodHead, "/", nil), 401, ""); w.Code != 401 || w.Body.Len() > 0 {
		t.Errorf("HEAD: %d %s", w.Code, w.Body)
	}
}

func TestOpenPaths(t *testing.T) {
	s, _, _ := newServer(t, withUsers(t, someUsers, func(a *Auth) { a.SkipPaths = []string{"/topics/open", "/long/*", "*.txt"} }), nil)
	for path, want := range map[string]int{
		"/topics/open": 200, "/topics/opener": 401, "/long": 200, "/topics/a.txt": 200, "/topics/a": 401, "/nosuch": 401,
		"/livez": 200, "/metrics": 200, // our own
	} {
		if w := get(s, "GET", path); w.Code != want {
			t.Errorf("GET %s = %d, want %d", path, w.Code, want)
		}
	}
}

func TestUsersAreReadAgain(t *testing.T) {
	s, _, _ := newServer(t, withUsers(t, "alice: old,admin\n", nil), nil)
	guard := s.doors[0].guard
	status := func(password string) int { return get(s, "GET", "/topics/a", basic("alice", password)...).Code }
	if status("old") != 200 {
		t.Error("the password is refused")
	}
	replace(t, guard.cfg.Users, []byte("alice: new,admin\n"))
	guard.users.Look()
	if status("old") != 401 || status("new") != 200 {
		t.Errorf("after a change: old %d, new %d", status("old"), status("new"))
	}
	replace(t, guard.cfg.Users, []byte("alice: MD5:CANARY\n"))
	guard.users.Look()
	if status("new") != 200 {
		t.Error("a broken file has taken the users away")
	}
}

// TestAccessBeforeLogin: an endpoint that is not served is told as such to anybody.
func TestAccessBeforeLogin(t *testing.T) {
	s, _, _ := newServer(t, func(cfg *Config) {
		withUsers(t, someUsers, nil)(cfg)
		cfg.Access, _ = handlers.NewAccessList(nil, []string{"api.v2.topics.get"})
	}, nil)
	if w := get(s, "GET", "/topics/a"); w.Code != http.StatusGone {
		t.Errorf("GET /topics/a = %d, want the answer of Blocked", w.Code)
	}
	if w := get(s, "GET", "/"); w.Code != 401 {
		t.Errorf("GET / = %d, want 401", w.Code)
	}
}

// mountedAPI has its routes in a router of its own, as the Kinesis routes are.
type mountedAPI struct{ fakeAPI }

func (mountedAPI) Routes(r chi.Router) {
	r.NotFound(http.NotFound)
	r.Route("/streams", func(r chi.Router) {
		r.Put("/{stream}/record", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "put") })
		r.Get("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "list") })
	})
}

// TestListsReachMountedRoutes: the endpoint is known before the way through the second router.
func TestListsReachMountedRoutes(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Access, _ = handlers.NewAccessList([]string{"kinesis.record.put"}, nil)
	s, err := New(cfg, mountedAPI{}, Version{}, func(context.Context) error { return nil }, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, path string
		want         int
	}{{"PUT", "/streams/s/record", 200}, {"GET", "/streams", http.StatusGone}, {"GET", "/streams/", http.StatusGone}} {
		if w := get(s, tt.method, tt.path); w.Code != tt.want {
			t.Errorf("%s %s = %d, want %d", tt.method, tt.path, w.Code, tt.want)
		}
	}
}

func TestRateLimit(t *testing.T) {
	var log bytes.Buffer
	s, _, _ := newServer(t, func(cfg *Config) {
		cfg.RateLimit = RateLimit{Enabled: true, PerSec: 4, DefaultCost: 1, Costs: map[string]int{"api.v2.topics.get": 2, "api.v2.root.get": 0}, PerCluster: 1, ClusterExpiry: time.Hour}
		cfg.RequestLog.To = &log
	}, nil)
	for _, tt := range []struct {
		path string
		want int
	}{{"/topics/a", 200}, {"/topics/a", 200}, {"/topics/a", 429}, {"/", 200}, {"/", 200}, {"/livez", 200}} {
		if w := get(s, "GET", tt.path); w.Code != tt.want {
			t.Errorf("GET %s = %d, want %d", tt.path, w.Code, tt.want)
		}
	}
	s.requestLog.flush()
	if !regexp.MustCompile(`(?m) 429 \d+ "-" "-" \d+ 429005 -$`).MatchString(log.String()) {
		t.Errorf("the log has no line of the refusal: %s", &log)
	}
}

func TestClusterPermits(t *testing.T) {
	l := newLimits(RateLimit{Enabled: true, PerSec: 3, DefaultCost: 1, PerCluster: 1, ClusterExpiry: time.Minute})
	ctx := t.Context()
	for _, tt := range []struct {
		endpoint, cluster string
		want              int
	}{
		{"api.v3.topics.list", "a", 0},
		{"api.v3.topics.list", "a", codeClusterPermits},
		{"api.v3.topics.list", "b", 0},
		{"api.v3.produce.produce-to-topic", "a", 0},
		{"api.v2.topics.list", "", 0},
		{"api.v2.topics.list", "", codePermits},
	} {
		if got := l.admit(ctx, tt.endpoint, tt.cluster); got != tt.want {
			t.Errorf("%s of %q: %d, want %d", tt.endpoint, tt.cluster, got, tt.want)
		}
	}
	for i := range 3 * maxClusters {
		l.of(string(rune(i))+"x", time.Now())
	}
	if len(l.clusters) > maxClusters {
		t.Errorf("%d clusters are kept", len(l.clusters))
	}
}

// TestRateLimitWaits: with rate.limit.timeout.ms a request waits for its permits.
func TestRateLimitWaits(t *testing.T) {
	l := newLimits(RateLimit{Enabled: true, PerSec: 50, DefaultCost: 50, Timeout: 5 * time.Second})
	started := time.Now()
	for range 2 {
		if code := l.admit(t.Context(), "x", ""); code != 0 {
			t.Errorf("refused with %d", code)
		}
	}
	if took := time.Since(started); took < 500*time.Millisecond {
		t.Errorf("waited %v, want about a second", took)
	}
}

func TestDoSFilter(t *testing.T) {
	filter := func(change func(*DoS)) func(*Config) {
		return func(cfg *Config) {
			dos := DoS{
				PerConnection: 2, Global: 100, Delay: -1, MaxWait: time.Millisecond, Throttled: 1, ThrottleTime: time.Millisecond,
				MaxRequest: time.Minute, IdleTracker: time.Minute, InsertHeaders: true,
			}
			change(&dos)
			cfg.Listeners[0].DoS = &dos
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*DoS)
		status int
		header string
		code   int
	}{
		{"a connection is refused", func(*DoS) {}, 429, "unavailable", codeDoSConnection},
		{"all are refused", func(d *DoS) { d.PerConnection, d.Global = 100, 2 }, 429, "unavailable", codeDoSGlobal},
		{"without a header", func(d *DoS) { d.InsertHeaders = false }, 429, "", codeDoSConnection},
		{"delayed", func(d *DoS) { d.Delay = time.Millisecond }, 200, "delayed", 0},
		{"throttled", func(d *DoS) { d.Delay = 0 }, 200, "throttled", 0},
		{"exempt", func(d *DoS) { d.Exempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }, 200, "", 0},
	} {
		var log bytes.Buffer
		s, _, _ := newServer(t, func(cfg *Config) {
			filter(tt.change)(cfg)
			cfg.RequestLog.To = &log
		}, nil)
		for range 2 {
			if w := get(s, "GET", "/topics/a"); w.Code != 200 || dosOf(w) != "" {
				t.Errorf("%s: %d at first", tt.name, w.Code)
			}
		}
		w := get(s, "GET", "/topics/a")
		s.requestLog.flush()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		want := " - -"
		if tt.code != 0 {
			want = " " + strconv.Itoa(tt.code) + " -"
		}
		if w.Code != tt.status || dosOf(w) != tt.header || !strings.HasSuffix(lines[len(lines)-1], want) {
			t.Errorf("%s: %d %q %q, want %d %q %q", tt.name, w.Code, dosOf(w), lines[len(lines)-1], tt.status, tt.header, want)
		}
	}
}

func dosOf(w *httptest.ResponseRecorder) string {
	return strings.Join(w.Header().Values(dosHeader), ",")
}

// TestThrottledRequestsShareAPass: one more than dos.filter.throttled.requests waits, and is then a 503.
func TestThrottledRequestsShareAPass(t *testing.T) {
	s, _, api := newServer(t, func(cfg *Config) {
		cfg.Listeners[0].DoS = &DoS{PerConnection: 1, Global: 100, Throttled: 1, ThrottleTime: time.Millisecond, MaxRequest: time.Minute, IdleTracker: time.Minute, InsertHeaders: true}
	}, nil)
	get(s, "GET", "/topics/a")
	done := make(chan int)
	go func() { done <- get(s, "GET", "/slow").Code }()
	<-api.slow // has the pass
	if w := get(s, "GET", "/topics/a"); w.Code != 503 || dosOf(w) != "throttled,unavailable" {
		t.Errorf("%d %v, want 503, throttled and unavailable", w.Code, dosOf(w))
	}
	api.slow <- struct{}{}
	if code := <-done; code != 200 {
		t.Errorf("the throttled request got %d", code)
	}
	if w := get(s, "GET", "/topics/a"); w.Code != 200 {
		t.Errorf("with the pass free again: %d", w.Code)
	}
}

// waitingAPI waits for the end of a request's context, as calls of Kafka do, and leaves the answer to
// the cause of that.
type waitingAPI struct{ fakeAPI }

func (waitingAPI) Routes(r chi.Router) {
	r.Get("/topics", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		var over handlers.Overdue
		if errors.As(context.Cause(r.Context()), &over) {
			over.Answer(w, r, "no broker answered")
		}
	})
}

func TestDeadlines(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*Config)
		headers []string
		status  int
		text    string
	}{
		{"request.timeout.ms", func(cfg *Config) { cfg.Listeners[0].RequestTimeout = time.Millisecond }, nil, 504, "HTTP ERROR 504 Gateway Timeout"},
		{"the DoS filter's", func(cfg *Config) {
			cfg.Listeners[0].DoS = &DoS{PerConnection: 9, Global: 9, MaxRequest: time.Millisecond}
		}, nil, 503, "HTTP ERROR 503"},
		{"gateway.max.duration of requests of API Gateway", func(cfg *Config) { cfg.GatewayMax = time.Millisecond }, []string{"User-Agent", "AmazonAPIGateway_abc"}, 504, `{"error_code":504,"message":"No answer within 1ms (gateway.max.duration)`},
		{"of REST APIs", func(cfg *Config) { cfg.GatewayMax = time.Millisecond }, []string{"X-Amzn-Apigateway-Api-Id", "abc"}, 504, "Cause: no broker answered"},
		{"gateway.max.duration, given", func(cfg *Config) { cfg.GatewayMax, cfg.GatewayMaxOfAll = time.Millisecond, true }, nil, 504, "gateway.max.duration"},
		{"the shorter one", func(cfg *Config) {
			cfg.GatewayMax, cfg.GatewayMaxOfAll, cfg.Listeners[0].RequestTimeout = time.Hour, true, time.Millisecond
		}, nil, 504, "HTTP ERROR 504"},
	} {
		cfg := DefaultConfig()
		tt.change(&cfg)
		s, err := New(cfg, waitingAPI{}, Version{}, func(context.Context) error { return nil }, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		w := get(s, "GET", "/topics", tt.headers...)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.text) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, w.Code, w.Body, tt.status, tt.text)
		}
	}
}

// TestPlaces: with thread.pool.max requests wait for those that run, and are a 503 when too many wait.
func TestPlaces(t *testing.T) {
	s, _, api := newServer(t, func(cfg *Config) { cfg.MaxRunning, cfg.MaxWaiting = 1, 1 }, nil)
	codes := make(chan int)
	go func() { codes <- get(s, "GET", "/slow").Code }()
	<-api.slow
	go func() { codes <- get(s, "GET", "/topics/a").Code }()
	waitFor(t, "request in the queue", func() bool { return s.compat.waiting.Load() == 1 })
	if w := get(s, "GET", "/topics/b"); w.Code != 503 {
		t.Errorf("one too many: %d, want 503", w.Code)
	}
	api.slow <- struct{}{}
	if a, b := <-codes, <-codes; a != 200 || b != 200 {
		t.Errorf("%d and %d, want 200", a, b)
	}
	leave, ok := s.running.enter(t.Context())
	if !ok {
		t.Fatal("no place is free")
	}
	ctx, gone := context.WithCancel(t.Context())
	gone()
	if _, ok := s.running.enter(ctx); ok {
		t.Error("a client that is gone has got a place")
	}
	leave()
}

func TestCORS(t *testing.T) {
	cors := CORS{Origins: []string{"https://app.example.com"}, SkipOptions: true, Expose: []string{"X-Request-Id"}}
	ask := []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type"}
	s, _, _ := newServer(t, func(cfg *Config) {
		withUsers(t, someUsers, nil)(cfg)
		cfg.Listeners[0].CORS = &cors
	}, nil)
	w := get(s, "OPTIONS", "/topics/a", ask...)
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "https://app.example.com" || w.Header().Get("Access-Control-Allow-Methods") != "POST" {
		t.Errorf("a question: %d %v", w.Code, w.Header())
	}
	if w := get(s, "OPTIONS", "/topics/a", "Origin", "https://evil.example.com", "Access-Control-Request-Method", "POST"); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %v", w.Header())
	}
	if w := get(s, "OPTIONS", "/topics/a", "Origin", "https://app.example.com", "Access-Control-Request-Method", "DELETE"); w.Header().Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("a method that is not allowed by default: %v", w.Header())
	}
	w = get(s, "GET", "/topics/a", append(basic("alice", "plain"), "Origin", "https://app.example.com")...)
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "https://app.example.com" || w.Header().Get("Access-Control-Expose-Headers") != "X-Request-Id" {
		t.Errorf("a call: %d %v", w.Code, w.Header())
	}
	strict := cors
	strict.SkipOptions = false
	s, _, _ = newServer(t, func(cfg *Config) {
		withUsers(t, someUsers, nil)(cfg)
		cfg.Listeners[0].CORS = &strict
	}, nil)
	if w := get(s, "OPTIONS", "/topics/a", ask...); w.Code != 401 {
		t.Errorf("a question without a login, access.control.skip.options=false: %d, want 401", w.Code)
	}
	if w := get(s, "OPTIONS", "/topics/a", append(basic("alice", "plain"), ask...)...); w.Code != 200 {
		t.Errorf("with one: %d", w.Code)
	}
}

func TestOptionsAreRejected(t *testing.T) {
	s, _, _ := newServer(t, func(cfg *Config) { cfg.Listeners[0].RejectOptions = true }, nil)
	for _, path := range []string{"/topics/a", "/nosuch", "/"} {
		if w := get(s, "OPTIONS", path); w.Code != 403 {
			t.Errorf("OPTIONS %s = %d, want 403", path, w.Code)
		}
	}
	if w := get(s, "GET", "/topics/a"); w.Code != 200 {
		t.Errorf("GET = %d", w.Code)
	}
}

func TestHeaders(t *testing.T) {
	headers, err := ParseHeaders(`set X-Frame-Options: DENY, "add Cache-Control: no-cache, no-store", setDate Expires: 0`)
	if err != nil {
		t.Fatal(err)
	}
	s, _, _ := newServer(t, func(cfg *Config) {
		cfg.Listeners[0].Headers, cfg.Listeners[0].NoSniff, cfg.Listeners[0].HSTS = headers, true, true
	}, nil)
	for _, path := range []string{"/topics/a", "/nosuch", "/topics//a", "/livez"} {
		h := get(s, "GET", path).Header()
		if h.Get("X-Frame-Options") != "DENY" || !strings.Contains(strings.Join(h["Cache-Control"], "|"), "no-cache, no-store") ||
			h.Get("Expires") != "Thu, 01 Jan 1970 00:00:00 GMT" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Strict-Transport-Security") != "" {
			t.Errorf("GET %s: %v", path, h)
		}
	}
}

func TestHeaderSize(t *testing.T) {
	s, _, _ := startServer(t, nil)
	for size, want := range map[int]int{7000: 200, 8200: 431, 20000: 431} {
		req, err := http.NewRequest(http.MethodGet, "http://"+s.Addrs()[0]+"/topics/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Long", strings.Repeat("x", size))
		resp, err := newClient(t, nil, false).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", size, resp.StatusCode, want)
		}
	}
}

func TestLegacyPaths(t *testing.T) {
	s, _, _ := newServer(t, func(cfg *Config) { cfg.Listeners[0].LegacyURI = true }, nil)
	for path, want := range map[string]int{"//topics///a/": 200, "/topics/b/../a": 200, "/../../topics/a": 200, "/topics/%2e%2e/topics/a": 400, "/topics/a%00": 400} {
		if w := get(s, "GET", path); w.Code != want || want == 200 && w.Body.String() != "a" {
			t.Errorf("GET %s = %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}

func TestForwarded(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tt := range []struct {
		name      string
		everybody bool
		peer      string
		headers   []string
		host      string
		scheme    string
		remote    string
	}{
		{"nobody is believed", false, "192.0.2.9:1", []string{"X-Forwarded-Host", "evil", "X-Forwarded-For", "1.1.1.1"}, "here", "", "192.0.2.9:1"},
		{"a trusted proxy", false, "10.1.1.1:1", []string{"X-Forwarded-Host", "api.example.com", "X-Forwarded-Proto", "https", "X-Forwarded-For", "1.1.1.1"}, "api.example.com", "https", "1.1.1.1:0"},
		{"the last that is no proxy", false, "10.1.1.1:1", []string{"X-Forwarded-For", "6.6.6.6, 2.2.2.2, 10.0.0.9"}, "here", "", "2.2.2.2:0"},
		{"everybody: the first", true, "192.0.2.9:1", []string{"X-Forwarded-For", "6.6.6.6, 2.2.2.2"}, "here", "", "6.6.6.6:0"},
		{"a port", true, "192.0.2.9:1", []string{"X-Forwarded-Host", "a", "X-Forwarded-Port", "8443"}, "a:8443", "", "192.0.2.9:1"},
		{"RFC 7239 goes before", true, "192.0.2.9:1", []string{"Forwarded", `for="[2001:db8::1]:99";host=b;proto=HTTPS, for=5.5.5.5`, "X-Forwarded-Host", "a"}, "b", "https", "[2001:db8::1]:99"},
		{"nonsense", true, "192.0.2.9:1", []string{"Forwarded", ";;=,", "X-Forwarded-Host", "a b", "X-Forwarded-For", "unknown", "X-Forwarded-Proto", "ftp"}, "here", "", "192.0.2.9:1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host, r.RemoteAddr = "here", tt.peer
		for i := 0; i < len(tt.headers); i += 2 {
			r.Header.Set(tt.headers[i], tt.headers[i+1])
		}
		var believed []netip.Prefix
		if !tt.everybody {
			believed = trusted
		}
		forwarded(tt.everybody, believed, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(httptest.NewRecorder(), r)
		if r.Host != tt.host || r.URL.Scheme != tt.scheme || r.RemoteAddr != tt.remote {
			t.Errorf("%s: %s %s %s, want %s %s %s", tt.name, r.Host, r.URL.Scheme, r.RemoteAddr, tt.host, tt.scheme, tt.remote)
		}
	}
}

// TestForwardedPrefix: the path that a trusted proxy has taken off is handed on as it belongs in a URL, that of others is dropped.
func TestForwardedPrefix(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tt := range []struct{ peer, header, want string }{
		{"10.1.1.1:1", "prod", "/prod"},
		{"10.1.1.1:1", "/a/b/", "/a/b"},
		{"10.1.1.1:1", "", ""},
		{"10.1.1.1:1", "//evil.example", "/evil.example"},
		{"10.1.1.1:1", `"><script>`, ""},
		{"10.1.1.1:1", "a b", ""},
		{"10.1.1.1:1", "a?b", ""},
		{"10.1.1.1:1", strings.Repeat("a", 300), ""},
		{"192.0.2.9:1", "prod", ""},
	} {
		for _, list := range [][]netip.Prefix{trusted, nil} {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.peer
			r.Header.Set(handlers.PrefixHeader, tt.header)
			forwarded(false, list, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(httptest.NewRecorder(), r)
			want := tt.want
			if list == nil {
				want = ""
			}
			if got := r.Header.Get(handlers.PrefixHeader); got != want {
				t.Errorf("%q from %s, trusted %v: %q, want %q", tt.header, tt.peer, list, got, want)
			}
		}
	}
}

// TestConnectionLimit: accepting pauses at the limit, and goes on when a connection ends.
func TestConnectionLimit(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"server": func(cfg *Config) { cfg.MaxConnections = 1 }, "listener": func(cfg *Config) { cfg.Listeners[0].MaxConnections = 1 },
	} {
		s, _, _ := startServer(t, change)
		first, err := net.Dial("tcp", s.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, "connection", func() bool { return s.compat.active.Load() == 1 })
		second, err := net.Dial("tcp", s.Addrs()[0]) // the kernel takes it
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(second, "GET /topics/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		_ = second.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := second.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: %d bytes over the limit", name, n)
		}
		first.Close()
		_ = second.SetReadDeadline(time.Now().Add(10 * time.Second))
		if text, err := io.ReadAll(second); err != nil || !bytes.HasSuffix(text, []byte("a")) {
			t.Errorf("%s: %q, %v, want the answer", name, text, err)
		}
		second.Close()
	}
}

func TestTrafficLimit(t *testing.T) {
	s, _, _ := startServer(t, func(cfg *Config) { cfg.ReadBytesPerSec = 100_000 })
	started := time.Now()
	resp, err := newClient(t, nil, false).Post("http://"+s.Addrs()[0]+"/nosuch", "text/plain", bytes.NewReader(make([]byte, 130_000)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if took := time.Since(started); took < 200*time.Millisecond {
		t.Errorf("130 kB took %v at 100 kB/s with as much at once, want 0.3 s", took)
	}
}

// TestNoSecretIsLogged: passwords of requests and files are in no log, answer or error of the HTTP side.
func TestNoSecretIsLogged(t *testing.T) {
	var requests, debug bytes.Buffer
	cfg := DefaultConfig()
	withUsers(t, "alice: CANARY1,admin\nbob: MD5:0123456789abcdef0123456789abcdef,admin\n", nil)(&cfg)
	cfg.RequestLog.To = &requests
	reg := prometheus.NewRegistry()
	log := slog.New(slog.NewTextHandler(&debug, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := New(cfg, fakeAPI{}, Version{}, func(context.Context) error { return nil }, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	var answers bytes.Buffer
	for _, login := range [][]string{basic("alice", "CANARY1"), basic("alice", "CANARY2"), basic("CANARY3", "x"), basic("bob", "CANARY4")} {
		for _, path := range []string{"/topics/a", "/bug", "/nosuch", "/topics//"} {
			w := get(s, "GET", path, login...)
			answers.Write(w.Body.Bytes())
			_ = w.Header().Write(&answers)
		}
	}
	s.requestLog.flush()
	guard := s.doors[0].guard
	replace(t, guard.cfg.Users, []byte("alice: MD5:CANARY5\n"))
	guard.users.Look()
	replace(t, guard.cfg.Users, []byte("CANARY6: \\uCANARY7\n"))
	guard.users.Look()
	_, err = ParseHeaders("CANARY8")
	metrics := get(s, "GET", "/metrics").Body.String()
	for where, text := range map[string]string{"request log": requests.String(), "log": debug.String(), "answers": answers.String(), "metrics": metrics, "errors": err.Error()} {
		if strings.Contains(text, "CANARY") || strings.Contains(text, "Authorization") || strings.Contains(text, "Basic Y") {
			t.Errorf("%s shows a secret:\n%s", where, text)
		}
	}
	if !strings.Contains(requests.String(), " - alice [") || strings.Count(debug.String(), "stays in force") != 2 {
		t.Errorf("the test sees too little: %s %s", &requests, &debug)
	}
}

func TestUsersFileFaults(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{"a: MD5:zz": "line 1", "\nb: OBF:x": "line 2", "c: \\uzz": "line 1"} {
		path := filepath.Join(dir, "users")
		replace(t, path, []byte(text))
		if err := (Auth{Users: path}).Check(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if err := (Auth{Users: filepath.Join(dir, "none")}).Check(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
