package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// canary is part of every secret of these tests. It is in no output.
const canary = "c4n4ry"

// TestSecretSlots puts a canary into every slot that can hold a secret, one at a time, right and wrong, and looks for it in
// what is printed, logged at start and complained of.
func TestSecretSlots(t *testing.T) {
	c := newCatalog()
	var slots []string
	for _, name := range c.names() {
		if row, _ := c.lookup(name); row.kind == password || secretKey.MatchString(name) {
			slots = append(slots, name, "listener.name.internal."+name)
		}
	}
	slots = append(slots,
		"client.sasl.jaas.config", "sasl.jaas.config", "producer.sasl.jaas.confg", "schema.registry.request.header.Authorization",
		"config.providers.vault.param.token", "my.own.password", "client.ssl.keystore.pasword",
	)
	if len(slots) < 60 {
		t.Errorf("found %d slots only", len(slots))
	}
	values := []string{
		canary,
		`org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="` + canary + `";`,
		`org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="` + canary,
		`software.amazon.msk.auth.iam.IAMLoginModule required awsRoleArn="x" awsRoleExternalId="` + canary + `" awsRoleAccessKeyId="a" awsRoleSecretAccessKey="` + canary + `" awsMaxRetries="x";`,
		"-----BEGIN PRIVATE KEY-----" + canary,
	}
	logins := []string{
		"",
		"client.security.protocol=SASL_SSL\nclient.sasl.mechanism=PLAIN\n",
		"client.security.protocol=SASL_SSL\nclient.sasl.mechanism=AWS_MSK_IAM\n",
		"client.security.protocol=SSL\nclient.ssl.keystore.type=PEM\nclient.ssl.keystore.key=" + canary + "\nclient.ssl.keystore.certificate.chain=" + canary + "\n",
	}
	for _, slot := range slots {
		values, logins := values, logins
		if !strings.Contains(slot, "jaas") && !strings.Contains(slot, "keystore") {
			values, logins = values[:1], logins[:1] // read alike everywhere
		}
		for _, value := range values {
			for _, login := range logins {
				var out bytes.Buffer
				cfg, err := load(t, "bootstrap.servers=b:1\n"+login+slot+"="+value)
				if err != nil {
					out.WriteString(err.Error() + "\n")
				}
				if err := cfg.settings.print(&out); err != nil {
					t.Fatal(err)
				}
				cfg.settings.log(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
				quietOf(t, slot+" = "+value, out.String())
			}
		}
	}
}

// quietOf fails for each line that holds a canary.
func quietOf(t *testing.T, where, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.Contains(line, canary) {
			t.Errorf("%s: a secret is shown: %s", where, line)
		}
	}
}

// TestSecretsOfOthers: users in URLs, options of a JVM and values of providers.
func TestSecretsOfOthers(t *testing.T) {
	var out bytes.Buffer
	cfg, err := load(t, "bootstrap.servers=http://u:"+canary+"@b:x\nlisteners=http://u:"+canary+"@h\nkinesis.endpoint=http://u:"+canary+"@h\nschema.registry.url=http://u:"+canary+"@h\n"+
		"config.providers=env\nconfig.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider\nport=${env:S}\nid=${env:S}\nhost.name=${env:S}\n",
		"S="+canary, "KAFKAREST_OPTS=-Djavax.net.ssl.trustStore=/x -Djavax.net.ssl.trustStorePassword="+canary+" -Dmy.secret="+canary,
		"KAFKA_REST_LOG4J_ROOT_LOGLEVEL=INFO", "AWS_SECRET_ACCESS_KEY="+canary)
	if err == nil {
		t.Fatal("no fault")
	}
	out.WriteString(err.Error() + "\n")
	if err := cfg.settings.print(&out); err != nil {
		t.Fatal(err)
	}
	cfg.settings.log(slog.New(slog.NewJSONHandler(&out, nil)))
	quietOf(t, "others", out.String())
}

// lockedBuffer takes what several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestSecretsAtWork runs serve and check at debug level with logins that work and that do not, asks and produces, and looks
// for the canary in the log, in every answer and in the report.
func TestSecretsAtWork(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"), kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "u", canary+"-right"), kfake.Superuser("SCRAM-SHA-512", "u", canary+"-right"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>`)
	}))
	t.Cleanup(refuses.Close)
	user := func(module, password string) string {
		return `client.sasl.jaas.config=org.apache.kafka.common.security.` + module + ` required username="u" password="` + password + `";` + "\n"
	}
	for _, tt := range []struct{ name, login string }{
		{"PLAIN", "client.sasl.mechanism=PLAIN\n" + user("plain.PlainLoginModule", canary+"-right")},
		{"SCRAM", "client.sasl.mechanism=SCRAM-SHA-512\n" + user("scram.ScramLoginModule", canary+"-right")},
		{"SCRAM, wrong", "client.sasl.mechanism=SCRAM-SHA-512\n" + user("scram.ScramLoginModule", canary+"-wrong")},
		{"OAUTHBEARER", "client.sasl.mechanism=OAUTHBEARER\nclient.sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler\nclient.sasl.oauthbearer.token.endpoint.url=" + refuses.URL + "/token\n" +
			`client.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId="id" clientSecret="` + canary + `";` + "\n"},
		{"IAM with keys", "client.sasl.mechanism=AWS_MSK_IAM\nclient.sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler\n" +
			`client.sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required awsRoleArn="arn:aws:iam::123456789012:role/x" awsRoleExternalId="` + canary + `" awsRoleAccessKeyId="AKIAX" awsRoleSecretAccessKey="` + canary + `" awsRoleSessionToken="` + canary + `" awsMaxRetries="0" awsDebugCreds="true";` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cleanAWS(t)
			t.Setenv("AWS_ENDPOINT_URL_STS", refuses.URL)
			t.Setenv("AWS_REGION", "us-east-1")
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIAX")
			t.Setenv("AWS_SECRET_ACCESS_KEY", canary)
			text := "bootstrap.servers=" + cluster.ListenAddrs()[0] + "\nlisteners=http://127.0.0.1:0\ndebug=true\n" +
				"client.security.protocol=SASL_PLAINTEXT\n" + tt.login + "producer.max.block.ms=500\nproducer.delivery.timeout.ms=1500\nclient.request.timeout.ms=1000\n" +
				"schema.registry.url=http://u:" + canary + "@127.0.0.1:1\nkinesis.endpoint=" + refuses.URL + "\nkinesis.region=us-east-1\n"
			quietOf(t, "serve", serveAndAsk(t, text))

			code, out, errs := runCheckOn(t, text, nil, "--json", "--log-level", "debug", "--topic", "orders", "--stream", "clicks")
			if !json.Valid([]byte(out)) || code == exitUsage {
				t.Errorf("exit code %d: %s%s", code, out, errs)
			}
			quietOf(t, "check --json", out)
			quietOf(t, "check's log", errs)
		})
	}
}

// serveAndAsk runs serve at debug level, makes some requests, and returns the log and the answers.
func serveAndAsk(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kafka-rest.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var all lockedBuffer
	logs := newLogLines()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", file, "--log-format", "json", "--log-level", "debug"}, process{stdout: io.MultiWriter(logs.write, &all), stderr: &all})
		_ = logs.write.Close()
	}()
	line := logs.wait(t, "Server started, listening for requests...")
	go func() {
		for range logs.lines { // so that nobody waits to write
		}
	}()
	base := "http://" + line["addresses"].([]any)[0].(string)
	client := http.Client{Timeout: 10 * time.Second}
	for _, r := range []struct{ method, path, contentType, body string }{
		{"GET", "/topics", "", ""},
		{"GET", "/readyz", "", ""},
		{"POST", "/topics/orders", "application/vnd.kafka.json.v2+json", `{"records":[{"value":"` + canary + `-value"}]}`},
		{"POST", "/topics/orders", "application/vnd.kafka.json.v2+json", `{"records":[{"value":"` + canary + `-value"`},
		{"GET", "/streams", "", ""},
		{"GET", "/metrics", "", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), r.method, base+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Basic "+canary)
		if r.contentType != "" {
			req.Header.Set("Content-Type", r.contentType)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Errorf("%s %s: %v", r.method, r.path, err)
			continue
		}
		_, _ = io.Copy(&all, res.Body)
		_ = res.Body.Close()
	}
	stop()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("serve has not ended after 20 s")
	}
	return all.String()
}
