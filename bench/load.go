package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// load is the shape of the traffic: so many records in each request, so many requests under way.
type load struct {
	Records     int `json:"records"`
	Connections int `json:"connections"`
}

// String is the load's name on the command line: 100x16 is 100 records a request on 16 connections.
func (l load) String() string { return fmt.Sprintf("%dx%d", l.Records, l.Connections) }

// parseLoad reads what String writes.
func parseLoad(text string) (load, error) {
	records, connections, _ := strings.Cut(text, "x")
	r, errRecords := strconv.Atoi(records)
	c, errConnections := strconv.Atoi(connections)
	if errRecords != nil || errConnections != nil || r < 1 || c < 1 || r > eventCount {
		return load{}, fmt.Errorf("load %q: want RECORDSxCONNECTIONS, such as 1x16 or 100x4, with at most %d records", text, eventCount)
	}
	return load{r, c}, nil
}

// subject is what one pass measures: a server, or a client straight to the broker.
type subject struct {
	name string
	pid  int // whose processor time counts; 0 when it is not known
	// open makes the caller of one connection, numbered from 0. A call fails when ctx ends.
	open func(ctx context.Context, number int) (caller, error)
}

// caller makes requests one after the other, each as soon as the last is answered (a closed loop).
type caller interface {
	// call makes one request, waits for its answer and checks it.
	call() error
	close()
}

// timing is how long a pass lasts.
type timing struct {
	warm   time.Duration // before the window: answered and checked, not counted
	window time.Duration
}

// drain is how long, after the window, the last requests may take.
const drain = 60 * time.Second

// pass is one measurement of one subject.
type pass struct {
	Requests     int     `json:"requests"`     // answered within the window
	Answered     int     `json:"answered"`     // within the pass, its warm-up and its end too
	Rate         float64 `json:"rate"`         // requests/s
	P50          float64 `json:"p50_us"`       // microseconds
	P99          float64 `json:"p99_us"`       // microseconds
	CPU          float64 `json:"cpu_us"`       // of the subject's process, microseconds per record
	GeneratorCPU float64 `json:"generator_us"` // of this process, microseconds per record
	Resident     int64   `json:"rss_bytes"`    // of the subject's process, at the end of the window
	Seconds      float64 `json:"seconds"`      // of the window
	Started      string  `json:"started"`      // UTC
	Subject      string  `json:"subject"`      // subject.name
	Round        int     `json:"round"`        // from 1
	Load         string  `json:"load"`         // load.String
}

// measure runs one pass: l.Connections callers side by side, each in its own goroutine. The first
// wrong answer ends it with an error: a rate of failures is not a rate.
func measure(ctx context.Context, s subject, l load, t timing) (pass, error) {
	runtime.GC() // the garbage of the last pass is not this one's work
	ctx, cancel := context.WithTimeout(ctx, t.warm+t.window+drain)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	callers, err := openAll(ctx, s, l.Connections)
	if err != nil {
		return pass{}, fmt.Errorf("measuring %s at %s: %w", s.name, l, err)
	}
	defer closeAll(callers)

	from := time.Now().Add(t.warm)
	to := from.Add(t.window)
	tallies := make([]tally, len(callers))
	for i, c := range callers {
		group.Go(func() error { return tallies[i].work(ctx, c, from, to) })
	}
	usage, usageErr := watch(ctx, s.pid, from, to)
	if err := group.Wait(); err != nil {
		return pass{}, fmt.Errorf("measuring %s at %s: %w", s.name, l, err)
	}
	if usageErr != nil {
		return pass{}, fmt.Errorf("measuring %s at %s: %w", s.name, l, usageErr)
	}
	p := summarize(tallies, t.window, usage, l.Records)
	p.Started, p.Subject, p.Load = from.UTC().Format(time.RFC3339), s.name, l.String()
	return p, nil
}

func openAll(ctx context.Context, s subject, count int) ([]caller, error) {
	callers := make([]caller, 0, count)
	for i := range count {
		c, err := s.open(ctx, i)
		if err != nil {
			closeAll(callers)
			return nil, err
		}
		callers = append(callers, c)
	}
	return callers, nil
}

func closeAll(callers []caller) {
	for _, c := range callers {
		c.close()
	}
}

// tally is what one connection saw.
type tally struct {
	latencies []time.Duration // of the requests answered within the window
	answered  int
}

// work calls c until to. A request counts when its answer comes within (from, to], whenever it was
// sent: so slow requests are not counted short at the end of the window.
func (t *tally) work(ctx context.Context, c caller, from, to time.Time) error {
	for sent := time.Now(); sent.Before(to); {
		if err := c.call(); err != nil {
			return err
		}
		t.answered++
		now := time.Now()
		if now.After(from) && !now.After(to) {
			t.latencies = append(t.latencies, now.Sub(sent))
		}
		sent = now
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// usage is what a window cost.
type usage struct {
	subject, generator time.Duration // processor time
	resident           int64
}

// watch measures from from to to what process pid and this process use. pid 0 is left out.
func watch(ctx context.Context, pid int, from, to time.Time) (usage, error) {
	if err := sleepUntil(ctx, from); err != nil {
		return usage{}, err
	}
	before, err := spent(pid)
	if err != nil {
		return usage{}, err
	}
	if err := sleepUntil(ctx, to); err != nil {
		return usage{}, err
	}
	after, err := spent(pid)
	if err != nil {
		return usage{}, err
	}
	return usage{after.subject - before.subject, after.generator - before.generator, after.resident}, nil
}

func spent(pid int) (usage, error) {
	var u usage
	var err error
	if u.generator, err = cpuTime(os.Getpid()); err != nil || pid == 0 {
		return u, err
	}
	if u.subject, err = cpuTime(pid); err != nil {
		return u, err
	}
	m, err := memoryOf(pid)
	u.resident = m.Resident
	return u, err
}

func sleepUntil(ctx context.Context, when time.Time) error {
	timer := time.NewTimer(time.Until(when))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func summarize(tallies []tally, window time.Duration, u usage, recordsPerRequest int) pass {
	var latencies []time.Duration
	p := pass{Seconds: window.Seconds(), Resident: u.resident}
	for _, t := range tallies {
		latencies = append(latencies, t.latencies...)
		p.Answered += t.answered
	}
	slices.Sort(latencies)
	p.Requests = len(latencies)
	p.Rate = float64(p.Requests) / window.Seconds()
	p.P50, p.P99 = micros(percentile(latencies, 50)), micros(percentile(latencies, 99))
	records := float64(p.Requests * recordsPerRequest)
	p.CPU, p.GeneratorCPU = ratio(micros(u.subject), records), ratio(micros(u.generator), records)
	return p
}
