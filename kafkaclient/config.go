// Package kafkaclient produces to, consumes from and asks about Kafka in terms of record.Record.
// It knows nothing of HTTP or JSON.
package kafkaclient

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"
)

// Config says how to reach Kafka; producer, consumers and admin each have their own.
// Start from DefaultConfig: the zero value is not usable. Field comments name the Java client's key.
type Config struct {
	Brokers         []string      `key:"bootstrap.servers" validate:"required,dive,required"` // bootstrap.servers: host:port, at least one
	ClientID        string        // client.id
	DialTimeout     time.Duration `key:"socket.connection.setup.timeout.ms" validate:"gt=0"` // socket.connection.setup.timeout.ms
	RequestTimeout  time.Duration `key:"request.timeout.ms" validate:"gt=0"`                 // request.timeout.ms
	RetryBackoff    time.Duration `key:"retry.backoff.ms" validate:"gte=0"`                  // retry.backoff.ms
	RetryBackoffMax time.Duration `key:"retry.backoff.max.ms" validate:"gte=0"`              // retry.backoff.max.ms
	MetadataMaxAge  time.Duration `key:"metadata.max.age.ms" validate:"gt=0"`                // metadata.max.age.ms
	ConnIdleTimeout time.Duration // connections.max.idle.ms
	Rack            string        // client.rack
	Login           Login         `validate:"-"` // security.protocol, ssl.*, sasl.*
	Logins          *Logins       `validate:"-"` // shared with the other clients of this process; nil: its own
}

// DefaultConfig returns the Java client's defaults.
func DefaultConfig() Config {
	return Config{
		ClientID:        "headrace",
		DialTimeout:     10 * time.Second,
		RequestTimeout:  30 * time.Second,
		RetryBackoff:    100 * time.Millisecond,
		RetryBackoffMax: time.Second,
		MetadataMaxAge:  5 * time.Minute,
		ConnIdleTimeout: 9 * time.Minute,
	}
}

// Validate names every field that cannot work, with its value.
func (c Config) Validate() error { return check(c) }

// ProducerConfig is Config and what only the producer needs.
type ProducerConfig struct {
	Config
	Acks             string        `key:"acks" validate:"oneof=all 1 0"` // acks: "all", "1" or "0"; "0" makes offsets unknown (-1)
	Idempotent       bool          // enable.idempotence
	Linger           time.Duration `key:"linger.ms" validate:"gte=0"` // linger.ms: wait for more records before sending; 0 sends at once
	MaxBatchBytes    int32         // batch.size: a wish; a batch may always hold MaxRecordBytes
	MaxRecordBytes   int           `key:"max.request.size" validate:"gte=0"`                           // max.request.size: a record over it is refused before it is sent
	MaxBlock         time.Duration `key:"max.block.ms" validate:"gte=0"`                               // max.block.ms: how long a missing topic is waited for
	DeliveryTimeout  time.Duration `key:"delivery.timeout.ms" validate:"gt=0"`                         // delivery.timeout.ms: from handing over to an answer
	Compression      string        `key:"compression.type" validate:"oneof=none gzip snappy lz4 zstd"` // compression.type: none, gzip, snappy, lz4, zstd
	CompressionLevel int           // compression.<type>.level as Java counts it; 0: the codec's own
	MaxInFlight      int           // max.in.flight.requests.per.connection
	RoundRobin       bool          // partitioner.class=RoundRobinPartitioner
}

// Validate names every field that cannot work, with its value.
func (c ProducerConfig) Validate() error { return check(c) }

// DefaultProducerConfig returns settings that answer one small request fast and lose nothing.
func DefaultProducerConfig() ProducerConfig {
	return ProducerConfig{
		Config:          DefaultConfig(),
		Acks:            "all",
		Idempotent:      true,
		MaxBatchBytes:   1_000_012, // the broker's own limit, message.max.bytes less its overhead
		MaxRecordBytes:  1 << 20,
		MaxBlock:        3 * time.Second, // the Java client waits 60 s; API Gateway gives up after 29 s
		DeliveryTimeout: 2 * time.Minute,
		Compression:     "none",
		MaxInFlight:     5,
	}
}

// ConsumerConfig is Config and what only a group consumer needs.
type ConsumerConfig struct {
	Config
	Group             string
	Topics            []string       // these topics, or
	TopicsRegex       *regexp.Regexp // every topic whose whole name matches
	StartLatest       bool           // auto.offset.reset=latest; else earliest
	ReadCommitted     bool           // isolation.level
	SessionTimeout    time.Duration  `key:"session.timeout.ms" validate:"gt=0"`                           // session.timeout.ms
	HeartbeatInterval time.Duration  `key:"heartbeat.interval.ms" validate:"gt=0,ltfield=SessionTimeout"` // heartbeat.interval.ms
	RebalanceTimeout  time.Duration  `key:"max.poll.interval.ms" validate:"gt=0"`                         // max.poll.interval.ms
	FetchMaxBytes     int32          `key:"fetch.max.bytes" validate:"gt=0"`                              // fetch.max.bytes
	FetchMaxPartition int32          `key:"max.partition.fetch.bytes" validate:"gt=0"`                    // max.partition.fetch.bytes
	FetchMinBytes     int32          `key:"fetch.min.bytes" validate:"gte=0"`                             // fetch.min.bytes
	FetchMaxWait      time.Duration  `key:"fetch.max.wait.ms" validate:"gte=0"`                           // fetch.max.wait.ms
}

// Validate names every field that cannot work, with its value.
func (c ConsumerConfig) Validate() error { return check(c) }

// DefaultConsumerConfig returns the Java client's defaults, but starts at the earliest offset.
func DefaultConsumerConfig() ConsumerConfig {
	return ConsumerConfig{
		Config:            DefaultConfig(),
		SessionTimeout:    45 * time.Second,
		HeartbeatInterval: 3 * time.Second,
		RebalanceTimeout:  5 * time.Minute,
		FetchMaxBytes:     50 << 20,
		FetchMaxPartition: 1 << 20,
		FetchMinBytes:     1,
		FetchMaxWait:      500 * time.Millisecond,
	}
}

// check holds a config to its tags.
func check(config any) error {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string { return f.Tag.Get("key") })
	err := v.Struct(config)
	var faults validator.ValidationErrors
	if !errors.As(err, &faults) {
		return err
	}
	all := make([]error, 0, len(faults))
	for _, fault := range faults {
		all = append(all, errors.New(faultText(fault)))
	}
	return errors.Join(all...)
}

// faultText says what was wrong and what would work.
func faultText(f validator.FieldError) string {
	switch f.Tag() {
	case "required":
		if f.StructField() == "Brokers" {
			return f.Field() + " is empty: name at least one host:port"
		}
		return f.Field() + " is empty"
	case "oneof":
		return fmt.Sprintf("%s is %q: %s would work", f.Field(), f.Value(), strings.Join(strings.Fields(f.Param()), ", "))
	case "gt":
		return fmt.Sprintf("%s is %v: more than %s would work", f.Field(), f.Value(), f.Param())
	case "ltfield":
		return fmt.Sprintf("%s is %v: less than %s would work", f.Field(), f.Value(), f.Param())
	}
	return fmt.Sprintf("%s is %v: at least %s would work", f.Field(), f.Value(), f.Param())
}
