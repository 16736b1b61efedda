// Package chaos kills brokers, the gateway and the sink while they work, on a real Kafka and a real
// S3, and holds what is left to what was promised: nothing lost, nothing invented. It builds the
// program and knows nothing of its inside.
//
// HEADRACE_TEST_KILLS is how often each test kills (20), HEADRACE_TEST_SEED repeats a run's choices.
package chaos

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "headrace-chaos-")
	if err != nil {
		panic(err)
	}
	builds.dir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// kills is how often a test kills.
func kills(t *testing.T) int { return number(t, "HEADRACE_TEST_KILLS", 20) }

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q: a number from 1 on would work", name, text)
	}
	return n
}

// random makes the choices of one test; its seed is logged.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := number(t, "HEADRACE_TEST_SEED", int(time.Now().UnixNano()&0xffffff)+1)
	t.Logf("HEADRACE_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(uint64(seed), 0))
}

// until asks ready every few milliseconds until it says yes, and fails the test after limit.
func until(t *testing.T, limit time.Duration, what string, ready func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for !ready() {
		if !pause(ctx, 3*time.Millisecond) {
			t.Fatalf("%s: not within %s", what, limit)
		}
	}
}

// pause waits, and reports whether ctx still lasts.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// child is a headrace process.
type child struct {
	cmd    *exec.Cmd
	out    string        // file of its standard output
	log    string        // file of its standard error
	exited chan struct{} // closed when it has ended
	exit   error         // how, once exited is closed
	began  time.Time
}

// start runs the program with args. env is added to ours. What it prints goes to files in dir. It is
// killed with the test at the latest.
func start(t *testing.T, dir string, env []string, args ...string) *child {
	t.Helper()
	c := &child{out: filepath.Join(dir, "stdout"), log: filepath.Join(dir, "stderr"), exited: make(chan struct{})}
	c.cmd = exec.Command(program(t, "cmd/headrace"), args...)
	c.cmd.Env = append(os.Environ(), env...)
	out, err := os.Create(c.out)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.cmd.Stdout, c.cmd.Stderr = out, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.began = time.Now()
	if err := c.cmd.Start(); err != nil {
		t.Fatalf("starting headrace: %v", err)
	}
	go func() { // ends with the process
		c.exit = c.cmd.Wait()
		close(c.exited)
	}()
	t.Cleanup(c.kill)
	return c
}

// kill is kill -9.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.exited
}

// ended reports whether the process is gone.
func (c *child) ended() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// lastWords is the end of what the process printed.
func (c *child) lastWords() string {
	words := ""
	for _, file := range []string{c.out, c.log} {
		text, err := os.ReadFile(file)
		if err != nil {
			return err.Error()
		}
		words += string(text[max(0, len(text)-3000):])
	}
	return words
}

// program builds a program of this module, such as cmd/headrace, once for all tests.
func program(t *testing.T, name string) string {
	t.Helper()
	builds.Lock()
	defer builds.Unlock()
	path := filepath.Join(builds.dir, filepath.Base(name))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "headrace/"+name).CombinedOutput()
	if err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	return path
}

// builds is where programs are built; TestMain makes and removes the directory.
var builds struct {
	sync.Mutex
	dir string
}
