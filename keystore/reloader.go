package keystore

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PollInterval is how often files are looked at. Watching by the kernel misses files that are swapped by a symbolic
// link to their directory, as Kubernetes does it.
const PollInterval = 5 * time.Second

// Reloader keeps what was loaded from files, and loads it anew when their bytes change. What cannot be loaded leaves
// the old one in place. Make it with NewReloader; it is safe for concurrent use.
type Reloader[T any] struct {
	files   []string
	load    func() (T, error)
	changed func(error)

	current atomic.Pointer[T]

	mu     sync.Mutex // held while looking
	looked time.Time
	seen   []stamp
	hash   [sha256.Size]byte
}

// stamp is what shows cheaply that a file may have changed.
type stamp struct {
	size     int64
	modified time.Time
	file     fs.FileInfo // another inode under the same name is another file; nil: none
}

// NewReloader loads for the first time: an error of load is returned. Later, each time that the bytes of files have
// changed, load is called again and then changed, with load's error or nil. changed may be nil. Neither is called
// by two goroutines at once.
func NewReloader[T any](files []string, load func() (T, error), changed func(error)) (*Reloader[T], error) {
	r := &Reloader[T]{files: files, load: load, changed: changed, looked: time.Now()}
	r.seen, r.hash = r.stamps(), r.sum() // before loading: a change in between is then seen
	value, err := load()
	if err != nil {
		return nil, err
	}
	r.current.Store(&value)
	return r, nil
}

// Get returns what was loaded last.
func (r *Reloader[T]) Get() T { return *r.current.Load() }

// Fresh is Get after a look at the files, if the last look is PollInterval ago.
func (r *Reloader[T]) Fresh() T {
	if r.mu.TryLock() { // somebody else is looking: the one at hand will do
		if time.Since(r.looked) >= PollInterval {
			r.look()
		}
		r.mu.Unlock()
	}
	return r.Get()
}

// Look looks at the files now.
func (r *Reloader[T]) Look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.look()
}

// Run looks at the files every PollInterval until ctx ends.
func (r *Reloader[T]) Run(ctx context.Context) {
	if len(r.files) == 0 {
		return
	}
	ticker := time.NewTicker(PollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.Look()
		}
	}
}

func (r *Reloader[T]) look() {
	r.looked = time.Now()
	seen := r.stamps()
	if sameStamps(seen, r.seen) {
		return
	}
	hash := r.sum()
	r.seen = seen
	if hash == r.hash {
		return // touched, or a file was moved there and back
	}
	r.hash = hash
	value, err := r.load()
	if err == nil {
		r.current.Store(&value)
	}
	if r.changed != nil {
		r.changed(err)
	}
}

func (r *Reloader[T]) stamps() []stamp {
	stamps := make([]stamp, len(r.files))
	for i, path := range r.files {
		if info, err := os.Stat(path); err == nil {
			stamps[i] = stamp{info.Size(), info.ModTime(), info}
		}
	}
	return stamps
}

func sameStamps(a, b []stamp) bool {
	for i := range a {
		same := a[i].size == b[i].size && a[i].modified.Equal(b[i].modified) && os.SameFile(a[i].file, b[i].file)
		if none := a[i].file == nil && b[i].file == nil; !same && !none {
			return false
		}
	}
	return true
}

// sum is a hash over the bytes of all files, and over which of them cannot be read.
func (r *Reloader[T]) sum() [sha256.Size]byte {
	all := sha256.New()
	for _, path := range r.files {
		data, err := read(path)
		if err != nil {
			data = []byte("\x00cannot be read")
		}
		one := sha256.Sum256(data)
		all.Write(one[:])
	}
	return [sha256.Size]byte(all.Sum(nil))
}

// Metrics tell how reloads went. Make them once for a registry, with NewMetrics.
type Metrics struct {
	reloads *prometheus.CounterVec
	broken  *prometheus.GaugeVec
}

// NewMetrics registers headrace_certificate_reloads_total{use,result} (result is ok or failed) and
// headrace_certificate_files_broken{use}: 1 while the files in place cannot be loaded and the old ones are in force.
// What is registered already is used.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	return &Metrics{
		reloads: registered(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headrace_certificate_reloads_total",
			Help: "Changed certificate, key and trust files that were loaded (ok) or could not be (failed).",
		}, []string{"use", "result"})),
		broken: registered(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "headrace_certificate_files_broken",
			Help: "1 while changed files cannot be loaded and the old certificates stay in force, else 0.",
		}, []string{"use"})),
	}
}

func registered[T prometheus.Collector](reg prometheus.Registerer, c T) T {
	var twice prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &twice) {
		if before, ok := twice.ExistingCollector.(T); ok {
			return before
		}
	}
	return c
}

// Watch names a use (of a small fixed set: "listener", "kafka") and returns what counts its reloads: call it from the
// changed function of a Reloader.
func (m *Metrics) Watch(use string) func(error) {
	m.broken.WithLabelValues(use).Set(0)
	return func(err error) {
		result, broken := "ok", 0.0
		if err != nil {
			result, broken = "failed", 1
		}
		m.reloads.WithLabelValues(use, result).Inc()
		m.broken.WithLabelValues(use).Set(broken)
	}
}
