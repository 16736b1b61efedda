// Package kinesisclient calls Amazon Kinesis, or whatever speaks its wire protocol, and relays
// the service's own JSON answers. It knows nothing of HTTP routes.
package kinesisclient

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

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
	MaxInFlight  int           // requests under way at once
	StaticKey    string        // for the embedded Kinesis and tests: any access key
	StaticSecret string
}

// DefaultConfig returns the limits of API Gateway, which this room replaces.
func DefaultConfig() Config {
	return Config{Budget: 29 * time.Second, Tries: 3, RetryFailed: 3, MaxInFlight: 512}
}

// Validate names every field that cannot work, with its value.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			fault("kinesis.endpoint %q is no base URL such as https://kinesis.eu-west-1.amazonaws.com", c.Endpoint)
		}
	}
	if c.Budget <= 0 {
		fault("kinesis.timeout.ms is %d: give at least 1", c.Budget.Milliseconds())
	}
	if c.Tries < 1 {
		fault("kinesis.max.attempts is %d: give at least 1", c.Tries)
	}
	if c.RetryFailed < 0 {
		fault("kinesis.retry.failed.records is %d: give 0 for none, or more", c.RetryFailed)
	}
	if c.MaxInFlight < 1 {
		fault("%d requests in flight: give at least 1", c.MaxInFlight)
	}
	return errors.Join(faults...)
}
