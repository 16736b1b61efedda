package kafkaclient

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"

	"headrace/keystore"
	"headrace/record"
)

// authority makes certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{key, cert}
}

func (a authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// issue returns a certificate and its PEM, key first.
func (a authority) issue(t testing.TB, change func(*x509.Certificate)) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "leaf"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})) + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, text
}

func loopback(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }

// TestVerifyPeer: the chain is always checked; the name by the extension, else by the subject, unless nobody asks for it.
func TestVerifyPeer(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	for _, tt := range []struct {
		claim  string
		from   authority
		change func(*x509.Certificate)
		host   string
		check  bool
		want   Kind
	}{
		{"its name", ca, func(c *x509.Certificate) { c.DNSNames = []string{"*.kafka.example"} }, "b1.kafka.example", true, ""},
		{"its address", ca, loopback, "127.0.0.1", true, ""},
		{"another name", ca, func(c *x509.Certificate) { c.DNSNames = []string{"b2.kafka.example"} }, "b1.kafka.example", true, KindTLSName},
		{"another name, not checked", ca, func(c *x509.Certificate) { c.DNSNames = []string{"b2.kafka.example"} }, "b1.kafka.example", false, ""},
		{"an old one, with the subject alone", ca, func(c *x509.Certificate) { c.Subject.CommonName = "b1.kafka.example" }, "b1.kafka.example", true, ""},
		{"the subject does not count beside the extension", ca, func(c *x509.Certificate) {
			c.Subject.CommonName, c.DNSNames = "b1.kafka.example", []string{"b2.kafka.example"}
		}, "b1.kafka.example", true, KindTLSName},
		{"an address is not looked for in the subject", ca, func(c *x509.Certificate) { c.Subject.CommonName = "127.0.0.1" }, "127.0.0.1", true, KindTLSName},
		{"another authority", other, func(c *x509.Certificate) { c.DNSNames = []string{"b1.kafka.example"} }, "b1.kafka.example", false, KindTLSUnknownCA},
		{"expired", ca, func(c *x509.Certificate) {
			c.DNSNames, c.NotAfter = []string{"b1.kafka.example"}, time.Now().Add(-time.Minute)
		}, "b1.kafka.example", true, KindTLSExpired},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			cert, _ := tt.from.issue(t, tt.change)
			err := verifyPeer([]*x509.Certificate{cert.Leaf}, pool, tt.host, tt.check)
			if err != nil {
				err = &ConnectError{Address: tt.host + ":9094", Stage: StageTLS, Err: err}
			}
			if f := (Config{}).Diagnose(t.Context(), err); f.Kind != tt.want {
				t.Errorf("%v is found to be %q, want %q", err, f.Kind, tt.want)
			}
		})
	}
}

func TestTLSSettings(t *testing.T) {
	for _, tt := range []struct {
		claim             string
		protocols, suites []string
		want              tlsSettings
	}{
		{"Java's defaults", nil, nil, tlsSettings{min: tls.VersionTLS12, max: tls.VersionTLS13}},
		{"one version", []string{"TLSv1.2"}, nil, tlsSettings{min: tls.VersionTLS12, max: tls.VersionTLS12}},
		{"old ones, as asked for", []string{"SSLv3", "TLSv1", "TLSv1.2"}, nil, tlsSettings{min: tls.VersionTLS10, max: tls.VersionTLS12}},
		{"a suite of TLS 1.2 forbids 1.3", nil, []string{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}, tlsSettings{min: tls.VersionTLS12, max: tls.VersionTLS12, suites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}},
		{"suites of TLS 1.3 alone forbid 1.2", nil, []string{"TLS_AES_256_GCM_SHA384"}, tlsSettings{min: tls.VersionTLS13, max: tls.VersionTLS13}},
		{"Java's old prefix", nil, []string{"SSL_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_AES_256_GCM_SHA384"}, tlsSettings{min: tls.VersionTLS12, max: tls.VersionTLS13, suites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}}},
	} {
		got, missing, err := TLS{Protocols: tt.protocols, CipherSuites: tt.suites}.settings()
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(tlsSettings{})); diff != "" || err != nil || missing != nil {
			t.Errorf("%s: %v, %q (-want +got):\n%s", tt.claim, err, missing, diff)
		}
	}
}

// TestCertificatesChange: own certificate and authorities are swapped while records are written and connections opened: nothing
// fails. A broken file keeps the old one in force and shows in the metric.
func TestCertificatesChange(t *testing.T) {
	ca, next := newAuthority(t, "ca"), newAuthority(t, "next")
	believed := x509.NewCertPool()
	believed.AddCert(ca.cert)
	believed.AddCert(next.cert)
	serving, _ := ca.issue(t, loopback)
	var mu sync.Mutex
	seen := map[string]bool{}
	cluster := broker(t, kfake.SeedTopics(1, "t"), kfake.TLS(&tls.Config{
		Certificates: []tls.Certificate{serving}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: believed,
		VerifyConnection: func(state tls.ConnectionState) error {
			mu.Lock()
			defer mu.Unlock()
			seen[state.PeerCertificates[0].Issuer.CommonName] = true
			return nil
		},
	}))
	dir := t.TempDir()
	swap := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	_, first := ca.issue(t, func(*x509.Certificate) {})
	_, second := next.issue(t, func(*x509.Certificate) {})
	swap("own.pem", first)
	swap("ca.pem", ca.pem())

	reg := prometheus.NewRegistry()
	cfg := DefaultProducerConfig()
	cfg.Brokers = cluster.ListenAddrs()
	cfg.Logins = NewLogins(slog.New(slog.DiscardHandler), reg)
	cfg.Login.TLS = &TLS{
		Trust: keystore.Trust{Type: "PEM", Path: filepath.Join(dir, "ca.pem")}, Key: keystore.Key{Type: "PEM", Path: filepath.Join(dir, "own.pem")},
	}
	producer, err := NewProducer(cfg, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = producer.Close(context.Background()) }()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	sent := 0
	running.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond) // 500 a second
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			sent++
			if acks := producer.Produce(t.Context(), []record.Record{{Topic: "t", Value: []byte("v")}}); acks[0].Err != nil {
				t.Errorf("a record failed: %v", acks[0].Err)
			}
		}
	})
	keys, err := cfg.Logins.keysOf(*cfg.Login.TLS)
	if err != nil {
		t.Fatal(err)
	}
	connect := func(claim string) {
		t.Helper()
		keys.Look()
		for range 10 {
			if f, _, err := enter(t, cfg.Config, slog.New(slog.DiscardHandler)); err != nil {
				t.Errorf("%s: %s", claim, f)
			}
		}
	}
	connect("the first certificates")
	swap("ca.pem", ca.pem()+next.pem())
	connect("one authority more")
	swap("own.pem", second)
	connect("another certificate")
	swap("own.pem", "broken")
	connect("a broken file")
	text := `# HELP headrace_certificate_files_broken 1 while changed files cannot be loaded and the old certificates stay in force, else 0.
# TYPE headrace_certificate_files_broken gauge
headrace_certificate_files_broken{use="kafka"} 1
# HELP headrace_certificate_reloads_total Changed certificate, key and trust files that were loaded (ok) or could not be (failed).
# TYPE headrace_certificate_reloads_total counter
headrace_certificate_reloads_total{result="failed",use="kafka"} 1
headrace_certificate_reloads_total{result="ok",use="kafka"} 2
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(text), "headrace_certificate_files_broken", "headrace_certificate_reloads_total"); err != nil {
		t.Error(err)
	}
	stop()
	running.Wait()
	if !seen["ca"] || !seen["next"] || sent == 0 {
		t.Errorf("brokers saw certificates of %v, %d records were sent", seen, sent)
	}
}

// TestSilentBroker: a port that is open but says nothing is told from one that is closed, within the time to connect.
func TestSilentBroker(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	cfg := DefaultConfig()
	cfg.Brokers, cfg.DialTimeout = []string{ln.Addr().String()}, 200*time.Millisecond
	cfg.Login.TLS = &TLS{}
	f, _, err := enterWithin(t, time.Second, cfg, slog.New(slog.DiscardHandler))
	if f.Kind != KindPlaintextPort || !strings.Contains(f.Cause, "is open but does not answer in TLS") {
		t.Errorf("%v is found to be %s %s", err, f.Kind, f)
	}
}

// TestDialFindings: what a dead address is found to be.
func TestDialFindings(t *testing.T) {
	for _, tt := range []struct {
		broker string
		open   error
		want   Kind
		next   string
	}{
		{"127.0.0.1:1", nil, KindRefused, "check the port in bootstrap.servers"},
		{"no.such.host.invalid:9092", &net.DNSError{Name: "no.such.host.invalid", IsNotFound: true}, KindDNS, "getent hosts no.such.host.invalid"},
		{"b-1.a.b.c2.kafka.us-east-1.amazonaws.com:9098", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, KindTimeout, "security group or firewall admit this machine on port 9098"},
	} {
		cfg := DefaultConfig()
		cfg.Brokers = []string{tt.broker}
		cfg.Logins = NewLogins(slog.New(slog.DiscardHandler), nil)
		if tt.open != nil {
			cfg.Logins.open = func(context.Context, string, string) (net.Conn, error) { return nil, tt.open }
		}
		if f, _, err := enterWithin(t, time.Second, cfg, slog.New(slog.DiscardHandler)); f.Kind != tt.want || !strings.Contains(f.Next, tt.next) {
			t.Errorf("%s: %v is found to be %s %s, want %s with %q", tt.broker, err, f.Kind, f, tt.want, tt.next)
		}
	}
}
