package handlers

import (
	"context"
	"encoding/base64"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"headrace/kafkaclient"
	"headrace/rawjson"
	"headrace/record"
	"headrace/schema"
)

// errFormatMismatch refuses to read an instance in another format than its own.
var errFormatMismatch = &apiError{http.StatusNotAcceptable, 40601, "The requested embedded data format does not match the deserializer for this consumer instance"}

// records answers GET …/records: an array of records, or an event stream (contract:
// kafka-rest-v2.md §4.8).
func (h *Handlers) records(c *Consumers) http.HandlerFunc {
	return h.negotiated(c, recordTypes, c.read)
}

func (c *Consumers) read(w http.ResponseWriter, r *http.Request, chosen accepted) error {
	query := r.URL.Query()
	timeout, err := queryNumber(query, "timeout")
	if err != nil {
		return err
	}
	maxBytes, err := queryNumber(query, "max_bytes")
	if err != nil {
		return err
	}
	i, err := c.find(r)
	if err != nil {
		return err
	}
	spec := i.Spec()
	chosen, fits := chosen.forInstance(format(spec.Format))
	if !fits {
		return errFormatMismatch
	}
	options := kafkaclient.ReadOptions{
		Wait: shorter(spec.Wait, timeout), MinBytes: spec.MinBytes, MaxBytes: c.maxBytes(maxBytes), FullWait: c.cfg.FullWait,
	}
	encoder := recordEncoder{
		format: format(spec.Format), extensions: chosen.extensions || c.cfg.Extensions, onUndecodable: c.cfg.OnUndecodable,
		decodeSchema: c.cfg.DecodeSchema, ctx: r.Context(),
	}
	if chosen.acceptsEvents() {
		return c.stream(w, r, i, options, encoder)
	}
	a := c.answers.Get().(*recordsAnswer)
	*a = recordsAnswer{recordEncoder: encoder, out: newClientWriter(w), contentType: chosen.answer, buf: a.buf[:0]}
	err = i.Read(r.Context(), options, a)
	if err != nil && a.out.begun() {
		c.log.Debug("a client has left while it was sent records: they come again", "group", spec.Group, "instance", spec.Name, "err", err)
		panic(http.ErrAbortHandler) // the answer is not whole, and must not look so
	}
	if cap(a.buf) <= 2*answerFlush {
		*a = recordsAnswer{buf: a.buf[:0]}
		c.answers.Put(a)
	}
	return err
}

// queryNumber reads a 64-bit query parameter, 0 when it is absent or empty. Of a repeated one the
// first counts. Text that is no number is a 404, as in the reference.
func queryNumber(query url.Values, name string) (int64, error) {
	text := query.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errNotFound
	}
	return n, nil
}

// shorter is wait, or so many milliseconds if they are fewer and more than none.
func shorter(wait time.Duration, millis int64) time.Duration {
	if millis > 0 && millis < wait.Milliseconds() {
		return time.Duration(millis) * time.Millisecond
	}
	return max(wait, 0)
}

// maxBytes is the bound of an answer that asks for n.
func (c *Consumers) maxBytes(n int64) int64 {
	limit := c.cfg.RequestMaxBytes
	if limit <= 0 {
		limit = math.MaxInt64
	}
	if n > 0 {
		return min(n, limit)
	}
	return limit
}

// answerFlush is how much of an answer is collected before it is sent on.
const answerFlush = 64 << 10

// recordsAnswer is an answer that is an array of records.
type recordsAnswer struct {
	recordEncoder
	out         clientWriter
	contentType string
	buf         []byte
	some        bool // there was a record
}

var _ kafkaclient.Answer = (*recordsAnswer)(nil)

// Take adds a record.
func (a *recordsAnswer) Take(rec *record.Record, room int64) (int64, error) {
	start := len(a.buf)
	if a.some {
		a.buf = append(a.buf, ',')
	} else {
		a.buf = append(a.buf, '[')
	}
	buf, size, err := a.encode(a.buf, rec, room)
	if err != nil {
		a.buf = a.buf[:start]
		return size, err
	}
	a.buf, a.some = buf, true
	return size, nil
}

// Flush sends what has been taken once it is much.
func (a *recordsAnswer) Flush() error {
	if len(a.buf) < answerFlush {
		return nil
	}
	a.out.begin(http.StatusOK, a.contentType, -1)
	err := a.out.write(a.buf)
	a.buf = a.buf[:0]
	return err
}

// Finish sends the rest, and waits until the connection has taken it.
func (a *recordsAnswer) Finish() error {
	if !a.some {
		a.buf = append(a.buf, '[')
	}
	a.buf = append(a.buf, ']')
	if !a.out.begun() {
		a.out.begin(http.StatusOK, a.contentType, len(a.buf))
	}
	return errors.Join(a.out.write(a.buf), a.out.flush())
}

// recordEncoder writes records as an instance's clients read them.
type recordEncoder struct {
	format        format
	extensions    bool
	onUndecodable string
	decodeSchema  func(ctx context.Context, data []byte) ([]byte, error)
	ctx           context.Context //nolint:containedctx // of the one call that the encoder lives for
	scanner       rawjson.Scanner
}

// encode appends rec as JSON, if its size is less than room. Else it is kafkaclient.ErrFull.
func (e *recordEncoder) encode(dst []byte, rec *record.Record, room int64) (out []byte, size int64, err error) {
	key, value, size := rec.Key, rec.Value, int64(len(rec.Key)+len(rec.Value))
	keyText, valueText := false, false
	if e.format.hasSchema() {
		if key, keyText, err = e.decode(rec, "key", rec.Key); err != nil {
			return dst, 0, err
		}
		if value, valueText, err = e.decode(rec, "value", rec.Value); err != nil {
			return dst, 0, err
		}
		size = int64(len(key) + len(value))
	}
	if size >= room {
		return dst, size, kafkaclient.ErrFull
	}
	dst = append(dst, `{"topic":"`...)
	dst = append(dst, rec.Topic...) // Kafka's names need no escapes
	dst = append(dst, `","key":`...)
	if dst, err = e.appendPart(dst, rec, "key", key, keyText); err != nil {
		return dst, 0, err
	}
	dst = append(dst, `,"value":`...)
	if dst, err = e.appendPart(dst, rec, "value", value, valueText); err != nil {
		return dst, 0, err
	}
	dst = append(dst, `,"partition":`...)
	dst = strconv.AppendInt(dst, int64(rec.Partition), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, rec.Offset, 10)
	if e.extensions {
		dst = appendExtensions(dst, rec)
	}
	return append(dst, '}'), size, nil
}

// decode turns a key or value with a schema into its JSON text. text is false when it is to be
// written as the bytes it is.
func (e *recordEncoder) decode(rec *record.Record, part string, data []byte) (out []byte, text bool, err error) {
	if data == nil {
		return nil, false, nil
	}
	out, err = e.decodeSchema(e.ctx, data)
	if err != nil {
		var never *schema.DataError
		if !errors.As(err, &never) {
			// The registry does not answer, say: another read may succeed. The reference's client has one
			// code for all that it cannot read (contract: kafka-rest-v2.md §4.9).
			return nil, false, &apiError{http.StatusRequestTimeout, 40801, err.Error()}
		}
		if e.onUndecodable == "base64" {
			return data, false, nil
		}
		return nil, false, e.undecodable(rec, part, err)
	}
	return out, true, nil
}

// appendPart appends a key or value. text says that it is JSON already.
func (e *recordEncoder) appendPart(dst []byte, rec *record.Record, part string, data []byte, text bool) ([]byte, error) {
	switch {
	case data == nil:
		return append(dst, "null"...), nil
	case text:
		return append(dst, data...), nil
	case e.format != formatJSON:
		return appendBase64(dst, data), nil
	}
	start := len(dst)
	dst, err := e.appendJSON(dst, data)
	if err == nil {
		return dst, nil
	}
	if e.onUndecodable == "base64" {
		return appendBase64(dst[:start], data), nil
	}
	return dst[:start], e.undecodable(rec, part, err)
}

// undecodable is the error of a record that cannot be read.
func (e *recordEncoder) undecodable(rec *record.Record, part string, err error) error {
	if e.onUndecodable == "skip" {
		return kafkaclient.ErrSkip
	}
	return &kafkaclient.UndecodableError{
		TopicPartition: kafkaclient.TopicPartition{Topic: rec.Topic, Partition: rec.Partition}, Offset: rec.Offset, Part: part, Cause: err,
	}
}

// errEmptyJSON says that there is no JSON value in no bytes.
var errEmptyJSON = errors.New("it is empty, which is no JSON value")

// appendJSON appends the first JSON value of data without white space; what follows it does not
// count, as in the reference. data stays as it is.
func (e *recordEncoder) appendJSON(dst, data []byte) ([]byte, error) {
	if len(data) == 0 {
		return dst, errEmptyJSON
	}
	if c := data[0]; c == 0 || c >= 0x80 || len(data) > 1 && data[1] == 0 { // a byte order mark, or UTF-16
		text, err := rawjson.UTF8(append([]byte(nil), data...))
		if err != nil {
			return dst, err
		}
		data = text
	}
	start := len(dst)
	dst = append(dst, data...)
	e.scanner.Reset(dst[start:])
	value, err := e.scanner.Value()
	if err != nil {
		return dst, err
	}
	n := copy(dst[start:], value) // to the front, where it is unless white space stood there
	return dst[:start+n], nil
}

func appendBase64(dst, data []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, '"')
}

// appendExtensions appends what v2 does not know: time and headers.
func appendExtensions(dst []byte, rec *record.Record) []byte {
	dst = append(dst, `,"timestamp":`...)
	dst = strconv.AppendInt(dst, rec.Timestamp.UnixMilli(), 10)
	dst = append(dst, `,"headers":[`...)
	for n, header := range rec.Headers {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"key":`...)
		dst = appendString(dst, header.Key)
		dst = append(dst, `,"value":`...)
		if header.Value == nil {
			dst = append(dst, "null"...)
		} else {
			dst = appendBase64(dst, header.Value)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// clientWriter sends an answer in parts. A client that does not take one within writeWait is given up.
type clientWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	started bool
}

// writeWait is how long a client may take for one part of an answer.
const writeWait = 30 * time.Second

func newClientWriter(w http.ResponseWriter) clientWriter {
	return clientWriter{w: w, control: http.NewResponseController(w)}
}

func (c *clientWriter) begun() bool { return c.started }

// begin writes the head of the answer, once; length below 0 is not known.
func (c *clientWriter) begin(status int, contentType string, length int) {
	if c.started {
		return
	}
	c.started = true
	header := c.w.Header()
	header["Content-Type"] = []string{contentType}
	if length >= 0 {
		header["Content-Length"] = []string{strconv.Itoa(length)}
	}
	c.w.WriteHeader(status)
}

// write sends a part.
func (c *clientWriter) write(part []byte) error {
	_ = c.control.SetWriteDeadline(time.Now().Add(writeWait)) // not every writer can
	_, err := c.w.Write(part)
	return err
}

// flush waits until the connection has taken everything.
func (c *clientWriter) flush() error {
	err := c.control.Flush()
	_ = c.control.SetWriteDeadline(time.Time{})
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
