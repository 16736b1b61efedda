// Package record holds the parcel that every walk through the program carries:
// a Record on its way to or from Kafka, and the Ack that answers it.
// It does no I/O and imports nothing but the standard library.
package record

import "time"

// AnyPartition as Record.Partition lets the key choose the partition, as the Java client does.
const AnyPartition int32 = -1

// Header is one Kafka record header. A nil Value is Kafka's null.
type Header struct {
	Key   string
	Value []byte
}

// Record is one Kafka record. A nil Key or Value is Kafka's null, an empty one is zero bytes:
// the two are different records. The byte slices belong to whoever made the Record.
type Record struct {
	Topic     string
	Partition int32 // AnyPartition, or from 0
	Offset    int64 // known only for records that were read
	Key       []byte
	Value     []byte
	Headers   []Header
	Timestamp time.Time // zero on the way in: the time of sending
}

// Ack says what became of one Record. Partition and Offset are valid when Err is nil.
type Ack struct {
	Partition int32
	Offset    int64
	Err       error
}
