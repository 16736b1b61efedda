package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"headrace/handlers"
	"headrace/kafkaclient"
	"headrace/kinesisclient"
	"headrace/peers"
	"headrace/properties"
	"headrace/schema"
	"headrace/server"
)

// config is every setting of the gateway, ready for the rooms.
type config struct {
	settings *settings // what it was made from

	server    server.Config
	handlers  handlers.Config
	producer  kafkaclient.ProducerConfig
	admin     kafkaclient.Config
	consumer  kafkaclient.Config // for the sinks, which add the rest themselves
	instances kafkaclient.InstancesConfig
	consumers handlers.ConsumersConfig
	peers     peers.Config
	kinesis   kinesisclient.Config
	schema    schema.Config
	level     slog.Level
	wait      brokerWait // before the start
}

// sources are the places that settings come from. Later fields win over earlier ones.
type sources struct {
	file    string             // path of a property file; empty: none
	environ []string           // as of os.Environ
	flags   map[string]setting // by key
}

// loadConfig reads all sources and checks everything. The error is an *invalidConfig that
// holds all faults at once.
func loadConfig(from sources) (config, error) {
	s := newSettings()
	s.readFile(from.file)
	s.readEnviron(from.environ)
	for key, value := range from.flags {
		s.set(key, value)
	}
	s.takeJavaTrust()
	s.resolve(from.environ)
	s.unusedLoggers()
	s.judge()
	cfg := s.build()
	if len(s.faults) > 0 {
		return cfg, s.invalid()
	}
	return cfg, nil
}

// loadKafka reads how a job reaches Kafka: from a kafka-rest.properties, or from a
// client.properties as Kafka's own tools take it, where the clients' keys bear no prefix. Without
// brokers the answer is valid all the same: the job may name them itself. prefix is that of the
// client that it is: its keys win over those of all clients.
func loadKafka(from sources, prefix string) (kafkaclient.Config, *settings, error) {
	s := newSettings()
	s.readFile(from.file)
	s.readEnviron(from.environ)
	for key, value := range from.flags {
		s.set(key, value)
	}
	s.resolve(from.environ)
	s.addPrefixes()
	s.takeJavaTrust()
	s.judge()
	var brokers []string
	if s.value("bootstrap.servers").text != "" {
		brokers = s.brokers()
	}
	cfg := s.kafkaConfig(prefix, brokers)
	if len(s.faults) > 0 {
		return cfg, s, s.invalid()
	}
	return cfg, s, nil
}

// addPrefixes puts client. before the clients' keys of a client.properties. A file that has the
// prefix on any key is none: there a key without it is a mistake, and warned of as such.
func (s *settings) addPrefixes() {
	_, login := s.given["security.protocol"]
	for key := range s.given {
		for _, layer := range clients {
			rest, _ := strings.CutPrefix(key, layer.prefix)
			if _, known := find(s.catalog.client, rest); known && rest != key && !s.catalog.isServer(key) {
				return
			}
		}
	}
	for key, given := range maps.Clone(s.given) {
		_, known := find(s.catalog.client, key)
		if !known || key == "bootstrap.servers" || s.catalog.isServer(key) && !login {
			continue
		}
		delete(s.given, key)
		s.given["client."+key] = given
	}
}

// invalidConfig is all that is wrong with a configuration.
type invalidConfig struct {
	faults []string
	image  bool // a variable is set that the container image itself stops at: exit code 1, as there
}

func (s *settings) invalid() *invalidConfig { return &invalidConfig{s.faults, s.imageStops} }

func (e *invalidConfig) Error() string {
	return "Server configuration failed:\n  " + strings.Join(e.faults, "\n  ")
}

// setting is one value as given, and where.
type setting struct {
	raw       string
	reference string // the text as it was given, where a provider has brought raw; else ""
	origin    string // "FILE:12", "environment variable NAME", "flag --listen"
	rank      int    // order of reading, for reports
}

// settings are all given values, by key, and what there is to say about them.
type settings struct {
	catalog    *catalog
	given      map[string]setting
	java       map[string]setting // properties of the JVM (-Dname=value) in KAFKAREST_OPTS and its like
	secrets    []string           // values that providers brought: never in a message
	faults     []string           // each names key, value and origin
	notes      []note
	said       []string              // faults and warnings that several clients would repeat
	level      slog.Level            // of the log, as the environment has it
	loggers    map[string]slog.Level // of Java loggers, by name in full
	wait       brokerWait
	imageStops bool // see invalidConfig
}

// note is a remark for the log at start.
type note struct {
	level slog.Level
	text  string
	attrs []any
}

func newSettings() *settings {
	return &settings{catalog: newCatalog(), given: map[string]setting{}, java: map[string]setting{}, loggers: map[string]slog.Level{}}
}

func (s *settings) set(key string, value setting) {
	value.rank = len(s.given)
	s.given[key] = value
}

// fault adds what is wrong. Values in it have been through quoted, or cannot be secrets but for
// the user in a URL.
func (s *settings) fault(format string, args ...any) {
	text := s.mask(userInfo.ReplaceAllString(fmt.Sprintf(format, args...), "://"+hidden+"@"))
	if !slices.Contains(s.faults, text) { // several listeners may share one
		s.faults = append(s.faults, text)
	}
}

func (s *settings) info(text string, attrs ...any) {
	s.notes = append(s.notes, note{slog.LevelInfo, text, attrs})
}

func (s *settings) warn(text string, attrs ...any) {
	s.notes = append(s.notes, note{slog.LevelWarn, text, attrs})
}

// maxFileBytes bounds a property file: what is larger is another file.
const maxFileBytes = 1 << 20

func (s *settings) readFile(path string) {
	if path == "" {
		return
	}
	text, err := readBounded(path)
	if err != nil {
		s.fault("reading the configuration: %v", err)
		return
	}
	name := filepath.Base(path)
	file, err := properties.Parse(text)
	for _, fault := range splitErrors(err) {
		var syntax *properties.SyntaxError
		if errors.As(fault, &syntax) {
			s.fault("%s:%d: %s", name, syntax.Line, syntax.Msg)
		}
	}
	for _, w := range file.Warnings {
		s.warn("a line of the file may not mean what it says", "line", fmt.Sprintf("%s:%d", name, w.Line), "why", w.Text)
	}
	for _, e := range file.Entries {
		s.set(e.Key, setting{raw: e.Value, origin: fmt.Sprintf("%s:%d", name, e.Line)})
	}
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes: a property file is expected", path, maxFileBytes)
	}
	return text, nil
}

// splitErrors undoes errors.Join.
func splitErrors(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// judge holds every given key to its row: wrong and refused values are faults, keys without
// effect and unknown ones are notes.
func (s *settings) judge() {
	for _, key := range s.keys() {
		given := s.given[key]
		row, ok := s.catalog.lookup(key)
		if !ok {
			s.unknown(key, given)
			continue
		}
		v, err := row.parse(given.raw)
		if err != nil {
			s.fault("%s: invalid value %s for configuration %s: %v", given.origin, quoted(row, given), key, err)
			continue
		}
		switch {
		case row.pattern && s.catalog.closest(key) != "":
			s.warn("property has no effect", "key", key, "origin", given.origin, "did_you_mean", s.catalog.closest(key))
		case row.verdict == accepted:
			s.info("property has no effect", "key", key, "origin", given.origin, "why", row.note)
		case row.verdict == refused && !row.changesNothing(v):
			s.refuse(row, key, given)
		case row.inForce(v.number) != v.number:
			s.warn("value is more or less than a client takes: the nearest counts",
				"key", key, "origin", given.origin, "value", v.number, "used", row.inForce(v.number))
		}
	}
	s.doubled()
}

// refuse is a fault, unless the key names plug-ins and the user has let them go.
func (s *settings) refuse(row property, key string, given setting) {
	if row.note == plugin(key).note && s.value(ignorePlugins).on {
		s.warn("Java plug-ins are not run", "key", key, "origin", given.origin, "because", ignorePlugins+"=true")
		return
	}
	s.fault("%s: %s = %s cannot be honoured: %s", given.origin, key, shown(row, given), row.note)
}

func (s *settings) unknown(key string, given setting) {
	attrs := []any{"key", key, "origin", given.origin}
	if near, why := s.catalog.nearest(key); near != "" {
		attrs = append(attrs, "did_you_mean", near)
		if why != "" {
			attrs = append(attrs, "why", why)
		}
	}
	s.warn("unknown property has no effect", attrs...)
}

// doubled warns of keys given both for all clients and for one: the specific one counts.
func (s *settings) doubled() {
	for _, key := range s.keys() {
		for _, layer := range clients[1:] {
			rest, ok := strings.CutPrefix(key, layer.prefix)
			general, both := s.given["client."+rest]
			if !ok || !both || s.catalog.isServer(key) {
				continue
			}
			s.warn("property is given twice for one client: the specific one counts",
				"key", key, "origin", s.given[key].origin, "overridden", "client."+rest, "overridden_origin", general.origin)
		}
	}
}

// keys lists the given keys in the order in which they were read.
func (s *settings) keys() []string {
	keys := make([]string, 0, len(s.given))
	for key := range s.given {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(s.given[a].rank, s.given[b].rank), strings.Compare(a, b))
	})
	return keys
}

// value is the value in force of an un-prefixed key: the given one, else its default.
func (s *settings) value(key string) value {
	row, ok := s.catalog.lookup(key)
	if !ok {
		panic("no row for " + key)
	}
	if given, ok := s.given[key]; ok {
		if v, err := row.parse(given.raw); err == nil {
			return v
		}
	}
	v, _ := row.parse(row.fallback)
	return v
}

// client is the value in force of a client key below prefix ("producer."), and the key that
// gave it: the client's own, else that of all clients, else "" for the default.
func (s *settings) client(prefix, name string) (v value, key string) {
	row, ok := find(s.catalog.client, name)
	if !ok {
		panic("no row for " + prefix + name)
	}
	for _, key := range []string{prefix + name, "client." + name} {
		given, ok := s.given[key]
		if !ok || s.catalog.isServer(key) {
			continue
		}
		if v, err := row.parse(given.raw); err == nil {
			v.number = row.inForce(v.number)
			return v, key
		}
	}
	v, _ = row.parse(row.fallback)
	return v, ""
}

// at says where a key was given, for a fault that several keys make together.
func (s *settings) at(key string) string {
	if given, ok := s.given[key]; ok {
		return given.origin
	}
	return "default"
}
