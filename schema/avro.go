package schema

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/avro"
)

// avroKind is the Avro type of a node.
type avroKind uint8

const (
	kindNull avroKind = iota
	kindBoolean
	kindInt
	kindLong
	kindFloat
	kindDouble
	kindBytes
	kindString
	kindRecord
	kindEnum
	kindArray
	kindMap
	kindUnion
	kindFixed
)

var primitives = map[string]avroKind{
	"null": kindNull, "boolean": kindBoolean, "int": kindInt, "long": kindLong,
	"float": kindFloat, "double": kindDouble, "bytes": kindBytes, "string": kindString,
}

// avroNode is one type of a schema, ready to walk: logical types are their base types, as in
// Avro's JSON encoding. Names are resolved, so recursive schemas are circles.
type avroNode struct {
	kind     avroKind
	label    string // as a union's branch is called in JSON
	fields   []avroField
	byName   map[string]int // of fields, aliases too
	symbols  []string
	byText   map[string]int // of symbols
	size     int            // of fixed
	items    *avroNode      // of array and map
	branches []*avroNode
	byLabel  map[string]int // of branches
}

type avroField struct {
	name  string
	quote []byte // `"name":`
	node  *avroNode
}

// avroCodec is an Avro schema as valueCodec.
type avroCodec struct {
	root *avroNode
	text string
	null bool // a JSON null fits
}

// newAvro reads a schema. refs are the schemas whose names it uses, in their order. name is
// the full name of a record, enum or fixed at the top.
// Parsing and its checks are twmb/avro's; the walk over values is our own: it knows Confluent's JSON
// to the letter and makes no Go values on the way.
func newAvro(text string, refs []reference, isNew bool) (codec valueCodec, name string, err error) {
	var opts []avro.SchemaOpt
	if !isNew {
		opts = append(opts, avro.WithLaxNames(nil)) // old schemas stay readable
	}
	var names avro.SchemaCache
	b := builder{named: map[string]*avroNode{}}
	for _, ref := range refs {
		parsed, err := names.Parse(ref.text, opts...)
		if err != nil {
			return nil, "", fmt.Errorf("reading reference %s: %w", ref.name, err)
		}
		if _, err := b.node(parsed.Root()); err != nil {
			return nil, "", err
		}
	}
	parsed, err := names.Parse(text, opts...)
	if err != nil {
		return nil, "", err
	}
	root, err := b.node(parsed.Root())
	if err != nil {
		return nil, "", err
	}
	c := &avroCodec{root: root, text: text, null: root.kind == kindNull}
	if root.kind == kindUnion {
		_, c.null = root.byLabel["null"]
	}
	if root.kind == kindRecord || root.kind == kindEnum || root.kind == kindFixed {
		name = root.label
	}
	return c, name, nil
}

// builder turns a parsed schema into nodes.
type builder struct {
	named map[string]*avroNode // by full name
	depth int
}

// maxSchemaDepth bounds types within types.
const maxSchemaDepth = 200

func (b *builder) node(s *avro.SchemaNode) (*avroNode, error) {
	if b.depth++; b.depth > maxSchemaDepth {
		return nil, fmt.Errorf("types are nested more than %d deep", maxSchemaDepth)
	}
	defer func() { b.depth-- }()
	if k, ok := primitives[s.Type]; ok {
		return &avroNode{kind: k, label: s.Type}, nil
	}
	switch s.Type {
	case "array":
		items, err := b.node(s.Items)
		return &avroNode{kind: kindArray, label: "array", items: items}, err
	case "map":
		items, err := b.node(s.Values)
		return &avroNode{kind: kindMap, label: "map", items: items}, err
	case "union":
		return b.union(s)
	case "enum":
		n := &avroNode{kind: kindEnum, label: fullName(s), symbols: s.Symbols, byText: make(map[string]int, len(s.Symbols))}
		for i, symbol := range s.Symbols {
			n.byText[symbol] = i
		}
		b.named[n.label] = n
		return n, nil
	case "fixed":
		n := &avroNode{kind: kindFixed, label: fullName(s), size: s.Size}
		b.named[n.label] = n
		return n, nil
	case "record", "error":
		return b.record(s)
	}
	if n, ok := b.named[s.Type]; ok {
		return n, nil
	}
	return nil, fmt.Errorf("type %q is not defined", s.Type)
}

func fullName(s *avro.SchemaNode) string {
	if s.Namespace == "" || strings.Contains(s.Name, ".") {
		return s.Name
	}
	return s.Namespace + "." + s.Name
}

func (b *builder) union(s *avro.SchemaNode) (*avroNode, error) {
	n := &avroNode{kind: kindUnion, byLabel: map[string]int{}}
	for i := range s.Branches {
		branch, err := b.node(&s.Branches[i])
		if err != nil {
			return nil, err
		}
		n.byLabel[branch.label] = i
		n.branches = append(n.branches, branch)
	}
	return n, nil
}

func (b *builder) record(s *avro.SchemaNode) (*avroNode, error) {
	n := &avroNode{kind: kindRecord, label: fullName(s), byName: make(map[string]int, len(s.Fields))}
	b.named[n.label] = n // first: a field may be of this type
	for i := range s.Fields {
		field := &s.Fields[i]
		node, err := b.node(&field.Type)
		if err != nil {
			return nil, err
		}
		n.fields = append(n.fields, avroField{name: field.Name, quote: append(appendJSONString(nil, []byte(field.Name)), ':'), node: node})
	}
	for i := range s.Fields { // a name goes before another field's alias
		for _, alias := range s.Fields[i].Aliases {
			n.byName[alias] = i
		}
	}
	for i, field := range n.fields {
		n.byName[field.name] = i
	}
	return n, nil
}

func (c *avroCodec) kafkaNull(text []byte) bool { return c.null && string(text) == "null" }

func (c *avroCodec) indexes() []byte { return nil }

// canonical is the schema as Avro's Schema.toString writes it, nearly: without white space, a
// primitive type as its bare name.
func (c *avroCodec) canonical() string {
	return compactSchema(c.text, true)
}

// compactSchema drops white space, and with bare writes {"type":"string"} as "string".
func compactSchema(text string, bare bool) string {
	var only map[string]string
	if bare && json.Unmarshal([]byte(text), &only) == nil && len(only) == 1 {
		if _, ok := primitives[only["type"]]; ok {
			return `"` + only["type"] + `"`
		}
	}
	return string(appendCompact(nil, []byte(text)))
}
