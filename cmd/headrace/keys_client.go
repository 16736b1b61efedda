package main

import "math"

const (
	notKerberos  = "Kerberos (GSSAPI) is not served"
	notChecked   = "the token is handed on as it is: brokers look at its claims"
	notJava      = "a Java class, which cannot be run"
	notMapped    = "the Go client has no such setting"
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
		honour("security.protocol", text, "PLAINTEXT", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL: encrypted or not, with a login or not").of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
		honour("sasl.mechanism", text, "GSSAPI", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM; GSSAPI (Kerberos) is refused"),
		honour("sasl.jaas.config", password, "", "the login module of the mechanism with its options, ended by a semicolon"),
		honour("sasl.client.callback.handler.class", class, "", "Amazon's IAMClientCallbackHandler or IAMOAuthBearerLoginCallbackHandler"),
		honour("sasl.login.callback.handler.class", class, "", "of OAUTHBEARER: Kafka's OAuthBearerLoginCallbackHandler or Amazon's IAMOAuthBearerLoginCallbackHandler; empty: unsecured tokens"),
		honour("sasl.login.class", class, "", "empty: any other is a Java class, which cannot be run"),
		honour("sasl.oauthbearer.token.endpoint.url", text, "", "where tokens come from: https, http, or file for a token in a file"),
		accept("sasl.oauthbearer.scope.claim.name", text, "scope", notChecked),
		accept("sasl.oauthbearer.sub.claim.name", text, "sub", notChecked),
		honour("sasl.oauthbearer.header.urlencode", boolean, "false", "true: client id and secret are URL-encoded for the token endpoint"),
		honour("sasl.login.connect.timeout.ms", integer, "10000", "milliseconds to connect to the token endpoint (the Java client: no limit)").in(0, maxInt),
		honour("sasl.login.read.timeout.ms", integer, "10000", "milliseconds for the token endpoint's answer (the Java client: no limit)").in(0, maxInt),
		honour("sasl.login.retry.backoff.ms", long, "100", "milliseconds before the token endpoint is asked again").in(0, maxMillis),
		honour("sasl.login.retry.backoff.max.ms", long, "10000", "milliseconds that the growing pause may reach, and for how long to try").in(0, maxMillis),
		accept("sasl.kerberos.service.name", text, "", notKerberos),
		accept("sasl.kerberos.kinit.cmd", text, "/usr/bin/kinit", notKerberos),
		accept("sasl.kerberos.*", text, "", notKerberos),
		accept("sasl.login.*", text, "", "tokens and credentials are renewed in good time by themselves"),
		accept("sasl.oauthbearer.*", text, "", "only brokers read it"),
		honour("ssl.truststore.location", text, "", "JKS, PKCS12 or PEM file of the authorities that brokers' certificates must come from; empty: the machine's; read again when it changes"),
		honour("ssl.truststore.password", password, "", "of the trust store; a JKS is read without one too"),
		honour("ssl.truststore.type", text, "JKS", "JKS, PKCS12 or PEM; of the first two, the file itself tells which"),
		honour("ssl.truststore.certificates", password, "", "the authorities as PEM, in place of a file"),
		honour("ssl.keystore.location", text, "", "JKS, PKCS12 or PEM file with this client's key and certificate; read again when it changes"),
		honour("ssl.keystore.password", password, "", "of the key store"),
		honour("ssl.keystore.type", text, "JKS", "JKS, PKCS12 or PEM; of the first two, the file itself tells which"),
		honour("ssl.keystore.key", password, "", "this client's key as PEM (PKCS#8, maybe encrypted), in place of a file"),
		honour("ssl.keystore.certificate.chain", password, "", "this client's certificate as PEM, then those that signed it"),
		honour("ssl.key.password", password, "", "of the key; empty: the key store's"),
		honour("ssl.endpoint.identification.algorithm", text, "https", "https: a broker's certificate must be for its name; empty: any name, the chain is checked all the same"),
		honour("ssl.enabled.protocols", list, "TLSv1.2,TLSv1.3", "versions of TLS"),
		honour("ssl.cipher.suites", list, "", "cipher suites by Java's (IANA's) names; empty: all that are safe"),
		accept("ssl.protocol", text, "TLSv1.3", "ssl.enabled.protocols says which versions are used"),
		accept("ssl.provider", text, "", notJava),
		honour("ssl.engine.factory.class", class, "", "empty: any other is a Java class, which cannot be run"),
		accept("ssl.keymanager.algorithm", text, "SunX509", notJava),
		accept("ssl.trustmanager.algorithm", text, "PKIX", notJava),
		accept("ssl.secure.random.implementation", text, "", notJava),

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
		honour("compression.gzip.level", integer, "-1", "1 (fast) to 9 (small); -1: between them").in(-1, 9).read("p"),
		honour("compression.lz4.level", integer, "9", "1 (fast) to 17 (small); the Go client knows 1 to 9, and takes the fastest when none is given").in(1, 17).nearestIn(1, 9).read("p"),
		honour("compression.zstd.level", integer, "3", "-131072 (fast) to 22 (small); the Go client has four steps: to 2, from 3, from 6 and from 10 on").in(-131072, 22).read("p"),
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
		honour("auto.offset.reset", text, "latest", "where a consumer instance begins without a committed offset: latest, earliest, none or by_duration:PnDTnHnMn.nS; an instance may have its own").read("c"),
		honour("enable.auto.commit", boolean, "true", "consumer instances commit by themselves what answers have delivered: true or false; an instance may have its own").read("c"),
		honour("auto.commit.interval.ms", integer, "5000", "milliseconds between two such commits, at least").in(0, maxInt).read("c"),
		honour("session.timeout.ms", integer, "45000", "milliseconds after which a silent member's partitions go to others, 100 or more").in(1, maxInt).nearestIn(100, maxInt).read("c"),
		honour("heartbeat.interval.ms", integer, "3000", "milliseconds between two signs of life, less than session.timeout.ms").in(1, maxInt).nearestIn(50, maxInt).read("c"),
		honour("max.poll.interval.ms", integer, "300000", "milliseconds that members have to rejoin when the group is shared out anew; a member that nobody reads stays one").in(1, maxInt).nearestIn(100, maxInt).read("c"),
		honour("isolation.level", text, "read_uncommitted", "read_uncommitted, or read_committed: only records of finished transactions").of("read_uncommitted", "read_committed").read("c"),
		honour("fetch.min.bytes", integer, "1", "bytes that a broker waits for before it answers a fetch").in(0, maxInt).read("c"),
		honour("fetch.max.bytes", integer, "52428800", "bytes of one fetch at most; more than 4 MiB are never asked for at once").in(1, maxInt).read("c"),
		honour("max.partition.fetch.bytes", integer, "1048576", "bytes of one partition in a fetch at most").in(1, maxInt).read("c"),
		honour("fetch.max.wait.ms", integer, "500", "milliseconds that a broker waits for fetch.min.bytes").in(0, maxInt).nearestIn(10, 60_000).read("c"),
		honour("max.poll.records", integer, "30", "records that a read takes from the client at once; those that do not fit its answer wait for the next").in(1, maxInt).read("c"),
		honour("partition.assignment.strategy", list, "org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor", "how consumer instances share partitions: Kafka's RangeAssignor, RoundRobinAssignor, StickyAssignor, CooperativeStickyAssignor; the sink has a way of its own").read("c"),
		reject("group.protocol", text, "classic", "only classic groups are built: leave it classic").of("classic", "consumer").read("c"),
		honour("allow.auto.create.topics", boolean, "true", "a subscription makes missing topics, where the brokers allow it: true or false").read("c"),
		accept("exclude.internal.topics", boolean, "true", notMapped).read("c"),
		accept("check.crcs", boolean, "true", "checksums are always checked").read("c"),
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
