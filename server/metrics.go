package server

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the HTTP side counts. Labels come from the routes, never from clients.
type metrics struct {
	inFlight prometheus.Gauge
	duration *prometheus.HistogramVec
	observed sync.Map // labels → prometheus.Observer
}

type labels struct {
	method, route string
	status        int
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headrace_requests_in_flight",
			Help: "Requests being answered now.",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "headrace_request_duration_seconds",
			Help:    "Time from the head of a request to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method", "route", "status"}),
	}
	reg.MustRegister(m.inFlight, m.duration)
	return m
}

// observe counts one answer. A route or method that the API does not have counts as "other".
func (m *metrics) observe(method, route string, status int, took time.Duration) {
	if !knownMethod(method) {
		method = "other"
	}
	if route == "" || status == http.StatusNotFound && route == "/*" {
		route = "other"
	}
	key := labels{method, route, status}
	observer, ok := m.observed.Load(key)
	if !ok {
		observer, _ = m.observed.LoadOrStore(key, m.duration.WithLabelValues(method, route, strconv.Itoa(status)))
	}
	observer.(prometheus.Observer).Observe(took.Seconds())
}

// knownMethod reports whether some route may have the method.
func knownMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return true
	}
	return false
}
