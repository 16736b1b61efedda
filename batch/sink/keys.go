package sink

import (
	"slices"
	"strconv"
	"strings"
)

// Class names that are understood.
const (
	jsonFormat       = "io.confluent.connect.s3.format.json.JsonFormat"
	byteArrayFormat  = "io.confluent.connect.s3.format.bytearray.ByteArrayFormat"
	avroFormat       = "io.confluent.connect.s3.format.avro.AvroFormat"
	parquetFormat    = "io.confluent.connect.s3.format.parquet.ParquetFormat"
	s3Storage        = "io.confluent.connect.s3.storage.S3Storage"
	partitioners     = "io.confluent.connect.storage.partitioner."
	stringConverter  = "org.apache.kafka.connect.storage.StringConverter"
	jsonConverter    = "org.apache.kafka.connect.json.JsonConverter"
	bytesConverter   = "org.apache.kafka.connect.converters.ByteArrayConverter"
	simpleConverter  = "org.apache.kafka.connect.storage.SimpleHeaderConverter"
	defaultAWSChain  = "com.amazonaws.auth.DefaultAWSCredentialsProviderChain"
	defaultAWSChain2 = "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
)

// key is what is known of one configuration key.
type key struct {
	def      string
	required bool
	secret   bool
	check    func(value string) string // what is wrong with the value; empty: nothing
	built    func(value string) bool   // nil: every value is honoured, or has no effect here
	instead  string                    // with built: what would work
}

func (k key) show(value string) string {
	if k.secret {
		return "[hidden]"
	}
	return value
}

// knownKeys is the table of the contract, §1 and §2, and of our own keys. A key whose row has
// neither check nor built is either honoured as text or without effect on what is written.
func knownKeys() map[string]key {
	return map[string]key{
		// Kafka Connect's own.
		"name":                              {required: true, check: nonEmpty},
		"connector.class":                   {required: true, check: oneOf("io.confluent.connect.s3.S3SinkConnector", "S3SinkConnector", "S3Sink")},
		"tasks.max":                         {def: "1", check: integer(1, maxInt)},
		"tasks.max.enforce":                 {check: boolean},
		"topics":                            {},
		"topics.regex":                      {},
		"key.converter":                     {built: oneFixed(stringConverter, bytesConverter), instead: "keys are not written, but these two converters are the ones that accept every key: " + stringConverter + ", " + bytesConverter},
		"value.converter":                   {built: oneFixed(jsonConverter, stringConverter, bytesConverter), instead: "use " + jsonConverter + ", " + stringConverter + " or " + bytesConverter},
		"value.converter.schemas.enable":    {def: "true", check: boolean},
		"key.converter.schemas.enable":      {check: boolean},
		"header.converter":                  {built: oneFixed(simpleConverter, stringConverter, bytesConverter), instead: "headers are not written: leave it out"},
		"transforms":                        {},
		"predicates":                        {},
		"config.action.reload":              {},
		"errors.tolerance":                  {def: "none", check: oneOfFold("none", "all")},
		"errors.log.enable":                 {def: "false", check: boolean},
		"errors.log.include.messages":       {check: boolean},
		"errors.retry.timeout":              {check: long(-1)},
		"errors.retry.delay.max.ms":         {check: long(1)},
		"errors.deadletterqueue.topic.name": {built: empty, instead: "leave it out and set errors.log.enable=true to see the records that are skipped"},
		"errors.deadletterqueue.topic.replication.factor": {check: integer(-1, maxInt)},
		"errors.deadletterqueue.context.headers.enable":   {check: boolean},
		"report.null.values.to.dlq":                       {check: boolean},

		// Files and rotation.
		"flush.size":                      {required: true, check: integer(minInt, maxInt)},
		"rotate.interval.ms":              {def: "-1", check: long(minLong)},
		"rotate.schedule.interval.ms":     {check: long(minLong), built: notPositive, instead: "leave it at -1; files close by flush.size"},
		"rotate.file.on.partition.change": {check: boolean},
		"partitioner.max.open.files":      {check: integer(minInt, maxInt)},
		"max.write.duration.ms":           {check: long(minLong)},
		"filename.offset.zero.pad.width":  {def: "10", check: integer(0, maxInt)},
		"topics.dir":                      {def: "topics"},
		"directory.delim":                 {def: "/"},
		"file.delim":                      {def: "+"},
		"schema.compatibility":            {},
		"retry.backoff.ms":                {def: "5000", check: long(0)},

		// Partitioners. Their keys are without effect on the default one.
		"partitioner.class": {
			check: class(partitioners+"DefaultPartitioner", partitioners+"FieldPartitioner", partitioners+"TimeBasedPartitioner", partitioners+"DailyPartitioner", partitioners+"HourlyPartitioner"),
			built: oneFixed(partitioners + "DefaultPartitioner"), instead: "use " + partitioners + "DefaultPartitioner",
		},
		"partition.field.name":           {},
		"path.format":                    {},
		"partition.duration.ms":          {check: long(minLong)},
		"locale":                         {},
		"timezone":                       {},
		"timestamp.extractor":            {},
		"timestamp.field":                {},
		"s3.schema.partition.affix.type": {check: oneOfFold("NONE", "PREFIX", "SUFFIX"), built: oneFold("NONE"), instead: "leave it at NONE"},

		// Formats.
		"format.class": {
			required: true,
			check:    class(jsonFormat, byteArrayFormat, avroFormat, parquetFormat),
			built:    oneFixed(jsonFormat, byteArrayFormat), instead: "use " + jsonFormat + " or " + byteArrayFormat,
		},
		"s3.compression.type":          {check: oneOf("none", "gzip"), built: oneFixed("none"), instead: "leave it at none"},
		"s3.compression.level":         {check: integer(-1, 9)},
		"json.decimal.format":          {check: oneOfFold("BASE64", "NUMERIC")},
		"format.bytearray.extension":   {def: ".bin"},
		"format.bytearray.separator":   {def: "\n"},
		"avro.codec":                   {check: oneOf("null", "deflate", "snappy", "bzip2")},
		"parquet.codec":                {check: oneOf("none", "gzip", "snappy", "lz4", "lz4_raw", "zstd", "brotli", "lzo")},
		"enhanced.avro.schema.support": {check: boolean},
		"connect.meta.data":            {check: boolean},
		"allow.optional.map.keys":      {check: boolean},
		"schemas.cache.config":         {check: integer(minInt, maxInt)},

		// Nulls, keys, headers.
		"behavior.on.null.values":     {def: "fail", check: oneOfFold("fail", "ignore", "write"), built: notFold("write"), instead: "use fail or ignore"},
		"tombstone.encoded.partition": {},
		"store.kafka.keys":            {def: "false", check: boolean, built: oneFold("false"), instead: "leave it false"},
		"store.kafka.headers":         {check: boolean, built: oneFold("false"), instead: "leave it false"},
		"keys.format.class":           {},
		"headers.format.class":        {},

		// S3.
		"storage.class":                {required: true, check: class(s3Storage)},
		"s3.bucket.name":               {required: true, check: nonEmpty},
		"s3.region":                    {def: "us-west-2"},
		"store.url":                    {},
		"s3.path.style.access.enabled": {def: "true", check: boolean},
		"s3.wan.mode":                  {def: "false", check: boolean},
		"aws.access.key.id":            {},
		"aws.secret.access.key":        {secret: true},
		"s3.credentials.provider.class": {
			built: oneFixed(defaultAWSChain, defaultAWSChain2), instead: "leave it out: AWS's default chain (environment, web identity, profile, container, instance) is used, or aws.access.key.id",
		},
		"s3.part.size":                        {check: integer(5<<20, maxInt)},
		"s3.elastic.buffer.enable":            {check: boolean},
		"s3.elastic.buffer.init.capacity":     {check: integer(1, maxInt)},
		"s3.part.retries":                     {def: "3", check: integer(0, maxInt)},
		"s3.retry.backoff.ms":                 {def: "200", check: long(0)},
		"s3.acl.canned":                       {built: empty, instead: "set the bucket's own default"},
		"s3.ssea.name":                        {built: empty, instead: "set the bucket's default encryption"},
		"s3.sse.kms.key.id":                   {secret: true},
		"s3.sse.customer.key":                 {secret: true, built: empty, instead: "leave it out"},
		"s3.object.tagging":                   {check: boolean, built: oneFold("false"), instead: "leave it false"},
		"s3.object.tagging.key.value.pairs":   {built: empty, instead: "leave it out"},
		"s3.object.behavior.on.tagging.error": {check: oneOfFold("ignore", "fail")},
		"s3.send.digest":                      {check: boolean},
		"s3.http.send.expect.continue":        {check: boolean},
		"s3.proxy.url":                        {built: empty, instead: "set HTTPS_PROXY in the environment"},
		"s3.proxy.user":                       {},
		"s3.proxy.password":                   {secret: true},
		"enable.conditional.writes":           {check: boolean},
		"max.files.scan.limit":                {check: integer(minInt, maxInt)},

		// Our own.
		"headrace.json.text":          {def: "preserve", check: oneOfFold("preserve", "java")},
		"headrace.memory.bytes":       {def: "50331648", check: long(1 << 20)},
		"headrace.uploads":            {def: "16", check: integer(1, 1024)},
		"headrace.commit.interval.ms": {def: "1000", check: long(10)},
		"headrace.drain.timeout.ms":   {def: "10000", check: long(0)},
	}
}

// foreign reports whether a key belongs to a part that takes no effect here: settings of the
// converters, of transforms that are refused as a whole, of the dead letter producer.
func foreign(name string) bool {
	for _, family := range []string{
		"key.converter.", "value.converter.", "header.converter.", "transforms.", "predicates.",
		"producer.override.", "admin.override.", "s3.credentials.provider.",
	} {
		if isFamily(name, family) {
			return true
		}
	}
	return false
}

func isFamily(name, prefix string) bool {
	return len(name) > len(prefix) && strings.HasPrefix(name, prefix)
}

const (
	minInt  = -1 << 31
	maxInt  = 1<<31 - 1
	minLong = -1 << 63
)

// The texts of the checks are those of Kafka's ConfigDef.

func nonEmpty(value string) string {
	if value == "" {
		return "String must be non-empty"
	}
	return ""
}

func boolean(value string) string {
	if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
		return "Expected value to be either true or false"
	}
	return ""
}

func integer(low, high int64) func(string) string {
	return number(32, "INT", low, high)
}

func long(low int64) func(string) string { return number(64, "LONG", low, 1<<63-1) }

func number(bits int, kind string, low, high int64) func(string) string {
	return func(value string) string {
		n, err := strconv.ParseInt(value, 10, bits)
		switch {
		case err != nil:
			return "Not a number of type " + kind
		case n < low:
			return "Value must be at least " + strconv.FormatInt(low, 10)
		case n > high:
			return "Value must be no more than " + strconv.FormatInt(high, 10)
		}
		return ""
	}
}

func oneOf(values ...string) func(string) string {
	return func(value string) string {
		if !oneFixed(values...)(value) {
			return "Value must be one of: " + strings.Join(values, ", ")
		}
		return ""
	}
}

func oneOfFold(values ...string) func(string) string {
	return func(value string) string {
		if !oneFold(values...)(value) {
			return "Value must be one of: " + strings.Join(values, ", ")
		}
		return ""
	}
}

func class(names ...string) func(string) string {
	return func(value string) string {
		if !oneFixed(names...)(value) {
			return "Class " + value + " could not be found."
		}
		return ""
	}
}

func oneFixed(values ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(values, value) }
}

func oneFold(values ...string) func(string) bool {
	return func(value string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, value) })
	}
}

func notFold(value string) func(string) bool {
	return func(given string) bool { return !strings.EqualFold(given, value) }
}

func empty(value string) bool { return value == "" }

func notPositive(value string) bool {
	return strings.HasPrefix(value, "-") || strings.Trim(value, "0") == ""
}

// nearest is the known key that a misspelt one may stand for: at most two edits away.
func nearest(name string, known map[string]key) string {
	best, least := "", 3 // edits; fewer it takes
	for candidate := range known {
		if d := distance(name, candidate, least); d < least || d == least && candidate < best {
			best, least = candidate, d
		}
	}
	return best
}

// distance is the number of edits between a and b; more than limit when their lengths rule it out.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
