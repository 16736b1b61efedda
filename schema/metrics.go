package schema

import "github.com/prometheus/client_golang/prometheus"

// metrics are counted per call and outcome, never per subject: clients name subjects.
type metrics struct {
	calls      *prometheus.CounterVec
	seconds    prometheus.Histogram
	cacheBytes prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headrace_schema_registry_requests_total",
			Help: "Requests to the schema registry, by outcome: ok, refused (an error of the registry), failed (no answer).",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "headrace_schema_registry_request_seconds",
			Help:    "Time until the registry has answered a request.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
		cacheBytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headrace_schema_cache_bytes",
			Help: "Estimated bytes of all schemas that are kept.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.calls, m.seconds, m.cacheBytes)
	}
	return m
}
