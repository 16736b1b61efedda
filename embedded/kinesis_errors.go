package embedded

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// kinesisError is an answer other than success, in the service's shape.
type kinesisError struct {
	status  int
	kind    string // __type
	message string // empty: the member is left out, as the service does
}

func (e *kinesisError) Error() string { return e.kind + ": " + e.message }

// write sends e. The service spells the member Message for a body that it could not
// convert, and message for everything else.
func (e *kinesisError) write(w http.ResponseWriter) {
	body := appendJSONString([]byte(`{"__type":`), e.kind)
	if e.message != "" {
		member := `,"message":`
		if e.kind == serializationException {
			member = `,"Message":`
		}
		body = appendJSONString(append(body, member...), e.message)
	}
	body = append(body, '}')
	w.Header().Set("Content-Type", kinesisJSONType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.status)
	_, _ = w.Write(body) // the client is gone: nobody is left to tell
}

// frameError answers a request that is no call at all. The service does it in XML.
type frameError struct {
	status  int
	kind    string
	message string
}

func (e *frameError) Error() string { return e.kind + ": " + e.message }

func (e *frameError) write(w http.ResponseWriter) {
	text := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(e.message)
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(e.status)
	_, _ = fmt.Fprintf(w, "<%s>\n  <Message>%s</Message>\n</%[1]s>\n", e.kind, text)
}

// errDropped says that the connection is to be cut instead of answered.
var errDropped = errors.New("connection dropped by a fault")

// The service's error types that are used in more than one place.
const (
	serializationException = "SerializationException"
	validationException    = "ValidationException"
	throughputExceeded     = "ProvisionedThroughputExceededException"
	limitExceededException = "LimitExceededException"
)

func badRequest(kind, message string) *kinesisError {
	return &kinesisError{http.StatusBadRequest, kind, message}
}

func serializationError(message string) *kinesisError {
	return badRequest(serializationException, message)
}

func unknownOperation() *kinesisError { return badRequest("UnknownOperationException", "") }

func internalFailure(message string) *kinesisError {
	return &kinesisError{http.StatusInternalServerError, "InternalFailure", message}
}

func limitExceeded(message string) *kinesisError { return badRequest(limitExceededException, message) }

func invalidArgument(format string, args ...any) *kinesisError {
	return badRequest("InvalidArgumentException", fmt.Sprintf(format, args...))
}

func notFound(format string, args ...any) *kinesisError {
	return badRequest("ResourceNotFoundException", fmt.Sprintf(format, args...))
}

func inUse(format string, args ...any) *kinesisError {
	return badRequest("ResourceInUseException", fmt.Sprintf(format, args...))
}

// invalidMember is the service's text for one member that breaks one constraint.
func invalidMember(path, value, constraint string) *kinesisError {
	return badRequest(validationException,
		"1 validation error detected: "+constraintText(path, value, constraint))
}

func constraintText(path, value, constraint string) string {
	if value != "null" {
		value = "'" + value + "'"
	}
	return "Value " + value + " at '" + path + "' failed to satisfy constraint: " + constraint
}
