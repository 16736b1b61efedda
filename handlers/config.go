// Package handlers answers requests: it decodes and checks what came in, calls the room that
// does the work, and encodes what came back. It opens no connection and keeps no state
// between requests.
package handlers

// Config says what requests may cost and how failures are shown.
type Config struct {
	MaxRequestBytes        int64  // headrace.max.request.bytes: a larger body is a 413
	MemoryBudgetBytes      int64  // headrace.memory.budget.bytes: of all requests under way; over it a 503
	ProduceErrorStrict     bool   // produce.error.status=strict: a request whose records all failed is no 200
	V2                     bool   // api.v2.enable
	Debug                  bool   // debug: error bodies carry the cause
	Kinesis                bool   // kinesis.enable
	KinesisErrorStatus     string // kinesis.error.status: semantic, upstream or apigateway
	KinesisMaxRequestBytes int64  // kinesis.max.request.bytes: of a body on the Kinesis routes; a larger one is a 413
	KinesisBasePath        string // kinesis.base.path: a stage such as /prod before /streams
}

// DefaultConfig returns limits for a small host.
func DefaultConfig() Config {
	return Config{
		MaxRequestBytes:        32 << 20,
		MemoryBudgetBytes:      128 << 20,
		V2:                     true,
		Kinesis:                true,
		KinesisErrorStatus:     "semantic",
		KinesisMaxRequestBytes: 10 << 20,
	}
}
