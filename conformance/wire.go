package conformance

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// wire holds the gateway to what only bytes on the connection can say.
func (s *suite) wire(t *testing.T) {
	s.badRequestLines(t)
	t.Run("a chunked body is read", func(t *testing.T) {
		ctx := t.Context()
		body := io.MultiReader(strings.NewReader(`{"records":[`), strings.NewReader(`{"value":1}]}`)) // of unknown length
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/topics/"+s.topic, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", typeJSON)
		resp, answer := s.do(t, req)
		s.hold(t, ok, resp, answer)
	})
	t.Run("Expect: 100-continue is answered before the body comes", s.expectContinue)
	t.Run("a refused request with Expect: 100-continue is answered at once", func(t *testing.T) {
		conn, reader := s.dial(t)
		s.write(t, conn, "POST /topics/"+s.topic+" HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 45\r\nExpect: 100-continue\r\n\r\n")
		status := s.read(t, reader, http.MethodPost)
		if status != http.StatusUnsupportedMediaType {
			t.Errorf("status %d, want 415", status)
		}
	})
	t.Run("a connection serves one request after the other", func(t *testing.T) {
		conn, reader := s.dial(t)
		for range 3 {
			s.write(t, conn, "GET /topics HTTP/1.1\r\nHost: x\r\n\r\n")
			if status := s.read(t, reader, http.MethodGet); status != http.StatusOK {
				t.Fatalf("status %d, want 200", status)
			}
		}
	})
	t.Run("an HTTP/1.0 request is answered", func(t *testing.T) {
		conn, reader := s.dial(t)
		s.write(t, conn, "GET /topics HTTP/1.0\r\n\r\n")
		if status := s.read(t, reader, http.MethodGet); status != http.StatusOK {
			t.Errorf("status %d, want 200", status)
		}
	})
	t.Run("a whole URL in the request line is answered", func(t *testing.T) {
		conn, reader := s.dial(t)
		s.write(t, conn, "GET http://x/topics HTTP/1.1\r\nHost: x\r\n\r\n")
		if status := s.read(t, reader, http.MethodGet); status != http.StatusOK {
			t.Errorf("status %d, want 200", status)
		}
	})
	t.Run("the members of an answer come in their order", func(t *testing.T) {
		resp, body := s.send(t, typed(typeJSON, `{"records":[{"value":1,"partition":2},{"value":1,"partition":7}]}`))
		s.hold(t, ok, resp, body)
		text := string(body)
		for _, name := range []string{
			`"offsets"`, `"partition"`, `"offset"`, `"error_code"`, `"error"`, `"partition"`, `"offset"`, `"error_code"`, `"error"`,
			`"key_schema_id"`, `"value_schema_id"`,
		} {
			_, rest, found := strings.Cut(text, name)
			if !found {
				t.Fatalf("no %s in its place in %s", name, body)
			}
			text = rest
		}
	})
}

// badRequestLines: what is no path is refused before any route is looked for.
func (s *suite) badRequestLines(t *testing.T) {
	for name, path := range map[string]string{
		"an empty segment is refused":                  "/topics//" + s.topic,
		"an empty segment at the end is refused":       "/topics/" + s.topic + "//",
		"an empty segment at the beginning is refused": "//topics",
		"a bad escape is refused":                      "/topics/%zz",
		"a half escape is refused":                     "/topics/%2",
		"a NUL is refused":                             "/topics/a%00b",
		"two dots are refused":                         "/topics/../topics",
		"two dots in escapes are refused":              "/topics/%2e%2E/topics",
		"two dots at the end are refused":              "/topics/..",
		"two dots with a matrix parameter are refused": "/topics/..;a=b/topics",
	} {
		t.Run(name, func(t *testing.T) {
			conn, reader := s.dial(t)
			s.write(t, conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			if status := s.read(t, reader, http.MethodGet); status != http.StatusBadRequest {
				t.Errorf("GET %s answers %d, want 400", path, status)
			}
		})
	}
}

func (s *suite) expectContinue(t *testing.T) {
	conn, reader := s.dial(t)
	const body = `{"records":[{"value":1}]}`
	s.write(t, conn, "POST /topics/"+s.topic+" HTTP/1.1\r\nHost: x\r\nContent-Type: "+typeJSON+"\r\nContent-Length: 25\r\nExpect: 100-continue\r\n\r\n")
	if status := s.read(t, reader, http.MethodPost); status != http.StatusContinue {
		t.Fatalf("status %d, want 100", status)
	}
	s.write(t, conn, body)
	if status := s.read(t, reader, http.MethodPost); status != http.StatusOK {
		t.Errorf("status %d, want 200", status)
	}
}

// dial opens a connection that ends with the case.
func (s *suite) dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	base, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	if base.Scheme != "http" || base.Path != "" {
		t.Skip("only for http://HOST:PORT")
	}
	host := base.Host
	if base.Port() == "" {
		host += ":80"
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(enough)); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func (s *suite) write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// read reads one answer with its body, and returns its status.
func (s *suite) read(t *testing.T, reader *bufio.Reader, method string) (status int) {
	t.Helper()
	resp, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
