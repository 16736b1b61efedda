package sink

import (
	"cmp"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// This file rewrites a JSON value as Kafka Connect's JsonConverter (schemas off) and the
// connector's JsonFormat do: into Java maps, lists, strings, longs and doubles, and out again.
// It serves headrace.json.text=java, for byte-for-byte comparison with the connector's objects.
// Source: the sink's contract, "JSON lines".

// appendJava appends text, a checked value without white space between its tokens, rewritten.
func appendJava(dst, text []byte) []byte {
	j := javaValue{text: text}
	return j.append(dst)
}

// javaValue walks over a checked, compact JSON text.
type javaValue struct {
	text []byte
	pos  int
}

func (j *javaValue) append(dst []byte) []byte {
	switch c := j.text[j.pos]; {
	case c == '{':
		return j.appendObject(dst)
	case c == '[':
		return j.appendArray(dst)
	case c == '"':
		return appendJavaString(dst, j.str())
	case c == '-' || c >= '0' && c <= '9':
		return appendJavaNumber(dst, j.token())
	}
	return append(dst, j.token()...) // true, false, null
}

func (j *javaValue) appendArray(dst []byte) []byte {
	dst = append(dst, '[')
	j.pos++
	for j.text[j.pos] != ']' {
		if j.text[j.pos] == ',' {
			dst = append(dst, ',')
			j.pos++
		}
		dst = j.append(dst)
	}
	j.pos++
	return append(dst, ']')
}

type javaMember struct {
	name  []uint16
	value []byte
	slot  uint32
}

// appendObject puts the members into the order of a java.util.HashMap: by slot of a table that
// doubles whenever it is three quarters full, within a slot by first insertion.
func (j *javaValue) appendObject(dst []byte) []byte {
	var members []javaMember
	place := map[string]int{}
	j.pos++
	for j.text[j.pos] != '}' {
		if j.text[j.pos] == ',' {
			j.pos++
		}
		name := j.str()
		j.pos++ // the colon
		value := j.append(nil)
		identity := unitText(name)
		if at, twice := place[identity]; twice {
			members[at].value = value
			continue
		}
		place[identity] = len(members)
		members = append(members, javaMember{name: name, value: value})
	}
	j.pos++
	slots := uint32(16)
	for len(members) > int(slots)*3/4 {
		slots *= 2
	}
	for i := range members {
		members[i].slot = javaHash(members[i].name) & (slots - 1)
	}
	slices.SortStableFunc(members, func(a, b javaMember) int { return cmp.Compare(a.slot, b.slot) })

	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendJavaString(dst, m.name), ':')
		dst = append(dst, m.value...)
	}
	return append(dst, '}')
}

// javaHash is HashMap.hash of String.hashCode.
func javaHash(name []uint16) uint32 {
	var h uint32
	for _, unit := range name {
		h = 31*h + uint32(unit)
	}
	return h ^ h>>16
}

// unitText makes UTF-16 units, lone surrogates included, a map key.
func unitText(units []uint16) string {
	var b strings.Builder
	for _, u := range units {
		b.WriteByte(byte(u >> 8))
		b.WriteByte(byte(u))
	}
	return b.String()
}

// token takes a number or literal.
func (j *javaValue) token() []byte {
	start := j.pos
	for j.pos < len(j.text) && !strings.ContainsRune(",]}", rune(j.text[j.pos])) {
		j.pos++
	}
	return j.text[start:j.pos]
}

// str takes a string as Java holds it.
func (j *javaValue) str() []uint16 {
	var units []uint16
	j.pos++
	for j.text[j.pos] != '"' {
		if j.text[j.pos] != '\\' {
			r, size := utf8.DecodeRune(j.text[j.pos:])
			units = utf16.AppendRune(units, r)
			j.pos += size
			continue
		}
		c := j.text[j.pos+1]
		j.pos += 2
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
			unit, _ := strconv.ParseUint(string(j.text[j.pos:j.pos+4]), 16, 16)
			units = append(units, uint16(unit))
			j.pos += 4
			continue
		}
		units = append(units, uint16(c))
	}
	j.pos++
	return units
}

// appendJavaString writes a string as Jackson does: surrogates, in pairs too, as escapes.
func appendJavaString(dst []byte, units []uint16) []byte {
	dst = append(dst, '"')
	for _, u := range units {
		dst = appendJavaRune(dst, rune(u))
	}
	return append(dst, '"')
}

// appendJavaRune appends one character of a string.
func appendJavaRune(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r == '\b':
		return append(dst, '\\', 'b')
	case r == '\t':
		return append(dst, '\\', 't')
	case r == '\n':
		return append(dst, '\\', 'n')
	case r == '\f':
		return append(dst, '\\', 'f')
	case r == '\r':
		return append(dst, '\\', 'r')
	case r < ' ', utf16.IsSurrogate(r):
		const digits = "0123456789ABCDEF"
		return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
	case r > 0xFFFF:
		high, low := utf16.EncodeRune(r)
		return appendJavaRune(appendJavaRune(dst, high), low)
	}
	return utf8.AppendRune(dst, r)
}

// appendJavaNumber writes a number as a Java long, or with a point or exponent as a double.
func appendJavaNumber(dst, token []byte) []byte {
	text := string(token)
	if !strings.ContainsAny(text, ".eE") {
		return appendJavaLong(dst, text)
	}
	digits, _, _ := strings.Cut(strings.ToLower(text), "e")
	if strings.Trim(digits, "-0.") == "" {
		return append(dst, "0.0"...) // it passes through BigDecimal, which has no negative zero
	}
	f, _ := strconv.ParseFloat(text, 64) // out of range: infinite, which Jackson puts in quotes
	return appendJavaDouble(dst, f)
}

// appendJavaLong keeps the low 64 bits.
func appendJavaLong(dst []byte, text string) []byte {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return strconv.AppendInt(dst, n, 10)
	}
	n, _ := new(big.Int).SetString(text, 10)
	low := new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1)) // And works on two's complement
	return strconv.AppendInt(dst, int64(low.Uint64()), 10)
}
