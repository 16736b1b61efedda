package handlers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// goldenKinesis is a line of testdata/kinesis.jsonl: what the gateway must do with a request
// (layer gateway), or how Amazon shapes an answer (layer kinesis-wire-stub).
type goldenKinesis struct {
	ID, Layer, Notes string
	Request          struct {
		Method, Path string
		Headers      map[string]string
		Body         json.RawMessage
		BodyText     *string `json:"body_text"`
	}
	Responses map[string]struct {
		Status int
		Body   json.RawMessage
	}
	Expect struct {
		Upstream *struct {
			Target string
			Body   json.RawMessage
		}
		Status           int
		StatusUpstream   int    `json:"status_if_upstream_mode"`
		StatusAPIGateway int    `json:"status_if_apigateway_mode"`
		ContentType      string `json:"content_type"`
		Body             json.RawMessage
	}
}

func readGoldenKinesis(t *testing.T, layer string) (lines []goldenKinesis) {
	t.Helper()
	text, err := os.ReadFile("testdata/kinesis.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var line goldenKinesis
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Layer == layer {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		t.Fatalf("no lines of layer %s", layer)
	}
	return lines
}

// script is the Kinesis that a line supposes: errors come from it as the line expects them,
// and a record fails once where the notes say so.
func (g goldenKinesis) script(n int, c kinesisCall) (int, string) {
	if g.ID == "gw-records-partial-recovers" && n == 0 {
		return 200, `{"FailedRecordCount":1,"Records":[{"SequenceNumber":"49","ShardId":"shardId-000000000000"},` +
			`{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded."}]}`
	}
	if g.Expect.Status == http.StatusOK {
		return healthyKinesis(n, c)
	}
	var body struct {
		Type string `json:"__type"`
	}
	_ = json.Unmarshal(g.Expect.Body, &body)
	text := `{"__type":"` + body.Type + `","message":"scripted"}`
	if g.Expect.StatusUpstream >= 500 {
		text = `{"__type":"` + body.Type + `"}` // Amazon gives no message here
	}
	return g.Expect.StatusUpstream, text
}

func TestStreamsGoldenGateway(t *testing.T) {
	for _, line := range readGoldenKinesis(t, "gateway") {
		for mode, status := range map[string]int{
			"semantic": line.Expect.Status, "upstream": line.Expect.StatusUpstream, "apigateway": line.Expect.StatusAPIGateway,
		} {
			t.Run(line.ID+"/"+mode, func(t *testing.T) {
				g := startStreams(t, line.script, func(cfg *streamsConfig) { cfg.handlers.KinesisErrorStatus = mode })
				w := g.do(t, line.Request.Method, line.Request.Path, line.Request.Headers["Content-Type"], line.Request.BodyText)
				if w.Code != status || w.Header().Get("Content-Type") != line.Expect.ContentType {
					t.Errorf("status %d of %q, want %d of %q: %s", w.Code, w.Header().Get("Content-Type"), status, line.Expect.ContentType, w.Body)
				}
				matchGolden(t, line.Expect.Body, w.Body.Bytes())
				if strings.Contains(line.Notes, "Retry-After present") && w.Header().Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				line.checkUpstream(t, g.kinesis.seen())
			})
		}
	}
}

func (g goldenKinesis) checkUpstream(t *testing.T, calls []kinesisCall) {
	t.Helper()
	want := g.Expect.Upstream
	if want == nil {
		if len(calls) > 0 {
			t.Errorf("Kinesis was called: %v", calls)
		}
		return
	}
	if len(calls) == 0 || "Kinesis_20131202."+calls[0].op != want.Target {
		t.Fatalf("calls %v, want %s", calls, want.Target)
	}
	if diff := diffJSON(t, string(want.Body), calls[0].body); diff != "" {
		t.Errorf("upstream body: -want +got:\n%s", diff)
	}
	switch {
	case g.ID == "gw-records-partial-recovers":
		if len(calls) != 2 || calls[1].body != `{"StreamName":"s1","Records":[{"Data":"Yg==","PartitionKey":"b"}]}` {
			t.Errorf("calls %v, want one more with the failed record alone", calls)
		}
	case g.Expect.Status == http.StatusOK && len(calls) != 1:
		t.Errorf("%d calls, want 1", len(calls))
	}
}

var goldenCount = regexp.MustCompile(`^<(\d+) results?`)

// matchGolden compares an answer with a line's body, whose texts in angle brackets are patterns.
func matchGolden(t *testing.T, want json.RawMessage, got []byte) {
	t.Helper()
	var members map[string]any
	if json.Unmarshal(want, &members) != nil {
		if string(want) != `""` || len(got) != 0 {
			t.Errorf("body %q, want %s", got, want)
		}
		return
	}
	var answer map[string]any
	if err := json.Unmarshal(got, &answer); err != nil {
		t.Errorf("body %q: %v", got, err)
	}
	for name, pattern := range members {
		if !matchKinesis(pattern, answer[name]) {
			t.Errorf("%s is %v, want %v", name, answer[name], pattern)
		}
		delete(answer, name)
	}
	if len(answer) > 0 {
		t.Errorf("members that are not expected: %v", answer)
	}
}

func matchKinesis(pattern, got any) bool {
	text, _ := got.(string)
	list, isList := got.([]any)
	switch pattern {
	case "<bool>":
		_, ok := got.(bool)
		return ok
	case "<list>":
		return isList
	case "<non-empty string>":
		return text != ""
	case "<digits>":
		return regexp.MustCompile(`^\d+$`).MatchString(text)
	case `<shardId-\d{12}>`:
		return regexp.MustCompile(`^shardId-\d{12}$`).MatchString(text)
	case "<optional NONE|KMS>":
		return got == nil || text == "NONE" || text == "KMS"
	}
	if text, ok := pattern.(string); ok {
		if m := goldenCount.FindStringSubmatch(text); m != nil {
			return goldenResults(list, m[1], strings.Contains(text, "no ErrorCode"))
		}
	}
	return pattern == got
}

func goldenResults(list []any, count string, stored bool) bool {
	n := 0
	for _, r := range list {
		result, ok := r.(map[string]any)
		if !ok || stored && result["ErrorCode"] != nil {
			return false
		}
		n++
	}
	return count == map[int]string{1: "1", 2: "2", 3: "3"}[n]
}

// TestStreamsGoldenStubs sends Amazon's own answers through the gateway.
func TestStreamsGoldenStubs(t *testing.T) {
	routes := map[string][3]string{
		"PutRecord":      {"PUT", "/streams/s1/record", `{"Data":"x","PartitionKey":"p"}`},
		"PutRecords":     {"PUT", "/streams/s1/records", `{"records":[{"data":"a","partition-key":"a"},{"data":"b","partition-key":"b"},{"data":"c","partition-key":"c"}]}`},
		"ListStreams":    {"GET", "/streams", ""},
		"DescribeStream": {"GET", "/streams/s1", ""},
	}
	statuses := map[string]int{
		"ProvisionedThroughputExceededException": 429, "LimitExceededException": 429,
		"UnrecognizedClientException": 403, "InvalidSignatureException": 403,
		"InternalFailure": 502, "ResourceNotFoundException": 404,
	}
	for _, line := range readGoldenKinesis(t, "kinesis-wire-stub") {
		t.Run(line.ID, func(t *testing.T) {
			stub := line.Responses["aws_shaped_stub"]
			g := startStreams(t, func(int, kinesisCall) (int, string) { return stub.Status, string(stub.Body) }, nil)
			route := routes[strings.TrimPrefix(line.Request.Headers["X-Amz-Target"], "Kinesis_20131202.")]
			w := g.do(t, route[0], route[1], "application/json", &route[2])
			if stub.Status == http.StatusOK {
				// The stub answers three results to the one record sent again, too: what it said
				// first stands.
				if diff := diffJSON(t, string(stub.Body), w.Body.String()); w.Code != 200 || diff != "" {
					t.Errorf("status %d: -want +got:\n%s", w.Code, diff)
				}
				return
			}
			name, message := kinesisError(t, w)
			if w.Code != statuses[name] || message == "" || strings.Contains(name, "#") {
				t.Errorf("status %d, want %d: %s", w.Code, statuses[name], w.Body)
			}
			if (w.Code == 429) != (w.Header().Get("Retry-After") == "1") {
				t.Errorf("status %d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
			}
			if w.Header().Get("x-amzn-RequestId") != "upstream-id" {
				t.Errorf("request id %q, want the upstream's", w.Header().Get("x-amzn-RequestId"))
			}
			if err := g.streams.client.Ready(t.Context()); (err != nil) != (w.Code == 403) {
				t.Errorf("status %d, Ready %v", w.Code, err)
			}
		})
	}
}
