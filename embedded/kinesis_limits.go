package embedded

import (
	"sync"
	"time"
)

// bucket is a token bucket. A bucket without burst admits as long as it owes nothing, and
// may then go into debt: so a read of 10 MiB at 2 MiB a second blocks the next 5 seconds.
type bucket struct {
	rate  float64 // tokens a second
	burst float64 // the most it holds
	level float64
	at    int64 // ms since 1970 of level; 0: never used
}

// has tells whether cost may be spent now. More than the burst may be when the bucket is full.
func (b *bucket) has(cost float64, now int64) bool {
	if b.at == 0 {
		b.level, b.at = b.burst, now
	}
	if now > b.at {
		b.level = min(b.burst, b.level+b.rate*float64(now-b.at)/1000)
		b.at = now
	}
	return b.level >= min(cost, b.burst)
}

func (b *bucket) spend(cost float64) { b.level -= cost }

// take spends one token when there is one.
func (b *bucket) take(now int64) bool {
	if !b.has(1, now) {
		return false
	}
	b.spend(1)
	return true
}

// accountLimits hold the call rates of an account. The zero value is ready.
type accountLimits struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

// allow counts a call of operation; false: too many in this second.
func (a *accountLimits) allow(operation string, now time.Time) bool {
	rate := callRate(operation)
	if rate == 0 {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.buckets[operation]
	if b == nil {
		if a.buckets == nil {
			a.buckets = map[string]*bucket{}
		}
		b = &bucket{rate: rate, burst: rate}
		a.buckets[operation] = b
	}
	return b.take(now.UnixMilli())
}

// callRate is how often a second an account may call operation; 0: there is no such limit.
// Source: the service model's documentation of each operation.
func callRate(operation string) float64 {
	switch operation {
	case "CreateStream", "DeleteStream", "ListStreams", "SplitShard", "MergeShards",
		"AddTagsToStream", "RemoveTagsFromStream", "ListTagsForStream",
		"IncreaseStreamRetentionPeriod", "DecreaseStreamRetentionPeriod":
		return 5
	case "DescribeStream", "UpdateShardCount":
		return 10
	case "DescribeStreamSummary":
		return 20
	case "DescribeLimits":
		return 1
	}
	return 0
}
