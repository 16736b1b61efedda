// Package schema turns JSON text into the bytes that a schema demands and back: Avro, JSON
// Schema and Protobuf with the prefix that Confluent's serializers write, through a schema
// registry. It talks to registries only: it knows no broker and no HTTP status of ours.
package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/sr"
)

// Format is what a schema is written in. The names are those of requests and of errors.
type Format string

// The formats.
const (
	Avro       Format = "AVRO"
	JSONSchema Format = "JSONSCHEMA"
	Protobuf   Format = "PROTOBUF"
)

// Strategy says under which subject a schema of a topic's keys or values is registered.
type Strategy string

// The strategies. A record's name is the full name of an Avro or Protobuf type, or the title
// of a JSON Schema.
const (
	TopicName       Strategy = "TOPIC_NAME"        // <topic>-key, <topic>-value
	RecordName      Strategy = "RECORD_NAME"       // <record>
	TopicRecordName Strategy = "TOPIC_RECORD_NAME" // <topic>-<record>
)

// Query names one schema for the keys or values of a topic. Give at most one of Text, ID and
// Version: with none the latest version of the subject is taken.
type Query struct {
	Topic  string
	Key    bool   // of keys, not of values
	Format Format // the schema's format; with Text it is needed, else "" takes any

	Text    string // looked up under the subject, registered if it is not there
	ID      int    // must be registered under the subject too; 0: none
	Version int    // 0: none

	Subject  string   // "": as Strategy says
	Strategy Strategy // "": Config.KeyStrategy or Config.ValueStrategy
}

// Schemas finds schemas and keeps their codecs. It is safe for concurrent use. Make it with New.
type Schemas struct {
	cfg      Config
	registry *registry
	compiled *cache[int, *compiled]    // by id
	codecs   *cache[codecKey, *Codec]  // by subject and text, id or version
	latest   *cache[latestKey, *Codec] // by subject, for latestAge
}

// latestAge is how old the answer to "which version is the latest" may be.
const latestAge = time.Second

// New returns a Schemas for the registry of cfg. It opens no connection. Without URLs every
// call fails with ErrNoRegistry.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Schemas, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Schemas{cfg: cfg}
	if len(cfg.URLs) == 0 {
		return s, nil
	}
	m := newMetrics(reg)
	var err error
	if s.registry, err = newRegistry(cfg, log, m); err != nil {
		return nil, err
	}
	s.compiled = newCache[int, *compiled](cfg.CacheBytes/2, cfg.FaultAge, cfg.ReadTimeout, m)
	s.codecs = newCache[codecKey, *Codec](cfg.CacheBytes/4, 0, cfg.ReadTimeout, m)
	s.latest = newCache[latestKey, *Codec](cfg.CacheBytes/4, 0, cfg.ReadTimeout, m)
	return s, nil
}

// On reports whether there is a registry to ask.
func (s *Schemas) On() bool { return s.registry != nil }

// Close ends what is being loaded and closes the connections.
func (s *Schemas) Close() {
	if s.registry != nil {
		s.latest.close()
		s.codecs.close()
		s.compiled.close()
		s.registry.close()
	}
}

// codecKey is a Query without what does not matter, as the cache knows it.
type codecKey struct {
	subject string
	format  Format
	hash    [32]byte // of the text
	id      int
	version int
}

type latestKey struct {
	subject string
	second  int64
}

// Codec finds the schema of q, registers it when q gives a text that its subject does not have,
// and returns its codec. The error is ErrNoRegistry, *InvalidSchemaError, *RegistryError or
// *QueryError.
func (s *Schemas) Codec(ctx context.Context, q Query) (*Codec, error) {
	if s.registry == nil {
		return nil, ErrNoRegistry
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	q.Strategy = cmp.Or(q.Strategy, s.strategy(q.Key))
	codec, err := s.find(ctx, q)
	if err != nil {
		return nil, err
	}
	if q.Format != "" && codec.Format() != q.Format {
		return nil, &QueryError{fmt.Sprintf("schema %d is of format %s, the request is of format %s", codec.ID(), codec.Format(), q.Format)}
	}
	return codec, nil
}

func (s *Schemas) strategy(key bool) Strategy {
	if key {
		return s.cfg.KeyStrategy
	}
	return s.cfg.ValueStrategy
}

// check refuses what cannot be asked.
func (q Query) check() error {
	given := 0
	for _, is := range []bool{q.Text != "", q.ID != 0, q.Version != 0} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return &QueryError{"more than one of schema, schema id and schema version is given: one of them is wanted"}
	case q.Text != "" && q.Format == "":
		return &QueryError{"a schema is given without its format: AVRO, JSONSCHEMA or PROTOBUF is wanted"}
	case q.Subject != "" && q.Strategy != "":
		return &QueryError{"both a subject and a subject name strategy are given: one of them is wanted"}
	case q.Strategy != "" && !q.Strategy.known():
		return &QueryError{fmt.Sprintf("subject name strategy %q is unknown: %s, %s or %s is wanted", q.Strategy, TopicName, RecordName, TopicRecordName)}
	}
	return nil
}

func (s *Schemas) find(ctx context.Context, q Query) (*Codec, error) {
	switch {
	case q.ID != 0:
		return s.byID(ctx, q)
	case q.Text != "":
		return s.byText(ctx, q)
	case q.Version != 0:
		return s.byVersion(ctx, q)
	}
	return s.newest(ctx, q)
}

// byID fetches a schema by its id; it must be registered under the subject as well.
func (s *Schemas) byID(ctx context.Context, q Query) (*Codec, error) {
	c, err := s.compiledByID(ctx, q.ID)
	if err != nil {
		return nil, err
	}
	subject, err := q.subjectOf(c)
	if err != nil {
		return nil, err
	}
	return s.codecs.get(ctx, codecKey{subject: subject, id: q.ID}, func(ctx context.Context) (*Codec, int64, error) {
		version, err := s.registry.versionOf(ctx, subject, c)
		if err != nil {
			return nil, 0, err
		}
		return newCodec(c, subject, q.ID, version), codecBytes, nil
	})
}

// byText looks a schema up under the subject and registers it if it is not there.
func (s *Schemas) byText(ctx context.Context, q Query) (*Codec, error) {
	if len(q.Text) > s.cfg.MaxSchemaBytes {
		return nil, &InvalidSchemaError{fmt.Sprintf("Error when parsing raw schema. format = %s: the schema is of %d bytes, at most %d are taken", q.Format, len(q.Text), s.cfg.MaxSchemaBytes)}
	}
	key := codecKey{format: q.Format, hash: textHash(q.Text)}
	if q.Subject != "" || q.Strategy == TopicName { // else the subject needs the parsed text: the topic stands for it
		key.subject, _ = q.subjectOf(nil)
	} else {
		key.subject = fmt.Sprintf("%s\x00%t\x00%s", q.Strategy, q.Key, q.Topic)
	}
	return s.codecs.get(ctx, key, func(ctx context.Context) (*Codec, int64, error) {
		c, err := s.compile(ctx, sr.Schema{Schema: q.Text, Type: q.Format.registryType()}, true)
		if err != nil {
			return nil, 0, &InvalidSchemaError{fmt.Sprintf("Error when parsing raw schema. format = %s, schema = %s\n%s", q.Format, q.Text, err)}
		}
		subject, err := q.subjectOf(c)
		if err != nil {
			return nil, 0, err
		}
		id, version, err := s.registry.findOrRegister(ctx, subject, c)
		if err != nil {
			return nil, 0, err
		}
		return newCodec(c, subject, id, version), codecBytes + c.bytes(), nil
	})
}

// byVersion fetches one version of the subject.
func (s *Schemas) byVersion(ctx context.Context, q Query) (*Codec, error) {
	subject, err := q.subjectOf(nil)
	if err != nil {
		return nil, err
	}
	return s.codecs.get(ctx, codecKey{subject: subject, version: q.Version}, func(ctx context.Context) (*Codec, int64, error) {
		found, err := s.registry.byVersion(ctx, subject, q.Version)
		if err != nil {
			return nil, 0, registryError(fmt.Sprintf("Error when fetching schema by version. subject = %s, version = %d", subject, q.Version), err)
		}
		return s.codecOf(ctx, subject, found)
	})
}

// newest fetches the latest version of the subject. The answer is kept for latestAge.
func (s *Schemas) newest(ctx context.Context, q Query) (*Codec, error) {
	subject, err := q.subjectOf(nil)
	if err != nil {
		return nil, err
	}
	key := latestKey{subject: subject, second: time.Now().UnixNano() / int64(latestAge)}
	return s.latest.get(ctx, key, func(ctx context.Context) (*Codec, int64, error) {
		found, err := s.registry.byVersion(ctx, subject, latestVersion)
		if err != nil {
			return nil, 0, registryError("Error when fetching latest schema version. subject = "+subject, err)
		}
		return s.codecOf(ctx, subject, found)
	})
}

// codecOf makes the codec of what the registry has found.
func (s *Schemas) codecOf(ctx context.Context, subject string, found sr.SubjectSchema) (*Codec, int64, error) {
	c, err := s.compiled.get(ctx, found.ID, func(ctx context.Context) (*compiled, int64, error) {
		return s.compileFound(ctx, found.ID, found.Schema)
	})
	if err != nil {
		return nil, 0, err
	}
	return newCodec(c, subject, found.ID, found.Version), codecBytes, nil
}

// compiledByID fetches and compiles a schema.
func (s *Schemas) compiledByID(ctx context.Context, id int) (*compiled, error) {
	return s.compiled.get(ctx, id, func(ctx context.Context) (*compiled, int64, error) {
		found, err := s.registry.byID(ctx, id)
		if err != nil {
			return nil, 0, registryError(fmt.Sprintf("Error when fetching schema by id. schemaId = %d", id), err)
		}
		return s.compileFound(ctx, id, found)
	})
}

// compileFound compiles what the registry has. Its size is that of all texts that belong to it.
func (s *Schemas) compileFound(ctx context.Context, id int, found sr.Schema) (*compiled, int64, error) {
	c, err := s.compile(ctx, found, false)
	var fault *RegistryError
	switch {
	case errors.As(err, &fault):
		return nil, 0, err
	case err != nil:
		return nil, 0, &InvalidSchemaError{fmt.Sprintf("Error when parsing schema %d of the registry\n%s", id, err)}
	}
	return c, c.bytes(), nil
}

// Decode turns the bytes of a record's key or value back into JSON text, as its schema says, and
// tells the schema's format. Nil stands for a Kafka null and comes back as nil. The error is
// ErrNoRegistry, *DataError (these bytes can never be decoded) or one of Codec's (they may be, later).
func (s *Schemas) Decode(ctx context.Context, data []byte) (text []byte, format Format, err error) {
	if data == nil {
		return nil, "", nil
	}
	if s.registry == nil {
		return nil, "", ErrNoRegistry
	}
	id, body, err := readPrefix(data)
	if err != nil {
		return nil, "", err
	}
	c, err := s.compiledByID(ctx, id)
	if err != nil {
		return nil, "", err
	}
	text, err = c.codec.decode(nil, body)
	if err != nil {
		return nil, c.format, &DataError{fmt.Sprintf("Error deserializing %s message for id %d: %s", c.format.title(), id, err)}
	}
	return text, c.format, nil
}
