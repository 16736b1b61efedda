package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// readyTimeout is how long a process may take to answer for the first time. A Kafka that has just
// started, on a busy machine, needs the longest part of it.
const readyTimeout = 60 * time.Second

// child is another process of this program: a ceiling or a stand-in, apart from the generator so
// that its processor time and its garbage are its own. It ends when its standard input does, so
// also when this process dies.
type child struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string // host:port it listens on
}

// startChild runs this program with the hidden subcommand name, and waits for the line in which it
// tells its address.
func startChild(ctx context.Context, name string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.Command(program, name) //nolint:noctx // stop ends it, and so does the end of this process
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	c := &child{cmd: cmd, stdin: stdin}
	if c.address, err = firstLine(ctx, stdout); err != nil {
		c.stop()
		return nil, fmt.Errorf("starting %s: waiting for its address: %w", name, err)
	}
	return c, nil
}

func firstLine(ctx context.Context, from io.Reader) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	type result struct {
		line string
		err  error
	}
	got := make(chan result, 1)
	go func() { // ends with the child, whose output it reads
		line, err := bufio.NewReader(from).ReadString('\n')
		got <- result{strings.TrimSpace(line), err}
	}()
	select {
	case r := <-got:
		return r.line, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) url() string { return "http://" + c.address }

// stop ends the child and waits for it; after 5 s it kills it.
func (c *child) stop() {
	_ = c.stdin.Close()
	kill := time.AfterFunc(5*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	_ = c.cmd.Wait() // how it ended is of no interest any more
}

// announce tells the parent where a child listens, and returns when the parent is done with it.
func announce(ctx context.Context, stdin io.Reader, stdout io.Writer, address string) error {
	if _, err := fmt.Fprintln(stdout, address); err != nil {
		return fmt.Errorf("telling the address: %w", err)
	}
	ended := make(chan struct{})
	go func() { // ends with standard input, or with the process
		defer close(ended)
		_, _ = io.Copy(io.Discard, stdin)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}
