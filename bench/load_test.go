package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

var quick = timing{warm: 20 * time.Millisecond, window: 200 * time.Millisecond}

func bodiesOf(records int) [][]byte {
	var bodies [][]byte
	for _, group := range groups(makeEvents(20), records) {
		bodies = append(bodies, produceBody(group))
	}
	return bodies
}

func serve(t *testing.T, h http.Handler) (base *url.URL, connections *atomic.Int64) {
	t.Helper()
	connections = &atomic.Int64{}
	server := httptest.NewUnstartedServer(h)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return base, connections
}

// Every request that the generator counts is one that the server saw, and the other way round; and
// it uses the connections it says.
func TestMeasureCountsWhatTheServerSaw(t *testing.T) {
	var seen atomic.Int64
	bare := newBareServer()
	base, connections := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		bare.ServeHTTP(w, r)
	}))
	target := produceTarget(base, "orders", bodiesOf(1), 1)
	p, err := measure(t.Context(), subject{name: nameE, open: target.open}, load{1, 4}, quick)
	if err != nil {
		t.Fatal(err)
	}
	if got := seen.Load(); int64(p.Answered) != got {
		t.Errorf("%d answers counted, the server gave %d", p.Answered, got)
	}
	if p.Requests == 0 || p.Requests >= p.Answered {
		t.Errorf("%d of %d answers within the window, want a part of them", p.Requests, p.Answered)
	}
	if p.P50 <= 0 || p.P99 < p.P50 {
		t.Errorf("p50 %v, p99 %v", p.P50, p.P99)
	}
	if got := connections.Load(); got != 4 {
		t.Errorf("%d connections were opened, want 4 kept alive", got)
	}
}

// The bare server repeats the very bytes it was given, of whatever size.
func TestBareServerRepeatsTheAnswer(t *testing.T) {
	base, _ := serve(t, newBareServer())
	entry := `{"partition":0,"offset":123,"error_code":null,"error":null}`
	document := []byte(`{"offsets":[` + strings.TrimSuffix(strings.Repeat(entry+",", 10), ",") + `],"key_schema_id":null,"value_schema_id":null}`)
	if err := setAnswer(t.Context(), base, &document); err != nil {
		t.Fatal(err)
	}
	target := produceTarget(base, "orders", bodiesOf(10), 10)
	if _, err := measure(t.Context(), subject{name: nameE, open: target.open}, load{10, 2}, quick); err != nil {
		t.Fatal(err)
	}
	if got := string(*target.last.Load()); got != string(document) {
		t.Errorf("answered %s, want %s", got, document)
	}
}

// A latency that the server makes is the latency that is measured.
func TestMeasureSeesTheLatency(t *testing.T) {
	const delay = 20 * time.Millisecond
	bare := newBareServer()
	base, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = sleepUntil(r.Context(), time.Now().Add(delay))
		bare.ServeHTTP(w, r)
	}))
	target := produceTarget(base, "orders", bodiesOf(1), 1)
	p, err := measure(t.Context(), subject{name: nameE, open: target.open}, load{1, 2}, timing{window: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if p.P50 < micros(delay) {
		t.Errorf("p50 %.0f µs, but each answer takes %.0f µs at least", p.P50, micros(delay))
	}
	if most := 2 / delay.Seconds(); p.Rate > most*1.05 {
		t.Errorf("%.1f requests/s, but 2 connections cannot do more than %.1f", p.Rate, most)
	}
}

func TestMeasureEndsAtAWrongAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a failed record": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, `{"offsets":[{"partition":null,"offset":null,"error_code":50003,"error":"gone"}]}`)
		}, "a record failed"},
		"a wrong status": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) }, "status 503"},
		"a closed connection": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = c.Close()
			}
		}, "reading an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			base, _ := serve(t, c.answer)
			target := produceTarget(base, "orders", bodiesOf(1), 1)
			_, err := measure(t.Context(), subject{name: nameOurs, open: target.open}, load{1, 3}, timing{window: 30 * time.Second})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestMeasureEndsWithItsContext(t *testing.T) {
	hang := make(chan struct{})
	base, _ := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(func() { close(hang) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	target := produceTarget(base, "orders", bodiesOf(1), 1)
	begun := time.Now()
	if _, err := measure(ctx, subject{name: nameOurs, open: target.open}, load{1, 2}, timing{window: time.Minute}); err == nil {
		t.Error("a server that never answers gives a measurement")
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("ended after %s", took)
	}
}

// K writes what it counts, whole groups, from as many goroutines as it is told.
func TestDirectKafkaWritesWhatItCounts(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b, err := openBroker(t.Context(), cluster.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	if err := b.createTopic(t.Context(), "orders", 2); err != nil {
		t.Fatal(err)
	}
	client, err := newKafkaClient(b.bootstrap, "orders")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	k := &directKafka{client: client, groups: groups(makeEvents(50), 10)}
	p, err := measure(t.Context(), k.subject(), load{10, 8}, quick)
	if err != nil {
		t.Fatal(err)
	}
	written, err := b.written(t.Context(), "orders")
	if err != nil || written != int64(p.Answered)*10 || p.Requests == 0 {
		t.Errorf("topic has %d records (%v), %d requests of 10 were acknowledged, %d in the window", written, err, p.Answered, p.Requests)
	}
}

func TestParseLoad(t *testing.T) {
	for text, want := range map[string]load{"1x16": {1, 16}, "1000x4": {1000, 4}} {
		if got, err := parseLoad(text); err != nil || got != want || got.String() != text {
			t.Errorf("parseLoad(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "16", "x16", "0x1", "1x0", "1x16x2", "9999x1", "-1x1"} {
		if got, err := parseLoad(text); err == nil {
			t.Errorf("parseLoad(%q) = %v, want an error", text, got)
		}
	}
}
