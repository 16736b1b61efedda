package handlers

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"headrace/kafkaclient"
	"headrace/rawjson"
	"headrace/record"
	"headrace/schema"
)

// recordCost is what one record of a request takes beside the bytes of the body: its
// record.Record, the client's copy and its place in a batch. Measured: about 450 bytes.
const recordCost = 512

// recordsPaidAhead is how many records are charged to the budget at once.
const recordsPaidAhead = 256

// produceRequest is one call of POST /topics/{topic} or …/partitions/{partition}. It is used
// again for later calls.
type produceRequest struct {
	format    format
	topic     string
	partition int32  // of the path, or record.AnyPartition
	argument  string // how the reference names the body in its texts
	extended  bool   // records may have headers and a timestamp

	body    *body
	scanner rawjson.Scanner
	recs    []record.Record
	paid    int // records charged to the budget

	keySchema, keySchemaID     []byte // raw, nil when absent or null
	valueSchema, valueSchemaID []byte
	keyCodec, valueCodec       *schema.Codec // of the formats with a schema; nil: none is named

	codes  []int
	answer []byte
}

// produce stores the records of the body and answers with their offsets, in their order.
func (h *Handlers) produce(w http.ResponseWriter, r *http.Request, answer string) error {
	if !h.hasIdempotencyKey(r) {
		return h.produceRecords(w, r, answer)
	}
	return h.once(w, r, func(w http.ResponseWriter, r *http.Request) error { return h.produceRecords(w, r, answer) })
}

// produceRecords is produce without regard to an Idempotency-Key.
func (h *Handlers) produceRecords(w http.ResponseWriter, r *http.Request, answer string) error {
	p := h.produces.Get().(*produceRequest)
	if err := p.open(r); err != nil {
		h.produces.Put(p)
		return err
	}
	p.extended = h.extended(r)
	b, err := readBody(r, h.budget, h.cfg.MaxRequestBytes)
	if err != nil {
		h.produces.Put(p)
		return err
	}
	p.body = b
	if err := p.decode(); err != nil {
		b.release()
		h.finish(p)
		return err
	}
	if p.format.hasSchema() {
		if err := p.useSchemas(r.Context(), h.schemas, h.cfg.NullIsNull); err != nil {
			b.release()
			h.finish(p)
			return err
		}
	}
	if h.cfg.TraceHeaders {
		p.addTrace(traceOf(r))
	}
	acks := h.producer.Produce(r.Context(), p.recs)
	keepAnswerOf(w, acks)
	if unknown := unknownOutcome(acks); unknown != nil {
		defer unknown.AfterEnd(b.abandon) // until then Kafka's client holds the memory
		if overdue(r) != nil {
			return unknown
		}
		writeBody(w, p.encode(acks, h.cfg.ProduceErrorStrict, h.causes(r.Context(), p.topic, acks)), answer, p.answer)
		return nil
	}
	writeBody(w, p.encode(acks, h.cfg.ProduceErrorStrict, h.causes(r.Context(), p.topic, acks)), answer, p.answer)
	b.release()
	h.finish(p)
	return nil
}

// addTrace gives all records the trace context of their request.
func (p *produceRequest) addTrace(t traceHeaders) {
	headers := t.addTo(nil)
	for i := range p.recs {
		p.recs[i].Headers = headers
	}
}

// keptRecords bounds what an idle produceRequest holds on to: 4096 records are half a MB.
const keptRecords = 4096

// finish makes p ready for another call.
func (h *Handlers) finish(p *produceRequest) {
	clear(p.recs)
	if cap(p.recs) <= keptRecords {
		*p = produceRequest{recs: p.recs[:0], codes: p.codes[:0], answer: p.answer[:0]}
		h.produces.Put(p)
	}
}

// unknownOutcome returns the error of records whose end nobody waited for, or nil.
func unknownOutcome(acks []record.Ack) *kafkaclient.UnknownOutcomeError {
	for _, ack := range acks {
		var unknown *kafkaclient.UnknownOutcomeError
		if ack.Err != nil && errors.As(ack.Err, &unknown) {
			return unknown
		}
	}
	return nil
}

// open reads what the head of the request says.
func (p *produceRequest) open(r *http.Request) (err error) {
	if p.format, err = embeddedFormat(r); err != nil {
		return err
	}
	p.topic, p.partition, p.argument = pathParam(r, "topic"), record.AnyPartition, "arg2"
	if pathParam(r, "partition") == "" {
		return nil
	}
	p.argument = "arg3"
	if p.partition, err = partitionParam(r); err != nil {
		return err
	}
	return checkPartition(p.partition)
}

// checkPartition refuses a partition that cannot exist. The reference answers 500 after it
// has written the records before (defect: contract, kafka-rest-v2.md §3.1).
func checkPartition(partition int32) error {
	if partition < 0 {
		return badRequest("Bad Request: partition=%d is negative: partitions are numbered from 0.", partition)
	}
	return nil
}

// decode fills p.recs from the body. Nothing has been sent when it fails.
func (p *produceRequest) decode() error {
	text, err := rawjson.UTF8(p.body.bytes)
	if err != nil {
		return badRequest("%s", err)
	}
	p.scanner.Reset(text)
	if err := p.readRequest(); err != nil {
		return err
	}
	if len(p.recs) == 0 {
		return unprocessable(http.StatusUnprocessableEntity, "%s.%s.records must not be empty (was [])", p.method(), p.argument)
	}
	if p.format == formatBinary {
		return p.decodeBinary()
	}
	return nil
}

// method is the reference's name of the call, as its texts show it.
func (p *produceRequest) method() string {
	names := map[format]string{
		formatBinary: "produceBinary", formatJSON: "produceJson", formatAvro: "produceAvro",
		formatJSONSchema: "produceJsonSchema", formatProtobuf: "produceProtobuf",
	}
	return names[p.format]
}

func (p *produceRequest) readRequest() error {
	s := &p.scanner
	kind, err := s.Kind()
	if err != nil {
		return err
	}
	switch kind {
	case rawjson.Null:
		if _, err := s.Value(); err != nil {
			return err
		}
		if err := s.Finish(); err != nil {
			return err
		}
		fallthrough
	case rawjson.End:
		return unprocessable(http.StatusUnprocessableEntity, "%s.%s must not be null (was null)", p.method(), p.argument)
	case rawjson.Object:
	default:
		return badRequest(`the body is %s, {"records":[{"value":…}]} is wanted`, kindName(kind))
	}
	if err := s.Object(); err != nil {
		return err
	}
	for {
		name, ok, err := s.Member()
		if err != nil {
			return err
		}
		if !ok {
			return s.Finish()
		}
		if err := p.readMember(name); err != nil {
			return err
		}
	}
}

// readMember reads one member of the request. Of one given twice the last counts.
func (p *produceRequest) readMember(name []byte) (err error) {
	switch string(name) {
	case "records":
		return p.readRecords()
	case "key_schema":
		p.keySchema, err = p.readText("key_schema")
	case "value_schema":
		p.valueSchema, err = p.readText("value_schema")
	case "key_schema_id":
		p.keySchemaID, err = p.readID("key_schema_id")
	case "value_schema_id":
		p.valueSchemaID, err = p.readID("value_schema_id")
	default:
		return unprocessable(http.StatusUnprocessableEntity, "Unrecognized field: %s", name)
	}
	return err
}

func (p *produceRequest) readRecords() error {
	s := &p.scanner
	p.recs = p.recs[:0]
	kind, err := s.Kind()
	if err != nil {
		return err
	}
	if kind == rawjson.Null {
		_, err := s.Value()
		return err
	}
	if kind != rawjson.Array {
		return badRequest("records is %s, an array of records is wanted", kindName(kind))
	}
	if err := s.Array(); err != nil {
		return err
	}
	for {
		ok, err := s.Element()
		if err != nil || !ok {
			return err
		}
		if err := p.pay(); err != nil {
			return err
		}
		p.recs = append(p.recs, record.Record{Topic: p.topic, Partition: p.partition})
		if err := p.readRecord(&p.recs[len(p.recs)-1]); err != nil {
			return err
		}
	}
}

// pay charges the next records to the budget before there is one more.
func (p *produceRequest) pay() error {
	if len(p.recs) < p.paid {
		return nil
	}
	p.paid += recordsPaidAhead
	return p.body.grow(recordsPaidAhead * recordCost)
}

func (p *produceRequest) readRecord(rec *record.Record) error {
	s := &p.scanner
	kind, err := s.Kind()
	if err != nil {
		return err
	}
	if kind != rawjson.Object {
		return badRequest(`record %d is %s, an object with "key", "value" and "partition" is wanted`, len(p.recs)-1, kindName(kind))
	}
	if err := s.Object(); err != nil {
		return err
	}
	for {
		name, ok, err := s.Member()
		if err != nil || !ok {
			return err
		}
		switch string(name) {
		case "value":
			rec.Value, err = readNullable(s)
		case "key":
			rec.Key, err = readNullable(s)
		case "partition":
			rec.Partition, err = p.readPartition()
		default:
			if !p.extended || string(name) != "headers" && string(name) != "timestamp" {
				return unprocessable(http.StatusUnprocessableEntity, "Unrecognized field: %s", name)
			}
			if string(name) == "headers" {
				rec.Headers, err = p.readHeaders()
			} else {
				rec.Timestamp, err = p.readTimestamp()
			}
		}
		if err != nil {
			return err
		}
	}
}

// readNullable returns the next value as its bytes, nil for JSON null.
func readNullable(s *rawjson.Scanner) ([]byte, error) {
	value, err := s.Value()
	if err != nil || string(value) == "null" {
		return nil, err
	}
	return value, nil
}

// readPartition reads a record's own partition, which goes before the path's.
func (p *produceRequest) readPartition() (int32, error) {
	n, ok, err := readInt(&p.scanner, "partition")
	if err != nil {
		return 0, err
	}
	if !ok {
		return p.partition, nil
	}
	return n, checkPartition(n)
}

// readInt reads a 32-bit integer as leniently as the reference's reader: "1", 1.0 and 1.9
// are 1; "" and null are none.
func readInt(s *rawjson.Scanner, name string) (n int32, ok bool, err error) {
	kind, err := s.Kind()
	if err != nil {
		return 0, false, err
	}
	var text string
	switch kind {
	case rawjson.Null:
		_, err := s.Value()
		return 0, false, err
	case rawjson.String:
		value, err := s.Text()
		if err != nil {
			return 0, false, err
		}
		text = strings.TrimSpace(string(value))
		if text == "" {
			return 0, false, nil
		}
	case rawjson.Number:
		value, err := s.Value()
		if err != nil {
			return 0, false, err
		}
		text = string(value)
		if f, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsAny(text, ".eE") && f > -1<<31-1 && f < 1<<31 {
			return int32(f), true, nil
		}
	default:
		return 0, false, badRequest("%s is %s, a 32-bit integer is wanted", name, kindName(kind))
	}
	value, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, false, badRequest("%s is %.40q, a 32-bit integer is wanted", name, text)
	}
	return int32(value), true, nil
}

// readID reads a schema's id; nil for none.
func (p *produceRequest) readID(name string) ([]byte, error) {
	n, ok, err := readInt(&p.scanner, name)
	if err != nil || !ok {
		return nil, err
	}
	return strconv.AppendInt(nil, int64(n), 10), nil
}

// readText reads a string member; numbers and booleans are taken as their text, null is none.
func (p *produceRequest) readText(name string) ([]byte, error) {
	s := &p.scanner
	kind, err := s.Kind()
	if err != nil {
		return nil, err
	}
	switch kind {
	case rawjson.String:
		return s.Text()
	case rawjson.Object, rawjson.Array:
		return nil, badRequest("%s is %s, a string is wanted", name, kindName(kind))
	}
	return readNullable(s)
}

// decodeBinary turns keys and values, which are base64 strings, into their bytes, in place.
func (p *produceRequest) decodeBinary() (err error) {
	for i := range p.recs {
		if p.recs[i].Key, err = decodeBase64(p.recs[i].Key); err != nil {
			return err
		}
		if p.recs[i].Value, err = decodeBase64(p.recs[i].Value); err != nil {
			return err
		}
	}
	return nil
}

// decodeBase64 decodes a JSON string of base64 in place, as leniently as the reference:
// padding may be missing or of any length, unused low bits are ignored.
func decodeBase64(token []byte) ([]byte, error) {
	if token == nil {
		return nil, nil
	}
	if token[0] != '"' {
		return nil, badRequest("Bad Request: data=%s is not a base64 string.", shortened(token))
	}
	text := rawjson.Unquote(token)
	letters := len(text)
	for letters > 0 && text[letters-1] == '=' {
		letters--
	}
	if letters%4 == 1 || !inBase64(text[:letters]) {
		return nil, badRequest("Bad Request: data=%s is not a valid base64 string.", shortened(token))
	}
	n, err := base64.RawStdEncoding.Decode(text, text[:letters])
	return text[:n:n], err
}

// inBase64 reports whether text has only letters of the standard alphabet: Go's decoder
// would skip line breaks.
func inBase64(text []byte) bool {
	for _, c := range text {
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/') {
			return false
		}
	}
	return true
}

// shownBytes is how much of a refused value stands in an error.
const shownBytes = 256

// shortened is a value as an error shows it.
func shortened(value []byte) string {
	if len(value) <= shownBytes {
		return string(value)
	}
	return strings.ToValidUTF8(string(value[:shownBytes]), "") + "…"
}

// encode writes the answer and returns its status (contract: kafka-rest-v2.md §3.5). why, which may be nil, completes the
// text of an error.
func (p *produceRequest) encode(acks []record.Ack, strict bool, why func(code int, text string, err error) string) int {
	out := p.answer[:0]
	out = append(out, `{"offsets":[`...)
	p.codes = p.codes[:0]
	for i, ack := range acks {
		if i > 0 {
			out = append(out, ',')
		}
		if ack.Err == nil {
			out = append(out, `{"partition":`...)
			out = strconv.AppendInt(out, int64(ack.Partition), 10)
			out = append(out, `,"offset":`...)
			out = strconv.AppendInt(out, ack.Offset, 10)
			out = append(out, `,"error_code":null,"error":null}`...)
			p.codes = append(p.codes, 0)
			continue
		}
		code, text := recordError(p.topic, ack.Err)
		if why != nil {
			text = why(code, text, ack.Err)
		}
		out = append(out, `{"partition":null,"offset":null,"error_code":`...)
		out = strconv.AppendInt(out, int64(code), 10)
		out = append(out, `,"error":`...)
		out = appendString(out, text)
		out = append(out, '}')
		p.codes = append(p.codes, code)
	}
	out = appendID(append(out, `],"key_schema_id":`...), p.keyCodec)
	out = append(appendID(append(out, `,"value_schema_id":`...), p.valueCodec), '}')
	p.answer = out
	return produceStatus(p.codes, strict)
}

// appendID writes a schema's id, null for none.
func appendID(dst []byte, codec *schema.Codec) []byte {
	if codec == nil {
		return append(dst, "null"...)
	}
	return strconv.AppendInt(dst, int64(codec.ID()), 10)
}

// kindName names a kind of value in a text for people.
func kindName(kind rawjson.Kind) string {
	switch kind {
	case rawjson.Null:
		return "null"
	case rawjson.Bool:
		return "a boolean"
	case rawjson.Number:
		return "a number"
	case rawjson.String:
		return "a string"
	case rawjson.Array:
		return "an array"
	case rawjson.Object:
		return "an object"
	}
	return "nothing"
}
