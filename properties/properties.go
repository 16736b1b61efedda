// Package properties reads Java property files byte for byte as java.util.Properties does,
// and says on which line each value stands. It refuses to interpret: no types, no ${} expansion.
package properties

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
)

// File is what one property file holds.
type File struct {
	Entries  []Entry   // in the order of the file; a key given twice stands here twice, the last one counts
	Warnings []Warning // read as Java reads it, but likely not what the author meant
}

// Entry is one key with its value, escapes resolved. Trailing white space of the value is kept.
type Entry struct {
	Key, Value string
	Line       int // from 1; the first line of a continued one
}

// Warning is a remark about one line.
type Warning struct {
	Line int
	Text string
}

// String returns the warning with its line.
func (w Warning) String() string { return fmt.Sprintf("line %d: %s", w.Line, w.Text) }

// SyntaxError says which line cannot be read, and why.
type SyntaxError struct {
	Line int
	Msg  string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// Last returns the entry that counts for each key: the last one.
func (f File) Last() map[string]Entry {
	last := make(map[string]Entry, len(f.Entries))
	for _, e := range f.Entries {
		last[e.Key] = e
	}
	return last
}

// maxFaults bounds how many faults of one file are told.
const maxFaults = 20

// Parse reads text, whose bytes are ISO-8859-1, by the rules of java.util.Properties.load.
// The error joins one *SyntaxError per malformed \u escape (the only thing that Java refuses),
// at most maxFaults of them; the File then holds what could be read.
// Source: the Java SE 17 API page of java.util.Properties.
func Parse(text []byte) (File, error) {
	var f File
	var faults []error
	r := &reader{text: text, file: &f}
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		f.warn(1, "the file begins with a UTF-8 byte order mark, which becomes part of the first key: save it without one")
	}
	first := map[string]int{}
	for {
		line, number, ok := r.next()
		if !ok {
			return f, errors.Join(faults...)
		}
		entry, err := f.entry(line, number)
		if err != nil {
			if len(faults) < maxFaults {
				faults = append(faults, err)
			}
			continue
		}
		if before, twice := first[entry.Key]; twice {
			f.warn(number, "%q was already given on line %d: the later value counts", entry.Key, before)
		}
		first[entry.Key] = number
		f.Entries = append(f.Entries, entry)
	}
}

// entry reads one logical line.
func (f *File) entry(line []byte, number int) (Entry, error) {
	rawKey, rawValue := split(line)
	key, err := unescape(rawKey)
	if err != nil {
		return Entry{}, &SyntaxError{number, "reading the key: " + err.Error()}
	}
	value, err := unescape(rawValue)
	if err != nil {
		return Entry{}, &SyntaxError{number, fmt.Sprintf("reading the value of %q: %v", key.text, err)}
	}
	if key.nonASCII || value.nonASCII {
		f.warn(number, `%q holds bytes outside ASCII, which are read as ISO-8859-1: write \uXXXX to be sure`, key.text)
	}
	if key.dropped || value.dropped {
		f.warn(number, `%q holds a backslash that is dropped: write \\ for one`, key.text)
	}
	return Entry{Key: key.text, Value: value.text, Line: number}, nil
}

// reader cuts text into logical lines: continuations joined, comments and blank lines left out.
type reader struct {
	text []byte
	line int // number of the line last handed out by natural
	file *File
}

// next returns the next logical line with the number of its first line.
func (r *reader) next() (logical []byte, number int, ok bool) {
	open := false // a backslash has asked for more
	for len(r.text) > 0 {
		line := bytes.TrimLeft(r.natural(), " \t\f")
		comment := len(line) > 0 && (line[0] == '#' || line[0] == '!')
		if len(logical) == 0 { // not begun: as in Java, a lone backslash before it begins nothing
			if len(line) == 0 || comment {
				open = false
				continue
			}
			number = r.line
		} else {
			r.checkContinuation(line, number, comment)
		}
		if !endsInBackslash(line) {
			r.checkBlankAfterBackslash(line)
			return append(logical, line...), number, true
		}
		logical, open = append(logical, line[:len(line)-1]...), true
	}
	if open {
		r.file.warn(r.line, "the backslash at the end of the file continues into nothing")
	}
	return logical, number, open
}

// natural returns the next line without its end (\n, \r or \r\n).
func (r *reader) natural() []byte {
	r.line++
	end := bytes.IndexAny(r.text, "\r\n")
	if end < 0 {
		line := r.text
		r.text = nil
		return line
	}
	line, rest := r.text[:end], r.text[end+1:]
	if r.text[end] == '\r' && len(rest) > 0 && rest[0] == '\n' {
		rest = rest[1:]
	}
	r.text = rest
	return line
}

func (r *reader) checkContinuation(line []byte, number int, comment bool) {
	switch {
	case comment:
		r.file.warn(r.line, "this line is no comment but the end of line %d, which ends in a backslash", number)
	case len(line) == 0:
		r.file.warn(r.line, "the backslash at the end of the line before continues into a blank line")
	}
}

func (r *reader) checkBlankAfterBackslash(line []byte) {
	trimmed := bytes.TrimRight(line, " \t\f")
	if len(trimmed) < len(line) && endsInBackslash(trimmed) {
		r.file.warn(r.line, "white space after the last backslash: the line is not continued")
	}
}

// endsInBackslash reports whether line ends in an odd number of backslashes.
func endsInBackslash(line []byte) bool {
	n := len(line) - len(bytes.TrimRight(line, `\`))
	return n%2 == 1
}

// split cuts a logical line at the first separator that is not escaped: white space,
// at most one '=' or ':', white space.
func split(line []byte) (key, value []byte) {
	end := 0
	for end < len(line) && !isSpace(line[end]) && line[end] != '=' && line[end] != ':' {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(line))
	value = bytes.TrimLeft(line[end:], " \t\f")
	if len(value) > 0 && (value[0] == '=' || value[0] == ':') {
		value = bytes.TrimLeft(value[1:], " \t\f")
	}
	return line[:end], value
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\f' }

// errMalformed says nothing of the text it was found in: that may be a secret.
var errMalformed = errors.New(`malformed \u escape: four hexadecimal digits must follow \u`)

// unescaped is text without its escapes, and what is odd about how it was written.
type unescaped struct {
	text     string
	nonASCII bool // holds bytes above 127
	dropped  bool // holds a backslash before a letter that stands for nothing
}

// unescape turns raw bytes into text: each byte one character, \uXXXX one UTF-16 code unit.
func unescape(raw []byte) (unescaped, error) {
	var got unescaped
	units := make([]uint16, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '\\' && i+1 < len(raw) {
			i++
			c = raw[i]
			if c == 'u' {
				unit, err := codeUnit(raw[i+1:])
				if err != nil {
					return got, err
				}
				units = append(units, unit)
				i += 4
				continue
			}
			got.dropped = got.dropped || escaped(c) == c && isLetter(c)
			c = escaped(c)
		}
		got.nonASCII = got.nonASCII || c >= 0x80
		units = append(units, uint16(c))
	}
	got.text = string(utf16.Decode(units))
	return got, nil
}

// codeUnit reads the four hexadecimal digits after \u.
func codeUnit(digits []byte) (uint16, error) {
	if len(digits) < 4 {
		return 0, errMalformed
	}
	unit, err := strconv.ParseUint(string(digits[:4]), 16, 16)
	if err != nil {
		return 0, errMalformed
	}
	return uint16(unit), nil
}

func isLetter(c byte) bool { return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' }

func escaped(c byte) byte {
	switch c {
	case 't':
		return '\t'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 'f':
		return '\f'
	}
	return c
}

func (f *File) warn(line int, format string, args ...any) {
	f.Warnings = append(f.Warnings, Warning{line, fmt.Sprintf(format, args...)})
}
