package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// File is a data file that lies in the table's folder. Append makes it part of the table.
type File struct {
	Rows int64
	add  *add
}

// Write puts a Parquet file, whole in body, into the table's folder under a new name. Its columns
// must be the table's, in order: else Write fails with ErrSchema and writes nothing.
// Instants must be INT64 microseconds, adjusted to UTC; lists in the three-level form.
func (t *Table) Write(ctx context.Context, body []byte) (File, error) {
	opened, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)), parquet.SkipBloomFilters(true))
	if err != nil {
		return File{}, fmt.Errorf("reading the Parquet file: %w", err)
	}
	columns := t.Columns()
	if err := columns.stored(opened.Schema()); err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	stats, err := columns.stats(opened.Metadata())
	if err != nil {
		return File{}, err
	}
	// The name's form is Spark's: some tools sort files by it.
	name := fmt.Sprintf("part-00000-%s-c000.parquet", uuid.NewString())
	if err := t.store.Put(ctx, t.dir+"/"+name, body); err != nil {
		return File{}, err
	}
	size, now, yes := int64(len(body)), time.Now().UnixMilli(), true
	return File{opened.NumRows(), &add{
		Path: &name, PartitionValues: map[string]string{}, Size: &size, ModificationTime: &now, DataChange: &yes, Stats: &stats,
	}}, nil
}

// key is where a path of the log lies in the store. Other engines may give whole URLs, which
// point out of the table.
func (t *Table) key(path string) (string, error) {
	if strings.Contains(path, "://") || strings.HasPrefix(path, "/") {
		return "", fmt.Errorf("file %s of table %s lies outside of the table: it is not read here", path, t.dir)
	}
	name, err := url.PathUnescape(path)
	if err != nil {
		return "", fmt.Errorf("file %s of table %s: %w", path, t.dir, err)
	}
	return t.dir + "/" + name, nil
}

// stored says why a Parquet file's columns are not those of s.
func (s Schema) stored(file *parquet.Schema) error {
	fields := file.Fields()
	if len(fields) != len(s) {
		return fmt.Errorf("the file has %d columns, the table %d", len(fields), len(s))
	}
	for i, column := range s {
		node := parquet.Node(fields[i])
		if fields[i].Name() != column.Name {
			return fmt.Errorf("column %d of the file is %s, of the table %s", i+1, fields[i].Name(), column.Name)
		}
		if column.List {
			var err error
			if node, err = element(node); err != nil {
				return fmt.Errorf("column %s: %w", column.Name, err)
			}
		}
		if !column.Type.holds(node) {
			return fmt.Errorf("column %s of the file is %s, which is no %s", column.Name, node, column.Type)
		}
	}
	return nil
}

// element is what a list holds. Source: the Parquet format's LogicalTypes.md, lists.
func element(list parquet.Node) (parquet.Node, error) {
	if _, ok := logical(list).(*format.ListType); !ok || list.Leaf() || len(list.Fields()) != 1 {
		return nil, errors.New("it is no list")
	}
	middle := list.Fields()[0]
	if middle.Leaf() || !middle.Repeated() || len(middle.Fields()) != 1 {
		return nil, errors.New("its list has not three levels")
	}
	return middle.Fields()[0], nil
}

// logical is a node's annotation, or nil.
func logical(node parquet.Node) format.LogicalTypeValue {
	if annotated := node.Type().LogicalType(); annotated != nil {
		return annotated.Value
	}
	return nil
}

// holds reports whether a leaf of a Parquet file is of type t.
func (t Type) holds(leaf parquet.Node) bool {
	if !leaf.Leaf() {
		return false
	}
	kind := leaf.Type().Kind()
	switch note := logical(leaf).(type) {
	case nil:
		return t == map[parquet.Kind]Type{
			parquet.ByteArray: Binary, parquet.Int32: Integer, parquet.Int64: Long,
			parquet.Float: Float, parquet.Double: Double, parquet.Boolean: Boolean,
		}[kind]
	case *format.StringType:
		return t == String && kind == parquet.ByteArray
	case *format.IntType:
		return note.IsSigned && (t == Integer && note.BitWidth == 32 || t == Long && note.BitWidth == 64)
	case *format.DateType:
		return t == Date && kind == parquet.Int32
	case *format.TimestampType:
		_, micros := note.Unit.Value.(*format.MicroSeconds)
		return t == Timestamp && kind == parquet.Int64 && micros && note.IsAdjustedToUTC
	}
	return false
}
