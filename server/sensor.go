package server

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

// sensor counts what happens over a few windows of time that follow one another, as the reference's
// metrics do: what is older than all of them is forgotten.
// Source: Kafka's SampledStat, Rate and Percentiles.
type sensor struct {
	mu      sync.Mutex
	length  time.Duration // of a window
	windows []window
	current int

	total sums
	last  time.Time
	below [2]int64 // within SLO and SLA, since start
	above [2]int64
}

// classes are the kinds of failures that a sensor tells apart.
const classes = 7

// noFailure is the class of a success.
const noFailure = -1

// sums are what is added up.
type sums struct {
	count, in, out int64
	took           time.Duration
	failed         [classes]int64
}

// window is one stretch of time.
type window struct {
	start time.Time
	sums
	maxIn, maxOut int64
	maxTook       time.Duration
	times         [timeBuckets]uint32
}

// timeBuckets are 8 for each doubling of time, from 16 µs (below: one) to hours.
const (
	timeShift   = 14 // 2^14 ns
	timeBuckets = 8 * 30
)

func newSensor(cfg MetricsConfig) *sensor {
	return &sensor{length: cfg.Window, windows: make([]window, max(cfg.Samples, 1))}
}

// measure is one event.
type measure struct {
	in, out int64 // bytes
	took    time.Duration
	class   int // of the failure, or noFailure
}

func (s *sensor) record(now time.Time, m measure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.at(now)
	for _, to := range []*sums{&w.sums, &s.total} {
		to.count++
		to.in += m.in
		to.out += m.out
		to.took += m.took
		if m.class != noFailure {
			to.failed[m.class]++
		}
	}
	w.maxIn, w.maxOut, w.maxTook = max(w.maxIn, m.in), max(w.maxOut, m.out), max(w.maxTook, m.took)
	w.times[timeBucket(m.took)]++
	s.last = now
}

// latency counts how one event kept to the objectives; 0 is none.
func (s *sensor) latency(took time.Duration, objectives [2]time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, objective := range objectives {
		if took <= objective {
			s.below[i]++
		} else {
			s.above[i]++
		}
	}
}

// at is the window that now belongs to.
func (s *sensor) at(now time.Time) *window {
	w := &s.windows[s.current]
	if w.start.IsZero() {
		w.start = now
	}
	if now.Sub(w.start) >= s.length {
		s.current = (s.current + 1) % len(s.windows)
		w = &s.windows[s.current]
		*w = window{start: now}
	}
	return w
}

// reading is what a sensor says of the windows that still count.
type reading struct {
	sums
	seconds       float64 // that rates are of
	maxIn, maxOut int64
	maxTook       time.Duration
	times         [timeBuckets]int64

	total        sums
	below, above [2]int64
	last         time.Time
}

func (s *sensor) read(now time.Time) reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := reading{total: s.total, below: s.below, above: s.above, last: s.last}
	oldest := now
	for i := range s.windows {
		w := &s.windows[i]
		if w.start.IsZero() || now.Sub(w.start) >= s.length*time.Duration(len(s.windows)) {
			continue
		}
		if w.start.Before(oldest) {
			oldest = w.start
		}
		r.add(w)
	}
	elapsed := now.Sub(oldest)
	if missing := len(s.windows) - 1 - int(elapsed/s.length); missing > 0 {
		elapsed += time.Duration(missing) * s.length // as if windows that are yet to come had been empty
	}
	r.seconds = max(elapsed, time.Millisecond).Seconds()
	return r
}

func (r *reading) add(w *window) {
	r.count += w.count
	r.in += w.in
	r.out += w.out
	r.took += w.took
	for i, n := range w.failed {
		r.failed[i] += n
	}
	r.maxIn, r.maxOut, r.maxTook = max(r.maxIn, w.maxIn), max(r.maxOut, w.maxOut), max(r.maxTook, w.maxTook)
	for i, n := range w.times {
		r.times[i] += int64(n)
	}
}

// rate is n for each second.
func (r *reading) rate(n int64) float64 { return float64(n) / r.seconds }

// mean is sum for each event; NaN without any.
func (r *reading) mean(sum float64) float64 { return sum / float64(r.count) }

// most is a maximum; NaN without any event.
func (r *reading) most(v float64) float64 {
	if r.count == 0 {
		return math.NaN()
	}
	return v
}

// percentile is the time that share of all events kept to, within 1/16 of it; NaN without any.
func (r *reading) percentile(share float64) time.Duration {
	rank, seen := int64(math.Ceil(share*float64(r.count))), int64(0)
	for i, n := range r.times {
		if seen += n; n > 0 && seen >= rank {
			return min(bucketMiddle(i), r.maxTook)
		}
	}
	return r.maxTook
}

// timeBucket is the bucket of a time: its highest bit and the three below.
func timeBucket(d time.Duration) int {
	v := uint64(max(d, 0)) >> (timeShift - 3)
	if v < 8 {
		return 0
	}
	exponent := bits.Len64(v) - 4
	return min(exponent*8+int(v>>exponent&7), timeBuckets-1)
}

// bucketMiddle is the time in the middle of a bucket.
func bucketMiddle(i int) time.Duration {
	if i == 0 {
		return 1 << (timeShift - 1)
	}
	exponent, part := i/8, i%8
	return time.Duration((2*(8+part) + 1) << exponent << (timeShift - 3) / 2)
}

// milliseconds is a time as the reference's metrics have it.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
