package schema

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// maxDepth bounds values within values, in JSON and in Avro. It is the limit of the reference's
// JSON reader (contract: kafka-rest-v2.md §1.3).
const maxDepth = 1000

// cursor walks over JSON text. Its text is valid JSON as a rule; what is not gives an error where it is
// met, or is taken as far as it makes sense: it never reads outside.
type cursor struct {
	text    []byte
	pos     int
	depth   int
	spans   []span // of the fields of all records that are open
	scratch []byte
}

// span is where a field's bytes stand.
type span struct{ start, end int }

// token says what stands at the cursor, in the words of the reference's JSON reader.
func (c *cursor) token() string {
	switch b := c.peek(); b {
	case '{':
		return "START_OBJECT"
	case '}':
		return "END_OBJECT"
	case '[':
		return "START_ARRAY"
	case ']':
		return "END_ARRAY"
	case '"':
		return "VALUE_STRING"
	case 't':
		return "VALUE_TRUE"
	case 'f':
		return "VALUE_FALSE"
	case 'n':
		return "VALUE_NULL"
	case 0:
		return "null"
	default:
		if bytes.ContainsAny(numberAt(c.text[c.pos:]), ".eE") {
			return "VALUE_NUMBER_FLOAT"
		}
		return "VALUE_NUMBER_INT"
	}
}

func (c *cursor) expected(what string) error {
	return fmt.Errorf("Expected %s. Got %s", what, c.token()) //nolint:staticcheck // Avro's words
}

// peek is the next byte that is no white space, 0 at the end.
func (c *cursor) peek() byte {
	for c.pos < len(c.text) {
		switch b := c.text[c.pos]; b {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return b
		}
	}
	return 0
}

// take reads b if it is next.
func (c *cursor) take(b byte) bool {
	if c.peek() != b {
		return false
	}
	c.pos++
	return true
}

// word reads a literal.
func (c *cursor) word(word string) bool {
	c.peek()
	if !bytes.HasPrefix(c.text[c.pos:], []byte(word)) {
		return false
	}
	c.pos += len(word)
	return true
}

// enter goes one level down. Who has entered leaves.
func (c *cursor) enter() error {
	if c.depth++; c.depth > maxDepth {
		return fmt.Errorf("the value is nested more than %d deep", maxDepth)
	}
	return nil
}

func (c *cursor) leave() { c.depth-- }

// more goes to the next member or element: it reads a comma unless first, or the end.
func (c *cursor) more(end byte, first bool) (bool, error) {
	switch {
	case c.take(end):
		return false, nil
	case first:
		return true, nil
	case c.take(','):
		return true, nil
	}
	return false, fmt.Errorf("Expected a comma or %q. Got %s", end, c.token()) //nolint:staticcheck // as Avro's
}

// name reads a member's name and its colon. It is valid until the next call of text.
func (c *cursor) name() ([]byte, error) {
	raw, escaped, err := c.raw()
	if err != nil {
		return nil, err
	}
	if !c.take(':') {
		return nil, fmt.Errorf("Expected a colon. Got %s", c.token()) //nolint:staticcheck // as Avro's
	}
	if escaped {
		c.scratch = appendUnescaped(c.scratch[:0], raw)
		return c.scratch, nil
	}
	return raw, nil
}

// raw reads a string and returns what stands between its quotes.
func (c *cursor) raw() (raw []byte, escaped bool, err error) {
	if !c.take('"') {
		return nil, false, c.expected("string")
	}
	start := c.pos
	for {
		i := bytes.IndexByte(c.text[c.pos:], '"')
		if i < 0 {
			c.pos = len(c.text)
			return nil, false, fmt.Errorf("a string has no end")
		}
		at := c.pos + i
		c.pos = at + 1
		slashes := at
		for slashes > start && c.text[slashes-1] == '\\' {
			slashes--
		}
		if (at-slashes)%2 == 0 {
			raw = c.text[start:at]
			return raw, bytes.IndexByte(raw, '\\') >= 0, nil
		}
	}
}

// number reads the letters of a number; nil when there is none.
func (c *cursor) number() []byte {
	c.peek()
	n := numberAt(c.text[c.pos:])
	c.pos += len(n)
	return n
}

func numberAt(text []byte) []byte {
	end := 0
	for end < len(text) {
		switch b := text[end]; {
		case b >= '0' && b <= '9', b == '-', b == '+', b == '.', b == 'e', b == 'E':
			end++
		default:
			return text[:end]
		}
	}
	return text
}

// skip passes one value.
func (c *cursor) skip() error {
	depth := 0
	for {
		switch b := c.peek(); b {
		case 0:
			return fmt.Errorf("the value has no end")
		case '{', '[':
			depth++
			c.pos++
		case '}', ']':
			depth--
			c.pos++
		case '"':
			if _, _, err := c.raw(); err != nil {
				return err
			}
		case ',', ':':
			if depth == 0 {
				return fmt.Errorf("Expected a value. Got %q", b) //nolint:staticcheck // as Avro's
			}
			c.pos++
		case 't':
			if !c.word("true") {
				return c.expected("value")
			}
		case 'f':
			if !c.word("false") {
				return c.expected("value")
			}
		case 'n':
			if !c.word("null") {
				return c.expected("value")
			}
		default:
			if len(c.number()) == 0 {
				return fmt.Errorf("Expected a value. Got %q", b) //nolint:staticcheck // as Avro's
			}
		}
		if depth <= 0 {
			return nil
		}
	}
}

// end fails unless only white space is left.
func (c *cursor) end() error {
	if c.peek() != 0 {
		return fmt.Errorf("Expected the end. Got %s", c.token()) //nolint:staticcheck // as Avro's
	}
	return nil
}

// appendUnescaped writes a JSON string's text as UTF-8. Half of a surrogate pair is a question
// mark, as in Java.
func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' || i+1 == len(raw) {
			dst = append(dst, raw[i])
			i++
			continue
		}
		i++
		switch b := raw[i]; b {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, n := unicodeEscape(raw[i-1:])
			dst = utf8.AppendRune(dst, r)
			i += n - 1
			continue
		default:
			dst = append(dst, b)
		}
		i++
	}
	return dst
}

// unicodeEscape reads \uXXXX, or two that are a pair, and returns its bytes in the text.
func unicodeEscape(raw []byte) (r rune, n int) {
	high, ok := hex4(raw)
	switch {
	case !ok:
		return '?', len(raw[:min(len(raw), 2)])
	case high < 0xD800 || high > 0xDFFF:
		return high, 6
	}
	low, ok := hex4(raw[6:])
	if high > 0xDBFF || !ok || low < 0xDC00 || low > 0xDFFF {
		return '?', 6
	}
	return (high-0xD800)<<10 | (low - 0xDC00) + 0x10000, 12
}

// hex4 reads \uXXXX.
func hex4(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, b := range raw[2:6] {
		switch {
		case b >= '0' && b <= '9':
			r = r<<4 | rune(b-'0')
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			r = r<<4 | rune(b|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

const upperHex = "0123456789ABCDEF"

// appendJSONString writes text as a JSON string, as the reference's writer does: characters
// above U+FFFF as two escapes, control characters as short as they go (contract: kafka-rest-v2.md §3.2).
func appendJSONString(dst, text []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		b := text[i]
		if b < utf8.RuneSelf {
			if b >= ' ' && b != '"' && b != '\\' {
				i++
				continue
			}
			dst = append(dst, text[start:i]...)
			dst = appendControl(dst, b)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(append(dst, text[start:i]...), "\uFFFD"...)
			start = i + 1
		case r > 0xFFFF:
			dst = append(dst, text[start:i]...)
			r -= 0x10000
			dst = appendHex(appendHex(dst, 0xD800+r>>10), 0xDC00+r&0x3FF)
			start = i + size
		}
		i += size
	}
	return append(append(dst, text[start:]...), '"')
}

func appendHex(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', upperHex[r>>12&15], upperHex[r>>8&15], upperHex[r>>4&15], upperHex[r&15])
}

// appendControl writes a character that needs an escape.
func appendControl(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return appendHex(dst, rune(b))
}

// appendLatin1 writes bytes as a JSON string of characters U+0000 to U+00FF.
func appendLatin1(dst, data []byte) []byte {
	dst = append(dst, '"')
	for _, b := range data {
		switch {
		case b >= utf8.RuneSelf:
			dst = utf8.AppendRune(dst, rune(b))
		case b < ' ' || b == '"' || b == '\\':
			dst = appendControl(dst, b)
		default:
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}

// appendCompact copies JSON text without the white space between its tokens.
func appendCompact(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		switch text[i] {
		case ' ', '\t', '\n', '\r':
			i++
		case '"':
			c := cursor{text: text, pos: i}
			if _, _, err := c.raw(); err != nil {
				return append(dst, text[i:]...)
			}
			dst = append(dst, text[i:c.pos]...)
			i = c.pos
		default:
			dst = append(dst, text[i])
			i++
		}
	}
	return dst
}
