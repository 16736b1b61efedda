package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"headrace/embedded"
)

// TestStreamsOverServers lives the life of a stream through the gateway, over the embedded
// Kinesis and over the stand-ins whose endpoints the environment names.
func TestStreamsOverServers(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		k := embedded.NewKinesis(embedded.DefaultKinesisConfig(), slog.New(slog.DiscardHandler))
		server := httptest.NewServer(k)
		t.Cleanup(server.Close)
		streamLife(t, server.URL)
	})
	for _, name := range []string{"HEADRACE_TEST_KINESIS_MOCK", "HEADRACE_TEST_KINESALITE"} {
		t.Run(name, func(t *testing.T) {
			endpoint := os.Getenv(name)
			if endpoint == "" {
				t.Skipf("%s is not set to the endpoint of a Kinesis", name)
			}
			streamLife(t, endpoint)
		})
	}
}

func streamLife(t *testing.T, endpoint string) {
	g := startStreams(t, healthyKinesis, func(cfg *streamsConfig) { cfg.client.Endpoint = endpoint })
	name := fmt.Sprintf("gateway-%d", time.Now().UnixNano())
	path := "/streams/" + name
	ask := func(method, path, body string, status int) string {
		t.Helper()
		w := g.do(t, method, path, "", &body)
		if w.Code != status || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("x-amzn-RequestId") == "" {
			t.Fatalf("%s %s: status %d, want %d; headers %v: %s", method, path, w.Code, status, w.Header(), w.Body)
		}
		if strings.Contains(w.Body.String(), "null") {
			t.Errorf("%s %s: a member is null: %s", method, path, w.Body)
		}
		return w.Body.String()
	}
	if body := ask("POST", path, `{"ShardCount":"2"}`, 200); body != "" {
		t.Errorf("create answered %q, want nothing", body)
	}
	ask("POST", path, `{"ShardCount":2}`, 409)
	description := awaitStream(t, g, path)
	if len(description.Shards) != 2 || description.StreamCreationTimestamp < 1.7e9 {
		t.Errorf("description %+v, want 2 shards and a time in seconds", description)
	}
	if body := ask("GET", "/streams?limit=100", ``, 200); !strings.Contains(body, `"`+name+`"`) {
		t.Errorf("list %s does not name %s", body, name)
	}
	ask("PUT", "/streams/no-such-stream/record", `{"Data":1,"PartitionKey":"p"}`, 404)
	ask("PUT", "/streams/no-such-stream/records", `{"records":[{"data":1,"partition-key":"p"}]}`, 404)
	ask("DELETE", "/streams/no-such-stream", ``, 404)

	ask("PUT", path+"/record", `{"Data":{"z":1.50, "a":"é"},"PartitionKey":"p\"q"}`, 200)
	ask("POST", path+"/record", `{"Data":"text","PartitionKey":7}`, 200)
	var answer struct {
		FailedRecordCount *int
		Records           []struct{ SequenceNumber string }
	}
	text := ask("PUT", path+"/records", `{"records":[{"data":"{\"index\":1}","partition-key":"a"},{"data":[1, 2],"partition-key":"b"}]}`, 200)
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.FailedRecordCount == nil || *answer.FailedRecordCount != 0 ||
		len(answer.Records) != 2 || answer.Records[1].SequenceNumber == "" {
		t.Errorf("records answered %s: %v", text, err)
	}
	want := []string{`"text" by 7`, `[1,2] by b`, `{"index":1} by a`, `{"z":1.50,"a":"é"} by p"q`}
	if diff := cmp.Diff(want, storedRecords(t, endpoint, name)); diff != "" {
		t.Errorf("stored: -want +got:\n%s", diff)
	}
	if body := ask("DELETE", path, ``, 200); body != "" {
		t.Errorf("delete answered %q, want nothing", body)
	}
}

type streamDescription struct {
	StreamStatus            string
	StreamCreationTimestamp float64
	Shards                  []json.RawMessage
}

// awaitStream asks until the stream is ready.
func awaitStream(t *testing.T, g *streamsGateway, path string) streamDescription {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		w := g.do(t, "GET", path, "", nil)
		var answer struct{ StreamDescription streamDescription }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
			t.Fatalf("describe: status %d: %s", w.Code, w.Body)
		}
		if answer.StreamDescription.StreamStatus == "ACTIVE" {
			return answer.StreamDescription
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the stream is still %s", answer.StreamDescription.StreamStatus)
		}
	}
}

// storedRecords reads all records of the stream with the SDK, sorted.
func storedRecords(t *testing.T, endpoint, name string) (all []string) {
	t.Helper()
	client := kinesis.New(kinesis.Options{
		BaseEndpoint: aws.String(endpoint), Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	})
	shards, err := client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards.Shards {
		at, err := client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: &name, ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got.Records {
			all = append(all, string(r.Data)+" by "+*r.PartitionKey)
		}
	}
	slices.Sort(all)
	return all
}
