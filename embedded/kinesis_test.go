package embedded

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a clock that stands still until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_795_417_547, 868e6)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newTestKinesis returns a Kinesis whose clock stands still; edit may change its configuration.
func newTestKinesis(t testing.TB, edit func(*KinesisConfig)) (*Kinesis, *clock) {
	t.Helper()
	c := newClock()
	cfg := DefaultKinesisConfig()
	cfg.Now = c.Now
	if edit != nil {
		edit(&cfg)
	}
	k := NewKinesis(cfg, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = k.Close() })
	return k, c
}

// dict is a JSON object.
type dict = map[string]any

// answer is what a call got.
type answer struct {
	status int
	header http.Header
	text   string
	body   dict // nil: no body
}

func (a answer) kind() string {
	kind, _ := a.body["__type"].(string)
	return kind
}

func (a answer) list(name string) []dict {
	items, _ := a.body[name].([]any)
	out := make([]dict, len(items))
	for i, item := range items {
		out[i] = item.(dict)
	}
	return out
}

// raw sends a body as it is.
func raw(t testing.TB, k http.Handler, op, body string) answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", kinesisJSONType)
	r.Header.Set("X-Amz-Target", kinesisTarget+op)
	return serve(t, k, r)
}

func serve(t testing.TB, k http.Handler, r *http.Request) answer {
	t.Helper()
	w := httptest.NewRecorder()
	k.ServeHTTP(w, r)
	res := w.Result()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	a := answer{status: res.StatusCode, header: res.Header, text: string(text)}
	if len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &a.body); err != nil {
			t.Fatalf("answer %q is no JSON: %v", text, err)
		}
	}
	return a
}

// try makes a call that may fail.
func try(t testing.TB, k http.Handler, op string, in dict) answer {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return raw(t, k, op, string(body))
}

// do makes a call that must succeed.
func do(t testing.TB, k http.Handler, op string, in dict) answer {
	t.Helper()
	a := try(t, k, op, in)
	if a.status != http.StatusOK {
		t.Fatalf("%s %v = %d %s, want 200", op, in, a.status, a.text)
	}
	return a
}

// refuse makes a call that must fail with a __type and a text that holds part.
func refuse(t testing.TB, k http.Handler, op string, in dict, kind, part string) {
	t.Helper()
	a := try(t, k, op, in)
	if a.status != http.StatusBadRequest || a.kind() != kind || !strings.Contains(a.text, part) {
		t.Errorf("%s %v = %d %s, want 400 %s with %q", op, in, a.status, a.text, kind, part)
	}
}

// makeStream creates a stream and lets the clock run until it is ACTIVE.
func makeStream(t testing.TB, k *Kinesis, c *clock, name string, shards int) {
	t.Helper()
	do(t, k, "CreateStream", dict{"StreamName": name, "ShardCount": shards})
	c.Add(k.cfg.StatusDelay)
}

func statusOf(t testing.TB, k *Kinesis, name string) string {
	t.Helper()
	a := do(t, k, "DescribeStreamSummary", dict{"StreamName": name})
	return a.body["StreamDescriptionSummary"].(dict)["StreamStatus"].(string)
}

func shardsOf(t testing.TB, k *Kinesis, name string) []dict {
	t.Helper()
	return do(t, k, "ListShards", dict{"StreamName": name}).list("Shards")
}

// put stores a text and returns its sequence number.
func put(t testing.TB, k *Kinesis, stream, key, data string) string {
	t.Helper()
	a := do(t, k, "PutRecord", dict{"StreamName": stream, "PartitionKey": key, "Data": []byte(data)})
	return a.body["SequenceNumber"].(string)
}

func iterator(t testing.TB, k *Kinesis, stream, shard, kind string, more dict) string {
	t.Helper()
	in := dict{"StreamName": stream, "ShardId": shard, "ShardIteratorType": kind}
	maps.Copy(in, more)
	return do(t, k, "GetShardIterator", in).body["ShardIterator"].(string)
}

// readAll reads a shard from its oldest record until nothing is left.
func readAll(t testing.TB, k *Kinesis, stream, shard string) (records []dict) {
	t.Helper()
	next := iterator(t, k, stream, shard, trimHorizon, nil)
	for {
		a := do(t, k, "GetRecords", dict{"ShardIterator": next})
		records = append(records, a.list("Records")...)
		more, open := a.body["NextShardIterator"].(string)
		if !open || a.body["MillisBehindLatest"].(float64) == 0 {
			return records
		}
		next = more
	}
}

func shardIDs(shards []dict) []string {
	ids := make([]string, len(shards))
	for i, sh := range shards {
		ids[i] = sh["ShardId"].(string)
	}
	return ids
}

// TestStatuses walks a stream through all of its states.
func TestStatuses(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	do(t, k, "CreateStream", dict{"StreamName": "s", "ShardCount": 1})
	if got := statusOf(t, k, "s"); got != creating {
		t.Errorf("after CreateStream the status is %s, want %s", got, creating)
	}
	if got := shardsOf(t, k, "s"); len(got) != 0 {
		t.Errorf("a stream that is CREATING has shards %v, want none", got)
	}
	refuse(t, k, "PutRecord", dict{"StreamName": "s", "PartitionKey": "k", "Data": "eA=="}, "ResourceNotFoundException", "not found")
	refuse(t, k, "SplitShard", dict{"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "7"},
		"ResourceInUseException", "not ACTIVE, instead in state CREATING")
	c.Add(49 * time.Millisecond)
	if got := statusOf(t, k, "s"); got != creating {
		t.Errorf("after 49 ms the status is %s, want %s", got, creating)
	}
	c.Add(time.Millisecond)
	if got := statusOf(t, k, "s"); got != active {
		t.Errorf("after 50 ms the status is %s, want %s", got, active)
	}
	do(t, k, "UpdateShardCount", dict{"StreamName": "s", "TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"})
	if got := statusOf(t, k, "s"); got != updating {
		t.Errorf("after UpdateShardCount the status is %s, want %s", got, updating)
	}
	put(t, k, "s", "k", "writes work while UPDATING")
	c.Add(50 * time.Millisecond)
	if got := statusOf(t, k, "s"); got != active {
		t.Errorf("after the update the status is %s, want %s", got, active)
	}
	if got := do(t, k, "DeleteStream", dict{"StreamName": "s", "EnforceConsumerDeletion": true}); got.text != "" {
		t.Errorf("DeleteStream answered %q, want no body", got.text)
	}
	if got := statusOf(t, k, "s"); got != deleting {
		t.Errorf("after DeleteStream the status is %s, want %s", got, deleting)
	}
	refuse(t, k, "CreateStream", dict{"StreamName": "s", "ShardCount": 1}, "ResourceInUseException", "already exists")
	c.Add(50 * time.Millisecond)
	refuse(t, k, "DescribeStream", dict{"StreamName": "s"}, "ResourceNotFoundException", "Stream s under account 000000000000 not found.")
	if got := do(t, k, "ListStreams", dict{}).body["StreamNames"]; len(got.([]any)) != 0 {
		t.Errorf("ListStreams after the deletion = %v, want none", got)
	}
	makeStream(t, k, c, "s", 3)
	if got := readAll(t, k, "s", "shardId-000000000000"); len(got) != 0 {
		t.Errorf("a new stream of an old name holds %v, want nothing", got)
	}
}

// TestDescribeStream holds the whole answer, member by member.
func TestDescribeStream(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "golden", 2)
	got := do(t, k, "DescribeStream", dict{"StreamName": "golden"}).body
	want := dict{"StreamDescription": dict{
		"StreamName": "golden", "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/golden", "StreamStatus": "ACTIVE",
		"StreamModeDetails": dict{"StreamMode": "PROVISIONED"}, "StreamCreationTimestamp": 1795417547.868,
		"RetentionPeriodHours": 24.0, "EnhancedMonitoring": []any{dict{"ShardLevelMetrics": []any{}}}, "EncryptionType": "NONE",
		"HasMoreShards": false,
		"Shards": []any{
			dict{
				"ShardId":             "shardId-000000000000",
				"HashKeyRange":        dict{"StartingHashKey": "0", "EndingHashKey": "170141183460469231731687303715884105727"},
				"SequenceNumberRange": dict{"StartingSequenceNumber": makeSequence(1795417547, 0, 0, 1795417547).String()},
			},
			dict{
				"ShardId": "shardId-000000000001",
				"HashKeyRange": dict{
					"StartingHashKey": "170141183460469231731687303715884105728",
					"EndingHashKey":   "340282366920938463463374607431768211455",
				},
				"SequenceNumberRange": dict{"StartingSequenceNumber": makeSequence(1795417547, 1, 0, 1795417547).String()},
			},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DescribeStream (-want +got):\n%s", diff)
	}
}

func TestStreamARN(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	const own = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
	for _, op := range []string{"DescribeStream", "DescribeStreamSummary", "ListShards", "ListTagsForStream"} {
		do(t, k, op, dict{"StreamARN": own})
		do(t, k, op, dict{"StreamARN": own, "StreamName": "s"})
		refuse(t, k, op, dict{"StreamARN": own, "StreamName": "t"}, "InvalidArgumentException", "do not name the same stream")
		refuse(t, k, op, dict{"StreamARN": "arn:aws:kinesis:eu-west-1:000000000000:stream/s"}, "ResourceNotFoundException", "eu-west-1")
		refuse(t, k, op, dict{"StreamARN": "arn:aws:kinesis:us-east-1:111122223333:stream/s"}, "ResourceNotFoundException", "111122223333")
		refuse(t, k, op, dict{"StreamARN": "s"}, validationException, "Value 's' at 'streamARN' failed to satisfy constraint: "+
			`Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+`)
	}
	do(t, k, "PutRecord", dict{"StreamARN": own, "PartitionKey": "k", "Data": "eA=="})
	next := do(t, k, "GetShardIterator", dict{"StreamARN": own, "ShardId": "shardId-000000000000", "ShardIteratorType": trimHorizon})
	got := do(t, k, "GetRecords", dict{"StreamARN": own, "ShardIterator": next.body["ShardIterator"]}).list("Records")
	if len(got) != 1 {
		t.Errorf("GetRecords by ARN = %v, want one record", got)
	}
}

func TestOnDemand(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	do(t, k, "CreateStream", dict{"StreamName": "s", "StreamModeDetails": dict{"StreamMode": "ON_DEMAND"}})
	c.Add(time.Second)
	if got := len(shardsOf(t, k, "s")); got != 4 {
		t.Errorf("an ON_DEMAND stream has %d shards, want 4", got)
	}
	refuse(t, k, "UpdateShardCount", dict{"StreamName": "s", "TargetShardCount": 8, "ScalingType": "UNIFORM_SCALING"},
		validationException, "On-Demand")
	got := do(t, k, "DescribeLimits", dict{}).body
	want := dict{"ShardLimit": 1000.0, "OpenShardCount": 4.0, "OnDemandStreamCount": 1.0, "OnDemandStreamCountLimit": 50.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DescribeLimits (-want +got):\n%s", diff)
	}
}

func TestShardLimit(t *testing.T) {
	k, c := newTestKinesis(t, func(cfg *KinesisConfig) { cfg.ShardLimit = 3 })
	do(t, k, "CreateStream", dict{"StreamName": "a", "ShardCount": 2})
	refuse(t, k, "CreateStream", dict{"StreamName": "b", "ShardCount": 2}, limitExceededException,
		"Current shard count for the account: 2. Limit: 3. Number of additional shards that would have resulted from this request: 2.")
	c.Add(time.Second)
	do(t, k, "SplitShard", dict{"StreamName": "a", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "1000"})
	c.Add(time.Second)
	refuse(t, k, "SplitShard", dict{
		"StreamName": "a", "ShardToSplit": "shardId-000000000001",
		"NewStartingHashKey": "200000000000000000000000000000000000000",
	}, limitExceededException, "Limit: 3")
}

func TestTags(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	do(t, k, "CreateStream", dict{"StreamName": "s", "ShardCount": 1, "Tags": dict{"made": "at creation"}})
	c.Add(time.Second)
	do(t, k, "AddTagsToStream", dict{"StreamName": "s", "Tags": dict{"b": "2", "a": "1", "é": ""}})
	do(t, k, "RemoveTagsFromStream", dict{"StreamName": "s", "TagKeys": []string{"b", "not there"}})
	page := do(t, k, "ListTagsForStream", dict{"StreamName": "s", "Limit": 2})
	want := dict{"HasMoreTags": true, "Tags": []any{dict{"Key": "a", "Value": "1"}, dict{"Key": "made", "Value": "at creation"}}}
	if diff := cmp.Diff(want, page.body); diff != "" {
		t.Errorf("first page (-want +got):\n%s", diff)
	}
	page = do(t, k, "ListTagsForStream", dict{"StreamName": "s", "ExclusiveStartTagKey": "made"})
	want = dict{"HasMoreTags": false, "Tags": []any{dict{"Key": "é", "Value": ""}}}
	if diff := cmp.Diff(want, page.body); diff != "" {
		t.Errorf("second page (-want +got):\n%s", diff)
	}
	refuse(t, k, "AddTagsToStream", dict{"StreamName": "s", "Tags": dict{"a%b": ""}}, "InvalidArgumentException", "invalid characters")
	refuse(t, k, "AddTagsToStream", dict{"StreamName": "s", "Tags": dict{}}, validationException, "length greater than or equal to 1")
	many := dict{}
	for i := range 50 {
		many[strings.Repeat("x", i+1)] = ""
	}
	refuse(t, k, "AddTagsToStream", dict{"StreamName": "s", "Tags": many}, "InvalidArgumentException", "more than 50 tags")
	refuse(t, k, "AddTagsToStream", dict{"StreamName": "s", "Tags": dict{strings.Repeat("x", 129): ""}}, validationException, "Map keys")
}

func TestRetention(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	set := func(op string, hours int) dict { return dict{"StreamName": "s", "RetentionPeriodHours": hours} }
	do(t, k, "IncreaseStreamRetentionPeriod", set("", 48))
	refuse(t, k, "IncreaseStreamRetentionPeriod", set("", 47), "InvalidArgumentException", "can not be shorter than existing retention period (48 hours)")
	refuse(t, k, "DecreaseStreamRetentionPeriod", set("", 49), "InvalidArgumentException", "can not be longer")
	refuse(t, k, "DecreaseStreamRetentionPeriod", set("", 23), "InvalidArgumentException", "Minimum allowed retention period is 24 hours")
	refuse(t, k, "IncreaseStreamRetentionPeriod", set("", 8761), "InvalidArgumentException", "Maximum allowed retention period is 8760 hours")
	put(t, k, "s", "k", "old")
	c.Add(30 * time.Hour)
	put(t, k, "s", "k", "new")
	if got := readAll(t, k, "s", "shardId-000000000000"); len(got) != 2 {
		t.Errorf("after 30 of 48 hours %d records are kept, want 2", len(got))
	}
	do(t, k, "DecreaseStreamRetentionPeriod", set("", 24))
	got := readAll(t, k, "s", "shardId-000000000000")
	if len(got) != 1 || got[0]["Data"] != "bmV3" {
		t.Errorf("after 30 of 24 hours the records are %v, want the new one", got)
	}
	if k.Records("s") != 2 {
		t.Errorf("Records = %d, want 2: trimmed ones count", k.Records("s"))
	}
}

func TestLargeRecords(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	record := func(size int) dict {
		return dict{"StreamName": "s", "PartitionKey": "key", "Data": make([]byte, size)}
	}
	do(t, k, "PutRecord", record(1<<20-3))
	refuse(t, k, "PutRecord", record(1<<20-2), validationException, "less than or equal to 1048576 with the 3 bytes of its partition key")
	refuse(t, k, "PutRecord", record(1<<20+1), validationException,
		"Value 'java.nio.HeapByteBuffer[pos=0 lim=1048577 cap=1048577]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 1048576")
	refuse(t, k, "UpdateMaxRecordSize", dict{"StreamName": "s", "MaxRecordSizeInKiB": 10241}, validationException, "less than or equal to 10240")
	do(t, k, "UpdateMaxRecordSize", dict{"StreamARN": k.arn("s"), "MaxRecordSizeInKiB": 10240})
	if got := statusOf(t, k, "s"); got != updating {
		t.Errorf("status after UpdateMaxRecordSize = %s, want %s", got, updating)
	}
	c.Add(time.Second)
	do(t, k, "PutRecord", record(10<<20-3))
	refuse(t, k, "PutRecords", dict{"StreamName": "s", "Records": []dict{
		{"PartitionKey": "a", "Data": make([]byte, 5<<20)}, {"PartitionKey": "b", "Data": make([]byte, 5<<20)},
	}}, "InvalidArgumentException", "Records size exceeds 10 MB limit: 10485762 bytes")
	got := do(t, k, "DescribeStreamSummary", dict{"StreamName": "s"}).body["StreamDescriptionSummary"].(dict)["MaxRecordSizeInKiB"]
	if got != 10240.0 {
		t.Errorf("MaxRecordSizeInKiB = %v, want 10240", got)
	}
}

// TestValidation holds the texts of the service for each kind of fault.
func TestValidation(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	const v, ser, arg = validationException, serializationException, "InvalidArgumentException"
	entry := dict{"PartitionKey": "k", "Data": "eA=="}
	for _, tt := range []struct {
		name, op, body string
		kind, part     string
	}{
		{"no name", "CreateStream", `{"ShardCount":1}`, v, "1 validation error detected: Value null at 'streamName' failed to satisfy constraint: Member must not be null"},
		{"null is absent", "CreateStream", `{"StreamName":null,"ShardCount":1}`, v, "Value null at 'streamName'"},
		{"no stream at all", "PutRecord", `{"PartitionKey":"k","Data":""}`, v, "Value null at 'streamName'"},
		{"no shard count", "CreateStream", `{"StreamName":"x"}`, v, "Value null at 'shardCount'"},
		{"zero shards", "CreateStream", `{"StreamName":"x","ShardCount":0}`, v, "Value '0' at 'shardCount' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"bad name", "CreateStream", `{"StreamName":"a b","ShardCount":1}`, v, "Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		{"empty name breaks two rules", "CreateStream", `{"StreamName":"","ShardCount":1}`, v, "2 validation errors detected: Value '' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"bad mode", "CreateStream", `{"StreamName":"x","StreamModeDetails":{"StreamMode":"FREE"}}`, v, "Value 'FREE' at 'streamModeDetails.streamMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]"},
		{"empty key", "PutRecord", `{"StreamName":"s","PartitionKey":"","Data":""}`, v, "Value '' at 'partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"long key", "PutRecord", `{"StreamName":"s","PartitionKey":"` + strings.Repeat("é", 257) + `","Data":""}`, v, "at 'partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256"},
		{"no data", "PutRecord", `{"StreamName":"s","PartitionKey":"k"}`, v, "Value null at 'data'"},
		{"hash key is no number", "PutRecord", `{"StreamName":"s","PartitionKey":"k","Data":"","ExplicitHashKey":"01"}`, v, `Value '01' at 'explicitHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})`},
		{"hash key too large", "PutRecord", `{"StreamName":"s","PartitionKey":"k","Data":"","ExplicitHashKey":"340282366920938463463374607431768211456"}`, arg, "must be in the range: [0, 2^128-1]. Specified value was 340282366920938463463374607431768211456"},
		{"foreign sequence number", "PutRecord", `{"StreamName":"s","PartitionKey":"k","Data":"","SequenceNumberForOrdering":"7"}`, arg, "ExclusiveMinimumSequenceNumber 7 used in PutRecord"},
		{"no records", "PutRecords", `{"StreamName":"s"}`, v, "Value null at 'records'"},
		{"empty records", "PutRecords", `{"StreamName":"s","Records":[]}`, v, "Value '[]' at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"501 records", "PutRecords", `{"StreamName":"s","Records":[` + strings.TrimSuffix(strings.Repeat(`{"PartitionKey":"k","Data":""},`, 501), ",") + `]}`, v, "at 'records' failed to satisfy constraint: Member must have length less than or equal to 500"},
		{"faults of entries", "PutRecords", `{"StreamName":"s","Records":[{"PartitionKey":"k","Data":""},{"PartitionKey":"","Data":""},{"PartitionKey":"k"}]}`, v, "2 validation errors detected: Value '' at 'records.2.member.partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1; Value null at 'records.3.member.data' failed"},
		{"null entry", "PutRecords", `{"StreamName":"s","Records":[null]}`, v, "Value null at 'records.1.member' failed"},
		{"ten faults at most", "PutRecords", `{"StreamName":"s","Records":[` + strings.TrimSuffix(strings.Repeat(`{"PartitionKey":""},`, 9), ",") + `]}`, v, "10 validation errors detected"},
		{"number for text", "DescribeStream", `{"StreamName":7}`, ser, "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String"},
		{"text for number", "DescribeStream", `{"StreamName":"s","Limit":"1"}`, ser, "class java.lang.String can not be converted to an Integer"},
		{"list for text", "DescribeStream", `{"StreamName":["s"]}`, ser, "Start of list found where not expected"},
		{"text for list", "PutRecords", `{"StreamName":"s","Records":"x"}`, ser, "Expected list or null"},
		{"text for entry", "PutRecords", `{"StreamName":"s","Records":["x"]}`, ser, "Expected null"},
		{"text for map", "AddTagsToStream", `{"StreamName":"s","Tags":"x"}`, ser, "Expected map or null"},
		{"text for bool", "DeleteStream", `{"StreamName":"s","EnforceConsumerDeletion":"yes"}`, ser, "'YES' can not be converted to an Boolean"},
		{"base64 cut short", "PutRecord", `{"StreamName":"s","PartitionKey":"k","Data":"abc"}`, ser, "'abc' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 3"},
		{"base64 with a line end", "PutRecord", `{"StreamName":"s","PartitionKey":"k","Data":"ab\ncd=="}`, ser, "can not be converted to a Blob"},
		{"base64 with a dash", "PutRecord", `{"StreamName":"s","PartitionKey":"k","Data":"ab-d"}`, ser, "Invalid Base64 character: '-'"},
		{"base64 with bits left", "PutRecord", `{"StreamName":"s","PartitionKey":"k","Data":"eB=="}`, ser, "Invalid last non-pad Base64 character dectected"},
		{"limit of 0", "GetRecords", `{"ShardIterator":"x","Limit":0}`, v, "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"limit over 10000", "GetRecords", `{"ShardIterator":"x","Limit":10001}`, v, "Member must have value less than or equal to 10000"},
		{"no iterator", "GetRecords", `{"ShardIterator":"x"}`, arg, "Invalid ShardIterator."},
		{"cut off", "PutRecord", `{"StreamName":"s"`, ser, ""},
		{"two values", "PutRecord", `{} {}`, ser, ""},
		{"no object", "PutRecord", `[]`, ser, ""},
		{"bad UTF-8", "PutRecord", "{\"StreamName\":\"\xff\"}", ser, ""},
		{"no body", "PutRecord", ``, ser, ""},
		{"unknown operation", "SubscribeToShard", `{}`, "UnknownOperationException", ""},
		{"unknown operation, no JSON", "Nope", `{`, ser, ""},
		{"unknown operation, no body", "Nope", ``, "UnknownOperationException", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := raw(t, k, tt.op, tt.body)
			if a.status != http.StatusBadRequest || a.kind() != tt.kind || !strings.Contains(a.text, tt.part) {
				t.Errorf("%s %.200s\n got %d %s\nwant 400 %s %s", tt.op, tt.body, a.status, a.text, tt.kind, tt.part)
			}
			if a.header.Get("Content-Type") != kinesisJSONType {
				t.Errorf("Content-Type = %q, want %q", a.header.Get("Content-Type"), kinesisJSONType)
			}
		})
	}
	if got := k.Records("s"); got != 0 {
		t.Errorf("refused calls stored %d records, want 0", got)
	}
	do(t, k, "PutRecords", dict{"StreamName": "s", "Records": []dict{entry}, "NotInTheModel": dict{"x": 1}})
}

// TestFrame: requests that are no calls at all.
func TestFrame(t *testing.T) {
	k, _ := newTestKinesis(t, nil)
	for _, tt := range []struct {
		name, method, contentType, target string
		status                            int
		part                              string
	}{
		{"GET", http.MethodGet, kinesisJSONType, kinesisTarget + "ListStreams", 403, "<AccessDeniedException>"},
		{"no target", http.MethodPost, kinesisJSONType, "", 403, "Unable to determine service/operation name"},
		{"CBOR", http.MethodPost, "application/x-amz-cbor-1.1", kinesisTarget + "ListStreams", 404, "AWS_CBOR_DISABLE=true"},
		{"parameters are fine", http.MethodPost, kinesisJSONType + "; charset=utf-8", kinesisTarget + "ListStreams", 200, "StreamNames"},
		{"another service", http.MethodPost, kinesisJSONType, "DynamoDB_20120810.ListTables", 400, "UnknownOperationException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/", strings.NewReader("{}"))
			r.Header.Set("Content-Type", tt.contentType)
			if tt.target != "" {
				r.Header.Set("X-Amz-Target", tt.target)
			}
			a := serve(t, k, r)
			if a.status != tt.status || !strings.Contains(a.text, tt.part) {
				t.Errorf("got %d %s, want %d with %q", a.status, a.text, tt.status, tt.part)
			}
			if a.header.Get("X-Amzn-Requestid") == "" {
				t.Error("no x-amzn-RequestId")
			}
		})
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
	r.ContentLength = maxKinesisBody + 1
	r.Header.Set("Content-Type", kinesisJSONType)
	r.Header.Set("X-Amz-Target", kinesisTarget+"ListStreams")
	if a := serve(t, k, r); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over the limit: %d, want 413", a.status)
	}
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultKinesisConfig().Validate(); err != nil {
		t.Errorf("the default configuration is refused: %v", err)
	}
	for name, edit := range map[string]func(*KinesisConfig){
		"region":            func(c *KinesisConfig) { c.Region = "" },
		"account":           func(c *KinesisConfig) { c.Account = "12345678901x" },
		"iterator lifetime": func(c *KinesisConfig) { c.IteratorLifetime = 0 },
		"shard limit":       func(c *KinesisConfig) { c.ShardLimit = 0 },
		"byte cap":          func(c *KinesisConfig) { c.MaxBytes = 1 },
		"clock":             func(c *KinesisConfig) { c.Now = nil },
	} {
		cfg := DefaultKinesisConfig()
		edit(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Validate with a bad %s = %v, want an error that names it", name, err)
		}
	}
}

// TestNoNulls: AWS leaves a member out where it has no value.
func TestNoNulls(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 1)
	put(t, k, "s", "k", "x")
	next := iterator(t, k, "s", "shardId-000000000000", trimHorizon, nil)
	for op, in := range map[string]dict{
		"DescribeStream": {"StreamName": "s"}, "DescribeStreamSummary": {"StreamName": "s"}, "ListShards": {"StreamName": "s"},
		"ListStreams": {}, "DescribeLimits": {}, "ListTagsForStream": {"StreamName": "s"}, "GetRecords": {"ShardIterator": next},
	} {
		if a := do(t, k, op, in); strings.Contains(a.text, "null") {
			t.Errorf("%s answered a null: %s", op, a.text)
		}
	}
}

func sortedKeys(m dict) []string { return slices.Sorted(maps.Keys(m)) }
