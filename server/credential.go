package server

import (
	"crypto/md5" //nolint:gosec // a form that users' files have
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// credential is a password as a file keeps it.
type credential struct {
	form string // plain, md5 or crypt
	kept string
}

// nobody is what a password is held against when no such user is known.
var nobody = credential{form: "plain"}

// parseCredential reads one of the forms of Jetty's password files: plain, OBF:…, MD5:<hex>, CRYPT:….
// Errors quote nothing.
// Source: Jetty's org.eclipse.jetty.util.security.Credential and Password.
func parseCredential(text string) (credential, error) {
	switch {
	case strings.HasPrefix(text, "OBF:"):
		plain, err := deobfuscate(text[len("OBF:"):])
		return credential{"plain", plain}, err
	case strings.HasPrefix(text, "MD5:"):
		digest, err := hex.DecodeString(text[len("MD5:"):])
		if err != nil || len(digest) != md5.Size {
			return credential{}, errors.New("MD5: is not followed by 32 hexadecimal digits")
		}
		return credential{"md5", string(digest)}, nil
	case strings.HasPrefix(text, "CRYPT:"):
		kept := text[len("CRYPT:"):]
		if len(kept) != 13 {
			return credential{}, errors.New("CRYPT: is not followed by 13 characters, two of salt and eleven of hash")
		}
		return credential{"crypt", kept}, nil
	}
	return credential{"plain", text}, nil
}

// matches reports whether password is the one that is kept, in a time that does not tell how much of it is right.
func (c credential) matches(password string) bool {
	switch c.form {
	case "md5":
		sum := md5.Sum([]byte(password)) //nolint:gosec // as above
		return equal(sum[:], []byte(c.kept))
	case "crypt":
		return equal([]byte(unixCrypt(password, c.kept)), []byte(c.kept))
	}
	given, kept := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(c.kept)) // of one length
	return equal(given[:], kept[:])
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// deobfuscate undoes what Jetty does to passwords that must be readable: each byte and its opposite
// make four digits of base 36.
// Source: Jetty's org.eclipse.jetty.util.security.Password.deobfuscate.
func deobfuscate(text string) (string, error) {
	var plain []byte
	for len(text) > 0 {
		step := 4
		if text[0] == 'U' {
			text, step = text[1:], 4
			n, err := number36(text, step)
			if err != nil {
				return "", err
			}
			plain = append(plain, byte(n>>8))
		} else {
			n, err := number36(text, step)
			if err != nil {
				return "", err
			}
			plain = append(plain, byte((n/256+n%256-254)/2))
		}
		text = text[step:]
	}
	return string(plain), nil
}

func number36(text string, digits int) (int64, error) {
	if len(text) >= digits {
		if n, err := strconv.ParseInt(text[:digits], 36, 32); err == nil && n >= 0 {
			return n, nil
		}
	}
	return 0, errors.New("OBF: is not followed by groups of four letters and digits: it is no obfuscated password")
}
