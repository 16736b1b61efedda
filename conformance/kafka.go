package conformance

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kafka is the broker behind the gateway, seen past the gateway.
type kafka struct {
	brokers []string
	client  *kgo.Client
	admin   *kadm.Client
}

func newKafka(t *testing.T, brokers []string) *kafka {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatalf("making a client for %v: %v", brokers, err)
	}
	t.Cleanup(client.Close)
	return &kafka{brokers: brokers, client: client, admin: kadm.NewClient(client)}
}

// create makes a topic and waits until every partition has a leader.
func (k *kafka) create(t *testing.T, topic string, partitions int32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	if _, err := k.admin.CreateTopic(ctx, partitions, -1, nil, topic); err != nil {
		t.Fatalf("making topic %s: %v", topic, err)
	}
	for {
		ends, err := k.admin.ListEndOffsets(ctx, topic)
		if err == nil && ends.Error() == nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("topic %s has no leaders after %s: %v %v", topic, enough, err, ends.Error())
		}
	}
}

// commit makes a group without members, with an offset stored for partition 0 of a topic.
func (k *kafka) commit(t *testing.T, group, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 0, LeaderEpoch: -1})
	if err := k.admin.CommitAllOffsets(ctx, group, offsets); err != nil {
		t.Fatalf("storing an offset of group %s: %v", group, err)
	}
}

// hasAuthorizer reports whether the brokers keep ACLs.
func (k *kafka) hasAuthorizer(t *testing.T) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	results, err := k.admin.DescribeACLs(ctx, kadm.NewACLs().AnyResource().ResourcePatternType(kadm.ACLPatternAny).Operations(kadm.OpAny).
		Allow().AllowHosts().Deny().DenyHosts())
	if err != nil {
		t.Fatalf("asking for ACLs: %v", err)
	}
	return !slices.ContainsFunc(results, func(r kadm.DescribeACLsResult) bool { return errors.Is(r.Err, kerr.SecurityDisabled) })
}

// record reads what is stored at an offset.
func (k *kafka) record(t *testing.T, topic string, partition int32, offset int64) *kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.brokers...), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(offset)}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fetches := client.PollRecords(ctx, 1)
	if err := fetches.Err(); err != nil {
		t.Fatalf("reading %s-%d at %d: %v", topic, partition, offset, err)
	}
	rec := fetches.Records()[0]
	if rec.Offset != offset {
		t.Fatalf("reading %s-%d at %d: got the record at %d", topic, partition, offset, rec.Offset)
	}
	return rec
}

// count is how many records a topic holds.
func (k *kafka) count(t *testing.T, topic string) (n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	ends, err := k.admin.ListEndOffsets(ctx, topic)
	if err != nil || ends.Error() != nil {
		t.Fatalf("asking for the ends of %s: %v %v", topic, err, ends.Error())
	}
	ends.Each(func(end kadm.ListedOffset) { n += end.Offset })
	return n
}
