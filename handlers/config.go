// Package handlers answers requests: it decodes and checks what came in, calls the room that
// does the work, and encodes what came back. It opens no connection and keeps no state
// between requests.
package handlers

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
		Kinesis:                true,
		ErrorTypes:             []string{typeJSON, typeV2},
		ErrorType:              typeJSON,
		KinesisErrorStatus:     "semantic",
		KinesisMaxRequestBytes: 10 << 20,
	}
}
