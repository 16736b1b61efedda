package server

import (
	"bytes"
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
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"headrace/keystore"
)

// writeCertificate makes a certificate for hosts and writes it with its key as PEM. The certificate is its own authority.
func writeCertificate(t testing.TB, path, name string, hosts ...string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	_ = pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	replace(t, path, text.Bytes())
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// replace puts a file in its place at once, as tools that renew certificates do.
func replace(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// startServer serves until the test ends.
func startServer(t testing.TB, change func(*Config)) (*Server, *prometheus.Registry, fakeAPI) {
	t.Helper()
	s, reg, api := newServer(t, change, nil)
	ctx, stop := context.WithCancel(context.Background())
	if err := s.Listen(ctx); err != nil {
		stop()
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return s, reg, api
}

// secure makes the listener one of https with the certificate at path.
func secure(path string) func(*Config) {
	return func(cfg *Config) {
		cfg.Listeners[0].TLS = &TLS{Key: keystore.Key{Type: "PEM", Path: path}, Reload: true}
	}
}

func newClient(t testing.TB, config *tls.Config, http2 bool) *http.Client {
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func trusting(certificates ...*x509.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return &tls.Config{RootCAs: pool}
}

// fetched is an answer that was read.
type fetched struct {
	proto   int
	headers http.Header
	shown   *x509.Certificate // by the server; nil without TLS
	body    string
}

func fetch(t testing.TB, client *http.Client, url string) fetched {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	f := fetched{proto: resp.ProtoMajor, headers: resp.Header, body: string(text)}
	if resp.TLS != nil {
		f.shown = resp.TLS.PeerCertificates[0]
	}
	return f
}

func TestHTTPS(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.pem")
	certificate := writeCertificate(t, path, "server", "127.0.0.1")
	for _, http2 := range []bool{true, false} {
		s, _, _ := startServer(t, func(cfg *Config) {
			secure(path)(cfg)
			cfg.Listeners[0].HTTP2, cfg.Listeners[0].HSTS = http2, true
		})
		got := fetch(t, newClient(t, trusting(certificate), true), "https://"+s.Addrs()[0]+"/topics/a")
		if got.body != "a" || got.proto == 2 != http2 || got.headers.Get("Strict-Transport-Security") != hsts {
			t.Errorf("http2 = %t: %+v", http2, got)
		}
	}
}

// TestHTTP2WithoutTLS: http listeners speak HTTP/2 to clients that begin with it.
func TestHTTP2WithoutTLS(t *testing.T) {
	s, _, _ := startServer(t, nil)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	if got := fetch(t, &http.Client{Transport: transport}, "http://"+s.Addrs()[0]+"/topics/a"); got.body != "a" || got.proto != 2 {
		t.Errorf("%+v, want HTTP/2", got)
	}
}

func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	server := writeCertificate(t, filepath.Join(dir, "server.pem"), "server", "127.0.0.1")
	writeCertificate(t, filepath.Join(dir, "client.pem"), "client")
	writeCertificate(t, filepath.Join(dir, "stranger.pem"), "stranger")
	for _, tt := range []struct {
		auth, client string
		ok           bool
	}{
		{"NONE", "", true},
		{"REQUESTED", "", true},
		{"REQUESTED", "client", true},
		{"REQUESTED", "stranger", false},
		{"REQUIRED", "", false},
		{"REQUIRED", "client", true},
		{"REQUIRED", "stranger", false},
	} {
		s, _, _ := startServer(t, func(cfg *Config) {
			secure(filepath.Join(dir, "server.pem"))(cfg)
			cfg.Listeners[0].TLS.ClientAuth = tt.auth
			cfg.Listeners[0].TLS.Trust = keystore.Trust{Type: "PEM", Path: filepath.Join(dir, "client.pem")}
		})
		config := trusting(server)
		if tt.client != "" {
			pair, err := keystore.Key{Type: "PEM", Path: filepath.Join(dir, tt.client+".pem")}.Load()
			if err != nil {
				t.Fatal(err)
			}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		resp, err := newClient(t, config, false).Get("https://" + s.Addrs()[0] + "/topics/a")
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != tt.ok {
			t.Errorf("%s with %q: %v, want ok %t", tt.auth, tt.client, err, tt.ok)
		}
	}
}

func TestSNI(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.pem")
	certificate := writeCertificate(t, path, "server", "rest.example.com", "*.wild.example.com", "127.0.0.1")
	for _, tt := range []struct {
		name           string
		sni, host      string
		check, checkIt bool
		status         int
		text           string
	}{
		{"the same", "rest.example.com", "rest.example.com", true, true, 200, "a"},
		{"case and port do not count", "rest.example.com", "REST.example.com:8443", true, true, 200, "a"},
		{"another host", "rest.example.com", "other.example.com", false, true, 400, "Invalid SNI"},
		{"another host, unchecked", "rest.example.com", "other.example.com", false, false, 200, "a"},
		{"another host of the certificate", "rest.example.com", "x.wild.example.com", false, true, 200, "a"},
		{"another host of the certificate, strictly", "rest.example.com", "x.wild.example.com", true, true, 421, "Misdirected Request"},
		{"no server name in the handshake", "", "127.0.0.1", true, true, 200, "a"},
		{"an address that is not in the certificate", "", "127.0.0.2", true, true, 400, "Invalid SNI"},
	} {
		s, _, _ := startServer(t, func(cfg *Config) {
			secure(path)(cfg)
			cfg.Listeners[0].TLS.CheckSNI, cfg.Listeners[0].TLS.CheckSNIHost = tt.check, tt.checkIt
		})
		config := trusting(certificate)
		config.ServerName = tt.sni
		req, err := http.NewRequest(http.MethodGet, "https://"+s.Addrs()[0]+"/topics/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = tt.host
		resp, err := newClient(t, config, false).Do(req)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.status || !strings.Contains(string(text), tt.text) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, resp.StatusCode, text, tt.status, tt.text)
		}
	}
}

func TestHandshake(t *testing.T) {
	const gcm = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
	for _, tt := range []struct {
		protocols, suites string
		lowest, highest   uint16
		chosen            int
		fault             string
	}{
		{"", "", tls.VersionTLS12, tls.VersionTLS13, 0, ""},
		{"TLSv1.2", "", tls.VersionTLS12, tls.VersionTLS12, 0, ""},
		{"TLSv1.3,SSLv3", "", tls.VersionTLS13, tls.VersionTLS13, 0, ""},
		{"TLSv1,TLSv1.1", "", tls.VersionTLS10, tls.VersionTLS11, 0, ""},
		{"SSLv3", "", 0, 0, 0, "ssl.enabled.protocols = SSLv3"},
		{"", gcm, tls.VersionTLS12, tls.VersionTLS12, 1, ""},
		{"", gcm + ",TLS_AES_128_GCM_SHA256,TLS_UNKNOWN", tls.VersionTLS12, tls.VersionTLS13, 1, ""},
		{"", "TLS_AES_128_GCM_SHA256", tls.VersionTLS13, tls.VersionTLS13, 0, ""},
		{"", "TLS_UNKNOWN", 0, 0, 0, "TLS_UNKNOWN"},
		{"TLSv1.3", gcm, 0, 0, 0, "no version"},
	} {
		split := func(s string) []string { return strings.FieldsFunc(s, func(c rune) bool { return c == ',' }) }
		lowest, highest, chosen, err := Handshake(split(tt.protocols), split(tt.suites))
		if lowest != tt.lowest || highest != tt.highest || len(chosen) != tt.chosen || (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("Handshake(%q, %q) = %x, %x, %v, %v", tt.protocols, tt.suites, lowest, highest, chosen, err)
		}
	}
}

// TestCertificateSwap: certificates are swapped under 500 requests a second, and one file is broken: no
// request fails, the last good certificate stays, and a metric says that the file is broken.
func TestCertificateSwap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.pem")
	first := writeCertificate(t, path, "first", "127.0.0.1")
	var logged bytes.Buffer
	cfg := DefaultConfig()
	cfg.Listeners[0].Address = "127.0.0.1:0"
	secure(path)(&cfg)
	reg := prometheus.NewRegistry()
	s, err := New(cfg, fakeAPI{}, Version{}, func(context.Context) error { return nil }, slog.New(slog.NewTextHandler(&logged, nil)), reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	url := "https://" + s.Addrs()[0] + "/topics/a"

	load := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 8}, Timeout: 10 * time.Second} // any certificate will do
	defer load.CloseIdleConnections()
	var sent, failed atomic.Int64
	var workers sync.WaitGroup
	loading, enough := context.WithCancel(t.Context())
	for range 4 {
		workers.Go(func() {
			tick := time.NewTicker(8 * time.Millisecond) // 125 requests a second each
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-loading.Done():
					return
				case <-tick.C:
				}
				resp, err := load.Get(url)
				if err != nil || resp.StatusCode != http.StatusOK {
					failed.Add(1)
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				sent.Add(1)
				if n%20 == 0 {
					load.CloseIdleConnections() // handshakes under the load, too
				}
			}
		})
	}
	shows := func(want *x509.Certificate) {
		t.Helper()
		if got := fetch(t, newClient(t, trusting(want), false), url).shown; !got.Equal(want) {
			t.Errorf("shows the certificate of %s, want that of %s", got.Subject, want.Subject)
		}
	}
	certs := s.doors[0].certs
	shows(first)
	var last *x509.Certificate
	for range 5 {
		last = writeCertificate(t, path, "next", "127.0.0.1")
		certs.Look()
		shows(last)
	}
	replace(t, path, []byte("-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----\n"))
	certs.Look()
	shows(last)
	if got := testutil.ToFloat64(metricOf(t, reg, "headrace_certificate_files_broken")); got != 1 {
		t.Errorf("headrace_certificate_files_broken = %v, want 1", got)
	}
	waitFor(t, "500 requests", func() bool { return sent.Load() > 500 })
	mended := writeCertificate(t, path, "mended", "127.0.0.1")
	certs.Look()
	shows(mended)
	if got := testutil.ToFloat64(metricOf(t, reg, "headrace_certificate_files_broken")); got != 0 {
		t.Errorf("headrace_certificate_files_broken = %v, want 0", got)
	}
	enough()
	workers.Wait()
	load.CloseIdleConnections()
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), sent.Load())
	}
	if strings.Contains(logged.String(), "CANARY") || !strings.Contains(logged.String(), "stays in force") {
		t.Errorf("the log quotes the file, or says nothing: %s", &logged)
	}
}

// metricOf is one gauge of a registry, by its name.
func metricOf(t *testing.T, reg prometheus.Gatherer, name string) prometheus.Collector {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name && len(family.GetMetric()) == 1 {
			g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name})
			g.Set(family.GetMetric()[0].GetGauge().GetValue())
			return g
		}
	}
	t.Fatalf("no one metric %s", name)
	return nil
}

// waitFor waits until ready says yes.
func waitFor(t testing.TB, what string, ready func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ready() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s after 20 s", what)
		}
	}
}

// dialing lets a client say something first on each connection.
func dialing(client *http.Client, first func(net.Conn)) {
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			first(conn)
		}
		return conn, err
	}
}
