package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// kind is how the text of a value is read.
// Source of the rules: Kafka's ConfigDef.parseType. All kinds are trimmed first.
type kind int

const (
	text     kind = iota
	class         // the name of a Java class
	password      // as text, never shown
	boolean       // true or false, in any case
	integer       // 32 bits
	long          // 64 bits
	double
	list // comma-separated, white space around each dropped; empty text is the empty list
)

// verdict is what we do with a key that stands in a file.
type verdict int

const (
	honoured verdict = iota // takes effect
	accepted                // takes none, now or ever; named once in the log at start
	refused                 // would take effect, which we cannot give: start fails, unless the value is one that changes nothing
)

// property is one row of the table of all keys. It is made by honour, accept or reject.
type property struct {
	name     string // in full, or ending in ".*" for all names that begin so
	kind     kind
	fallback string // the value when none is given
	verdict  verdict
	note     string // honoured: what it does, with its unit; else why it is not

	min, max   int64    // of integer and long; a value outside is a fault
	nearest    bounds   // of a client key: what the Go client takes; outside the nearest counts
	oneOf      []string // the only values, in any case; empty: any
	pattern    bool     // found by a name that ends in ".*"
	byListener bool     // listener.name.<name>. before it sets it for one listener
	layers     string   // of a client key: which clients read it, of "pca": producer, consumer, admin
}

func honour(name string, k kind, fallback, note string) property {
	return property{name: name, kind: k, fallback: fallback, verdict: honoured, note: note, min: math.MinInt64, max: math.MaxInt64, layers: "pca"}
}

func accept(name string, k kind, fallback, note string) property {
	p := honour(name, k, fallback, note)
	p.verdict = accepted
	return p
}

func reject(name string, k kind, fallback, note string) property {
	p := honour(name, k, fallback, note)
	p.verdict = refused
	return p
}

// in bounds a number, both ends included.
func (p property) in(lowest, highest int64) property {
	p.min, p.max = lowest, highest
	return p
}

// bounds are the lowest and highest value that something takes, both included.
type bounds struct{ lowest, highest int64 }

// nearestIn gives the bounds of the Go client, where they are narrower than the Java client's. A
// value outside is taken as the nearest: a file that works there must work here.
// Source: the validation in franz-go's config.go.
func (p property) nearestIn(lowest, highest int64) property {
	p.nearest = bounds{lowest, highest}
	return p
}

// inForce is the number that a given one comes to. A negative one stands for "no limit".
func (p property) inForce(number int64) int64 {
	switch b := p.nearest; {
	case b == bounds{}:
		return number
	case number < 0:
		return b.highest
	default:
		return min(max(number, b.lowest), b.highest)
	}
}

// of names the only values.
func (p property) of(values ...string) property {
	p.oneOf = values
	return p
}

// read says which clients read a client key.
func (p property) read(layers string) property {
	p.layers = layers
	return p
}

// each says that the key may be set for one listener alone.
func (p property) each() property {
	p.byListener = true
	return p
}

// value is the text of a property, read as its kind says.
type value struct {
	text   string // trimmed
	list   []string
	number int64
	double float64
	on     bool
}

// parse reads raw. The error says what would work, and nothing of the value.
func (p property) parse(raw string) (value, error) {
	v := value{text: strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' })} // as Java's String.trim
	var err error
	switch p.kind {
	case text, class, password:
	case boolean:
		v.on = strings.EqualFold(v.text, "true")
		if !v.on && !strings.EqualFold(v.text, "false") {
			return v, fmt.Errorf("expected true or false")
		}
	case integer:
		if v.number, err = strconv.ParseInt(v.text, 10, 32); err != nil {
			return v, fmt.Errorf("expected a 32-bit integer")
		}
	case long:
		if v.number, err = strconv.ParseInt(v.text, 10, 64); err != nil {
			return v, fmt.Errorf("expected a 64-bit integer")
		}
	case double:
		if v.double, err = strconv.ParseFloat(v.text, 64); err != nil {
			return v, fmt.Errorf("expected a number")
		}
	case list:
		v.list = splitList(v.text)
	}
	return v, p.check(v)
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// check holds a value to the row's bounds.
func (p property) check(v value) error {
	if number := p.kind == integer || p.kind == long; number && (v.number < p.min || v.number > p.max) {
		switch {
		case p.max == math.MaxInt64:
			return fmt.Errorf("expected at least %d", p.min)
		case p.min == math.MinInt64:
			return fmt.Errorf("expected at most %d", p.max)
		}
		return fmt.Errorf("expected %d to %d", p.min, p.max)
	}
	if len(p.oneOf) > 0 && !containsFold(p.oneOf, v.text) {
		return fmt.Errorf("expected one of %s", strings.Join(p.oneOf, ", "))
	}
	return nil
}

// changesNothing reports whether a refused key's value is as good as none.
func (p property) changesNothing(v value) bool {
	fallback, err := p.parse(p.fallback)
	return err == nil && same(p.kind, fallback, v)
}

func same(k kind, a, b value) bool {
	if k == text || k == class || k == password {
		return strings.EqualFold(a.text, b.text)
	}
	return a.number == b.number && a.double == b.double && a.on == b.on && slices.Equal(a.list, b.list)
}

func containsFold(all []string, one string) bool {
	return slices.ContainsFunc(all, func(s string) bool { return strings.EqualFold(s, one) })
}

// clients are the prefixes under which properties reach Kafka clients, with their letter in property.layers.
var clients = []struct{ prefix, letter string }{{"client.", "pca"}, {"producer.", "p"}, {"consumer.", "c"}, {"admin.", "a"}}

// catalog is every key we know: those of the reference's configuration reference, and our own.
type catalog struct {
	server map[string]property // un-prefixed names
	client map[string]property // names below client., producer., consumer. and admin.
}

func newCatalog() *catalog {
	c := &catalog{server: map[string]property{}, client: map[string]property{}}
	for _, rows := range [][]property{restKeys(), httpKeys(), registryKeys(), metricKeys(), ownKeys()} {
		for _, p := range rows {
			c.server[p.name] = p
		}
	}
	for _, p := range clientKeys() {
		c.client[p.name] = p
	}
	return c
}

// lookup finds the row for a name as it stands in a file; the row bears that name.
func (c *catalog) lookup(name string) (property, bool) {
	if p, ok := c.server[name]; ok {
		return p, true
	}
	if p, ok := c.listener(name); ok {
		return p, true
	}
	for _, layer := range clients {
		rest, ok := strings.CutPrefix(name, layer.prefix)
		if !ok {
			continue
		}
		if p, ok := find(c.client, rest); ok {
			return p.under(layer.prefix, layer.letter), true
		}
	}
	return find(c.server, name)
}

// find looks for name itself, then for the longest "….*" that holds it.
func find(rows map[string]property, name string) (property, bool) {
	if p, ok := rows[name]; ok {
		return p, true
	}
	for end := strings.LastIndexByte(name, '.'); end > 0; end = strings.LastIndexByte(name[:end], '.') {
		if p, ok := rows[name[:end]+".*"]; ok {
			p.name, p.pattern = name, true
			return p, true
		}
	}
	return property{}, false
}

// under is the row of a client key below one of the prefixes.
func (p property) under(prefix, letters string) property {
	p.name = prefix + p.name
	if !strings.ContainsAny(p.layers, letters) {
		p.verdict, p.note = accepted, "this client has no such setting"
	}
	return p
}

// listener finds listener.name.<name>.<key>: a key of the HTTP layer for one listener alone.
func (c *catalog) listener(name string) (property, bool) {
	rest, ok := strings.CutPrefix(name, "listener.name.")
	if !ok {
		return property{}, false
	}
	_, key, ok := strings.Cut(rest, ".")
	if !ok {
		return property{}, false
	}
	p, ok := find(c.server, key)
	if !ok {
		return property{}, false
	}
	p.name = name
	if p.verdict == honoured && !p.byListener {
		p.verdict, p.note = accepted, key+" counts for all listeners together: give it without listener.name."
	}
	return p, true
}

// names are all names in full, sorted: those of clients below each prefix that reads them.
func (c *catalog) names() []string {
	var all []string
	for name := range c.server {
		if !strings.HasSuffix(name, ".*") {
			all = append(all, name)
		}
	}
	for name, p := range c.client {
		if strings.HasSuffix(name, ".*") {
			continue
		}
		for _, layer := range clients {
			if strings.ContainsAny(p.layers, layer.letter) {
				all = append(all, layer.prefix+name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
