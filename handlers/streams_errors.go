package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"headrace/kinesisclient"
	"headrace/rawjson"
)

// statusMode says which status an error of Kinesis gets: kinesis.error.status.
type statusMode string

const (
	statusSemantic   statusMode = "semantic"   // what the error means
	statusUpstream   statusMode = "upstream"   // Kinesis's own number
	statusAPIGateway statusMode = "apigateway" // 200, as API Gateway's default mapping answers
)

// streamError is an error of our own, whose status no mode changes. Errors that Kinesis would
// have answered with the same words are *kinesisclient.APIError instead.
type streamError struct {
	status  int
	name    string // __type
	message string
}

func (e *streamError) Error() string { return e.name + ": " + e.message }

// retryAfter is the seconds that a client is asked to wait: the window of Kinesis's limits.
const retryAfter = "1"

// statusClientGone is written for nobody, and read in the access log. Source: nginx.
const statusClientGone = 499

// writeError answers err in Amazon's shape: {"__type":…,"message":…}.
func (s *Streams) writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, name, message, id := s.explain(err)
	h := w.Header()
	if id == "" {
		id = ownRequestID(w)
	}
	h["Content-Type"] = jsonType
	h[requestIDHeader] = []string{id}
	h.Set("x-amzn-ErrorType", name)
	if mayPass(err) {
		h.Set("Retry-After", retryAfter)
	}
	var large *tooLargeError
	if errors.As(err, &large) || errors.Is(err, errBusy) {
		h.Set("Connection", "close") // there may be more of the body than was read away
	}
	text := append(appendString([]byte(`{"__type":`), name), `,"message":`...)
	text = append(appendString(text, message), '}')
	h.Set("Content-Length", strconv.Itoa(len(text)))
	var api *kinesisclient.APIError
	if status >= http.StatusInternalServerError || errors.As(err, &api) && api.Class() == kinesisclient.ClassServer {
		s.warn(w, r, err, time.Now().Unix())
	}
	noteErrorCode(w, status)
	w.WriteHeader(status)
	_, _ = w.Write(text) // a client that is gone cannot be told
}

// explain turns any error into what a client may see.
func (s *Streams) explain(err error) (status int, name, message, requestID string) {
	var own *streamError
	var api *kinesisclient.APIError
	var syntax *rawjson.SyntaxError
	var large *tooLargeError
	var broken *brokenBodyError
	switch {
	case errors.As(err, &own):
		return own.status, own.name, own.message, ""
	case errors.As(err, &api):
		return s.apiStatus(api), api.Type, apiMessage(api), api.RequestID
	case errors.As(err, &syntax):
		return http.StatusBadRequest, "SerializationException", "the body is no JSON: " + syntax.Error(), ""
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, "RequestTooLarge",
			fmt.Sprintf("the body is longer than %d bytes, the limit (kinesis.max.request.bytes)", large.limit), ""
	case errors.As(err, &broken):
		return http.StatusBadRequest, "SerializationException", broken.Error(), ""
	case errors.Is(err, errBusy):
		return http.StatusTooManyRequests, "ThrottlingException", errBusy.Error(), ""
	case errors.Is(err, kinesisclient.ErrBusy):
		return http.StatusTooManyRequests, "ThrottlingException", "the gateway has too many Kinesis requests under way", ""
	case errors.Is(err, kinesisclient.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "RequestTimeout", "Kinesis did not answer in time; a write may have happened", ""
	case errors.Is(err, context.Canceled):
		return statusClientGone, "RequestAborted", "the client has gone away; a write may have happened", ""
	case errors.Is(err, kinesisclient.ErrUnreachable):
		return http.StatusServiceUnavailable, "ServiceUnavailable", "Kinesis cannot be reached from the gateway", ""
	case errors.Is(err, kinesisclient.ErrRegion):
		return http.StatusServiceUnavailable, "ServiceUnavailable",
			"the gateway knows no AWS region: set kinesis.region or kinesis.endpoint in its configuration", ""
	case errors.Is(err, kinesisclient.ErrCredentials):
		return http.StatusForbidden, "MissingAuthenticationToken",
			"the gateway has no usable AWS credentials: its log says what it tried", ""
	}
	return http.StatusInternalServerError, "InternalFailure", "internal error", ""
}

// mayPass tells whether the client should send the request again a little later.
func mayPass(err error) bool {
	var api *kinesisclient.APIError
	if errors.As(err, &api) {
		return api.Class() == kinesisclient.ClassThrottle
	}
	return errors.Is(err, errBusy) || errors.Is(err, kinesisclient.ErrBusy) || errors.Is(err, kinesisclient.ErrUnreachable) || errors.Is(err, kinesisclient.ErrRegion)
}

// apiStatus is the status for an error of Kinesis.
func (s *Streams) apiStatus(e *kinesisclient.APIError) int {
	switch s.status {
	case statusAPIGateway:
		return http.StatusOK
	case statusUpstream:
		return e.Status
	}
	switch e.Class() {
	case kinesisclient.ClassNotFound:
		return http.StatusNotFound
	case kinesisclient.ClassConflict:
		return http.StatusConflict
	case kinesisclient.ClassThrottle:
		return http.StatusTooManyRequests
	case kinesisclient.ClassAccess:
		return http.StatusForbidden
	case kinesisclient.ClassServer:
		return http.StatusBadGateway
	}
	return http.StatusBadRequest
}

func apiMessage(e *kinesisclient.APIError) string {
	if e.Message != "" {
		return e.Message
	}
	return fmt.Sprintf("Kinesis answered status %d %s without a message.", e.Status, e.Type)
}

// violation is the error that Kinesis answers when a member breaks a constraint of its model,
// in the service's words.
func violation(value, where, must string) error {
	return refused("Value '"+short(value)+"' at '", where, must)
}

func missing(where string) error { return refused("Value null at '", where, "not be null") }

func refused(what, where, must string) error {
	return &kinesisclient.APIError{
		Status: http.StatusBadRequest, Type: "ValidationException",
		Message: "1 validation error detected: " + what + where + "' failed to satisfy constraint: Member must " + must,
	}
}

// maxShown is how much of a client's text an error repeats, in bytes.
const maxShown = 64

func short(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return text[:maxShown] + "…"
}

func quoteShort(text string) string { return strconv.Quote(short(text)) }

// ownRequestID is the id that our server has given the request, or a new one.
func ownRequestID(w http.ResponseWriter) string {
	if id := w.Header().Get("X-Request-Id"); id != "" {
		return id
	}
	return rand.Text()
}
