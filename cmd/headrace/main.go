// Command headrace is a gateway between HTTP clients and the streams behind them, and the jobs
// around it. This package wires the rooms: it owns configuration, signals and shutdown, and
// decides nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

// process is what the program has of the world around it.
type process struct {
	stdout, stderr io.Writer
	environ        []string // as of os.Environ
}

func main() {
	signal.Ignore(syscall.SIGPIPE) // a log that nobody reads any more must not end the server
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal ends ctx; the second finds no handler and ends the process
	code := run(ctx, os.Args[1:], process{os.Stdout, os.Stderr, os.Environ()})
	stop()
	os.Exit(code)
}

// newRoot returns the program. What is not built is absent.
func newRoot(p process) *cobra.Command {
	root := &cobra.Command{
		Use:   "headrace",
		Short: "A gateway between HTTP clients and the streams behind them: Kafka and Kinesis",
		Long: `headrace answers the REST calls of Confluent REST Proxy (v2) and of an API Gateway in front of Kinesis,
and reads the same configuration files.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.AddCommand(
		newServeCommand(p),
		newDevCommand(p),
		newBatchCommand(p),
		newStreamCommand(p),
		newEmulateCommand(p),
		newCheckCommand(p),
		newTopicsCommand(p),
		newHealthcheckCommand(os.Getenv),
		newOpenAPICommand(),
		newVersionCommand(),
	)
	return root
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, p process) int {
	root := newRoot(p) //nolint:contextcheck // commands get their context from ExecuteContextC
	root.SetArgs(args)
	started := watchStart(root)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitDone
	case !*started:
		_, _ = fmt.Fprintf(p.stderr, "headrace: %v\nSee '%s --help'.\n", err, cmd.CommandPath())
		return exitUsage
	}
	_, _ = fmt.Fprintf(p.stderr, "headrace: %v\n", err)
	if isUsage(err) {
		return exitUsage
	}
	return exitFailed
}

// watchStart tells whether a command's own work has begun: an error before it is cobra's, about usage.
func watchStart(cmd *cobra.Command) *bool {
	started := new(bool)
	var wrap func(*cobra.Command)
	wrap = func(cmd *cobra.Command) {
		if work := cmd.RunE; work != nil {
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				*started = true
				return work(cmd, args)
			}
		}
		for _, sub := range cmd.Commands() {
			wrap(sub)
		}
	}
	wrap(cmd)
	return started
}

// usageError is an error that the user mends on the command line or in a file: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func isUsage(err error) bool {
	var usage usageError
	var config *invalidConfig
	return errors.As(err, &usage) || errors.As(err, &config) && !config.image
}
