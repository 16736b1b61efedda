package handlers

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The same key and body are one record in the log, on every route that produces.
func TestIdempotencyKey(t *testing.T) {
	srv, cluster := rest(t, nil, kfake.SeedTopics(1, "t"))
	for _, tt := range []struct{ path, contentType, body, other string }{
		{"/topics/t", embeddedJSON, `{"records":[{"value":1}]}`, `{"records":[{"value":2}]}`},
		{"/topics/t/partitions/0", embeddedJSON, `{"records":[{"value":1}]}`, `{"records":[{"value":2}]}`},
		{recordsOfT, typeJSON, `{"value":{"type":"JSON","data":1}}`, `{"value":{"type":"JSON","data":2}}`},
		{recordsOfT + ":batch", typeJSON, `{"entries":[{"id":"1"}]}`, `{"entries":[{"id":"2"}]}`},
	} {
		key := "key of " + tt.path
		post := func(key, body string) (int, string) {
			return postRecords(t, srv, tt.path, body, "Content-Type", tt.contentType, "Idempotency-Key", key)
		}
		status, first := post(key, tt.body)
		if status/100 != 2 {
			t.Fatalf("%s: %d %s", tt.path, status, first)
		}
		if again, second := post(key, tt.body); again != status || second != first {
			t.Errorf("%s: again: %d %s, want %d %s", tt.path, again, second, status, first)
		}
		if status, answer := post(key, tt.other); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: another body: %d %s, want 422", tt.path, status, answer)
		}
		if status, answer := post("", tt.body); status != http.StatusBadRequest {
			t.Errorf("%s: an empty key: %d %s, want 400", tt.path, status, answer)
		}
	}
	if recs := readTopic(t, cluster, "t", 4); len(recs) != 4 || endOffset(t, cluster) != 4 {
		t.Errorf("%d records, end offset %d, want 4", len(recs), endOffset(t, cluster))
	}
}

// A request whose records all failed is no answer to keep: the next one tries again.
func TestFailureIsNotKept(t *testing.T) {
	srv, cluster := rest(t, nil, kfake.SeedTopics(1, "t"))
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		return refusedProduce(req, kerr.TopicAuthorizationFailed.Code), nil, true
	})
	_, first := postRecords(t, srv, recordsOfT, "{}", "Idempotency-Key", "k")
	_, second := postRecords(t, srv, recordsOfT, "{}", "Idempotency-Key", "k")
	if !strings.Contains(first, `"error_code":40301`) || !strings.Contains(second, `"error_code":200`) {
		t.Errorf("answers %s and %s, want a refusal and then a stored record", first, second)
	}
}

// A second request with the key of one under way waits for its answer, and a client that leaves
// finds the answer when it comes again.
func TestSameKeyAtOnce(t *testing.T) {
	srv, cluster := rest(t, nil, kfake.SeedTopics(1, "t"))
	held, release := make(chan struct{}), make(chan struct{})
	hold := sync.OnceFunc(func() { close(held) })
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.SleepControl(func() { hold(); <-release })
		return nil, nil, false
	})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+recordsOfT, strings.NewReader("{}"))
		req.Header.Set("Content-Type", typeJSON)
		req.Header.Set("Idempotency-Key", "k")
		resp, err := srv.Client().Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		left <- err
	}()
	<-held
	leave()
	if err := <-left; err == nil {
		t.Fatal("the client that left got an answer")
	}
	answers := make(chan string, 3)
	for range cap(answers) {
		go func() {
			_, answer := postRecords(t, srv, recordsOfT, "{}", "Idempotency-Key", "k")
			answers <- answer
		}()
	}
	close(release)
	for range cap(answers) {
		if answer := <-answers; !strings.Contains(answer, `"error_code":200`) || !strings.Contains(answer, `"offset":0,`) {
			t.Errorf("answer %s, want offset 0", answer)
		}
	}
	if end := endOffset(t, cluster); end != 1 {
		t.Errorf("%d records are stored, want 1", end)
	}
}

func TestAnswerStoreIsBounded(t *testing.T) {
	s := newAnswerStore(time.Hour, 10_000)
	put := func(key string, size int) {
		t.Helper()
		a, mine, err := s.claim(t.Context(), key, sha256.Sum256([]byte(key)))
		if !mine || err != nil {
			t.Fatalf("claim(%s) = %v, %v", key, mine, err)
		}
		got := &answerRecorder{status: 200, max: 5000}
		got.body.WriteString(strings.Repeat("x", size))
		s.settle(a, got)
	}
	for _, key := range []string{"a", "b", "c"} {
		put(key, 4000)
	}
	if s.used > s.max || s.byKey["a"] != nil || s.byKey["b"] == nil && s.byKey["c"] == nil {
		t.Errorf("%d of %d bytes; a is kept: %t", s.used, s.max, s.byKey["a"] != nil)
	}
	kept, mine, err := s.claim(t.Context(), "c", sha256.Sum256([]byte("c")))
	if mine || err != nil || len(kept.body) != 4000 {
		t.Errorf("claim(c) = %v, %v, want the answer", mine, err)
	}
	s.mu.Lock()
	s.evict(time.Now().Add(2*time.Hour), 0)
	s.mu.Unlock()
	if s.used != 0 || s.order.Len() != 0 {
		t.Errorf("after the window %d bytes of %d answers are kept", s.used, s.order.Len())
	}
}
