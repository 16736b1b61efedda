package embedded

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// The answers below have the members of the service model; optional ones that have no value
// are left out, never null.

type modeDetails struct{ StreamMode string }

type streamSummary struct {
	StreamName              string
	StreamARN               string
	StreamStatus            string
	StreamModeDetails       modeDetails
	StreamCreationTimestamp epoch
}

type enhancedMetrics struct{ ShardLevelMetrics []string }

// streamDescription is what DescribeStream and DescribeStreamSummary have in common.
type streamDescription struct {
	streamSummary
	RetentionPeriodHours int
	EnhancedMonitoring   []enhancedMetrics
	EncryptionType       string
}

type hashKeyRange struct{ StartingHashKey, EndingHashKey hashKey }

type sequenceRange struct {
	StartingSequenceNumber string
	EndingSequenceNumber   string `json:",omitempty"`
}

type shardDescription struct {
	ShardId               string //nolint:revive // the service's spelling
	ParentShardId         string `json:",omitempty"` //nolint:revive // the service's spelling
	AdjacentParentShardId string `json:",omitempty"` //nolint:revive // the service's spelling
	HashKeyRange          hashKeyRange
	SequenceNumberRange   sequenceRange
}

func (k *Kinesis) summarize(s *stream) streamSummary {
	return streamSummary{s.Name, k.arn(s.Name), s.Status, modeDetails{s.Mode}, epoch(s.Created)}
}

func (k *Kinesis) describe(s *stream) streamDescription {
	return streamDescription{k.summarize(s), s.Retention, []enhancedMetrics{{[]string{}}}, "NONE"}
}

func (sh *shard) describe() shardDescription {
	d := shardDescription{
		ShardId:             sh.id,
		HashKeyRange:        hashKeyRange{sh.Start, sh.End},
		SequenceNumberRange: sequenceRange{StartingSequenceNumber: sh.startSequence().String()},
	}
	if sh.Parent != noShard {
		d.ParentShardId = shardName(sh.Parent)
	}
	if sh.Adjacent != noShard {
		d.AdjacentParentShardId = shardName(sh.Adjacent)
	}
	if !sh.open() {
		d.SequenceNumberRange.EndingSequenceNumber = sh.endSequence().String()
	}
	return d
}

// describeAfter describes up to limit of shards, beginning behind the id after; more: that was not all.
func describeAfter(shards []*shard, after string, limit int) (page []shardDescription, more bool) {
	from := sort.Search(len(shards), func(i int) bool { return shards[i].id > after })
	rest := shards[from:]
	page = make([]shardDescription, 0, min(limit, len(rest)))
	for _, sh := range rest[:min(limit, len(rest))] {
		page = append(page, sh.describe())
	}
	return page, len(rest) > limit
}

// pageShards is how many shards one answer has by default. Source: the service model
// (DescribeStream 100, ListShards 1000).
const (
	describePage   = 100
	listShardsPage = 1000
	listStreamPage = 100
)

func (k *Kinesis) describeStream(c *call) error {
	return k.view(c, func(s *stream) error {
		var d struct {
			StreamDescription struct {
				streamDescription
				Shards        []shardDescription
				HasMoreShards bool
			}
		}
		d.StreamDescription.streamDescription = k.describe(s)
		d.StreamDescription.Shards, d.StreamDescription.HasMoreShards = describeAfter(
			s.listed(c.now.UnixMilli()), c.in.text("ExclusiveStartShardId"), c.in.or("Limit", describePage))
		return c.reply(d)
	})
}

func (k *Kinesis) describeStreamSummary(c *call) error {
	return k.view(c, func(s *stream) error {
		var d struct {
			StreamDescriptionSummary struct {
				streamDescription
				OpenShardCount     int
				ConsumerCount      int
				MaxRecordSizeInKiB int
			}
		}
		d.StreamDescriptionSummary.streamDescription = k.describe(s)
		d.StreamDescriptionSummary.OpenShardCount = len(s.opened)
		d.StreamDescriptionSummary.MaxRecordSizeInKiB = s.MaxRecordKiB
		return c.reply(d)
	})
}

// onDemandStreamLimit is what an account may have. Source: the service's default quota.
const onDemandStreamLimit = 50

func (k *Kinesis) describeLimits(c *call) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	open, streams, err := k.inUse(c.now.UnixMilli())
	if err != nil {
		return err
	}
	return c.reply(struct{ ShardLimit, OpenShardCount, OnDemandStreamCount, OnDemandStreamCountLimit int }{
		k.cfg.ShardLimit, open, streams[onDemand], onDemandStreamLimit,
	})
}

// inUse counts open shards, those of streams that are being created among them, and streams
// by mode and by status. The caller holds k.mu.
func (k *Kinesis) inUse(now int64) (open int, streams map[string]int, err error) {
	streams = map[string]int{}
	for name := range k.streams {
		s, err := k.current(name, now)
		if err != nil {
			return 0, nil, err
		}
		if s == nil {
			continue
		}
		s.mu.RLock()
		open += len(s.opened)
		if s.Status == creating {
			open += s.Pending.Count
		}
		streams[s.Status]++
		streams[s.Mode]++
		s.mu.RUnlock()
	}
	return open, streams, nil
}

func (k *Kinesis) listStreams(c *call) error {
	after := c.in.text("ExclusiveStartStreamName")
	if text := c.in.get("NextToken"); text.set {
		t, err := k.openPage(streamsToken, string(text.text), c.now)
		if err != nil {
			return err
		}
		after = t.Stream
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	var d struct {
		StreamNames     []string
		StreamSummaries []streamSummary
		HasMoreStreams  bool
		NextToken       string `json:",omitempty"`
	}
	d.StreamNames, d.StreamSummaries = []string{}, []streamSummary{}
	limit := c.in.or("Limit", listStreamPage)
	for _, name := range k.namesAfter(after) {
		s, err := k.current(name, c.now.UnixMilli())
		if err != nil {
			return err
		}
		if s == nil {
			continue
		}
		if len(d.StreamNames) == limit {
			d.HasMoreStreams = true
			d.NextToken = token{Made: c.now.UnixMilli(), Stream: d.StreamNames[limit-1]}.seal(streamsToken)
			break
		}
		s.mu.RLock()
		d.StreamSummaries = append(d.StreamSummaries, k.summarize(s))
		s.mu.RUnlock()
		d.StreamNames = append(d.StreamNames, name)
	}
	return c.reply(d)
}

// namesAfter returns the names of all streams behind after, in order. The caller holds k.mu.
func (k *Kinesis) namesAfter(after string) []string {
	var names []string
	for name := range k.streams {
		if name > after {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// openPage reads a NextToken, which lives as long as a shard iterator.
func (k *Kinesis) openPage(kind tokenKind, text string, now time.Time) (token, error) {
	t, ok := openToken(kind, text)
	if !ok {
		return t, invalidArgument("NextToken is invalid.")
	}
	if age := now.Sub(time.UnixMilli(t.Made)); age > k.cfg.IteratorLifetime {
		return t, badRequest("ExpiredNextTokenException", "NextToken expired. It was created at time "+
			serviceTime(time.UnixMilli(t.Made))+" while right now it is "+serviceTime(now)+".")
	}
	return t, nil
}

// The types of shard filters; AT_TIMESTAMP is also a type of iterators.
const (
	afterShardID    = "AFTER_SHARD_ID"
	atTrimHorizon   = "AT_TRIM_HORIZON"
	fromTrimHorizon = "FROM_TRIM_HORIZON"
	atLatest        = "AT_LATEST"
	fromTimestamp   = "FROM_TIMESTAMP"
)

func (k *Kinesis) listShards(c *call) error {
	if text := c.in.get("NextToken"); text.set {
		return k.listMoreShards(c, string(text.text))
	}
	if !c.in.get("StreamName").set && !c.in.get("StreamARN").set {
		return invalidArgument("Either NextToken or StreamName should be provided.")
	}
	filter, err := shardFilter(c)
	if err != nil {
		return err
	}
	return k.view(c, func(s *stream) error { return k.listPage(c, s, filter) })
}

// listMoreShards goes on where an earlier answer ended. The token names the stream.
func (k *Kinesis) listMoreShards(c *call, text string) error {
	for _, name := range [...]string{"StreamName", "StreamARN", "ExclusiveStartShardId", "StreamCreationTimestamp", "ShardFilter"} {
		if c.in.get(name).set {
			return invalidArgument("NextToken and %s cannot be provided together.", name)
		}
	}
	t, err := k.openPage(shardsToken, text, c.now)
	if err != nil {
		return err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	s, err := k.current(t.Stream, c.now.UnixMilli())
	if err != nil {
		return err
	}
	if s == nil || s.Created != t.Created {
		return k.noStream(t.Stream)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return k.listPage(c, s, t)
}

// shardFilter reads ShardFilter and ExclusiveStartShardId; Shard is the one to begin behind.
func shardFilter(c *call) (token, error) {
	t := token{Shard: noShard, Filter: fromTrimHorizon}
	after := c.in.text("ExclusiveStartShardId")
	if f := c.in.get("ShardFilter"); f.set {
		in := f.items[0]
		t.Filter, t.At = in.text("Type"), in.get("Timestamp").number
		byTime := t.Filter == atTimestamp || t.Filter == fromTimestamp
		switch {
		case byTime != in.get("Timestamp").set:
			return t, invalidArgument("ShardFilter: Timestamp goes with AT_TIMESTAMP and FROM_TIMESTAMP only, and they need it; Type is %s.", t.Filter)
		case (t.Filter == afterShardID) != in.get("ShardId").set:
			return t, invalidArgument("ShardFilter: ShardId goes with AFTER_SHARD_ID only, and it needs it; Type is %s.", t.Filter)
		case t.Filter == afterShardID:
			after = in.text("ShardId")
		}
	}
	if after == "" {
		return t, nil
	}
	index, ok := shardIndex(after)
	if !ok {
		return t, invalidArgument("ExclusiveStartShardId %s is no shard id: want one such as %s.", after, shardName(0))
	}
	t.Shard = index
	return t, nil
}

// listPage answers with the shards that filter lets through, beginning behind filter.Shard.
// The caller holds s.mu.
func (k *Kinesis) listPage(c *call, s *stream, filter token) error {
	var d struct {
		Shards    []shardDescription
		NextToken string `json:",omitempty"`
	}
	now := c.now.UnixMilli()
	shards := slices.DeleteFunc(s.listed(now), func(sh *shard) bool { return !filter.wants(sh, s.horizon(now)) })
	after := ""
	if filter.Shard != noShard {
		after = shardName(filter.Shard)
	}
	var more bool
	d.Shards, more = describeAfter(shards, after, c.in.or("MaxResults", listShardsPage))
	if more {
		next := filter
		next.Made, next.Stream, next.Created = now, s.Name, s.Created
		next.Shard, _ = shardIndex(d.Shards[len(d.Shards)-1].ShardId)
		d.NextToken = next.seal(shardsToken)
	}
	return c.reply(d)
}

// wants tells whether the filter lets sh through. Source: the model's documentation of ShardFilter.
func (t token) wants(sh *shard, horizon int64) bool {
	openAt := func(ms int64) bool { return sh.Opened <= ms && (sh.open() || sh.Closed >= ms) }
	switch t.Filter {
	case atLatest:
		return sh.open()
	case atTrimHorizon:
		// A stream that is younger than its retention began with its first shards.
		return openAt(horizon) || sh.Parent == noShard
	case atTimestamp:
		return openAt(t.At)
	case fromTimestamp:
		return sh.open() || sh.Closed >= t.At
	default:
		return true
	}
}

// shardIndex reads an id such as shardId-000000000001.
func shardIndex(id string) (int, bool) {
	digits, ok := strings.CutPrefix(id, "shardId-")
	if !ok || !allDigits(digits) || len(digits) > 12 {
		return 0, false
	}
	index := 0
	for _, c := range digits {
		index = index*10 + int(c-'0')
	}
	return index, true
}

func allDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }
