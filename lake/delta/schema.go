package delta

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Type is the type of a column or of a list's elements, by its name in the log.
type Type string

// The primitive types that this package writes. Decimals and nested structures are read past, not written.
const (
	String    Type = "string"
	Integer   Type = "integer" // 32 bits
	Long      Type = "long"    // 64 bits
	Float     Type = "float"
	Double    Type = "double"
	Boolean   Type = "boolean"
	Binary    Type = "binary"
	Date      Type = "date"
	Timestamp Type = "timestamp" // an instant, to the microsecond, UTC
)

// Column is one column of a table. Every column may hold nulls.
type Column struct {
	Name string
	Type Type // of the elements, when List is set
	List bool // a list of Type, whose elements may be null
}

// Schema is a table's columns, in order.
type Schema []Column

// field is a column as the log has it. What is not ours is kept for comparing.
type field struct {
	Name     string          `json:"name"`
	Type     json.RawMessage `json:"type"`
	Nullable bool            `json:"nullable"`
	Metadata json.RawMessage `json:"metadata"`
}

type structType struct {
	Type   string  `json:"type"` // "struct"
	Fields []field `json:"fields"`
}

type listType struct {
	Type         string `json:"type"` // "array"
	ElementType  Type   `json:"elementType"`
	ContainsNull bool   `json:"containsNull"`
}

// text is the schema as metaData.schemaString has it.
func (s Schema) text() (string, error) {
	all := structType{Type: "struct", Fields: []field{}}
	for _, column := range s {
		var of any = column.Type
		if column.List {
			of = listType{"array", column.Type, true}
		}
		name, err := json.Marshal(of)
		if err != nil {
			return "", err
		}
		all.Fields = append(all.Fields, field{column.Name, name, true, json.RawMessage("{}")})
	}
	text, err := json.Marshal(all)
	return string(text), err
}

// parseSchema reads a schemaString. Types that this package does not write come out as their text.
func parseSchema(text string) (Schema, []field, error) {
	var all structType
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, nil, fmt.Errorf("reading the schema: %w", err)
	}
	var s Schema
	for _, f := range all.Fields {
		column := Column{Name: f.Name}
		var list listType
		switch {
		case json.Unmarshal(f.Type, &column.Type) == nil:
		case json.Unmarshal(f.Type, &list) == nil && list.Type == "array" && list.ElementType != "":
			column.Type, column.List = list.ElementType, true
		default:
			column.Type = Type(f.Type)
		}
		s = append(s, column)
	}
	return s, all.Fields, nil
}

// String shows a column as SQL would: "coordinates array<double>".
func (c Column) String() string {
	if c.List {
		return fmt.Sprintf("%s array<%s>", c.Name, c.Type)
	}
	return fmt.Sprintf("%s %s", c.Name, c.Type)
}

// ParseColumn reads what String shows: a name, a space, a type or array<type>.
func ParseColumn(text string) (Column, error) {
	name, of, _ := strings.Cut(text, " ")
	c := Column{Name: name, Type: Type(of)}
	if inner, ok := strings.CutPrefix(of, "array<"); ok {
		c.Type, c.List = Type(strings.TrimSuffix(inner, ">")), true
	}
	if name == "" || !slices.Contains(types, c.Type) || c.String() != text {
		return Column{}, fmt.Errorf("column %q: expected a name, a space and one of %s, or array<…> of one", text, strings.Join(typeNames(), ", "))
	}
	return c, nil
}

var types = []Type{String, Integer, Long, Float, Double, Boolean, Binary, Date, Timestamp}

func typeNames() []string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return names
}

// fits says why files of schema s cannot be added to a table of schema other.
func (s Schema) fits(table Schema) error {
	for i := range max(len(s), len(table)) {
		switch {
		case i >= len(s):
			return fmt.Errorf("the table has column %d, %s, which is not written", i+1, table[i])
		case i >= len(table):
			return fmt.Errorf("the table has no column %d, %s", i+1, s[i])
		case s[i] != table[i]:
			return fmt.Errorf("column %d of the table is %s, %s is written", i+1, table[i], s[i])
		}
	}
	return nil
}

// demands says what in the columns' metadata or nullability asks more of a writer than this package does.
// Source: PROTOCOL.md, column invariants and requirements for writers.
func demands(fields []field) error {
	for _, f := range fields {
		for _, key := range []string{"delta.invariants", "delta.generationExpression", "delta.identity.", "delta.columnMapping."} {
			if bytes.Contains(f.Metadata, []byte(`"`+key)) {
				return fmt.Errorf("column %s has %s", f.Name, strings.TrimSuffix(key, "."))
			}
		}
		if !f.Nullable {
			return fmt.Errorf("column %s may hold no nulls, which is not checked here", f.Name)
		}
	}
	return nil
}
