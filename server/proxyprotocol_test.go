package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

// proxyV2 is a header of version 2.
func proxyV2(command, family byte, body ...byte) string {
	head := append(bytes.Clone(proxySignature), 2<<4|command, family<<4|1)
	return string(binary.BigEndian.AppendUint16(head, uint16(len(body)))) + string(body)
}

var proxyHeaders = []struct {
	name, header string
	client       string // "" for the connection's own
	ok           bool
}{
	{"version 1, IPv4", "PROXY TCP4 192.0.2.1 192.0.2.2 5678 80\r\n", "192.0.2.1:5678", true},
	{"version 1, IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 5678 80\r\n", "[2001:db8::1]:5678", true},
	{"version 1, unknown", "PROXY UNKNOWN\r\n", "", true},
	{"version 1, unknown with more", "PROXY UNKNOWN a b c d\r\n", "", true},
	{"version 1, mixed", "PROXY TCP4 2001:db8::1 2001:db8::2 5678 80\r\n", "", false},
	{"version 1, a bad port", "PROXY TCP4 192.0.2.1 192.0.2.2 66666 80\r\n", "", false},
	{"version 1, too short", "PROXY TCP4 192.0.2.1\r\n", "", false},
	{"version 1, too long", "PROXY " + strings.Repeat("x", 200), "", false},
	{"version 1, no carriage return", "PROXY UNKNOWN\n", "", false},
	{"version 2, IPv4", proxyV2(1, 1, 192, 0, 2, 1, 192, 0, 2, 2, 0x16, 0x2e, 0, 80), "192.0.2.1:5678", true},
	{"version 2, with more", proxyV2(1, 1, 192, 0, 2, 1, 192, 0, 2, 2, 0x16, 0x2e, 0, 80, 3, 0, 1, 0), "192.0.2.1:5678", true},
	{"version 2, IPv6", proxyV2(1, 2, append(make([]byte, 15), append([]byte{1}, append(make([]byte, 16), 0x16, 0x2e, 0, 80)...)...)...), "[::1]:5678", true},
	{"version 2, a health check", proxyV2(0, 0), "", true},
	{"version 2, a unix socket", proxyV2(1, 3, make([]byte, 216)...), "", true},
	{"version 2, too short", proxyV2(1, 1, 192, 0, 2, 1), "", false},
	{"version 2, another command", proxyV2(2, 1, make([]byte, 12)...), "", false},
	{"none", "GET / HTTP/1.1\r\n", "", false},
	{"none, and nothing else", "", "", false},
}

func TestProxyHeader(t *testing.T) {
	for _, tt := range proxyHeaders {
		r := bufio.NewReader(strings.NewReader(tt.header + "rest"))
		address, err := readProxyHeader(r)
		want := netip.AddrPort{}
		if tt.client != "" {
			want = netip.MustParseAddrPort(tt.client)
		}
		if address != want || (err == nil) != tt.ok {
			t.Errorf("%s: %v, %v, want %v", tt.name, address, err, want)
		}
		if rest, _ := io.ReadAll(r); tt.ok && string(rest) != "rest" {
			t.Errorf("%s: %q is left, want rest", tt.name, rest)
		}
	}
}

func FuzzProxyHeader(f *testing.F) {
	for _, tt := range proxyHeaders {
		f.Add([]byte(tt.header))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		address, err := readProxyHeader(bufio.NewReader(bytes.NewReader(text)))
		if err != nil && address.IsValid() {
			t.Errorf("%v with %v", address, err)
		}
	})
}

// TestProxyProtocol: the log names the client, not the load balancer, on http and on https; a connection
// without a header is closed.
func TestProxyProtocol(t *testing.T) {
	var log lockedBuffer
	s, _, _ := startServer(t, func(cfg *Config) { cfg.Listeners[0].ProxyProtocol, cfg.RequestLog.To = true, &log })
	ask := func(header string) string {
		conn, err := net.Dial("tcp", s.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, header+"GET /topics/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		text, _ := io.ReadAll(conn)
		return string(text)
	}
	if got := ask("PROXY TCP4 192.0.2.1 192.0.2.2 5678 80\r\n"); !strings.HasSuffix(got, "a") {
		t.Errorf("answer %q", got)
	}
	s.requestLog.flush()
	if !strings.HasPrefix(log.String(), "192.0.2.1 - - [") {
		t.Errorf("log: %s", &log.text)
	}
	if got := ask(""); strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("without a header: %q", got)
	}

	path := filepath.Join(t.TempDir(), "server.pem")
	certificate := writeCertificate(t, path, "server", "127.0.0.1")
	s, _, _ = startServer(t, func(cfg *Config) {
		secure(path)(cfg)
		cfg.Listeners[0].ProxyProtocol, cfg.RequestLog.To = true, &log
	})
	client := newClient(t, trusting(certificate), false)
	dialing(client, func(conn net.Conn) {
		_, _ = io.WriteString(conn, proxyV2(1, 1, 192, 0, 2, 7, 192, 0, 2, 2, 0x16, 0x2e, 0, 80))
	})
	if got := fetch(t, client, "https://"+s.Addrs()[0]+"/topics/a"); got.body != "a" {
		t.Errorf("https: %+v", got)
	}
	s.requestLog.flush()
	if !strings.Contains(log.String(), "\n192.0.2.7 - - [") {
		t.Errorf("log: %s", &log.text)
	}
}
