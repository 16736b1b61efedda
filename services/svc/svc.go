// Package svc hands tests the real services that services/up.sh started, by environment variable.
// It starts nothing itself, and no product code imports it.
package svc

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Need returns the value of the environment variable name (listed in services/up.sh).
// Where it is unset the test is skipped, saying how to get it; with CI set it fails.
func Need(tb testing.TB, name string) string {
	tb.Helper()
	if v := os.Getenv(name); v != "" {
		return v
	}
	const how = "%s is not set: run `make test`, or `services/up.sh .services && . .services/env`"
	if os.Getenv("CI") != "" {
		tb.Fatalf(how, name)
	}
	tb.Skipf(how, name)
	return ""
}

// Alone is Need for a test that disturbs its service (kills brokers, say): until the test and its
// cleanups registered later end, no other test that called Alone with this name runs, in any process.
func Alone(tb testing.TB, name string) string {
	tb.Helper()
	v := Need(tb, name)
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "headrace-"+name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		tb.Fatalf("opening the lock of %s: %v", name, err)
	}
	tb.Cleanup(func() { _ = f.Close() }) // lets go of the lock
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		tb.Fatalf("waiting for %s: %v", name, err)
	}
	return v
}
