package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secretFiles makes a file and a directory with secrets, as users mount them, and returns their folder.
func secretFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"secret.properties": "id=client-from-file\numlaut=sch\u00f6n\n", "client-id": "client-from-dir\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const threeProviders = `
bootstrap.servers=b:1
config.providers=file, dir, env
config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider
config.providers.dir.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
config.providers.env.param.allowlist.pattern=MY_.*
`

// TestProviders: each kind of provider brings its value, within a text too; what no provider knows stays.
func TestProviders(t *testing.T) {
	dir := secretFiles(t)
	for _, tt := range []struct{ value, want string }{
		{"${file:" + dir + "/secret.properties:id}", "client-from-file"},
		{"${file:" + dir + "/secret.properties:umlaut}", "sch\u00f6n"},
		{"${dir:" + dir + ":client-id}", "client-from-dir"},
		{"${env:MY_ID}", "client-from-env"},
		{"a-${env:MY_ID}-${dir:" + dir + ":client-id}-z", "a-client-from-env-client-from-dir-z"},
		{"${vault:secret/x:y}", "${vault:secret/x:y}"},
		{"$${env}", "$${env}"},
	} {
		cfg := mustLoad(t, threeProviders+"client.client.id="+tt.value, "MY_ID=client-from-env")
		if got := cfg.admin.ClientID; got != tt.want {
			t.Errorf("client.client.id=%s gives %q, want %q", tt.value, got, tt.want)
		}
	}
}

// TestProviderFaults: what cannot be looked up is a fault that says what would work.
func TestProviderFaults(t *testing.T) {
	dir := secretFiles(t)
	for _, tt := range []struct{ text, want string }{
		{"id=${file:" + dir + "/none:x}", "no such file"},
		{"id=${file:" + dir + "/secret.properties:none}", `has no key "none"`},
		{"id=${file:x}", "no path is given: ${provider:/path/to/file.properties:key} would work"},
		{"id=${dir:" + dir + "/none:x}", "is no directory that can be read"},
		{"id=${dir:" + dir + ":../x}", "${provider:/path/to/directory:file-name} would work"},
		{"id=${env:MY_NONE}", "environment variable MY_NONE is not set"},
		{"id=${env:PATH}", "environment variable PATH is outside of allowlist.pattern"},
		{"id=${env:x:PATH}", "environment variables have no path: ${provider:NAME} would work"},
		{"config.providers.env.param.allowlist.pattern=(", "allowlist.pattern is no regular expression"},
		{"config.providers.file.param.allowed.paths=/etc/kafka,/run\nid=${file:" + dir + "/secret.properties:id}", "lies outside of allowed.paths"},
		{"config.providers.env.class=io.strimzi.kafka.EnvVarConfigProvider\nid=${env:PATH}", "config.providers.env.class = io.strimzi.kafka.EnvVarConfigProvider cannot be honoured: it is a Java class; FileConfigProvider, DirectoryConfigProvider and EnvVarConfigProvider of org.apache.kafka.common.config.provider would work"},
	} {
		_, err := load(t, threeProviders+tt.text, "PATH=/bin")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
		}
	}
}

// TestProvidersByVariables: the image's variables configure providers like a file does.
func TestProvidersByVariables(t *testing.T) {
	cfg := mustLoad(t, "", "KAFKA_REST_BOOTSTRAP_SERVERS=${env:WHERE}", "WHERE=b:1", "KAFKA_REST_CONFIG_PROVIDERS=env",
		"KAFKA_REST_CONFIG_PROVIDERS_ENV_CLASS=org.apache.kafka.common.config.provider.EnvVarConfigProvider")
	if got := cfg.admin.Brokers; len(got) != 1 || got[0] != "b:1" {
		t.Errorf("brokers %q, want b:1", got)
	}
}

// TestProvidedValuesStayHidden: what a provider brought is shown as the reference to it, wherever it goes wrong.
func TestProvidedValuesStayHidden(t *testing.T) {
	cfg, err := load(t, threeProviders+"port=${env:MY_SECRET}\nlisteners=http://${env:MY_SECRET}\nclient.security.protocol=${env:MY_SECRET}\ndebug=x${env:MY_SECRET}", "MY_SECRET=TOPSECRET")
	if err == nil {
		t.Fatal("no fault")
	}
	var out bytes.Buffer
	if err := cfg.settings.print(&out); err != nil {
		t.Fatal(err)
	}
	cfg.settings.log(slog.New(slog.NewTextHandler(&out, nil)))
	if all := out.String() + err.Error(); strings.Contains(all, "TOPSECRET") || !strings.Contains(all, "port = ${env:MY_SECRET}") {
		t.Errorf("shown: %s", all)
	}
	if diff := cmp.Diff(true, strings.Contains(err.Error(), `invalid value "${env:MY_SECRET}" for configuration port`)); diff != "" {
		t.Errorf("the fault does not show the reference: %v", err)
	}
}
