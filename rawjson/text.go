package rawjson

import (
	"bytes"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// hex4 reads four hexadecimal digits at pos.
func hex4(text []byte, pos int) (rune, bool) {
	if pos+4 > len(text) {
		return 0, false
	}
	var r rune
	for _, c := range text[pos : pos+4] {
		switch {
		case isDigit(c):
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Unquote returns the bytes that a checked JSON string token stands for. Without escapes
// that is a slice of the token. A lone surrogate, which UTF-8 has no bytes for, becomes U+FFFD.
func Unquote(token []byte) []byte {
	inner := token[1 : len(token)-1]
	at := bytes.IndexByte(inner, '\\')
	if at < 0 {
		return inner
	}
	out := append(make([]byte, 0, len(inner)), inner[:at]...)
	for at < len(inner) {
		if inner[at] != '\\' {
			out = append(out, inner[at])
			at++
			continue
		}
		c := inner[at+1]
		at += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(inner, at)
			at += 4
			if utf16.IsSurrogate(r) {
				r = pair(r, inner[at:])
				if r != utf8.RuneError {
					at += 6
				}
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		out = append(out, c)
	}
	return out
}

// pair joins a high surrogate with the escaped low one that rest starts with.
func pair(high rune, rest []byte) rune {
	if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' {
		return utf8.RuneError
	}
	low, _ := hex4(rest, 2)
	return utf16.DecodeRune(high, low)
}

// UTF8 returns a JSON text as UTF-8. A byte order mark is dropped; UTF-16, which shows in
// the first two bytes since a JSON text starts with ASCII, is converted. UTF-8 without a
// mark is returned as it is.
func UTF8(text []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(text, []byte{0xef, 0xbb, 0xbf}):
		return text[3:], nil
	case bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		return fromUTF16(text[2:], 0)
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}):
		return fromUTF16(text[2:], 1)
	case len(text) >= 2 && text[0] == 0 && text[1] != 0:
		return fromUTF16(text, 0)
	case len(text) >= 2 && text[0] != 0 && text[1] == 0:
		return fromUTF16(text, 1)
	}
	return text, nil
}

// fromUTF16 converts UTF-16 whose low byte of each unit is the one at 1-little.
func fromUTF16(text []byte, little int) ([]byte, error) {
	if len(text)%2 != 0 {
		return nil, errors.New("UTF-16 text of an odd number of bytes")
	}
	out := make([]byte, 0, len(text)/2+len(text)/8)
	unit := func(i int) rune { return rune(text[i+little])<<8 | rune(text[i+1-little]) }
	for i := 0; i < len(text); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) {
			if i+2 == len(text) {
				return nil, errors.New("UTF-16 text ends inside a surrogate pair")
			}
			i += 2
			if r = utf16.DecodeRune(r, unit(i)); r == utf8.RuneError {
				return nil, errors.New("UTF-16 text with a lone surrogate")
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}
