package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"headrace/kafkaclient"
	"headrace/lake/store"
)

// Job is a connector at work. Make it with New, start it once with Run or RunUntilCaughtUp.
type Job struct {
	cfg     Config
	kafka   kafkaclient.Config
	store   store.Store
	log     *slog.Logger
	metrics *metrics

	mu      sync.Mutex
	uploads *uploads
	tasks   []*task
}

// Count is what has been written of one topic.
type Count struct {
	Records int64 `json:"records"`
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// Stats is how a job is doing.
type Stats struct {
	Topics        map[string]Count // durable
	Total         Count
	SkippedNull   int64
	SkippedBad    int64
	Retries       int64
	Lag           int64 // records of the partitions held here that are not durable
	OpenFiles     int64
	BufferedBytes int64
}

// OpenStore opens the place that cfg names. A directory is made; an S3 bucket must exist. close
// frees what the store holds.
func OpenStore(ctx context.Context, cfg *Config) (objects store.Store, free func(), err error) {
	if cfg.StoreDir != "" {
		dir, err := store.OpenDir(cfg.StoreDir, cfg.S3.Bucket)
		return dir, func() {}, err
	}
	bucket, err := store.OpenS3(ctx, cfg.S3)
	if errors.Is(err, store.ErrNoBucket) {
		return nil, nil, fmt.Errorf("Non-existent S3 bucket: %s", cfg.S3.Bucket) //nolint:staticcheck // the reference's text
	}
	if err != nil {
		return nil, nil, err
	}
	return bucket, bucket.Close, nil
}

// New returns a job that reads from kafka and writes to objects. Its metrics go to reg.
func New(cfg Config, kafka kafkaclient.Config, objects store.Store, log *slog.Logger, reg prometheus.Registerer) (*Job, error) {
	j := &Job{cfg: cfg, kafka: kafka, store: objects, log: log.With("connector", cfg.Name)}
	var err error
	if j.metrics, err = newMetrics(cfg.Name, j, reg); err != nil {
		return nil, err
	}
	if consumer, err := cfg.consumer(kafka); err != nil || consumer.Validate() != nil {
		return nil, errors.Join(err, consumer.Validate())
	}
	return j, nil
}

// Run works until ctx ends, which is no error, or until something that waiting does not cure: a
// record that the configuration does not let pass, a refused write, a topic that may not be
// read. Either way unfinished objects are given the drain timeout, open files are dropped (their
// records are read again next time), offsets are committed and the group is left.
func (j *Job) Run(ctx context.Context) error {
	return j.run(ctx, nil)
}

// run also runs watch, which ends the job when it returns.
func (j *Job) run(outer context.Context, watch func(ctx context.Context) error) error {
	ctx, end := context.WithCancelCause(outer)
	defer end(nil)
	if err := j.open(ctx, end); err != nil {
		return err
	}
	var workers, tasks sync.WaitGroup
	for range j.cfg.Uploads {
		workers.Go(j.uploads.run)
	}
	j.log.Info("sink started", "group", j.cfg.Group, "tasks", len(j.tasks), "bucket", j.cfg.S3.Bucket)
	for _, t := range j.tasks {
		tasks.Go(func() {
			if err := t.run(ctx); err != nil {
				end(err)
			}
		})
	}
	if watch != nil {
		tasks.Go(func() { end(watch(ctx)) })
	}
	tasks.Wait()
	j.uploads.stop()
	workers.Wait()
	err := context.Cause(ctx)
	if errors.Is(err, errEnded) || outer.Err() != nil && errors.Is(err, outer.Err()) {
		err = nil
	}
	j.log.Info("sink stopped", "err", err)
	return err
}

// errEnded is the cause of an end that was wanted.
var errEnded = errors.New("ended")

// open makes the uploads and the tasks.
func (j *Job) open(ctx context.Context, end func(error)) error {
	u := newUploads(j.store, &j.cfg, j.log, j.metrics, end)
	var tasks []*task
	for id := range j.cfg.TasksMax {
		t, err := newTask(id, &j.cfg, j.kafka, u, j.metrics, j.log)
		if err != nil {
			for _, t := range tasks {
				t.finish(ctx, err)
			}
			return err
		}
		tasks = append(tasks, t)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.uploads, j.tasks = u, tasks
	return nil
}

// Stats says how the job is doing. It may be called at any time.
func (j *Job) Stats() Stats {
	j.mu.Lock()
	u, tasks := j.uploads, j.tasks
	j.mu.Unlock()
	s := Stats{Topics: map[string]Count{}}
	if u == nil {
		return s
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	s.Retries = u.retries
	s.BufferedBytes = u.memory.open.Load() + u.memory.pending.Load()
	for topic, c := range maps.All(u.written) {
		s.Topics[topic] = *c
		s.Total.Records += c.Records
		s.Total.Objects += c.Objects
		s.Total.Bytes += c.Bytes
	}
	for _, t := range tasks {
		s.SkippedNull += t.skippedNull.Load()
		s.SkippedBad += t.skippedBad.Load()
		s.OpenFiles += t.openFiles.Load()
		for _, l := range t.lanes {
			s.Lag += max(0, l.end-l.position())
		}
	}
	return s
}
