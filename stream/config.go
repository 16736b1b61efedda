package stream

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"headrace/kinesisclient"
	"headrace/properties"
)

// Config is one job's configuration, checked. Make it with ParseConfig. Field comments name the key.
type Config struct {
	Streams      []string       // streams: these, or
	StreamsRegex *regexp.Regexp // streams.regex: every stream whose whole name matches
	TablesURL    string         // tables.url
	Pipeline     string         // pipeline: pinterest, or a directory
	TableName    string         // table.name: {prefix} and {event} stand for parts of the stream's name
	Start        Start          // start.position

	CommitRows     int           // commit.rows: a commit when so many records wait,
	CommitBytes    int64         // commit.bytes: or so many bytes of them,
	CommitInterval time.Duration // commit.interval.ms: or when the last one is so long ago

	JobName string // job.name: names the positions and the Delta transactions

	Kinesis kinesisclient.Config // kinesis.*
}

// Start is where a shard without a position begins.
type Start struct {
	Latest bool      // with what arrives from now on
	At     time.Time // with what arrived then; zero and not Latest: with the oldest that is kept
}

// ConfigError lists everything that is wrong with a configuration.
type ConfigError struct{ Faults []string }

func (e *ConfigError) Error() string { return strings.Join(e.Faults, "\n") }

// Key is one row of the table of keys.
type Key struct {
	Name    string
	Default string
	Note    string // what it does, with its unit and what would work
}

// Keys is the table of a stream job's keys.
func Keys() []Key {
	return []Key{
		{"streams", "", "names of streams, comma-separated; this or streams.regex must be given"},
		{"streams.regex", "", "a regular expression; every stream whose whole name matches is read, new ones too"},
		{"tables.url", "", "where the tables go: a directory, or s3://BUCKET/PREFIX?region=…&endpoint=…; must be given"},
		{"pipeline", "pinterest", "what is cleaned, and how: pinterest, or a directory with pipeline.yaml and tables/*.sql"},
		{"table.name", "{prefix}_{event}_table", "a table's name: {event} is what stands behind the last - of the stream's name, {prefix} what stands before it, without streaming- in front"},
		{"start.position", "oldest", "where to begin without a position: oldest, latest, or a time such as 2026-01-31T12:00:00Z"},
		{"commit.rows", "10000", "records, 1 or more: a commit when so many wait"},
		{"commit.bytes", "33554432", "bytes, 1 or more: a commit when so many wait"},
		{"commit.interval.ms", "1000", "milliseconds, 0 or more: the shortest time between two commits that are neither full"},
		{"job.name", "headrace", "names the positions and the Delta transactions: two jobs with one name share them and must not run at the same time"},
		{"kinesis.region", "", "AWS region; empty: as the environment, the profile or the instance says"},
		{"kinesis.endpoint", "", "base URL of another server than Amazon's"},
		{"kinesis.role.arn", "", "assume this role"},
		{"kinesis.profile", "", "of the shared AWS files"},
	}
}

// ParseConfig reads a job's properties file. The error is a *ConfigError that lists all faults,
// or says why the text cannot be read.
func ParseConfig(text []byte) (cfg Config, warnings []string, err error) {
	file, err := properties.Parse(text)
	if err != nil {
		return Config{}, nil, err
	}
	for _, w := range file.Warnings {
		warnings = append(warnings, w.String())
	}
	p := parser{values: map[string]string{}}
	for _, key := range Keys() {
		p.values[key.Name] = key.Default
	}
	last := file.Last()
	for _, name := range slices.Sorted(maps.Keys(last)) {
		entry := last[name]
		if _, ok := p.values[name]; !ok {
			p.fault("line %d: unknown key %q: did you mean %s?", entry.Line, name, p.nearest(name))
			continue
		}
		p.values[name] = strings.TrimSpace(entry.Value)
	}
	cfg = p.config()
	if len(p.faults) > 0 {
		return Config{}, warnings, &ConfigError{p.faults}
	}
	return cfg, warnings, nil
}

type parser struct {
	values map[string]string
	faults []string
}

func (p *parser) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

func (p *parser) config() Config {
	cfg := Config{
		TablesURL: p.values["tables.url"], Pipeline: p.values["pipeline"], TableName: p.values["table.name"],
		Start:      p.start(),
		CommitRows: int(p.number("commit.rows", 1)), CommitBytes: p.number("commit.bytes", 1),
		CommitInterval: time.Duration(p.number("commit.interval.ms", 0)) * time.Millisecond,
		JobName:        p.values["job.name"],
		Kinesis:        kinesisclient.DefaultConfig(),
	}
	cfg.Kinesis.Region, cfg.Kinesis.Endpoint = p.values["kinesis.region"], p.values["kinesis.endpoint"]
	cfg.Kinesis.RoleARN, cfg.Kinesis.Profile = p.values["kinesis.role.arn"], p.values["kinesis.profile"]
	if err := cfg.Kinesis.Validate(); err != nil {
		p.fault("%v", err)
	}
	for name := range strings.SplitSeq(p.values["streams"], ",") {
		if name = strings.TrimSpace(name); name != "" {
			cfg.Streams = append(cfg.Streams, name)
		}
	}
	cfg.StreamsRegex = p.regex()
	if (len(cfg.Streams) == 0) == (cfg.StreamsRegex == nil) && len(p.faults) == 0 {
		p.fault("exactly one of streams and streams.regex must be given, for example streams=streaming-demo-pin,streaming-demo-geo,streaming-demo-user")
	}
	if cfg.TablesURL == "" {
		p.fault("tables.url is not given: a directory or s3://BUCKET/PREFIX?region=… would work")
	}
	if cfg.JobName == "" || strings.ContainsAny(cfg.JobName, "/\\") {
		p.fault("job.name is %q: a name without slashes would work", cfg.JobName)
	}
	if rest := strings.NewReplacer("{prefix}", "", "{event}", "").Replace(cfg.TableName); !strings.Contains(cfg.TableName, "{event}") || strings.ContainsAny(rest, "{}") {
		p.fault("table.name is %q: a name with {event} in it, such as {prefix}_{event}_table, would work", cfg.TableName)
	}
	return cfg
}

func (p *parser) regex() *regexp.Regexp {
	text := p.values["streams.regex"]
	if text == "" {
		return nil
	}
	re, err := regexp.Compile("^(?:" + text + ")$")
	if err != nil {
		p.fault("streams.regex is %q: %v", text, err)
	}
	return re
}

func (p *parser) start() Start {
	switch text := p.values["start.position"]; text {
	case "oldest":
		return Start{}
	case "latest":
		return Start{Latest: true}
	default:
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			p.fault("start.position is %q: oldest, latest or a time such as 2026-01-31T12:00:00Z would work", text)
		}
		return Start{At: at}
	}
}

func (p *parser) number(name string, least int64) int64 {
	n, err := strconv.ParseInt(p.values[name], 10, 64)
	if err != nil || n < least {
		p.fault("%s is %q: a number from %d would work", name, p.values[name], least)
	}
	return n
}

// nearest is the known key that shares most with name: its first letters, then its last.
func (p *parser) nearest(name string) string {
	best, most := "", -1
	for _, key := range Keys() {
		same := 0
		for same < min(len(name), len(key.Name)) && name[same] == key.Name[same] {
			same++
		}
		tail := 0
		for tail < min(len(name), len(key.Name))-same && name[len(name)-1-tail] == key.Name[len(key.Name)-1-tail] {
			tail++
		}
		if same+tail > most {
			best, most = key.Name, same+tail
		}
	}
	return best
}
