package handlers

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

func TestTraceContext(t *testing.T) {
	srv, cluster := rest(t, func(cfg *Config) { cfg.TraceHeaders = true }, kfake.SeedTopics(1, "t"))
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	postRecords(t, srv, recordsOfT, `{}{"headers":[{"name":"traceparent","value":"eA=="}]}`, "Traceparent", parent, "Tracestate", "a=b")
	postRecords(t, srv, recordsOfT+":batch", `{"entries":[{"id":"1"}]}`, "Traceparent", parent)
	postRecords(t, srv, "/topics/t", `{"records":[{"value":1}]}`, "Content-Type", embeddedJSON, "Traceparent", parent)
	postRecords(t, srv, recordsOfT, `{}`, "Traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01")
	want := []string{"traceparent=" + parent + " tracestate=a=b", "traceparent=x", "traceparent=" + parent, "traceparent=" + parent, ""}
	for i, rec := range readTopic(t, cluster, "t", len(want)) {
		var got []string
		for _, h := range rec.Headers {
			got = append(got, h.Key+"="+string(h.Value))
		}
		if text := strings.Join(got, " "); text != want[i] {
			t.Errorf("record %d has headers %q, want %q", i, text, want[i])
		}
	}
}
