package handlers

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"headrace/kafkaclient"
	"headrace/rawjson"
)

// body reads a body that may be absent with read, which is called at its object. there says that
// there was one: no body, white space and null are none.
func (c *Consumers) body(r *http.Request, read func(s *rawjson.Scanner) error) (there bool, err error) {
	b, err := readBody(r, c.budget, c.maxBody)
	if err != nil {
		return false, err
	}
	defer b.release()
	text, err := rawjson.UTF8(b.bytes)
	if err != nil {
		return false, badRequest("%s", err)
	}
	s := rawjson.NewScanner(text)
	kind, err := s.Kind()
	if err != nil {
		return false, err
	}
	switch kind {
	case rawjson.End:
		return false, nil
	case rawjson.Null:
		if _, err := s.Value(); err != nil {
			return false, err
		}
		return false, s.Finish()
	case rawjson.Object:
	default:
		return false, badRequest("the body is %s, an object is wanted", kindName(kind))
	}
	if err := read(s); err != nil {
		return false, err
	}
	return true, s.Finish()
}

// requiredBody is body where one has to be; argument is the reference's name of it.
func (c *Consumers) requiredBody(r *http.Request, argument string, read func(s *rawjson.Scanner) error) error {
	there, err := c.body(r, read)
	if err == nil && !there {
		err = unprocessable(http.StatusUnprocessableEntity, "%s must not be null (was null)", argument)
	}
	return err
}

// partitionsBody reads {"partitions":[…]}, which has to be there.
func (c *Consumers) partitionsBody(r *http.Request, argument string) ([]kafkaclient.TopicPartition, error) {
	var asked partitionsRequest
	if err := c.requiredBody(r, argument, asked.read); err != nil {
		return nil, err
	}
	if !asked.given {
		return nil, errNoList(argument, "partitions")
	}
	return asked.partitions, nil
}

// errNoList says that a list is missing. The reference answers 500 (defect: contract,
// kafka-rest-v2.md §4.1).
func errNoList(argument, list string) error {
	return unprocessable(http.StatusUnprocessableEntity, "%s.%s must not be null (was null)", argument, list)
}

// readKnown reads an object; known reads one member's value, or says that there is none of the name.
func readKnown(s *rawjson.Scanner, known func(name string) (bool, error)) error {
	if err := s.Object(); err != nil {
		return err
	}
	for {
		name, ok, err := s.Member()
		if err != nil || !ok {
			return err
		}
		there, err := known(string(name))
		if err != nil {
			return err
		}
		if !there {
			return unprocessable(http.StatusUnprocessableEntity, "Unrecognized field: %s", name)
		}
	}
}

// readString reads a string; numbers and booleans are taken as their text. there is false for null.
func readString(s *rawjson.Scanner, name string) (text string, there bool, err error) {
	kind, err := s.Kind()
	if err != nil {
		return "", false, err
	}
	switch kind {
	case rawjson.String:
		value, err := s.Text()
		return string(value), true, err
	case rawjson.Object, rawjson.Array, rawjson.End:
		return "", false, badRequest("%s is %s, a string is wanted", name, kindName(kind))
	}
	value, err := s.Value()
	return string(value), kind != rawjson.Null, err
}

// readInteger reads an integer of so many bits as leniently as the reference's reader: "1", 1.0
// and 1.9 are 1; there is false for null and "".
func readInteger(s *rawjson.Scanner, name string, bits int) (n int64, there bool, err error) {
	kind, err := s.Kind()
	if err != nil {
		return 0, false, err
	}
	if kind != rawjson.Null && kind != rawjson.String && kind != rawjson.Number {
		return 0, false, badRequest("%s is %s, an integer is wanted", name, kindName(kind))
	}
	text, there, err := readString(s, name)
	if err != nil || !there {
		return 0, false, err
	}
	if kind == rawjson.String {
		if text = strings.TrimSpace(text); text == "" {
			return 0, false, nil
		}
	}
	if kind == rawjson.Number && strings.ContainsAny(text, ".eE") {
		limit := math.Ldexp(1, bits-1)
		if f, err := strconv.ParseFloat(text, 64); err == nil && f > -limit-1 && f < limit {
			return int64(f), true, nil
		}
	}
	n, err = strconv.ParseInt(text, 10, bits)
	if err != nil {
		return 0, false, badRequest("%s is %.40q, an integer of %d bits is wanted", name, text, bits)
	}
	return n, true, nil
}

// instanceRequest is the body of POST /consumers/{group}.
type instanceRequest struct {
	id, name   string
	format     string
	autoReset  string
	autoCommit string
	minBytes   int64
	waitMillis int64
}

// instance is the name that was asked for; "" for none. id wins.
func (q *instanceRequest) instance() string {
	if q.id != "" {
		return q.id
	}
	return q.name
}

// Bounds of fetch.min.bytes. Source: Confluent's CreateConsumerInstanceRequest.
const lowestMinBytes, highestMinBytes = -1, 10_000_000

func (q *instanceRequest) read(s *rawjson.Scanner) error {
	text := func(name string, into *string) (bool, error) {
		value, there, err := readString(s, name)
		if there {
			*into = value
		}
		return there, err
	}
	return readKnown(s, func(name string) (bool, error) {
		var err error
		switch name {
		case "id":
			_, err = text(name, &q.id)
		case "name":
			var there bool
			if there, err = text(name, &q.name); err == nil && there && q.name == "" {
				err = unprocessable(http.StatusUnprocessableEntity, "name must not be empty (was )")
			}
		case "format":
			var there bool
			if there, err = text(name, &q.format); err == nil && !there {
				q.format = string(formatBinary)
			}
		case "auto.offset.reset":
			_, err = text(name, &q.autoReset)
		case "auto.commit.enable":
			_, err = text(name, &q.autoCommit)
		case "fetch.min.bytes", "responseMinBytes":
			err = q.readMinBytes(s, name)
		case "consumer.request.timeout.ms", "requestWaitMs":
			n, there, e := readInteger(s, name, 32)
			if err = e; there {
				q.waitMillis = n
			}
		default:
			return false, nil
		}
		return true, err
	})
}

func (q *instanceRequest) readMinBytes(s *rawjson.Scanner, name string) error {
	n, there, err := readInteger(s, name, 32)
	if err != nil || !there {
		return err
	}
	if n < lowestMinBytes || n > highestMinBytes {
		return unprocessable(40001, "Invalid consumer configuration. It does not abide by the constraints: fetch.min.bytes is %d, it has to be from %d to %d", n, lowestMinBytes, highestMinBytes)
	}
	q.minBytes = n
	return nil
}

// subscribeRequest is the body of POST …/subscription.
type subscribeRequest struct {
	topics     []string
	hasTopics  bool
	pattern    string
	hasPattern bool
}

func (q *subscribeRequest) read(s *rawjson.Scanner) error {
	return readKnown(s, func(name string) (_ bool, err error) {
		switch name {
		case "topics":
			q.topics = nil
			q.hasTopics, err = readArray(s, name, func() error {
				topic, there, err := readString(s, name)
				if err == nil && (!there || topic == "") {
					err = badRequest("topics has an empty name: every entry has to name a topic")
				}
				q.topics = append(q.topics, topic)
				return err
			})
		case "topic_pattern":
			q.pattern, q.hasPattern, err = readString(s, name)
		default:
			return false, nil
		}
		return true, err
	})
}

// partitionsRequest is {"partitions":[{"topic":…,"partition":…}]}.
type partitionsRequest struct {
	partitions []kafkaclient.TopicPartition
	given      bool
}

func (q *partitionsRequest) read(s *rawjson.Scanner) error {
	return readKnown(s, func(name string) (_ bool, err error) {
		if name != "partitions" {
			return false, nil
		}
		q.partitions = []kafkaclient.TopicPartition{}
		q.given, err = readArray(s, name, func() error {
			var e entry
			if err := e.read(s, "topic", "partition"); err != nil {
				return err
			}
			if e.topic == "" {
				return unprocessable(http.StatusUnprocessableEntity, "partitions[%d].topic must not be empty", len(q.partitions))
			}
			q.partitions = append(q.partitions, kafkaclient.TopicPartition{Topic: e.topic, Partition: int32(e.partition)})
			return nil
		})
		return true, err
	})
}

// entry is one element of the lists of positions, offsets and partitions.
type entry struct {
	topic     string
	partition int64
	offset    int64
	hasOffset bool
	time      time.Time
	hasTime   bool
	metadata  string
}

// read reads an entry that may have the named members.
func (e *entry) read(s *rawjson.Scanner, members ...string) error {
	kind, err := s.Kind()
	if err != nil {
		return err
	}
	if kind != rawjson.Object {
		return badRequest(`an entry is %s, an object with "topic" and "partition" is wanted`, kindName(kind))
	}
	return readKnown(s, func(name string) (_ bool, err error) {
		found := false
		for _, member := range members {
			found = found || member == name
		}
		if !found {
			return false, nil
		}
		switch name {
		case "topic":
			e.topic, _, err = readString(s, name)
		case "partition":
			e.partition, _, err = readInteger(s, name, 32)
		case "offset":
			e.offset, e.hasOffset, err = readInteger(s, name, 64)
		case "timestamp":
			e.time, e.hasTime, err = readTime(s)
		case "metadata":
			e.metadata, _, err = readString(s, name)
		}
		return true, err
	})
}

// readTime reads an ISO-8601 time, or a number of seconds.
func readTime(s *rawjson.Scanner) (at time.Time, there bool, err error) {
	kind, err := s.Kind()
	if err != nil {
		return at, false, err
	}
	text, there, err := readString(s, "timestamp")
	if err != nil || !there {
		return at, false, err
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(seconds) < 1e11 {
		whole, part := math.Modf(seconds)
		return time.Unix(int64(whole), int64(part*1e9)), true, nil
	}
	if at, err = time.Parse(time.RFC3339Nano, text); err != nil || kind != rawjson.String {
		return at, false, badRequest("timestamp is %.60q: a time such as 2024-01-31T12:00:00Z, or a number of seconds, is wanted", text)
	}
	return at, true, nil
}

// seekRequest is the body of POST …/positions.
type seekRequest struct {
	offsets []kafkaclient.PartitionOffset
	times   []kafkaclient.PartitionTime
}

func (q *seekRequest) read(s *rawjson.Scanner) error {
	return readKnown(s, func(name string) (_ bool, err error) {
		switch name {
		case "offsets":
			q.offsets = nil
			_, err = readArray(s, name, func() error { return q.readOffset(s) })
		case "timestamps":
			q.times = nil
			_, err = readArray(s, name, func() error { return q.readTime(s) })
		default:
			return false, nil
		}
		return true, err
	})
}

func (q *seekRequest) readOffset(s *rawjson.Scanner) error {
	var e entry
	if err := e.read(s, "topic", "partition", "offset", "metadata"); err != nil {
		return err
	}
	switch {
	case e.topic == "":
		return badRequest("offsets[%d] has no topic", len(q.offsets))
	case e.offset < 0:
		return unprocessable(http.StatusUnprocessableEntity, "offsets[%d].offset is %d: offsets are counted from 0", len(q.offsets), e.offset)
	}
	q.offsets = append(q.offsets, e.toOffset())
	return nil
}

func (q *seekRequest) readTime(s *rawjson.Scanner) error {
	var e entry
	if err := e.read(s, "topic", "partition", "timestamp", "metadata"); err != nil {
		return err
	}
	switch {
	case e.topic == "":
		return badRequest("timestamps[%d] has no topic", len(q.times))
	case !e.hasTime:
		return badRequest("timestamps[%d] has no timestamp", len(q.times))
	}
	q.times = append(q.times, kafkaclient.PartitionTime{TopicPartition: e.toOffset().TopicPartition, Time: e.time})
	return nil
}

func (e *entry) toOffset() kafkaclient.PartitionOffset {
	return kafkaclient.PartitionOffset{
		TopicPartition: kafkaclient.TopicPartition{Topic: e.topic, Partition: int32(e.partition)}, Offset: e.offset, Metadata: e.metadata,
	}
}

// commitRequest is the body of POST …/offsets: the last records that were processed.
type commitRequest struct {
	offsets []kafkaclient.PartitionOffset // plus 1: what is stored
	given   bool
}

func (q *commitRequest) read(s *rawjson.Scanner) error {
	return readKnown(s, func(name string) (_ bool, err error) {
		if name != "offsets" {
			return false, nil
		}
		q.offsets = nil
		q.given, err = readArray(s, name, func() error { return q.readOffset(s) })
		return true, err
	})
}

func (q *commitRequest) readOffset(s *rawjson.Scanner) error {
	var e entry
	if err := e.read(s, "topic", "partition", "offset", "metadata"); err != nil {
		return err
	}
	at := len(q.offsets)
	switch {
	case e.topic == "":
		return unprocessable(http.StatusUnprocessableEntity, "offsets[%d].topic must not be empty", at)
	case !e.hasOffset:
		return unprocessable(http.StatusUnprocessableEntity, "offsets[%d].offset must not be null: the offset of the last record that was processed is wanted", at)
	case e.offset < -1 || e.offset == math.MaxInt64:
		return unprocessable(http.StatusUnprocessableEntity, "offsets[%d].offset is %d: the offset of the last record that was processed is wanted, -1 for none", at, e.offset)
	}
	o := e.toOffset()
	o.Offset++ // what the group stores is the next record
	q.offsets = append(q.offsets, o)
	return nil
}
