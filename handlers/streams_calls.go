package handlers

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"headrace/rawjson"
)

// Bodies of the calls that are not writes of records. Each function appends one to out; its
// error is one that Kinesis would answer too.

func appendListStreams(out []byte, u *url.URL) ([]byte, error) {
	query := u.Query()
	out = append(out, '{')
	first := len(out)
	out, err := appendLimit(out, query)
	if err != nil {
		return out, err
	}
	if name := query.Get("exclusive-start-stream-name"); name != "" {
		if err := checkStreamName(name, "exclusiveStartStreamName"); err != nil {
			return out, err
		}
		out = appendMember(out, first, "ExclusiveStartStreamName", name)
	}
	if token := query.Get("next-token"); token != "" {
		out = appendMember(out, first, "NextToken", token)
	}
	return append(out, '}'), nil
}

func appendDescribeStream(out []byte, name string, u *url.URL) ([]byte, error) {
	query := u.Query()
	out = append(appendStreamName(out, name), ',')
	first := len(out)
	out, err := appendLimit(out, query)
	if err != nil {
		return out, err
	}
	if shard := query.Get("exclusive-start-shard-id"); shard != "" {
		if err := checkStreamName(shard, "exclusiveStartShardId"); err != nil {
			return out, err
		}
		out = appendMember(out, first, "ExclusiveStartShardId", shard)
	}
	if len(out) == first {
		out = out[:first-1]
	}
	return append(out, '}'), nil
}

func appendDeleteStream(out []byte, name string, u *url.URL) ([]byte, error) {
	out = appendStreamName(out, name)
	switch value := u.Query().Get("enforce-consumer-deletion"); value {
	case "", "false":
	case "true":
		out = append(out, `,"EnforceConsumerDeletion":true`...)
	default:
		return out, violation(value, "enforceConsumerDeletion", "be true or false")
	}
	return append(out, '}'), nil
}

// appendStreamName starts a body. The name is checked: it needs no quoting.
func appendStreamName(out []byte, name string) []byte {
	out = append(out, `{"StreamName":"`...)
	out = append(out, name...)
	return append(out, '"')
}

// appendMember appends a text member to an object whose members begin at first.
func appendMember(out []byte, first int, name, value string) []byte {
	if len(out) > first {
		out = append(out, ',')
	}
	out = append(out, '"')
	out = append(out, name...)
	out = append(out, `":`...)
	return appendString(out, value)
}

// maxLimit is the largest page of ListStreams and DescribeStream. Source: Kinesis API reference.
const maxLimit = 10_000

func appendLimit(out []byte, query url.Values) ([]byte, error) {
	text := query.Get("limit")
	if text == "" {
		return out, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return out, violation(text, "limit", "be a whole number")
	case n < 1:
		return out, violation(text, "limit", "have value greater than or equal to 1")
	case n > maxLimit:
		return out, violation(text, "limit", "have value less than or equal to 10000")
	}
	return strconv.AppendInt(append(out, `"Limit":`...), int64(n), 10), nil
}

// defaultShards is what the template in common use asks for when a request names no count.
const defaultShards = 5

// maxShards is the largest count that the model allows. Source: Kinesis service model, PositiveIntegerObject.
const maxShards = 100_000

// createRequest is what the body of a POST /streams/{stream} may say, as raw JSON; nil is absent.
type createRequest struct {
	shardCount, mode, tags, maxRecordSize []byte
}

// appendCreateStream reads the body, which may be empty, and returns the count of shards that
// it asks for; 0 when it leaves that to the service.
func appendCreateStream(out []byte, name string, text []byte) ([]byte, int64, error) {
	request, err := readCreateStream(text)
	if err != nil {
		return out, 0, err
	}
	shards, err := shardCount(request)
	if err != nil {
		return out, 0, err
	}
	out = appendStreamName(out, name)
	if shards > 0 {
		out = strconv.AppendInt(append(out, `,"ShardCount":`...), shards, 10)
	}
	for _, member := range []struct {
		name string
		raw  []byte
	}{
		{`,"StreamModeDetails":`, request.mode},
		{`,"Tags":`, request.tags},
		{`,"MaxRecordSizeInKiB":`, request.maxRecordSize},
	} {
		if member.raw != nil {
			out = append(append(out, member.name...), member.raw...)
		}
	}
	return append(out, '}'), shards, nil
}

// readCreateStream reads the body's members. An empty body, null and "" are an empty object,
// as they are to the template.
func readCreateStream(text []byte) (createRequest, error) {
	var request createRequest
	text, err := utf8Text(text)
	if err != nil {
		return request, err
	}
	s := rawjson.NewScanner(text)
	kind, err := s.Kind()
	if err != nil || kind == rawjson.End {
		return request, err
	}
	if kind != rawjson.Object {
		value, err := s.Value()
		if err != nil {
			return request, err
		}
		if string(value) != "null" && string(value) != `""` {
			return request, violation(string(value), "body", "be a JSON object")
		}
		return request, s.Finish()
	}
	if err := s.Object(); err != nil {
		return request, err
	}
	for {
		name, ok, err := s.Member()
		if err != nil {
			return request, err
		}
		if !ok {
			return request, s.Finish()
		}
		slot := request.slot(name)
		value, err := s.Value()
		if err != nil {
			return request, err
		}
		if slot != nil && string(value) != "null" {
			*slot = value
		}
	}
}

// slot returns the place for the member of the given name; nil when it is not read.
func (c *createRequest) slot(name []byte) *[]byte {
	switch string(name) {
	case "ShardCount":
		return &c.shardCount
	case "StreamModeDetails":
		return &c.mode
	case "Tags":
		return &c.tags
	case "MaxRecordSizeInKiB":
		return &c.maxRecordSize
	}
	return nil
}

// shardCount is the count that the request asks for: a whole number, also as text. Absent and
// empty mean the default, or nothing for a stream on demand.
func shardCount(request createRequest) (int64, error) {
	if request.shardCount == nil || string(request.shardCount) == `""` {
		if onDemand(request.mode) {
			return 0, nil
		}
		return defaultShards, nil
	}
	text := string(request.shardCount)
	if text[0] == '"' {
		text = string(rawjson.Unquote(request.shardCount))
	} else if whole, fraction, ok := strings.Cut(text, "."); ok && strings.Trim(fraction, "0") == "" {
		text = whole // 3.0 is the whole number 3
	}
	for i := range len(text) {
		if c := text[i]; c-'0' >= 10 && (i > 0 || c != '-' || len(text) == 1) {
			return 0, violation(text, "shardCount", "be a whole number")
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case n < 1: // also of too many digits: ParseInt then returns the nearest it can
		return 0, violation(text, "shardCount", "have value greater than or equal to 1")
	case err != nil || n > maxShards:
		return 0, violation(text, "shardCount", "have value less than or equal to 100000")
	}
	return n, nil
}

func onDemand(mode []byte) bool {
	var details struct{ StreamMode string }
	return mode != nil && json.Unmarshal(mode, &details) == nil && details.StreamMode == "ON_DEMAND"
}

// utf8Text is rawjson.UTF8 with an error that says that the body cannot be read.
func utf8Text(text []byte) ([]byte, error) {
	text, err := rawjson.UTF8(text)
	if err != nil {
		return nil, &rawjson.SyntaxError{Msg: err.Error()}
	}
	return text, nil
}
