package kinesisclient

import (
	"context"
	"crypto/md5" // #nosec: the format's checksum
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"headrace/embedded"
)

// startEmbedded serves an in-process Kinesis with a stream "s" of that many shards.
func startEmbedded(t *testing.T, shards int, change func(*embedded.KinesisConfig)) *Client {
	t.Helper()
	cfg := embedded.DefaultKinesisConfig()
	cfg.StatusDelay = 0
	if change != nil {
		change(&cfg)
	}
	kinesis := embedded.NewKinesis(cfg, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = kinesis.Close() })
	server := httptest.NewServer(kinesis)
	t.Cleanup(server.Close)
	c := newClient(t, func(cfg *Config) { cfg.Endpoint = server.URL })
	tell(t, c, OpCreateStream, map[string]any{"StreamName": "s", "ShardCount": shards})
	return c
}

// tell makes a call that need not be one of this room's.
func tell(t *testing.T, c *Client, op string, request any) map[string]any {
	t.Helper()
	if c.operations[op] == nil {
		c.operations[op] = &operation{name: op, target: []string{targetPrefix + op}, calls: c.operations[OpPutRecord].calls}
	}
	answer := map[string]any{}
	if err := c.ask(t.Context(), op, request, &answer); err != nil && !strings.Contains(err.Error(), "unexpected end of JSON") {
		t.Fatal(err)
	}
	return answer
}

func write(t *testing.T, c *Client, key, data string) {
	t.Helper()
	tell(t, c, OpPutRecord, map[string]any{"StreamName": "s", "PartitionKey": key, "Data": []byte(data)})
}

// data are the records' data up to n of them, or to the shard's end.
func data(t *testing.T, r *Reader, n int) (all []string, end bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(all) < n && !end {
		page, err := r.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page.Records {
			all = append(all, string(rec.Data))
		}
		end = page.End
	}
	return all, end
}

func TestShardsAreFollowedToTheirEnd(t *testing.T) {
	c := startEmbedded(t, 1, nil)
	for i := range 3 {
		write(t, c, "k", fmt.Sprint("before ", i))
	}
	tell(t, c, "SplitShard", map[string]any{"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "170141183460469231731687303715884105728"})
	write(t, c, "k", "after")
	shards, err := c.Shards(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	parent := []string{"shardId-000000000000"}
	want := []Shard{{ID: parent[0], Closed: true}, {ID: "shardId-000000000001", Parents: parent}, {ID: "shardId-000000000002", Parents: parent}}
	if diff := cmp.Diff(want, shards); diff != "" {
		t.Errorf("shards (-want +got):\n%s", diff)
	}
	all, end := data(t, c.NewReader("s", parent[0], Position{}), 99)
	if !slices.Equal(all, []string{"before 0", "before 1", "before 2"}) || !end {
		t.Errorf("the parent gave %q, end %v", all, end)
	}
	names, err := c.StreamNames(t.Context())
	if err != nil || !slices.Equal(names, []string{"s"}) {
		t.Errorf("StreamNames = %v, %v", names, err)
	}
	if _, err := c.Shards(t.Context(), "none"); !isClass(err, ClassNotFound) {
		t.Errorf("Shards of no stream = %v", err)
	}
}

func TestReaderBeginsWhereAsked(t *testing.T) {
	c := startEmbedded(t, 1, nil)
	write(t, c, "k", "one")
	r := c.NewReader("s", "shardId-000000000000", Position{})
	page, err := r.Read(t.Context())
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("Read = %v, %v", page, err)
	}
	first := page.Records[0]
	if first.PartitionKey != "k" || string(first.Data) != "one" || time.Since(first.Arrived).Abs() > time.Minute || page.Behind != 0 || page.End {
		t.Errorf("page = %+v", page)
	}
	now := time.Now().Add(time.Millisecond)
	for time.Now().Before(now) {
		continue
	}
	write(t, c, "k", "two")
	for name, from := range map[string]Position{"after": {After: first.SequenceNumber}, "at": {At: now}} {
		if all, _ := data(t, c.NewReader("s", "shardId-000000000000", from), 1); !slices.Equal(all, []string{"two"}) {
			t.Errorf("%s: %q, want two", name, all)
		}
	}
}

// TestExpiredIterators: the reader goes on behind the last record.
func TestExpiredIterators(t *testing.T) {
	clock := time.Now()
	c := startEmbedded(t, 1, func(cfg *embedded.KinesisConfig) {
		cfg.IteratorLifetime, cfg.Now = time.Second, func() time.Time { return clock }
	})
	r := c.NewReader("s", "shardId-000000000000", Position{})
	write(t, c, "k", "one")
	if all, _ := data(t, r, 1); !slices.Equal(all, []string{"one"}) {
		t.Fatalf("read %q", all)
	}
	write(t, c, "k", "two")
	clock = clock.Add(2 * time.Second)
	var api *APIError
	if _, err := r.Read(t.Context()); !errors.As(err, &api) || api.Type != "ExpiredIteratorException" {
		t.Fatalf("Read = %v, want the expired iterator", err)
	}
	if all, _ := data(t, r, 1); !slices.Equal(all, []string{"two"}) {
		t.Errorf("read %q, want two", all)
	}
}

// pack is what the Kinesis Producer Library sends for records that it packed together.
func pack(keys []string, records ...[2]any) []byte {
	var body []byte
	for _, key := range keys {
		body = protowire.AppendString(protowire.AppendTag(body, 1, protowire.BytesType), key)
	}
	for _, rec := range records {
		one := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(rec[0].(int)))
		one = protowire.AppendString(protowire.AppendTag(one, 3, protowire.BytesType), rec[1].(string))
		body = protowire.AppendBytes(protowire.AppendTag(body, 3, protowire.BytesType), one)
	}
	sum := md5.Sum(body) // #nosec
	return slices.Concat(packMark, body, sum[:])
}

func TestPackedRecords(t *testing.T) {
	good := pack([]string{"a", "b"}, [2]any{0, "x"}, [2]any{1, "y"}, [2]any{0, ""})
	torn := slices.Clone(good)
	torn[len(torn)-1] ^= 1
	tests := []struct {
		name string
		data []byte
		want []Record
	}{
		{"two keys", good, []Record{{Data: []byte("x"), PartitionKey: "a", SequenceNumber: "7"}, {Data: []byte("y"), PartitionKey: "b", SequenceNumber: "7", Sub: 1}, {Data: []byte{}, PartitionKey: "a", SequenceNumber: "7", Sub: 2}}},
		{"a wrong checksum", torn, []Record{{Data: torn, PartitionKey: "k", SequenceNumber: "7"}}},
		{"a key that is not there", pack([]string{"a"}, [2]any{1, "x"}), nil},
		{"the mark alone", packMark, nil},
		{"ordinary", []byte(`{"a":1}`), nil},
	}
	for _, tt := range tests {
		want := tt.want
		if want == nil {
			want = []Record{{Data: tt.data, PartitionKey: "k", SequenceNumber: "7"}}
		}
		if diff := cmp.Diff(want, unpack(nil, Record{Data: tt.data, PartitionKey: "k", SequenceNumber: "7"})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(pack([]string{"a", "b"}, [2]any{0, "x"}, [2]any{1, "y"}))
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := md5.Sum(body) // #nosec
		for _, rec := range unpack(nil, Record{Data: slices.Concat(packMark, body, sum[:]), SequenceNumber: "1"}) {
			if rec.SequenceNumber != "1" {
				t.Errorf("record = %+v", rec)
			}
		}
	})
}

func TestNullsAreAbsent(t *testing.T) {
	got, err := parseRecords([]byte(`{"ChildShards":null,"MillisBehindLatest":7,"NextShardIterator":null,"Records":[{"Data":"eA==","PartitionKey":"k","SequenceNumber":"1","EncryptionType":null}]}`))
	if err != nil || got.next != "" || got.Behind != 7*time.Millisecond || len(got.Records) != 1 || string(got.Records[0].Data) != "x" {
		t.Errorf("parseRecords = %+v, %v", got, err)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"Records":[{"Data":"e30=","PartitionKey":"k","SequenceNumber":"1","ApproximateArrivalTimestamp":1.5}],"NextShardIterator":"i","MillisBehindLatest":0}`))
	f.Add([]byte(`{"Records":[{"Data":null}],"NextShardIterator":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseRecords(body)
		for _, rec := range got.Records {
			if err == nil && rec.SequenceNumber == "" {
				t.Errorf("record = %+v", rec)
			}
		}
	})
}

// BenchmarkReadRecords is an answer of 1,000 records of 600 bytes.
func BenchmarkReadRecords(b *testing.B) {
	one := fmt.Sprintf(`{"ApproximateArrivalTimestamp":1763971200.123,"Data":%q,"PartitionKey":"key","SequenceNumber":"49660000000000000000000000000000000000000000000000000001"}`, base64.StdEncoding.EncodeToString(make([]byte, 600)))
	body := []byte(`{"MillisBehindLatest":0,"NextShardIterator":"i","Records":[` + strings.Repeat(one+",", 999) + one + `]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		got, err := parseRecords(slices.Clone(body))
		if err != nil || len(got.Records) != 1000 {
			b.Fatal(err)
		}
	}
}
