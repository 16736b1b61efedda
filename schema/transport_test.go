package schema

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// seen answers every question with the same schema and keeps what it was asked.
type seen struct {
	mu       sync.Mutex
	requests []*http.Request
	status   int
	body     string
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if s.status != 0 {
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.body)
		return
	}
	_, _ = io.WriteString(w, `{"subject":"t-value","id":1,"version":1,"schema":"\"string\""}`)
}

func (s *seen) last(t *testing.T) *http.Request {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		t.Fatal("the registry was not asked")
	}
	return s.requests[len(s.requests)-1]
}

func TestLogins(t *testing.T) {
	registry := &seen{}
	server := httptest.NewServer(registry)
	defer server.Close()
	withUser := strings.Replace(server.URL, "http://", "http://us%40er:p%3Aw@", 1)
	for name, tt := range map[string]struct {
		change func(*Config)
		want   map[string]string
	}{
		"none":            {func(*Config) {}, map[string]string{"Authorization": ""}},
		"a user in a URL": {func(c *Config) { c.URLs = []string{withUser} }, map[string]string{"Authorization": "Basic dXNAZXI6cDp3"}},
		"USER_INFO":       {func(c *Config) { c.User, c.Password = "u", "p" }, map[string]string{"Authorization": "Basic dTpw"}},
		"USER_INFO wins":  {func(c *Config) { c.URLs = []string{withUser}; c.User, c.Password = "u", "p" }, map[string]string{"Authorization": "Basic dTpw"}},
		"STATIC_TOKEN":    {func(c *Config) { c.Token = "tok" }, map[string]string{"Authorization": "Bearer tok"}},
		"headers":         {func(c *Config) { c.Headers = http.Header{"X-A": {"b"}} }, map[string]string{"X-A": "b", "Authorization": ""}},
	} {
		s := newFake(t, func(c *Config) { c.URLs = []string{server.URL} }, tt.change)
		mustCodec(t, s, Query{Topic: "t"})
		for header, want := range tt.want {
			if got := registry.last(t).Header.Get(header); got != want {
				t.Errorf("%s: %s = %q, want %q", name, header, got, want)
			}
		}
	}
}

// TestTokensAreFetchedAndKept: one token serves many requests, and a new one is fetched before it ends.
func TestTokensAreFetchedAndKept(t *testing.T) {
	var fetched atomic.Int32
	age := atomic.Int32{}
	age.Store(3600)
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "sr" || user != "id" || password != "s%2Bcret" {
			t.Errorf("token asked with %v by %s", r.Form, user)
		}
		_, _ = fmt.Fprintf(w, `{"access_token":"t%d","expires_in":%d}`, fetched.Add(1), age.Load())
	}))
	defer issuer.Close()
	registry := &seen{}
	server := httptest.NewServer(registry)
	defer server.Close()
	s := newFake(t, func(c *Config) {
		c.URLs = []string{server.URL}
		c.OAuth = &OAuth{TokenURL: issuer.URL, ClientID: "id", ClientSecret: "s+cret", Scope: "sr", LogicalCluster: "lsrc-1", IdentityPoolID: "pool-1"}
	})
	for i := range 5 {
		mustCodec(t, s, Query{Topic: "t", Version: i + 1})
	}
	last := registry.last(t)
	if fetched.Load() != 1 || last.Header.Get("Authorization") != "Bearer t1" || last.Header.Get("Target-Sr-Cluster") != "lsrc-1" || last.Header.Get("Confluent-Identity-Pool-Id") != "pool-1" {
		t.Errorf("%d tokens were fetched, the last request had %v", fetched.Load(), last.Header)
	}
	tokens := newTokens(OAuth{TokenURL: issuer.URL, ClientID: "id", ClientSecret: "s+cret", Scope: "sr"}, http.DefaultTransport)
	tokens.until = time.Now().Add(-time.Second)
	if token, err := tokens.get(t.Context()); err != nil || token != "t2" {
		t.Errorf("after its time: %s, %v", token, err)
	}
}

func TestTLSToTheRegistry(t *testing.T) {
	server := httptest.NewTLSServer(&seen{})
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	s := newFake(t, func(c *Config) {
		c.URLs, c.TLS = []string{server.URL}, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	})
	mustCodec(t, s, Query{Topic: "t"})
	s = newFake(t, func(c *Config) { c.URLs = []string{server.URL} })
	_, err := s.Codec(t.Context(), Query{Topic: "t"})
	if err == nil || !strings.Contains(err.Error(), "\nthe TLS connection to the schema registry failed: tls: failed to verify certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
}

func TestProxyInFrontOfTheRegistry(t *testing.T) {
	var through atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.Store(r.URL.String())
		(&seen{}).ServeHTTP(w, r)
	}))
	defer proxy.Close()
	s := newFake(t, func(c *Config) { c.URLs, c.ProxyURL = []string{"http://registry.invalid:8081/base/"}, proxy.URL })
	mustCodec(t, s, Query{Topic: "a b", Key: true})
	if got := through.Load(); got != "http://registry.invalid:8081/base/subjects/a%20b-key/versions/latest" {
		t.Errorf("the proxy was asked for %v", got)
	}
}

// TestRegistryAnswersInTime: a registry that is silent is given up; what is long too is refused.
func TestRegistryAnswersInTime(t *testing.T) {
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer silent.Close()
	defer close(release)
	s := newFake(t, func(c *Config) { c.URLs, c.ReadTimeout = []string{silent.URL}, 50*time.Millisecond })
	_, err := s.Codec(t.Context(), Query{Topic: "t"})
	if err == nil || !strings.HasSuffix(err.Error(), "\nthe schema registry did not answer in time") {
		t.Errorf("silent: %v", err)
	}
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"schema":"`+strings.Repeat("x", maxAnswerBytes)+`"}`)
	}))
	defer endless.Close()
	s = newFake(t, func(c *Config) { c.URLs = []string{endless.URL} })
	if _, err = s.Codec(t.Context(), Query{Topic: "t"}); err == nil || !strings.HasSuffix(err.Error(), errAnswerTooLarge.Error()) {
		t.Errorf("endless: %v", err)
	}
}

// TestRedirectsAreNotFollowed: a login must not go where a registry points.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := &seen{}
	other := httptest.NewServer(elsewhere)
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	s := newFake(t, func(c *Config) { c.URLs, c.Token = []string{server.URL}, "tok" })
	if _, err := s.Codec(t.Context(), Query{Topic: "t"}); err == nil {
		t.Error("a redirect gave a schema")
	}
	if len(elsewhere.requests) > 0 {
		t.Errorf("the other server was asked with %v", elsewhere.requests[0].Header)
	}
}

// TestCredentialsStaySecret looks for what is secret in every error and in all that is logged.
func TestCredentialsStaySecret(t *testing.T) {
	const canary = "CANARY"
	gone := httptest.NewServer(nil)
	gone.Close()
	refusing := httptest.NewServer(&seen{status: http.StatusUnauthorized, body: `{"error_code":401,"message":"no"}`})
	defer refusing.Close()
	tlsServer := httptest.NewTLSServer(&seen{})
	defer tlsServer.Close()
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, r.Header.Get("Authorization")+canary)
	}))
	defer issuer.Close()
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	check := func(name, text string) {
		t.Helper()
		for _, secret := range []string{canary, url.QueryEscape(canary), "Q0FOQVJZ"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows a secret: %s", name, text)
			}
		}
	}
	for name, change := range map[string]func(*Config){
		"a URL":     func(c *Config) {},
		"USER_INFO": func(c *Config) { c.User, c.Password = "user", canary },
		"a token":   func(c *Config) { c.Token = canary },
		"OAuth":     func(c *Config) { c.OAuth = &OAuth{TokenURL: issuer.URL, ClientID: "id", ClientSecret: canary} },
		"a header":  func(c *Config) { c.Headers = http.Header{"X-Key": {canary}} },
		"a proxy":   func(c *Config) { c.ProxyURL = strings.Replace(gone.URL, "://", "://user:"+canary+"@", 1) },
	} {
		for _, server := range []string{gone.URL, refusing.URL, tlsServer.URL, "http://host.invalid:1"} {
			cfg := DefaultConfig()
			cfg.URLs = []string{strings.Replace(server, "://", "://user:"+canary+"@", 1)}
			cfg.ConnectTimeout, cfg.ReadTimeout = time.Second, time.Second
			change(&cfg)
			s, err := New(cfg, log, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range []Query{{Topic: "t"}, {Topic: "t", ID: 7}, {Topic: "t", Format: Avro, Text: `"string"`}} {
				if _, err := s.Codec(t.Context(), q); err == nil {
					t.Errorf("%s at %s: a codec came", name, server)
				} else {
					check(name, err.Error())
				}
			}
			_, _, err = s.Decode(t.Context(), []byte{0, 0, 0, 0, 9, 1})
			check(name, fmt.Sprint(err))
			s.Close()
		}
	}
	check("the log", logged.String())
	bad := DefaultConfig()
	bad.URLs = []string{"ftp://user:" + canary + "@h:1"}
	check("Validate", fmt.Sprint(bad.Validate()))
}

// TestOneLoadForMany: of a hundred who want a schema at once one asks the registry.
func TestOneLoadForMany(t *testing.T) {
	var asked atomic.Int32
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-release
		(&seen{}).ServeHTTP(w, r)
	}))
	defer server.Close()
	s := newFake(t, func(c *Config) { c.URLs = []string{server.URL} })
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, _, err := s.Decode(context.WithoutCancel(t.Context()), []byte("\x00\x00\x00\x00\x01\x02x")); err != nil {
				t.Error(err)
			}
		})
	}
	// Who leaves early ends nobody else's load.
	early, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Decode(early, []byte("\x00\x00\x00\x00\x01\x02x")); err == nil {
		t.Error("a call that is over was answered")
	}
	close(release)
	all.Wait()
	if asked.Load() != 1 {
		t.Errorf("the registry was asked %d times", asked.Load())
	}
}

// TestCacheIsBounded: what is used least leaves, and what is kept is counted.
func TestCacheIsBounded(t *testing.T) {
	m := newMetrics(prometheus.NewRegistry())
	c := newCache[int, int](1000, 0, time.Second, m)
	loads := 0
	get := func(key int) {
		t.Helper()
		v, err := c.get(t.Context(), key, func(context.Context) (int, int64, error) { loads++; return key, 300, nil })
		if err != nil || v != key {
			t.Fatal(v, err)
		}
	}
	for _, key := range []int{1, 2, 3, 1, 4, 1, 3} { // 4 takes the place of 2
		get(key)
	}
	if loads != 4 || c.bytes != 900 || testutil.ToFloat64(m.cacheBytes) != 900 {
		t.Errorf("%d loads, %d bytes, %v in the gauge", loads, c.bytes, testutil.ToFloat64(m.cacheBytes))
	}
	get(2)
	if loads != 5 {
		t.Error("2 was still there")
	}
	if _, err := c.get(t.Context(), 9, func(context.Context) (int, int64, error) { return 9, 1001, nil }); err != nil || c.entries[9] != nil {
		t.Error("what is larger than everything is kept", err)
	}
}

// TestMissingSchemasAreRemembered, but only those that the registry has denied, and not for long.
func TestMissingSchemasAreRemembered(t *testing.T) {
	registry := &seen{status: http.StatusNotFound, body: `{"error_code":40403,"message":"Schema 9 not found"}`}
	server := httptest.NewServer(registry)
	defer server.Close()
	s := newFake(t, func(c *Config) { c.URLs = []string{server.URL} })
	for range 3 {
		_, _, err := s.Decode(t.Context(), []byte{0, 0, 0, 0, 9, 1})
		if err == nil || err.Error() != "Error when fetching schema by id. schemaId = 9\nSchema 9 not found; error code: 40403" {
			t.Errorf("got %v", err)
		}
	}
	if n := len(registry.requests); n != 1 {
		t.Errorf("the registry was asked %d times", n)
	}
	registry.status, registry.body = http.StatusInternalServerError, `{"error_code":50001,"message":"store"}`
	for range 2 {
		if _, _, err := s.Decode(t.Context(), []byte{0, 0, 0, 0, 8, 1}); err == nil || !strings.HasSuffix(err.Error(), "store; error code: 50001") {
			t.Errorf("got %v", err)
		}
	}
	if n := len(registry.requests); n != 3 {
		t.Errorf("a fault of the registry was remembered: %d requests", n)
	}
}

// TestReferences: all three formats find what a schema refers to, by subject and version.
func TestReferences(t *testing.T) {
	for name, tt := range map[string]struct{ kind, base, text, value string }{
		"Avro":        {"AVRO", `{"type":"record","name":"A","namespace":"n","fields":[{"name":"x","type":"int"}]}`, `{"type":"record","name":"B","fields":[{"name":"a","type":"n.A"}]}`, `{"a":{"x":1}}`},
		"JSON Schema": {"JSON", `{"type":"object","required":["x"]}`, `{"type":"object","properties":{"a":{"$ref":"base"}}}`, `{"a":{"x":1}}`},
		"Protobuf":    {"PROTOBUF", `syntax = "proto3"; package n; message A { int32 x = 1; }`, `syntax = "proto3"; import "base"; message B { n.A a = 1; }`, `{"a":{"x":1}}`},
	} {
		mux := http.NewServeMux()
		answer := func(w http.ResponseWriter, text string, more string) {
			raw, _ := json.Marshal(text)
			_, _ = fmt.Fprintf(w, `{"subject":"s","id":5,"version":1,"schemaType":%q,"schema":%s%s}`, tt.kind, raw, more)
		}
		mux.HandleFunc("GET /subjects/base-subject/versions/3", func(w http.ResponseWriter, _ *http.Request) { answer(w, tt.base, "") })
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, tt.text, `,"references":[{"name":"base","subject":"base-subject","version":3}]`)
		})
		server := httptest.NewServer(mux)
		s := newFake(t, func(c *Config) { c.URLs = []string{server.URL} })
		data, err := mustCodec(t, s, Query{Topic: "t", ID: 5}).Encode([]byte(tt.value))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if back, _, err := s.Decode(t.Context(), data); err != nil || string(back) != tt.value {
			t.Errorf("%s: %s, %v", name, back, err)
		}
		server.Close()
	}
	circle := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := len(r.URL.Path)
		_, _ = fmt.Fprintf(w, `{"subject":"s","id":5,"version":1,"schema":"\"int\"","references":[{"name":"r%d","subject":"%s","version":1}]}`, n, strings.Repeat("x", n))
	}))
	defer circle.Close()
	s := newFake(t, func(c *Config) { c.URLs = []string{circle.URL} })
	var invalid *InvalidSchemaError
	if _, err := s.Codec(t.Context(), Query{Topic: "t", ID: 5}); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "deep") {
		t.Errorf("references without an end: %v", err)
	}
}

// TestSubjects holds the three strategies to their names.
func TestSubjects(t *testing.T) {
	s := newFake(t)
	const avroText, protoText, jsonText = `{"type":"record","name":"R","namespace":"n","fields":[]}`, `syntax = "proto3"; package p; message M {} message N {}`, `{"title":"T","type":"object"}`
	for _, tt := range []struct {
		q    Query
		want string
	}{
		{Query{Format: Avro, Text: avroText}, "t-value"},
		{Query{Format: Avro, Text: avroText, Key: true}, "t-key"},
		{Query{Format: Avro, Text: avroText, Strategy: RecordName}, "n.R"},
		{Query{Format: Avro, Text: avroText, Strategy: TopicRecordName, Key: true}, "t-n.R"},
		{Query{Format: Protobuf, Text: protoText, Strategy: RecordName}, "p.M"},
		{Query{Format: JSONSchema, Text: jsonText, Strategy: TopicRecordName}, "t-T"},
		{Query{Format: Avro, Text: avroText, Subject: "own"}, "own"},
	} {
		tt.q.Topic = "t"
		c := mustCodec(t, s, tt.q)
		if c.Subject() != tt.want {
			t.Errorf("%+v: %s, want %s", tt.q, c.Subject(), tt.want)
		}
		again := mustCodec(t, s, Query{Topic: "t", Key: tt.q.Key, ID: c.ID(), Strategy: tt.q.Strategy, Subject: tt.q.Subject})
		if again.Subject() != tt.want {
			t.Errorf("by id %+v: %s, want %s", tt.q, again.Subject(), tt.want)
		}
	}
	for _, q := range []Query{
		{Topic: "t", Format: Avro, Text: `"int"`, Strategy: RecordName},
		{Topic: "t", Version: 1, Strategy: TopicRecordName},
		{Topic: "t", Subject: "s", Strategy: TopicName},
		{Topic: "t", Text: `"int"`},
		{Topic: "t", ID: 1, Version: 1},
		{Topic: "t", Strategy: "NONE"},
	} {
		var query *QueryError
		if _, err := s.Codec(t.Context(), q); !errors.As(err, &query) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

// TestNormalize: the registry is told to compare normalized texts.
func TestNormalize(t *testing.T) {
	for _, on := range []bool{false, true} {
		registry := &seen{}
		server := httptest.NewServer(registry)
		s := newFake(t, func(c *Config) { c.URLs, c.Normalize = []string{server.URL}, on })
		mustCodec(t, s, Query{Topic: "t", Format: Avro, Text: `"string"`})
		if got := registry.last(t).URL.Query().Get("normalize"); (got == "true") != on {
			t.Errorf("normalize = %q", got)
		}
		server.Close()
	}
}
