package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"headrace/lake/store"
)

// pin is a row of the tables in these tests.
type pin struct {
	Ind         *int32     `parquet:"ind,optional"`
	Title       *string    `parquet:"title,optional"`
	Coordinates []*float64 `parquet:"coordinates,optional,list"`
	At          *time.Time `parquet:"at,optional,timestamp(microsecond)"`
}

var pins = Schema{{Name: "ind", Type: Integer}, {Name: "title", Type: String}, {Name: "coordinates", Type: Double, List: true}, {Name: "at", Type: Timestamp}}

// rows are pins first…first+n-1; every tenth has nulls.
func rows(first, n int) []pin {
	var all []pin
	for i := first; i < first+n; i++ {
		row := pin{Ind: new(int32(i)), Title: new(fmt.Sprintf("title %d", i)), Coordinates: []*float64{new(float64(i) / 2), nil}}
		row.At = new(time.UnixMicro(1_600_000_000_000_000 + int64(i)*1001).UTC())
		if i%10 == 9 {
			row.Title, row.Coordinates, row.At = nil, nil, nil
		}
		all = append(all, row)
	}
	return all
}

func parquetOf[T any](t testing.TB, rows []T) []byte {
	t.Helper()
	var body bytes.Buffer
	if err := parquet.Write(&body, rows, parquet.Compression(&parquet.Snappy)); err != nil {
		t.Fatal(err)
	}
	return body.Bytes()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func openDir(t testing.TB) *store.Dir {
	t.Helper()
	d, err := store.OpenDir(t.TempDir(), "lake")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func open(t testing.TB, in store.Store) *Table {
	t.Helper()
	table, err := Open(t.Context(), in, "tables/pin", pins, DefaultConfig(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func appendRows(t testing.TB, table *Table, rows []pin, txns ...Txn) int64 {
	t.Helper()
	f, err := table.Write(t.Context(), parquetOf(t, rows))
	if err != nil {
		t.Fatal(err)
	}
	version, err := table.Append(t.Context(), []File{f}, "", txns...)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// contents are the rows of the table, in file order, as a newcomer to the log sees them.
func contents(t testing.TB, in store.Store) []pin {
	t.Helper()
	table, err := Load(t.Context(), in, "tables/pin", DefaultConfig(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	files, err := table.Files()
	if err != nil {
		t.Fatal(err)
	}
	var all []pin
	for _, f := range files {
		body := object(t, in, f.Key)
		if int64(len(body)) != f.Size {
			t.Errorf("%s has %d bytes, the log says %d", f.Key, len(body), f.Size)
		}
		rows, err := parquet.Read[pin](bytes.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rows...)
	}
	return all
}

func object(t testing.TB, in store.Store, key string) []byte {
	t.Helper()
	r, err := in.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func inds(rows []pin) []int32 {
	var all []int32
	for _, row := range rows {
		all = append(all, *row.Ind)
	}
	return all
}

func TestAppendedRowsAreRead(t *testing.T) {
	dir := openDir(t)
	table := open(t, dir)
	if table.Version() != 0 {
		t.Errorf("a new table has version %d, want 0", table.Version())
	}
	for i := range 25 { // over two checkpoints
		if got := appendRows(t, table, rows(10*i, 10), Txn{"job/pin", int64(i)}); got != int64(i+1) {
			t.Errorf("append %d made version %d, want %d", i, got, i+1)
		}
	}
	if diff := cmp.Diff(rows(0, 250), contents(t, dir)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	again := open(t, dir)
	if last, ok := again.Last("job/pin"); !ok || last != 24 || again.Version() != 25 {
		t.Errorf("opened again: Last = %d, %v, version %d; want 24, true, 25", last, ok, again.Version())
	}
	if _, ok := again.Last("other"); ok {
		t.Error("an application that never wrote has a version")
	}
}

// TestLogText holds the log to the bytes that other engines read. Ids, times and sizes vary.
func TestLogText(t *testing.T) {
	dir := openDir(t)
	table := open(t, dir)
	appendRows(t, table, rows(5, 5), Txn{"job/pin", 7})
	text := string(object(t, dir, "tables/pin/_delta_log/00000000000000000000.json")) + string(object(t, dir, "tables/pin/_delta_log/00000000000000000001.json"))
	for _, want := range []string{
		`{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}` + "\n",
		`"format":{"provider":"parquet","options":{}}`, `"partitionColumns":[],"configuration":{},"createdTime":1`,
		`"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"ind\",\"type\":\"integer\",\"nullable\":true,\"metadata\":{}}`,
		`{\"name\":\"coordinates\",\"type\":{\"type\":\"array\",\"elementType\":\"double\",\"containsNull\":true},\"nullable\":true,\"metadata\":{}}`,
		`"operation":"STREAMING UPDATE","operationParameters":{"outputMode":"Append"}`, `"isBlindAppend":true`,
		`{"txn":{"appId":"job/pin","version":7,"lastUpdated":1`,
		`"partitionValues":{}`, `"dataChange":true`,
		`"stats":"{\"numRecords\":5,\"minValues\":{\"at\":\"2020-09-13T12:26:40.005Z\",\"ind\":5,\"title\":\"title 5\"},\"maxValues\":{\"at\":\"2020-09-13T12:26:40.008Z\",\"ind\":9,\"title\":\"title 8\"},\"nullCount\":{\"at\":1,\"ind\":0,\"title\":1}}"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log has no %s:\n%s", want, text)
		}
	}
}

func TestTransactionsLandOnce(t *testing.T) {
	dir := openDir(t)
	table, other := open(t, dir), open(t, dir)
	appendRows(t, table, rows(0, 1), Txn{"a", 1}, Txn{"b", 5})
	f, err := other.Write(t.Context(), parquetOf(t, rows(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []Txn{{"a", 1}, {"a", 0}, {"b", 5}} { // other has not seen the commit yet
		if _, err := other.Append(t.Context(), []File{f}, "", x); !errors.Is(err, ErrCovered) {
			t.Errorf("Append with %v = %v, want ErrCovered", x, err)
		}
	}
	if _, err := other.Append(t.Context(), []File{f}, "", Txn{"a", 2}); err != nil {
		t.Error(err)
	}
	if got := inds(contents(t, dir)); !slices.Equal(got, []int32{0, 1}) {
		t.Errorf("rows = %v, want 0 and 1", got)
	}
}

// TestWritersAtOnce: many tables on one folder, none loses a commit of another.
func TestWritersAtOnce(t *testing.T) {
	const writers, each = 6, 12
	dir := openDir(t)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			table := open(t, dir) // one makes it, the others find it
			for i := range each {
				appendRows(t, table, rows(w*each+i, 1), Txn{fmt.Sprint("writer ", w), int64(i)})
			}
		})
	}
	all.Wait()
	got := inds(contents(t, dir))
	slices.Sort(got)
	if want := inds(rows(0, writers*each)); !slices.Equal(got, want) {
		t.Errorf("rows = %v, want each once", got)
	}
	if v := open(t, dir).Version(); v != writers*each {
		t.Errorf("version = %d, want %d", v, writers*each)
	}
}

// unsure is a directory whose commits may fail, before or after they landed.
type unsure struct {
	*store.Dir
	mu     sync.Mutex
	faults []string // of the next commits: "before", "after", "" for none
}

func (s *unsure) PutNew(ctx context.Context, key string, body []byte) error {
	s.mu.Lock()
	fault := ""
	if len(s.faults) > 0 {
		fault, s.faults = s.faults[0], s.faults[1:]
	}
	s.mu.Unlock()
	if fault == "before" {
		return &store.Error{Op: "putting", Key: key, Err: errors.New("503 slow down")}
	}
	err := s.Dir.PutNew(ctx, key, body)
	if fault == "after" && err == nil {
		return &store.Error{Op: "putting", Key: key, Err: errors.New("connection reset")}
	}
	return err
}

func TestLostAnswers(t *testing.T) {
	for _, faults := range [][]string{{"after"}, {"before"}, {"before", "after"}, {"after", "before"}, {"before", "before", "after"}} {
		t.Run(strings.Join(faults, " "), func(t *testing.T) {
			in := &unsure{Dir: openDir(t)}
			table := open(t, in)
			other := open(t, in.Dir)
			appendRows(t, other, rows(0, 1)) // so that the first number is taken, too
			in.faults = faults
			if v := appendRows(t, table, rows(1, 1)); v != 2 {
				t.Errorf("the append made version %d, want 2", v)
			}
			if got := inds(contents(t, in)); !slices.Equal(got, []int32{0, 1}) {
				t.Errorf("rows = %v, want each once", got)
			}
		})
	}
}

func TestCommitEndsWithItsContext(t *testing.T) {
	in := &unsure{Dir: openDir(t)}
	table := open(t, in)
	f, err := table.Write(t.Context(), parquetOf(t, rows(0, 1)))
	if err != nil {
		t.Fatal(err)
	}
	in.faults = slices.Repeat([]string{"before"}, 1000)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := table.Append(ctx, []File{f}, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Append = %v, want the deadline", err)
	}
}

func TestLogWithoutItsBeginning(t *testing.T) {
	dir := openDir(t)
	table := open(t, dir)
	for i := range 23 {
		appendRows(t, table, rows(i, 1), Txn{"job", int64(i)})
	}
	want := contents(t, dir)
	log := func(name string) string { return "tables/pin/_delta_log/" + name }
	remove := func(keys ...string) {
		for _, key := range keys {
			if err := dir.Delete(t.Context(), log(key)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for v := range 20 {
		remove(fmt.Sprintf("%020d.json", v))
	}
	check := func(what string) {
		t.Helper()
		if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
			t.Errorf("%s: rows (-want +got):\n%s", what, diff)
		}
		if last, _ := open(t, dir).Last("job"); last != 22 {
			t.Errorf("%s: Last = %d, want 22", what, last)
		}
	}
	check("commits cleaned away")
	if err := dir.Put(t.Context(), log("_last_checkpoint"), []byte(`{"version":`)); err != nil {
		t.Fatal(err)
	}
	check("a torn _last_checkpoint")
	if err := dir.Put(t.Context(), log("_last_checkpoint"), []byte(`{"version":10,"size":13}`)); err != nil {
		t.Fatal(err)
	}
	remove("00000000000000000010.checkpoint.parquet")
	check("a pointer to a checkpoint that is gone")
	if err := dir.Put(t.Context(), log("00000000000000000020.checkpoint.parquet"), []byte("PAR1")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), dir, "tables/pin", DefaultConfig(), quiet()); err == nil || !strings.Contains(err.Error(), "neither commit 0 nor a checkpoint") {
		t.Errorf("Load without any beginning = %v, want an error that says so", err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	const protocol = `{"protocol":{"minReaderVersion":%d,"minWriterVersion":%d}}` + "\n"
	const meta = `{"metaData":{"id":"x","format":{"provider":"%s","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"ind\",\"type\":\"integer\",\"nullable\":%t,\"metadata\":{%s}}]}","partitionColumns":[%s],"configuration":{}}}` + "\n"
	one := Schema{{Name: "ind", Type: Integer}}
	tests := []struct {
		name    string
		log     string
		columns Schema
		want    error
		word    string
		load    bool // it can be read all the same
	}{
		{"a newer reader", fmt.Sprintf(protocol+meta, 3, 7, "parquet", true, "", ""), one, ErrProtocol, "reader version 3", false},
		{"a newer writer", fmt.Sprintf(protocol+meta, 1, 4, "parquet", true, "", ""), one, ErrProtocol, "writer version 4", true},
		{"partitions", fmt.Sprintf(protocol+meta, 1, 2, "parquet", true, "", `"ind"`), one, ErrProtocol, "partitioned by ind", true},
		{"invariants", fmt.Sprintf(protocol+meta, 1, 2, "parquet", true, `\"delta.invariants\":\"x > 1\"`, ""), one, ErrProtocol, "delta.invariants", true},
		{"no nulls", fmt.Sprintf(protocol+meta, 1, 2, "parquet", false, "", ""), one, ErrProtocol, "no nulls", true},
		{"another format", fmt.Sprintf(protocol+meta, 1, 2, "orc", true, "", ""), one, ErrProtocol, `"orc"`, true},
		{"another type", fmt.Sprintf(protocol+meta, 1, 2, "parquet", true, "", ""), Schema{{Name: "ind", Type: Long}}, ErrSchema, "ind integer, ind long", true},
		{"a column too many", fmt.Sprintf(protocol+meta, 1, 2, "parquet", true, "", ""), pins, ErrSchema, "no column 2, title string", true},
		{"a torn commit", `{"protocol":{"minReaderV`, one, nil, "00000000000000000000.json", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := openDir(t)
			if err := dir.Put(t.Context(), "t/_delta_log/00000000000000000000.json", []byte(tt.log)); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), dir, "t", tt.columns, DefaultConfig(), quiet())
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.word) {
				t.Errorf("Open = %v, want %v that names %q", err, tt.want, tt.word)
			}
			if _, err := Load(t.Context(), dir, "t", DefaultConfig(), quiet()); (err == nil) != tt.load {
				t.Errorf("Load = %v, want success: %v", err, tt.load)
			}
		})
	}
	if _, err := Load(t.Context(), openDir(t), "none", DefaultConfig(), quiet()); !errors.Is(err, ErrNoTable) {
		t.Errorf("Load of nothing = %v, want ErrNoTable", err)
	}
}

// TestProtocolRaisedMeanwhile: a table that another engine upgrades while we write is not written further.
func TestProtocolRaisedMeanwhile(t *testing.T) {
	dir := openDir(t)
	table := open(t, dir)
	if err := dir.PutNew(t.Context(), "tables/pin/_delta_log/00000000000000000001.json", []byte(`{"protocol":{"minReaderVersion":3,"minWriterVersion":7}}`)); err != nil {
		t.Fatal(err)
	}
	f, err := table.Write(t.Context(), parquetOf(t, rows(0, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.Append(t.Context(), []File{f}, ""); !errors.Is(err, ErrProtocol) {
		t.Errorf("Append = %v, want ErrProtocol", err)
	}
}

func TestFilesWithOtherColumns(t *testing.T) {
	table := open(t, openDir(t))
	for name, body := range map[string][]byte{
		"fewer columns": parquetOf(t, []struct {
			Ind int32 `parquet:"ind"`
		}{{1}}),
		"another type": parquetOf(t, []struct {
			Ind         int64      `parquet:"ind"`
			Title       string     `parquet:"title"`
			Coordinates []float64  `parquet:"coordinates,list"`
			At          *time.Time `parquet:"at,timestamp(microsecond)"`
		}{{}}),
		"no list": parquetOf(t, []struct {
			Ind         int32      `parquet:"ind"`
			Title       string     `parquet:"title"`
			Coordinates []float64  `parquet:"coordinates"`
			At          *time.Time `parquet:"at,timestamp(microsecond)"`
		}{{}}),
		"milliseconds": parquetOf(t, []struct {
			Ind         int32      `parquet:"ind"`
			Title       string     `parquet:"title"`
			Coordinates []float64  `parquet:"coordinates,list"`
			At          *time.Time `parquet:"at,timestamp(millisecond)"`
		}{{}}),
	} {
		if _, err := table.Write(t.Context(), body); !errors.Is(err, ErrSchema) {
			t.Errorf("%s: Write = %v, want ErrSchema", name, err)
		}
	}
	if _, err := table.Write(t.Context(), []byte("no Parquet")); err == nil {
		t.Error("Write takes what is no Parquet file")
	}
}

func TestCompactKeepsRowsAndOrder(t *testing.T) {
	dir := openDir(t)
	table, other := open(t, dir), open(t, dir)
	for i := range 30 {
		appendRows(t, table, rows(i*10, 10), Txn{"job", int64(i)})
	}
	before := contents(t, dir)
	from, to, err := other.Compact(t.Context(), 1<<20)
	if err != nil || from != 30 || to != 1 {
		t.Fatalf("Compact = %d, %d, %v; want 30 into 1", from, to, err)
	}
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	appendRows(t, table, rows(300, 10), Txn{"job", 30})
	if diff := cmp.Diff(rows(0, 310), contents(t, dir)); diff != "" {
		t.Errorf("rows after one more append (-want +got):\n%s", diff)
	}
	if last, _ := open(t, dir).Last("job"); last != 30 {
		t.Errorf("Last = %d, want 30", last)
	}
	if from, to, err := other.Compact(t.Context(), 1000); err != nil || from != 0 || to != 0 {
		t.Errorf("Compact of nothing small = %d, %d, %v", from, to, err)
	}
}

// TestCompactGivesWay: two compactions of the same files; one wins, no row is there twice.
func TestCompactGivesWay(t *testing.T) {
	dir := openDir(t)
	table := open(t, dir)
	for i := range 8 {
		appendRows(t, table, rows(i, 1))
	}
	var both sync.WaitGroup
	for range 2 {
		compacting := open(t, dir)
		both.Go(func() {
			if _, _, err := compacting.Compact(t.Context(), 1<<20); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if got := inds(contents(t, dir)); !slices.Equal(got, inds(rows(0, 8))) {
		t.Errorf("rows = %v, want each once", got)
	}
}

func TestVacuum(t *testing.T) {
	base := t.TempDir()
	dir, err := store.OpenDir(base, "lake")
	if err != nil {
		t.Fatal(err)
	}
	table := open(t, dir)
	for i := range 5 {
		appendRows(t, table, rows(i, 1))
	}
	if _, err := table.Write(t.Context(), parquetOf(t, rows(9, 1))); err != nil { // an orphan
		t.Fatal(err)
	}
	if _, _, err := table.Compact(t.Context(), 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, _, err := table.Vacuum(t.Context(), time.Hour, false, false); err == nil || !strings.Contains(err.Error(), "less than") {
		t.Errorf("Vacuum of an hour = %v, want a refusal", err)
	}
	if files, _, err := table.Vacuum(t.Context(), MinRetention, false, false); err != nil || files != 0 {
		t.Errorf("Vacuum = %d, %v; want nothing deleted: all is new", files, err)
	}
	orphan := filepath.Join(base, "lake", "tables", "pin")
	old := time.Now().Add(-2 * MinRetention)
	files, err := filepath.Glob(filepath.Join(orphan, "*.parquet"))
	if err != nil || len(files) != 7 {
		t.Fatalf("the folder has %d files, want 7", len(files))
	}
	for _, f := range files {
		if err := os.Chtimes(f, old, old); err != nil {
			t.Fatal(err)
		}
	}
	for _, dry := range []bool{true, false} { // what compaction replaced stays a week after it was replaced
		if n, size, err := table.Vacuum(t.Context(), MinRetention, false, dry); err != nil || n != 1 || size == 0 {
			t.Errorf("Vacuum(dry %v) = %d files, %d bytes, %v; want the orphan", dry, n, size, err)
		}
	}
	if n, _, err := table.Vacuum(t.Context(), -time.Hour, true, false); err != nil || n != 5 {
		t.Errorf("a forced Vacuum = %d, %v; want the 5 replaced files", n, err)
	}
	if got := inds(contents(t, dir)); !slices.Equal(got, inds(rows(0, 5))) {
		t.Errorf("rows = %v after the vacuum", got)
	}
}

func TestNotes(t *testing.T) {
	dir := openDir(t)
	table := open(t, dir)
	for _, note := range []string{"one", "", "two", "three"} {
		f, err := table.Write(t.Context(), parquetOf(t, rows(0, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := table.Append(t.Context(), []File{f}, note); err != nil {
			t.Fatal(err)
		}
	}
	notes := func(after int64) (all []string) {
		for note, err := range open(t, dir).Notes(t.Context(), after) {
			if err != nil {
				t.Error(err)
			}
			all = append(all, note)
		}
		return all
	}
	if got := notes(-1); !slices.Equal(got, []string{"three", "two", "one"}) {
		t.Errorf("notes = %q, want all, newest first", got)
	}
	if got := notes(3); !slices.Equal(got, []string{"three"}) {
		t.Errorf("notes after version 3 = %q", got)
	}
	if err := dir.Delete(t.Context(), "tables/pin/_delta_log/00000000000000000002.json"); err != nil {
		t.Fatal(err)
	}
	table.snap.version = 4
	var got []string
	for note, err := range table.Notes(t.Context(), -1) {
		if err != nil {
			t.Error(err)
		}
		got = append(got, note)
	}
	if !slices.Equal(got, []string{"three", "two"}) {
		t.Errorf("notes of a log whose beginning is gone = %q", got)
	}
}

func TestParseColumn(t *testing.T) {
	for _, c := range pins {
		if got, err := ParseColumn(c.String()); got != c || err != nil {
			t.Errorf("ParseColumn(%s) = %v, %v", c, got, err)
		}
	}
	for _, text := range []string{"", "a", " integer", "a int", "a array<integer", "a array<array<integer>>", "a integer "} {
		if got, err := ParseColumn(text); err == nil || !strings.Contains(err.Error(), "timestamp") {
			t.Errorf("ParseColumn(%q) = %v, %v; want an error that names the types", text, got, err)
		}
	}
}

func TestSchemaText(t *testing.T) {
	text, err := pins.text()
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := parseSchema(text)
	if diff := cmp.Diff(pins, back); diff != "" || err != nil {
		t.Errorf("schema (-want +got): %v\n%s", err, diff)
	}
	other, _, err := parseSchema(`{"type":"struct","fields":[{"name":"d","type":"decimal(10,2)","nullable":true,"metadata":{}},{"name":"s","type":{"type":"struct","fields":[]},"nullable":true,"metadata":{}}]}`)
	if err != nil || other[0].Type != "decimal(10,2)" || other[1].Type != `{"type":"struct","fields":[]}` {
		t.Errorf("foreign types = %v, %v", other, err)
	}
}

// TestStats: what the footer of a file with long texts, nulls only, or two row groups says.
func TestStats(t *testing.T) {
	long := strings.Repeat("x", maxStatBytes+1)
	var body bytes.Buffer
	w := parquet.NewGenericWriter[pin](&body)
	for _, group := range [][]pin{rows(20, 3), rows(0, 3), {{Ind: new(int32(-7)), Title: &long}}} {
		if _, err := w.Write(group); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	table := open(t, openDir(t))
	f, err := table.Write(t.Context(), body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"numRecords":7,"minValues":{"at":"2020-09-13T12:26:40.000Z","ind":-7},"maxValues":{"at":"2020-09-13T12:26:40.022Z","ind":22},"nullCount":{"at":1,"ind":0,"title":0}}`
	if *f.add.Stats != want || f.Rows != 7 {
		t.Errorf("stats of %d rows = %s\nwant %s", f.Rows, *f.add.Stats, want)
	}
}

func FuzzLog(f *testing.F) {
	f.Add([]byte(`{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}` + "\n" + `{"add":{"path":"a%20b","size":1}}`))
	f.Add([]byte(`{"metaData":{"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":{\"type\":\"array\"}}]}"}}`))
	f.Add([]byte(`{"remove":{"path":"x"}} {"txn":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		actions, err := decode(text)
		if err != nil {
			return
		}
		s := noTable()
		if s.advance(actions) != nil {
			if s.version != -1 || len(s.adds)+len(s.txns) > 0 {
				t.Errorf("a commit that fails left version %d, %d files", s.version, len(s.adds))
			}
			return
		}
		if s.meta.SchemaString == nil {
			return // half a table has no checkpoint
		}
		again := noTable()
		if err := again.advance(s.actions(0)); err != nil || len(again.adds) != len(s.adds) || len(again.txns) != len(s.txns) {
			t.Errorf("the checkpoint of %d files and %d transactions has %d and %d: %v", len(s.adds), len(s.txns), len(again.adds), len(again.txns), err)
		}
	})
}

// BenchmarkAppend is a commit of 1,000 rows to a directory, each made durable.
func BenchmarkAppend(b *testing.B) {
	table := open(b, openDir(b))
	body := parquetOf(b, rows(0, 1000))
	b.ReportAllocs()
	for b.Loop() {
		f, err := table.Write(b.Context(), body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := table.Append(b.Context(), []File{f}, ""); err != nil {
			b.Fatal(err)
		}
	}
}
