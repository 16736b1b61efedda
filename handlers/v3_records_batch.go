package handlers

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"headrace/kafkaclient"
	"headrace/rawjson"
	"headrace/record"
)

// maxEntryID is the longest id of an entry of a batch.
const maxEntryID = 80

// batchFault is a refusal of a whole batch (contract: kafka-rest-v3.md §4).
func batchFault(text string) *apiError { return unprocessable(42208, "%s", text) }

// batchEntry is one entry of a batch and what became of it.
type batchEntry struct {
	id    string
	bytes int // of its JSON text
	rec   v3Record
	fault error
	ack   record.Ack
	at    time.Time
}

// v3ProduceBatch stores the entries of the body and answers, when all are done, which of them are.
func (h *Handlers) v3ProduceBatch(w http.ResponseWriter, r *http.Request) error {
	began := time.Now()
	b, err := readBody(r, h.budget, h.cfg.MaxRequestBytes)
	if err != nil {
		return err
	}
	entries, err := h.readBatch(b)
	if err != nil {
		b.release()
		return err
	}
	cluster, topic := pathParam(r, "cluster_id"), pathParam(r, "topic_name")
	unknown := h.sendBatch(r, cluster, topic, entries)
	body := batchAnswer(cluster, topic, entries)
	for i := range entries {
		if entries[i].fault == nil {
			keepAnswer(w)
		}
		code := http.StatusOK
		if err := entries[i].failure(); err != nil {
			code, _ = receiptError(topic, err)
			code = notedCode(err, code)
			if errors.Is(err, kafkaclient.ErrUnknownOutcome) {
				keepAnswer(w)
			}
		}
		noteProduce(w, entries[i].bytes, time.Since(began), code)
	}
	writeBody(w, http.StatusMultiStatus, typeJSON, body)
	if unknown != nil {
		unknown.AfterEnd(b.abandon) // until then Kafka's client holds the memory
		return nil
	}
	b.release()
	return nil
}

func (e *batchEntry) failure() error {
	if e.fault != nil {
		return e.fault
	}
	return e.ack.Err
}

// readBatch reads the entries. Nothing has been sent when it fails.
func (h *Handlers) readBatch(b *body) ([]batchEntry, error) {
	text, err := rawjson.UTF8(b.bytes)
	if err != nil {
		return nil, badRequest("%s", err)
	}
	d := &recordReader{}
	d.scanner.Reset(text)
	s := &d.scanner
	kind, err := s.Kind()
	if err != nil {
		return nil, err
	}
	if kind == rawjson.End || kind == rawjson.Null {
		return nil, batchFault("Request body is empty. Data is required.")
	}
	var entries []batchEntry
	ids := map[string]bool{}
	count := 0
	err = readMembers(s, "the body", fields{"entries": func(s *rawjson.Scanner) error {
		entries, count = nil, 0
		clear(ids)
		_, err := readArray(s, "entries", func() error {
			if err := b.grow(recordCost); err != nil {
				return err
			}
			e, err := d.entry()
			if err != nil {
				return err
			}
			if count++; count <= h.cfg.BatchEntries {
				entries = append(entries, e)
			}
			ids[e.id] = true
			return nil
		})
		return err
	}})
	if err == nil {
		err = s.Finish()
	}
	switch {
	case err != nil:
		return nil, err
	case len(ids) < count:
		return nil, batchFault("Batch entry IDs are not distinct.")
	case count == 0:
		return nil, batchFault("Empty batch.")
	case count > h.cfg.BatchEntries:
		return nil, batchFault("Too many entries in batch.")
	}
	return entries, nil
}

// entry reads the next entry of a batch.
func (d *recordReader) entry() (e batchEntry, err error) {
	kind, err := d.scanner.Kind()
	if err != nil {
		return e, err
	}
	if kind != rawjson.Object {
		return e, badRequest("an entry is %s, an object is wanted", kindName(kind))
	}
	d.fault = nil
	var invalid error
	given := false
	start := d.scanner.Offset()
	err = d.record(&e.rec, func(name, value []byte) bool {
		if string(name) != "id" {
			return false
		}
		given = true
		e.id, invalid = entryID(value)
		return true
	})
	e.bytes = d.scanner.Offset() - start
	var fault *mappingError
	switch {
	case err != nil:
		return e, err
	case errors.As(d.fault, &fault) && fault.member != "":
		return e, unprocessable(http.StatusUnprocessableEntity, "Unrecognized field: %s", fault.member)
	case d.fault != nil:
		return e, badRequest("%s", d.fault)
	case invalid != nil:
		return e, invalid
	case !given:
		return e, nullMember("ProduceBatchRequestEntry", "id")
	}
	return e, nil
}

// entryID reads the id of an entry.
func entryID(value []byte) (string, error) {
	invalid := batchFault("Batch entry identifier is not a valid string.")
	if value[0] != '"' {
		return "", invalid
	}
	id := string(rawjson.Unquote(value))
	if id == "" || len(id) > maxEntryID {
		return "", invalid
	}
	for _, c := range id {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-') {
			return "", invalid
		}
	}
	return id, nil
}

// sendBatch sends all entries that can be, without waiting for one another, and sets their ends. It
// returns the error of those whose end nobody waited for, or nil.
func (h *Handlers) sendBatch(r *http.Request, cluster, topic string, entries []batchEntry) *kafkaclient.UnknownOutcomeError {
	var trace traceHeaders
	if h.cfg.TraceHeaders {
		trace = traceOf(r)
	}
	now := time.Now().Truncate(time.Millisecond)
	recs, sent := make([]record.Record, 0, len(entries)), make([]*batchEntry, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		rec, err := h.entryRecord(r.Context(), cluster, topic, e)
		if err != nil {
			e.fault = err
			continue
		}
		if rec.Timestamp.IsZero() {
			rec.Timestamp = now
		}
		rec.Headers = trace.addTo(rec.Headers)
		e.at = rec.Timestamp
		recs, sent = append(recs, rec), append(sent, e)
	}
	acks := h.producer.Produce(r.Context(), recs)
	for i, e := range sent {
		e.ack = acks[i]
	}
	return unknownOutcome(acks)
}

// entryRecord makes the Kafka record of an entry. Its errors are of that entry alone.
func (h *Handlers) entryRecord(ctx context.Context, cluster, topic string, e *batchEntry) (rec record.Record, err error) {
	if err := h.limits.allow(ctx, cluster, e.bytes); err != nil {
		return rec, err
	}
	err = h.serialize(ctx, topic, &e.rec, &rec)
	return rec, err
}

// batchAnswer lists the entries that were stored and those that were not, each in their order.
func batchAnswer(cluster, topic string, entries []batchEntry) []byte {
	r := newReceipts(cluster, topic)
	out := []byte(`{"successes":[`)
	comma := func() {
		if last := out[len(out)-1]; last != '[' {
			out = append(out, ',')
		}
	}
	for i := range entries {
		if e := &entries[i]; e.failure() == nil {
			comma()
			out = appendString(append(out, `{"id":`...), e.id)
			out = append(r.appendStored(append(out, ','), e.ack, e.at, &e.rec.key.shownData, &e.rec.value.shownData), '}')
		}
	}
	out = append(out, `],"failures":[`...)
	for i := range entries {
		if err := entries[i].failure(); err != nil {
			comma()
			code, message := receiptError(topic, err)
			out = appendString(append(out, `{"id":`...), entries[i].id)
			out = strconv.AppendInt(append(out, `,"error_code":`...), int64(code), 10)
			out = append(appendString(append(out, `,"message":`...), message), '}')
		}
	}
	return append(out, `]}`...)
}
