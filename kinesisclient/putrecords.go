package kinesisclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"headrace/rawjson"
)

// Limits of one PutRecords call. Source: Kinesis API reference, PutRecords.
const (
	MaxRecords      = 500
	MaxRecordsBytes = 10 << 20 // data before base64 and keys, of all records
)

// Batch is the body of a PutRecords request, {"StreamName":…,"Records":[…]}, and where its
// records stand in it.
type Batch struct {
	Body    *Body
	Entries []Entry // in the order of the body, at least one
}

// Entry is one record of a Batch.
type Entry struct {
	Start, End int    // Batch.Body.Bytes[Start:End] is the record's JSON object
	Size       int    // bytes of its data before base64 and of its key
	Key        string // its partition key; needed only when Ordered tells so
}

// Split tells whether batches of more than MaxRecords are taken.
func (c *Client) Split() bool { return c.cfg.SplitBatches }

// Ordered tells whether the order of records of one key is kept, for which PutRecords needs
// Entry.Key.
func (c *Client) Ordered() bool { return c.cfg.Ordered }

// PutRecords writes a batch. Records that fail for reasons that pass are sent again, alone,
// as often as the configuration allows. The answer is the service's: one result per record in
// the order of the batch, each {SequenceNumber, ShardId} or {ErrorCode, ErrorMessage}; it is
// a success even when every record failed. A batch over the limits of one call goes in
// several, one after the other; once one of them has been answered, the failure of a later
// one shows in the results of its records. The errors are those of Call: then nothing was
// stored, or it is unknown what was.
//
// A record that is sent again may come behind later ones of its key. In ordered mode it is
// sent again only if it is the last of its key in the call and the only one that failed, and
// when it fails for good, the records of its key in later calls are not sent.
func (c *Client) PutRecords(ctx context.Context, b *Batch) (*Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Budget, ErrTimeout)
	defer cancel()
	p := &put{client: c, batch: b}
	for from := 0; from < len(b.Entries); {
		to := chunkEnd(b.Entries, from)
		whole, err := p.chunk(ctx, from, to)
		if err != nil {
			return nil, err
		}
		if whole != nil {
			c.metrics.records[recordStored].Add(float64(len(b.Entries)))
			return whole, nil
		}
		from = to
	}
	return p.answer(), nil
}

// chunkEnd returns the end of the longest run of entries from the given one that fits into a call.
func chunkEnd(entries []Entry, from int) int {
	size := 0
	for i := from; i < len(entries); i++ {
		size += entries[i].Size
		if i > from && (size > MaxRecordsBytes || i-from == MaxRecords) {
			return i
		}
	}
	return len(entries)
}

// put is one PutRecords under way. Its lists are made when a call did not simply succeed.
type put struct {
	client     *Client
	batch      *Batch
	results    []result        // one per entry of the batch
	stopped    map[string]bool // keys with a record that failed, in ordered mode
	encryption []byte          // the answer's EncryptionType, as JSON
	requestID  string          // of the first answer
	ended      error           // a call failed whole after others were answered: no more are made
}

// result is what became of one entry; the zero value: not known yet.
type result struct {
	json []byte // as the answer shows it
	code string // its ErrorCode; empty when the record is stored
}

// chunk writes the entries from and up to, not including, to. When these are the whole batch
// and all is well, it returns the service's answer as it is.
func (p *put) chunk(ctx context.Context, from, to int) (*Answer, error) {
	entries := p.batch.Entries
	if from == 0 && to == len(entries) {
		answer, err := p.client.call(ctx, OpPutRecords, p.batch.Body)
		if err != nil {
			return nil, err
		}
		if !bytes.Contains(answer.Body, []byte(`"ErrorCode"`)) {
			return answer, nil
		}
		all := upTo(from, to)
		if err := p.take(answer, all); err != nil {
			return nil, err
		}
		return nil, p.resend(ctx, all)
	}
	open := p.sendable(from, to)
	if len(open) == 0 {
		return nil, nil
	}
	if err := p.send(ctx, open); err != nil {
		return nil, err
	}
	return nil, p.resend(ctx, open)
}

func upTo(from, to int) []int {
	list := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

// sendable returns the entries of a chunk that may be sent, and gives the others their result.
func (p *put) sendable(from, to int) []int {
	open := upTo(from, to)
	if p.ended != nil {
		endedCode, _ := resultOf(p.ended)
		for _, i := range open {
			p.fail(i, endedCode, "not sent: an earlier call of this request failed")
		}
		return nil
	}
	if len(p.stopped) == 0 {
		return open
	}
	kept := open[:0]
	for _, i := range open {
		if !p.stopped[p.batch.Entries[i].Key] {
			kept = append(kept, i)
			continue
		}
		p.fail(i, "InternalFailure", "not sent, to keep the order: an earlier record of this partition key failed")
	}
	return kept
}

// send makes one call with the open entries. A call that fails whole is an error only while
// nothing has been answered: after that it is the result of these entries, except of those
// that have one already.
func (p *put) send(ctx context.Context, open []int) error {
	body := NewBody()
	defer body.Free()
	body.Bytes = p.batch.appendPart(body.Bytes, open)
	answer, err := p.client.call(ctx, OpPutRecords, body)
	if err == nil {
		err = p.take(answer, open)
	}
	if err == nil {
		return nil
	}
	if p.results == nil {
		return err
	}
	p.ended = err
	code, message := resultOf(err)
	for _, i := range open {
		if p.results[i].json == nil {
			p.fail(i, code, message)
		}
	}
	return nil
}

// appendPart appends the body of a call with only the entries of the given indices.
func (b *Batch) appendPart(out []byte, open []int) []byte {
	out = append(out, b.Body.Bytes[:b.Entries[0].Start]...)
	for n, i := range open {
		if n > 0 {
			out = append(out, ',')
		}
		out = append(out, b.Body.Bytes[b.Entries[i].Start:b.Entries[i].End]...)
	}
	return append(out, "]}"...)
}

// resend sends the failed entries among sent again, until none is left that may succeed or
// the rounds are used up.
func (p *put) resend(ctx context.Context, sent []int) error {
	for round := 1; p.ended == nil; round++ {
		failed := p.passing(sent)
		if len(failed) == 0 || round > p.client.cfg.RetryFailed || !p.client.pause(ctx, round) {
			break
		}
		p.client.metrics.retries[retryRecords].Inc()
		if err := p.send(ctx, failed); err != nil {
			return err
		}
	}
	if p.client.cfg.Ordered {
		p.stopKeys(sent)
	}
	return nil
}

// passing returns the entries among sent whose failure may pass and that may be sent again.
func (p *put) passing(sent []int) []int {
	last, failures := p.keyOrder(sent)
	var open []int
	for _, i := range sent {
		switch p.results[i].code {
		case "ProvisionedThroughputExceededException", "InternalFailure", "KMSThrottlingException":
		default:
			continue
		}
		key := p.batch.Entries[i].Key
		if p.client.cfg.Ordered && (last[key] != i || failures[key] > 1) {
			continue
		}
		open = append(open, i)
	}
	return open
}

// keyOrder returns, in ordered mode, the last entry of each key and how many of each failed.
func (p *put) keyOrder(sent []int) (last, failures map[string]int) {
	if !p.client.cfg.Ordered {
		return nil, nil
	}
	last, failures = make(map[string]int), make(map[string]int)
	for _, i := range sent {
		key := p.batch.Entries[i].Key
		last[key] = i
		if p.results[i].code != "" {
			failures[key]++
		}
	}
	return last, failures
}

func (p *put) stopKeys(sent []int) {
	for _, i := range sent {
		if p.results[i].code == "" {
			continue
		}
		if p.stopped == nil {
			p.stopped = make(map[string]bool)
		}
		p.stopped[p.batch.Entries[i].Key] = true
	}
}

// resultOf returns the ErrorCode and ErrorMessage of a record whose call failed with err.
func resultOf(err error) (code, message string) {
	var api *APIError
	switch {
	case errors.As(err, &api):
		return api.Type, api.Message
	case errors.Is(err, ErrTimeout):
		return "RequestTimeout", "no answer in time: the record may have been stored"
	case errors.Is(err, ErrUnreachable):
		return "ServiceUnavailable", "kinesis cannot be reached: the record may have been stored"
	}
	return "InternalFailure", err.Error()
}

// fail makes an error the result of entry i.
func (p *put) fail(i int, code, message string) {
	p.need()
	text, err := json.Marshal(struct{ ErrorCode, ErrorMessage string }{code, message})
	if err != nil {
		text = []byte(`{"ErrorCode":"InternalFailure"}`)
	}
	p.results[i] = result{json: text, code: code}
}

func (p *put) need() {
	if p.results == nil {
		p.results = make([]result, len(p.batch.Entries))
	}
}

// take puts the results of an answer to the entries they belong to.
func (p *put) take(answer *Answer, sent []int) error {
	results, encryption, err := parseResults(answer.Body, len(sent))
	if err != nil {
		return &APIError{
			Status: http.StatusBadGateway, Type: "InternalFailure", RequestID: answer.RequestID,
			Message: fmt.Sprintf("the answer to PutRecords cannot be read: %v", err),
		}
	}
	p.need()
	for n, i := range sent {
		p.results[i] = results[n]
	}
	p.encryption = encryption
	if p.requestID == "" {
		p.requestID = answer.RequestID
	}
	return nil
}

// answer writes the one answer of all calls, members in the service's order.
func (p *put) answer() *Answer {
	failed, size := 0, 64
	for _, r := range p.results {
		size += len(r.json) + 1
		if r.code != "" {
			failed++
		}
	}
	p.client.metrics.records[recordFailed].Add(float64(failed))
	p.client.metrics.records[recordStored].Add(float64(len(p.results) - failed))
	out := append(make([]byte, 0, size), `{"FailedRecordCount":`...)
	out = strconv.AppendInt(out, int64(failed), 10)
	out = append(out, `,"Records":[`...)
	for i, r := range p.results {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, r.json...)
	}
	out = append(out, ']')
	if p.encryption != nil {
		out = append(append(out, `,"EncryptionType":`...), p.encryption...)
	}
	return &Answer{Body: append(out, '}'), RequestID: p.requestID}
}

// parseResults reads an answer to PutRecords, which must hold want results. What it returns
// are slices of body. The answer's own count of failures is not trusted: some servers leave it out.
func parseResults(body []byte, want int) (results []result, encryption []byte, err error) {
	s := rawjson.NewScanner(body)
	if err := s.Object(); err != nil {
		return nil, nil, err
	}
	for {
		name, ok, err := s.Member()
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			break
		}
		if string(name) == "Records" {
			results, err = parseResultList(s, want)
		} else {
			var value []byte
			named := string(name) == "EncryptionType"
			if value, err = s.Value(); named {
				encryption = value
			}
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if len(results) != want {
		return nil, nil, fmt.Errorf("%d results for %d records", len(results), want)
	}
	return results, encryption, s.Finish()
}

func parseResultList(s *rawjson.Scanner, want int) ([]result, error) {
	if err := s.Array(); err != nil {
		return nil, err
	}
	results := make([]result, 0, want)
	for {
		ok, err := s.Element()
		if err != nil || !ok {
			return results, err
		}
		if len(results) == want {
			return nil, fmt.Errorf("more than %d results", want)
		}
		text, err := s.Value()
		if err != nil {
			return nil, err
		}
		r := result{json: text}
		if bytes.Contains(text, []byte(`"ErrorCode"`)) {
			var members struct{ ErrorCode string }
			if err := json.Unmarshal(text, &members); err != nil {
				return nil, err
			}
			r.code = members.ErrorCode
		}
		results = append(results, r)
	}
}
