package embedded

import (
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

// StartKafka starts one broker on 127.0.0.1:port, or on a free port when that one is taken
// or 0. It makes topics that are produced to, as Kafka does by default, with one partition.
func StartKafka(port int) (*Kafka, error) {
	start := func(port int) (*kfake.Cluster, error) {
		return kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1),
			kfake.ListenFn(func(network, address string) (net.Listener, error) {
				_, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				return net.Listen(network, net.JoinHostPort("127.0.0.1", port))
			}))
	}
	cluster, err := start(port)
	if errors.Is(err, syscall.EADDRINUSE) {
		cluster, err = start(0)
	}
	if err != nil {
		return nil, fmt.Errorf("starting the embedded Kafka on port %d: %w", port, err)
	}
	return &Kafka{cluster: cluster}, nil
}

// Addr is the broker's host:port.
func (k *Kafka) Addr() string { return k.cluster.ListenAddrs()[0] }

// Port is the port it listens on.
func (k *Kafka) Port() int {
	_, port, _ := net.SplitHostPort(k.Addr())
	n, _ := strconv.Atoi(port)
	return n
}

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
