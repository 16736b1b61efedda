package sql

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func mustSub(t testing.TB) fs.FS {
	t.Helper()
	files, err := fs.Sub(builtIn, "pinterest")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFaultsOfPipelines(t *testing.T) {
	const good = "tables:\n- {name: a, key: k, fields: [k], columns: [k integer]}\nquestions:\n- {name: q}\n"
	tests := []struct {
		name, yaml, table, question string
		want                        []string
	}{
		{"all well", good, "SELECT k FROM a_raw;", "SELECT 1", nil},
		{"no tables", "questions: []", "", "", []string{"no tables"}},
		{"a misspelt member", "table:\n- {name: a}", "", "", []string{"table"}},
		{"names twice", good + "- {name: q}\n", "SELECT 1", "SELECT 1", []string{`question "q"`}},
		{"a key that is no field", strings.Replace(good, "key: k", "key: ind", 1), "SELECT 1", "SELECT 1", []string{`key "ind"`, "fields k"}},
		{"a column without a type", strings.Replace(good, "k integer", "k", 1), "SELECT 1", "SELECT 1", []string{`column "k"`, "ind integer"}},
		{"a setting that is none", good, "SELECT ${nothing}", "SELECT 1", []string{"tables/a.sql", "${nothing}", "settings"}},
		{"a backslash", good, `SELECT '\d'`, "SELECT 1", []string{"tables/a.sql", "backslash", "[0-9]"}},
		{"two faults at once", strings.Replace(good, "{name: q}", "{name: q, chart: pie}", 1), "SELECT ${x}", "SELECT 1", []string{"${x}", `chart "pie"`, "bars"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := fstest.MapFS{
				"pipeline.yaml": {Data: []byte(tt.yaml)}, "tables/a.sql": {Data: []byte(tt.table)}, "questions/q.sql": {Data: []byte(tt.question)},
			}
			_, err := Load(files)
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("Load = %v, want an error: %v", err, tt.want != nil)
			}
			for _, word := range tt.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error %q does not name %s", err, word)
				}
			}
		})
	}
}

func TestSettingsAreLiterals(t *testing.T) {
	p := &Pipeline{Settings: settings{"x": {"it's", "b"}}, Words: words{"w": "ALL"}}
	got, err := p.query(fstest.MapFS{"tables/t.sql": {Data: []byte("SELECT ${w} a IN ('', ${x});\n")}}, "tables", "t")
	if want := "SELECT ALL a IN ('', 'it''s', 'b')"; got != want || err != nil {
		t.Errorf("query = %s, %v; want %s", got, err, want)
	}
}

func TestLines(t *testing.T) {
	r := newReader(Table{Key: "k", Fields: []string{"k", "s"}})
	tests := []struct{ line, key, text, reason string }{
		{`{"k":1,"s":"a\nb","x":[{}]}`, "1", "a\nb", ""},
		{`{"s":7.50,"k":" +33.0 "}`, " +33.0 ", "7.50", ""},
		{`{"k":"1","s":null,"s":true}`, "1", "true", ""},
		{`{"k":1}`, "1", "<nil>", ""},
		{`{"k":1,"s":{"a": 1}}`, "1", `{"a":1}`, ""},
		{`{"s":"a"}`, "", "", NoKey},
		{`{"k":1.5}`, "", "", NoKey},
		{`{"k":2147483648}`, "", "", NoKey},
		{`{"k":-2147483648.000}`, "-2147483648.000", "<nil>", ""},
		{`{"k":"\u00a01"}`, "", "", NoKey},
		{`{"k":true}`, "", "", NoKey},
		{`{"k":1`, "", "", NoObject},
		{`[1]`, "", "", NoObject},
		{``, "", "", NoObject},
		{`{"k":1} x`, "", "", NoObject},
	}
	for _, tt := range tests {
		row := make([][]byte, 2)
		reason := r.read([]byte(tt.line), row)
		if reason != tt.reason {
			t.Errorf("%s: reason %q, want %q", tt.line, reason, tt.reason)
		}
		text := func(b []byte) string {
			if b == nil {
				return "<nil>"
			}
			return string(b)
		}
		if reason == "" && (text(row[0]) != tt.key || text(row[1]) != tt.text) {
			t.Errorf("%s: %q, %q; want %q, %q", tt.line, row[0], row[1], tt.key, tt.text)
		}
	}
}
