package server

import (
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"headrace/handlers"
)

// forgetAfter is how long a sensor may lie unused before it goes away.
// Source: contract, configuration.md §9.
const forgetAfter = time.Hour

// statusTags are the values of http_status_code, by the class of a failure.
var statusTags = [classes]string{"unknown", "1xx", "2xx", "3xx", "4xx", "5xx", "429"}

// Failures of a record of v3 produce.
const (
	recordFailed = iota
	recordLimited
)

// compat is what people scrape from the reference by the JMX exporter, under the names that this
// gives without rules: <domain>_<type>_<attribute>. It works out values when it is asked.
type compat struct {
	cfg        MetricsConfig
	all        *sensor
	byEndpoint sync.Map // what the reference's metrics of an endpoint begin with → *sensor
	byName     sync.Map // the same as a name of Prometheus's → *sensor
	produce    *sensor
	filters    *sensor // 429s that filters made

	opened, closed *sensor
	active         atomic.Int64
	running        atomic.Int64
	waiting        atomic.Int64
}

func newCompat(cfg MetricsConfig, reg prometheus.Registerer) *compat {
	c := &compat{
		cfg: cfg, all: newSensor(cfg), produce: newSensor(cfg), filters: newSensor(cfg),
		opened: newSensor(cfg), closed: newSensor(cfg),
	}
	reg.MustRegister(c)
	return c
}

// answered counts one answer of the API.
func (c *compat) answered(e handlers.Endpoint, status int, in, out int64, took time.Duration, now time.Time) {
	m := measure{in: in, out: out, took: took, class: failureClass(status)}
	c.count(c.all, now, m)
	if e.Metric == "" {
		return
	}
	found, ok := c.byEndpoint.Load(e.Metric)
	if !ok {
		// Two endpoints may come to one name of Prometheus's: they are counted together.
		shared, _ := c.byName.LoadOrStore(metricName(e.Metric), newSensor(c.cfg))
		found, _ = c.byEndpoint.LoadOrStore(e.Metric, shared)
	}
	c.count(found.(*sensor), now, m)
}

func (c *compat) count(s *sensor, now time.Time, m measure) {
	s.record(now, m)
	if c.cfg.SLO > 0 {
		s.latency(m.took, [2]time.Duration{c.cfg.SLO, c.cfg.SLA})
	}
}

// failureClass is the index in statusTags of a status that is a failure.
func failureClass(status int) int {
	switch {
	case status == 429:
		return 6
	case status < 400:
		return noFailure
	case status < 600:
		return status / 100
	}
	return 0
}

// produced counts the end of one record of v3 produce.
func (c *compat) produced(bytes int, took time.Duration, code int) {
	m := measure{in: int64(bytes), took: took, class: noFailure}
	switch code {
	case 0, 200:
	case 429:
		m.class = recordLimited
	default:
		m.class = recordFailed
	}
	c.produce.record(time.Now(), m)
}

// filtered counts a 429 that a filter made before the API saw the request.
func (c *compat) filtered() { c.filters.record(time.Now(), measure{class: failureClass(429)}) }

// Describe names nothing: which metrics there are depends on what was asked for.
func (c *compat) Describe(chan<- *prometheus.Desc) {}

// Collect works out all metrics.
func (c *compat) Collect(to chan<- prometheus.Metric) {
	now := time.Now()
	jersey := c.writer(to, "jersey-metrics")
	c.jersey(jersey, "", c.all.read(now))
	c.byName.Range(func(name, s any) bool {
		r := s.(*sensor).read(now)
		if now.Sub(r.last) > forgetAfter {
			c.byName.Delete(name)
			c.byEndpoint.Range(func(endpoint, of any) bool {
				if of == s {
					c.byEndpoint.Delete(endpoint)
				}
				return true
			})
			return true
		}
		c.jersey(jersey, name.(string)+".", r)
		return true
	})
	c.jetty(c.writer(to, "jetty-metrics"), now)
	c.produceAPI(c.writer(to, "produce-api-metrics"), c.produce.read(now))
}

// jersey writes the metrics of requests; prefix is that of an endpoint, with a dot, or "".
func (c *compat) jersey(w metricWriter, prefix string, r reading) {
	for name, v := range map[string]float64{
		"request-count":       float64(r.count),
		"request-rate":        r.rate(r.count),
		"request-total":       float64(r.total.count),
		"request-byte-rate":   r.rate(r.in),
		"request-size-avg":    r.mean(float64(r.in)),
		"request-size-max":    r.most(float64(r.maxIn)),
		"response-rate":       r.rate(r.count),
		"response-byte-rate":  r.rate(r.out),
		"response-size-avg":   r.mean(float64(r.out)),
		"response-size-max":   r.most(float64(r.maxOut)),
		"request-latency-avg": r.mean(milliseconds(r.took)),
		"request-latency-max": r.most(milliseconds(r.maxTook)),
		"request-latency-95":  c.percentile(r, .95),
		"request-latency-99":  c.percentile(r, .99),
	} {
		w.write(prefix+name, v, "")
	}
	c.errors(w, prefix, r)
	if c.cfg.SLO > 0 {
		for i, objective := range []string{"slo", "sla"} {
			w.write(prefix+"response-below-latency-"+objective+"-total", float64(r.below[i]), "")
			w.write(prefix+"response-above-latency-"+objective+"-total", float64(r.above[i]), "")
		}
	}
}

// errors writes the metrics of failures: all, and by status.
func (c *compat) errors(w metricWriter, prefix string, r reading) {
	var count, total int64
	for i, tag := range statusTags {
		count, total = count+r.failed[i], total+r.total.failed[i]
		w.write(prefix+"request-error-rate", r.rate(r.failed[i]), tag)
		w.write(prefix+"request-error-count", float64(r.failed[i]), tag)
		w.write(prefix+"request-error-total", float64(r.total.failed[i]), tag)
	}
	w.write(prefix+"request-error-rate", r.rate(count), "")
	w.write(prefix+"request-error-count", float64(count), "")
	w.write(prefix+"request-error-total", float64(total), "")
}

func (c *compat) jetty(w metricWriter, now time.Time) {
	opened, closed := c.opened.read(now), c.closed.read(now)
	w.write("connections-active", float64(c.active.Load()), "")
	w.write("connections-opened-rate", opened.rate(opened.count), "")
	w.write("connections-accepted-rate", opened.rate(opened.count), "")
	w.write("connections-closed-rate", closed.rate(closed.count), "")
	w.write("busy-thread-count", float64(c.running.Load()), "")
	w.write("thread-pool-usage", float64(c.running.Load())/float64(max(c.cfg.Threads, 1)), "")
	w.write("request-queue-size", float64(c.waiting.Load()), "")
	c.errors(w, "", c.filters.read(now))
}

func (c *compat) produceAPI(w metricWriter, r reading) {
	for name, v := range map[string]float64{
		"request-rate":                       r.rate(r.count),
		"request-count-windowed":             float64(r.count),
		"request-byte-rate":                  r.rate(r.in),
		"request-byte-total":                 float64(r.total.in),
		"response-rate":                      r.rate(r.count),
		"response-count-windowed":            float64(r.count),
		"record-error-rate":                  r.rate(r.failed[recordFailed]),
		"error-count-windowed":               float64(r.failed[recordFailed]),
		"record-rate-limited-rate":           r.rate(r.failed[recordLimited]),
		"record-rate-limited-count-windowed": float64(r.failed[recordLimited]),
		"request-latency-avg":                r.mean(milliseconds(r.took)),
		"request-latency-max":                r.most(milliseconds(r.maxTook)),
		"request-latency-p95":                c.percentile(r, .95),
		"request-latency-p99":                c.percentile(r, .99),
		"request-latency-p999":               c.percentile(r, .999),
	} {
		w.write(name, v, "")
	}
}

func (c *compat) percentile(r reading, share float64) float64 {
	if r.count == 0 {
		return math.NaN()
	}
	return milliseconds(min(r.percentile(share), c.cfg.MaxLatency))
}

// metricWriter writes metrics of one type of the reference.
type metricWriter struct {
	to                  chan<- prometheus.Metric
	prefix              string
	tagNames, tagValues []string
	tagNames1           []string // with http_status_code
}

func (c *compat) writer(to chan<- prometheus.Metric, kind string) metricWriter {
	w := metricWriter{to: to, prefix: c.cfg.Prefix + "_" + kind + "_"}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Tags)) {
		w.tagNames = append(w.tagNames, metricName(name))
		w.tagValues = append(w.tagValues, c.cfg.Tags[name])
	}
	w.tagNames1 = append(slices.Clone(w.tagNames), "http_status_code")
	return w
}

func (w metricWriter) write(name string, value float64, status string) {
	names, values := w.tagNames, w.tagValues
	if status != "" {
		names, values = w.tagNames1, append(slices.Clone(w.tagValues), status)
	}
	desc := prometheus.NewDesc(metricName(w.prefix+name), "As the reference's; see docs/OPERATIONS.md.", names, nil)
	w.to <- prometheus.MustNewConstMetric(desc, prometheus.UntypedValue, value, values...)
}

// metricName makes a name of Prometheus, as the JMX exporter does: other characters become one _.
func metricName(s string) string {
	var b strings.Builder
	for _, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter {
			if strings.HasSuffix(b.String(), "_") {
				continue
			}
			c = '_'
		}
		b.WriteRune(c)
	}
	return b.String()
}
