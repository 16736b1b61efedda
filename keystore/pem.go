package keystore

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/youmark/pkcs8"
)

// pemCertificates reads every certificate of a text in PEM. Other blocks, and text around them, are passed over.
func pemCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for block, rest := pem.Decode(unfold(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
	}
	return certs, nil
}

// pemKey reads the first private key of a text in PEM and the certificates beside it.
func pemKey(text []byte, password string) (tls.Certificate, error) {
	if bytes.Contains(text, []byte("DEK-Info:")) {
		return tls.Certificate{}, errors.New("the key is encrypted in OpenSSL's old form: convert it with openssl pkcs8 -topk8 -v2 aes-256-cbc")
	}
	text = unfold(text)
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		key, err := parseKey(block, password)
		if err != nil {
			return tls.Certificate{}, err
		}
		certs, err := pemCertificates(text)
		if err != nil {
			return tls.Certificate{}, err
		}
		return pair(key, certs)
	}
	return tls.Certificate{}, errors.New("it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)")
}

// parseKey reads PKCS#8, maybe encrypted, and the two older forms that OpenSSL writes.
func parseKey(block *pem.Block, password string) (any, error) {
	var key any
	var err error
	switch block.Type {
	case "ENCRYPTED PRIVATE KEY":
		return decryptKey(block.Bytes, password)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("the private key cannot be read: PKCS#8 with an RSA, EC or Ed25519 key would work")
	}
	return key, nil
}

// decryptKey opens an encrypted PKCS#8 key. What the library says is not passed on: it may quote what it decrypted.
func decryptKey(der []byte, password string) (any, error) {
	if password == "" {
		return nil, errors.New("the private key is encrypted: ssl.key.password is needed")
	}
	key, _, err := pkcs8.ParsePrivateKey(der, []byte(password))
	if err != nil {
		return nil, errors.New("the password does not fit the private key, or the key is not encrypted by PBES2: " +
			"openssl pkcs8 -topk8 -v2 aes-256-cbc makes one that is")
	}
	return key, nil
}

// unfold puts line breaks back into PEM that stands on one line, as it does in an environment variable or in a property
// whose continued lines were joined: "-----BEGIN X----- BASE64 BASE64 -----END X-----".
func unfold(text []byte) []byte {
	const dashes = "-----"
	var out strings.Builder
	rest := string(text)
	for {
		begin := strings.Index(rest, dashes+"BEGIN ")
		if begin < 0 {
			return []byte(out.String())
		}
		rest = rest[begin:]
		label, body, ok := strings.Cut(rest[len(dashes+"BEGIN "):], dashes)
		end := strings.Index(body, dashes+"END "+label+dashes)
		if !ok || end < 0 {
			return []byte(out.String())
		}
		out.WriteString(dashes + "BEGIN " + label + dashes + "\n")
		for line := range strings.FieldsSeq(strings.ReplaceAll(body[:end], `\n`, "\n")) {
			out.WriteString(line + "\n")
		}
		out.WriteString(dashes + "END " + label + dashes + "\n")
		rest = body[end+len(dashes+"END "+label+dashes):]
	}
}
