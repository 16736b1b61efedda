package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/openapi/spectest"
	"headrace/services/svc"
)

// kafkaTool runs one of Kafka's own tools on the three brokers and returns what it printed to stdout.
func kafkaTool(t *testing.T, tool string, args ...string) (stdout string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, svc.Need(t, "HEADRACE_TEST_KAFKA_SH"), append([]string{tool, svc.Need(t, "HEADRACE_TEST_KAFKA3_DIR")}, args...)...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %v: %v", tool, args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// newName is a name that no other run uses.
func newName(what string) string {
	return what + strings.ToLower(time.Now().UTC().Format("0102t150405.000000"))
}

// TestTopicsBesideTheRealTool: headrace topics prints what kafka-topics.sh prints, and each sees what the other did.
func TestTopicsBesideTheRealTool(t *testing.T) {
	brokers := svc.Need(t, "HEADRACE_TEST_KAFKA3")
	ours := func(args ...string) (string, int) {
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"topics", "--bootstrap-server", brokers}, args...), process{stdout: &out, stderr: t.Output()})
		return out.String(), code
	}
	topic := newName("tool-")
	create := []string{"--create", "--topic", topic, "--replica-assignment", "1:2,2:3", "--config", "retention.ms=60000", "--config", "cleanup.policy=compact"}
	if out, code := ours(create...); out != nameWarning+"Created topic "+topic+".\n" || code != 0 {
		t.Fatalf("printed %q, exit code %d", out, code)
	}
	for _, args := range [][]string{
		create,
		{"--describe", "--topic", topic + ",nothing"},
		{"--describe", "--topic", topic, "--under-min-isr-partitions"},
	} {
		want, wantCode := kafkaTool(t, "topics", args...)
		got, code := ours(args...)
		// The Java tool lists settings in any order, and logs to stdout where it is told to.
		if diff := cmp.Diff(comparableTool(want), comparableTool(got)); diff != "" || code != wantCode {
			t.Errorf("%v: exit code %d, want %d (-kafka-topics.sh +headrace topics)\n%s", args, code, wantCode, diff)
		}
	}
	if out, code := ours("--delete", "--topic", topic); out != "" || code != 0 {
		t.Errorf("--delete printed %q, exit code %d", out, code)
	}
}

// comparableTool sorts the settings of a topic and leaves out lines of a log.
func comparableTool(out string) []string {
	var lines []string
	for line := range strings.Lines(out) {
		if regexp.MustCompile(`^\d\d:\d\d:\d\d|^\s*$|^\tat `).MatchString(line) {
			continue
		}
		if before, configs, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "Configs: "); ok {
			all := strings.Split(configs, ",")
			slices.Sort(all)
			line = before + "Configs: " + strings.Join(all, ",") + "\n"
		}
		lines = append(lines, line)
	}
	return lines
}

// v3API calls the v3 API of a gateway, and holds each answer to the OpenAPI document.
type v3API struct {
	client  *http.Client
	base    string // of the cluster
	cluster string
}

func newV3API(t *testing.T, brokers string) *v3API {
	t.Helper()
	s := startServe(t, "bootstrap.servers="+brokers+"\n")
	api := &v3API{client: &http.Client{Transport: spectest.Validator(t).Transport(t, nil), Timeout: time.Minute}, base: s.url + "/v3/clusters"}
	var clusters struct {
		Data []struct {
			ID string `json:"cluster_id"`
		}
	}
	api.do(t, http.MethodGet, "", "", http.StatusOK, &clusters)
	api.cluster = clusters.Data[0].ID
	api.base += "/" + api.cluster
	return api
}

// do calls a path behind the cluster's, wants the status and reads the answer into into, unless that is nil.
func (a *v3API) do(t *testing.T, method, path, body string, status int, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, a.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		t.Fatalf("%s %s: %d %.500s %v, want %d", method, path, resp.StatusCode, text, err, status)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s %s: %.500s: %v", method, path, text, err)
	}
}

// createTopic makes a topic; the answer deletes it. To be deferred: the gateway ends before cleanups begin.
func (a *v3API) createTopic(t *testing.T, name, more string) (remove func()) {
	t.Helper()
	a.do(t, http.MethodPost, "/topics", `{"topic_name":"`+name+`"`+more+`}`, http.StatusCreated, nil)
	return func() { a.do(t, http.MethodDelete, "/topics/"+name, "", http.StatusNoContent, nil) }
}

// set sets a setting; the answer resets it. To be deferred.
func (a *v3API) set(t *testing.T, path, value string) (reset func()) {
	t.Helper()
	a.do(t, http.MethodPut, path, `{"value":"`+value+`"}`, http.StatusNoContent, nil)
	return func() { a.do(t, http.MethodDelete, path, "", http.StatusNoContent, nil) }
}

// TestV3ACLs: ACLs made here are those that kafka-acls.sh knows, and the other way round.
func TestV3ACLs(t *testing.T) {
	api := newV3API(t, svc.Need(t, "HEADRACE_TEST_KAFKA3"))
	topic := newName("acl-")
	const acl = `{"resource_type":"TOPIC","resource_name":"%s","pattern_type":"LITERAL","principal":"User:%s","host":"*","operation":"%s","permission":"%s"}`
	api.do(t, http.MethodPost, "/acls", fmt.Sprintf(acl, topic, "alice", "READ", "ALLOW"), http.StatusCreated, nil)
	api.do(t, http.MethodPost, "/acls", fmt.Sprintf(acl, topic, "alice", "READ", "ALLOW"), http.StatusCreated, nil)
	api.do(t, http.MethodPost, "/acls:batch", `{"data":[`+fmt.Sprintf(acl, topic, "bob", "WRITE", "DENY")+`,`+fmt.Sprintf(acl, topic, "bob", "READ", "ANY")+`]}`,
		http.StatusBadRequest, nil)
	api.do(t, http.MethodPost, "/acls:batch", `{"data":[`+fmt.Sprintf(acl, topic, "bob", "WRITE", "DENY")+`]}`, http.StatusNoContent, nil)
	out, code := kafkaTool(t, "acls", "--add", "--allow-principal", "User:carol", "--operation", "Describe", "--topic", topic)
	if code != 0 {
		t.Fatalf("kafka-acls.sh: exit code %d: %s", code, out)
	}
	out, _ = kafkaTool(t, "acls", "--list", "--topic", topic)
	for _, want := range []string{
		"(principal=User:alice, host=*, operation=READ, permissionType=ALLOW)",
		"(principal=User:bob, host=*, operation=WRITE, permissionType=DENY)",
		"(principal=User:carol, host=*, operation=DESCRIBE, permissionType=ALLOW)",
	} {
		if strings.Count(out, want) == 0 {
			t.Errorf("kafka-acls.sh does not show %s:\n%s", want, out)
		}
	}

	var list struct {
		Data []struct{ Principal, Operation, Permission string }
	}
	search := "/acls?resource_type=topic&pattern_type=MATCH&resource_name=" + url.QueryEscape(topic)
	api.do(t, http.MethodGet, search, "", http.StatusOK, &list)
	want := [][3]string{{"User:alice", "READ", "ALLOW"}, {"User:bob", "WRITE", "DENY"}, {"User:carol", "DESCRIBE", "ALLOW"}}
	var got [][3]string
	for _, a := range list.Data {
		got = append(got, [3]string{a.Principal, a.Operation, a.Permission})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ACLs (-want +got)\n%s", diff)
	}
	filter := "/acls?resource_type=TOPIC&pattern_type=LITERAL&operation=ANY&permission=ANY&resource_name=" + url.QueryEscape(topic)
	api.do(t, http.MethodDelete, filter+"&principal=User%3Abob", "", http.StatusOK, &list)
	if len(list.Data) != 1 || list.Data[0].Principal != "User:bob" {
		t.Errorf("deleted %v, want bob's", list.Data)
	}
	api.do(t, http.MethodDelete, filter, "", http.StatusOK, &list)
	if len(list.Data) != 2 {
		t.Errorf("deleted %v, want the other two", list.Data)
	}
	api.do(t, http.MethodGet, search, "", http.StatusOK, &list)
	if len(list.Data) != 0 {
		t.Errorf("there still is %v", list.Data)
	}
	api.do(t, http.MethodPost, "/acls", `{"resource_type":"CLUSTER","resource_name":"x","pattern_type":"LITERAL","principal":"User:a","host":"*","operation":"ALTER","permission":"ALLOW"}`,
		http.StatusBadRequest, nil)
}

// TestV3Configs: settings made here are those that kafka-configs.sh shows.
func TestV3Configs(t *testing.T) {
	api := newV3API(t, svc.Alone(t, "HEADRACE_TEST_KAFKA3"))
	topic := newName("config-")
	defer api.createTopic(t, topic, `,"partitions_count":1`)()
	api.do(t, http.MethodPut, "/topics/"+topic+"/configs/retention.ms", `{"value":86400000}`, http.StatusNoContent, nil)
	api.do(t, http.MethodPost, "/topics/"+topic+"/configs:alter", `{"data":[{"name":"cleanup.policy","value":"compact"},{"name":"segment.ms","value":"x"}]}`,
		http.StatusBadRequest, nil)
	api.do(t, http.MethodPost, "/topics/"+topic+"/configs:alter", `{"data":[{"name":"segment.ms","value":"60000"}],"validate_only":true}`, http.StatusNoContent, nil)
	api.do(t, http.MethodPost, "/topics/-/configs:alter",
		`{"data":[{"topic_name":"`+topic+`","configs":[{"name":"max.message.bytes","value":"2000000"}]}]}`, http.StatusNoContent, nil)
	api.do(t, http.MethodPost, "/topics/"+topic+"/configs:alter", `{"data":[{"name":"nope","value":"1"}]}`, http.StatusNotFound, nil)
	out, _ := kafkaTool(t, "configs", "--describe", "--topic", topic)
	for setting, want := range map[string]bool{"retention.ms=86400000": true, "max.message.bytes=2000000": true, "cleanup.policy": false, "segment.ms": false} {
		if strings.Contains(out, "  "+setting) != want {
			t.Errorf("kafka-configs.sh shows %s: %t, want %t\n%s", setting, !want, want, out)
		}
	}

	const setting = "/brokers/2/configs/background.threads"
	defer api.set(t, setting, "3")()
	api.do(t, http.MethodGet, "/broker-configs/log.retention.ms", "", http.StatusNotFound, nil)
	defer api.set(t, "/broker-configs/log.retention.ms", "700000000")()
	out, _ = kafkaTool(t, "configs", "--describe", "--entity-type", "brokers", "--entity-name", "2", "--all")
	for _, want := range []string{"background.threads=3 ", "DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=700000000"} {
		if !strings.Contains(out, want) {
			t.Errorf("kafka-configs.sh does not show %s:\n%s", want, out)
		}
	}
	var config struct {
		Value, Source string
		Synonyms      []struct{ Name, Value, Source string }
	}
	api.do(t, http.MethodGet, setting, "", http.StatusOK, &config)
	if config.Value != "3" || config.Source != "DYNAMIC_BROKER_CONFIG" || len(config.Synonyms) < 2 {
		t.Errorf("the setting reads %+v", config)
	}
	api.do(t, http.MethodGet, "/brokers/77/configs", "", http.StatusNotFound, nil)
	var all struct{ Data []json.RawMessage }
	api.do(t, http.MethodGet, "/brokers/-/configs", "", http.StatusOK, &all)
	if len(all.Data) < 300 {
		t.Errorf("%d settings of three brokers", len(all.Data))
	}
}

// TestV3Groups: members and lags, of both protocols of groups, are those that kafka-consumer-groups.sh shows.
func TestV3Groups(t *testing.T) {
	brokers := svc.Need(t, "HEADRACE_TEST_KAFKA3")
	api := newV3API(t, brokers)
	topic := newName("group-")
	defer api.createTopic(t, topic, `,"partitions_count":2`)()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for i := range 10 {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: int32(i % 2), Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		kind string
		opts []kgo.Opt
	}{
		{"CLASSIC", []kgo.Opt{kgo.InstanceID("one")}},
		{"CONSUMER", []kgo.Opt{kgo.ServerSideBalancer()}},
	} {
		t.Run(tt.kind, func(t *testing.T) { api.group(t, brokers, topic, tt.kind, tt.opts) })
	}
	api.do(t, http.MethodGet, "/consumer-groups/"+newName("none-"), "", http.StatusNotFound, nil)
}

// group reads half of the topic's records as a group of one, and looks at it from both sides.
func (a *v3API) group(t *testing.T, brokers, topic, kind string, opts []kgo.Opt) {
	id := newName("grp-")
	member, err := kgo.NewClient(append(opts, kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.ClientID("reader"), kgo.ConsumerGroup(id),
		kgo.ConsumeTopics(topic), kgo.Balancers(kgo.RangeBalancer()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())...)
	if err != nil {
		t.Fatal(err)
	}
	var closing sync.Once
	leave := func() { closing.Do(member.Close) }
	t.Cleanup(leave)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for read := 0; read < 10; {
		fetches := member.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		read += fetches.NumRecords()
	}
	a.do(t, http.MethodGet, "/consumer-groups/"+id+"/lag-summary", "", http.StatusNotFound, nil)
	if err := member.CommitRecords(ctx, &kgo.Record{Topic: topic, Partition: 0, Offset: 1}, &kgo.Record{Topic: topic, Partition: 1, Offset: 3}); err != nil {
		t.Fatal(err)
	}

	var group struct {
		State, Type string
		Assignor    string `json:"partition_assignor"`
		Mixed       bool   `json:"is_mixed_consumer_group"`
	}
	a.do(t, http.MethodGet, "/consumer-groups/"+id, "", http.StatusOK, &group)
	if group.State != "STABLE" || group.Type != kind || group.Assignor == "" || group.Mixed {
		t.Errorf("the group is %+v", group)
	}
	var lags struct {
		Data []struct {
			Partition int   `json:"partition_id"`
			Current   int64 `json:"current_offset"`
			End       int64 `json:"log_end_offset"`
			Lag       int64
			Consumer  string  `json:"consumer_id"`
			Instance  *string `json:"instance_id"`
			Client    string  `json:"client_id"`
		}
	}
	a.do(t, http.MethodGet, "/consumer-groups/"+id+"/lags", "", http.StatusOK, &lags)
	out, _ := kafkaTool(t, "groups", "--describe", "--group", id)
	for i, want := range []string{"0 2 5 3", "1 4 5 1"} { // by lag, the longest first
		if i >= len(lags.Data) {
			t.Fatalf("lags are %+v", lags.Data)
		}
		l := lags.Data[i]
		if got := fmt.Sprint(l.Partition, l.Current, l.End, l.Lag); got != want || l.Client != "reader" || (l.Instance != nil) != (kind == "CLASSIC") {
			t.Errorf("lag %d is %+v, want %s of reader", i, l, want)
		}
		row := regexp.MustCompile(strings.Join([]string{id, topic, fmt.Sprint(l.Partition), fmt.Sprint(l.Current), fmt.Sprint(l.End), fmt.Sprint(l.Lag), regexp.QuoteMeta(l.Consumer)}, `\s+`))
		if !row.MatchString(out) {
			t.Errorf("kafka-consumer-groups.sh does not show %s:\n%s", row, out)
		}
	}
	var assignments struct{ Data []json.RawMessage }
	a.do(t, http.MethodGet, "/consumer-groups/"+id+"/consumers/"+url.PathEscape(lags.Data[0].Consumer)+"/assignments", "", http.StatusOK, &assignments)
	if len(assignments.Data) != 2 {
		t.Errorf("assignments are %s", assignments.Data)
	}
	leave()
	var summary struct {
		Max      int64  `json:"max_lag"`
		Total    int64  `json:"total_lag"`
		Consumer string `json:"max_lag_consumer_id"`
	}
	a.do(t, http.MethodGet, "/consumer-groups/"+id+"/lag-summary", "", http.StatusOK, &summary)
	if summary.Max != 3 || summary.Total != 4 || kind == "CONSUMER" && summary.Consumer != "" {
		t.Errorf("the summary is %+v", summary)
	}
}

// TestV3Reassignments: a partition that is being moved is shown, while it is.
func TestV3Reassignments(t *testing.T) {
	brokers := svc.Alone(t, "HEADRACE_TEST_KAFKA3")
	api := newV3API(t, brokers)
	topic := newName("move-")
	defer api.createTopic(t, topic, `,"replicas_assignments":{"0":[1]},"configs":[{"name":"leader.replication.throttled.replicas","value":"*"}]`)()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	defer api.set(t, "/broker-configs/leader.replication.throttled.rate", "1")() // so that it takes long
	for range 20 {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: bytes.Repeat([]byte("x"), 100_000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	api.do(t, http.MethodGet, "/topics/"+topic+"/partitions/0/reassignment", "", http.StatusNotFound, nil)
	var move, stop kadm.AlterPartitionAssignmentsReq
	move.Assign(topic, 0, []int32{2, 3})
	stop.CancelAssign(topic, 0)
	if _, err := admin.AlterPartitionAssignments(t.Context(), move); err != nil {
		t.Fatal(err)
	}
	var one struct {
		Adding   []int32 `json:"adding_replicas"`
		Removing []int32 `json:"removing_replicas"`
		Metadata struct{ Self string }
	}
	api.do(t, http.MethodGet, "/topics/"+topic+"/partitions/0/reassignment", "", http.StatusOK, &one)
	if diff := cmp.Diff([][]int32{{2, 3}, {1}}, [][]int32{one.Adding, one.Removing}); diff != "" || !strings.HasSuffix(one.Metadata.Self, "/partitions/0/reassignment") {
		t.Errorf("%s (-want +got)\n%s", one.Metadata.Self, diff)
	}
	var list struct {
		Data []struct{ Metadata struct{ Self string } }
	}
	for _, path := range []string{"/topics/" + topic + "/partitions/-/reassignment", "/topics/-/partitions/-/reassignment"} {
		api.do(t, http.MethodGet, path, "", http.StatusOK, &list)
		if len(list.Data) != 1 || !strings.HasSuffix(list.Data[0].Metadata.Self, "/partitions/0/reassignments") {
			t.Errorf("%s lists %+v", path, list.Data)
		}
	}
	if _, err := admin.AlterPartitionAssignments(t.Context(), stop); err != nil {
		t.Fatal(err)
	}
	api.do(t, http.MethodGet, "/topics/"+topic+"/partitions/-/reassignment", "", http.StatusOK, &list)
	if len(list.Data) != 0 {
		t.Errorf("still listed: %+v", list.Data)
	}
}
