package handlers

import (
	"net/http"

	"headrace/record"
)

// maxTraceState is the longest tracestate that is passed on. Source: W3C Trace Context, §3.3.1.5.
const maxTraceState = 512

// traceHeaders is the trace context of a request, on its way into the headers of its records.
type traceHeaders struct{ parent, state []byte } // nil: none

// traceOf reads the W3C trace context of a request. One that is not valid counts for nothing.
func traceOf(r *http.Request) (t traceHeaders) {
	parents := r.Header["Traceparent"]
	if len(parents) != 1 || !validParent(parents[0]) {
		return t
	}
	t.parent = []byte(parents[0])
	if states := r.Header["Tracestate"]; len(states) == 1 && len(states[0]) <= maxTraceState {
		t.state = []byte(states[0])
	}
	return t
}

// addTo adds the context to the headers of a record. One that the record brings along stays alone.
func (t traceHeaders) addTo(headers []record.Header) []record.Header {
	if t.parent == nil {
		return headers
	}
	for _, h := range headers {
		if h.Key == "traceparent" {
			return headers
		}
	}
	headers = append(headers, record.Header{Key: "traceparent", Value: t.parent})
	if t.state != nil {
		headers = append(headers, record.Header{Key: "tracestate", Value: t.state})
	}
	return headers
}

// validParent holds a traceparent to its form: version-traceid-parentid-flags, in lower-case
// hexadecimal digits, neither id zero. Source: W3C Trace Context, §3.2.
func validParent(s string) bool {
	const form = "00-00000000000000000000000000000000-0000000000000000-00"
	if len(s) < len(form) || s[:2] == "ff" || len(s) > len(form) && (s[:2] == "00" || s[len(form)] != '-') {
		return false
	}
	for i := range len(form) {
		switch c := s[i]; {
		case form[i] == '-' && c != '-':
			return false
		case form[i] == '0' && !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f'):
			return false
		}
	}
	return s[3:35] != form[3:35] && s[36:52] != form[36:52]
}
