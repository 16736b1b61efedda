package embedded

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestSequenceRecorded reads numbers that the stand-ins gave out, whose layout is the service's.
func TestSequenceRecorded(t *testing.T) {
	for _, tt := range []struct {
		text           string
		shard          int
		index          uint64
		created, start int64
	}{
		{"49680483694487893768420154847839561896630870053098618882", 0, 0, 1795417543, 1795417543},
		{"49680483694510194513618685470981097614903518414604599314", 1, 0, 1795417543, 1795417543},
		{"49680483694867006436795175441248086958905121663208128530", 1, 2, 1795417543, 1795417543},
	} {
		q, ok := parseSequence(tt.text)
		if !ok {
			t.Errorf("%s is refused", tt.text)
			continue
		}
		if q.shard() != tt.shard || q.String() != tt.text {
			t.Errorf("%s: shard %d, written %s; want shard %d", tt.text, q.shard(), q, tt.shard)
		}
		if diff := q.created() - tt.created; diff < -60 || diff > 60 {
			t.Errorf("%s: created %d, want about %d", tt.text, q.created(), tt.created)
		}
		if again := makeSequence(q.created(), q.shard(), q.index(), q.arrived()); again != q {
			t.Errorf("%s composed again is %s", tt.text, again)
		}
	}
}

func TestSequenceOrder(t *testing.T) {
	big56 := func(q sequence) *big.Int {
		n, ok := new(big.Int).SetString(q.String(), 10)
		if !ok {
			t.Fatalf("%s is no number", q)
		}
		return n
	}
	before := makeSequence(1795417547, 3, 0, 1795417547)
	for index := uint64(1); index < 2000; index++ {
		// The clock goes back all the time: the index alone makes numbers grow.
		q := makeSequence(1795417547, 3, index, 1795417547-int64(index))
		if len(q.String()) != 56 {
			t.Fatalf("%s has %d digits, want 56", q, len(q.String()))
		}
		if !before.less(q) || big56(before).Cmp(big56(q)) >= 0 {
			t.Fatalf("%s is not larger than %s", q, before)
		}
		before = q
	}
	if end := makeSequence(1795417547, 3, maxSequenceIndex, 0); !before.less(end) {
		t.Errorf("the ending number %s is not the largest", end)
	}
	if child := makeSequence(1795417548, 0, 0, 0); !makeSequence(1795417547, 3, maxSequenceIndex, 1<<35).less(child) {
		t.Errorf("a child's first number %s is not above its parent's last", child)
	}
}

func TestSequenceRefused(t *testing.T) {
	for _, text := range []string{
		"", "0", "7", "-1", "x", "4968048369448789376842015484783956189663087005309861888x",
		"49680483694487893768420154847839561896630870053098618881", // another version
		strings.Repeat("9", 129), strings.Repeat("9", 56),
	} {
		if q, ok := parseSequence(text); ok {
			t.Errorf("%q is taken for shard %d, index %d; want it refused", text, q.shard(), q.index())
		}
	}
}

// TestDecimal holds the conversion to math/big.
func TestDecimal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var w [3]uint64
		for i := r.IntN(4); i < 3; i++ {
			w[i] = r.Uint64() >> r.IntN(64)
		}
		n := new(big.Int).SetUint64(w[0])
		for _, word := range w[1:] {
			n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(word))
		}
		if got := formatDecimal(w); got != n.String() {
			t.Fatalf("formatDecimal(%x) = %s, want %s", w, got, n)
		}
		if got, ok := parseDecimal(n.String()); !ok || got != w {
			t.Fatalf("parseDecimal(%s) = %x, %t, want %x", n, got, ok, w)
		}
	}
}

func TestUniformStarts(t *testing.T) {
	all := new(big.Int).Lsh(big.NewInt(1), 128)
	for _, n := range []int{1, 2, 3, 4, 5, 7, 16, 1000, 9999} {
		width := new(big.Int).Div(all, big.NewInt(int64(n)))
		for i, start := range uniformStarts(n) {
			want := new(big.Int).Mul(width, big.NewInt(int64(i)))
			if start.String() != want.String() {
				t.Fatalf("start %d of %d shards = %s, want %s", i, n, start, want)
			}
		}
	}
}

func TestHashOf(t *testing.T) {
	// MD5 of "a" is 0cc175b9c0f1b6a831c399e269772661.
	if got, want := hashOf([]byte("a")).String(), "16955237001963240173058271559858726497"; got != want {
		t.Errorf("hash of a = %s, want %s", got, want)
	}
	if _, ok := parseHashKey("340282366920938463463374607431768211456"); ok {
		t.Error("2^128 is taken for a hash key")
	}
}
