package handlers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"headrace/kafkaclient"
	"headrace/record"
)

// diagnoseTimeout bounds the questions behind a diagnosis: to STS, who we are.
const diagnoseTimeout = 5 * time.Second

// withCause adds to the text of an error why Kafka cannot be used by this gateway, where that is why the request failed:
// no connection, no login, no right. The text itself is the reference's and stays in front.
// resource is what was asked for, "topic orders"; operation as of kafkaclient.MissingPermission.
func (h *Handlers) withCause(ctx context.Context, code int, text string, err error, operation, resource string) string {
	switch code {
	case 40101, 50003:
	case 40301:
		if f, ok := h.admin.MissingPermission(operation, resource); ok {
			return text + " " + sentence(f)
		}
		return text
	default:
		return text
	}
	if code == 50003 && !unreachable(err) {
		return text
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnoseTimeout)
	defer cancel()
	if f := h.admin.Diagnose(ctx, err); f.Kind != kafkaclient.KindUnknown && f.Kind != kafkaclient.KindTimeout {
		return text + " " + sentence(f)
	}
	return text
}

// causes returns what completes the texts of failed records: each kind of error is looked into once. nil when none failed.
func (h *Handlers) causes(ctx context.Context, topic string, acks []record.Ack) func(code int, text string, err error) string {
	if !slices.ContainsFunc(acks, func(a record.Ack) bool { return a.Err != nil }) {
		return nil
	}
	type failure struct {
		code int
		text string
	}
	known := map[failure]string{}
	return func(code int, text string, err error) string {
		f := failure{code, text}
		if _, ok := known[f]; !ok {
			known[f] = h.withCause(ctx, code, text, err, "write", "topic "+topic)
		}
		return known[f]
	}
}

// unreachable reports whether an error tells how a connection or a login failed.
func unreachable(err error) bool {
	var connect *kafkaclient.ConnectError
	var login *kafkaclient.LoginError
	return errors.As(err, &connect) || errors.As(err, &login)
}

// sentence makes one of a finding.
func sentence(f kafkaclient.Finding) string {
	text := f.String()
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(text[size:], ".") + "."
}
