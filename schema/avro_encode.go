package schema

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"sync"
	"unicode/utf8"
)

// cursors are used again: one value needs one.
var cursors = sync.Pool{New: func() any { return new(cursor) }}

func (c *avroCodec) encode(dst, text []byte) ([]byte, error) {
	cur := cursors.Get().(*cursor)
	defer cursors.Put(cur)
	*cur = cursor{text: text, spans: cur.spans[:0], scratch: cur.scratch[:0]}
	defer func() { cur.text = nil }()
	encode := c.root.encode
	if c.root.kind == kindBytes {
		encode = encodeBare
	}
	out, err := encode(dst, cur)
	if err != nil {
		return dst, err
	}
	return out, cur.end()
}

// encodeBare writes bytes without their length: so do Confluent's serializers where the whole schema
// is bytes, though Avro would have it otherwise.
func encodeBare(dst []byte, c *cursor) ([]byte, error) {
	data, err := latin1(c, "bytes")
	return append(dst, data...), err
}

// encode writes the value at the cursor. Texts of errors are Avro's.
func (n *avroNode) encode(dst []byte, c *cursor) ([]byte, error) {
	switch n.kind {
	case kindNull:
		if !c.word("null") {
			return dst, c.expected("null")
		}
		return dst, nil
	case kindBoolean:
		switch {
		case c.word("true"):
			return append(dst, 1), nil
		case c.word("false"):
			return append(dst, 0), nil
		}
		return dst, c.expected("boolean")
	case kindInt:
		return encodeInteger(dst, c, "int", 32)
	case kindLong:
		return encodeInteger(dst, c, "long", 64)
	case kindFloat:
		f, err := encodeFloat(c, "float", 32)
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), err
	case kindDouble:
		f, err := encodeFloat(c, "double", 64)
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), err
	case kindString:
		return encodeString(dst, c)
	case kindBytes:
		data, err := latin1(c, "bytes")
		if err != nil {
			return dst, err
		}
		return append(appendLong(dst, int64(len(data))), data...), nil
	case kindFixed:
		return n.encodeFixed(dst, c)
	case kindEnum:
		return n.encodeEnum(dst, c)
	case kindArray:
		return n.encodeArray(dst, c)
	case kindMap:
		return n.encodeMap(dst, c)
	case kindUnion:
		return n.encodeUnion(dst, c)
	}
	return n.encodeRecord(dst, c)
}

// appendLong writes a number zigzag, 7 bits a byte.
func appendLong(dst []byte, n int64) []byte { return binary.AppendVarint(dst, n) }

func encodeInteger(dst []byte, c *cursor, name string, bits int) ([]byte, error) {
	if c.token() != "VALUE_NUMBER_INT" {
		return dst, c.expected(name)
	}
	at := c.pos
	text := c.number()
	if n, ok := smallInteger(text); ok {
		return appendLong(dst, n), nil
	}
	n, err := strconv.ParseInt(string(text), 10, bits)
	if err == nil {
		return appendLong(dst, n), nil
	}
	if len(text) == 0 || !isInteger(text) {
		c.pos = at
		return dst, c.expected(name)
	}
	return dst, fmt.Errorf("Numeric value (%s) out of range of %s (%d - %d)", shortened(string(text)), name, int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits)) //nolint:staticcheck // Jackson's words
}

// smallInteger reads up to 9 digits, which fit every integer type.
func smallInteger(text []byte) (n int64, ok bool) {
	digits := text
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		digits = text[1:]
	}
	if len(digits) == 0 || len(digits) > 9 {
		return 0, false
	}
	for _, b := range digits {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + int64(b-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

func isInteger(text []byte) bool {
	for i, b := range text {
		if (b < '0' || b > '9') && !(i == 0 && b == '-' && len(text) > 1) {
			return false
		}
	}
	return true
}

// encodeFloat reads a number, or one of the strings that stand for what JSON has no number for.
func encodeFloat(c *cursor, name string, bits int) (float64, error) {
	if c.peek() == '"' {
		at := c.pos
		raw, _, err := c.raw()
		if err != nil {
			return 0, err
		}
		switch string(raw) {
		case "NaN":
			return math.NaN(), nil
		case "Infinity", "INF":
			return math.Inf(1), nil
		case "-Infinity", "-INF":
			return math.Inf(-1), nil
		}
		c.pos = at
		return 0, c.expected(name)
	}
	at := c.pos
	text := c.number()
	if n, ok := smallInteger(text); ok && n != 0 {
		return float64(n), nil
	}
	f, err := strconv.ParseFloat(string(text), bits)
	if err != nil && !math.IsInf(f, 0) { // too large is infinite, as in Java
		c.pos = at
		return 0, c.expected(name)
	}
	return f, nil
}

func encodeString(dst []byte, c *cursor) ([]byte, error) {
	raw, escaped, err := c.raw()
	if err != nil {
		return dst, err
	}
	if escaped {
		c.scratch = appendUnescaped(c.scratch[:0], raw)
		raw = c.scratch
	}
	return append(appendLong(dst, int64(len(raw))), raw...), nil
}

// latin1 reads a string whose characters are bytes. It is valid until the cursor moves on.
func latin1(c *cursor, name string) ([]byte, error) {
	if c.peek() != '"' {
		return nil, c.expected(name)
	}
	raw, escaped, err := c.raw()
	if err != nil {
		return nil, err
	}
	if escaped {
		c.scratch = appendUnescaped(c.scratch[:0], raw)
	} else {
		c.scratch = append(c.scratch[:0], raw...)
	}
	text, out := c.scratch, c.scratch[:0] // never longer than what has been read
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			out = append(out, text[i])
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r > 0xFF {
			// The reference stores "?" (defect: contract, kafka-rest-v2.md §3.2).
			return nil, fmt.Errorf("%s is text of the characters U+0000 to U+00FF, one for each byte: got U+%04X", name, r)
		}
		out = append(out, byte(r))
		i += size
	}
	return out, nil
}

func (n *avroNode) encodeFixed(dst []byte, c *cursor) ([]byte, error) {
	data, err := latin1(c, "fixed")
	if err != nil {
		return dst, err
	}
	if len(data) != n.size {
		return dst, fmt.Errorf("Expected fixed length %d, but got%d", n.size, len(data)) //nolint:staticcheck // Avro's words
	}
	return append(dst, data...), nil
}

func (n *avroNode) encodeEnum(dst []byte, c *cursor) ([]byte, error) {
	if c.peek() != '"' {
		return dst, c.expected("enum")
	}
	raw, escaped, err := c.raw()
	if err != nil {
		return dst, err
	}
	if escaped {
		c.scratch = appendUnescaped(c.scratch[:0], raw)
		raw = c.scratch
	}
	i, ok := n.byText[string(raw)]
	if !ok {
		return dst, fmt.Errorf("Unknown symbol in enum %s", shortened(string(raw))) //nolint:staticcheck // Avro's words
	}
	return appendLong(dst, int64(i)), nil
}

// encodeArray writes all items as one block.
func (n *avroNode) encodeArray(dst []byte, c *cursor) (out []byte, err error) {
	if !c.take('[') {
		return dst, c.expected("array-start")
	}
	if err := c.enter(); err != nil {
		return dst, err
	}
	defer c.leave()
	block := len(dst)
	dst = append(dst, 0) // the count, if it is small
	count := 0
	for {
		more, err := c.more(']', count == 0)
		if err != nil {
			return dst, err
		}
		if !more {
			return closeBlock(dst, block, count), nil
		}
		if dst, err = n.items.encode(dst, c); err != nil {
			return dst, err
		}
		count++
	}
}

func (n *avroNode) encodeMap(dst []byte, c *cursor) (out []byte, err error) {
	if !c.take('{') {
		return dst, c.expected("map-start")
	}
	if err := c.enter(); err != nil {
		return dst, err
	}
	defer c.leave()
	block := len(dst)
	dst = append(dst, 0)
	count := 0
	for {
		more, err := c.more('}', count == 0)
		if err != nil {
			return dst, err
		}
		if !more {
			return closeBlock(dst, block, count), nil
		}
		name, err := c.name()
		if err != nil {
			return dst, err
		}
		dst = append(appendLong(dst, int64(len(name))), name...)
		if dst, err = n.items.encode(dst, c); err != nil {
			return dst, err
		}
		count++
	}
}

// closeBlock writes the count of a block before its items, and the empty block behind it that ends the
// list. One byte has been kept for the count.
func closeBlock(dst []byte, block, count int) []byte {
	if count == 0 {
		return dst // the kept byte is the empty block
	}
	var buf [binary.MaxVarintLen64]byte
	size := binary.PutVarint(buf[:], int64(count))
	if size > 1 {
		end := len(dst)
		dst = append(dst, buf[1:size]...)
		copy(dst[block+size:], dst[block+1:end])
	}
	copy(dst[block:], buf[:size])
	return append(dst, 0)
}

func (n *avroNode) encodeUnion(dst []byte, c *cursor) ([]byte, error) {
	if c.peek() == 'n' && c.word("null") {
		i, ok := n.byLabel["null"]
		if !ok {
			return dst, fmt.Errorf("Unknown union branch null") //nolint:staticcheck // Avro's words
		}
		return appendLong(dst, int64(i)), nil
	}
	if !c.take('{') {
		return dst, c.expected("start-union")
	}
	if err := c.enter(); err != nil {
		return dst, err
	}
	defer c.leave()
	if c.peek() != '"' {
		return dst, c.expected("start-union")
	}
	name, err := c.name()
	if err != nil {
		return dst, err
	}
	i, ok := n.byLabel[string(name)]
	if !ok {
		return dst, fmt.Errorf("Unknown union branch %s", shortened(string(name))) //nolint:staticcheck // Avro's words
	}
	dst, err = n.branches[i].encode(appendLong(dst, int64(i)), c)
	if err != nil {
		return dst, err
	}
	if !c.take('}') {
		return dst, c.expected("end-union")
	}
	return dst, nil
}

// encodeRecord writes fields as they come, and puts them in their order afterwards if they came in
// another. Of a member given twice the last counts, unknown ones are dropped.
func (n *avroNode) encodeRecord(dst []byte, c *cursor) ([]byte, error) {
	if !c.take('{') {
		return dst, c.expected("record-start")
	}
	if err := c.enter(); err != nil {
		return dst, err
	}
	defer c.leave()
	start, base := len(dst), len(c.spans)
	for range n.fields {
		c.spans = append(c.spans, span{-1, -1})
	}
	defer func() { c.spans = c.spans[:base] }()
	next, inOrder := 0, true
	for first := true; ; first = false {
		more, err := c.more('}', first)
		if err != nil {
			return dst, err
		}
		if !more {
			break
		}
		name, err := c.name()
		if err != nil {
			return dst, err
		}
		i := next
		if i >= len(n.fields) || n.fields[i].name != string(name) {
			var known bool
			if i, known = n.byName[string(name)]; !known {
				if err := c.skip(); err != nil {
					return dst, err
				}
				continue
			}
		}
		inOrder = inOrder && i == next
		next = i + 1
		from := len(dst)
		if dst, err = n.fields[i].node.encode(dst, c); err != nil {
			return dst, err
		}
		c.spans[base+i] = span{from, len(dst)}
	}
	if inOrder && next == len(n.fields) {
		return dst, nil
	}
	return n.arrange(dst, c, start, base)
}

// arrange puts the fields that stand in dst from start on into the schema's order.
func (n *avroNode) arrange(dst []byte, c *cursor, start, base int) ([]byte, error) {
	spans := c.spans[base : base+len(n.fields)]
	for i, s := range spans {
		if s.start < 0 {
			return dst, fmt.Errorf("Expected field name not found: %s", n.fields[i].name) //nolint:staticcheck // Avro's words
		}
	}
	c.scratch = append(c.scratch[:0], dst[start:]...)
	dst = dst[:start]
	for _, s := range spans {
		dst = append(dst, c.scratch[s.start-start:s.end-start]...)
	}
	return dst, nil
}
