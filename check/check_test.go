package check

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"headrace/kafkaclient"
	"headrace/keystore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newKafka starts a cluster of one broker and returns its address.
func newKafka(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, string) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, cluster.ListenAddrs()[0]
}

// at is a configuration for these brokers, as start makes it of a file that names no more.
func at(brokers ...string) Config {
	cfg := Config{Kafka: kafkaclient.DefaultConfig(), Producer: kafkaclient.DefaultProducerConfig()}
	cfg.Kafka.Brokers = brokers
	cfg.Producer.Config = cfg.Kafka
	return cfg
}

// scram logs in by user and password.
func scram(cfg Config, user, password string) Config {
	cfg.Kafka.Login.SASL = &kafkaclient.SASL{Mechanism: "SCRAM-SHA-256", Username: user, Password: password}
	cfg.Producer.Config = cfg.Kafka
	return cfg
}

// finding is what a test expects: the status and parts of the two sentences of one check.
type finding struct {
	check  string
	status Status
	cause  string
	next   string
}

// examine runs all checks and looks for each finding.
func examine(t *testing.T, cfg Config, want ...finding) []Result {
	t.Helper()
	began := time.Now()
	reported := 0
	results := Run(t.Context(), cfg, slog.New(slog.DiscardHandler), func(Result) { reported++ })
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v, want 15 s at most", took)
	}
	if reported != len(results) {
		t.Errorf("%d findings were reported, %d returned", reported, len(results))
	}
	has(t, results, want...)
	return results
}

func has(t *testing.T, results []Result, want ...finding) {
	t.Helper()
	for _, w := range want {
		found := false
		for _, r := range results {
			found = found || r.Check == w.check && r.Status == w.status && strings.Contains(r.Cause, w.cause) && strings.Contains(r.Next, w.next)
		}
		if !found {
			t.Errorf("no finding %+v in\n%s", w, shown(results))
		}
	}
}

func shown(results []Result) string {
	var b strings.Builder
	for _, r := range results {
		if r.Status != Skipped {
			b.WriteString(string(r.Status) + " " + r.Check + ": " + r.Cause + " → " + r.Next + "\n")
		}
	}
	return b.String()
}

// TestAllIsWell: a cluster with the topic, nothing else asked for.
func TestAllIsWell(t *testing.T) {
	t.Parallel()
	_, addr := newKafka(t, kfake.SeedTopics(3, "orders"))
	cfg := at(addr)
	cfg.Topics = []string{"orders"}
	results := examine(t, cfg,
		finding{"config", OK, "nothing is odd", ""},
		finding{"dns", OK, "127.0.0.1", ""},
		finding{"tcp", OK, "open: " + addr, ""},
		finding{"tls", Skipped, "asks for no TLS", ""},
		finding{"api versions", OK, "1 of 1 brokers answer", ""},
		finding{"login", OK, "1 broker, by PLAINTEXT", ""},
		finding{"rights", OK, "nothing is missing on the cluster, 1 topic and 0 groups", ""},
		finding{"topics", OK, "topic orders has 3 partitions", ""},
		finding{"registry", Skipped, "", ""},
		finding{"aws", Skipped, "", ""},
		finding{"kinesis", Skipped, "", ""},
		finding{"s3", Skipped, "", ""},
		finding{"api gateway", Skipped, "", ""},
	)
	if len(results) != 13 || Worst(results) != OK {
		t.Errorf("%d findings, the worst %s:\n%s", len(results), Worst(results), shown(results))
	}
}

// silent is a port whose connections are never completed, as behind a security group: nobody takes
// them, and the queue is full.
func silent(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*syscall.SockaddrInet4).Port
	address := net.JoinHostPort("127.0.0.1", itoa(port))
	for range 4 { // the queue of 0 has room for one
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	return address
}

func itoa(n int) string { return big.NewInt(int64(n)).String() }

// closed is a port that nothing listens on.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// listen takes connections and hands them to serve.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// TestWay: everything between this machine and a broker that answers.
func TestWay(t *testing.T) {
	t.Parallel()
	_, good := newKafka(t)
	web := listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	authority := newAuthority(t)
	_, secured := newKafka(t, kfake.TLS(authority.server(t, "localhost", time.Now().Add(time.Hour))))
	for _, tt := range []struct {
		name    string
		brokers []string
		want    finding
	}{
		{"no such name", []string{"no-such-broker.invalid:9092"}, finding{"dns", Failed, "the broker's name no-such-broker.invalid is not known", "getent hosts no-such-broker.invalid"}},
		{"one name of two", []string{"no-such-broker.invalid:9092", good}, finding{"dns", Warning, "no-such-broker.invalid", ""}},
		{"nothing listens", []string{closed(t)}, finding{"tcp", Failed, "the connection was refused", "check the port in bootstrap.servers"}},
		{"one port of two", []string{closed(t), good}, finding{"tcp", Warning, "the connection was refused", ""}},
		{"a security group", []string{silent(t)}, finding{"tcp", Failed, "does not answer at all", "security group"}},
		{"a web server", []string{web}, finding{"api versions", Failed, "is no Kafka broker", "the brokers' own port"}},
		{"a port that hangs up", []string{listen(t, func(net.Conn) {})}, finding{"api versions", Failed, "does not take unencrypted connections", "client.security.protocol=SSL"}},
		{"a port that is silent", []string{listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })}, finding{"api versions", Failed, "takes the connection and does not answer", ""}},
		{"a port that speaks TLS", []string{secured}, finding{"api versions", Failed, "does not take unencrypted connections", "client.security.protocol=SSL"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			results := examine(t, at(tt.brokers...), tt.want)
			if tt.want.status == Failed {
				has(t, results, finding{"login", Skipped, tt.want.check + " has failed", ""}, finding{"topics", Skipped, tt.want.check + " has failed", ""})
			} else {
				has(t, results, finding{"login", OK, "", ""})
			}
		})
	}
}

// TestDeadHost: what nobody answers for is told in 5 s.
func TestDeadHost(t *testing.T) {
	t.Parallel()
	began := time.Now()
	examine(t, at(silent(t)), finding{"tcp", Failed, "does not answer at all", ""})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v, want 5 s at most", took)
	} else {
		t.Logf("a dead host is told in %v", took.Round(time.Millisecond))
	}
}

// authority signs certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the test's authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert}
}

// server is TLS with a certificate for one name.
func (a *authority) server(t *testing.T, name string, until time.Time) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// trust is what a client believes.
func (a *authority) trust() keystore.Trust {
	return keystore.Trust{Type: "PEM", PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	_, good := newKafka(t, kfake.TLS(authority.server(t, "localhost", time.Now().Add(time.Hour))))
	_, expired := newKafka(t, kfake.TLS(authority.server(t, "localhost", time.Now().Add(-time.Hour))))
	_, otherName := newKafka(t, kfake.TLS(authority.server(t, "b-1.kafka.example", time.Now().Add(time.Hour))))
	_, plain := newKafka(t)
	hangsUp := listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 5)) }) // as Kafka does at a length it cannot believe
	wants := authority.server(t, "localhost", time.Now().Add(time.Hour))
	wants.ClientAuth = tls.RequireAnyClientCert
	_, mutual := newKafka(t, kfake.TLS(wants))
	for _, tt := range []struct {
		name    string
		address string
		trust   keystore.Trust
		want    finding
	}{
		{"believed", good, authority.trust(), finding{"tls", OK, "agreed with localhost", ""}},
		{"an authority that is not known", good, newAuthority(t).trust(), finding{"tls", Failed, "is signed by somebody who is not trusted", "client.ssl.truststore.location"}},
		{"expired", expired, authority.trust(), finding{"tls", Failed, "is not valid now", ""}},
		{"for another name", otherName, authority.trust(), finding{"tls", Failed, "is for other names (b-1.kafka.example)", "client.ssl.endpoint.identification.algorithm"}},
		{"a port that does not speak it", hangsUp, authority.trust(), finding{"tls", Failed, "does not speak TLS", "client.security.protocol=PLAINTEXT"}},
		{"a port that waits for something else", plain, authority.trust(), finding{"tls", Failed, "is open but does not answer in TLS", ""}},
		{"a port that wants a certificate", mutual, authority.trust(), finding{"api versions", Failed, "wants a client certificate and none is configured", "client.ssl.keystore.location"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := at("localhost:" + port(tt.address))
			cfg.Kafka.Login.TLS = &kafkaclient.TLS{Trust: tt.trust}
			examine(t, cfg, tt.want)
		})
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	_, addr := newKafka(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "alice", "right"))
	wrong := scram(at(addr), "alice", "TOPSECRET")
	otherMechanism := scram(at(addr), "alice", "right")
	otherMechanism.Kafka.Login.SASL.Mechanism = "OAUTHBEARER"
	otherMechanism.Kafka.Login.SASL.Unsecured = &kafkaclient.Unsecured{Strings: map[string]string{"sub": "alice"}, Lifetime: time.Hour}
	refusing, refuses := newKafka(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "alice", "right"))
	refusing.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) { // as brokers do, where kfake hangs up
		refusing.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode, resp.ErrorMessage = kerr.SaslAuthenticationFailed.Code, new("Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256")
		return resp, nil, true
	})
	wrong.Kafka.Brokers = []string{refuses}
	plain, open := newKafka(t)
	plain.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
		plain.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
		resp.ErrorCode = kerr.IllegalSaslState.Code
		return resp, nil, true
	})
	for _, tt := range []struct {
		name string
		cfg  Config
		want finding
	}{
		{"right", scram(at(addr), "alice", "right"), finding{"login", OK, "by SASL_PLAINTEXT SCRAM-SHA-256", ""}},
		{"a wrong password", wrong, finding{"login", Failed, `the broker refuses user "alice" by SCRAM-SHA-256`, "client.sasl.jaas.config"}},
		{"none where one is wanted", at(addr), finding{"login", Failed, "wants a login", "client.sasl.jaas.config"}},
		{"a mechanism that is not there", otherMechanism, finding{"login", Failed, "does not have sasl.mechanism=OAUTHBEARER", ""}},
		{"where none is wanted", scram(at(open), "alice", "right"), finding{"login", Failed, "takes no login", "client.security.protocol"}},
		{"a broker that gives no reason", scram(at(addr), "alice", "wrong"), finding{"login", Failed, "ends the connection during the login by SCRAM-SHA-256 without a reason", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range examine(t, tt.cfg, tt.want) {
				if strings.Contains(r.Cause+r.Next, "TOPSECRET") {
					t.Errorf("a secret is shown: %+v", r)
				}
			}
		})
	}
}

// TestAdvertisedElsewhere: the first broker answers and sends clients to where nobody is.
func TestAdvertisedElsewhere(t *testing.T) {
	t.Parallel()
	cluster, addr := newKafka(t)
	gone := closed(t)
	cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		broker := kmsg.NewMetadataResponseBroker()
		broker.NodeID, broker.Host = 7, "127.0.0.1"
		_, port, _ := net.SplitHostPort(gone)
		n, _ := new(big.Int).SetString(port, 10)
		broker.Port = int32(n.Int64())
		resp.Brokers, resp.ControllerID = append(resp.Brokers, broker), 7
		return resp, nil, true
	})
	examine(t, at(addr), finding{"login", Failed, "broker 7 says it is at " + gone + ", and that cannot be reached from here", "advertised.listeners"})
}

// allow is an ACL for alice.
func allow(resource kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.ACL {
	return kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
}

// TestRights: each right that the gateway needs is missed by name when it is not there, in the words of
// ACLs and, the same rights behind an IAM login, of IAM.
func TestRights(t *testing.T) {
	t.Parallel()
	const topic, group, cluster = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup, kmsg.ACLResourceTypeCluster
	all := []kfake.ACL{
		allow(cluster, "kafka-cluster", kmsg.ACLOperationIdempotentWrite), allow(cluster, "kafka-cluster", kmsg.ACLOperationDescribe),
		allow(topic, "orders", kmsg.ACLOperationWrite), allow(topic, "orders", kmsg.ACLOperationRead), allow(topic, "orders", kmsg.ACLOperationDescribeConfigs),
		allow(group, "connect-s3", kmsg.ACLOperationRead),
	}
	without := func(n ...int) (acls []kfake.ACL) {
		for i, acl := range all {
			if !strings.Contains(" "+strings.Trim(strings.Join(strings.Fields(sprint(n)), " "), "[]")+" ", " "+itoa(i)+" ") {
				acls = append(acls, acl)
			}
		}
		return acls
	}
	for _, tt := range []struct {
		name     string
		acls     []kfake.ACL
		status   Status
		acl, iam string // what is missing; empty: nothing
		on       string
	}{
		{"all are there", all, OK, "", "", ""},
		{"no idempotent writes", without(0), Failed, "", "kafka-cluster:WriteDataIdempotently", "the cluster"},
		{"no look at the cluster", without(1), Warning, "DESCRIBE", "kafka-cluster:DescribeCluster", "the cluster"},
		{"no writes", without(2), Failed, "WRITE", "kafka-cluster:WriteData", "the topic orders"},
		{"no reads", without(3), Warning, "READ", "kafka-cluster:ReadData", "the topic orders"},
		{"no look at a topic's settings", without(4), Warning, "DESCRIBE_CONFIGS", "kafka-cluster:DescribeTopicDynamicConfiguration", "the topic orders"},
		{"no look at the topic", without(2, 3, 4), Failed, "DESCRIBE", "kafka-cluster:DescribeTopic", "the topic orders"},
		{"no look at the group", without(5), Failed, "DESCRIBE", "kafka-cluster:DescribeGroup", "the group connect-s3"},
		{"no member of the group", append(without(5), allow(group, "connect-s3", kmsg.ACLOperationDescribe)), Failed, "READ", "kafka-cluster:AlterGroup", "the group connect-s3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, addr := newKafka(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("SCRAM-SHA-256", "admin", "admin"),
				kfake.User("SCRAM-SHA-256", "alice", "right", tt.acls...), kfake.SeedTopics(1, "orders"))
			cfg := scram(at(addr), "alice", "right")
			cfg.Topics = []string{"orders"}
			cfg.Buckets = []Bucket{{Group: "connect-s3"}}
			d := &doctor{cfg: cfg, log: slog.New(slog.DiscardHandler), open: []string{addr}}
			for _, r := range d.login(t.Context()) {
				if r.Status != OK {
					t.Fatalf("login: %+v", r)
				}
			}
			defer d.admin.Close()
			look := func(missing, next string) {
				t.Helper()
				want := finding{"rights", OK, "nothing is missing", ""}
				if missing != "" {
					want = finding{"rights", tt.status, "lacks " + missing + " on " + tt.on, next}
				}
				results := d.rights(t.Context())
				for i := range results {
					results[i].Check = "rights"
				}
				has(t, results, want)
				if missing != "" && len(results) != 1 {
					t.Errorf("more is missed: %s", shown(results))
				}
			}
			look(tt.acl, "kafka-acls.sh --bootstrap-server "+addr+" --add")
			d.cfg.Kafka.Login.SASL.IAM = &kafkaclient.IAM{}
			look(tt.iam, `"Action":["`+tt.iam+`"]`)
		})
	}
}

func sprint(n []int) string {
	var parts []string
	for _, i := range n {
		parts = append(parts, itoa(i))
	}
	return strings.Join(parts, " ")
}

func TestTopics(t *testing.T) {
	t.Parallel()
	makes := func(value string) func(*kfake.Cluster) {
		return func(cluster *kfake.Cluster) {
			cluster.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
				resource := kmsg.NewDescribeConfigsResponseResource()
				resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeBroker, "0"
				config := kmsg.NewDescribeConfigsResponseResourceConfig()
				config.Name, config.Value = "auto.create.topics.enable", &value
				resource.Configs = append(resource.Configs, config)
				resp.Resources = append(resp.Resources, resource)
				return resp, nil, true
			})
		}
	}
	leaderless := func(cluster *kfake.Cluster) {
		cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			asked := req.(*kmsg.MetadataRequest)
			if len(asked.Topics) == 0 {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.MetadataResponse)
			broker := kmsg.NewMetadataResponseBroker()
			host, port, _ := net.SplitHostPort(cluster.ListenAddrs()[0])
			n, _ := new(big.Int).SetString(port, 10)
			broker.Host, broker.Port = host, int32(n.Int64())
			resp.Brokers = append(resp.Brokers, broker)
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic = new("orders")
			for i := range int32(3) {
				p := kmsg.NewMetadataResponseTopicPartition()
				p.Partition, p.Leader = i, i-1
				topic.Partitions = append(topic.Partitions, p)
			}
			resp.Topics = append(resp.Topics, topic)
			return resp, nil, true
		})
	}
	for _, tt := range []struct {
		name  string
		topic string
		setUp func(*kfake.Cluster)
		want  finding
	}{
		{"there", "orders", nil, finding{"topics", OK, "topic orders has 2 partitions", ""}},
		{"missing, and none is made", "clicks", makes("false"), finding{"topics", Failed, "topic clicks does not exist, and the brokers make none (auto.create.topics.enable=false)", "--create --topic clicks"}},
		{"missing, and it will be made", "clicks", makes("true"), finding{"topics", Warning, "the brokers will make it", "--create --topic clicks"}},
		{"missing, and nobody tells", "clicks", nil, finding{"topics", Warning, "this login may not know whether", "--create --topic clicks"}},
		{"without a leader", "orders", leaderless, finding{"topics", Failed, "1 of 3 partitions of topic orders have no leader", "--unavailable-partitions"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cluster, addr := newKafka(t, kfake.SeedTopics(2, "orders"))
			if tt.setUp != nil {
				tt.setUp(cluster)
			}
			cfg := at(addr)
			cfg.Topics = []string{tt.topic}
			examine(t, cfg, tt.want)
		})
	}
}

// TestWritesOnlyWhenTold: without --write no record is written; with it one.
func TestWritesOnlyWhenTold(t *testing.T) {
	t.Parallel()
	cluster, addr := newKafka(t, kfake.SeedTopics(1, "orders"))
	cfg := at(addr)
	cfg.Topics = []string{"orders"}
	for _, want := range []int64{0, 1} {
		cfg.Write = want == 1
		results := examine(t, cfg)
		if got := cluster.PartitionInfo("orders", 0).HighWatermark; got != want {
			t.Errorf("write %t: %d records lie in the topic, want %d", cfg.Write, got, want)
		}
		if cfg.Write {
			has(t, results, finding{"topics", OK, "a record was written to topic orders, partition 0, offset 0", ""})
		}
	}
}

// TestEndsWithItsContext: who gives up early gets what was found so far, and the rest as skipped.
func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results := Run(ctx, at(closed(t)), slog.New(slog.DiscardHandler), func(Result) {})
	has(t, results, finding{"tcp", Skipped, "", ""}, finding{"topics", Skipped, "", ""})
}

// cleanAWS takes the machine's own AWS settings away from a test.
func cleanAWS(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			_ = os.Unsetenv(name)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}
