// Package delta writes and reads Delta tables: a folder of Parquet files, and a log of numbered
// commits that says which of them are the table. It appends exactly once, compacts and vacuums,
// and shares tables with other engines. It takes Parquet files as they are, from any writer, and
// speaks reader version 1 and writer version 2: what asks for more is refused.
//
// Source of the format: the Delta transaction log protocol, PROTOCOL.md of delta-io/delta.
package delta
