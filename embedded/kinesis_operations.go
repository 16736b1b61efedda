package embedded

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// operation is one call of the API: the members it takes and what it does with them.
type operation struct {
	fields []field
	run    func(*call) error
}

// The members that several operations take. Source: the service model.

func nameField(name string) field {
	return field{name: name, match: isName, pattern: "[a-zA-Z0-9_.-]+", min: 1, max: 128}
}

func required(f field) field {
	f.required = true
	return f
}

func sequenceField(name string) field {
	return field{name: name, match: func(text []byte) bool { return isDecimal(text, 129) }, pattern: `0|([1-9]\d{0,128})`}
}

func hashKeyField(name string) field {
	return field{name: name, match: func(text []byte) bool { return isDecimal(text, 39) }, pattern: `0|([1-9]\d{0,38})`}
}

func integerField(name string, least, most int64) field {
	return field{name: name, kind: integerMember, min: least, max: most}
}

func textField(name string, least, most int64) field {
	return field{name: name, min: least, max: most}
}

func enumField(name string, values ...string) field { return field{name: name, enum: values} }

// onStream adds the two members that name a stream.
func onStream(fields ...field) []field {
	return append(fields,
		field{name: "StreamARN", match: isStreamARN, pattern: `arn:aws.*:kinesis:.*:\d{12}:stream/\S+`, min: 1, max: 2048},
		nameField("StreamName"))
}

func recordFields() []field {
	return []field{
		required(textField("PartitionKey", 1, 256)),
		hashKeyField("ExplicitHashKey"),
		required(field{name: "Data", kind: blobMember, max: maxRecordKiB << 10}),
	}
}

func tagsField() field {
	return field{name: "Tags", kind: textMapMember, min: 1, max: 200, keyMax: 128, entryMax: 256}
}

func retentionField() field { return required(integerField("RetentionPeriodHours", 1, 0)) }

const (
	maxShardCount = 100_000
	maxPage       = 10_000
	maxRecordKiB  = 10_240
	maxTokenText  = 1 << 20
)

// operationTable lists what this Kinesis can do. A name that is not here answers
// UnknownOperationException.
func (k *Kinesis) operationTable() map[string]operation {
	return map[string]operation{
		"CreateStream": {[]field{
			integerField("ShardCount", 1, maxShardCount),
			{name: "StreamModeDetails", kind: structureMember, fields: []field{
				required(enumField("StreamMode", provisioned, onDemand)),
			}},
			tagsField(),
			integerField("MaxRecordSizeInKiB", defaultMaxRecordKiB, maxRecordKiB),
			required(nameField("StreamName")),
		}, k.createStream},
		"DeleteStream": {onStream(field{name: "EnforceConsumerDeletion", kind: booleanMember}), k.deleteStream},
		"DescribeStream": {onStream(
			integerField("Limit", 1, maxPage),
			nameField("ExclusiveStartShardId"),
		), k.describeStream},
		"DescribeStreamSummary": {onStream(), k.describeStreamSummary},
		"DescribeLimits":        {nil, k.describeLimits},
		"ListStreams": {[]field{
			integerField("Limit", 1, maxPage),
			nameField("ExclusiveStartStreamName"),
			textField("NextToken", 1, maxTokenText),
		}, k.listStreams},
		"ListShards": {onStream(
			nameField("ExclusiveStartShardId"),
			integerField("MaxResults", 1, maxPage),
			textField("NextToken", 1, maxTokenText),
			field{name: "StreamCreationTimestamp", kind: timestampMember},
			field{name: "ShardFilter", kind: structureMember, fields: []field{
				required(enumField("Type", afterShardID, atTrimHorizon, fromTrimHorizon, atLatest, atTimestamp, fromTimestamp)),
				nameField("ShardId"),
				{name: "Timestamp", kind: timestampMember},
			}},
		), k.listShards},

		"PutRecord": {onStream(append([]field{sequenceField("SequenceNumberForOrdering")}, recordFields()...)...), k.putRecord},
		"PutRecords": {onStream(
			field{name: "Records", kind: structureListMember, required: true, min: 1, max: 500, fields: recordFields()},
		), k.putRecords},
		"GetShardIterator": {onStream(
			required(nameField("ShardId")),
			required(enumField("ShardIteratorType", afterSequence, latest, atTimestamp, atSequence, trimHorizon)),
			sequenceField("StartingSequenceNumber"),
			field{name: "Timestamp", kind: timestampMember},
		), k.getShardIterator},
		"GetRecords": {onStream(
			integerField("Limit", 1, maxReadRecords),
			required(textField("ShardIterator", 1, 512)),
		), k.getRecords},

		"SplitShard": {onStream(
			required(hashKeyField("NewStartingHashKey")),
			required(nameField("ShardToSplit")),
		), k.splitShard},
		"MergeShards": {onStream(
			required(nameField("ShardToMerge")),
			required(nameField("AdjacentShardToMerge")),
		), k.mergeShards},
		"UpdateShardCount": {onStream(
			required(enumField("ScalingType", "UNIFORM_SCALING")),
			required(integerField("TargetShardCount", 1, maxShardCount)),
		), k.updateShardCount},
		"UpdateMaxRecordSize": {onStream(
			required(integerField("MaxRecordSizeInKiB", defaultMaxRecordKiB, maxRecordKiB)),
		), k.updateMaxRecordSize},
		"IncreaseStreamRetentionPeriod": {onStream(retentionField()), k.increaseRetention},
		"DecreaseStreamRetentionPeriod": {onStream(retentionField()), k.decreaseRetention},

		"AddTagsToStream": {onStream(required(tagsField())), k.addTags},
		"RemoveTagsFromStream": {onStream(
			field{name: "TagKeys", kind: textListMember, required: true, min: 1, max: 50, entryMin: 1, entryMax: 128},
		), k.removeTags},
		"ListTagsForStream": {onStream(
			integerField("Limit", 1, 50),
			textField("ExclusiveStartTagKey", 1, 128),
		), k.listTags},
	}
}

func isName(text []byte) bool {
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return len(text) > 0
}

func isStreamARN(text []byte) bool {
	_, ok := parseARN(string(text))
	return ok
}

// arn is what names a stream beside its own name.
type arn struct{ region, account, stream string }

// parseARN reads arn:aws…:kinesis:REGION:ACCOUNT:stream/NAME.
func parseARN(text string) (arn, bool) {
	p := strings.SplitN(text, ":", 6)
	if len(p) != 6 || p[0] != "arn" || !strings.HasPrefix(p[1], "aws") || p[2] != "kinesis" {
		return arn{}, false
	}
	name, ok := strings.CutPrefix(p[5], "stream/")
	if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") {
		return arn{}, false
	}
	return arn{p[3], p[4], name}, len(p[4]) == 12 && strings.Trim(p[4], "0123456789") == ""
}

func (k *Kinesis) arn(name string) string {
	return "arn:aws:kinesis:" + k.cfg.Region + ":" + k.cfg.Account + ":stream/" + name
}

// find returns the stream that a call names, its due changes done. The caller holds k.mu.
func (k *Kinesis) find(c *call) (*stream, error) {
	name, err := k.streamName(c)
	if err != nil {
		return nil, err
	}
	s, err := k.current(name, c.now.UnixMilli())
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, k.noStream(name)
	}
	return s, nil
}

func (k *Kinesis) noStream(name string) error {
	return notFound("Stream %s under account %s not found.", name, k.cfg.Account)
}

// streamName reads StreamName and StreamARN, which must not contradict each other.
func (k *Kinesis) streamName(c *call) (string, error) {
	name, text := c.in.get("StreamName"), c.in.get("StreamARN")
	if !text.set {
		if !name.set {
			return "", invalidMember("streamName", "null", "Member must not be null")
		}
		return string(name.text), nil
	}
	a, _ := parseARN(string(text.text)) // checked with the members
	if a.region != k.cfg.Region || a.account != k.cfg.Account {
		return "", notFound("Stream %s under account %s in %s not found: this is account %s in %s.",
			a.stream, a.account, a.region, k.cfg.Account, k.cfg.Region)
	}
	if name.set && string(name.text) != a.stream {
		return "", invalidArgument("StreamName %s and StreamARN %s do not name the same stream.", name.text, text.text)
	}
	return a.stream, nil
}

// current returns the stream called name after its due changes; nil: there is none.
// The caller holds k.mu.
func (k *Kinesis) current(name string, now int64) (*stream, error) {
	s := k.streams[name]
	if s == nil {
		return nil, nil
	}
	if s.due.Load() <= now {
		if err := k.settle(s, now); err != nil {
			return nil, err
		}
	}
	s.mu.RLock()
	gone := s.gone
	s.mu.RUnlock()
	if gone {
		return nil, nil
	}
	return s, nil
}

// settle does the changes of s that are due. The caller holds k.mu.
func (k *Kinesis) settle(s *stream, now int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Pending == nil || s.Pending.At > now {
		return nil // another call was faster
	}
	c := s.Pending
	s.await(nil)
	s.apply(c)
	if s.gone {
		return k.journal.forget(s.Name)
	}
	k.bytes.Add(-s.forget(c.At))
	return k.journal.state(s.snapshot())
}

// view runs do with the stream that c names, locked for reading.
func (k *Kinesis) view(c *call, do func(*stream) error) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	s, err := k.find(c)
	if err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return do(s)
}

// alter runs do with the stream that c names, locked for writing, and logs its new state.
func (k *Kinesis) alter(c *call, do func(*stream) error) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	s, err := k.find(c)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := do(s); err != nil {
		return err
	}
	return k.journal.state(s.snapshot())
}

// alterActive is alter for a stream that must be ACTIVE.
func (k *Kinesis) alterActive(c *call, do func(*stream) error) error {
	return k.alter(c, func(s *stream) error {
		if s.Status != active {
			return inUse("Stream %s under account %s not ACTIVE, instead in state %s", s.Name, k.cfg.Account, s.Status)
		}
		return do(s)
	})
}

// begin gives s a status that ends with next. The caller holds s.mu for writing.
func (k *Kinesis) begin(c *call, s *stream, status string, next change) {
	s.Status = status
	next.At = c.now.Add(k.cfg.StatusDelay).UnixMilli()
	s.await(&next)
}

// reply makes v, as JSON, the answer.
func (c *call) reply(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	c.out = append(c.out, text...)
	return nil
}

// epoch is a time in ms since 1970 that JSON shows in seconds with a fraction.
type epoch int64

// MarshalJSON writes a number.
func (e epoch) MarshalJSON() ([]byte, error) { return appendEpoch(nil, int64(e)), nil }

func appendEpoch(out []byte, ms int64) []byte {
	out = strconv.AppendInt(out, ms/1000, 10)
	frac := ms % 1000
	return append(out, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
}
