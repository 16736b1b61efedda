package main

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"headrace/handlers"
	"headrace/kafkaclient"
	"headrace/kinesisclient"
)

// build fills every room's config. What does not fit together is added to the faults.
func (s *settings) build() config {
	brokers := s.brokers()
	cfg := config{
		settings:  s,
		server:    s.serverConfig(),
		handlers:  s.handlersConfig(),
		producer:  s.producerConfig(brokers),
		admin:     s.kafkaConfig("admin.", brokers),
		consumer:  s.kafkaConfig("consumer.", brokers),
		instances: s.instancesConfig(brokers),
		consumers: s.consumersConfig(),
		kinesis:   s.kinesisConfig(),
		schema:    s.schemaConfig(),
		level:     s.level,
		wait:      s.wait,
	}
	cfg.peers = s.peersConfig(cfg.server.Listeners)
	return cfg
}

func millis(v value) time.Duration { return time.Duration(v.number) * time.Millisecond }

// protocolPrefix is what may stand before a broker's address. Only the address counts.
var protocolPrefix = regexp.MustCompile(`^[A-Za-z0-9_]+://`)

// brokers reads bootstrap.servers.
func (s *settings) brokers() []string {
	const key = "bootstrap.servers"
	var brokers []string
	for _, entry := range s.value(key).list {
		if entry == "" {
			continue // as the Java client
		}
		address := protocolPrefix.ReplaceAllString(entry, "")
		if _, err := hostPort(address, 1); err != nil {
			s.fault("%s: invalid value %q for configuration %s: %v, for example broker1:9092", s.at(key), entry, key, err)
			continue
		}
		brokers = append(brokers, address)
	}
	if len(brokers) == 0 && s.value(key).text == "" {
		s.fault("bootstrap.servers is not given: name at least one broker as host:port, in the property file or as KAFKA_REST_BOOTSTRAP_SERVERS")
	}
	return brokers
}

// hostPort checks an address and returns it in its usual form.
func hostPort(address string, lowestPort int) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return "", fmt.Errorf("expected host:port")
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < lowestPort || number > 65535 {
		return "", fmt.Errorf("expected a port from %d to 65535, got %q", lowestPort, port)
	}
	return net.JoinHostPort(host, port), nil
}

func (s *settings) handlersConfig() handlers.Config {
	cfg := handlers.DefaultConfig()
	cfg.MaxRequestBytes = s.value("headrace.max.request.bytes").number
	cfg.MemoryBudgetBytes = s.value("headrace.memory.budget.bytes").number
	cfg.ProduceErrorStrict = strings.EqualFold(s.value("produce.error.status").text, "strict")
	cfg.V2 = s.value("api.v2.enable").on
	cfg.V3 = s.value("api.v3.enable").on
	cfg.CRNAuthority = s.value("confluent.resource.name.authority").text
	s.addressInto(&cfg)
	cfg.Debug = s.value("debug").on
	cfg.ErrorTypes = s.value("response.mediatype.preferred").list
	cfg.ErrorType = s.value("response.mediatype.default").text
	cfg.NullIsNull = s.value("null.request.body.always.publishes.empty.record").on
	cfg.Kinesis = s.value("kinesis.enable").on
	cfg.KinesisErrorStatus = strings.ToLower(s.value("kinesis.error.status").text)
	cfg.KinesisMaxRequestBytes = s.value("kinesis.max.request.bytes").number
	cfg.KinesisBasePath = s.basePath()
	s.recordsInto(&cfg)
	if cfg.MemoryBudgetBytes < cfg.MaxRequestBytes {
		s.fault("headrace.memory.budget.bytes = %d (%s) is less than headrace.max.request.bytes = %d (%s): a large body could never be read",
			cfg.MemoryBudgetBytes, s.at("headrace.memory.budget.bytes"), cfg.MaxRequestBytes, s.at("headrace.max.request.bytes"))
	}
	return cfg
}

// recordsInto fills what v3 produce requests need.
func (s *settings) recordsInto(cfg *handlers.Config) {
	number := func(key string) int { return int(s.value("api.v3.produce." + key).number) }
	cfg.BatchEntries = number("batch.maximum.entries")
	cfg.RecordTextLimit = s.value("api.v3.produce.request.size.limit.max.bytes").number
	cfg.StreamMaxDuration = millis(s.value("streaming.connection.max.duration.ms"))
	cfg.StreamGrace = millis(s.value("streaming.connection.max.duration.grace.period.ms"))
	cfg.IdleTimeout = millis(s.value("idle.timeout.ms"))
	cfg.RecordRates = handlers.RecordRates{
		On:             s.value("rate.limit.enable").on && s.value("api.v3.produce.rate.limit.enabled").on,
		Requests:       number("rate.limit.max.requests.per.sec"),
		RequestsGlobal: number("rate.limit.max.requests.global.per.sec"),
		Bytes:          number("rate.limit.max.bytes.per.sec"),
		BytesGlobal:    number("rate.limit.max.bytes.global.per.sec"),
		Expiry:         millis(s.value("api.v3.produce.rate.limit.cache.expiry.ms")),
		Wait:           millis(s.value("rate.limit.timeout.ms")),
	}
	cfg.IdempotencyWindow = millis(s.value("headrace.idempotency.window.ms"))
	cfg.IdempotencyBytes = s.value("headrace.idempotency.max.bytes").number
	cfg.TraceHeaders = s.value("headrace.trace.headers").on
}

// basePath is the path in front of /streams: "" or "/prod".
func (s *settings) basePath() string {
	const key = "kinesis.base.path"
	path := strings.TrimRight(s.value(key).text, "/")
	if path != "" && !regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`).MatchString(path) {
		s.fault("%s: invalid value %q for configuration %s: expected a path such as /prod", s.at(key), path, key)
	}
	return path
}

// kafkaConfig fills what every Kafka client needs; prefix says whose settings win over those of all.
func (s *settings) kafkaConfig(prefix string, brokers []string) kafkaclient.Config {
	get := func(name string) value {
		v, _ := s.client(prefix, name)
		return v
	}
	cfg := kafkaclient.DefaultConfig()
	cfg.Brokers = brokers
	cfg.ClientID = get("client.id").text
	cfg.DialTimeout = millis(get("socket.connection.setup.timeout.ms"))
	cfg.RequestTimeout = millis(get("request.timeout.ms"))
	cfg.RetryBackoff = millis(get("retry.backoff.ms"))
	cfg.RetryBackoffMax = max(cfg.RetryBackoff, millis(get("retry.backoff.max.ms")))
	cfg.MetadataMaxAge = millis(get("metadata.max.age.ms"))
	cfg.ConnIdleTimeout = millis(get("connections.max.idle.ms"))
	cfg.Login = s.login(prefix)
	if prefix == "consumer." {
		cfg.Rack = get("client.rack").text
	}
	return cfg
}

func (s *settings) producerConfig(brokers []string) kafkaclient.ProducerConfig {
	get := func(name string) value {
		v, _ := s.client("producer.", name)
		return v
	}
	cfg := kafkaclient.DefaultProducerConfig()
	cfg.Config = s.kafkaConfig("producer.", brokers)
	cfg.Acks = strings.ToLower(get("acks").text)
	if cfg.Acks == "-1" {
		cfg.Acks = "all"
	}
	cfg.Linger = millis(get("linger.ms"))
	cfg.MaxBatchBytes = int32(get("batch.size").number)
	cfg.MaxRecordBytes = int(get("max.request.size").number)
	cfg.MaxBlock = millis(get("max.block.ms"))
	cfg.Compression = strings.ToLower(get("compression.type").text)
	cfg.CompressionLevel = s.compressionLevel(cfg.Compression)
	cfg.MaxInFlight = int(get("max.in.flight.requests.per.connection").number)
	cfg.RoundRobin = s.roundRobin()
	cfg.Idempotent = s.idempotent(cfg)
	cfg.DeliveryTimeout = s.deliveryTimeout(cfg)
	return cfg
}

// compressionLevel is that of the codec in use; 0: its own.
func (s *settings) compressionLevel(codec string) int {
	if codec != "gzip" && codec != "lz4" && codec != "zstd" {
		return 0
	}
	if v, key := s.client("producer.", "compression."+codec+".level"); key != "" {
		return int(v.number)
	}
	return 0
}

// idempotent decides enable.idempotence: on, unless the user or acks says otherwise.
// Source of the rules: Kafka's ProducerConfig.postProcessAndValidateIdempotenceConfigs.
func (s *settings) idempotent(cfg kafkaclient.ProducerConfig) bool {
	v, asked := s.client("producer.", "enable.idempotence")
	if cfg.Acks != "all" {
		_, acks := s.client("producer.", "acks")
		if asked != "" && v.on {
			s.fault("%s: %s = true needs acks=all, but %s = %s (%s): leave one of them out", s.at(asked), asked, acks, cfg.Acks, s.at(acks))
		}
		if asked == "" {
			s.warn("idempotence is off", "key", acks, "origin", s.at(acks), "why", "it needs acks=all")
		}
		return false
	}
	if _, inFlight := s.client("producer.", "max.in.flight.requests.per.connection"); v.on && cfg.MaxInFlight > 5 {
		s.warn("property has no effect", "key", inFlight, "origin", s.at(inFlight), "why", "with idempotence 5 requests are under way at most: enable.idempotence=false lifts that")
	}
	return v.on
}

// deliveryTimeout must leave time for one request: a given value that does not is a fault, the
// default grows. Source: Kafka's KafkaProducer.configureDeliveryTimeout.
func (s *settings) deliveryTimeout(cfg kafkaclient.ProducerConfig) time.Duration {
	v, key := s.client("producer.", "delivery.timeout.ms")
	least := cfg.Linger + cfg.RequestTimeout
	if key != "" && millis(v) < least {
		s.fault("%s: invalid value %d for configuration %s: expected at least linger.ms + request.timeout.ms, which is %d", s.at(key), v.number, key, least.Milliseconds())
	}
	return max(millis(v), least)
}

func (s *settings) roundRobin() bool {
	v, key := s.client("producer.", "partitioner.class")
	switch v.text {
	case "", "org.apache.kafka.clients.producer.internals.DefaultPartitioner":
		return false
	case "org.apache.kafka.clients.producer.RoundRobinPartitioner":
		return true
	}
	s.fault("%s: %s = %s cannot be honoured: it is a Java class; empty and org.apache.kafka.clients.producer.RoundRobinPartitioner would work", s.at(key), key, v.text)
	return false
}

func (s *settings) kinesisConfig() kinesisclient.Config {
	cfg := kinesisclient.DefaultConfig()
	cfg.Region = s.value("kinesis.region").text
	cfg.Endpoint = s.value("kinesis.endpoint").text
	cfg.RoleARN = s.value("kinesis.role.arn").text
	cfg.Profile = s.value("kinesis.profile").text
	cfg.Budget = millis(s.value("kinesis.timeout.ms"))
	cfg.Tries = int(s.value("kinesis.max.attempts").number)
	cfg.RetryFailed = int(s.value("kinesis.retry.failed.records").number)
	cfg.SplitBatches = s.value("kinesis.split.batches").on
	cfg.Ordered = s.value("kinesis.ordered").on
	cfg.MaxInFlight = int(s.value("kinesis.max.in.flight.requests").number)
	for _, err := range splitErrors(cfg.Validate()) {
		s.fault("%v", err)
	}
	return cfg
}
