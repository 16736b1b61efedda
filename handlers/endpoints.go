package handlers

import (
	"net/http"
	"strings"
)

// Endpoint is one call of the API as lists, limits and metrics name it.
type Endpoint struct {
	Name   string // of access lists and rate.limit.costs: api.v2.topics.list
	Metric string // what its metrics begin with: topics.list+v2
}

// endpoints are the names of all calls, by method and route. In a route each variable is {}. Of a
// call whose format counts, the format is added: it stands where the * is.
// Source: contract, configuration.md §2.1 and §9, kafka-rest-v3.md; names that begin with kinesis are ours.
var endpoints = map[string]Endpoint{
	"GET /":        {"api.v2.root.get", "root.get+v2"},
	"POST /":       {"api.v2.root.post", "root.post+v2"},
	"GET /brokers": {"api.v2.brokers.list", "brokers.list+v2"},

	"GET /topics":                             {"api.v2.topics.list", "topics.list+v2"},
	"GET /topics/{}":                          {"api.v2.topics.get", "topic.get+v2"},
	"POST /topics/{}":                         {"api.v2.produce-to-topic.*", "topic.produce-*+v2"},
	"GET /topics/{}/partitions":               {"api.v2.partitions.list", "partitions.list+v2"},
	"GET /topics/{}/partitions/{}":            {"api.v2.partitions.get", "partition.get+v2"},
	"POST /topics/{}/partitions/{}":           {"api.v2.produce-to-partition.*", "partition.produce-*+v2"},
	"GET /topics/{}/partitions/{}/offsets":    {"api.v2.partitions.get-offsets", "partition.get-offsets+v2"},
	"POST /consumers/{}":                      {"api.v2.consumers.create", "consumer.create+v2"},
	"DELETE /consumers/{}/instances/{}":       {"api.v2.consumers.delete", "consumer.delete+v2"},
	"GET /consumers/{}/instances/{}/records":  {"api.v2.consumers.consume-*", "consumer.records.read-*+v2"},
	"POST /consumers/{}/instances/{}/offsets": {"api.v2.consumers.commit-offsets", "consumer.commit-offsets+v2"},
	"GET /consumers/{}/instances/{}/offsets":  {"api.v2.consumers.get-committed-offsets", "consumer.committed-offsets+v2"},
	"POST /consumers/{}/instances/{}/positions": {
		"api.v2.consumers.seek-to-offset", "consumer.seek-to-offset+v2",
	},
	"POST /consumers/{}/instances/{}/positions/beginning": {
		"api.v2.consumers.seek-to-beginning", "consumer.seek-to-beginning+v2",
	},
	"POST /consumers/{}/instances/{}/positions/end": {"api.v2.consumers.seek-to-end", "consumer.seek-to-end+v2"},
	"POST /consumers/{}/instances/{}/subscription":  {"api.v2.consumers.subscribe", "consumer.subscribe+v2"},
	"GET /consumers/{}/instances/{}/subscription":   {"api.v2.consumers.get-subscription", "consumer.subscription+v2"},
	"DELETE /consumers/{}/instances/{}/subscription": {
		"api.v2.consumers.unsubscribe", "consumer.unsubscribe+v2",
	},
	"POST /consumers/{}/instances/{}/assignments": {"api.v2.consumers.assign", "consumer.assign+v2"},
	"GET /consumers/{}/instances/{}/assignments":  {"api.v2.consumers.get-assignments", "consumer.assignment+v2"},

	"GET /v3/clusters":                              {"api.v3.clusters.list", "v3.clusters.list"},
	"GET /v3/clusters/{}":                           {"api.v3.clusters.get", "v3.clusters.get"},
	"GET /v3/clusters/{}/brokers":                   {"api.v3.brokers.list", "v3.brokers.list"},
	"GET /v3/clusters/{}/brokers/{}":                {"api.v3.brokers.get", "v3.brokers.get"},
	"GET /v3/clusters/{}/brokers/{}/configs":        {"api.v3.broker-configs.list", "v3.brokers.configs.list"},
	"GET /v3/clusters/{}/brokers/{}/configs/{}":     {"api.v3.broker-configs.get", "v3.brokers.configs.get"},
	"PUT /v3/clusters/{}/brokers/{}/configs/{}":     {"api.v3.broker-configs.update", "v3.brokers.configs.update"},
	"DELETE /v3/clusters/{}/brokers/{}/configs/{}":  {"api.v3.broker-configs.delete", "v3.brokers.configs.delete"},
	"POST /v3/clusters/{}/brokers/{}/configs:alter": {"api.v3.broker-configs.alter", "v3.brokers.configs.alter"},
	"GET /v3/clusters/{}/brokers/-/configs":         {"api.v3.brokers-configs.list", "v3.brokers.configs.list"},
	"GET /v3/clusters/{}/brokers/{}/partition-replicas": {
		"api.v3.replicas.search-by-broker", "v3.brokers.partition-replicas.list",
	},
	"GET /v3/clusters/{}/broker-configs":        {"api.v3.cluster-configs.list", "v3.clusters.configs.list"},
	"GET /v3/clusters/{}/broker-configs/{}":     {"api.v3.cluster-configs.get", "v3.clusters.configs.get"},
	"PUT /v3/clusters/{}/broker-configs/{}":     {"api.v3.cluster-configs.update", "v3.clusters.configs.update"},
	"DELETE /v3/clusters/{}/broker-configs/{}":  {"api.v3.cluster-configs.delete", "v3.clusters.configs.delete"},
	"POST /v3/clusters/{}/broker-configs:alter": {"api.v3.cluster-configs.alter", "v3.clusters.configs.alter"},

	"GET /v3/clusters/{}/topics":                   {"api.v3.topics.list", "v3.topics.list"},
	"POST /v3/clusters/{}/topics":                  {"api.v3.topics.create", "v3.topics.create"},
	"GET /v3/clusters/{}/topics/{}":                {"api.v3.topics.get", "v3.topics.get"},
	"PATCH /v3/clusters/{}/topics/{}":              {"api.v3.topics.partitions", "v3.topics.partitions"},
	"DELETE /v3/clusters/{}/topics/{}":             {"api.v3.topics.delete", "v3.topics.delete"},
	"GET /v3/clusters/{}/topics/{}/configs":        {"api.v3.topic-configs.list", "v3.topics.configs.list"},
	"GET /v3/clusters/{}/topics/-/configs":         {"api.v3.topic-configs.list", "v3.topics.configs.list"},
	"GET /v3/clusters/{}/topics/{}/configs/{}":     {"api.v3.topic-configs.get", "v3.topics.configs.get"},
	"PUT /v3/clusters/{}/topics/{}/configs/{}":     {"api.v3.topic-configs.update", "v3.topics.configs.update"},
	"DELETE /v3/clusters/{}/topics/{}/configs/{}":  {"api.v3.topic-configs.delete", "v3.topics.configs.delete"},
	"POST /v3/clusters/{}/topics/{}/configs:alter": {"api.v3.topic-configs.alter", "v3.topics.configs.alter"},
	"POST /v3/clusters/{}/topics/-/configs:alter":  {"api.v3.topic-configs.alter-multi", "v3.topics.configs.alter-multi"},
	"GET /v3/clusters/{}/topics/{}/partitions":     {"api.v3.partitions.list", "v3.partitions.list"},
	"GET /v3/clusters/{}/topics/{}/partitions/{}":  {"api.v3.partitions.get", "v3.partitions.get"},
	"GET /v3/clusters/{}/topics/{}/partitions/{}/offset": {
		"api.v3.partitions.list.offsets", "v3.partitions.list.offsets",
	},
	"GET /v3/clusters/{}/topics/{}/partitions/{}/replicas":    {"api.v3.replicas.list", "v3.replicas.list"},
	"GET /v3/clusters/{}/topics/{}/partitions/{}/replicas/{}": {"api.v3.replicas.get", "v3.replicas.get"},
	"GET /v3/clusters/{}/topics/{}/partitions/{}/reassignment": {
		"api.v3.partition-reassignments.get", "v3.topics.partitions.reassignment.get",
	},
	"GET /v3/clusters/{}/topics/{}/partitions/-/reassignment": {
		"api.v3.partition-reassignments.search-by-topic", "v3.topics.partitions-reassignment.list",
	},
	"GET /v3/clusters/{}/topics/-/partitions/-/reassignment": {
		"api.v3.partition-reassignments.list", "v3.topics-partitions-reassignment.list",
	},
	"POST /v3/clusters/{}/topics/{}/records": {"api.v3.produce.produce-to-topic", "v3.produce.produce-to-topic"},
	"POST /v3/clusters/{}/topics/{}/records:batch": {
		"api.v3.batch-produce.produce-to-topic", "v3.batch-produce.produce-to-topic",
	},

	"GET /v3/clusters/{}/consumer-groups":                 {"api.v3.consumer-groups.list", "v3.consumer-groups.list"},
	"GET /v3/clusters/{}/consumer-groups/{}":              {"api.v3.consumer-groups.get", "v3.consumer-groups.get"},
	"GET /v3/clusters/{}/consumer-groups/{}/consumers":    {"api.v3.consumers.list", "v3.consumers.list"},
	"GET /v3/clusters/{}/consumer-groups/{}/consumers/{}": {"api.v3.consumers.get", "v3.consumers.get"},
	"GET /v3/clusters/{}/consumer-groups/{}/consumers/{}/assignments": {
		"api.v3.consumer-assignments.list", "v3.consumer-assignments.list",
	},
	"GET /v3/clusters/{}/consumer-groups/{}/consumers/{}/assignments/{}/partitions/{}": {
		"api.v3.consumer-assignments.get", "v3.consumer-assignments.get",
	},
	"GET /v3/clusters/{}/consumer-groups/{}/lag-summary": {
		"api.v3.consumer-group-lag-summary.get", "v3.consumer-group-lag-summary.get",
	},
	"GET /v3/clusters/{}/consumer-groups/{}/lags":                  {"api.v3.consumer-lags.list", "v3.consumer-lags.list"},
	"GET /v3/clusters/{}/consumer-groups/{}/lags/{}/partitions/{}": {"api.v3.consumer-lags.get", "v3.consumer-lags.get"},

	"GET /v3/clusters/{}/acls":        {"api.v3.acls.list", "v3.acls.list"},
	"POST /v3/clusters/{}/acls":       {"api.v3.acls.create", "v3.acls.create"},
	"POST /v3/clusters/{}/acls:batch": {"api.v3.acls.batch-create", "v3.acls.batch-create"},
	"DELETE /v3/clusters/{}/acls":     {"api.v3.acls.delete", "v3.acls.delete"},

	"GET /streams":             {"kinesis.streams.list", "kinesis.streams.list"},
	"GET /streams/{}":          {"kinesis.streams.get", "kinesis.streams.get"},
	"POST /streams/{}":         {"kinesis.streams.create", "kinesis.streams.create"},
	"DELETE /streams/{}":       {"kinesis.streams.delete", "kinesis.streams.delete"},
	"PUT /streams/{}/record":   {"kinesis.record.put", "kinesis.record.put"},
	"POST /streams/{}/record":  {"kinesis.record.put", "kinesis.record.put"},
	"PUT /streams/{}/records":  {"kinesis.records.put", "kinesis.records.put"},
	"POST /streams/{}/records": {"kinesis.records.put", "kinesis.records.put"},
}

// EndpointOf names the call that route, a pattern of the router, answers for method. Kinesis
// routes behind a base path are those without it. It allocates: remember its answers.
func EndpointOf(method, route string) (Endpoint, bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	plain := plainRoute(route)
	e, ok := endpoints[method+" "+plain]
	if i := strings.Index(plain, "/streams"); !ok && i > 0 {
		e, ok = endpoints[method+" "+plain[i:]]
	}
	return e, ok
}

// plainRoute makes each variable of a route {}.
func plainRoute(route string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(route, "{")
		b.WriteString(before)
		if !found {
			break
		}
		b.WriteString("{}")
		_, route, _ = strings.Cut(rest, "}")
	}
	plain := b.String()
	if len(plain) > 1 {
		plain = strings.TrimSuffix(plain, "/")
	}
	return plain
}

// HasFormat reports whether the format of a request is part of the endpoint's name.
func (e Endpoint) HasFormat() bool { return strings.HasSuffix(e.Name, "*") }

// In is the endpoint for a format, as FormatOf gives it.
func (e Endpoint) In(f string) Endpoint {
	name := f
	if f == string(formatJSONSchema) {
		name = "json-schema" // the lists spell it so, the metrics do not
	}
	return Endpoint{strings.Replace(e.Name, "*", name, 1), strings.Replace(e.Metric, "*", f, 1)}
}

// FormatOf is the format that a request names for an endpoint that has one: binary, json, avro,
// jsonschema or protobuf; "" when it will be refused. A read names it by its Accept header.
func FormatOf(r *http.Request) string {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		f, _ := embeddedFormat(r)
		return string(f)
	}
	for _, header := range r.Header["Accept"] {
		for entry := range strings.SplitSeq(header, ",") {
			mediaType, _, _ := strings.Cut(entry, ";")
			if f, ok := formats[strings.ToLower(strings.TrimSpace(mediaType))]; ok {
				return string(f)
			}
		}
	}
	return string(formatBinary)
}
