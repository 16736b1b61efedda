package kinesisclient

import (
	"bytes"
	"crypto/md5" // #nosec: the format's checksum
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// packMark begins a record of the Kinesis Producer Library that holds several.
// Source: amazon-kinesis-producer, aggregation-format.md.
var packMark = []byte{0xF3, 0x89, 0x9A, 0xC2}

// unpack appends rec, or the records that are packed in it, to all. What has the mark but not the
// format or the checksum is an ordinary record. Data are slices of rec's.
func unpack(all []Record, rec Record) []Record {
	body, ok := bytes.CutPrefix(rec.Data, packMark)
	if !ok || len(body) < md5.Size {
		return append(all, rec)
	}
	pack, sum := body[:len(body)-md5.Size], body[len(body)-md5.Size:]
	if got := md5.Sum(pack); !bytes.Equal(got[:], sum) { // #nosec
		return append(all, rec)
	}
	inner, err := readPack(pack)
	if err != nil {
		return append(all, rec)
	}
	for i, one := range inner {
		one.SequenceNumber, one.Sub, one.Arrived = rec.SequenceNumber, i, rec.Arrived
		all = append(all, one)
	}
	return all
}

var errPack = errors.New("no aggregated record")

// readPack reads the message AggregatedRecord.
func readPack(pack []byte) ([]Record, error) {
	var keys []string
	var messages [][]byte
	err := fields(pack, func(number protowire.Number, _ uint64, text []byte) error {
		switch number {
		case 1: // partition_key_table
			keys = append(keys, string(text))
		case 3:
			messages = append(messages, text)
		}
		return nil
	})
	inner := make([]Record, len(messages))
	for i := 0; i < len(messages) && err == nil; i++ {
		inner[i], err = readPacked(messages[i], keys)
	}
	return inner, err
}

// readPacked reads the message Record.
func readPacked(text []byte, keys []string) (Record, error) {
	var rec Record
	var key uint64
	err := fields(text, func(number protowire.Number, value uint64, text []byte) error {
		switch number {
		case 1:
			key = value
		case 3:
			rec.Data = text
		}
		return nil
	})
	if err != nil || key >= uint64(len(keys)) {
		return rec, errPack
	}
	rec.PartitionKey = keys[key]
	return rec, nil
}

// fields reads a message: read takes each field, a number or a text.
func fields(message []byte, read func(number protowire.Number, value uint64, text []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errPack
		}
		message = message[n:]
		var value uint64
		var text []byte
		switch kind {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return errPack
		}
		message = message[n:]
		if err := read(number, value, text); err != nil {
			return err
		}
	}
	return nil
}
