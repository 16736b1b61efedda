// Package handlers answers requests: it decodes and checks what came in, calls the room that
// does the work, and encodes what came back. It opens no connection and keeps no state between
// requests but what limits them and the answers to Idempotency-Keys.
package handlers

import "time"

// Config says what requests may cost and how failures are shown.
type Config struct {
	MaxRequestBytes        int64    // headrace.max.request.bytes: a larger body is a 413
	MemoryBudgetBytes      int64    // headrace.memory.budget.bytes: of all requests under way; over it a 503
	ProduceErrorStrict     bool     // produce.error.status=strict: a request whose records all failed is no 200
	V2                     bool     // api.v2.enable
	NullIsNull             bool     // null.request.body.always.publishes.empty.record: a null is a Kafka null whatever its schema says
	V3                     bool     // api.v3.enable
	CRNAuthority           string   // confluent.resource.name.authority
	ErrorTypes             []string // response.mediatype.preferred: of error bodies, where none was agreed on
	ErrorType              string   // response.mediatype.default
	Debug                  bool     // debug: error bodies carry the cause
	Kinesis                bool     // kinesis.enable
	KinesisErrorStatus     string   // kinesis.error.status: semantic, upstream or apigateway
	KinesisMaxRequestBytes int64    // kinesis.max.request.bytes: of a body on the Kinesis routes; a larger one is a 413
	KinesisBasePath        string   // kinesis.base.path: a stage such as /prod before /streams

	// Produce requests of the v3 API.
	BatchEntries      int           // api.v3.produce.batch.maximum.entries
	RecordTextLimit   int64         // api.v3.produce.request.size.limit.max.bytes: of one record's JSON text; 0: MaxRequestBytes alone
	RecordRates       RecordRates   // api.v3.produce.rate.limit.*
	StreamMaxDuration time.Duration // streaming.connection.max.duration.ms: no record is taken after it; 0: no limit
	StreamGrace       time.Duration // streaming.connection.max.duration.grace.period.ms: then the stream ends
	IdleTimeout       time.Duration // idle.timeout.ms: a stream in which nothing moves ends; 0: never

	IdempotencyWindow time.Duration // headrace.idempotency.window.ms: how long the answer to an Idempotency-Key is kept; 0: keys count for nothing
	IdempotencyBytes  int64         // headrace.idempotency.max.bytes: of all answers that are kept
	TraceHeaders      bool          // headrace.trace.headers: traceparent and tracestate of a request become headers of its records

	// What absolute URLs in answers are made of; see Handlers.baseURL.
	Advertised    map[string]string // advertised.listeners: the authority (host, or host:port) by scheme, http or https
	HostName      string            // host.name
	ListenerPorts map[string]int    // of listeners: the last port by scheme
	Port          int               // port
}

// DefaultConfig returns limits for a small host.
func DefaultConfig() Config {
	return Config{
		MaxRequestBytes:        32 << 20,
		MemoryBudgetBytes:      128 << 20,
		V2:                     true,
		V3:                     true,
		Port:                   8082,
		BatchEntries:           10,
		RecordRates:            RecordRates{Requests: 10_000, RequestsGlobal: 10_000, Bytes: 10_000_000, BytesGlobal: 10_000_000, Expiry: time.Hour},
		StreamMaxDuration:      24 * time.Hour,
		StreamGrace:            500 * time.Millisecond,
		IdleTimeout:            30 * time.Second,
		IdempotencyWindow:      10 * time.Minute,
		IdempotencyBytes:       16 << 20,
		Kinesis:                true,
		ErrorTypes:             []string{typeJSON, typeV2},
		ErrorType:              typeJSON,
		KinesisErrorStatus:     "semantic",
		KinesisMaxRequestBytes: 10 << 20,
	}
}
