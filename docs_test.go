package headrace_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

var (
	fence       = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	inlineCode  = regexp.MustCompile("`[^`\n]*`")
	link        = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	headingLine = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	makeTarget  = regexp.MustCompile("(?m)(?:^|[`$] ?)make ([a-z][a-z-]*)")
	makeRule    = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
)

// markdown returns every Markdown file of the project, by slash path.
func markdown(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	err := fs.WalkDir(os.DirFS("."), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "headrace-data") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(file) != ".md" {
			return nil
		}
		text, err := os.ReadFile(file)
		pages[file] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// TestLinksLeadSomewhere: a link between the pages leads to a file that is there, and to a heading that it has.
func TestLinksLeadSomewhere(t *testing.T) {
	pages := markdown(t)
	for page, text := range pages {
		text = inlineCode.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			file, heading, _ := strings.Cut(match[1], "#")
			target := page
			if file != "" {
				target = path.Join(path.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link to %s: %v", page, match[1], err)
				continue
			}
			if heading != "" && !slices.Contains(anchors(pages[target]), heading) {
				t.Errorf("%s: link to %s: %s has no such heading, but %q", page, match[1], target, anchors(pages[target]))
			}
		}
	}
}

// anchors are the headings of a page as links name them.
func anchors(text string) []string {
	var names []string
	for _, match := range headingLine.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, match[1]))
	}
	return names
}

// TestNamedFilesExist: whatever a page names below one of the project's folders is there.
func TestNamedFilesExist(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "headrace-data" {
			folders = append(folders, regexp.QuoteMeta(e.Name()))
		}
	}
	named := regexp.MustCompile("(?m)(?:^|[\\s`(])((?:" + strings.Join(folders, "|") + `)/[A-Za-z0-9_./*-]*)`)
	for page, text := range markdown(t) {
		if page == "CHANGELOG.md" {
			continue // tells of files that have gone
		}
		for _, match := range named.FindAllStringSubmatch(text, -1) {
			name := strings.TrimRight(match[1], "./")
			if found, err := fs.Glob(os.DirFS("."), name); err != nil || len(found) == 0 {
				t.Errorf("%s names %s, which is not there", page, match[1])
			}
		}
	}
}

// TestNamedTargetsExist: each `make TARGET` of a page is in the Makefile.
func TestNamedTargetsExist(t *testing.T) {
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, match := range makeRule.FindAllStringSubmatch(string(text), -1) {
		targets = append(targets, match[1])
	}
	for page, text := range markdown(t) {
		for _, match := range makeTarget.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(targets, match[1]) {
				t.Errorf("%s: make %s: not in the Makefile", page, match[1])
			}
		}
	}
}

// TestArchitectureHasTheRooms: the table of rooms in docs/ARCHITECTURE.md has a row for each room of this test's plan, with
// the rooms that it may import.
func TestArchitectureHasTheRooms(t *testing.T) {
	text, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z/]+)`((?:, `[a-z/]+`)*) \\|[^|\n]*\\| ([^|\n]*) \\|")
	name := regexp.MustCompile("`([a-z/]+)`")
	told := map[string][]string{}
	for _, match := range row.FindAllStringSubmatch(string(text), -1) {
		var imports []string
		switch cell := match[3]; {
		case cell == "every product room":
			imports = rooms["cmd/headrace"]
		default:
			cell, _, _ = strings.Cut(cell, ";")
			for _, imp := range name.FindAllStringSubmatch(cell, -1) {
				imports = append(imports, imp[1])
			}
		}
		for _, room := range name.FindAllStringSubmatch("`"+match[1]+"`"+match[2], -1) {
			told[room[1]] = imports
		}
	}
	for room, allowed := range rooms {
		imports, ok := told[room]
		if !ok {
			t.Errorf("%s has no row in docs/ARCHITECTURE.md", room)
			continue
		}
		want, got := slices.Sorted(slices.Values(allowed)), slices.Sorted(slices.Values(imports))
		if !slices.Equal(want, got) {
			t.Errorf("docs/ARCHITECTURE.md: %s may import %q, the plan says %q", room, got, want)
		}
	}
}

// TestDifferencesAreTold: each case in which headrace answers otherwise than the reference, on purpose, stands in
// docs/COMPATIBILITY.md by its name.
func TestDifferencesAreTold(t *testing.T) {
	page, err := os.ReadFile("docs/COMPATIBILITY.md")
	if err != nil {
		t.Fatal(err)
	}
	names := differences(t, "conformance/recorded.go", "conformance/http.go", "conformance/produce.go")
	if len(names) < 9 {
		t.Errorf("found %d differences only: %q", len(names), names)
	}
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), `"`+name+`"`) {
			t.Errorf("docs/COMPATIBILITY.md does not tell of %q", name)
		}
	}
}

// differences are the names of the cases in files that have an answer of our own: the keys of the map "different", and
// the name beside a member "ours" or "reference".
func differences(t *testing.T, files ...string) []string {
	t.Helper()
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if n.Names[0].Name == "different" {
					for key := range members(n.Values[0]) {
						names = append(names, key)
					}
				}
			case *ast.CompositeLit:
				m := members(n)
				if name, ok := m["name"].(*ast.BasicLit); ok && (m["ours"] != nil || m["reference"] != nil) {
					text, err := strconv.Unquote(name.Value)
					if err != nil {
						t.Fatal(err)
					}
					names = append(names, text)
				}
			}
			return true
		})
	}
	return names
}

// members are the keyed elements of a composite literal, none of another expression.
func members(e ast.Expr) map[string]ast.Expr {
	found := map[string]ast.Expr{}
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return found
	}
	for _, element := range lit.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch key := pair.Key.(type) {
		case *ast.Ident:
			found[key.Name] = pair.Value
		case *ast.BasicLit:
			if text, err := strconv.Unquote(key.Value); err == nil {
				found[text] = pair.Value
			}
		}
	}
	return found
}
