package kinesisclient

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call is one request that the scripted upstream has received.
type call struct {
	target string
	header http.Header
	body   []byte
	at     time.Time
}

// keys returns the partition keys of a PutRecords call.
func (c call) keys(t *testing.T) []string {
	t.Helper()
	var body struct {
		Records []struct{ PartitionKey string }
	}
	if err := json.Unmarshal(c.body, &body); err != nil {
		t.Fatalf("reading the upstream's body %q: %v", c.body, err)
	}
	var keys []string
	for _, r := range body.Records {
		keys = append(keys, r.PartitionKey)
	}
	return keys
}

// upstream is a scripted Kinesis: answer says what call number n, from 0, gets.
type upstream struct {
	mu     sync.Mutex
	calls  []call
	answer func(w http.ResponseWriter, n int, c call)
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c := call{target: r.Header.Get("X-Amz-Target"), header: r.Header, body: body, at: time.Now()}
	u.mu.Lock()
	n := len(u.calls)
	u.calls = append(u.calls, c)
	u.mu.Unlock()
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("x-amzn-RequestId", "req-1")
	u.answer(w, n, c)
}

func (u *upstream) seen() []call {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]call(nil), u.calls...)
}

func answerText(status int, text string) func(http.ResponseWriter, int, call) {
	return func(w http.ResponseWriter, _ int, _ call) { reply(w, status, text) }
}

func reply(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

const (
	throttled = `{"__type":"ProvisionedThroughputExceededException","message":"Rate exceeded."}`
	failed500 = `{"__type":"InternalFailure"}`
	stored    = `{"ShardId":"shardId-000000000000","SequenceNumber":"49"}`
)

// start serves u over TCP and returns a client for it, made with the default settings as
// changed by change.
func start(t *testing.T, u *upstream, change func(*Config)) *Client {
	t.Helper()
	server := httptest.NewServer(u)
	t.Cleanup(server.Close)
	return newClient(t, func(cfg *Config) {
		cfg.Endpoint = server.URL
		if change != nil {
			change(cfg)
		}
	})
}

func newClient(t *testing.T, change func(*Config)) *Client {
	t.Helper()
	cfg := DefaultConfig()
	cfg.StaticKey, cfg.StaticSecret = "AKIDEXAMPLE", "secret"
	cfg.Budget = 10 * time.Second
	change(&cfg)
	c, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// startVirtual serves u over pipes, so that a synctest bubble can turn its clock forward
// while requests are under way.
func startVirtual(t *testing.T, u *upstream, change func(*Config)) *Client {
	t.Helper()
	ln := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: u, ReadHeaderTimeout: time.Hour}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(ln)
	}()
	c := newClient(t, func(cfg *Config) {
		cfg.Endpoint = "http://kinesis.test"
		if change != nil {
			change(cfg)
		}
	})
	s, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.transport.DialContext = ln.dial
	c.opened.Store(s)
	t.Cleanup(func() {
		c.Close()
		_ = server.Close()
		<-served
	})
	return c
}

// pipes is a listener without a network.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.done) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func bodyOf(text string) *Body {
	b := NewBody()
	b.Bytes = append(b.Bytes, text...)
	return b
}
