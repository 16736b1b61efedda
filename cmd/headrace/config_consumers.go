package main

import (
	"net/url"
	"strings"

	"headrace/handlers"
	"headrace/kafkaclient"
	"headrace/peers"
	"headrace/server"
)

// instancesConfig fills what consumer instances have in common.
func (s *settings) instancesConfig(brokers []string) kafkaclient.InstancesConfig {
	get := func(name string) value {
		v, _ := s.client("consumer.", name)
		return v
	}
	cfg := kafkaclient.DefaultInstancesConfig()
	cfg.Config = s.kafkaConfig("consumer.", brokers)
	cfg.SessionTimeout = millis(get("session.timeout.ms"))
	cfg.HeartbeatInterval = millis(get("heartbeat.interval.ms"))
	if _, key := s.client("consumer.", "heartbeat.interval.ms"); key == "" {
		cfg.HeartbeatInterval = min(cfg.HeartbeatInterval, cfg.SessionTimeout/3)
	} else if cfg.HeartbeatInterval >= cfg.SessionTimeout {
		_, timeout := s.client("consumer.", "session.timeout.ms")
		if timeout == "" {
			s.info("session.timeout.ms grows with heartbeat.interval.ms", "key", key, "origin", s.at(key))
			cfg.SessionTimeout = 3 * cfg.HeartbeatInterval
		} else {
			s.fault("%s: %s = %d has to be less than %s = %d (%s)", s.at(key), key, cfg.HeartbeatInterval.Milliseconds(), timeout, cfg.SessionTimeout.Milliseconds(), s.at(timeout))
		}
	}
	cfg.RebalanceTimeout = max(millis(get("max.poll.interval.ms")), cfg.SessionTimeout)
	cfg.ReadCommitted = strings.EqualFold(get("isolation.level").text, "read_committed")
	cfg.FetchMaxBytes = int32(get("fetch.max.bytes").number)
	cfg.FetchMaxPartition = int32(get("max.partition.fetch.bytes").number)
	cfg.FetchMinBytes = int32(get("fetch.min.bytes").number)
	cfg.FetchMaxWait = millis(get("fetch.max.wait.ms"))
	cfg.MaxPollRecords = int(get("max.poll.records").number)
	cfg.CommitInterval = millis(get("auto.commit.interval.ms"))
	cfg.CreateTopics = get("allow.auto.create.topics").on
	cfg.Assignors = s.assignors()
	cfg.IdleTimeout = millis(s.value("consumer.instance.timeout.ms"))
	cfg.Threads = int(s.value("consumer.threads").number)
	cfg.MemoryBytes = s.value("headrace.v2.consumers.memory.bytes").number
	return cfg
}

// assignors reads partition.assignment.strategy: Java classes by the names that members exchange.
func (s *settings) assignors() []string {
	const name = "partition.assignment.strategy"
	v, key := s.client("consumer.", name)
	known := map[string]string{
		"RangeAssignor": "range", "RoundRobinAssignor": "roundrobin",
		"StickyAssignor": "sticky", "CooperativeStickyAssignor": "cooperative-sticky",
	}
	var names []string
	for _, class := range v.list {
		assignor, ok := known[strings.TrimPrefix(class, "org.apache.kafka.clients.consumer.")]
		if !ok {
			s.fault("%s: invalid value %q for configuration %s: expected Kafka's RangeAssignor, RoundRobinAssignor, StickyAssignor or CooperativeStickyAssignor, below org.apache.kafka.clients.consumer.", s.at(key), class, key)
			continue
		}
		names = append(names, assignor)
	}
	if len(v.list) == 0 {
		s.fault("%s: %s is empty: leave it out, or name org.apache.kafka.clients.consumer.RangeAssignor", s.at(key), key)
	}
	return names
}

// consumersConfig fills what the routes under /consumers go by.
func (s *settings) consumersConfig() handlers.ConsumersConfig {
	cfg := handlers.DefaultConsumersConfig()
	cfg.RequestWait = millis(s.value("consumer.request.timeout.ms"))
	cfg.RequestMaxBytes = s.value("consumer.request.max.bytes").number
	cfg.FetchMinBytes = s.value("fetch.min.bytes").number
	cfg.FullWait = s.value("headrace.v2.read.full.wait").on
	cfg.OnUndecodable = strings.ToLower(s.value("headrace.v2.on.undecodable").text)
	cfg.Extensions = s.value("headrace.v2.extensions").on
	cfg.Heartbeat = millis(s.value("headrace.v2.sse.heartbeat.ms"))
	cfg.ServerID = s.value("id").text
	reset, key := s.client("consumer.", "auto.offset.reset")
	if _, err := kafkaclient.ParseReset(reset.text); err != nil {
		s.fault("%s: %s: %v", s.at(key), key, err)
	}
	cfg.Reset = reset.text
	commit, _ := s.client("consumer.", "enable.auto.commit")
	cfg.AutoCommit = commit.on
	cfg.BaseURL = s.baseURL()
	return cfg
}

// baseURL reads headrace.v2.base.url.
func (s *settings) baseURL() string {
	const key = "headrace.v2.base.url"
	base := strings.TrimRight(s.value(key).text, "/")
	if u, err := url.Parse(base); base != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "") {
		s.fault("%s: invalid value %q for configuration %s: expected a URL such as https://api.example.com/prod", s.at(key), base, key)
	}
	return base
}

// peersConfig reads who the replicas are; none: this is the only one.
func (s *settings) peersConfig(listeners []server.Listener) peers.Config {
	cfg := peers.DefaultConfig()
	cfg.Peers = s.value("headrace.peers").list
	cfg.Secret = s.value("headrace.peers.secret").text
	cfg.Self = s.value("headrace.peers.self").text
	for _, listener := range listeners {
		if u, err := url.Parse(listener.URL()); err == nil {
			cfg.Ports = append(cfg.Ports, u.Port())
		}
	}
	for _, err := range splitErrors(cfg.Validate()) {
		s.fault("%s: %v", s.at("headrace.peers"), err)
	}
	return cfg
}
