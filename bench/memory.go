package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// flood is the memory test: connections that all send large produce requests at once.
type flood struct {
	Connections int `json:"connections"`
	Requests    int `json:"requests_per_connection"`
	BodyBytes   int `json:"body_bytes"`
	RecordBytes int `json:"record_bytes"`
	// MemoryLimit is GOMEMLIMIT of the gateway.
	MemoryLimit string `json:"memory_limit"`
}

// floodResult is how the gateway took it.
type floodResult struct {
	flood
	Statuses map[string]int `json:"statuses"` // how many requests were answered so; "none" = not at all
	Reasons  map[string]int `json:"no_answer,omitempty"`
	Before   memory         `json:"before"`
	Peak     int64          `json:"peak_bytes"`  // the highest resident size the kernel saw
	After    memory         `json:"after"`       // when the last answer had come
	Seconds  float64        `json:"seconds"`     // from the first byte to the last answer
	Alive    bool           `json:"still_alive"` // it answers /readyz afterwards
}

// allowed says whether the gateway may answer so when it is flooded.
func allowed(status string) bool {
	return slices.Contains([]string{"200", "413", "429", "503"}, status)
}

// onlyAllowed says whether every request was answered, and with an allowed status.
func (r floodResult) onlyAllowed() bool {
	for status := range r.Statuses {
		if !allowed(status) {
			return false
		}
	}
	return true
}

// floodBody is a produce body of about f.BodyBytes, and never more: events of 600 bytes, or strings
// of f.RecordBytes.
func (f flood) body(events [][]byte) []byte {
	body := []byte(`{"records":[`)
	for i := 0; ; i++ {
		value := events[i%len(events)]
		if f.RecordBytes != eventBytes {
			value = []byte(strconv.Quote(string(slices.Repeat([]byte("x"), max(0, f.RecordBytes-2)))))
		}
		if len(body)+len(value)+len(`,{"value":}]}`) > f.BodyBytes {
			return append(body, `]}`...)
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"value":`...)
		body = append(body, value...)
		body = append(body, '}')
	}
}

// run floods the gateway, whose topic must exist.
func (f flood) run(ctx context.Context, g *gateway, topic string, events [][]byte) (floodResult, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	res := floodResult{flood: f, Statuses: map[string]int{}, Reasons: map[string]int{}}
	var err error
	if res.Before, err = memoryOf(g.pid()); err != nil {
		return res, err
	}
	req := request("POST", g.base, "/topics/"+topic, []string{"Content-Type: application/vnd.kafka.json.v2+json"}, f.body(events))
	begun := time.Now()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range f.Connections {
		all.Go(func() {
			statuses, reasons := f.connection(ctx, g.base, req)
			mu.Lock()
			defer mu.Unlock()
			for _, status := range statuses {
				res.Statuses[status]++
			}
			for _, reason := range reasons {
				res.Reasons[reason]++
			}
		})
	}
	all.Wait()
	res.Seconds = time.Since(begun).Seconds()
	if res.After, err = memoryOf(g.pid()); err != nil {
		return res, g.blame(fmt.Errorf("after the flood: %w", err))
	}
	res.Peak = res.After.Peak
	_, err = fetch(ctx, http.MethodGet, g.base.String()+"/readyz", nil)
	res.Alive = err == nil
	return res, nil
}

// connection sends req f.Requests times, one after the other, on a connection that it opens again
// whenever the gateway has closed it. A request without an answer counts as "none", with its reason.
func (f flood) connection(ctx context.Context, base *url.URL, req []byte) (statuses, reasons []string) {
	var c *floodConn
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	for range f.Requests {
		if c == nil {
			c = dialFlood(ctx, base)
		}
		status, keep, err := c.exchange(req)
		if err != nil {
			status = "none"
			reasons = append(reasons, reasonOf(err))
		}
		statuses = append(statuses, status)
		if !keep {
			c.close()
			c = nil
		}
	}
	return statuses, reasons
}

// floodConn is a connection whose answer may come while its request is still being sent: a gateway
// that refuses a body does not read it to its end.
type floodConn struct {
	net    net.Conn
	buf    *bufio.Reader
	err    error // of dialling
	expire func() bool
}

func dialFlood(ctx context.Context, base *url.URL) *floodConn {
	dialer := net.Dialer{Timeout: 30 * time.Second}
	c, err := dialer.DialContext(ctx, "tcp", base.Host)
	if err != nil {
		return &floodConn{err: err}
	}
	return &floodConn{
		net:    c,
		buf:    bufio.NewReaderSize(c, 4096),
		expire: context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }),
	}
}

// exchange sends req and reads the answer, whichever comes first. keep says whether the connection
// can carry another request.
func (c *floodConn) exchange(req []byte) (status string, keep bool, err error) {
	if c.err != nil {
		return "", false, c.err
	}
	_ = c.net.SetDeadline(time.Now().Add(2 * time.Minute))
	sent := make(chan error, 1)
	go func() { // ends with the request, the connection or the deadline
		_, err := c.net.Write(req)
		sent <- err
	}()
	resp, err := http.ReadResponse(c.buf, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if err != nil || resp.Close {
		_ = c.net.SetWriteDeadline(time.Unix(1, 0)) // the rest of the request is not wanted
	}
	writeErr := <-sent
	if resp == nil {
		return "", false, err
	}
	return strconv.Itoa(resp.StatusCode), err == nil && writeErr == nil && !resp.Close, nil
}

func (c *floodConn) close() {
	if c.err == nil {
		c.expire()
		_ = c.net.Close()
	}
}

// reasonOf is err without the ports, so that equal ones can be counted.
func reasonOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// statusList writes how often each status came.
func (r floodResult) statusList() string {
	list := ""
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		if list != "" {
			list += ", "
		}
		list += fmt.Sprintf("%d × %s", r.Statuses[status], status)
	}
	return list
}
