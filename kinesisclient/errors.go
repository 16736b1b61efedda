package kinesisclient

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// What can go wrong before Kinesis has answered. Test with errors.Is.
var (
	ErrUnreachable = errors.New("kinesis cannot be reached") // DNS, connection, TLS, connection lost
	ErrTimeout     = errors.New("kinesis took longer than kinesis.timeout.ms")
	ErrCredentials = errors.New("no usable AWS credentials") // not found, expired, role refused
	ErrRegion      = errors.New("no AWS region is known")
	ErrBusy        = errors.New("too many kinesis requests under way")
)

// APIError is an error that Kinesis answered, or one that it would have answered had a
// local check not been faster.
type APIError struct {
	Status    int    // HTTP status of the service: 400 for nearly all of its errors
	Type      string // short name such as ResourceNotFoundException, never empty
	Message   string // may be empty
	RequestID string // empty when Kinesis was not asked
}

func (e *APIError) Error() string {
	return fmt.Sprintf("kinesis answered %d %s: %s", e.Status, e.Type, e.Message)
}

// Class sorts the errors of Kinesis by what a caller can do about them.
type Class int

// The classes of errors. Source: Kinesis API reference, "Common Errors" and those of each action.
const (
	ClassRequest  Class = iota // the request is at fault
	ClassNotFound              // the stream does not exist
	ClassConflict              // the stream exists, or is not in a state for this
	ClassThrottle              // too much at once: wait and repeat
	ClassAccess                // our credentials are refused
	ClassServer                // the service failed: repeating may help
)

// Class tells the class of e by its type, and by its status where the type is unknown.
func (e *APIError) Class() Class {
	switch strings.TrimSuffix(e.Type, "Exception") {
	case "ResourceNotFound":
		return ClassNotFound
	case "ResourceInUse":
		return ClassConflict
	case "ProvisionedThroughputExceeded", "LimitExceeded", "Throttling", "KMSThrottling":
		return ClassThrottle
	case "AccessDenied", "KMSAccessDenied", "UnrecognizedClient", "InvalidSignature", "ExpiredToken",
		"IncompleteSignature", "MissingAuthenticationToken":
		return ClassAccess
	case "InternalFailure":
		return ClassServer
	}
	switch {
	case e.Status == http.StatusForbidden:
		return ClassAccess
	case e.Status == http.StatusTooManyRequests:
		return ClassThrottle
	case e.Status >= 400 && e.Status < 500:
		return ClassRequest
	}
	return ClassServer
}

// newAPIError reads an error answer. The type stands in __type (with a name space before a
// '#'), in code, or in the header x-amzn-ErrorType; the message in message or Message.
func newAPIError(status int, header http.Header, body []byte) *APIError {
	e := &APIError{Status: status, RequestID: header.Get(requestIDHeader)}
	members := make(map[string]json.RawMessage)
	// A body that is no JSON object, such as the page of a proxy, has no members to offer.
	_ = json.Unmarshal(body, &members)
	text := func(name string) (s string) {
		if json.Unmarshal(members[name], &s) != nil {
			return ""
		}
		return s
	}
	e.Type = text("__type")
	if at := strings.LastIndexByte(e.Type, '#'); at >= 0 {
		e.Type = e.Type[at+1:]
	}
	if e.Type == "" {
		e.Type = text("code")
	}
	if e.Type == "" {
		e.Type, _, _ = strings.Cut(header.Get("x-amzn-ErrorType"), ":")
	}
	if e.Message = text("message"); e.Message == "" {
		e.Message = text("Message")
	}
	if e.Type == "" {
		e.Type = "InternalFailure"
		if status >= 400 && status < 500 {
			e.Type = "UnknownError"
		}
		e.Message = fmt.Sprintf("the answer of status %d names no error type", status)
	}
	return e
}

// checkAnswer refuses a success whose body is not the JSON object or the nothing that it should be.
func checkAnswer(status int, header http.Header, body []byte) error {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 || body[0] == '{' {
		return nil
	}
	return &APIError{
		Status: http.StatusBadGateway, Type: "InternalFailure", RequestID: header.Get(requestIDHeader),
		Message: fmt.Sprintf("the answer of status %d is no JSON object: is kinesis.endpoint a Kinesis?", status),
	}
}

// neverConnected tells whether a failed exchange ended before a connection stood.
func neverConnected(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) ||
		errors.As(err, &cert) || errors.As(err, &notTLS)
}
