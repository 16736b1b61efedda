package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/twmb/franz-go/pkg/kgo"
)

// httpTarget is a base URL under load: E, the gateway, or any other.
type httpTarget struct {
	base     *url.URL
	requests [][]byte // whole requests, sent in turn
	check    check
	answer   int                    // bytes of the largest answer expected
	last     atomic.Pointer[[]byte] // body of the last answer of connection 0
}

// produceTarget posts groups of events to topic, a request a group, as a JSON client does.
func produceTarget(base *url.URL, topic string, bodies [][]byte, records int) *httpTarget {
	headers := []string{"Content-Type: application/vnd.kafka.json.v2+json", "Accept: application/vnd.kafka.v2+json"}
	t := &httpTarget{base: base, check: checkProduced(records), answer: 1024 + 96*records}
	for _, body := range bodies {
		t.requests = append(t.requests, request("POST", base, "/topics/"+topic, headers, body))
	}
	return t
}

// putRecordTarget puts events to a stream, one a request.
func putRecordTarget(base *url.URL, stream string, events [][]byte) *httpTarget {
	t := &httpTarget{base: base, check: checkPut, answer: 4096}
	for i, event := range events {
		body := putRecordBody(event, partitionKey(i))
		t.requests = append(t.requests, request("PUT", base, "/streams/"+stream+"/record", []string{"Content-Type: application/json"}, body))
	}
	return t
}

func partitionKey(event int) string { return fmt.Sprintf("key-%d", event) }

func (t *httpTarget) open(ctx context.Context, number int) (caller, error) {
	c, err := dialHTTP(ctx, t.base, t.answer)
	if err != nil {
		return nil, err
	}
	// A deadline for each request would cost more than it gives: one for the pass, or its end.
	expire := context.AfterFunc(ctx, func() { _ = c.net.SetDeadline(time.Unix(1, 0)) })
	return &httpCaller{target: t, conn: c, number: number, next: number * 61, expire: expire}, nil
}

type httpCaller struct {
	target *httpTarget
	conn   *conn
	number int
	next   int // request to send, modulo their number: each connection starts elsewhere
	last   []byte
	expire func() bool
}

func (c *httpCaller) call() error {
	ans, err := c.conn.exchange(c.target.requests[c.next%len(c.target.requests)])
	if err != nil {
		return err
	}
	c.next++
	c.last = ans.body
	return c.target.check(ans)
}

func (c *httpCaller) close() {
	c.expire()
	c.conn.close()
	if c.number == 0 {
		last := bytes.Clone(c.last)
		c.target.last.Store(&last)
	}
}

// directKafka is K: callers that share one franz-go client, each producing a group of events and
// waiting until all of them are acknowledged.
type directKafka struct {
	client *kgo.Client
	groups [][][]byte
}

// newKafkaClient makes the client of K: idempotent, acks=all, linger 0, no compression (the
// gateway's and the Java client's default); all else is franz-go's default.
func newKafkaClient(bootstrap []string, topic string) (*kgo.Client, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap...),
		kgo.DefaultProduceTopic(topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	if err != nil {
		return nil, fmt.Errorf("making the direct Kafka client: %w", err)
	}
	return client, nil
}

func (k *directKafka) subject() subject {
	return subject{name: "K", pid: os.Getpid(), open: func(ctx context.Context, number int) (caller, error) {
		c := &kafkaCaller{ctx: ctx, kafka: k, next: number * 61, done: make(chan error, 1)}
		c.records = make([]kgo.Record, len(k.groups[0]))
		return c, nil
	}}
}

type kafkaCaller struct {
	ctx     context.Context // of one pass; call has no room for it
	kafka   *directKafka
	records []kgo.Record // of one call, made once
	next    int
	left    atomic.Int32
	failed  atomic.Pointer[error]
	done    chan error
}

func (c *kafkaCaller) call() error {
	group := c.kafka.groups[c.next%len(c.kafka.groups)]
	c.next++
	c.left.Store(int32(len(group)))
	for i, event := range group {
		c.records[i] = kgo.Record{Value: event}
		c.kafka.client.Produce(c.ctx, &c.records[i], c.acknowledged)
	}
	select {
	case err := <-c.done:
		return err
	case <-c.ctx.Done(): // a record on the wire is answered only by the broker
		return c.ctx.Err()
	}
}

func (c *kafkaCaller) acknowledged(_ *kgo.Record, err error) {
	if err != nil {
		c.failed.Store(&err)
	}
	if c.left.Add(-1) > 0 {
		return
	}
	if failed := c.failed.Load(); failed != nil {
		c.done <- fmt.Errorf("producing directly: %w", *failed)
		return
	}
	c.done <- nil
}

func (c *kafkaCaller) close() {}

// directKinesis is the ceiling of the Kinesis route: callers that share one SDK client, each
// calling PutRecord and waiting.
type directKinesis struct {
	client *kinesis.Client
	stream string
	events [][]byte
}

// newKinesisClient makes an SDK client of the embedded Kinesis. The SDK's own connection pool keeps
// 10 idle connections a host and would dial again and again at 64 callers: it gets one a caller.
func newKinesisClient(endpoint string, connections int) *kinesis.Client {
	pool := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, connections
	})
	return kinesis.New(kinesis.Options{
		Region:       kinesisRegion,
		BaseEndpoint: aws.String(endpoint),
		HTTPClient:   pool,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: kinesisKey, SecretAccessKey: kinesisSecret}, nil
		}),
	})
}

func (k *directKinesis) subject() subject {
	return subject{name: "SDK", pid: os.Getpid(), open: func(ctx context.Context, number int) (caller, error) {
		return &kinesisCaller{ctx: ctx, kinesis: k, next: number * 61}, nil
	}}
}

type kinesisCaller struct {
	ctx     context.Context // of one pass; call has no room for it
	kinesis *directKinesis
	next    int
}

func (c *kinesisCaller) call() error {
	at := c.next % len(c.kinesis.events)
	c.next++
	out, err := c.kinesis.client.PutRecord(c.ctx, &kinesis.PutRecordInput{
		StreamName:   &c.kinesis.stream,
		PartitionKey: aws.String(partitionKey(at)),
		Data:         c.kinesis.events[at],
	})
	if err != nil {
		return fmt.Errorf("calling PutRecord directly: %w", err)
	}
	if out.SequenceNumber == nil {
		return fmt.Errorf("calling PutRecord directly: no SequenceNumber in the answer")
	}
	return nil
}

func (c *kinesisCaller) close() {}
