package chaos

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/services/svc"
)

// kafka is a real cluster, asked directly.
type kafka struct {
	bootstrap string
	client    *kgo.Client
	admin     *kadm.Client
}

func dial(t *testing.T, bootstrap string) *kafka {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DialTimeout(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &kafka{bootstrap: bootstrap, client: client, admin: kadm.NewClient(client)}
}

// topic makes a topic that goes with the test. A replication of -1 is the cluster's own.
func (k *kafka) topic(t *testing.T, name string, partitions int32, configs map[string]*string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	made, err := k.admin.CreateTopic(ctx, partitions, -1, configs, name)
	if err := errors.Join(err, made.Err); err != nil {
		t.Fatalf("creating topic %s: %v", name, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		if _, err := k.admin.DeleteTopic(ctx, name); err != nil {
			t.Logf("topic %s stays: %v", name, err)
		}
	})
}

// state asks for the topic's partitions: their leaders and in-sync replicas.
func (k *kafka) state(ctx context.Context, topic string) (kadm.PartitionDetails, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	answer, err := k.admin.Metadata(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("asking for topic %s: %w", topic, err)
	}
	detail := answer.Topics[topic]
	if detail.Err != nil || len(detail.Partitions) == 0 {
		return nil, fmt.Errorf("asking for topic %s: %d partitions, %w", topic, len(detail.Partitions), detail.Err)
	}
	return detail.Partitions, nil
}

// leader is the broker that leads partition 0, -1 when none is known.
func (k *kafka) leader(ctx context.Context, topic string) int32 {
	partitions, err := k.state(ctx, topic)
	if err != nil || partitions[0].Err != nil {
		return -1
	}
	return partitions[0].Leader
}

// healthy reports whether every replica of the topic is in sync.
func (k *kafka) healthy(ctx context.Context, topic string) bool {
	partitions, err := k.state(ctx, topic)
	if err != nil {
		return false
	}
	for _, p := range partitions {
		if p.Err != nil || p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
			return false
		}
	}
	return true
}

// each reads all partitions of a topic from the beginning to their present end.
func (k *kafka) each(t *testing.T, topic string, see func(*kgo.Record)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	ends, err := k.admin.ListEndOffsets(ctx, topic)
	if err := errors.Join(err, ends.Error()); err != nil {
		t.Fatalf("asking for the ends of %s: %v", topic, err)
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			from[o.Partition], left[o.Partition] = kgo.NewOffset().AtStart(), o.Offset
		}
	})
	reader, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.bootstrap, ",")...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("reading %s: %d partitions are not read to their end: %v", topic, len(left), ctx.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			see(r)
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
}

// cluster is a kafka whose brokers can be killed.
type cluster struct {
	*kafka
	script, dir string
	down        int32 // the broker that is dead, 0 when none is
}

// threeBrokers is the cluster of services/up.sh, for this test alone.
func threeBrokers(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{script: svc.Need(t, "HEADRACE_TEST_KAFKA_SH"), dir: svc.Need(t, "HEADRACE_TEST_KAFKA3_DIR")}
	c.kafka = dial(t, svc.Alone(t, "HEADRACE_TEST_KAFKA3"))
	t.Cleanup(func() {
		if c.down != 0 {
			if err := c.up(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		}
	})
	return c
}

// kill is kill -9 of a broker.
func (c *cluster) kill(t *testing.T, broker int32) {
	t.Helper()
	c.down = broker
	if err := c.run(t.Context(), "kill", broker); err != nil {
		t.Fatal(err)
	}
}

// up starts the dead broker again.
func (c *cluster) up(ctx context.Context) error {
	if err := c.run(ctx, "up", c.down); err != nil {
		return err
	}
	c.down = 0
	return nil
}

func (c *cluster) run(ctx context.Context, verb string, broker int32) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, c.script, verb, c.dir, strconv.Itoa(int(broker))).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s of broker %d: %w\n%s", verb, broker, err, out)
	}
	return nil
}
