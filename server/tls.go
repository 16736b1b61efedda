package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"headrace/keystore"
)

// certificates are what a listener shows, and the ones before while a new file is broken.
type certificates = keystore.Reloader[*tls.Config]

// newCertificates loads a listener's certificate. changed is called after each later loading.
func newCertificates(cfg TLS, http2 bool, changed func(error)) (*certificates, error) {
	var files []string
	if cfg.Reload {
		files = cfg.Key.Files()
		if cfg.Watch != "" {
			files = []string{cfg.Watch}
		}
		files = append(files, cfg.Trust.Files()...)
	}
	return keystore.NewReloader(files, func() (*tls.Config, error) { return cfg.load(http2) }, changed)
}

// load makes the configuration of handshakes from the files.
func (c TLS) load(http2 bool) (*tls.Config, error) {
	certificate, err := c.Key.Load()
	if err != nil {
		return nil, err
	}
	made := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
	if http2 {
		made.NextProtos = []string{"h2", "http/1.1"}
	}
	made.MinVersion, made.MaxVersion, made.CipherSuites, err = Handshake(c.Protocols, c.Suites)
	if err != nil {
		return nil, err
	}
	if made.ClientAuth = clientAuth(c.ClientAuth); made.ClientAuth == tls.NoClientCert || c.Trust.IsZero() {
		return made, nil
	}
	made.ClientCAs, err = c.Trust.Load()
	return made, err
}

// Check reads the files and says what is wrong with them.
func (c TLS) Check() error {
	_, err := c.load(false)
	return err
}

func clientAuth(word string) tls.ClientAuthType {
	switch strings.ToUpper(word) {
	case "REQUIRED":
		return tls.RequireAndVerifyClientCert
	case "REQUESTED":
		return tls.VerifyClientCertIfGiven
	}
	return tls.NoClientCert
}

// versions are the protocols by Java's names, the oldest first.
var versions = []struct {
	name    string
	version uint16
}{{"TLSv1", tls.VersionTLS10}, {"TLSv1.1", tls.VersionTLS11}, {"TLSv1.2", tls.VersionTLS12}, {"TLSv1.3", tls.VersionTLS13}}

// Handshake reads ssl.enabled.protocols and ssl.cipher.suites, by their Java names. Suites of TLS 1.3
// cannot be chosen one by one: naming one lets that version in. Names that Go does not know are left
// out, as long as one remains.
func Handshake(protocols, suites []string) (lowest, highest uint16, chosen []uint16, err error) {
	lowest, highest = tls.VersionTLS12, tls.VersionTLS13
	if len(protocols) > 0 {
		lowest, highest = 0, 0
		for _, v := range versions {
			if slices.Contains(protocols, v.name) {
				if lowest == 0 {
					lowest = v.version
				}
				highest = v.version
			}
		}
		if lowest == 0 {
			return 0, 0, nil, fmt.Errorf("ssl.enabled.protocols = %s has none of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", strings.Join(protocols, ","))
		}
	}
	if len(suites) == 0 {
		return lowest, highest, nil, nil
	}
	modern := false
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !slices.Contains(suites, suite.Name) {
			continue
		}
		if slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			chosen = append(chosen, suite.ID)
		} else {
			modern = true
		}
	}
	switch {
	case len(chosen) == 0 && !modern:
		return 0, 0, nil, fmt.Errorf("ssl.cipher.suites = %s has none that is known: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 and TLS_AES_128_GCM_SHA256 are examples", strings.Join(suites, ","))
	case len(chosen) == 0:
		lowest = tls.VersionTLS13
	case !modern:
		highest = min(highest, tls.VersionTLS12)
	}
	if lowest > highest {
		return 0, 0, nil, fmt.Errorf("ssl.enabled.protocols = %s and ssl.cipher.suites = %s leave no version of TLS", strings.Join(protocols, ","), strings.Join(suites, ","))
	}
	return lowest, highest, chosen, nil
}

// checkSNI refuses requests on https that are for another host than the handshake or the certificate.
// Source: the reference's SniHandler and Jetty's SecureRequestCustomizer.
func checkSNI(cfg TLS, current *certificates, next http.Handler) http.Handler {
	if !cfg.CheckSNI && !cfg.CheckSNIHost {
		return next
	}
	type match struct {
		made *tls.Config
		host string
	}
	var last atomic.Pointer[match] // most requests name one host
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			next.ServeHTTP(w, r)
			return
		}
		host := hostName(r.Host)
		if cfg.CheckSNI && r.TLS.ServerName != "" && !strings.EqualFold(r.TLS.ServerName, host) {
			refuse(w, r, http.StatusMisdirectedRequest, "")
			return
		}
		if made, m := current.Get(), last.Load(); cfg.CheckSNIHost && (m == nil || m.made != made || m.host != host) {
			if !certifies(made.Certificates[0].Leaf, host) {
				refuse(w, r, http.StatusBadRequest, "Invalid SNI")
				return
			}
			last.Store(&match{made, host})
		}
		next.ServeHTTP(w, r)
	})
}

// certifies reports whether a certificate is for host. One without alternative names is for its common name.
func certifies(leaf *x509.Certificate, host string) bool {
	if leaf == nil {
		return false
	}
	if len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0 {
		leaf = &x509.Certificate{DNSNames: []string{leaf.Subject.CommonName}}
	}
	return leaf.VerifyHostname(host) == nil
}

// hostName is the name in a Host header, without port and brackets.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.Trim(host, "[]")
}
