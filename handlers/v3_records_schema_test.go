package handlers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Each way of naming a schema, and what is no such way, in one stream (contract: kafka-rest-v3.md §3.2).
func TestRecordsWithSchemas(t *testing.T) {
	srv, cluster, _ := withRegistry(t, nil, kfake.SeedTopics(1, "t"))
	const at = `"timestamp":"2021-02-05T19:14:42Z"`
	stored := func(offset int) string {
		return fmt.Sprintf(`{"error_code":200,"cluster_id":"c1","topic_name":"t","partition_id":0,"offset":%d,%s,"value":{"type":"AVRO","subject":"t-value","schema_id":1,"schema_version":1,"size":6}}`, offset, at)
	}
	var body, want []string
	for _, tt := range []struct{ value, want string }{
		{`{"type":"AVRO","schema":"\"int\"","data":1}`, stored(0)},
		{`{"schema_id":1,"data":1}`, stored(1)},
		{`{"schema_version":1,"data":1}`, stored(2)},
		{`{"data":1}`, stored(3)},
		{`{"subject":"t-value","data":1}`, stored(4)},
		{`{"subject_name_strategy":"TOPIC_NAME","data":1}`, stored(5)},
		{`{"subject_name_strategy":"RECORD_NAME","schema_version":1,"data":1}`, `{"error_code":400,"message":"Bad Request: Cannot use schema_subject_strategy=RECORD_NAME without schema_id or schema."}`},
		{`{"schema_id":1,"data":null}`, `{"error_code":400,`},
		{`{"schema_id":1,"data":"x"}`, `{"error_code":400,`},
		{`{"subject":"none","data":1}`, `{"error_code":422,"message":"Error: 42207 : Error serializing message. Error when fetching latest schema version. subject = none"}`},
		{`{"type":"AVRO","schema":"","data":1}`, `{"error_code":422,"message":"Error: 42205 : Invalid schema: `},
	} {
		body = append(body, `{"value":`+tt.value+`,`+at+`}`)
		want = append(want, tt.want)
	}
	_, answer := postRecords(t, srv, recordsOfT, strings.Join(body, "\n"))
	got := strings.Split(strings.TrimSuffix(answer, "\r\n"), "\r\n")
	for i := range min(len(got), len(want)) {
		if !strings.HasSuffix(want[i], "}") && strings.HasPrefix(got[i], want[i]) {
			got[i] = want[i]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i, rec := range readTopic(t, cluster, "t", 6) {
		if string(rec.Value) != "\x00\x00\x00\x00\x01\x02" {
			t.Errorf("record %d is % x", i, rec.Value)
		}
	}
}
