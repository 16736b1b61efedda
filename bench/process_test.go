package main

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		name, stat string
		want       time.Duration
		fails      bool
	}{
		{"utime and stime are added", "4242 (headrace) S 1 4242 4242 0 -1 4194560 900 0 0 0 123 45 0 0 20 0 9 0 1000 2000 300", 1680 * time.Millisecond, false},
		{"a name may hold spaces and parentheses", "1 (a) b (c)) R 1 1 1 0 -1 0 0 0 0 0 7 3 0 0 20 0", 100 * time.Millisecond, false},
		{"too few fields", "1 (a) R 1 1", 0, true},
		{"no name", "1 a R 1 1", 0, true},
		{"no number", "1 (a) R 1 1 1 0 -1 0 0 0 0 0 x 3 0 0", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseStat([]byte(c.stat))
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("parseStat(%q) = %v, %v, want %v, failing %t", c.stat, got, err, c.want, c.fails)
			}
		})
	}
}

func TestParseStatus(t *testing.T) {
	status := "Name:\theadrace\nVmPeak:\t 1234567 kB\nVmHWM:\t   45678 kB\nVmRSS:\t   40000 kB\nThreads:\t9\n"
	got, err := parseStatus([]byte(status))
	if want := (memory{Resident: 40000 * 1024, Peak: 45678 * 1024}); err != nil || got != want {
		t.Errorf("parseStatus = %+v, %v, want %+v", got, err, want)
	}
	if _, err := parseStatus([]byte("Name:\tzombie\nState:\tZ\n")); err == nil {
		t.Error("parseStatus of a dead process gives no error")
	}
}

// The processor time that is counted is the one that was spent: a loop of 100 ms cannot cost less
// than a part of it, nor more than all processors.
func TestCPUTimeGrowsWithWork(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Skip("needs Linux's /proc:", err)
	}
	spent := time.Duration(0)
	for sum, begun := 0, time.Now(); spent < 50*time.Millisecond && time.Since(begun) < 30*time.Second; sum++ {
		if sum%100000 != 0 {
			continue
		}
		now, err := cpuTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		spent = now - before
	}
	if spent < 50*time.Millisecond {
		t.Errorf("30 s of work count as %s", spent)
	}
	m, err := memoryOf(os.Getpid())
	if err != nil || m.Resident < 1<<20 || m.Peak < m.Resident {
		t.Errorf("memoryOf this process = %+v, %v", m, err)
	}
}
