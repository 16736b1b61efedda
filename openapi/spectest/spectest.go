// Package spectest holds answers to the OpenAPI document: tests give it what the gateway
// answered and get told where the document says otherwise. It is for tests only.
package spectest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"headrace/openapi"
)

// Route is one operation of the document, the path as the document writes it: /topics/{topic}.
type Route struct{ Method, Path string }

// Routes returns every operation of the document, sorted by path and method. HEAD and OPTIONS,
// which every path answers, are in none. It panics when the document is broken.
func Routes() []Route {
	doc, err := read()
	if err != nil {
		panic(err)
	}
	var routes []Route
	for path, item := range doc.Paths {
		for method := range item {
			routes = append(routes, Route{Method: strings.ToUpper(method), Path: path})
		}
	}
	slices.SortFunc(routes, func(a, b Route) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return routes
}

// Spec checks answers against the document. It may be used from several goroutines.
type Spec struct {
	doc document

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by their place in the document
}

// Validator reads the document, or ends the test.
func Validator(t testing.TB) *Spec {
	t.Helper()
	doc, err := read()
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource(location, doc.whole); err != nil {
		t.Fatalf("reading the document's schemas: %v", err)
	}
	return &Spec{doc: doc, compiler: compiler, schemas: map[string]*jsonschema.Schema{}}
}

// Transport hands requests to next and checks every answer: t.Errorf tells what the document
// does not allow. Bodies are read whole, so it is not for endless answers.
// A nil next is http.DefaultTransport.
func (s *Spec) Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		if closing := resp.Body.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return nil, fmt.Errorf("reading the answer to %s %s: %w", req.Method, req.URL.Path, err)
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		if err := s.Response(req, resp, body); err != nil {
			t.Errorf("not as the document says: %v", err)
		}
		return resp, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Response checks one answer: its status, headers, media type and body, which is the whole of
// it, already read and not compressed. An unknown path must be a 404, or a 400 where it is
// broken, an unknown method a 405, in one of the two error shapes. All faults come in one
// error; nil is none.
func (s *Spec) Response(req *http.Request, resp *http.Response, body []byte) error {
	if err := s.response(req, resp, body); err != nil {
		return fmt.Errorf("%s %s answered %d: %w", req.Method, req.URL.Path, resp.StatusCode, err)
	}
	return nil
}

func (s *Spec) response(req *http.Request, resp *http.Response, body []byte) error {
	if resp.Header.Get("X-Request-Id") == "" {
		return errors.New("no X-Request-Id")
	}
	path, item := s.doc.find(req.URL.EscapedPath())
	if item == nil {
		return s.refusal(req, resp, body, http.StatusNotFound, http.StatusBadRequest)
	}
	method := strings.ToLower(req.Method)
	switch req.Method {
	case http.MethodOptions:
		return nil
	case http.MethodHead:
		if len(body) > 0 {
			return fmt.Errorf("a body of %d bytes to a HEAD", len(body))
		}
		method = "get"
	}
	op, ok := item[method]
	if !ok || method == req.Method { // methods are written in capitals
		return s.refusal(req, resp, body, http.StatusMethodNotAllowed)
	}
	ref, ok := op.Responses[fmt.Sprint(resp.StatusCode)]
	if !ok {
		return fmt.Errorf("the document has only %v; body %.300q", slices.Sorted(maps.Keys(op.Responses)), body)
	}
	place := pointer("paths", path, method, "responses", fmt.Sprint(resp.StatusCode))
	if ref.Ref != "" {
		place = ref.Ref
	}
	want, err := s.doc.response(place)
	if err != nil {
		return err
	}
	return errors.Join(s.headers(want, resp), s.content(place, want, req, resp, body))
}

// headers checks that required headers are there and that the values fit.
func (s *Spec) headers(want response, resp *http.Response) error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(want.Headers)) {
		place := want.Headers[name].Ref
		var header struct {
			Required bool `json:"required"`
			Schema   struct {
				Type string `json:"type"`
			} `json:"schema"`
		}
		if err := s.doc.at(place, &header); err != nil {
			return err
		}
		text := resp.Header.Get(name)
		if text == "" {
			if header.Required {
				faults = append(faults, fmt.Errorf("no %s", name))
			}
			continue
		}
		var value any = text
		if _, err := strconv.Atoi(text); err == nil && header.Schema.Type == "integer" {
			value = json.Number(text)
		}
		if err := s.valid(place+"/schema", value); err != nil {
			faults = append(faults, fmt.Errorf("%s is %q: %w", name, text, err))
		}
	}
	return errors.Join(faults...)
}

// content checks the media type and the body.
func (s *Spec) content(place string, want response, req *http.Request, resp *http.Response, body []byte) error {
	if req.Method == http.MethodHead {
		return nil
	}
	got := resp.Header.Get("Content-Type")
	if resp.StatusCode == http.StatusNotAcceptable && got == "" {
		return s.validJSON("#/components/schemas/Error", body) // where no type could be agreed on, also on a route that has other 406s
	}
	if len(want.Content) == 0 {
		switch {
		case resp.StatusCode == http.StatusNotAcceptable && got != "":
			return fmt.Errorf("Content-Type is %q, want none", got)
		case len(body) > 0 && resp.StatusCode/100 != 3:
			return fmt.Errorf("a body where the document has none: %.300q", body)
		}
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(got)
	if err != nil {
		return fmt.Errorf("Content-Type is %q: %w", got, err)
	}
	if _, ok := want.Content[mediaType]; !ok {
		return fmt.Errorf("Content-Type is %q, the document has %v", got, slices.Sorted(maps.Keys(want.Content)))
	}
	if mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json") {
		return nil
	}
	schema := place + pointer("content", mediaType, "schema")[1:]
	if media, _ := want.Content[mediaType].(map[string]any); media["x-sequence"] == true {
		return s.validSequence(schema, body)
	}
	return s.validJSON(schema, body)
}

// validSequence checks a body of JSON values one behind the other, each against the schema at place.
func (s *Spec) validSequence(place string, body []byte) error {
	values := json.NewDecoder(bytes.NewReader(body))
	for {
		var value json.RawMessage
		err := values.Decode(&value)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("body is no sequence of JSON: %w: %.300q", err, body)
		}
		if err := s.validJSON(place, value); err != nil {
			return err
		}
	}
}

// refusal checks an answer to what the document does not know.
func (s *Spec) refusal(req *http.Request, resp *http.Response, body []byte, statuses ...int) error {
	if !slices.Contains(statuses, resp.StatusCode) {
		return fmt.Errorf("the document does not know this, so want %d", statuses)
	}
	if req.Method == http.MethodHead {
		return nil
	}
	if resp.StatusCode == http.StatusBadRequest && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return nil // the HTTP layer's page
	}
	kafka := s.validJSON("#/components/schemas/Error", body)
	if kafka == nil || s.validJSON("#/components/schemas/StreamError", body) == nil {
		return nil
	}
	return kafka
}

// validJSON checks a body against the schema at place.
func (s *Spec) validJSON(place string, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("body is not JSON: %w: %.300q", err, body)
	}
	if err := s.valid(place, value); err != nil {
		return fmt.Errorf("body %.300q: %w", body, err)
	}
	return nil
}

// valid checks a value against the schema at place, which is compiled once.
func (s *Spec) valid(place string, value any) error {
	s.mu.Lock()
	schema, ok := s.schemas[place]
	if !ok {
		var err error
		if schema, err = s.compiler.Compile(location + place); err != nil {
			s.mu.Unlock()
			return fmt.Errorf("compiling the schema %s: %w", place, err)
		}
		s.schemas[place] = schema
	}
	s.mu.Unlock()
	return schema.Validate(value)
}

// location is the name under which the schema compiler knows the document.
const location = "openapi.json"

// document is what an answer is held to: the paths, and the whole for what they refer to.
type document struct {
	whole any
	Paths map[string]map[string]operation `json:"paths"`
}

type operation struct {
	Responses map[string]reference `json:"responses"`
}

type reference struct {
	Ref string `json:"$ref"`
}

type response struct {
	Headers map[string]reference `json:"headers"`
	Content map[string]any       `json:"content"`
}

func read() (document, error) {
	var doc document
	if err := json.Unmarshal(openapi.JSON(), &doc); err != nil {
		return document{}, fmt.Errorf("reading the document: %w", err)
	}
	var err error
	doc.whole, err = jsonschema.UnmarshalJSON(bytes.NewReader(openapi.JSON()))
	return doc, err
}

// find returns the path item for a request path, and its template; a plain path goes before one
// with a variable. A trailing slash means nothing. nil is an unknown path.
func (d *document) find(path string) (string, map[string]operation) {
	var found string
	for template := range d.Paths {
		if matches(template, path) && (found == "" || strings.Count(template, "{") < strings.Count(found, "{")) {
			found = template
		}
	}
	return found, d.Paths[found]
}

func matches(template, path string) bool {
	want := strings.Split(strings.TrimSuffix(template, "/"), "/")
	got := strings.Split(strings.TrimSuffix(path, "/"), "/")
	return slices.EqualFunc(want, got, func(w, g string) bool {
		name, err := url.PathUnescape(g)
		return err == nil && w == name || strings.HasPrefix(w, "{") && g != ""
	})
}

func (d *document) response(place string) (response, error) {
	var want response
	err := d.at(place, &want)
	return want, err
}

// at decodes what stands at a place such as #/components/responses/Error.
func (d *document) at(place string, into any) error {
	node := d.whole
	for part := range strings.SplitSeq(strings.TrimPrefix(place, "#/"), "/") {
		members, _ := node.(map[string]any)
		next, ok := members[unescape.Replace(part)]
		if !ok {
			return fmt.Errorf("the document has no %s", place)
		}
		node = next
	}
	text, err := json.Marshal(node)
	if err != nil {
		return fmt.Errorf("reading %s: %w", place, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading %s: %w", place, err)
	}
	return nil
}

// pointer returns the place of a member as a URI fragment. Source: RFC 6901.
func pointer(parts ...string) string {
	var b strings.Builder
	b.WriteByte('#')
	for _, part := range parts {
		b.WriteByte('/')
		b.WriteString(escape.Replace(part))
	}
	return b.String()
}

var (
	escape   = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "+", "%2B")
	unescape = strings.NewReplacer("~1", "/", "~0", "~", "%7B", "{", "%7D", "}", "%2B", "+")
)
