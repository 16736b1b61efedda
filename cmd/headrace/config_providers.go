package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf16"

	"headrace/properties"
)

// reference is ${provider:key} or ${provider:path:key} in a value.
// Source: Kafka's ConfigTransformer.DEFAULT_PATTERN.
var reference = regexp.MustCompile(`\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}`)

// provider looks one key up. Its error says what was asked for, never what was found.
type provider func(path, key string) (string, error)

// resolve puts what config.providers bring in the place of ${provider:[path:]key}, less white space at
// its ends: a file of a mounted secret often ends in a line's end. A reference to a provider that is
// not configured stays as it is, as in the reference.
func (s *settings) resolve(environ []string) {
	providers := s.providers(environ)
	for _, key := range s.keys() {
		given := s.given[key]
		if strings.HasPrefix(key, "config.providers") || !reference.MatchString(given.raw) {
			continue
		}
		resolved := reference.ReplaceAllStringFunc(given.raw, func(whole string) string {
			part := reference.FindStringSubmatch(whole)
			look, ok := providers[part[1]]
			if !ok {
				s.warn("a reference stays as it is: no provider of this name is configured", "key", key, "origin", given.origin, "provider", part[1])
				return whole
			}
			text, err := look(part[3], part[4])
			if err != nil {
				s.fault("%s: reading %s for configuration %s: %v", given.origin, whole, key, err)
			}
			if text = strings.TrimSpace(text); len(text) >= shortestSecret {
				s.secrets = append(s.secrets, text)
			}
			return text
		})
		if resolved != given.raw {
			given.reference, given.raw = given.raw, resolved
			s.given[key] = given
		}
	}
}

// shortestSecret is the length from which a value that a provider brought is taken out of messages:
// a shorter one is no secret, and would take half of the words along.
const shortestSecret = 4

// providers makes those that config.providers names.
// Source of the class names and parameters: Kafka's package org.apache.kafka.common.config.provider.
func (s *settings) providers(environ []string) map[string]provider {
	const list, classes = "config.providers", "org.apache.kafka.common.config.provider."
	found := map[string]provider{}
	for _, name := range s.value(list).list {
		key := list + "." + name + ".class"
		given, ok := s.given[key]
		param := func(name2 string) string { return s.given[list+"."+name+".param."+name2].raw }
		switch class := strings.TrimSpace(given.raw); {
		case !ok:
			s.warn("a provider is named without its class", "key", list, "origin", s.at(list), "missing", key)
		case class == classes+"FileConfigProvider":
			found[name] = allowedPaths(param("allowed.paths"), lookInFile)
		case class == classes+"DirectoryConfigProvider":
			found[name] = allowedPaths(param("allowed.paths"), lookInDirectory)
		case class == classes+"EnvVarConfigProvider":
			look, err := lookInEnviron(environ, param("allowlist.pattern"))
			if err != nil {
				s.fault("%s: %v", s.at(list+"."+name+".param.allowlist.pattern"), err)
			}
			found[name] = look
		default:
			s.fault("%s: %s = %s cannot be honoured: it is a Java class; FileConfigProvider, DirectoryConfigProvider and EnvVarConfigProvider of %s would work, or write the value itself",
				given.origin, key, class, strings.TrimSuffix(classes, "."))
			found[name] = func(string, string) (string, error) { return "", errors.New("its provider cannot be run") }
		}
	}
	return found
}

// allowedPaths lets look see only what lies at or below one of the paths, comma-separated; empty: all.
func allowedPaths(paths string, look provider) provider {
	allowed := splitList(strings.TrimSpace(paths))
	if len(allowed) == 0 {
		return look
	}
	return func(path, key string) (string, error) {
		clean := filepath.Clean(path)
		for _, root := range allowed {
			if rel, err := filepath.Rel(root, clean); err == nil && filepath.IsLocal(rel) {
				return look(path, key)
			}
		}
		return "", fmt.Errorf("%s lies outside of allowed.paths", path)
	}
}

// lookInFile reads a key of a property file, which is UTF-8 there.
func lookInFile(path, key string) (string, error) {
	if path == "" {
		return "", errors.New("no path is given: ${provider:/path/to/file.properties:key} would work")
	}
	text, err := readBounded(path)
	if err != nil {
		return "", err
	}
	file, err := properties.Parse(inLatin1(text))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	entry, ok := file.Last()[key]
	if !ok {
		return "", fmt.Errorf("%s has no key %q", path, key)
	}
	return entry.Value, nil
}

// inLatin1 writes what is not ASCII as \uXXXX, for the reader of property files.
func inLatin1(utf8Text []byte) []byte {
	var out []byte
	for _, r := range string(utf8Text) {
		if r < 0x80 {
			out = append(out, byte(r))
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}

// lookInDirectory reads a whole file: the key is its name.
func lookInDirectory(path, key string) (string, error) {
	if path == "" || key == "" || !filepath.IsLocal(key) || strings.ContainsRune(key, filepath.Separator) {
		return "", errors.New("${provider:/path/to/directory:file-name} would work")
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return "", fmt.Errorf("%s is no directory that can be read", path)
	}
	text, err := readBounded(filepath.Join(path, key))
	return string(text), err
}

// lookInEnviron reads environment variables whose whole name matches pattern; empty: all.
func lookInEnviron(environ []string, pattern string) (provider, error) {
	if pattern == "" {
		pattern = ".*"
	}
	allowed, err := regexp.Compile("^(?:" + pattern + ")$")
	variables := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		variables[name] = value
	}
	look := func(path, key string) (string, error) {
		value, ok := variables[key]
		switch {
		case path != "":
			return "", errors.New("environment variables have no path: ${provider:NAME} would work")
		case !ok:
			return "", fmt.Errorf("environment variable %s is not set", key)
		case allowed != nil && !allowed.MatchString(key):
			return "", fmt.Errorf("environment variable %s is outside of allowlist.pattern", key)
		}
		return value, nil
	}
	if err != nil {
		return look, fmt.Errorf("allowlist.pattern is no regular expression: %w", err)
	}
	return look, nil
}

// mask takes values that providers brought out of a message.
func (s *settings) mask(text string) string {
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, hidden)
	}
	return text
}
