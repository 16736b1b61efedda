package server

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/cors"
)

// Header is one header that every answer gets.
type Header struct {
	Add   bool // beside one of the same name; else in its place
	Date  bool // Value is milliseconds since 1970, written as a date
	Name  string
	Value string
}

// ParseHeaders reads response.http.headers.config: `<set|add|setDate|addDate> Name: value`, comma-separated,
// an entry that holds a comma in double quotes. Errors name the entry's number, not its value.
// Source: Jetty's HeaderFilter.
func ParseHeaders(text string) ([]Header, error) {
	var headers []Header
	for i, entry := range splitQuoted(text) {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		h, err := parseHeader(entry)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		headers = append(headers, h)
	}
	return headers, nil
}

func parseHeader(entry string) (Header, error) {
	verb, rest, _ := strings.Cut(entry, " ")
	if !slices.Contains([]string{"set", "add", "setdate", "adddate"}, strings.ToLower(verb)) {
		return Header{}, fmt.Errorf("expected set, add, setDate or addDate before the header, for example set X-Frame-Options: DENY")
	}
	name, value, ok := strings.Cut(rest, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	h := Header{
		Add: strings.EqualFold(verb[:3], "add"), Date: len(verb) > 3,
		Name: http.CanonicalHeaderKey(name), Value: value,
	}
	switch {
	case !ok:
		return h, fmt.Errorf("expected a colon between header and value")
	case !isHeaderName(name):
		return h, fmt.Errorf("%q is no name of a header", name)
	case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }):
		return h, fmt.Errorf("the value of %s holds a control character", name)
	}
	if h.Date {
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return h, fmt.Errorf("the value of %s is no number of milliseconds since 1970", name)
		}
	}
	return h, nil
}

// isHeaderName reports whether s is a token of RFC 9110.
func isHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}

// splitQuoted splits at commas outside double quotes, and drops the quotes.
func splitQuoted(text string) (entries []string) {
	var entry strings.Builder
	quoted := false
	for _, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			entries = append(entries, entry.String())
			entry.Reset()
		default:
			entry.WriteRune(c)
		}
	}
	return append(entries, entry.String())
}

// hsts is the reference's Strict-Transport-Security.
const hsts = "max-age=63072000; includeSubDomains"

// withHeaders puts the headers of the rules on every answer.
func withHeaders(rules Rules, https bool, next http.Handler) http.Handler {
	headers := slices.Clone(rules.Headers)
	if rules.NoSniff {
		headers = append(headers, Header{Name: "X-Content-Type-Options", Value: "nosniff"})
	}
	if rules.HSTS && https {
		headers = append(headers, Header{Name: "Strict-Transport-Security", Value: hsts})
	}
	if len(headers) == 0 {
		return next
	}
	for i, h := range headers {
		if h.Date {
			millis, _ := strconv.ParseInt(h.Value, 10, 64) // checked when it was read
			headers[i].Value = time.UnixMilli(millis).UTC().Format(http.TimeFormat)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range headers {
			if h.Add {
				w.Header().Add(h.Name, h.Value)
			} else {
				w.Header().Set(h.Name, h.Value)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// preflightSeconds is how long a browser may remember an answer. Source: Jetty's CrossOriginFilter.
const preflightSeconds = 1800

// crossOrigin answers browsers' questions whether a page may call, and tells them so with each answer.
// Credentials are let in from origins that are named, not from all of them.
func (d *door) crossOrigin(next http.Handler) http.Handler {
	cfg := *d.rules.CORS
	options := cors.Options{
		AllowedOrigins: cfg.Origins, AllowedMethods: orElse(cfg.Methods, http.MethodGet, http.MethodPost, http.MethodHead),
		AllowedHeaders: orElse(cfg.Headers, "X-Requested-With", "Content-Type", "Accept", "Origin"), ExposedHeaders: cfg.Expose,
		MaxAge: preflightSeconds, OptionsSuccessStatus: http.StatusOK, AllowCredentials: !slices.Contains(cfg.Origins, "*"),
	}
	allowed := cors.New(options).Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions && !cfg.SkipOptions && !d.loggedIn(w, r, exchangeOf(w)) {
			return
		}
		allowed.ServeHTTP(w, r)
	})
}

func orElse(given []string, usual ...string) []string {
	if len(given) == 0 {
		return usual
	}
	return given
}

// withoutOptions refuses OPTIONS on every path: reject.options.request.
func withoutOptions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			refuse(w, r, http.StatusForbidden, "")
			return
		}
		next.ServeHTTP(w, r)
	})
}
