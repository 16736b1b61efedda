package chaos

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// maxResident is what a gateway with GOMEMLIMIT=256MiB may take.
const maxResident = 320_000_000

// TestMemoryUnderFlood sends bodies of 10 MiB on 500 connections at once to a gateway with little
// memory: it stays small, answers every request, refuses what it cannot hold, and is ready afterwards.
func TestMemoryUnderFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 10 GB")
	}
	brokers := threeBrokers(t)
	for _, recordBytes := range []int{600, 100} {
		t.Run(fmt.Sprintf("records of %d bytes", recordBytes), func(t *testing.T) {
			flooded := flood(t, brokers.bootstrap, recordBytes)
			t.Logf("peak %d MB, answers %v, %.0f s", flooded.Peak/1_000_000, flooded.Statuses, flooded.Seconds)
			if flooded.Peak >= maxResident {
				t.Errorf("peak %d bytes resident, want less than %d", flooded.Peak, maxResident)
			}
			for status, n := range flooded.Statuses {
				if !slices.Contains([]string{"200", "413", "429", "503"}, status) {
					t.Errorf("%d answers of %s, want 200, 413, 429 and 503 only (%v)", n, status, flooded.Reasons)
				}
			}
			if flooded.Statuses["200"] == 0 {
				t.Errorf("no request succeeded: %v", flooded.Statuses)
			}
			if !flooded.Alive {
				t.Error("it is not ready afterwards")
			}
		})
	}
}

// flooded is what bench memory writes about its flood.
type flooded struct {
	Statuses map[string]int `json:"statuses"`
	Reasons  map[string]int `json:"no_answer"`
	Peak     int64          `json:"peak_bytes"`
	Seconds  float64        `json:"seconds"`
	Alive    bool           `json:"still_alive"`
}

// flood runs bench memory: it sends all the bodies at once, and reads the peak from the kernel.
func flood(t *testing.T, bootstrap string, recordBytes int) flooded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "flood.json")
	out, err := exec.CommandContext(t.Context(), program(t, "bench"), "memory", "--bootstrap", bootstrap,
		"--gateway-bin", program(t, "cmd/headrace"), "--flood-requests", "1",
		"--flood-record", fmt.Sprint(recordBytes), "--json", file).CombinedOutput()
	if err != nil {
		t.Fatalf("bench memory: %v\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Flood *flooded }
	if err := json.Unmarshal(text, &report); err != nil || report.Flood == nil {
		t.Fatalf("reading the report of bench memory: %v\n%s", err, text)
	}
	return *report.Flood
}
