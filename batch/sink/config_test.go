package sink

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"headrace/kafkaclient"
)

// usersConnector is the configuration that users run, as a flat JSON object.
const usersConnector = `{
  "connector.class": "io.confluent.connect.s3.S3SinkConnector",
  "storage.class": "io.confluent.connect.s3.storage.S3Storage",
  "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
  "partitioner.class": "io.confluent.connect.storage.partitioner.DefaultPartitioner",
  "key.converter": "org.apache.kafka.connect.storage.StringConverter",
  "value.converter": "org.apache.kafka.connect.json.JsonConverter",
  "value.converter.schemas.enable": "false",
  "flush.size": "1", "schema.compatibility": "NONE", "tasks.max": "3",
  "topics.regex": "demo.*", "s3.region": "eu-west-1", "s3.bucket.name": "demo-bucket",
  "name": "demo"
}`

func TestUsersConnectorIsTakenAsItIs(t *testing.T) {
	cfg, warnings, err := ParseConfig([]byte(usersConnector))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("ParseConfig = %v, %q", err, warnings)
	}
	if cfg.Group != "connect-demo" || cfg.TasksMax != 3 || cfg.FlushSize != 1 || cfg.TopicsRegex.String() != "demo.*" {
		t.Errorf("ParseConfig = %+v", cfg)
	}
	if cfg.S3.Bucket != "demo-bucket" || cfg.S3.Region != "eu-west-1" || !cfg.S3.PathStyle || cfg.S3.Retries != 3 || cfg.S3.RetryBackoff != 200*time.Millisecond {
		t.Errorf("S3 = %+v", cfg.S3)
	}
	if cfg.RetryBackoff != 5*time.Second || cfg.PartBytes != 5<<20 || cfg.MemoryBytes != 48<<20 || cfg.Uploads != 16 {
		t.Errorf("defaults are %+v", cfg)
	}
}

// TestFaults: what is refused, with a text that names the key.
func TestFaults(t *testing.T) {
	tests := []struct {
		name    string
		changes map[string]string
		want    string
	}{
		{"no flush.size", map[string]string{"flush.size": "-"}, `Missing required configuration "flush.size" which has no default value.`},
		{"no name", map[string]string{"name": "-"}, `Missing required configuration "name" which has no default value.`},
		{"no storage.class", map[string]string{"storage.class": "-"}, `Missing required configuration "storage.class" which has no default value.`},
		{"no format.class", map[string]string{"format.class": "-"}, `Missing required configuration "format.class" which has no default value.`},
		{"no bucket", map[string]string{"s3.bucket.name": "-"}, `Missing required configuration "s3.bucket.name" which has no default value.`},
		{"no value.converter", map[string]string{"value.converter": "-"}, `Missing required configuration "value.converter"`},
		{"a word for a number", map[string]string{"flush.size": "abc"}, "Invalid value abc for configuration flush.size: Not a number of type INT"},
		{"too large a number", map[string]string{"flush.size": "2147483648"}, "Invalid value 2147483648 for configuration flush.size: Not a number of type INT"},
		{"a word for a long", map[string]string{"retry.backoff.ms": "5s"}, "Invalid value 5s for configuration retry.backoff.ms: Not a number of type LONG"},
		{"a word for a boolean", map[string]string{"s3.path.style.access.enabled": "yes"}, "Invalid value yes for configuration s3.path.style.access.enabled: Expected value to be either true or false"},
		{"a class that is none", map[string]string{"format.class": "x.Y"}, "Invalid value x.Y for configuration format.class: Class x.Y could not be found."},
		{"a small part", map[string]string{"s3.part.size": "5242879"}, "Invalid value 5242879 for configuration s3.part.size: Value must be at least 5242880"},
		{"a large part", map[string]string{"s3.part.size": "2147483648"}, "configuration s3.part.size"},
		{"GZIP in capitals", map[string]string{"s3.compression.type": "GZIP"}, "Invalid value GZIP for configuration s3.compression.type"},
		{"null records written", map[string]string{"behavior.on.null.values": "write"}, "Invalid value write for configuration behavior.on.null.values"},
		{"acceleration with path style", map[string]string{"s3.wan.mode": "true"}, "Invalid value true for configuration s3.wan.mode"},
		{"topics twice", map[string]string{"topics.regex": "t.*"}, "topics and topics.regex are mutually exclusive options, but both are set."},
		{"no topics", map[string]string{"topics": "-"}, "Must configure one of topics or topics.regex"},
		{"a broken regex", map[string]string{"topics": "-", "topics.regex": "("}, "configuration topics.regex"},
		{"a Java regex", map[string]string{"topics": "-", "topics.regex": "(?=a)b"}, "configuration topics.regex"},
		{"another connector", map[string]string{"connector.class": "x.Sink"}, "configuration connector.class"},
		{"a strange store", map[string]string{"store.url": "ftp://x"}, "configuration store.url"},
		{"bytes from JSON", map[string]string{"format.class": byteArrayFormat}, "format.class=" + byteArrayFormat + " does not go with value.converter"},
		{"a bad override", map[string]string{"consumer.override.auto.offset.reset": "first"}, "configuration consumer.override.auto.offset.reset"},

		{"gzip", map[string]string{"s3.compression.type": "gzip"}, "s3.compression.type=gzip is not built yet"},
		{"Avro", map[string]string{"format.class": avroFormat}, "format.class=" + avroFormat + " is not built yet"},
		{"Parquet", map[string]string{"format.class": parquetFormat}, "format.class=" + parquetFormat + " is not built yet"},
		{"schemas", map[string]string{"value.converter.schemas.enable": "true"}, "value.converter.schemas.enable=true"},
		{"schemas by default", map[string]string{"value.converter.schemas.enable": "-"}, "value.converter.schemas.enable=true"},
		{"Avro values", map[string]string{"value.converter": "io.confluent.connect.avro.AvroConverter"}, "value.converter="},
		{"JSON keys", map[string]string{"key.converter": jsonConverter}, "key.converter="},
		{"a time-based partitioner", map[string]string{"partitioner.class": partitioners + "TimeBasedPartitioner"}, "partitioner.class="},
		{"rotation by the clock", map[string]string{"rotate.schedule.interval.ms": "3000"}, "rotate.schedule.interval.ms=3000 is not built yet"},
		{"stored keys", map[string]string{"store.kafka.keys": "TRUE"}, "store.kafka.keys=TRUE is not built yet"},
		{"stored headers", map[string]string{"store.kafka.headers": "true"}, "store.kafka.headers=true is not built yet"},
		{"a dead letter topic", map[string]string{"errors.deadletterqueue.topic.name": "dlq"}, "errors.deadletterqueue.topic.name=dlq is not built yet"},
		{"an ACL", map[string]string{"s3.acl.canned": "private"}, "s3.acl.canned=private is not built yet"},
		{"encryption", map[string]string{"s3.ssea.name": "AES256"}, "s3.ssea.name=AES256 is not built yet"},
		{"a customer's key", map[string]string{"s3.sse.customer.key": "secret"}, "s3.sse.customer.key=[hidden] is not built yet"},
		{"tags", map[string]string{"s3.object.tagging": "true"}, "s3.object.tagging=true is not built yet"},
		{"a proxy", map[string]string{"s3.proxy.url": "http://p"}, "s3.proxy.url=http://p is not built yet"},
		{"a role", map[string]string{"s3.credentials.provider.class": "io.confluent.connect.s3.auth.AwsAssumeRoleCredentialsProvider"}, "s3.credentials.provider.class="},
		{"transforms", map[string]string{"transforms": "a", "transforms.a.type": "x"}, "transforms=a is not built"},
		{"a login of its own", map[string]string{"consumer.override.sasl.jaas.config": "secret"}, "consumer.override.sasl.jaas.config is not built"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ParseConfig(connector(tt.changes))
			var faults *ConfigError
			if !errors.As(err, &faults) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("ParseConfig = %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells a secret: %v", err)
			}
			if len(faults.Faults) != 1 && tt.name != "null records written" {
				t.Errorf("%d faults for one: %v", len(faults.Faults), err)
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, _, err := ParseConfig([]byte("flush.size=abc\ns3.part.size=1\n"))
	var faults *ConfigError
	if !errors.As(err, &faults) || len(faults.Faults) < 8 {
		t.Errorf("ParseConfig = %v, want every missing key and both bad values", err)
	}
}

// TestAccepted: what is without effect, or whose effect is built.
func TestAccepted(t *testing.T) {
	tests := []struct {
		name     string
		changes  map[string]string
		warnings int
		check    func(Config) bool
	}{
		{"flush.size 0 is 1", map[string]string{"flush.size": "0"}, 0, func(c Config) bool { return c.FlushSize == 1 }},
		{"a negative one too", map[string]string{"flush.size": "-5"}, 0, func(c Config) bool { return c.FlushSize == 1 }},
		{"values are trimmed", map[string]string{"flush.size": " 3 "}, 0, func(c Config) bool { return c.FlushSize == 3 }},
		{"the separator is not", map[string]string{"format.class": byteArrayFormat, "value.converter": bytesConverter, "format.bytearray.separator": "; "}, 0, func(c Config) bool { return c.Separator == "; " }},
		{"an unknown key", map[string]string{"my.own.key": "x"}, 1, nil},
		{"any region", map[string]string{"s3.region": "moon-1"}, 0, func(c Config) bool { return c.S3.Region == "moon-1" }},
		{"any compatibility", map[string]string{"schema.compatibility": "SOME"}, 0, nil},
		{"a short class name", map[string]string{"connector.class": "S3Sink"}, 0, nil},
		{"several topics", map[string]string{"topics": "a, b,a"}, 0, func(c Config) bool { return cmp.Equal(c.Topics, []string{"a", "b"}) }},
		{"a directory", map[string]string{"store.url": "file:///data/s3"}, 0, func(c Config) bool { return c.StoreDir == "/data/s3" }},
		{"an endpoint", map[string]string{"store.url": "http://127.0.0.1:9000"}, 0, func(c Config) bool { return c.S3.Endpoint == "http://127.0.0.1:9000" && c.StoreDir == "" }},
		{"rotation by record time needs another partitioner", map[string]string{"rotate.interval.ms": "1000"}, 1, nil},
		{"the partitioner is the default", map[string]string{"partitioner.class": "-", "path.format": "YYYY", "timezone": "UTC"}, 0, nil},
		{"a part size", map[string]string{"s3.part.size": "5242880"}, 0, func(c Config) bool { return c.PartBytes == 5<<20 }},
		{"settings of the converters", map[string]string{"value.converter.decimal.format": "NUMERIC", "value.converter.schemas.cache.size": "10"}, 0, nil},
		{"another group", map[string]string{"consumer.override.group.id": "g"}, 0, func(c Config) bool { return c.Group == "g" }},
		{"an unknown override", map[string]string{"consumer.override.my.key": "x"}, 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, warnings, err := ParseConfig(connector(tt.changes))
			if err != nil {
				t.Fatalf("ParseConfig: %v", err)
			}
			if len(warnings) != tt.warnings {
				t.Errorf("warnings = %q, want %d", warnings, tt.warnings)
			}
			if tt.check != nil && !tt.check(cfg) {
				t.Errorf("ParseConfig = %+v", cfg)
			}
		})
	}
}

func TestMisspeltKeyIsNamed(t *testing.T) {
	_, warnings, err := ParseConfig(connector(map[string]string{"flush.sizes": "2"}))
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "did you mean flush.size?") {
		t.Errorf("ParseConfig warns %q, %v", warnings, err)
	}
}

func TestConsumerOverrides(t *testing.T) {
	cfg := config(t, map[string]string{
		"consumer.override.session.timeout.ms":        "-",
		"consumer.override.heartbeat.interval.ms":     "-",
		"consumer.override.fetch.max.wait.ms":         "7",
		"consumer.override.auto.offset.reset":         "latest",
		"consumer.override.isolation.level":           "read_committed",
		"consumer.override.bootstrap.servers":         "PLAINTEXT://a:1, b:2",
		"consumer.override.max.partition.fetch.bytes": "9",
		"consumer.override.max.poll.records":          "1",
	})
	got, err := cfg.consumer(kafkaclient.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	if got.Group != "connect-test" || !got.StartLatest || !got.ReadCommitted || got.FetchMaxPartition != 9 || got.FetchMaxWait != 7*time.Millisecond {
		t.Errorf("consumer = %+v", got)
	}
	if !cmp.Equal(got.Brokers, []string{"a:1", "b:2"}) || !cfg.NamesBrokers() {
		t.Errorf("Brokers = %v", got.Brokers)
	}
	if got.SessionTimeout != sessionTimeout || got.HeartbeatInterval != heartbeatInterval || got.MetadataMaxAge != metadataMaxAge {
		t.Errorf("the sink's defaults are lost: %+v", got)
	}
}

// FuzzParseConfig: no connector file makes the parser panic, and what it accepts can work.
func FuzzParseConfig(f *testing.F) {
	f.Add(connector(nil))
	f.Add([]byte(usersConnector))
	f.Add([]byte(`{"name":"x","config":{"flush.size":"1"}}`))
	f.Add([]byte("flush.size=\\u12"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, _, err := ParseConfig(text)
		if err != nil {
			return
		}
		if cfg.FlushSize < 1 || cfg.TasksMax < 1 || cfg.Name == "" || cfg.PartBytes < 1 || cfg.Uploads < 1 {
			t.Errorf("accepted %+v", cfg)
		}
		if _, err := json.Marshal(cfg.Name); err != nil {
			t.Error(err)
		}
	})
}
