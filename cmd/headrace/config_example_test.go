package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"headrace/properties"
)

const examplePath = "../../docker/kafka-rest.properties"

// TestExample holds the example to the table of keys: it has a line for every honoured key, with
// its note and its default, and nothing else.
func TestExample(t *testing.T) {
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^#([a-z][a-z0-9.]*=)`).ReplaceAllString(string(text), "$1") // every default written out
	file, err := properties.Parse([]byte(all))
	if err != nil || len(file.Warnings) > 0 {
		t.Fatalf("parsing: %v, warnings %v", err, file.Warnings)
	}
	c := newCatalog()
	seen := map[string]bool{}
	for _, e := range file.Entries {
		row, ok := c.lookup(e.Key)
		switch {
		case !ok || row.verdict != honoured:
			t.Errorf("line %d: %s takes no effect", e.Line, e.Key)
		case e.Key != "bootstrap.servers" && e.Value != row.fallback:
			t.Errorf("line %d: %s = %q, the default is %q", e.Line, e.Key, e.Value, row.fallback)
		case !strings.Contains(all, "# "+row.note+"\n"+e.Key+"="):
			t.Errorf("line %d: the comment before %s is not %q", e.Line, e.Key, row.note)
		}
		seen[e.Key] = true // consumer.threads is no client's key
		seen[strings.TrimPrefix(e.Key, clientPrefix(e.Key))] = true
	}
	for _, row := range append(ownKeys(), append(clientKeys(), append(httpKeys(), restKeys()...)...)...) {
		if row.verdict == honoured && !seen[row.name] && !strings.HasSuffix(row.name, ".*") {
			t.Errorf("%s has no line", row.name)
		}
	}
}

func clientPrefix(key string) string {
	for _, layer := range clients {
		if strings.HasPrefix(key, layer.prefix) {
			return layer.prefix
		}
	}
	return ""
}

// TestExampleStarts: as it is, and with every default written out, it is a configuration without a remark.
func TestExampleStarts(t *testing.T) {
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^#([a-z][a-z0-9.]*=)`).ReplaceAllString(string(text), "$1")
	for name, text := range map[string]string{"as it is": string(text), "written out": all} {
		cfg := mustLoad(t, text)
		if len(cfg.settings.notes) > 0 {
			t.Errorf("%s: notes %v", name, cfg.settings.notes)
		}
	}
}
