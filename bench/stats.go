package main

import (
	"cmp"
	"slices"
	"time"
)

// percentile returns the value that p percent of sorted do not exceed (nearest rank),
// or the zero value when there are none. sorted rises; p is above 0 and at most 100.
func percentile[T cmp.Ordered](sorted []T, p float64) T {
	if len(sorted) == 0 {
		var none T
		return none
	}
	rank := int(p / 100 * float64(len(sorted)))
	if float64(rank)*100 < p*float64(len(sorted)) {
		rank++
	}
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median returns the middle of values, the mean of the two middle ones when their number is even,
// and 0 when there are none. It leaves values as they are.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// ceiling is the rate of a gateway that does for each request exactly the work behind rate a and
// the work behind rate b, one after the other, and nothing else: 1/(1/a + 1/b).
func ceiling(a, b float64) float64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	return 1 / (1/a + 1/b)
}

// ratio is a/b, and 0 when b is 0: a share of nothing is no share.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// micros is d in microseconds.
func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
