package delta

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"headrace/lake/store"
	"headrace/services/svc"
)

// deltaRS runs delta-rs on the table in a directory.
func deltaRS(t *testing.T, action, table string, args ...int) ([]byte, error) {
	t.Helper()
	argv := []string{filepath.Join("testdata", "foreign.py"), action, table}
	for _, arg := range args {
		argv = append(argv, strconv.Itoa(arg))
	}
	cmd := exec.CommandContext(t.Context(), os.Getenv("HEADRACE_TEST_PYTHON"), argv...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("delta-rs, %s: %w\n%s", action, err, stderr.Bytes())
	}
	return out, nil
}

func foreign(t *testing.T, action, table string) []byte {
	t.Helper()
	out, err := deltaRS(t, action, table)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// foreignRows are the table's rows as delta-rs reads them, by ind, and the line behind them.
func foreignRows(t *testing.T, table string) (all []pin, last string) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(foreign(t, "read", table)))
	for lines.Scan() {
		if last != "" {
			var row struct {
				Ind         *int32     `json:"ind"`
				Title       *string    `json:"title"`
				Coordinates []*float64 `json:"coordinates"`
				At          *time.Time `json:"at"`
			}
			if err := json.Unmarshal([]byte(last), &row); err != nil {
				t.Fatal(err)
			}
			if row.At != nil {
				row.At = new(row.At.UTC())
			}
			all = append(all, pin(row))
		}
		last = lines.Text()
	}
	return all, last
}

func byInd(rows []pin) []pin {
	slices.SortFunc(rows, func(a, b pin) int { return int(*a.Ind - *b.Ind) })
	return rows
}

// TestDeltaRS: delta-rs reads what we write, through a checkpoint of ours and a compaction; it
// appends at the same time, optimizes and writes checkpoints, and we read and write on.
func TestDeltaRS(t *testing.T) {
	svc.Need(t, "HEADRACE_TEST_PYTHON")
	base := t.TempDir()
	dir, err := store.OpenDir(base, "lake")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(base, "lake", "tables", "pin")
	table := open(t, dir)
	for i := range 13 {
		appendRows(t, table, rows(i*5, 5), Txn{"job", int64(i)})
	}
	got, last := foreignRows(t, path)
	if diff := cmp.Diff(rows(0, 65), got); diff != "" {
		t.Errorf("rows of delta-rs (-want +got):\n%s", diff)
	}
	const columns = `{"version": 13, "columns": ["ind int32", "title string", "coordinates list<element: double>", "at timestamp[us, tz=UTC]"]}`
	if last != columns {
		t.Errorf("delta-rs sees %s, want %s", last, columns)
	}

	appended := make(chan error)
	go func() { // in another process, at the same time
		_, err := deltaRS(t, "append", path, 65, 15)
		appended <- err
	}()
	for i := 80; i < 120; i++ {
		appendRows(t, table, rows(i, 1), Txn{"job", int64(i)})
	}
	if err := <-appended; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rows(0, 120), byInd(contents(t, dir))); diff != "" {
		t.Errorf("rows after both appended (-want +got):\n%s", diff)
	}
	foreign(t, "optimize", path)
	foreign(t, "checkpoint", path)
	appendRows(t, table, rows(120, 5), Txn{"job", 120})
	if _, _, err := table.Compact(t.Context(), 1<<20); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if last, _ := again.Last("job"); last != 120 {
		t.Errorf("Last = %d, want 120", last)
	}
	if diff := cmp.Diff(rows(0, 125), byInd(contents(t, dir))); diff != "" {
		t.Errorf("rows after delta-rs optimized (-want +got):\n%s", diff)
	}
	if got, _ := foreignRows(t, path); !cmp.Equal(rows(0, 125), got) {
		t.Errorf("rows of delta-rs (-want +got):\n%s", cmp.Diff(rows(0, 125), got))
	}
}
