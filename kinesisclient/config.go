// Package kinesisclient calls Amazon Kinesis, or whatever speaks its wire protocol, and relays
// the service's own JSON answers. It knows nothing of HTTP routes.
package kinesisclient

import "time"

// Config says which Kinesis to call and as whom. The zero value of a string means
// the AWS default chain decides.
type Config struct {
	Region       string        // kinesis.region
	Endpoint     string        // kinesis.endpoint: base URL of another server than Amazon's
	RoleARN      string        // kinesis.role.arn: assume this role
	Profile      string        // kinesis.profile: of the shared AWS files
	Budget       time.Duration // kinesis.timeout.ms: for one call with all its retries
	Tries        int           // kinesis.max.attempts: of one whole call
	RetryFailed  int           // kinesis.retry.failed.records: extra rounds for failed entries of PutRecords; 0 = none
	SplitBatches bool          // kinesis.split.batches: more than 500 records go in several calls
	Ordered      bool          // kinesis.ordered: stop at the first failure of a key
	MaxInFlight  int           // calls in flight at once
	StaticKey    string        // for the embedded Kinesis and tests: any access key
	StaticSecret string
}

// DefaultConfig returns the limits of API Gateway, which this room replaces.
func DefaultConfig() Config {
	return Config{Budget: 29 * time.Second, Tries: 3, RetryFailed: 3, MaxInFlight: 512}
}
