package schema

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/twmb/franz-go/pkg/sr"
)

// ErrNoRegistry says that no registry is configured.
var ErrNoRegistry = errors.New("no schema registry is configured: set schema.registry.url")

// QueryError says that a Query asks for what does not go together, or for a schema of another format.
type QueryError struct{ Detail string }

func (e *QueryError) Error() string { return e.Detail }

// InvalidSchemaError says that a schema's text cannot be read.
type InvalidSchemaError struct{ Detail string }

func (e *InvalidSchemaError) Error() string { return e.Detail }

// RegistryError says that the registry did not give or take a schema. Error is what was tried,
// then on a line of its own what the registry said, in the words of Confluent's client.
type RegistryError struct {
	Detail string
	Code   int // the registry's error_code; 0: none came
	Cause  string
}

func (e *RegistryError) Error() string { return e.Detail + "\n" + e.Cause }

// PayloadError says that a value does not fit its schema.
type PayloadError struct{ Detail string }

func (e *PayloadError) Error() string { return e.Detail }

// DataError says that bytes are not what their schema says.
type DataError struct{ Detail string }

func (e *DataError) Error() string { return e.Detail }

// registryError words a failed call as Confluent's client does. Nothing of a URL gets into it.
func registryError(detail string, err error) error {
	var known *RegistryError
	if errors.As(err, &known) {
		return err
	}
	e := &RegistryError{Detail: detail}
	var answer *sr.ResponseError
	var timeout net.Error
	var lookup *net.DNSError
	switch {
	case errors.As(err, &answer):
		e.Code = answer.ErrorCode
		if e.Code == 0 {
			e.Code = answer.StatusCode
		}
		e.Cause = shortened(answer.Message) + "; error code: " + strconv.Itoa(e.Code)
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Cause = "Connection refused"
	case errors.As(err, &lookup):
		e.Cause = "the host of the schema registry is unknown"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Cause = "the schema registry did not answer in time"
	case errors.Is(err, context.Canceled):
		e.Cause = "the request has ended"
	case errors.Is(err, errAnswerTooLarge):
		e.Cause = errAnswerTooLarge.Error()
	case errors.Is(err, errToken):
		e.Cause = errToken.Error()
	case isTLS(err):
		e.Cause = "the TLS connection to the schema registry failed: " + tlsCause(err)
	default:
		e.Cause = "the connection to the schema registry failed"
	}
	return e
}

// shownBytes is how much of a registry's message stands in an error.
const shownBytes = 1 << 10

func shortened(text string) string {
	if len(text) > shownBytes {
		return text[:shownBytes] + "…"
	}
	return text
}

// Fault finds the error of this room in err: one of its types, or ErrNoRegistry; nil when there is none.
func Fault(err error) error {
	var (
		query   *QueryError
		invalid *InvalidSchemaError
		fault   *RegistryError
		payload *PayloadError
		data    *DataError
	)
	switch {
	case errors.As(err, &query):
		return query
	case errors.As(err, &invalid):
		return invalid
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &payload):
		return payload
	case errors.As(err, &data):
		return data
	case errors.Is(err, ErrNoRegistry):
		return ErrNoRegistry
	}
	return nil
}
