package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

func TestMain(m *testing.M) {
	// "main" is the program as a process of its own: in scripts, and for exec.Command.
	testscript.Main(m, map[string]func(){"main": main, "headrace": main}) // "headrace": for the scripts of docker/
}

// TestScripts runs the command lines of testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"exitcode": exitCode,
	}})
}

// exitCode is the script command "exitcode N ARGS…": the program with ARGS must end with N.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exitcode N ARGS...")
	}
	err := ts.Exec("main", args[1:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("running headrace: %v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("headrace %s: exit code %d, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// TestHelp: each command that does something says what it is for, and shows an example of itself.
func TestHelp(t *testing.T) {
	var check func(*cobra.Command)
	check = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Runnable() && !cmd.Hidden && !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s: Short %q, Example %q", cmd.CommandPath(), cmd.Short, cmd.Example)
		}
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	check(newRoot(process{os.Stdout, os.Stderr, nil}))
}
