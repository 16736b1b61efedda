package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runCheckOn runs headrace check with a property file that holds text.
func runCheckOn(t *testing.T, text string, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kafka-rest.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"check", file}, args...), process{&out, &errs, environ})
	return code, out.String(), errs.String()
}

// TestCheck: exit code and output for people and for machines.
func TestCheck(t *testing.T) {
	cluster := newKafka(t, "orders")
	bucket := t.TempDir()
	if err := os.Mkdir(filepath.Join(bucket, "lake"), 0o700); err != nil {
		t.Fatal(err)
	}
	connector := filepath.Join(t.TempDir(), "connector.properties")
	err := os.WriteFile(connector, []byte(`name=s3
connector.class=io.confluent.connect.s3.S3SinkConnector
topics=orders
flush.size=1
s3.bucket.name=lake
storage.class=io.confluent.connect.s3.storage.S3Storage
format.class=io.confluent.connect.s3.format.json.JsonFormat
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
store.url=file://`+bucket+"\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	good := "bootstrap.servers=" + cluster.ListenAddrs()[0] + "\n"
	for _, tt := range []struct {
		name string
		text string
		args []string
		code int
		want []string
	}{
		{"all is well", good, []string{"--topic", "orders", "--sink", connector}, exitDone, []string{"ok       login          1 broker, by PLAINTEXT\n", "ok       s3             bucket lake is there\n", "skipped  tls "}},
		{"a topic is missing", good, []string{"--topic", "clicks"}, exitDone, []string{"warning  topics         topic clicks does not exist", "\n           next:        headrace topics --bootstrap-server "}},
		{"nothing listens", "bootstrap.servers=127.0.0.1:1\n", nil, exitFailed, []string{"failed   tcp            nothing listens on 127.0.0.1:1"}},
		{"the configuration is wrong", good + "port=x\n", nil, exitUsage, []string{"failed   config         kafka-rest.properties:2: invalid value \"x\" for configuration port", "ok       tcp "}},
		{"no such file", "", []string{"--sink", "none"}, exitUsage, nil},
		{"no URL", good, []string{"--via", "here"}, exitUsage, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := runCheckOn(t, tt.text, nil, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d: %s%s", code, tt.code, out, errs)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
	code, out, _ := runCheckOn(t, good, nil, "--json")
	var summary struct {
		Status string
		Checks []struct{ Check, Status, Cause, Next string }
	}
	if err := json.Unmarshal([]byte(out), &summary); err != nil || code != exitDone || summary.Status != "ok" || len(summary.Checks) != 13 || summary.Checks[0].Check != "config" {
		t.Errorf("exit code %d, %v: %s", code, err, out)
	}
}

// TestCheckOfTheBrokenLine: from the file to the finding.
func TestCheckOfTheBrokenLine(t *testing.T) {
	code, out, _ := runCheckOn(t, `bootstrap.servers=127.0.0.1:1
client.security.protocol=SASL_SSL
client.sasl.mechanism=SCRAM-SHA-512
client.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required
  username="u" password="TOPSECRET";
`, nil)
	if code != exitUsage || !strings.Contains(out, "client.sasl.jaas.config (kafka-rest.properties:4) is broken over two lines: what follows was read as keys of their own, username (kafka-rest.properties:5)") || strings.Contains(out, "TOPSECRET") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// TestCheckOfTheRegistry logs in at the registry as serve does.
func TestCheckOfTheRegistry(t *testing.T) {
	cluster := newKafka(t)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, secret, _ := r.BasicAuth(); user != "key" || secret != canary {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(registry.Close)
	for user, want := range map[string]string{"key": "ok       registry       " + registry.URL + " answers", "nobody": "failed   registry       the registry at " + registry.URL + " refuses the login (401)"} {
		_, out, _ := runCheckOn(t, "bootstrap.servers="+cluster.ListenAddrs()[0]+"\nschema.registry.url="+registry.URL+
			"\nschema.registry.basic.auth.credentials.source=USER_INFO\nschema.registry.basic.auth.user.info="+user+":"+canary+"\n", nil)
		if !strings.Contains(out, want) || strings.Contains(out, canary) {
			t.Errorf("as %s: no %q in\n%s", user, want, out)
		}
	}
}
