package sink

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"headrace/kafkaclient"
)

// Defaults of the consumer where the sink's differ from the Java client's: a dead worker's
// partitions move, and a new topic is found, while somebody watches.
const (
	sessionTimeout    = 8 * time.Second // brokers take 6 s at least (group.min.session.timeout.ms)
	heartbeatInterval = time.Second / 2 // how soon members notice that partitions are to move
	rebalanceTimeout  = 60 * time.Second
	metadataMaxAge    = 5 * time.Second
	fetchMaxBytes     = 4 << 20 // of one answer of one broker, per task
)

// override sets one field from the text of a consumer.override.* value.
type override func(cfg *kafkaclient.ConsumerConfig, value string) error

// overrides lists what consumer.override.* can set, by the Java consumer's names. A nil entry is
// accepted without effect: the sink decides that itself.
func overrides() map[string]override {
	return map[string]override{
		"bootstrap.servers": func(c *kafkaclient.ConsumerConfig, v string) error {
			c.Brokers = nil
			for broker := range strings.SplitSeq(v, ",") {
				if broker = strings.TrimSpace(broker); broker != "" {
					_, host, ok := strings.Cut(broker, "://")
					if !ok {
						host = broker
					}
					c.Brokers = append(c.Brokers, host)
				}
			}
			return nil
		},
		"group.id":    func(c *kafkaclient.ConsumerConfig, v string) error { c.Group = v; return nil },
		"client.id":   func(c *kafkaclient.ConsumerConfig, v string) error { c.ClientID = v; return nil },
		"client.rack": func(c *kafkaclient.ConsumerConfig, v string) error { c.Rack = v; return nil },
		"auto.offset.reset": func(c *kafkaclient.ConsumerConfig, v string) error {
			if v != "earliest" && v != "latest" {
				return fmt.Errorf("earliest or latest is expected")
			}
			c.StartLatest = v == "latest"
			return nil
		},
		"isolation.level": func(c *kafkaclient.ConsumerConfig, v string) error {
			if v != "read_uncommitted" && v != "read_committed" {
				return fmt.Errorf("read_uncommitted or read_committed is expected")
			}
			c.ReadCommitted = v == "read_committed"
			return nil
		},
		"session.timeout.ms":        duration(func(c *kafkaclient.ConsumerConfig) *time.Duration { return &c.SessionTimeout }),
		"heartbeat.interval.ms":     duration(func(c *kafkaclient.ConsumerConfig) *time.Duration { return &c.HeartbeatInterval }),
		"max.poll.interval.ms":      duration(func(c *kafkaclient.ConsumerConfig) *time.Duration { return &c.RebalanceTimeout }),
		"metadata.max.age.ms":       duration(func(c *kafkaclient.ConsumerConfig) *time.Duration { return &c.MetadataMaxAge }),
		"fetch.max.wait.ms":         duration(func(c *kafkaclient.ConsumerConfig) *time.Duration { return &c.FetchMaxWait }),
		"request.timeout.ms":        duration(func(c *kafkaclient.ConsumerConfig) *time.Duration { return &c.RequestTimeout }),
		"retry.backoff.ms":          duration(func(c *kafkaclient.ConsumerConfig) *time.Duration { return &c.RetryBackoff }),
		"connections.max.idle.ms":   duration(func(c *kafkaclient.ConsumerConfig) *time.Duration { return &c.ConnIdleTimeout }),
		"fetch.max.bytes":           byteCount(func(c *kafkaclient.ConsumerConfig) *int32 { return &c.FetchMaxBytes }),
		"max.partition.fetch.bytes": byteCount(func(c *kafkaclient.ConsumerConfig) *int32 { return &c.FetchMaxPartition }),
		"fetch.min.bytes":           byteCount(func(c *kafkaclient.ConsumerConfig) *int32 { return &c.FetchMinBytes }),

		"max.poll.records": nil, "enable.auto.commit": nil, "auto.commit.interval.ms": nil,
		"partition.assignment.strategy": nil, "group.protocol": nil, "check.crcs": nil,
		"receive.buffer.bytes": nil, "send.buffer.bytes": nil, "default.api.timeout.ms": nil,
		"allow.auto.create.topics": nil, "exclude.internal.topics": nil, "client.dns.lookup": nil,
		"key.deserializer": nil, "value.deserializer": nil, "metric.reporters": nil, "interceptor.classes": nil,
		"reconnect.backoff.ms": nil, "reconnect.backoff.max.ms": nil, "retry.backoff.max.ms": nil,
	}
}

func duration(field func(*kafkaclient.ConsumerConfig) *time.Duration) override {
	return func(cfg *kafkaclient.ConsumerConfig, value string) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("milliseconds are expected, 0 or more")
		}
		*field(cfg) = millis(n)
		return nil
	}
}

func byteCount(field func(*kafkaclient.ConsumerConfig) *int32) override {
	return func(cfg *kafkaclient.ConsumerConfig, value string) error {
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n < 0 {
			return fmt.Errorf("bytes are expected, 0 to %d", maxInt)
		}
		*field(cfg) = int32(n)
		return nil
	}
}

// checkOverride refuses logins, which the --server file gives, and warns of unknown names.
func (p *parser) checkOverride(name string) {
	if _, ok := overrides()[name]; ok {
		return
	}
	for _, family := range []string{"security.", "sasl.", "ssl."} {
		if strings.HasPrefix(name, family) {
			p.fault("consumer.override.%s is not built: give the login in the file of --server", name)
			return
		}
	}
	p.warn("consumer.override.%s is not known and ignored", name)
}

// consumer is the configuration of one task's consumer: base, the sink's defaults, the overrides.
func (c *Config) consumer(base kafkaclient.Config) (kafkaclient.ConsumerConfig, error) {
	cfg := kafkaclient.DefaultConsumerConfig()
	cfg.Config = base
	cfg.MetadataMaxAge = metadataMaxAge
	cfg.SessionTimeout, cfg.HeartbeatInterval, cfg.RebalanceTimeout = sessionTimeout, heartbeatInterval, rebalanceTimeout
	cfg.FetchMaxBytes = fetchMaxBytes
	err := c.applyOverrides(&cfg)
	cfg.Group, cfg.Topics, cfg.TopicsRegex = c.Group, c.Topics, c.TopicsRegex
	return cfg, err
}

// applyOverrides sets what consumer.override.* gives. The error names the first bad one.
func (c *Config) applyOverrides(cfg *kafkaclient.ConsumerConfig) error {
	known := overrides()
	for _, name := range slices.Sorted(maps.Keys(c.overrides)) {
		if set := known[name]; set != nil {
			if err := set(cfg, c.overrides[name]); err != nil {
				return fmt.Errorf("invalid value %s for configuration consumer.override.%s: %w", c.overrides[name], name, err)
			}
		}
	}
	return nil
}

// NamesBrokers reports whether the connector's own configuration names the brokers.
func (c *Config) NamesBrokers() bool { return c.overrides["bootstrap.servers"] != "" }
