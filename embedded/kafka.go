package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Kafka is a Kafka broker of this process: loopback, in memory, lost at its end.
// Make it with StartKafka.
type Kafka struct{ cluster *kfake.Cluster }

// KafkaPort is where the embedded broker listens unless the port is taken.
const KafkaPort = 9092

// StartKafka starts one broker on 127.0.0.1:port, or, when that port is taken, on the next
// one that is free; port 0 is any free port. It makes topics that are produced to, as Kafka
// does by default, with one partition.
func StartKafka(ctx context.Context, port int) (*Kafka, error) {
	ln, err := Listen(ctx, port)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded Kafka: %w", err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return ln, nil }))
	if err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("starting the embedded Kafka: %w", err)
	}
	return &Kafka{cluster: cluster}, nil
}

// portsTried is how many ports are tried after one that is taken.
const portsTried = 100

// Listen listens on 127.0.0.1:port or, when that port is taken, on the next one that is free.
func Listen(ctx context.Context, port int) (net.Listener, error) {
	var config net.ListenConfig
	last := port + portsTried
	for next := port; ; next++ {
		ln, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(next)))
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || next == last {
			return ln, err
		}
	}
}

// Addr is the broker's host:port.
func (k *Kafka) Addr() string { return k.cluster.ListenAddrs()[0] }

// CreateTopic makes a topic; one that exists is left as it is.
func (k *Kafka) CreateTopic(name string, partitions int32) error {
	if k.cluster.TopicInfo(name) != nil {
		return nil
	}
	return k.cluster.CreateTopic(name, partitions, nil)
}

// Records is how many records the topic holds.
func (k *Kafka) Records(topic string) int64 {
	var n int64
	for _, p := range k.cluster.PartitionInfos(topic) {
		n += p.HighWatermark - p.LogStartOffset
	}
	return n
}

// Close stops the broker.
func (k *Kafka) Close() { k.cluster.Close() }
