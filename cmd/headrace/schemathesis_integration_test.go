package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"headrace/embedded"
	"headrace/services/svc"
)

// schemathesisLimit is more than its run takes on a busy machine.
const schemathesisLimit = 4 * time.Minute

// schemathesisConfig names a cluster that is there, and says that a request may be refused for what only Kafka knows (a topic
// is there already, a setting is none), or the schema registry, or Java's regular expressions; or one of v3 and of
// consumers taken though the document is stricter than the reader, which is as lenient
// as the reference's.
const schemathesisConfig = `
[parameters]
"path.cluster_id" = "kfake"

[[operations]]
include-path-regex = "^/(v3|consumers)/"
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "422", "429"]
checks.negative_data_rejection.expected-statuses = ["2xx", "400", "401", "403", "404", "405", "406", "409", "415", "422", "429"]

[[operations]]
include-path-regex = "^/topics/"
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "422", "429"]
`

// TestSchemathesis: requests made up from the OpenAPI document, good and bad, find nothing that the document does not say.
func TestSchemathesis(t *testing.T) {
	program := svc.Need(t, "HEADRACE_TEST_SCHEMATHESIS")
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.SeedTopics(3, "demo.pin"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s := startServe(t, "bootstrap.servers="+cluster.ListenAddrs()[0]+"\nproducer.max.block.ms=200\n"+embeddedKinesis(t, "streaming-demo-pin"))

	ctx, cancel := context.WithTimeout(t.Context(), schemathesisLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "run", s.url+"/openapi.json", "--phases", "examples,coverage,fuzzing", "--max-examples", "5",
		"--seed", "1", "--generation-database", "none", "--no-color", "--request-timeout", "30")
	cmd.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(cmd.Dir, "schemathesis.toml"), []byte(schemathesisConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("schemathesis: %v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// embeddedKinesis serves a Kinesis with these streams of one shard, and returns the properties that lead to it.
func embeddedKinesis(t *testing.T, streams ...string) string {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	cfg := embedded.DefaultKinesisConfig()
	cfg.StatusDelay = 0
	kinesis := embedded.NewKinesis(cfg, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(kinesis)
	t.Cleanup(func() {
		server.Close()
		_ = kinesis.Close()
	})
	for _, stream := range streams {
		kinesisCall(t, server.URL, "CreateStream", `{"StreamName":"`+stream+`","ShardCount":1}`)
	}
	return "kinesis.endpoint=" + server.URL + "\nkinesis.region=" + cfg.Region + "\n"
}

// kinesisCall calls a Kinesis that checks no signature, and fails the test when it is refused.
func kinesisCall(t *testing.T, endpoint, operation, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=00")
	req.Header.Set("X-Amz-Date", "20260101T000000Z")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", operation, resp.StatusCode, answer, err)
	}
}
