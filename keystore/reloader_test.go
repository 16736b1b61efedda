package keystore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// swap puts text under name as tools do it: a new file, renamed over the old one.
func swap(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// TestReloaderKeepsTheOldOne: a changed file is loaded, a broken one is told and leaves the old value, and the metrics
// say so until it is mended.
func TestReloaderKeepsTheOldOne(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	swap(t, name, "one")
	reg := prometheus.NewPedanticRegistry()
	var told []error
	count := NewMetrics(reg).Watch("test")
	r, err := NewReloader([]string{name}, func() (string, error) {
		data, err := os.ReadFile(name)
		if strings.HasPrefix(string(data), "broken") {
			err = errors.New("broken")
		}
		return string(data), err
	}, func(err error) { told = append(told, err); count(err) })
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		text, want string
		told       int
		failed     bool
	}{
		{"one", "one", 0, false}, // the same bytes in another file: nothing to do
		{"two", "two", 1, false},
		{"broken", "two", 2, true},
		{"three", "three", 3, false},
	}
	for _, s := range steps {
		swap(t, name, s.text)
		r.Look()
		if got := r.Get(); got != s.want || len(told) != s.told {
			t.Errorf("after %q: %q, told %d times; want %q, %d", s.text, got, len(told), s.want, s.told)
		}
		broken := testutil.ToFloat64(NewMetrics(reg).broken.WithLabelValues("test")) == 1
		if failed := len(told) > 0 && told[len(told)-1] != nil; failed != s.failed || broken != s.failed {
			t.Errorf("after %q: told failed %t, metric broken %t, want %t", s.text, failed, broken, s.failed)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	r.Look()
	if got := r.Get(); got != "three" || told[len(told)-1] == nil {
		t.Errorf("after the file went away: %q, told %v; want the old one and an error", got, told[len(told)-1])
	}
}

// TestReloaderLooksNowAndThen: Fresh looks at the files every PollInterval, Run without being asked.
func TestReloaderLooksNowAndThen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	swap(t, name, "one")
	synctest.Test(t, func(t *testing.T) {
		r, err := NewReloader([]string{name}, func() (string, error) {
			data, err := os.ReadFile(name)
			return string(data), err
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		swap(t, name, "two")
		if got := r.Fresh(); got != "one" {
			t.Errorf("Fresh at once = %q, want no look at the files yet", got)
		}
		wait(t, PollInterval)
		if got := r.Fresh(); got != "two" {
			t.Errorf("Fresh after %s = %q, want two", PollInterval, got)
		}
		swap(t, name, "three")
		go r.Run(t.Context())
		wait(t, PollInterval+1)
		if got := r.Get(); got != "three" {
			t.Errorf("Get while Run runs = %q, want three", got)
		}
	})
}

func TestReloaderNeedsAFirstOne(t *testing.T) {
	_, err := NewReloader(nil, func() (int, error) { return 0, os.ErrNotExist }, nil)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("NewReloader = %v, want load's own error", err)
	}
}

// wait lets the test's own clock go on.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
	synctest.Wait()
}
