//go:build cgo

package stream

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"headrace/embedded"
	"headrace/kinesisclient"
	"headrace/lake/delta"
	"headrace/lake/sql"
	"headrace/lake/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is an in-process Kinesis and a directory for tables.
type house struct {
	t       *testing.T
	server  *httptest.Server
	kinesis *kinesisclient.Client
	tables  store.Store
}

func build(t *testing.T, tables store.Store, streams ...string) *house {
	t.Helper()
	cfg := embedded.DefaultKinesisConfig()
	cfg.StatusDelay = 0
	kinesis := embedded.NewKinesis(cfg, quiet())
	t.Cleanup(func() { _ = kinesis.Close() })
	server := httptest.NewServer(kinesis)
	t.Cleanup(server.Close)
	client := kinesisclient.DefaultConfig()
	client.Endpoint, client.Region, client.StaticKey, client.StaticSecret = server.URL, "us-east-1", "k", "s"
	c, err := kinesisclient.New(t.Context(), client, quiet(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	h := &house{t, server, c, tables}
	for _, stream := range streams {
		h.call("CreateStream", `{"StreamName":%q,"ShardCount":1}`, stream)
	}
	return h
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func dir(t testing.TB) *store.Dir {
	t.Helper()
	d, err := store.OpenDir(t.TempDir(), "tables")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// call makes a call that the client of this project may not know.
func (h *house) call(op, format string, args ...any) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.server.URL, strings.NewReader(fmt.Sprintf(format, args...)))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "Kinesis_20131202."+op)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0")
	req.Header.Set("X-Amz-Date", "20260101T000000Z")
	resp, err := h.server.Client().Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		h.t.Fatalf("%s: %d %s %v", op, resp.StatusCode, text, err)
	}
}

// put writes a record of a stream. Keys choose the shard.
func (h *house) put(stream, key string, data []byte) {
	h.t.Helper()
	h.call("PutRecord", `{"StreamName":%q,"PartitionKey":%q,"Data":%q}`, stream, key, base64.StdEncoding.EncodeToString(data))
}

// user is a user with that key.
func user(ind int) []byte {
	return fmt.Appendf(nil, `{"ind":%d,"first_name":" Maya ","last_name":"Ali","age":"20","date_joined":"2015-10-24 11:23:51"}`, ind)
}

// job is a job over the house's streams, with the keys given.
func (h *house) job(lines ...string) *Job {
	h.t.Helper()
	cfg, _, err := ParseConfig([]byte("tables.url=unused\ncommit.interval.ms=10\n" + strings.Join(lines, "\n")))
	if err != nil {
		h.t.Fatal(err)
	}
	pipeline, err := sql.Pinterest()
	if err != nil {
		h.t.Fatal(err)
	}
	j, err := New(cfg, h.kinesis, h.tables, "", pipeline, quiet(), prometheus.NewRegistry())
	if err != nil {
		h.t.Fatal(err)
	}
	return j
}

func (h *house) catchUp(lines ...string) *Job {
	h.t.Helper()
	j := h.job(lines...)
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	if err := j.RunUntilCaughtUp(ctx); err != nil {
		h.t.Fatal(err)
	}
	return j
}

type cleanUser struct {
	Ind    *int32     `parquet:"ind,optional"`
	Name   *string    `parquet:"user_name,optional"`
	Age    *int32     `parquet:"age,optional"`
	Joined *time.Time `parquet:"date_joined,optional,timestamp(microsecond)"`
}

// table reads a table's rows, in the order in which they were written.
func table[T any](h *house, name string) (rows []T) {
	h.t.Helper()
	table, err := delta.Load(h.t.Context(), h.tables, name, delta.DefaultConfig(), quiet())
	if errors.Is(err, delta.ErrNoTable) {
		return nil
	}
	if err != nil {
		h.t.Fatal(err)
	}
	files, err := table.Files()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range files {
		r, err := h.tables.Get(h.t.Context(), f.Key)
		if err != nil {
			h.t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			h.t.Fatal(err)
		}
		more, err := parquet.Read[T](bytes.NewReader(body), int64(len(body)))
		if err != nil {
			h.t.Fatal(err)
		}
		rows = append(rows, more...)
	}
	return rows
}

func inds(rows []cleanUser) (all []int) {
	for _, row := range rows {
		all = append(all, int(*row.Ind))
	}
	return all
}

func sequence(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

func TestRowsAndRejects(t *testing.T) {
	h := build(t, dir(t), "streaming-demo-user")
	const s = "streaming-demo-user"
	h.put(s, "k", user(0))
	h.put(s, "k", []byte(`"{\"ind\":1}"`)) // an object in a string
	h.put(s, "k", []byte(`{index=1, name=Maya}`))
	h.put(s, "k", []byte{0xff, 0xfe})
	h.put(s, "k", []byte(`{"ind":"none"}`))
	h.put(s, "k", user(2))
	j := h.catchUp("streams=" + s)
	rows := table[cleanUser](h, "demo_user_table")
	if got := inds(rows); !slices.Equal(got, sequence(3)) {
		t.Errorf("rows = %v, want 0, 1, 2", got)
	}
	joined := time.Date(2015, 10, 24, 11, 23, 51, 0, time.UTC)
	if diff := cmp.Diff(cleanUser{new(int32(0)), new("Maya Ali"), new(int32(20)), &joined}, rows[0]); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	type aside struct{ Reason, Text, Data string }
	var got []aside
	for _, r := range table[reject](h, "demo_rejects_table") {
		if *r.Stream != s || *r.Shard != "shardId-000000000000" || *r.Key != "k" || len(*r.Sequence) < 20 {
			t.Errorf("a reject does not say where it is from: %+v", r)
		}
		a := aside{Reason: *r.Reason, Data: string(r.Data)}
		if r.Text != nil {
			a.Text = *r.Text
		}
		got = append(got, a)
	}
	want := []aside{{sql.NoObject, `{index=1, name=Maya}`, ""}, {sql.NoObject, "", "\xff\xfe"}, {sql.NoKey, `{"ind":"none"}`, ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rejects (-want +got):\n%s", diff)
	}
	if s := j.Stats().Tables["demo_user_table"]; s.Rows != 3 || s.Rejects != 3 || s.Commits == 0 {
		t.Errorf("stats = %+v", s)
	}
	h.catchUp("streams=" + s) // nothing new: nothing twice
	if got := inds(table[cleanUser](h, "demo_user_table")); !slices.Equal(got, sequence(3)) {
		t.Errorf("rows after a second run = %v", got)
	}
	if n := len(table[reject](h, "demo_rejects_table")); n != 3 {
		t.Errorf("%d rejects after a second run, want 3", n)
	}
}

// TestKilledAnywhere: runs that end at random, over a store that fails before and after its writes
// land; each record is a row once, each bad one a reject once, and each shard keeps its order.
func TestKilledAnywhere(t *testing.T) {
	const n, s = 600, "streaming-demo-user"
	tables := &shaky{Dir: dir(t)}
	h := build(t, tables, s)
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := range n {
			h.put(s, "k", user(i))
			if i%10 == 0 {
				h.put(s, "k", fmt.Appendf(nil, `{"bad":%d}`, i))
			}
		}
	})
	for run := 0; ; run++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+rand.IntN(250))*time.Millisecond)
		if run > 60 {
			tables.calm.Store(true)
		}
		j := h.job("streams="+s, "commit.rows="+strconv.Itoa(1+rand.IntN(40)))
		_ = j.Run(ctx)
		cancel()
		if rows := table[cleanUser](h, "demo_user_table"); len(rows) >= n || run > 300 {
			break
		}
	}
	writing.Wait()
	tables.calm.Store(true)
	h.catchUp("streams=" + s)
	if got := inds(table[cleanUser](h, "demo_user_table")); !slices.Equal(got, sequence(n)) {
		t.Errorf("rows are not 0…%d once each in order: %v", n-1, got)
	}
	var bad []string
	for _, r := range table[reject](h, "demo_rejects_table") {
		bad = append(bad, *r.Text)
	}
	if len(bad) != n/10 || !slices.IsSortedFunc(bad, func(a, b string) int { return len(a) - len(b) }) {
		t.Errorf("%d rejects, want %d once each: %q", len(bad), n/10, bad)
	}
}

// TestSplitsAndMerges under load: no row is lost or doubled, and rows of one key stay in order.
func TestSplitsAndMerges(t *testing.T) {
	const n, s = 300, "streaming-demo-user"
	h := build(t, dir(t), s)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	j := h.job("streams=" + s)
	go func() { ended <- j.Run(ctx) }()
	for i := range n {
		switch i {
		case 100:
			h.call("SplitShard", `{"StreamName":%q,"ShardToSplit":"shardId-000000000000","NewStartingHashKey":"170141183460469231731687303715884105728"}`, s)
		case 200:
			h.call("MergeShards", `{"StreamName":%q,"ShardToMerge":"shardId-000000000001","AdjacentShardToMerge":"shardId-000000000002"}`, s)
		}
		h.put(s, fmt.Sprint("key ", i%7), user(i))
	}
	deadline := time.After(time.Minute)
	for len(table[cleanUser](h, "demo_user_table")) < n {
		select {
		case <-deadline:
			t.Fatalf("only %d of %d rows", len(table[cleanUser](h, "demo_user_table")), n)
		case err := <-ended:
			t.Fatalf("the job ended: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	got := inds(table[cleanUser](h, "demo_user_table"))
	last := map[int]int{}
	for _, ind := range got {
		if before, ok := last[ind%7]; ok && before >= ind {
			t.Errorf("row %d of a key comes behind row %d", ind, before)
		}
		last[ind%7] = ind
	}
	slices.Sort(got)
	if !slices.Equal(got, sequence(n)) {
		t.Errorf("rows = %v, want each once", got)
	}
}

// TestTwoJobsOfOneName: they must not run at the same time, and if they do, nothing is doubled.
func TestTwoJobsOfOneName(t *testing.T) {
	const n, s = 200, "streaming-demo-user"
	h := build(t, dir(t), s)
	ctx, stop := context.WithCancel(t.Context())
	var both sync.WaitGroup
	for range 2 {
		j := h.job("streams="+s, "commit.rows=7")
		both.Go(func() { _ = j.Run(ctx) })
	}
	for i := range n {
		h.put(s, "k", user(i))
	}
	deadline := time.After(time.Minute)
	for len(table[cleanUser](h, "demo_user_table")) < n {
		select {
		case <-deadline:
			t.Error("not all rows came")
			n := len(table[cleanUser](h, "demo_user_table"))
			t.Log(n)
			stop()
			both.Wait()
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	stop()
	both.Wait()
	if got := inds(table[cleanUser](h, "demo_user_table")); !slices.Equal(got, sequence(n)) {
		t.Errorf("rows = %v, want each once in order", got)
	}
}

func TestStartPositions(t *testing.T) {
	const s = "streaming-demo-user"
	h := build(t, dir(t), s)
	h.put(s, "k", user(0))
	h.catchUp("streams="+s, "start.position=latest", "job.name=new")
	h.put(s, "k", user(1))
	if got := inds(table[cleanUser](h, "demo_user_table")); len(got) != 0 {
		t.Errorf("latest read %v, want nothing", got)
	}
	h.catchUp("streams="+s, "start.position="+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "job.name=time")
	if got := inds(table[cleanUser](h, "demo_user_table")); !slices.Equal(got, sequence(2)) {
		t.Errorf("an hour ago read %v, want 0 and 1", got)
	}
}

func TestStreamsByRegex(t *testing.T) {
	h := build(t, dir(t), "streaming-a-user", "streaming-b-user", "other-user-x")
	h.put("streaming-a-user", "k", user(0))
	h.put("streaming-b-user", "k", user(0))
	h.catchUp("streams.regex=streaming-.*")
	for _, name := range []string{"a_user_table", "b_user_table"} {
		if got := inds(table[cleanUser](h, name)); !slices.Equal(got, sequence(1)) {
			t.Errorf("%s has rows %v", name, got)
		}
	}
}

func TestWrongStreams(t *testing.T) {
	h := build(t, dir(t), "streaming-demo-boards")
	for stream, word := range map[string]string{"streaming-demo-boards": `"boards", and the pipeline has tables for pin, geo, user`, "streaming-demo-pin": "ResourceNotFound"} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := h.job("streams=" + stream).RunUntilCaughtUp(ctx); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v, want an error with %s", stream, err, word)
		}
		cancel()
	}
}

func TestOwnPipeline(t *testing.T) {
	files := t.TempDir()
	for name, text := range map[string]string{
		"pipeline.yaml":     "tables:\n- {name: boards, key: id, fields: [id, title], columns: [id integer, title string]}\nquestions: []\n",
		"tables/boards.sql": "SELECT TRY_CAST(id AS INT) AS id, upper(title) AS title, pos FROM boards_raw",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(files, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(files, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := build(t, dir(t), "streaming-demo-boards")
	h.put("streaming-demo-boards", "k", []byte(`{"id":1,"title":"x"}`))
	j := h.job("streams=streaming-demo-boards")
	var err error
	if j.pipeline, err = sql.Load(os.DirFS(files)); err != nil {
		t.Fatal(err)
	}
	if err := j.RunUntilCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	type board struct {
		ID    *int32  `parquet:"id,optional"`
		Title *string `parquet:"title,optional"`
	}
	if diff := cmp.Diff([]board{{new(int32(1)), new("X")}}, table[board](h, "demo_boards_table")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
