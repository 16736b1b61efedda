package handlers

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"headrace/kafkaclient"
	"headrace/record"
)

// receiptError returns the error_code and message that a receipt shows of a record that was not
// stored (contract: kafka-rest-v3.md §3.3).
func receiptError(topic string, err error) (code int, message string) {
	var (
		fault    *mappingError
		missing  *kafkaclient.NotInMetadataError
		tooLarge *kafkaclient.RecordTooLargeError
		invalid  *kafkaclient.InvalidTopicError
		api      *apiError
	)
	switch {
	case errors.As(err, &fault):
		code, message = http.StatusBadRequest, fault.text
	case errors.As(err, &missing):
		code, message = 40401, missing.Error()
	case errors.As(err, &tooLarge):
		code, message = http.StatusRequestEntityTooLarge, tooLarge.Error()
	case errors.As(err, &invalid):
		code, message = 40002, invalid.Error()
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		code, message = 40301, "Not authorized to access topics: ["+topic+"]"
	case errors.Is(err, kafkaclient.ErrTimeout), errors.Is(err, kafkaclient.ErrUnknownOutcome):
		code, message = 50003, err.Error()
	default:
		api = toAPIError(err)
		code, message = api.code, api.message
		if code/100 == http.StatusUnprocessableEntity {
			code, message = http.StatusUnprocessableEntity, "Error: "+strconv.Itoa(code)+" : "+message
		}
	}
	message, _, _ = strings.Cut(message, "\n")
	return code, message
}

// receipts writes what became of the records of one request.
type receipts struct {
	topic string
	head  []byte // `"cluster_id":…,"topic_name":…,"partition_id":`
	milli int64  // the millisecond that clock shows
	clock []byte
}

func newReceipts(cluster, topic string) *receipts {
	r := &receipts{topic: topic, milli: -1}
	r.head = appendString(append(r.head, `"cluster_id":`...), cluster)
	r.head = appendString(append(r.head, `,"topic_name":`...), topic)
	r.head = append(r.head, `,"partition_id":`...)
	return r
}

// appendStored appends the members of a record that was stored.
func (r *receipts) appendStored(dst []byte, ack record.Ack, at time.Time, key, value *shownData) []byte {
	dst = append(dst, r.head...)
	dst = strconv.AppendInt(dst, int64(ack.Partition), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, ack.Offset, 10)
	dst = append(dst, `,"timestamp":"`...)
	dst = append(dst, r.time(at)...)
	dst = append(dst, '"')
	dst = appendData(dst, `,"key":{`, key)
	return appendData(dst, `,"value":{`, value)
}

// time is a time as receipts show it, with as many digits as it needs. Most records of a stream
// share theirs with the one before.
func (r *receipts) time(at time.Time) []byte {
	if milli := at.UnixMilli(); milli != r.milli {
		layout := "2006-01-02T15:04:05.000Z"
		if milli%1000 == 0 {
			layout = "2006-01-02T15:04:05Z"
		}
		r.milli, r.clock = milli, at.UTC().AppendFormat(r.clock[:0], layout)
	}
	return r.clock
}

// appendData appends what a receipt says of a key or value that the request had.
func appendData(dst []byte, open string, v *shownData) []byte {
	if !v.given {
		return dst
	}
	dst = append(dst, open...)
	dst = append(dst, `"type":"`...)
	if v.codec == nil {
		dst = append(append(dst, v.typ...), '"')
	} else {
		dst = append(append(dst, v.codec.Format()...), `","subject":`...)
		dst = appendString(dst, v.codec.Subject())
		dst = strconv.AppendInt(append(dst, `,"schema_id":`...), int64(v.codec.ID()), 10)
		dst = strconv.AppendInt(append(dst, `,"schema_version":`...), int64(v.codec.Version()), 10)
	}
	dst = strconv.AppendInt(append(dst, `,"size":`...), int64(v.size), 10)
	return append(dst, '}')
}
