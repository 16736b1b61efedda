package kafkaclient

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"headrace/record"
)

// ErrTimeout says that a record was not stored in time, and will not be.
var ErrTimeout = errors.New("timed out")

// TimeoutError is ErrTimeout with what the client said, and with why no broker could be reached meanwhile, if it is known.
type TimeoutError struct{ Err, Cause error }

func (e *TimeoutError) Error() string { return ErrTimeout.Error() + ": " + e.Err.Error() }

// Unwrap returns ErrTimeout and what is known of the reason.
func (e *TimeoutError) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrTimeout, e.Err}
	}
	return []error{ErrTimeout, e.Err, e.Cause}
}

// ErrUnknownOutcome says that nobody waited for the end of a record: it may be stored.
var ErrUnknownOutcome = errors.New("the wait for Kafka's answer ended first: the record may have been stored")

// UnknownOutcomeError is the ErrUnknownOutcome of one Produce, which all its acks share. It knows
// when the client has done with the records.
type UnknownOutcomeError struct{ call *call }

func (e *UnknownOutcomeError) Error() string { return ErrUnknownOutcome.Error() }

// Unwrap returns ErrUnknownOutcome.
func (e *UnknownOutcomeError) Unwrap() error { return ErrUnknownOutcome }

// AfterEnd calls f once, when nothing holds the bytes of the records any more: at once, or when
// Kafka has answered after all or the producer is closed. While no broker answers that may be
// never. f must not block.
func (e *UnknownOutcomeError) AfterEnd(f func()) { e.call.afterEnd(f) }

// NotInMetadataError says that a topic, or a partition of it, does not exist on the brokers.
// Its text is the Java client's.
type NotInMetadataError struct {
	Topic     string
	Partition int32 // record.AnyPartition when it is the topic that is missing
	Count     int   // partitions the topic has
	Waited    time.Duration
	Cause     error // why no broker could be asked; nil: they were, or it is not known
}

// Unwrap returns the cause.
func (e *NotInMetadataError) Unwrap() error { return e.Cause }

func (e *NotInMetadataError) Error() string {
	if e.Partition == record.AnyPartition {
		return fmt.Sprintf("Topic %s not present in metadata after %d ms.", e.Topic, e.Waited.Milliseconds())
	}
	return fmt.Sprintf("Partition %d of topic %s with partition count %d is not present in metadata after %d ms.",
		e.Partition, e.Topic, e.Count, e.Waited.Milliseconds())
}

// RecordTooLargeError says that a record is over the producer's own limit. Its text is the
// Java client's.
type RecordTooLargeError struct {
	Size  int // bytes on the wire, at most
	Limit int // max.request.size
}

func (e *RecordTooLargeError) Error() string {
	return fmt.Sprintf("The message is %d bytes when serialized which is larger than %d, which is the value of the max.request.size configuration.", e.Size, e.Limit)
}

// InvalidTopicError says that no topic can have this name. Its text is the Java client's.
type InvalidTopicError struct{ Topic string }

func (e *InvalidTopicError) Error() string { return fmt.Sprintf("Invalid topics: [%s]", e.Topic) }

// maxTopicLength is the longest topic name. Source: Kafka, Topic.MAX_NAME_LENGTH.
const maxTopicLength = 249

// ValidTopic reports whether Kafka allows a topic of this name.
func ValidTopic(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > maxTopicLength {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// wireSize is the most bytes that a record takes as a batch of its own: the figure that the
// Java client holds against max.request.size (AbstractRecords.estimateSizeInBytesUpperBound).
func wireSize(rec *record.Record) int {
	const batchOverhead, recordOverhead = 61, 21
	size := batchOverhead + recordOverhead + sized(len(rec.Key), rec.Key == nil) + sized(len(rec.Value), rec.Value == nil)
	size += varint(len(rec.Headers))
	for _, h := range rec.Headers {
		size += sized(len(h.Key), false) + sized(len(h.Value), h.Value == nil)
	}
	return size
}

// sized is the bytes of a field with its length before it.
func sized(n int, null bool) int {
	if null {
		return varint(-1)
	}
	return n + varint(n)
}

// varint is the bytes of n as a zigzag varint.
func varint(n int) int {
	zigzag := uint64(n)<<1 ^ uint64(n>>63)
	return (bits.Len64(zigzag|1) + 6) / 7
}
