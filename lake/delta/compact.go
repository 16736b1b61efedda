package delta

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
)

// DataFile is a file that is part of a table.
type DataFile struct {
	Key  string // in the store
	Size int64  // bytes
}

// Files lists the files of the newest version that is known, in the order in which they were written.
func (t *Table) Files() ([]DataFile, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var files []DataFile
	for _, a := range t.snap.inOrder() {
		key, err := t.key(value(a.Path))
		if err != nil {
			return nil, err
		}
		files = append(files, DataFile{key, value(a.Size)})
	}
	return files, nil
}

func (s *snapshot) inOrder() []*add {
	adds := make([]*add, 0, len(s.adds))
	for _, a := range s.adds {
		adds = append(adds, a)
	}
	slices.SortFunc(adds, func(a, b *add) int {
		return cmp.Or(cmp.Compare(value(a.ModificationTime), value(b.ModificationTime)), cmp.Compare(value(a.Path), value(b.Path)))
	})
	return adds
}

// Compact joins small files into files of about target bytes, in one commit for each: the rows
// stay the same, in the same order. It needs memory for about twice target. It returns how many
// files were joined, into how many. What another writer removes meanwhile is left alone.
func (t *Table) Compact(ctx context.Context, target int64) (from, to int, err error) {
	if err := t.Refresh(ctx); err != nil {
		return 0, 0, err
	}
	t.mu.Lock()
	groups := small(t.snap.inOrder(), target)
	t.mu.Unlock()
	for _, group := range groups {
		err := t.join(ctx, group)
		if errors.Is(err, errConflict) || errors.Is(err, ErrSchema) {
			t.log.Info("some files are not joined", "files", len(group), "err", err)
			continue
		}
		if err != nil {
			return from, to, fmt.Errorf("compacting table %s: %w", t.dir, err)
		}
		from, to = from+len(group), to+1
	}
	return from, to, nil
}

// small groups neighbours that are less than half of target each.
func small(files []*add, target int64) (groups [][]*add) {
	var group []*add
	var size int64
	end := func() {
		if len(group) > 1 {
			groups = append(groups, group)
		}
		group, size = nil, 0
	}
	for _, f := range files {
		switch n := value(f.Size); {
		case n >= target/2:
			end()
			continue
		case size+n > target:
			end()
		}
		group, size = append(group, f), size+value(f.Size)
	}
	end()
	return groups
}

// join writes the rows of some files into one, and puts that in their place.
func (t *Table) join(ctx context.Context, group []*add) error {
	body, err := t.merge(ctx, group)
	if err != nil {
		return err
	}
	joined, err := t.Write(ctx, body)
	if err != nil {
		return err
	}
	no, yes, now := false, true, time.Now().UnixMilli()
	joined.add.DataChange = &no
	// Files are ordered by this: the new one stands where the first of the old ones stood.
	joined.add.ModificationTime = group[0].ModificationTime
	op := operation{name: "OPTIMIZE", parameters: map[string]string{"predicate": "[]", "auto": "true"}, metrics: map[string]string{
		"numRemovedFiles": fmt.Sprint(len(group)), "numAddedFiles": "1",
	}}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err = t.commit(ctx, op, func(s *snapshot) ([]action, error) {
		actions := []action{{Add: joined.add}}
		for _, a := range group {
			if s.adds[value(a.Path)] != a {
				return nil, errConflict
			}
			actions = append(actions, action{Remove: &remove{
				Path: a.Path, DeletionTimestamp: &now, DataChange: &no, ExtendedFileMetadata: &yes,
				PartitionValues: map[string]string{}, Size: a.Size,
			}})
		}
		return actions, nil
	})
	return err
}

// merge is one Parquet file with the rows of all of group, whose columns must be the table's.
func (t *Table) merge(ctx context.Context, group []*add) ([]byte, error) {
	var out bytes.Buffer
	var writer *parquet.GenericWriter[any]
	for _, a := range group {
		file, err := t.openFile(ctx, a)
		if err != nil {
			return nil, err
		}
		if err := t.Columns().stored(file.Schema()); err != nil {
			return nil, fmt.Errorf("%w: file %s: %w", ErrSchema, value(a.Path), err)
		}
		if writer == nil {
			writer = parquet.NewGenericWriter[any](&out, file.Schema(), parquet.Compression(&parquet.Snappy), parquet.CreatedBy("headrace", "", ""))
		}
		conversion, err := parquet.Convert(writer.Schema(), file.Schema())
		if err != nil {
			return nil, fmt.Errorf("%w: file %s: %w", ErrSchema, value(a.Path), err)
		}
		for _, rows := range file.RowGroups() {
			if err := copyRows(writer, parquet.ConvertRowGroup(rows, conversion)); err != nil {
				return nil, fmt.Errorf("copying file %s: %w", value(a.Path), err)
			}
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func copyRows(to *parquet.GenericWriter[any], from parquet.RowGroup) error {
	rows := from.Rows()
	_, err := parquet.CopyRows(to, rows)
	return errors.Join(err, rows.Close())
}

func (t *Table) openFile(ctx context.Context, a *add) (*parquet.File, error) {
	key, err := t.key(value(a.Path))
	if err != nil {
		return nil, err
	}
	body, err := t.store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	all, err := io.ReadAll(io.LimitReader(body, value(a.Size)+1))
	if err != nil {
		return nil, err
	}
	if int64(len(all)) != value(a.Size) {
		return nil, fmt.Errorf("file %s has not the %d bytes that the log says", value(a.Path), value(a.Size))
	}
	return parquet.OpenFile(bytes.NewReader(all), int64(len(all)), parquet.SkipBloomFilters(true))
}
