package sink

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one job. Their label is the connector's name, which the operator chose.
type metrics struct {
	records, objects, bytes, retries, commits prometheus.Counter
	skipped                                   *prometheus.CounterVec
	uploadSeconds                             prometheus.Histogram
}

// newMetrics registers the counters, and gauges that ask job when they are scraped. Another job
// of the same name is an error.
func newMetrics(name string, job *Job, reg prometheus.Registerer) (*metrics, error) {
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"connector": name}, reg)
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "headrace_sink_" + name, Help: help})
	}
	gauge := func(name, help string, value func(s Stats) int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "headrace_sink_" + name, Help: help},
			func() float64 { return float64(value(job.Stats())) })
	}
	m := &metrics{
		records: counter("records_total", "Records in durable objects."),
		objects: counter("objects_total", "Durable objects."),
		bytes:   counter("bytes_total", "Bytes of durable objects."),
		retries: counter("upload_retries_total", "Objects tried again after the store's own retries failed."),
		commits: counter("commits_total", "Offset commits."),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headrace_sink_records_skipped_total", Help: "Records not written: null values ignored, bad values tolerated.",
		}, []string{"reason"}),
		uploadSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "headrace_sink_upload_duration_seconds", Help: "Time to store one object, or one part of it, retries included.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
	}
	var failed []error
	for _, c := range []prometheus.Collector{
		m.records, m.objects, m.bytes, m.retries, m.commits, m.skipped, m.uploadSeconds,
		gauge("lag_records", "Records of the partitions held here that are not durable.", func(s Stats) int64 { return s.Lag }),
		gauge("open_files", "Files being filled.", func(s Stats) int64 { return s.OpenFiles }),
		gauge("buffered_bytes", "Bytes of open and unfinished files.", func(s Stats) int64 { return s.BufferedBytes }),
	} {
		failed = append(failed, reg.Register(c))
	}
	if err := errors.Join(failed...); err != nil {
		return nil, fmt.Errorf("registering the metrics of connector %s: %w", name, err)
	}
	return m, nil
}
