package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
)

// runTopics runs headrace topics and returns what it printed, topic ids left out, and its exit code.
func runTopics(t *testing.T, args ...string) (stdout string, code int) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), append([]string{"topics"}, args...), process{stdout: &out, stderr: t.Output()})
	return regexp.MustCompile(`TopicId: \S+`).ReplaceAllString(out.String(), "TopicId: ID"), code
}

const nameWarning = "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. " +
	"To avoid issues it is best to use either, but not both.\n"

// TestTopics is one story on a cluster of three brokers.
func TestTopics(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.DefaultNumPartitions(4))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	for _, tt := range []struct {
		args string
		want string // of its output; ~ before it: a regular expression
		code int
	}{
		{"--create --topic orders --replica-assignment 0:1,1:2 --config retention.ms=60000", "Created topic orders.\n", 0},
		{"--create --topic orders", "~^Error while executing topic command : .*already exists", 1},
		{"--create --topic orders --if-not-exists", "", 0},
		{"--create --topic a.b --partitions 1", nameWarning + "Created topic a.b.\n", 0},
		{"--create --topic dflt", "Created topic dflt.\n", 0},
		{"--list", "a.b\ndflt\norders\n", 0},
		{"--list --topic or.*,dflt", "dflt\norders\n", 0},
		{"--list --topic order", "", 0},
		{"--describe --topic orders --topics-with-overrides", "~Configs: .*retention.ms=60000\n$", 0},
		{"--describe --topic orders", "~^Topic: orders\tTopicId: ID\tPartitionCount: 2\tReplicationFactor: .*\tConfigs: .*retention.ms=60000\n\tTopic: orders\tPartition: 0\tLeader: \\d\tReplicas: .*\tIsr: .*\n\tTopic: orders\tPartition: 1\t", 0},
		{"--describe --topic nope", "Error while executing topic command : Topic 'nope' does not exist as expected\n", 1},
		{"--describe --topic nope --if-exists", "", 0},
		{"--describe --unavailable-partitions", "", 0},
		{"--describe --under-replicated-partitions", "", 0},
		{"--alter --topic orders --partitions 5", "", 0},
		{"--describe --topic orders", "~PartitionCount: 5", 0},
		{"--alter --topic orders --partitions 1", "~^Error while executing topic command : ", 1},
		{"--alter --topic nope --partitions 9 --if-exists", "", 0},
		{"--delete --topic dflt", "", 0},
		{"--delete --topic dflt", "Error while executing topic command : Topic 'dflt' does not exist as expected\n", 1},
		{"--delete --topic dflt --if-exists", "", 0},
		{"--list", "a.b\norders\n", 0},
		{"--create --topic x --replica-assignment 0:1,2", "~different replication factor", 1},
		{"--create --topic x --replica-assignment 0:0", "~may not contain duplicate entries", 1},
		{"--create --topic x --config a", "~must be in the format", 1},

		{"--list --describe", "", 2},
		{"", "", 2},
		{"--create", "", 2},
		{"--alter --topic orders --config a=b", "", 2},
		{"--create --topic x --partitions 0", "", 2},
		{"--create --topic x --replication-factor 40000", "", 2},
		{"--create --topic x --partitions 1 --replica-assignment 0", "", 2},
		{"--alter --topic orders", "", 2},
		{"--list --if-exists", "", 2},
		{"--delete --topic x --if-not-exists", "", 2},
		{"--list --unavailable-partitions", "", 2},
		{"--describe --unavailable-partitions --topics-with-overrides", "", 2},
	} {
		got, code := runTopics(t, append([]string{"--bootstrap-server", cluster.ListenAddrs()[0]}, strings.Fields(tt.args)...)...)
		if code != tt.code {
			t.Errorf("topics %s: exit code %d, want %d; printed %q", tt.args, code, tt.code, got)
		}
		if pattern, is := strings.CutPrefix(tt.want, "~"); is {
			if !regexp.MustCompile(pattern).MatchString(got) {
				t.Errorf("topics %s printed %q, want %s", tt.args, got, pattern)
			}
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("topics %s (-want +got)\n%s", tt.args, diff)
		}
	}
}

// TestTopicsCommandConfig: a client.properties says how to reach Kafka; --bootstrap-server wins over it.
func TestTopicsCommandConfig(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "here"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	file := filepath.Join(t.TempDir(), "client.properties")
	for _, tt := range []struct {
		text string
		args []string
		want string
		code int
	}{
		{"bootstrap.servers=" + cluster.ListenAddrs()[0] + "\nrequest.timeout.ms=5000\n", nil, "here\n", 0},
		{"bootstrap.servers=127.0.0.1:1\n", []string{"--bootstrap-server", cluster.ListenAddrs()[0]}, "here\n", 0},
		{"client.id=x\n", nil, "", 2},
		{"request.timeout.ms=soon\n", []string{"--bootstrap-server", cluster.ListenAddrs()[0]}, "", 2},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, code := runTopics(t, append([]string{"--list", "--command-config", file}, tt.args...)...)
		if got != tt.want || code != tt.code {
			t.Errorf("%q %v: printed %q, exit code %d, want %q, %d", tt.text, tt.args, got, code, tt.want, tt.code)
		}
	}
}
