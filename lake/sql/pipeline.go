package sql

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed pinterest
var builtIn embed.FS

// Pinterest is the built-in pipeline: three kinds of events, ten result tables.
func Pinterest() (*Pipeline, error) {
	files, err := fs.Sub(builtIn, "pinterest")
	if err != nil {
		return nil, err
	}
	return Load(files)
}

// Pipeline is what pipeline.yaml and the SQL beside it say, ready to run.
type Pipeline struct {
	Tables    []Table    `yaml:"tables"`
	Questions []Question `yaml:"questions"`
	Settings  settings   `yaml:"settings"` // ${NAME} → texts, put in as literals
	Words     words      `yaml:"words"`    // ${NAME} → SQL, put in as it is
}

type (
	settings = map[string][]string
	words    = map[string]string
)

// Table is one kind of events and how it is cleaned.
type Table struct {
	Name    string   `yaml:"name"`
	Topic   string   `yaml:"topic"`  // of its records: a name, where * stands for any text
	Key     string   `yaml:"key"`    // the field that must be an integer
	Fields  []string `yaml:"fields"` // members of the JSON objects that the SQL reads
	Columns []string `yaml:"columns"`
	SQL     string   `yaml:"-"` // of the cleaned table: Columns, then pos
}

// Question is one result table.
type Question struct {
	Name  string `yaml:"name"`
	Title string `yaml:"title"`
	Chart string `yaml:"chart"` // map, lines, bars, number or table
	SQL   string `yaml:"-"`
}

var charts = []string{"map", "lines", "bars", "number", "table"}

// word is a name that needs no quoting in file names and Delta columns.
var word = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Load reads pipeline.yaml, tables/NAME.sql and questions/NAME.sql. All faults come at once.
func Load(files fs.FS) (*Pipeline, error) {
	text, err := fs.ReadFile(files, "pipeline.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the pipeline: %w", err)
	}
	p := &Pipeline{}
	if err := yaml.UnmarshalWithOptions(text, p, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("reading pipeline.yaml: %w", err)
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(p.Tables) == 0 {
		fault("pipeline.yaml has no tables: name at least one")
	}
	for i := range p.Tables {
		t := &p.Tables[i]
		if !word.MatchString(t.Name) || slices.ContainsFunc(p.Tables[:i], func(o Table) bool { return o.Name == t.Name }) {
			fault("pipeline.yaml: table %q: expected a name of letters, digits and _, once", t.Name)
			continue
		}
		if !slices.Contains(t.Fields, t.Key) {
			fault("pipeline.yaml: table %s: key %q is none of its fields %s", t.Name, t.Key, strings.Join(t.Fields, ", "))
		}
		for _, column := range t.Columns {
			if name, _, ok := strings.Cut(column, " "); !ok || !word.MatchString(name) {
				fault("pipeline.yaml: table %s: column %q: expected a name and a type, such as \"ind integer\"", t.Name, column)
			}
		}
		if t.SQL, err = p.query(files, "tables", t.Name); err != nil {
			faults = append(faults, err)
		}
	}
	for i := range p.Questions {
		q := &p.Questions[i]
		if !word.MatchString(q.Name) || slices.ContainsFunc(p.Questions[:i], func(o Question) bool { return o.Name == q.Name }) {
			fault("pipeline.yaml: question %q: expected a name of letters, digits and _, once", q.Name)
			continue
		}
		if q.Chart != "" && !slices.Contains(charts, q.Chart) {
			fault("pipeline.yaml: question %s: chart %q: expected one of %s", q.Name, q.Chart, strings.Join(charts, ", "))
		}
		if q.SQL, err = p.query(files, "questions", q.Name); err != nil {
			faults = append(faults, err)
		}
	}
	return p, errors.Join(faults...)
}

// placeholder stands for a setting in SQL.
var placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)

// query reads an SQL text and puts the settings in.
func (p *Pipeline) query(files fs.FS, dir, name string) (string, error) {
	file := path.Join(dir, name+".sql")
	text, err := fs.ReadFile(files, file)
	if err != nil {
		return "", fmt.Errorf("reading the pipeline: %w", err)
	}
	if strings.Contains(string(text), `\`) {
		return "", fmt.Errorf("%s has a backslash, which Spark and DuckDB read differently: write [0-9] for \\d", file)
	}
	var faults []error
	done := placeholder.ReplaceAllStringFunc(string(text), func(found string) string {
		name := found[2 : len(found)-1]
		sql, err := p.setting(name)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %s: %w", file, found, err))
		}
		return sql
	})
	return strings.TrimRight(strings.TrimSpace(done), ";"), errors.Join(faults...)
}

// setting is what stands for ${name}: literals, or words of SQL.
func (p *Pipeline) setting(name string) (string, error) {
	if sql, ok := p.Words[name]; ok {
		return sql, nil
	}
	texts, ok := p.Settings[name]
	if !ok || len(texts) == 0 {
		return "", errors.New("it is neither among the settings nor the words of pipeline.yaml")
	}
	var literals []string
	for _, text := range texts {
		if strings.Contains(text, `\`) {
			return "", fmt.Errorf("the text %q has a backslash, which Spark and DuckDB read differently", text)
		}
		literals = append(literals, "'"+strings.ReplaceAll(text, "'", "''")+"'")
	}
	return strings.Join(literals, ", "), nil
}

// latest is SQL for the raw rows of t that count: of those with one key the one latest in the log.
func (t Table) latest() string {
	return fmt.Sprintf("SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY TRY_CAST(regexp_extract(strip(`%s`), '%s', 1) AS INT) ORDER BY pos DESC) AS nth FROM %s_lines) AS numbered WHERE nth = 1",
		t.Key, keyPattern, t.Name)
}
