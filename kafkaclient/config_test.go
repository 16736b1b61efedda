package kafkaclient

import (
	"testing"
	"time"
)

func TestValidateNamesEveryFault(t *testing.T) {
	cfg := DefaultProducerConfig()
	cfg.Acks, cfg.Compression, cfg.DeliveryTimeout, cfg.Linger = "2", "lzma", 0, -time.Second
	want := `bootstrap.servers is empty: name at least one host:port
acks is "2": all, 1, 0 would work
linger.ms is -1s: at least 0 would work
delivery.timeout.ms is 0s: more than 0 would work
compression.type is "lzma": none, gzip, snappy, lz4, zstd would work`
	if got := cfg.Validate(); got == nil || got.Error() != want {
		t.Errorf("Validate = %v\nwant %s", got, want)
	}
	for _, ok := range []interface{ Validate() error }{
		ProducerConfig{Config: withBroker(DefaultConfig()), Acks: "all", Compression: "none", DeliveryTimeout: 1},
	} {
		if err := ok.Validate(); err != nil {
			t.Errorf("Validate(%+v) = %v", ok, err)
		}
	}
	consumer := DefaultConsumerConfig()
	consumer.Config, consumer.Group, consumer.HeartbeatInterval = withBroker(consumer.Config), "g", time.Minute
	if err := consumer.Validate(); err == nil || err.Error() != "heartbeat.interval.ms is 1m0s: less than SessionTimeout would work" {
		t.Errorf("Validate = %v, want the heartbeat", err)
	}
}

func withBroker(cfg Config) Config {
	cfg.Brokers = []string{"127.0.0.1:9092"}
	return cfg
}
