package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"headrace/batch/sink"
	"headrace/kafkaclient"
)

func newBatchCommand(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "batch",
		Short: "Work on stored data: fill a bucket from Kafka",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newBatchSinkCommand(p))
	return cmd
}

// batchSinkFlags are the command line of batch sink.
type batchSinkFlags struct {
	log      logFlags
	server   string // path of a kafka-rest.properties or client.properties
	caughtUp bool
	json     bool
}

func newBatchSinkCommand(p process) *cobra.Command {
	var flags batchSinkFlags
	cmd := &cobra.Command{
		Use:   "sink CONNECTOR.properties",
		Short: "Write the records of topics as objects to a bucket, as the Kafka Connect S3 sink does",
		Long: `sink reads topics as a member of the consumer group connect-NAME and writes their records to a bucket. The
connector's properties (or its flat JSON object) are taken as they are: objects get the same names and the same lines.
Keys that are not built yet are refused by name. With store.url=file:///DIR the bucket is the directory DIR/BUCKET.

Kafka is reached as the file of --server says (a kafka-rest.properties or client.properties), then KAFKA_REST_…
variables; consumer.override.* of the connector wins.

It goes on until it is told to stop (SIGTERM, Ctrl-C). With --until-caught-up it ends when all that was in the topics at
the start is durable and committed; records that do not fill an object (flush.size) stay for the next run and are named.
Any number of processes with the same connector share the work.`,
		Example: `  KAFKA_REST_BOOTSTRAP_SERVERS=127.0.0.1:9092 headrace batch sink connector.properties --until-caught-up
  headrace batch sink connector.json --server client.properties`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return batchSink(cmd.Context(), p, args[0], flags)
		},
	}
	flags.log.add(cmd, "warn")
	cmd.Flags().StringVar(&flags.server, "server", "", "property file that says how to reach Kafka")
	cmd.Flags().BoolVar(&flags.caughtUp, "until-caught-up", false, "end when all that was there at the start is written")
	cmd.Flags().BoolVar(&flags.json, "json", false, "no progress; one JSON object at the end")
	return cmd
}

// batchSink runs one connector in this process.
func batchSink(ctx context.Context, p process, path string, flags batchSinkFlags) error {
	log, err := flags.log.logger(p.stderr, slog.LevelWarn)
	if err != nil {
		return err
	}
	kafka, settings, err := loadKafka(sources{file: flags.server, environ: p.environ}, "consumer.")
	settings.logNotes(log)
	if err != nil {
		return err
	}
	job, err := openSink(ctx, path, kafka, log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer job.close()

	latest := &atomic.Pointer[sink.Progress]{}
	hide := func() {}
	if !flags.json {
		hide = showSink(p.stderr, job, latest)
	}
	began := time.Now()
	var partials []sink.Partial
	if flags.caughtUp {
		partials, err = job.RunUntilCaughtUp(ctx, func(now sink.Progress) { latest.Store(&now) })
	} else {
		err = job.Run(ctx)
	}
	hide()
	return errors.Join(err, job.writeSummary(p.stdout, time.Since(began), partials, flags.json))
}

// sinkJob is a connector that is ready to run, with its store.
type sinkJob struct {
	*sink.Job
	cfg   sink.Config
	close func() // frees the store
}

// openSink reads a connector's file and opens its store. What is wrong with the file is a usageError.
func openSink(ctx context.Context, path string, kafka kafkaclient.Config, log *slog.Logger, reg prometheus.Registerer) (*sinkJob, error) {
	text, err := readBounded(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("reading the connector: %w", err)}
	}
	job, err := newSink(ctx, text, kafka, log, reg)
	if err != nil {
		return nil, fmt.Errorf("connector %s: %w", path, err)
	}
	return job, nil
}

// newSink is openSink for a connector's text.
func newSink(ctx context.Context, text []byte, kafka kafkaclient.Config, log *slog.Logger, reg prometheus.Registerer) (*sinkJob, error) {
	cfg, warnings, err := sink.ParseConfig(text)
	for _, w := range warnings {
		log.Warn("the connector's configuration may not mean what it says", "why", w)
	}
	if err != nil {
		return nil, usageError{err}
	}
	if len(kafka.Brokers) == 0 && !cfg.NamesBrokers() {
		return nil, usageError{errors.New("no brokers are named: give bootstrap.servers in the file of --server, KAFKA_REST_BOOTSTRAP_SERVERS, or consumer.override.bootstrap.servers")}
	}
	objects, free, err := sink.OpenStore(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	job, err := sink.New(cfg, kafka, objects, log, reg)
	if err != nil {
		free()
		return nil, err
	}
	return &sinkJob{Job: job, cfg: cfg, close: free}, nil
}

// sinkSummary is what --json prints at the end.
type sinkSummary struct {
	Connector string `json:"connector"`
	sink.Count
	Topics  map[string]sink.Count `json:"topics"`
	Skipped map[string]int64      `json:"skipped"`
	Retries int64                 `json:"retries"`
	Partial []sink.Partial        `json:"partial"`
	Seconds float64               `json:"seconds"`
}

func (j *sinkJob) writeSummary(w io.Writer, took time.Duration, partials []sink.Partial, asJSON bool) error {
	s := j.Stats()
	if asJSON {
		return json.NewEncoder(w).Encode(sinkSummary{
			Connector: j.cfg.Name, Count: s.Total, Topics: s.Topics,
			Skipped: map[string]int64{"null": s.SkippedNull, "bad": s.SkippedBad},
			Retries: s.Retries, Partial: append([]sink.Partial{}, partials...), Seconds: took.Seconds(),
		})
	}
	_, err := fmt.Fprintf(w, "%d records in %d objects, %d bytes, in %s; skipped: %d null, %d bad\n",
		s.Total.Records, s.Total.Objects, s.Total.Bytes, took.Round(time.Millisecond), s.SkippedNull, s.SkippedBad)
	for _, p := range partials {
		_, lineErr := fmt.Fprintf(w, "topic %s partition %d: %d records from offset %d on do not fill an object (flush.size=%d) and stay for the next run\n",
			p.Topic, p.Partition, p.Records, p.Offset, j.cfg.FlushSize)
		err = errors.Join(err, lineErr)
	}
	return err
}

// showSink tells on w how far a job is, until the function that it returns is called: a bar on a
// terminal, else a plain line now and then. latest is filled while there is a goal.
func showSink(w io.Writer, job *sinkJob, latest *atomic.Pointer[sink.Progress]) (hide func()) {
	interval, show, clear := lineInterval, plainLine(w), func() {}
	if isTerminal(w) {
		interval, show, clear = sinkBar(w)
	}
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		defer clear()
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				show(job.Stats(), latest.Load())
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		ended.Wait()
	}
}

func plainLine(w io.Writer) func(sink.Stats, *sink.Progress) {
	return func(s sink.Stats, goal *sink.Progress) {
		left := ""
		if goal != nil {
			left = fmt.Sprintf(", %d of %d left", goal.Left, goal.Total)
		}
		_, _ = fmt.Fprintf(w, "%d records in %d objects, %d bytes, lag %d%s\n",
			s.Total.Records, s.Total.Objects, s.Total.Bytes, s.Lag, left)
	}
}

// sinkBar makes a bar of records; without a goal it has no end.
func sinkBar(w io.Writer) (interval time.Duration, show func(sink.Stats, *sink.Progress), clear func()) {
	bar := progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetItsString("records"),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionClearOnFinish(),
	)
	show = func(s sink.Stats, goal *sink.Progress) {
		bar.Describe(fmt.Sprintf("%d objects, %d bytes, lag %d", s.Total.Objects, s.Total.Bytes, s.Lag))
		at := s.Total.Records
		if goal != nil && goal.Total > 0 {
			bar.ChangeMax64(goal.Total)
			at = max(0, goal.Total-goal.Left)
		}
		_ = bar.Set64(at) // a bar that cannot be drawn stops nothing
	}
	return barInterval, show, func() { _ = bar.Clear() }
}
