package kafkaclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"headrace/keystore"
)

// ConnectError says that there is no connection to a broker, and how far it came.
type ConnectError struct {
	Address string // host:port
	Stage   Stage
	Waited  time.Duration
	Err     error
}

// Stage is how far a connection came.
type Stage string

// Stages of a connection.
const (
	StageDial Stage = "dial" // the name is looked up and the port is dialled
	StageTLS  Stage = "tls"  // the port is open; both sides agree on keys
	// StageHello is a port that closed the connection, or spoke TLS, when the first request came unencrypted.
	StageHello Stage = "hello"
)

func (e *ConnectError) Error() string {
	switch e.Stage {
	case StageTLS:
		return fmt.Sprintf("agreeing on TLS with %s: %v", e.Address, e.Err)
	case StageHello:
		return fmt.Sprintf("waiting for the first answer of %s: %v", e.Address, e.Err)
	}
	return fmt.Sprintf("connecting to %s: %v", e.Address, e.Err)
}

// Unwrap returns the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// LoginRefused reports whether an error says that one side does not take the other's identity: a login that was refused or
// could not even be tried, or a certificate. Java's clients call all of them AuthenticationException.
func LoginRefused(err error) bool {
	var (
		login *LoginError
		cert  *tls.CertificateVerificationError
		alert tls.AlertError
	)
	return errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) || errors.Is(err, kerr.IllegalSaslState) ||
		errors.As(err, &login) || errors.As(err, &cert) || errors.As(err, &alert)
}

// dialer opens connections to brokers. keys is nil where nothing is encrypted.
type dialer struct {
	timeout time.Duration // of name, port and TLS together
	open    func(ctx context.Context, network, address string) (net.Conn, error)
	dialed  func(error) // told how each try went
	keys    *keystore.Reloader[tlsKeys]
	tls     tlsSettings
}

// dial is a function for kgo.Dialer. The files' certificates are taken anew for each connection.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.connect(ctx, network, address)
	d.dialed(err)
	return conn, err
}

func (d *dialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	conn, err := d.open(ctx, network, address)
	if err != nil {
		return nil, &ConnectError{Address: address, Stage: StageDial, Waited: time.Since(began), Err: err}
	}
	if d.keys == nil {
		return &plainConn{Conn: conn, address: address}, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("reading the address %s: %w", address, err)
	}
	secure := tls.Client(conn, d.tls.config(d.keys.Fresh(), host))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, &ConnectError{Address: address, Stage: StageTLS, Waited: time.Since(began), Err: err}
	}
	return secure, nil
}

// errSpeaksTLS says that the other side answered in TLS.
var errSpeaksTLS = errors.New("the other side speaks TLS")

// plainConn notices by the first answer that the port wants TLS.
type plainConn struct {
	net.Conn
	address string
	heard   atomic.Bool
}

func (c *plainConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.heard.Load() {
		return n, err
	}
	const alert, major = 21, 3 // first bytes of a TLS alert
	if n >= 2 && b[0] == alert && b[1] == major {
		return 0, &ConnectError{Address: c.address, Stage: StageHello, Err: errSpeaksTLS}
	}
	if n == 0 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		return 0, &ConnectError{Address: c.address, Stage: StageHello, Err: err}
	}
	c.heard.Store(n > 0)
	return n, err
}

// tlsKeys is what stands in files.
type tlsKeys struct {
	trust *x509.CertPool // nil: the machine's
	own   []tls.Certificate
}

func (t TLS) load() (tlsKeys, error) {
	var keys tlsKeys
	var err error
	if !t.Trust.IsZero() {
		if keys.trust, err = t.Trust.Load(); err != nil {
			return keys, &KeyError{"ssl.truststore.location", err.Error()}
		}
	}
	if !t.Key.IsZero() {
		own, err := t.Key.Load()
		if err != nil {
			return keys, &KeyError{"ssl.keystore.location", err.Error()}
		}
		keys.own = []tls.Certificate{own}
	}
	return keys, nil
}

// Load reads the files once, to see whether they can be: an error is a *KeyError.
func (t TLS) Load() error {
	_, err := t.load()
	return err
}

// tlsSettings is what does not stand in files.
type tlsSettings struct {
	min, max    uint16
	suites      []uint16 // nil: Go's choice
	noHostCheck bool
	unused      string // a remark on what had no effect; empty: none
}

// tlsVersions by Java's names.
var tlsVersions = map[string]uint16{"TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}

// settings reads versions and suites by Java's names. Errors are *KeyError.
func (t TLS) settings() (tlsSettings, []string, error) {
	s := tlsSettings{min: tls.VersionTLS12, max: tls.VersionTLS13, noHostCheck: t.NoHostCheck}
	var versions []uint16
	for _, name := range t.Protocols {
		version, ok := tlsVersions[name]
		if !ok && !slices.Contains([]string{"SSLv2Hello", "SSLv3"}, name) {
			return s, nil, &KeyError{"ssl.enabled.protocols", fmt.Sprintf("%q is no protocol: TLSv1.2 and TLSv1.3 would work", name)}
		}
		if ok {
			versions = append(versions, version)
		}
	}
	if len(t.Protocols) > 0 && len(versions) == 0 {
		return s, nil, &KeyError{"ssl.enabled.protocols", "none of them is safe enough to be served: TLSv1.2 and TLSv1.3 would work"}
	}
	if len(versions) > 0 {
		s.min, s.max = slices.Min(versions), slices.Max(versions)
	}
	return s.withSuites(t.CipherSuites)
}

// withSuites narrows the versions and the suites. Those of TLS 1.3 cannot be chosen among in Go: naming one of them allows
// that version, naming none of them forbids it, as in Java.
func (s tlsSettings) withSuites(names []string) (tlsSettings, []string, error) {
	if len(names) == 0 {
		return s, nil, nil
	}
	known := map[string]*tls.CipherSuite{}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		known[suite.Name] = suite
	}
	var missing []string
	modern := false
	for _, name := range names {
		suite := known["TLS_"+strings.TrimPrefix(strings.TrimPrefix(name, "SSL_"), "TLS_")]
		switch {
		case suite == nil:
			missing = append(missing, name)
		case slices.Contains(suite.SupportedVersions, tls.VersionTLS13):
			modern = true
		default:
			s.suites = append(s.suites, suite.ID)
		}
	}
	if len(missing) > 0 {
		s.unused = strings.Join(missing, ", ") + " cannot be served here and are left out"
	}
	if !modern {
		s.max = min(s.max, tls.VersionTLS12)
	}
	if len(s.suites) == 0 {
		s.min = max(s.min, tls.VersionTLS13)
	}
	if s.min > s.max {
		return s, missing, &KeyError{"ssl.cipher.suites", fmt.Sprintf("none of %s can be used with ssl.enabled.protocols: leave it out, or name TLS_ECDHE_… suites", strings.Join(names, ", "))}
	}
	return s, missing, nil
}

// config is for one connection to host.
func (s tlsSettings) config(keys tlsKeys, host string) *tls.Config {
	return &tls.Config{
		ServerName:   host,
		Certificates: keys.own,
		MinVersion:   s.min,
		MaxVersion:   s.max,
		CipherSuites: s.suites,
		// The chain and the name are checked below, as Java does both.
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection checks, also when a session is resumed
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyPeer(state.PeerCertificates, keys.trust, host, !s.noHostCheck)
		},
	}
}

// verifyPeer checks the chain of a broker's certificate and, when asked to, that it is for host.
func verifyPeer(certs []*x509.Certificate, trust *x509.CertPool, host string, checkHost bool) error {
	between := x509.NewCertPool()
	for _, cert := range certs[1:] {
		between.AddCert(cert)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: trust, Intermediates: between})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: certs, Err: err}
	}
	if !checkHost {
		return nil
	}
	if err := verifyHost(certs[0], host); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: certs, Err: err}
	}
	return nil
}

// verifyHost is Java's check: the names of the certificate's extension, and where it has no DNS names the subject's
// common name, which Go no longer looks at. Source: RFC 2818 §3.1; sun.security.util.HostnameChecker.
func verifyHost(cert *x509.Certificate, host string) error {
	err := cert.VerifyHostname(host)
	if err == nil || len(cert.DNSNames) > 0 || cert.Subject.CommonName == "" || net.ParseIP(host) != nil {
		return err
	}
	old := *cert
	old.DNSNames = []string{cert.Subject.CommonName}
	if old.VerifyHostname(host) == nil {
		return nil
	}
	return err
}
