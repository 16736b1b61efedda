package main

import (
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"headrace/properties"
)

// readEnviron takes the variables of Confluent's container image: KAFKA_REST_<NAME> is a
// property, but for a few that speak to the image itself.
// Source: the image's launch scripts, contract "Environment variables of the container image".
func (s *settings) readEnviron(environ []string) {
	environ = slices.Sorted(slices.Values(environ)) // one order, whatever the shell's
	for _, pair := range environ {
		name, raw, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "KAFKAREST_") {
			s.javaOptions(name, raw)
			continue
		}
		rest, ok := strings.CutPrefix(name, "KAFKA_REST_")
		if !ok || s.imageVariable(name, rest, raw) {
			continue
		}
		s.setVariable(name, propertyName(rest), raw)
	}
}

// setVariable reads the value by the rules of property files, since the image writes it into one.
func (s *settings) setVariable(name, key, raw string) {
	origin := "environment variable " + name
	file, err := properties.Parse([]byte("x=" + raw))
	if err != nil {
		s.fault(`%s: the value holds a malformed \u escape: four hexadecimal digits must follow \u`, origin)
		return
	}
	if len(file.Entries) > 1 {
		s.warn("only the first line of the variable counts", "name", name, "why", `end each line but the last in a backslash`)
	}
	s.set(key, setting{raw: file.Entries[0].Value, origin: origin})
}

// propertyName turns what follows KAFKA_REST_ into a property's name: a single underscore is a
// dot, three are a dash, two are one underscore.
func propertyName(rest string) string {
	rest = strings.ToLower(rest)
	var name strings.Builder
	for i := 0; i < len(rest); i++ {
		if single := rest[i] == '_' && i > 0 && rest[i-1] != '_' && i+1 < len(rest) && rest[i+1] != '_'; single {
			name.WriteByte('.')
			continue
		}
		name.WriteByte(rest[i])
	}
	return strings.ReplaceAll(strings.ReplaceAll(name.String(), "___", "-"), "__", "_")
}

// imageVariable deals with the variables that are no properties.
func (s *settings) imageVariable(name, rest, raw string) bool {
	switch {
	case rest == "PORT":
		s.imageStops = true
		s.fault("environment variable KAFKA_REST_PORT: PORT is deprecated. Please use KAFKA_REST_LISTENERS instead.")
	case rest == "LOG4J_ROOT_LOGLEVEL":
		s.setLevel(name, raw, &s.level)
	case rest == "LOG4J_LOGGERS":
		s.setLoggers(name, raw)
	case rest == "CUB_KAFKA_MIN_BROKERS":
		s.wait.brokers = s.atLeast(name, raw, 0)
	case rest == "CUB_KAFKA_TIMEOUT":
		s.wait.timeout = time.Duration(s.atLeast(name, raw, 0)) * time.Second
	case strings.HasPrefix(rest, "JMX_"), rest == "OPTS", rest == "HEAP_OPTS", strings.HasPrefix(rest, "LOG4J_"):
		s.info("environment variable has no effect", "name", name, "why", "it speaks to a JVM")
	default:
		return false
	}
	return true
}

// atLeast reads a whole number.
func (s *settings) atLeast(name, raw string, lowest int) int {
	number, err := strconv.Atoi(strings.TrimSpace(raw))
	if err != nil || number < lowest || number > math.MaxInt32 {
		s.fault("environment variable %s: invalid value %q: expected a whole number from %d", name, raw, lowest)
	}
	return number
}

// javaOptions keeps the -Dname=value of a variable that speaks to a JVM, and drops the rest. They
// are cut at white space alone, as the start script does it.
func (s *settings) javaOptions(name, raw string) {
	origin := "environment variable " + name
	for option := range strings.FieldsSeq(raw) {
		property, ok := strings.CutPrefix(option, "-D")
		if !ok {
			continue
		}
		key, value, _ := strings.Cut(property, "=")
		s.java[key] = setting{raw: value, origin: origin}
		if !slices.Contains(javaProperties, key) {
			s.info("property of the JVM has no effect", "name", name, "property", key)
		}
	}
	why := "it speaks to a JVM: only what it has of -D" + strings.Join(javaProperties, ", -D") + " counts"
	if strings.Contains(raw, "-javaagent:") {
		why += "; metrics are at /metrics"
	}
	s.info("environment variable has no effect of its own", "name", name, "why", why)
}

// javaProperties are the properties of a JVM that take effect here: the JAAS file with the section
// that authentication.realm names, and the certificates to trust where a client names none.
var javaProperties = []string{
	"java.security.auth.login.config",
	"javax.net.ssl.trustStore", "javax.net.ssl.trustStorePassword", "javax.net.ssl.trustStoreType",
}

// takeJavaTrust gives clients the JVM's own trust store where they name none: that is what a Java
// client does with it.
func (s *settings) takeJavaTrust() {
	location, ok := s.java["javax.net.ssl.trustStore"]
	if !ok {
		return
	}
	for _, prefix := range []string{"client.", "schema.registry."} {
		_, file := s.given[prefix+"ssl.truststore.location"]
		_, inline := s.given[prefix+"ssl.truststore.certificates"]
		if file || inline {
			continue
		}
		s.set(prefix+"ssl.truststore.location", location)
		for from, to := range map[string]string{"Password": "password", "Type": "type"} {
			if value, ok := s.java["javax.net.ssl.trustStore"+from]; ok {
				s.set(prefix+"ssl.truststore."+to, value)
			}
		}
	}
}

// setLoggers takes logger=LEVEL,…: the root's is that of the log, that of the request log its own.
func (s *settings) setLoggers(name, raw string) {
	for _, entry := range splitList(strings.TrimSpace(raw)) {
		logger, text, _ := strings.Cut(entry, "=")
		logger = strings.TrimSpace(logger)
		if logger == "root" || logger == "rootLogger" {
			s.setLevel(name, text, &s.level)
			continue
		}
		var level slog.Level
		s.setLevel(name, text, &level)
		s.loggers[logger] = level
	}
}

// loggerLevel is the level of a Java logger: its own, else that of the nearest above it, else the root's.
func (s *settings) loggerLevel(name string) slog.Level {
	for {
		if level, ok := s.loggers[name]; ok {
			return level
		}
		end := strings.LastIndexByte(name, '.')
		if end < 0 {
			return s.level
		}
		name = name[:end]
	}
}

// unusedLoggers notes the loggers that the request log does not belong to.
func (s *settings) unusedLoggers() {
	requests := s.value("request.logger.name").text
	for _, logger := range slices.Sorted(maps.Keys(s.loggers)) {
		if requests != logger && !strings.HasPrefix(requests, logger+".") {
			s.info("level of a Java logger has no effect", "name", "KAFKA_REST_LOG4J_LOGGERS", "logger", logger, "why", "this server has two: root and "+requests)
		}
	}
}

// levelOff is above all levels that are logged.
const levelOff = slog.LevelError + 100

// setLevel takes a level by its log4j name.
func (s *settings) setLevel(name, raw string, level *slog.Level) {
	levels := map[string]slog.Level{
		"ALL": slog.LevelDebug, "TRACE": slog.LevelDebug, "DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo,
		"WARN": slog.LevelWarn, "ERROR": slog.LevelError, "FATAL": slog.LevelError, "OFF": levelOff,
	}
	found, ok := levels[strings.ToUpper(strings.TrimSpace(raw))]
	if !ok {
		s.fault("environment variable %s: invalid value %q: expected one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL, OFF", name, raw)
		return
	}
	*level = found
}
