package sql

import "errors"

// ErrNoEngine says that this build has no DuckDB.
var ErrNoEngine = errors.New("this build has no SQL engine: DuckDB needs cgo; build with CGO_ENABLED=1 and a C compiler, or run the pipeline on Spark")

// Config bounds what the engine may take.
type Config struct {
	MemoryBytes int64  // of tables and sorting; beyond it goes to TempDir
	Threads     int    // of one query
	TempDir     string // a folder of this process alone, made when it is missing
}

// Answer is one result table.
type Answer struct {
	Columns []string
	Types   []string // DuckDB's: INTEGER, BIGINT, VARCHAR, …
	Rows    [][]any  // in the question's order
}
