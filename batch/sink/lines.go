package sink

import (
	"encoding/base64"
	"errors"
	"unicode/utf8"

	"headrace/rawjson"
	"headrace/record"
)

// verdict is what becomes of a record.
type verdict int

const (
	writable verdict = iota
	nullValue
	badValue
)

// lines turns record values into what their object holds. It is not for use by two goroutines.
type lines struct {
	format    Format
	converter Converter
	java      bool
	separator string
	scanner   rawjson.Scanner
}

func newLines(cfg *Config) *lines {
	l := &lines{format: cfg.Format, converter: cfg.Converter, java: cfg.JavaJSON, separator: cfg.Separator}
	l.scanner.LeadingZeros = true
	return l
}

// appendTo appends the record's line to dst. It may change the value's bytes. With badValue the
// error says what is wrong, without a word of the value itself.
func (l *lines) appendTo(dst []byte, rec *record.Record) ([]byte, verdict, error) {
	if rec.Value == nil {
		return dst, nullValue, nil
	}
	switch {
	case l.format == RawBytes:
		return append(append(dst, rec.Value...), l.separator...), writable, nil
	case l.converter == StringValue:
		return append(l.quote(dst, rec.Value), '\n'), writable, nil
	case l.converter == BytesValue:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, rec.Value)
		return append(dst, '"', '\n'), writable, nil
	}
	value, kind, err := l.value(rec.Value)
	switch {
	case err != nil:
		return dst, badValue, err
	case kind == rawjson.End || kind == rawjson.Null:
		return dst, nullValue, nil
	case l.java:
		return append(appendJava(dst, value), '\n'), writable, nil
	}
	return append(append(dst, value...), '\n'), writable, nil
}

var errTrailing = errors.New("no white space behind the value")

// value reads the first JSON value of text; what follows it is dropped, as JsonConverter does.
func (l *lines) value(text []byte) ([]byte, rawjson.Kind, error) {
	text, err := rawjson.UTF8(text)
	if err != nil {
		return nil, rawjson.End, err
	}
	l.scanner.Reset(text)
	kind, err := l.scanner.Kind()
	if err != nil || kind == rawjson.End {
		return nil, kind, hideText(err)
	}
	value, err := l.scanner.Value()
	if err != nil {
		return nil, kind, hideText(err)
	}
	if end := l.scanner.Offset(); end < len(text) && glued(kind, text[end]) {
		return nil, kind, &rawjson.SyntaxError{Offset: end, Msg: errTrailing.Error()}
	}
	return value, kind, nil
}

// glued reports whether next, behind a number or a literal, makes it something else.
// Source: Jackson, UTF8StreamJsonParser._verifyRootSpace and _checkMatchEnd.
func glued(kind rawjson.Kind, next byte) bool {
	switch kind {
	case rawjson.Number:
		return next != ' ' && next != '\t' && next != '\r' && next != '\n'
	case rawjson.Bool, rawjson.Null:
		return next == '_' || next == '$' || next >= '0' && next <= '9' ||
			next >= 'a' && next <= 'z' || next >= 'A' && next <= 'Z' || next >= utf8.RuneSelf
	default:
		return false
	}
}

// hideText keeps of a syntax error only the place: its text quotes the value, which may be secret.
func hideText(err error) error {
	var syntax *rawjson.SyntaxError
	if errors.As(err, &syntax) {
		return &rawjson.SyntaxError{Offset: syntax.Offset, Msg: "not valid JSON"}
	}
	return err
}

// quote appends text as a JSON string; bytes that are no UTF-8 become U+FFFD.
func (l *lines) quote(dst, text []byte) []byte {
	dst = append(dst, '"')
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			size = malformed(text)
		}
		text = text[size:]
		if l.java || r <= 0xFFFF {
			dst = appendJavaRune(dst, r)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// malformed is the length of the malformed sequence at the start of text that Java and browsers
// replace by one U+FFFD: the longest beginning of a valid sequence, at least one byte.
// Source: Unicode 15, "substitution of maximal subparts".
func malformed(text []byte) int {
	low, high, need := byte(0x80), byte(0xBF), 0
	switch c := text[0]; {
	case c >= 0xC2 && c <= 0xDF:
		need = 1
	case c == 0xE0:
		low, need = 0xA0, 2
	case c == 0xED:
		high, need = 0x9F, 2
	case c >= 0xE1 && c <= 0xEF:
		need = 2
	case c == 0xF0:
		low, need = 0x90, 3
	case c == 0xF4:
		high, need = 0x8F, 3
	case c >= 0xF1 && c <= 0xF3:
		need = 3
	}
	n := 1
	for n <= need && n < len(text) && text[n] >= low && text[n] <= high {
		low, high = 0x80, 0xBF
		n++
	}
	return n
}
