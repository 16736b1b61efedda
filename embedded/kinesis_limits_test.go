package embedded

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func realLimits(cfg *KinesisConfig) { cfg.RealLimits = true }

// TestWriteLimits: 1000 records a second a shard; what is over it fails alone.
func TestWriteLimits(t *testing.T) {
	k, c := newTestKinesis(t, realLimits)
	makeStream(t, k, c, "s", 2)
	batch := func(hash string, n int) answer {
		records := make([]dict, n)
		for i := range records {
			records[i] = dict{"PartitionKey": "k", "Data": "eA==", "ExplicitHashKey": hash}
		}
		return do(t, k, "PutRecords", dict{"StreamName": "s", "Records": records})
	}
	for range 2 {
		if a := batch("0", 500); a.body["FailedRecordCount"] != 0.0 {
			t.Fatalf("within the limit %v records fail, want 0", a.body["FailedRecordCount"])
		}
	}
	c.Add(10 * time.Millisecond) // room for 10 more
	a := batch("0", 30)
	if a.body["FailedRecordCount"] != 20.0 {
		t.Errorf("FailedRecordCount = %v, want 20", a.body["FailedRecordCount"])
	}
	for i, r := range a.list("Records") {
		if failed := r["ErrorCode"] != nil; failed != (i >= 10) {
			t.Errorf("record %d = %v, want the first ten stored", i, r)
		}
	}
	want := dict{
		"ErrorCode":    "ProvisionedThroughputExceededException",
		"ErrorMessage": "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.",
	}
	if got := a.list("Records")[29]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("a failed record = %v, want %v", got, want)
	}
	if a := batch(halfKeys, 30); a.body["FailedRecordCount"] != 0.0 {
		t.Errorf("the other shard fails %v records, want 0", a.body["FailedRecordCount"])
	}
	refuse(t, k, "PutRecord", dict{"StreamName": "s", "PartitionKey": "k", "Data": "", "ExplicitHashKey": "0"}, throughputExceeded, "Rate exceeded for shard shardId-000000000000")
	if got := k.Records("s"); got != 1040 {
		t.Errorf("Records = %d, want the 1040 that were acknowledged", got)
	}
}

func TestWriteBytesLimit(t *testing.T) {
	k, c := newTestKinesis(t, realLimits)
	makeStream(t, k, c, "s", 1)
	record := func(size int) dict {
		return dict{"StreamName": "s", "PartitionKey": "k", "Data": make([]byte, size)}
	}
	do(t, k, "PutRecord", record(600_000))
	refuse(t, k, "PutRecord", record(600_000), throughputExceeded, "Rate exceeded")
	do(t, k, "PutRecord", record(400_000))
	c.Add(time.Second)
	do(t, k, "UpdateMaxRecordSize", dict{"StreamName": "s", "MaxRecordSizeInKiB": 10240})
	c.Add(time.Second)
	do(t, k, "PutRecord", record(10_000_000)) // more than a second takes: goes through alone
	c.Add(8 * time.Second)
	refuse(t, k, "PutRecord", record(1), throughputExceeded, "Rate exceeded")
	c.Add(time.Second)
	do(t, k, "PutRecord", record(1))
}

func TestReadLimits(t *testing.T) {
	k, c := newTestKinesis(t, realLimits)
	makeStream(t, k, c, "s", 1)
	next := iterator(t, k, "s", shard0, trimHorizon, nil)
	for range 5 {
		do(t, k, "GetRecords", dict{"ShardIterator": next})
	}
	refuse(t, k, "GetRecords", dict{"ShardIterator": next}, throughputExceeded, "Rate exceeded for shard shardId-000000000000 in stream s")
	for range 4 {
		iterator(t, k, "s", shard0, latest, nil)
	}
	refuse(t, k, "GetShardIterator", dict{"StreamName": "s", "ShardId": shard0, "ShardIteratorType": latest}, throughputExceeded, "Rate exceeded")

	for range 11 {
		c.Add(time.Second)
		do(t, k, "PutRecord", dict{"StreamName": "s", "PartitionKey": "k", "Data": make([]byte, 1_000_000)})
	}
	do(t, k, "GetRecords", dict{"ShardIterator": next}) // 10 MB: nothing for 5 s
	c.Add(4 * time.Second)
	refuse(t, k, "GetRecords", dict{"ShardIterator": next}, throughputExceeded, "Rate exceeded")
	c.Add(time.Second)
	do(t, k, "GetRecords", dict{"ShardIterator": next})
}

func TestCallRates(t *testing.T) {
	k, c := newTestKinesis(t, realLimits)
	for range 5 {
		do(t, k, "ListStreams", dict{})
	}
	refuse(t, k, "ListStreams", dict{}, limitExceededException, "Rate exceeded for account 000000000000.")
	c.Add(200 * time.Millisecond)
	do(t, k, "ListStreams", dict{})
	for i := range 5 {
		do(t, k, "CreateStream", dict{"StreamName": fmt.Sprint(i), "ShardCount": 1})
	}
	c.Add(40 * time.Millisecond)
	refuse(t, k, "CreateStream", dict{"StreamName": "sixth", "ShardCount": 1}, limitExceededException, "")
	c.Add(time.Second)
	do(t, k, "CreateStream", dict{"StreamName": "sixth", "ShardCount": 1})
	for range 10 {
		do(t, k, "DescribeStream", dict{"StreamName": "sixth"})
	}
	refuse(t, k, "DescribeStream", dict{"StreamName": "sixth"}, limitExceededException, "Rate exceeded")
}

func TestFaults(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	in := dict{"StreamName": "s", "PartitionKey": "k", "Data": "eA=="}

	k.Inject(KinesisFault{Operation: "PutRecord", First: 2, Times: 2, Type: "InternalFailure"})
	for i, want := range []int{200, 500, 500, 200} {
		do(t, k, "ListStreams", dict{}) // looks at other calls than the fault does
		if a := try(t, k, "PutRecord", in); a.status != want {
			t.Errorf("call %d = %d %s, want %d", i+1, a.status, a.text, want)
		}
	}
	if got := k.Records("s"); got != 2 {
		t.Errorf("Records = %d, want 2: failed calls store nothing", got)
	}

	k.Inject(KinesisFault{Record: true, First: 2, Times: 1, Type: throughputExceeded, Message: "too fast"})
	a := do(t, k, "PutRecords", dict{"StreamName": "s", "Records": []dict{
		{"PartitionKey": "a", "Data": ""}, {"PartitionKey": "b", "Data": ""}, {"PartitionKey": "c", "Data": ""},
	}})
	got := a.list("Records")
	if a.body["FailedRecordCount"] != 1.0 || got[1]["ErrorCode"] != throughputExceeded || got[1]["ErrorMessage"] != "too fast" || got[2]["ErrorCode"] != nil {
		t.Errorf("PutRecords = %s, want the second record to fail", a.text)
	}

	k.Inject(KinesisFault{Status: http.StatusServiceUnavailable, Type: "ServiceUnavailable"})
	if a := try(t, k, "ListStreams", dict{}); a.status != 503 || a.kind() != "ServiceUnavailable" {
		t.Errorf("got %d %s, want 503 ServiceUnavailable", a.status, a.text)
	}
	k.Inject()
	do(t, k, "ListStreams", dict{})
}

// TestFaultDrop: the record is stored, the client sees a cut connection.
func TestFaultDrop(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	k.Inject(KinesisFault{Operation: "PutRecord", Times: 1, Drop: true})
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("recovered %v, want http.ErrAbortHandler", err)
		}
		if k.Records("s") != 1 {
			t.Errorf("Records = %d, want 1: the answer is lost, not the record", k.Records("s"))
		}
	}()
	try(t, k, "PutRecord", dict{"StreamName": "s", "PartitionKey": "k", "Data": "eA=="})
}

func TestFaultLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := newTestKinesis(t, func(cfg *KinesisConfig) {
			cfg.Faults = []KinesisFault{{Latency: time.Minute, Times: 1}}
		})
		begin := time.Now()
		do(t, k, "ListStreams", dict{})
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("the call took %s, want a minute", took)
		}
	})
}

// TestRealTime: with the default clock, statuses change by themselves.
func TestRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := newTestKinesis(t, func(cfg *KinesisConfig) { cfg.Now = time.Now })
		do(t, k, "CreateStream", dict{"StreamName": "s", "ShardCount": 1})
		for statusOf(t, k, "s") != active {
			time.Sleep(time.Millisecond)
		}
		put(t, k, "s", "k", "x")
	})
}

func TestChunkedBody(t *testing.T) {
	k, _ := newTestKinesis(t, nil)
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Body = http.NoBody
	r.ContentLength = -1
	r.Header.Set("Content-Type", kinesisJSONType)
	r.Header.Set("X-Amz-Target", kinesisTarget+"ListStreams")
	if a := serve(t, k, r); a.kind() != serializationException {
		t.Errorf("an empty chunked body = %d %s, want SerializationException", a.status, a.text)
	}
	if !k.bodies.TryAcquire(kinesisBodyBudget) {
		t.Error("the byte budget was not given back")
	}
}
