package embedded

import (
	"crypto/md5" //nolint:gosec // the service routes by MD5; nothing is kept secret by it
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// hashKey is a 128-bit unsigned integer: a point of a stream's key space.
type hashKey struct{ hi, lo uint64 }

func maxHashKey() hashKey { return hashKey{math.MaxUint64, math.MaxUint64} }

// hashOf routes a partition key: MD5 of its UTF-8, read big-endian.
func hashOf(partitionKey []byte) hashKey {
	sum := md5.Sum(partitionKey) //nolint:gosec // see the import
	return hashKey{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

// parseHashKey reads a decimal number; false when it is over 2^128-1 or no number.
func parseHashKey(text string) (hashKey, bool) {
	w, ok := parseDecimal(text)
	return hashKey{w[1], w[2]}, ok && w[0] == 0
}

func (h hashKey) String() string { return formatDecimal([3]uint64{0, h.hi, h.lo}) }

// MarshalText and UnmarshalText put a hashKey into JSON as its decimal text.
func (h hashKey) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *hashKey) UnmarshalText(text []byte) error {
	got, ok := parseHashKey(string(text))
	if !ok {
		return fmt.Errorf("hash key %q: want 0 to 2^128-1", text)
	}
	*h = got
	return nil
}

func (h hashKey) less(o hashKey) bool {
	return h.hi < o.hi || h.hi == o.hi && h.lo < o.lo
}

func (h hashKey) plus(o hashKey) hashKey {
	lo, carry := bits.Add64(h.lo, o.lo, 0)
	hi, _ := bits.Add64(h.hi, o.hi, carry)
	return hashKey{hi, lo}
}

func (h hashKey) minus(o hashKey) hashKey {
	lo, borrow := bits.Sub64(h.lo, o.lo, 0)
	hi, _ := bits.Sub64(h.hi, o.hi, borrow)
	return hashKey{hi, lo}
}

func (h hashKey) next() hashKey { return h.plus(hashKey{0, 1}) }
func (h hashKey) prev() hashKey { return h.minus(hashKey{0, 1}) }

func (h hashKey) distance(o hashKey) hashKey {
	if h.less(o) {
		return o.minus(h)
	}
	return h.minus(o)
}

// times multiplies; the result must fit.
func (h hashKey) times(n uint64) hashKey {
	hi, lo := bits.Mul64(h.lo, n)
	return hashKey{hi + h.hi*n, lo}
}

// uniformWidth is 2^128 / n, rounded down: the width of one of n shards, n at least 2.
func uniformWidth(n uint64) hashKey {
	// 2^128 does not fit: divide 2^128-1, and add one where n divides 2^128.
	hi, rest := math.MaxUint64/n, math.MaxUint64%n
	lo, rest := bits.Div64(rest, math.MaxUint64, n)
	width := hashKey{hi, lo}
	if rest == n-1 {
		width = width.next()
	}
	return width
}

// uniformStarts returns the first keys of n shards of equal width, the first of them 0.
// The last one takes the remainder.
func uniformStarts(n int) []hashKey {
	starts := make([]hashKey, n)
	if n == 1 {
		return starts
	}
	width := uniformWidth(uint64(n))
	for i := range starts {
		starts[i] = width.times(uint64(i))
	}
	return starts
}

// sequence is a sequence number: an opaque, growing integer to clients, 56 decimal digits.
// It is laid out as the service does, from the highest digit in hexadecimal on:
//
//	2 | shard created, s (9) | shard (1) | index (16) | 00 | arrived, s (9) | shard (8) | 2
//
// The index counts the records of a shard from 1, so numbers grow whatever the clock does.
// Source: kinesalite's decoding of the service's numbers.
type sequence [3]uint64

// Numbers outside of these fields come from no shard.
const (
	sequenceSecondBits = 36
	maxSequenceIndex   = math.MaxInt64 // of a closed shard's ending number
)

// makeSequence composes a number from the second in which the shard was created, the shard's
// index, the record's index and the second of its arrival.
func makeSequence(created int64, shard int, index uint64, arrived int64) sequence {
	const mask = 1<<sequenceSecondBits - 1
	c, a, s := uint64(created)&mask, uint64(arrived)&mask, uint64(uint32(shard))
	// 188 bits: 4 version, 36 created, 4 shard, 64 index, 8 zero, 36 arrived, 32 shard, 4 version.
	var q sequence
	q[2] = a<<36 | s<<4 | 2                                 // 28 bits of a fit here
	q[1] = a >> 28                                          // 8 bits, then 8 of zero
	q[1] |= index << 16                                     // 48 bits of the index
	q[0] = index >> 48                                      // 16 bits
	q[0] |= (s&15)<<16 | c<<20 | 2<<(20+sequenceSecondBits) // 4, 36, 4
	return q
}

func (q sequence) created() int64 { return int64(q[0] >> 20 & (1<<sequenceSecondBits - 1)) }
func (q sequence) index() uint64  { return q[0]<<48 | q[1]>>16 }
func (q sequence) arrived() int64 { return int64(q[1]&0xff<<28 | q[2]>>36) }
func (q sequence) shard() int     { return int(uint32(q[2] >> 4)) }
func (q sequence) valid() bool {
	return q[0]>>56 == 2 && q[2]&15 == 2 && q.shard() <= math.MaxInt32 &&
		q.index() <= maxSequenceIndex && uint64(q.shard()&15) == q[0]>>16&15
}

func (q sequence) less(o sequence) bool {
	for i := range q {
		if q[i] != o[i] {
			return q[i] < o[i]
		}
	}
	return false
}

func (q sequence) String() string { return formatDecimal(q) }

// parseSequence reads a decimal number; false when no shard can have given it out.
func parseSequence(text string) (sequence, bool) {
	w, ok := parseDecimal(text)
	q := sequence(w)
	return q, ok && q.valid()
}

// decimalChunk is the largest power of ten in 64 bits.
const (
	decimalChunk       = 1e19
	decimalChunkDigits = 19
)

// appendDecimal appends a 192-bit integer in decimal.
func appendDecimal(out []byte, w [3]uint64) []byte {
	var chunks [4]uint64
	n := 0
	for {
		var rest uint64
		w[0], rest = w[0]/decimalChunk, w[0]%decimalChunk
		w[1], rest = bits.Div64(rest, w[1], decimalChunk)
		w[2], rest = bits.Div64(rest, w[2], decimalChunk)
		chunks[n] = rest
		n++
		if w == [3]uint64{} {
			break
		}
	}
	out = strconv.AppendUint(out, chunks[n-1], 10)
	for i := n - 2; i >= 0; i-- {
		var digits [decimalChunkDigits]byte
		c := chunks[i]
		for d := range digits {
			digits[decimalChunkDigits-1-d] = byte('0' + c%10)
			c /= 10
		}
		out = append(out, digits[:]...)
	}
	return out
}

func formatDecimal(w [3]uint64) string { return string(appendDecimal(nil, w)) }

// parseDecimal reads a decimal number; false when it does not fit 192 bits or is no number.
func parseDecimal(text string) (w [3]uint64, ok bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return w, false
	}
	for _, c := range []byte(text) {
		carry := uint64(c - '0')
		for i := 2; i >= 0; i-- {
			hi, lo := bits.Mul64(w[i], 10)
			lo, c := bits.Add64(lo, carry, 0)
			w[i], carry = lo, hi+c
		}
		if carry != 0 {
			return w, false
		}
	}
	return w, true
}

// isDecimal tells whether text is a number without leading zeros of at most digits digits:
// the service's 0|([1-9]\d{0,N}).
func isDecimal(text []byte, digits int) bool {
	if len(text) == 0 || len(text) > digits || text[0] == '0' && len(text) > 1 {
		return false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
