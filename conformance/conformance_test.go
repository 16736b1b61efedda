package conformance

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestOtherGateway runs the cases against any base URL: HEADRACE_CONFORMANCE_URL, with the brokers behind it in
// HEADRACE_CONFORMANCE_KAFKA. It has to stand at producer.max.block.ms=60000, the default.
func TestOtherGateway(t *testing.T) {
	base, brokers := os.Getenv("HEADRACE_CONFORMANCE_URL"), os.Getenv("HEADRACE_CONFORMANCE_KAFKA")
	if base == "" || brokers == "" {
		t.Skip("HEADRACE_CONFORMANCE_URL and HEADRACE_CONFORMANCE_KAFKA are not set: want a gateway's base URL and the brokers behind it")
	}
	Run(t, base, Options{Brokers: strings.Split(brokers, ","), MaxBlock: time.Minute})
}
