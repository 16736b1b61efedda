package sink

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"headrace/kafkaclient"
	"headrace/lake/store"
	"headrace/properties"
)

// Config is one connector's configuration, checked. Make it with ParseConfig: the zero value is
// not usable. Field comments name the connector's key.
type Config struct {
	Name     string // name
	Group    string // connect-<name>, as Kafka Connect calls it, or consumer.override.group.id
	TasksMax int    // tasks.max: members of the group in this process

	Topics      []string       // topics, or
	TopicsRegex *regexp.Regexp // topics.regex: the whole name matches

	FlushSize      int    // flush.size: records of one object; at least 1
	TopicsDir      string // topics.dir: first path element; empty: none
	DirectoryDelim string // directory.delim
	FileDelim      string // file.delim
	OffsetDigits   int    // filename.offset.zero.pad.width
	Extension      string // of the format: ".json"

	Format        Format    // format.class
	Converter     Converter // value.converter
	JavaJSON      bool      // headrace.json.text=java
	Separator     string    // format.bytearray.separator, behind each record of ByteArrayFormat
	IgnoreNulls   bool      // behavior.on.null.values=ignore; else a null value ends the job
	TolerateAll   bool      // errors.tolerance=all: a record that is no JSON is skipped
	LogBadRecords bool      // errors.log.enable

	StoreDir     string         // store.url=file:///DIR: objects go to DIR/<bucket>; empty: to S3
	S3           store.S3Config // bucket and how to reach it
	PartBytes    int            // s3.part.size: an object over it goes in parts of this size
	RetryBackoff time.Duration  // retry.backoff.ms: pause before a failed object is tried again

	MemoryBytes    int64         // headrace.memory.bytes: open and unfinished files of this process; each task may exceed it by a part and a poll
	Uploads        int           // headrace.uploads: objects under way at the same time
	CommitInterval time.Duration // headrace.commit.interval.ms: longest wait of a finished object for its commit
	DrainTimeout   time.Duration // headrace.drain.timeout.ms: longest wait for unfinished objects at the end

	overrides map[string]string // consumer.override.*, without the prefix
}

// Format is what a record becomes in its object.
type Format int

// The formats that are built.
const (
	JSONLines Format = iota // one JSON text per line
	RawBytes                // the value's bytes and a separator
)

// Converter is how a record's value bytes are understood.
type Converter int

// The converters that are built.
const (
	JSONValue   Converter = iota // JSON without a schema
	StringValue                  // UTF-8 text
	BytesValue                   // bytes
)

// ConfigError lists everything that is wrong with a configuration.
type ConfigError struct{ Faults []string }

func (e *ConfigError) Error() string { return strings.Join(e.Faults, "\n") }

// defaultPartBytes is used when s3.part.size is not given: the least that S3 takes. The
// reference's 25 MiB per open file is the memory its users complain of; the size shows nowhere
// but in the ETag.
const defaultPartBytes = store.MinPartBytes

// ParseConfig reads a connector's properties file or flat JSON object. warnings tell what is
// accepted without effect by mistake (unknown keys, odd lines). The error is a *ConfigError that
// lists all faults, or says why the text cannot be read.
func ParseConfig(text []byte) (cfg Config, warnings []string, err error) {
	file, err := properties.ParseAny(text)
	if err != nil {
		return Config{}, nil, err
	}
	for _, w := range file.Warnings {
		warnings = append(warnings, w.String())
	}
	p := &parser{given: map[string]string{}, known: knownKeys()}
	for key, entry := range file.Last() {
		value := entry.Value
		if key != "format.bytearray.separator" {
			value = strings.TrimSpace(value)
		}
		p.given[key] = value
	}
	p.checkEach()
	cfg = p.config()
	p.checkTogether(&cfg)
	if len(p.faults) > 0 {
		return Config{}, append(warnings, p.warnings...), &ConfigError{p.faults}
	}
	return cfg, append(warnings, p.warnings...), nil
}

// parser checks and reads the values given.
type parser struct {
	given    map[string]string
	known    map[string]key
	faults   []string
	warnings []string
}

func (p *parser) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

func (p *parser) warn(format string, args ...any) {
	p.warnings = append(p.warnings, fmt.Sprintf(format, args...))
}

// value is the value that counts: the one given, or the default.
func (p *parser) value(name string) string {
	if v, ok := p.given[name]; ok {
		return v
	}
	return p.known[name].def
}

// checkEach holds every value given against the table of keys.
func (p *parser) checkEach() {
	for _, name := range slices.Sorted(maps.Keys(p.known)) {
		if _, ok := p.given[name]; !ok && p.known[name].required {
			p.fault("Missing required configuration %q which has no default value.", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.given)) {
		value := p.given[name]
		k, ok := p.known[name]
		switch {
		case ok:
			p.checkOne(name, value, k)
		case foreign(name):
		case isFamily(name, "consumer.override."):
			p.checkOverride(strings.TrimPrefix(name, "consumer.override."))
		default:
			if near := nearest(name, p.known); near != "" {
				p.warn("unknown key %s is ignored: did you mean %s?", name, near)
			} else {
				p.warn("unknown key %s is ignored", name)
			}
		}
	}
}

func (p *parser) checkOne(name, value string, k key) {
	if k.check != nil {
		if problem := k.check(value); problem != "" {
			p.fault("Invalid value %s for configuration %s: %s", k.show(value), name, problem)
			return
		}
	}
	if k.built != nil && !k.built(value) {
		p.fault("%s=%s is not built yet: %s", name, k.show(value), k.instead)
	}
}

// config reads the values; those with a fault read as zero.
func (p *parser) config() Config {
	name := p.value("name")
	cfg := Config{
		Name:           name,
		Group:          "connect-" + name,
		TasksMax:       max(p.integer("tasks.max"), 1),
		FlushSize:      max(p.integer("flush.size"), 1),
		TopicsDir:      p.value("topics.dir"),
		DirectoryDelim: p.value("directory.delim"),
		FileDelim:      p.value("file.delim"),
		OffsetDigits:   p.integer("filename.offset.zero.pad.width"),
		Extension:      ".json",
		JavaJSON:       strings.EqualFold(p.value("headrace.json.text"), "java"),
		Separator:      p.value("format.bytearray.separator"),
		IgnoreNulls:    strings.EqualFold(p.value("behavior.on.null.values"), "ignore"),
		TolerateAll:    strings.EqualFold(p.value("errors.tolerance"), "all"),
		LogBadRecords:  p.boolean("errors.log.enable"),
		S3: store.S3Config{
			Bucket:          p.value("s3.bucket.name"),
			Region:          p.value("s3.region"),
			PathStyle:       p.boolean("s3.path.style.access.enabled"),
			AccessKeyID:     p.value("aws.access.key.id"),
			SecretAccessKey: p.value("aws.secret.access.key"),
			Retries:         p.integer("s3.part.retries"),
			RetryBackoff:    p.millis("s3.retry.backoff.ms"),
		},
		PartBytes:      defaultPartBytes,
		RetryBackoff:   p.millis("retry.backoff.ms"),
		MemoryBytes:    p.long("headrace.memory.bytes"),
		Uploads:        p.integer("headrace.uploads"),
		CommitInterval: p.millis("headrace.commit.interval.ms"),
		DrainTimeout:   p.millis("headrace.drain.timeout.ms"),
		overrides:      map[string]string{},
	}
	if _, ok := p.given["s3.part.size"]; ok {
		cfg.PartBytes = p.integer("s3.part.size")
	}
	if p.value("format.class") == byteArrayFormat {
		cfg.Format, cfg.Extension = RawBytes, p.value("format.bytearray.extension")
	}
	switch p.value("value.converter") {
	case stringConverter:
		cfg.Converter = StringValue
	case bytesConverter:
		cfg.Converter = BytesValue
	}
	for name, value := range p.given {
		if isFamily(name, "consumer.override.") {
			cfg.overrides[strings.TrimPrefix(name, "consumer.override.")] = value
		}
	}
	if group := cfg.overrides["group.id"]; group != "" {
		cfg.Group = group
	}
	cfg.S3.Connections = cfg.Uploads
	return cfg
}

// checkTogether checks what spans keys.
func (p *parser) checkTogether(cfg *Config) {
	p.checkTopics(cfg)
	p.checkValues(cfg)
	p.checkPlace(cfg)
	if p.boolean("s3.wan.mode") {
		if cfg.S3.PathStyle {
			p.fault("Invalid value true for configuration s3.wan.mode: Transfer acceleration does not go with s3.path.style.access.enabled=true")
		} else {
			p.fault("s3.wan.mode=true is not built yet: leave it false")
		}
	}
	if strings.EqualFold(p.value("behavior.on.null.values"), "write") && !p.boolean("store.kafka.keys") {
		p.fault("Invalid value write for configuration behavior.on.null.values: null values can be written only with store.kafka.keys=true")
	}
	if p.long("rotate.interval.ms") > 0 {
		p.warn("rotate.interval.ms is without effect: it needs a time-based partitioner")
	}
	for _, name := range []string{"transforms", "predicates"} {
		if p.value(name) != "" {
			p.fault("%s=%s is not built: remove the transforms, or do them before the topic is written", name, p.value(name))
		}
	}
	if err := cfg.applyOverrides(&kafkaclient.ConsumerConfig{}); err != nil {
		p.faults = append(p.faults, err.Error())
	}
}

func (p *parser) checkTopics(cfg *Config) {
	topics, regex := p.value("topics"), p.value("topics.regex")
	switch {
	case topics != "" && regex != "":
		p.fault("topics and topics.regex are mutually exclusive options, but both are set.")
	case topics == "" && regex == "":
		p.fault("Must configure one of topics or topics.regex")
	case topics != "":
		for topic := range strings.SplitSeq(topics, ",") {
			if topic = strings.TrimSpace(topic); topic != "" && !slices.Contains(cfg.Topics, topic) {
				cfg.Topics = append(cfg.Topics, topic)
			}
		}
	default:
		whole, err := regexp.Compile(regex)
		if err != nil {
			p.fault("Invalid value %s for configuration topics.regex: Must be a valid regex (%v; Java's look-around, back references and possessive repeats are not understood)", regex, err)
			return
		}
		cfg.TopicsRegex = whole
	}
}

// checkValues checks that converter and format go together.
func (p *parser) checkValues(cfg *Config) {
	if _, ok := p.given["value.converter"]; !ok {
		p.fault(`Missing required configuration "value.converter": the Connect worker's default is not known here, name the one it used`)
		return
	}
	if cfg.Converter == JSONValue && p.value("value.converter") == jsonConverter && p.boolean("value.converter.schemas.enable") {
		p.fault("value.converter.schemas.enable=true (JsonConverter's default) is not built yet: set it to false if the values carry no schema")
	}
	if cfg.Format == RawBytes && cfg.Converter != BytesValue {
		p.fault("format.class=%s does not go with value.converter=%s: every record would fail; use %s", byteArrayFormat, p.value("value.converter"), bytesConverter)
	}
}

// checkPlace reads store.url.
func (p *parser) checkPlace(cfg *Config) {
	endpoint := p.value("store.url")
	scheme, rest, _ := strings.Cut(endpoint, "://")
	switch {
	case endpoint == "":
	case scheme == "file" && strings.HasPrefix(rest, "/"):
		cfg.StoreDir = rest
	case scheme == "http" || scheme == "https":
		cfg.S3.Endpoint = endpoint
	default:
		p.fault("Invalid value %s for configuration store.url: http://HOST:PORT, https://HOST or file:///DIRECTORY is expected", endpoint)
	}
}

func (p *parser) integer(name string) int {
	n, _ := strconv.ParseInt(p.value(name), 10, 32)
	return int(n)
}

func (p *parser) long(name string) int64 {
	n, _ := strconv.ParseInt(p.value(name), 10, 64)
	return n
}

func (p *parser) millis(name string) time.Duration { return millis(p.long(name)) }

func (p *parser) boolean(name string) bool { return strings.EqualFold(p.value(name), "true") }

// millis is n ms, cut at what a Duration can hold.
func millis(n int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(n, most)) * time.Millisecond
}
