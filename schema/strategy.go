package schema

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"
)

func (s Strategy) known() bool { return s == TopicName || s == RecordName || s == TopicRecordName }

// subjectOf names the subject of q. c may be nil when there is no schema yet: then only an
// explicit subject and TopicName work.
func (q Query) subjectOf(c *compiled) (string, error) {
	switch {
	case q.Subject != "":
		return q.Subject, nil
	case q.Strategy == TopicName && q.Key:
		return q.Topic + "-key", nil
	case q.Strategy == TopicName:
		return q.Topic + "-value", nil
	case c == nil:
		return "", &QueryError{fmt.Sprintf("Cannot use schema_subject_strategy=%s without schema_id or schema.", q.Strategy)}
	case c.name == "":
		return "", &QueryError{fmt.Sprintf("the schema has no record name, which subject name strategy %s needs: a record, a message or a title is wanted", q.Strategy)}
	case q.Strategy == RecordName:
		return c.name, nil
	}
	return q.Topic + "-" + c.name, nil
}

// registryType is the format as registries know it.
func (f Format) registryType() sr.SchemaType {
	switch f {
	case JSONSchema:
		return sr.TypeJSON
	case Protobuf:
		return sr.TypeProtobuf
	}
	return sr.TypeAvro
}

// title is the format as Confluent's deserializers write it.
func (f Format) title() string {
	switch f {
	case JSONSchema:
		return "JSON"
	case Protobuf:
		return "Protobuf"
	}
	return "Avro"
}

func formatOf(t sr.SchemaType) Format {
	switch t {
	case sr.TypeJSON:
		return JSONSchema
	case sr.TypeProtobuf:
		return Protobuf
	}
	return Avro
}
