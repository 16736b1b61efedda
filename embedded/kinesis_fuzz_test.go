package embedded

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// seedBodies are bodies of every operation, good ones and others.
func seedBodies() map[string][]string {
	return map[string][]string{
		"CreateStream":                  {`{"StreamName":"x","ShardCount":2,"Tags":{"a":"b"},"StreamModeDetails":{"StreamMode":"PROVISIONED"}}`},
		"DeleteStream":                  {`{"StreamName":"x","EnforceConsumerDeletion":true}`},
		"DescribeStream":                {`{"StreamName":"s","Limit":1,"ExclusiveStartShardId":"shardId-000000000000"}`},
		"DescribeStreamSummary":         {`{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s"}`},
		"DescribeLimits":                {`{}`},
		"ListStreams":                   {`{"Limit":1,"ExclusiveStartStreamName":"a"}`},
		"ListShards":                    {`{"StreamName":"s","MaxResults":1,"ShardFilter":{"Type":"AT_TIMESTAMP","Timestamp":1795417547.5}}`},
		"PutRecord":                     {`{"StreamName":"s","Data":"eA==","PartitionKey":"p\u00e9\ud83d\ude00\"","ExplicitHashKey":"7","SequenceNumberForOrdering":"0"}`, `{"a":[1,2.5e3,-0,true,null,{"b":"\n"}]}`},
		"PutRecords":                    {`{"StreamName":"s","Records":[{"Data":"eA==","PartitionKey":"a"},{"Data":"","PartitionKey":"b"},null]}`},
		"GetShardIterator":              {`{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"AT_SEQUENCE_NUMBER","StartingSequenceNumber":"49680483694487893768420154847839561896630870053098618882"}`},
		"GetRecords":                    {`{"ShardIterator":"AAAAAAAAAAF7fQ==","Limit":10}`},
		"SplitShard":                    {`{"StreamName":"s","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"170141183460469231731687303715884105728"}`},
		"MergeShards":                   {`{"StreamName":"s","ShardToMerge":"shardId-000000000000","AdjacentShardToMerge":"shardId-000000000001"}`},
		"UpdateShardCount":              {`{"StreamName":"s","TargetShardCount":2,"ScalingType":"UNIFORM_SCALING"}`},
		"UpdateMaxRecordSize":           {`{"StreamName":"s","MaxRecordSizeInKiB":1024}`},
		"IncreaseStreamRetentionPeriod": {`{"StreamName":"s","RetentionPeriodHours":1e400}`},
		"DecreaseStreamRetentionPeriod": {`{"StreamName":"s","RetentionPeriodHours":24}`},
		"AddTagsToStream":               {`{"StreamName":"s","Tags":{"k":"v","k2":null}}`},
		"RemoveTagsFromStream":          {`{"StreamName":"s","TagKeys":["k",null]}`},
		"ListTagsForStream":             {`{"StreamName":"s","ExclusiveStartTagKey":"k"}`},
	}
}

// answersWell sends a body, and fails on a panic, a 5xx or an answer that is no JSON.
func answersWell(t *testing.T, k *Kinesis, op, body string) {
	t.Helper()
	a := raw(t, k, op, body)
	if a.status >= 500 {
		t.Errorf("%s %q = %d %s", op, body, a.status, a.text)
	}
	if a.text != "" && !json.Valid([]byte(a.text)) || !utf8.ValidString(a.text) {
		t.Errorf("%s %q answered %q, which is no JSON", op, body, a.text)
	}
}

func FuzzKinesisBody(f *testing.F) {
	for op, bodies := range seedBodies() {
		for _, body := range bodies {
			f.Add(op, body)
		}
	}
	k, c := newTestKinesis(f, nil)
	makeStream(f, k, c, "s", 1)
	f.Fuzz(func(t *testing.T, op, body string) { answersWell(t, k, op, body) })
}

// FuzzKinesisJSON: the parser takes what the standard library takes, and reads it alike.
func FuzzKinesisJSON(f *testing.F) {
	for _, bodies := range seedBodies() {
		for _, body := range bodies {
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body string) {
		var want any
		in := json.NewDecoder(strings.NewReader(body))
		in.UseNumber()
		object := json.Valid([]byte(body)) && in.Decode(&want) == nil && utf8.ValidString(body)
		if _, ok := want.(dict); !ok {
			object = false
		}
		b := callBuffers{body: []byte(body)}
		root, err := b.parse()
		if err == nil && !object {
			t.Fatalf("%q is taken, encoding/json refuses it", body)
		}
		if err != nil || b.deep(root) > maxJSONDepth {
			return // deeper than we go
		}
		got, err := json.Marshal(b.tree(root))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(text) {
			t.Errorf("%q is read as %s, want %s", body, got, text)
		}
	})
}

func (b *callBuffers) deep(at int32) int {
	most := 0
	for i := b.nodes[at].child; i != 0; i = b.nodes[i].next {
		most = max(most, 1+b.deep(i))
	}
	return most
}

// tree builds what encoding/json builds.
func (b *callBuffers) tree(at int32) any {
	n := b.nodes[at]
	switch n.kind {
	case nodeString:
		return string(n.text)
	case nodeObject:
		m := dict{}
		for i := n.child; i != 0; i = b.nodes[i].next {
			m[string(b.nodes[i].name)] = b.tree(i)
		}
		return m
	case nodeArray:
		list := []any{}
		for i := n.child; i != 0; i = b.nodes[i].next {
			list = append(list, b.tree(i))
		}
		return list
	case nodeNumber:
		return json.Number(n.text)
	case nodeBool:
		return string(n.text) == "true"
	}
	return nil
}

// TestMutatedBodies sends ten thousand bodies with a few bytes changed.
func TestMutatedBodies(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	r := rand.New(rand.NewPCG(5, 6))
	const alphabet = "{}[]\",:\\u0dnulltrue-1.5e9 \x00\xff=é"
	seeds := seedBodies()
	for range 10_000 / len(seeds) {
		for op, bodies := range seeds {
			body := []byte(bodies[r.IntN(len(bodies))])
			for range 1 + r.IntN(4) {
				at := r.IntN(len(body))
				switch r.IntN(3) {
				case 0:
					body[at] = alphabet[r.IntN(len(alphabet))]
				case 1:
					body = append(body[:at], body[at+1:]...)
				default:
					body = []byte(string(body[:at]) + strings.Repeat(string(alphabet[r.IntN(len(alphabet))]), r.IntN(3)+1) + string(body[at:]))
				}
				if len(body) == 0 {
					body = []byte("{")
				}
			}
			answersWell(t, k, op, string(body))
		}
	}
}
