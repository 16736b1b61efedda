package sink

import (
	"cmp"
	"math"
	"math/big"
	"math/bits"
	"strconv"
)

// appendJavaDouble writes f as Double.toString of Java 17 does, infinities in quotes.
// Java before 19 does not always find the shortest digits (1e23 is 9.999999999999999E22), so
// its way is followed step by step.
// Source: behaviour of jdk.internal.math.FloatingDecimal; checked against Java 17 with
// 1,600,000 random doubles of all sizes.
func appendJavaDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	if math.Signbit(f) {
		dst = append(dst, '-')
	}
	if f == 0 {
		return append(dst, "0.0"...)
	}
	digits, exponent := javaDigits(math.Abs(f))
	return layOut(dst, digits, exponent)
}

// layOut writes 0.DIGITS × 10^exponent: plain from 1e-3 to below 1e7, else with an exponent.
func layOut(dst []byte, digits []byte, exponent int) []byte {
	switch {
	case exponent > 0 && exponent < 8:
		for i := range max(exponent, len(digits)) {
			if i == exponent {
				dst = append(dst, '.')
			}
			if i < len(digits) {
				dst = append(dst, digits[i])
			} else {
				dst = append(dst, '0')
			}
		}
		if len(digits) <= exponent {
			dst = append(dst, ".0"...)
		}
		return dst
	case exponent <= 0 && exponent > -3:
		dst = append(dst, "0."...)
		for range -exponent {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[0], '.')
	if len(digits) == 1 {
		dst = append(dst, '0')
	}
	dst = append(append(dst, digits[1:]...), 'E')
	return strconv.AppendInt(dst, int64(exponent-1), 10)
}

const (
	fractionBits = 52 // of a double, without the hidden one
	hiddenOne    = 1 << fractionBits
)

// javaDigits returns the digits of f > 0 and the place of the point: f ≈ 0.DIGITS × 10^exponent.
func javaDigits(f float64) (digits []byte, exponent int) {
	raw := math.Float64bits(f)
	fraction, binary := raw&(hiddenOne-1), int(raw>>fractionBits)
	significant := fractionBits + 1
	if binary == 0 { // denormal
		zeros := bits.LeadingZeros64(fraction)
		shift := zeros - (63 - fractionBits)
		fraction <<= shift
		binary = 1 - shift
		significant = 64 - zeros
	} else {
		fraction |= hiddenOne
	}
	binary -= 1023

	tail := bits.TrailingZeros64(fraction)
	used := fractionBits + 1 - tail
	tiny := max(0, used-binary-1) // bits behind the binary point
	if tiny == 0 && binary <= 62 && used < 64 {
		return longDigits(fraction, binary, significant)
	}
	return divideOut(fraction>>tail, binary, used, tiny, significant)
}

// longDigits handles whole numbers that fit a long.
func longDigits(fraction uint64, binary, significant int) (digits []byte, exponent int) {
	drop := 0
	if binary > significant {
		drop = insignificantDigits(binary - significant - 1)
	}
	if binary >= fractionBits {
		fraction <<= binary - fractionBits
	} else {
		fraction >>= fractionBits - binary
	}
	if drop > 0 {
		power := uint64(math.Pow10(drop))
		rest := fraction % power
		fraction /= power
		if rest >= power>>1 {
			fraction++
		}
	}
	text := strconv.FormatUint(fraction, 10)
	exponent = drop + len(text)
	for len(text) > 1 && text[len(text)-1] == '0' {
		text = text[:len(text)-1]
	}
	return []byte(text), exponent
}

// insignificantDigits is how many decimal digits 2^n makes meaningless.
func insignificantDigits(n int) int {
	if n <= 1 {
		return 0
	}
	return int(float64(n) * math.Log10(2))
}

// divideOut takes digit by digit from b/s, until what is left is below m, half the distance to
// the next double. Java calculates in ints where it thinks all fits, in longs, or in big numbers;
// the three differ in a comparison and where ints and longs wrap around, which shows in digits.
func divideOut(mantissa uint64, binary, used, tiny, significant int) (digits []byte, exponent int) {
	decimal := estimateExponent(mantissa<<(fractionBits+1-used), binary)
	b5 := max(0, -decimal)
	b2 := b5 + tiny + binary
	s5 := max(0, decimal)
	s2 := s5 + tiny
	m5 := b5
	m2 := b2 - significant
	b2 -= used - 1
	common := min(b2, s2)
	b2, s2, m2 = b2-common, s2-common, m2-common
	if used == 1 {
		m2--
	}
	if m2 < 0 {
		b2, s2, m2 = b2-m2, s2-m2, 0
	}
	var d divider
	switch bBits, tensBits := used+b2+fiveBits(b5), s2+1+fiveBits(s5+1); {
	case bBits < 32 && tensBits < 32:
		d = newWords(mantissa, b5, b2, s5, s2, m5, m2, 32)
	case bBits < 64 && tensBits < 64:
		d = newWords(mantissa, b5, b2, s5, s2, m5, m2, 64)
	default:
		d = newBigs(mantissa, b5, b2, s5, s2, m5, m2)
	}
	digit, low, high := d.step()
	if digit == '0' && !high {
		decimal--
	} else {
		digits = append(digits, digit)
	}
	if decimal < -3 || decimal >= 8 {
		low, high = false, false // with an exponent there is at least one digit behind the point
	}
	for !low && !high {
		digit, low, high = d.step()
		digits = append(digits, digit)
	}
	if high {
		half := d.half()
		if !low || half > 0 || half == 0 && (digits[len(digits)-1]-'0')%2 == 1 {
			digits, decimal = roundUp(digits, decimal)
		}
	}
	return digits, decimal + 1
}

// divider gives the digits of b/s one by one.
type divider interface {
	// step takes the next digit, and says whether what is left is small enough to stop: for
	// rounding down (low), for rounding up (high).
	step() (digit byte, low, high bool)
	// half compares what is left with half a digit.
	half() int
}

// words divides in Java ints or longs, which wrap around.
type words struct {
	b, s, m, tens int64
	narrow        bool // ints
}

func newWords(mantissa uint64, b5, b2, s5, s2, m5, m2, width int) *words {
	w := &words{narrow: width == 32}
	w.b = w.wrap(w.wrap(int64(mantissa)*pow5(b5)) << b2)
	w.s = w.wrap(pow5(s5) << s2)
	w.m = w.wrap(pow5(m5) << m2)
	w.tens = w.wrap(w.s * 10)
	return w
}

func pow5(n int) int64 {
	power := int64(1)
	for range n {
		power *= 5
	}
	return power
}

func (w *words) wrap(n int64) int64 {
	if w.narrow {
		return int64(int32(n))
	}
	return n
}

func (w *words) step() (digit byte, low, high bool) {
	q := w.b / w.s
	w.b = w.wrap(10 * (w.b % w.s))
	w.m = w.wrap(w.m * 10)
	if w.m <= 0 {
		return '0' + byte(q), true, true
	}
	return '0' + byte(q), w.b < w.m, w.wrap(w.b+w.m) > w.tens
}

func (w *words) half() int { return cmp.Compare(w.wrap(w.wrap(w.b<<1)-w.tens), 0) }

// bigs divides in numbers of any size.
type bigs struct{ b, s, m, tens, ten *big.Int }

func newBigs(mantissa uint64, b5, b2, s5, s2, m5, m2 int) *bigs {
	ten := big.NewInt(10)
	s := scaled(big.NewInt(1), s5, s2)
	return &bigs{
		b:    scaled(new(big.Int).SetUint64(mantissa), b5, b2),
		s:    s,
		m:    scaled(big.NewInt(1), m5, m2),
		tens: new(big.Int).Mul(s, ten),
		ten:  ten,
	}
}

func (d *bigs) step() (digit byte, low, high bool) {
	q, rest := new(big.Int).QuoRem(d.b, d.s, new(big.Int))
	d.b.Mul(rest, d.ten)
	d.m.Mul(d.m, d.ten)
	sum := new(big.Int).Add(d.b, d.m)
	return '0' + byte(q.Int64()), d.b.Cmp(d.m) < 0, sum.Cmp(d.tens) >= 0
}

func (d *bigs) half() int { return new(big.Int).Lsh(d.b, 1).Cmp(d.tens) }

func roundUp(digits []byte, decimal int) ([]byte, int) {
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i] != '9' {
			digits[i]++
			return digits, decimal
		}
		digits[i] = '0'
	}
	digits[0] = '1'
	return digits, decimal + 1
}

// scaled is n × 5^fives × 2^twos.
func scaled(n *big.Int, fives, twos int) *big.Int {
	if fives > 0 {
		n.Mul(n, new(big.Int).Exp(big.NewInt(5), big.NewInt(int64(fives)), nil))
	}
	return n.Lsh(n, uint(twos))
}

// fiveBits is Java's estimate of the bits of 5^n.
func fiveBits(n int) int {
	switch {
	case n == 0:
		return 0
	case n >= 27:
		return 3 * n
	}
	return int(float64(n)*math.Log2(5)) + 1
}

// estimateExponent is Java's estimate of the decimal exponent: right, or one too large.
// The conversions keep the compiler from fusing operations, which would round otherwise.
func estimateExponent(fraction uint64, binary int) int {
	one := math.Float64frombits(1023<<fractionBits | fraction&(hiddenOne-1))
	estimate := float64((one-1.5)*0.289529654) + 0.176091259
	estimate += float64(float64(binary) * 0.301029995663981)
	return int(math.Floor(estimate))
}
