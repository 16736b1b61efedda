// Package conformance holds black-box cases of the REST Proxy v2 API, produce and metadata: what the reference answered when it
// was recorded, and claims on everything the recordings don't hold. It speaks HTTP to any base URL and knows no room of this
// house; Kafka is asked only for what was stored.
package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Options says what the cases need beside a base URL.
type Options struct {
	// Brokers of the Kafka behind the gateway, host:port. Topics are made there, and stored records read from there.
	// It has to make missing topics by itself.
	Brokers []string
	// MaxBlock is the gateway's producer.max.block.ms, which stands in error texts.
	MaxBlock time.Duration
	// Headrace holds the gateway to what headrace answers on purpose where it differs from the reference; else the
	// reference's answer is wanted.
	Headrace bool
	// FakeKafka says that the brokers are kfake, which lacks some of what Kafka can do: those cases want less.
	FakeKafka bool
	// Check is called for every answer, with its whole body as sent; its error fails the case. nil checks nothing.
	Check func(req *http.Request, resp *http.Response, body []byte) error
}

// enough is more than any one request of the cases takes: 4 MB to three brokers on a busy machine.
const enough = 60 * time.Second

// Run holds the gateway at baseURL to all cases. Each is a subtest whose name is a claim.
func Run(t *testing.T, baseURL string, opts Options) {
	t.Helper()
	s := &suite{opts: opts, base: strings.TrimRight(baseURL, "/"), kafka: newKafka(t, opts.Brokers)}
	// Without compression unless a case asks for it, and without following anything.
	s.client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(s.client.CloseIdleConnections)
	s.prefix = "conf-" + strings.ToLower(time.Now().UTC().Format("0102t150405.000")) + "-"
	s.topic, s.other = s.prefix+"kr2", s.prefix+"kr2-c"
	s.kafka.create(t, s.topic, 3)
	s.kafka.create(t, s.other, 2)
	t.Run("recorded", s.recorded)
	t.Run("recorded v3", s.recordedV3)
	t.Run("http", s.http)
	t.Run("wire", s.wire)
	t.Run("metadata", s.metadata)
	t.Run("produce", s.produce)
}

// suite is one run of the cases.
type suite struct {
	opts   Options
	base   string
	client *http.Client
	kafka  *kafka

	prefix string // of all topics
	topic  string // 3 partitions
	other  string // 2 partitions
}

// request is what a case sends. In path and body, TOPIC, OTHER and NONE stand for the topics: NONE does not exist.
type request struct {
	method string            // empty: GET, or POST with a body
	path   string            // as it stands in the request line
	header map[string]string // Content-Type "absent" sends none
	body   string
}

// answer is what a case wants. The zero value of a member wants nothing of it, but for contentType.
type answer struct {
	status      int
	contentType string // "": as usual, v2's; "none": no such header; "any"
	code        int    // error_code; 0 for an answer that is no error
	message     string
	body        string // compared as JSON
}

// reply is the head of an answer.
type reply struct {
	StatusCode int
	Header     http.Header
}

// The media types of the v2 API.
const (
	typeV2     = "application/vnd.kafka.v2+json"
	typeJSON   = "application/vnd.kafka.json.v2+json"
	typeBinary = "application/vnd.kafka.binary.v2+json"
)

// names puts the run's topics into a path or body.
func (s *suite) names(text string) string {
	return strings.NewReplacer("TOPIC", s.topic, "OTHER", s.other, "NONE", s.prefix+"none").Replace(text)
}

// send sends a request and returns the answer with its whole body.
func (s *suite) send(t *testing.T, r request) (reply, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	var body io.Reader
	method := r.method
	if r.body != "" {
		body = strings.NewReader(s.names(r.body))
		if method == "" {
			method = http.MethodPost
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, s.base+s.names(r.path), body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	return s.do(t, req)
}

func (s *suite) do(t *testing.T, req *http.Request) (reply, []byte) {
	t.Helper()
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatalf("reading the answer to %s %s: %v", req.Method, req.URL, err)
	}
	if s.opts.Check != nil {
		if err := s.opts.Check(req, resp, text); err != nil {
			t.Error(err)
		}
	}
	s.always(t, resp.Header)
	return reply{resp.StatusCode, resp.Header}, text
}

// always checks what every answer has.
func (s *suite) always(t *testing.T, header http.Header) {
	t.Helper()
	if header.Get("Date") == "" || header.Get("Server") != "" {
		t.Errorf("Date is %q, Server %q: want a date and no server", header.Get("Date"), header.Get("Server"))
	}
	if vary := header.Get("Vary"); !strings.EqualFold(vary, "Accept-Encoding") {
		t.Errorf("Vary is %q, want Accept-Encoding", vary)
	}
}

// hold fails the case when the answer is not as wanted.
func (s *suite) hold(t *testing.T, want answer, resp reply, body []byte) {
	t.Helper()
	if resp.StatusCode != want.status {
		t.Fatalf("status %d %.300s, want %d", resp.StatusCode, body, want.status)
	}
	wantType := want.contentType
	switch wantType {
	case "":
		wantType = typeV2
	case "none":
		wantType = ""
	}
	if got := resp.Header.Get("Content-Type"); wantType != "any" && got != wantType {
		t.Errorf("Content-Type %q, want %q", got, wantType)
	}
	// The reference sends no Allow with a 405; RFC 9110 demands it, so headrace does.
	if allow := resp.Header.Get("Allow"); want.status == http.StatusMethodNotAllowed && (allow != "") != s.opts.Headrace {
		t.Errorf("a 405 has Allow %q", allow)
	}
	if want.code != 0 {
		s.holdError(t, want, body)
	}
	if want.body != "" && !sameJSON(body, s.names(want.body)) {
		t.Errorf("answer %.300s, want %s", body, s.names(want.body))
	}
}

func (s *suite) holdError(t *testing.T, want answer, body []byte) {
	t.Helper()
	var got struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(body, &got); err != nil || !strings.HasPrefix(string(body), `{"error_code":`) {
		t.Errorf(`answer %.300s, want {"error_code":…,"message":…}: %v`, body, err)
	}
	if got.Code != want.code || want.message != "" && got.Message != s.names(want.message) {
		t.Errorf("answer %.300s, want %d %s", body, want.code, s.names(want.message))
	}
}

// sameJSON compares as JSON, numbers by their text.
func sameJSON(got []byte, want string) bool {
	a, errA := canonical(got)
	b, errB := canonical([]byte(want))
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func canonical(text []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}
