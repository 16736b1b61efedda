package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/services/svc"
)

// receipt is what the gateway says of one record of a stream.
type receipt struct {
	ErrorCode   int    `json:"error_code"`
	Message     string `json:"message"`
	PartitionID int32  `json:"partition_id"`
	Offset      int64  `json:"offset"`
}

// streamed is one record of a stream, as JSON text.
func streamed(id int64) []byte {
	key, value := event(id)
	if key == nil {
		return fmt.Appendf(nil, `{"value":{"type":"JSON","data":%s}}`, value)
	}
	return fmt.Appendf(nil, `{"key":{"type":"JSON","data":%s},"value":{"type":"JSON","data":%s}}`, key, value)
}

// stream sends records from id 0 on, on one connection, until stop says so, and gives each receipt to
// see, in their order. It returns how many records were sent and how many receipts came.
func stream(t *testing.T, url string, stop func(id int64) bool, see func(id int64, r receipt)) (sent, receipts int64) {
	t.Helper()
	body, pipe := io.Pipe()
	written := make(chan int64, 1)
	go func() {
		buffered := bufio.NewWriterSize(pipe, 32<<10)
		id := int64(0)
		for ; !stop(id); id++ {
			if _, err := buffered.Write(streamed(id)); err != nil {
				break
			}
		}
		_ = pipe.CloseWithError(buffered.Flush()) // nil is the end of the body
		written <- id
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			if len(line) > 0 || err != io.EOF {
				t.Errorf("behind receipt %d: %q, %v", receipts, line, err)
			}
			break
		}
		var r receipt
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("receipt %d: %q: %v", receipts, line, err)
		}
		see(receipts, r)
		receipts++
	}
	return <-written, receipts
}

// TestStreamSurvivesABrokersDeath kills the broker that leads partition 0 while one stream goes on. Every
// record is answered, in its place, and every answer is true.
func TestStreamSurvivesABrokersDeath(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	brokers := threeBrokers(t)
	topic := fmt.Sprintf("chaos-stream-%d", time.Now().UnixNano())
	two := "2"
	brokers.topic(t, topic, 3, map[string]*string{"min.insync.replicas": &two})
	for _, patience := range [][]string{nil, impatient} {
		g := startGateway(t, brokers.bootstrap, patience...)
		w := &writers{acks: map[place]int64{}, refused: map[int64]bool{}, unsure: map[int64]bool{}, answers: map[string]int{}, errors: map[string]int{}}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		var sent, receipts int64
		go func() {
			defer close(done)
			sent, receipts = stream(t, g.base+"/v3/clusters/any/topics/"+topic+"/records",
				func(id int64) bool { w.nextID.Store(id); return !pause(ctx, time.Millisecond) }, w.receipt)
		}()
		w.more(t, 500)
		election, silence := killLeader(t, brokers, topic, w)
		if err := brokers.up(t.Context()); err != nil {
			t.Error(err)
		}
		w.more(t, 500)
		stop()
		<-done
		t.Logf("%d records on one connection, %d receipts; to the next leader %s, silence %s", sent, receipts, election, silence)
		if receipts != sent {
			t.Errorf("%d records were sent, %d receipts came", sent, receipts)
		}
		w.check(t, brokers.kafka, topic)
		g.child.kill()
		topic += "-impatient"
		brokers.topic(t, topic, 3, map[string]*string{"min.insync.replicas": &two})
	}
}

// receipt keeps what the gateway said about a record of a stream.
func (w *writers) receipt(id int64, r receipt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case r.ErrorCode == http.StatusOK:
		at := place{r.PartitionID, r.Offset}
		if other, ok := w.acks[at]; ok {
			w.twice = append(w.twice, fmt.Sprintf("%v for %d and %d", at, other, id))
		}
		w.acks[at] = id
		w.acked.Add(1)
	case strings.Contains(r.Message, "may have been stored"):
		w.errors[r.Message]++
		w.unsure[id] = true
	default:
		w.errors[r.Message]++
		w.refused[id] = true
	}
}

// maxGrowth is what a gateway may take more at any time of a stream than at its beginning, in bytes.
const maxGrowth = 10_000_000

// TestLongStream sends many records on one connection: their receipts come in order, each is stored at
// its offset, and the gateway takes no more memory at the end than at the beginning.
// HEADRACE_TEST_STREAM_RECORDS=1000000 is the whole of it.
func TestLongStream(t *testing.T) {
	k := dial(t, svc.Need(t, "HEADRACE_TEST_KAFKA"))
	n := int64(number(t, "HEADRACE_TEST_STREAM_RECORDS", 100_000))
	topic := fmt.Sprintf("long-stream-%d", time.Now().UnixNano())
	k.topic(t, topic, 1, nil)
	g := startGateway(t, k.bootstrap)
	var early, highest int64
	began := time.Now()
	sent, receipts := stream(t, g.base+"/v3/clusters/any/topics/"+topic+"/records", func(id int64) bool { return id == n }, func(id int64, r receipt) {
		if r.ErrorCode != http.StatusOK || r.Offset != id {
			t.Errorf("receipt %d is %+v, want offset %d", id, r, id)
		}
		if id%(n/100) == 0 {
			resident := residentOf(t, g.child.cmd.Process.Pid)
			if id <= n/2 { // the short form needs that long to fill its buffers and pools
				early = max(early, resident)
			}
			highest = max(highest, resident)
		}
	})
	took := time.Since(began)
	t.Logf("%d records in %s, %.0f/s; resident %.1f MB in the first half, %.1f MB at most", n, took.Round(time.Millisecond),
		float64(n)/took.Seconds(), float64(early)/1e6, float64(highest)/1e6)
	if sent != n || receipts != n {
		t.Errorf("%d records were sent, %d receipts came, want %d", sent, receipts, n)
	}
	if highest > early+maxGrowth {
		t.Errorf("%d bytes resident in the first half, %d later: want at most %d more", early, highest, maxGrowth)
	}
	found := int64(0)
	k.each(t, topic, func(r *kgo.Record) {
		if key, value := event(r.Offset); !bytes.Equal(r.Key, key) || !bytes.Equal(r.Value, value) {
			t.Fatalf("offset %d holds %s → %.100s", r.Offset, r.Key, r.Value)
		}
		found++
	})
	if found != n {
		t.Errorf("%d records are stored, want %d", found, n)
	}
}

// residentOf is the memory of a process, in bytes.
func residentOf(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kB, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kB * 1024
}
