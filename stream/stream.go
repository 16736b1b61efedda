// Package stream carries events from Kinesis streams into Delta tables, each exactly once: it
// reads shards, cleans what they bring by a pipeline of SQL, and commits rows together with the
// positions behind them. It makes no streams and answers no requests.
package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"headrace/kinesisclient"
	"headrace/lake/delta"
	"headrace/lake/sql"
	"headrace/lake/store"
)

const (
	// discovery is how often streams and shards are looked for. Source: the stream's contract.
	discovery = time.Minute
	// engineBytes is what the SQL engine may take in memory: a batch of 32 MiB of JSON fits.
	engineBytes = 192 << 20
	// drainTimeout bounds the last commit after a stop.
	drainTimeout = 10 * time.Second
)

// Pauses before a stream is read anew after a failure: they double from the first to the last.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// failuresInARow is how many tries of one stream end a job that is to end when it is caught up.
const failuresInARow = 3

// Job reads streams into tables. Make it with New, then Run.
type Job struct {
	cfg      Config
	log      *slog.Logger
	kinesis  *kinesisclient.Client
	tables   store.Store
	prefix   string // of the tables' keys in the store
	pipeline *sql.Pipeline
	metrics  metrics

	engine   sync.Mutex // one batch is cleaned at a time: memory for one
	db       *sql.DB
	tempDir  string
	began    time.Time
	caughtUp bool // end when all streams are read to their end

	mu    sync.Mutex
	stats Stats
}

// Stats counts what a job has committed since it began.
type Stats struct {
	Tables map[string]TableStats // by table name
}

// TableStats counts for one table.
type TableStats struct {
	Rows    int64
	Rejects int64
	Commits int64
	Behind  time.Duration // of the slowest shard, by arrival
}

// New returns a job that writes below prefix in tables. It makes no call.
func New(cfg Config, kinesis *kinesisclient.Client, tables store.Store, prefix string, pipeline *sql.Pipeline, log *slog.Logger, reg prometheus.Registerer) (*Job, error) {
	j := &Job{cfg: cfg, log: log, kinesis: kinesis, tables: tables, prefix: prefix, pipeline: pipeline, stats: Stats{Tables: map[string]TableStats{}}}
	return j, j.register(reg)
}

// Run reads until ctx ends, then commits what it has and returns nil. A stream that fails is
// tried again; what is wrong is logged.
func (j *Job) Run(ctx context.Context) error { return j.run(ctx, false) }

// RunUntilCaughtUp returns when every shard was read up to its newest record and all of it is
// committed. A stream that fails again and again ends it with its error.
func (j *Job) RunUntilCaughtUp(ctx context.Context) error { return j.run(ctx, true) }

func (j *Job) run(ctx context.Context, untilCaughtUp bool) error {
	j.caughtUp, j.began = untilCaughtUp, time.Now()
	var err error
	if j.tempDir, err = os.MkdirTemp("", "headrace-stream-"); err != nil {
		return fmt.Errorf("making a folder for the SQL engine: %w", err)
	}
	defer func() { _ = os.RemoveAll(j.tempDir) }()
	if j.db, err = sql.Open(ctx, sql.Config{MemoryBytes: engineBytes, Threads: 1, TempDir: j.tempDir}, j.pipeline); err != nil {
		return err
	}
	defer func() { _ = j.db.Close() }()

	lanes, running := errgroup.WithContext(ctx)
	known := map[string]bool{}
	for {
		names, err := j.streams(running)
		if err != nil && (untilCaughtUp || running.Err() != nil) {
			return errors.Join(ignoreEnd(ctx, err), lanes.Wait())
		}
		if err != nil {
			j.log.Error("streams cannot be listed; trying again", "err", err)
		}
		for _, name := range names {
			if known[name] {
				continue
			}
			known[name] = true
			lanes.Go(func() error { return j.follow(running, name) })
		}
		if untilCaughtUp {
			return ignoreEnd(ctx, lanes.Wait())
		}
		if !sleep(running, discovery) {
			return ignoreEnd(ctx, lanes.Wait())
		}
	}
}

// ignoreEnd is err, or nil when the caller has ended the work.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// sleep waits; false: ctx has ended.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// streams are the names to read.
func (j *Job) streams(ctx context.Context) ([]string, error) {
	if j.cfg.StreamsRegex == nil {
		return j.cfg.Streams, nil
	}
	all, err := j.kinesis.StreamNames(ctx)
	var names []string
	for _, name := range all {
		if j.cfg.StreamsRegex.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, err
}

// follow reads one stream, again after each failure: where it goes on is read from the table.
func (j *Job) follow(ctx context.Context, stream string) error {
	pause := firstPause
	for failures := 1; ; failures++ {
		began := time.Now()
		err := j.lane(ctx, stream)
		var wrong *pipelineError
		if err == nil || ctx.Err() != nil || errors.As(err, &wrong) {
			return err
		}
		if time.Since(began) > lastPause {
			pause, failures = firstPause, 1
		}
		j.metrics.failures.WithLabelValues(stream).Inc()
		if j.caughtUp && failures >= failuresInARow {
			return err
		}
		j.log.Error("a stream failed and is read anew from its last commit", "stream", stream, "pause", pause, "err", err)
		if !sleep(ctx, pause) {
			return nil
		}
		pause = min(2*pause, lastPause)
	}
}

// pipelineError is a fault that trying again does not mend.
type pipelineError struct{ text string }

func (e *pipelineError) Error() string { return e.text }

// event finds the pipeline's table for a stream's events, and what the stream's tables begin with.
func (j *Job) event(stream string) (prefix string, table sql.Table, err error) {
	place := strings.LastIndexByte(stream, '-')
	event := stream[place+1:]
	prefix = strings.TrimPrefix(stream[:max(place, 0)], "streaming-")
	var events []string
	for _, t := range j.pipeline.Tables {
		if t.Name == event {
			return prefix, t, nil
		}
		events = append(events, t.Name)
	}
	return "", sql.Table{}, &pipelineError{fmt.Sprintf("stream %s: its events are %q, and the pipeline has tables for %s: name the stream …-EVENT, or add tables/%s.sql", stream, event, strings.Join(events, ", "), event)}
}

// tableName fills the template.
func (j *Job) tableName(prefix, event string) string {
	return strings.NewReplacer("{prefix}", prefix, "{event}", event).Replace(j.cfg.TableName)
}

// columns are a pipeline's table as Delta has it.
func columns(table sql.Table) (delta.Schema, error) {
	var schema delta.Schema
	for _, text := range table.Columns {
		c, err := delta.ParseColumn(text)
		if err != nil {
			return nil, &pipelineError{fmt.Sprintf("pipeline, table %s: %v", table.Name, err)}
		}
		schema = append(schema, c)
	}
	return schema, nil
}

// Stats returns a copy of the counts.
func (j *Job) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Stats{Tables: maps.Clone(j.stats.Tables)}
}

func (j *Job) count(table string, change func(*TableStats)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats.Tables[table]
	change(&s)
	j.stats.Tables[table] = s
}

type metrics struct {
	rows     *prometheus.CounterVec // by table
	rejects  *prometheus.CounterVec // by table and reason
	commits  *prometheus.CounterVec // by table
	failures *prometheus.CounterVec // by stream
	behind   *prometheus.GaugeVec   // by stream
}

func (j *Job) register(reg prometheus.Registerer) error {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "headrace_stream_" + name, Help: help}, labels)
	}
	j.metrics = metrics{
		rows:     counter("rows_total", "Rows committed to a table.", "table"),
		rejects:  counter("rejects_total", "Records set aside, by the table they were for and by reason.", "table", "reason"),
		commits:  counter("commits_total", "Commits to a table.", "table"),
		failures: counter("failures_total", "Failures of a stream after which it was read anew from its last commit.", "stream"),
		behind: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "headrace_stream_behind_seconds", Help: "How far the newest record of the slowest shard was ahead at the last read.",
		}, []string{"stream"}),
	}
	var faults []error
	for _, m := range []prometheus.Collector{j.metrics.rows, j.metrics.rejects, j.metrics.commits, j.metrics.failures, j.metrics.behind} {
		faults = append(faults, reg.Register(m))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("registering the metrics of the stream job: %w", err)
	}
	return nil
}
