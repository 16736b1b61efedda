//go:build cgo

package sql

import (
	"context"
	stdsql "database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
)

// Built says whether this build has the engine.
const Built = true

// prelude spells for DuckDB what the SQL texts use and engines spell differently. Sessions are in UTC.
// Source: the cleaning rules: a cast to TIMESTAMP ignores offsets, trim alone takes no-break spaces too.
const prelude = `
CREATE MACRO strip(x) AS trim(x, ' ');
CREATE MACRO latlon(a, b) AS [a, b];
CREATE MACRO instant(x) AS TRY_CAST(x AS TIMESTAMPTZ) AT TIME ZONE 'UTC';
`

// DB is an engine in memory, for one pipeline. Make it with Open. It is for one goroutine.
type DB struct {
	db       *stdsql.DB
	conn     *stdsql.Conn // the one: macros and tables are its own
	temp     string
	tables   map[string]*loading
	pipeline *Pipeline
}

// loading is a table's raw lines on their way in.
type loading struct {
	Table
	reader   *reader
	row      [][]byte
	values   []driver.Value // pos, then the fields
	appender *duckdb.Appender
}

// Open starts an engine. Call Close when done.
func Open(ctx context.Context, cfg Config, p *Pipeline) (*DB, error) {
	if err := os.MkdirAll(cfg.TempDir, 0o700); err != nil {
		return nil, fmt.Errorf("making the engine's folder: %w", err)
	}
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return nil, fmt.Errorf("starting DuckDB: %w", err)
	}
	d := &DB{db: stdsql.OpenDB(connector), temp: cfg.TempDir, tables: map[string]*loading{}, pipeline: p}
	if err := d.start(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("starting DuckDB: %w", err), d.Close())
	}
	return d, nil
}

func (d *DB) start(ctx context.Context, cfg Config) error {
	var err error
	if d.conn, err = d.db.Conn(ctx); err != nil {
		return err
	}
	settings := []string{
		"SET autoinstall_known_extensions = false", "SET autoload_known_extensions = false", // nothing from the network
		"SET TimeZone = 'UTC'",
		fmt.Sprintf("SET memory_limit = '%dB'", cfg.MemoryBytes),
		fmt.Sprintf("SET threads = %d", max(1, cfg.Threads)),
		"SET temp_directory = " + literal(cfg.TempDir),
		"SET preserve_insertion_order = true",
		prelude,
	}
	for _, statement := range settings {
		if err := d.exec(ctx, statement); err != nil {
			return err
		}
	}
	for _, t := range d.pipeline.Tables {
		columns := []string{"pos BIGINT"}
		for _, name := range t.Fields {
			columns = append(columns, "`"+name+"` VARCHAR")
		}
		if err := d.exec(ctx, fmt.Sprintf("CREATE TABLE %s_lines (%s)", t.Name, strings.Join(columns, ", "))); err != nil {
			return err
		}
		d.tables[t.Name] = &loading{Table: t, reader: newReader(t), row: make([][]byte, len(t.Fields)), values: make([]driver.Value, len(t.Fields)+1)}
	}
	return nil
}

// Close ends the engine.
func (d *DB) Close() error {
	var errs []error
	for _, l := range d.tables {
		if l.appender != nil {
			errs = append(errs, l.appender.Close())
		}
	}
	if d.conn != nil {
		errs = append(errs, d.conn.Close())
	}
	return errors.Join(append(errs, d.db.Close())...)
}

// exec runs statements in the pipeline's spelling: names in backquotes.
func (d *DB) exec(ctx context.Context, statement string) error {
	_, err := d.conn.ExecContext(ctx, strings.ReplaceAll(statement, "`", `"`))
	return err
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// Add puts a record of a table in, at its place in the log. It returns why the record is set
// aside, or "". line is overwritten.
func (d *DB) Add(ctx context.Context, table string, pos int64, line []byte) (reason string, err error) {
	l := d.tables[table]
	if reason := l.reader.read(line, l.row); reason != "" {
		return reason, nil
	}
	if l.appender == nil {
		if err := d.conn.Raw(func(conn any) error {
			var err error
			l.appender, err = duckdb.NewAppenderFromConn(conn.(driver.Conn), "", l.Name+"_lines")
			return err
		}); err != nil {
			return "", fmt.Errorf("adding to table %s: %w", table, err)
		}
	}
	l.values[0] = pos
	for i, text := range l.row {
		l.values[i+1] = nil
		if text != nil {
			l.values[i+1] = string(text)
		}
	}
	if err := l.appender.AppendRow(l.values...); err != nil {
		return "", fmt.Errorf("adding to table %s: %w", table, err)
	}
	return "", ctx.Err()
}

// Forget drops what was added to a table and not cleaned: after a failure half of it may be there.
func (d *DB) Forget(ctx context.Context, table string) error {
	l := d.tables[table]
	if l.appender != nil {
		_ = l.appender.Close() // what it still holds goes the same way
		l.appender = nil
	}
	if err := d.exec(ctx, "TRUNCATE "+table+"_lines"); err != nil {
		return fmt.Errorf("emptying table %s: %w", table, err)
	}
	return nil
}

// Clean makes the table anew from what was added, and forgets that: the table's columns and pos, a
// row for each record in log order; with latest one row for each key, by the record latest in the log.
func (d *DB) Clean(ctx context.Context, table string, latest bool) error {
	l := d.tables[table]
	if l.appender != nil {
		err := l.appender.Close()
		l.appender = nil
		if err != nil {
			return fmt.Errorf("cleaning table %s: %w", table, err)
		}
	}
	raw := fmt.Sprintf("SELECT * FROM %s_lines", table)
	if latest {
		raw = l.latest()
	}
	for _, statement := range []string{
		fmt.Sprintf("CREATE OR REPLACE TEMP VIEW %s_raw AS %s", table, raw),
		fmt.Sprintf("CREATE OR REPLACE TABLE `%s` AS SELECT %s, pos FROM (%s) AS cleaned ORDER BY pos", table, l.casts(), l.SQL),
		fmt.Sprintf("TRUNCATE %s_lines", table),
	} {
		if err := d.exec(ctx, statement); err != nil {
			return fmt.Errorf("cleaning table %s: %w", table, err)
		}
	}
	return nil
}

// duckTypes are DuckDB's names for the types of columns.
var duckTypes = map[string]string{
	"string": "VARCHAR", "integer": "INTEGER", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE",
	"boolean": "BOOLEAN", "binary": "BLOB", "date": "DATE", "timestamp": "TIMESTAMPTZ",
}

// casts are a table's columns in their types: an instant must be a TIMESTAMPTZ, or other engines
// read its Parquet as a time without a zone.
func (t Table) casts() string {
	var casts []string
	for _, column := range t.Columns {
		name, of, _ := strings.Cut(column, " ")
		list := ""
		if inner, ok := strings.CutPrefix(of, "array<"); ok {
			of, list = strings.TrimSuffix(inner, ">"), "[]"
		}
		casts = append(casts, fmt.Sprintf("CAST(`%s` AS %s%s) AS `%s`", name, duckTypes[of], list, name))
	}
	return strings.Join(casts, ", ")
}

// Parquet is a cleaned table as one Parquet file, without pos, and its rows.
func (d *DB) Parquet(ctx context.Context, table string) (body []byte, rows int64, err error) {
	file := filepath.Join(d.temp, table+".parquet")
	result, err := d.conn.ExecContext(ctx, fmt.Sprintf(`COPY (SELECT * EXCLUDE (pos) FROM "%s" ORDER BY pos) TO %s (FORMAT parquet, COMPRESSION snappy)`, table, literal(file)))
	if err == nil {
		rows, err = result.RowsAffected()
	}
	if err == nil {
		body, err = os.ReadFile(file)
	}
	if err = errors.Join(err, os.Remove(file)); err != nil {
		return nil, 0, fmt.Errorf("writing table %s as Parquet: %w", table, err)
	}
	return body, rows, nil
}

// Read makes a table of the rows of Parquet files, with the pipeline's columns, for questions.
func (d *DB) Read(ctx context.Context, table string, files []string) error {
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = literal(file)
	}
	statement := fmt.Sprintf("CREATE OR REPLACE TABLE `%s` AS SELECT %s FROM read_parquet([%s])", table, d.tables[table].casts(), strings.Join(names, ", "))
	if err := d.exec(ctx, statement); err != nil {
		return fmt.Errorf("reading table %s: %w", table, err)
	}
	return nil
}

// Ask answers a question about the cleaned tables.
func (d *DB) Ask(ctx context.Context, q Question) (a Answer, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("answering %s: %w", q.Name, err)
		}
	}()
	rows, err := d.conn.QueryContext(ctx, strings.ReplaceAll(q.SQL, "`", `"`))
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if a.Columns, err = rows.Columns(); err != nil {
		return a, err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return a, err
	}
	for _, t := range types {
		a.Types = append(a.Types, t.DatabaseTypeName())
	}
	for rows.Next() {
		row, places := make([]any, len(types)), make([]any, len(types))
		for i := range row {
			places[i] = &row[i]
		}
		if err := rows.Scan(places...); err != nil {
			return a, err
		}
		a.Rows = append(a.Rows, row)
	}
	return a, rows.Err()
}
