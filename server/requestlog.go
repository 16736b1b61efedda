package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// flushEvery is how long a line of the request log may wait for others.
const flushEvery = 200 * time.Millisecond

// logBuffer is how many bytes of lines wait at most.
const logBuffer = 64 << 10

// requestLog writes a line for each answer, several at once.
type requestLog struct {
	json   bool
	custom bool

	mu    sync.Mutex
	to    io.Writer
	lines []byte
}

// requestLine is what a client asked for, before anything was made of it.
type requestLine struct{ method, uri, remote string }

// newRequestLog returns nil when there is to be none.
func newRequestLog(cfg RequestLog) *requestLog {
	if cfg.To == nil || cfg.Format == "off" {
		return nil
	}
	return &requestLog{json: cfg.Format == "json", custom: cfg.Custom, to: cfg.To}
}

// run writes what has come together until ctx ends, and then the rest.
func (l *requestLog) run(ctx context.Context) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			l.flush()
			return
		case <-ticker.C:
			l.flush()
		}
	}
}

func (l *requestLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) > 0 {
		_, _ = l.to.Write(l.lines) // there is no other log to tell
		l.lines = l.lines[:0]
	}
}

// write adds the line of one answer.
func (l *requestLog) write(x *exchange, r *http.Request, asked requestLine, now time.Time) {
	e := entry{
		client: clientAddress(r.RemoteAddr), user: x.user, requestLine: asked, proto: r.Proto,
		status: x.status(), bytes: x.bytes + headBytes(x, r), referer: r.Referer(), agent: r.UserAgent(),
		started: x.started, took: now.Sub(x.started),
	}
	x.mu.Lock()
	e.errorCode, e.produced, e.failed = x.errorCode, x.produced, x.failed
	x.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.json {
		l.lines = e.appendJSON(l.lines, x.ResponseWriter.Header().Get(requestIDHeader))
	} else {
		l.lines = e.append(l.lines, l.custom)
	}
	if len(l.lines) >= logBuffer {
		_, _ = l.to.Write(l.lines)
		l.lines = l.lines[:0]
	}
}

// entry is what the log says of one answer.
type entry struct {
	client, user string
	requestLine
	proto          string
	status         int
	bytes          int64
	referer, agent string
	started        time.Time
	took           time.Duration
	errorCode      int
	produced       bool
	failed         map[int]int
}

// append writes the reference's line: Jetty's CustomRequestLog with
// `%{client}a - %u %t "%r" %s %O "%{Referer}i" "%{User-Agent}i" %{ms}T` and the two fields of the REST proxy.
// Source: contract, configuration.md §8.
func (e *entry) append(b []byte, custom bool) []byte {
	b = append(b, orDash(e.client)...)
	b = append(b, " - "...)
	b = appendClean(b, orDash(e.user), false)
	b = append(b, " ["...)
	b = e.started.UTC().AppendFormat(b, "02/Jan/2006:15:04:05 +0000")
	b = append(b, `] "`...)
	b = appendClean(b, e.method, true)
	b = append(b, ' ')
	b = appendClean(b, e.uri, true)
	b = append(b, ' ')
	b = append(b, e.proto...)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(e.status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, e.bytes, 10)
	b = append(b, ` "`...)
	b = appendClean(b, orDash(e.referer), true)
	b = append(b, `" "`...)
	b = appendClean(b, orDash(e.agent), true)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, e.took.Milliseconds(), 10)
	if custom {
		b = append(b, ' ')
		if e.errorCode == 0 {
			b = append(b, '-')
		} else {
			b = strconv.AppendInt(b, int64(e.errorCode), 10)
		}
		b = append(b, ' ')
		b = e.appendCodes(b)
	}
	return append(b, '\n')
}

// appendCodes writes how many records of a v3 produce request failed, by error code.
func (e *entry) appendCodes(b []byte) []byte {
	if !e.produced {
		return append(b, '-')
	}
	b = append(b, "Codes="...)
	codes := make([]int, 0, len(e.failed))
	for code := range e.failed {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	for i, code := range codes {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(code), 10)
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(e.failed[code]), 10)
	}
	return b
}

// appendJSON writes the same as an object.
func (e *entry) appendJSON(b []byte, requestID string) []byte {
	line := struct {
		Time      time.Time   `json:"time"`
		Client    string      `json:"client"`
		User      string      `json:"user,omitempty"`
		Method    string      `json:"method"`
		URI       string      `json:"uri"`
		Proto     string      `json:"protocol"`
		Status    int         `json:"status"`
		Bytes     int64       `json:"bytes"`
		Referer   string      `json:"referer,omitempty"`
		Agent     string      `json:"user_agent,omitempty"`
		Millis    float64     `json:"duration_ms"`
		ErrorCode int         `json:"error_code,omitempty"`
		Failed    map[int]int `json:"record_errors,omitempty"`
		RequestID string      `json:"request_id,omitempty"`
	}{
		e.started.UTC(), e.client, e.user, e.method, e.uri, e.proto, e.status, e.bytes, e.referer, e.agent,
		milliseconds(e.took), e.errorCode, e.failed, requestID,
	}
	text := bytes.NewBuffer(b)
	encoder := json.NewEncoder(text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(line) // of such a struct it cannot fail
	return text.Bytes()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// appendClean writes what a client sent so that it cannot end a field (quoted) or the line.
func appendClean(b []byte, s string, quoted bool) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			b = append(b, '?')
		case c == '"' && quoted:
			b = append(b, '\\', '"')
		case c == ' ' && !quoted:
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return b
}

// clientAddress is the host of host:port, an IPv6 one in brackets as Jetty has it.
func clientAddress(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// headBytes is the length of an answer's head as HTTP/1.1 sends it, with what net/http adds to it.
func headBytes(x *exchange, r *http.Request) int64 {
	n := len("HTTP/1.1 200 \r\n\r\n") + len(http.StatusText(x.status()))
	header := x.ResponseWriter.Header()
	for name, values := range header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	if len(header["Date"]) == 0 {
		n += len("Date: Mon, 02 Jan 2006 15:04:05 GMT\r\n")
	}
	if len(header["Content-Length"]) == 0 && x.status() >= 200 && x.status() != http.StatusNoContent && x.status() != http.StatusNotModified && r.Method != http.MethodHead {
		n += len("Content-Length: ") + len(strconv.FormatInt(x.bytes, 10)) + len("\r\n")
	}
	return int64(n)
}
