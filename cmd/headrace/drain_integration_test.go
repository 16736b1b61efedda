package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// place is where a record was said to be.
type place struct {
	Partition int32
	Offset    int64
}

// TestSIGTERMUnderLoad: the program is told to stop while clients post. Whatever was answered is stored where the answer
// says; whatever was not answered is not stored; and the program ends in time, with exit code 0.
func TestSIGTERMUnderLoad(t *testing.T) {
	const grace = 5 * time.Second
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s := startProgram(t, nil, fmt.Sprintf("bootstrap.servers=%s\nkinesis.enable=false\nshutdown.graceful.ms=%d\n",
		cluster.ListenAddrs()[0], grace.Milliseconds()))
	posts := postUntilRefused(t, s.url+"/topics/orders", 8)
	posts.await(t, 500)
	began := time.Now()
	s.stop()
	if code := s.end(t); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
	if took := time.Since(began); took > grace+2*time.Second {
		t.Errorf("the end took %s, want %s at most", took, grace+2*time.Second)
	}
	posts.workers.Wait()

	stored := readAll(t, cluster.ListenAddrs(), "orders", 4)
	for value, at := range posts.answered {
		if stored[at] != value {
			t.Errorf("%s was answered with %+v, where %q lies", value, at, stored[at])
		}
	}
	for at, value := range stored {
		if _, ok := posts.answered[value]; !ok {
			t.Errorf("%s lies at %+v and was not answered", value, at)
		}
	}
	if len(posts.answered) < 500 || len(posts.faults) > 0 {
		t.Errorf("%d answers; faults: %v", len(posts.answered), posts.faults)
	}
}

// posting is clients that post as fast as they can.
type posting struct {
	workers sync.WaitGroup
	count   atomic.Int64

	mu       sync.Mutex
	answered map[string]place // by value
	faults   []string         // answers that are no success
}

// postUntilRefused posts numbers, each once, until the server takes no more connections.
func postUntilRefused(t *testing.T, url string, workers int) *posting {
	p := &posting{answered: map[string]place{}}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}, Timeout: time.Minute}
	t.Cleanup(client.CloseIdleConnections)
	for worker := range workers {
		p.workers.Go(func() {
			for n := 0; p.post(t.Context(), client, url, strconv.Itoa(worker*1_000_000+n)); n++ {
			}
		})
	}
	return p
}

// post sends one value and reports whether the server still takes connections.
func (p *posting) post(ctx context.Context, client *http.Client, url, value string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"records":[{"value":`+value+`}]}`))
	if err != nil {
		p.fault(err.Error())
		return false
	}
	req.Header.Set("Content-Type", "application/vnd.kafka.json.v2+json")
	req.GetBody = nil // a request is sent once
	resp, err := client.Do(req)
	if err != nil {
		// An idle connection that was closed at the same moment is no answer, and nothing may be stored. A closed door is the end.
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", req.URL.Host)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	var answer struct{ Offsets []place }
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(text, &answer) != nil || len(answer.Offsets) != 1 || bytes.Contains(text, []byte(`"error":"`)) {
		p.fault(fmt.Sprintf("%d %s %v", resp.StatusCode, text, err))
		return true
	}
	p.mu.Lock()
	p.answered[value] = answer.Offsets[0]
	p.mu.Unlock()
	p.count.Add(1)
	return true
}

func (p *posting) fault(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) < 10 {
		p.faults = append(p.faults, text)
	}
}

// await waits until n requests are answered.
func (p *posting) await(t *testing.T, n int64) {
	t.Helper()
	awaitTrue(t, fmt.Sprintf("%d answers", n), func() bool { return p.count.Load() >= n })
}

// awaitTrue waits until ready says yes.
func awaitTrue(t *testing.T, what string, ready func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ready() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s after a minute", what)
		}
	}
}

// readAll returns the values of a topic by their place.
func readAll(t *testing.T, brokers []string, topic string, partitions int32) map[place]string {
	t.Helper()
	stored := map[place]string{}
	for _, rec := range readRecords(t, brokers, topic, partitions) {
		stored[place{rec.Partition, rec.Offset}] = string(rec.Value)
	}
	return stored
}

// readRecords returns what is in a topic now.
func readRecords(t *testing.T, brokers []string, topic string, partitions int32) (all []*kgo.Record) {
	t.Helper()
	starts := map[int32]kgo.Offset{}
	for id := range partitions {
		starts[id] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.FetchMaxWait(200*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	left := endOffsets(ctx, t, client, topic)
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading %s, %d records are left: %v", topic, left, err)
		}
		all = append(all, fetches.Records()...)
		left -= int64(fetches.NumRecords())
	}
	return all
}

// endOffsets is how many records a topic holds.
func endOffsets(ctx context.Context, t *testing.T, client *kgo.Client, topic string) (n int64) {
	t.Helper()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil || ends.Error() != nil {
		t.Fatalf("asking for the ends of %s: %v %v", topic, err, ends.Error())
	}
	ends.Each(func(end kadm.ListedOffset) { n += end.Offset })
	return n
}

// TestReadinessFollowsKafka: /readyz says 503 while no broker answers, and 200 again when one is back.
func TestReadinessFollowsKafka(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	address := cluster.ListenAddrs()[0]
	s := startServe(t, "bootstrap.servers="+address+"\nkinesis.enable=false\nclient.request.timeout.ms=1000\n")
	is := func(want int) func() bool {
		return func() bool {
			status, _ := get(t, s.url+"/readyz")
			return status == want
		}
	}
	awaitTrue(t, "200 of /readyz with a broker", is(http.StatusOK))
	cluster.Close()
	awaitTrue(t, "503 of /readyz without a broker", is(http.StatusServiceUnavailable))
	if status, body := get(t, s.url+"/livez"); status != http.StatusOK {
		t.Errorf("GET /livez without a broker: %d %s", status, body)
	}
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(again.Close)
	awaitTrue(t, "200 of /readyz with the broker back", is(http.StatusOK))
}
