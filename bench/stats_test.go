package main

import (
	"math"
	"testing"
	"time"
)

func TestPercentileIsTheNearestRank(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for _, c := range []struct {
		name   string
		sorted []int
		p      float64
		want   int
	}{
		{"nothing gives zero", nil, 50, 0},
		{"one value is every percentile", []int{7}, 99, 7},
		{"p50 of an even number is the lower middle", []int{1, 2, 3, 4}, 50, 2},
		{"p50 of an odd number is the middle", []int{1, 2, 3}, 50, 2},
		{"p50 of 1 to 100", hundred, 50, 50},
		{"p99 of 1 to 100", hundred, 99, 99},
		{"p99.9 of 1 to 100 is the last", hundred, 99.9, 100},
		{"p100 is the last", hundred, 100, 100},
		{"a tiny p is the first", hundred, 0.001, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := percentile(c.sorted, c.p); got != c.want {
				t.Errorf("percentile(%v, %v) = %d, want %d", c.sorted, c.p, got, c.want)
			}
		})
	}
}

func TestMedianLeavesItsInputAlone(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
	values := []float64{9, 1, 5}
	median(values)
	if values[0] != 9 || values[1] != 1 || values[2] != 5 {
		t.Errorf("median changed its input to %v", values)
	}
}

func TestCeilingAddsTheTimes(t *testing.T) {
	for _, c := range []struct{ e, k, want float64 }{
		{1000, 1000, 500}, {3000, 6000, 2000}, {0, 1000, 0}, {1000, 0, 0},
	} {
		if got := ceiling(c.e, c.k); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("ceiling(%v, %v) = %v, want %v", c.e, c.k, got, c.want)
		}
	}
}

// A slow round of the machine slows ceiling and gateway alike: the share must not see it.
func TestShareIsTakenPairByPair(t *testing.T) {
	at := func(speed, share float64) round {
		return round{nameE: {Rate: 2000 * speed}, nameK: {Rate: 2000 * speed}, nameOurs: {Rate: 1000 * speed * share}}
	}
	res := result{Kind: "produce", Rounds: []round{at(1, 0.8), at(0.2, 0.7), at(3, 0.75)}}
	if got := res.share(nameOurs); math.Abs(got-0.75) > 1e-9 {
		t.Errorf("share = %v, want 0.75, the median of the rounds' shares", got)
	}
	kinesis := result{Kind: "kinesis", Rounds: []round{{nameSDK: {Rate: 1000}, nameOurs: {Rate: 900}}}}
	if got := kinesis.share(nameOurs); math.Abs(got-0.9) > 1e-9 {
		t.Errorf("share of the SDK = %v, want 0.9", got)
	}
}

func TestSummarizeCountsPerRecord(t *testing.T) {
	tallies := []tally{
		{latencies: []time.Duration{2 * time.Millisecond, 4 * time.Millisecond}, answered: 5},
		{latencies: []time.Duration{time.Millisecond, 3 * time.Millisecond}, answered: 3},
	}
	got := summarize(tallies, 2*time.Second, usage{subject: 40 * time.Millisecond, generator: 8 * time.Millisecond, resident: 5}, 10)
	want := pass{Requests: 4, Answered: 8, Rate: 2, P50: 2000, P99: 4000, CPU: 1000, GeneratorCPU: 200, Resident: 5, Seconds: 2}
	if got != want {
		t.Errorf("summarize = %+v, want %+v", got, want)
	}
}
