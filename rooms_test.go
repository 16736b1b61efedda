// Package headrace holds the plan of the house to the code: see docs/ARCHITECTURE.md.
package headrace_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms says which other rooms each room's product code may import. A room is a folder and what lies below it,
// up to a folder with a row of its own. Imports point down only: floor 5 is cmd/headrace, floor 1 imports no room.
var rooms = map[string][]string{
	// floor 5
	"cmd/headrace": {
		"server", "handlers", "peers", "batch/sink", "emulate", "check", "kafkaclient", "kinesisclient",
		"record", "rawjson", "properties", "openapi", "embedded", "lake/store", "lake/sql", "stream", "keystore", "jaas", "schema",
	},
	// floor 4
	"server": {"handlers", "openapi", "keystore", "properties"},
	// floor 3: these do not know each other
	"handlers":   {"peers", "kafkaclient", "kinesisclient", "record", "rawjson", "properties", "openapi", "schema"},
	"check":      {"kafkaclient", "kinesisclient", "lake/store", "record", "jaas"},
	"batch/sink": {"kafkaclient", "lake/store", "record", "rawjson", "properties"},
	"stream":     {"kinesisclient", "lake/store", "lake/delta", "lake/sql", "properties"},
	"emulate":    {}, // knows only URLs
	// floor 2
	"kafkaclient":   {"record", "keystore", "jaas"},
	"peers":         {},
	"kinesisclient": {"record", "rawjson"},
	// floor 1
	"record":     {},
	"rawjson":    {},
	"properties": {},
	"openapi":    {},
	"keystore":   {},
	"jaas":       {},
	"embedded":   {}, // imported by cmd/headrace and tests only: no other row names it
	"lake/store": {},
	"lake/delta": {"lake/store"},
	"lake/sql":   {"rawjson"},
	"schema":     {},
	// beside the house
	"openapi/spectest": {"openapi"},  // imported by tests only
	"conformance":      {},           // must not import the rooms it judges
	"bench":            {"embedded"}, // a measuring program, shipped to nobody
	"services/svc":     {},           // imported by tests only
	"docker":           {},
}

// TestImportsPointDown fails when a room imports one that its row does not name. It reads the files
// themselves, so that those behind a build tag count too.
func TestImportsPointDown(t *testing.T) {
	for file, imports := range productImports(t) {
		from := roomOf(path.Dir(file))
		if from == "" {
			t.Errorf("%s lies in no room: give its folder a row in rooms_test.go and docs/ARCHITECTURE.md", file)
			continue
		}
		for _, imp := range imports {
			to := roomOf(imp)
			if to != from && !slices.Contains(rooms[from], to) {
				t.Errorf("%s imports headrace/%s: not in the plan; %s may import %q", file, imp, from, rooms[from])
			}
		}
	}
}

// TestRoomsHaveNoCircle fails when rows, followed from one to the next, lead back to where they began.
func TestRoomsHaveNoCircle(t *testing.T) {
	var walk func(room string, way []string)
	walk = func(room string, way []string) {
		if slices.Contains(way, room) {
			t.Errorf("rooms import in a circle: %s", strings.Join(append(way, room), " → "))
			return
		}
		for _, next := range rooms[room] {
			if _, ok := rooms[next]; !ok {
				t.Errorf("the row of %s names %s, which has no row", room, next)
			}
			walk(next, append(slices.Clone(way), room))
		}
	}
	for room := range rooms {
		walk(room, nil)
	}
}

// TestEmbeddedIsForDevAndTests fails when a product room's row names stand-ins: only `headrace dev` needs them.
func TestEmbeddedIsForDevAndTests(t *testing.T) {
	for room, allowed := range rooms {
		if room == "cmd/headrace" || room == "bench" {
			continue
		}
		if slices.Contains(allowed, "embedded") || slices.Contains(allowed, "services/svc") {
			t.Errorf("%s may import stand-ins: they are for cmd/headrace and tests", room)
		}
	}
}

// roomOf returns the row that dir, a slash path from the root, belongs to: itself or the nearest folder above.
func roomOf(dir string) string {
	for ; dir != "."; dir = path.Dir(dir) {
		if _, ok := rooms[dir]; ok {
			return dir
		}
	}
	return ""
}

// productImports returns the folders of this module that each of its files imports, but for tests and
// the root, which holds no product code.
func productImports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if file != "." && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		file = filepath.ToSlash(file)
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || path.Dir(file) == "." {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		found[file] = nil
		for _, spec := range parsed.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if dir, ok := strings.CutPrefix(imp, "headrace/"); ok {
				found[file] = append(found[file], dir)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("reading the imports: %v", err)
	}
	if len(found) == 0 {
		t.Fatal("found no product code: run this test in the root of the module")
	}
	return found
}
