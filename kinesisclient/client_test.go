package kinesisclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCallRelaysTheAnswer(t *testing.T) {
	cases := []struct{ name, answer, want string }{
		{"bytes stay as they are", `{ "A" : 1.50,"B":[1, "x"] }`, `{ "A" : 1.50,"B":[1, "x"] }`},
		{"null members go", `{"A":1,"B":null,"C":{"D":null,"E":"null"},"F":[{"G":null}]}`, `{"A":1,"C":{"E":"null"},"F":[{}]}`},
		{"null elements stay", `{"A":[null,1]}`, `{"A":[null,1]}`},
		{"numbers keep their digits", `{"T":1700000000.123,"N":null}`, `{"T":1700000000.123}`},
		{"names are quoted", `{"a\"b":1,"N":null}`, `{"a\"b":1}`},
		{"an empty answer is empty", ``, ``},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			u := &upstream{answer: answerText(200, tc.answer)}
			c := start(t, u, nil)
			got, err := c.Call(t.Context(), OpDescribeStream, bodyOf(`{"StreamName":"s"}`))
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Body) != tc.want || got.RequestID != "req-1" {
				t.Errorf("answer %q with id %q, want %q with id req-1", got.Body, got.RequestID, tc.want)
			}
			sent := u.seen()[0]
			if sent.target != "Kinesis_20131202.DescribeStream" || string(sent.body) != `{"StreamName":"s"}` ||
				sent.header.Get("Content-Type") != "application/x-amz-json-1.1" {
				t.Errorf("sent %s %q %v", sent.target, sent.body, sent.header)
			}
		})
	}
}

// TestErrors holds the parser of error answers to the places where servers put their parts.
func TestErrors(t *testing.T) {
	cases := []struct {
		name, header, body string
		status             int
		want               APIError
		class              Class
	}{
		{
			"short name", "", `{"__type":"ResourceNotFoundException","message":"m"}`, 400,
			APIError{400, "ResourceNotFoundException", "m", "req-1"},
			ClassNotFound,
		},
		{
			"name space and capital Message", "", `{"__type":"com.amazonaws.kinesis.v20131202#ResourceInUseException","Message":"m"}`, 400,
			APIError{400, "ResourceInUseException", "m", "req-1"},
			ClassConflict,
		},
		{
			"code", "", `{"code":"AccessDeniedException","Message":"m"}`, 400,
			APIError{400, "AccessDeniedException", "m", "req-1"},
			ClassAccess,
		},
		{
			"header", "LimitExceededException:http://internal", `{}`, 400,
			APIError{400, "LimitExceededException", "", "req-1"},
			ClassThrottle,
		},
		{
			"no JSON", "", `<html>`, 400,
			APIError{400, "UnknownError", "the answer of status 400 names no error type", "req-1"},
			ClassRequest,
		},
		{
			"members of other kinds", "", `{"__type":7,"message":[1]}`, 503,
			APIError{503, "InternalFailure", "the answer of status 503 names no error type", "req-1"},
			ClassServer,
		},
		{"403 of an unknown type", "", `{"__type":"NewDenial"}`, 403, APIError{403, "NewDenial", "", "req-1"}, ClassAccess},
		{
			"success that is no JSON", "", `<html>`, 200,
			APIError{502, "InternalFailure", "the answer of status 200 is no JSON object: is kinesis.endpoint a Kinesis?", "req-1"},
			ClassServer,
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			u := &upstream{answer: func(w http.ResponseWriter, _ int, _ call) {
				if tc.header != "" {
					w.Header().Set("x-amzn-ErrorType", tc.header)
				}
				reply(w, tc.status, tc.body)
			}}
			c := start(t, u, func(cfg *Config) { cfg.Tries = 1 })
			_, err := c.Call(t.Context(), OpListStreams, bodyOf(`{}`))
			var got *APIError
			if !errors.As(err, &got) {
				t.Fatalf("error %v, want an *APIError", err)
			}
			if diff := cmp.Diff(tc.want, *got); diff != "" || got.Class() != tc.class {
				t.Errorf("class %d, want %d; -want +got:\n%s", got.Class(), tc.class, diff)
			}
		})
	}
}

// TestRetries: throttles, failures of the service and lost connections are tried again, after
// waits that grow; nothing else is.
func TestRetries(t *testing.T) {
	hangUp := func(w http.ResponseWriter) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	cases := []struct {
		name   string
		answer func(http.ResponseWriter, int, call)
		tries  int
		ok     bool
	}{
		{"throttled for ever", answerText(400, throttled), 4, false},
		{"service fails for ever", answerText(500, failed500), 4, false},
		{"a request at fault", answerText(400, `{"__type":"ValidationException"}`), 1, false},
		{"credentials refused", answerText(400, `{"__type":"AccessDeniedException"}`), 1, false},
		{"throttled once", func(w http.ResponseWriter, n int, _ call) {
			if n == 0 {
				reply(w, 400, throttled)
				return
			}
			reply(w, 200, stored)
		}, 2, true},
		{"connection lost twice", func(w http.ResponseWriter, n int, _ call) {
			if n < 2 {
				hangUp(w)
				return
			}
			reply(w, 200, stored)
		}, 3, true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := &upstream{answer: tc.answer}
				c := startVirtual(t, u, func(cfg *Config) { cfg.Tries = 4 })
				_, err := c.Call(t.Context(), OpPutRecord, bodyOf(`{}`))
				if (err == nil) != tc.ok {
					t.Errorf("error %v, want success %v", err, tc.ok)
				}
				calls := u.seen()
				if len(calls) != tc.tries {
					t.Fatalf("%d calls, want %d", len(calls), tc.tries)
				}
				for i := 1; i < len(calls); i++ {
					wait, most := calls[i].at.Sub(calls[i-1].at), firstPause<<(i-1)
					if wait < leastPause || wait > most {
						t.Errorf("try %d came after %v, want %v to %v", i+1, wait, leastPause, most)
					}
				}
			})
		})
	}
}

func TestPausesEndAtASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, func(*Config) {})
		for try := 1; try < 80; try++ {
			began := time.Now()
			if !c.pause(t.Context(), try) {
				t.Fatal("pause gave up")
			}
			if wait := time.Since(began); wait < leastPause || wait > lastPause {
				t.Errorf("pause after try %d lasted %v", try, wait)
			}
		}
	})
}

// TestBudget: a call ends with its budget; when the next pause would outlast it, at once and
// with the error that Kinesis gave.
func TestBudget(t *testing.T) {
	t.Run("an upstream that does not answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			u := &upstream{answer: func(http.ResponseWriter, int, call) { <-release }}
			c := startVirtual(t, u, func(cfg *Config) { cfg.Budget = 29 * time.Second })
			began := time.Now()
			_, err := c.Call(t.Context(), OpPutRecord, bodyOf(`{}`))
			close(release)
			if !errors.Is(err, ErrTimeout) || time.Since(began) != 29*time.Second {
				t.Errorf("error %v after %v, want ErrTimeout after 29s", err, time.Since(began))
			}
		})
	})
	t.Run("no time for another try", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{answer: answerText(400, throttled)}
			c := startVirtual(t, u, func(cfg *Config) { cfg.Budget, cfg.Tries = leastPause, 100 })
			_, err := c.Call(t.Context(), OpPutRecord, bodyOf(`{}`))
			if !isClass(err, ClassThrottle) || len(u.seen()) != 1 {
				t.Errorf("error %v after %d calls, want the throttle after 1", err, len(u.seen()))
			}
		})
	})
	t.Run("the caller goes away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			u := &upstream{answer: func(http.ResponseWriter, int, call) { <-release }}
			c := startVirtual(t, u, nil)
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("gone"))
			defer cancel()
			_, err := c.Call(ctx, OpPutRecord, bodyOf(`{}`))
			close(release)
			if errors.Is(err, ErrTimeout) || errors.Is(err, ErrUnreachable) || !strings.Contains(fmt.Sprint(err), "gone") {
				t.Errorf("error %v, want the caller's own cause", err)
			}
		})
	})
}

func TestUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	for _, endpoint := range []string{"http://" + addr, "https://" + addr} {
		c := newClient(t, func(cfg *Config) { cfg.Endpoint = endpoint })
		if _, err := c.Call(t.Context(), OpListStreams, bodyOf(`{}`)); !errors.Is(err, ErrUnreachable) || !neverConnected(err) {
			t.Errorf("%s: error %v, want ErrUnreachable without retries", endpoint, err)
		}
	}
}

// TestCreateAfterAnUnknownOutcome: a CreateStream whose answer was lost is never repeated
// before a Describe has shown that there is no such stream.
func TestCreateAfterAnUnknownOutcome(t *testing.T) {
	describe := func(status string, created time.Time) string {
		return fmt.Sprintf(`{"StreamDescriptionSummary":{"StreamStatus":%q,"StreamCreationTimestamp":%d.5}}`, status, created.Unix())
	}
	missing := `{"__type":"ResourceNotFoundException","message":"none"}`
	cases := []struct {
		name    string
		answers []string // per call; an answer with __type has status 400, with InternalFailure 500
		calls   []string
		want    string // error type; empty: success
	}{
		{"it was created", []string{failed500, describe("CREATING", time.Now())}, []string{"CreateStream", "DescribeStreamSummary"}, ""},
		{"it was created and is ready", []string{failed500, describe("ACTIVE", time.Now())}, []string{"CreateStream", "DescribeStreamSummary"}, ""},
		{
			"it stood there before",
			[]string{failed500, describe("ACTIVE", time.Now().Add(-time.Hour))},
			[]string{"CreateStream", "DescribeStreamSummary"},
			"ResourceInUseException",
		},
		{"it was not created", []string{failed500, missing, ``}, []string{"CreateStream", "DescribeStreamSummary", "CreateStream"}, ""},
		{"nobody knows", []string{failed500, failed500}, []string{"CreateStream", "DescribeStreamSummary"}, "InternalFailure"},
		{"a throttle is no unknown outcome", []string{throttled, ``}, []string{"CreateStream", "CreateStream"}, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			u := &upstream{answer: func(w http.ResponseWriter, n int, _ call) {
				text := tc.answers[min(n, len(tc.answers)-1)]
				switch {
				case text == failed500:
					reply(w, 500, text)
				case strings.Contains(text, "__type"):
					reply(w, 400, text)
				default:
					reply(w, 200, text)
				}
			}}
			c := start(t, u, nil)
			_, err := c.Call(t.Context(), OpCreateStream, bodyOf(`{"StreamName":"s1","ShardCount":1}`))
			var api *APIError
			errors.As(err, &api)
			if (err == nil) != (tc.want == "") || api != nil && api.Type != tc.want {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			var calls []string
			for _, c := range u.seen() {
				calls = append(calls, strings.TrimPrefix(c.target, targetPrefix))
			}
			if diff := cmp.Diff(tc.calls, calls); diff != "" {
				t.Errorf("calls: -want +got:\n%s", diff)
			}
		})
	}
}

func TestDeleteRepeatedAfterALostAnswer(t *testing.T) {
	u := &upstream{answer: func(w http.ResponseWriter, n int, _ call) {
		if n == 0 {
			reply(w, 500, failed500)
			return
		}
		reply(w, 400, `{"__type":"ResourceNotFoundException"}`)
	}}
	c := start(t, u, nil)
	if _, err := c.Call(t.Context(), OpDeleteStream, bodyOf(`{"StreamName":"s"}`)); err != nil {
		t.Errorf("error %v, want success: the first call has deleted it", err)
	}
}

func TestAdmission(t *testing.T) {
	c := newClient(t, func(cfg *Config) { cfg.Endpoint, cfg.MaxInFlight = "http://unused.test", 2 })
	for range 2 {
		if err := c.Admit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Admit(); !errors.Is(err, ErrBusy) {
		t.Errorf("third of two: error %v, want ErrBusy", err)
	}
	c.Leave()
	if err := c.Admit(); err != nil {
		t.Errorf("second again: %v", err)
	}
}

// TestConcurrentCalls sends different bodies at once over an upstream that answers some of
// them early, and checks that none arrives with the bytes of another.
func TestConcurrentCalls(t *testing.T) {
	u := &upstream{answer: func(w http.ResponseWriter, n int, c call) {
		if n%7 == 0 {
			reply(w, 400, `{"__type":"ValidationException"}`)
			return
		}
		reply(w, 200, string(c.body))
	}}
	c := start(t, u, nil)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			want := `{"k":"` + strings.Repeat(string(rune('a'+i)), 1000*i) + `"}`
			for range 20 {
				b := bodyOf(want)
				answer, err := c.Call(t.Context(), OpPutRecord, b)
				if err == nil && string(answer.Body) != want {
					t.Errorf("call %d: the answer holds other bytes", i)
				}
				b.Free()
			}
		})
	}
	wg.Wait()
}

func TestConfigNamesEachFault(t *testing.T) {
	err := Config{Endpoint: "kinesis", RetryFailed: -1}.Validate()
	for _, want := range []string{"kinesis.endpoint", "kinesis.timeout.ms", "kinesis.max.attempts", "kinesis.retry.failed.records", "in flight"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}
