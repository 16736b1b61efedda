package schema

import (
	"context"
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/sr"
)

// Codec is a registered schema, ready to encode keys or values. It is immutable and safe for
// concurrent use.
type Codec struct {
	*compiled
	subject     string
	id, version int
	prefix      []byte // magic byte, id and, for Protobuf, the message's indexes
}

// codecBytes is about what a Codec takes beside its compiled schema.
const codecBytes = 512

func newCodec(c *compiled, subject string, id, version int) *Codec {
	prefix := append([]byte{magic}, 0, 0, 0, 0)
	binary.BigEndian.PutUint32(prefix[1:], uint32(id))
	return &Codec{compiled: c, subject: subject, id: id, version: version, prefix: append(prefix, c.codec.indexes()...)}
}

// ID is the schema's id in the registry.
func (c *Codec) ID() int { return c.id }

// Version is the schema's version under Subject.
func (c *Codec) Version() int { return c.version }

// Subject is the name under which the schema is registered.
func (c *Codec) Subject() string { return c.subject }

// Format is what the schema is written in.
func (c *Codec) Format() Format { return c.format }

// Append adds to dst the bytes that one JSON value becomes: a zero, the schema's id in four
// bytes, and the value as the schema's format writes it. text is one valid JSON value; it is read
// only and not kept. A JSON null that the schema allows is a Kafka null for Avro: dst comes back as it is
// and null is true. The error is a *PayloadError; dst comes back as it was.
func (c *Codec) Append(dst, text []byte) (bytes []byte, null bool, err error) {
	if c.codec.kafkaNull(text) {
		return dst, true, nil
	}
	start := len(dst)
	out, err := c.codec.encode(append(dst, c.prefix...), text)
	if err != nil {
		return dst[:start], false, &PayloadError{err.Error()}
	}
	return out, false, nil
}

// Encode returns what Append adds, nil for a Kafka null.
func (c *Codec) Encode(text []byte) ([]byte, error) {
	out, null, err := c.Append(nil, text)
	if err != nil || null {
		return nil, err
	}
	return out, nil
}

// compiled is a schema made ready: what does not depend on where it is registered.
type compiled struct {
	schema sr.Schema // as the registry has it, or as it was given
	format Format
	name   string // of the record, message or title; "" for none
	codec  valueCodec
	refs   int64 // bytes of all schemas that it refers to
}

// compiledFactor is how much more memory a compiled schema takes than its text. Measured for
// records of 10 to 100 fields: 10 to 25.
const compiledFactor = 24

// bytes is about what the schema takes in memory.
func (c *compiled) bytes() int64 {
	return codecBytes + compiledFactor*(int64(len(c.schema.Schema))+c.refs)
}

// valueCodec is one schema's way between JSON text and bytes behind the prefix.
type valueCodec interface {
	encode(dst, text []byte) ([]byte, error)
	decode(dst, data []byte) ([]byte, error)
	kafkaNull(text []byte) bool // the text is a null that is written as no bytes at all
	indexes() []byte            // what stands between the prefix and the value
	canonical() string          // the schema as errors show it
}

// compile makes a schema ready. isNew holds its names to the rules for new schemas.
func (s *Schemas) compile(ctx context.Context, schema sr.Schema, isNew bool) (*compiled, error) {
	c := &compiled{schema: schema, format: formatOf(schema.Type)}
	refs, err := s.registry.references(ctx, schema.References)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		c.refs += int64(len(ref.text))
	}
	switch c.format {
	case Avro:
		c.codec, c.name, err = newAvro(schema.Schema, refs, isNew)
	case JSONSchema:
		c.codec, c.name, err = newJSON(schema.Schema, refs, s.cfg.FailInvalidJSON)
	case Protobuf:
		c.codec, c.name, err = newProto(ctx, schema.Schema, refs)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}
