package embedded

import (
	"bytes"
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type memberKind byte

const (
	textMember memberKind = iota
	integerMember
	booleanMember
	blobMember
	timestampMember
	textListMember
	structureListMember
	structureMember
	textMapMember
)

// field is one member of an operation's input: its type and the constraints on it.
// Source: the service model; the order is the one in which the service reports faults.
type field struct {
	name     string // as in the model
	kind     memberKind
	required bool
	min, max int64             // text: characters; integer: value; blob: bytes; list, map: entries. 0: none
	match    func([]byte) bool // text: the whole must match
	pattern  string            // the regular expression that match stands for
	enum     []string
	entryMin int     // characters of each text of a list, of each value of a map
	entryMax int     // the same
	keyMax   int     // characters of each key of a map, at least 1
	fields   []field // of the structure
}

// value is one decoded member. Which field is used depends on the kind.
type value struct {
	set    bool
	number int64    // integer; bool: 0 or 1; timestamp: milliseconds since 1970
	text   []byte   // text: a slice of the body; blob: decoded, with bytes of its own
	texts  [][]byte // list of texts; map: its values
	keys   [][]byte // map
	items  []params // list of structures (zero params: null); structure: itself
}

// params are the members of one structure: values[i] belongs to fields[i].
type params struct {
	fields []field
	values []value
}

func (p params) get(name string) *value {
	for i := range p.fields {
		if p.fields[i].name == name {
			return &p.values[i]
		}
	}
	panic("no member " + name) // a bug: the table and the operation disagree
}

func (p params) text(name string) string { return string(p.get(name).text) }

// or returns an integer, or what it is by default.
func (p params) or(name string, def int) int {
	if v := p.get(name); v.set {
		return int(v.number)
	}
	return def
}

// decoder turns parsed JSON into params. Its values are used again after each call.
type decoder struct {
	nodes  []node
	values []value
	faults []string // constraint texts
}

// decode converts and checks an operation's input. Members that fields does not name are
// ignored, null counts as absent, of a repeated member the last one counts.
// The error is a *kinesisError: SerializationException where the type is wrong,
// ValidationException where a constraint is broken.
func (d *decoder) decode(fields []field, root int32) (params, error) {
	p, err := d.structure(fields, root)
	if err != nil {
		return params{}, err
	}
	d.faults = d.faults[:0]
	d.check(p, "")
	if n := len(d.faults); n > 0 {
		plural := ""
		if n > 1 {
			plural = "s"
		}
		return params{}, badRequest(validationException, strconv.Itoa(n)+" validation error"+plural+
			" detected: "+strings.Join(d.faults, "; "))
	}
	return p, nil
}

func (d *decoder) structure(fields []field, at int32) (params, error) {
	from := len(d.values)
	d.values = append(d.values, make([]value, len(fields))...)
	p := params{fields, d.values[from:len(d.values):len(d.values)]}
	for i := d.nodes[at].child; i != 0; i = d.nodes[i].next {
		name := d.nodes[i].name
		f := slices.IndexFunc(fields, func(f field) bool { return f.name == string(name) })
		if f < 0 {
			continue
		}
		v, err := d.convert(&fields[f], i)
		if err != nil {
			return params{}, err
		}
		p.values[f] = v
	}
	return p, nil
}

// convert turns the node at index i into a value of f's kind.
func (d *decoder) convert(f *field, i int32) (value, error) {
	n := &d.nodes[i]
	if n.kind == nodeNull {
		return value{}, nil
	}
	switch f.kind {
	case textMember:
		if n.kind != nodeString {
			return value{}, typeError(n, "an String")
		}
		return value{set: true, text: n.text}, nil
	case blobMember:
		return blob(n)
	case integerMember:
		if n.kind != nodeNumber {
			return value{}, typeError(n, "an Integer")
		}
		return value{set: true, number: wholeNumber(n.text)}, nil
	case timestampMember:
		if n.kind != nodeNumber {
			return value{}, typeError(n, "milliseconds since epoch")
		}
		return value{set: true, number: milliseconds(n.text)}, nil
	case booleanMember:
		return boolean(n)
	case structureMember:
		if n.kind != nodeObject {
			return value{}, shapeError(n, "Expected null")
		}
		p, err := d.structure(f.fields, i)
		return value{set: true, items: []params{p}}, err
	case structureListMember:
		return d.structureList(f, i)
	case textListMember, textMapMember:
		return d.textList(f, i)
	}
	panic("no conversion of " + f.name) // a bug in the table
}

func (d *decoder) structureList(f *field, at int32) (value, error) {
	if d.nodes[at].kind != nodeArray {
		return value{}, shapeError(&d.nodes[at], "Expected list or null")
	}
	v := value{set: true}
	for i := d.nodes[at].child; i != 0; i = d.nodes[i].next {
		switch d.nodes[i].kind {
		case nodeNull:
			v.items = append(v.items, params{})
		case nodeObject:
			p, err := d.structure(f.fields, i)
			if err != nil {
				return value{}, err
			}
			v.items = append(v.items, p)
		default:
			return value{}, shapeError(&d.nodes[i], "Expected null")
		}
	}
	return v, nil
}

// textList reads a list of texts, or a map of them. A null entry counts as an empty text.
func (d *decoder) textList(f *field, at int32) (value, error) {
	want, name := nodeArray, "list"
	if f.kind == textMapMember {
		want, name = nodeObject, "map"
	}
	if d.nodes[at].kind != want {
		return value{}, shapeError(&d.nodes[at], "Expected "+name+" or null")
	}
	v := value{set: true}
	for i := d.nodes[at].child; i != 0; i = d.nodes[i].next {
		n := &d.nodes[i]
		if n.kind != nodeString && n.kind != nodeNull {
			return value{}, typeError(n, "an String")
		}
		v.texts = append(v.texts, n.text)
		if f.kind == textMapMember {
			v.keys = append(v.keys, n.name)
		}
	}
	return v, nil
}

// typeError is the service's text for a scalar of the wrong type.
func typeError(n *node, want string) error {
	switch n.kind {
	case nodeBool:
		return serializationError("class java.lang.Boolean can not be converted to " + want)
	case nodeNumber:
		return serializationError("class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to " + want)
	case nodeString:
		return serializationError("class java.lang.String can not be converted to " + want)
	default:
		return shapeError(n, "")
	}
}

// shapeError is the service's text for a list or structure where it expects none;
// scalar is the text for everything else.
func shapeError(n *node, scalar string) error {
	switch n.kind {
	case nodeArray:
		return serializationError("Start of list found where not expected")
	case nodeObject:
		return serializationError("Start of structure or map found where not expected.")
	default:
		return serializationError(scalar)
	}
}

func boolean(n *node) (value, error) {
	switch {
	case n.kind == nodeBool && n.text[0] == 't':
		return value{set: true, number: 1}, nil
	case n.kind == nodeBool:
		return value{set: true}, nil
	case n.kind == nodeString:
		return value{}, serializationError("'" + strings.ToUpper(string(n.text)) + "' can not be converted to an Boolean")
	default:
		return value{}, typeError(n, "an Boolean")
	}
}

// wholeNumber cuts a fraction off and keeps the rest within 32 bits, as the service does.
func wholeNumber(text []byte) int64 {
	f, _ := strconv.ParseFloat(string(text), 64) // out of range is ±Inf, which is what we want
	return int64(max(math.MinInt32, min(math.MaxInt32, math.Floor(f))))
}

// milliseconds turns seconds since 1970, with a fraction, into milliseconds.
func milliseconds(text []byte) int64 {
	f, _ := strconv.ParseFloat(string(text), 64) // as above
	const far = 1e15                             // the year 33658
	return int64(max(-far, min(far, math.Round(f*1000))))
}

// blob decodes base64: padded, no line breaks, no bits left over.
func blob(n *node) (value, error) {
	if n.kind != nodeString {
		return value{}, typeError(n, "a Blob")
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(n.text)))
	size, err := base64.StdEncoding.Strict().Decode(data, n.text)
	// The decoder steps over line ends; the service does not.
	if err != nil || bytes.IndexByte(n.text, '\n') >= 0 || bytes.IndexByte(n.text, '\r') >= 0 {
		return value{}, base64Error(n.text)
	}
	return value{set: true, text: data[:size]}, nil
}

func base64Error(text []byte) error {
	reason := "Invalid last non-pad Base64 character dectected" // the service's spelling
	if len(text)%4 != 0 {
		reason = "Base64 encoded length is expected a multiple of 4 bytes but found: " + strconv.Itoa(len(text))
	} else if i := bytes.IndexFunc(bytes.TrimRight(text, "="), notBase64); i >= 0 {
		r, _ := utf8.DecodeRune(text[i:])
		reason = "Invalid Base64 character: '" + string(r) + "'"
	}
	return serializationError("'" + short(string(text)) + "' can not be converted to a Blob: " + reason)
}

func notBase64(r rune) bool {
	return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '+' && r != '/'
}

// maxFaults is how many broken constraints the service names in one answer.
const maxFaults = 10

// check collects the texts of all broken constraints of p, which lies at path.
func (d *decoder) check(p params, path string) {
	for i := range p.fields {
		if len(d.faults) >= maxFaults {
			return
		}
		f, v := &p.fields[i], &p.values[i]
		if !v.set {
			if f.required {
				d.fault(path, f, v, "Member must not be null")
			}
			continue
		}
		d.checkValue(path, f, v)
	}
}

func (d *decoder) checkValue(path string, f *field, v *value) {
	if f.match != nil && !f.match(v.text) {
		d.fault(path, f, v, "Member must satisfy regular expression pattern: "+f.pattern)
	}
	if f.min != 0 || f.max != 0 {
		d.checkSize(path, f, v)
	}
	if f.enum != nil && !slices.Contains(f.enum, string(v.text)) {
		d.fault(path, f, v, "Member must satisfy enum value set: ["+strings.Join(f.enum, ", ")+"]")
	}
	if f.keyMax > 0 && !lengthsWithin(v.keys, 1, f.keyMax) {
		d.fault(path, f, v, "Map keys must satisfy constraint: "+lengthConstraint(1, f.keyMax))
	}
	if f.entryMax > 0 && !lengthsWithin(v.texts, f.entryMin, f.entryMax) {
		prefix := "Member must satisfy constraint: "
		if f.kind == textMapMember {
			prefix = "Map value must satisfy constraint: "
		}
		d.fault(path, f, v, prefix+lengthConstraint(f.entryMin, f.entryMax))
	}
	d.checkItems(path, f, v)
}

func (d *decoder) checkItems(path string, f *field, v *value) {
	if f.kind == structureMember {
		d.check(v.items[0], path+lowerFirst(f.name)+".")
		return
	}
	for i, item := range v.items {
		if len(d.faults) >= maxFaults {
			return
		}
		if item.fields == nil {
			d.faults = append(d.faults, constraintText(path+lowerFirst(f.name)+"."+strconv.Itoa(i+1)+".member",
				"null", "Member must not be null"))
			continue
		}
		if item.broken() {
			d.check(item, path+lowerFirst(f.name)+"."+strconv.Itoa(i+1)+".member.")
		}
	}
}

// broken spares the path of an entry that is in order: a PutRecords has 500 of them.
func (p params) broken() bool {
	var d decoder
	d.check(p, "")
	return len(d.faults) > 0
}

func (d *decoder) checkSize(path string, f *field, v *value) {
	size, what := v.number, "value"
	switch f.kind {
	case textMember:
		size, what = int64(utf8.RuneCount(v.text)), "length"
	case blobMember:
		size, what = int64(len(v.text)), "length"
	case textListMember, textMapMember:
		size, what = int64(len(v.texts)), "length"
	case structureListMember:
		size, what = int64(len(v.items)), "length"
	}
	if f.min != 0 && size < f.min {
		d.fault(path, f, v, "Member must have "+what+" greater than or equal to "+strconv.FormatInt(f.min, 10))
	}
	if f.max != 0 && size > f.max {
		d.fault(path, f, v, "Member must have "+what+" less than or equal to "+strconv.FormatInt(f.max, 10))
	}
}

func (d *decoder) fault(path string, f *field, v *value, constraint string) {
	d.faults = append(d.faults, constraintText(path+lowerFirst(f.name), f.describe(v), constraint))
}

func lengthsWithin(texts [][]byte, least, most int) bool {
	for _, t := range texts {
		if n := utf8.RuneCount(t); n < least || n > most {
			return false
		}
	}
	return true
}

func lengthConstraint(least, most int) string {
	return "[Member must have length less than or equal to " + strconv.Itoa(most) +
		", Member must have length greater than or equal to " + strconv.Itoa(least) + "]"
}

// describe writes a value as the service's Java does.
func (f *field) describe(v *value) string {
	if !v.set {
		return "null"
	}
	switch f.kind {
	case textMember:
		return short(string(v.text))
	case blobMember:
		return byteBufferText(len(v.text))
	case textListMember:
		return short("[" + string(bytes.Join(v.texts, []byte(", "))) + "]")
	case textMapMember:
		pairs := make([]string, len(v.keys))
		for i, key := range v.keys {
			pairs[i] = string(key) + "=" + string(v.texts[i])
		}
		return short("{" + strings.Join(pairs, ", ") + "}")
	case structureListMember:
		if len(v.items) == 0 {
			return "[]"
		}
		return "[" + strconv.Itoa(len(v.items)) + " entries]"
	default:
		return strconv.FormatInt(v.number, 10)
	}
}

func byteBufferText(size int) string {
	n := strconv.Itoa(size)
	return "java.nio.HeapByteBuffer[pos=0 lim=" + n + " cap=" + n + "]"
}

// short keeps a client's value within what an error text should hold: a key of 257
// characters whole, a body of megabytes not.
func short(s string) string {
	const most = 1024
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func lowerFirst(name string) string { return strings.ToLower(name[:1]) + name[1:] }
