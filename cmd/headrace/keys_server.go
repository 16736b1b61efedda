package main

import "math"

// Why keys are not honoured: each text ends in what would work.
const (
	noTenants  = "there are no tenants here"
	javaDetail = "a detail of the Java server"
	leftOver   = "without effect in the reference too"
)

// restKeys are the keys of the REST proxy proper.
// Source: Confluent's KafkaRestConfig, 8.x.
func restKeys() []property {
	return []property{
		honour("bootstrap.servers", list, "", "brokers to begin with, host:port each, comma-separated; a PLAINTEXT:// in front is dropped; must be given"),
		honour("id", text, "", "stands in the names that consumer instances are given: rest-consumer-<id>-…"),
		honour("host.name", text, "", "host of the URLs in answers, with the port of the last listener of the request's scheme; empty: the host that the client used"),
		honour("advertised.listeners", list, "", "URLs, comma-separated: host and port of the one with the request's scheme stand in the URLs in answers, before host.name"),
		honour("schema.registry.url", list, "http://localhost:8081", "where schemas are: http://host:port, several with commas between are tried in turn; empty: no Avro, JSON Schema and Protobuf"),
		accept("zookeeper.connect", text, "", leftOver),
		accept("client.zk.session.timeout.ms", integer, "30000", leftOver),
		honour("api.v2.enable", boolean, "true", "serve the v2 routes: true or false (404)"),
		honour("api.v3.enable", boolean, "true", "serve the v3 routes: true or false (404)"),
		honour("api.endpoints.allowlist", list, "", "the only endpoints that are served, by name (api.v2.topics.list) or group (api.v2.topics.*); empty: all"),
		honour("api.endpoints.blocklist", list, "", "endpoints that are not served, by name or group: 404 for GET, 405 for other methods"),
		honour("consumer.threads", integer, "50", "reads of consumer instances that encode records at the same time; those that wait for records do not count").in(1, math.MaxInt32),
		honour("consumer.request.timeout.ms", integer, "1000", "milliseconds of the longest read, unless the instance has its own"),
		honour("consumer.request.max.bytes", long, "67108864", "bytes of keys and values that an answer stays below"),
		honour("consumer.instance.timeout.ms", integer, "300000", "milliseconds without a call after which an instance is closed"),
		honour("fetch.min.bytes", integer, "-1", "bytes of keys and values after which a read answers early; -1: with the first that come (the reference: never early)").in(-1, 10_000_000),
		accept("consumer.iterator.backoff.ms", integer, "50", "a read is woken by records: it does not look for them every so often"),
		accept("consumer.iterator.timeout.ms", integer, "1", leftOver),
		accept("simpleconsumer.pool.size.max", integer, "25", leftOver),
		accept("simpleconsumer.pool.timeout.ms", integer, "1000", leftOver),
		accept("producer.threads", integer, "5", leftOver),
		accept("client.init.timeout.ms", integer, "60000", leftOver),
		accept("client.timeout.ms", integer, "500", leftOver),
		honour("confluent.resource.name.authority", text, "", "authority in resource names: crn://AUTHORITY/kafka=…; empty gives crn:///"),
		honour("null.request.body.always.publishes.empty.record", boolean, "false", "a null with a schema is a Kafka null whatever the schema says: true or false"),
		honour("api.v3.produce.rate.limit.enabled", boolean, "false", "limit the records of v3 produce requests, if rate.limit.enable is true too: true or false"),
		honour("api.v3.produce.rate.limit.max.requests.per.sec", integer, "10000", "records in each second, by the cluster id of the path").in(1, math.MaxInt32),
		honour("api.v3.produce.rate.limit.max.requests.global.per.sec", integer, "10000", "records in each second, of all requests").in(1, math.MaxInt32),
		honour("api.v3.produce.rate.limit.max.bytes.per.sec", integer, "10000000", "bytes of records' JSON text in each second, by the cluster id of the path").in(1, math.MaxInt32),
		honour("api.v3.produce.rate.limit.max.bytes.global.per.sec", integer, "10000000", "bytes of records' JSON text in each second, of all requests").in(1, math.MaxInt32),
		honour("api.v3.produce.rate.limit.cache.expiry.ms", integer, "3600000", "milliseconds without a record after which a cluster id's limit is forgotten").in(1, math.MaxInt32),
		accept("api.v3.produce.response.thread.pool.size", integer, "1", javaDetail),
		honour("api.v3.produce.batch.maximum.entries", integer, "10", "entries of a records:batch request; more is a 422").in(1, 50),
		honour("api.v3.produce.request.size.limit.max.bytes", long, "0", "bytes of one record's JSON text in a stream; more ends it; 0: headrace.max.request.bytes alone counts").in(0, math.MaxInt64),
		honour("streaming.connection.max.duration.ms", long, "86400000", "milliseconds after which a stream of records takes no more of them").in(1, maxMillis),
		honour("streaming.connection.max.duration.grace.period.ms", long, "500", "milliseconds after that until the stream ends").in(0, maxMillis),
		honour("rate.limit.enable", boolean, "false", "limit requests by permits: true (429 over it) or false"),
		accept("rate.limit.backend", text, "guava", "there is one kind of limiter, which gives permits by the second as both of these do").of("guava", "resilience4j"),
		honour("rate.limit.permits.per.sec", integer, "50", "permits in each second, of all requests").in(1, math.MaxInt32),
		honour("rate.limit.timeout.ms", integer, "0", "milliseconds that a request may wait for permits").in(0, math.MaxInt32),
		honour("rate.limit.default.cost", integer, "1", "permits that a request takes").in(0, math.MaxInt32),
		honour("rate.limit.costs", list, "", "permits by endpoint, api.v2.topics.list=2 each, comma-separated; 0: free"),
		honour("rate.limit.per.cluster.permits.per.sec", integer, "50", "permits in each second, of v3 requests by their cluster id; asked before the others").in(1, math.MaxInt32),
		honour("rate.limit.per.cluster.cache.expiry.ms", integer, "3600000", "milliseconds without a request after which a cluster's limit is forgotten").in(1, math.MaxInt32),
		honour("use.custom.request.logging", boolean, "true", "two more fields at the end of each line of the request log: error code, and codes of v3 records"),
		plugin("kafka.rest.resource.extension.class"),
		plugin("resource.extension.classes"),
		plugin("rest.servlet.initializor.classes"),
		accept("kafka.rest.extension.classes", list, "", leftOver),
		honour("config.providers", list, "", "names of providers for ${name:[path:]key} in values, comma-separated"),
		honour("config.providers.*", text, "", "NAME.class is FileConfigProvider, DirectoryConfigProvider or EnvVarConfigProvider of org.apache.kafka.common.config.provider; NAME.param.allowed.paths, NAME.param.allowlist.pattern"),
	}
}

// plugin is a key that names Java classes: they might guard the server, so going on without is no choice of ours.
func plugin(name string) property {
	return reject(name, list, "", "Java plug-ins cannot be run; if nothing depends on them (they may check rights!), set "+ignorePlugins+"=true")
}

// httpKeys are the keys of the HTTP layer.
// Source: Confluent's rest-utils RestConfig and SslConfig, 8.x.
func httpKeys() []property {
	return []property{
		honour("listeners", list, "", "where to listen, scheme://host:port each, comma-separated; schemes: http, https, and the names of listener.protocol.map; empty: http://0.0.0.0:<port>"),
		honour("port", integer, "8082", "TCP port, only when listeners is empty").in(0, 65535),
		honour("listener.protocol.map", list, "", "NAME:http or NAME:https for each named listener (INTERNAL://0.0.0.0:9000), comma-separated; listener.name.<name>.<key> then sets a key for it alone"),
		honour("ssl.keystore.location", text, "", "file with the certificate and key of https listeners").each(),
		honour("ssl.keystore.password", password, "", "password of that file").each(),
		honour("ssl.keystore.type", text, "JKS", "JKS, PKCS12 or PEM").of("JKS", "PKCS12", "PEM").each(),
		honour("ssl.keystore.reload", boolean, "false", "read the certificate again when its file has changed, within 5 s: true or false").each(),
		honour("ssl.keystore.watch.location", text, "", "look at this file for changes instead").each(),
		honour("ssl.key.password", password, "", "password of the key in the file; empty: that of the file").each(),
		honour("ssl.truststore.location", text, "", "file with the authorities of client certificates; empty: those of the machine").each(),
		honour("ssl.truststore.password", password, "", "password of that file").each(),
		honour("ssl.truststore.type", text, "JKS", "JKS, PKCS12 or PEM").of("JKS", "PKCS12", "PEM").each(),
		honour("ssl.client.authentication", text, "NONE", "certificates of clients: NONE, REQUESTED or REQUIRED").of("NONE", "REQUESTED", "REQUIRED").each(),
		honour("ssl.client.auth", boolean, "false", "true is REQUIRED; only where ssl.client.authentication is not given").each(),
		accept("ssl.protocol", text, "TLS", javaDetail),
		accept("ssl.provider", text, "", javaDetail),
		accept("ssl.keymanager.algorithm", text, "", javaDetail),
		accept("ssl.trustmanager.algorithm", text, "", javaDetail),
		honour("ssl.enabled.protocols", list, "", "TLSv1.2, TLSv1.3 (or older); empty: these two").each(),
		honour("ssl.cipher.suites", list, "", "suites by their Java names; empty: Go's choice. Those of TLS 1.3 come all together").each(),
		accept("ssl.endpoint.identification.algorithm", text, "", "certificates of HTTP clients are held to their authorities, not to a host name"),
		reject("ssl.spire.enabled", boolean, "false", "SPIRE is not supported: leave it false"),
		accept("ssl.spire.*", text, "", "only read with ssl.spire.enabled=true, which is not supported"),
		honour("sni.check.enabled", boolean, "false", "421 when the server name of the handshake is not the Host: true or false").each(),
		honour("sni.host.check.enabled", boolean, "true", "400 \"Invalid SNI\" when the certificate is not for the Host: true or false").each(),
		accept("prefix.sni.*", text, "", "a detail of Confluent's cloud"),
		accept("expected.sni.headers", list, "", "a detail of Confluent's cloud"),
		accept("reject.invalid.sni.headers", boolean, "false", "a detail of Confluent's cloud"),
		honour("http2.enabled", boolean, "true", "HTTP/2 too: by ALPN on https, by prior knowledge on http (no upgrade from HTTP/1.1)").each(),
		honour("proxy.protocol.enabled", boolean, "false", "each connection begins with a PROXY header, version 1 or 2, which names the client: true or false").each(),
		honour("network.forwarded.request.customizer.enable", boolean, "false", "Forwarded and X-Forwarded-* of any client decide scheme, host and address: true or false; see headrace.trusted.proxies").each(),

		honour("authentication.method", text, "NONE", "NONE or BASIC (name and password)").of("NONE", "BASIC", "BEARER").each(),
		honour("authentication.realm", text, "", "section of the JAAS file (KAFKAREST_OPTS=-Djava.security.auth.login.config=FILE), and the realm of the challenge").each(),
		honour("authentication.roles", list, "*", "roles of which a user needs one; * alone: any; ** alone: none needed; empty: nobody may").each(),
		honour("authentication.skip.paths", list, "", "paths open to all: /health, /x/*").each(),

		honour("access.control.allow.origin", list, "", "origins of pages that may call; * for all; empty: no CORS").each(),
		honour("access.control.allow.methods", list, "", "methods that they may use; empty: GET, POST, HEAD").each(),
		honour("access.control.allow.headers", list, "", "headers that they may send; empty: X-Requested-With, Content-Type, Accept, Origin").each(),
		honour("access.control.expose.headers", list, "", "headers of answers that they may read").each(),
		honour("access.control.skip.options", boolean, "true", "OPTIONS needs no login while CORS is on: true or false").each(),
		honour("reject.options.request", boolean, "false", "OPTIONS is a 403: true or false").each(),
		honour("response.http.headers.config", text, "", "headers of every answer: set, add, setDate or addDate, then Name: value; comma-separated, entries that hold one in double quotes").each(),
		honour("nosniff.prevention.enable", boolean, "false", "X-Content-Type-Options: nosniff: true or false").each(),
		honour("hsts.header.enable", boolean, "false", "Strict-Transport-Security on https: true or false").each(),
		reject("csrf.prevention.enable", boolean, "false", "CSRF tokens are not built: leave it false, and keep browsers out by access.control.allow.origin"),
		accept("csrf.prevention.token.endpoint", text, "/csrf", "only read with csrf.prevention.enable=true, which is not built"),
		accept("csrf.prevention.token.expiration.minutes", integer, "30", "only read with csrf.prevention.enable=true, which is not built"),
		accept("csrf.prevention.token.max.entries", integer, "10000", "only read with csrf.prevention.enable=true, which is not built"),
		accept("suppress.stack.trace.response", boolean, "true", "there are no Java stack traces here"),
		honour("compression.enable", boolean, "true", "gzip answers to GET and POST for clients that take it: true or false").each(),
		honour("response.mediatype.preferred", list, "application/json,application/vnd.kafka.v2+json", "types of error bodies where none was agreed on: the first that Accept names"),
		honour("response.mediatype.default", text, "application/json", "the type where it names none of them"),
		honour("max.request.header.size", integer, "8192", "bytes of a request's header; more is a 431").in(1, math.MaxInt32).each(),
		accept("max.response.header.size", integer, "8192", "our response headers are never that large"),
		honour("jetty.legacy.uri.compliance", boolean, "false", "take paths with empty segments and .. too: true, or false (400)").each(),
		accept("websocket.path.prefix", text, "/ws", leftOver),

		honour("dos.filter.enabled", boolean, "false", "hold back who asks too fast: true or false").each(),
		honour("dos.filter.max.requests.per.connection.per.sec", integer, "25", "requests of one connection in a second").in(1, 1_000_000).each(),
		honour("dos.filter.max.requests.per.sec", integer, "25", "requests of all connections in a second").in(1, 1_000_000).each(),
		honour("dos.filter.delay.ms", long, "100", "a request over a limit: -1: 429; 0: throttled at once; more: milliseconds that it is delayed before").in(-1, maxMillis).each(),
		honour("dos.filter.max.wait.ms", long, "50", "milliseconds that a throttled request waits for its turn at first").in(0, maxMillis).each(),
		honour("dos.filter.throttled.requests", integer, "5", "throttled requests that run at once").in(1, 1_000_000).each(),
		honour("dos.filter.throttle.ms", long, "30000", "milliseconds more that it waits; then it is a 503").in(0, maxMillis).each(),
		honour("dos.filter.max.requests.ms", long, "30000", "milliseconds that a request may take while the filter is on; more is a 503").in(1, maxMillis).each(),
		honour("dos.filter.max.idle.tracker.ms", long, "30000", "milliseconds after which a connection that asked for nothing is forgotten").in(1, maxMillis).each(),
		honour("dos.filter.insert.headers", boolean, "true", "say so in a header DoSFilter: true or false").each(),
		honour("dos.filter.ip.whitelist", list, "", "addresses, or networks such as 10.0.0.0/8, that the filter leaves alone").each(),
		accept("dos.filter.managed.attr", boolean, "false", javaDetail),
		accept("dos.filter.tenant.enabled", boolean, "false", noTenants),
		accept("dos.filter.tenant.max.requests.per.sec", integer, "25", noTenants),
		accept("dos.filter.tenant.dry.run.enabled", boolean, "false", noTenants),

		honour("idle.timeout.ms", long, "30000", "milliseconds that a connection may be idle; 0: for ever").in(0, maxMillis).each(),
		honour("request.timeout.ms", long, "0", "milliseconds that a request may take; more is a 504; 0: for ever").in(0, maxMillis).each(),
		accept("request.timeout.interrupt.enable", boolean, "false", javaDetail),
		honour("shutdown.graceful.ms", integer, "5000", "milliseconds that requests under way get at SIGTERM").in(0, math.MaxInt32),
		accept("thread.pool.min", integer, "8", javaDetail),
		honour("thread.pool.max", integer, "200", "requests that run at once, when it is given; others wait").in(1, math.MaxInt32),
		honour("request.queue.capacity", integer, "2147483647", "requests that wait for one of thread.pool.max; more is a 503").in(0, math.MaxInt32),
		accept("request.queue.capacity.init", integer, "128", javaDetail),
		accept("request.queue.capacity.growby", integer, "64", javaDetail),
		honour("server.connection.limit", integer, "0", "connections of all listeners; no more are accepted until one ends; 0 or less: any number"),
		honour("connector.connection.limit", integer, "0", "connections of each listener; 0 or less: any number").each(),
		honour("network.traffic.rate.limit.enable", boolean, "false", "bound how fast requests are read: true or false"),
		accept("network.traffic.rate.limit.backend", text, "guava", "there is one kind of limiter").of("guava", "resilience4j"),
		honour("network.traffic.rate.limit.bytes.per.sec", integer, "20971520", "bytes in a second, from all connections").in(1, math.MaxInt32),
		honour("request.logger.name", text, "io.confluent.rest-utils.requests", "the name by which KAFKA_REST_LOG4J_LOGGERS sets the level of the request log; above INFO: none"),
		honour("debug", boolean, "false", "error bodies of status 500 carry the cause: true or false"),
	}
}

// metricKeys shape the reference's JMX metrics; ours are at /metrics as they are.
func metricKeys() []property {
	const why = "metrics are at /metrics, in the form of Prometheus"
	return []property{
		honour("metrics.jmx.prefix", text, "kafka.rest", "what the names of the reference's metrics begin with"),
		accept("metric.reporters", list, "", why),
		honour("metrics.num.samples", integer, "2", "windows that rates, counts and percentiles of those metrics are of").in(1, 100),
		honour("metrics.sample.window.ms", long, "30000", "milliseconds of a window").in(1, maxMillis),
		honour("metrics.tag.map", list, "", "more labels for those metrics, NAME:VALUE each, comma-separated"),
		honour("metrics.latency.slo.sla.enable", boolean, "false", "count answers within and beyond two times: true or false"),
		honour("metrics.latency.slo.ms", long, "5", "milliseconds of the one").in(1, maxMillis),
		honour("metrics.latency.sla.ms", long, "50", "milliseconds of the other").in(1, maxMillis),
		accept("metrics.global.stats.request.tags.enable", boolean, "false", why),
		accept("metrics.*", text, "", why),
		honour("percentile.max.latency.ms", double, "10000", "milliseconds that percentiles reach at most"),
		accept("disable.response.size.metrics.collection", boolean, "false", why),
		accept("return.429.*", boolean, "false", why),
		accept("confluent.telemetry.*", text, "", "Confluent's own reporting"),
		accept("confluent.monitoring.*", text, "", "Confluent's own reporting"),
		accept("confluent.license", password, "", "no licence is needed"),
		accept("confluent.license.*", text, "", "no licence is needed"),
	}
}
