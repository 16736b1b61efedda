package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestSinkScripts runs testdata/sink. $BROKER is a Kafka of the script's own: topic demo.pin has
// seven records, topic demo.bad one that is no JSON.
func TestSinkScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/sink",
		Setup: func(env *testscript.Env) error {
			kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "demo.pin", "demo.bad"))
			if err != nil {
				return err
			}
			env.Defer(kafka.Close)
			env.Setenv("BROKER", strings.Join(kafka.ListenAddrs(), ","))
			client, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...))
			if err != nil {
				return err
			}
			env.Defer(client.Close)
			records := []*kgo.Record{{Topic: "demo.bad", Value: []byte("no JSON")}}
			for i := range 7 {
				records = append(records, &kgo.Record{Topic: "demo.pin", Value: fmt.Appendf(nil, `{"i":%d}`, i)})
			}
			return client.ProduceSync(t.Context(), records...).FirstErr()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exitcode": exitCode, "expand": expand},
	})
}

// expand is the script command "expand FILE": $NAME in it becomes the script's variable.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}
