package handlers

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"headrace/kinesisclient"
	"headrace/rawjson"
)

const (
	// maxKeyChars is the longest partition key, in Unicode characters. Source: Kinesis API reference.
	maxKeyChars = 256
	// maxSplitRecords is what a request may hold when batches are split: the shortest records
	// fill the body's limit with no more.
	maxSplitRecords = 1 << 20
	// resultBytes is held for one record's entry, result and share of the answer.
	resultBytes = 256
)

// recordFields are the members of one record as raw JSON. Each has several spellings: rank
// tells how strong the one is that was read.
type recordFields struct {
	data, key, hash, sequence recordField
}

type recordField struct {
	raw  []byte // nil: absent or null
	rank int
}

// slot returns the place for the member of the given name, and the rank of this spelling.
// Where both are present, the capital one wins on /record, the lower one on /records.
func (f *recordFields) slot(name []byte, single bool) (*recordField, int) {
	capital := 1
	if single {
		capital = 4
	}
	switch string(name) {
	case "Data":
		return &f.data, capital
	case "data":
		return &f.data, 3
	case "PartitionKey":
		return &f.key, capital
	case "partitionKey":
		return &f.key, 2
	case "partition-key":
		return &f.key, 3
	case "ExplicitHashKey":
		return &f.hash, capital
	case "explicit-hash-key":
		return &f.hash, 3
	case "SequenceNumberForOrdering":
		if single {
			return &f.sequence, capital
		}
	}
	return nil, 0
}

// read reads the object that is the scanner's next value. Its errors are of syntax.
func (f *recordFields) read(s *rawjson.Scanner, single bool) error {
	if err := s.Object(); err != nil {
		return err
	}
	for {
		name, ok, err := s.Member()
		if err != nil || !ok {
			return err
		}
		slot, rank := f.slot(name, single)
		value, err := s.Value()
		if err != nil {
			return err
		}
		if slot != nil && rank >= slot.rank && string(value) != "null" {
			slot.raw, slot.rank = value, rank
		}
	}
}

// appendPutRecord appends the body of a PutRecord with what the client's text says.
func appendPutRecord(out []byte, name string, text []byte) ([]byte, error) {
	text, err := utf8Text(text)
	if err != nil {
		return out, err
	}
	s := rawjson.NewScanner(text)
	var f recordFields
	if err := readObject(s, func() error { return f.read(s, true) }); err != nil {
		return out, err
	}
	if err := s.Finish(); err != nil {
		return out, err
	}
	data, key, err := f.check("")
	if err != nil {
		return out, err
	}
	out = append(appendStreamName(out, name), ',')
	out = f.append(out, data, key)
	return append(out, '}'), nil
}

// readObject calls read when the text is an object. An empty text and null are an empty one,
// as API Gateway has it.
func readObject(s *rawjson.Scanner, read func() error) error {
	kind, err := s.Kind()
	if err != nil {
		return err
	}
	switch kind {
	case rawjson.Object:
		return read()
	case rawjson.End:
		return nil
	}
	value, err := s.Value()
	if err != nil {
		return err
	}
	if err := s.Finish(); err != nil {
		return err
	}
	if kind == rawjson.Null {
		return nil
	}
	return violation(string(value), "body", "be a JSON object")
}

// check returns the bytes to store and the partition key without quotes, or what Kinesis
// would answer. where is put before the names of members: empty, or records.N.member.
func (f *recordFields) check(where string) (data, key []byte, err error) {
	if f.data.raw == nil {
		return nil, nil, missing(where + "data")
	}
	data = f.data.raw
	if where != "" && data[0] == '"' {
		// On /records a string is stored as its own bytes, on /record as JSON, in quotes.
		data = rawjson.Unquote(data)
	}
	if f.key.raw == nil {
		return nil, nil, missing(where + "partitionKey")
	}
	key, ok := plainText(f.key.raw)
	switch {
	case !ok:
		return nil, nil, violation(string(f.key.raw), where+"partitionKey", "be a string")
	case len(key) == 0:
		return nil, nil, violation("", where+"partitionKey", "have length greater than or equal to 1")
	case len(key) > maxKeyChars && utf8.RuneCount(key) > maxKeyChars:
		return nil, nil, violation(string(key), where+"partitionKey", "have length less than or equal to 256")
	case !f.hash.isDecimal(39):
		return nil, nil, violation(string(f.hash.raw), where+"explicitHashKey", `satisfy regular expression pattern: 0|([1-9]\d{0,38})`)
	case !f.sequence.isDecimal(129):
		return nil, nil, violation(string(f.sequence.raw), where+"sequenceNumberForOrdering", `satisfy regular expression pattern: 0|([1-9]\d{0,128})`)
	}
	return data, key, nil
}

// plainText returns the bytes of a string, or of a number or bool as it is written. Other
// kinds are not ok.
func plainText(raw []byte) (text []byte, ok bool) {
	switch raw[0] {
	case '"':
		return rawjson.Unquote(raw), true
	case '{', '[':
		return nil, false
	}
	return raw, true
}

// isDecimal tells whether an optional member is absent, or a decimal number of so many digits
// at most: 0|([1-9]\d*). Source: Kinesis service model.
func (f *recordField) isDecimal(digits int) bool {
	if f.raw == nil {
		return true
	}
	text, ok := plainText(f.raw)
	ok = ok && len(text) > 0 && len(text) <= digits && (text[0] != '0' || len(text) == 1)
	for _, c := range text {
		ok = ok && c >= '0' && c <= '9'
	}
	return ok
}

// append appends the record's members as Kinesis reads them. Text goes on in the client's own
// escapes: nothing is spliced into a template.
func (f *recordFields) append(out, data, key []byte) []byte {
	out = append(out, `"Data":"`...)
	out = base64.StdEncoding.AppendEncode(out, data)
	out = append(out, `","PartitionKey":`...)
	out = appendQuoted(out, f.key.raw)
	if f.hash.raw != nil {
		out = append(out, `,"ExplicitHashKey":`...)
		out = appendQuoted(out, f.hash.raw)
	}
	if f.sequence.raw != nil {
		out = append(out, `,"SequenceNumberForOrdering":`...)
		out = appendQuoted(out, f.sequence.raw)
	}
	return out
}

// appendQuoted appends a scalar as a JSON string.
func appendQuoted(out, raw []byte) []byte {
	if raw[0] == '"' {
		return append(out, raw...)
	}
	out = append(out, '"')
	out = append(out, raw...)
	return append(out, '"')
}

// batchDecoder turns the body of a /records request into a batch in one pass. A fault of the
// content is kept until the whole text is known to be JSON: who sends none gets that error.
type batchDecoder struct {
	batch *kinesisclient.Batch
	limit int  // most records
	keys  bool // entries carry their partition key

	fields recordFields // of the record being read
	count  int          // records seen
	rank   int          // of the spelling of records that was read
	fault  error
}

// decode fills the batch. After an error it is of no use.
func (d *batchDecoder) decode(name string, text []byte) error {
	text, err := utf8Text(text)
	if err != nil {
		return err
	}
	body := d.batch.Body
	body.Bytes = append(appendStreamName(body.Bytes, name), `,"Records":[`...)
	start := len(body.Bytes)
	s := rawjson.NewScanner(text)
	if err := readObject(s, func() error { return d.readObject(s, start) }); err != nil {
		return err
	}
	if err := s.Finish(); err != nil {
		return err
	}
	switch {
	case d.fault != nil:
		return d.fault
	case d.rank == 0:
		return missing("records")
	case d.count == 0:
		return violation("[]", "records", "have length greater than or equal to 1")
	case d.count > d.limit:
		return violation("["+strconv.Itoa(d.count)+" records]", "records", "have length less than or equal to "+strconv.Itoa(d.limit))
	}
	body.Bytes = append(body.Bytes, "]}"...)
	return nil
}

// readObject reads the members of the body. start is where the first entry goes.
func (d *batchDecoder) readObject(s *rawjson.Scanner, start int) error {
	if err := s.Object(); err != nil {
		return err
	}
	for {
		name, ok, err := s.Member()
		if err != nil || !ok {
			return err
		}
		rank := 0
		switch string(name) {
		case "records":
			rank = 2
		case "Records":
			rank = 1
		}
		kind, err := s.Kind()
		if err != nil {
			return err
		}
		if rank == 0 || rank < d.rank || kind == rawjson.Null {
			if _, err := s.Value(); err != nil {
				return err
			}
			continue
		}
		// A later or stronger spelling replaces an earlier one.
		d.batch.Body.Bytes, d.batch.Entries = d.batch.Body.Bytes[:start], d.batch.Entries[:0]
		d.rank, d.count, d.fault = rank, 0, nil
		if kind != rawjson.Array {
			value, err := s.Value()
			if err != nil {
				return err
			}
			d.fault = violation(string(value), "records", "be an array")
			continue
		}
		if err := d.readRecords(s); err != nil {
			return err
		}
	}
}

func (d *batchDecoder) readRecords(s *rawjson.Scanner) error {
	if err := s.Array(); err != nil {
		return err
	}
	for {
		ok, err := s.Element()
		if err != nil || !ok {
			return err
		}
		d.count++
		if err := d.readRecord(s); err != nil {
			return err
		}
	}
}

// readRecord reads one element of the array and appends its entry, while there is no fault.
func (d *batchDecoder) readRecord(s *rawjson.Scanner) error {
	kind, err := s.Kind()
	if err != nil {
		return err
	}
	if kind != rawjson.Object || d.fault != nil || d.count > d.limit {
		value, err := s.Value()
		if err == nil && d.fault == nil && kind != rawjson.Object {
			d.fault = violation(string(value), "records."+strconv.Itoa(d.count), "be an object")
		}
		return err
	}
	f := &d.fields
	*f = recordFields{}
	if err := f.read(s, false); err != nil {
		return err
	}
	data, key, ok := d.check(f)
	if !ok {
		return nil
	}
	body := d.batch.Body
	if len(d.batch.Entries) > 0 {
		body.Bytes = append(body.Bytes, ',')
	}
	entry := kinesisclient.Entry{Start: len(body.Bytes), Size: len(data) + len(key)}
	body.Bytes = append(body.Bytes, '{')
	body.Bytes = append(f.append(body.Bytes, data, key), '}')
	entry.End = len(body.Bytes)
	if d.keys {
		entry.Key = string(key)
	}
	d.batch.Entries = append(d.batch.Entries, entry)
	return nil
}

// check is f.check for the record at hand; what Kinesis would answer becomes the fault.
func (d *batchDecoder) check(f *recordFields) (data, key []byte, ok bool) {
	data, key, err := f.check(inBatch)
	if err != nil {
		// The place is written only now: it costs, and records are seldom at fault.
		_, _, d.fault = f.check("records." + strconv.Itoa(d.count) + ".member.")
	}
	return data, key, err == nil
}

// inBatch stands for the place of a record until a fault needs it.
const inBatch = "records.N.member."
