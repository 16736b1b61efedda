package embedded

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const shard0 = "shardId-000000000000"

// firstOf reads one call's data with an iterator.
func firstOf(t *testing.T, k *Kinesis, iterator string, limit int) (data []string, next any, behind float64) {
	t.Helper()
	a := do(t, k, "GetRecords", dict{"ShardIterator": iterator, "Limit": limit})
	for _, r := range a.list("Records") {
		data = append(data, r["PartitionKey"].(string))
	}
	return data, a.body["NextShardIterator"], a.body["MillisBehindLatest"].(float64)
}

func TestIteratorTypes(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	start := c.Now()
	var numbers []string
	for i := range 5 {
		numbers = append(numbers, put(t, k, "s", fmt.Sprint(i), "x"))
		c.Add(time.Second)
	}
	opening := shardsOf(t, k, "s")[0]["SequenceNumberRange"].(dict)["StartingSequenceNumber"]
	seconds := func(d time.Duration) dict {
		return dict{"Timestamp": float64(start.Add(d).UnixMilli()) / 1000}
	}
	for _, tt := range []struct {
		name, kind string
		more       dict
		want       []string
	}{
		{"trim horizon", trimHorizon, nil, []string{"0", "1", "2", "3", "4"}},
		{"latest", latest, nil, nil},
		{"at the first", atSequence, dict{"StartingSequenceNumber": numbers[0]}, []string{"0", "1", "2", "3", "4"}},
		{"at the third", atSequence, dict{"StartingSequenceNumber": numbers[2]}, []string{"2", "3", "4"}},
		{"after the third", afterSequence, dict{"StartingSequenceNumber": numbers[2]}, []string{"3", "4"}},
		{"after the last", afterSequence, dict{"StartingSequenceNumber": numbers[4]}, nil},
		{"at the shard's start", atSequence, dict{"StartingSequenceNumber": opening}, []string{"0", "1", "2", "3", "4"}},
		{"after the shard's start", afterSequence, dict{"StartingSequenceNumber": opening}, []string{"0", "1", "2", "3", "4"}},
		{"at the very time", atTimestamp, seconds(2 * time.Second), []string{"2", "3", "4"}},
		{"between two times", atTimestamp, seconds(2001 * time.Millisecond), []string{"3", "4"}},
		{"before all", atTimestamp, dict{"Timestamp": 0}, []string{"0", "1", "2", "3", "4"}},
		{"now", atTimestamp, seconds(5 * time.Second), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _, _ := firstOf(t, k, iterator(t, k, "s", shard0, tt.kind, tt.more), 10)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestIteratorRefused(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 2)
	makeStream(t, k, c, "other", 1)
	put(t, k, "s", "k", "x")
	foreign := put(t, k, "other", "k", "x")
	opening := shardsOf(t, k, "s")[1]["SequenceNumberRange"].(dict)["StartingSequenceNumber"]
	const arg, missing = "InvalidArgumentException", "ResourceNotFoundException"
	for _, tt := range []struct {
		name       string
		in         dict
		kind, part string
	}{
		{"no such stream", dict{"StreamName": "t", "ShardId": shard0, "ShardIteratorType": latest}, missing, "Stream t"},
		{"no such shard", dict{"ShardId": "shardId-000000000002", "ShardIteratorType": latest}, missing, "Shard shardId-000000000002 in stream s under account 000000000000 does not exist"},
		{"no shard id", dict{"ShardId": "nope", "ShardIteratorType": latest}, missing, "Could not find shard nope"},
		{"bad type", dict{"ShardId": shard0, "ShardIteratorType": "NOPE"}, validationException, "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]"},
		{"latest with a number", dict{"ShardId": shard0, "ShardIteratorType": latest, "StartingSequenceNumber": "7"}, arg, "Request specified LATEST and also a StartingSequenceNumber."},
		{"at no number", dict{"ShardId": shard0, "ShardIteratorType": atSequence}, arg, "Request specified AT_SEQUENCE_NUMBER and no StartingSequenceNumber."},
		{"number of no shard", dict{"ShardId": shard0, "ShardIteratorType": atSequence, "StartingSequenceNumber": "7"}, arg, "StartingSequenceNumber 7 used in GetShardIterator on shard shardId-000000000000 in stream s under account 000000000000 is invalid."},
		{"number of another shard", dict{"ShardId": shard0, "ShardIteratorType": atSequence, "StartingSequenceNumber": opening}, arg, "It encodes shardId-000000000001, while it was used in a call to a shard with shardId-000000000000"},
		{"no time", dict{"ShardId": shard0, "ShardIteratorType": atTimestamp}, arg, "Current request has no timestamp parameter"},
		{"time to come", dict{"ShardId": shard0, "ShardIteratorType": atTimestamp, "Timestamp": 1_999_999_999}, arg, "timestampInMillis: 1999999999000, currentTimestampInMillis: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.in["StreamName"] == nil {
				tt.in["StreamName"] = "s"
			}
			refuse(t, k, "GetShardIterator", tt.in, tt.kind, tt.part)
		})
	}
	c.Add(time.Second)
	makeStream(t, k, c, "later", 1)
	refuse(t, k, "GetShardIterator", dict{"StreamName": "later", "ShardId": shard0, "ShardIteratorType": atSequence, "StartingSequenceNumber": foreign},
		arg, "because it did not come from this stream")
	next := iterator(t, k, "s", shard0, latest, nil)
	refuse(t, k, "GetRecords", dict{"ShardIterator": next[:len(next)-8] + "AAAAAAA="}, arg, "Invalid ShardIterator.")
	refuse(t, k, "GetRecords", dict{"ShardIterator": next, "StreamARN": k.arn("other")}, arg, "names stream other")
	do(t, k, "DeleteStream", dict{"StreamName": "s"})
	c.Add(time.Second)
	refuse(t, k, "GetRecords", dict{"ShardIterator": next}, missing, "does not exist")
	makeStream(t, k, c, "s", 2)
	refuse(t, k, "GetRecords", dict{"ShardIterator": next}, missing, "does not exist")
}

func TestIteratorExpires(t *testing.T) {
	k, c := newTestKinesis(t, func(cfg *KinesisConfig) { cfg.IteratorLifetime = 2 * time.Second })
	makeStream(t, k, c, "s", 1)
	put(t, k, "s", "k", "x")
	first := iterator(t, k, "s", shard0, trimHorizon, nil)
	c.Add(2 * time.Second)
	got, next, _ := firstOf(t, k, first, 10)
	if len(got) != 1 {
		t.Errorf("at the end of its life an iterator gave %v, want one record", got)
	}
	c.Add(time.Millisecond)
	refuse(t, k, "GetRecords", dict{"ShardIterator": first}, "ExpiredIteratorException",
		"Iterator expired. The iterator was created at time Mon Nov 23 07:05:47 UTC 2026 while right now it is Mon Nov 23 07:05:49 UTC 2026")
	if got, _, _ := firstOf(t, k, next.(string), 10); len(got) != 0 {
		t.Errorf("the iterator of the answer gave %v, want it to be alive and at the end", got)
	}
}

func TestGetRecords(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	for i := range 5 {
		put(t, k, "s", fmt.Sprintf("k\"é%d", i), "x")
		c.Add(100 * time.Millisecond)
	}
	next := iterator(t, k, "s", shard0, trimHorizon, nil)
	got, more, behind := firstOf(t, k, next, 2)
	if len(got) != 2 || got[0] != `k"é0` || behind != 400 {
		t.Errorf("first page %v, %v ms behind; want two records, 400 ms", got, behind)
	}
	got, more, behind = firstOf(t, k, more.(string), 3)
	if len(got) != 3 || behind != 0 {
		t.Errorf("second page %v, %v ms behind; want three records, 0 ms", got, behind)
	}
	got, more, behind = firstOf(t, k, more.(string), 3)
	if len(got) != 0 || behind != 0 || more == nil {
		t.Errorf("third page %v, %v ms behind, next %v; want none, 0 ms and an iterator", got, behind, more)
	}
	put(t, k, "s", "late", "x")
	if got, _, _ = firstOf(t, k, more.(string), 3); !slices.Equal(got, []string{"late"}) {
		t.Errorf("the last iterator gave %v, want the record that came later", got)
	}
	record := do(t, k, "GetRecords", dict{"ShardIterator": next, "Limit": 1}).list("Records")[0]
	if record["ApproximateArrivalTimestamp"] != 1795417547.918 || record["Data"] != "eA==" {
		t.Errorf("record = %v, want its arrival in seconds and its data in base64", record)
	}
}

// TestGetRecordsBytes: one answer holds 10 MiB at most, but always one record.
func TestGetRecordsBytes(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	do(t, k, "UpdateMaxRecordSize", dict{"StreamName": "s", "MaxRecordSizeInKiB": 10240})
	c.Add(time.Second)
	for range 2 {
		do(t, k, "PutRecord", dict{"StreamName": "s", "PartitionKey": "k", "Data": make([]byte, 6<<20)})
	}
	next := any(iterator(t, k, "s", shard0, trimHorizon, nil))
	for i := range 2 {
		var got []string
		got, next, _ = firstOf(t, k, next.(string), 10)
		if len(got) != 1 {
			t.Errorf("answer %d has %d records, want 1", i, len(got))
		}
	}
}

func TestPaging(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	for _, name := range []string{"a", "b", "c"} {
		makeStream(t, k, c, name, 3)
	}
	t.Run("ListStreams by name", func(t *testing.T) {
		var got []string
		after := dict{"Limit": 2}
		for {
			a := do(t, k, "ListStreams", after)
			for _, name := range a.body["StreamNames"].([]any) {
				got = append(got, name.(string))
			}
			if len(a.list("StreamSummaries")) != len(a.body["StreamNames"].([]any)) {
				t.Errorf("names and summaries differ: %s", a.text)
			}
			if !a.body["HasMoreStreams"].(bool) {
				break
			}
			after = dict{"Limit": 2, "ExclusiveStartStreamName": got[len(got)-1]}
		}
		if want := []string{"a", "b", "c"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("ListStreams by token", func(t *testing.T) {
		a := do(t, k, "ListStreams", dict{"Limit": 1})
		a = do(t, k, "ListStreams", dict{"NextToken": a.body["NextToken"], "Limit": 5})
		if got := a.body["StreamNames"].([]any); len(got) != 2 || got[0] != "b" || a.body["NextToken"] != nil {
			t.Errorf("second page = %s, want b and c and no token", a.text)
		}
	})
	t.Run("DescribeStream", func(t *testing.T) {
		a := do(t, k, "DescribeStream", dict{"StreamName": "a", "Limit": 2}).body["StreamDescription"].(dict)
		if a["HasMoreShards"] != true || len(a["Shards"].([]any)) != 2 {
			t.Errorf("first page = %v, want two shards and more", a)
		}
		a = do(t, k, "DescribeStream", dict{"StreamName": "a", "ExclusiveStartShardId": "shardId-000000000001"}).body["StreamDescription"].(dict)
		if a["HasMoreShards"] != false || len(a["Shards"].([]any)) != 1 {
			t.Errorf("second page = %v, want one shard and no more", a)
		}
	})
	t.Run("ListShards", func(t *testing.T) {
		var got []string
		in := dict{"StreamName": "a", "MaxResults": 1}
		for in != nil {
			a := do(t, k, "ListShards", in)
			got = append(got, shardIDs(a.list("Shards"))...)
			in = nil
			if token := a.body["NextToken"]; token != nil {
				in = dict{"NextToken": token, "MaxResults": 1}
			}
		}
		if want := []string{shard0, "shardId-000000000001", "shardId-000000000002"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("tokens are checked", func(t *testing.T) {
		token := do(t, k, "ListShards", dict{"StreamName": "a", "MaxResults": 1}).body["NextToken"].(string)
		refuse(t, k, "ListShards", dict{"NextToken": token, "StreamName": "a"}, "InvalidArgumentException", "NextToken and StreamName cannot be provided together.")
		refuse(t, k, "ListShards", dict{}, "InvalidArgumentException", "Either NextToken or StreamName should be provided.")
		refuse(t, k, "ListShards", dict{"NextToken": "nope"}, "InvalidArgumentException", "NextToken is invalid")
		refuse(t, k, "ListStreams", dict{"NextToken": token}, "InvalidArgumentException", "NextToken is invalid")
		c.Add(301 * time.Second)
		refuse(t, k, "ListShards", dict{"NextToken": token}, "ExpiredNextTokenException", "NextToken expired")
	})
}

// TestRecordsReadBack: what is read is what was put, in order, whatever the bytes are.
func TestRecordsReadBack(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	data := []string{"", "x", "\x00\xff\xfe", strings.Repeat("long", 10_000)}
	var entries []dict
	for _, d := range data {
		entries = append(entries, dict{"PartitionKey": "k", "Data": []byte(d)})
	}
	a := do(t, k, "PutRecords", dict{"StreamName": "s", "Records": entries})
	if a.body["FailedRecordCount"] != 0.0 {
		t.Errorf("FailedRecordCount = %v, want 0", a.body["FailedRecordCount"])
	}
	got := readAll(t, k, "s", shard0)
	for i, r := range got {
		if want := fmt.Sprintf("%q", entries[i]["Data"]); fmt.Sprintf("%q", decode64(t, r["Data"].(string))) != want {
			t.Errorf("record %d = %.40q, want %.40q", i, r["Data"], want)
		}
		if r["SequenceNumber"] != a.list("Records")[i]["SequenceNumber"] {
			t.Errorf("record %d has number %v, PutRecords answered %v", i, r["SequenceNumber"], a.list("Records")[i])
		}
	}
	if len(got) != len(data) || k.Records("s") != int64(len(data)) {
		t.Errorf("%d records read, %d counted, want %d", len(got), k.Records("s"), len(data))
	}
	if k.Records("unknown") != 0 {
		t.Errorf("Records of no stream = %d, want 0", k.Records("unknown"))
	}
}
