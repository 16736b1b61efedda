// Package sql cleans events and answers questions about them by a pipeline of SQL texts, which run
// on DuckDB here and on Spark beyond one machine. It takes JSON lines and gives Parquet files and
// rows; it knows no topics, shards or buckets.
//
// DuckDB needs cgo: in a build without, Open fails with ErrNoEngine, and all else works.
package sql
