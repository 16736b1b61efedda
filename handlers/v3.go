package handlers

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
)

// v3Routes adds the routes of the v3 API, in the order of the contract.
func (h *Handlers) v3Routes(chi.Router) {
}

// v3 answers a call of the v3 API with fn once its Content-Type and its Accept header can be met:
// the one way out for errors of the v3 API. accepts says which bodies are taken.
func (h *Handlers) v3(accepts func(*http.Request) error, fn func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := accepts(r); err != nil {
			h.writeError(w, r, errorType(r), err)
			return
		}
		if !acceptsJSON(r) {
			h.writeError(w, r, "", errNotAcceptable)
			return
		}
		if err := fn(w, r); err != nil {
			h.writeError(w, r, typeJSON, err)
		}
	}
}

// acceptsJSONBody refuses a Content-Type other than application/json; without one it is that.
func acceptsJSONBody(r *http.Request) error {
	mediaType, err := contentType(r)
	if err == nil && mediaType != "" && mediaType != typeJSON {
		err = errUnsupportedMediaType
	}
	return err
}

// acceptsJSON reports whether the Accept header admits application/json. q=0 excludes nothing,
// as in the reference.
func acceptsJSON(r *http.Request) bool {
	headers := r.Header["Accept"]
	if len(headers) == 0 || len(headers) == 1 && headers[0] == "" {
		return true
	}
	for _, header := range headers {
		for entry := range strings.SplitSeq(header, ",") {
			mediaType, _, err := mime.ParseMediaType(entry)
			if err != nil {
				continue
			}
			switch mediaType {
			case typeJSON, "application/*", "*/*":
				return true
			}
		}
	}
	return false
}

// writeV3 answers with v as JSON.
func writeV3(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	writeBody(w, status, typeJSON, bytes.TrimSuffix(body.Bytes(), []byte("\n")))
	return nil
}

// noContent answers 204.
func noContent(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// link leads to another resource.
type link struct {
	Related string `json:"related"`
}

// metadata of one resource; resource_name is left out where a kind has none.
type metadata struct {
	Self         string `json:"self"`
	ResourceName string `json:"resource_name,omitempty"`
}

// listMetadata of a collection. next is null unless a page was asked for and is not the last.
type listMetadata struct {
	Self string  `json:"self"`
	Next *string `json:"next"`
}

// list is a collection.
type list[T any] struct {
	Kind     string       `json:"kind"`
	Metadata listMetadata `json:"metadata"`
	Data     []T          `json:"data"`
}

// names makes the URLs and CRNs of one answer. Make it with namesFor.
type names struct {
	base string // URL of /v3, without a slash at its end
	crns string // what every CRN begins with
}

func (h *Handlers) namesFor(r *http.Request) names {
	return names{base: h.baseURL(r) + "/v3", crns: "crn://" + strings.Trim(h.cfg.CRNAuthority, "/") + "/"}
}

// url joins segments behind /v3/, as they are.
func (n names) url(segments ...string) string {
	return n.base + "/" + strings.Join(segments, "/")
}

// related is a link to the resource at these segments.
func (n names) related(segments ...string) link { return link{n.url(segments...)} }

// crn joins pairs of type and id; the last type may stand alone.
func (n names) crn(pairs ...string) string {
	var b strings.Builder
	b.WriteString(n.crns)
	for i, part := range pairs {
		part = strings.Trim(part, "/")
		switch {
		case i == 0:
		case i%2 == 1:
			b.WriteByte('=')
		default:
			b.WriteByte('/')
		}
		b.WriteString(part)
	}
	return b.String()
}

// text writes a number of a URL.
func text(n int32) string { return strconv.Itoa(int(n)) }
