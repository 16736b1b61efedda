package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// startProgram runs headrace serve as a process of its own, with a property file that holds text, on a free port.
// env is added to ours. Stopping it is a SIGTERM.
func startProgram(t *testing.T, env []string, text string, args ...string) *served {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kafka-rest.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &served{logs: newLogLines(), ended: make(chan int, 1)}
	cmd := exec.Command("main", append([]string{"serve", file, "--listen", "127.0.0.1:0", "--log-format", "json"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = s.logs.write, t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.stop = func() { _ = cmd.Process.Signal(syscall.SIGTERM) }
	go func() {
		_ = cmd.Wait()
		_ = s.logs.write.Close()
		s.ended <- cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		defer func() { _ = cmd.Process.Kill() }()
		s.end(t)
	})
	line := s.logs.wait(t, "Server started, listening for requests...")
	s.url = fmt.Sprintf("http://%s", line["addresses"].([]any)[0])
	return s
}

// commandLimit is more than any command of the tests takes on a busy machine.
const commandLimit = 2 * time.Minute

// command runs a program to its end and returns what it printed; it fails the test when the program fails.
func command(t *testing.T, env []string, stdin string, name string, args ...string) (stdout string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), append([]string{"NO_PROXY=127.0.0.1,localhost", "PYTHONDONTWRITEBYTECODE=1", "PYTHONIOENCODING=utf-8"}, env...)...)
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewBufferString(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", filepath.Base(name), errors.Join(err, ctx.Err()), out.String(), errs.String())
	}
	return out.String()
}
