// Package emulate plays the client: it posts events over HTTP as the users' Python scripts do, and counts what was acknowledged.
// It knows only URLs: nothing of Kafka, Kinesis or the gateway's insides.
package emulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mode says which doors a post goes through.
type Mode string

// The modes: POST /topics/…, PUT /streams/…/record, or first the one and then the other.
const (
	Batch     Mode = "batch"
	Streaming Mode = "streaming"
	Both      Mode = "both"
)

// Config says what is posted where. Start from DefaultConfig.
type Config struct {
	Target      string  // base URL of the gateway, with or without a stage path
	Prefix      string  // of topics <prefix>.pin and streams streaming-<prefix>-pin, and so on
	Mode        Mode    // which doors
	Count       int     // posts, three events each; 0 goes on until stopped or until the source ends
	Rate        float64 // posts a second at most; 0 is as fast as it goes
	Concurrency int     // posts under way at a time; with 1 they arrive in the order of the source

	Timeout time.Duration // of one request
	Grace   time.Duration // for the requests under way after ctx has ended
	// MaxWait bounds the waiting for one event over all its retries after 429 and 503.
	// A server that asks for more has failed the event.
	MaxWait time.Duration
	// MaxRetries bounds the retries of one event.
	MaxRetries int
}

// DefaultConfig returns the settings of headrace emulate, all but the target.
func DefaultConfig() Config {
	return Config{
		Prefix:      "demo",
		Mode:        Both,
		Concurrency: 1,
		Timeout:     35 * time.Second, // API Gateway answers within 29 s
		Grace:       10 * time.Second,
		MaxWait:     30 * time.Second,
		MaxRetries:  5,
	}
}

// prefixForm allows what both topic and stream names may hold. The longest name is streaming-<prefix>-user:
// stream names have at most 128 characters. Source: Amazon Kinesis API reference, CreateStream.
var prefixForm = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,113}$`)

// Validate names all fields that cannot work, with their values.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if _, err := c.target(); err != nil {
		faults = append(faults, err)
	}
	if !prefixForm.MatchString(c.Prefix) {
		fault("prefix %q: want 1 to 113 of the characters a-z A-Z 0-9 . _ -", c.Prefix)
	}
	if !slices.Contains([]Mode{Batch, Streaming, Both}, c.Mode) {
		fault("mode %q: want batch, streaming or both", c.Mode)
	}
	if c.Count < 0 {
		fault("count %d: want 0 (until stopped) or more", c.Count)
	}
	if !(c.Rate >= 0 && c.Rate <= 1e6) {
		fault("rate %v: want 0 (as fast as it goes) to 1000000 posts a second", c.Rate)
	}
	if c.Concurrency < 1 || c.Concurrency > maxConcurrency {
		fault("concurrency %d: want 1 to %d", c.Concurrency, maxConcurrency)
	}
	return errors.Join(faults...)
}

// maxConcurrency keeps the sockets below the usual limit of open files (1024).
const maxConcurrency = 1000

// target gives the base URL without a slash at its end. Errors don't quote it: it may hold a password.
func (c Config) target() (string, error) {
	u, err := url.Parse(c.Target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", errors.New("target is not a base URL: want http://HOST:PORT or https://HOST/STAGE")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// Emulator posts what a source gives. Use one for one Run.
type Emulator struct {
	cfg    Config
	src    Source
	client *http.Client
	log    *slog.Logger

	doors []*door // in the order in which the events of a post go out
	tally *tally
}

// New checks cfg and makes an emulator. It uses the client's transport but follows no redirect, since a redirected
// POST loses its body. A nil client is one of its own. The source is not closed.
func New(cfg Config, src Source, client *http.Client, log *slog.Logger) (*Emulator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	base, err := cfg.target()
	if err != nil {
		return nil, err
	}
	own := http.Client{Transport: newTransport(cfg.Concurrency)}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	e := &Emulator{cfg: cfg, src: src, client: &own, log: log, tally: newTally()}
	if cfg.Mode != Streaming {
		e.doors = append(e.doors, topicDoors(base, cfg.Prefix)...)
	}
	if cfg.Mode != Batch {
		e.doors = append(e.doors, streamDoors(base, cfg.Prefix)...)
	}
	return e, nil
}

// newTransport keeps a connection per worker. It gives up idle ones before the server does (Confluent's
// idle.timeout.ms is 30 s), so that no post is written into a connection that is being closed.
func newTransport(concurrency int) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: concurrency,
		IdleConnTimeout:     20 * time.Second,
		ForceAttemptHTTP2:   true,
	}
}

// ErrNotAcknowledged is the error of a run in which at least one event was not acknowledged.
var ErrNotAcknowledged = errors.New("not acknowledged")

// ErrSourceEnded is the error of a run whose source had fewer posts than Count.
var ErrSourceEnded = errors.New("the source ended")

// Run posts until Count, the end of the source, or the end of ctx. Then no new post is begun: those under way
// are finished within Grace, and what is still open after that has failed. The summary is complete in every case.
// The end of ctx alone is no error. Errors: of the source, ErrSourceEnded, ErrNotAcknowledged.
func (e *Emulator) Run(ctx context.Context) (Summary, error) {
	e.tally.begin()
	defer e.client.CloseIdleConnections()
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(e.cfg.Grace, cancel) })()

	posts := make(chan Post) // unbuffered: a post that is taken is being sent
	var workers sync.WaitGroup
	for range e.cfg.Concurrency {
		workers.Go(func() {
			for post := range posts {
				e.post(ctx, requests, post)
			}
		})
	}
	err := e.feed(ctx, posts)
	close(posts)
	workers.Wait()
	e.tally.end()

	summary := e.Summary()
	if failed := summary.Total().Failed; failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d events: %w", failed, summary.Total().Sent, ErrNotAcknowledged))
	}
	return summary, err
}

// Summary tells how far the run is. It may be called at any time.
func (e *Emulator) Summary() Summary { return e.tally.summary(e.doors) }

// feed hands the posts to the workers, at no more than the configured rate. A slow stretch is not made up for by a burst.
func (e *Emulator) feed(ctx context.Context, posts chan<- Post) error {
	pace := newPace(e.cfg.Rate)
	for n := 0; e.cfg.Count == 0 || n < e.cfg.Count; n++ {
		if !pace.wait(ctx) {
			return nil
		}
		post, err := e.src.Next(ctx)
		if err != nil {
			return e.sourceError(ctx, n, err)
		}
		select {
		case posts <- post:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// sourceError tells what an error of the source after n posts means for the run: nothing when the run was stopped
// meanwhile, or when a source without a count has ended.
func (e *Emulator) sourceError(ctx context.Context, n int, err error) error {
	ended := errors.Is(err, io.EOF)
	switch {
	case over(ctx), ended && e.cfg.Count == 0:
		return nil
	case ended:
		return fmt.Errorf("%d posts of the %d asked for: %w", n, e.cfg.Count, ErrSourceEnded)
	}
	return fmt.Errorf("getting post %d: %w", n+1, err)
}

// post sends the events of one post, one after the other as the scripts do. When nothing answers it pauses,
// so that an endless run against a server that is down doesn't spin.
func (e *Emulator) post(ctx, requests context.Context, post Post) {
	answered := false
	for _, d := range e.doors {
		answered = e.send(ctx, requests, d, post) || answered
	}
	e.tally.posts.Add(1)
	if !answered {
		sleep(ctx, silencePause)
	}
}

const silencePause = 10 * time.Millisecond

// pace spreads posts over time.
type pace struct {
	interval time.Duration // 0: no pace
	next     time.Time
}

func newPace(postsPerSecond float64) *pace {
	if postsPerSecond == 0 {
		return &pace{}
	}
	return &pace{interval: time.Duration(float64(time.Second) / postsPerSecond)}
}

// wait waits for the next post's moment. It tells false when ctx has ended.
func (p *pace) wait(ctx context.Context) bool {
	if p.interval > 0 {
		now := time.Now()
		if p.next.Before(now) {
			p.next = now
		}
		sleep(ctx, p.next.Sub(now))
		p.next = p.next.Add(p.interval)
	}
	return !over(ctx)
}

func over(ctx context.Context) bool { return ctx.Err() != nil }

// sleep waits for d or the end of ctx, and tells whether d has passed.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return !over(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
