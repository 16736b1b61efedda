package kafkaclient

import "github.com/twmb/franz-go/pkg/kerr"

// BrokerError is an error of Kafka with the broker's own words.
type BrokerError struct {
	Kafka   error  // a *kerr.Error
	Message string // what the broker said of it
}

func (e *BrokerError) Error() string { return e.Message }

// Unwrap returns the *kerr.Error.
func (e *BrokerError) Unwrap() error { return e.Kafka }

// brokerError is the error of a code in an answer, with the words beside it; nil for none.
func brokerError(code int16, message *string) error {
	err := kerr.ErrorForCode(code)
	if err == nil || message == nil || *message == "" {
		return err
	}
	return &BrokerError{Kafka: err, Message: *message}
}
