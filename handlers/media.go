package handlers

import (
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The media types of the v2 API.
const (
	typeV2   = "application/vnd.kafka.v2+json"
	typeJSON = "application/json"
)

// format is how keys and values stand in a request: its Content-Type says which.
type format string

// The embedded formats.
const (
	formatBinary     format = "binary"
	formatJSON       format = "json"
	formatAvro       format = "avro"
	formatJSONSchema format = "jsonschema"
	formatProtobuf   format = "protobuf"
)

// hasSchema reports whether keys and values of the format are checked by a schema.
func (f format) hasSchema() bool { return f != formatBinary && f != formatJSON }

var formats = map[string]format{
	"application/vnd.kafka.binary.v2+json":     formatBinary,
	"application/vnd.kafka.json.v2+json":       formatJSON,
	"application/vnd.kafka.avro.v2+json":       formatAvro,
	"application/vnd.kafka.jsonschema.v2+json": formatJSONSchema,
	"application/vnd.kafka.protobuf.v2+json":   formatProtobuf,
}

// contentType returns the media type of the request in lower case, without parameters;
// "" when there is no such header. A header that is no media type is a 400.
func contentType(r *http.Request) (string, error) {
	values := r.Header["Content-Type"]
	if len(values) == 0 {
		return "", nil
	}
	if _, known := formats[values[0]]; known || values[0] == typeV2 {
		return values[0], nil
	}
	mediaType, _, _ := strings.Cut(values[0], ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	kind, sub, ok := strings.Cut(mediaType, "/")
	if !ok || !isToken(kind) || !isToken(sub) {
		return "", &apiError{
			http.StatusBadRequest, http.StatusBadRequest,
			"Content-Type " + strconv.Quote(values[0]) + " is no media type",
		}
	}
	return mediaType, nil
}

// isToken reports whether s is a token of RFC 9110.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}

// embeddedFormat returns the format that the Content-Type names; binary without one.
func embeddedFormat(r *http.Request) (format, error) {
	mediaType, err := contentType(r)
	if err != nil {
		return "", err
	}
	if mediaType == "" {
		return formatBinary, nil
	}
	f, ok := formats[mediaType]
	if !ok {
		return "", errUnsupportedMediaType
	}
	return f, nil
}

// acceptsV2Body refuses a Content-Type other than the plain v2 one, also on a GET.
func acceptsV2Body(r *http.Request) error {
	mediaType, err := contentType(r)
	if err == nil && mediaType != "" && mediaType != typeV2 {
		err = errUnsupportedMediaType
	}
	return err
}

// acceptV2 returns the Content-Type of the answer that the request's Accept header allows:
// application/vnd.kafka.v2+json, with the parameters that were asked for. Of several entries
// that match the one with the highest q counts, then the one with the fewest wildcards.
func acceptV2(r *http.Request) (string, error) {
	headers := r.Header["Accept"]
	if len(headers) == 0 || len(headers) == 1 && (headers[0] == "" || headers[0] == "*/*" || headers[0] == typeV2) {
		return typeV2, nil
	}
	best, bestQ, bestWild := "", -1.0, 0
	for _, header := range headers {
		for entry := range strings.SplitSeq(header, ",") {
			answer, q, wild := matchV2(entry)
			if answer != "" && (q > bestQ || q == bestQ && wild < bestWild) {
				best, bestQ, bestWild = answer, q, wild
			}
		}
	}
	if best == "" {
		return "", errNotAcceptable
	}
	return best, nil
}

// matchV2 holds one entry of an Accept header against the v2 type. wild is the number of
// wildcards in it; answer is "" when it does not match.
func matchV2(entry string) (answer string, q float64, wild int) {
	mediaType, params, err := mime.ParseMediaType(entry)
	if err != nil {
		return "", 0, 0
	}
	switch mediaType {
	case typeV2:
	case "application/*":
		wild = 1
	case "*/*":
		wild = 2
	default:
		return "", 0, 0
	}
	q = 1
	if text, ok := params["q"]; ok {
		delete(params, "q")
		if q, err = strconv.ParseFloat(text, 64); err != nil {
			return "", 0, 0
		}
	}
	if wild > 0 {
		return typeV2, q, wild // the reference takes its own type then, without the entry's parameters
	}
	return typeV2 + parameters(params), q, wild
}

// parameters writes the parameters of a media type as the reference does: sorted, without spaces.
func parameters(params map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value := params[name]
		if !isToken(value) {
			value = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
		}
		b.WriteString(";" + name + "=" + value)
	}
	return b.String()
}

// errorType is the media type of an error that came before one was agreed on: the first of
// response.mediatype.preferred that the Accept header names, else response.mediatype.default.
func (h *Handlers) errorType(r *http.Request) string {
	accept := strings.Join(r.Header["Accept"], ",")
	for _, mediaType := range h.cfg.ErrorTypes {
		if strings.Contains(accept, mediaType) {
			return mediaType
		}
	}
	return h.cfg.ErrorType
}
