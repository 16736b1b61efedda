package kinesisclient

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// batchOf returns a batch of one record per key.
func batchOf(keys ...string) *Batch {
	b := &Batch{Body: NewBody()}
	out := []byte(`{"StreamName":"s1","Records":[`)
	for i, key := range keys {
		if i > 0 {
			out = append(out, ',')
		}
		from := len(out)
		out = fmt.Appendf(out, `{"Data":"eA==","PartitionKey":%q}`, key)
		b.Entries = append(b.Entries, Entry{Start: from, End: len(out), Size: 1 + len(key), Key: key})
	}
	out = append(out, "]}"...)
	b.Body.Bytes = out
	return b
}

// results writes the answer to a call: the code for each key, empty for stored. The sequence
// number of a stored record is its key.
func results(keys []string, code func(i int, key string) string) string {
	var list []string
	failed := 0
	for i, key := range keys {
		if c := code(i, key); c != "" {
			list = append(list, fmt.Sprintf(`{"ErrorCode":%q,"ErrorMessage":"m"}`, c))
			failed++
			continue
		}
		list = append(list, fmt.Sprintf(`{"SequenceNumber":%q,"ShardId":"shardId-000000000000"}`, key))
	}
	return fmt.Sprintf(`{"EncryptionType":"KMS","FailedRecordCount":%d,"Records":[%s]}`, failed, strings.Join(list, ","))
}

const passing = "ProvisionedThroughputExceededException"

// scripted answers call number n with the codes that script gives for the key.
func scripted(t *testing.T, script func(n int, key string) string) *upstream {
	return &upstream{answer: func(w http.ResponseWriter, n int, c call) {
		reply(w, 200, results(c.keys(t), func(_ int, key string) string { return script(n, key) }))
	}}
}

// outcome is an answer to PutRecords in brief: the sequence number or error code per record.
func outcome(t *testing.T, answer *Answer) (list []string, failed int) {
	t.Helper()
	var body struct {
		FailedRecordCount int
		EncryptionType    string
		Records           []struct{ SequenceNumber, ErrorCode string }
	}
	if err := json.Unmarshal(answer.Body, &body); err != nil {
		t.Fatalf("answer %s: %v", answer.Body, err)
	}
	for _, r := range body.Records {
		list = append(list, r.SequenceNumber+r.ErrorCode)
	}
	if body.EncryptionType != "KMS" {
		t.Errorf("EncryptionType %q was not relayed", body.EncryptionType)
	}
	return list, body.FailedRecordCount
}

func callKeys(t *testing.T, u *upstream) (all []string) {
	t.Helper()
	for _, c := range u.seen() {
		all = append(all, strings.Join(c.keys(t), " "))
	}
	return all
}

func TestPutRecordsResendsOnlyWhatFailed(t *testing.T) {
	cases := []struct {
		name    string
		keys    string
		change  func(*Config)
		script  func(n int, key string) string
		calls   []string
		outcome string
		failed  int
	}{
		{
			name: "all stored", keys: "a b c",
			script: func(int, string) string { return "" },
			calls:  []string{"a b c"}, outcome: "a b c",
		},
		{
			name: "failed ones recover in their places", keys: "a b c d",
			script: func(n int, key string) string {
				if n == 0 && (key == "b" || key == "d") || n == 1 && key == "d" {
					return passing
				}
				return ""
			},
			calls: []string{"a b c d", "b d", "d"}, outcome: "a b c d",
		},
		{
			name: "a record that fails for ever is reported, not dropped", keys: "a b",
			script: func(_ int, key string) string {
				if key == "b" {
					return "InternalFailure"
				}
				return ""
			},
			calls: []string{"a b", "b", "b", "b"}, outcome: "a InternalFailure", failed: 1,
		},
		{
			name: "codes that do not pass are not sent again", keys: "a b c",
			script: func(_ int, key string) string {
				return map[string]string{"a": "KMSAccessDeniedException", "b": "", "c": "SomethingNew"}[key]
			},
			calls: []string{"a b c"}, outcome: "KMSAccessDeniedException b SomethingNew", failed: 2,
		},
		{
			name: "turned off", keys: "a b",
			change: func(cfg *Config) { cfg.RetryFailed = 0 },
			script: func(int, string) string { return "KMSThrottlingException" },
			calls:  []string{"a b"}, outcome: "KMSThrottlingException KMSThrottlingException", failed: 2,
		},
		{
			name: "ordered: a key stops at its first failure", keys: "k k k a b b",
			change: func(cfg *Config) { cfg.Ordered = true },
			script: func(n int, key string) string {
				if n == 0 && (key == "k" || key == "a") {
					return passing
				}
				return ""
			},
			// a is alone, so it cannot overtake anything; of k three failed.
			calls: []string{"k k k a b b", "a"}, outcome: passing + " " + passing + " " + passing + " a b b", failed: 3,
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			u := scripted(t, tc.script)
			c := start(t, u, tc.change)
			answer, err := c.PutRecords(t.Context(), batchOf(strings.Fields(tc.keys)...))
			if err != nil {
				t.Fatal(err)
			}
			got, failed := outcome(t, answer)
			if diff := cmp.Diff(strings.Fields(tc.outcome), got); diff != "" || failed != tc.failed {
				t.Errorf("FailedRecordCount %d, want %d; results -want +got:\n%s", failed, tc.failed, diff)
			}
			if diff := cmp.Diff(tc.calls, callKeys(t, u)); diff != "" {
				t.Errorf("calls: -want +got:\n%s", diff)
			}
			if answer.RequestID != "req-1" {
				t.Errorf("request id %q", answer.RequestID)
			}
		})
	}
}

// TestOrderedLastFailure: of two records of a key the first is stored and the last fails; it
// can be sent again. Where the first failed and the last is stored, it cannot.
func TestOrderedLastFailure(t *testing.T) {
	for failing, want := range map[int][]string{1: {"k k", "k"}, 0: {"k k"}} {
		u := &upstream{answer: func(w http.ResponseWriter, n int, c call) {
			reply(w, 200, results(c.keys(t), func(i int, _ string) string {
				if n == 0 && i == failing {
					return passing
				}
				return ""
			}))
		}}
		c := start(t, u, func(cfg *Config) { cfg.Ordered = true })
		if _, err := c.PutRecords(t.Context(), batchOf("k", "k")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, callKeys(t, u)); diff != "" {
			t.Errorf("record %d fails: calls -want +got:\n%s", failing, diff)
		}
	}
}

func TestPutRecordsWaitsBetweenRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := scripted(t, func(int, string) string { return passing })
		c := startVirtual(t, u, nil)
		if _, err := c.PutRecords(t.Context(), batchOf("a", "b")); err != nil {
			t.Fatal(err)
		}
		calls := u.seen()
		if len(calls) != 4 {
			t.Fatalf("%d calls, want 4", len(calls))
		}
		for i := 1; i < len(calls); i++ {
			if wait := calls[i].at.Sub(calls[i-1].at); wait < leastPause || wait > firstPause<<(i-1) {
				t.Errorf("round %d came after %v", i, wait)
			}
		}
	})
}

func TestPutRecordsRelaysSuccessAsItIs(t *testing.T) {
	text := `{"Records": [{"SequenceNumber":"1","ShardId":"shardId-000000000000"}], "FailedRecordCount": 0}`
	c := start(t, &upstream{answer: answerText(200, text)}, nil)
	answer, err := c.PutRecords(t.Context(), batchOf("a"))
	if err != nil || string(answer.Body) != text {
		t.Errorf("answer %s, error %v; want the upstream's bytes", answer.Body, err)
	}
}

// TestPutRecordsNullCodes: one stand-in writes "ErrorCode":null beside each stored record.
func TestPutRecordsNullCodes(t *testing.T) {
	u := &upstream{answer: func(w http.ResponseWriter, n int, _ call) {
		if n > 0 {
			t.Errorf("call %d: nothing had failed", n)
		}
		reply(w, 200, `{"EncryptionType":null,"FailedRecordCount":0,"Records":[{"ErrorCode":null,"ErrorMessage":null,"SequenceNumber":"1","ShardId":"s"}]}`)
	}}
	c := start(t, u, nil)
	answer, err := c.PutRecords(t.Context(), batchOf("a"))
	if want := `{"FailedRecordCount":0,"Records":[{"SequenceNumber":"1","ShardId":"s"}]}`; err != nil || string(answer.Body) != want {
		t.Errorf("answer %s, error %v; want %s", answer.Body, err, want)
	}
}

func TestPutRecordsUnreadableAnswers(t *testing.T) {
	for _, text := range []string{
		`{"Records":[{"ErrorCode":"InternalFailure"}]}`,
		`{"Records":[{"ErrorCode":"X"},{},{}]}`,
		`{"Records":{"ErrorCode":1}}`,
		`{"Records":[{"ErrorCode":"X"},{]}`,
		`{"Records":[{"ErrorCode":7},{}]}`,
	} {
		c := start(t, &upstream{answer: answerText(200, text)}, nil)
		if answer, err := c.PutRecords(t.Context(), batchOf("a", "b")); !isClass(err, ClassServer) {
			t.Errorf("%s: answer %v, error %v; want an error of the service", text, answer, err)
		}
	}
}

// TestFailureAfterAPartialSuccess: what is stored is reported, whatever happens afterwards.
func TestFailureAfterAPartialSuccess(t *testing.T) {
	cases := []struct {
		name   string
		answer func(http.ResponseWriter)
	}{
		{"the service fails", func(w http.ResponseWriter) { reply(w, 500, failed500) }},
		{"the stream is gone", func(w http.ResponseWriter) { reply(w, 400, `{"__type":"ResourceNotFoundException"}`) }},
		{"the answer is no answer", func(w http.ResponseWriter) { reply(w, 200, `{"Records":[]}`) }},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			u := &upstream{answer: func(w http.ResponseWriter, n int, c call) {
				if n > 0 {
					tc.answer(w)
					return
				}
				reply(w, 200, results(c.keys(t), func(i int, _ string) string {
					if i == 1 {
						return passing
					}
					return ""
				}))
			}}
			c := start(t, u, nil)
			answer, err := c.PutRecords(t.Context(), batchOf("a", "b", "c"))
			if err != nil {
				t.Fatal(err)
			}
			got, failed := outcome(t, answer)
			if diff := cmp.Diff([]string{"a", passing, "c"}, got); diff != "" || failed != 1 {
				t.Errorf("FailedRecordCount %d; results -want +got:\n%s", failed, diff)
			}
		})
	}
}

func manyKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	return keys
}

func TestSplit(t *testing.T) {
	u := scripted(t, func(n int, key string) string {
		if n == 1 && key == "501" {
			return passing
		}
		return ""
	})
	c := start(t, u, nil)
	keys := manyKeys(1201)
	answer, err := c.PutRecords(t.Context(), batchOf(keys...))
	if err != nil {
		t.Fatal(err)
	}
	got, failed := outcome(t, answer)
	if diff := cmp.Diff(keys, got); diff != "" || failed != 0 {
		t.Errorf("FailedRecordCount %d; results -want +got:\n%s", failed, diff)
	}
	var sizes []int
	for _, c := range u.seen() {
		sizes = append(sizes, len(c.keys(t)))
	}
	if diff := cmp.Diff([]int{500, 500, 1, 201}, sizes); diff != "" {
		t.Errorf("records per call: -want +got:\n%s", diff)
	}
}

func TestSplitByBytes(t *testing.T) {
	entries := []Entry{{Size: 6 << 20}, {Size: 4 << 20}, {Size: 1}, {Size: 11 << 20}, {Size: 1}}
	var ends []int
	for from := 0; from < len(entries); {
		from = chunkEnd(entries, from)
		ends = append(ends, from)
	}
	if diff := cmp.Diff([]int{2, 3, 4, 5}, ends); diff != "" {
		t.Errorf("ends of the calls: -want +got:\n%s", diff)
	}
}

// TestSplitFailures: the first call failing whole is an error, a later one shows in the results.
func TestSplitFailures(t *testing.T) {
	for failing := range 2 {
		u := &upstream{answer: func(w http.ResponseWriter, _ int, c call) {
			keys := c.keys(t)
			if keys[0] == []string{"0", "500"}[failing] {
				reply(w, 400, `{"__type":"ResourceNotFoundException","message":"gone"}`)
				return
			}
			reply(w, 200, results(keys, func(int, string) string { return "" }))
		}}
		c := start(t, u, nil)
		answer, err := c.PutRecords(t.Context(), batchOf(manyKeys(1200)...))
		if failing == 0 {
			if !isClass(err, ClassNotFound) || len(u.seen()) != 1 {
				t.Errorf("error %v after %d calls, want the first call's", err, len(u.seen()))
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got, failed := outcome(t, answer)
		if failed != 700 || got[499] != "499" || got[500] != "ResourceNotFoundException" || got[1199] != "ResourceNotFoundException" || len(u.seen()) != 2 {
			t.Errorf("%d failed, %d calls, results %v", failed, len(u.seen()), got[498:502])
		}
	}
}

func TestSplitOrdered(t *testing.T) {
	keys := manyKeys(1000)
	keys[10], keys[600], keys[700] = "k", "k", "k"
	u := scripted(t, func(_ int, key string) string {
		if key == "k" {
			return passing
		}
		return ""
	})
	c := start(t, u, func(cfg *Config) { cfg.Ordered, cfg.RetryFailed = true, 0 })
	answer, err := c.PutRecords(t.Context(), batchOf(keys...))
	if err != nil {
		t.Fatal(err)
	}
	got, failed := outcome(t, answer)
	if failed != 3 || got[600] != "InternalFailure" || len(u.seen()[1].keys(t)) != 498 {
		t.Errorf("%d failed, record 600 %q, second call of %d records; want the later records of the key held back", failed, got[600], len(u.seen()[1].keys(t)))
	}
}

func BenchmarkSign(b *testing.B) {
	body := bodyOf(`{"StreamName":"s1","Data":"` + strings.Repeat("A", 800) + `","PartitionKey":"p"}`)
	cfg := DefaultConfig()
	op := &operation{name: OpPutRecord, target: []string{targetPrefix + OpPutRecord}}
	c := &Client{cfg: cfg}
	c.cfg.StaticKey, c.cfg.StaticSecret, c.cfg.Endpoint = "a", "b", "http://kinesis.test"
	s, err := c.open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	creds, err := s.creds.Retrieve(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(body.Bytes)))
	for b.Loop() {
		if err := s.sign(b.Context(), creds, s.request(b.Context(), op, body), body.Bytes, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
