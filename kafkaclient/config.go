// Package kafkaclient produces to, consumes from and asks about Kafka in terms of record.Record.
// It knows nothing of HTTP or JSON.
package kafkaclient

import (
	"errors"
	"regexp"
	"time"
)

// Config says how to reach Kafka; producer, consumers and admin each have their own.
// Start from DefaultConfig: the zero value is not usable. Field comments name the Java client's key.
type Config struct {
	Brokers         []string      // bootstrap.servers: host:port, at least one
	ClientID        string        // client.id
	DialTimeout     time.Duration // socket.connection.setup.timeout.ms
	RequestTimeout  time.Duration // request.timeout.ms
	RetryBackoff    time.Duration // retry.backoff.ms
	RetryBackoffMax time.Duration // retry.backoff.max.ms
	MetadataMaxAge  time.Duration // metadata.max.age.ms
	ConnIdleTimeout time.Duration // connections.max.idle.ms
	Rack            string        // client.rack
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

// Validate names the first field that cannot work.
func (c Config) Validate() error {
	if len(c.Brokers) == 0 {
		return errors.New("bootstrap.servers is empty: name at least one host:port")
	}
	return nil
}

// ProducerConfig is Config and what only the producer needs.
type ProducerConfig struct {
	Config
	Acks            string        // acks: "all", "1" or "0"; "0" makes offsets unknown (-1)
	Idempotent      bool          // enable.idempotence
	Linger          time.Duration // linger.ms: wait for more records before sending; 0 sends at once
	MaxBatchBytes   int32         // batch.size: a wish; a batch may always hold MaxRecordBytes
	MaxRecordBytes  int           // max.request.size: a record over it is refused before it is sent
	MaxBlock        time.Duration // max.block.ms: how long a missing topic is waited for
	DeliveryTimeout time.Duration // delivery.timeout.ms: from handing over to an answer
	Compression     string        // compression.type: none, gzip, snappy, lz4, zstd
	MaxInFlight     int           // max.in.flight.requests.per.connection
	RoundRobin      bool          // partitioner.class=RoundRobinPartitioner
}

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
	SessionTimeout    time.Duration  // session.timeout.ms
	HeartbeatInterval time.Duration  // heartbeat.interval.ms
	RebalanceTimeout  time.Duration  // max.poll.interval.ms
	FetchMaxBytes     int32          // fetch.max.bytes
	FetchMaxPartition int32          // max.partition.fetch.bytes
	FetchMinBytes     int32          // fetch.min.bytes
	FetchMaxWait      time.Duration  // fetch.max.wait.ms
}

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
