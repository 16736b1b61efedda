//go:build cgo

package sql

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func start(t testing.TB, p *Pipeline) *DB {
	t.Helper()
	d, err := Open(t.Context(), Config{MemoryBytes: 512 << 20, Threads: 2, TempDir: filepath.Join(t.TempDir(), "duckdb")}, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return d
}

func pinterest(t testing.TB) *Pipeline {
	t.Helper()
	p, err := Pinterest()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type counts struct{ Records, Rejected, Rows int }

// golden cleans the recorded events and counts them.
func golden(t testing.TB, d *DB, table string) counts {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "golden", "raw", table+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var n counts
	for line := range bytes.Lines(raw) {
		reason, err := d.Add(t.Context(), table, int64(n.Records), bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		n.Records++
		if reason != "" {
			n.Rejected++
		}
	}
	if err := d.Clean(t.Context(), table, true); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestGoldenTables: the cleaned tables are those that an independent PySpark made of the same events.
func TestGoldenTables(t *testing.T) {
	p := pinterest(t)
	d := start(t, p)
	for _, table := range p.Tables {
		golden(t, d, table.Name)
		var names []string
		for _, column := range table.Columns {
			name, of, _ := strings.Cut(column, " ")
			if of == "timestamp" {
				name = fmt.Sprintf("strftime(%q, '%%Y-%%m-%%dT%%H:%%M:%%S.%%f') AS %q", name, name)
			}
			names = append(names, name)
		}
		got, err := d.Ask(t.Context(), Question{Name: table.Name, SQL: fmt.Sprintf("SELECT CAST(to_json(row) AS VARCHAR) FROM (SELECT %s FROM `%s` ORDER BY ind) AS row", strings.Join(names, ", "), table.Name)})
		if err != nil {
			t.Fatal(err)
		}
		want := expected(t, table.Name)
		if len(got.Rows) != len(want) {
			t.Errorf("table %s has %d rows, want %d", table.Name, len(got.Rows), len(want))
		}
		for i := range min(len(got.Rows), len(want)) {
			row := map[string]any{}
			if err := json.Unmarshal([]byte(got.Rows[i][0].(string)), &row); err != nil {
				t.Fatal(err)
			}
			asTime(t, row, "2006-01-02T15:04:05.000000")
			asTime(t, want[i], time.RFC3339Nano)
			if diff := cmp.Diff(want[i], row); diff != "" {
				t.Errorf("table %s, row %d (-want +got):\n%s", table.Name, i, diff)
			}
		}
	}
}

// asTime makes times of a row's texts.
func asTime(t *testing.T, row map[string]any, layout string) {
	t.Helper()
	for _, name := range []string{"timestamp", "date_joined"} {
		text, ok := row[name].(string)
		if !ok {
			continue
		}
		at, err := time.Parse(layout, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		row[name] = at
	}
}

func expected(t *testing.T, table string) (rows []map[string]any) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "golden", "expected", table+".jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	text, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(text); lines.Scan(); {
		row := map[string]any{}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// TestGoldenAnswers: the ten result tables are those of the same PySpark, in order.
func TestGoldenAnswers(t *testing.T) {
	var want map[string]json.RawMessage
	text, err := os.ReadFile(filepath.Join("testdata", "golden", "expected", "answers.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	p := pinterest(t)
	d := start(t, p)
	got := map[string]counts{}
	for _, table := range p.Tables {
		n := golden(t, d, table.Name)
		rows, err := d.Ask(t.Context(), Question{SQL: "SELECT count(*) FROM `" + table.Name + "`"})
		if err != nil {
			t.Fatal(err)
		}
		n.Rows = int(rows.Rows[0][0].(int64))
		got[table.Name] = n
	}
	wantCounts := map[string]counts{}
	if err := json.Unmarshal(want["_counts"], &wantCounts); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantCounts, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	numbers := []string{"q1", "q2a", "q2b", "q3a", "q3b", "q4", "q5", "q6", "q7", "q8"}
	for i, q := range p.Questions {
		same(t, d, q, want[numbers[i]+"_"+q.Name])
	}
	p.Words["users"] = "ALL"
	rows := *p
	if rows.Questions[7].SQL, err = rows.query(mustSub(t), "questions", "users_joined_by_year"); err != nil {
		t.Fatal(err)
	}
	same(t, d, rows.Questions[7], want["q6_variant_rows_not_people"])
}

func same(t *testing.T, d *DB, q Question, want json.RawMessage) {
	t.Helper()
	answer, err := d.Ask(t.Context(), q)
	if err != nil {
		t.Error(err)
		return
	}
	got, err := json.Marshal(map[string]any{"columns": answer.Columns, "rows": answer.Rows})
	if err != nil {
		t.Fatal(err)
	}
	var g, w any
	if json.Unmarshal(got, &g) != nil || json.Unmarshal(want, &w) != nil {
		t.Fatalf("%s: no JSON: %s", q.Name, want)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s (-want +got):\n%s", q.Name, diff)
	}
}

// BenchmarkClean is a micro-batch of the stream: 10,000 pins in, one Parquet file out.
func BenchmarkClean(b *testing.B) {
	raw, err := os.ReadFile(filepath.Join("testdata", "golden", "raw", "pin.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	d := start(b, pinterest(b))
	var size int64
	for b.Loop() {
		for i := range 10_000 {
			line := bytes.Clone(lines[i%len(lines)])
			size += int64(len(line))
			if _, err := d.Add(b.Context(), "pin", int64(i), line); err != nil {
				b.Fatal(err)
			}
		}
		if err := d.Clean(b.Context(), "pin", false); err != nil {
			b.Fatal(err)
		}
		if _, rows, err := d.Parquet(b.Context(), "pin"); err != nil || rows < 9000 {
			b.Fatal(rows, err)
		}
	}
	b.SetBytes(size / int64(b.N))
	b.ReportMetric(float64(b.N*10_000)/b.Elapsed().Seconds(), "rows/s")
}
