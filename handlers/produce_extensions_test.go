package handlers

import (
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Headers and a timestamp are stored when the media type asks for them, and refused else.
func TestProduceExtensionsAreOptIn(t *testing.T) {
	srv, cluster := rest(t, nil, kfake.SeedTopics(1, "x"))
	post := func(kind, body string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/topics/x", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	const body = `{"records":[{"value":1,"timestamp":1700000000123,"headers":[{"key":"a","value":"eA=="},{"key":"b","value":null}]}]}`
	if got := post(embeddedJSON, body); got != 422 {
		t.Errorf("without asking: %d, want 422", got)
	}
	const asking = embeddedJSON + ";extensions=true"
	for _, wrong := range []string{
		`{"records":[{"value":1,"timestamp":"x"}]}`, `{"records":[{"value":1,"headers":[{"value":"eA=="}]}]}`,
		`{"records":[{"value":1,"headers":[{"key":"a","value":"!"}]}]}`, `{"records":[{"value":1,"headers":[1]}]}`,
	} {
		if got := post(asking, wrong); got != 400 {
			t.Errorf("%s: %d, want 400", wrong, got)
		}
	}
	if got := post(asking, body); got != 200 {
		t.Fatalf("asking: %d, want 200", got)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fetches := client.PollRecords(t.Context(), 1)
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	rec := fetches.Records()[0]
	if rec.Timestamp.UnixMilli() != 1700000000123 || len(rec.Headers) != 2 || rec.Headers[0].Key != "a" || string(rec.Headers[0].Value) != "x" || rec.Headers[1].Value != nil {
		t.Errorf("stored %v %v", rec.Timestamp, rec.Headers)
	}
}
