package handlers

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"headrace/rawjson"
	"headrace/record"
	"headrace/schema"
)

// dataType is how the data of a key or value of the v3 API stands in JSON.
type dataType string

// The types; those of the schema room are the others.
const (
	typeBinary dataType = "BINARY"
	typeText   dataType = "STRING"
	typeValue  dataType = "JSON"
)

// shownData is a key or value as its receipt shows it.
type shownData struct {
	given bool          // the request has the object
	typ   dataType      // "": as the registered schema says
	size  int           // bytes that are stored, -1 for null
	codec *schema.Codec // nil: of a type without a schema
}

// v3Data is a key or value of the v3 API as it was read.
type v3Data struct {
	shownData

	subject  string
	strategy schema.Strategy
	id       int    // of the schema; 0: none
	version  int    // of the schema; 0: none
	schema   []byte // text of the schema; nil: none
	data     []byte // JSON text without white space, a slice of the record's
}

// v3Record is one record of a v3 produce request as it was read.
type v3Record struct {
	key, value v3Data
	partition  int32
	headers    []record.Header
	timestamp  time.Time // zero: none was given
}

// mappingError says that a JSON value is well-formed, but no record.
type mappingError struct {
	member string // the name of an unknown member; "" for another fault
	text   string
}

func (e *mappingError) Error() string { return e.text }

func mapping(format string, args ...any) error {
	return &mappingError{text: fmt.Sprintf(format, args...)}
}

// Names of the reference's classes, as its texts show them.
const (
	classRequest = "io.confluent.kafkarest.entities.v3.ProduceRequest"
	classData    = classRequest + "$ProduceRequestData"
	classHeader  = classRequest + "$ProduceRequestHeader"
)

func unknownMember(name []byte, class, known string) error {
	return &mappingError{member: string(name), text: fmt.Sprintf(`Unrecognized field "%s" (class %s), not marked as ignorable (known: %s)`, name, class, known)}
}

// recordReader reads the records of v3 produce requests, one after the other.
type recordReader struct {
	scanner rawjson.Scanner
	inner   rawjson.Scanner // for what has been read already
	fault   error           // the first mapping error of the record
}

// read reads the record that stands in text, which it changes: the record's bytes are slices of it.
// fault is a *mappingError, of a well-formed text that is no record; err a *rawjson.SyntaxError.
func (d *recordReader) read(text []byte, rec *v3Record) (fault, err error) {
	d.scanner.Reset(text)
	d.fault = nil
	if err := d.record(rec, nil); err != nil {
		return nil, err
	}
	return d.fault, d.scanner.Finish()
}

// note keeps the first fault.
func (d *recordReader) note(err error) {
	if d.fault == nil {
		d.fault = err
	}
}

// object enters an object and reports whether there was one. Of another value it notes the fault
// and reads it away.
func (d *recordReader) object(class string) (bool, error) {
	kind, err := d.scanner.Kind()
	if err != nil {
		return false, err
	}
	if kind == rawjson.Object {
		return true, d.scanner.Object()
	}
	if kind == rawjson.Array {
		d.note(mapping("Cannot deserialize value of type `%s` from Array value (token `JsonToken.START_ARRAY`)", class))
	} else {
		d.note(mapping("Cannot construct instance of `%s`: %s was given, an object is wanted", class, kindName(kind)))
	}
	_, err = d.scanner.Value()
	return false, err
}

// record reads a record. Each member's value is read whatever is wrong with it, so that a fault of
// the text is found. extra, if given, is asked to read members that no record has.
func (d *recordReader) record(rec *v3Record, extra func(name, value []byte) bool) error {
	*rec = v3Record{partition: record.AnyPartition, headers: rec.headers[:0]}
	ok, err := d.object(classRequest + "$Builder")
	if err != nil || !ok {
		return err
	}
	for {
		name, ok, err := d.scanner.Member()
		if err != nil || !ok {
			return err
		}
		switch string(name) {
		case "key":
			err = d.data(&rec.key)
		case "value":
			err = d.data(&rec.value)
		case "headers":
			err = d.headers(rec)
		default:
			var value []byte
			if value, err = d.scanner.Value(); err == nil {
				d.plain(rec, name, value, extra)
			}
		}
		if err != nil {
			return err
		}
	}
}

// plain reads a member without parts.
func (d *recordReader) plain(rec *v3Record, name, value []byte, extra func(name, value []byte) bool) {
	switch string(name) {
	case "partition_id":
		d.inner.Reset(value)
		n, ok, err := readInt(&d.inner, "partition_id")
		switch {
		case err != nil:
			d.note(mapping("%s", toAPIError(err).message))
		case ok:
			rec.partition = n
			if n < 0 {
				rec.partition = negativePartition
			}
		default:
			rec.partition = record.AnyPartition
		}
	case "timestamp":
		var err error
		if rec.timestamp, err = readInstant(value); err != nil {
			d.note(err)
		}
	default:
		if extra == nil || !extra(name, value) {
			d.note(unknownMember(name, "io.confluent.kafkarest.entities.v3.AutoValue_ProduceRequest$Builder",
				`"partition_id", "headers", "key", "value", "timestamp"`))
		}
	}
}

// negativePartition stands for every partition that cannot exist.
const negativePartition int32 = math.MinInt32

// data reads a key or value.
func (d *recordReader) data(to *v3Data) error {
	*to = v3Data{}
	kind, err := d.scanner.Kind()
	if err != nil {
		return err
	}
	if kind == rawjson.Null {
		_, err := d.scanner.Value()
		return err
	}
	ok, err := d.object(classData)
	if err != nil || !ok {
		return err
	}
	to.given = true
	for {
		name, ok, err := d.scanner.Member()
		if err != nil {
			return err
		}
		if !ok {
			to.check(d)
			return nil
		}
		value, err := d.scanner.Value()
		if err != nil {
			return err
		}
		if string(name) == "data" {
			to.data = value
			continue
		}
		if err := to.set(&d.inner, name, value); err != nil {
			d.note(err)
		}
	}
}

// set takes one member of a key or value, whose value was read.
func (v *v3Data) set(s *rawjson.Scanner, name, value []byte) (err error) {
	switch string(name) {
	case "type":
		v.typ, err = enum[dataType](value, "io.confluent.kafkarest.entities.EmbeddedFormat", "BINARY, AVRO, JSON, JSONSCHEMA, PROTOBUF, STRING")
	case "subject_name_strategy":
		v.strategy, err = enum[schema.Strategy](value, "io.confluent.kafkarest.entities.v3.EnumSubjectNameStrategy", "TOPIC_NAME, RECORD_NAME, TOPIC_RECORD_NAME")
	case "subject":
		var subject []byte
		subject, err = textOf(value, "subject")
		v.subject = string(subject)
	case "schema":
		v.schema, err = textOf(value, "schema")
	case "schema_id":
		v.id, err = numberOf(s, value, "schema_id")
	case "schema_version":
		v.version, err = numberOf(s, value, "schema_version")
	default:
		return unknownMember(name, classData, `"type", "subject", "subject_name_strategy", "schema_id", "schema_version", "schema", "data"`)
	}
	return err
}

// enum reads one of the words of list.
func enum[T ~string](value []byte, class, list string) (T, error) {
	if string(value) == "null" {
		return "", nil
	}
	if value[0] != '"' {
		return "", mapping("Cannot deserialize value of type `%s` from %s: one of [%s] is wanted", class, shortened(value), list)
	}
	word := rawjson.Unquote(value)
	for known := range strings.SplitSeq(list, ", ") {
		if known == string(word) {
			return T(known), nil
		}
	}
	return "", mapping("Cannot deserialize value of type `%s` from String \"%s\": not one of the values accepted for Enum class: [%s]", class, shortened(word), list)
}

// textOf is a string member; numbers and booleans are taken as their text, null is none.
func textOf(value []byte, name string) ([]byte, error) {
	switch value[0] {
	case '"':
		return rawjson.Unquote(value), nil
	case '{', '[':
		return nil, mapping("%s is no string: %s", name, shortened(value))
	case 'n':
		return nil, nil
	}
	return value, nil
}

// numberOf is a member that is an integer above zero; 0 for none.
func numberOf(s *rawjson.Scanner, value []byte, name string) (int, error) {
	s.Reset(value)
	n, ok, err := readInt(s, name)
	switch {
	case err != nil:
		return 0, mapping("%s", toAPIError(err).message)
	case !ok:
		return 0, nil
	case n <= 0:
		return 0, mapping("%s is %d: an integer above 0 is wanted", name, n)
	}
	return int(n), nil
}

// check holds the members of a key or value together (contract: kafka-rest-v3.md §3.2).
func (v *v3Data) check(d *recordReader) {
	schemas := 0
	for _, is := range []bool{v.schema != nil, v.id != 0, v.version != 0} {
		if is {
			schemas++
		}
	}
	problem := ""
	switch {
	case v.data == nil:
		problem = "Null data"
	case v.subject != "" && v.strategy != "":
		problem = "Only one of 'subject_name_strategy' or 'subject' can be used."
	case schemas > 1:
		problem = "Only one of 'schema_id', 'schema_version' or 'schema' can be used."
	case v.typ == "" && v.schema != nil:
		problem = "'schema' can only be used with 'type'."
	case v.plain() && (schemas > 0 || v.subject != "" || v.strategy != ""):
		problem = "no schema and no subject can be used with 'type=" + string(v.typ) + "'."
	case v.typ != "" && v.id != 0:
		problem = "'schema_id' cannot be used with 'type'."
	case v.typ != "" && v.version != 0:
		problem = "'schema_version' cannot be used with 'type'."
	case v.typ != "" && !v.plain() && v.schema == nil:
		problem = "'schema_version=latest' cannot be used with 'serializer'."
	default:
		return
	}
	d.note(mapping("Cannot construct instance of `%s`, problem: %s", classData, problem))
}

// plain reports whether the type has no schema.
func (v *v3Data) plain() bool { return v.typ == typeBinary || v.typ == typeText || v.typ == typeValue }

// headers reads the headers of a record.
func (d *recordReader) headers(rec *v3Record) error {
	rec.headers = rec.headers[:0]
	kind, err := d.scanner.Kind()
	if err != nil {
		return err
	}
	if kind != rawjson.Array {
		if kind != rawjson.Null {
			d.note(mapping("headers is %s, an array of headers is wanted", kindName(kind)))
		}
		_, err := d.scanner.Value()
		return err
	}
	if err := d.scanner.Array(); err != nil {
		return err
	}
	for {
		ok, err := d.scanner.Element()
		if err != nil {
			return err
		}
		if !ok {
			rec.headers = grouped(rec.headers)
			return nil
		}
		if err := d.header(rec); err != nil {
			return err
		}
	}
}

// header reads one header.
func (d *recordReader) header(rec *v3Record) error {
	ok, err := d.object(classHeader)
	if err != nil || !ok {
		return err
	}
	var h record.Header
	named := false
	for {
		name, ok, err := d.scanner.Member()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		value, err := d.scanner.Value()
		if err != nil {
			return err
		}
		switch string(name) {
		case "name":
			text, err := textOf(value, "name")
			if err != nil {
				d.note(err)
			}
			h.Key, named = string(text), text != nil
		case "value":
			if h.Value, err = headerValue(value); err != nil {
				d.note(err)
			}
		default:
			d.note(unknownMember(name, classHeader, `"name", "value"`))
		}
	}
	if !named {
		d.note(mapping("Cannot construct instance of `%s`, problem: Null name", classHeader))
	}
	if len(rec.headers) == maxHeaders {
		d.note(mapping("more than %d headers", maxHeaders))
		return nil
	}
	rec.headers = append(rec.headers, h)
	return nil
}

// headerValue decodes base64, whose padding is required here. null is Kafka's null.
func headerValue(value []byte) ([]byte, error) {
	if string(value) == "null" {
		return nil, nil
	}
	if value[0] != '"' {
		return nil, mapping("header value %s is not a base64 string", shortened(value))
	}
	text := rawjson.Unquote(value)
	if bytes.ContainsAny(text, "\r\n") {
		return nil, mapping("header value %s is not a valid base64 string", shortened(value))
	}
	n, err := base64.StdEncoding.Decode(text, text)
	if err != nil {
		return nil, mapping("header value %s is not a valid base64 string", shortened(value))
	}
	return text[:n:n], nil
}

// maxHeaders bounds what the headers of one record take: each is 40 bytes, of at least 11 in the request.
const maxHeaders = 100_000

// grouped puts headers of one name together, in the order of first appearance, as the reference does.
func grouped(headers []record.Header) []record.Header {
	if len(headers) < 2 {
		return headers
	}
	first := make(map[string]int, len(headers))
	for i, h := range headers {
		if _, ok := first[h.Key]; !ok {
			first[h.Key] = i
		}
	}
	if len(first) < len(headers) {
		slices.SortStableFunc(headers, func(x, y record.Header) int { return cmp.Compare(first[x.Key], first[y.Key]) })
	}
	return headers
}

// readInstant reads a time as the reference does: ISO-8601 with Z or an offset, or seconds with
// fractions, also as text. null and "" are none.
func readInstant(value []byte) (time.Time, error) {
	text := string(value)
	switch value[0] {
	case 'n':
		return time.Time{}, nil
	case '"':
		if text = strings.TrimSpace(string(rawjson.Unquote(value))); text == "" {
			return time.Time{}, nil
		}
	case '{', '[', 't', 'f':
		return time.Time{}, mapping("timestamp is %s: a time such as \"2021-02-05T19:14:42Z\" is wanted", shortened(value))
	}
	if at, ok := seconds(text); ok {
		return at, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, mapping("Cannot deserialize value of type `java.time.Instant` from String \"%s\": a time such as \"2021-02-05T19:14:42Z\" or a number of seconds is wanted", shortened([]byte(text)))
	}
	return at.Truncate(time.Millisecond), nil
}

// maxSeconds is the last second of the year 9999.
const maxSeconds = 253402300799

// seconds reads a number of seconds, cut to the millisecond. A number is no binary fraction: 1.001
// as a float would be cut to 1.000.
func seconds(text string) (time.Time, bool) {
	if strings.ContainsAny(text, "eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(f) > maxSeconds {
			return time.Time{}, false
		}
		return time.UnixMilli(int64(math.Round(f * 1000))), true
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > maxSeconds || n < -maxSeconds {
		return time.Time{}, false
	}
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return time.Time{}, false
		}
	}
	millis, _ := strconv.Atoi((fraction + "000")[:3])
	if whole[0] == '-' {
		millis = -millis
	}
	return time.UnixMilli(n*1000 + int64(millis)), true
}

// serialize makes the Kafka record of rec. Its errors are what a receipt says.
func (h *Handlers) serialize(ctx context.Context, topic string, rec *v3Record, to *record.Record) (err error) {
	if rec.partition == negativePartition {
		return errPartitionNotFound
	}
	if !rec.timestamp.IsZero() && rec.timestamp.UnixMilli() < 0 {
		return badRequest("Bad Request: timestamp %s is before 1970.", rec.timestamp.UTC().Format(time.RFC3339))
	}
	*to = record.Record{Topic: topic, Partition: rec.partition, Timestamp: rec.timestamp, Headers: slices.Clone(rec.headers)}
	if to.Key, err = h.bytesOf(ctx, topic, true, &rec.key); err != nil {
		return err
	}
	to.Value, err = h.bytesOf(ctx, topic, false, &rec.value)
	return err
}

// bytesOf returns the bytes of a key or value, nil for null, and sets v.size and v.codec.
func (h *Handlers) bytesOf(ctx context.Context, topic string, key bool, v *v3Data) (out []byte, err error) {
	v.size = -1
	if !v.given {
		return nil, nil
	}
	null := string(v.data) == "null"
	switch {
	case !v.plain():
		out, err = h.encoded(ctx, topic, key, v, null)
	case null:
		return nil, nil
	case v.typ == typeValue:
		out = v.data
	case v.typ == typeBinary:
		out, err = decodeBase64(v.data)
	case v.data[0] != '"':
		return nil, badRequest("Bad Request: data=%s is not a string.", shortened(v.data))
	default:
		out = rawjson.Unquote(v.data)
	}
	if err == nil && out != nil {
		v.size = len(out)
	}
	return out, err
}

// encoded returns the bytes that the schema of v makes of its data, nil for a Kafka null.
func (h *Handlers) encoded(ctx context.Context, topic string, key bool, v *v3Data, null bool) ([]byte, error) {
	if !h.schemas.On() {
		return nil, unprocessable(42206, "Payload error. Schema Registry must be configured when using schemas.")
	}
	if v.schema != nil && len(v.schema) == 0 {
		return nil, &schema.InvalidSchemaError{Detail: fmt.Sprintf("Error when parsing raw schema. format = %s, schema = ", v.typ)}
	}
	codec, err := h.schemas.Codec(ctx, schema.Query{
		Topic: topic, Key: key, Format: schema.Format(v.typ), Text: string(v.schema), ID: v.id, Version: v.version,
		Subject: v.subject, Strategy: v.strategy,
	})
	if err != nil {
		return nil, err
	}
	v.codec = codec
	if null && h.cfg.NullIsNull {
		return nil, nil
	}
	return codec.Encode(v.data)
}
