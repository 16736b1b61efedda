package main

import (
	"strings"
	"testing"
)

func TestGoalsAreThoseOfTheLoad(t *testing.T) {
	passes := func(ours pass) []round {
		return []round{{nameE: {Rate: 2000, P50: 10}, nameK: {Rate: 2000, P50: 20}, nameSDK: {Rate: 1000}, nameOurs: ours}}
	}
	rep := report{
		Results: []result{
			{Kind: "produce", Load: load{1, 1}, Rounds: passes(pass{Rate: 800, P50: 50})},
			{Kind: "produce", Load: load{1, 64}, Rounds: passes(pass{Rate: 600, P50: 10, P99: 29, CPU: 41})},
			{Kind: "produce", Load: load{7, 7}, Rounds: passes(pass{Rate: 600})},
			{Kind: "kinesis", Load: load{1, 16}, Rounds: passes(pass{Rate: 700})},
		},
		After: &memory{Resident: 64_000_001},
		Start: &startResult{ReadyMillis: []float64{100, 300, 150}, IdleResident: 30e6},
		Flood: &floodResult{Peak: 319e6, Statuses: map[string]int{"200": 10, "503": 2, "none": 1}},
	}
	want := []struct {
		what    string
		reached bool
	}{
		{"produce, 1 record, 1 connection: of C", true},
		{"produce, 1 record, 1 connection: p50 by K's", false}, // 50 by 20
		{"produce, 1 record, 64 connections: of C", false},     // 60 of 70 %
		{"produce, 1 record, 64 connections: p99 by p50", true},
		{"produce, 1 record, 64 connections: CPU a record", false},
		{"kinesis, 1 record, 16 connections: of C", true},
		{"resident after the loads", false},
		{"start to ready", true}, // the median
		{"resident when idle", true},
		{"resident in the flood, at its peak", true},
		{"flood answered with 200, 413, 429, 503 only (1 = yes)", false},
	}
	got := goals(rep)
	if len(got) != len(want) {
		t.Fatalf("%d goals, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		if got[i].What != w.what || got[i].reached() != w.reached {
			t.Errorf("goal %d is %q, reached %t, want %q, %t", i, got[i].What, got[i].reached(), w.what, w.reached)
		}
	}
}

// Each line of a table has as many cells as its head, with and without another gateway.
func TestMarkdownTablesAreEven(t *testing.T) {
	one := round{nameE: {Rate: 2000, P50: 10}, nameK: {Rate: 2000, P50: 20}, nameOurs: {Rate: 800, P50: 50, CPU: 41.5, Resident: 50e6}}
	two := round{nameSDK: {Rate: 2000}, nameOurs: {Rate: 1500}, nameOther: {Rate: 100}}
	rep := report{Results: []result{
		{Kind: "produce", Load: load{1, 16}, Rounds: []round{one, one}},
		{Kind: "kinesis", Load: load{1, 16}, Rounds: []round{two}},
	}}
	var b strings.Builder
	if err := writeMarkdown(&b, rep); err != nil {
		t.Fatal(err)
	}
	cells := 0
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "|") {
			cells = 0
			continue
		}
		if n := strings.Count(line, "|"); cells == 0 {
			cells = n
		} else if n != cells {
			t.Errorf("%d bars, the lines before have %d: %s", n, cells, line)
		}
	}
	for _, want := range []string{
		"| 1 record, 16 connections | 2000 | 2000 | 800 | 1000 | **80.0 %** (80–80) | 0.01 / 0.02 / 0.05 |", "| 41.50 | 50.0 |",
		"| 1 record, 16 connections | 2000 | 1500 | 100 | 2000 | **75.0 %** (75–75) | 5.0 % |",
		"| produce, 1 record, 16 connections: of C | 80.0 % | ≥ 75.0 % | reached |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
}
