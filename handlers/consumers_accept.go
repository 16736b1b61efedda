package handlers

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// producible is one media type that a route can answer with, and the server's weight of it.
type producible struct {
	mediaType string
	weight    float64
	format    format // of records
}

// The types of the consumer routes. Source: contract, kafka-rest-v2.md §1.2.
var (
	consumerTypes = producibles(0.9, 0.1)
	recordTypes   = append(producibles(0.9, 1), producible{typeEvents, 0.05, formatEvents})
)

// typeEvents asks for records as server-sent events, which the reference does not have: only who
// names it gets it.
const (
	typeEvents          = "text/event-stream"
	formatEvents format = "events"
)

// producibles lists the types of v2 with the weights of the plain one and of the binary one.
func producibles(plain, binary float64) []producible {
	return []producible{
		{"application/vnd.kafka.binary.v2+json", binary, formatBinary},
		{typeV2, plain, formatBinary}, // the plain type reads records as binary
		{"application/vnd.kafka.json.v2+json", 0.1, formatJSON},
		{"application/vnd.kafka.avro.v2+json", 0.1, formatAvro},
		{"application/vnd.kafka.jsonschema.v2+json", 0.1, formatJSONSchema},
		{"application/vnd.kafka.protobuf.v2+json", 0.1, formatProtobuf},
	}
}

// accepted is what the Accept header of a request came to.
type accepted struct {
	answer     string // Content-Type of the answer
	format     format // that records are asked for in
	extensions bool   // the chosen entry asks for headers and timestamps
	named      map[format]acceptedType
}

// acceptedType is a type that the header names without wildcards.
type acceptedType struct {
	answer     string
	extensions bool
}

// negotiate chooses among types by the request's Accept header: the highest q, then the highest
// weight of the server, then the fewest wildcards. ok is false when nothing matches.
func negotiate(r *http.Request, types []producible) (chosen accepted, ok bool) {
	entries := acceptEntries(r)
	bestQ, bestWeight, bestWild := -1.0, -1.0, 0
	for _, e := range entries {
		for _, t := range types {
			if !e.matches(t.mediaType) {
				continue
			}
			got := acceptedType{answer: t.mediaType}
			if e.wild == 0 {
				got.answer += parameters(e.params)
				got.extensions = e.params[extensionsParam] == "true"
				if chosen.named == nil {
					chosen.named = map[format]acceptedType{}
				}
				if _, earlier := chosen.named[t.format]; !earlier && t.mediaType != typeV2 {
					chosen.named[t.format] = got
				}
			}
			better := e.q > bestQ || e.q == bestQ && (t.weight > bestWeight || t.weight == bestWeight && e.wild < bestWild)
			if better {
				bestQ, bestWeight, bestWild, ok = e.q, t.weight, e.wild, true
				chosen.answer, chosen.format, chosen.extensions = got.answer, t.format, got.extensions
			}
		}
	}
	return chosen, ok
}

// extensionsParam is the media-type parameter that asks for headers and timestamps.
const extensionsParam = "extensions"

// acceptEntry is one entry of an Accept header.
type acceptEntry struct {
	kind, sub string // "*" for any
	params    map[string]string
	q         float64
	wild      int // wildcards
}

func (e acceptEntry) matches(mediaType string) bool {
	kind, sub, _ := strings.Cut(mediaType, "/")
	if mediaType == typeEvents && e.wild > 0 {
		return false
	}
	return (e.kind == "*" || e.kind == kind) && (e.sub == "*" || e.sub == sub)
}

// acceptEntries reads the Accept headers; none, or an empty one, is any type. Entries that are no
// media types are left out.
func acceptEntries(r *http.Request) []acceptEntry {
	header := strings.Join(r.Header["Accept"], ",")
	if strings.TrimSpace(header) == "" {
		return []acceptEntry{{kind: "*", sub: "*", q: 1, wild: 2}}
	}
	var entries []acceptEntry
	for text := range strings.SplitSeq(header, ",") {
		mediaType, params, err := mime.ParseMediaType(text)
		kind, sub, ok := strings.Cut(mediaType, "/")
		if err != nil || !ok || kind == "*" && sub != "*" {
			continue
		}
		e := acceptEntry{kind: kind, sub: sub, params: params, q: 1}
		for _, part := range []string{kind, sub} {
			if part == "*" {
				e.wild++
			}
		}
		if text, ok := params["q"]; ok {
			delete(params, "q")
			if e.q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		entries = append(entries, e)
	}
	return entries
}

// family tells which formats of records are read alike: those with a schema.
func (f format) family() format {
	if f.hasSchema() && f != formatEvents {
		return formatAvro
	}
	return f
}

// forInstance holds what was asked for to the format of the instance. Who also names that format
// gets it, where the reference would refuse what it chose. ok is false when they do not fit.
func (a accepted) forInstance(f format) (accepted, bool) {
	if a.format == formatEvents || a.format.family() == f.family() {
		return a, true
	}
	for _, named := range []format{f, formatAvro, formatJSONSchema, formatProtobuf} {
		if t, ok := a.named[named]; ok && named.family() == f.family() {
			a.answer, a.format, a.extensions = t.answer, named, t.extensions
			return a, true
		}
	}
	return a, false
}

// acceptsEvents reports whether the answer is to be an event stream.
func (a accepted) acceptsEvents() bool { return a.format == formatEvents }
