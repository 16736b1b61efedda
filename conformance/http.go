package conformance

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// row is a claim on one request. ours is headrace's own answer where it differs on purpose, and why.
type row struct {
	name string
	send request
	want answer
	ours *answer
	why  string
}

func (s *suite) rows(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			want := r.want
			if s.opts.Headrace && r.ours != nil {
				want = *r.ours
			}
			resp, body := s.send(t, r.send)
			s.hold(t, want, resp, body)
		})
	}
}

// Answers of the HTTP layer.
var (
	notFound         = answer{status: 404, contentType: "none", code: 404, message: "HTTP 404 Not Found"}
	notFoundNumber   = answer{status: 404, code: 404, message: "HTTP 404 Not Found"}
	methodNotAllowed = answer{status: 405, contentType: "none", code: 405, message: "HTTP 405 Method Not Allowed"}
	notAcceptable    = answer{status: 406, contentType: "none", code: 406, message: "HTTP 406 Not Acceptable"}
	unsupported      = answer{status: 415, contentType: "application/json", code: 415, message: "HTTP 415 Unsupported Media Type"}
	unsupportedV2    = answer{status: 415, code: 415, message: "HTTP 415 Unsupported Media Type"}
	refused          = answer{status: 400, contentType: "any"} // by the layer below, as HTML or otherwise
	ok               = answer{status: 200}
	unknownTopic     = answer{status: 404, code: 40403, message: "This server does not host this topic-partition."}
	unknownPartition = answer{status: 404, code: 40402, message: "Partition not found."}
	invalidTopic     = answer{status: 400, code: 40002, message: "The request attempted to perform an operation on an invalid topic."}
	badBody          = answer{status: 400, code: 400} // with the reader's own text
	noSchema         = answer{status: 422, code: 42202, message: "Request includes values but does not include value schema"}
)

const (
	oneJSON   = `{"records":[{"value":{"a":1},"partition":0}]}`
	oneBinary = `{"records":[{"value":"aGk=","partition":0}]}`
)

// typed is a produce request of one record under a Content-Type.
func typed(contentType, body string) request {
	return request{path: "/topics/TOPIC", header: map[string]string{"Content-Type": contentType}, body: body}
}

// accepting is a GET with an Accept header.
func accepting(path, accept string) request {
	return request{path: path, header: map[string]string{"Accept": accept}}
}

// get is a plain GET.
func get(path string) request { return request{path: path} }

// http holds the gateway to the rules that all routes share.
func (s *suite) http(t *testing.T) {
	s.rows(t, contentTypes())
	s.rows(t, accepts())
	s.rows(t, paths())
	s.options(t)
	s.heads(t)
	s.compression(t)
	s.encodings(t)
}

func contentTypes() []row {
	rows := []row{
		{name: "json is read as JSON", send: typed(typeJSON, oneJSON), want: ok},
		{name: "binary is read as base64", send: typed(typeBinary, oneBinary), want: ok},
		{name: "avro asks for a schema", send: typed("application/vnd.kafka.avro.v2+json", oneJSON), want: noSchema},
		{name: "jsonschema asks for a schema", send: typed("application/vnd.kafka.jsonschema.v2+json", oneJSON), want: noSchema},
		{name: "protobuf asks for a schema", send: typed("application/vnd.kafka.protobuf.v2+json", oneJSON), want: noSchema},
		{name: "no Content-Type is binary", send: request{path: "/topics/TOPIC", body: oneBinary}, want: ok},
		{
			name: "no Content-Type and JSON is told that it is no base64", send: request{path: "/topics/TOPIC", body: oneJSON},
			want: answer{status: 400, code: 400, message: `Bad Request: data={"a":1} is not a base64 string.`},
		},
		{name: "an empty Content-Type is refused", send: typed("", oneJSON), want: refused},
		{name: "a Content-Type without a slash is refused", send: typed("json", oneJSON), want: refused},
		{name: "two Content-Types in one are refused", send: typed(typeJSON+", "+typeBinary, oneJSON), want: refused},
		{name: "charset is ignored", send: typed(typeJSON+"; charset=utf-8", oneJSON), want: ok},
		{name: "q on a Content-Type is ignored", send: typed(typeJSON+";q=0.5", oneJSON), want: ok},
		{name: "a lone semicolon is ignored", send: typed(typeJSON+";", oneJSON), want: ok},
		{name: "a charset is not believed", send: typed(typeJSON+"; charset=iso-8859-1", "{\"records\":[{\"value\":\"\xe9\"}]}"), want: badBody},
		{
			name: "upper case", send: typed("Application/VND.Kafka.JSON.v2+JSON", oneJSON), want: unsupported,
			ours: &ok, why: "RFC 9110 compares media types in any case",
		},
		{
			name: "415 speaks v2 where Accept names only that", want: unsupportedV2,
			send: request{path: "/topics/TOPIC", header: map[string]string{"Content-Type": "text/plain", "Accept": typeV2}, body: oneJSON},
		},
		{
			name: "415 goes before 406", want: unsupported,
			send: request{path: "/topics/TOPIC", header: map[string]string{"Content-Type": "text/plain", "Accept": "text/html"}, body: oneJSON},
		},
		{name: "brokers take any Content-Type", send: request{path: "/brokers", header: map[string]string{"Content-Type": "text/plain"}}, want: ok},
		{name: "a POST to / is answered", send: request{path: "/", header: map[string]string{"Content-Type": typeV2}, body: `{"a":"b"}`}, want: answer{status: 200, body: `{}`}},
		{name: "a POST to / without Content-Type is answered", send: request{path: "/", body: `{"a":"b"}`}, want: answer{status: 200, body: `{}`}},
		{name: "a POST of text to / is refused", send: request{path: "/", header: map[string]string{"Content-Type": typeV2}, body: `"x"`}, want: badBody},
		{name: "a POST of an array to / is refused", send: request{path: "/", header: map[string]string{"Content-Type": typeV2}, body: `[]`}, want: badBody},
		{name: "a POST of objects to / is refused", send: request{path: "/", header: map[string]string{"Content-Type": typeV2}, body: `{"a":{}}`}, want: badBody},
		{name: "a POST of half an object to / is refused", send: request{path: "/", header: map[string]string{"Content-Type": typeV2}, body: `{"a":`}, want: badBody},
		{name: "a GET with a broken Content-Type is refused", send: request{path: "/topics", header: map[string]string{"Content-Type": "x"}}, want: refused},
		{name: "a POST of application/json to / is refused", send: request{path: "/", header: map[string]string{"Content-Type": "application/json"}, body: `{}`}, want: unsupported},
	}
	for _, other := range []string{typeV2, "application/json", "application/octet-stream", "application/x-www-form-urlencoded", "*/*", "application/vnd.kafka.v1+json"} {
		rows = append(rows, row{name: "produce refuses " + other, send: typed(other, oneJSON), want: unsupported})
	}
	for _, path := range []string{"/", "/topics", "/topics/TOPIC", "/topics/TOPIC/partitions", "/topics/TOPIC/partitions/0", "/topics/TOPIC/partitions/0/offsets"} {
		rows = append(rows,
			row{name: "GET " + path + " takes the v2 type", send: request{path: path, header: map[string]string{"Content-Type": typeV2}}, want: ok},
			row{name: "GET " + path + " refuses application json", send: request{path: path, header: map[string]string{"Content-Type": "application/json"}}, want: unsupported},
			row{name: "GET " + path + " refuses an embedded type", send: request{path: path, header: map[string]string{"Content-Type": typeJSON}}, want: unsupported})
	}
	return rows
}

func accepts() []row {
	withCharset := answer{status: 200, contentType: typeV2 + ";charset=utf-8"}
	rows := []row{
		{name: "application wildcard", send: accepting("/topics", "application/*"), want: ok},
		{name: "full wildcard", send: accepting("/topics", "*/*"), want: ok},
		{name: "an empty Accept is none", send: accepting("/topics", ""), want: ok},
		{name: "garbage is not acceptable", send: accepting("/topics", "garbage"), want: notAcceptable},
		{name: "wildcard type with a sub-type is not acceptable", send: accepting("/topics", "*/json"), want: notAcceptable},
		{name: "an embedded type is not acceptable", send: accepting("/topics", typeJSON), want: notAcceptable},
		{name: "one of several is enough", send: accepting("/topics", "text/html, application/json;q=0.9, "+typeV2+";q=0.1"), want: ok},
		{name: "q=0 does not exclude", send: accepting("/topics", typeV2+";q=0"), want: ok},
		{name: "a parameter is echoed", send: accepting("/topics", typeV2+"; charset=utf-8"), want: withCharset},
		{name: "a parameter is echoed without q", send: accepting("/topics", typeV2+"; q=0.5; charset=utf-8"), want: withCharset},
		{name: "any parameter is echoed", send: accepting("/topics", typeV2+";v=2"), want: answer{status: 200, contentType: typeV2 + ";v=2"}},
		{name: "of two the higher q counts", send: accepting("/topics", typeV2+";q=0.3, "+typeV2+";charset=utf-8;q=0.4"), want: withCharset},
		{name: "of two with one q the one without wildcards counts", send: accepting("/topics", "*/*, "+typeV2+";charset=utf-8"), want: withCharset},
		{name: "a wildcard of higher q counts", send: accepting("/topics", "*/*;q=0.9, "+typeV2+";charset=utf-8;q=0.8"), want: ok},
		{
			name: "an error has the type that was agreed on", send: accepting("/topics/NONE", typeV2+"; charset=utf-8"),
			want: answer{status: 404, contentType: typeV2 + ";charset=utf-8", code: 40403},
		},
		{
			name: "upper case Accept", send: accepting("/topics", strings.ToUpper(typeV2)), want: answer{status: 500, contentType: "none"},
			ours: &ok, why: "the reference's empty 500 is a defect",
		},
		{
			name: "an answer to a produce has the parameter too", want: withCharset,
			send: request{path: "/topics/TOPIC", header: map[string]string{"Content-Type": typeJSON, "Accept": typeV2 + ";charset=utf-8"}, body: oneJSON},
		},
	}
	for _, path := range []string{"/", "/brokers", "/topics", "/topics/TOPIC", "/topics/TOPIC/partitions", "/topics/TOPIC/partitions/0", "/topics/TOPIC/partitions/0/offsets", "/topics/NONE"} {
		rows = append(rows, row{name: "application json alone is not acceptable at " + path, send: accepting(path, "application/json"), want: notAcceptable})
	}
	return rows
}

func paths() []row {
	partition := func(id string) request { return get("/topics/TOPIC/partitions/" + id) }
	produce := func(path string) request {
		return request{path: path, header: map[string]string{"Content-Type": typeJSON}, body: `{"records":[{"value":1}]}`}
	}
	one := answer{status: 200}
	return []row{
		{name: "an unknown path is 404 without a type", send: get("/nosuch/path"), want: notFound},
		{name: "an unknown path to a POST is 404", send: request{path: "/nosuch", body: `{}`}, want: notFound},
		{name: "an unknown path to a made-up method is 404", send: request{method: "BREW", path: "/nosuch"}, want: notFound},
		{name: "an unknown path goes before Accept", send: accepting("/nosuch", "text/html"), want: notFound},
		{name: "paths are case-sensitive", send: get("/Topics"), want: notFound},
		{name: "a path goes on", send: get("/topics/TOPIC/partitions/0/offsets/1"), want: notFound},
		{name: "DELETE is not for topics", send: request{method: "DELETE", path: "/topics/TOPIC"}, want: methodNotAllowed},
		{name: "PUT is not for topics", send: request{method: "PUT", path: "/topics/TOPIC", body: oneJSON}, want: methodNotAllowed},
		{name: "PATCH is not for topics", send: request{method: "PATCH", path: "/topics/TOPIC", body: oneJSON}, want: methodNotAllowed},
		{name: "TRACE is not allowed", send: request{method: "TRACE", path: "/topics"}, want: methodNotAllowed},
		{name: "a made-up method is not allowed", send: request{method: "BREW", path: "/topics"}, want: methodNotAllowed},
		{name: "a method in lower case is not allowed", send: request{method: "get", path: "/topics"}, want: methodNotAllowed},
		{name: "POST is not for brokers", send: request{path: "/brokers", body: `{}`}, want: methodNotAllowed},
		{name: "POST is not for offsets", send: request{path: "/topics/TOPIC/partitions/0/offsets", body: `{}`}, want: methodNotAllowed},
		{name: "405 goes before Accept", send: request{method: "DELETE", path: "/topics", header: map[string]string{"Accept": "text/html"}}, want: methodNotAllowed},
		{name: "partition foo is 404", send: partition("foo"), want: notFoundNumber},
		{name: "partition 01 is 1", send: partition("01"), want: one},
		{name: "partition +1 is 1", send: partition("+1"), want: one},
		{name: "partition -0 is 0", send: partition("-0"), want: one},
		{name: "partition 1.0 is no number", send: partition("1.0"), want: notFoundNumber},
		{name: "partition 99999999999 is no number", send: partition("99999999999"), want: notFoundNumber},
		{name: "partition 2147483648 is no number", send: partition("2147483648"), want: notFoundNumber},
		{name: "partition 2147483647 is one that is not there", send: partition("2147483647"), want: unknownPartition},
		{name: "partition -1 is one that is not there", send: partition("-1"), want: unknownPartition},
		{name: "partition %30 is 0", send: partition("%30"), want: one},
		{name: "partition with a space is no number", send: partition("%200"), want: notFoundNumber},
		{name: "partition 1_0 is no number", send: partition("1_0"), want: notFoundNumber},
		{name: "partition 0x1 is no number", send: partition("0x1"), want: notFoundNumber},
		{name: "the offsets of partition foo are 404", send: get("/topics/TOPIC/partitions/foo/offsets"), want: notFoundNumber},
		{name: "a produce to partition foo is 404", send: produce("/topics/TOPIC/partitions/foo"), want: notFoundNumber},
		{name: "a produce to partition +01 is one to 1", send: produce("/topics/TOPIC/partitions/+01"), want: one},
		{name: "a slash at the end is nothing", send: get("/topics/TOPIC/partitions/0/offsets/"), want: one},
		{name: "a slash at the end of a produce is nothing", send: produce("/topics/TOPIC/"), want: one},
		{name: "a query that is not known is ignored", send: get("/topics/TOPIC?x=1&timeout=abc"), want: one},
		{name: "a matrix parameter is ignored", send: get("/topics/TOPIC;a=b;c"), want: one},
		{name: "a matrix parameter is ignored by a produce", send: produce("/topics/TOPIC;a=b/partitions/0;c=d"), want: one},
		{name: "a name with an encoded slash is invalid to Kafka", send: get("/topics/a%2Fb"), want: invalidTopic},
		{name: "the partitions of a name with an encoded slash", send: get("/topics/a%2fb/partitions"), want: invalidTopic},
		{name: "a name of encoded slashes is one", send: get("/topics/a%2F%2Fb"), want: invalidTopic},
		{name: "an encoded slash at the end is no slash", send: get("/topics/TOPIC%2F"), want: invalidTopic},
		{name: "a name that is an encoded slash", send: get("/topics/%2F"), want: invalidTopic},
		{name: "two dots behind an encoded slash are part of a name", send: get("/topics/a%2F.."), want: invalidTopic},
		{name: "an encoded semicolon is part of a name", send: get("/topics/TOPIC%3Ba=b"), want: invalidTopic},
		{name: "three dots are a name", send: get("/topics/..."), want: unknownTopic},
		{name: "an encoded letter is the letter", send: get("/%74opics/TOPIC"), want: one},
		{name: "OPTIONS of an unknown path is 404", send: request{method: "OPTIONS", path: "/nosuch"}, want: notFound},
		{
			name: "a produce to a name with an encoded slash fails inside", send: produce("/topics/a%2Fb"),
			want: answer{status: 200, body: `{"offsets":[{"partition":null,"offset":null,"error_code":50002,"error":"Invalid topics: [a/b]"}],"key_schema_id":null,"value_schema_id":null}`},
		},
	}
}

// options: OPTIONS tells what a path can do, in the header and as the body.
func (s *suite) options(t *testing.T) {
	for path, want := range map[string]string{
		"/": "HEAD POST GET OPTIONS", "/brokers": "HEAD GET OPTIONS", "/topics": "HEAD GET OPTIONS",
		"/topics/TOPIC": "HEAD POST GET OPTIONS", "/topics/NONE": "HEAD POST GET OPTIONS", "/topics/TOPIC/partitions": "HEAD GET OPTIONS",
		"/topics/TOPIC/partitions/0": "HEAD POST GET OPTIONS", "/topics/TOPIC/partitions/0/offsets": "HEAD GET OPTIONS",
	} {
		t.Run("OPTIONS tells what is allowed at "+path, func(t *testing.T) {
			resp, body := s.send(t, request{method: "OPTIONS", path: path})
			s.hold(t, answer{status: 200, contentType: "text/plain"}, resp, body)
			if got := methodList(resp.Header.Get("Allow")); got != methodList(want) {
				t.Errorf("Allow is %s, want %s", got, want)
			}
			if got := methodList(string(body)); got != methodList(want) {
				t.Errorf("the body is %q, want %s", body, want)
			}
		})
	}
}

// methodList sorts a list of methods.
func methodList(text string) string {
	methods := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(methods)
	return strings.Join(methods, " ")
}

// heads: HEAD answers as GET does, without the body.
func (s *suite) heads(t *testing.T) {
	for _, path := range []string{
		"/", "/brokers", "/topics", "/topics/", "/topics/TOPIC", "/topics/NONE", "/topics/TOPIC/partitions", "/topics/TOPIC/partitions/0",
		"/topics/TOPIC/partitions/9", "/topics/TOPIC/partitions/x", "/topics/TOPIC/partitions/0/offsets", "/nosuch",
	} {
		t.Run("HEAD is GET without a body at "+path, func(t *testing.T) {
			want, _ := s.send(t, get(path))
			got, body := s.send(t, request{method: "HEAD", path: path})
			if got.StatusCode != want.StatusCode || got.Header.Get("Content-Type") != want.Header.Get("Content-Type") || len(body) > 0 {
				t.Errorf("HEAD: %d %q with %d bytes, GET: %d %q", got.StatusCode, got.Header.Get("Content-Type"), len(body),
					want.StatusCode, want.Header.Get("Content-Type"))
			}
		})
	}
}

// compression: answers are compressed for those who ask, requests never.
func (s *suite) compression(t *testing.T) {
	zip := map[string]string{"Accept-Encoding": "gzip", "Content-Type": typeJSON}
	for name, r := range map[string]request{
		"a long answer to a GET is compressed":  {path: "/topics/TOPIC", header: map[string]string{"Accept-Encoding": "gzip", "Content-Type": typeV2}},
		"a long answer to a POST is compressed": {path: "/topics/TOPIC", header: zip, body: `{"records":[` + strings.Repeat(`{"value":1},`, 99) + `{"value":1}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, plain := s.send(t, request{path: r.path, header: map[string]string{"Content-Type": r.header["Content-Type"]}, body: r.body}); len(plain) < 2000 {
				t.Skipf("the answer is too short for compression: %d bytes", len(plain))
			}
			resp, body := s.sendUnchecked(t, r)
			if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "gzip" {
				t.Fatalf("status %d, Content-Encoding %q, want gzip", resp.StatusCode, resp.Header.Get("Content-Encoding"))
			}
			unzipped, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(unzipped); err != nil || !strings.HasPrefix(string(text), "{") {
				t.Errorf("unzipped: %.100q, %v", text, err)
			}
		})
	}
	t.Run("the error of an unknown path is not compressed", func(t *testing.T) {
		resp, body := s.send(t, request{path: "/nosuch", header: map[string]string{"Accept-Encoding": "gzip"}})
		s.hold(t, notFound, resp, body)
	})
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(w, oneJSON)
	_ = w.Close()
	for name, header := range map[string]map[string]string{
		"a compressed request is not inflated":                      {"Content-Type": typeJSON, "Content-Encoding": "gzip"},
		"a compressed request that does not say so is not inflated": {"Content-Type": typeJSON},
	} {
		s.rows(t, []row{{name: name, send: request{path: "/topics/OTHER", header: header, body: zipped.String()}, want: badBody}})
	}
	s.rows(t, []row{{
		name: "a request that only says that it is compressed is read",
		send: request{path: "/topics/TOPIC", header: map[string]string{"Content-Type": typeJSON, "Content-Encoding": "gzip"}, body: oneJSON}, want: ok,
	}})
}

// sendUnchecked is send without Options.Check, for answers whose bytes are not plain.
func (s *suite) sendUnchecked(t *testing.T, r request) (reply, []byte) {
	t.Helper()
	plain := *s
	plain.opts.Check = nil
	return plain.send(t, r)
}

// encodings: bodies are UTF-8 or UTF-16, as their first bytes show.
func (s *suite) encodings(t *testing.T) {
	for name, body := range map[string]string{
		"a UTF-8 mark is skipped":                  "\xef\xbb\xbf" + oneJSON,
		"UTF-16 little endian is read":             inUTF16(binary.LittleEndian, oneJSON),
		"UTF-16 big endian is read":                inUTF16(binary.BigEndian, oneJSON),
		"UTF-16 little endian with a mark is read": inUTF16(binary.LittleEndian, "\ufeff"+oneJSON),
		"UTF-16 big endian with a mark is read":    inUTF16(binary.BigEndian, "\ufeff"+oneJSON),
	} {
		s.rows(t, []row{{name: name, send: typed(typeJSON, body), want: ok}})
	}
}

func inUTF16(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}
