package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"headrace/keystore"
	"headrace/services/svc"
)

// alertRules is a rule file of Prometheus.
type alertRules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert       string
			Expr        string
			For         string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

func readAlerts(t *testing.T) alertRules {
	t.Helper()
	text, err := os.ReadFile(root + "/docker/monitoring/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules alertRules
	if err := yaml.UnmarshalWithOptions(text, &rules, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return rules
}

// panel is what this test reads of a dashboard's panel.
type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ H, W, X, Y int }
	Targets []struct{ RefID, Expr, LegendFormat string }
}

func readPanels(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile(root + "/docker/monitoring/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	return dashboard.Panels
}

// expressions are all queries of docker/monitoring, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, group := range readAlerts(t).Groups {
		for _, rule := range group.Rules {
			found["alert "+rule.Alert] = rule.Expr
		}
	}
	for _, p := range readPanels(t) {
		for _, target := range p.Targets {
			found["panel "+p.Title+" "+target.RefID] = target.Expr
		}
	}
	if len(found) < 30 {
		t.Fatalf("found %d queries only", len(found))
	}
	return found
}

// exported maps each metric that the program registers to its labels: those of serve with a sink, the Kinesis routes and
// certificates. A histogram stands under its three names.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	dir := t.TempDir()
	file := writeFile(t, "kafka-rest.properties", "bootstrap.servers=127.0.0.1:1\nkinesis.region=us-east-1\nkinesis.endpoint=http://127.0.0.1:1\nlisteners=http://127.0.0.1:0\n")
	cfg, err := loadConfig(sources{file: file})
	if err != nil {
		t.Fatal(err)
	}
	reg, log := newRegistry(), slog.New(slog.DiscardHandler)
	g, err := newGateway(t.Context(), cfg, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.close(t.Context()) })
	if err := os.Mkdir(filepath.Join(dir, "demo-bucket"), 0o700); err != nil {
		t.Fatal(err)
	}
	connector := writeFile(t, "connector.properties", devConnector+"store.url=file://"+dir+"\n")
	sink, err := openSink(t.Context(), connector, cfg.consumer, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sink.close)
	keystore.NewMetrics(reg)

	descriptions := make(chan *prometheus.Desc, 10_000)
	reg.Describe(descriptions)
	close(descriptions)
	parts := regexp.MustCompile(`fqName: "([^"]+)".*constLabels: \{([^}]*)}, variableLabels: \{([^}]*)}`)
	constant := regexp.MustCompile(`(\w+)="`)
	found := map[string][]string{}
	for d := range descriptions {
		match := parts.FindStringSubmatch(d.String())
		if match == nil {
			t.Fatalf("cannot read %s", d)
		}
		labels := []string{"instance", "job"}
		for _, l := range constant.FindAllStringSubmatch(match[2], -1) {
			labels = append(labels, l[1])
		}
		if match[3] != "" {
			labels = append(labels, strings.Split(match[3], ",")...)
		}
		found[match[1]] = labels
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if _, taken := found[match[1]+suffix]; !taken {
				found[match[1]+suffix] = append(slices.Clone(labels), "le")
			}
		}
	}
	return found
}

var (
	selector = regexp.MustCompile(`\b((?:headrace|go|process|kafka)_[a-z0-9_]+)(?:\{([^}]*)})?`)
	matcher  = regexp.MustCompile(`(\w+) *(?:=~|!~|!=|=)`)
	grouping = regexp.MustCompile(`by \(([^)]*)\)`)
)

// TestMonitoringNamesWhatThereIs: each metric and label that the dashboard and the alerts speak of is exported by the program.
func TestMonitoringNamesWhatThereIs(t *testing.T) {
	metrics := exported(t)
	for where, expr := range expressions(t) {
		found := selector.FindAllStringSubmatch(expr, -1)
		if len(found) == 0 && !strings.Contains(expr, "up{") {
			t.Errorf("%s speaks of no metric: %s", where, expr)
		}
		var grouped []string
		for _, match := range grouping.FindAllStringSubmatch(expr, -1) {
			grouped = append(grouped, strings.Split(match[1], ", ")...)
		}
		for _, match := range found {
			labels, ok := metrics[match[1]]
			if !ok {
				t.Errorf("%s: there is no metric %s", where, match[1])
				continue
			}
			var named []string
			for _, m := range matcher.FindAllStringSubmatch(match[2], -1) {
				named = append(named, m[1])
			}
			for _, label := range append(named, grouped...) {
				if !slices.Contains(labels, label) {
					t.Errorf("%s: %s has no label %s, but %q", where, match[1], label, labels)
				}
			}
		}
	}
}

// TestMonitoringIsComplete: each alert has a severity, and says what is and what to do; panels have titles and do not overlap.
func TestMonitoringIsComplete(t *testing.T) {
	names := map[string]bool{}
	for _, group := range readAlerts(t).Groups {
		for _, rule := range group.Rules {
			if names[rule.Alert] || !strings.HasPrefix(rule.Alert, "Headrace") {
				t.Errorf("alert %q is there twice, or not ours by name", rule.Alert)
			}
			names[rule.Alert] = true
			if s := rule.Labels["severity"]; s != "page" && s != "ticket" {
				t.Errorf("%s: severity %q", rule.Alert, s)
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" || len(rule.Annotations) != 2 {
				t.Errorf("%s: annotations %q", rule.Alert, rule.Annotations)
			}
		}
	}
	if len(names) < 10 {
		t.Errorf("%d alerts only", len(names))
	}
	taken := map[string]string{}
	for _, p := range readPanels(t) {
		if p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d has no title or no query", p.ID)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				place := fmt.Sprint(x, " ", y)
				if other := taken[place]; other != "" || x >= 24 {
					t.Fatalf("panel %q lies over %q, or beyond the edge", p.Title, other)
				}
				taken[place] = p.Title
			}
		}
	}
}

// TestMonitoringParses gives each query to a parser of Prometheus's language (PyPI's promql-parser), which also knows types; one that is
// wrong must fail.
func TestMonitoringParses(t *testing.T) {
	python := filepath.Join(filepath.Dir(svc.Need(t, "HEADRACE_TEST_CFN_LINT")), "python")
	variables := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	queries := map[string]string{"wrong": "rate(headrace_requests_in_flight)"}
	for where, expr := range expressions(t) {
		queries[where] = variables.Replace(expr)
	}
	input, err := json.Marshal(queries)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", `
import json, sys, promql_parser
for where, query in json.load(sys.stdin).items():
    try:
        promql_parser.parse(query)
    except Exception as e:
        print(f"{where}: {e}")`)
	cmd.Stdin = strings.NewReader(string(input))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); len(lines) != 1 || !strings.HasPrefix(lines[0], "wrong: ") {
		t.Errorf("want the wrong one refused only, got:\n%s", out)
	}
}
