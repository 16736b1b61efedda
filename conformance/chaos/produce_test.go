package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// gateway is headrace serve at one address, in one life after the other.
type gateway struct {
	base  string
	dir   string
	env   []string
	child *child
	lives int
}

// impatient is the environment of every second life: while a partition has no leader, it gives up.
var impatient = []string{"KAFKA_REST_PRODUCER_DELIVERY_TIMEOUT_MS=2000", "KAFKA_REST_PRODUCER_REQUEST_TIMEOUT_MS=1000"}

// startGateway starts a gateway on a free port and waits until it is ready.
func startGateway(t *testing.T, bootstrap string, env ...string) *gateway {
	t.Helper()
	// A port below those that the kernel gives to clients: it must still be free after each kill.
	var listener net.Listener
	for port := 19000; listener == nil && port < 20000; port++ {
		listener, _ = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(port))
	}
	if listener == nil {
		t.Fatal("no free port from 19000 to 19999")
	}
	g := &gateway{
		base: "http://" + listener.Addr().String(), dir: t.TempDir(),
		env: append([]string{"KAFKA_REST_BOOTSTRAP_SERVERS=" + bootstrap, "KAFKA_REST_KINESIS_ENABLE=false"}, env...),
	}
	_ = listener.Close()
	g.live(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the gateway's last words:\n%s", g.child.lastWords())
		}
	})
	return g
}

// live starts the next life and waits until it is ready.
func (g *gateway) live(t *testing.T) {
	t.Helper()
	env := g.env
	if g.lives++; g.lives%2 == 0 {
		env = append(slices.Clip(env), impatient...)
	}
	g.child = start(t, g.dir, env, "serve", "--listen", g.base, "--log-level", "warn")
	until(t, time.Minute, "the gateway is ready", func() bool {
		if g.child.ended() {
			t.Fatalf("the gateway ended: %v\n%s", g.child.exit, g.child.lastWords())
		}
		return g.ready(t.Context())
	})
}

func (g *gateway) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// event is the record of a number: the key and the value that must be stored, byte for byte.
func event(id int64) (key, value []byte) {
	if id%3 > 0 {
		key = fmt.Appendf(nil, `"user-%d"`, id%50)
	}
	return key, fmt.Appendf(nil, `{"id":%d,"text":"%s é\u00e9","price":%d.50}`, id, strings.Repeat("x", int(id%700)), id%97)
}

// place is where a record stands.
type place struct {
	partition int32
	offset    int64
}

// writers post records through the gateway and remember what they were told.
type writers struct {
	url    string
	client *http.Client
	nextID atomic.Int64
	acked  atomic.Int64 // records

	mu      sync.Mutex
	acks    map[place]int64 // ids, by where they were said to be
	twice   []string        // places that were told twice
	refused map[int64]bool  // ids that were answered with an error: not stored
	unsure  map[int64]bool  // ids that were answered so, but may be stored
	answers map[string]int  // requests by answer
	errors  map[string]int  // records by error
	slowest time.Duration
}

// post sends n records, none of which was or will be sent otherwise.
func (w *writers) post(ctx context.Context, n int) {
	first := w.nextID.Add(int64(n)) - int64(n)
	body := []byte(`{"records": [`)
	for i := range int64(n) {
		if i > 0 {
			body = append(body, ',')
		}
		key, value := event(first + i)
		body = append(body, `{ `...)
		if key != nil {
			body = fmt.Appendf(body, `"key": %s, `, key)
		}
		body = fmt.Appendf(body, `"value": %s}`, value)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(append(body, `]}`...)))
	if err != nil {
		w.note(err.Error())
		return
	}
	req.Header.Set("Content-Type", "application/vnd.kafka.json.v2+json")
	began := time.Now()
	resp, err := w.client.Do(req)
	if err != nil {
		w.note("none")
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.note("none")
		return
	}
	w.answered(first, n, resp.Status, text, time.Since(began))
}

func (w *writers) note(answer string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[answer]++
}

// answered keeps what the gateway said about the records from first on.
func (w *writers) answered(first int64, n int, status string, text []byte, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[status]++
	w.slowest = max(w.slowest, took)
	if status != "200 OK" {
		return
	}
	var answer struct {
		Offsets []struct {
			Partition *int32
			Offset    *int64
			Error     *string
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Offsets) != n {
		w.errors[fmt.Sprintf("%d offsets for %d records, %v", len(answer.Offsets), n, err)]++
		return
	}
	for i, o := range answer.Offsets {
		id := first + int64(i)
		if o.Offset == nil || o.Partition == nil {
			w.errors[*o.Error]++
			if strings.Contains(*o.Error, "may have been stored") {
				w.unsure[id] = true
			} else {
				w.refused[id] = true
			}
			continue
		}
		at := place{*o.Partition, *o.Offset}
		if other, ok := w.acks[at]; ok {
			w.twice = append(w.twice, fmt.Sprintf("%v for %d and %d", at, other, id))
		}
		w.acks[at] = id
		w.acked.Add(1)
	}
}

// write runs the writers until ctx ends. Requests under way are then finished.
func (w *writers) write(ctx context.Context) {
	var all sync.WaitGroup
	for i := range 8 {
		size, every := 1, 4*time.Millisecond
		if i%4 == 0 {
			size, every = 50, 40*time.Millisecond
		}
		all.Go(func() {
			for pause(ctx, every) {
				w.post(context.WithoutCancel(ctx), size)
			}
		})
	}
	all.Wait()
}

// more waits until n more records are acknowledged.
func (w *writers) more(t *testing.T, n int64) {
	t.Helper()
	goal := w.acked.Load() + n
	until(t, 2*time.Minute, fmt.Sprintf("%d more records are acknowledged", n), func() bool { return w.acked.Load() >= goal })
}

// TestProduceSurvivesKills kills the broker that leads partition 0, and the gateway, while records
// are produced. Afterwards every record that was answered with an offset stands there, with the bytes
// that were sent, and nowhere else.
func TestProduceSurvivesKills(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	t.Parallel()
	brokers := threeBrokers(t)
	rnd := random(t)
	topic := fmt.Sprintf("chaos-produce-%d", time.Now().UnixNano())
	two := "2"
	brokers.topic(t, topic, 3, map[string]*string{"min.insync.replicas": &two})
	g := startGateway(t, brokers.bootstrap)
	w := &writers{
		url:    g.base + "/topics/" + topic,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 2 * time.Minute},
		acks:   map[place]int64{}, refused: map[int64]bool{}, unsure: map[int64]bool{}, answers: map[string]int{}, errors: map[string]int{},
	}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() { w.write(ctx) })
	var returning sync.WaitGroup
	defer returning.Wait()
	defer writing.Wait()
	defer stop()

	began := time.Now()
	var elections, silences, restarts []time.Duration
	back := make(chan error, 1) // the dead broker's return
	back <- nil
	total := kills(t)
	for i := range total {
		w.more(t, 200)
		pause(ctx, time.Duration(rnd.IntN(500))*time.Millisecond)
		if i%5 == 0 || i%5 == 2 {
			if err := <-back; err != nil {
				t.Fatal(err)
			}
			election, silence := killLeader(t, brokers, topic, w)
			elections, silences = append(elections, election), append(silences, silence)
			returning.Go(func() { back <- brokers.up(ctx) })
			continue
		}
		g.child.kill()
		killed := time.Now()
		g.live(t)
		w.more(t, 1)
		restarts = append(restarts, time.Since(killed))
	}
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	until(t, 2*time.Minute, "all replicas are in sync again", func() bool { return brokers.healthy(ctx, topic) })
	w.more(t, 200)
	stop()
	writing.Wait()
	t.Logf("%d kills in %s: %d × the leader, to the next one %s, silence %s; %d × the gateway, to the next acknowledged record %s",
		total, time.Since(began).Round(time.Second), len(silences), spread(elections), spread(silences), len(restarts), spread(restarts))
	w.check(t, brokers.kafka, topic)
}

// killLeader kills the broker that leads partition 0, once all replicas are in sync. It returns how
// long the partition had no leader, and how long records were not acknowledged as before.
func killLeader(t *testing.T, brokers *cluster, topic string, w *writers) (election, silence time.Duration) {
	t.Helper()
	until(t, 2*time.Minute, "all replicas are in sync", func() bool { return brokers.healthy(t.Context(), topic) })
	w.more(t, 50)
	leader := brokers.leader(t.Context(), topic)
	if leader < 1 {
		t.Fatalf("partition 0 has no leader though its replicas are in sync")
	}
	brokers.kill(t, leader)
	killed := time.Now()
	until(t, 2*time.Minute, "partition 0 has another leader", func() bool {
		next := brokers.leader(t.Context(), topic)
		return next > 0 && next != leader
	})
	election = time.Since(killed)
	w.more(t, 50)
	return election, time.Since(killed)
}

// check reads the topic and compares.
func (w *writers) check(t *testing.T, k *kafka, topic string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stored := map[int64]int{} // by id
	found, wrong := 0, 0
	k.each(t, topic, func(r *kgo.Record) {
		var value struct{ ID int64 }
		if err := json.Unmarshal(r.Value, &value); err != nil {
			t.Errorf("partition %d offset %d holds what nobody sent: %.100q", r.Partition, r.Offset, r.Value)
			return
		}
		stored[value.ID]++
		id, ok := w.acks[place{r.Partition, r.Offset}]
		if !ok {
			id = value.ID // stored without an answer: its bytes must be right all the same
		} else {
			found++
		}
		if key, text := event(id); !bytes.Equal(r.Key, key) || !bytes.Equal(r.Value, text) {
			if wrong++; wrong <= 10 {
				t.Errorf("partition %d offset %d (acknowledged: %v) = %s → %.100s, want %s → %.100s", r.Partition, r.Offset, ok, r.Key, r.Value, key, text)
			}
		}
	})
	acked := map[int64]bool{}
	for _, id := range w.acks {
		acked[id] = true
	}
	tally := map[string]int{} // of stored records, by what was said about them
	twice := map[string]int{}
	for id, n := range stored {
		said := "no answer"
		switch {
		case acked[id]:
			said = "acknowledged"
		case w.refused[id]:
			said = "refused"
		case w.unsure[id]:
			said = "may have been stored"
		}
		tally[said]++
		if n > 1 {
			twice[said]++
		}
	}
	t.Logf("%d records sent, %d acknowledged, of these %d at their place; %d refused, %d answered with “may have been stored”; in the topic: %s; there twice: %s",
		w.nextID.Load(), len(w.acks), found, len(w.refused), len(w.unsure), counts(tally), counts(twice))
	t.Logf("requests by answer: %s; records by error: %s; slowest answer %s", counts(w.answers), counts(w.errors), w.slowest.Round(time.Millisecond))
	if lost := len(w.acks) - found; lost > 0 || wrong > 0 {
		t.Errorf("%d acknowledged records are not in the topic, %d places hold other bytes", lost, wrong)
	}
	if len(w.twice) > 0 {
		t.Errorf("%d places were given to two records, the first: %s", len(w.twice), w.twice[0])
	}
	if len(twice) > 0 {
		t.Errorf("records are stored twice, though each was sent once: %s", counts(twice))
	}
	if n := tally["refused"]; n > 0 {
		t.Errorf("%d records were answered with an error and are stored", n)
	}
}

func counts(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d × %s", m[name], name))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// spread is the median and the longest of some times.
func spread(times []time.Duration) string {
	if len(times) == 0 {
		return "none"
	}
	times = slices.Sorted(slices.Values(times))
	return fmt.Sprintf("median %s, longest %s", times[len(times)/2].Round(10*time.Millisecond), times[len(times)-1].Round(10*time.Millisecond))
}
