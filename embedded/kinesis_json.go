package embedded

import (
	"bytes"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth is far above what any operation nests (4).
const maxJSONDepth = 32

var errNotJSON = errors.New("not JSON")

type nodeKind byte

const (
	nodeNull nodeKind = iota
	nodeBool
	nodeNumber
	nodeString
	nodeArray
	nodeObject
)

// node is one value of a parsed body. All nodes of a body lie in one slice, in the order of
// the text, the root first; so index 0 can stand for "none" in child and next.
type node struct {
	kind  nodeKind
	name  []byte // unescaped, when the value is a member
	text  []byte // string: unescaped; number, bool: as written. A slice of the body
	child int32  // first element or member
	next  int32  // sibling
}

// parse reads b.body, which must be one JSON object in UTF-8, into b.nodes. Escapes are
// resolved in place: the body is used up. It returns the root's index.
func (b *callBuffers) parse() (int32, error) {
	p := parser{text: b.body, nodes: b.nodes[:0]}
	if !utf8.Valid(p.text) {
		return 0, errNotJSON
	}
	root, err := p.value(0)
	b.nodes = p.nodes
	if err != nil {
		return 0, err
	}
	p.space()
	if p.at < len(p.text) || b.nodes[root].kind != nodeObject {
		return 0, errNotJSON
	}
	return root, nil
}

type parser struct {
	text  []byte
	at    int
	nodes []node
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return
		}
	}
}

// peek returns the next byte after white space, 0 at the end.
func (p *parser) peek() byte {
	p.space()
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

// take steps over c, after white space.
func (p *parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

func (p *parser) value(depth int) (int32, error) {
	if depth > maxJSONDepth {
		return 0, errNotJSON
	}
	c := p.peek()
	at := int32(len(p.nodes))
	p.nodes = append(p.nodes, node{})
	switch {
	case c == '"':
		text, err := p.str()
		p.nodes[at] = node{kind: nodeString, text: text}
		return at, err
	case c == '{':
		return at, p.list(at, nodeObject, '}', depth)
	case c == '[':
		return at, p.list(at, nodeArray, ']', depth)
	case c == '-' || c >= '0' && c <= '9':
		text, err := p.number()
		p.nodes[at] = node{kind: nodeNumber, text: text}
		return at, err
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if len(p.text)-p.at >= len(word) && string(p.text[p.at:p.at+len(word)]) == word {
			p.nodes[at] = node{kind: nodeBool, text: p.text[p.at : p.at+len(word)]}
			if word == "null" {
				p.nodes[at] = node{kind: nodeNull}
			}
			p.at += len(word)
			return at, nil
		}
	}
	return at, errNotJSON
}

// list reads an object or array into the node at index self.
func (p *parser) list(self int32, kind nodeKind, end byte, depth int) error {
	p.at++
	p.nodes[self].kind = kind
	if p.take(end) {
		return nil
	}
	last := int32(0)
	for {
		var name []byte
		if kind == nodeObject {
			if p.peek() != '"' {
				return errNotJSON
			}
			var err error
			if name, err = p.str(); err != nil {
				return err
			}
			if !p.take(':') {
				return errNotJSON
			}
		}
		at, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		p.nodes[at].name = name
		if last == 0 {
			p.nodes[self].child = at
		} else {
			p.nodes[last].next = at
		}
		last = at
		if p.take(end) {
			return nil
		}
		if !p.take(',') {
			return errNotJSON
		}
	}
}

func (p *parser) number() ([]byte, error) {
	start := p.at
	digits := func() bool {
		from := p.at
		for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
			p.at++
		}
		return p.at > from
	}
	is := func(c byte) bool { return p.at < len(p.text) && p.text[p.at] == c }
	if is('-') {
		p.at++
	}
	if is('0') {
		p.at++
	} else if !digits() {
		return nil, errNotJSON
	}
	if is('.') {
		p.at++
		if !digits() {
			return nil, errNotJSON
		}
	}
	if is('e') || is('E') {
		p.at++
		if is('+') || is('-') {
			p.at++
		}
		if !digits() {
			return nil, errNotJSON
		}
	}
	return p.text[start:p.at], nil
}

// str reads a string from its opening quote on and resolves its escapes in place.
func (p *parser) str() ([]byte, error) {
	p.at++
	start := p.at
	end := bytes.IndexByte(p.text[start:], '"')
	if end < 0 {
		return nil, errNotJSON
	}
	text := p.text[start : start+end]
	for i, c := range text {
		if c == '\\' {
			p.at = start + i
			return p.escaped(start)
		}
		if c < ' ' {
			return nil, errNotJSON
		}
	}
	p.at = start + end + 1
	return text, nil
}

// escaped goes on with a string that began at start and has its first escape at p.at.
// What is written is never longer than what was read.
func (p *parser) escaped(start int) ([]byte, error) {
	out := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch {
		case c == '"':
			return p.text[start:out], nil
		case c < ' ':
			return nil, errNotJSON
		case c != '\\':
			p.text[out] = c
			out++
		default:
			r, ok := p.escape()
			if !ok {
				return nil, errNotJSON
			}
			out = len(utf8.AppendRune(p.text[:out], r))
		}
	}
	return nil, errNotJSON
}

// escape reads what follows a backslash. A lone surrogate becomes U+FFFD.
func (p *parser) escape() (rune, bool) {
	if p.at == len(p.text) {
		return 0, false
	}
	c := p.text[p.at]
	p.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		r, ok := p.hex4()
		if !ok || !utf16.IsSurrogate(r) {
			return r, ok
		}
		rest := p.at
		if p.at+1 < len(p.text) && p.text[p.at] == '\\' && p.text[p.at+1] == 'u' {
			p.at += 2
			low, ok := p.hex4()
			if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
				return pair, true
			}
			p.at = rest
		}
		return utf8.RuneError, true
	}
	return 0, false
}

func (p *parser) hex4() (rune, bool) {
	if p.at+4 > len(p.text) {
		return 0, false
	}
	r := rune(0)
	for _, c := range p.text[p.at : p.at+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	p.at += 4
	return r, true
}

// appendJSONString appends s, valid UTF-8 or not, as a JSON string.
func appendJSONString(out []byte, s string) []byte {
	const digits = "0123456789abcdef"
	out = append(out, '"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r < ' ':
			out = append(out, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		case r < utf8.RuneSelf:
			out = append(out, s[i])
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return append(out, '"')
}
