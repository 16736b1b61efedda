package embedded

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func decode64(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return data
}

const halfKeys = "170141183460469231731687303715884105728" // 2^127

// openRanges returns the ranges of the open shards, and fails when they leave a key out.
func openRanges(t *testing.T, k *Kinesis, stream string) (ids, starts []string) {
	t.Helper()
	shards := do(t, k, "ListShards", dict{"StreamName": stream, "ShardFilter": dict{"Type": atLatest}}).list("Shards")
	number := func(sh dict, name string) *big.Int {
		n, _ := new(big.Int).SetString(sh["HashKeyRange"].(dict)[name].(string), 10)
		return n
	}
	slices.SortFunc(shards, func(a, b dict) int {
		return number(a, "StartingHashKey").Cmp(number(b, "StartingHashKey"))
	})
	want := big.NewInt(0)
	for _, sh := range shards {
		if number(sh, "StartingHashKey").Cmp(want) != 0 {
			t.Errorf("shard %v begins at %v, want %s", sh["ShardId"], sh["HashKeyRange"], want)
		}
		want = new(big.Int).Add(number(sh, "EndingHashKey"), big.NewInt(1))
		ids, starts = append(ids, sh["ShardId"].(string)), append(starts, number(sh, "StartingHashKey").String())
	}
	if all := new(big.Int).Lsh(big.NewInt(1), 128); want.Cmp(all) != 0 {
		t.Errorf("the open shards end at %s, want %s", want, all)
	}
	return ids, starts
}

func TestRouting(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 4)
	for key, want := range map[string]string{ // MD5: 0cc1…, 92eb…, 4a8a…, e1671797…
		"a": shard0, "b": "shardId-000000000002", "c": "shardId-000000000001", "e": "shardId-000000000003",
	} {
		a := do(t, k, "PutRecord", dict{"StreamName": "s", "PartitionKey": key, "Data": "eA=="})
		if a.body["ShardId"] != want {
			t.Errorf("key %s went to %v, want %s", key, a.body["ShardId"], want)
		}
	}
	for hash, want := range map[string]string{
		"0": shard0, "85070591730234615865843651857942052863": shard0, "85070591730234615865843651857942052864": "shardId-000000000001",
		halfKeys: "shardId-000000000002", "340282366920938463463374607431768211455": "shardId-000000000003",
	} {
		a := do(t, k, "PutRecords", dict{"StreamName": "s", "Records": []dict{{"PartitionKey": "a", "Data": "", "ExplicitHashKey": hash}}})
		if got := a.list("Records")[0]["ShardId"]; got != want {
			t.Errorf("hash key %s went to %v, want %s", hash, got, want)
		}
	}
}

func TestSplitAndMerge(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	before := put(t, k, "s", "a", "before")
	do(t, k, "SplitShard", dict{"StreamName": "s", "ShardToSplit": shard0, "NewStartingHashKey": halfKeys})
	during := put(t, k, "s", "a", "while UPDATING")
	refuse(t, k, "SplitShard", dict{"StreamName": "s", "ShardToSplit": shard0, "NewStartingHashKey": "7"}, "ResourceInUseException", "UPDATING")
	c.Add(time.Second)
	left := do(t, k, "PutRecord", dict{"StreamName": "s", "PartitionKey": "a", "Data": "eA=="})
	right := do(t, k, "PutRecord", dict{"StreamName": "s", "PartitionKey": "b", "Data": "eA=="})
	if left.body["ShardId"] != "shardId-000000000001" || right.body["ShardId"] != "shardId-000000000002" {
		t.Errorf("after the split a went to %v, b to %v; want shards 1 and 2", left.body["ShardId"], right.body["ShardId"])
	}

	shards := shardsOf(t, k, "s")
	numbers := shards[0]["SequenceNumberRange"].(dict)
	if !between(t, numbers["StartingSequenceNumber"], before, during, numbers["EndingSequenceNumber"],
		shards[1]["SequenceNumberRange"].(dict)["StartingSequenceNumber"], left.body["SequenceNumber"]) {
		t.Error("the sequence numbers do not grow from parent to child")
	}
	if shards[1]["ParentShardId"] != shard0 || shards[2]["ParentShardId"] != shard0 || shards[1]["AdjacentParentShardId"] != nil {
		t.Errorf("children = %v, want shard 0 as their only parent", shards[1:])
	}

	// The parent is read to its end, which names the children.
	a := do(t, k, "GetRecords", dict{"ShardIterator": iterator(t, k, "s", shard0, trimHorizon, nil), "Limit": 1})
	if a.body["NextShardIterator"] == nil || a.body["ChildShards"] != nil {
		t.Errorf("half of a closed shard: %s, want an iterator and no children", a.text)
	}
	a = do(t, k, "GetRecords", dict{"ShardIterator": a.body["NextShardIterator"]})
	want := []any{
		dict{"ShardId": "shardId-000000000001", "ParentShards": []any{shard0}, "HashKeyRange": shards[1]["HashKeyRange"]},
		dict{"ShardId": "shardId-000000000002", "ParentShards": []any{shard0}, "HashKeyRange": shards[2]["HashKeyRange"]},
	}
	if diff := cmp.Diff(want, a.body["ChildShards"]); diff != "" || len(a.list("Records")) != 1 || a.body["NextShardIterator"] != nil {
		t.Errorf("end of a closed shard: %s (children -want +got):\n%s", a.text, diff)
	}
	a = do(t, k, "GetRecords", dict{"ShardIterator": iterator(t, k, "s", shard0, latest, nil)})
	if a.body["NextShardIterator"] != nil || len(a.body["ChildShards"].([]any)) != 2 {
		t.Errorf("LATEST of a closed shard: %s, want its end", a.text)
	}

	do(t, k, "MergeShards", dict{"StreamName": "s", "ShardToMerge": "shardId-000000000001", "AdjacentShardToMerge": "shardId-000000000002"})
	c.Add(time.Second)
	merged := shardsOf(t, k, "s")[3]
	wantShard := dict{
		"ShardId": "shardId-000000000003", "ParentShardId": "shardId-000000000001", "AdjacentParentShardId": "shardId-000000000002",
		"HashKeyRange":        shards[0]["HashKeyRange"],
		"SequenceNumberRange": merged["SequenceNumberRange"],
	}
	if diff := cmp.Diff(wantShard, merged); diff != "" {
		t.Errorf("the merged shard (-want +got):\n%s", diff)
	}
	a = do(t, k, "GetRecords", dict{"ShardIterator": iterator(t, k, "s", "shardId-000000000002", trimHorizon, nil)})
	child := a.list("ChildShards")
	if len(child) != 1 || !slices.Equal(child[0]["ParentShards"].([]any), []any{"shardId-000000000001", "shardId-000000000002"}) {
		t.Errorf("children of a merged shard = %v, want one with both parents", child)
	}
	openRanges(t, k, "s")
}

// between tells whether numbers grow, read as integers.
func between(t *testing.T, numbers ...any) bool {
	t.Helper()
	last := big.NewInt(-1)
	for _, text := range numbers {
		n, ok := new(big.Int).SetString(text.(string), 10)
		if !ok {
			t.Fatalf("%v is no number", text)
		}
		if n.Cmp(last) <= 0 {
			return false
		}
		last = n
	}
	return true
}

func TestReshardRefused(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 3)
	const arg = "InvalidArgumentException"
	split := func(shard, at string) dict {
		return dict{"StreamName": "s", "ShardToSplit": shard, "NewStartingHashKey": at}
	}
	merge := func(a, b string) dict {
		return dict{"StreamName": "s", "ShardToMerge": a, "AdjacentShardToMerge": b}
	}
	refuse(t, k, "SplitShard", split("shardId-000000000009", "7"), "ResourceNotFoundException", "Could not find shard shardId-000000000009 in stream s")
	refuse(t, k, "SplitShard", split(shard0, "1"), arg, "is not both greater than one plus the shard's StartingHashKey 0")
	refuse(t, k, "SplitShard", split(shard0, "340282366920938463463374607431768211455"), arg, "less than the shard's EndingHashKey 113427455640312821154458202477256070484")
	refuse(t, k, "MergeShards", merge(shard0, "shardId-000000000002"), arg, "are not an adjacent pair of shards eligible for merging")
	refuse(t, k, "MergeShards", merge(shard0, shard0), arg, "not an adjacent pair")
	do(t, k, "MergeShards", merge("shardId-000000000001", shard0))
	c.Add(time.Second)
	refuse(t, k, "MergeShards", merge(shard0, "shardId-000000000001"), arg, "has already been merged or split")
	scale := func(n int) dict {
		return dict{"StreamName": "s", "TargetShardCount": n, "ScalingType": "UNIFORM_SCALING"}
	}
	refuse(t, k, "UpdateShardCount", scale(5), limitExceededException, "cannot scale up over double your current open shard count. Current open shard count: 2 Target shard count: 5")
	do(t, k, "UpdateShardCount", scale(4))
	c.Add(time.Second)
	refuse(t, k, "UpdateShardCount", scale(1), limitExceededException, "cannot scale down below half")
}

// TestUpdateShardCount: the open shards are uniform after every update, and no record is lost on the way.
func TestUpdateShardCount(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 2)
	puts := 0
	for _, target := range []int{3, 6, 3, 5, 10, 7, 4, 4, 2, 1, 2} {
		was, _ := openRanges(t, k, "s")
		for i := range 20 {
			put(t, k, "s", fmt.Sprint(i), "x")
			puts++
		}
		a := do(t, k, "UpdateShardCount", dict{"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"})
		want := dict{"StreamName": "s", "StreamARN": k.arn("s"), "CurrentShardCount": float64(len(was)), "TargetShardCount": float64(target)}
		if diff := cmp.Diff(want, a.body); diff != "" {
			t.Errorf("UpdateShardCount to %d (-want +got):\n%s", target, diff)
		}
		c.Add(time.Second)
		ids, starts := openRanges(t, k, "s")
		if len(ids) != target {
			t.Fatalf("after scaling to %d there are %d open shards", target, len(ids))
		}
		for i, start := range uniformStarts(target) {
			got, _ := parseHashKey(starts[i])
			if !got.distance(start).less(hashKey{1 << 32, 0}) {
				t.Errorf("%d shards: start %d is %s, want about %s", target, i, got, start)
			}
		}
	}
	family(t, shardsOf(t, k, "s"))
	read := 0
	for _, sh := range shardsOf(t, k, "s") {
		read += len(readAll(t, k, "s", sh["ShardId"].(string)))
	}
	if read != puts {
		t.Errorf("%d records read, %d put", read, puts)
	}
}

// family checks that every parent is closed, and every closed shard a parent.
func family(t *testing.T, shards []dict) {
	t.Helper()
	parents := map[string]bool{}
	for _, sh := range shards {
		for _, name := range []string{"ParentShardId", "AdjacentParentShardId"} {
			if p, ok := sh[name].(string); ok {
				parents[p] = true
			}
		}
	}
	for _, sh := range shards {
		_, closed := sh["SequenceNumberRange"].(dict)["EndingSequenceNumber"]
		if closed != parents[sh["ShardId"].(string)] {
			t.Errorf("shard %v: closed %t, a parent %t", sh["ShardId"], closed, !closed)
		}
	}
}

func TestShardFilter(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	c.Add(time.Hour)
	beforeSplit := c.Now()
	do(t, k, "SplitShard", dict{"StreamName": "s", "ShardToSplit": shard0, "NewStartingHashKey": halfKeys})
	c.Add(time.Hour)
	afterSplit := c.Now()
	seconds := func(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }
	list := func(filter dict) []string {
		return shardIDs(do(t, k, "ListShards", dict{"StreamName": "s", "ShardFilter": filter}).list("Shards"))
	}
	children := []string{"shardId-000000000001", "shardId-000000000002"}
	all := append([]string{shard0}, children...)
	for _, tt := range []struct {
		filter dict
		want   []string
	}{
		{dict{"Type": atLatest}, children},
		{dict{"Type": fromTrimHorizon}, all},
		{dict{"Type": atTrimHorizon}, all[:1]},
		{dict{"Type": afterShardID, "ShardId": shard0}, children},
		{dict{"Type": atTimestamp, "Timestamp": seconds(beforeSplit)}, all[:1]},
		{dict{"Type": atTimestamp, "Timestamp": seconds(afterSplit)}, children},
		{dict{"Type": fromTimestamp, "Timestamp": seconds(beforeSplit)}, all},
		{dict{"Type": fromTimestamp, "Timestamp": seconds(afterSplit)}, children},
	} {
		if got := list(tt.filter); !slices.Equal(got, tt.want) {
			t.Errorf("filter %v = %v, want %v", tt.filter, got, tt.want)
		}
	}
	in := dict{"StreamName": "s", "ShardFilter": dict{"Type": atLatest}, "MaxResults": 1}
	a := do(t, k, "ListShards", in)
	a = do(t, k, "ListShards", dict{"NextToken": a.body["NextToken"]})
	if got := shardIDs(a.list("Shards")); !slices.Equal(got, children[1:]) {
		t.Errorf("second page of a filter = %v, want %v", got, children[1:])
	}
	refuse(t, k, "ListShards", dict{"StreamName": "s", "ShardFilter": dict{"Type": atTimestamp}}, "InvalidArgumentException", "Timestamp goes with")
	refuse(t, k, "ListShards", dict{"StreamName": "s", "ShardFilter": dict{"Type": atLatest, "ShardId": shard0}}, "InvalidArgumentException", "ShardId goes with")

	// A closed shard is gone when its records have expired.
	c.Add(24 * time.Hour)
	if got := shardIDs(shardsOf(t, k, "s")); !slices.Equal(got, children) {
		t.Errorf("a day later the shards are %v, want %v", got, children)
	}
	refuse(t, k, "GetShardIterator", dict{"StreamName": "s", "ShardId": shard0, "ShardIteratorType": trimHorizon}, "ResourceNotFoundException", "does not exist")
}
