package handlers

import (
	"mime"
	"net/http"
	"strconv"
	"time"

	"headrace/rawjson"
	"headrace/record"
)

// headerCost is what a header takes beside its bytes.
const headerCost = 64

// extended reports whether records of a produce request may have headers and a timestamp: the
// Content-Type asks for it, or all requests may.
func (h *Handlers) extended(r *http.Request) bool {
	if h.consumers != nil && h.consumers.cfg.Extensions {
		return true
	}
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && params[extensionsParam] == "true"
}

// readTimestamp reads a record's time: milliseconds since 1970, or ISO-8601. null is the time of sending.
func (p *produceRequest) readTimestamp() (time.Time, error) {
	text, there, err := readString(&p.scanner, "timestamp")
	if err != nil || !there {
		return time.Time{}, err
	}
	if millis, err := strconv.ParseInt(text, 10, 64); err == nil && millis >= 0 {
		return time.UnixMilli(millis), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, badRequest("timestamp is %.60q: milliseconds since 1970, or a time such as 2024-01-31T12:00:00Z, is wanted", text)
	}
	return at, nil
}

// readHeaders reads [{"key":…,"value":base64 or null}]; null is none.
func (p *produceRequest) readHeaders() (headers []record.Header, err error) {
	s := &p.scanner
	_, err = readArray(s, "headers", func() error {
		if err := p.body.grow(headerCost); err != nil {
			return err
		}
		kind, err := s.Kind()
		if err != nil {
			return err
		}
		if kind != rawjson.Object {
			return badRequest(`header %d is %s, an object with "key" and "value" is wanted`, len(headers), kindName(kind))
		}
		var header record.Header
		var named bool
		if err := readKnown(s, func(name string) (_ bool, err error) {
			switch name {
			case "key":
				header.Key, named, err = readString(s, "a header's key")
			case "value":
				var token []byte
				if token, err = readNullable(s); err == nil {
					header.Value, err = decodeBase64(token)
				}
			default:
				return false, nil
			}
			return true, err
		}); err != nil {
			return err
		}
		if !named {
			return badRequest("header %d has no key", len(headers))
		}
		headers = append(headers, header)
		return nil
	})
	return headers, err
}
