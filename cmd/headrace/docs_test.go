package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"headrace/batch/sink"
	"headrace/stream"
)

var update = flag.Bool("update", false, "write the tables of keys in docs/OPERATIONS.md anew")

const (
	root           = "../.."
	operationsPath = root + "/docs/OPERATIONS.md"
)

// TestOperationsListsTheKeys holds the tables of docs/OPERATIONS.md to the table of keys: every own key,
// and every key that takes effect, with its default and its note, and none besides.
func TestOperationsListsTheKeys(t *testing.T) {
	text, err := os.ReadFile(operationsPath)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for name, rows := range map[string][]property{
		"own":       ownKeys(),
		"reference": slices.Concat(restKeys(), httpKeys(), metricKeys()),
		"clients":   clientKeys(),
	} {
		start, end := fmt.Sprintf("<!-- keys: %s -->\n", name), "<!-- keys: end -->"
		before, rest, found := strings.Cut(page, start)
		have, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("docs/OPERATIONS.md has no table between %q and %q", start, end)
		}
		want := keyTable(rows, name == "own")
		if *update {
			page = before + start + want + end + after
			continue
		}
		if have != want {
			t.Errorf("the table %q is not that of the code: run `go test ./cmd/headrace -run Operations -update`\nis:\n%swant:\n%s", name, have, want)
		}
	}
	if *update {
		if err := os.WriteFile(operationsPath, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStreamPageListsTheKeys holds the table of docs/stream.md to the stream job's keys.
func TestStreamPageListsTheKeys(t *testing.T) {
	const path, start, end = root + "/docs/stream.md", "<!-- keys: stream -->\n", "<!-- keys: end -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("| key | default | effect |\n|---|---|---|\n")
	for _, key := range stream.Keys() {
		fallback := "–"
		if key.Default != "" {
			fallback = "`" + key.Default + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", key.Name, fallback, inMarkdown.Replace(key.Note))
	}
	before, rest, _ := strings.Cut(string(text), start)
	have, after, found := strings.Cut(rest, end)
	switch {
	case !found:
		t.Fatalf("docs/stream.md has no table between %q and %q", start, end)
	case *update:
		if err := os.WriteFile(path, []byte(before+start+want.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case have != want.String():
		t.Errorf("the table is not that of the code: run `go test ./cmd/headrace -run StreamPage -update`\nis:\n%swant:\n%s", have, want.String())
	}
}

// keyTable writes the rows that take effect as Markdown; with all also those that are refused.
func keyTable(rows []property, all bool) string {
	var b strings.Builder
	b.WriteString("| key | default | effect |\n|---|---|---|\n")
	for _, row := range rows {
		note := row.note
		switch {
		case row.verdict == refused && all:
			note = "refused but for its default: " + note
		case row.verdict != honoured:
			continue
		}
		fallback := "–"
		if row.fallback != "" {
			fallback = "`" + row.fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", widestPrefix(row)+row.name, fallback, inMarkdown.Replace(note))
	}
	return b.String()
}

// inMarkdown keeps signs of their own meaning in Markdown from having it.
var inMarkdown = strings.NewReplacer("<", "&lt;", ">", "&gt;", "|", "\\|")

// widestPrefix is "" for a key of the server, else the prefix under which most clients read it.
func widestPrefix(row property) string {
	if slices.ContainsFunc(slices.Concat(restKeys(), httpKeys(), metricKeys(), ownKeys()), func(p property) bool { return p.name == row.name && p.note == row.note }) {
		return ""
	}
	for _, layer := range clients {
		if row.layers == layer.letter {
			return layer.prefix
		}
	}
	return "client."
}

// pages are all Markdown files that speak of the program, by path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, dir := range []string{root, root + "/docs", root + "/docs/decisions", root + "/docs/examples"} {
		files, err := fs.Glob(os.DirFS(dir), "*.md")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			found[filepath.Join(dir, file)] = string(text)
		}
	}
	if len(found) < 5 {
		t.Fatalf("found %d pages only", len(found))
	}
	return found
}

// commandLine finds calls of the program: headrace SUB …, go run ./cmd/headrace SUB ….
var commandLine = regexp.MustCompile("(?m)(?:^|[ `(])(?:headrace|\\./cmd/headrace|\\./headrace) ((?:serve|dev|batch|stream|emulate|topics|check|openapi|version|healthcheck)(?: [^`|&;)\n]*)?)(?:[`|&;)\n]|$)")

// TestDocsCallWhatThereIs: each command line in the docs names a subcommand that exists, and flags that it has.
func TestDocsCallWhatThereIs(t *testing.T) {
	lines := 0
	for page, text := range pages(t) {
		for _, match := range commandLine.FindAllStringSubmatch(text, -1) {
			lines++
			args := strings.Fields(match[1])
			cmd, _, err := newRoot(process{}).Find(args)
			if err != nil || !cmd.HasParent() {
				t.Errorf("%s: headrace %s: no such command", page, match[1])
				continue
			}
			checkFlags(t, page, cmd, args)
		}
	}
	if lines < 20 {
		t.Errorf("found %d command lines only", lines)
	}
}

func checkFlags(t *testing.T, page string, cmd *cobra.Command, args []string) {
	t.Helper()
	for _, arg := range args {
		name, isFlag := strings.CutPrefix(arg, "--")
		if name, _, _ = strings.Cut(name, "="); isFlag && name != "help" && cmd.Flags().Lookup(strings.Trim(name, ".,…")) == nil {
			t.Errorf("%s: %s has no flag --%s", page, cmd.CommandPath(), name)
		}
	}
}

// usersConnector is a connector that passes.
const usersConnector = devConnector + "store.url=file:///tmp\n"

// TestCompatibilityKnowsTheConnectorsKeys: what docs/COMPATIBILITY.md says of a connector's key is what the
// sink does with it. Keys are known, refused ones are refused by name, own ones have the default that is told.
func TestCompatibilityKnowsTheConnectorsKeys(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/COMPATIBILITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "### Keys\n")
	kept, rest, found2 := strings.Cut(section, "Refused at start")
	table, accepted, found3 := strings.Cut(rest, "Accepted without effect")
	if !found || !found2 || !found3 {
		t.Fatal("docs/COMPATIBILITY.md has lost a part of its keys")
	}
	key := regexp.MustCompile("`([a-z0-9]+(?:\\.[a-z0-9]+)*)`")
	for _, match := range key.FindAllStringSubmatch(kept+accepted, -1) {
		if name := match[1]; strings.Contains(name, ".") && !sinkKnows(name) {
			t.Errorf("the sink does not know %s", name)
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-z0-9.]+)=([^`]*)`").FindAllStringSubmatch(table, -1)
	for _, row := range rows {
		_, _, err := sink.ParseConfig([]byte(usersConnector + row[1] + "=" + row[2] + "\n"))
		if err == nil || !strings.Contains(err.Error(), row[1]) {
			t.Errorf("%s=%s: %v, want it refused by name", row[1], row[2], err)
		}
	}
	if len(rows) < 20 {
		t.Errorf("found %d refused keys only", len(rows))
	}
}

// sinkKnows reports whether the sink takes the key for one of its own.
func sinkKnows(name string) bool {
	_, warnings, _ := sink.ParseConfig([]byte(usersConnector + name + "=1\n"))
	return !slices.ContainsFunc(warnings, func(w string) bool { return strings.HasPrefix(w, "unknown key "+name+" ") })
}

// TestOperationsHasTheSinksDefaults: the defaults that docs/OPERATIONS.md tells of a connector's own keys are those of the sink.
func TestOperationsHasTheSinksDefaults(t *testing.T) {
	page, err := os.ReadFile(operationsPath)
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := sink.ParseConfig([]byte(usersConnector))
	if err != nil {
		t.Fatal(err)
	}
	text := map[bool]string{false: "preserve", true: "java"}
	for key, value := range map[string]any{
		"headrace.json.text":          text[cfg.JavaJSON],
		"headrace.memory.bytes":       cfg.MemoryBytes,
		"headrace.uploads":            cfg.Uploads,
		"headrace.commit.interval.ms": cfg.CommitInterval.Milliseconds(),
		"headrace.drain.timeout.ms":   cfg.DrainTimeout.Milliseconds(),
	} {
		if row := fmt.Sprintf("| `%s` | `%v` |", key, value); !strings.Contains(string(page), row) {
			t.Errorf("docs/OPERATIONS.md has no row %s", row)
		}
		if !sinkKnows(key) {
			t.Errorf("the sink does not know %s", key)
		}
	}
}
