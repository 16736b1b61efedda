package rawjson

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// maxOpen is how many containers a caller may have entered at once with Object and Array.
const maxOpen = 64

// Scanner reads one JSON text from left to right. Values are handed out as slices of the
// text, which the scanner owns meanwhile: it squeezes white space out of values in place.
type Scanner struct {
	// LeadingZeros accepts numbers such as 01 and hands them out as 1, as Kafka Connect's
	// JsonConverter does. RFC 8259 forbids them.
	LeadingZeros bool

	text []byte
	pos  int
	open int    // containers the caller has entered
	some uint64 // bit n: the container entered as number n has had a member or element
}

// NewScanner returns a scanner at the start of text.
func NewScanner(text []byte) *Scanner { return &Scanner{text: text} }

// Reset puts the scanner at the start of text, to use it once more.
func (s *Scanner) Reset(text []byte) {
	*s = Scanner{LeadingZeros: s.LeadingZeros, text: text}
}

// Offset is the byte, from 0, that is read next.
func (s *Scanner) Offset() int { return s.pos }

func (s *Scanner) fail(pos int, format string, args ...any) error {
	return &SyntaxError{Offset: pos, Msg: fmt.Sprintf(format, args...)}
}

// Kind says what the next value is, after white space; End when the text has none left.
// A byte that starts no value is a *SyntaxError.
func (s *Scanner) Kind() (Kind, error) {
	s.pos = skipSpace(s.text, s.pos)
	if s.pos == len(s.text) {
		return End, nil
	}
	switch c := s.text[s.pos]; {
	case c == '{':
		return Object, nil
	case c == '[':
		return Array, nil
	case c == '"':
		return String, nil
	case c == '-' || c >= '0' && c <= '9':
		return Number, nil
	case c == 't' || c == 'f':
		return Bool, nil
	case c == 'n':
		return Null, nil
	}
	return End, s.unexpected(s.pos, "a value")
}

// Object enters an object: read it with Member.
func (s *Scanner) Object() error { return s.enter('{', "an object") }

// Array enters an array: read it with Element.
func (s *Scanner) Array() error { return s.enter('[', "an array") }

func (s *Scanner) enter(open byte, what string) error {
	s.pos = skipSpace(s.text, s.pos)
	if s.pos == len(s.text) || s.text[s.pos] != open {
		return s.unexpected(s.pos, what)
	}
	if s.open == maxOpen {
		return s.fail(s.pos, "nesting deeper than %d", maxOpen)
	}
	s.some &^= 1 << s.open
	s.open++
	s.pos++
	return nil
}

// Member goes to the next member of the object entered last and returns its name, unescaped.
// The caller then reads the member's value. ok is false behind the last member: the object
// has been left.
func (s *Scanner) Member() (name []byte, ok bool, err error) {
	if more, err := s.next('}'); !more {
		return nil, false, err
	}
	start := s.pos
	if start == len(s.text) || s.text[start] != '"' {
		return nil, false, s.unexpected(start, "a member name in quotes")
	}
	end, err := s.skipString(start)
	if err != nil {
		return nil, false, err
	}
	s.pos = skipSpace(s.text, end)
	if s.pos == len(s.text) || s.text[s.pos] != ':' {
		return nil, false, s.unexpected(s.pos, "':' behind a member name")
	}
	s.pos++
	return Unquote(s.text[start:end]), true, nil
}

// Element goes to the next element of the array entered last. ok is false behind the last
// one: the array has been left.
func (s *Scanner) Element() (ok bool, err error) { return s.next(']') }

// next stands before the next member or element, or behind the container's end.
func (s *Scanner) next(end byte) (bool, error) {
	level := uint64(1) << (s.open - 1)
	s.pos = skipSpace(s.text, s.pos)
	if s.pos < len(s.text) && s.text[s.pos] == end {
		s.pos++
		s.open--
		return false, nil
	}
	if s.some&level != 0 {
		if s.pos == len(s.text) || s.text[s.pos] != ',' {
			return false, s.unexpected(s.pos, "',' or '"+string(end)+"'")
		}
		s.pos = skipSpace(s.text, s.pos+1)
	}
	s.some |= level
	return true, nil
}

// Finish reports anything but white space that is left behind the last value.
func (s *Scanner) Finish() error {
	s.pos = skipSpace(s.text, s.pos)
	if s.pos < len(s.text) {
		return s.unexpected(s.pos, "nothing more")
	}
	return nil
}

// Text reads the next value, which must be a string, and returns its bytes unescaped.
func (s *Scanner) Text() ([]byte, error) {
	kind, err := s.Kind()
	if err != nil {
		return nil, err
	}
	if kind != String {
		return nil, s.unexpected(s.pos, "a string")
	}
	start := s.pos
	if s.pos, err = s.skipString(start); err != nil {
		return nil, err
	}
	return Unquote(s.text[start:s.pos]), nil
}

// Value reads the next value whole, checks it and returns it without white space between its
// tokens. The result is a slice of the text and as long-lived as that.
func (s *Scanner) Value() ([]byte, error) {
	s.pos = skipSpace(s.text, s.pos)
	if s.pos < len(s.text) {
		if c := s.text[s.pos]; c != '{' && c != '[' {
			return s.scalar()
		}
	}
	return s.container()
}

// scalar reads a value without parts.
func (s *Scanner) scalar() ([]byte, error) {
	start := s.pos
	end, err := s.skipScalar(start)
	if err != nil {
		return nil, err
	}
	s.pos = end
	if s.LeadingZeros {
		start += s.zeros(start, end)
	}
	return s.text[start:end], nil
}

// container reads an object or array. The bit stack kinds remembers for each open container
// whether it is an object. text[start:to] is what has been kept of it, and text[run:at] goes
// there once white space ends the run: a text without any is never moved.
func (s *Scanner) container() ([]byte, error) {
	var kinds [MaxDepth/64 + 1]uint64
	text, start := s.text, s.pos
	to, run, at, depth := start, start, start, s.open
	base := depth
	inObject := false
	// cut keeps the run that ends at end and begins the next one at next.
	cut := func(end, next int) int {
		if to != run {
			copy(text[to:], text[run:end])
		}
		to += end - run
		run = next
		return next
	}

value:
	if at < len(text) && text[at] <= ' ' {
		at = cut(at, skipSpace(text, at))
	}
	if at == len(text) {
		return nil, s.unexpected(at, "a value")
	}
	if c := text[at]; c == '{' || c == '[' {
		if depth == MaxDepth {
			return nil, s.fail(at, "nesting deeper than %d", MaxDepth)
		}
		if inObject = c == '{'; inObject {
			kinds[depth/64] |= 1 << (depth % 64)
		} else {
			kinds[depth/64] &^= 1 << (depth % 64)
		}
		depth++
		at++
		if at < len(text) && text[at] <= ' ' {
			at = cut(at, skipSpace(text, at))
		}
		if at < len(text) && text[at] == c+2 { // '{'+2 is '}', '['+2 is ']'
			goto closed
		}
		if inObject {
			goto member
		}
		goto value
	}
	{
		end, err := s.skipScalar(at)
		if err != nil {
			return nil, err
		}
		if s.LeadingZeros {
			if n := s.zeros(at, end); n > 0 {
				cut(at, at+n)
			}
		}
		at = end
	}

after: // behind a value inside a container
	if at < len(text) && text[at] <= ' ' {
		at = cut(at, skipSpace(text, at))
	}
	if at == len(text) {
		return nil, s.unexpected(at, closing(inObject))
	}
	switch c := text[at]; {
	case c == ',':
		at++
		if inObject {
			goto member
		}
		goto value
	case inObject && c == '}', !inObject && c == ']':
		goto closed
	}
	return nil, s.unexpected(at, closing(inObject))

member: // before a member name
	if at < len(text) && text[at] <= ' ' {
		at = cut(at, skipSpace(text, at))
	}
	if at == len(text) || text[at] != '"' {
		return nil, s.unexpected(at, "a member name in quotes")
	}
	{
		end, err := s.skipString(at)
		if err != nil {
			return nil, err
		}
		at = end
	}
	if at < len(text) && text[at] <= ' ' {
		at = cut(at, skipSpace(text, at))
	}
	if at == len(text) || text[at] != ':' {
		return nil, s.unexpected(at, "':' behind a member name")
	}
	at++
	goto value

closed: // at the bracket that closes a container
	at++
	depth--
	if depth == base {
		s.pos = at
		cut(at, at)
		return text[start:to:to], nil
	}
	inObject = kinds[(depth-1)/64]>>((depth-1)%64)&1 == 1
	goto after
}

func closing(object bool) string {
	if object {
		return "',' or '}'"
	}
	return "',' or ']'"
}

// skipScalar returns the end of the string, number or literal at pos.
func (s *Scanner) skipScalar(pos int) (int, error) {
	if pos == len(s.text) {
		return 0, s.unexpected(pos, "a value")
	}
	switch c := s.text[pos]; {
	case c == '"':
		return s.skipString(pos)
	case c == '-' || c >= '0' && c <= '9':
		return s.skipNumber(pos)
	case c == 't':
		return s.skipWord(pos, "true")
	case c == 'f':
		return s.skipWord(pos, "false")
	case c == 'n':
		return s.skipWord(pos, "null")
	}
	return 0, s.unexpected(pos, "a value")
}

func (s *Scanner) skipWord(pos int, word string) (int, error) {
	end := pos + len(word)
	if end > len(s.text) || string(s.text[pos:end]) != word {
		return 0, s.fail(pos, "%q is no JSON value, %s would be", excerpt(s.text, pos), word)
	}
	return end, nil
}

// zeros is how many leading zeros of the scalar text[start:end] are to be dropped, after
// moving a minus sign behind them.
func (s *Scanner) zeros(start, end int) int {
	first := start
	if s.text[start] == '-' {
		first++
	}
	n := 0
	for first+n+1 < end && s.text[first+n] == '0' && isDigit(s.text[first+n+1]) {
		n++
	}
	if n > 0 && first > start {
		s.text[start+n] = '-'
	}
	return n
}

// skipNumber returns the end of the number at pos.
func (s *Scanner) skipNumber(pos int) (int, error) {
	text, at, digits := s.text, pos, 0
	run := func() bool {
		from := at
		for at < len(text) && isDigit(text[at]) {
			at++
		}
		digits += at - from
		return at > from
	}
	if text[at] == '-' {
		at++
	}
	first := at
	if !run() {
		return 0, s.unexpected(at, "a digit")
	}
	if text[first] == '0' && at > first+1 && !s.LeadingZeros {
		return 0, s.fail(pos, "number with a leading zero")
	}
	if at < len(text) && text[at] == '.' {
		at++
		if !run() {
			return 0, s.unexpected(at, "a digit behind the decimal point")
		}
	}
	if at < len(text) && (text[at] == 'e' || text[at] == 'E') {
		at++
		if at < len(text) && (text[at] == '+' || text[at] == '-') {
			at++
		}
		if !run() {
			return 0, s.unexpected(at, "a digit of the exponent")
		}
	}
	if digits > MaxNumberDigits {
		return 0, s.fail(pos, "number of %d digits, %d is the limit", digits, MaxNumberDigits)
	}
	return at, nil
}

func isDigit(c byte) bool { return c-'0' < 10 }

// skipString returns the end of the string at pos, which is a quote.
func (s *Scanner) skipString(pos int) (int, error) {
	text, at := s.text, pos+1
	// Most strings are short: a member name ends in its first eight bytes.
	if at+8 <= len(text) {
		if mark := special(binary.LittleEndian.Uint64(text[at:])); mark != 0 {
			at += bits.TrailingZeros64(mark) / 8
			if text[at] == '"' {
				return at + 1, nil
			}
		}
	}
	for {
		at = skipPlain(text, at)
		if at == len(text) {
			return 0, s.fail(at, "the text ends inside a string")
		}
		switch c := text[at]; {
		case c == '"':
			return at + 1, nil
		case c == '\\':
			end, err := s.skipEscape(at)
			if err != nil {
				return 0, err
			}
			at = end
		case c < ' ':
			return 0, s.fail(at, "raw control character 0x%02x in a string, \\u%04x would be right", c, c)
		default:
			r, size := utf8.DecodeRune(text[at:])
			if r == utf8.RuneError && size == 1 {
				return 0, s.fail(at, "byte 0x%02x is not valid UTF-8", c)
			}
			at += size
		}
	}
}

// skipEscape returns the end of the escape at pos, which is a backslash.
func (s *Scanner) skipEscape(pos int) (int, error) {
	if pos+1 == len(s.text) {
		return 0, s.fail(pos+1, "the text ends inside a string")
	}
	switch s.text[pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return pos + 2, nil
	case 'u':
		if _, ok := hex4(s.text, pos+2); ok {
			return pos + 6, nil
		}
		return 0, s.fail(pos, "\\u without four hexadecimal digits")
	}
	return 0, s.fail(pos, "%q is no escape", s.text[pos:pos+2])
}

// skipPlain returns the first byte from pos on that is not plain text of a string: a quote,
// a backslash, a control character or no ASCII.
func skipPlain(text []byte, pos int) int {
	rest := text[pos:]
	// Two words at once: the loop is bound by its own overhead.
	for len(rest) >= 16 {
		low := special(binary.LittleEndian.Uint64(rest))
		high := special(binary.LittleEndian.Uint64(rest[8:]))
		if low|high != 0 {
			if low != 0 {
				// The lowest mark is exact: a borrow sets one falsely only above a true one.
				return len(text) - len(rest) + bits.TrailingZeros64(low)/8
			}
			return len(text) - len(rest) + 8 + bits.TrailingZeros64(high)/8
		}
		rest = rest[16:]
	}
	for i, c := range rest {
		if c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			return len(text) - len(rest) + i
		}
	}
	return len(text)
}

// special marks, in its top bit, each byte of w that is no plain text of a string; above the
// lowest mark there may be false ones.
func special(w uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	// Each term has the top bit of a byte set that was 0 (a quote, a backslash), below ' ', or no ASCII.
	return ((w ^ ones*'"' - ones) | (w ^ ones*'\\' - ones) | (w - ones*' ') | w) & tops
}

// skipSpace returns the first byte from pos on that is no JSON white space.
func skipSpace(text []byte, pos int) int {
	for pos < len(text) {
		switch text[pos] {
		case ' ', '\n', '\r', '\t':
			pos++
		default:
			return pos
		}
	}
	return pos
}

// unexpected says what stands at pos where want should.
func (s *Scanner) unexpected(pos int, want string) error {
	if pos >= len(s.text) {
		return s.fail(len(s.text), "the text ends where %s should be", want)
	}
	return s.fail(pos, "%q where %s should be", excerpt(s.text, pos), want)
}

// excerpt is the word that starts at pos, of 20 bytes at most.
func excerpt(text []byte, pos int) []byte {
	end := pos
	for end < len(text) && end < pos+20 && (text[end] >= 'a' && text[end] <= 'z' || text[end] >= 'A' && text[end] <= 'Z' || isDigit(text[end])) {
		end++
	}
	if end == pos {
		_, size := utf8.DecodeRune(text[pos:])
		end = pos + size
	}
	return text[pos:end]
}
