package delta

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/format"
)

// maxStatBytes is the longest text that stands in statistics: longer ones would make the log
// large, and cut ones are no bounds.
const maxStatBytes = 64

// fileStats let readers skip files. Source: PROTOCOL.md, per-file statistics.
type fileStats struct {
	NumRecords int64            `json:"numRecords"`
	MinValues  map[string]any   `json:"minValues"`
	MaxValues  map[string]any   `json:"maxValues"`
	NullCount  map[string]int64 `json:"nullCount"`
}

// stats are a file's statistics as the log has them, from those in its own footer. A column whose
// footer says nothing, or not for each row group, is left out; so are lists.
func (s Schema) stats(file *format.FileMetaData) (string, error) {
	all := fileStats{NumRecords: file.NumRows, MinValues: map[string]any{}, MaxValues: map[string]any{}, NullCount: map[string]int64{}}
	for _, column := range s {
		if column.List {
			continue
		}
		sum := summary{of: column.Type, ranged: true, counted: true}
		for _, group := range file.RowGroups {
			for _, chunk := range group.Columns {
				if meta := chunk.MetaData; len(meta.PathInSchema) == 1 && meta.PathInSchema[0] == column.Name {
					sum.add(meta.Statistics, meta.NumValues)
				}
			}
		}
		if sum.counted {
			all.NullCount[column.Name] = sum.nulls
		}
		if sum.ranged && sum.low != nil {
			all.MinValues[column.Name], all.MaxValues[column.Name] = sum.low, sum.high
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("encoding statistics: %w", err)
	}
	return string(text), nil
}

// summary joins what the row groups of a file say of one column.
type summary struct {
	of              Type
	ranged, counted bool // each group so far said so
	low, high       any
	nulls           int64
}

func (s *summary) add(group format.Statistics, values int64) {
	// Parquet cannot tell a count of 0 from none. With bounds, there are values, and a writer that
	// gives bounds counts nulls; a column all null has no bounds.
	low, high := s.of.stat(group.MinValue), s.of.stat(group.MaxValue)
	bounded := low != nil && high != nil
	s.nulls += group.NullCount
	if group.NullCount == values {
		return // all null: it has no range, and narrows none
	}
	s.counted = s.counted && len(group.MinValue)+len(group.MaxValue) > 0
	s.ranged = s.ranged && bounded
	if !s.ranged {
		return
	}
	if s.low == nil || less(low, s.low) {
		s.low = low
	}
	if s.high == nil || less(s.high, high) {
		s.high = high
	}
}

// stat reads a bound of a Parquet footer into what the log's JSON has for it; nil when it has none.
// Floating point has none: Parquet leaves NaN out of its bounds, Spark holds it for the largest.
// Instants are cut to the millisecond, which readers know. Source: PROTOCOL.md, per-file statistics.
func (t Type) stat(raw []byte) any {
	switch {
	case t == String && len(raw) > 0 && len(raw) <= maxStatBytes && utf8.Valid(raw):
		return string(raw)
	case t == Integer && len(raw) == 4:
		return int64(int32(binary.LittleEndian.Uint32(raw)))
	case t == Long && len(raw) == 8:
		return int64(binary.LittleEndian.Uint64(raw))
	case t == Date && len(raw) == 4:
		return time.Unix(int64(int32(binary.LittleEndian.Uint32(raw)))*24*60*60, 0).UTC().Format(time.DateOnly)
	case t == Timestamp && len(raw) == 8:
		micros := int64(binary.LittleEndian.Uint64(raw))
		return time.UnixMilli(floorDiv(micros, 1000)).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// less compares two bounds of one type. Dates and instants of four-digit years sort as their texts.
func less(a, b any) bool {
	switch a := a.(type) {
	case int64:
		return a < b.(int64)
	case string:
		return a < b.(string)
	}
	return false
}
