package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"headrace/handlers"
	"headrace/kafkaclient"
	"headrace/kinesisclient"
	"headrace/server"
)

// load reads text as kafka-rest.properties with the given environment.
func load(t *testing.T, text string, environ ...string) (config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kafka-rest.properties")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadConfig(sources{file: path, environ: environ})
}

func mustLoad(t *testing.T, text string, environ ...string) config {
	t.Helper()
	cfg, err := load(t, text, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestDefaultsAreTheRooms: a file that says nothing gives every room its own defaults.
func TestDefaultsAreTheRooms(t *testing.T) {
	cfg := mustLoad(t, "bootstrap.servers=b:9092\n")
	kafka := kafkaclient.DefaultConfig()
	kafka.Brokers = []string{"b:9092"}
	producer := kafkaclient.DefaultProducerConfig()
	producer.Config = kafka
	for _, tt := range []struct {
		room      string
		want, got any
	}{
		{"server", server.DefaultConfig(), cfg.server},
		{"handlers", handlers.DefaultConfig(), cfg.handlers},
		{"producer", producer, cfg.producer},
		{"admin", kafka, cfg.admin},
		{"consumer", kafka, cfg.consumer},
		{"kinesis", kinesisclient.DefaultConfig(), cfg.kinesis},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-default +got)\n%s", tt.room, diff)
		}
	}
	if len(cfg.settings.notes) > 0 {
		t.Errorf("notes %v, want none", cfg.settings.notes)
	}
}

// TestEverySetting sets every honoured key to another value and looks for it in its room.
func TestEverySetting(t *testing.T) {
	cfg := mustLoad(t, `
bootstrap.servers = PLAINTEXT://b-1.kafka:9092 , SASL_SSL://b-2.kafka:9098,,[::1]:9092,
listeners = http://127.0.0.1:80, INTERNAL://[::]:9000/
listener.protocol.map = internal:HTTP
idle.timeout.ms = 1
shutdown.graceful.ms = 3
max.request.header.size = 4
compression.enable = FALSE
api.v2.enable = false
debug = true
headrace.max.request.bytes = 5
headrace.memory.budget.bytes = 6
produce.error.status = strict
kinesis.enable = false
kinesis.region = eu-west-1
kinesis.endpoint = http://127.0.0.1:4567
kinesis.role.arn = arn:aws:iam::123456789012:role/x
kinesis.profile = p
kinesis.base.path = /prod/v1/
kinesis.error.status = Upstream
kinesis.split.batches = true
kinesis.retry.failed.records = 0
kinesis.ordered = true
kinesis.timeout.ms = 7
kinesis.max.attempts = 8
kinesis.max.in.flight.requests = 9
kinesis.max.request.bytes = 10
client.client.id = me
client.request.timeout.ms = 111
client.retry.backoff.ms = 12
client.retry.backoff.max.ms = 13
client.metadata.max.age.ms = 5014
client.connections.max.idle.ms = 115
client.socket.connection.setup.timeout.ms = 16
client.client.rack = r
producer.acks = -1
producer.enable.idempotence = false
producer.linger.ms = 17
producer.batch.size = 618
producer.compression.type = ZSTD
producer.max.request.size = 19
producer.max.block.ms = 20
producer.delivery.timeout.ms = 1028
producer.max.in.flight.requests.per.connection = 22
producer.partitioner.class = org.apache.kafka.clients.producer.RoundRobinPartitioner
`)
	const ms = time.Millisecond
	kafka := kafkaclient.Config{
		Brokers: []string{"b-1.kafka:9092", "b-2.kafka:9098", "[::1]:9092"}, ClientID: "me",
		DialTimeout: 16 * ms, RequestTimeout: 111 * ms, RetryBackoff: 12 * ms, RetryBackoffMax: 13 * ms,
		MetadataMaxAge: 5014 * ms, ConnIdleTimeout: 115 * ms,
	}
	consumer := kafka
	consumer.Rack = "r"
	for _, tt := range []struct {
		room      string
		want, got any
	}{
		{"producer", kafkaclient.ProducerConfig{
			Config: kafka, Acks: "all", Linger: 17 * ms, MaxBatchBytes: 618, MaxRecordBytes: 19, MaxBlock: 20 * ms,
			DeliveryTimeout: 1028 * ms, Compression: "zstd", MaxInFlight: 22, RoundRobin: true,
		}, cfg.producer},
		{"admin", kafka, cfg.admin},
		{"consumer", consumer, cfg.consumer},
		{"kinesis", kinesisclient.Config{
			Region: "eu-west-1", Endpoint: "http://127.0.0.1:4567", RoleARN: "arn:aws:iam::123456789012:role/x", Profile: "p",
			Budget: 7 * ms, Tries: 8, SplitBatches: true, Ordered: true, MaxInFlight: 9,
		}, cfg.kinesis},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.room, diff)
		}
	}
	h := cfg.handlers
	if h.MaxRequestBytes != 5 || h.MemoryBudgetBytes != 6 || !h.ProduceErrorStrict || h.V2 || !h.Debug || h.Kinesis || h.KinesisErrorStatus != "upstream" || h.KinesisMaxRequestBytes != 10 || h.KinesisBasePath != "/prod/v1" {
		t.Errorf("handlers: %+v", h)
	}
	if len(cfg.settings.notes) > 0 {
		t.Errorf("notes %v, want none", cfg.settings.notes)
	}
}

// TestLayers: bootstrap.servers, client., then the client's own prefix; consumer.request.timeout.ms
// is a key of the server and reaches no consumer.
func TestLayers(t *testing.T) {
	cfg := mustLoad(t, `
bootstrap.servers=b:1
client.request.timeout.ms=100
producer.request.timeout.ms=200
consumer.request.timeout.ms=1000
admin.retry.backoff.ms=5
client.client.id=all
admin.client.id=asking
client.bootstrap.servers=elsewhere:1
idle.timeout.ms=7
acks=0
`)
	got := []any{
		cfg.producer.RequestTimeout, cfg.admin.RequestTimeout, cfg.consumer.RequestTimeout, cfg.admin.RetryBackoff, cfg.producer.RetryBackoff,
		cfg.producer.ClientID, cfg.admin.ClientID, cfg.producer.Brokers[0], cfg.server.Listeners[0].IdleTimeout, cfg.producer.Acks,
	}
	const ms = time.Millisecond
	want := []any{200 * ms, 100 * ms, 100 * ms, 5 * ms, 100 * ms, "all", "asking", "b:1", 7 * ms, "all"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var notes []string
	for _, n := range cfg.settings.notes {
		notes = append(notes, n.text+" "+n.attrs[1].(string))
	}
	wantNotes := []string{
		"property has no effect client.bootstrap.servers",
		"unknown property has no effect acks",
		"property is given twice for one client: the specific one counts producer.request.timeout.ms",
		"property is given twice for one client: the specific one counts admin.client.id",
	}
	if diff := cmp.Diff(wantNotes, notes); diff != "" {
		t.Errorf("notes (-want +got)\n%s", diff)
	}
}

func TestIdempotence(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       bool
		fault      string
	}{
		{"on by itself", "", true, ""},
		{"off when told", "producer.enable.idempotence=false", false, ""},
		{"off when all clients are told", "client.enable.idempotence=false", false, ""},
		{"the producer's own word wins", "client.enable.idempotence=false\nproducer.enable.idempotence=true", true, ""},
		{"off with acks=1", "producer.acks=1", false, ""},
		{"asked for with acks=1", "producer.acks=1\nproducer.enable.idempotence=true", false, "kafka-rest.properties:3: producer.enable.idempotence = true needs acks=all, but producer.acks = 1 (kafka-rest.properties:2)"},
		{"stays with many in flight", "producer.max.in.flight.requests.per.connection=10", true, ""},
	} {
		cfg, err := load(t, "bootstrap.servers=b:1\n"+tt.text)
		if tt.fault == "" && err != nil || tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.fault)
		}
		if got := cfg.producer.Idempotent; got != tt.want {
			t.Errorf("%s: Idempotent = %t", tt.name, got)
		}
	}
}

func TestDeliveryTimeoutGrows(t *testing.T) {
	cfg := mustLoad(t, "bootstrap.servers=b:1\nproducer.request.timeout.ms=130000\nproducer.linger.ms=1000")
	if got := cfg.producer.DeliveryTimeout; got != 131*time.Second {
		t.Errorf("DeliveryTimeout = %v, want linger.ms + request.timeout.ms", got)
	}
}

// TestIdleForEver: net/http takes no timeout for a negative one, another timeout for none.
func TestIdleForEver(t *testing.T) {
	if got := mustLoad(t, "bootstrap.servers=b:1\nidle.timeout.ms=0").server.Listeners[0].IdleTimeout; got >= 0 {
		t.Errorf("idle.timeout.ms=0 gives %v, want a negative time", got)
	}
}

func TestPort(t *testing.T) {
	if got := mustLoad(t, "bootstrap.servers=b:1\nport=80").server.Listeners; got[0].URL() != "http://0.0.0.0:80" {
		t.Errorf("port=80 listens on %v", got)
	}
	cfg := mustLoad(t, "bootstrap.servers=b:1\nport=80\nlisteners=http://a:1")
	if got := cfg.server.Listeners; len(got) != 1 || got[0].URL() != "http://a:1" {
		t.Errorf("with listeners, port still counts: %v", got)
	}
	if notes := cfg.settings.notes; len(notes) != 1 || notes[0].attrs[1] != "port" {
		t.Errorf("notes %v, want one on port", notes)
	}
}

// TestFaultsComeTogether: every fault of every source, in one error.
func TestFaultsComeTogether(t *testing.T) {
	_, err := load(t, "port=x\nauthentication.method=BEARER\nproducer.linger.ms=\\u12\nclient.security.protocol = TLS\n",
		"KAFKA_REST_PORT=80", "KAFKA_REST_DEBUG=maybe", "KAFKA_REST_LOG4J_ROOT_LOGLEVEL=LOUD")
	want := `Server configuration failed:
  kafka-rest.properties:3: reading the value of "producer.linger.ms": malformed \u escape: four hexadecimal digits must follow \u
  environment variable KAFKA_REST_LOG4J_ROOT_LOGLEVEL: invalid value "LOUD": expected one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL, OFF
  environment variable KAFKA_REST_PORT: PORT is deprecated. Please use KAFKA_REST_LISTENERS instead.
  kafka-rest.properties:1: invalid value "x" for configuration port: expected a 32-bit integer
  kafka-rest.properties:4: invalid value "TLS" for configuration client.security.protocol: expected one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL
  environment variable KAFKA_REST_DEBUG: invalid value "maybe" for configuration debug: expected true or false
  bootstrap.servers is not given: name at least one broker as host:port, in the property file or as KAFKA_REST_BOOTSTRAP_SERVERS
  kafka-rest.properties:2: authentication.method = BEARER cannot be honoured: it needs a Java plug-in; BASIC and NONE would work`
	var invalid *invalidConfig
	if !errors.As(err, &invalid) {
		t.Fatalf("loadConfig: %v", err)
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMissingFile(t *testing.T) {
	_, err := loadConfig(sources{file: "testdata/none.properties"})
	if err == nil || !strings.Contains(err.Error(), "reading the configuration: open testdata/none.properties: no such file") {
		t.Errorf("loadConfig: %v", err)
	}
	huge := filepath.Join(t.TempDir(), "huge")
	if err := os.WriteFile(huge, make([]byte, maxFileBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadConfig(sources{file: huge}); err == nil || !strings.Contains(err.Error(), "is larger than 1048576 bytes") {
		t.Errorf("loadConfig of a huge file: %v", err)
	}
}

func TestPropertyName(t *testing.T) {
	for _, tt := range []struct{ variable, want string }{
		{"BOOTSTRAP_SERVERS", "bootstrap.servers"},
		{"CLIENT_SASL_JAAS_CONFIG", "client.sasl.jaas.config"},
		{"API_V3_ENABLE", "api.v3.enable"},
		{"A__B", "a_b"},
		{"A___B", "a-b"},
		{"A____B", "a-_b"},
		{"A_B__C___D", "a.b_c-d"},
		{"_A", "_a"},
		{"A_", "a_"},
		{"", ""},
	} {
		if got := propertyName(tt.variable); got != tt.want {
			t.Errorf("propertyName(%q) = %q, want %q", tt.variable, got, tt.want)
		}
	}
}

// TestEnvironment: variables win over the file, are read by the file's rules, and keep their name as origin.
func TestEnvironment(t *testing.T) {
	cfg := mustLoad(t, "bootstrap.servers=file:1\nproducer.linger.ms=1\n",
		"PATH=/bin", "KAFKA_REST_BOOTSTRAP_SERVERS=PLAINTEXT://env:2", "KAFKA_REST_PRODUCER_LINGER_MS= 5 ", `KAFKA_REST_PRODUCER_CLIENT_ID=a\u0062\c`,
		"KAFKA_REST_ZOOKEEPER_CONNECT=z:1", "KAFKA_REST_HOST_NAME=rest", "KAFKA_REST_CUB_KAFKA_TIMEOUT=40", "KAFKA_REST_JMX_HOSTNAME=h",
		"KAFKAREST_OPTS=-Dx=TOPSECRET -Xmx1g -javaagent:/opt/jmx.jar=7071:/c.yml -Djava.security.auth.login.config=/etc/jaas.conf",
		"KAFKA_REST_LOG4J_ROOT_LOGLEVEL=WARN", "KAFKA_REST_LOG4J_LOGGERS=io.confluent.rest-utils=ERROR, kafka = TRACE",
		"KAFKA_REST_LISTENER=http://a:1", "KAFKA_REST_KINESIS_REGION=eu-west-1\nx=y")
	got := []any{
		cfg.producer.Brokers[0], cfg.producer.Linger, cfg.producer.ClientID, cfg.level.String(), cfg.kinesis.Region, cfg.settings.at("producer.linger.ms"),
		cfg.settings.loggerLevel("io.confluent.rest-utils.requests").String(), cfg.settings.loggerLevel("io.confluent.restutils").String(),
		cfg.settings.java["java.security.auth.login.config"].raw, cfg.wait,
	}
	want := []any{
		"env:2", 5 * time.Millisecond, "abc", "WARN", "eu-west-1", "environment variable KAFKA_REST_PRODUCER_LINGER_MS",
		"ERROR", "WARN", "/etc/jaas.conf",
		brokerWait{timeout: 40 * time.Second},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(brokerWait{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var notes []string
	for _, n := range cfg.settings.notes {
		notes = append(notes, n.level.String()+" "+n.text+" "+n.attrs[1].(string))
	}
	wantNotes := []string{
		"INFO property of the JVM has no effect KAFKAREST_OPTS",
		"INFO environment variable has no effect of its own KAFKAREST_OPTS",
		"INFO environment variable has no effect KAFKA_REST_JMX_HOSTNAME",
		"WARN only the first line of the variable counts KAFKA_REST_KINESIS_REGION",
		"INFO level of a Java logger has no effect KAFKA_REST_LOG4J_LOGGERS",
		"WARN unknown property has no effect listener",
		"INFO property has no effect zookeeper.connect",
	}
	if diff := cmp.Diff(wantNotes, notes); diff != "" {
		t.Errorf("notes (-want +got)\n%s", diff)
	}
}

func TestPluginsMayBeLetGo(t *testing.T) {
	cfg := mustLoad(t, "bootstrap.servers=b:1\nresource.extension.classes=io.confluent.Security\nheadrace.ignore.java.plugins=true")
	if notes := cfg.settings.notes; len(notes) != 1 || notes[0].text != "Java plug-ins are not run" {
		t.Errorf("notes %v", notes)
	}
}

// TestSecretsStayHidden: no secret is in what is printed, logged or complained of.
func TestSecretsStayHidden(t *testing.T) {
	cfg, err := load(t, `bootstrap.servers=b:1
client.sasl.jaas.config=m required password="TOPSECRET";
client.ssl.keystore.password=TOPSECRET
ssl.key.password=TOPSECRET
producer.ssl.keystore.key=TOPSECRET
schema.registry.basic.auth.user.info=u:TOPSECRET
schema.registry.bearer.auth.token=TOPSECRET
schema.registry.request.header.Authorization=TOPSECRET
schema.registry.ssl.key.password=TOPSECRET
schema.registry.url=http://u:TOPSECRET@h:8081,http://u:TOPSECRET@h:8082
metrics.tag.map=password=TOPSECRET
listener.name.https.ssl.keystore.password=TOPSECRET
confluent.license=TOPSECRET
kinesis.endpoint=ftp://u:TOPSECRET@h:1
listeners=http://u:TOPSECRET@h:1
client.ssl.keystore.pasword=TOPSECRET
sasl.jaas.config=TOPSECRET
config.providers.vault.param.token=TOPSECRET
client.metrics.secret=TOPSECRET
client.confluent.telemetry.api.key=TOPSECRET
client.confluent.telemetry.api.secret=TOPSECRET
`)
	if err == nil {
		t.Fatal("a listener of the scheme http://u:…@ is not refused")
	}
	var printed, logged bytes.Buffer
	if err := cfg.settings.print(&printed); err != nil {
		t.Fatal(err)
	}
	log, logErr := (&logFlags{level: "debug", format: "text"}).logger(&logged, 0)
	if logErr != nil {
		t.Fatal(logErr)
	}
	cfg.settings.log(log)
	for where, text := range map[string]string{"print": printed.String(), "log": logged.String(), "faults": err.Error()} {
		for l := range strings.Lines(text) {
			if strings.Contains(l, "TOPSECRET") {
				t.Errorf("%s shows a secret: %s", where, l)
			}
		}
	}
	if !strings.Contains(printed.String(), "schema.registry.url = http://[hidden]@h:8082  # kafka-rest.properties:10\n") {
		t.Errorf("the rest of a URL is gone:\n%s", printed.String())
	}
}

// TestLoadKafka: a job reads a client.properties of Kafka's own tools, or a kafka-rest.properties.
func TestLoadKafka(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		id         string
		brokers    int
		fault      string
	}{
		{"a client.properties", "bootstrap.servers=b:1\nclient.id=me\nsecurity.protocol=PLAINTEXT", "me", 1, ""},
		{"a kafka-rest.properties", "bootstrap.servers=b:1,c:1\nclient.client.id=me\nclient.id=other", "me", 2, ""},
		{"without brokers", "client.id=me", "me", 0, ""},
		{"a login without a mechanism", "security.protocol=SASL_SSL", "headrace", 0, "client.security.protocol needs client.sasl.mechanism: it is not given, and is GSSAPI"},
		{"bad brokers", "bootstrap.servers=b", "headrace", 0, `invalid value "b" for configuration bootstrap.servers`},
	} {
		path := filepath.Join(t.TempDir(), "client.properties")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := loadKafka(sources{file: path}, "consumer.")
		if tt.fault == "" && err != nil || tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.fault)
		}
		if cfg.ClientID != tt.id || len(cfg.Brokers) != tt.brokers {
			t.Errorf("%s: %+v", tt.name, cfg)
		}
	}
}

func TestListenURL(t *testing.T) {
	for _, tt := range []struct{ listen, want string }{
		{":80", "http://0.0.0.0:80"},
		{"127.0.0.1:80", "http://127.0.0.1:80"},
		{"[::1]:80", "http://[::1]:80"},
		{"http://a:1", "http://a:1"},
	} {
		if got := listenURL(tt.listen); got != tt.want {
			t.Errorf("listenURL(%q) = %q, want %q", tt.listen, got, tt.want)
		}
	}
}
