package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

func TestPropertiesSayWhereThingsAreAndNoMore(t *testing.T) {
	cfg := gatewayConfig{bootstrap: []string{"a:1", "b:2"}, kinesis: "http://127.0.0.1:3", extra: []string{"linger.ms=0"}}
	want := "listeners=http://127.0.0.1:8082\nbootstrap.servers=a:1,b:2\nkinesis.endpoint=http://127.0.0.1:3\nkinesis.region=us-east-1\nlinger.ms=0\n"
	if got := string(cfg.properties("127.0.0.1:8082")); got != want {
		t.Errorf("properties:\n%s\nwant\n%s", got, want)
	}
}

func TestGatewayEnvIsNotTheCallers(t *testing.T) {
	got := gatewayEnv([]string{"PATH=/bin", "KAFKA_REST_LISTENERS=x", "AWS_PROFILE=me", "GOMEMLIMIT=1GiB"})
	want := "PATH=/bin AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=bench AWS_EC2_METADATA_DISABLED=true"
	if strings.Join(got, " ") != want {
		t.Errorf("gatewayEnv = %v, want %s", got, want)
	}
}

// floodGateway is a gateway that is this process and answers as h does.
func floodGateway(t *testing.T, h http.HandlerFunc) *gateway {
	t.Helper()
	base, _ := serve(t, h)
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return &gateway{base: base, cmd: &exec.Cmd{Process: self}}
}

// A gateway may refuse a body without reading it: the answer counts, not the broken pipe.
func TestFloodTakesRefusals(t *testing.T) {
	var seen atomic.Int64
	g := floodGateway(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			return
		}
		switch seen.Add(1) % 3 {
		case 0:
			_, _ = io.Copy(io.Discard, r.Body)
		case 1:
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		default:
			w.Header().Set("Connection", "close")
			http.Error(w, "busy", http.StatusServiceUnavailable)
		}
	})
	f := flood{Connections: 10, Requests: 3, BodyBytes: 1 << 20, RecordBytes: eventBytes}
	res, err := f.run(t.Context(), g, "orders", makeEvents(10))
	if err != nil {
		t.Fatal(err)
	}
	if want := "10 × 200, 10 × 413, 10 × 503"; res.statusList() != want || !res.onlyAllowed() || !res.Alive {
		t.Errorf("answers %s (%v), want %s; only allowed %t, alive %t", res.statusList(), res.Reasons, want, res.onlyAllowed(), res.Alive)
	}
	if res.Peak < res.Before.Resident {
		t.Errorf("peak %d below the memory before, %d", res.Peak, res.Before.Resident)
	}
}

func TestFloodCountsWhatIsNotAnswered(t *testing.T) {
	g := floodGateway(t, func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset
			}
			_ = c.Close()
		}
	})
	f := flood{Connections: 3, Requests: 2, BodyBytes: 1 << 20, RecordBytes: eventBytes}
	res, err := f.run(t.Context(), g, "orders", makeEvents(10))
	if err != nil {
		t.Fatal(err)
	}
	if res.Statuses["none"] != 6 || res.onlyAllowed() || res.Alive {
		t.Errorf("answers %s, only allowed %t, alive %t; want 6 without an answer", res.statusList(), res.onlyAllowed(), res.Alive)
	}
}

func TestFloodBodyFillsItsSize(t *testing.T) {
	for _, record := range []int{eventBytes, 1 << 20} {
		f := flood{BodyBytes: 10 << 20, RecordBytes: record}
		if n := len(f.body(makeEvents(10))); n > f.BodyBytes || n < f.BodyBytes-record-20 {
			t.Errorf("a body of %d-byte records has %d bytes, want about %d", record, n, f.BodyBytes)
		}
	}
}
