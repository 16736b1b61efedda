package main

import (
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"headrace/kafkaclient"
)

// keyCase is one line of testdata/keys.tsv.
type keyCase struct{ key, fallback, value, want string }

func keyCases(t *testing.T) []keyCase {
	t.Helper()
	text, err := os.ReadFile("testdata/keys.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var cases []keyCase
	for l := range strings.Lines(string(text)) {
		if strings.HasPrefix(l, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(l, "\n"), "\t")
		if len(f) != 4 {
			t.Fatalf("testdata/keys.tsv: %q has %d columns, want 4", l, len(f))
		}
		cases = append(cases, keyCase{f[0], f[1], f[2], f[3]})
	}
	return cases
}

// TestEveryKey sets each key of the reference's configuration reference, and of ours, alone, and
// looks at what start makes of it.
func TestEveryKey(t *testing.T) {
	for _, tt := range keyCases(t) {
		s := newSettings()
		if tt.key != "bootstrap.servers" {
			s.set("bootstrap.servers", setting{raw: "b:9092", origin: "f:1"})
		}
		s.set(tt.key, setting{raw: tt.value, origin: "f:2"})
		s.judge()
		s.build()
		if got := outcome(s); got != tt.want {
			t.Errorf("%s = %s is %s, want %s: faults %q, notes %v", tt.key, tt.value, got, tt.want, s.faults, s.notes)
		}
		for _, fault := range s.faults {
			if !strings.Contains(fault, tt.key) && !strings.Contains(fault, "scheme") || !strings.Contains(fault, "f:2") && tt.key != "kinesis.endpoint" {
				t.Errorf("%s = %s: fault %q does not name key and origin", tt.key, tt.value, fault)
			}
		}
	}
}

func outcome(s *settings) string {
	if len(s.faults) > 0 && strings.Contains(s.faults[0], "cannot be honoured") {
		return "refused"
	}
	if len(s.faults) > 0 {
		return "invalid"
	}
	for _, n := range s.notes {
		if n.text == "idempotence is off" || n.text == "login settings are not used" {
			continue // producer.acks=1 says so; a login setting without security.protocol
		}
		if n.text == "property has no effect" {
			return "noted"
		}
		if strings.HasSuffix(n.text, "the nearest counts") {
			return "nearest"
		}
		return n.text
	}
	row, _ := s.catalog.lookup(s.keys()[len(s.given)-1])
	if row.verdict == refused {
		return "quiet"
	}
	return "honoured"
}

// TestDefaults: the defaults are the ones written in the table, and each is fine when written out.
func TestDefaults(t *testing.T) {
	c := newCatalog()
	seen := map[string]bool{}
	for _, tt := range keyCases(t) {
		row, ok := c.lookup(tt.key)
		if !ok {
			t.Errorf("%s is not known", tt.key)
			continue
		}
		seen[tt.key] = true
		if !strings.HasPrefix(tt.key, "listener.name.") && row.fallback != tt.fallback {
			t.Errorf("default of %s = %q, want %q", tt.key, row.fallback, tt.fallback)
		}
		if row.fallback == "" {
			continue
		}
		if v, err := row.parse(row.fallback); err != nil || row.verdict == refused && !row.changesNothing(v) {
			t.Errorf("default of %s = %q does not hold: %v", tt.key, row.fallback, err)
		}
	}
	for _, rows := range [][]property{restKeys(), httpKeys(), registryKeys(), metricKeys(), ownKeys()} {
		for _, row := range rows {
			if !strings.HasSuffix(row.name, ".*") && !seen[row.name] && !strings.HasPrefix(row.name, "confluent.license") {
				t.Errorf("%s has no line in testdata/keys.tsv", row.name)
			}
		}
	}
	for _, row := range clientKeys() {
		some := slices.ContainsFunc(clients, func(layer struct{ prefix, letter string }) bool { return seen[layer.prefix+row.name] })
		if !strings.HasSuffix(row.name, ".*") && !some {
			t.Errorf("%s has no line in testdata/keys.tsv, with any of its prefixes", row.name)
		}
	}
}

func TestRowsStandOnce(t *testing.T) {
	var names []string
	for _, rows := range [][]property{restKeys(), httpKeys(), registryKeys(), metricKeys(), ownKeys()} {
		for _, row := range rows {
			names = append(names, row.name)
		}
	}
	for _, row := range clientKeys() {
		names = append(names, "client|"+row.name)
	}
	for _, row := range append(clientKeys(), append(restKeys(), httpKeys()...)...) {
		if row.note == "" {
			t.Errorf("%s says neither what it does nor why it does not", row.name)
		}
	}
	slices.Sort(names)
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			t.Errorf("%s has two rows", names[i])
		}
	}
}

func TestNearest(t *testing.T) {
	c := newCatalog()
	for _, tt := range []struct{ name, want string }{
		{"lisners", "listeners"},
		{"listener", "listeners"},
		{"Listeners", "listeners"},
		{"prot", "port"},
		{"bootstrap.server", "bootstrap.servers"},
		{"bootsrtap.servers", "bootstrap.servers"},
		{"security.protocol", "client.security.protocol"},
		{"sasl.jaas.config", "client.sasl.jaas.config"},
		{"acks", "producer.acks"},
		{"linger.ms", "producer.linger.ms"},
		{"max.poll.records", "consumer.max.poll.records"},
		{"client.security.protcol", "client.security.protocol"},
		{"security.protcol", "client.security.protocol"},
		{"producer.liner.ms", "producer.linger.ms"},
		{"rest.client.security.protocol", "client.security.protocol"},
		{"kafka.rest.listeners", "listeners"},
		{"client.listeners", "listeners"},
		{"consumer.kinesis.region", "kinesis.region"},
		{"kinesis.regoin", "kinesis.region"},
		{"headrace.max.request.byte", "headrace.max.request.bytes"},
		{"my.own.setting", ""},
		{"x", ""},
		{"", ""},
	} {
		if got, _ := c.nearest(tt.name); got != tt.want {
			t.Errorf("nearest(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"ab", "ba", 1}, {"abc", "abd", 1}, {"abc", "ac", 1}, {"lisners", "listeners", 2}, {"kitten", "sitting", 3}} {
		if got := edits(tt.a, tt.b, 9); got != tt.want {
			t.Errorf("edits(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	if got := edits("abcdef", "uvwxyz", 2); got != 2 {
		t.Errorf("edits beyond the limit = %d, want the limit 2", got)
	}
}

// TestExtremes: the lowest and the highest value that start takes for a client key make a client.
func TestExtremes(t *testing.T) {
	for _, row := range clientKeys() {
		if row.verdict != honoured || row.kind != integer && row.kind != long {
			continue
		}
		for _, number := range []int64{row.min, row.max} {
			s := newSettings()
			s.set("bootstrap.servers", setting{raw: "b:9092"})
			s.set("client."+row.name, setting{raw: strconv.FormatInt(number, 10)})
			if strings.HasPrefix(row.name, "delivery.") {
				s.set("client.request.timeout.ms", setting{raw: "100"})
			}
			s.judge()
			cfg := s.build()
			if len(s.faults) > 0 {
				t.Errorf("%s = %d: %v", row.name, number, s.faults)
				continue
			}
			p, err := kafkaclient.NewProducer(cfg.producer, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
			if err != nil {
				t.Errorf("%s = %d: %v", row.name, number, err)
				continue
			}
			if err := p.Close(t.Context()); err != nil {
				t.Errorf("%s = %d: %v", row.name, number, err)
			}
		}
	}
}
