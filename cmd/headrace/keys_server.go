package main

import "math"

// Why keys are not honoured: each text ends in what would work.
const (
	notConsumers = "consumer instances (/consumers) are not built yet: leave it out"
	notV3        = "the v3 routes (/v3) are not built yet: leave it out"
	notTLS       = "only read with an https listener, which is not built yet"
	notLogin     = "only read with authentication.method, which is NONE"
	notCORS      = "only read with access.control.allow.origin, which is empty"
	notRate      = "only read with rate.limit.enable=true, which is not built yet"
	notV3Rate    = "only read with api.v3.produce.rate.limit.enabled=true, which is not built yet"
	notDoS       = "only read with dos.filter.enabled=true, which is not built yet"
	javaDetail   = "a detail of the Java server"
	leftOver     = "without effect in the reference too"
)

// restKeys are the keys of the REST proxy proper.
// Source: Confluent's KafkaRestConfig, 8.x.
func restKeys() []property {
	return []property{
		honour("bootstrap.servers", list, "", "brokers to begin with, host:port each, comma-separated; a PLAINTEXT:// in front is dropped; must be given"),
		accept("id", text, "", "only shown in the ids of consumer instances, which are not built yet"),
		honour("host.name", text, "", "host of the URLs in answers, with the port of the last listener of the request's scheme; empty: the host that the client used"),
		honour("advertised.listeners", list, "", "URLs, comma-separated: host and port of the one with the request's scheme stand in the URLs in answers, before host.name"),
		honour("schema.registry.url", list, "http://localhost:8081", "where schemas are: http://host:port, several with commas between are tried in turn; empty: no Avro, JSON Schema and Protobuf"),
		accept("zookeeper.connect", text, "", leftOver),
		accept("client.zk.session.timeout.ms", integer, "30000", leftOver),
		honour("api.v2.enable", boolean, "true", "serve the v2 routes: true or false (404)"),
		honour("api.v3.enable", boolean, "true", "serve the v3 routes: true or false (404)"),
		reject("api.endpoints.allowlist", list, "", "lists of endpoints are not built yet: block paths in front of this server"),
		reject("api.endpoints.blocklist", list, "", "lists of endpoints are not built yet: block paths in front of this server"),
		reject("consumer.threads", integer, "50", notConsumers),
		reject("consumer.request.timeout.ms", integer, "1000", notConsumers),
		reject("consumer.request.max.bytes", long, "67108864", notConsumers),
		reject("consumer.instance.timeout.ms", integer, "300000", notConsumers),
		reject("fetch.min.bytes", integer, "-1", notConsumers).in(-1, 10_000_000),
		reject("consumer.iterator.backoff.ms", integer, "50", notConsumers),
		accept("consumer.iterator.timeout.ms", integer, "1", leftOver),
		accept("simpleconsumer.pool.size.max", integer, "25", leftOver),
		accept("simpleconsumer.pool.timeout.ms", integer, "1000", leftOver),
		accept("producer.threads", integer, "5", leftOver),
		accept("client.init.timeout.ms", integer, "60000", leftOver),
		accept("client.timeout.ms", integer, "500", leftOver),
		honour("confluent.resource.name.authority", text, "", "authority in resource names: crn://AUTHORITY/kafka=…; empty gives crn:///"),
		honour("null.request.body.always.publishes.empty.record", boolean, "false", "a null with a schema is a Kafka null whatever the schema says: true or false"),
		reject("api.v3.produce.rate.limit.enabled", boolean, "false", notV3),
		accept("api.v3.produce.rate.limit.max.requests.per.sec", integer, "10000", notV3Rate),
		accept("api.v3.produce.rate.limit.max.requests.global.per.sec", integer, "10000", notV3Rate),
		accept("api.v3.produce.rate.limit.max.bytes.per.sec", integer, "10000000", notV3Rate),
		accept("api.v3.produce.rate.limit.max.bytes.global.per.sec", integer, "10000000", notV3Rate),
		accept("api.v3.produce.rate.limit.cache.expiry.ms", integer, "3600000", notV3Rate),
		accept("api.v3.produce.response.thread.pool.size", integer, "1", javaDetail),
		reject("api.v3.produce.batch.maximum.entries", integer, "10", notV3).in(1, 50),
		reject("api.v3.produce.request.size.limit.max.bytes", long, "0", notV3).in(0, math.MaxInt64),
		reject("streaming.connection.max.duration.ms", long, "86400000", notV3),
		reject("streaming.connection.max.duration.grace.period.ms", long, "500", notV3),
		reject("rate.limit.enable", boolean, "false", "rate limits are not built yet: leave it false and limit in front of this server"),
		accept("rate.limit.backend", text, "guava", notRate).of("guava", "resilience4j"),
		accept("rate.limit.permits.per.sec", integer, "50", notRate),
		accept("rate.limit.timeout.ms", integer, "0", notRate),
		accept("rate.limit.default.cost", integer, "1", notRate),
		accept("rate.limit.costs", list, "", notRate),
		accept("rate.limit.per.cluster.permits.per.sec", integer, "50", notRate),
		accept("rate.limit.per.cluster.cache.expiry.ms", integer, "3600000", notRate),
		accept("use.custom.request.logging", boolean, "true", "the log is structured: its fields have names"),
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
		honour("listeners", list, "", "where to listen, scheme://host:port each, comma-separated; empty: http://0.0.0.0:<port>; only http now"),
		honour("port", integer, "8082", "TCP port, only when listeners is empty").in(0, 65535),
		honour("listener.protocol.map", list, "", "NAME:http for each named listener (INTERNAL://0.0.0.0:9000), comma-separated"),
		accept("ssl.keystore.location", text, "", notTLS),
		accept("ssl.keystore.password", password, "", notTLS),
		accept("ssl.keystore.type", text, "JKS", notTLS),
		accept("ssl.keystore.reload", boolean, "false", notTLS),
		accept("ssl.keystore.watch.location", text, "", notTLS),
		accept("ssl.key.password", password, "", notTLS),
		accept("ssl.truststore.location", text, "", notTLS),
		accept("ssl.truststore.password", password, "", notTLS),
		accept("ssl.truststore.type", text, "JKS", notTLS),
		accept("ssl.client.authentication", text, "NONE", notTLS).of("NONE", "REQUESTED", "REQUIRED"),
		accept("ssl.client.auth", boolean, "false", notTLS),
		accept("ssl.protocol", text, "TLS", javaDetail),
		accept("ssl.provider", text, "", javaDetail),
		accept("ssl.keymanager.algorithm", text, "", javaDetail),
		accept("ssl.trustmanager.algorithm", text, "", javaDetail),
		accept("ssl.enabled.protocols", list, "", notTLS),
		accept("ssl.cipher.suites", list, "", notTLS),
		accept("ssl.endpoint.identification.algorithm", text, "", notTLS),
		reject("ssl.spire.enabled", boolean, "false", "SPIRE is not supported: leave it false"),
		accept("ssl.spire.*", text, "", "only read with ssl.spire.enabled=true, which is not supported"),
		accept("sni.check.enabled", boolean, "false", notTLS),
		accept("sni.host.check.enabled", boolean, "true", notTLS),
		accept("prefix.sni.*", text, "", notTLS),
		accept("expected.sni.headers", list, "", notTLS),
		accept("reject.invalid.sni.headers", boolean, "false", notTLS),
		accept("http2.enabled", boolean, "true", "HTTP/2 comes with https, which is not built yet; http listeners speak HTTP/1.1"),
		reject("proxy.protocol.enabled", boolean, "false", "the PROXY protocol is not built yet: leave it false, and switch it off at the load balancer"),
		reject("network.forwarded.request.customizer.enable", boolean, "false", "Forwarded headers are not read yet: leave it false"),

		reject("authentication.method", text, "NONE", "logins of HTTP clients are not built yet: leave it NONE, and check logins in front of this server").of("NONE", "BASIC", "BEARER"),
		accept("authentication.realm", text, "", notLogin),
		accept("authentication.roles", list, "*", notLogin),
		accept("authentication.skip.paths", list, "", notLogin),

		reject("access.control.allow.origin", list, "", "CORS is not built yet: leave it empty, and answer CORS in front of this server"),
		accept("access.control.allow.methods", list, "", notCORS),
		accept("access.control.allow.headers", list, "", notCORS),
		accept("access.control.expose.headers", list, "", notCORS),
		accept("access.control.skip.options", boolean, "true", notCORS),
		reject("reject.options.request", boolean, "false", "not built yet: leave it false"),
		reject("response.http.headers.config", text, "", "extra response headers are not built yet: leave it empty, and add them in front of this server"),
		reject("nosniff.prevention.enable", boolean, "false", "extra response headers are not built yet: leave it false, and add X-Content-Type-Options in front of this server"),
		accept("hsts.header.enable", boolean, "false", notTLS),
		reject("csrf.prevention.enable", boolean, "false", "CSRF tokens are not built yet: leave it false"),
		accept("csrf.prevention.token.endpoint", text, "/csrf", "only read with csrf.prevention.enable=true, which is not built yet"),
		accept("csrf.prevention.token.expiration.minutes", integer, "30", "only read with csrf.prevention.enable=true, which is not built yet"),
		accept("csrf.prevention.token.max.entries", integer, "10000", "only read with csrf.prevention.enable=true, which is not built yet"),
		accept("suppress.stack.trace.response", boolean, "true", "there are no Java stack traces here"),
		honour("compression.enable", boolean, "true", "gzip answers to GET and POST for clients that take it: true or false"),
		reject("response.mediatype.preferred", list, "application/json,application/vnd.kafka.v2+json", "not built yet: leave it out"),
		reject("response.mediatype.default", text, "application/json", "not built yet: leave it out"),
		honour("max.request.header.size", integer, "8192", "bytes of a request's header; more is a 431").in(1, math.MaxInt32),
		accept("max.response.header.size", integer, "8192", "our response headers are never that large"),
		reject("jetty.legacy.uri.compliance", boolean, "false", "not built yet: leave it false"),
		accept("websocket.path.prefix", text, "/ws", leftOver),

		reject("dos.filter.enabled", boolean, "false", "the DoS filter is not built yet: leave it false and limit in front of this server"),
		accept("dos.filter.max.requests.per.connection.per.sec", integer, "25", notDoS),
		accept("dos.filter.max.requests.per.sec", integer, "25", notDoS),
		accept("dos.filter.delay.ms", long, "100", notDoS),
		accept("dos.filter.max.wait.ms", long, "50", notDoS),
		accept("dos.filter.throttled.requests", integer, "5", notDoS),
		accept("dos.filter.throttle.ms", long, "30000", notDoS),
		accept("dos.filter.max.requests.ms", long, "30000", notDoS),
		accept("dos.filter.max.idle.tracker.ms", long, "30000", notDoS),
		accept("dos.filter.insert.headers", boolean, "true", notDoS),
		accept("dos.filter.ip.whitelist", list, "", notDoS),
		accept("dos.filter.managed.attr", boolean, "false", notDoS),
		accept("dos.filter.tenant.enabled", boolean, "false", notDoS),
		accept("dos.filter.tenant.max.requests.per.sec", integer, "25", notDoS),
		accept("dos.filter.tenant.dry.run.enabled", boolean, "false", notDoS),

		honour("idle.timeout.ms", long, "30000", "milliseconds that a connection may be idle; 0: for ever").in(0, maxMillis),
		reject("request.timeout.ms", long, "0", "not built yet: leave it 0; the clients behind the routes have time limits of their own").in(0, maxMillis),
		accept("request.timeout.interrupt.enable", boolean, "false", javaDetail),
		honour("shutdown.graceful.ms", integer, "5000", "milliseconds that requests under way get at SIGTERM").in(0, math.MaxInt32),
		accept("thread.pool.min", integer, "8", javaDetail),
		accept("thread.pool.max", integer, "200", javaDetail),
		accept("request.queue.capacity", integer, "2147483647", javaDetail),
		accept("request.queue.capacity.init", integer, "128", javaDetail),
		accept("request.queue.capacity.growby", integer, "64", javaDetail),
		reject("server.connection.limit", integer, "0", "limits of connections are not built yet: leave it 0").unless("-1"),
		reject("connector.connection.limit", integer, "0", "limits of connections are not built yet: leave it 0").unless("-1"),
		reject("network.traffic.rate.limit.enable", boolean, "false", "traffic limits are not built yet: leave it false and limit in front of this server"),
		accept("network.traffic.rate.limit.backend", text, "guava", "only read with network.traffic.rate.limit.enable=true, which is not built yet").of("guava", "resilience4j"),
		accept("network.traffic.rate.limit.bytes.per.sec", integer, "20971520", "only read with network.traffic.rate.limit.enable=true, which is not built yet"),
		accept("request.logger.name", text, "io.confluent.rest-utils.requests", "the log is structured: its loggers have no names"),
		honour("debug", boolean, "false", "error bodies of status 500 carry the cause: true or false"),
	}
}

// metricKeys shape the reference's JMX metrics; ours are at /metrics as they are.
func metricKeys() []property {
	const why = "metrics are at /metrics, in the form of Prometheus"
	return []property{
		accept("metrics.jmx.prefix", text, "kafka.rest", why),
		accept("metric.reporters", list, "", why),
		accept("metrics.num.samples", integer, "2", why),
		accept("metrics.sample.window.ms", long, "30000", why),
		accept("metrics.tag.map", list, "", why),
		accept("metrics.latency.slo.sla.enable", boolean, "false", why),
		accept("metrics.latency.slo.ms", long, "5", why),
		accept("metrics.latency.sla.ms", long, "50", why),
		accept("metrics.global.stats.request.tags.enable", boolean, "false", why),
		accept("metrics.*", text, "", why),
		accept("percentile.max.latency.ms", double, "10000", why),
		accept("disable.response.size.metrics.collection", boolean, "false", why),
		accept("return.429.*", boolean, "false", why),
		accept("confluent.telemetry.*", text, "", "Confluent's own reporting"),
		accept("confluent.monitoring.*", text, "", "Confluent's own reporting"),
		accept("confluent.license", password, "", "no licence is needed"),
		accept("confluent.license.*", text, "", "no licence is needed"),
	}
}
