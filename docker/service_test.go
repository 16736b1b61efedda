package docker_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
)

// TestServiceUnit reads headrace.service with a parser of unit files, and holds it to what the program does: it tells
// systemd when it is ready and alive, needs time to drain, and must not be started again with a wrong configuration.
func TestServiceUnit(t *testing.T) {
	file, err := os.Open("headrace.service")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	options, err := unit.DeserializeOptions(file)
	if err != nil {
		t.Fatal(err)
	}
	service := map[string]string{}
	for _, o := range options {
		if o.Section == "Service" {
			service[o.Name] = o.Value
		}
	}
	for name, want := range map[string]string{
		"Type":                     "notify",
		"ExecStart":                "/usr/bin/headrace serve /etc/kafka-rest/kafka-rest.properties",
		"Restart":                  "on-failure",
		"RestartPreventExitStatus": "2",
		"DynamicUser":              "yes",
		"NoNewPrivileges":          "yes",
		"ProtectSystem":            "strict",
		"CapabilityBoundingSet":    "",
		"MemoryDenyWriteExecute":   "yes",
	} {
		if got, ok := service[name]; !ok || got != want {
			t.Errorf("%s=%s, want %q", name, got, want)
		}
	}
	for name, least := range map[string]time.Duration{"WatchdogSec": 10 * time.Second, "TimeoutStopSec": 30 * time.Second} {
		if got, err := time.ParseDuration(service[name] + "s"); err != nil || got < least {
			t.Errorf("%s=%s, want at least %v", name, service[name], least)
		}
	}
}

// TestSystemdTakesTheUnit asks systemd itself, where it is: an unknown or misspelt setting fails.
func TestSystemdTakesTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze on this machine")
	}
	text, err := os.ReadFile("headrace.service")
	if err != nil {
		t.Fatal(err)
	}
	// The program is not installed here; what is asked is whether the rest is right.
	file := filepath.Join(t.TempDir(), "headrace.service")
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "ExecStart=/usr/bin/headrace", "ExecStart=/bin/sh", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--recursive-errors=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "headrace.service:") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
