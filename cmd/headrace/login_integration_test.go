package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"headrace/services/svc"
)

// brokerLogins returns the address of a port of the broker with logins (services/kafka.sh), and the line that trusts it.
func brokerLogins(t *testing.T, port int) (address, trust string) {
	t.Helper()
	base, err := strconv.Atoi(svc.Need(t, "HEADRACE_TEST_KAFKA_LOGINS"))
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(svc.Need(t, "HEADRACE_TEST_KAFKA_DIR"), "certs", "ca.pem")
	return fmt.Sprintf("localhost:%d", base+port), "client.ssl.truststore.type=PEM\nclient.ssl.truststore.location=" + ca + "\n"
}

// logged waits for one of the messages and returns its line; no line before it may hold a secret.
func (s *served) logged(t *testing.T, messages ...string) map[string]any {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-s.logs.lines:
			if !ok {
				t.Fatalf("the log ended before %q", messages)
			}
			text, err := json.Marshal(line)
			if err != nil || strings.Contains(string(text), "canary") {
				t.Errorf("a secret is in the log: %s, %v", text, err)
			}
			for _, message := range messages {
				if line["msg"] == message {
					return line
				}
			}
		case <-deadline:
			t.Fatalf("none of %q in the log after 20 s", messages)
		}
	}
}

// TestServeSaysWhyKafkaCannotBeUsed: a gateway with a wrong login starts, and names the fault in its log, in /readyz and in its
// answers, each within 15 s and without a secret, at debug level too.
func TestServeSaysWhyKafkaCannotBeUsed(t *testing.T) {
	sasl, trust := brokerLogins(t, 2)
	const jaas = "client.sasl.jaas.config=org.apache.kafka.common.security.%s required username=\"alice\" password=\"canary\";\n"
	plain := "client.security.protocol=SASL_SSL\nclient.sasl.mechanism=PLAIN\n" + fmt.Sprintf(jaas, "plain.PlainLoginModule")
	for _, tt := range []struct {
		claim, text, cause string
		status             int
	}{
		{"a wrong password", "bootstrap.servers=" + sasl + "\n" + trust + plain, `The broker refuses user "alice" by PLAIN: the user is not known there, or the password is wrong: correct username and password in sasl.jaas.config.`, 401},
		{"an unknown authority", "bootstrap.servers=" + sasl + "\n" + plain, "is signed by somebody who is not trusted", 401},
		{"a closed port", "bootstrap.servers=127.0.0.1:1\n" + trust + plain, "Nothing listens on 127.0.0.1:1: the connection was refused at once", 500},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			began := time.Now()
			s := startProgram(t, nil, tt.text+"kinesis.enable=false\nproducer.max.block.ms=200\n", "--log-level", "debug")
			line := s.logged(t, "Kafka cannot be used")
			if said := fmt.Sprint(line["cause"], ": ", line["next"], "."); !strings.Contains(strings.ToLower(said), strings.ToLower(tt.cause)) {
				t.Errorf("the log says %s, want %s", said, tt.cause)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it took %s to say so", took)
			}
			for _, ask := range []func() (int, string){
				func() (int, string) { return get(t, s.url+"/topics") },
				func() (int, string) { return post(t, s.url+"/topics/t", `{"records":[{"value":1}]}`) },
			} {
				began := time.Now()
				status, body := ask()
				if took := time.Since(began); took > 15*time.Second || !strings.Contains(unescaped(body), tt.cause) || strings.Contains(body, "canary") {
					t.Errorf("%d after %s: %s, want %d with %s", status, took, body, tt.status, tt.cause)
				}
				if want := tt.status; status != want && (want == http.StatusUnauthorized || !strings.Contains(body, `"offsets"`)) {
					t.Errorf("%d %s, want %d", status, body, want)
				}
			}
			if status, body := get(t, s.url+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(unescaped(body), "kafka cannot be used: ") {
				t.Errorf("/readyz: %d %s", status, body)
			}
		})
	}
}

func unescaped(body string) string { return strings.ReplaceAll(body, `\"`, `"`) }

func post(t *testing.T, url, body string) (status int, answer string) {
	t.Helper()
	resp, err := http.Post(url, "application/vnd.kafka.json.v2+json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestServeByMSKIAM: the file of a REST proxy on an EC2 host in front of MSK, role and all, as it is.
func TestServeByMSKIAM(t *testing.T) {
	iam, trust := brokerLogins(t, 5)
	env := []string{
		"AWS_ENDPOINT_URL_STS=" + svc.Need(t, "HEADRACE_TEST_STS"), "AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=AKIABASE", "AWS_SECRET_ACCESS_KEY=canary",
	}
	const text = `
id = kafka-rest-test-server
schema.registry.url = http://localhost:8081
zookeeper.connect = z-1.demo.abc.c2.kafka.us-east-1.amazonaws.com:2181
bootstrap.servers = %[1]s,%[1]s
client.security.protocol = SASL_SSL
client.sasl.mechanism = AWS_MSK_IAM
client.sasl.jaas.config = software.amazon.msk.auth.iam.IAMLoginModule required \
   awsRoleArn="arn:aws:iam::123456789012:role/access-role";
client.sasl.client.callback.handler.class = software.amazon.msk.auth.iam.IAMClientCallbackHandler
kinesis.enable=false
%[2]s`
	s := startProgram(t, env, fmt.Sprintf(text, iam, trust), "--log-level", "debug")
	if line := s.logged(t, "Kafka answers", "Kafka cannot be used"); line["msg"] != "Kafka answers" || line["login"] != "SASL_SSL AWS_MSK_IAM" {
		t.Fatalf("the log says %v", line)
	}
	if status, body := post(t, s.url+"/topics/by-iam", `{"records":[{"value":1}]}`); status != http.StatusOK || !strings.Contains(body, `"error_code":null`) {
		t.Errorf("%d %s", status, body)
	}
}
