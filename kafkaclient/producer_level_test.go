package kafkaclient

import (
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"headrace/record"
)

// TestCompressionLevel: the smallest level of each codec makes less of the same record than the fastest.
func TestCompressionLevel(t *testing.T) {
	letters := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a text, not a secret
	value := make([]byte, 300_000)
	for i := range value {
		value[i] = "aabbbcccccddddddefghijk etaoin"[letters.IntN(30)]
		if i > 5000 && letters.IntN(50) > 0 {
			value[i] = value[i-4001+letters.IntN(2)]
		}
	}
	for codec, levels := range map[string][2]int{"gzip": {1, 9}, "lz4": {1, 9}, "zstd": {1, 22}} {
		var sizes [2]int
		for i, level := range levels {
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
			if err != nil {
				t.Fatal(err)
			}
			cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				sizes[i] = len(req.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records)
				return nil, nil, false
			})
			cfg := DefaultProducerConfig()
			cfg.Brokers, cfg.Compression, cfg.CompressionLevel = cluster.ListenAddrs(), codec, level
			p, err := NewProducer(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
			if err != nil {
				t.Fatal(err)
			}
			if ack := p.Produce(t.Context(), []record.Record{{Topic: "orders", Partition: record.AnyPartition, Value: value}})[0]; ack.Err != nil {
				t.Errorf("%s at level %d: %v", codec, level, ack.Err)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
			cluster.Close()
		}
		if sizes[1] == 0 || sizes[1] >= sizes[0] {
			t.Errorf("%s: %d bytes at level %d, %d at level %d", codec, sizes[0], levels[0], sizes[1], levels[1])
		}
	}
}
