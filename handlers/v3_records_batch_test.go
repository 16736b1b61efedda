package handlers

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

func TestBatches(t *testing.T) {
	srv, _ := rest(t, nil, kfake.SeedTopics(1, "t"))
	many := strings.TrimSuffix(strings.Repeat(`{"id":"x"},`, 11), ",")
	distinct := ""
	for i := range 11 {
		distinct += `,{"id":"` + string(rune('a'+i)) + `"}`
	}
	for _, tt := range []struct {
		body   string
		status int
		want   string
	}{
		{``, 422, `{"error_code":42208,"message":"Request body is empty. Data is required."}`},
		{`null`, 422, `{"error_code":42208,"message":"Request body is empty. Data is required."}`},
		{`{}`, 422, `{"error_code":42208,"message":"Empty batch."}`},
		{`{"entries":[]}`, 422, `{"error_code":42208,"message":"Empty batch."}`},
		{`{"entries":[` + many + `]}`, 422, `{"error_code":42208,"message":"Batch entry IDs are not distinct."}`},
		{`{"entries":[` + distinct[1:] + `]}`, 422, `{"error_code":42208,"message":"Too many entries in batch."}`},
		{`{"entries":[{"id":"a b"}]}`, 422, `{"error_code":42208,"message":"Batch entry identifier is not a valid string."}`},
		{`{"entries":[{"id":null}]}`, 422, `{"error_code":42208,"message":"Batch entry identifier is not a valid string."}`},
		{`{"entries":[{"id":7}]}`, 422, `{"error_code":42208,"message":"Batch entry identifier is not a valid string."}`},
		{`{"entries":[{}]}`, 400, "{\"error_code\":400,\"message\":\"Cannot construct instance of `ProduceBatchRequestEntry`, problem: Null id\"}"},
		{`{"entries":[{"id":"1","zzz":1}]}`, 422, `{"error_code":422,"message":"Unrecognized field: zzz"}`},
		{`{"zzz":1}`, 422, `{"error_code":422,"message":"Unrecognized field: zzz"}`},
		{`{"entries":[{"id":"1","value":{"type":"JSON"}}]}`, 400, "{\"error_code\":400,\"message\":\"Cannot construct instance of `" + classData + "`, problem: Null data\"}"},
		{`{"entries":`, 400, `{"error_code":400,"message":"entries is nothing, an array is wanted"}`},
		{
			`{"entries":[{"id":"1","partition_id":-1},{"id":"2","value":{"type":"STRING","data":1}},{"id":"3","timestamp":"2021-02-05T19:14:42Z"}]}`, 207,
			`{"successes":[{"id":"3","cluster_id":"c1","topic_name":"t","partition_id":0,"offset":0,"timestamp":"2021-02-05T19:14:42Z"}],` +
				`"failures":[{"id":"1","error_code":40402,"message":"Partition not found."},{"id":"2","error_code":400,"message":"Bad Request: data=1 is not a string."}]}`,
		},
	} {
		if status, got := postRecords(t, srv, recordsOfT+":batch", tt.body); status != tt.status || got != tt.want {
			t.Errorf("%.60s: %d %s, want %d %s", tt.body, status, got, tt.status, tt.want)
		}
	}
}
