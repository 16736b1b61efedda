package kafkaclient

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"headrace/record"
	"headrace/services/svc"
)

// Ports of services/kafka.sh, KAFKA_LOGINS, behind the one of PLAINTEXT.
const (
	portPlain = 0
	portSASL  = 2
	portMTLS  = 3
	portOAuth = 4
	portIAM   = 5
	portShort = 6 // as portIAM, sessions end after 5 s
	portClear = 7
)

// realBroker is the broker with a port for every login.
type realBroker struct {
	port int
	dir  string
}

func brokerWithLogins(t *testing.T) realBroker {
	t.Helper()
	port, err := strconv.Atoi(svc.Need(t, "HEADRACE_TEST_KAFKA_LOGINS"))
	if err != nil {
		t.Fatal(err)
	}
	return realBroker{port, svc.Need(t, "HEADRACE_TEST_KAFKA_DIR")}
}

func (b realBroker) iamKeys() string { return filepath.Join(b.dir, "iam-keys") }

// keys are the Java client's keys for one login, one a line; CERTS is the directory of certificates.
func (b realBroker) login(t *testing.T, keys string) Login {
	t.Helper()
	given := map[string]string{}
	for line := range strings.SplitSeq(strings.ReplaceAll(keys, "CERTS", filepath.Join(b.dir, "certs")), "\n") {
		if key, value, ok := strings.Cut(line, "="); ok {
			given[strings.TrimSpace(key)] = value
		}
	}
	login, _, err := LoginFromKeys(func(key string) (string, bool) { value, ok := given[key]; return value, ok })
	if err != nil {
		t.Fatalf("%s: %v", keys, err)
	}
	return login
}

// config is for one login at one port. host other than localhost is dialled at 127.0.0.1 all the same.
func (b realBroker) config(t *testing.T, host string, port int, keys string, log *slog.Logger) Config {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Brokers = []string{net.JoinHostPort(host, strconv.Itoa(b.port+port))}
	cfg.Login = b.login(t, keys)
	cfg.Logins = NewLogins(log, prometheus.NewRegistry())
	if host != "localhost" {
		cfg.Logins.open = func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		}
	}
	return cfg
}

// enter logs in and asks for the brokers; it returns what went wrong, and how long it took to know.
func enter(t *testing.T, cfg Config, log *slog.Logger) (Finding, time.Duration, error) {
	t.Helper()
	return enterWithin(t, 30*time.Second, cfg, log)
}

func enterWithin(t *testing.T, limit time.Duration, cfg Config, log *slog.Logger) (Finding, time.Duration, error) {
	t.Helper()
	admin, err := NewAdmin(cfg, log)
	if err != nil {
		return cfg.Diagnose(t.Context(), err), 0, err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	_, err = admin.Topics(ctx)
	took := time.Since(began)
	return admin.Diagnose(ctx, err), took, err
}

const (
	tlsCA     = "ssl.truststore.type=PEM\nssl.truststore.location=CERTS/ca.pem\n"
	saslTLS   = "security.protocol=SASL_SSL\n" + tlsCA
	plainFor  = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"%s\" password=\"%s\";\n"
	scramFor  = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"%s\" password=\"%s\";\n"
	iamModule = "software.amazon.msk.auth.iam.IAMLoginModule required"
	iamLogin  = saslTLS + "sasl.mechanism=AWS_MSK_IAM\nsasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler\nsasl.jaas.config=" + iamModule
	iamBearer = saslTLS + "sasl.mechanism=OAUTHBEARER\nsasl.login.callback.handler.class=software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler\n" +
		"sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler\nsasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"
	oauthLogin = saslTLS + "sasl.mechanism=OAUTHBEARER\nsasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler\n"
)

func userLogin(protocol, mechanism, module, user, password string) string {
	return protocol + "sasl.mechanism=" + mechanism + "\nsasl.jaas.config=" + fmt.Sprintf(module, user, password)
}

// TestLogins enters a real broker in every way, right and wrong: what is wrong is named, within 15 seconds, and no secret is
// in the error, the finding or the log at debug level.
func TestLogins(t *testing.T) {
	b := brokerWithLogins(t)
	b.addSCRAM(t, "scram-user", "canary-right")
	oidc := svc.Need(t, "HEADRACE_TEST_OIDC")
	newFakeSTS(t, b.iamKeys())
	oauth := func(secret, url string) string {
		return oauthLogin + "sasl.oauthbearer.token.endpoint.url=" + url +
			"\nsasl.login.retry.backoff.max.ms=300\nsasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId=\"gateway\" clientSecret=\"" + secret + "\" scope=\"kafka\" extension_logicalCluster=\"lkc-1\";\n"
	}
	tests := []struct {
		claim, host string
		port        int
		keys        string
		want        Kind // empty: it works
		cause       string
	}{
		{"PLAINTEXT", "localhost", portPlain, "", "", ""},
		{"PLAIN", "localhost", portSASL, userLogin(saslTLS, "PLAIN", plainFor, "alice", "alice-secret"), "", ""},
		{"PLAIN without TLS", "localhost", portClear, userLogin("security.protocol=SASL_PLAINTEXT\n", "PLAIN", plainFor, "alice", "alice-secret"), "", ""},
		{"PLAIN, wrong password", "localhost", portSASL, userLogin(saslTLS, "PLAIN", plainFor, "alice", "canary-wrong"), KindWrongSecret, `refuses user "alice" by PLAIN`},
		{"SCRAM-SHA-256", "localhost", portSASL, userLogin(saslTLS, "SCRAM-SHA-256", scramFor, "scram-user", "canary-right"), "", ""},
		{"SCRAM-SHA-512", "localhost", portSASL, userLogin(saslTLS, "SCRAM-SHA-512", scramFor, "scram-user", "canary-right"), "", ""},
		{"SCRAM-SHA-256, wrong password", "localhost", portSASL, userLogin(saslTLS, "SCRAM-SHA-256", scramFor, "scram-user", "canary-wrong"), KindWrongSecret, `refuses user "scram-user" by SCRAM-SHA-256`},
		{"SCRAM-SHA-512, unknown user", "localhost", portSASL, userLogin(saslTLS, "SCRAM-SHA-512", scramFor, "nobody", "canary-wrong"), KindWrongSecret, `refuses user "nobody" by SCRAM-SHA-512`},
		{"mTLS", "localhost", portMTLS, "security.protocol=SSL\n" + tlsCA + "ssl.keystore.type=PEM\nssl.keystore.location=CERTS/alice.pem", "", ""},
		{"mTLS, signed by a stranger", "localhost", portMTLS, "security.protocol=SSL\n" + tlsCA + "ssl.keystore.type=PEM\nssl.keystore.location=CERTS/stranger.pem", KindTLSClientCert, "refuses this client's certificate"},
		{"mTLS, no certificate", "localhost", portMTLS, "security.protocol=SSL\n" + tlsCA, KindTLSClientCert, "wants a client certificate and none is configured"},
		{"another authority", "localhost", portSASL, strings.ReplaceAll(userLogin(saslTLS, "PLAIN", plainFor, "alice", "alice-secret"), "ca.pem", "otherca.pem"), KindTLSUnknownCA, "is signed by somebody who is not trusted"},
		{"another name", "kafka.example", portSASL, userLogin(saslTLS, "PLAIN", plainFor, "alice", "alice-secret"), KindTLSName, "is for other names (localhost, broker,"},
		{"another name, not checked", "kafka.example", portSASL, userLogin(saslTLS+"ssl.endpoint.identification.algorithm=\n", "PLAIN", plainFor, "alice", "alice-secret"), "", ""},
		{"names not checked, authority is", "localhost", portSASL, strings.ReplaceAll(userLogin(saslTLS+"ssl.endpoint.identification.algorithm=\n", "PLAIN", plainFor, "alice", "alice-secret"), "ca.pem", "otherca.pem"), KindTLSUnknownCA, "is signed by somebody who is not trusted"},
		{"TLS 1.2 with a suite of it", "localhost", portSASL, userLogin(saslTLS+"ssl.enabled.protocols=TLSv1.2\nssl.cipher.suites=TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\n", "PLAIN", plainFor, "alice", "alice-secret"), "", ""},
		{"a suite that the broker's key does not fit", "localhost", portSASL, userLogin(saslTLS+"ssl.cipher.suites=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n", "PLAIN", plainFor, "alice", "alice-secret"), KindTLSClientCert, "breaks TLS off"},
		{"TLS at a plaintext port", "localhost", portPlain, "security.protocol=SSL\n" + tlsCA, KindPlaintextPort, "does not speak TLS"},
		{"plaintext at a TLS port", "localhost", portMTLS, "", KindTLSPort, "does not take unencrypted connections"},
		{"no login", "localhost", portSASL, "security.protocol=SSL\n" + tlsCA, KindLoginMissing, "wants a login, and none is configured"},
		{"no login, no TLS", "localhost", portClear, "", KindLoginMissing, "wants a login, and none is configured"},
		{"a mechanism that the port does not have", "localhost", portIAM, userLogin(saslTLS, "PLAIN", plainFor, "alice", "alice-secret"), KindMechanism, "does not have sasl.mechanism=PLAIN"},
		{"a login at a port without", "localhost", portPlain, userLogin("security.protocol=SASL_PLAINTEXT\n", "PLAIN", plainFor, "alice", "alice-secret"), KindLoginMissing, "takes no login"},
		{"nothing listens", "localhost", 9, "", KindRefused, "nothing listens on localhost:"},
		{"OAUTHBEARER", "localhost", portOAuth, oauth("gateway-secret", oidc), "", ""},
		{"OAUTHBEARER, wrong secret", "localhost", portOAuth, oauth("canary-wrong", oidc), KindWrongSecret, "does not know the client id, or the secret is wrong"},
		{"OAUTHBEARER, no endpoint", "localhost", portOAuth, oauth("canary-wrong", "http://127.0.0.1:1/token"), KindTokenEndpoint, "asking http://127.0.0.1:1/token for a token: "},
		{"OAUTHBEARER, unsecured token", "localhost", portOAuth, saslTLS + "sasl.mechanism=OAUTHBEARER\nsasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"canary\";", KindTokenRefused, "refuses the token"},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			var said lockedBuffer
			log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
			cfg := b.config(t, tt.host, tt.port, tt.keys, log)
			f, took, err := enter(t, cfg, log)
			if f.Kind != tt.want || !strings.Contains(f.Cause, tt.cause) || (err == nil) != (tt.want == "") {
				t.Errorf("finding %q %s, want %q with %q; error %v", f.Kind, f, tt.want, tt.cause, err)
			}
			if took > 15*time.Second {
				t.Errorf("it took %s to know", took)
			}
			for _, text := range []string{said.String(), f.String(), fmt.Sprint(err), fmt.Sprintf("%+v %#v", cfg, cfg.Login)} {
				if strings.Contains(text, "canary") || strings.Contains(text, "alice-secret") || strings.Contains(text, "gateway-secret") {
					t.Errorf("a secret is in %.2000s", text)
				}
			}
		})
	}
}

// lockedBuffer is a buffer that goroutines may write to.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// addSCRAM makes a user.
func (b realBroker) addSCRAM(t *testing.T, user, password string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	admin, err := NewAdmin(b.config(t, "localhost", portPlain, "", log), log)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for _, mechanism := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		got, err := admin.kafka.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: mechanism, Iterations: 4096, Password: password}})
		if err != nil || !got.Ok() {
			t.Fatalf("making the SCRAM user: %v, %v", err, got.Error())
		}
	}
}

// TestMSKLogins enters by MSK IAM, by both mechanisms: with keys of the environment, through AssumeRole at moto, and in
// every wrong way.
func TestMSKLogins(t *testing.T) {
	b := brokerWithLogins(t)
	moto := svc.Need(t, "HEADRACE_TEST_STS")
	serial := strconv.FormatInt(time.Now().UnixNano(), 36)
	id := func(name string) string { return "AKIA" + strings.ToUpper(name+serial) }
	newFakeSTS(t, b.iamKeys(),
		stsKey{id: id("good"), secret: "canary-good", arn: "arn:aws:iam::123456789012:user/good"},
		stsKey{id: id("deny"), secret: "canary-deny", arn: "arn:aws:iam::123456789012:user/deny", denied: true},
		stsKey{id: id("old"), secret: "canary-old", session: "canary-token", expires: time.Now().Add(-time.Minute), arn: "arn:aws:iam::123456789012:user/old"},
	)
	const msk = "b-1.test.kafka.us-east-1.amazonaws.com" // in the broker's certificate
	role := ` awsRoleArn="arn:aws:iam::123456789012:role/kafka-rest" awsStsRegion="us-east-1"`
	tests := []struct {
		claim, host, options string
		env                  map[string]string
		want                 Kind
		cause                string
	}{
		{"right key", msk, "", map[string]string{"AWS_ACCESS_KEY_ID": id("good"), "AWS_SECRET_ACCESS_KEY": "canary-good"}, "", ""},
		{"right key, region of the environment", "localhost", "", map[string]string{"AWS_ACCESS_KEY_ID": id("good"), "AWS_SECRET_ACCESS_KEY": "canary-good"}, "", ""},
		{"role by moto", "localhost", role, map[string]string{"AWS_ACCESS_KEY_ID": "AKIABASE", "AWS_SECRET_ACCESS_KEY": "canary", "AWS_ENDPOINT_URL_STS": moto}, "", ""},
		{"role by moto, keys of the options", "localhost", role + ` awsRoleAccessKeyId="AKIABASE" awsRoleSecretAccessKey="canary"`, map[string]string{"AWS_ENDPOINT_URL_STS": moto}, "", ""},
		{"wrong secret", msk, "", map[string]string{"AWS_ACCESS_KEY_ID": id("good"), "AWS_SECRET_ACCESS_KEY": "canary-bad"}, KindWrongSecret, "the secret does not belong to the access key"},
		{"unknown key", msk, "", map[string]string{"AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "canary-bad"}, KindUnknownKey, "AWS does not know the access key"},
		{"expired session", msk, "", map[string]string{"AWS_ACCESS_KEY_ID": id("old"), "AWS_SECRET_ACCESS_KEY": "canary-old", "AWS_SESSION_TOKEN": "canary-token"}, KindExpiredSession, "the session has expired"},
		{"missing permission", msk, "", map[string]string{"AWS_ACCESS_KEY_ID": id("deny"), "AWS_SECRET_ACCESS_KEY": "canary-deny"}, KindConnectDenied, "denies access to arn:aws:iam::123456789012:user/deny: it lacks kafka-cluster:Connect"},
		{"wrong region", "localhost", "", map[string]string{"AWS_ACCESS_KEY_ID": id("good"), "AWS_SECRET_ACCESS_KEY": "canary-good", "AWS_REGION": "eu-west-1"}, KindWrongRegion, "signed for region eu-west-1"},
		{"no credentials", msk, ` awsMaxRetries="0"`, nil, KindNoCredentials, "there are no AWS credentials"},
		{"unknown profile", msk, ` awsProfileName="nobody" awsAddDefaultProviders="false"`, nil, KindNoCredentials, "the profile nobody is in none of the shared AWS files"},
	}
	for _, mechanism := range []string{iamLogin, iamBearer} {
		name := "AWS_MSK_IAM"
		if mechanism == iamBearer {
			name = "OAUTHBEARER"
		}
		for _, tt := range tests {
			t.Run(name+", "+tt.claim, func(t *testing.T) {
				for key, value := range tt.env {
					t.Setenv(key, value)
				}
				var said lockedBuffer
				log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
				f, took, err := enter(t, b.config(t, tt.host, portIAM, mechanism+tt.options+";", log), log)
				if f.Kind != tt.want || !strings.Contains(f.Cause, tt.cause) || (err == nil) != (tt.want == "") {
					t.Errorf("finding %q %s, want %q with %q; error %v", f.Kind, f, tt.want, tt.cause, err)
				}
				if took > 15*time.Second {
					t.Errorf("it took %s to know", took)
				}
				for _, text := range []string{said.String(), f.String(), fmt.Sprint(err)} {
					if strings.Contains(text, "canary") {
						t.Errorf("a secret is in %.2000s", text)
					}
				}
			})
		}
	}
}

// TestRotation: sessions of 5 s at the broker and credentials of 10 s, under load, for 20 s, or for HEADRACE_TEST_ROTATION
// (10m, say): no record fails, the principal stays, and STS is asked no more often than needed.
func TestRotation(t *testing.T) {
	b := brokerWithLogins(t)
	lasts := 20 * time.Second
	if text := os.Getenv("HEADRACE_TEST_ROTATION"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	serial := strconv.FormatInt(time.Now().UnixNano(), 36)
	sts := newFakeSTS(t, b.iamKeys(), stsKey{id: "AKIA" + serial, secret: "s", arn: "arn:aws:iam::123456789012:user/base"})
	sts.life = 10 * time.Second
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIA"+serial)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	role := "rotation-" + serial
	mechanisms := []string{iamLogin, iamBearer}
	failed := make([]int64, len(mechanisms))
	sent := make([]int64, len(mechanisms))
	var running sync.WaitGroup
	for n, mechanism := range mechanisms {
		log := slog.New(slog.DiscardHandler)
		cfg := DefaultProducerConfig()
		cfg.Config = b.config(t, "localhost", portShort, mechanism+` awsRoleArn="arn:aws:iam::123456789012:role/`+role+`" awsMaxRetries="0";`, log)
		producer, err := NewProducer(cfg, log, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = producer.Close(context.Background()) })
		end := time.Now().Add(lasts)
		for range 4 {
			running.Go(func() {
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for time.Now().Before(end) {
					<-tick.C
					acks := producer.Produce(t.Context(), []record.Record{{Topic: "rotation", Partition: record.AnyPartition, Value: []byte("v")}})
					atomic.AddInt64(&sent[n], 1)
					if acks[0].Err != nil {
						atomic.AddInt64(&failed[n], 1)
						t.Errorf("a record failed: %v", acks[0].Err)
					}
				}
			})
		}
	}
	running.Wait()
	for n := range mechanisms {
		t.Logf("%d records sent, %d failed", sent[n], failed[n])
		if sent[n] == 0 {
			t.Error("nothing was sent")
		}
	}
	accepted := b.principals(t, role)
	least := int(lasts/(5*time.Second)) * 2
	if arn := "arn:aws:sts::123456789012:assumed-role/" + role + "/aws-msk-iam-auth"; len(accepted) != 1 || accepted[arn] < least {
		t.Errorf("the broker let in %v, want %s alone, %d times at least", accepted, arn, least)
	}
	sts.mu.Lock()
	defer sts.mu.Unlock()
	t.Logf("the broker let in %v; STS was asked %d times", accepted, len(sts.assumed))
	if most := 2 * int(lasts/(6*time.Second)+2); len(sts.assumed) > most {
		t.Errorf("STS was asked %d times for two clients, want at most %d", len(sts.assumed), most)
	}
}

// principals counts who was let in, by the broker's log.
func (b realBroker) principals(t *testing.T, part string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, "broker-1.log"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for line := range strings.Lines(string(text)) {
		_, who, ok := strings.Cut(line, " accepted ")
		if who, _, _ = strings.Cut(strings.TrimSpace(who), " "); ok && strings.Contains(who, part) {
			found[who]++
		}
	}
	return found
}

// TestMissingRight: a topic that an ACL forbids is refused with Kafka's own error, and the finding names the right.
func TestMissingRight(t *testing.T) {
	b := brokerWithLogins(t)
	log := slog.New(slog.DiscardHandler)
	admin, err := NewAdmin(b.config(t, "localhost", portPlain, "", log), log)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	const topic = "forbidden-to-alice"
	builder := kadm.NewACLs().Topics(topic).ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpAll).Deny("User:alice").DenyHosts("*")
	if _, err := admin.kafka.CreateACLs(t.Context(), builder); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultProducerConfig()
	cfg.Config = b.config(t, "localhost", portSASL, userLogin(saslTLS, "PLAIN", plainFor, "alice", "alice-secret"), log)
	producer, err := NewProducer(cfg, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = producer.Close(context.Background()) }()
	acks := producer.Produce(t.Context(), []record.Record{{Topic: topic, Partition: record.AnyPartition, Value: []byte("v")}})
	if f := cfg.Diagnose(t.Context(), acks[0].Err); f.Kind != KindMissingPermission {
		t.Errorf("%v is found to be %s %s, want %s", acks[0].Err, f.Kind, f, KindMissingPermission)
	}
	if acks[0].Err != kerr.TopicAuthorizationFailed { //nolint:errorlint // Kafka's own, bare
		t.Errorf("%v, want %v", acks[0].Err, kerr.TopicAuthorizationFailed)
	}
}
