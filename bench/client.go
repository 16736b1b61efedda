package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"
)

// maxAnswerBytes bounds one answer: the largest one expected, 1,000 offsets, takes about 70 kB.
const maxAnswerBytes = 16 << 20

// conn is one keep-alive HTTP/1.1 connection. It takes requests ready-made and looks at no more of
// an answer than its length and status, so that the generator leaves the processors to what it
// measures: net/http's own client costs about as much as the server behind it. HTTP/1.1 only, plain or over TLS.
type conn struct {
	net  net.Conn
	buf  *bufio.Reader
	body []byte // answers that came in chunks, or are larger than buf
}

// answer is one answer; body is valid until the next exchange on its connection.
type answer struct {
	status int
	body   []byte
}

// dialHTTP connects to the host and port of base. An answer of up to bufferBytes is not copied.
func dialHTTP(ctx context.Context, base *url.URL, bufferBytes int) (*conn, error) {
	host := base.Host
	if base.Port() == "" {
		host = net.JoinHostPort(base.Hostname(), map[string]string{"http": "80", "https": "443"}[base.Scheme])
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	c, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", base, err)
	}
	if base.Scheme == "https" {
		// Whose certificate it is does not matter here. The handshake comes with the first request.
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}) //nolint:gosec // as said
	}
	return &conn{net: c, buf: bufio.NewReaderSize(c, max(bufferBytes, 4096))}, nil
}

// request writes a whole HTTP/1.1 request: the bytes that exchange takes.
func request(method string, base *url.URL, path string, headers []string, body []byte) []byte {
	var req bytes.Buffer
	fmt.Fprintf(&req, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, base.Path+path, base.Host)
	for _, h := range headers {
		req.WriteString(h + "\r\n")
	}
	if body != nil {
		fmt.Fprintf(&req, "Content-Length: %d\r\n", len(body))
	}
	req.WriteString("\r\n")
	req.Write(body)
	return req.Bytes()
}

// exchange sends one whole request and reads its answer. After an error the connection is spent.
func (c *conn) exchange(req []byte) (answer, error) {
	if _, err := c.net.Write(req); err != nil {
		return answer{}, fmt.Errorf("sending a request: %w", err)
	}
	ans, err := c.read()
	if err != nil {
		return answer{}, fmt.Errorf("reading an answer: %w", err)
	}
	return ans, nil
}

func (c *conn) close() { _ = c.net.Close() }

var (
	headerLength   = []byte("content-length")
	headerEncoding = []byte("transfer-encoding")
	chunked        = []byte("chunked")
)

// read reads one answer. It must tell its length, or be chunked: without either it would end with
// the connection, which a keep-alive load cannot use.
func (c *conn) read() (answer, error) {
	line, err := c.line()
	if err != nil {
		return answer{}, err
	}
	// HTTP/1.1 200 OK
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return answer{}, fmt.Errorf("%q is no HTTP/1.1 status line", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return answer{}, fmt.Errorf("%q is no HTTP/1.1 status line", line)
	}
	length, inChunks, err := c.headers()
	switch {
	case err != nil:
		return answer{}, err
	case status/100 == 1: // 100 Continue and the like: the true answer follows
		return c.read()
	case status == 204 || status == 304:
		return answer{status, nil}, nil
	case inChunks:
		body, err := c.chunks()
		return answer{status, body}, err
	case length < 0:
		return answer{}, errors.New("the answer has neither Content-Length nor chunks")
	}
	body, err := c.take(length)
	return answer{status, body}, err
}

// headers reads to the empty line. length is -1 when no header tells it.
func (c *conn) headers() (length int, inChunks bool, err error) {
	length = -1
	for {
		line, err := c.line()
		if err != nil {
			return 0, false, err
		}
		if len(line) == 0 {
			return length, inChunks, nil
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			return 0, false, fmt.Errorf("%q is no header line", line)
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, headerLength):
			length, err = strconv.Atoi(string(value))
			if err != nil || length < 0 || length > maxAnswerBytes {
				return 0, false, fmt.Errorf("Content-Length %q is no length from 0 to %d", value, maxAnswerBytes)
			}
		case bytes.EqualFold(name, headerEncoding):
			inChunks = bytes.EqualFold(value, chunked)
		}
	}
}

// line reads a line without its end; it is valid until the next read.
func (c *conn) line() ([]byte, error) {
	line, err := c.buf.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// take returns the next length bytes, from the buffer itself where they fit it.
func (c *conn) take(length int) ([]byte, error) {
	if length <= c.buf.Size() {
		body, err := c.buf.Peek(length)
		if err != nil {
			return nil, err
		}
		_, err = c.buf.Discard(length)
		return body, err
	}
	c.body = c.body[:0]
	return c.body, c.extend(length)
}

// extend reads length more bytes to the end of c.body.
func (c *conn) extend(length int) error {
	at := len(c.body)
	if at+length > maxAnswerBytes {
		return fmt.Errorf("the answer is larger than %d bytes", maxAnswerBytes)
	}
	if cap(c.body) < at+length {
		c.body = append(make([]byte, 0, 2*(at+length)), c.body...)
	}
	c.body = c.body[:at+length]
	for at < len(c.body) {
		n, err := c.buf.Read(c.body[at:])
		if err != nil {
			return err
		}
		at += n
	}
	return nil
}

// chunks reads a chunked body with its trailers (RFC 9112, 7.1).
func (c *conn) chunks() ([]byte, error) {
	c.body = c.body[:0]
	for {
		line, err := c.line()
		if err != nil {
			return nil, err
		}
		digits, _, _ := bytes.Cut(line, []byte(";"))
		size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 31)
		if err != nil {
			return nil, fmt.Errorf("%q is no size of a chunk", line)
		}
		if size == 0 {
			_, _, err := c.headers()
			return c.body, err
		}
		if err := c.extend(int(size)); err != nil {
			return nil, err
		}
		end, err := c.line()
		if err != nil {
			return nil, err
		}
		if len(end) > 0 {
			return nil, fmt.Errorf("a chunk of %d bytes ends with %q, want an empty line", size, end)
		}
	}
}
