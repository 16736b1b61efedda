package server

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// dosFilter holds back who asks too fast: a connection, and all of them together.
// Source: Jetty's DoSFilter, and the two of them that the reference has in a row.
type dosFilter struct {
	cfg    DoS
	compat *compat
	global *tracker
	passes chan struct{}

	mu          sync.Mutex
	connections map[string]*tracker
	swept       time.Time
}

// tracker remembers the times of as many requests as a second may have.
type tracker struct {
	mu    sync.Mutex
	times []time.Time
	next  int
	last  time.Time
}

func newTracker(perSecond int) *tracker { return &tracker{times: make([]time.Time, max(perSecond, 1))} }

// over counts a request and reports whether it is one too many.
func (t *tracker) over(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	oldest := t.times[t.next]
	t.times[t.next], t.last = now, now
	t.next = (t.next + 1) % len(t.times)
	return !oldest.IsZero() && now.Sub(oldest) < time.Second
}

func (t *tracker) idle(now time.Time, limit time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Sub(t.last) > limit
}

func newDoSFilter(cfg DoS, c *compat) *dosFilter {
	return &dosFilter{
		cfg: cfg, compat: c, global: newTracker(cfg.Global),
		passes: make(chan struct{}, max(cfg.Throttled, 1)), connections: map[string]*tracker{},
	}
}

// dosHeader tells a client what was done with its request.
const dosHeader = "DoSFilter"

func (f *dosFilter) filter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(w)
		x.dos = true
		code := 0
		if !f.exempt(r.RemoteAddr) {
			code = f.over(r.RemoteAddr, time.Now())
		}
		if code == 0 {
			next.ServeHTTP(w, r)
			return
		}
		if f.cfg.Delay < 0 {
			f.tell(w, "unavailable")
			x.NoteErrorCode(code)
			f.compat.filtered()
			refuse(w, r, http.StatusTooManyRequests, "")
			return
		}
		if f.cfg.Delay > 0 {
			f.tell(w, "delayed")
			if sleep(r.Context(), f.cfg.Delay) != nil {
				return // nobody waits for an answer
			}
		} else {
			f.tell(w, "throttled")
		}
		if !f.pass(w, r) {
			f.tell(w, "unavailable")
			x.NoteErrorCode(code)
			refuse(w, r, http.StatusServiceUnavailable, "")
			return
		}
		defer func() { <-f.passes }()
		next.ServeHTTP(w, r)
	})
}

func (f *dosFilter) tell(w http.ResponseWriter, what string) {
	if f.cfg.InsertHeaders {
		w.Header().Add(dosHeader, what)
	}
}

// pass waits for one of the passes that requests over a limit share.
func (f *dosFilter) pass(w http.ResponseWriter, r *http.Request) bool {
	select {
	case f.passes <- struct{}{}:
		return true
	default:
	}
	if f.acquire(r, f.cfg.MaxWait) {
		return true
	}
	if f.cfg.ThrottleTime <= 0 {
		return false
	}
	if f.cfg.Delay > 0 {
		f.tell(w, "throttled")
	}
	return f.acquire(r, f.cfg.ThrottleTime)
}

func (f *dosFilter) acquire(r *http.Request, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case f.passes <- struct{}{}:
		return true
	case <-timer.C:
	case <-r.Context().Done():
	}
	return false
}

// over is the code of the first limit that a request exceeds, or 0. That of the connection is asked first.
func (f *dosFilter) over(remote string, now time.Time) int {
	if f.connection(remote, now).over(now) {
		return codeDoSConnection
	}
	if f.global.over(now) {
		return codeDoSGlobal
	}
	return 0
}

func (f *dosFilter) connection(remote string, now time.Time) *tracker {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.swept) > f.cfg.IdleTracker {
		f.swept = now
		for other, t := range f.connections {
			if t.idle(now, f.cfg.IdleTracker) {
				delete(f.connections, other)
			}
		}
	}
	t, ok := f.connections[remote]
	if !ok {
		t = newTracker(f.cfg.PerConnection)
		f.connections[remote] = t
	}
	return t
}

func (f *dosFilter) exempt(remote string) bool {
	return len(f.cfg.Exempt) > 0 && contains(f.cfg.Exempt, remote)
}

// contains reports whether the host of host:port lies in one of the prefixes.
func contains(prefixes []netip.Prefix, remote string) bool {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	return inPrefixes(prefixes, address.Addr())
}

func inPrefixes(prefixes []netip.Prefix, address netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(address.Unmap()) {
			return true
		}
	}
	return false
}
