package emulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// request is what a gateway saw.
type request struct {
	Method, Path, ContentType, Body string
}

// gateway is a stand-in at the wire: it acknowledges everything, but what answer says otherwise.
type gateway struct {
	answer func(request) (status int, header http.Header, body string)

	mu   sync.Mutex
	seen []request
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.listen(http.HandlerFunc(g.acknowledge)).ServeHTTP(w, r)
}

// listen writes down what goes to next.
func (g *gateway) listen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		g.mu.Lock()
		g.seen = append(g.seen, request{Method: r.Method, Path: r.URL.Path, ContentType: r.Header.Get("Content-Type"), Body: string(body)})
		g.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (g *gateway) acknowledge(w http.ResponseWriter, r *http.Request) {
	if g.answer != nil {
		if status, header, body := g.answer(request{Method: r.Method, Path: r.URL.Path}); status != 0 {
			maps.Copy(w.Header(), header)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return
		}
	}
	if strings.Contains(r.URL.Path, "/topics/") {
		fmt.Fprint(w, `{"offsets":[{"partition":0,"offset":42,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`)
		return
	}
	fmt.Fprint(w, `{"ShardId":"shardId-000000000000","SequenceNumber":"49671246667567228643283430150187087032206582658", "EncryptionType":null}`)
}

func (g *gateway) requests() []request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]request(nil), g.seen...)
}

// start serves the stand-in until the test ends.
func (g *gateway) start(t *testing.T) (url string) {
	t.Helper()
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	return srv.URL
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func testConfig(target string) Config {
	cfg := DefaultConfig()
	cfg.Target = target
	return cfg
}

func run(t *testing.T, cfg Config, src Source) (Summary, error) {
	t.Helper()
	e, err := New(cfg, src, nil, quiet())
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return e.Run(t.Context())
}

func TestRunSendsWhatTheScriptsSend(t *testing.T) {
	post := Sample(1).Post(0)
	topics := func(stage, prefix string) []request {
		var want []request
		for _, event := range events {
			want = append(want, request{
				Method: "POST", Path: stage + "/topics/" + prefix + "." + event.name, ContentType: "application/vnd.kafka.json.v2+json",
				Body: `{"records":[{"value":` + string(event.of(post)) + `}]}`,
			})
		}
		return want
	}
	streams := func(stage, prefix string) []request {
		var want []request
		for _, event := range events {
			name := "streaming-" + prefix + "-" + event.name
			want = append(want, request{
				Method: "PUT", Path: stage + "/streams/" + name + "/record", ContentType: "application/json",
				Body: `{"StreamName":"` + name + `","Data":` + string(event.of(post)) + `,"PartitionKey":"0"}`,
			})
		}
		return want
	}
	for _, test := range []struct {
		name, stage, prefix string
		mode                Mode
		want                []request
	}{
		{"batch posts to topics", "", "demo", Batch, topics("", "demo")},
		{"streaming puts into streams", "", "demo", Streaming, streams("", "demo")},
		{"both does one after the other", "", "demo", Both, append(topics("", "demo"), streams("", "demo")...)},
		{"a stage path is kept", "/prod", "12a.b-c_d", Both, append(topics("/prod", "12a.b-c_d"), streams("/prod", "12a.b-c_d")...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var g gateway
			cfg := testConfig(g.start(t) + test.stage + "/")
			cfg.Mode, cfg.Prefix, cfg.Count = test.mode, test.prefix, 1
			summary, err := run(t, cfg, Sample(1).Source())
			if err != nil {
				t.Errorf("Run: %v", err)
			}
			if diff := cmp.Diff(test.want, g.requests()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if got, want := summary.Total(), int64(len(test.want)); got.Sent != want || got.Acknowledged != want || got.Failed != 0 {
				t.Errorf("counts %+v, want %d sent and acknowledged", got, want)
			}
		})
	}
}

func TestRunKeepsRowOrderWithOneWorker(t *testing.T) {
	var g gateway
	cfg := testConfig(g.start(t))
	cfg.Count = 50
	if _, err := run(t, cfg, Sample(1).Source()); err != nil {
		t.Fatalf("Run: %v", err)
	}
	for i, req := range g.requests() {
		event := events[i%3]
		if want := string(event.of(Sample(1).Post(i / 6))); !strings.Contains(req.Body, want) || !strings.Contains(req.Path, event.name) {
			t.Fatalf("request %d is %s %s, want the %s of row %d", i, req.Path, req.Body, event.name, i/6)
		}
	}
	if got := len(g.requests()); got != 300 {
		t.Errorf("%d requests, want 300", got)
	}
}

func TestRunWithManyWorkersSendsEachEventOnce(t *testing.T) {
	var g gateway
	cfg := testConfig(g.start(t))
	cfg.Count, cfg.Concurrency = 300, 8
	summary, err := run(t, cfg, Sample(1).Source())
	if err != nil || summary.Posts != 300 {
		t.Errorf("Run: %d posts, %v", summary.Posts, err)
	}
	seen := map[string]int{}
	for _, req := range g.requests() {
		seen[req.Path+req.Body]++
	}
	if len(seen) != 1800 || len(g.requests()) != 1800 {
		t.Errorf("%d requests, %d different, want 1800", len(g.requests()), len(seen))
	}
	for _, p := range summary.Places {
		if p.Counts != (Counts{Sent: 300, Acknowledged: 300}) {
			t.Errorf("%s: %+v, want 300 sent and acknowledged", p.Name, p.Counts)
		}
	}
}

// TestOnlyAnAcknowledgementCounts: a status of 200 is not enough.
func TestOnlyAnAcknowledgementCounts(t *testing.T) {
	const ok = ""
	for _, test := range []struct {
		name   string
		mode   Mode
		status int
		body   string
		cause  string // "" when acknowledged
	}{
		{"v2 offset", Batch, 200, `{"offsets":[{"partition":3,"offset":0}],"key_schema_id":null,"value_schema_id":null}`, ok},
		{"v2 error inside", Batch, 200, `{"offsets":[{"partition":null,"offset":null,"error_code":50003,"error":"Topic demo.pin not present"}]}`, "HTTP 200 with error_code 50003 inside: Topic demo.pin not present"},
		{"v2 error inside beside an offset", Batch, 200, `{"offsets":[{"partition":0,"offset":1,"error_code":1,"error":null}]}`, "HTTP 200 with error_code 1 inside:"},
		{"v2 error text alone", Batch, 200, `{"offsets":[{"partition":0,"offset":1,"error_code":null,"error":"no"}]}`, "HTTP 200 with an error inside: no"},
		{"v2 two results for one record", Batch, 200, `{"offsets":[{"partition":0,"offset":1},{"partition":0,"offset":2}]}`, "HTTP 200, but not an answer of REST v2"},
		{"v2 no results", Batch, 200, `{"offsets":[]}`, "HTTP 200, but not an answer of REST v2"},
		{"v2 without offset", Batch, 200, `{"offsets":[{"partition":0,"offset":null}]}`, "HTTP 200, but without partition and offset"},
		{"v2 acks=0", Batch, 200, `{"offsets":[{"partition":0,"offset":-1}]}`, "acks=0"},
		{"v2 not JSON", Batch, 200, `<html>ok</html>`, "HTTP 200, but not an answer of REST v2 for one record: <html>ok</html>"},
		{"v2 empty", Batch, 200, ``, "HTTP 200, but not an answer of REST v2"},
		{"v2 stream's answer", Batch, 200, `{"ShardId":"s","SequenceNumber":"1"}`, "HTTP 200, but not an answer of REST v2"},
		{"v2 refused", Batch, 404, `{"error_code":40403,"message":"This server does not host this topic-partition."}`, "HTTP 404: error_code 40403: This server does not host this topic-partition."},
		{"v2 204", Batch, 204, ``, "HTTP 204"},
		{"API Gateway's refusal", Batch, 403, `{"message":"Missing Authentication Token"}`, "HTTP 403: Missing Authentication Token"},
		{"redirect is not followed", Batch, 307, ``, "HTTP 307"},
		{"500 with a page", Batch, 500, "<h1>\x1b[31m oh\n no</h1>", "HTTP 500: <h1> [31m oh no</h1>"},
		{"PutRecord", Streaming, 200, `{"ShardId":"shardId-000000000000","SequenceNumber":"1"}`, ok},
		{"PutRecord's error as 200", Streaming, 200, `{"__type":"ResourceNotFoundException","message":"Stream x under account 1 not found."}`, `HTTP 200, but an error inside: {"__type":"ResourceNotFoundException"`},
		{"error beside a sequence number", Streaming, 200, `{"ShardId":"s","SequenceNumber":"1","__type":"X"}`, "HTTP 200, but an error inside"},
		{"failed record count", Streaming, 200, `{"FailedRecordCount":1,"Records":[{"ErrorCode":"InternalFailure","ErrorMessage":"m"}]}`, "HTTP 200, but an error inside"},
		{"failed record count beside an answer", Streaming, 200, `{"ShardId":"s","SequenceNumber":"1","FailedRecordCount":1}`, "HTTP 200, but an error inside"},
		{"error code of one record", Streaming, 200, `{"ErrorCode":"InternalFailure","ErrorMessage":"m"}`, "HTTP 200, but an error inside"},
		{"message only", Streaming, 200, `{"message": "Internal server error"}`, "HTTP 200, but without ShardId and SequenceNumber"},
		{"no sequence number", Streaming, 200, `{"ShardId":"s"}`, "HTTP 200, but without ShardId and SequenceNumber"},
		{"empty", Streaming, 200, ``, "HTTP 200, but not an answer of PutRecord"},
		{"null", Streaming, 200, `null`, "HTTP 200, but without ShardId and SequenceNumber"},
		{"AWS error", Streaming, 400, `{"__type":"ValidationException","Message":"1 validation error detected"}`, "HTTP 400: ValidationException: 1 validation error detected"},
		{"504", Streaming, 504, `{"message": "Endpoint request timed out"}`, "HTTP 504: Endpoint request timed out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gateway{answer: func(request) (int, http.Header, string) {
				return test.status, http.Header{"Location": {"/elsewhere"}}, test.body
			}}
			cfg := testConfig(g.start(t))
			cfg.Mode, cfg.Count = test.mode, 1
			summary, err := run(t, cfg, Sample(1).Source())
			if n := len(g.requests()); n != 3 {
				t.Errorf("%d requests, want 3: such an answer is not retried", n)
			}
			if test.cause == ok {
				if err != nil || summary.Total() != (Counts{Sent: 3, Acknowledged: 3}) {
					t.Errorf("%+v, %v, want all acknowledged", summary, err)
				}
				return
			}
			if !errors.Is(err, ErrNotAcknowledged) || summary.Total() != (Counts{Sent: 3, Failed: 3}) {
				t.Errorf("%+v, %v, want three failed and none unknown", summary.Total(), err)
			}
			if len(summary.Causes) != 1 || summary.Causes[0].Count != 3 || !strings.HasPrefix(summary.Causes[0].Text, test.cause) && !strings.Contains(summary.Causes[0].Text, test.cause) {
				t.Errorf("causes %+v, want three times %q", summary.Causes, test.cause)
			}
		})
	}
}

// roundTripper stands for the network where a test needs a clock of its own.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return f(r)
}

func answer(status int, body string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

const stored = `{"offsets":[{"partition":0,"offset":42,"error_code":null,"error":null}]}`

func TestRetriesAfterBusyAnswers(t *testing.T) {
	type busy struct {
		status           int
		body, retryAfter string
	}
	const busyBody = `{"error_code":429,"message":"Request rate limit exceeded"}`
	for _, test := range []struct {
		name       string
		answers    []busy        // of the first event; then all is well
		date       time.Duration // Retry-After as a date so far ahead, for Retry-After DATE
		retried    int64
		failed     int64
		minElapsed time.Duration
		maxElapsed time.Duration
		cause      string
	}{
		{
			name: "Retry-After is waited for", answers: []busy{{429, busyBody, "7"}, {503, "", "2"}},
			retried: 2, minElapsed: 9 * time.Second, maxElapsed: 9 * time.Second,
		},
		{name: "Retry-After 0 is at once", answers: []busy{{429, busyBody, "0"}}, retried: 1},
		{
			name: "a date is waited for", answers: []busy{{429, busyBody, "DATE"}}, date: 12 * time.Second,
			retried: 1, minElapsed: 11 * time.Second, maxElapsed: 12 * time.Second,
		},
		{
			name: "without Retry-After it backs off", answers: []busy{{503, "", ""}, {503, "", ""}, {503, "", ""}},
			retried: 3, minElapsed: 350 * time.Millisecond, maxElapsed: 700 * time.Millisecond,
		},
		{
			name: "more than the bound is not waited for", answers: []busy{{429, busyBody, "31"}},
			failed: 1, cause: "HTTP 429: error_code 429: Request rate limit exceeded (Retry-After: 31s)",
		},
		{
			name: "the bound is over all retries", answers: []busy{{503, "", "20"}, {503, "", "11"}},
			retried: 1, failed: 1, minElapsed: 20 * time.Second, maxElapsed: 20 * time.Second, cause: "HTTP 503 (Retry-After: 11s)",
		},
		{
			name: "at most five retries", answers: []busy{{429, "", ""}, {429, "", ""}, {429, "", ""}, {429, "", ""}, {429, "", ""}, {429, "", ""}},
			retried: 5, failed: 1, minElapsed: time.Second, maxElapsed: 4 * time.Second, cause: "HTTP 429",
		},
		{
			name: "a retry may be refused for good", answers: []busy{{429, "", "1"}, {400, "no", ""}},
			retried: 1, failed: 1, minElapsed: time.Second, maxElapsed: time.Second, cause: "HTTP 400: no",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				client := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
					tries++
					if tries > len(test.answers) {
						return answer(200, stored), nil
					}
					b := test.answers[tries-1]
					if b.retryAfter == "DATE" {
						b.retryAfter = time.Now().Add(test.date).UTC().Format(http.TimeFormat)
					}
					return answer(b.status, b.body, "Retry-After", b.retryAfter), nil
				})}
				cfg := testConfig("http://gateway.test")
				cfg.Mode, cfg.Count = Batch, 1
				e, err := New(cfg, Sample(1).Source(), client, quiet())
				if err != nil {
					t.Fatalf("New: %v", err)
				}
				summary, err := e.Run(t.Context())
				want := Counts{Sent: 3, Acknowledged: 3 - test.failed, Failed: test.failed, Retried: test.retried}
				if summary.Total() != want || errors.Is(err, ErrNotAcknowledged) != (test.failed > 0) {
					t.Errorf("%+v, %v, want %+v", summary.Total(), err, want)
				}
				if summary.Elapsed < test.minElapsed || summary.Elapsed > test.maxElapsed {
					t.Errorf("took %s, want %s to %s", summary.Elapsed, test.minElapsed, test.maxElapsed)
				}
				if test.cause != "" && (len(summary.Causes) != 1 || summary.Causes[0].Text != test.cause) {
					t.Errorf("causes %+v, want %q", summary.Causes, test.cause)
				}
			})
		})
	}
}

// TestLostAnswersAreNotSentAgain: the event may be stored, so a second try could double it without anyone noticing.
func TestLostAnswersAreNotSentAgain(t *testing.T) {
	var g gateway
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.ServeHTTP(httptest.NewRecorder(), r)
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.Close()
		}
	}))
	defer srv.Close()
	cfg := testConfig(srv.URL)
	cfg.Count = 2
	summary, err := run(t, cfg, Sample(1).Source())
	if want := (Counts{Sent: 12, Failed: 12, Unknown: 12}); summary.Total() != want || !errors.Is(err, ErrNotAcknowledged) {
		t.Errorf("%+v, %v, want %+v", summary.Total(), err, want)
	}
	if n := len(g.requests()); n != 12 {
		t.Errorf("%d requests, want 12", n)
	}
	if len(summary.Causes) != 1 || !strings.HasPrefix(summary.Causes[0].Text, "no answer: connection lost (EOF): it may be stored all the same") {
		t.Errorf("causes %+v", summary.Causes)
	}
}

// TestCutAnswerIsUnknown: the status alone says nothing.
func TestCutAnswerIsUnknown(t *testing.T) {
	g := gateway{answer: func(request) (int, http.Header, string) {
		return 200, http.Header{"Content-Length": {"500"}}, stored
	}}
	cfg := testConfig(g.start(t))
	cfg.Mode, cfg.Count = Batch, 1
	summary, _ := run(t, cfg, Sample(1).Source())
	if want := (Counts{Sent: 3, Failed: 3, Unknown: 3}); summary.Total() != want {
		t.Errorf("%+v, want %+v", summary.Total(), want)
	}
}

func TestNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	cfg := testConfig("http://user:hunter2@" + addr)
	cfg.Count = 2
	summary, err := run(t, cfg, Sample(1).Source())
	if want := (Counts{Sent: 12, Failed: 12}); summary.Total() != want || !errors.Is(err, ErrNotAcknowledged) {
		t.Errorf("%+v, %v, want %+v: nothing can be stored", summary.Total(), err, want)
	}
	if len(summary.Causes) != 1 || !strings.Contains(summary.Causes[0].Text, "no answer: dial tcp "+addr) {
		t.Errorf("causes %+v", summary.Causes)
	}
	if strings.Contains(fmt.Sprint(summary, err), "hunter2") {
		t.Errorf("the password is shown: %v %v", summary, err)
	}
}

func TestSlowAnswerIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		cfg := testConfig("http://gateway.test")
		cfg.Mode, cfg.Count = Streaming, 1
		e, err := New(cfg, Sample(1).Source(), client, quiet())
		if err != nil {
			t.Fatalf("New: %v", err)
		}
		summary, _ := e.Run(t.Context())
		if want := (Counts{Sent: 3, Failed: 3, Unknown: 3}); summary.Total() != want {
			t.Errorf("%+v, want %+v", summary.Total(), want)
		}
		if want := "no answer within 35s: it may be stored all the same"; len(summary.Causes) != 1 || summary.Causes[0].Text != want {
			t.Errorf("causes %+v, want %q", summary.Causes, want)
		}
	})
}

// TestStoppedRunFinishesThePost: whoever stops the run gets three events of each post that was begun, and no error.
func TestStoppedRunFinishesThePost(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	g := gateway{}
	g.answer = func(req request) (int, http.Header, string) {
		if len(g.requests()) == 8 { // the geo event of the second post
			stop()
		}
		return 0, nil, ""
	}
	e, err := New(testConfig(g.start(t)), Sample(1).Source(), nil, quiet())
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	summary, err := e.Run(ctx)
	if err != nil {
		t.Errorf("Run: %v", err)
	}
	if want := (Counts{Sent: 12, Acknowledged: 12}); summary.Total() != want || summary.Posts != 2 {
		t.Errorf("%d posts, %+v, want 2 and %+v", summary.Posts, summary.Total(), want)
	}
}

// TestStoppedRunEndsAfterGrace: a server that hangs doesn't hold the run.
func TestStoppedRunEndsAfterGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			stop()
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		cfg := testConfig("http://gateway.test")
		cfg.Mode = Batch
		e, err := New(cfg, Sample(1).Source(), client, quiet())
		if err != nil {
			t.Fatalf("New: %v", err)
		}
		summary, err := e.Run(ctx)
		if summary.Elapsed != cfg.Grace || summary.Total().Failed != 3 || !errors.Is(err, ErrNotAcknowledged) {
			t.Errorf("after %s: %+v, %v, want three failed after %s", summary.Elapsed, summary.Total(), err, cfg.Grace)
		}
	})
}

// TestStoppedRunGivesUpRetries: no one waits for a busy server after Ctrl-C.
func TestStoppedRunGivesUpRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		client := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return answer(429, "", "Retry-After", "20"), nil
		})}
		e, err := New(testConfig("http://gateway.test"), Sample(1).Source(), client, quiet())
		if err != nil {
			t.Fatalf("New: %v", err)
		}
		summary, _ := e.Run(ctx)
		if want := (Counts{Sent: 6, Failed: 6}); summary.Total() != want || summary.Elapsed != 3*time.Second {
			t.Errorf("after %s: %+v, want %+v after 3s", summary.Elapsed, summary.Total(), want)
		}
	})
}

func TestRateSpreadsPosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		start := time.Now()
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, ".pin") {
				times = append(times, time.Since(start))
				if len(times) == 2 {
					time.Sleep(time.Second) // a slow answer: the posts after it are not sent in a burst
				}
			}
			return answer(200, stored), nil
		})}
		cfg := testConfig("http://gateway.test")
		cfg.Mode, cfg.Count, cfg.Rate = Batch, 5, 4
		e, err := New(cfg, Sample(1).Source(), client, quiet())
		if err != nil {
			t.Fatalf("New: %v", err)
		}
		if _, err := e.Run(t.Context()); err != nil {
			t.Errorf("Run: %v", err)
		}
		ms := time.Millisecond
		// The third waits for the worker, which the second holds until 1.25 s.
		if diff := cmp.Diff([]time.Duration{0, 250 * ms, 1250 * ms, 1250 * ms, 1500 * ms}, times); diff != "" {
			t.Errorf("times of the pins (-want +got):\n%s", diff)
		}
	})
}

type sourceFunc func() (Post, error)

func (f sourceFunc) Next(context.Context) (Post, error) { return f() }
func (f sourceFunc) Close() error                       { return nil }

func TestSourceEnds(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name  string
		count int
		end   error
		want  error
	}{
		{"a source may end when no count was asked for", 0, io.EOF, nil},
		{"exactly the count", 3, io.EOF, nil},
		{"fewer than the count", 4, io.EOF, ErrSourceEnded},
		{"a broken source", 0, broken, broken},
	} {
		t.Run(test.name, func(t *testing.T) {
			var g gateway
			cfg := testConfig(g.start(t))
			cfg.Count = test.count
			n := 0
			summary, err := run(t, cfg, sourceFunc(func() (Post, error) {
				if n == 3 {
					return Post{}, test.end
				}
				n++
				return Sample(1).Post(n), nil
			}))
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("Run: %v, want %v", err, test.want)
			}
			if summary.Posts != 3 || summary.Total() != (Counts{Sent: 18, Acknowledged: 18}) {
				t.Errorf("%d posts, %+v, want 3 of them acknowledged", summary.Posts, summary.Total())
			}
		})
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	cfg := Config{Target: "ftp://user:hunter2@host", Prefix: "a/b", Mode: "all", Count: -1, Rate: -0.5}
	err := cfg.Validate()
	for _, want := range []string{"target", `prefix "a/b"`, `mode "all"`, "count -1", "rate -0.5", "concurrency 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate: %v, want %q in it", err, want)
		}
	}
	if strings.Contains(fmt.Sprint(err), "hunter2") {
		t.Errorf("the password is shown: %v", err)
	}
	if _, err := New(cfg, Sample(1).Source(), nil, quiet()); err == nil {
		t.Error("New takes a configuration that cannot work")
	}
	for _, target := range []string{"", "localhost:8082", "http://", "http:///x", "http://h/?q=1", "http://h/#f", "http://h:port:x", "http://h?"} {
		if err := testConfig(target).Validate(); err == nil {
			t.Errorf("target %q is taken", target)
		}
	}
	for _, target := range []string{"http://localhost:8082", "https://x.example/prod/", "http://[::1]:80"} {
		if err := testConfig(target).Validate(); err != nil {
			t.Errorf("target %q: %v", target, err)
		}
	}
}

func TestSummaryIsWrittenForPeopleAndMachines(t *testing.T) {
	s := Summary{
		Posts: 10, Elapsed: 2500 * time.Millisecond,
		Places: []Place{
			{Name: "demo.pin", Counts: Counts{Sent: 10, Acknowledged: 8, Failed: 2, Unknown: 1, Retried: 3}},
			{Name: "streaming-demo-pin", Stream: true, Counts: Counts{Sent: 10, Acknowledged: 10}},
		},
		Causes:      []Cause{{Place: "demo.pin", Text: "HTTP 404", Count: 1}},
		OtherCauses: 1,
	}
	var table bytes.Buffer
	if err := s.WriteTable(&table); err != nil {
		t.Fatalf("WriteTable: %v", err)
	}
	const wantTable = `   sent   acknowledged   failed   retried  to
     10              8        2         3  topic demo.pin
     10             10        0         0  stream streaming-demo-pin
10 posts in 2.5s, 4 a second: 18 of 20 events acknowledged
failed 1 × (first at demo.pin): HTTP 404
failed 1 × for other causes
1 failed events got no answer: they were not sent again and may be stored all the same
3 requests were repeated after 429 or 503: a server that stores and yet says no has those events twice
`
	if diff := cmp.Diff(wantTable, table.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	got, err := json.Marshal(s)
	if err != nil {
		t.Fatalf("Marshal: %v", err)
	}
	const wantJSON = `{"posts":10,"seconds":2.5,"topics":{"demo.pin":{"sent":10,"acknowledged":8,"failed":2,"unknown":1,"retried":3}},` +
		`"streams":{"streaming-demo-pin":{"sent":10,"acknowledged":10,"failed":0,"unknown":0,"retried":0}},` +
		`"causes":[{"place":"demo.pin","cause":"HTTP 404","count":1}],"other_causes":1}`
	if diff := cmp.Diff(wantJSON, string(got)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestOnlyTheFirstCausesAreKept(t *testing.T) {
	n := 0
	g := gateway{answer: func(request) (int, http.Header, string) {
		n++
		return 400, nil, fmt.Sprintf("cause %d", (n-1)%8)
	}}
	cfg := testConfig(g.start(t))
	cfg.Count = 4 // 24 events, each of 8 causes three times
	summary, _ := run(t, cfg, Sample(1).Source())
	if len(summary.Causes) != maxCauses || summary.Causes[0] != (Cause{"demo.pin", "HTTP 400: cause 0", 3}) || summary.OtherCauses != 9 {
		t.Errorf("causes %+v and %d others, want %d and 9", summary.Causes, summary.OtherCauses, maxCauses)
	}
}

func BenchmarkRun(b *testing.B) {
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return answer(200, stored), nil
	})}
	cfg := testConfig("http://gateway.test")
	cfg.Mode, cfg.Count = Batch, b.N
	e, err := New(cfg, Sample(1).Source(), client, quiet())
	if err != nil {
		b.Fatalf("New: %v", err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := e.Run(b.Context()); err != nil {
		b.Fatalf("Run: %v", err)
	}
}
