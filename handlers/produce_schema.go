package handlers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"headrace/record"
	"headrace/schema"
)

// schemaFormats are the formats of requests as the schema room names them.
var schemaFormats = map[format]schema.Format{
	formatAvro: schema.Avro, formatJSONSchema: schema.JSONSchema, formatProtobuf: schema.Protobuf,
}

// useSchemas turns keys and values, which are JSON text, into the bytes of their schemas. Nothing has
// been sent when it fails (contract: kafka-rest-v2.md §3.3).
func (p *produceRequest) useSchemas(ctx context.Context, schemas *schema.Schemas, nullIsNull bool) (err error) {
	if p.keySchema != nil && p.keySchemaID != nil || p.valueSchema != nil && p.valueSchemaID != nil {
		return badRequest("Bad Request: both a schema and a schema id are given: one of them is wanted.")
	}
	if !schemas.On() {
		if p.keySchema != nil || p.keySchemaID != nil || p.valueSchema != nil || p.valueSchemaID != nil {
			return unprocessable(42206, "Payload error. Schema Registry must be configured when using schemas.")
		}
		return schema.ErrNoRegistry
	}
	if err := p.checkNamed(); err != nil {
		return err
	}
	if p.keyCodec, err = p.codec(ctx, schemas, true, p.keySchema, p.keySchemaID); err != nil {
		return err
	}
	if p.valueCodec, err = p.codec(ctx, schemas, false, p.valueSchema, p.valueSchemaID); err != nil {
		return err
	}
	return p.encodeRecords(nullIsNull)
}

// checkNamed refuses keys and values without a schema before the registry is asked.
func (p *produceRequest) checkNamed() error {
	for i := range p.recs {
		if p.recs[i].Key != nil && p.keySchema == nil && p.keySchemaID == nil {
			return unprocessable(42201, "Request includes keys but does not include key schema")
		}
		if p.recs[i].Value != nil && p.valueSchema == nil && p.valueSchemaID == nil {
			return unprocessable(42202, "Request includes values but does not include value schema")
		}
	}
	return nil
}

// codec finds the codec of keys or values; nil when the request names no schema.
func (p *produceRequest) codec(ctx context.Context, schemas *schema.Schemas, key bool, text, id []byte) (*schema.Codec, error) {
	q := schema.Query{Topic: p.topic, Key: key, Format: schemaFormats[p.format]}
	switch {
	case text != nil:
		if q.Text = string(text); q.Text == "" {
			return nil, &schema.InvalidSchemaError{Detail: fmt.Sprintf("Error when parsing raw schema. format = %s, schema = ", q.Format)}
		}
	case id != nil:
		if q.ID, _ = strconv.Atoi(string(id)); q.ID == 0 {
			return nil, &schema.RegistryError{Detail: "Error when fetching schema by id. schemaId = 0", Code: 40403, Cause: "Schema 0 not found; error code: 40403"}
		}
	default:
		return nil, nil //nolint:nilnil // no schema is no fault as long as nothing needs one
	}
	return schemas.Codec(ctx, q)
}

// encodeRecords puts the encoded keys and values in the place of their texts.
func (p *produceRequest) encodeRecords(nullIsNull bool) error {
	e := encoder{body: p.body, nullIsNull: nullIsNull}
	if err := e.open(p.recs); err != nil {
		return err
	}
	for i := range p.recs {
		rec := &p.recs[i]
		var err error
		if rec.Key, err = e.encode(p.keyCodec, rec.Key); err != nil {
			return err
		}
		if rec.Value, err = e.encode(p.valueCodec, rec.Value); err != nil {
			return err
		}
	}
	return nil
}

// encoder encodes the values of one request, most of them into one buffer.
type encoder struct {
	body       *body
	buf        []byte
	nullIsNull bool // a null is a Kafka null whatever its schema says
}

// prefixRoom is what a value may grow by in most cases: its prefix, and a length or two.
const prefixRoom = 16

// open makes the buffer. Most values become shorter than their text.
func (e *encoder) open(recs []record.Record) error {
	size := 0
	for _, rec := range recs {
		size += len(rec.Key) + len(rec.Value) + 2*prefixRoom
	}
	if err := e.body.grow(int64(size)); err != nil {
		return err
	}
	e.buf = make([]byte, 0, size)
	return nil
}

var jsonNull = []byte("null")

// encode returns the bytes of one value; a JSON null is nil.
func (e *encoder) encode(codec *schema.Codec, text []byte) ([]byte, error) {
	switch {
	case codec == nil, text == nil && e.nullIsNull:
		return nil, nil
	case text == nil:
		text = jsonNull
	}
	room := e.buf[len(e.buf):]
	out, null, err := codec.Append(room, text)
	switch {
	case err != nil:
		return nil, err
	case null:
		return nil, nil
	case len(out) <= cap(room):
		e.buf = e.buf[:len(e.buf)+len(out)]
		return slices.Clip(out), nil
	}
	return out, e.body.grow(int64(len(out))) // it did not fit: the bytes are elsewhere
}

// schemaError is what a client may see of an error of the schema room; nil when err is none
// (contract: kafka-rest-v2.md §1.5).
func schemaError(err error) *apiError {
	switch fault := schema.Fault(err).(type) { //nolint:errorlint // Fault has unwrapped it
	case *schema.PayloadError, *schema.QueryError:
		return &apiError{http.StatusBadRequest, http.StatusBadRequest, "Bad Request: " + fault.Error()}
	case *schema.InvalidSchemaError:
		return &apiError{http.StatusUnprocessableEntity, 42205, "Invalid schema: " + fault.Error()}
	case *schema.RegistryError:
		if fault.Code == 40301 {
			return &apiError{http.StatusForbidden, 40301, fault.Error()}
		}
		return &apiError{http.StatusUnprocessableEntity, 42207, "Error serializing message. " + fault.Error()}
	case *schema.DataError:
		return &apiError{http.StatusRequestTimeout, 40801, fault.Error()}
	case error:
		return &apiError{http.StatusUnprocessableEntity, 42207, "Error serializing message. Schema Registry not defined, no Schema Registry client available to serialize message."}
	}
	return nil
}
