package main

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// hidden stands for a secret, as in the reference's log.
const hidden = "[hidden]"

var (
	// secretKey matches names whose values are never shown, whatever stands before them.
	secretKey = regexp.MustCompile(`(?i)(password|passwd|passphrase|secret|jaas\.config|user\.info|(^|[._-])(token|credential|credentials|key|private\.key|certificate\.chain))$|(^|\.)(secret|password)\.`)
	// secretText matches values that hold a secret, under whatever name.
	secretText = regexp.MustCompile(`(?i)(password|secret|sessiontoken)\s*=|-----BEGIN`)
	// userInfo is the user and password in a URL, and all up to the last @ of a list of URLs.
	userInfo = regexp.MustCompile(`://\S*@`)
	lineEnds = strings.NewReplacer("\r", `\r`, "\n", `\n`)
)

// quoted is shown for a sentence.
func quoted(row property, given setting) string {
	if s := shown(row, given); s != hidden {
		return strconv.Quote(s)
	}
	return hidden
}

// shown is a value as it may be seen by others: what a provider brought as the reference to it.
func shown(row property, given setting) string {
	raw := strings.TrimSpace(given.raw)
	if given.reference != "" {
		raw = strings.TrimSpace(given.reference)
	}
	if row.kind == password || secretKey.MatchString(row.name) || secretText.MatchString(raw) {
		return hidden
	}
	return lineEnds.Replace(userInfo.ReplaceAllString(raw, "://"+hidden+"@"))
}

// line is one setting in force.
type line struct{ key, value, origin string }

// effective lists the known keys that are given, and the defaults of all honoured ones that are
// not, sorted. Unknown keys are in the notes: their values might be anything.
func (s *settings) effective() []line {
	var lines []line
	for key, given := range s.given {
		row, ok := s.catalog.lookup(key)
		if !ok {
			continue
		}
		origin := given.origin
		if row.verdict == accepted {
			origin += ", no effect"
		}
		lines = append(lines, line{key, shown(row, given), origin})
	}
	for name, row := range s.catalog.server {
		if _, given := s.given[name]; !given && row.verdict == honoured && !strings.HasSuffix(name, ".*") {
			lines = append(lines, line{name, row.fallback, "default"})
		}
	}
	for name, row := range s.catalog.client {
		if prefix := s.defaultPrefix(name, row); prefix != "" && row.verdict == honoured && !strings.HasSuffix(name, ".*") {
			lines = append(lines, line{prefix + name, row.fallback, "default"})
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.key, b.key) })
	return lines
}

// defaultPrefix is where a client key's default is shown: below client. when every client reads
// it, else below the first that does; nowhere ("") once it is given.
func (s *settings) defaultPrefix(name string, row property) string {
	prefix := ""
	for _, layer := range slices.Backward(clients) {
		reads := strings.ContainsAny(row.layers, layer.letter)
		if _, given := s.given[layer.prefix+name]; given && reads && !s.catalog.isServer(layer.prefix+name) {
			return ""
		}
		if reads && (layer.letter != "pca" || row.layers == "pca") {
			prefix = layer.prefix
		}
	}
	return prefix
}

// print writes the settings in force, one a line with its origin.
func (s *settings) print(w io.Writer) error {
	for _, l := range s.effective() {
		if _, err := fmt.Fprintf(w, "%s = %s  # %s\n", l.key, l.value, l.origin); err != nil {
			return err
		}
	}
	return nil
}

// log writes the notes, and all known keys in one record, as the reference does at start.
func (s *settings) log(log *slog.Logger) {
	var attrs []any
	for _, l := range s.effective() {
		attrs = append(attrs, l.key, l.value)
	}
	log.Info("KafkaRestConfig values:", attrs...)
	s.logNotes(log)
}

func (s *settings) logNotes(log *slog.Logger) {
	for _, n := range s.notes {
		write := log.Info
		if n.level == slog.LevelWarn {
			write = log.Warn
		}
		write(n.text, n.attrs...)
	}
}
