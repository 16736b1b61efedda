package schema

import (
	"bytes"
	"math"
	"strconv"
)

// appendFloat writes a number of 32 or 64 bits as Java does: the shortest digits, at least one
// behind the point; plain from 1e-3 to below 1e7, else with an exponent. What is no number is a
// string: "NaN", "Infinity". Source: Double.toString of Java 19 and later.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	if size := math.Abs(f); size != 0 && (size < 1e-3 || size >= 1e7) {
		return appendExponent(dst, f, bits)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
	if bytes.IndexByte(dst[start:], '.') >= 0 {
		return dst
	}
	return append(dst, ".0"...)
}

// appendExponent writes d.dE±n: Go's 1e+07 becomes 1.0E7.
func appendExponent(dst []byte, f float64, bits int) []byte {
	var buf [32]byte
	text := strconv.AppendFloat(buf[:0], f, 'e', -1, bits)
	point := false
	for i, c := range text {
		switch c {
		case '.':
			point = true
		case 'e':
			if !point {
				dst = append(dst, ".0"...)
			}
			dst = append(dst, 'E')
			exponent, _ := strconv.Atoi(string(text[i+1:]))
			return strconv.AppendInt(dst, int64(exponent), 10)
		}
		dst = append(dst, c)
	}
	return dst
}
