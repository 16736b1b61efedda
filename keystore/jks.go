package keystore

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the format's own checksum
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf16"

	jks "github.com/pavlo-v-chernykh/keystore-go/v4"
)

// jksMagic begins every JKS file. Source: sun.security.provider.JavaKeyStore.
var jksMagic = []byte{0xFE, 0xED, 0xFE, 0xED}

var errJKSPassword = errors.New("the password does not fit, or the file is damaged")

func jksKey(data []byte, storePassword, keyPassword string) (tls.Certificate, error) {
	store, err := loadJKS(data, storePassword)
	if err != nil {
		return tls.Certificate{}, err
	}
	for _, alias := range store.Aliases() {
		if !store.IsPrivateKeyEntry(alias) {
			continue
		}
		entry, err := store.GetPrivateKeyEntry(alias, []byte(keyPassword))
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("opening the key of alias %q: the key's password does not fit", alias)
		}
		certs, err := parseChain(entry.CertificateChain)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("reading the certificates of alias %q: %w", alias, err)
		}
		key, err := x509.ParsePKCS8PrivateKey(entry.PrivateKey)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("reading the key of alias %q: it is no RSA, EC or Ed25519 key", alias)
		}
		return pair(key, certs)
	}
	return tls.Certificate{}, errors.New("it holds no private key")
}

func jksTrust(data []byte, password string) ([]*x509.Certificate, error) {
	store, err := loadJKS(data, password)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for _, alias := range store.Aliases() {
		var entries []jks.Certificate
		if trusted, err := store.GetTrustedCertificateEntry(alias); err == nil {
			entries = []jks.Certificate{trusted.Certificate}
		} else if own, err := store.GetPrivateKeyEntryCertificateChain(alias); err == nil {
			entries = own[:min(1, len(own))]
		}
		certs, err := parseChain(entries)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate of alias %q: %w", alias, err)
		}
		all = append(all, certs...)
	}
	return all, nil
}

// loadJKS checks the password by the file's checksum, and reads the file. Without a password, as in Java, the checksum
// is not checked.
func loadJKS(data []byte, password string) (jks.KeyStore, error) {
	store := jks.New(jks.WithOrderedAliases(), jks.WithCaseExactAliases())
	if err := frameJKS(data); err != nil {
		return store, err
	}
	body, sum := data[:len(data)-sha1.Size], data[len(data)-sha1.Size:]
	if password == "" {
		data = append(slices.Clone(body), checksumJKS(body, "")...)
	} else if subtle.ConstantTimeCompare(sum, checksumJKS(body, password)) != 1 {
		return store, errJKSPassword
	}
	if err := store.Load(bytes.NewReader(data), []byte(password)); err != nil {
		return store, fmt.Errorf("reading the JKS store: %w", err)
	}
	return store, nil
}

// checksumJKS is SHA-1 over the password in UTF-16, a fixed text and the store.
// Source: JavaKeyStore.getPreKeyedHash.
func checksumJKS(body []byte, password string) []byte {
	sum := sha1.New() //nolint:gosec // the format's own checksum
	for _, unit := range utf16.Encode([]rune(password)) {
		sum.Write([]byte{byte(unit >> 8), byte(unit)})
	}
	sum.Write([]byte("Mighty Aphrodite"))
	sum.Write(body)
	return sum.Sum(nil)
}

func parseChain(entries []jks.Certificate) ([]*x509.Certificate, error) {
	certs := make([]*x509.Certificate, 0, len(entries))
	for _, entry := range entries {
		cert, err := x509.ParseCertificate(entry.Content)
		if err != nil {
			return nil, fmt.Errorf("reading a certificate: %w", err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// frameJKS walks over the lengths in a file. The library allocates what a length says before it reads: a damaged file
// of a few bytes would ask for 4 GiB.
func frameJKS(data []byte) error {
	r := &frame{rest: data}
	r.skip(4)
	version, entries := r.number(4), r.number(4)
	if version != 1 && version != 2 {
		return fmt.Errorf("version %d of the JKS format is unknown", version)
	}
	certificate := func() {
		if version == 2 {
			r.skip(r.number(2)) // type
		}
		r.skip(r.number(4))
	}
	for range entries {
		tag := r.number(4)
		r.skip(r.number(2)) // alias
		r.skip(8)           // date
		switch tag {
		case 1:
			r.skip(r.number(4)) // key
			for range r.number(4) {
				if certificate(); r.short {
					break
				}
			}
		case 2:
			certificate()
		default:
			return fmt.Errorf("it holds an entry of the unknown kind %d", tag)
		}
		if r.short {
			break
		}
	}
	if r.short || len(r.rest) != sha1.Size {
		return errors.New("the JKS file is damaged: its lengths do not add up")
	}
	return nil
}

// frame reads numbers, and notes when there is less than asked for.
type frame struct {
	rest  []byte
	short bool
}

func (f *frame) skip(n int) {
	if f.short = f.short || n > len(f.rest); !f.short {
		f.rest = f.rest[n:]
	}
}

// number reads a big-endian number of 2 or 4 bytes; 0 when there is less.
func (f *frame) number(size int) int {
	at := f.rest
	if f.skip(size); f.short {
		return 0
	}
	if size == 2 {
		return int(binary.BigEndian.Uint16(at))
	}
	return int(binary.BigEndian.Uint32(at))
}
