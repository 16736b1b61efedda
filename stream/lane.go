package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"headrace/kinesisclient"
	"headrace/lake/delta"
	"headrace/lake/sql"
)

// lane carries one stream into its table. One goroutine collects and commits; each shard that is
// read has one that polls it and then waits until its page is taken: a slow table slows the reading.
type lane struct {
	*Job
	stream string
	event  sql.Table
	name   string // of the table

	rows    *positions
	rejects *positions

	pages   chan page
	reading map[string]bool // shards with a poller, or read to their end in this run
	caught  map[string]bool // shards that were at their newest record
	behind  map[string]time.Duration
	batch   batch
	last    time.Time // of the last commit

	commits    int // since files were joined
	compacting atomic.Bool
}

// page is what one shard brought.
type page struct {
	shard string
	kinesisclient.Page
	err error
}

// batch is what waits for the next commit.
type batch struct {
	records []record
	bytes   int64
	reached map[string]place
}

type record struct {
	shard string
	kinesisclient.Record
}

// lane reads a stream until ctx ends, or it is caught up where that is wanted.
func (j *Job) lane(ctx context.Context, stream string) error {
	l := &lane{
		Job: j, stream: stream, pages: make(chan page), reading: map[string]bool{}, caught: map[string]bool{},
		behind: map[string]time.Duration{}, batch: batch{reached: map[string]place{}},
	}
	if err := l.open(ctx); err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	polling, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	err := l.collect(ctx, polling, &beside)
	stop()
	beside.Wait()
	if err == nil || ctx.Err() != nil {
		err = l.drain(ctx)
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	return nil
}

// open opens the tables and finds the places.
func (l *lane) open(ctx context.Context) error {
	prefix, event, err := l.Job.event(l.stream)
	if err != nil {
		return err
	}
	l.event, l.name = event, l.tableName(prefix, event.Name)
	schema, err := columns(event)
	if err != nil {
		return err
	}
	for _, t := range []struct {
		name    string
		columns delta.Schema
		into    **positions
	}{{l.name, schema, &l.rows}, {l.tableName(prefix, "rejects"), rejectColumns, &l.rejects}} {
		dir := l.prefix + t.name
		cfg := delta.DefaultConfig()
		table, err := delta.Open(ctx, l.tables, dir, t.columns, cfg, l.log)
		if err != nil {
			return err
		}
		if *t.into, err = loadPositions(ctx, table, l.tables, dir, l.cfg.JobName, l.stream); err != nil {
			return err
		}
	}
	l.count(l.name, func(*TableStats) {})
	return nil
}

// collect takes pages and commits until ctx ends, a poller fails for good, or all is caught up.
func (l *lane) collect(ctx, polling context.Context, beside *sync.WaitGroup) error {
	look := time.NewTicker(discovery)
	defer look.Stop()
	due := time.NewTimer(0)
	defer due.Stop()
	all, err := l.start(ctx, polling, beside)
	for err == nil {
		if l.caughtUp && len(l.caught) == all {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			all, err = l.start(ctx, polling, beside)
		case p := <-l.pages:
			if err = p.err; err == nil {
				l.take(p)
			}
			if p.End && err == nil { // its children may begin
				all, err = l.start(ctx, polling, beside)
			}
		case <-due.C:
		}
		if err == nil && l.due() {
			err = l.commit(ctx)
			l.compact(polling, beside)
		}
		due.Reset(max(time.Millisecond, time.Until(l.last.Add(l.cfg.CommitInterval))))
	}
	return err
}

// Small files are joined when so many commits have been made, into files of about that size.
const (
	compactEvery  = 100
	compactTarget = 64 << 20
)

// compact joins small files beside the work, when it is time and no one is at it.
func (l *lane) compact(ctx context.Context, beside *sync.WaitGroup) {
	if l.commits < compactEvery || !l.compacting.CompareAndSwap(false, true) {
		return
	}
	l.commits = 0
	beside.Go(func() {
		defer l.compacting.Store(false)
		from, to, err := l.rows.table.Compact(ctx, compactTarget)
		switch {
		case err == nil && from > 0:
			l.log.Info("small files joined", "table", l.name, "files", from, "into", to)
		case err != nil && ctx.Err() == nil:
			l.log.Warn("small files could not be joined; the table is complete as it is", "table", l.name, "err", err)
		}
	})
}

// due reports whether the batch is to be committed now.
func (l *lane) due() bool {
	b := &l.batch
	return len(b.records) >= l.cfg.CommitRows || b.bytes >= l.cfg.CommitBytes ||
		len(b.reached) > 0 && time.Since(l.last) >= l.cfg.CommitInterval
}

// start starts beside for the shards that can be read: those whose parents are read to their
// end, or gone. It returns how many shards there are.
func (l *lane) start(ctx, polling context.Context, beside *sync.WaitGroup) (int, error) {
	shards, err := l.kinesis.Shards(ctx, l.stream)
	if err != nil {
		return 0, err
	}
	kept := map[string]bool{}
	for _, shard := range shards {
		kept[shard.ID] = true
	}
	for _, shard := range shards {
		at, known, err := l.rows.at(shard.ID)
		if err != nil {
			return 0, err
		}
		if at.End {
			l.caught[shard.ID] = true
		}
		if l.reading[shard.ID] || at.End || l.waits(shard, kept) {
			continue
		}
		l.reading[shard.ID] = true
		reader := l.kinesis.NewReader(l.stream, shard.ID, l.from(shard, at, known))
		beside.Go(func() { l.poll(polling, shard.ID, reader) })
	}
	return len(shards), nil
}

// waits reports whether a parent of the shard is not read to its end.
func (l *lane) waits(shard kinesisclient.Shard, kept map[string]bool) bool {
	for _, parent := range shard.Parents {
		if kept[parent] && !l.rows.places[parent].End && !l.batch.reached[parent].End {
			return true
		}
	}
	return false
}

// from is where to begin a shard. One that came while the job ran, by a split or a merge, is read whole.
func (l *lane) from(shard kinesisclient.Shard, at place, known bool) kinesisclient.Position {
	switch {
	case known:
		return kinesisclient.Position{After: at.After}
	case len(shard.Parents) > 0:
		return kinesisclient.Position{}
	case l.cfg.Start.Latest:
		return kinesisclient.Position{At: l.began}
	}
	return kinesisclient.Position{At: l.cfg.Start.At}
}

// unreadable is how long a shard may fail before its stream is begun anew.
const unreadable = time.Minute

// poll hands over a shard's pages until its end.
func (l *lane) poll(ctx context.Context, shard string, reader *kinesisclient.Reader) {
	well := time.Now()
	for {
		got, err := reader.Read(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && time.Since(well) < unreadable && !isGone(err) {
			l.log.Warn("a shard cannot be read; trying again", "stream", l.stream, "shard", shard, "err", err)
			if !sleep(ctx, firstPause) {
				return
			}
			continue
		}
		well = time.Now()
		select {
		case l.pages <- page{shard, got, err}:
		case <-ctx.Done():
			return
		}
		if err != nil || got.End {
			return
		}
	}
}

// isGone reports whether the stream is no longer there.
func isGone(err error) bool {
	var api *kinesisclient.APIError
	return errors.As(err, &api) && api.Class() == kinesisclient.ClassNotFound
}

// take adds a page to the batch.
func (l *lane) take(p page) {
	for _, rec := range p.Records {
		l.batch.records = append(l.batch.records, record{p.shard, rec})
		l.batch.bytes += int64(len(rec.Data))
	}
	if n := len(p.Records); n > 0 || p.End {
		at := l.batch.reached[p.shard]
		if at.After == "" {
			at.After = l.rows.places[p.shard].After
		}
		if n > 0 {
			at.After = p.Records[n-1].SequenceNumber
		}
		at.End = p.End
		l.batch.reached[p.shard] = at
	}
	if p.End || p.Behind == 0 && len(p.Records) == 0 {
		l.caught[p.shard] = true
	}
	l.behind[p.shard] = p.Behind
	slowest := time.Duration(0)
	for _, behind := range l.behind {
		slowest = max(slowest, behind)
	}
	l.metrics.behind.WithLabelValues(l.stream).Set(slowest.Seconds())
	l.count(l.name, func(s *TableStats) { s.Behind = slowest })
}

// drain commits what is left, on a clock of its own: ctx may be over.
func (l *lane) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if len(l.batch.reached) > 0 {
		if err := l.commit(ctx); err != nil {
			return err
		}
	}
	return errors.Join(l.rows.save(ctx, true), l.rejects.save(ctx, true))
}

// commit cleans the batch and makes it part of the tables: first what is set aside, then the rows.
func (l *lane) commit(ctx context.Context) error {
	body, rows, aside, err := l.clean(ctx)
	if err != nil {
		return err
	}
	if err := l.setAside(ctx, aside); err != nil {
		return err
	}
	var files []delta.File
	if rows > 0 {
		file, err := l.rows.table.Write(ctx, body)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	if err := l.rows.commit(ctx, files, l.batch.reached); err != nil {
		return err
	}
	l.metrics.rows.WithLabelValues(l.name).Add(float64(rows))
	l.metrics.commits.WithLabelValues(l.name).Inc()
	l.count(l.name, func(s *TableStats) { s.Rows, s.Commits = s.Rows+rows, s.Commits+1 })
	l.batch = batch{reached: map[string]place{}}
	l.last = time.Now()
	l.commits++
	return l.rows.save(ctx, false)
}

// clean runs the pipeline over the batch: a Parquet file of the rows, and the records set aside.
func (l *lane) clean(ctx context.Context) (body []byte, rows int64, aside []reject, err error) {
	l.engine.Lock()
	defer l.engine.Unlock()
	defer func() {
		if err != nil {
			err = errors.Join(err, l.db.Forget(context.WithoutCancel(ctx), l.event.Name))
		}
	}()
	var line []byte
	for i, rec := range l.batch.records {
		line = append(line[:0], content(rec.Data)...) // what is set aside must stay as it came
		reason, err := l.db.Add(ctx, l.event.Name, int64(i), line)
		if err != nil {
			return nil, 0, nil, err
		}
		if reason != "" {
			aside = append(aside, newReject(l.stream, rec, reason))
		}
	}
	if err := l.db.Clean(ctx, l.event.Name, false); err != nil {
		return nil, 0, nil, err
	}
	if len(aside) == len(l.batch.records) {
		return nil, 0, aside, nil
	}
	body, rows, err = l.db.Parquet(ctx, l.event.Name)
	return body, rows, aside, err
}

// content is a record's JSON text: an object, or what a JSON string holds, as some producers send it.
func content(data []byte) []byte {
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 || trimmed[0] != '"' {
		return data
	}
	var text string
	if json.Unmarshal(trimmed, &text) != nil {
		return data
	}
	return []byte(text)
}
