package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// streamGroup is how many records count as one request of a stream load: no stream ends within a pass.
const streamGroup = 1000

// streamChunk is how many records a client of a stream sends in one chunk.
const streamChunk = 100

// streamLoad measures streaming produce of REST v3 on so many connections against one franz-go client that hands
// the same records over without waiting. A call is streamGroup records that are acknowledged.
func (r *runner) streamLoad(ctx context.Context, connections int) (result, error) {
	l := load{streamGroup, connections}
	topic := fmt.Sprintf("bench-stream-%d-%d", connections, time.Now().UnixMilli())
	if err := r.broker.createTopic(ctx, topic, r.partitions); err != nil {
		return result{}, err
	}
	direct, err := newKafkaClient(r.broker.bootstrap, topic)
	if err != nil {
		return result{}, err
	}
	defer direct.Close()
	var acknowledged atomic.Int64
	subjects := []subject{
		{nameK, os.Getpid(), func(ctx context.Context, number int) (caller, error) {
			return openKafkaStream(ctx, direct, r.events, number, &acknowledged), nil
		}},
		{nameOurs, r.gateway.pid(), func(ctx context.Context, number int) (caller, error) {
			return openStream(ctx, r.gateway.base, topic, streamChunks(r.events), number, &acknowledged)
		}},
	}
	res, _, err := r.run(ctx, result{Kind: "stream", Load: l}, subjects, func(context.Context) error { return nil })
	if err != nil {
		return result{}, err
	}
	written, err := r.broker.written(ctx, topic)
	if err != nil {
		return result{}, err
	}
	if res.Produced = written; written != acknowledged.Load() {
		return result{}, fmt.Errorf("topic %s has %d records, but %d were acknowledged", topic, written, acknowledged.Load())
	}
	return res, r.broker.deleteTopic(ctx, topic)
}

// streamChunks are HTTP/1.1 chunks of streamChunk records each.
func streamChunks(events [][]byte) [][]byte {
	var chunks [][]byte
	for _, group := range groups(events, streamChunk) {
		var body bytes.Buffer
		for _, event := range group {
			fmt.Fprintf(&body, `{"value":{"type":"JSON","data":%s}}`+"\n", event)
		}
		chunks = append(chunks, fmt.Appendf(nil, "%x\r\n%s\r\n", body.Len(), body.Bytes()))
	}
	return chunks
}

// streamCaller is one open stream.
type streamCaller struct {
	conn     *conn
	receipts io.Reader
	buf      []byte
	extra    int // receipts that were read and not yet counted
	stop     atomic.Bool
	sent     chan error
	total    *atomic.Int64
}

func openStream(ctx context.Context, base *url.URL, topic string, chunks [][]byte, number int, total *atomic.Int64) (caller, error) {
	c, err := dialHTTP(ctx, base, 64<<10)
	if err != nil {
		return nil, err
	}
	s := &streamCaller{conn: c, buf: make([]byte, 64<<10), sent: make(chan error, 1), total: total}
	if deadline, ok := ctx.Deadline(); ok { // ctx itself ends before what is under way has been read
		_ = c.net.SetDeadline(deadline)
	}
	head := request("POST", base, "/v3/clusters/bench/topics/"+topic+"/records",
		[]string{"Content-Type: application/json", "Transfer-Encoding: chunked"}, nil)
	if _, err := c.net.Write(head); err != nil {
		return nil, fmt.Errorf("opening a stream: %w", err)
	}
	line, err := c.line()
	if err != nil || !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return nil, fmt.Errorf("opening a stream: %q, %w", line, err)
	}
	if _, _, err := c.headers(); err != nil {
		return nil, fmt.Errorf("opening a stream: %w", err)
	}
	s.receipts = httputil.NewChunkedReader(c.buf)
	go func() { s.sent <- s.send(chunks, number*61) }()
	return s, nil
}

// send sends chunks until it is stopped. What is not read holds it up.
func (s *streamCaller) send(chunks [][]byte, next int) error {
	for !s.stop.Load() {
		if _, err := s.conn.net.Write(chunks[next%len(chunks)]); err != nil {
			return err
		}
		next++
	}
	_, err := io.WriteString(s.conn.net, "0\r\n\r\n")
	return err
}

func (s *streamCaller) call() error {
	for s.extra < streamGroup {
		if err := s.read(); err != nil {
			return fmt.Errorf("reading receipts: %w", err)
		}
	}
	s.extra -= streamGroup
	return nil
}

func (s *streamCaller) read() error {
	n, err := s.receipts.Read(s.buf)
	got := bytes.Count(s.buf[:n], []byte("\n"))
	s.extra += got
	s.total.Add(int64(got))
	if at := bytes.Index(s.buf[:n], []byte(`"message"`)); at >= 0 {
		return fmt.Errorf("a record failed: %s", excerpt(s.buf[:n]))
	}
	return err
}

// close ends the stream and reads what is left of its receipts.
func (s *streamCaller) close() {
	s.stop.Store(true)
	for {
		if err := s.read(); err != nil {
			break
		}
	}
	<-s.sent //nolint:errcheck // read has told it
	s.conn.close()
}

// kafkaStream is a goroutine that hands records to a client without waiting for their ends.
type kafkaStream struct {
	ctx    context.Context // of one pass; call has no room for it
	groups chan error      // streamGroup more records are acknowledged
	stop   atomic.Bool
	done   sync.WaitGroup // the goroutine, and the records that it has handed over
}

func openKafkaStream(ctx context.Context, client *kgo.Client, events [][]byte, number int, total *atomic.Int64) caller {
	k := &kafkaStream{ctx: ctx, groups: make(chan error, 1<<16)}
	producing := context.WithoutCancel(ctx) // what is under way at the end counts for the topic
	var acknowledged atomic.Int64
	promise := func(_ *kgo.Record, err error) {
		defer k.done.Done()
		if err != nil {
			k.groups <- fmt.Errorf("producing directly: %w", err)
			return
		}
		total.Add(1)
		if acknowledged.Add(1)%streamGroup == 0 {
			k.groups <- nil
		}
	}
	k.done.Go(func() {
		for next := number * 61; !k.stop.Load(); next++ {
			k.done.Add(1)
			client.Produce(producing, &kgo.Record{Value: events[next%len(events)]}, promise)
		}
	})
	return k
}

func (k *kafkaStream) call() error {
	select {
	case err := <-k.groups:
		return err
	case <-k.ctx.Done():
		return k.ctx.Err()
	}
}

func (k *kafkaStream) close() {
	k.stop.Store(true)
	k.done.Wait()
}
