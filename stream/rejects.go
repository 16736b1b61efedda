package stream

import (
	"bytes"
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"headrace/lake/delta"
)

// reject is a record that the pipeline cannot use, as its table keeps it.
type reject struct {
	Stream   *string    `parquet:"stream,optional"`
	Shard    *string    `parquet:"shard,optional"`
	Sequence *string    `parquet:"sequence_number,optional"`
	Sub      *int32     `parquet:"sub_sequence_number,optional"` // among records packed together
	Key      *string    `parquet:"partition_key,optional"`
	Arrived  *time.Time `parquet:"arrived,optional,timestamp(microsecond)"`
	Reason   *string    `parquet:"reason,optional"`
	Text     *string    `parquet:"text,optional"` // as it came; null when it is no UTF-8, then
	Data     []byte     `parquet:"data,optional"` // its bytes
}

// rejectColumns are the table's columns.
var rejectColumns = delta.Schema{
	{Name: "stream", Type: delta.String},
	{Name: "shard", Type: delta.String},
	{Name: "sequence_number", Type: delta.String},
	{Name: "sub_sequence_number", Type: delta.Integer},
	{Name: "partition_key", Type: delta.String},
	{Name: "arrived", Type: delta.Timestamp},
	{Name: "reason", Type: delta.String},
	{Name: "text", Type: delta.String},
	{Name: "data", Type: delta.Binary},
}

func newReject(stream string, rec record, reason string) reject {
	r := reject{
		Stream: &stream, Shard: &rec.shard, Sequence: &rec.SequenceNumber, Sub: new(int32(rec.Sub)),
		Key: &rec.PartitionKey, Arrived: new(rec.Arrived.UTC()), Reason: &reason,
	}
	if utf8.Valid(rec.Data) {
		r.Text = new(string(rec.Data))
	} else {
		r.Data = rec.Data
	}
	return r
}

// setAside commits rejects to their table. It has places of its own, at or ahead of those of the
// rows: a batch that is read again after a crash, cut elsewhere, adds only what is not there yet.
func (l *lane) setAside(ctx context.Context, aside []reject) error {
	reached := map[string]place{}
	var fresh []reject
	for _, r := range aside {
		if at := l.rejects.places[*r.Shard].After; at != "" && !before(at, *r.Sequence) {
			continue
		}
		fresh = append(fresh, r)
		reached[*r.Shard] = place{After: *r.Sequence}
	}
	if len(fresh) == 0 {
		return nil
	}
	var body bytes.Buffer
	if err := parquet.Write(&body, fresh, parquet.Compression(&parquet.Snappy)); err != nil {
		return fmt.Errorf("encoding rejects: %w", err)
	}
	file, err := l.rejects.table.Write(ctx, body.Bytes())
	if err != nil {
		return err
	}
	if err := l.rejects.commit(ctx, []delta.File{file}, reached); err != nil {
		return err
	}
	for _, r := range fresh {
		l.metrics.rejects.WithLabelValues(l.name, *r.Reason).Inc()
	}
	l.count(l.name, func(s *TableStats) { s.Rejects += int64(len(fresh)) })
	return l.rejects.save(ctx, false)
}
