package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"headrace/kinesisclient"
	"headrace/lake/sql"
	"headrace/lake/store"
	"headrace/stream"
)

// streamFlags are the command line of stream.
type streamFlags struct {
	log      logFlags
	caughtUp bool
	json     bool
}

func newStreamCommand(p process) *cobra.Command {
	var flags streamFlags
	cmd := &cobra.Command{
		Use:   "stream STREAM.properties",
		Short: "Carry events from Kinesis streams into Delta tables, each once",
		Long: `stream reads the shards of Kinesis streams, cleans what they bring by a pipeline of SQL, and appends the rows to Delta
tables, each record exactly once whatever is killed when. What cannot be cleaned goes to a table of rejects, with the
reason, the shard and the sequence number.

STREAM.properties names the streams and the place of the tables; all keys are in docs/OPERATIONS.md.
It goes on until it is told to stop (SIGTERM, Ctrl-C), and where the last commit was when it starts again. With
--until-caught-up it ends when every shard was read to its newest record. One process at a time may run a job.name.`,
		Example: `  printf 'streams.regex=streaming-demo-.*\ntables.url=tables\nkinesis.endpoint=http://127.0.0.1:4567\n' > stream.properties
  AWS_ACCESS_KEY_ID=dev AWS_SECRET_ACCESS_KEY=dev headrace stream stream.properties --until-caught-up   # beside headrace dev`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runStream(cmd.Context(), p, args[0], flags)
		},
	}
	flags.log.add(cmd, "warn")
	cmd.Flags().BoolVar(&flags.caughtUp, "until-caught-up", false, "end when every shard was read to its newest record")
	cmd.Flags().BoolVar(&flags.json, "json", false, "no progress; one JSON object at the end")
	return cmd
}

// runStream runs one job in this process.
func runStream(ctx context.Context, p process, path string, flags streamFlags) error {
	log, err := flags.log.logger(p.stderr, slog.LevelWarn)
	if err != nil {
		return err
	}
	job, err := openStream(ctx, path, log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer job.close()
	hide := func() {}
	if !flags.json {
		hide = repeat(lineInterval, func() { _, _ = fmt.Fprintln(p.stderr, job.line()) })
	}
	if flags.caughtUp {
		err = job.RunUntilCaughtUp(ctx)
	} else {
		err = job.Run(ctx)
	}
	hide()
	return errors.Join(err, job.writeSummary(p.stdout, flags.json))
}

// repeat calls tell now and then, until the function that it returns is called.
func repeat(interval time.Duration, tell func()) (end func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				tell()
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// streamJob is a job that is ready to run, with what it reads and writes.
type streamJob struct {
	*stream.Job
	close func()
}

// openStream reads a job's file and opens its tables' place. What is wrong with the file is a usageError.
func openStream(ctx context.Context, path string, log *slog.Logger, reg prometheus.Registerer) (*streamJob, error) {
	text, err := readBounded(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("reading the stream job: %w", err)}
	}
	cfg, warnings, err := stream.ParseConfig(text)
	for _, w := range warnings {
		log.Warn("the stream job's configuration may not mean what it says", "file", path, "why", w)
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("stream job %s: %w", path, err)}
	}
	job, err := newStream(ctx, cfg, log, reg)
	if err != nil {
		return nil, fmt.Errorf("stream job %s: %w", path, err)
	}
	return job, nil
}

// newStream is openStream for a configuration.
func newStream(ctx context.Context, cfg stream.Config, log *slog.Logger, reg prometheus.Registerer) (*streamJob, error) {
	if !sql.Built {
		return nil, sql.ErrNoEngine
	}
	pipeline, err := openPipeline(cfg.Pipeline)
	if err != nil {
		return nil, usageError{err}
	}
	// The gateway's client has its metrics in the same registry; failures are counted by the job.
	kinesis, err := kinesisclient.New(ctx, cfg.Kinesis, log, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	tables, prefix, free, err := store.OpenURL(ctx, cfg.TablesURL)
	if err != nil {
		kinesis.Close()
		return nil, err
	}
	closeAll := func() {
		free()
		kinesis.Close()
	}
	job, err := stream.New(cfg, kinesis, tables, prefix, pipeline, log, prometheus.WrapRegistererWith(prometheus.Labels{"stream_job": cfg.JobName}, reg))
	if err != nil {
		closeAll()
		return nil, err
	}
	return &streamJob{job, closeAll}, nil
}

// openPipeline is the built-in pipeline, or the one in a directory.
func openPipeline(name string) (*sql.Pipeline, error) {
	if name == "pinterest" {
		return sql.Pinterest()
	}
	p, err := sql.Load(os.DirFS(name))
	if err != nil {
		return nil, fmt.Errorf("pipeline %s: %w", name, err)
	}
	return p, nil
}

// line says in one line how far the job is.
func (j *streamJob) line() string {
	var parts []string
	stats := j.Stats().Tables
	for _, name := range slices.Sorted(maps.Keys(stats)) {
		s := stats[name]
		parts = append(parts, fmt.Sprintf("%s: %d rows, %d rejects, %d commits, %s behind", name, s.Rows, s.Rejects, s.Commits, s.Behind.Round(time.Second)))
	}
	if len(parts) == 0 {
		return "no stream has been opened"
	}
	return strings.Join(parts, "; ")
}

// streamSummary is what --json prints at the end.
type streamSummary struct {
	Tables map[string]streamTable `json:"tables"`
}

type streamTable struct {
	Rows    int64 `json:"rows"`
	Rejects int64 `json:"rejects"`
	Commits int64 `json:"commits"`
}

func (j *streamJob) writeSummary(w io.Writer, asJSON bool) error {
	if !asJSON {
		_, err := fmt.Fprintln(w, j.line())
		return err
	}
	summary := streamSummary{map[string]streamTable{}}
	for name, s := range j.Stats().Tables {
		summary.Tables[name] = streamTable{s.Rows, s.Rejects, s.Commits}
	}
	return json.NewEncoder(w).Encode(summary)
}
