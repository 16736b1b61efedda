package embedded

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exchange is one line of testdata/kinesis-wire.jsonl: a request, and what several servers
// answered to it. The servers were run by others; nothing here was made by this package.
type exchange struct {
	ID           string
	Layer        string
	Precondition string
	Request      struct {
		Headers map[string]string
		Body    dict
	}
	Responses map[string]struct {
		Status int
		Body   any
	}
}

func exchanges(t *testing.T, layer string) (list []exchange) {
	t.Helper()
	text, err := os.ReadFile("testdata/kinesis-wire.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e exchange
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.Layer == layer {
			list = append(list, e)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no exchange of layer %s", layer)
	}
	return list
}

func (e exchange) operation() string {
	return strings.TrimPrefix(e.Request.Headers["X-Amz-Target"], kinesisTarget)
}

// verdict is what is compared of an answer: status, __type and the names of its members.
type verdict struct {
	Status  int
	Type    string
	Members string // for errors, where nothing is optional
}

func judge(status int, body any) verdict {
	v := verdict{Status: status}
	if members, ok := body.(dict); ok && status != http.StatusOK {
		v.Type, _ = members["__type"].(string)
		v.Members = fmt.Sprint(sortedKeys(members))
	}
	return v
}

// agreed returns what two of the servers say; moto is no judge.
func (e exchange) agreed() (verdict, []string) {
	by := map[verdict][]string{}
	for _, server := range slices.Sorted(maps.Keys(e.Responses)) {
		if server == "moto" {
			continue
		}
		v := judge(e.Responses[server].Status, e.Responses[server].Body)
		by[v] = append(by[v], server)
	}
	for v, servers := range by {
		if len(servers) >= 2 {
			return v, servers
		}
	}
	return verdict{}, nil
}

// modelMembers are the members of the answers: required ones first, then those that may be
// absent. Source: the service model. A dot leads into a structure or the entries of a list.
func modelMembers(operation string) (required, optional []string) {
	shard := func(prefix string) []string {
		return prefixed(prefix, "ShardId", "HashKeyRange", "HashKeyRange.StartingHashKey", "HashKeyRange.EndingHashKey",
			"SequenceNumberRange", "SequenceNumberRange.StartingSequenceNumber")
	}
	moreShard := func(prefix string) []string {
		return prefixed(prefix, "ParentShardId", "AdjacentParentShardId", "SequenceNumberRange.EndingSequenceNumber")
	}
	switch operation {
	case "ListStreams":
		return []string{"StreamNames", "HasMoreStreams"},
			append(prefixed("StreamSummaries.", "StreamName", "StreamARN", "StreamStatus", "StreamModeDetails",
				"StreamModeDetails.StreamMode", "StreamCreationTimestamp"), "StreamSummaries", "NextToken")
	case "DescribeStream":
		return append(shard("StreamDescription.Shards."), append(prefixed("StreamDescription.", "StreamName", "StreamARN", "StreamStatus",
				"Shards", "HasMoreShards", "RetentionPeriodHours", "StreamCreationTimestamp", "EnhancedMonitoring"), "StreamDescription")...),
			append(moreShard("StreamDescription.Shards."), prefixed("StreamDescription.", "StreamModeDetails",
				"StreamModeDetails.StreamMode", "EnhancedMonitoring.ShardLevelMetrics", "EncryptionType", "KeyId")...)
	case "ListShards":
		return append(shard("Shards."), "Shards"), append(moreShard("Shards."), "NextToken")
	case "PutRecord":
		return []string{"ShardId", "SequenceNumber"}, []string{"EncryptionType"}
	case "PutRecords":
		return []string{"Records", "FailedRecordCount"},
			append(prefixed("Records.", "SequenceNumber", "ShardId", "ErrorCode", "ErrorMessage"), "EncryptionType")
	case "GetRecords":
		return append(prefixed("Records.", "SequenceNumber", "Data", "PartitionKey", "ApproximateArrivalTimestamp"), "Records", "MillisBehindLatest"),
			[]string{"NextShardIterator", "Records.EncryptionType", "ChildShards"}
	case "GetShardIterator":
		return []string{"ShardIterator"}, nil
	}
	return nil, nil
}

func prefixed(prefix string, names ...string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = prefix + name
	}
	return out
}

// memberPaths names all members of an answer that have a value.
func memberPaths(prefix string, value any, into map[string]bool) {
	switch v := value.(type) {
	case dict:
		for name, member := range v {
			if member != nil {
				into[prefix+name] = true
				memberPaths(prefix+name+".", member, into)
			}
		}
	case []any:
		for _, item := range v {
			memberPaths(prefix, item, into)
		}
	}
}

// prepare makes the state that an exchange starts from.
func (e exchange) prepare(t *testing.T) (*Kinesis, *clock) {
	t.Helper()
	k, c := newTestKinesis(t, nil)
	if e.Precondition == "no stream exists" {
		return k, c
	}
	makeStream(t, k, c, "golden-stream", 2)
	if strings.Contains(e.Precondition, "holds the records") {
		put(t, k, "golden-stream", "p-1", `{"index":1,"name":"Maya"}`)
		put(t, k, "golden-stream", "p-2", `"plain"`)
		put(t, k, "golden-stream", "p-3", "x")
	}
	if e.ID == "put-record-too-big" {
		e.Request.Body["StreamName"], e.Request.Body["PartitionKey"] = "golden-stream", "p"
		e.Request.Body["Data"] = make([]byte, 1<<20+1)
	}
	if e.operation() == "GetRecords" {
		e.Request.Body["ShardIterator"] = iterator(t, k, "golden-stream", shard0, trimHorizon, nil)
	}
	return k, c
}

// TestGoldenWire replays the recorded requests. Where two of the recorded servers agree, ours
// answers the same; and every success has the members of the service model, no other ones.
func TestGoldenWire(t *testing.T) {
	for _, e := range exchanges(t, "kinesis-wire") {
		t.Run(e.ID, func(t *testing.T) {
			k, _ := e.prepare(t)
			got := try(t, k, e.operation(), e.Request.Body)
			want, servers := e.agreed()
			if servers == nil {
				t.Fatalf("no two servers agree: %v", e.Responses)
			}
			if v := judge(got.status, got.body); v != want {
				t.Errorf("got %+v %s\nwant %+v as %v say", v, got.text, want, servers)
			}
			if got.status != http.StatusOK {
				return
			}
			required, optional := modelMembers(e.operation())
			paths := map[string]bool{}
			memberPaths("", got.body, paths)
			for _, name := range required {
				if !paths[name] {
					t.Errorf("%s is missing in %s", name, got.text)
				}
			}
			for name := range paths {
				if !slices.Contains(required, name) && !slices.Contains(optional, name) {
					t.Errorf("%s is not in the model: %s", name, got.text)
				}
			}
			if required == nil && got.text != "" {
				t.Errorf("the body is %q, want none", got.text)
			}
		})
	}
}

// TestGoldenStub: faults that are configured come out as AWS shapes them.
func TestGoldenStub(t *testing.T) {
	for _, e := range exchanges(t, "kinesis-wire-stub") {
		t.Run(e.ID, func(t *testing.T) {
			k, c := newTestKinesis(t, nil)
			makeStream(t, k, c, "s1", 2)
			c.Add(time.Second)
			want := e.Responses["aws_shaped_stub"]
			body := want.Body.(dict)
			if want.Status == http.StatusOK {
				failed := body["Records"].([]any)[1].(dict)
				k.Inject(KinesisFault{Record: true, First: 2, Times: 1, Type: failed["ErrorCode"].(string), Message: failed["ErrorMessage"].(string)})
				got := try(t, k, e.operation(), e.Request.Body)
				if diff := cmp.Diff(failed, got.list("Records")[1]); diff != "" || got.status != 200 || got.body["FailedRecordCount"] != 1.0 {
					t.Errorf("got %s (-want +got):\n%s", got.text, diff)
				}
				return
			}
			message, _ := body["message"].(string)
			k.Inject(KinesisFault{Type: body["__type"].(string), Message: message, Status: want.Status})
			got := try(t, k, e.operation(), e.Request.Body)
			if diff := cmp.Diff(body, got.body); diff != "" || got.status != want.Status {
				t.Errorf("got %d, want %d (-want +got):\n%s", got.status, want.Status, diff)
			}
		})
	}
}
