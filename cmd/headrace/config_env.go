package main

import (
	"log/slog"
	"slices"
	"strings"

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
			s.info("environment variable has no effect", "name", name, "why", "it speaks to a JVM")
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
		s.fault("environment variable KAFKA_REST_PORT: PORT is deprecated. Please use KAFKA_REST_LISTENERS instead.")
	case rest == "LOG4J_ROOT_LOGLEVEL":
		s.setLevel(name, raw)
	case rest == "LOG4J_LOGGERS":
		for _, entry := range splitList(raw) {
			logger, level, _ := strings.Cut(entry, "=")
			if logger == "root" || logger == "rootLogger" {
				s.setLevel(name, level)
				continue
			}
			s.info("level of a Java logger has no effect", "name", name, "logger", logger, "why", "this server has one log")
		}
	case strings.HasPrefix(rest, "CUB_KAFKA_"):
		s.info("environment variable has no effect", "name", name, "why", "the server starts at once and is ready (/readyz) when a broker answers")
	case strings.HasPrefix(rest, "JMX_"), rest == "OPTS", rest == "HEAP_OPTS", strings.HasPrefix(rest, "LOG4J_"):
		s.info("environment variable has no effect", "name", name, "why", "it speaks to a JVM")
	default:
		return false
	}
	return true
}

// levelOff is above all levels that are logged.
const levelOff = slog.LevelError + 100

// setLevel takes a level by its log4j name.
func (s *settings) setLevel(name, raw string) {
	levels := map[string]slog.Level{
		"ALL": slog.LevelDebug, "TRACE": slog.LevelDebug, "DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo,
		"WARN": slog.LevelWarn, "ERROR": slog.LevelError, "FATAL": slog.LevelError, "OFF": levelOff,
	}
	level, ok := levels[strings.ToUpper(strings.TrimSpace(raw))]
	if !ok {
		s.fault("environment variable %s: invalid value %q: expected one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL, OFF", name, raw)
		return
	}
	s.level = level
}
