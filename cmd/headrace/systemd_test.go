package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// notifySocket stands in for systemd: what is sent to it comes out, message by message.
func notifySocket(t *testing.T) <-chan string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skipf("no Unix datagram sockets here: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	states := make(chan string, 1000)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			states <- string(buf[:n])
		}
	}()
	return states
}

func nextState(t *testing.T, states <-chan string) string {
	t.Helper()
	select {
	case state := <-states:
		return state
	case <-time.After(20 * time.Second):
		t.Fatal("systemd was told nothing for 20 s")
		return ""
	}
}

// TestServeTellsSystemd: ready when it listens, alive by the watchdog's clock, stopping when it is stopped.
func TestServeTellsSystemd(t *testing.T) {
	states := notifySocket(t)
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt((20*time.Millisecond).Microseconds(), 10))
	s := startServe(t, "bootstrap.servers="+newKafka(t).ListenAddrs()[0]+"\nkinesis.enable=false\n")
	if state := nextState(t, states); state != "READY=1" {
		t.Errorf("told %q first, want READY=1", state)
	}
	if status, _ := get(t, s.url+"/livez"); status != http.StatusOK {
		t.Errorf("told to be ready, and /livez answers %d", status)
	}
	for range 3 {
		if state := nextState(t, states); state != "WATCHDOG=1" {
			t.Errorf("told %q, want WATCHDOG=1", state)
		}
	}
	if code := s.end(t); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
	for state := nextState(t, states); state != "STOPPING=1"; state = nextState(t, states) {
		if state != "WATCHDOG=1" {
			t.Errorf("told %q, want STOPPING=1", state)
		}
	}
}

// TestWatchdogIsNotTold: while nothing answers, systemd must not hear that all is well, and the log says so.
func TestWatchdogIsNotTold(t *testing.T) {
	states := notifySocket(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	hangs := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	asked := make(chan bool, 1000)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	var log strings.Builder
	go func() {
		defer close(ended)
		superviseBySystemd(ctx, slog.New(slog.NewTextHandler(&log, nil)), func(ctx context.Context) bool {
			alive := answers(ctx, hangs)
			asked <- alive
			return alive
		})
	}()
	for range 3 {
		if <-asked {
			t.Error("a handler that hangs is taken for alive")
		}
	}
	stop()
	<-ended
	if got := []string{nextState(t, states), nextState(t, states)}; got[0] != "READY=1" || got[1] != "STOPPING=1" {
		t.Errorf("told %q, want READY=1 and STOPPING=1 only", got)
	}
	if !strings.Contains(log.String(), "no answer from /livez") {
		t.Errorf("the log does not tell: %s", log.String())
	}
}

// TestWithoutSystemd: no socket, nothing to wait for.
func TestWithoutSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	superviseBySystemd(t.Context(), slog.New(slog.DiscardHandler), func(context.Context) bool {
		t.Error("asked without systemd")
		return true
	})
}
