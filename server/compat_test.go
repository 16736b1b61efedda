package server

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"headrace/handlers"
)

// Two endpoints of v3 have names that differ only in a sign that Prometheus's names have not: /metrics failed as a whole.
func TestNamesThatMeetInPrometheus(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := newCompat(DefaultConfig().Metrics, reg)
	for _, name := range []string{"v3.topics-partitions-reassignment.list", "v3.topics.partitions-reassignment.list"} {
		c.answered(handlers.Endpoint{Metric: name}, 200, 1, 1, time.Millisecond, time.Now())
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "kafka_rest_jersey_metrics_v3_topics_partitions_reassignment_list_request_total" {
			if got := family.GetMetric()[0].GetUntyped().GetValue(); got != 2 {
				t.Errorf("request_total = %v, want 2: both counted together", got)
			}
			return
		}
	}
	t.Error("the endpoints have no request_total")
}
