package kinesisclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
)

// The wire protocol. Source: AWS JSON protocol 1.1, Kinesis API reference.
const (
	targetPrefix    = "Kinesis_20131202."
	contentType     = "application/x-amz-json-1.1"
	requestIDHeader = "X-Amzn-Requestid"
	service         = "kinesis"
)

// maxAnswerBytes bounds one answer: PutRecords needs about 75 kB, a page of 10,000 shards 4 MB.
const maxAnswerBytes = 16 << 20

// Pauses between tries grow from the first to the last, each drawn at random between
// leastPause and its turn's length. Source: contract/kinesis.md, "Retries".
const (
	leastPause = 5 * time.Millisecond
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// Client calls Kinesis. It is safe for concurrent use. It reads no credentials and opens no
// connection before the first call.
type Client struct {
	cfg        Config
	log        *slog.Logger
	operations map[string]*operation
	metrics    metrics
	access     access // what is known of our credentials

	opened  atomic.Pointer[session]
	opening singleflight.Group
	refused atomic.Pointer[refusal]

	inFlight atomic.Int64 // requests
}

// New returns a client for cfg. It fails when cfg is not valid or reg has these metrics already.
func New(_ context.Context, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("reading the kinesis settings: %w", err)
	}
	c := &Client{cfg: cfg, log: log}
	if err := c.register(reg); err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes the idle connections. Calls under way go on.
func (c *Client) Close() {
	if s := c.opened.Load(); s != nil {
		s.transport.CloseIdleConnections()
	}
}

// Answer is a success of Kinesis.
type Answer struct {
	Body      []byte // the service's JSON without members that are null; empty for some calls
	RequestID string // the service's id of the call
}

// Call sends body as operation op (one of the Op constants) and relays the answer. Throttles,
// failures of the service and lost connections are tried again, as often as the
// configuration allows and within its time budget; a write may therefore happen twice.
// Errors: *APIError, ErrUnreachable, ErrTimeout, ErrCredentials, ErrRegion, or the cause of
// the end of ctx; then the call may have had its effect all the same.
func (c *Client) Call(ctx context.Context, op string, body *Body) (*Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Budget, ErrTimeout)
	defer cancel()
	return c.call(ctx, op, body)
}

// call is Call inside a budget that ctx already carries.
func (c *Client) call(ctx context.Context, name string, body *Body) (*Answer, error) {
	op := c.operations[name]
	if op == nil {
		return nil, fmt.Errorf("calling kinesis: no operation %q", name)
	}
	unsure := false // an earlier try may have had its effect
	started := time.Now()
	for try := 1; ; try++ {
		answer, err := c.send(ctx, op, body)
		if err == nil {
			return answer, nil
		}
		if unsure && name == OpDeleteStream && isClass(err, ClassNotFound) {
			return &Answer{}, nil // it was there at the first try
		}
		reason := retryReason(err)
		if reason == "" || try >= c.cfg.Tries || !c.pause(ctx, try) {
			return nil, err
		}
		unsure = unsure || reason != retryThrottle
		if unsure && name == OpCreateStream {
			if settled, answer, err := c.settleCreate(ctx, body, started, err); settled {
				return answer, err
			}
		}
		c.metrics.retries[reason].Inc()
	}
}

// send makes one try.
func (c *Client) send(ctx context.Context, op *operation, body *Body) (*Answer, error) {
	s, creds, err := c.credentials(ctx)
	if err != nil {
		return nil, err
	}
	req := s.request(ctx, op, body)
	if err := s.sign(ctx, creds, req, body.Bytes, time.Now()); err != nil {
		return nil, fmt.Errorf("signing %s: %w", op.name, err)
	}
	answer, err := exchange(s.transport, req)
	if err != nil {
		return nil, c.failure(ctx, op, s, err)
	}
	op.calls[outcomeOK].Inc()
	c.access.prove()
	return answer, nil
}

// exchange sends req and reads the answer whole.
func exchange(transport http.RoundTripper, req *http.Request) (*Answer, error) {
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := readAll(resp)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, newAPIError(resp.StatusCode, resp.Header, body)
	}
	if err := checkAnswer(resp.StatusCode, resp.Header, body); err != nil {
		return nil, err
	}
	return &Answer{Body: dropNulls(body), RequestID: resp.Header.Get(requestIDHeader)}, nil
}

func readAll(resp *http.Response) ([]byte, error) {
	if resp.ContentLength > maxAnswerBytes {
		return nil, fmt.Errorf("%d bytes, %d is the limit", resp.ContentLength, maxAnswerBytes)
	}
	if resp.ContentLength >= 0 {
		body := make([]byte, resp.ContentLength)
		_, err := io.ReadFull(resp.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	if err == nil && len(body) > maxAnswerBytes {
		err = fmt.Errorf("more than %d bytes, the limit", maxAnswerBytes)
	}
	return body, err
}

// failure counts a failed try and gives its error the form that callers know.
func (c *Client) failure(ctx context.Context, op *operation, s *session, err error) error {
	var api *APIError
	if !errors.As(err, &api) {
		op.calls[outcomeLost].Inc()
		if ctx.Err() != nil {
			return fmt.Errorf("calling %s: %w", op.name, context.Cause(ctx))
		}
		return fmt.Errorf("calling %s: %w: %w", op.name, ErrUnreachable, err)
	}
	switch api.Class() {
	case ClassAccess:
		op.calls[outcomeAccess].Inc()
		s.forgetExpired(api)
		c.access.doubt(c.log, api)
		return api
	case ClassThrottle:
		op.calls[outcomeThrottle].Inc()
	case ClassServer:
		op.calls[outcomeServer].Inc()
		return api
	default:
		op.calls[outcomeRefused].Inc()
	}
	c.access.prove() // the service has accepted our signature
	return api
}

func isClass(err error, class Class) bool {
	var api *APIError
	return errors.As(err, &api) && api.Class() == class
}

// retryReason tells why a failed try may be repeated; empty when it may not.
func retryReason(err error) string {
	switch {
	case isClass(err, ClassThrottle):
		return retryThrottle
	case isClass(err, ClassServer):
		return retryServer
	case errors.Is(err, ErrUnreachable) && !neverConnected(err):
		return retryConnection
	}
	return ""
}

// pause waits before the try after try number try, from 1. It returns false, at once, when
// the wait does not fit into what is left of ctx.
func (c *Client) pause(ctx context.Context, try int) bool {
	longest := min(lastPause, firstPause<<min(try-1, 10))
	wait := leastPause + rand.N(longest-leastPause) // #nosec: spreads load, hides nothing
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// clockSkew is how far the service's clock may be behind ours when settleCreate compares them.
const clockSkew = 5 * time.Second

// settleCreate finds out what became of a CreateStream whose outcome is unknown because of
// cause. It is settled when the stream exists, as ours if it was created since started, or
// when the question cannot be answered. It is not when there is no such stream: try again.
func (c *Client) settleCreate(ctx context.Context, create *Body, started time.Time, cause error) (bool, *Answer, error) {
	var request struct{ StreamName string }
	if err := json.Unmarshal(create.Bytes, &request); err != nil {
		return true, nil, cause
	}
	question := NewBody()
	defer question.Free()
	question.Bytes = fmt.Appendf(question.Bytes, `{"StreamName":%q}`, request.StreamName)
	answer, err := c.send(ctx, c.operations[OpDescribeStreamSummary], question)
	if isClass(err, ClassNotFound) {
		return false, nil, nil
	}
	if err != nil {
		return true, nil, cause
	}
	var summary struct {
		StreamDescriptionSummary struct {
			StreamStatus            string
			StreamCreationTimestamp float64 // seconds
		}
	}
	if err := json.Unmarshal(answer.Body, &summary); err != nil {
		return true, nil, cause
	}
	stream := summary.StreamDescriptionSummary
	created := time.UnixMilli(int64(stream.StreamCreationTimestamp * 1000))
	if stream.StreamStatus == "CREATING" || !created.Before(started.Add(-clockSkew)) {
		return true, &Answer{RequestID: answer.RequestID}, nil
	}
	return true, nil, &APIError{
		Status: http.StatusBadRequest, Type: "ResourceInUseException", RequestID: answer.RequestID,
		Message: fmt.Sprintf("Stream %s already exists.", request.StreamName),
	}
}
