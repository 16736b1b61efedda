package delta

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The highest protocol that this package speaks. Source: PROTOCOL.md, requirements for readers and
// writers: reader 1 is plain files, writer 2 adds append-only tables and column invariants.
const (
	readerVersion = 1
	writerVersion = 2
)

// snapshot is a table at one version.
type snapshot struct {
	version  int64 // -1: there is no table
	protocol protocol
	meta     metaData
	schema   Schema
	fields   []field
	adds     map[string]*add
	removes  map[string]*remove // files that were part of the table not long ago
	txns     map[string]*txn
}

func noTable() *snapshot {
	return &snapshot{version: -1, adds: map[string]*add{}, removes: map[string]*remove{}, txns: map[string]*txn{}}
}

// advance follows one commit. When it fails, s is as it was.
func (s *snapshot) advance(actions []action) error {
	for _, a := range actions {
		if a.MetaData != nil {
			if _, _, err := parseSchema(value(a.MetaData.SchemaString)); err != nil {
				return err
			}
		}
	}
	for _, a := range actions {
		s.apply(a)
	}
	s.version++
	return nil
}

// apply follows one action, whose schema can be read. Actions of a commit come in order.
func (s *snapshot) apply(a action) {
	switch {
	case a.Protocol != nil:
		s.protocol = *a.Protocol
	case a.MetaData != nil:
		s.meta = *a.MetaData
		s.schema, s.fields, _ = parseSchema(value(a.MetaData.SchemaString))
	case a.Txn != nil:
		s.txns[value(a.Txn.AppID)] = a.Txn
	case a.Add != nil:
		path := value(a.Add.Path)
		s.adds[path] = a.Add
		delete(s.removes, path)
	case a.Remove != nil:
		path := value(a.Remove.Path)
		s.removes[path] = a.Remove
		delete(s.adds, path)
	}
}

// readable says why the table cannot be read.
func (s *snapshot) readable() error {
	if v := value(s.protocol.MinReaderVersion); v > readerVersion {
		return fmt.Errorf("%w: it asks for reader version %d, this is version %d (deletion vectors, column mapping and other table features are newer)", ErrProtocol, v, readerVersion)
	}
	return nil
}

// writable says why the table cannot be written.
func (s *snapshot) writable() error {
	if err := s.readable(); err != nil {
		return err
	}
	if v := value(s.protocol.MinWriterVersion); v > writerVersion {
		return fmt.Errorf("%w: it asks for writer version %d, this is version %d", ErrProtocol, v, writerVersion)
	}
	if len(s.meta.PartitionColumns) > 0 {
		return fmt.Errorf("%w: it is partitioned by %s, only tables without partitions are written", ErrProtocol, strings.Join(s.meta.PartitionColumns, ", "))
	}
	if p := s.meta.Format.Provider; p != "parquet" {
		return fmt.Errorf("%w: its files are %q, not parquet", ErrProtocol, p)
	}
	if err := demands(s.fields); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return nil
}

// actions are the rows of a checkpoint: what a reader needs instead of all commits up to here.
// Removes before expired, in ms, are left out. They come in one order for one snapshot.
func (s *snapshot) actions(expired int64) []action {
	all := []action{{Protocol: &s.protocol}, {MetaData: &s.meta}}
	for _, app := range slices.Sorted(maps.Keys(s.txns)) {
		all = append(all, action{Txn: s.txns[app]})
	}
	no := false
	for _, path := range slices.Sorted(maps.Keys(s.removes)) {
		if r := *s.removes[path]; value(r.DeletionTimestamp) > expired {
			r.DataChange = &no
			all = append(all, action{Remove: &r})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(s.adds)) {
		a := *s.adds[path]
		a.DataChange = &no
		all = append(all, action{Add: &a})
	}
	return all
}
