package keystore

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The stores in testdata were made by keytool (Java 17) and OpenSSL 3 of one CA and one client; passwords: store-secret
// and key-secret.
const (
	storePassword = "store-secret"
	keyPassword   = "key-secret"
)

func file(name string) string { return filepath.Join("testdata", name) }

func text(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(file(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestKeyLoad(t *testing.T) {
	plain := text(t, "client.pem")
	key, certs, _ := strings.Cut(plain, "-----BEGIN CERTIFICATE-----")
	certs = "-----BEGIN CERTIFICATE-----" + certs
	tests := []struct {
		claim string
		key   Key
		chain int
	}{
		{"JKS, the key under a password of its own", Key{Type: "JKS", Path: file("client.jks"), Password: storePassword, KeyPassword: keyPassword}, 2},
		{"JKS without the store's password", Key{Path: file("client.jks"), KeyPassword: keyPassword}, 2},
		{"PKCS12 by OpenSSL", Key{Type: "pkcs12", Path: file("client.p12"), Password: storePassword}, 2},
		{"PKCS12 by keytool, with a trusted certificate in it", Key{Type: "PKCS12", Path: file("keytool.p12"), Password: storePassword}, 2},
		{"PKCS12 called JKS, the default type", Key{Path: file("client.p12"), Password: storePassword}, 2},
		{"JKS called PKCS12", Key{Type: "PKCS12", Path: file("client.jks"), Password: storePassword, KeyPassword: keyPassword}, 2},
		{"PEM", Key{Type: "PEM", Path: file("client.pem")}, 2},
		{"PEM, the key encrypted", Key{Type: "PEM", Path: file("encrypted.pem"), KeyPassword: keyPassword}, 2},
		{"PEM in properties", Key{Type: "PEM", PEMKey: key, PEMChain: certs}, 2},
		{"PEM in properties on one line", Key{Type: "PEM", PEMKey: oneLine(key), PEMChain: oneLine(certs)}, 2},
		{"PEM in properties with \\n written out", Key{Type: "PEM", PEMKey: strings.ReplaceAll(key, "\n", `\n`), PEMChain: certs}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			got, err := tt.key.Load()
			if err != nil {
				t.Fatal(err)
			}
			if name := got.Leaf.Subject.CommonName; name != "client" || len(got.Certificate) != tt.chain {
				t.Errorf("Load = %s with %d certificates, want client with %d", name, len(got.Certificate), tt.chain)
			}
			if !bytes.Equal(got.Certificate[0], got.Leaf.Raw) {
				t.Error("the first certificate is not the key's")
			}
			handshake(t, got)
		})
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// handshake proves that key and certificate belong together: it signs with one what is checked with the other.
func handshake(t *testing.T, cert tls.Certificate) {
	t.Helper()
	trust, err := Trust{Type: "PEM", Path: file("ca.pem")}.Load()
	if err != nil {
		t.Fatal(err)
	}
	inter := x509.NewCertPool()
	for _, der := range cert.Certificate[1:] {
		link, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		inter.AddCert(link)
	}
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: trust, Intermediates: inter}); err != nil {
		t.Errorf("the chain does not lead to the CA: %v", err)
	}
}

func TestTrustLoad(t *testing.T) {
	ca := text(t, "ca.pem")
	tests := []struct {
		claim, subject string
		trust          Trust
	}{
		{"JKS", "Test CA", Trust{Path: file("trust.jks"), Password: storePassword}},
		{"JKS without a password", "Test CA", Trust{Path: file("trust.jks")}},
		{"PKCS12", "Test CA", Trust{Type: "PKCS12", Path: file("trust.p12"), Password: storePassword}},
		{"PKCS12 called JKS", "Test CA", Trust{Type: "JKS", Path: file("trust.p12"), Password: storePassword}},
		{"a key store trusts its own certificate", "client", Trust{Path: file("client.jks"), Password: storePassword}},
		{"a key store, PKCS12", "client", Trust{Path: file("client.p12"), Password: storePassword}},
		{"PEM", "Test CA", Trust{Type: "PEM", Path: file("ca.pem")}},
		{"PEM in a property", "Test CA", Trust{Type: "PEM", PEM: oneLine(ca)}},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			got, err := tt.trust.Certificates()
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || got[0].Subject.CommonName != tt.subject {
				t.Errorf("Certificates = %d, the first of %s, want one of %s", len(got), got[0].Subject, tt.subject)
			}
			if _, err := tt.trust.Load(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	key, trust := text(t, "client.pem"), text(t, "ca.pem")
	keyAlone, _, _ := strings.Cut(key, "-----BEGIN CERT")
	tests := []struct {
		claim string
		load  func() error
		want  string
	}{
		{"a wrong password, JKS", keyFault(Key{Path: file("client.jks"), Password: "canary"}), "the password does not fit, or the file is damaged"},
		{"a wrong key password, JKS", keyFault(Key{Path: file("client.jks"), Password: storePassword, KeyPassword: "canary"}), `alias "gw": the key's password does not fit`},
		{"a wrong password, PKCS12", keyFault(Key{Path: file("client.p12"), Password: "canary"}), "the password does not fit"},
		{"a wrong password, PEM", keyFault(Key{Type: "PEM", Path: file("encrypted.pem"), KeyPassword: "canary"}), "the password does not fit the private key"},
		{"no password, PEM", keyFault(Key{Type: "PEM", Path: file("encrypted.pem")}), "ssl.key.password is needed"},
		{"an old cipher, PEM", keyFault(Key{Type: "PEM", Path: file("pbes1.pem"), KeyPassword: keyPassword}), "not encrypted by PBES2"},
		{"OpenSSL's old form", keyFault(Key{Type: "PEM", Path: file("oldform.pem"), KeyPassword: keyPassword}), "openssl pkcs8 -topk8"},
		{"no key in it", keyFault(Key{Path: file("trust.jks"), Password: storePassword}), "it holds no private key"},
		{"no key in PEM", keyFault(Key{Type: "PEM", Path: file("ca.pem")}), "no private key in PEM"},
		{"a key without its certificate", keyFault(Key{Type: "PEM", PEMKey: key, PEMChain: ""}), "one of them is not given"},
		{"the certificate of another key", keyFault(Key{Type: "PEM", PEMKey: keyAlone, PEMChain: trust}), "no certificate in it belongs to the private key"},
		{"file and text", keyFault(Key{Type: "PEM", Path: "x", PEMKey: key, PEMChain: key}), "both a file and PEM text"},
		{"a missing file", keyFault(Key{Path: file("none.jks")}), "reading testdata/none.jks: no such file"},
		{"an unknown type", keyFault(Key{Type: "BCFKS", Path: file("client.jks")}), `store type "BCFKS" cannot be read: JKS, PKCS12 and PEM would work`},
		{"PEM called JKS", keyFault(Key{Path: file("client.pem")}), "set the store's type to PEM"},
		{"JCEKS", trustFault(Trust{Path: file("trust.jceks"), Password: storePassword}), "keytool -importkeystore"},
		{"not marked as trusted", trustFault(Trust{Path: file("unmarked.p12"), Password: storePassword}), "not marked as trusted"},
		{"a wrong password, trust", trustFault(Trust{Path: file("trust.p12"), Password: "canary"}), "the password does not fit"},
		{"no certificate", trustFault(Trust{Type: "PEM", PEM: "nothing"}), "no certificate in PEM"},
		{"nothing at all", trustFault(Trust{}), "no location is given"},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			err := tt.load()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error = %v, want one with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "MII") {
				t.Errorf("error %q quotes a secret", err)
			}
		})
	}
}

func keyFault(k Key) func() error     { return func() error { _, err := k.Load(); return err } }
func trustFault(t Trust) func() error { return func() error { _, err := t.Load(); return err } }

// FuzzStores: no bytes make a reader panic, or ask for more memory than they are worth. PKCS12 is not among them: its
// reader is a library's, and a file may ask it for 2^31 rounds of hashing, which is slow and no fault.
func FuzzStores(f *testing.F) {
	for _, name := range []string{"client.jks", "trust.jks", "client.p12", "client.pem", "oldform.pem", "ca.pem", "trust.jceks"} {
		data, err := os.ReadFile(file(name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("\xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.HasPrefix(data, jksMagic) {
			_, _ = jksTrust(data, "")
			_, _ = jksKey(data, "", "x")
			return
		}
		certs, err := pemCertificates(data)
		if err == nil && len(certs) == 0 {
			t.Error("no certificates and no error")
		}
		_, _ = pemKey(data, "")
		_ = binaryStore(data)
	})
}
