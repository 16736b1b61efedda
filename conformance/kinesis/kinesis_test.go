// Package kinesis holds the Kinesis cases and runs them, with boto3 as the client, against the
// embedded server and against the real stand-ins that are at hand.
package kinesis

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"headrace/embedded"
	"headrace/services/svc"
)

// enough is more than the slowest stand-in takes on a busy machine.
const enough = 10 * time.Minute

// runCases runs test_kinesis.py against an endpoint, with a Python that has boto3. Its output
// names every case that fails.
func runCases(t *testing.T, endpoint, server string) {
	t.Helper()
	python := svc.Need(t, "HEADRACE_TEST_PYTHON")
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "test_kinesis.py", "--endpoint", endpoint, "--server", server)
	cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1,localhost")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", server, err, out)
		return
	}
	t.Logf("%s", out)
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	k := embedded.NewKinesis(embedded.DefaultKinesisConfig(), slog.New(slog.DiscardHandler))
	server := httptest.NewServer(k)
	defer server.Close()
	runCases(t, server.URL, "embedded")
}

func TestKinesisMock(t *testing.T) {
	t.Parallel()
	runCases(t, svc.Need(t, "HEADRACE_TEST_KINESIS_MOCK"), "kinesis-mock")
}

func TestKinesalite(t *testing.T) {
	t.Parallel()
	runCases(t, svc.Need(t, "HEADRACE_TEST_KINESALITE"), "kinesalite")
}
