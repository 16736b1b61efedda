package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"headrace/services/svc"
)

// startSTS knows one caller, and gives no role away.
func startSTS(t *testing.T, caller string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		w.Header().Set("Content-Type", "text/xml")
		if form.Get("Action") == "GetCallerIdentity" || r.URL.Query().Get("Action") == "GetCallerIdentity" {
			_, _ = fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>%s</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`, caller)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: %s is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`, caller)
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
}

// TestCheckOfLogins: the doctor at a real broker, by every kind of login, right and wrong.
func TestCheckOfLogins(t *testing.T) {
	base, err := strconv.Atoi(svc.Need(t, "HEADRACE_TEST_KAFKA_LOGINS"))
	if err != nil {
		t.Fatal(err)
	}
	dir := svc.Need(t, "HEADRACE_TEST_KAFKA_DIR")
	serial := fmt.Sprint(time.Now().UnixNano())
	topic, user, denied := "check-"+serial, "arn:aws:iam::123456789012:user/check-"+serial, "arn:aws:iam::123456789012:user/denied-"+serial
	createTopic(t, []string{fmt.Sprintf("127.0.0.1:%d", base)}, topic, 1)
	allowReads(t, fmt.Sprintf("127.0.0.1:%d", base), topic, user)
	keys, err := os.OpenFile(filepath.Join(dir, "iam-keys"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(keys, "AKIACHECK%[1]s %[2]s-check - - %[3]s\nAKIADENY%[1]s %[2]s-deny - - %[4]s deny\n", serial, canary, user, denied); err != nil {
		t.Fatal(err)
	}
	if err := keys.Close(); err != nil {
		t.Fatal(err)
	}
	const iam = "client.security.protocol=SASL_SSL\nclient.sasl.mechanism=AWS_MSK_IAM\nclient.sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler\nclient.sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required"
	plain := func(password string) string {
		return "client.security.protocol=SASL_SSL\nclient.sasl.mechanism=PLAIN\nclient.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"" + password + "\";"
	}
	for _, tt := range []struct {
		name       string
		port       int
		login      string
		caller     string // of AWS
		key, value string // of the environment
		code       int
		want       []string
	}{
		{"PLAIN", 2, plain("alice-secret"), "", "", "", exitDone, []string{"ok       login          1 broker, by SASL_SSL PLAIN"}},
		{"PLAIN, a wrong password", 2, plain(canary), "", "", "", exitFailed, []string{`failed   login          the broker refuses user "alice" by PLAIN`, "correct username and password in client.sasl.jaas.config"}},
		{"no certificate", 3, "client.security.protocol=SSL", "", "", "", exitFailed, []string{"failed   api versions", "wants a client certificate and none is configured", "client.ssl.keystore.location"}},
		{"no login", 2, "client.security.protocol=SSL", "", "", "", exitFailed, []string{"failed   login", "wants a login, and none is configured"}},
		{"plaintext at a TLS port", 2, "", "", "", "", exitFailed, []string{"failed   api versions", "does not take unencrypted connections"}},
		{"TLS at a plaintext port", 0, "client.security.protocol=SSL", "", "", "", exitFailed, []string{"failed   tls", "does not speak TLS"}},
		{"IAM, not all rights", 5, iam + ";", user, "AKIACHECK" + serial, canary + "-check", exitFailed, []string{
			"ok       login          1 broker, by SASL_SSL AWS_MSK_IAM", "ok       aws            the login to Kafka goes as " + user,
			"failed   rights         the login lacks kafka-cluster:WriteData on the topic " + topic, `"Action":["kafka-cluster:WriteData"]`,
		}},
		{"IAM without Connect", 5, iam + ";", denied, "AKIADENY" + serial, canary + "-deny", exitFailed, []string{"failed   login          the broker denies access to " + denied, "allow it kafka-cluster:Connect on the cluster"}},
		{"IAM, a role that is not given", 5, iam + ` awsRoleArn="arn:aws:iam::123456789012:role/kafka" awsMaxRetries="0" awsAddDefaultProviders="false";`, user, "AKIACHECK" + serial, canary + "-check", exitFailed, []string{
			"failed   login          AWS STS does not allow " + user + " to assume the role arn:aws:iam::123456789012:role/kafka",
			"failed   aws            the login to Kafka: " + user + " may not assume arn:aws:iam::123456789012:role/kafka",
			`{"Effect":"Allow","Principal":{"AWS":"` + user + `"},"Action":"sts:AssumeRole"}   # paste into the trust policy of kafka`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cleanAWS(t)
			startSTS(t, tt.caller)
			t.Setenv("AWS_REGION", "us-east-1")
			if tt.key != "" {
				t.Setenv("AWS_ACCESS_KEY_ID", tt.key)
				t.Setenv("AWS_SECRET_ACCESS_KEY", tt.value)
			}
			text := fmt.Sprintf("bootstrap.servers=localhost:%d\n%s\n", base+tt.port, tt.login)
			if tt.login != "" {
				text += "client.ssl.truststore.type=PEM\nclient.ssl.truststore.location=" + filepath.Join(dir, "certs", "ca.pem") + "\n"
			}
			began := time.Now()
			code, out, errs := runCheckOn(t, text, nil, "--topic", topic, "--log-level", "debug")
			if took := time.Since(began); code != tt.code || took > 15*time.Second {
				t.Errorf("exit code %d, want %d, after %v:\n%s", code, tt.code, took, out)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			quietOf(t, "check", out+errs)
		})
	}
}

// allowReads lets a principal read the topic and nothing else.
func allowReads(t *testing.T, broker, topic, principal string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	acls := kadm.NewACLs().Topics(topic).ResourcePatternType(kmsg.ACLResourcePatternTypeLiteral).
		Operations(kmsg.ACLOperationRead, kmsg.ACLOperationDescribeConfigs).Allow("User:"+principal, "User:alice")
	writes := kadm.NewACLs().Topics(topic).ResourcePatternType(kmsg.ACLResourcePatternTypeLiteral).Operations(kmsg.ACLOperationWrite).Allow("User:alice")
	for _, builder := range []*kadm.ACLBuilder{acls, writes} {
		results, err := kadm.NewClient(client).CreateACLs(t.Context(), builder)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}
}
