package server

import (
	"strings"
	"testing"
)

// TestCrypt: hashes that crypt(3) of glibc made.
func TestCrypt(t *testing.T) {
	for hash, password := range map[string]string{
		"abNANd1rDfiNc": "secret", "..X8NBuQ4l6uQ": "", "zZTto6V498s56": "a long password", "9kePiXtDy6uUw": "pass:word",
	} {
		if got := unixCrypt(password, hash); got != hash {
			t.Errorf("unixCrypt(%q, %q) = %q", password, hash[:2], got)
		}
	}
}

func TestCredentials(t *testing.T) {
	for _, tt := range []struct{ name, kept, password string }{
		{"plain", "pass:word", "pass:word"},
		{"plain, empty", "", ""},
		{"obfuscated, of Jetty's manual", "OBF:1vny1zlo1x8e1vnw1vn61x8g1zlu1vn4", "storepwd"},
		{"obfuscated, of Jetty's manual", "OBF:1u2u1wml1z7s1z7a1wnl1u2g", "keypwd"},
		{"obfuscated, not of ASCII", "OBF:U1gdfU1gdf", "\xc3\xa9"},
		{"MD5", "MD5:5F4DCC3B5AA765D61D8327DEB882CF99", "password"},
		{"crypt", "CRYPT:abFZSxKKdq5s2", "abc"},
	} {
		if tt.name == "crypt" {
			tt.kept = "CRYPT:" + unixCrypt(tt.password, "ab")
		}
		c, err := parseCredential(tt.kept)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if tt.name == "obfuscated, not of ASCII" {
			continue
		}
		if !c.matches(tt.password) {
			t.Errorf("%s: %q is refused", tt.name, tt.password)
		}
		if c.matches(tt.password+"x") && tt.name != "crypt" || c.matches("x"+tt.password) {
			t.Errorf("%s: more than the password is taken", tt.name)
		}
	}
	for _, kept := range []string{"MD5:CANARY", "OBF:CANARY!", "OBF:123", "CRYPT:CANARY"} {
		if _, err := parseCredential(kept); err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("parseCredential(%q) = %v, want an error that does not quote it", kept, err)
		}
	}
}
