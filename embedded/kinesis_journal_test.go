package embedded

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTrim: over the cap the oldest records go, of whatever stream, and TRIM_HORIZON moves.
func TestTrim(t *testing.T) {
	k, c := newTestKinesis(t, func(cfg *KinesisConfig) { cfg.MaxBytes = 1 << 20 })
	makeStream(t, k, c, "quiet", 1)
	makeStream(t, k, c, "busy", 2)
	put(t, k, "quiet", "k", "first of all")
	old := iterator(t, k, "busy", shard0, trimHorizon, nil)
	c.Add(time.Second)
	data := strings.Repeat("x", 10_000)
	var numbers []string
	for i := range 300 {
		numbers = append(numbers, put(t, k, "busy", fmt.Sprint(i), data))
		c.Add(time.Millisecond)
		if got := k.bytes.Load(); got > 1<<20+20_000 {
			t.Fatalf("after %d records %d bytes are kept, want at most %d", i, got, 1<<20)
		}
	}
	if got := readAll(t, k, "quiet", shard0); len(got) != 0 {
		t.Errorf("the oldest record is still there: %v", got)
	}
	first := func(records []dict) int {
		for i, n := range numbers {
			if len(records) > 0 && records[0]["SequenceNumber"] == n {
				return i
			}
		}
		return -1
	}
	a, b := readAll(t, k, "busy", shard0), readAll(t, k, "busy", "shardId-000000000001")
	kept := len(a) + len(b)
	if kept < 90 || kept > 104 {
		t.Errorf("%d records are kept, want about 100", kept)
	}
	// Both shards begin at about the same time, and end with the latest record.
	if lo, hi := min(first(a), first(b)), max(first(a), first(b)); lo != 300-kept || hi-lo > 20 {
		t.Errorf("the shards begin with records %d and %d, want both near %d", lo, hi, 300-kept)
	}
	got := do(t, k, "GetRecords", dict{"ShardIterator": old}).list("Records")
	if len(got) != len(a) {
		t.Errorf("an iterator of trimmed records gives %d records, want the %d that are left", len(got), len(a))
	}
	got = do(t, k, "GetRecords", dict{"ShardIterator": iterator(t, k, "busy", a0(t, numbers[0]), atSequence,
		dict{"StartingSequenceNumber": numbers[0]})}).list("Records")
	if len(got) == 0 {
		t.Error("an iterator at a trimmed record gives nothing, want what is left")
	}
	if k.Records("busy") != 300 {
		t.Errorf("Records = %d, want 300", k.Records("busy"))
	}
}

// a0 is the id of the shard in which a record is.
func a0(t *testing.T, number string) string {
	t.Helper()
	q, ok := parseSequence(number)
	if !ok {
		t.Fatalf("%s is refused", number)
	}
	return shardName(q.shard())
}

// TestBytesCounted: what is counted is what is kept, whatever was done.
func TestBytesCounted(t *testing.T) {
	k, c := newTestKinesis(t, nil)
	makeStream(t, k, c, "s", 2)
	for i := range 3000 { // enough for a shard to move its records
		put(t, k, "s", fmt.Sprint(i), "data")
		c.Add(time.Minute)
	}
	kept := int64(0)
	for _, sh := range k.streams["s"].shards {
		for _, r := range sh.kept() {
			kept += r.size()
		}
		if sh.Next-sh.First != uint64(len(sh.kept())) {
			t.Errorf("shard %s holds %d records from %d to %d", sh.id, len(sh.kept()), sh.First, sh.Next)
		}
	}
	if kept != k.bytes.Load() || kept == 0 {
		t.Errorf("%d bytes are counted, %d are kept", k.bytes.Load(), kept)
	}
	do(t, k, "DeleteStream", dict{"StreamName": "s"})
	if got := k.bytes.Load(); got != 0 {
		t.Errorf("%d bytes are kept of a deleted stream, want 0", got)
	}
}

// reopened returns a Kinesis on the same log.
func reopened(t *testing.T, dir string, c *clock, edit func(*KinesisConfig)) (*Kinesis, *bytes.Buffer) {
	t.Helper()
	cfg := DefaultKinesisConfig()
	cfg.Now, cfg.LogDir = c.Now, dir
	if edit != nil {
		edit(&cfg)
	}
	out := &bytes.Buffer{}
	k := NewKinesis(cfg, slog.New(slog.NewTextHandler(out, nil)))
	if err := k.Replay(); err != nil {
		t.Fatalf("replaying: %v", err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k, out
}

// world is all that a client can see.
func world(t *testing.T, k *Kinesis) dict {
	t.Helper()
	all := dict{"streams": do(t, k, "ListStreams", dict{}).body}
	for _, name := range all["streams"].(dict)["StreamNames"].([]any) {
		name := name.(string)
		all[name] = do(t, k, "DescribeStream", dict{"StreamName": name}).body
		all[name+" summary"] = do(t, k, "DescribeStreamSummary", dict{"StreamName": name}).body
		all[name+" tags"] = do(t, k, "ListTagsForStream", dict{"StreamName": name}).body
		all[name+" puts"] = k.Records(name)
		for _, sh := range shardsOf(t, k, name) {
			all[name+sh["ShardId"].(string)] = readAll(t, k, name, sh["ShardId"].(string))
		}
	}
	return all
}

// TestReplay does everything that changes something, and compares the world before and after.
func TestReplay(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	k, _ := reopened(t, dir, c, nil)
	makeStream(t, k, c, "gone", 1)
	put(t, k, "gone", "k", "x")
	makeStream(t, k, c, "s", 1)
	do(t, k, "AddTagsToStream", dict{"StreamName": "s", "Tags": dict{"a": "1"}})
	do(t, k, "IncreaseStreamRetentionPeriod", dict{"StreamName": "s", "RetentionPeriodHours": 48})
	do(t, k, "UpdateMaxRecordSize", dict{"StreamName": "s", "MaxRecordSizeInKiB": 2048})
	c.Add(time.Second)
	for i := range 50 {
		put(t, k, "s", fmt.Sprint(i), fmt.Sprint("record ", i))
	}
	do(t, k, "UpdateShardCount", dict{"StreamName": "s", "TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"})
	put(t, k, "s", "a", "while UPDATING")
	c.Add(time.Second)
	put(t, k, "s", "a", "after the update")
	do(t, k, "DeleteStream", dict{"StreamName": "gone"})
	makeStream(t, k, c, "empty", 3)
	do(t, k, "CreateStream", dict{"StreamName": "new", "ShardCount": 1})
	do(t, k, "MergeShards", dict{"StreamName": "s", "ShardToMerge": "shardId-000000000001", "AdjacentShardToMerge": "shardId-000000000002"})
	want := world(t, k)

	// The process is killed: nothing is closed. The log is read twice, the second time rewritten.
	for _, turn := range []string{"log", "rewritten log"} {
		k, _ = reopened(t, dir, c, nil)
		if diff := cmp.Diff(want, world(t, k)); diff != "" {
			t.Errorf("the world after the %s (-want +got):\n%s", turn, diff)
		}
	}
	c.Add(time.Second) // what was pending happens
	if got := statusOf(t, k, "new"); got != active {
		t.Errorf("the stream that was CREATING is %s, want %s", got, active)
	}
	ids, _ := openRanges(t, k, "s")
	if len(ids) != 1 {
		t.Errorf("open shards %v, want one: the merge was acknowledged", ids)
	}
	next := put(t, k, "s", "a", "goes on")
	got := readAll(t, k, "s", ids[0])
	if len(got) != 1 || got[0]["SequenceNumber"] != next {
		t.Errorf("the merged shard holds %v, want the new record", got)
	}
}

func TestReplayMustComeFirst(t *testing.T) {
	k, _ := newTestKinesis(t, func(cfg *KinesisConfig) { cfg.LogDir = t.TempDir() })
	if a := try(t, k, "ListStreams", dict{}); a.status != 500 || !strings.Contains(a.text, "call Replay before serving") {
		t.Errorf("got %d %s, want 500 that says what to do", a.status, a.text)
	}
}

// TestReplayDamaged: a log that was cut anywhere is read up to the last whole frame.
func TestReplayDamaged(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	k, _ := reopened(t, dir, c, nil)
	makeStream(t, k, c, "s", 1)
	for i := range 20 {
		put(t, k, "s", "k", fmt.Sprint("record ", i))
	}
	path := filepath.Join(dir, journalName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		damaged := bytes.Clone(whole)
		if at := len(whole) - 1 - r.IntN(len(whole)/2); r.IntN(2) == 0 {
			damaged = damaged[:at]
		} else {
			damaged[at] ^= 1 << r.IntN(8)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalName), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		k, _ := reopened(t, dir, c, nil)
		got := readAll(t, k, "s", shard0)
		for i, record := range got {
			if want := fmt.Sprint("record ", i); string(decode64(t, record["Data"].(string))) != want {
				t.Fatalf("record %d = %v, want %s", i, record, want)
			}
		}
		put(t, k, "s", "k", "goes on")
		k, out := reopened(t, dir, c, nil)
		if now := readAll(t, k, "s", shard0); len(now) != len(got)+1 {
			t.Errorf("%d records after the next start, want %d: %s", len(now), len(got)+1, out)
		}
	}
}

// TestLogRewritten: the log stays in proportion to what is kept.
func TestLogRewritten(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	k, _ := reopened(t, dir, c, func(cfg *KinesisConfig) { cfg.MaxBytes = 1 << 20 })
	makeStream(t, k, c, "s", 1)
	data := strings.Repeat("x", 100_000)
	for range 220 { // 22 MB, of which 1 is kept
		put(t, k, "s", "k", data)
		if got := k.journal.length(); got > 2<<20+journalSlack+200_000 {
			t.Fatalf("the log has %d bytes", got)
		}
	}
	info, err := os.Stat(filepath.Join(dir, journalName))
	if err != nil || info.Size() != k.journal.length() {
		t.Errorf("the file has %d bytes, %d are counted (%v)", info.Size(), k.journal.length(), err)
	}
	want := world(t, k)
	k, _ = reopened(t, dir, c, func(cfg *KinesisConfig) { cfg.MaxBytes = 1 << 20 })
	got := world(t, k)
	if got["s puts"] != want["s puts"] || k.Records("s") != 220 {
		t.Errorf("Records = %v, want 220", got["s puts"])
	}
}

// TestClosed: what cannot be logged is not acknowledged.
func TestClosed(t *testing.T) {
	c := newClock()
	k, _ := reopened(t, t.TempDir(), c, nil)
	makeStream(t, k, c, "s", 1)
	put(t, k, "s", "k", "x")
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if a := try(t, k, "PutRecord", dict{"StreamName": "s", "PartitionKey": "k", "Data": "eA=="}); a.status != 500 {
		t.Errorf("PutRecord with a closed log = %d %s, want 500", a.status, a.text)
	}
	if got := k.Records("s"); got != 1 {
		t.Errorf("Records = %d, want 1", got)
	}
}

// TestConcurrent: many writers, readers and resharders at once lose nothing and mix nothing up.
func TestConcurrent(t *testing.T) {
	cfg := DefaultKinesisConfig()
	cfg.StatusDelay = time.Millisecond
	cfg.LogDir = t.TempDir()
	k := NewKinesis(cfg, slog.New(slog.DiscardHandler))
	if err := k.Replay(); err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	do(t, k, "CreateStream", dict{"StreamName": "s", "ShardCount": 2})
	for try(t, k, "PutRecord", dict{"StreamName": "s", "PartitionKey": "first", "Data": ""}).status != 200 {
	}
	const writers, each = 8, 150
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				put(t, k, "s", fmt.Sprint(w, " ", i), fmt.Sprint(w))
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			try(t, k, "UpdateShardCount", dict{"StreamName": "s", "TargetShardCount": 2 + i%3, "ScalingType": "UNIFORM_SCALING"})
			do(t, k, "ListShards", dict{"StreamName": "s"})
		}
	})
	wg.Go(func() {
		for range 20 {
			readAll(t, k, "s", shard0)
			do(t, k, "ListStreams", dict{})
		}
	})
	wg.Wait()
	seen := map[string]bool{}
	for _, sh := range shardsOf(t, k, "s") {
		last := sequence{}
		for _, r := range readAll(t, k, "s", sh["ShardId"].(string)) {
			q, _ := parseSequence(r["SequenceNumber"].(string))
			if !last.less(q) {
				t.Errorf("shard %v: %s is not above %s", sh["ShardId"], q, last)
			}
			last = q
			seen[r["PartitionKey"].(string)] = true
		}
	}
	if len(seen) != writers*each+1 || k.Records("s") != writers*each+1 {
		t.Errorf("%d keys read, %d counted, want %d", len(seen), k.Records("s"), writers*each+1)
	}
}
