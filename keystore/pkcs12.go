package keystore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"
)

// p12Key reads the one private key of a PKCS12 store. Store and key have one password there, in Java too.
func p12Key(data []byte, password string) (tls.Certificate, error) {
	key, leaf, others, err := pkcs12.DecodeChain(data, password)
	if err != nil {
		return tls.Certificate{}, p12Error(err)
	}
	return pair(key, append([]*x509.Certificate{leaf}, others...))
}

// p12Trust reads the certificates of a PKCS12 store, be it one of certificates alone, marked as trusted as keytool
// does, or one with a key.
func p12Trust(data []byte, password string) ([]*x509.Certificate, error) {
	certs, err := pkcs12.DecodeTrustStore(data, password)
	if err == nil || errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return certs, p12Error(err)
	}
	if _, leaf, _, chainErr := pkcs12.DecodeChain(data, password); chainErr == nil {
		return []*x509.Certificate{leaf}, nil
	}
	return nil, p12Error(err)
}

func p12Error(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return errors.New("the password does not fit")
	}
	return fmt.Errorf("reading the PKCS12 store: %w", err)
}
