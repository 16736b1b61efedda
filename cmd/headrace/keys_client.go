package main

import "math"

const (
	notSASL      = "only read with security.protocol SASL_PLAINTEXT or SASL_SSL, which are not built yet"
	notClientTLS = "only read with security.protocol SSL or SASL_SSL, which are not built yet"
	notJava      = "a Java class, which cannot be run"
	notMapped    = "the Go client has no such setting"
	notInstances = "consumer instances (/consumers) are not built yet: leave it out; a sink takes consumer.override.* in its connector's file"
	noSchemaMade = "for schemas that are made of Java classes: here clients and the registry bring them"
	notIndented  = "JSON is stored as it came, without white space: leave it out"
	forced       = "set by this server whatever is written here"
)

// clientKeys are the Java clients' keys, below client., producer., consumer. and admin.
// A fallback is the Java client's own default, unless the note says that ours is another.
// Source: Kafka's ProducerConfig, ConsumerConfig and AdminClientConfig, 4.x.
func clientKeys() []property {
	const maxInt, maxBatch = math.MaxInt32, 100 << 20 // brokers read requests of 100 MiB at most (socket.request.max.bytes)
	return []property{
		reject("security.protocol", text, "PLAINTEXT", "only PLAINTEXT is built yet: name a PLAINTEXT port of the brokers").of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
		accept("sasl.mechanism", text, "GSSAPI", notSASL),
		accept("sasl.jaas.config", password, "", notSASL),
		accept("sasl.client.callback.handler.class", class, "", notSASL),
		accept("sasl.login.callback.handler.class", class, "", notSASL),
		accept("sasl.login.class", class, "", notSASL),
		accept("sasl.oauthbearer.token.endpoint.url", text, "", notSASL),
		accept("sasl.oauthbearer.scope.claim.name", text, "scope", notSASL),
		accept("sasl.oauthbearer.sub.claim.name", text, "sub", notSASL),
		accept("sasl.login.connect.timeout.ms", integer, "", notSASL),
		accept("sasl.login.read.timeout.ms", integer, "", notSASL),
		accept("sasl.login.retry.backoff.ms", long, "100", notSASL),
		accept("sasl.login.retry.backoff.max.ms", long, "10000", notSASL),
		accept("sasl.kerberos.service.name", text, "", notSASL),
		accept("sasl.kerberos.kinit.cmd", text, "/usr/bin/kinit", notSASL),
		accept("sasl.kerberos.*", text, "", notSASL),
		accept("sasl.login.*", text, "", notSASL),
		accept("sasl.oauthbearer.*", text, "", notSASL),
		accept("ssl.truststore.location", text, "", notClientTLS),
		accept("ssl.truststore.password", password, "", notClientTLS),
		accept("ssl.truststore.type", text, "JKS", notClientTLS),
		accept("ssl.truststore.certificates", password, "", notClientTLS),
		accept("ssl.keystore.location", text, "", notClientTLS),
		accept("ssl.keystore.password", password, "", notClientTLS),
		accept("ssl.keystore.type", text, "JKS", notClientTLS),
		accept("ssl.keystore.key", password, "", notClientTLS),
		accept("ssl.keystore.certificate.chain", password, "", notClientTLS),
		accept("ssl.key.password", password, "", notClientTLS),
		accept("ssl.endpoint.identification.algorithm", text, "https", notClientTLS),
		accept("ssl.enabled.protocols", list, "TLSv1.2,TLSv1.3", notClientTLS),
		accept("ssl.cipher.suites", list, "", notClientTLS),
		accept("ssl.protocol", text, "TLSv1.3", notClientTLS),
		accept("ssl.provider", text, "", notClientTLS),
		accept("ssl.engine.factory.class", class, "", notClientTLS),
		accept("ssl.keymanager.algorithm", text, "SunX509", notClientTLS),
		accept("ssl.trustmanager.algorithm", text, "PKIX", notClientTLS),
		accept("ssl.secure.random.implementation", text, "", notClientTLS),

		accept("bootstrap.servers", list, "", "only the un-prefixed bootstrap.servers counts here"),
		honour("client.id", text, "headrace", "the name that brokers see in their logs and quotas"),
		honour("request.timeout.ms", integer, "30000", "milliseconds that a broker may take to answer, 100 to 900000").in(0, maxInt).nearestIn(100, 900_000),
		honour("retry.backoff.ms", long, "100", "milliseconds before the first try again, up to 60000").in(0, maxMillis).nearestIn(0, 60_000),
		honour("retry.backoff.max.ms", long, "1000", "milliseconds that the growing pause between tries may reach").in(0, maxMillis),
		honour("metadata.max.age.ms", long, "300000", "milliseconds until topics and leaders are asked for anew, 5000 to 3600000").in(0, maxMillis).nearestIn(5000, 3_600_000),
		honour("connections.max.idle.ms", long, "540000", "milliseconds until an idle connection is closed, 100 to 900000").in(-1, maxMillis).nearestIn(100, 900_000),
		honour("socket.connection.setup.timeout.ms", long, "10000", "milliseconds to connect to a broker").in(1, maxMillis),
		accept("socket.connection.setup.timeout.max.ms", long, "30000", notMapped),
		accept("default.api.timeout.ms", integer, "60000", "a question to the brokers ends with its request").read("ca"),
		accept("client.dns.lookup", text, "use_all_dns_ips", notMapped).of("use_all_dns_ips", "resolve_canonical_bootstrap_servers_only", "default"),
		accept("reconnect.backoff.ms", long, "50", notMapped),
		accept("reconnect.backoff.max.ms", long, "1000", notMapped),
		accept("receive.buffer.bytes", integer, "65536", notMapped),
		accept("send.buffer.bytes", integer, "131072", notMapped),
		accept("interceptor.classes", list, "", notJava).read("pc"),
		accept("metric.reporters", list, "", notJava),
		accept("metrics.*", text, "", "metrics are at /metrics, in the form of Prometheus"),
		accept("enable.metrics.push", boolean, "true", notMapped),
		accept("confluent.telemetry.*", text, "", "Confluent's own reporting"),
		accept("confluent.monitoring.*", text, "", "Confluent's own reporting"),

		honour("acks", text, "all", "which replicas must have a record before it is acknowledged: all, 1 or 0 (offsets are then unknown, -1)").of("all", "-1", "1", "0").read("p"),
		honour("enable.idempotence", boolean, "true", "no record is written twice when a try is repeated: true, or false as in the reference").read("p"),
		honour("linger.ms", long, "0", "milliseconds that records wait for company, up to 60000; 0: send at once").in(0, maxMillis).nearestIn(0, 60_000).read("p"),
		honour("batch.size", integer, "1000012", "bytes of one partition's batch before compression; not below max.request.size, nor above 100 MiB").in(0, maxInt).nearestIn(512, maxBatch).read("p"),
		honour("compression.type", text, "none", "none, gzip, snappy, lz4 or zstd").of("none", "gzip", "snappy", "lz4", "zstd").read("p"),
		reject("compression.gzip.level", integer, "-1", "levels are not built yet: leave it out").read("p"),
		reject("compression.lz4.level", integer, "9", "levels are not built yet: leave it out").read("p"),
		reject("compression.zstd.level", integer, "3", "levels are not built yet: leave it out").read("p"),
		honour("max.request.size", integer, "1048576", "bytes of one record, key and value and headers; more is refused before it is sent; up to 100 MiB").in(0, maxInt).nearestIn(1, maxBatch).read("p"),
		honour("max.block.ms", long, "3000", "milliseconds that a missing topic is waited for (the Java client: 60000)").in(0, maxMillis).read("p"),
		honour("delivery.timeout.ms", integer, "120000", "milliseconds from handing a record over until it is stored or has failed; at least linger.ms + request.timeout.ms").in(0, maxInt).nearestIn(1000, maxInt).read("p"),
		accept("retries", integer, "2147483647", "what can be tried again is, until delivery.timeout.ms").in(0, maxInt).read("pa"),
		honour("max.in.flight.requests.per.connection", integer, "5", "produce requests under way to one broker; more than 5 only with enable.idempotence=false").in(1, maxInt).read("p"),
		honour("partitioner.class", class, "", "empty (key by murmur2, no key: sticky) or org.apache.kafka.clients.producer.RoundRobinPartitioner").read("p"),
		reject("partitioner.ignore.keys", boolean, "false", "keys choose the partition here: leave it false").read("p"),
		accept("partitioner.adaptive.partitioning.enable", boolean, "true", notMapped).read("p"),
		accept("partitioner.availability.timeout.ms", long, "0", notMapped).read("p"),
		accept("buffer.memory", long, "33554432", "all requests together are bounded by headrace.memory.budget.bytes").read("p"),
		accept("key.serializer", class, "", forced).read("p"),
		accept("value.serializer", class, "", forced).read("p"),

		honour("client.rack", text, "", "the rack of this host: the sink reads from a replica in it").read("c"),
		reject("auto.offset.reset", text, "latest", notInstances).of("latest", "earliest", "none").read("c"),
		reject("session.timeout.ms", integer, "45000", notInstances).in(1, maxInt).read("c"),
		reject("heartbeat.interval.ms", integer, "3000", notInstances).in(1, maxInt).read("c"),
		reject("max.poll.interval.ms", integer, "300000", notInstances).in(1, maxInt).read("c"),
		reject("isolation.level", text, "read_uncommitted", notInstances).of("read_uncommitted", "read_committed").read("c"),
		reject("fetch.min.bytes", integer, "1", notInstances).in(0, maxInt).read("c"),
		reject("fetch.max.bytes", integer, "52428800", notInstances).in(1, maxInt).read("c"),
		reject("max.partition.fetch.bytes", integer, "1048576", notInstances).in(1, maxInt).read("c"),
		reject("fetch.max.wait.ms", integer, "500", notInstances).in(0, maxInt).read("c"),
		accept("max.poll.records", integer, "30", notMapped).read("c"),
		accept("partition.assignment.strategy", list, "", "the sink shares partitions by a strategy of its own").read("c"),
		reject("group.protocol", text, "classic", "only classic groups are built: leave it classic").of("classic", "consumer").read("c"),
		accept("exclude.internal.topics", boolean, "true", notMapped).read("c"),
		accept("check.crcs", boolean, "true", "checksums are always checked").read("c"),
		accept("allow.auto.create.topics", boolean, "true", "a consumer here makes no topics").read("c"),
		accept("enable.auto.commit", boolean, "true", forced).read("c"),
		accept("group.id", text, "", forced).read("c"),
		accept("key.deserializer", class, "", forced).read("c"),
		accept("value.deserializer", class, "", forced).read("c"),

		accept("auto.register.schemas", boolean, "false", forced).read("pc"),
		accept("use.latest.version", boolean, "false", forced).read("pc"),
		reject("json.indent.output", boolean, "false", notIndented).read("pc"),
		honour("json.fail.invalid.schema", boolean, "false", "JSON that does not fit its schema cannot be read: true or false; it can never be written").read("pc"),
		accept("json.oneof.for.nullables", boolean, "true", noSchemaMade).read("pc"),
		accept("json.schema.spec.version", text, "draft_7", noSchemaMade).read("pc"),
		accept("avro.use.logical.type.converters", boolean, "false", "JSON shows logical types as their base types either way").read("pc"),
		accept("avro.remove.java.properties", boolean, "false", noSchemaMade).read("pc"),
		accept("avro.reflection.allow.null", boolean, "false", noSchemaMade).read("pc"),
		accept("reference.subject.name.strategy", class, "io.confluent.kafka.serializers.subject.DefaultReferenceSubjectNameStrategy", noSchemaMade).read("pc"),
	}
}

// registryKeys are the keys of the schema registry's client.
// Source: Confluent's SchemaRegistryClientConfig and AbstractKafkaSchemaSerDeConfig, 8.x.
func registryKeys() []property {
	const strategy = "io.confluent.kafka.serializers.subject."
	honourStrategy := func(name, of string) property {
		return honour("schema.registry."+name, class, strategy+"TopicNameStrategy", "where schemas of "+of+" are registered: topic, record, or topic and record").
			of(strategy+"TopicNameStrategy", strategy+"RecordNameStrategy", strategy+"TopicRecordNameStrategy")
	}
	return []property{
		honour("schema.registry.basic.auth.credentials.source", text, "URL", "URL (http://user:password@host), USER_INFO or SASL_INHERIT (user and password of client.sasl.jaas.config)").of("URL", "USER_INFO", "SASL_INHERIT"),
		honour("schema.registry.basic.auth.user.info", password, "", "user:password, for USER_INFO"),
		honour("schema.registry.bearer.auth.credentials.source", text, "", "STATIC_TOKEN or OAUTHBEARER (client credentials); empty: no token").of("", "STATIC_TOKEN", "OAUTHBEARER"),
		honour("schema.registry.bearer.auth.token", password, "", "the token, for STATIC_TOKEN"),
		honour("schema.registry.bearer.auth.client.secret", password, "", "for OAUTHBEARER"),
		honour("schema.registry.bearer.auth.issuer.endpoint.url", text, "", "where OAUTHBEARER asks for tokens"),
		honour("schema.registry.bearer.auth.client.id", text, "", "for OAUTHBEARER"),
		honour("schema.registry.bearer.auth.scope", text, "", "for OAUTHBEARER; empty: none is asked for"),
		honour("schema.registry.bearer.auth.logical.cluster", text, "", "sent as target-sr-cluster with OAUTHBEARER"),
		honour("schema.registry.bearer.auth.identity.pool.id", text, "", "sent as Confluent-Identity-Pool-Id with OAUTHBEARER"),
		honour("schema.registry.ssl.truststore.location", text, "", "file of the certificates that an https registry is checked against; empty: the machine's"),
		honour("schema.registry.ssl.truststore.password", password, "", "of that file"),
		honour("schema.registry.ssl.truststore.type", text, "JKS", "JKS, PKCS12 or PEM"),
		honour("schema.registry.ssl.truststore.certificates", password, "", "the certificates themselves, as PEM"),
		honour("schema.registry.ssl.keystore.location", text, "", "file of this client's own key and certificate"),
		honour("schema.registry.ssl.keystore.password", password, "", "of that file"),
		honour("schema.registry.ssl.keystore.type", text, "JKS", "JKS, PKCS12 or PEM"),
		honour("schema.registry.ssl.keystore.key", password, "", "the key itself, as PEM"),
		honour("schema.registry.ssl.keystore.certificate.chain", password, "", "its certificates, as PEM"),
		honour("schema.registry.ssl.key.password", password, "", "of the key in the file"),
		honour("schema.registry.ssl.endpoint.identification.algorithm", text, "https", "empty: the name in the registry's certificate is not checked"),
		accept("schema.registry.ssl.*", password, "", "TLS 1.2 and 1.3 with Go's cipher suites are used"),
		honour("schema.registry.proxy.host", text, "", "HTTP proxy in front of the registry; empty: none"),
		honour("schema.registry.proxy.port", integer, "-1", "of that proxy").in(-1, 65535),
		honour("schema.registry.http.connect.timeout.ms", integer, "60000", "milliseconds to connect to the registry").in(0, math.MaxInt32),
		honour("schema.registry.http.read.timeout.ms", integer, "60000", "milliseconds until an answer of the registry is there").in(0, math.MaxInt32),
		honour("schema.registry.request.header.*", password, "", "sent with every request to the registry"),
		accept("schema.registry.max.schemas.per.subject", integer, "1000", javaDetail),
		honour("schema.registry.normalize.schemas", boolean, "false", "the registry compares normalized schemas: true or false"),
		honourStrategy("key.subject.name.strategy", "keys"),
		honourStrategy("value.subject.name.strategy", "values"),
	}
}
