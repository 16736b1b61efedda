package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is everything one run measured. Its JSON form keeps every pass.
type report struct {
	Environment environment  `json:"environment"`
	Results     []result     `json:"results,omitempty"`
	After       *memory      `json:"after_loads,omitempty"` // the gateway's memory when the loads were over
	Start       *startResult `json:"start,omitempty"`
	Flood       *floodResult `json:"flood,omitempty"`
}

// environment says what was measured where: figures of different environments do not compare.
type environment struct {
	Time     string `json:"time"` // UTC
	Revision string `json:"revision"`
	Go       string `json:"go"`
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	LoadAvg  string `json:"load_average"` // before the run: what else the machine was doing
	Broker   string `json:"broker"`
	Rounds   int    `json:"rounds"`
	Window   string `json:"window"`
	Other    string `json:"other,omitempty"`
}

func describeEnvironment() environment {
	env := environment{Time: time.Now().UTC().Format(time.RFC3339), Go: runtime.Version(), Cores: runtime.NumCPU(), CPU: "unknown", Revision: "unknown"}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, found := strings.Cut(string(info), "model name"); found {
			line, _, _ := strings.Cut(rest, "\n")
			env.CPU = strings.TrimSpace(strings.TrimLeft(line, " \t:"))
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		env.LoadAvg = strings.Join(strings.Fields(string(load))[:3], " ")
	}
	if out, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil { //nolint:noctx // local and quick
		env.Revision = strings.TrimSpace(string(out))
	}
	return env
}

// goal is one figure to reach, and what was got.
type goal struct {
	What    string
	Got     float64
	Want    float64
	AtLeast bool   // else at most
	Form    string // fmt verb with the unit
}

func (g goal) reached() bool {
	if g.AtLeast {
		return g.Got >= g.Want
	}
	return g.Got <= g.Want
}

// target is what the figures to reach say of one load; a zero field says nothing.
type target struct {
	share      float64 // of C, at least
	cpu        float64 // microseconds of the gateway a record, at most
	p50OverK   float64 // the gateway's p50 by K's, at most
	p99OverP50 float64 // at most
}

// targets returns the figures to reach, by result.Kind and load.String.
func targets() map[string]target {
	return map[string]target{
		"produce 1x1":    {share: 0.75, p50OverK: 2},
		"produce 1x16":   {share: 0.75, cpu: 60},
		"produce 1x64":   {share: 0.70, cpu: 40, p99OverP50: 3},
		"produce 100x16": {share: 0.60, cpu: 2.5},
		"produce 1000x4": {share: 0.60, cpu: 2.5},
		"stream 1000x1":  {share: 0.25, cpu: 4},
		"stream 1000x4":  {share: 0.40, cpu: 4},
		"kinesis 1x16":   {share: 0.70},
		"kinesis 1x64":   {share: 0.70},
	}
}

// More figures to reach, in bytes of 1,000,000 to the MB and milliseconds.
const (
	maxResidentAfter = 64e6
	maxResidentIdle  = 40e6
	maxResidentFlood = 320e6
	maxReadyMillis   = 200
)

// goals returns every figure to reach that rep has a measurement for.
func goals(rep report) []goal {
	var all []goal
	wanted := targets()
	for _, res := range rep.Results {
		all = append(all, loadGoals(res, wanted[res.Kind+" "+res.Load.String()])...)
	}
	if rep.After != nil {
		all = append(all, goal{"resident after the loads", float64(rep.After.Resident) / 1e6, maxResidentAfter / 1e6, false, "%.1f MB"})
	}
	if rep.Start != nil {
		all = append(all,
			goal{"start to ready", median(rep.Start.ReadyMillis), maxReadyMillis, false, "%.0f ms"},
			goal{"resident when idle", float64(rep.Start.IdleResident) / 1e6, maxResidentIdle / 1e6, false, "%.1f MB"})
	}
	if rep.Flood != nil {
		answered := 0.0
		if rep.Flood.onlyAllowed() {
			answered = 1
		}
		all = append(all,
			goal{"resident in the flood, at its peak", float64(rep.Flood.Peak) / 1e6, maxResidentFlood / 1e6, false, "%.0f MB"},
			goal{"flood answered with 200, 413, 429, 503 only (1 = yes)", answered, 1, true, "%.0f"})
	}
	return all
}

func loadGoals(res result, want target) []goal {
	var all []goal
	name := res.Kind + ", " + describe(res.Load)
	if want.share > 0 {
		all = append(all, goal{name + ": of C", 100 * res.share(nameOurs), 100 * want.share, true, "%.1f %%"})
	}
	if want.p50OverK > 0 {
		got := res.overRounds(func(one round) float64 { return ratio(one[nameOurs].P50, one[nameK].P50) })
		all = append(all, goal{name + ": p50 by K's", got, want.p50OverK, false, "%.2f"})
	}
	if want.p99OverP50 > 0 {
		got := res.overRounds(func(one round) float64 { return ratio(one[nameOurs].P99, one[nameOurs].P50) })
		all = append(all, goal{name + ": p99 by p50", got, want.p99OverP50, false, "%.2f"})
	}
	if want.cpu > 0 {
		all = append(all, goal{name + ": CPU a record", res.of(nameOurs, cpuOf), want.cpu, false, "%.2f µs"})
	}
	return all
}

func rateOf(p pass) float64 { return p.Rate }
func p50Of(p pass) float64  { return p.P50 }
func p99Of(p pass) float64  { return p.P99 }
func cpuOf(p pass) float64  { return p.CPU }

func residentOf(p pass) float64 { return float64(p.Resident) }

func describe(l load) string {
	return fmt.Sprintf("%s, %s", plural(l.Records, "record"), plural(l.Connections, "connection"))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// writeMarkdown writes rep as docs/PERFORMANCE.md takes it.
func writeMarkdown(w io.Writer, rep report) error {
	var b strings.Builder
	env := rep.Environment
	fmt.Fprintf(&b, "Measured %s, revision %s, %s, %d × %s, load average before the run %s, broker: %s",
		env.Time, env.Revision, env.Go, env.Cores, env.CPU, env.LoadAvg, env.Broker)
	if env.Rounds > 0 {
		fmt.Fprintf(&b, ", %d rounds of %s", env.Rounds, env.Window)
	}
	b.WriteString(".\n")
	writeLoads(&b, rep.Results, "produce", []string{nameE, nameK})
	writeLoads(&b, rep.Results, "stream", []string{nameK})
	writeLoads(&b, rep.Results, "kinesis", []string{nameSDK})
	if rep.Start != nil {
		fmt.Fprintf(&b, "\nStart to ready %.0f ms (median of %d, slowest %.0f ms); idle %.1f MB resident.\n",
			median(rep.Start.ReadyMillis), len(rep.Start.ReadyMillis), slices.Max(rep.Start.ReadyMillis), megabytes(rep.Start.IdleResident))
	}
	if f := rep.Flood; f != nil {
		fmt.Fprintf(&b, "\nFlood: %d connections × %d requests of %.1f MiB (records of %d bytes), GOMEMLIMIT %s: peak %.0f MB resident, %.0f MB after it; answers %s; %.0f s; ready afterwards: %t.\n",
			f.Connections, f.Requests, float64(f.BodyBytes)/(1<<20), f.RecordBytes, f.MemoryLimit, megabytes(f.Peak), megabytes(f.After.Resident), f.statusList(), f.Seconds, f.Alive)
	}
	if all := goals(rep); len(all) > 0 {
		b.WriteString("\n| figure to reach | got | wanted | |\n|---|---|---|---|\n")
		for _, g := range all {
			writeGoal(&b, g)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeGoal(b *strings.Builder, g goal) {
	sign, verdict := "≤ ", "missed"
	if g.AtLeast {
		sign = "≥ "
	}
	if g.reached() {
		verdict = "reached"
	}
	fmt.Fprintf(b, "| %s | "+g.Form+" | %s"+g.Form+" | %s |\n", g.What, g.Got, sign, g.Want, verdict)
}

// writeLoads writes the table of one kind: the medians over the rounds, and the share pair by pair.
func writeLoads(b *strings.Builder, results []result, kind string, ceilings []string) {
	title := false
	for _, res := range results {
		if res.Kind != kind {
			continue
		}
		if !title {
			writeTitle(b, res, kind, ceilings)
			title = true
		}
		fmt.Fprintf(b, "| %s |", describe(res.Load))
		names := append(append([]string{}, ceilings...), nameOurs)
		if res.has(nameOther) {
			names = append(names, nameOther)
		}
		for _, name := range names {
			fmt.Fprintf(b, " %.0f |", res.of(name, rateOf))
		}
		shares := res.shares(nameOurs)
		fmt.Fprintf(b, " %.0f | **%.1f %%** (%.0f–%.0f) |", res.overRounds(res.ceilingOf), 100*median(shares), 100*slices.Min(shares), 100*slices.Max(shares))
		if res.has(nameOther) {
			fmt.Fprintf(b, " %.1f %% |", 100*res.share(nameOther))
		}
		for _, field := range []func(pass) float64{p50Of, p99Of} {
			texts := make([]string, len(names))
			for i, name := range names {
				texts[i] = fmt.Sprintf("%.2f", res.of(name, field)/1000)
			}
			fmt.Fprintf(b, " %s |", strings.Join(texts, " / "))
		}
		fmt.Fprintf(b, " %.2f | %.1f |\n", res.of(nameOurs, cpuOf), res.of(nameOurs, residentOf)/1e6)
	}
}

func writeTitle(b *strings.Builder, res result, kind string, ceilings []string) {
	columns := []string{kind}
	names := append(append([]string{}, ceilings...), nameOurs)
	if res.has(nameOther) {
		names = append(names, nameOther)
	}
	for _, name := range names {
		columns = append(columns, name+", requests/s")
	}
	columns = append(columns, "C", "headrace of C")
	if res.has(nameOther) {
		columns = append(columns, "other of C")
	}
	order := strings.Join(names, " / ")
	columns = append(columns, "p50 ms, "+order, "p99 ms, "+order, "CPU of headrace, µs a record", "resident, MB")
	fmt.Fprintf(b, "\n| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}
