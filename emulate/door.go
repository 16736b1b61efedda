package emulate

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswerBytes is how much of an answer is read.
const maxAnswerBytes = 1 << 20

// door is one of the routes that events go to: a topic or a stream.
type door struct {
	name        string // of the topic or stream
	stream      bool
	method      string
	url         string
	contentType string
	event       func(Post) []byte
	counts      counts
}

// events are the three of a post, by the last part of their topic's or stream's name, in the order in which they go out.
var events = [...]struct {
	name string
	of   func(Post) []byte
}{
	{"pin", func(p Post) []byte { return p.Pin }},
	{"geo", func(p Post) []byte { return p.Geo }},
	{"user", func(p Post) []byte { return p.User }},
}

func topicDoors(base, prefix string) []*door {
	var doors []*door
	for _, event := range events {
		name := prefix + "." + event.name
		doors = append(doors, &door{
			name: name, method: http.MethodPost, url: base + "/topics/" + name,
			contentType: "application/vnd.kafka.json.v2+json", event: event.of,
		})
	}
	return doors
}

func streamDoors(base, prefix string) []*door {
	var doors []*door
	for _, event := range events {
		name := "streaming-" + prefix + "-" + event.name
		doors = append(doors, &door{
			name: name, stream: true, method: http.MethodPut, url: base + "/streams/" + name + "/record",
			contentType: "application/json", event: event.of,
		})
	}
	return doors
}

// body is what the posting scripts send.
func (d *door) body(post Post) []byte {
	event := d.event(post)
	b := make([]byte, 0, len(event)+len(d.name)+len(post.Key)+64)
	if !d.stream {
		b = append(b, `{"records":[{"value":`...)
		b = append(b, event...)
		return append(b, `}]}`...)
	}
	b = append(b, `{"StreamName":`...)
	b = appendString(b, d.name)
	b = append(b, `,"Data":`...)
	b = append(b, event...)
	b = append(b, `,"PartitionKey":`...)
	b = appendString(b, post.Key)
	return append(b, '}')
}

// send posts one event and counts the outcome. It tells whether the server answered at all.
//
// Only 429 and 503 are repeated: there the server has said that it did not take the event. After a lost connection
// or a missing answer the event may be stored, so it is not sent again: it counts as failed, and as unknown.
func (e *Emulator) send(ctx, requests context.Context, d *door, post Post) (answered bool) {
	body := d.body(post)
	d.counts.sent.Add(1)
	waited := time.Duration(0)
	for try := 0; ; try++ {
		err := e.attempt(requests, d, body)
		var busy *busyError
		if err == nil {
			d.counts.acknowledged.Add(1)
			return true
		}
		if !errors.As(err, &busy) {
			answered = !errors.Is(err, errNoAnswer)
			e.fail(d, err)
			return answered
		}
		pause := busy.pause(try)
		if try >= e.cfg.MaxRetries || waited+pause > e.cfg.MaxWait || !sleep(ctx, pause) {
			e.fail(d, busy)
			return true
		}
		waited += pause
		d.counts.retried.Add(1)
	}
}

func (e *Emulator) fail(d *door, err error) {
	if errors.Is(err, errUnknown) {
		d.counts.unknown.Add(1)
	}
	d.counts.failed.Add(1)
	e.tally.cause(d, err)
	e.log.Debug("event not acknowledged", "to", d.name, "err", err)
}

var (
	// errNoAnswer: no whole answer came.
	errNoAnswer = errors.New("no answer")
	// errUnknown: the event may be stored all the same.
	errUnknown = errors.New("it may be stored all the same")
)

// attempt makes one request. The error is nil only when the server has acknowledged the event.
func (e *Emulator) attempt(ctx context.Context, d *door, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, d.method, d.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", d.contentType)
	req.Header.Set("Accept", "*/*")
	req.Header.Set("User-Agent", "headrace-emulate")
	resp, err := e.client.Do(req)
	if err != nil {
		return e.noAnswer(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return e.noAnswer(err)
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		return &busyError{cause: refusal(resp.StatusCode, answer), after: retryAfter(resp.Header)}
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(resp.StatusCode, answer)
	}
	if d.stream {
		return judgeStream(answer)
	}
	return judgeTopic(answer)
}

// noAnswer tells what happened to a request without a whole answer. Only when no connection came about is it sure
// that nothing was stored. The text is without the URL.
func (e *Emulator) noAnswer(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &network) && network.Op == "dial", errors.As(err, &certificate):
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w within %s: %w", errNoAnswer, e.cfg.Timeout, errUnknown)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%w before the run was stopped: %w", errNoAnswer, errUnknown)
	case network != nil:
		err = network.Err // without the port of our end: alike causes are counted as one
	}
	return fmt.Errorf("%w: connection lost (%w): %w", errNoAnswer, err, errUnknown)
}

// busyError is a 429 or 503.
type busyError struct {
	cause error
	after time.Duration // as the server asked; negative when it didn't say
}

func (b *busyError) Error() string {
	if b.after < 0 {
		return b.cause.Error()
	}
	return fmt.Sprintf("%v (Retry-After: %s)", b.cause, b.after)
}

// pause is the wait before retry number try, from 0: what the server asked for, else 100 ms doubling to 5 s, with jitter.
func (b *busyError) pause(try int) time.Duration {
	if b.after >= 0 {
		return b.after
	}
	full := min(100*time.Millisecond<<try, 5*time.Second)
	return full/2 + rand.N(full/2)
}

// retryAfter reads seconds or an HTTP date (RFC 9110, 10.2.3); -1 when there is neither.
func retryAfter(header http.Header) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return -1
}

// judgeTopic looks for an acknowledgement in a 200 of POST /topics/{topic} for one record.
func judgeTopic(answer []byte) error {
	var v2 struct {
		Offsets []struct {
			Partition *int64          `json:"partition"`
			Offset    *int64          `json:"offset"`
			ErrorCode json.RawMessage `json:"error_code"`
			Error     *string         `json:"error"`
		} `json:"offsets"`
	}
	if err := json.Unmarshal(answer, &v2); err != nil || len(v2.Offsets) != 1 {
		return insideOK("not an answer of REST v2 for one record", answer)
	}
	result := v2.Offsets[0]
	switch {
	case len(result.ErrorCode) > 0 && string(result.ErrorCode) != "null":
		text := ""
		if result.Error != nil {
			text = *result.Error
		}
		return fmt.Errorf("HTTP 200 with error_code %s inside: %s", result.ErrorCode, clip(text))
	case result.Error != nil:
		return fmt.Errorf("HTTP 200 with an error inside: %s", clip(*result.Error))
	case result.Partition == nil || result.Offset == nil:
		return insideOK("without partition and offset", answer)
	case *result.Offset < 0:
		return errors.New("HTTP 200 with offset -1: the server did not wait for Kafka (acks=0)")
	}
	return nil
}

// judgeStream looks for an acknowledgement in a 200 of PUT /streams/{stream}/record.
// API Gateway's default mapping answers 200 for every error of Kinesis.
func judgeStream(answer []byte) error {
	var result struct {
		ShardID           string `json:"ShardId"`
		SequenceNumber    string
		FailedRecordCount int
		ErrorCode         *string
		Type              *string `json:"__type"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return insideOK("not an answer of PutRecord", answer)
	}
	switch {
	case result.Type != nil, result.ErrorCode != nil, result.FailedRecordCount > 0:
		return insideOK("an error inside", answer)
	case result.ShardID == "" || result.SequenceNumber == "":
		return insideOK("without ShardId and SequenceNumber", answer)
	}
	return nil
}

func insideOK(what string, answer []byte) error {
	return fmt.Errorf("HTTP 200, but %s: %s", what, clip(string(answer)))
}

// refusal is the cause in an answer that isn't 200: the error body of Kafka REST, AWS or API Gateway in short, else its beginning.
func refusal(status int, answer []byte) error {
	var body struct {
		ErrorCode json.Number `json:"error_code"`
		Type      string      `json:"__type"`
		Message   string      `json:"message"` // also reads AWS's Message
	}
	if json.Unmarshal(answer, &body) != nil || body.Message == "" && body.Type == "" && body.ErrorCode == "" {
		if text := clip(string(answer)); text != "" {
			return fmt.Errorf("HTTP %d: %s", status, text)
		}
		return fmt.Errorf("HTTP %d", status)
	}
	kind := ""
	if body.Type != "" {
		kind = body.Type + ": "
	}
	if body.ErrorCode != "" {
		kind = "error_code " + body.ErrorCode.String() + ": "
	}
	return fmt.Errorf("HTTP %d: %s%s", status, kind, clip(body.Message))
}

// clip makes a short line of an answer's text, fit for a terminal.
func clip(text string) string {
	const most = 200
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	text = strings.ToValidUTF8(text, "\ufffd")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
