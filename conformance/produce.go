package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// null is Kafka's null: a tombstone as a value, no key as a key.
const null = "\x00null"

// stored is what lies in Kafka behind one record of a request.
type stored struct{ key, value string }

// produceCase is a claim on a produce that succeeds: what is stored then. reference is what the reference stores where
// headrace stores the sender's own bytes.
type produceCase struct {
	name      string
	typ       string // empty: JSON
	path      string // empty: /topics/TOPIC
	body      string
	stored    []stored
	reference []stored
	partition int32 // all records lie there; -1: anywhere
}

// result is one entry of the answer to a produce.
type result struct {
	Partition *int32
	Offset    *int64
	Code      *int `json:"error_code"`
	Error     *string
}

// produce holds the gateway to what it stores and refuses.
func (s *suite) produce(t *testing.T) {
	for _, c := range produceCases() {
		t.Run(c.name, func(t *testing.T) { s.store(t, c) })
	}
	s.rows(t, refusedBodies())
	s.rows(t, refusedValues())
	t.Run("a request with one bad record stores nothing", s.allOrNothing)
	t.Run("a partition that is not there fails alone", func(t *testing.T) {
		results := s.post(t, typed(typeJSON, `{"records":[{"value":1,"partition":0},{"value":2,"partition":7},{"value":3,"partition":1}]}`))
		s.stored(t, s.topic, results[0], stored{null, "1"})
		s.stored(t, s.topic, results[2], stored{null, "3"})
		want := fmt.Sprintf("Partition 7 of topic %s with partition count 3 is not present in metadata after %d ms.", s.topic, s.opts.MaxBlock.Milliseconds())
		results[1].failed(t, 50003, want)
	})
	t.Run("an invalid name fails inside", func(t *testing.T) {
		results := s.post(t, request{path: "/topics/b%C3%A4d", header: map[string]string{"Content-Type": typeJSON}, body: oneJSON})
		results[0].failed(t, 50002, "Invalid topics: [bäd]")
	})
	t.Run("a record that is too large fails alone", func(t *testing.T) {
		results := s.post(t, typed(typeJSON, `{"records":[{"value":1},{"value":"`+strings.Repeat("x", 1<<20)+`"}]}`))
		results[1].failed(t, 50002, "")
		s.stored(t, s.topic, results[0], stored{null, "1"})
	})
	t.Run("a missing topic is made by the broker", func(t *testing.T) {
		path := "/topics/" + s.prefix + "made"
		results := s.post(t, request{path: path, header: map[string]string{"Content-Type": typeJSON}, body: `{"records":[{"value":1}]}`})
		s.stored(t, s.prefix+"made", results[0], stored{null, "1"})
	})
	t.Run("offsets rise with the records of one partition", s.order)
	t.Run("a key goes where the Java client puts it", s.keys)
}

func values(texts ...string) []stored {
	all := make([]stored, 0, len(texts))
	for _, text := range texts {
		all = append(all, stored{null, text})
	}
	return all
}

// records makes a request of values.
func records(texts ...string) string {
	return `{"records":[{"value":` + strings.Join(texts, `},{"value":`) + `}]}`
}

func produceCases() []produceCase {
	return []produceCase{
		{name: "white space goes, member order stays", body: "{\"records\": [ {\"value\" : { \"b\" : 1 ,\n\t\"a\" : [ 1 , true , null ] } } ] }", stored: values(`{"b":1,"a":[1,true,null]}`)},
		{name: "any JSON is a value", body: records(`1`, `"x"`, `[]`, `{}`, `true`, `""`), stored: values(`1`, `"x"`, `[]`, `{}`, `true`, `""`)},
		{name: "a null is a tombstone", body: records(`null`, ` null `), stored: values(null, null)},
		{name: "an absent value is a tombstone", body: `{"records":[{},{"key":"k"}]}`, stored: []stored{{null, null}, {`"k"`, null}}},
		{name: "a null key is none", body: `{"records":[{"key":null,"value":1},{"key":"","value":1}]}`, stored: []stored{{null, "1"}, {`""`, "1"}}},
		{name: "a key is any JSON", body: `{"records":[{"key":{ "id" : 7 },"value":1},{"key":7,"value":1}]}`, stored: []stored{{`{"id":7}`, "1"}, {"7", "1"}}},
		{
			name: "numbers stay as sent", body: records(`1.500`, `1e3`, `0.0001`, `1e7`, `-0`, `-0.0`, `12345678901234567890123`, `1e400`, `1E+2`),
			stored:    values(`1.500`, `1e3`, `0.0001`, `1e7`, `-0`, `-0.0`, `12345678901234567890123`, `1e400`, `1E+2`),
			reference: values(`1.5`, `1000.0`, `1.0E-4`, `1.0E7`, `0`, `-0.0`, `12345678901234567890123`, `"Infinity"`, `100.0`),
		},
		{
			name: "strings stay as sent", body: records(`"\u00e9\/"`, `"😀"`, `"<>&'"`, "\"\u2028\x7f\""),
			stored:    values(`"\u00e9\/"`, `"😀"`, `"<>&'"`, "\"\u2028\x7f\""),
			reference: values(`"é/"`, `"\uD83D\uDE00"`, `"<>&'"`, "\"\u2028\x7f\""),
		},
		{name: "escapes of controls stay", body: records(`"\b\f\n\r\t\"\\"`, `"\u001F"`), stored: values(`"\b\f\n\r\t\"\\"`, `"\u001F"`)},
		{name: "a lone surrogate is taken", body: records(`"\uD800"`), stored: values(`"\uD800"`)},
		{
			name: "a member given twice in a value stays", body: records(`{"a":1,"b":2,"a":3}`),
			stored: values(`{"a":1,"b":2,"a":3}`), reference: values(`{"a":3,"b":2}`),
		},
		{name: "of a member of a record given twice the last counts", body: `{"records":[{"value":1,"key":"a","value":2,"key":null}]}`, stored: values("2")},
		{name: "of records given twice the last counts", body: `{"records":[{"value":1},{"value":1}],"records":[{"value":2}]}`, stored: values("2")},
		{name: "records null and then given counts", body: `{"records":null,"records":[{"value":2}]}`, stored: values("2")},
		{name: "schema members mean nothing to JSON", body: `{"key_schema":"x","value_schema":"y","key_schema_id":1,"value_schema_id":"2","records":[{"value":1}]}`, stored: values("1")},
		{name: "schema members may be null", body: `{"key_schema":null,"value_schema":null,"key_schema_id":null,"value_schema_id":null,"records":[{"value":1}]}`, stored: values("1")},
		{name: "a number is taken for a text", body: `{"value_schema":1.5,"records":[{"value":1}]}`, stored: values("1")},
		{name: "members may come in any order", body: `{"value_schema_id":1,"records":[{"partition":0,"value":1,"key":2}],"key_schema_id":""}`, stored: []stored{{"2", "1"}}, partition: 0},
		{name: "names may be escaped", body: `{"re\u0063ords":[{"v\u0061lue":1}]}`, stored: values("1")},

		{name: "a record's partition is taken", body: `{"records":[{"value":1,"partition":2}]}`, stored: values("1"), partition: 2},
		{name: "a partition as a text is taken", body: `{"records":[{"value":1,"partition":"2"},{"value":2,"partition":" 2 "}]}`, stored: values("1", "2"), partition: 2},
		{name: "a partition of 1.0 and 1.9 is 1", body: `{"records":[{"value":1,"partition":1.0},{"value":1,"partition":1.9},{"value":1,"partition":10e-1}]}`, stored: values("1", "1", "1"), partition: 1},
		{name: "a partition of an empty text is none", path: "/topics/TOPIC/partitions/1", body: `{"records":[{"value":1,"partition":""},{"value":1,"partition":null}]}`, stored: values("1", "1"), partition: 1},
		{name: "the partition of the path is taken", path: "/topics/TOPIC/partitions/2", body: `{"records":[{"value":1},{"key":"k","value":2}]}`, stored: []stored{{null, "1"}, {`"k"`, "2"}}, partition: 2},
		{name: "a record's partition goes before the path's", path: "/topics/TOPIC/partitions/2", body: `{"records":[{"value":1,"partition":1}]}`, stored: values("1"), partition: 1},

		{name: "base64 is stored decoded", typ: typeBinary, body: `{"records":[{"key":"a2V5","value":"/wAB"}]}`, stored: []stored{{"key", "\xff\x00\x01"}}},
		{name: "an empty text is empty, not null", typ: typeBinary, body: `{"records":[{"key":"","value":""}]}`, stored: []stored{{"", ""}}},
		{name: "null is null in binary too", typ: typeBinary, body: `{"records":[{"key":null,"value":null},{}]}`, stored: values(null, null)},
		{name: "padding of any length is taken", typ: typeBinary, body: records(`"Zm9vYg=="`, `"Zm9vYg="`, `"Zm9vYg"`, `"Zm9v===="`, `"=="`, `"="`), stored: values("foob", "foob", "foob", "foo", "", "")},
		{name: "unused low bits are ignored", typ: typeBinary, body: records(`"Zm9="`, `"Zn=="`), stored: values("fo", "f")},
		{name: "base64 may be escaped", typ: typeBinary, body: records(`"\u005am9v"`, `"\/+8="`), stored: values("foo", "\xff\xef")},
		{name: "a topic of two partitions stores too", path: "/topics/OTHER/partitions/1", body: records(`1`), stored: values("1"), partition: 1},
	}
}

func (s *suite) store(t *testing.T, c produceCase) {
	r := request{path: c.path, header: map[string]string{"Content-Type": c.typ}, body: c.body}
	if c.typ == "" {
		r.header["Content-Type"] = typeJSON
	}
	topic := s.topic
	switch {
	case c.path == "":
		r.path = "/topics/TOPIC"
	case strings.HasPrefix(c.path, "/topics/OTHER"):
		topic = s.other
	}
	want := c.stored
	if c.reference != nil && !s.opts.Headrace {
		want = c.reference
	}
	results := s.post(t, r)
	if len(results) != len(want) {
		t.Fatalf("%d results, want %d", len(results), len(want))
	}
	for i, got := range results {
		s.stored(t, topic, got, want[i])
		if names := strings.Contains(c.path+c.body, "partition"); names && got.Partition != nil && *got.Partition != c.partition {
			t.Errorf("record %d lies in partition %d, want %d", i, *got.Partition, c.partition)
		}
	}
}

// post sends a produce that is answered with 200, and returns its results.
func (s *suite) post(t *testing.T, r request) []result {
	t.Helper()
	answer := decode[struct{ Offsets []result }](s, t, r)
	if len(answer.Offsets) == 0 {
		t.Fatal("no offsets in the answer")
	}
	return answer.Offsets
}

// stored checks that a result names the place where the record lies.
func (s *suite) stored(t *testing.T, topic string, r result, want stored) {
	t.Helper()
	if r.Partition == nil || r.Offset == nil || r.Code != nil || r.Error != nil {
		t.Fatalf("result %s, want a stored record", r)
	}
	rec := s.kafka.record(t, topic, *r.Partition, *r.Offset)
	got := stored{null, null}
	if rec.Key != nil {
		got.key = string(rec.Key)
	}
	if rec.Value != nil {
		got.value = string(rec.Value)
	}
	if got != want {
		t.Errorf("stored at %s-%d %d: %q, want %q", topic, *r.Partition, *r.Offset, got, want)
	}
	if len(rec.Headers) > 0 {
		t.Errorf("the record has headers: %v", rec.Headers)
	}
}

// failed checks a result that is none; an empty text may be any.
func (r result) failed(t *testing.T, code int, text string) {
	t.Helper()
	if r.Partition != nil || r.Offset != nil || r.Code == nil || *r.Code != code || r.Error == nil || text != "" && *r.Error != text {
		t.Errorf("result %s, want error_code %d %s", r, code, text)
	}
}

func (r result) String() string {
	text, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// refusedBodies are requests that are no produce: nothing is stored.
func refusedBodies() []row {
	invalid := func(message string) answer { return answer{status: 422, code: 422, message: message} }
	both := answer{status: 400, code: 400}
	rows := []row{
		{name: "no body", send: request{method: "POST", path: "/topics/TOPIC", header: map[string]string{"Content-Type": typeJSON}}, want: invalid("produceJson.arg2 must not be null (was null)")},
		{name: "a body of white space", send: typed(typeJSON, " \r\n\t"), want: invalid("produceJson.arg2 must not be null (was null)")},
		{name: "a body null", send: typed(typeBinary, "null"), want: invalid("produceBinary.arg2 must not be null (was null)")},
		{
			name: "no body for a partition", want: invalid("produceJson.arg3 must not be null (was null)"),
			send: request{method: "POST", path: "/topics/TOPIC/partitions/0", header: map[string]string{"Content-Type": typeJSON}},
		},
		{name: "no records", send: typed(typeJSON, `{}`), want: invalid("produceJson.arg2.records must not be empty (was [])")},
		{name: "empty records", send: typed(typeBinary, `{"records":[]}`), want: invalid("produceBinary.arg2.records must not be empty (was [])")},
		{name: "records given and then null", send: typed(typeJSON, `{"records":[{"value":1}],"records":null}`), want: invalid("")},
		{name: "a member that is not known", send: typed(typeJSON, `{"zzz":1,"records":[{"value":1}]}`), want: invalid("Unrecognized field: zzz")},
		{name: "a member that is not known and null", send: typed(typeJSON, `{"records":[{"value":1}],"zzz":null}`), want: invalid("Unrecognized field: zzz")},
		{name: "a member in another case", send: typed(typeJSON, `{"Records":[{"value":1}]}`), want: invalid("Unrecognized field: Records")},
		{name: "a record's member that is not known", send: typed(typeJSON, `{"records":[{"value":1,"timestamp":1}]}`), want: invalid("Unrecognized field: timestamp")},
		{name: "a record's member in another case", send: typed(typeJSON, `{"records":[{"Value":null}]}`), want: invalid("Unrecognized field: Value")},
		{name: "a schema and its id", send: typed("application/vnd.kafka.avro.v2+json", `{"value_schema":"\"int\"","value_schema_id":1,"records":[{"value":1}]}`), want: answer{status: 500, code: 500}, ours: &both, why: "the reference's 500 is a defect"},
		{name: "a key without a key schema", send: typed("application/vnd.kafka.avro.v2+json", `{"value_schema":"\"int\"","records":[{"key":1,"value":1}]}`), want: answer{status: 422, code: 42201, message: "Request includes keys but does not include key schema"}},
	}
	for name, body := range map[string]string{
		"a text":                           `"x"`,
		"a number":                         `1`,
		"an array":                         `[]`,
		"records that are an object":       `{"records":{}}`,
		"records that are a text":          `{"records":"x"}`,
		"a record null":                    `{"records":[null]}`,
		"a record that is a text":          `{"records":["x"]}`,
		"a record that is an array":        `{"records":[[]]}`,
		"an open object":                   `{"records":[{"value":1}]`,
		"an open string":                   `{"records":[{"value":"x`,
		"a comma too many":                 `{"records":[{"value":1},]}`,
		"a comma at the end":               `{"records":[{"value":1}],}`,
		"something behind it":              `{"records":[{"value":1}]} x`,
		"a second document":                `{"records":[{"value":1}]}{}`,
		"a name without quotes":            `{records:[{"value":1}]}`,
		"single quotes":                    `{'records':[{"value":1}]}`,
		"a comment":                        `{"records":[{"value":1/*x*/}]}`,
		"a leading zero":                   records(`01`),
		"a leading plus":                   records(`+1`),
		"a number without digits":          records(`1.`),
		"NaN":                              records(`NaN`),
		"a bare word":                      records(`tru`),
		"a control in a string":            records("\"a\nb\""),
		"an unknown escape":                records(`"\x"`),
		"a half escape":                    records(`"\u12"`),
		"bytes that are no UTF-8":          records("\"\xff\xfe\""),
		"a NUL":                            records("\x00"),
		"nesting of 1100":                  records(strings.Repeat("[", 1100) + strings.Repeat("]", 1100)),
		"a number of 1001 digits":          records(strings.Repeat("1", 1001)),
		"a partition of abc":               `{"records":[{"value":1,"partition":"abc"}]}`,
		"a partition of true":              `{"records":[{"value":1,"partition":true}]}`,
		"a partition that is an object":    `{"records":[{"value":1,"partition":{}}]}`,
		"a partition of 2147483648":        `{"records":[{"value":1,"partition":2147483648}]}`,
		"a partition of 1e10":              `{"records":[{"value":1,"partition":1e10}]}`,
		"a partition of \"1.5\"":           `{"records":[{"value":1,"partition":"1.5"}]}`,
		"a schema that is an object":       `{"value_schema":{},"records":[{"value":1}]}`,
		"a schema id that is true":         `{"value_schema_id":true,"records":[{"value":1}]}`,
		"a schema id that is not a number": `{"value_schema_id":"x","records":[{"value":1}]}`,
	} {
		rows = append(rows, row{name: "refuses " + name, send: typed(typeJSON, body), want: badBody})
	}
	negative := answer{status: 500, code: 500, message: "Internal Server Error"}
	return append(rows,
		row{name: "a number of 1000 digits passes", send: typed(typeJSON, records(strings.Repeat("1", 1000))), want: ok},
		row{name: "nesting of 900 passes", send: typed(typeJSON, records(strings.Repeat("[", 900)+strings.Repeat("]", 900))), want: ok},
		row{name: "a negative partition", send: typed(typeJSON, `{"records":[{"value":1,"partition":-1}]}`), want: negative, ours: &badBody, why: "refused before anything is sent"},
		row{name: "a negative partition in the path", send: request{path: "/topics/TOPIC/partitions/-1", header: map[string]string{"Content-Type": typeJSON}, body: records("1")}, want: negative, ours: &badBody, why: "refused before anything is sent"})
}

// refusedValues are values that are no base64.
func refusedValues() []row {
	var rows []row
	for value, shown := range map[string]string{
		`{"a":1}`: `{"a":1}`, `1.5`: `1.5`, `[ "Zm9v" ]`: `["Zm9v"]`, `true`: `true`,
	} {
		rows = append(rows, row{
			name: "binary refuses " + value, send: typed(typeBinary, records(`"Zm9v"`, value)),
			want: answer{status: 400, code: 400, message: "Bad Request: data=" + shown + " is not a base64 string."},
		})
	}
	for _, value := range []string{`"fooba"`, `"Zm=9"`, `"-_8="`, `"Zm9v Zm9v"`, `"Zm9v\nZm9v"`, `"ä"`, `"!"`} {
		rows = append(rows, row{
			name: "binary refuses " + value, send: typed(typeBinary, records(`"Zm9v"`, value)),
			want: answer{status: 400, code: 400, message: "Bad Request: data=" + value + " is not a valid base64 string."},
		})
	}
	return append(rows, row{
		name: "binary refuses a key that is no base64", send: typed(typeBinary, `{"records":[{"key":"!","value":"Zm9v"}]}`),
		want: answer{status: 400, code: 400, message: `Bad Request: data="!" is not a valid base64 string.`},
	})
}

func (s *suite) allOrNothing(t *testing.T) {
	before := s.kafka.count(t, s.topic)
	for _, r := range []request{
		typed(typeBinary, records(`"Zm9v"`, `"Zm9v"`, `"!"`)),
		typed(typeJSON, `{"records":[{"value":1},{"value":2},{"valeu":3}]}`),
		typed(typeJSON, `{"records":[{"value":1},{"value":2},3]}`),
		typed(typeJSON, `{"records":[{"value":1},{"value":2}],"zzz":1}`),
		typed(typeJSON, `{"records":[{"value":1},{"value":2}]`),
	} {
		if resp, body := s.send(t, r); resp.StatusCode/100 != 4 {
			t.Errorf("%s answers %d %s", r.body, resp.StatusCode, body)
		}
	}
	if after := s.kafka.count(t, s.topic); after != before {
		t.Errorf("%d records were stored", after-before)
	}
}

func (s *suite) order(t *testing.T) {
	const n = 100
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint(i)
	}
	results := s.post(t, request{path: "/topics/OTHER/partitions/0", header: map[string]string{"Content-Type": typeJSON}, body: records(texts...)})
	if len(results) != n {
		t.Fatalf("%d results, want %d", len(results), n)
	}
	for i := 1; i < n; i++ {
		if *results[i].Offset != *results[i-1].Offset+1 {
			t.Fatalf("offset %d follows %d", *results[i].Offset, *results[i-1].Offset)
		}
	}
	s.stored(t, s.other, results[0], stored{null, "0"})
	s.stored(t, s.other, results[n-1], stored{null, fmt.Sprint(n - 1)})
}

// keys: the hashes are from Apache Kafka's own test of murmur2 (UtilsTest.testMurmur2).
func (s *suite) keys(t *testing.T) {
	for key, hash := range map[string]int32{
		"MjE=":                                 -973932308,  // 21
		"Zm9vYmFy":                             -790332482,  // foobar
		"YWJj":                                 479470107,   // abc
		"YS1saXR0bGUtYml0LWxvbmctc3RyaW5n":     -985981536,  // a-little-bit-long-string
		"YS1saXR0bGUtYml0LWxvbmdlci1zdHJpbmc=": -1486304829, // a-little-bit-longer-string
	} {
		for topic, partitions := range map[string]int32{"TOPIC": 3, "OTHER": 2} {
			results := s.post(t, request{path: "/topics/" + topic, header: map[string]string{"Content-Type": typeBinary}, body: `{"records":[{"key":"` + key + `","value":"aGk="}]}`})
			if want := hash & 0x7fffffff % partitions; results[0].Partition == nil || *results[0].Partition != want {
				t.Errorf("key %s lies in %s of %d partitions, want %d", key, results[0], partitions, want)
			}
		}
	}
}
