package handlers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/twmb/franz-go/pkg/kerr"

	"headrace/kafkaclient"
	"headrace/peers"
	"headrace/rawjson"
)

// apiError is an answer that is no success: its status, error_code and message, and the
// Content-Type when it is not the one agreed on.
type apiError struct {
	status  int
	code    int
	message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d: %s", e.code, e.message) }

// Answers of the HTTP layer. Texts: contract, kafka-rest-v2.md §1.3 and §1.5.
var (
	errNotFound             = &apiError{404, 404, "HTTP 404 Not Found"}
	errMethodNotAllowed     = &apiError{405, 405, "HTTP 405 Method Not Allowed"}
	errNotAcceptable        = &apiError{406, 406, "HTTP 406 Not Acceptable"}
	errUnsupportedMediaType = &apiError{415, 415, "HTTP 415 Unsupported Media Type"}
	errPartitionNotFound    = &apiError{404, 40402, "Partition not found."}
	errRateLimited          = &apiError{429, 429, "Request rate limit exceeded: The rate limit of requests per second has been exceeded."}
	errInternal             = &apiError{500, 500, "Internal Server Error"}
)

// badRequest is a 400 with the reader's own text.
func badRequest(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// unprocessable is a 422: well-formed, but not what the route takes.
func unprocessable(code int, format string, args ...any) *apiError {
	return &apiError{http.StatusUnprocessableEntity, code, fmt.Sprintf(format, args...)}
}

// authorizationErrors are the brokers' words for a right that is missing.
var authorizationErrors = []error{
	kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed,
	kerr.TransactionalIDAuthorizationFailed, kerr.DelegationTokenAuthorizationFailed,
}

// badRequestErrors are those that the reference answers with 400.
var badRequestErrors = []error{
	kerr.InvalidReplicationFactor, kerr.SecurityDisabled, kerr.UnsupportedVersion, kerr.InvalidPartitions,
	kerr.InvalidRequest, kerr.UnknownServerError, kerr.PolicyViolation, kerr.TopicAlreadyExists,
	kerr.InvalidConfig, kerr.TopicDeletionDisabled, kerr.InvalidTopicException,
	kerr.InvalidReplicaAssignment, // the reference's 500/50002 is a defect
}

func isAny(err error, targets []error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// toAPIError turns any error into what a client may see. What it does not know is an
// internal error: the client gets a fixed text, the log gets the cause.
// The order is the reference's (contract: kafka-rest-v2.md §1.4).
func toAPIError(err error) *apiError {
	var (
		api      *apiError
		syntax   *rawjson.SyntaxError
		tooLarge *tooLargeError
		broken   *brokenBodyError
		kafka    *kerr.Error
		invalid  *kafkaclient.InvalidTopicError
		unknown  net.Error
	)
	if api := consumerError(err); api != nil {
		return api
	}
	if fault := schemaError(err); fault != nil {
		return fault
	}
	switch {
	case errors.As(err, &api):
		return api
	case errors.As(err, &syntax):
		return badRequest("%s", syntax.Error())
	case errors.As(err, &tooLarge):
		return &apiError{http.StatusRequestEntityTooLarge, http.StatusRequestEntityTooLarge, tooLarge.Error()}
	case errors.Is(err, errBusy):
		return &apiError{http.StatusServiceUnavailable, http.StatusServiceUnavailable, errBusy.Error()}
	case errors.As(err, &broken):
		return badRequest("%s", broken.Error())
	case errors.As(err, &invalid):
		return &apiError{http.StatusBadRequest, 40002, kerr.InvalidTopicException.Description}
	case kafkaclient.LoginRefused(err):
		return &apiError{http.StatusUnauthorized, 40101, authentication(err)}
	case isAny(err, authorizationErrors):
		return &apiError{http.StatusForbidden, 40301, description(err)}
	case errors.Is(err, kerr.BrokerNotAvailable):
		return &apiError{http.StatusServiceUnavailable, 50302, description(err)}
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return &apiError{http.StatusNotFound, 40403, kerr.UnknownTopicOrPartition.Description}
	case isAny(err, badRequestErrors):
		return &apiError{http.StatusBadRequest, 40002, description(err)}
	case errors.Is(err, kerr.MessageTooLarge):
		return &apiError{http.StatusRequestEntityTooLarge, http.StatusRequestEntityTooLarge, description(err)}
	case errors.Is(err, kerr.ThrottlingQuotaExceeded):
		return &apiError{http.StatusTooManyRequests, 42901, description(err)}
	case errors.As(err, &kafka) && kafka.Retriable:
		return &apiError{http.StatusInternalServerError, 50003, description(err)}
	case errors.As(err, &kafka):
		return &apiError{http.StatusInternalServerError, 50002, description(err)}
	case errors.As(err, &unknown), errors.Is(err, context.DeadlineExceeded), errors.Is(err, kafkaclient.ErrTimeout):
		return &apiError{http.StatusInternalServerError, 50003, "No broker answered in time: " + err.Error()}
	}
	return errInternal
}

// authentication is the text of a login, or of a certificate, that was refused.
func authentication(err error) string {
	var kafka *kerr.Error
	var connect *kafkaclient.ConnectError
	switch {
	case errors.As(err, &kafka):
		return description(err)
	case errors.As(err, &connect):
		return "SSL handshake failed" // Java's SslAuthenticationException
	}
	return kerr.SaslAuthenticationFailed.Description
}

// description is the text of Kafka's own error, as Java clients show it.
func description(err error) string {
	var (
		kafka *kerr.Error
		told  *kafkaclient.BrokerError
	)
	if errors.As(err, &told) {
		return told.Message
	}
	if !errors.As(err, &kafka) {
		return err.Error()
	}
	switch kafka { // where franz-go's texts are not those of Kafka 4. Source: org.apache.kafka.common.protocol.Errors
	case kerr.TopicAuthorizationFailed:
		return "Topic authorization failed."
	case kerr.GroupAuthorizationFailed:
		return "Group authorization failed."
	case kerr.MessageTooLarge:
		return kafka.Description + "."
	case kerr.NotLeaderForPartition:
		return "For requests intended only for the leader, this error indicates that the broker is not the current leader. " +
			"For requests intended for any replica, this error indicates that the broker is not a replica of the topic partition."
	}
	return kafka.Description
}

// recordError returns the error_code and text of a record that was not stored
// (contract: kafka-rest-v2.md §3.5).
func recordError(topic string, err error) (code int, text string) {
	var (
		kafka    *kerr.Error
		tooLarge *kafkaclient.RecordTooLargeError
		invalid  *kafkaclient.InvalidTopicError
	)
	switch {
	case kafkaclient.LoginRefused(err):
		return 40101, authentication(err)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return 40301, "Not authorized to access topics: [" + topic + "]"
	case isAny(err, authorizationErrors):
		return 40301, description(err)
	case errors.As(err, &tooLarge), errors.As(err, &invalid):
		return 50002, err.Error()
	case errors.As(err, &kafka) && !kafka.Retriable:
		return 50002, description(err)
	case errors.As(err, &kafka):
		return 50003, description(err)
	}
	return 50003, err.Error()
}

// produceStatus is the status of an answer whose records got these codes, 0 for stored ones.
// strict makes a request whose records all failed no success.
func produceStatus(codes []int, strict bool) int {
	status, failed := http.StatusOK, 0
	for _, code := range codes {
		switch code {
		case 0:
			continue
		case 40101:
			return http.StatusUnauthorized
		case 40301:
			status = http.StatusForbidden
		}
		failed++
	}
	if strict && status == http.StatusOK && failed == len(codes) {
		return http.StatusBadGateway
	}
	return status
}

// consumerError is the answer to an error of a consumer instance, nil when err is none
// (contract: kafka-rest-v2.md §1.5 and §4).
func consumerError(err error) *apiError {
	var (
		state       *kafkaclient.IllegalStateError
		undecodable *kafkaclient.UndecodableError
		oversize    *kafkaclient.OversizeError
		nowhere     *kafkaclient.NoOffsetError
		pattern     *kafkaclient.PatternError
		down        *peers.DownError
	)
	switch {
	case errors.As(err, &down):
		return &apiError{http.StatusNotFound, 40403, "Consumer instance not found. It is gone: " + down.Error() +
			". Make it anew with POST /consumers/{group} and subscribe: reads go on at the committed offsets."}
	case errors.Is(err, kafkaclient.ErrNoInstance):
		return &apiError{http.StatusNotFound, 40403, "Consumer instance not found."}
	case errors.Is(err, kafkaclient.ErrInstanceExists):
		return &apiError{http.StatusConflict, 40902, "Consumer with specified consumer ID already exists in the specified consumer group."}
	case errors.As(err, &state):
		return &apiError{http.StatusConflict, 40903, "Illegal state: " + state.Text}
	case errors.As(err, &undecodable):
		return &apiError{http.StatusRequestTimeout, 40801, undecodable.Error()}
	case errors.As(err, &oversize):
		return &apiError{http.StatusRequestEntityTooLarge, http.StatusRequestEntityTooLarge, oversize.Error()}
	case errors.As(err, &nowhere):
		return &apiError{http.StatusInternalServerError, 50002, nowhere.Error()}
	case errors.As(err, &pattern):
		return badRequest("%s", pattern.Error())
	}
	return nil
}
