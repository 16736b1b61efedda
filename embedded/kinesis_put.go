package embedded

import (
	"fmt"
	"strconv"
	"time"
)

// maxPutBytes is the most that the records of one PutRecords may have with their keys.
// Source: contract/kinesis.md §3.
const maxPutBytes = 10 << 20

// entry is one record on its way in.
type entry struct {
	key  []byte // a slice of the body
	data []byte
	hash hashKey
}

// stored says what became of an entry.
type stored struct {
	shard *shard
	at    sequence
	fault *kinesisError // nil: it is stored
}

func (k *Kinesis) putRecord(c *call) error {
	if text := c.in.get("SequenceNumberForOrdering"); text.set {
		if q, ok := parseSequence(string(text.text)); !ok || q.arrived() > c.now.Unix() {
			return invalidArgument("ExclusiveMinimumSequenceNumber %s used in PutRecord on stream %s under account %s is invalid.",
				short(string(text.text)), c.in.text("StreamName"), k.cfg.Account)
		}
	}
	return k.writing(c, func(s *stream) error {
		e, err := k.entry(s, c.in, "")
		if err != nil {
			return err
		}
		done, err := k.put(s, e, "PutRecord", c.now)
		if err != nil {
			return err
		}
		if done.fault != nil {
			return done.fault
		}
		c.out = append(done.appendJSON(append(c.out, '{')), '}')
		return nil
	})
}

func (k *Kinesis) putRecords(c *call) error {
	return k.writing(c, func(s *stream) error {
		entries, err := k.entries(s, c.in.get("Records").items)
		if err != nil {
			return err
		}
		failed := 0
		c.out = append(c.out, `{"Records":[`...)
		for i, e := range entries {
			done, err := k.put(s, e, "PutRecords", c.now)
			if err != nil {
				return err
			}
			if i > 0 {
				c.out = append(c.out, ',')
			}
			c.out = append(done.appendJSON(append(c.out, '{')), '}')
			if done.fault != nil {
				failed++
			}
		}
		c.out = append(c.out, `],"FailedRecordCount":`...)
		c.out = append(strconv.AppendInt(c.out, int64(failed), 10), '}')
		return nil
	})
}

// writing runs do with the stream that c names, which must take records.
func (k *Kinesis) writing(c *call, do func(*stream) error) error {
	err := k.view(c, func(s *stream) error {
		if !s.writable() {
			return k.noStream(s.Name)
		}
		return do(s)
	})
	if k.bytes.Load() > k.cfg.MaxBytes {
		k.mu.RLock()
		k.trim()
		k.mu.RUnlock()
	}
	return err
}

// entries checks all of a PutRecords before one of them is stored.
func (k *Kinesis) entries(s *stream, items []params) ([]entry, error) {
	entries := make([]entry, len(items))
	total := 0
	for i, item := range items {
		e, err := k.entry(s, item, "records."+strconv.Itoa(i+1)+".member.")
		if err != nil {
			return nil, err
		}
		entries[i] = e
		total += len(e.key) + len(e.data)
	}
	if total > maxPutBytes {
		return nil, invalidArgument("Records size exceeds 10 MB limit: %d bytes with their partition keys.", total)
	}
	return entries, nil
}

// entry reads the members PartitionKey, ExplicitHashKey and Data of in, which lies at path.
func (k *Kinesis) entry(s *stream, in params, path string) (entry, error) {
	e := entry{key: in.get("PartitionKey").text, data: in.get("Data").text}
	most := s.maxRecordBytes()
	if len(e.data) > most {
		return e, invalidMember(path+"data", byteBufferText(len(e.data)),
			"Member must have length less than or equal to "+strconv.Itoa(most))
	}
	if len(e.data)+len(e.key) > most {
		return e, invalidMember(path+"data", byteBufferText(len(e.data)), fmt.Sprintf(
			"Member must have length less than or equal to %d with the %d bytes of its partition key", most, len(e.key)))
	}
	e.hash = hashOf(e.key)
	if explicit := in.get("ExplicitHashKey"); explicit.set {
		var ok bool
		if e.hash, ok = parseHashKey(string(explicit.text)); !ok {
			return e, invalidArgument("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was %s",
				explicit.text)
		}
	}
	return e, nil
}

// put stores e in the shard of its hash key. The caller holds s.mu for reading, so that the
// shard stays open. An error means that the log could not be written.
func (k *Kinesis) put(s *stream, e entry, operation string, now time.Time) (stored, error) {
	sh := s.route(e.hash)
	if fault := k.faults.record(operation); fault != nil {
		return stored{shard: sh, fault: fault}, nil
	}
	ms := now.UnixMilli()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if k.cfg.RealLimits && !sh.admit(len(e.key)+len(e.data), ms) {
		return stored{shard: sh, fault: badRequest(throughputExceeded, "Rate exceeded for shard "+sh.id+" in stream "+
			s.Name+" under account "+k.cfg.Account+".")}, nil
	}
	// Arrivals never go back within a shard, whatever the clock does: AT_TIMESTAMP relies on it.
	r := record{key: string(e.key), data: e.data, arrived: max(ms, sh.Last)}
	index := sh.Next
	if err := k.journal.record(s.Name, sh.Index, index, r); err != nil {
		return stored{}, err
	}
	sh.push(r)
	s.puts.Add(1)
	k.bytes.Add(r.size() - sh.expire(s.horizon(ms)))
	return stored{shard: sh, at: sh.sequence(index, r.arrived)}, nil
}

// appendJSON appends the members of a result.
func (d stored) appendJSON(out []byte) []byte {
	if d.fault != nil {
		out = appendJSONString(append(out, `"ErrorCode":`...), d.fault.kind)
		return appendJSONString(append(out, `,"ErrorMessage":`...), d.fault.message)
	}
	out = append(append(out, `"ShardId":"`...), d.shard.id...)
	out = appendDecimal(append(out, `","SequenceNumber":"`...), d.at)
	return append(out, '"')
}

// trim drops the oldest records of all streams until there is room again. The caller holds
// k.mu and no stream.
func (k *Kinesis) trim() {
	if !k.trimming.TryLock() {
		return // another call is at it
	}
	defer k.trimming.Unlock()
	var shards []*shard
	for _, s := range k.streams {
		shards = append(shards, s.everyShard()...)
	}
	// Some more than needed, so that not every put comes here.
	target := k.cfg.MaxBytes - k.cfg.MaxBytes/16
	for k.bytes.Load() > target {
		oldest, second := oldestHeads(shards)
		if oldest == nil {
			return
		}
		k.bytes.Add(-oldest.dropUntil(second, k.bytes.Load()-target))
	}
}

// oldestHeads finds the shard with the oldest record, and the arrival of the oldest record
// of all other shards.
func oldestHeads(shards []*shard) (oldest *shard, second int64) {
	first := int64(never)
	second = never
	for _, sh := range shards {
		at := sh.oldest()
		switch {
		case at < first:
			oldest, first, second = sh, at, first
		case at < second:
			second = at
		}
	}
	return oldest, second
}
