package spectest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const kafka = "application/vnd.kafka.v2+json"

// TestResponse gives answers as the gateway gives them, and answers with one fault each.
func TestResponse(t *testing.T) {
	spec := Validator(t)
	const stored = `{"offsets":[{"partition":0,"offset":5,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`
	const failed = `{"offsets":[{"partition":null,"offset":null,"error_code":50003,"error":"x"}],"key_schema_id":null,"value_schema_id":null}`
	const amzn = "X-Amzn-Requestid: 1\nX-Amzn-Errortype: X\n"
	for _, tt := range []struct {
		name         string
		method, path string
		status       int
		header, body string
		want         string // part of the fault; empty is none
	}{
		{"a list of topics", "GET", "/topics", 200, "Content-Type: " + kafka, `["a"]`, ""},
		{"a trailing slash", "GET", "/topics/", 200, "Content-Type: " + kafka, `["a"]`, ""},
		{"a media type with parameters", "GET", "/topics", 200, "Content-Type: " + kafka + ";charset=utf-8", `[]`, ""},
		{"names that are no text", "GET", "/topics", 200, "Content-Type: " + kafka, `[1]`, "got number, want string"},
		{"another media type", "GET", "/topics", 200, "Content-Type: application/json", `[]`, "the document has [" + kafka + "]"},
		{"no media type", "GET", "/topics", 200, "", `[]`, "no media type"},
		{"no JSON", "GET", "/topics", 200, "Content-Type: " + kafka, `[`, "body is not JSON"},
		{"a HEAD", "HEAD", "/topics", 200, "Content-Type: " + kafka, ``, ""},
		{"a HEAD with a body", "HEAD", "/topics", 200, "Content-Type: " + kafka, `[]`, "a body of 2 bytes to a HEAD"},
		{"OPTIONS", "OPTIONS", "/topics", 200, "Allow: HEAD,GET,OPTIONS", `HEAD,GET,OPTIONS`, ""},
		{"a status that is not described", "GET", "/topics", 418, "", ``, "the document has only"},
		{"stored", "POST", "/topics/a%2Fb", 200, "Content-Type: " + kafka, stored, ""},
		{"failed inside a 200", "POST", "/topics/t/partitions/0", 200, "Content-Type: " + kafka, failed, ""},
		{"refused by a right, the list as body", "POST", "/topics/t", 403, "Content-Type: " + kafka, strings.Replace(failed, "50003", "40301", 1), ""},
		{"a result with partition and error", "POST", "/topics/t", 200, "Content-Type: " + kafka, strings.Replace(failed, "null", "0", 1), "oneOf"},
		{"an error with a member too many", "GET", "/topics/t", 404, "Content-Type: " + kafka, `{"error_code":40403,"message":"m","cause":"c"}`, "additional properties"},
		{"nothing acceptable", "GET", "/topics", 406, "", `{"error_code":406,"message":"HTTP 406 Not Acceptable"}`, ""},
		{"nothing acceptable, with a type", "GET", "/topics", 406, "Content-Type: application/json", `{"error_code":406,"message":""}`, "want none"},
		{"an unknown path", "GET", "/nosuch", 404, "", `{"error_code":404,"message":"HTTP 404 Not Found"}`, ""},
		{"an unknown path answered", "GET", "/nosuch", 200, "", `{}`, "want [404 400]"},
		{"a broken path", "GET", "/topics//x", 400, "Content-Type: application/json", `{"error_code":400,"message":"m"}`, ""},
		{"an unknown method", "DELETE", "/topics", 405, "", `{"error_code":405,"message":"HTTP 405 Method Not Allowed"}`, ""},
		{"an unknown method on a stream", "PATCH", "/streams/s", 405, "", `{"__type":"UnknownOperationException","message":""}`, ""},
		{"an unknown method answered", "PATCH", "/streams/s", 200, "", `{}`, "want [405]"},
		{"a stream made", "POST", "/streams/s", 200, amzn, ``, ""},
		{"a stream made, with a body", "POST", "/streams/s", 200, amzn, `{}`, "a body where the document has none"},
		{"throttled", "PUT", "/streams/s/record", 429, amzn + "Content-Type: application/json\nRetry-After: 1", `{"__type":"X","message":"m"}`, ""},
		{"throttled, no hint when to try again", "PUT", "/streams/s/record", 429, amzn + "Content-Type: application/json", `{"__type":"X","message":"m"}`, "no Retry-After"},
		{"throttled, a hint that is no number", "PUT", "/streams/s/record", 429, amzn + "Content-Type: application/json\nRetry-After: soon", `{"__type":"X","message":"m"}`, `Retry-After is "soon"`},
		{"no type in the header", "PUT", "/streams/s/record", 400, "X-Amzn-Requestid: 1\nContent-Type: application/json", `{"__type":"X","message":"m"}`, "no x-amzn-ErrorType"},
		{"a page", "GET", "/ui/", 200, "Content-Type: text/html; charset=utf-8", `<!doctype html>`, ""},
		{"a file of a page", "GET", "/ui/start.js", 200, "Content-Type: text/javascript; charset=utf-8", `1`, ""},
		{"a page not modified", "GET", "/docs", 304, "", ``, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := httptest.NewRequest(tt.method, tt.path, nil)
			resp := &http.Response{StatusCode: tt.status, Header: http.Header{"X-Request-Id": {"r"}}}
			for line := range strings.Lines(tt.header) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				resp.Header.Set(name, value)
			}
			err := spec.Response(req, resp, []byte(tt.body))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want no fault", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want a fault with %q", err, tt.want)
			}
			resp.Header.Del("X-Request-Id")
			if err := spec.Response(req, resp, []byte(tt.body)); err == nil {
				t.Error("an answer without X-Request-Id was taken")
			}
		})
	}
}

// TestTransport sees the answers of a client, and hands them on whole.
func TestTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "r")
		w.Header().Set("Content-Type", kafka)
		_, _ = w.Write([]byte(`["a"]`))
	}))
	defer server.Close()
	client := &http.Client{Transport: Validator(t).Transport(t, nil)}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/topics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := make([]byte, 10)
	if n, _ := resp.Body.Read(buf); string(buf[:n]) != `["a"]` {
		t.Errorf("the client got %q", buf[:n])
	}
}

// TestRoutes names some of each kind, and none twice.
func TestRoutes(t *testing.T) {
	routes := Routes()
	for _, want := range []Route{{"GET", "/"}, {"POST", "/topics/{topic}"}, {"PUT", "/streams/{stream}/record"}, {"GET", "/ui/{file}"}} {
		if !slices.Contains(routes, want) {
			t.Errorf("%v is missing", want)
		}
	}
	if got := len(slices.Compact(slices.Clone(routes))); got != len(routes) {
		t.Errorf("%d of %d routes are there twice", len(routes)-got, len(routes))
	}
}
