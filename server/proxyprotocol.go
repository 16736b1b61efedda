package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// proxyHeaderTimeout is how long a connection may take to say where it comes from.
const proxyHeaderTimeout = 10 * time.Second

// errProxyHeader ends a connection that does not begin with a PROXY header. What came is not quoted.
var errProxyHeader = errors.New("the connection does not begin with a PROXY protocol header: is proxy.protocol.enabled meant for this listener?")

// proxyListener takes the client's address from the header that a load balancer puts before a connection.
// Source: the PROXY protocol, versions 1 and 2 (haproxy.org/download/2.0/doc/proxy-protocol.txt).
type proxyListener struct{ net.Listener }

func (l *proxyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &proxyConn{Conn: conn, buffered: bufio.NewReaderSize(conn, 1024)}, nil
}

// proxyConn reads the header when somebody first asks for a byte or for the client's address, which
// the goroutine of the connection does: accepting never waits for it.
type proxyConn struct {
	net.Conn
	buffered *bufio.Reader
	once     sync.Once
	client   net.Addr
	err      error
}

func (c *proxyConn) Read(b []byte) (int, error) {
	c.once.Do(c.readHeader)
	if c.err != nil {
		return 0, c.err
	}
	if c.buffered.Buffered() > 0 {
		return c.buffered.Read(b)
	}
	return c.Conn.Read(b)
}

func (c *proxyConn) RemoteAddr() net.Addr {
	c.once.Do(c.readHeader)
	if c.client == nil {
		return c.Conn.RemoteAddr()
	}
	return c.client
}

func (c *proxyConn) readHeader() {
	_ = c.SetReadDeadline(time.Now().Add(proxyHeaderTimeout))
	address, err := readProxyHeader(c.buffered)
	_ = c.SetReadDeadline(time.Time{})
	if err != nil {
		c.err = err
		return
	}
	if address.IsValid() {
		c.client = net.TCPAddrFromAddrPort(address)
	}
}

// proxySignature begins a header of version 2.
var proxySignature = []byte("\r\n\r\n\x00\r\nQUIT\n")

// readProxyHeader returns the client's address; the zero one where the load balancer speaks for
// itself (LOCAL, UNKNOWN).
func readProxyHeader(r *bufio.Reader) (netip.AddrPort, error) {
	first, err := r.Peek(1)
	if err != nil {
		return netip.AddrPort{}, errProxyHeader
	}
	if first[0] == 'P' {
		return readProxyV1(r)
	}
	head := make([]byte, 16)
	if _, err := io.ReadFull(r, head); err != nil || !bytes.Equal(head[:12], proxySignature) || head[12]>>4 != 2 {
		return netip.AddrPort{}, errProxyHeader
	}
	length := int(binary.BigEndian.Uint16(head[14:]))
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return netip.AddrPort{}, errProxyHeader
	}
	return proxyV2Address(head[12]&15, head[13]>>4, body)
}

// proxyV2Address is the source address of a header of version 2.
func proxyV2Address(command, family byte, body []byte) (netip.AddrPort, error) {
	sizes := map[byte]int{1: 4, 2: 16} // AF_INET, AF_INET6
	size := sizes[family]
	switch {
	case command == 0, command == 1 && size == 0: // LOCAL; another family: the connection's own address counts
		return netip.AddrPort{}, nil
	case command != 1 || len(body) < 2*size+4:
		return netip.AddrPort{}, errProxyHeader
	}
	ip, _ := netip.AddrFromSlice(body[:size])
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(body[2*size:])), nil
}

// maxProxyV1 is the length of the longest line of version 1.
const maxProxyV1 = 107

// readProxyV1 reads PROXY TCP4 SOURCE DESTINATION SOURCEPORT DESTINATIONPORT.
func readProxyV1(r *bufio.Reader) (netip.AddrPort, error) {
	var line []byte
	for len(line) < maxProxyV1 {
		c, err := r.ReadByte()
		if err != nil {
			return netip.AddrPort{}, errProxyHeader
		}
		if line = append(line, c); c == '\n' {
			break
		}
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	fields := strings.Split(text, " ")
	if !ok || len(fields) < 2 || fields[0] != "PROXY" {
		return netip.AddrPort{}, errProxyHeader
	}
	if fields[1] == "UNKNOWN" {
		return netip.AddrPort{}, nil
	}
	if len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return netip.AddrPort{}, errProxyHeader
	}
	ip, err := netip.ParseAddr(fields[2])
	port, portErr := strconv.ParseUint(fields[4], 10, 16)
	if err != nil || portErr != nil || ip.Is4() != (fields[1] == "TCP4") {
		return netip.AddrPort{}, errProxyHeader
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}
