// Package keystore reads certificates and private keys as Java's users keep them (JKS, PKCS12, PEM files, PEM in a
// property) into what crypto/tls takes, and reads them again when their files change.
// It refuses to talk to anybody, and to make stores.
package keystore

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Key says where a private key lies with its certificates: ssl.keystore.*. The zero value is no key.
type Key struct {
	Type        string // ssl.keystore.type: JKS, PKCS12 or PEM, in any case; empty: JKS
	Path        string // ssl.keystore.location
	Password    string // ssl.keystore.password: of the store
	KeyPassword string // ssl.key.password: of the key in it; empty: Password
	PEMKey      string // ssl.keystore.key: PKCS#8, maybe encrypted, in place of Path
	PEMChain    string // ssl.keystore.certificate.chain: the key's certificate first; goes with PEMKey
}

// IsZero reports whether no key is named.
func (k Key) IsZero() bool { return k.Path == "" && k.PEMKey == "" && k.PEMChain == "" }

// Files lists the files that Load reads.
func (k Key) Files() []string { return files(k.Path) }

// Load reads the key. Certificate[0] of the answer belongs to the key, those that signed it follow; Leaf is parsed.
// Of a JKS with several keys the first by alias counts. A file may be JKS or PKCS12 whichever of the two Type says,
// as in Java 9 and later. Errors name the file and what would work, never a password or what stands in the file.
func (k Key) Load() (tls.Certificate, error) {
	cert, err := k.load()
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("reading %s: %w", whence(k.Path, "the key in PEM"), err)
	}
	return cert, nil
}

func (k Key) load() (tls.Certificate, error) {
	format, err := typeOf(k.Type)
	if err != nil {
		return tls.Certificate{}, err
	}
	password := k.KeyPassword
	if password == "" {
		password = k.Password
	}
	if k.PEMKey != "" || k.PEMChain != "" {
		if k.Path != "" {
			return tls.Certificate{}, errors.New("both a file and PEM text are given: leave one of them out")
		}
		if k.PEMKey == "" || k.PEMChain == "" {
			return tls.Certificate{}, errors.New("the key and its certificate chain are needed, one of them is not given")
		}
		return pemKey([]byte(k.PEMKey+"\n"+k.PEMChain), k.KeyPassword)
	}
	data, err := read(k.Path)
	if err != nil {
		return tls.Certificate{}, err
	}
	switch {
	case format == pemType:
		return pemKey(data, password)
	case bytes.HasPrefix(data, jksMagic):
		return jksKey(data, k.Password, password)
	}
	if err := binaryStore(data); err != nil {
		return tls.Certificate{}, err
	}
	return p12Key(data, k.Password)
}

// Trust says whose certificates are believed: ssl.truststore.*. The zero value names none: then the machine's count.
type Trust struct {
	Type     string // ssl.truststore.type: as Key.Type
	Path     string // ssl.truststore.location
	Password string // ssl.truststore.password; of a JKS it may be empty, which leaves its checksum unchecked
	PEM      string // ssl.truststore.certificates: in place of Path
}

// IsZero reports whether no authority is named.
func (t Trust) IsZero() bool { return t.Path == "" && t.PEM == "" }

// Files lists the files that Load reads.
func (t Trust) Files() []string { return files(t.Path) }

// Load reads the authorities: one at least. Of a store that also holds keys, the certificate of each key is believed
// too, as in Java. Errors are as those of Key.Load.
func (t Trust) Load() (*x509.CertPool, error) {
	certs, err := t.Certificates()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool, nil
}

// Certificates is Load, as a list in the order of the store.
func (t Trust) Certificates() ([]*x509.Certificate, error) {
	certs, err := t.load()
	if err == nil && len(certs) == 0 {
		err = errors.New("it holds no certificate that is marked as trusted: import one with keytool -importcert")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", whence(t.Path, "the trusted certificates in PEM"), err)
	}
	return certs, nil
}

func (t Trust) load() ([]*x509.Certificate, error) {
	format, err := typeOf(t.Type)
	if err != nil {
		return nil, err
	}
	if t.PEM != "" {
		if t.Path != "" {
			return nil, errors.New("both a file and PEM text are given: leave one of them out")
		}
		return pemCertificates([]byte(t.PEM))
	}
	data, err := read(t.Path)
	if err != nil {
		return nil, err
	}
	switch {
	case format == pemType:
		return pemCertificates(data)
	case bytes.HasPrefix(data, jksMagic):
		return jksTrust(data, t.Password)
	}
	if err := binaryStore(data); err != nil {
		return nil, err
	}
	return p12Trust(data, t.Password)
}

// Types of stores.
const (
	jksType = "JKS"
	p12Type = "PKCS12"
	pemType = "PEM"
)

func typeOf(name string) (string, error) {
	switch upper := strings.ToUpper(strings.TrimSpace(name)); upper {
	case "":
		return jksType, nil
	case jksType, p12Type, pemType:
		return upper, nil
	}
	return "", fmt.Errorf("store type %q cannot be read: JKS, PKCS12 and PEM would work", name)
}

// binaryStore says what a file is when it cannot be PKCS12, which begins as any DER sequence does.
func binaryStore(data []byte) error {
	switch {
	case len(data) == 0:
		return errors.New("the file is empty")
	case bytes.HasPrefix(data, []byte{0xCE, 0xCE, 0xCE, 0xCE}):
		return errors.New("it is a JCEKS store: make it PKCS12 with keytool -importkeystore -deststoretype PKCS12")
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return errors.New("it is a PEM file: set the store's type to PEM")
	case data[0] != 0x30:
		return errors.New("it is neither a JKS nor a PKCS12 store")
	}
	return nil
}

// maxBytes bounds a store: what is larger is another file.
const maxBytes = 4 << 20

func read(path string) ([]byte, error) {
	if path == "" {
		return nil, errors.New("no location is given")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return nil, unwrapPath(err)
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("it is larger than %d bytes: a key store is expected", maxBytes)
	}
	return data, nil
}

// unwrapPath drops the path, which the caller names.
func unwrapPath(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func whence(path, otherwise string) string {
	if path == "" {
		return otherwise
	}
	return path
}

func files(path string) []string {
	if path == "" {
		return nil
	}
	return []string{path}
}

// pair puts a key and its certificates together: the one that belongs to the key first, then those that signed it,
// in order; others are left out.
func pair(key any, certs []*x509.Certificate) (tls.Certificate, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return tls.Certificate{}, fmt.Errorf("a key of type %T cannot be used for TLS: RSA, EC and Ed25519 would work", key)
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return tls.Certificate{}, fmt.Errorf("a key of type %T cannot be used for TLS: RSA, EC and Ed25519 would work", key)
	}
	for _, cert := range certs {
		if !public.Equal(cert.PublicKey) {
			continue
		}
		pair := tls.Certificate{PrivateKey: key, Leaf: cert}
		for _, link := range chain(cert, certs) {
			pair.Certificate = append(pair.Certificate, link.Raw)
		}
		return pair, nil
	}
	return tls.Certificate{}, errors.New("no certificate in it belongs to the private key")
}

// chain follows the issuers of leaf among certs.
func chain(leaf *x509.Certificate, certs []*x509.Certificate) []*x509.Certificate {
	links := []*x509.Certificate{leaf}
	for range certs {
		last := links[len(links)-1]
		if bytes.Equal(last.RawIssuer, last.RawSubject) {
			break // signed by itself: the root
		}
		for _, cert := range certs {
			if bytes.Equal(cert.RawSubject, last.RawIssuer) && last.CheckSignatureFrom(cert) == nil {
				links = append(links, cert)
				break
			}
		}
		if links[len(links)-1] == last {
			break
		}
	}
	return links
}
