package handlers

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"headrace/kafkaclient"
	"headrace/record"
)

// lastEventID is the header with which a client resumes a stream.
const lastEventID = "Last-Event-ID"

// maxEventID bounds the ids of a stream: positions of partitions that have not moved for longest
// are left out.
const maxEventID = 4 << 10

// stream sends records as server-sent events until the client leaves, the instance ends or an
// error comes. A client that is slow is waited for: nothing is read meanwhile.
func (c *Consumers) stream(w http.ResponseWriter, r *http.Request, i *kafkaclient.Instance, options kafkaclient.ReadOptions, encoder recordEncoder) error {
	if text := r.Header.Get(lastEventID); text != "" {
		positions, err := parseEventID(text)
		if err != nil {
			return err
		}
		if err := i.Resume(r.Context(), positions); err != nil {
			return err
		}
	}
	options.Wait, options.MinBytes, options.FullWait = c.cfg.Heartbeat, -1, false
	a := &eventsAnswer{recordEncoder: encoder, out: newClientWriter(w)}
	for {
		err := i.Read(r.Context(), options, a)
		switch {
		case err == nil:
			options.Continued = true
			continue
		case r.Context().Err() != nil || a.broken:
			return nil //nolint:nilerr // the client is gone: nobody reads an error
		case !a.out.begun():
			return err
		}
		a.fail(err)
		return nil
	}
}

// eventsAnswer sends records as events. It is used for one read after the other.
type eventsAnswer struct {
	recordEncoder
	out    clientWriter
	buf    []byte
	seen   []seenPartition // the one that moved last at the end
	broken bool            // the client does not take more
}

// seenPartition is a partition and its last record in the stream.
type seenPartition struct {
	kafkaclient.TopicPartition
	offset int64
}

var _ kafkaclient.Answer = (*eventsAnswer)(nil)

// Take adds a record as an event. Its id names the last offset of each partition in the stream.
func (a *eventsAnswer) Take(rec *record.Record, room int64) (int64, error) {
	start := len(a.buf)
	a.buf = append(a.buf, "data: "...)
	buf, size, err := a.encode(a.buf, rec, room)
	if err != nil {
		a.buf = a.buf[:start]
		return size, err
	}
	a.saw(rec)
	a.buf = buf
	a.buf = append(a.buf, "\nid: "...)
	a.buf = a.appendID(a.buf)
	a.buf = append(a.buf, "\n\n"...)
	return size, nil
}

// saw moves the record's partition to the end of seen.
func (a *eventsAnswer) saw(rec *record.Record) {
	last := len(a.seen) - 1
	for n := last; n >= 0; n-- {
		if s := a.seen[n]; s.Partition == rec.Partition && s.Topic == rec.Topic {
			copy(a.seen[n:], a.seen[n+1:])
			s.offset = rec.Offset
			a.seen[last] = s
			return
		}
	}
	a.seen = append(a.seen, seenPartition{kafkaclient.TopicPartition{Topic: rec.Topic, Partition: rec.Partition}, rec.Offset})
}

// appendID appends topic:partition:offset of each partition, the one that moved last first.
func (a *eventsAnswer) appendID(dst []byte) []byte {
	start := len(dst)
	for n := len(a.seen) - 1; n >= 0 && len(dst)-start < maxEventID; n-- {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, a.seen[n].Topic...)
		dst = append(dst, ':')
		dst = strconv.AppendInt(dst, int64(a.seen[n].Partition), 10)
		dst = append(dst, ':')
		dst = strconv.AppendInt(dst, a.seen[n].offset, 10)
	}
	return dst
}

// Flush sends what has been taken once it is much.
func (a *eventsAnswer) Flush() error {
	if len(a.buf) < answerFlush {
		return nil
	}
	return a.send()
}

// Finish sends the rest, or a sign of life when there is none.
func (a *eventsAnswer) Finish() error {
	if len(a.buf) == 0 {
		a.buf = append(a.buf, ": heartbeat\n\n"...)
	}
	return errors.Join(a.send(), a.out.flush())
}

func (a *eventsAnswer) send() error {
	if !a.out.begun() {
		a.out.w.Header().Set("Cache-Control", "no-store")
		a.out.w.Header().Set("X-Accel-Buffering", "no") // or nginx would collect events
		a.out.begin(http.StatusOK, typeEvents, -1)
	}
	err := a.out.write(a.buf)
	a.buf = a.buf[:0]
	a.broken = a.broken || err != nil
	return err
}

// fail ends a stream that has begun with an event that says why.
func (a *eventsAnswer) fail(err error) {
	api := toAPIError(err)
	a.buf = append(a.buf[:0], "event: error\ndata: "...)
	a.buf = appendError(a.buf, api.code, api.message)
	a.buf = append(a.buf, "\n\n"...)
	_ = errors.Join(a.send(), a.out.flush()) // a client that is gone cannot be told
}

// parseEventID reads the id of an event: where to go on is behind each of its offsets.
func parseEventID(text string) ([]kafkaclient.PartitionOffset, error) {
	wrong := badRequest("%s is %.100q: the id of an event of such a stream is wanted, topic:partition:offset,…", lastEventID, text)
	if len(text) > 2*maxEventID {
		return nil, wrong
	}
	var out []kafkaclient.PartitionOffset
	for part := range strings.SplitSeq(text, ",") {
		fields := strings.Split(part, ":")
		if len(fields) != 3 || fields[0] == "" {
			return nil, wrong
		}
		partition, err := strconv.ParseInt(fields[1], 10, 32)
		if err != nil {
			return nil, wrong
		}
		offset, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || offset < 0 {
			return nil, wrong
		}
		out = append(out, kafkaclient.PartitionOffset{
			TopicPartition: kafkaclient.TopicPartition{Topic: fields[0], Partition: int32(partition)}, Offset: offset + 1,
		})
	}
	return out, nil
}
