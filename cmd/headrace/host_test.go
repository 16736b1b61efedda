package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostScript runs a script of docker/ as an old start script does, and returns its output and exit code.
func hostScript(t *testing.T, env []string, script string, args ...string) (out string, code int) {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh on this machine")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	path, err := filepath.Abs(filepath.Join(root, "docker", script))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, sh, append([]string{path}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = t.TempDir()
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(text), exit.ExitCode()
	} else if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return string(text), 0
}

// onlyOurs returns a PATH in which ps lists only the processes of this test: other headrace processes of the machine
// are not the test's to stop.
func onlyOurs(t *testing.T) (path string, list func(pids ...int)) {
	t.Helper()
	ps, err := exec.LookPath("ps")
	if err != nil {
		t.Skip("no ps on this machine")
	}
	dir := t.TempDir()
	list = func(pids ...int) {
		text := "#!/bin/sh\n"
		for _, pid := range pids {
			text += fmt.Sprintf("%s -p %d -o pid= -o args= || true\n", ps, pid)
		}
		if err := os.WriteFile(filepath.Join(dir, "ps"), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	list()
	return "PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"), list
}

// TestHostStartAndStop: the old scripts' life of a server. Started in the background it answers, its log has the line
// that people wait for, and stop returns 0 when it has gone.
func TestHostStartAndStop(t *testing.T) {
	path, list := onlyOurs(t)
	logs, port := t.TempDir(), freePort(t)
	file := writeFile(t, "kafka-rest.properties", fmt.Sprintf("bootstrap.servers=127.0.0.1:1\nlisteners=http://127.0.0.1:%d\nkinesis.enable=false\n", port))

	if out, code := hostScript(t, []string{path}, "kafka-rest-stop"); code != 1 || out != "No running instance found.\n" {
		t.Errorf("kafka-rest-stop with nothing to stop: exit code %d, %q", code, out)
	}
	if out, code := hostScript(t, []string{path, "LOG_DIR=" + logs + "/new"}, "kafka-rest-start", "-daemon", file); code != 0 {
		t.Fatalf("kafka-rest-start -daemon: exit code %d, %s", code, out)
	}
	pid := pidOf(t, file)
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // gone already when all is well
	list(pid)
	url := fmt.Sprintf("http://127.0.0.1:%d/livez", port)
	eventually(t, url+" answers", func() bool {
		res, err := http.Get(url)
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
	log, err := os.ReadFile(logs + "/new/kafka-rest.out")
	if err != nil || !strings.Contains(string(log), "Server started, listening for requests...") {
		t.Errorf("the log has no line of the start: %v, %s", err, log)
	}
	if out, code := hostScript(t, []string{path}, "kafka-rest-stop"); code != 0 || out != "" {
		t.Errorf("kafka-rest-stop: exit code %d, %q", code, out)
	}
	if err := syscall.Kill(pid, 0); err == nil && !zombie(pid) {
		t.Error("kafka-rest-stop has returned, and the server is still there")
	}
}

// TestHostForeground: without -daemon the script becomes the server, so that a supervisor's SIGTERM reaches it.
func TestHostForeground(t *testing.T) {
	file := writeFile(t, "kafka-rest.properties", "bootstrap.servers=127.0.0.1:1\nlisteners=http://127.0.0.1:0\nkinesis.enable=false\n")
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "sh", filepath.Join(root, "docker", "kafka-rest-run-class"), "io.confluent.kafkarest.KafkaRestMain", file)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Skipf("no sh on this machine: %v", err)
	}
	started := make(chan error, 1)
	go func() { started <- cmd.Wait() }()
	if pid := pidOf(t, file); pid != cmd.Process.Pid {
		t.Errorf("the server is process %d, the script was %d", pid, cmd.Process.Pid)
	}
	eventually(t, "the server listens", func() bool { return listens(cmd.Process.Pid) })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, out.String())
	}
}

// TestHostUsage: flags, messages and exit codes of the old scripts.
func TestHostUsage(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		args, env    []string
		code         int
		says         string
	}{
		{"help", "kafka-rest-start", []string{"-help"}, nil, 0, "USAGE: kafka-rest-start"},
		{"help after the daemon's flag", "kafka-rest-start", []string{"-daemon", "-help"}, nil, 0, "USAGE: kafka-rest-start"},
		{"no file is an empty configuration", "kafka-rest-start", nil, nil, 2, "bootstrap.servers"},
		{"a flag behind the file is no flag", "kafka-rest-start", []string{"none.properties", "-help"}, nil, 2, "help"},
		{"no class", "kafka-rest-run-class", nil, nil, 1, "USAGE: kafka-rest-run-class"},
		{"another class", "kafka-rest-run-class", []string{"kafka.Kafka"}, nil, 1, "class kafka.Kafka cannot be run"},
		{"the class of 2.x", "kafka-rest-run-class", []string{"io.confluent.kafkarest.Main"}, nil, 2, "bootstrap.servers"},
		{"no program", "kafka-rest-start", []string{"f"}, []string{"HEADRACE=/nowhere/headrace"}, 1, "name it in HEADRACE"},
		{"logs that cannot be written", "kafka-rest-start", []string{"-daemon", "f"}, []string{"LOG_DIR=/proc/none"}, 1, "set LOG_DIR"},
		{"environment instead of a file", "kafka-rest-start", nil, []string{"KAFKA_REST_BOOTSTRAP_SERVERS=h:9092", "KAFKA_REST_LISTENERS=none"}, 2, "listeners"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, code := hostScript(t, tt.env, tt.script, tt.args...)
			if code != tt.code || !strings.Contains(out, tt.says) {
				t.Errorf("%s %q: exit code %d, want %d; says %q, want %q", tt.script, tt.args, code, tt.code, out, tt.says)
			}
		})
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().(*net.TCPAddr).Port
}

// eventually waits at most 20 s.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.After(20 * time.Second); !is(); {
		select {
		case <-ticks.C:
		case <-deadline:
			t.Fatalf("after 20 s it is still not so that %s", what)
		}
	}
}

// pidOf finds the process `headrace serve FILE`.
func pidOf(t *testing.T, file string) (pid int) {
	t.Helper()
	eventually(t, "headrace serve "+file+" runs", func() bool {
		dirs, err := filepath.Glob("/proc/[0-9]*")
		if err != nil || len(dirs) == 0 {
			t.Skip("no /proc on this machine")
		}
		for _, dir := range dirs {
			line, _ := os.ReadFile(dir + "/cmdline")
			if args := strings.Split(string(line), "\x00"); len(args) >= 3 && filepath.Base(args[0]) == "headrace" && args[1] == "serve" && args[2] == file {
				pid, _ = strconv.Atoi(filepath.Base(dir))
				return true
			}
		}
		return false
	})
	return pid
}

// zombie reports whether the process has ended and only its parent has not asked after it.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}

// listens reports whether the process has an open socket: its signal handler is then in place.
func listens(pid int) bool {
	open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range open {
		if target, err := os.Readlink(fd); err == nil && strings.HasPrefix(target, "socket:") {
			return true
		}
	}
	return false
}
