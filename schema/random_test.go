package schema

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// sample is a random schema with a value that fits it, both as text.
type sample struct{ schema, value string }

// text is a random string as a JSON token.
func text(t *rapid.T, label string) string {
	s := rapid.StringOfN(rapid.OneOf(rapid.RuneFrom([]rune("abc xyz_09\"\\/\n\t\u0001")), rapid.RuneFrom([]rune("éß€☕😀\u2028"))), 0, 12, -1).Draw(t, label)
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func integer(t *rapid.T, bits int) string {
	n := rapid.Int64().Draw(t, "n")
	if bits == 32 {
		n = int64(int32(n))
	}
	return strconv.FormatInt(n, 10)
}

func number(t *rapid.T) string {
	return strconv.FormatFloat(rapid.Float64Range(-1e12, 1e12).Draw(t, "f"), 'g', -1, 64)
}

// avroMaker draws an Avro schema and a value of it. Names are numbered: each is defined once.
type avroMaker struct {
	t     *rapid.T
	names int
}

func drawAvro(t *rapid.T) sample {
	m := &avroMaker{t: t}
	schema, value, _ := m.record(0)
	return sample{schema, value}
}

func (m *avroMaker) name(prefix string) string {
	m.names++
	return prefix + strconv.Itoa(m.names)
}

// maxNesting is how deep random schemas go.
const maxNesting = 3

// draw returns a type, a value of it, and the name that a union's branch has.
func (m *avroMaker) draw(depth int) (schema, value, label string) {
	kinds := 13
	if depth >= maxNesting {
		kinds = 9
	}
	switch rapid.IntRange(0, kinds).Draw(m.t, "kind") {
	case 0:
		return `"boolean"`, strconv.FormatBool(rapid.Bool().Draw(m.t, "b")), "boolean"
	case 1:
		return `"int"`, integer(m.t, 32), "int"
	case 2:
		return `"long"`, integer(m.t, 64), "long"
	case 3:
		return `"float"`, strconv.FormatFloat(float64(rapid.IntRange(-4e6, 4e6).Draw(m.t, "f"))/4, 'g', -1, 32), "float" // the same digits with 32 and 64 bits
	case 4:
		return `"double"`, number(m.t), "double"
	case 5:
		return `"string"`, text(m.t, "s"), "string"
	case 6:
		return `"bytes"`, m.bytes(rapid.IntRange(0, 6).Draw(m.t, "n")), "bytes"
	case 7:
		name, size := m.name("F"), rapid.IntRange(1, 5).Draw(m.t, "size")
		return fmt.Sprintf(`{"type":"fixed","name":%q,"size":%d}`, name, size), m.bytes(size), "n.s." + name
	case 8:
		name := m.name("E")
		return fmt.Sprintf(`{"type":"enum","name":%q,"symbols":["A","B","C"]}`, name), `"` + rapid.SampledFrom([]string{"A", "B", "C"}).Draw(m.t, "symbol") + `"`, "n.s." + name
	case 9:
		return m.logical()
	case 10:
		schema, values := m.several(depth, false)
		return `{"type":"array","items":` + schema + `}`, "[" + strings.Join(values, ",") + "]", "array"
	case 11:
		schema, values := m.several(depth, true)
		return `{"type":"map","values":` + schema + `}`, "{" + strings.Join(values, ",") + "}", "map"
	case 12:
		return m.union(depth)
	}
	return m.record(depth + 1)
}

// logical is a type whose JSON is that of its base: the values are such that Python's dates hold them.
func (m *avroMaker) logical() (schema, value, label string) {
	switch rapid.IntRange(0, 3).Draw(m.t, "logical") {
	case 0:
		return `{"type":"int","logicalType":"date"}`, strconv.Itoa(rapid.IntRange(-100_000, 100_000).Draw(m.t, "days")), "int"
	case 1:
		return `{"type":"int","logicalType":"time-millis"}`, strconv.Itoa(rapid.IntRange(0, 86_399_999).Draw(m.t, "ms")), "int"
	case 2:
		return `{"type":"long","logicalType":"timestamp-micros"}`, strconv.FormatInt(rapid.Int64Range(0, 4e15).Draw(m.t, "us"), 10), "long"
	}
	return `{"type":"long","logicalType":"timestamp-millis"}`, strconv.FormatInt(rapid.Int64Range(0, 4e12).Draw(m.t, "ms"), 10), "long"
}

// bytes is a text of so many characters U+0000 to U+00FF.
func (m *avroMaker) bytes(n int) string {
	var out strings.Builder
	for range n {
		out.WriteRune(rune(rapid.Byte().Draw(m.t, "byte")))
	}
	raw, err := json.Marshal(out.String())
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// several are the items of an array or the entries of a map: one type, so a named one must not be
// drawn anew for each.
func (m *avroMaker) several(depth int, named bool) (schema string, values []string) {
	schema, value, _ := m.draw(depth + 1)
	for i := range rapid.IntRange(0, 3).Draw(m.t, "count") {
		if named {
			values = append(values, fmt.Sprintf(`"k%d":%s`, i, value))
		} else {
			values = append(values, value)
		}
	}
	return schema, values
}

// union draws branches that Python can tell apart: at most one of each kind of its values.
func (m *avroMaker) union(depth int) (schema, value, label string) {
	branches, values := []string{`"null"`}, []string{"null"}
	seen := map[string]bool{}
	for range rapid.IntRange(1, 3).Draw(m.t, "branches") {
		before := m.names
		schema, value, label := m.draw(depth + 1)
		kind := pythonKind(schema, label)
		if kind == "" || seen[kind] {
			_ = before
			continue
		}
		seen[kind] = true
		branches, values = append(branches, schema), append(values, fmt.Sprintf(`{%q:%s}`, label, value))
	}
	return "[" + strings.Join(branches, ",") + "]", rapid.SampledFrom(values).Draw(m.t, "branch"), ""
}

// pythonKind is what a value is in Python; "" for a union, which may not stand in another.
func pythonKind(schema, label string) string {
	switch {
	case strings.HasPrefix(schema, "["):
		return ""
	case label == "boolean", label == "int", label == "long", label == "float", label == "double":
		return "number"
	case label == "string", strings.Contains(schema, `"enum"`) && strings.HasPrefix(schema, `{"type":"enum"`):
		return "text"
	case label == "bytes", strings.HasPrefix(schema, `{"type":"fixed"`):
		return "sequence" // Python takes bytes for a list of numbers
	case label == "array":
		return "sequence"
	}
	return "mapping"
}

func (m *avroMaker) record(depth int) (schema, value, label string) {
	name := m.name("R")
	var fields, values []string
	for i := range rapid.IntRange(1, 5).Draw(m.t, "fields") {
		schema, value, _ := m.draw(depth)
		fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":%s}`, i, schema))
		values = append(values, fmt.Sprintf(`"f%d":%s`, i, value))
	}
	if rapid.Bool().Draw(m.t, "shuffled") {
		values = rapid.Permutation(values).Draw(m.t, "order")
	}
	return fmt.Sprintf(`{"type":"record","name":%q,"namespace":"n.s","fields":[%s]}`, name, strings.Join(fields, ",")), "{" + strings.Join(values, ",") + "}", "n.s." + name
}

// drawJSON draws a JSON Schema and a value, which fits it unless it is changed.
func drawJSON(t *rapid.T) sample {
	schema, value := jsonObject(t, 0)
	return sample{`{"$schema":"http://json-schema.org/draft-07/schema#",` + schema[1:], value}
}

func jsonObject(t *rapid.T, depth int) (schema, value string) {
	var properties, values, required []string
	for i := range rapid.IntRange(1, 5).Draw(t, "properties") {
		schema, value := jsonValue(t, depth+1)
		properties = append(properties, fmt.Sprintf(`"p%d":%s`, i, schema))
		if rapid.IntRange(0, 3).Draw(t, "there") > 0 {
			values = append(values, fmt.Sprintf(`"p%d":%s`, i, value))
			required = append(required, fmt.Sprintf(`"p%d"`, i))
		}
	}
	return fmt.Sprintf(`{"type":"object","properties":{%s},"required":[%s],"additionalProperties":%t}`,
		strings.Join(properties, ","), strings.Join(required, ","), rapid.Bool().Draw(t, "more")), "{" + strings.Join(values, ", ") + "}"
}

func jsonValue(t *rapid.T, depth int) (schema, value string) {
	kinds := 9
	if depth >= maxNesting {
		kinds = 7
	}
	switch rapid.IntRange(0, kinds).Draw(t, "kind") {
	case 0:
		return `{"type":"boolean"}`, strconv.FormatBool(rapid.Bool().Draw(t, "b"))
	case 1:
		n := rapid.IntRange(-1000, 1000).Draw(t, "n")
		return fmt.Sprintf(`{"type":"integer","minimum":%d,"maximum":%d}`, n-rapid.IntRange(0, 5).Draw(t, "below"), n+5), strconv.Itoa(n)
	case 2:
		return `{"type":"number"}`, number(t)
	case 3:
		return `{"type":"string","maxLength":12}`, text(t, "s")
	case 4:
		return `{"type":["null","string"]}`, rapid.SampledFrom([]string{"null", `"x"`}).Draw(t, "nullable")
	case 5:
		return `{"enum":["a",1,null,{"b":[]}]}`, rapid.SampledFrom([]string{`"a"`, "1", "null", `{"b":[]}`}).Draw(t, "enum")
	case 6:
		return `{"type":"string","pattern":"^[a-c]+$"}`, `"` + rapid.StringMatching(`[a-c]{1,5}`).Draw(t, "letters") + `"`
	case 7:
		return `{"oneOf":[{"type":"integer"},{"type":"string"}]}`, rapid.SampledFrom([]string{"7", `"y"`}).Draw(t, "one")
	case 8:
		schema, value := jsonValue(t, depth+1)
		return `{"type":"array","items":` + schema + `,"minItems":1}`, "[" + value + "]"
	}
	return jsonObject(t, depth)
}

// spoilt changes one member's value, so that it may not fit any more.
func spoilt(t *rapid.T, value string) string {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(value), &members) != nil || len(members) == 0 {
		return `[]`
	}
	for name := range 6 {
		key := "p" + strconv.Itoa(name)
		if _, ok := members[key]; ok {
			members[key] = json.RawMessage(rapid.SampledFrom([]string{`true`, `"zzzzzzzzzzzzzzzzzz"`, `123456`, `null`, `[]`, `{}`, `1.5`}).Draw(t, "other"))
			break
		}
	}
	raw, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// drawProto draws a Protobuf schema whose first message is M, and a value.
func drawProto(t *rapid.T) sample {
	m := &protoMaker{t: t}
	body, value := m.message(0)
	return sample{"syntax = \"proto3\";\npackage n.s;\nimport \"google/protobuf/timestamp.proto\";\nimport \"google/protobuf/wrappers.proto\";\nimport \"google/protobuf/struct.proto\";\n" +
		"message M {" + body + "}\nmessage Other { int32 x = 1; google.protobuf.Timestamp t = 2; google.protobuf.Value v = 3; google.protobuf.BoolValue b = 4; }", value}
}

type protoMaker struct {
	t     *rapid.T
	names int
}

func (m *protoMaker) message(depth int) (body, value string) {
	var out strings.Builder
	var values []string
	for i := range rapid.IntRange(0, 6).Draw(m.t, "fields") {
		inner, kind, value := m.field(depth)
		out.WriteString(inner)
		number := i*3 + 1
		name := fmt.Sprintf("field_%d", i)
		shown := fmt.Sprintf("field%d", i) // in lowerCamelCase, as it is in the answer
		if rapid.Bool().Draw(m.t, "spelling") {
			shown = name
		}
		label := ""
		switch rapid.IntRange(0, 4).Draw(m.t, "label") {
		case 0:
			label, value = "repeated ", "["+value+","+value+"]"
		case 1:
			label = "optional "
		case 2:
			kind, value = "map<string, "+kind+">", `{"k":`+value+`,"":`+value+`}`
		}
		fmt.Fprintf(&out, " %s%s %s = %d;", label, kind, name, number)
		if rapid.IntRange(0, 4).Draw(m.t, "there") > 0 {
			values = append(values, fmt.Sprintf("%q:%s", shown, value))
		}
	}
	return out.String(), "{" + strings.Join(values, ",") + "}"
}

// field is a type with what must be defined before it, and a value.
func (m *protoMaker) field(depth int) (inner, kind, value string) {
	kinds := 11
	if depth >= maxNesting {
		kinds = 10
	}
	switch rapid.IntRange(0, kinds).Draw(m.t, "kind") {
	case 0:
		return "", "bool", strconv.FormatBool(rapid.Bool().Draw(m.t, "b"))
	case 1:
		return "", rapid.SampledFrom([]string{"int32", "sint32", "sfixed32"}).Draw(m.t, "type"), integer(m.t, 32)
	case 2:
		return "", rapid.SampledFrom([]string{"int64", "sint64", "sfixed64"}).Draw(m.t, "type"), `"` + integer(m.t, 64) + `"`
	case 3:
		return "", rapid.SampledFrom([]string{"uint32", "fixed32"}).Draw(m.t, "type"), strconv.FormatUint(uint64(rapid.Uint32().Draw(m.t, "u")), 10)
	case 4:
		return "", "uint64", strconv.FormatUint(rapid.Uint64().Draw(m.t, "u"), 10)
	case 5:
		return "", "double", number(m.t)
	case 6:
		return "", "string", text(m.t, "s")
	case 7:
		return "", "bytes", rapid.SampledFrom([]string{`""`, `"AA=="`, `"/+8="`, `"Zm9v"`}).Draw(m.t, "bytes")
	case 8:
		m.names++
		name := "E" + strconv.Itoa(m.names)
		return fmt.Sprintf(" enum %s { %s_ZERO = 0; %s_ONE = 1; }", name, name, name), name, rapid.SampledFrom([]string{`"` + name + `_ONE"`, "0", "1"}).Draw(m.t, "enum")
	case 9:
		return "", "google.protobuf.Timestamp", rapid.SampledFrom([]string{`"1970-01-01T00:00:00Z"`, `"2024-02-29T12:00:00.001Z"`, `"0001-01-01T00:00:00Z"`}).Draw(m.t, "time")
	case 10:
		return "", "google.protobuf.Int64Value", `"` + integer(m.t, 64) + `"`
	}
	m.names++
	name := "M" + strconv.Itoa(m.names)
	body, value := m.message(depth + 1)
	return " message " + name + " {" + body + "}", name, value
}
