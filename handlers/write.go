package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"unicode/utf8"
)

// v2Type is the usual Content-Type as a header value, shared by all answers.
var v2Type = []string{typeV2}

// writeBody answers with a body of the given type; contentType "" leaves the header out.
func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	header := w.Header()
	switch contentType {
	case typeV2:
		header["Content-Type"] = v2Type
	case "":
		header["Content-Type"] = nil // else net/http would guess one
	default:
		header["Content-Type"] = []string{contentType}
	}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone cannot be told
}

// writeJSON answers with v as JSON.
func writeJSON(w http.ResponseWriter, contentType string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, contentType, body)
	return nil
}

// writeError answers with an error in the shape of the v2 API.
func (h *Handlers) writeError(w http.ResponseWriter, r *http.Request, contentType string, err error) {
	api := toAPIError(err)
	if o := overdue(r); o != nil {
		h.log.Warn("request given up", "method", r.Method, "path", r.URL.Path, "request_id", w.Header().Get("X-Request-Id"), "why", o, "err", err)
		o.Answer(w, r, api.message)
		return
	}
	noteErrorCode(w, api.code)
	if api.status >= http.StatusInternalServerError && api.status != http.StatusServiceUnavailable {
		h.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "status", api.status,
			"request_id", w.Header().Get("X-Request-Id"), "err", err)
	}
	if api.status == http.StatusServiceUnavailable || api.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	var tooLarge *tooLargeError
	if errors.As(err, &tooLarge) || errors.Is(err, errBusy) {
		w.Header().Set("Connection", "close") // there may be more of the body than was read away
	}
	message := h.withCause(r.Context(), api.code, api.message, err, "describe", "what was asked for")
	if h.cfg.Debug && api == errInternal {
		message += ": " + err.Error()
	}
	writeBody(w, api.status, contentType, appendError(nil, api.code, message))
}

// appendError appends {"error_code":…,"message":…}.
func appendError(dst []byte, code int, message string) []byte {
	dst = append(dst, `{"error_code":`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, message)
	return append(dst, '}')
}

// appendString appends s as a JSON string, escaped as the reference does: no more than
// JSON demands.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		default:
			dst = append(dst, c)
		}
		i++
	}
	return append(dst, '"')
}
