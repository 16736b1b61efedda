package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// acknowledge answers as a gateway on which all goes well.
func acknowledge(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	if r.Method == http.MethodPost {
		fmt.Fprint(w, `{"offsets":[{"partition":0,"offset":42,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`)
		return
	}
	fmt.Fprint(w, `{"ShardId":"shardId-000000000000","SequenceNumber":"49671246667567228643283430150187087032206582658"}`)
}

// refuse answers as API Gateway with its default mapping: a status of 200 with the error inside.
func refuse(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		fmt.Fprint(w, `{"offsets":[{"partition":null,"offset":null,"error_code":50003,"error":"Topic not present in metadata"}]}`)
		return
	}
	fmt.Fprint(w, `{"__type":"ResourceNotFoundException","message":"Stream not found."}`)
}

// TestEmulateScripts runs testdata/emulate: `exits CODE ARGS…` runs the program, which must end with that exit code.
func TestEmulateScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/emulate",
		Setup: func(env *testscript.Env) error {
			for name, answer := range map[string]http.HandlerFunc{"GATEWAY": acknowledge, "REFUSING": refuse} {
				srv := httptest.NewServer(answer)
				env.Defer(srv.Close)
				env.Setenv(name, srv.URL)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				if got := run(t.Context(), args[1:], process{stdout: ts.Stdout(), stderr: ts.Stderr()}); got != want {
					ts.Fatalf("exit code %d, want %d", got, want)
				}
			},
		},
	})
}

// TestEmulateStopped: Ctrl-C ends ctx; the summary comes all the same, and what was sent was acknowledged.
func TestEmulateStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var requests atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 20 {
			stop()
		}
		acknowledge(w, r)
	}))
	defer srv.Close()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"emulate", "--target", srv.URL}, process{stdout: &stdout, stderr: &stderr})
	if code != exitDone {
		t.Errorf("exit code %d, want %d: %s", code, exitDone, stderr.String())
	}
	if want := "24 of 24 events acknowledged"; !strings.Contains(stdout.String(), want) {
		t.Errorf("output %q, want %q: the fourth post was finished", stdout.String(), want)
	}
}
