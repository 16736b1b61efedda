package kinesisclient

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"headrace/rawjson"
)

// The pace of reading one shard. Source: Kinesis quotas: five GetRecords a second for each shard.
const (
	busyPause = 200 * time.Millisecond
	idlePause = time.Second // a shard without new records
)

// maxGet is the most records one GetRecords call gives. Source: Kinesis API reference, GetRecords.
const maxGet = 10_000

// Record is one record of a shard, as its producer made it: those that the Kinesis Producer Library
// packed together are handed out apart.
type Record struct {
	Data           []byte
	PartitionKey   string
	SequenceNumber string // those packed together share one
	Sub            int    // place among those packed together, from 0
	Arrived        time.Time
}

// Position is a place in a shard.
type Position struct {
	After string    // behind the record of that sequence number; else
	At    time.Time // at the first record that arrived then or later; else
	// the oldest record that is kept
}

// Page is what one call of Read brought.
type Page struct {
	Records []Record      // in the shard's order, whole packs only
	Behind  time.Duration // how far the newest record of the shard is ahead, by its arrival
	End     bool          // the shard is closed and was read to its end
}

// Reader reads one shard by polling, within the service's limits. It is for one goroutine.
type Reader struct {
	client   *Client
	stream   string
	shard    string
	from     Position // to begin at, and again when an iterator has expired
	iterator string
	next     time.Time // not before
}

// NewReader returns a reader of a shard that begins at from. It makes no call.
func (c *Client) NewReader(stream, shard string, from Position) *Reader {
	return &Reader{client: c, stream: stream, shard: shard, from: from}
}

// Read waits for its turn, then asks once for records behind the last ones. A page may be empty.
// After an error it may be called again, and goes on where it was. Errors: as Call.
func (r *Reader) Read(ctx context.Context) (Page, error) {
	if err := r.wait(ctx); err != nil {
		return Page{}, err
	}
	if r.iterator == "" {
		if err := r.seek(ctx); err != nil {
			return Page{}, fmt.Errorf("finding a place in %s of %s: %w", r.shard, r.stream, err)
		}
	}
	body := NewBody()
	defer body.Free()
	body.Bytes = fmt.Appendf(body.Bytes, `{"ShardIterator":%q,"Limit":%d}`, r.iterator, maxGet)
	answer, err := r.client.Call(ctx, OpGetRecords, body)
	r.next = time.Now().Add(busyPause)
	if err != nil {
		var api *APIError
		if errors.As(err, &api) && api.Type == "ExpiredIteratorException" {
			r.iterator = ""
		}
		if isClass(err, ClassThrottle) {
			r.next = time.Now().Add(idlePause)
		}
		return Page{}, fmt.Errorf("reading %s of %s: %w", r.shard, r.stream, err)
	}
	got, err := parseRecords(answer.Body)
	if err != nil {
		return Page{}, fmt.Errorf("reading the answer of %s: %w", OpGetRecords, err)
	}
	r.iterator = got.next
	if n := len(got.Records); n > 0 {
		r.from = Position{After: got.Records[n-1].SequenceNumber}
	} else if got.Behind == 0 {
		r.next = time.Now().Add(idlePause)
	}
	got.End = got.next == ""
	return got.Page, nil
}

func (r *Reader) wait(ctx context.Context) error {
	pause := time.Until(r.next)
	if pause <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// seek asks for an iterator.
func (r *Reader) seek(ctx context.Context) error {
	request := map[string]any{"StreamName": r.stream, "ShardId": r.shard}
	switch {
	case r.from.After != "":
		request["ShardIteratorType"], request["StartingSequenceNumber"] = "AFTER_SEQUENCE_NUMBER", r.from.After
	case !r.from.At.IsZero():
		request["ShardIteratorType"], request["Timestamp"] = "AT_TIMESTAMP", float64(r.from.At.UnixMilli())/1000
	default:
		request["ShardIteratorType"] = "TRIM_HORIZON"
	}
	var found struct{ ShardIterator string }
	if err := r.client.ask(ctx, OpGetShardIterator, request, &found); err != nil {
		return err
	}
	r.iterator = found.ShardIterator
	return nil
}

// records is an answer of GetRecords.
type records struct {
	Page
	next string // iterator; empty at the end of a closed shard
}

// parseRecords reads an answer. Data are slices of body, which is overwritten.
func parseRecords(body []byte) (records, error) {
	var got records
	err := members(rawjson.NewScanner(body), func(s *rawjson.Scanner, name string) error {
		switch name {
		case "NextShardIterator":
			text, err := s.Value()
			if err == nil && text[0] == '"' { // null at the end
				got.next = string(rawjson.Unquote(text))
			}
			return err
		case "MillisBehindLatest":
			number, err := s.Value()
			if err != nil {
				return err
			}
			millis, err := strconv.ParseInt(string(number), 10, 64)
			got.Behind = time.Duration(millis) * time.Millisecond
			return err
		case "Records":
			return elements(s, func() error {
				rec, err := parseRecord(s)
				if err == nil {
					got.Records = unpack(got.Records, rec)
				}
				return err
			})
		}
		_, err := s.Value()
		return err
	})
	return got, err
}

func parseRecord(s *rawjson.Scanner) (Record, error) {
	var rec Record
	err := members(s, func(s *rawjson.Scanner, name string) error {
		switch name {
		case "Data":
			text, err := s.Text()
			if err != nil {
				return err
			}
			n, err := base64.StdEncoding.Decode(text, text)
			rec.Data = text[:n:n]
			return err
		case "PartitionKey":
			text, err := s.Text()
			rec.PartitionKey = string(text)
			return err
		case "SequenceNumber":
			text, err := s.Text()
			rec.SequenceNumber = string(text)
			return err
		case "ApproximateArrivalTimestamp":
			number, err := s.Value()
			if err != nil {
				return err
			}
			seconds, err := strconv.ParseFloat(string(number), 64)
			rec.Arrived = time.UnixMilli(int64(math.Round(seconds * 1000)))
			return err
		}
		_, err := s.Value()
		return err
	})
	if err == nil && rec.SequenceNumber == "" {
		err = errors.New("a record has no sequence number")
	}
	return rec, err
}

// members reads an object: read takes each member's value.
func members(s *rawjson.Scanner, read func(s *rawjson.Scanner, name string) error) error {
	if err := s.Object(); err != nil {
		return err
	}
	for {
		name, ok, err := s.Member()
		if err != nil || !ok {
			return err
		}
		if err := read(s, string(name)); err != nil {
			return err
		}
	}
}

// elements reads an array: read takes each element.
func elements(s *rawjson.Scanner, read func() error) error {
	if err := s.Array(); err != nil {
		return err
	}
	for {
		ok, err := s.Element()
		if err != nil || !ok {
			return err
		}
		if err := read(); err != nil {
			return err
		}
	}
}
