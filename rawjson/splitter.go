package rawjson

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Splitter finds where each JSON value of a stream ends, while the stream arrives. It looks at
// each byte once and checks no more than it needs for that: brackets that match, and no line
// break inside a string, which is how a lost quote shows. A Scanner checks the rest.
// The zero value is ready at the start of a stream. It holds no bytes.
type Splitter struct {
	pos      int                     // bytes of the value's text that have been looked at
	depth    int                     // containers that are open
	inString bool                    // inside a string
	kinds    [MaxDepth/64 + 1]uint64 // bit n: the container at depth n is an object
}

// Next returns where the first value of text begins and ends. ok is false while its end has not
// arrived: start is then the length of the white space before it, which may be dropped, and Next
// is to be called with text[start:] and more behind it. last says that nothing will follow text.
// At the end of a stream without another value, start is the length of text.
// The error is a *SyntaxError; nothing behind it can be split.
func (s *Splitter) Next(text []byte, last bool) (start, end int, ok bool, err error) {
	if s.pos == 0 {
		start = skipSpace(text, 0)
		if start == len(text) {
			return start, start, false, nil
		}
		s.pos = start
	}
	end, err = s.find(text, start, last)
	switch {
	case err != nil:
		return start, 0, false, err
	case end == 0:
		s.pos -= start
		return start, 0, false, nil
	}
	s.pos = 0
	return start, end, true, nil
}

// find returns the end of the value at start, 0 while it is not there.
func (s *Splitter) find(text []byte, start int, last bool) (int, error) {
	switch c := text[start]; {
	case c == '{' || c == '[' || c == '"':
		return s.container(text, last)
	case c == '-' || isDigit(c) || c >= 'a' && c <= 'z':
		return s.word(text, start, last)
	}
	return 0, &SyntaxError{Offset: start, Msg: fmt.Sprintf("%q where a value should be", excerpt(text, start))}
}

// container goes over an object, an array or a string.
func (s *Splitter) container(text []byte, last bool) (int, error) {
	at := s.pos
	for {
		if s.inString {
			end, closed, err := stringEnd(text, at)
			if err != nil {
				return 0, err
			}
			at = end
			if !closed {
				break
			}
			s.inString = false
			if s.depth == 0 {
				return at, nil
			}
		}
		for at < len(text) && structural[text[at]] == 0 {
			at++
		}
		if at == len(text) {
			break
		}
		c := text[at]
		at++
		switch c {
		case '"':
			s.inString = true
		case '{', '[':
			if s.depth == MaxDepth {
				return 0, &SyntaxError{Offset: at - 1, Msg: fmt.Sprintf("nesting deeper than %d", MaxDepth)}
			}
			bit := uint64(1) << (s.depth % 64)
			s.kinds[s.depth/64] &^= bit
			if c == '{' {
				s.kinds[s.depth/64] |= bit
			}
			s.depth++
		case '}', ']':
			s.depth--
			if object := s.kinds[s.depth/64]>>(s.depth%64)&1 == 1; object != (c == '}') {
				return 0, &SyntaxError{Offset: at - 1, Msg: fmt.Sprintf("%q where %s should be", c, closing(object))}
			}
			if s.depth == 0 {
				return at, nil
			}
		}
	}
	s.pos = at
	if last {
		return 0, &SyntaxError{Offset: len(text), Msg: "the text ends inside a value"}
	}
	return 0, nil
}

// stringEnd returns the byte behind the quote that ends the string text[from-1:], or, while that
// has not arrived, the byte to go on at.
func stringEnd(text []byte, from int) (end int, closed bool, err error) {
	at := from
	// Most strings are short: a member name ends in its first eight bytes.
	if at+8 <= len(text) {
		if mark := special(binary.LittleEndian.Uint64(text[at:])); mark != 0 {
			at += bits.TrailingZeros64(mark) / 8
			if text[at] == '"' {
				return at + 1, true, nil
			}
		}
	}
	for {
		n := bytes.IndexByte(text[at:], '"')
		stop := at + n
		if n < 0 {
			stop = len(text)
		}
		if line := bytes.IndexByte(text[at:stop], '\n'); line >= 0 {
			return 0, false, &SyntaxError{Offset: at + line, Msg: `raw control character 0x0a in a string, \u000a would be right`}
		}
		escapes := 0
		for stop-escapes > from && text[stop-escapes-1] == '\\' {
			escapes++
		}
		switch odd := escapes % 2; {
		case n < 0:
			return stop - odd, false, nil // a lone backslash is looked at again, with what follows
		case odd == 0:
			return stop + 1, true, nil
		}
		at = stop + 1
	}
}

// word goes over a number or a literal, which ends where something else begins.
func (s *Splitter) word(text []byte, start int, last bool) (int, error) {
	at := max(s.pos, start)
	for at < len(text) {
		switch c := text[at]; {
		case isDigit(c), c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '+', c == '.':
			at++
			continue
		}
		return at, nil
	}
	s.pos = at
	if at-start > MaxNumberDigits+len("-.e-") {
		return 0, &SyntaxError{Offset: start, Msg: fmt.Sprintf("word or number of more than %d bytes", MaxNumberDigits)}
	}
	if last {
		return at, nil
	}
	return 0, nil
}

// structural marks the bytes at which something begins or ends outside of strings.
var structural = [256]byte{'"': 1, '{': 1, '}': 1, '[': 1, ']': 1}
