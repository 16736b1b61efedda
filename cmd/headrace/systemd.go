package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// superviseBySystemd tells systemd what becomes of this process until ctx ends: READY=1 now, STOPPING=1 at the end,
// and, where the unit has WatchdogSec, WATCHDOG=1 each time that alive returns true, twice in its time. Without
// systemd (no NOTIFY_SOCKET) it does nothing. Source: sd_notify(3).
func superviseBySystemd(ctx context.Context, log *slog.Logger, alive func(context.Context) bool) {
	tell := func(state string) bool {
		sent, err := daemon.SdNotify(false, state)
		if err != nil {
			log.Warn("systemd is not told how the service does", "state", state, "err", err)
		}
		return sent
	}
	if !tell(daemon.SdNotifyReady) {
		return
	}
	defer tell(daemon.SdNotifyStopping)
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog of systemd is not served", "err", err)
	}
	if limit <= 0 {
		<-ctx.Done()
		return
	}
	ticks := time.NewTicker(limit / 2)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		asking, cancel := context.WithTimeout(ctx, limit/2)
		if alive(asking) {
			tell(daemon.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			log.Error("no answer from /livez: systemd's watchdog is not told that all is well", "limit", limit)
		}
		cancel()
	}
}

// answers reports whether handler answers /livez before ctx ends. It asks without a socket: a listener may want
// a client's certificate.
func answers(ctx context.Context, handler http.Handler) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/livez", nil)
	if err != nil {
		return false
	}
	req.RemoteAddr, req.RequestURI = "127.0.0.1:0", "/livez"
	req.Header.Set("User-Agent", "headrace-watchdog")
	answered := make(chan struct{})
	go func() { // ends with the handler, which is bounded by ctx
		defer close(answered)
		handler.ServeHTTP(&unread{header: http.Header{}}, req)
	}()
	select {
	case <-answered:
		return true
	case <-ctx.Done():
		return false
	}
}

// unread is the end of an answer that nobody reads: that it came is what counts.
type unread struct{ header http.Header }

func (u *unread) Header() http.Header         { return u.header }
func (u *unread) Write(p []byte) (int, error) { return len(p), nil }
func (u *unread) WriteHeader(int)             {}
