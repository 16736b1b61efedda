package kafkaclient

import (
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kgo"
)

// refusedPartition is what the partitioner leaves in a record whose partition does not exist, less
// the number of partitions that do.
const refusedPartition int32 = -2

// stickyBytes is how much goes to one partition before records without a key move on:
// the Java client's default batch.size.
const stickyBytes = 16384

// keyHash is the Java client's: murmur2 of the key, modulo the partitions.
var keyHash = kgo.StickyKeyPartitioner(nil).ForTopic("")

// partitioner chooses as the Java client does: the partition that the record names, else by
// its key, else one partition for a while and then another.
type partitioner struct{ roundRobin bool }

func (p partitioner) ForTopic(string) kgo.TopicPartitioner {
	return &topicPartitioner{roundRobin: p.roundRobin}
}

type topicPartitioner struct {
	roundRobin bool
	current    int
	left       int // bytes until current changes
}

// RequiresConsistency keeps named and keyed records on their partition while it has no leader.
func (*topicPartitioner) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || r.Key != nil
}

// Partition returns the index of r's partition among n, or -1 for one that does not exist.
func (t *topicPartitioner) Partition(r *kgo.Record, n int) int {
	switch {
	case r.Partition >= 0 && int(r.Partition) < n:
		return int(r.Partition)
	case r.Partition >= 0:
		r.Partition = refusedPartition - int32(n)
		return -1
	case r.Key != nil && !t.roundRobin:
		return keyHash.Partition(r, n)
	case t.roundRobin:
		t.current++
		return t.current % n
	}
	if t.left <= 0 || t.current >= n {
		t.current, t.left = rand.IntN(n), stickyBytes
	}
	t.left -= len(r.Value)
	return t.current
}
