package embedded

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// The types of shard iterators.
const (
	trimHorizon   = "TRIM_HORIZON"
	latest        = "LATEST"
	atSequence    = "AT_SEQUENCE_NUMBER"
	afterSequence = "AFTER_SEQUENCE_NUMBER"
	atTimestamp   = "AT_TIMESTAMP"
)

func (k *Kinesis) getShardIterator(c *call) error {
	return k.view(c, func(s *stream) error {
		sh, err := k.namedShard(s, c.in.text("ShardId"), c.now)
		if err != nil {
			return err
		}
		sh.mu.Lock()
		defer sh.mu.Unlock()
		if k.cfg.RealLimits && !sh.iterators.take(c.now.UnixMilli()) {
			return k.rateExceeded(s, sh)
		}
		index, err := k.startIndex(c, s, sh)
		if err != nil {
			return err
		}
		c.out = append(c.out, `{"ShardIterator":"`...)
		c.out = append(append(c.out, iteratorAt(s, sh, index, c.now)...), `"}`...)
		return nil
	})
}

func iteratorAt(s *stream, sh *shard, index uint64, now time.Time) string {
	return token{Made: now.UnixMilli(), Stream: s.Name, Created: s.Created, Shard: sh.Index, Index: index}.seal(iteratorToken)
}

func (k *Kinesis) rateExceeded(s *stream, sh *shard) error {
	return badRequest(throughputExceeded,
		"Rate exceeded for shard "+sh.id+" in stream "+s.Name+" under account "+k.cfg.Account+".")
}

// namedShard finds a shard by an id as the service takes it: shardId-000000000001, or only its number.
func (k *Kinesis) namedShard(s *stream, id string, now time.Time) (*shard, error) {
	number := id
	if _, after, ok := strings.Cut(id, "-"); ok {
		number = after
	}
	index, err := strconv.ParseInt(number, 10, 32)
	if err != nil || index < 0 {
		return nil, notFound("Could not find shard %s in stream %s under account %s.", id, s.Name, k.cfg.Account)
	}
	sh := s.shard(int(index))
	if sh == nil || !sh.open() && sh.Closed < s.horizon(now.UnixMilli()) {
		return nil, k.noShard(s.Name, int(index))
	}
	return sh, nil
}

func (k *Kinesis) noShard(stream string, index int) error {
	return notFound("Shard %s in stream %s under account %s does not exist", shardName(index), stream, k.cfg.Account)
}

// startIndex finds the record with which an iterator begins. The caller holds sh.mu.
func (k *Kinesis) startIndex(c *call, s *stream, sh *shard) (uint64, error) {
	kind, number := c.in.text("ShardIteratorType"), c.in.get("StartingSequenceNumber")
	bySequence := kind == atSequence || kind == afterSequence
	if bySequence != number.set {
		given := "no StartingSequenceNumber."
		if number.set {
			given = "also a StartingSequenceNumber."
		}
		return 0, invalidArgument("Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and "+
			"StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s and %s", kind, given)
	}
	switch kind {
	case trimHorizon:
		return 0, nil // whatever is the oldest record when it is read
	case latest:
		return sh.Next, nil
	case atTimestamp:
		return startTime(c, sh)
	}
	q, err := k.ownSequence(string(number.text), s, sh)
	if err != nil {
		return 0, err
	}
	return sh.position(q, kind == afterSequence), nil
}

func startTime(c *call, sh *shard) (uint64, error) {
	at, now := c.in.get("Timestamp"), c.now.UnixMilli()
	if !at.set {
		return 0, invalidArgument("Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. " +
			"Current request has no timestamp parameter.")
	}
	if at.number > now {
		return 0, invalidArgument("The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "+
			"timestampInMillis: %d, currentTimestampInMillis: %d", at.number, now)
	}
	return sh.since(at.number), nil
}

// ownSequence reads a sequence number that must be one of sh.
func (k *Kinesis) ownSequence(text string, s *stream, sh *shard) (sequence, error) {
	q, ok := parseSequence(text)
	where := func() string {
		return "StartingSequenceNumber " + text + " used in GetShardIterator on shard " + sh.id + " in stream " + s.Name +
			" under account " + k.cfg.Account + " is invalid"
	}
	switch {
	case !ok:
		return q, invalidArgument("%s.", where())
	case q.shard() != sh.Index:
		return q, invalidArgument("Invalid StartingSequenceNumber. It encodes %s, while it was used in a call to a shard with %s",
			shardName(q.shard()), sh.id)
	case q.created() != sh.Created:
		return q, invalidArgument("%s because it did not come from this stream.", where())
	}
	return q, nil
}

// page is what one GetRecords found.
type page struct {
	records []record
	shard   *shard
	first   uint64 // index of records[0]
	next    uint64 // index of the record to read next
	behind  int64  // ms
	ended   bool   // the shard is closed and read to its end
}

func (k *Kinesis) getRecords(c *call) error {
	t, ok := openToken(iteratorToken, c.in.text("ShardIterator"))
	if !ok || t.Made > c.now.UnixMilli() {
		return invalidArgument("Invalid ShardIterator.")
	}
	if age := c.now.Sub(time.UnixMilli(t.Made)); age > k.cfg.IteratorLifetime {
		return badRequest("ExpiredIteratorException", "Iterator expired. The iterator was created at time "+
			serviceTime(time.UnixMilli(t.Made))+" while right now it is "+serviceTime(c.now)+
			" which is further in the future than the tolerated delay of "+
			strconv.FormatInt(k.cfg.IteratorLifetime.Milliseconds(), 10)+" milliseconds.")
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	s, err := k.iterated(c, t)
	if err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	sh := s.shard(t.Shard)
	if sh == nil {
		return k.noShard(t.Stream, t.Shard)
	}
	p, err := k.take(s, sh, t.Index, c)
	if err != nil {
		return err
	}
	c.out = p.appendJSON(c.out, s, c.now)
	return nil
}

// iterated returns the stream of an iterator. The caller holds k.mu.
func (k *Kinesis) iterated(c *call, t token) (*stream, error) {
	s, err := k.current(t.Stream, c.now.UnixMilli())
	if err != nil {
		return nil, err
	}
	if s == nil || s.Created != t.Created {
		return nil, k.noShard(t.Stream, t.Shard)
	}
	if c.in.get("StreamARN").set || c.in.get("StreamName").set {
		name, err := k.streamName(c)
		if err != nil {
			return nil, err
		}
		if name != t.Stream {
			return nil, invalidArgument("The ShardIterator is of stream %s, the request names stream %s.", t.Stream, name)
		}
	}
	return s, nil
}

// take copies the records from index on out of sh. The caller holds s.mu.
func (k *Kinesis) take(s *stream, sh *shard, index uint64, c *call) (page, error) {
	now := c.now.UnixMilli()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if k.cfg.RealLimits && (!sh.readBytes.has(0, now) || !sh.read.take(now)) {
		return page{}, k.rateExceeded(s, sh)
	}
	k.bytes.Add(-sh.expire(s.horizon(now)))
	p := page{shard: sh}
	p.records, p.first, p.next = sh.from(index, c.in.or("Limit", maxReadRecords))
	if p.next < sh.Next && len(p.records) > 0 {
		// Not 0: that would say that nothing is left.
		p.behind = max(1, now-p.records[len(p.records)-1].arrived)
	}
	p.ended = !sh.open() && p.next == sh.Next
	for i := range p.records {
		if !k.cfg.RealLimits {
			break
		}
		sh.readBytes.spend(float64(len(p.records[i].data) + len(p.records[i].key)))
	}
	return p, nil
}

func (p page) appendJSON(out []byte, s *stream, now time.Time) []byte {
	out = append(out, `{"Records":[`...)
	for i := range p.records {
		r := &p.records[i]
		if i > 0 {
			out = append(out, ',')
		}
		out = appendDecimal(append(out, `{"SequenceNumber":"`...), p.shard.sequence(p.first+uint64(i), r.arrived))
		out = appendEpoch(append(out, `","ApproximateArrivalTimestamp":`...), r.arrived)
		out = base64.StdEncoding.AppendEncode(append(out, `,"Data":"`...), r.data)
		out = appendJSONString(append(out, `","PartitionKey":`...), r.key)
		out = append(out, '}')
	}
	out = strconv.AppendInt(append(out, `],"MillisBehindLatest":`...), p.behind, 10)
	if p.ended {
		return append(s.appendChildren(out, p.shard), '}')
	}
	out = append(append(out, `,"NextShardIterator":"`...), iteratorAt(s, p.shard, p.next, now)...)
	return append(out, `"}`...)
}

// appendChildren appends the member ChildShards of a closed shard.
func (s *stream) appendChildren(out []byte, parent *shard) []byte {
	out = append(out, `,"ChildShards":[`...)
	first := true
	for _, index := range parent.Children {
		sh := s.shard(index)
		if sh == nil {
			continue // closed and expired already
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(out, `{"ShardId":"`...), sh.id...)
		out = append(append(out, `","ParentShards":["`...), shardName(sh.Parent)...)
		if sh.Adjacent != noShard {
			out = append(append(out, `","`...), shardName(sh.Adjacent)...)
		}
		out = append(append(out, `"],"HashKeyRange":{"StartingHashKey":"`...), sh.Start.String()...)
		out = append(append(out, `","EndingHashKey":"`...), sh.End.String()...)
		out = append(out, `"}}`...)
	}
	return append(out, ']')
}

// serviceTime writes a time as the service does in error texts.
func serviceTime(t time.Time) string { return t.UTC().Format("Mon Jan 02 15:04:05 UTC 2006") }
