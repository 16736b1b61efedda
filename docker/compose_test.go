// Package docker_test checks the files of this folder as far as a machine without a container engine can.
package docker_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// compose is what these tests read of a Compose file.
type compose struct {
	Name     string             `yaml:"name"`
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
}

type service struct {
	Image       string            `yaml:"image"`
	Build       map[string]string `yaml:"build"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	DependsOn   map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Healthcheck struct {
		Test        []string `yaml:"test"`
		Interval    string   `yaml:"interval"`
		Timeout     string   `yaml:"timeout"`
		Retries     int      `yaml:"retries"`
		StartPeriod string   `yaml:"start_period"`
	} `yaml:"healthcheck"`
	ReadOnly        bool     `yaml:"read_only"`
	Tmpfs           []string `yaml:"tmpfs"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	MemLimit        string   `yaml:"mem_limit"`
	Restart         string   `yaml:"restart"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
}

// TestComposeFiles reads each Compose file strictly: an unknown or misspelt key fails. Every service has a health
// check, waits only for services that have one, and publishes on loopback only.
func TestComposeFiles(t *testing.T) {
	for _, file := range []string{"compose.yaml", "compose.dev.yaml"} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c compose
			if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
				t.Fatalf("parsing %s: %v", file, err)
			}
			if len(c.Services) == 0 {
				t.Fatalf("%s has no services", file)
			}
			for name, s := range c.Services {
				if len(s.Healthcheck.Test) < 2 || s.Healthcheck.Test[0] != "CMD" {
					t.Errorf("%s: health check %q, want one that needs no shell", name, s.Healthcheck.Test)
				}
				for dep, want := range s.DependsOn {
					if _, ok := c.Services[dep]; !ok || want.Condition != "service_healthy" {
						t.Errorf("%s waits for %s %q, want a service of this file, healthy", name, dep, want.Condition)
					}
				}
				for _, p := range s.Ports {
					if !strings.HasPrefix(p, "127.0.0.1:") {
						t.Errorf("%s publishes %s beyond this host", name, p)
					}
				}
				for _, v := range s.Volumes {
					volume, _, _ := strings.Cut(v, ":")
					if _, ok := c.Volumes[volume]; !ok {
						t.Errorf("%s mounts %s, which is no volume of this file", name, volume)
					}
				}
				if s.Build == nil {
					continue
				}
				if s.Build["context"] != ".." || s.Build["dockerfile"] != "docker/Dockerfile" {
					t.Errorf("%s is built from %v, want the root and docker/Dockerfile", name, s.Build)
				}
				if !s.ReadOnly || len(s.Tmpfs) == 0 {
					t.Errorf("%s can write to its root, or not to /tmp", name)
				}
				if !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
					t.Errorf("%s keeps rights that it does not need", name)
				}
			}
		})
	}
}

// TestGatewayReachesItsKafka holds the two ends of the Compose network together.
func TestGatewayReachesItsKafka(t *testing.T) {
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	bootstrap := c.Services["gateway"].Environment["KAFKA_REST_BOOTSTRAP_SERVERS"]
	if advertised := c.Services["kafka"].Environment["KAFKA_ADVERTISED_LISTENERS"]; !strings.Contains(advertised, "INSIDE://"+bootstrap+",") {
		t.Errorf("gateway dials %q, Kafka advertises %q", bootstrap, advertised)
	}
}
