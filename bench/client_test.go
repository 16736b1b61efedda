package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadAnswers(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for _, c := range []struct {
		name, text string
		status     int
		body, err  string
	}{
		{"a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", ""},
		{"any case and white space", "HTTP/1.1 422 Unprocessable Entity\r\ncontent-LENGTH:  2 \r\nX: y\r\n\r\n{}", 422, "{}", ""},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", ""},
		{"length 0", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", ""},
		{"chunks, with an extension and a trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n", 200, "abc0123456789", ""},
		{"100 Continue first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", ""},
		{"larger than the buffer", "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + long, 200, long, ""},
		{"no status line", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 0, "", "is no HTTP/1.1 status line"},
		{"HTTP/1.0, which knows no chunks and keeps nothing alive", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 0, "", "is no HTTP/1.1 status line"},
		{"no length", "HTTP/1.1 200 OK\r\n\r\nhello", 0, "", "neither Content-Length nor chunks"},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, "", "is no length"},
		{"a huge length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", 0, "", "is no length"},
		{"a huge chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n", 0, "", "larger than"},
		{"no chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, "", "is no size of a chunk"},
		{"a chunk too long", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n", 0, "", "want an empty line"},
		{"cut short", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 0, "", "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for way, r := range map[string]io.Reader{
				"whole":         strings.NewReader(c.text),
				"byte for byte": iotest.OneByteReader(strings.NewReader(c.text)),
			} {
				got, err := (&conn{buf: bufio.NewReaderSize(r, 4096)}).read()
				if c.err != "" {
					if err == nil || !strings.Contains(err.Error(), c.err) {
						t.Errorf("%s: error %v, want one with %q", way, err, c.err)
					}
					continue
				}
				if err != nil || got.status != c.status || string(got.body) != c.body {
					t.Errorf("%s: %d %q, %v, want %d %q", way, got.status, got.body, err, c.status, c.body)
				}
			}
		})
	}
}

func TestReadTakesOneAnswerAtATime(t *testing.T) {
	text := "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nc"
	c := &conn{buf: bufio.NewReader(strings.NewReader(text))}
	for _, want := range []string{"a", "b", "c"} {
		if got, err := c.read(); err != nil || string(got.body) != want {
			t.Errorf("body %q, %v, want %q", got.body, err, want)
		}
	}
}

func TestRequestIsWhatNetHTTPReads(t *testing.T) {
	base := &url.URL{Scheme: "http", Host: "127.0.0.1:8082", Path: "/prod"}
	raw := request("POST", base, "/topics/t", []string{"Content-Type: application/vnd.kafka.json.v2+json"}, []byte(`{"records":[]}`))
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil || req.Method != "POST" || req.URL.Path != "/prod/topics/t" || req.Host != "127.0.0.1:8082" ||
		req.Header.Get("Content-Type") != "application/vnd.kafka.json.v2+json" || string(body) != `{"records":[]}` {
		t.Errorf("read back: %s %s, host %s, %v, body %q, %v", req.Method, req.URL, req.Host, req.Header, body, err)
	}
}

// FuzzReadAnswer holds the parser to net/http's: what both take, both take alike.
func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ours, err := (&conn{buf: bufio.NewReaderSize(bytes.NewReader(text), 4096)}).read()
		if err != nil {
			return
		}
		theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
		if err != nil || theirs.StatusCode/100 == 1 {
			return
		}
		defer theirs.Body.Close()
		body, err := io.ReadAll(theirs.Body)
		if err != nil {
			return
		}
		if theirs.StatusCode != ours.status || !bytes.Equal(body, ours.body) {
			t.Errorf("%q: %d %q, net/http reads %d %q", text, ours.status, ours.body, theirs.StatusCode, body)
		}
	})
}

func TestCheckProduced(t *testing.T) {
	entry := `{"partition":0,"offset":1234567,"error_code":null,"error":null}`
	failed := `{"partition":null,"offset":null,"error_code":50003,"error":"gone"}`
	tail := `],"key_schema_id":null,"value_schema_id":null}`
	for _, c := range []struct {
		name    string
		status  int
		body    string
		records int
		err     string
	}{
		{"one", 200, `{"offsets":[` + entry + tail, 1, ""},
		{"three", 200, `{"offsets":[` + entry + "," + entry + "," + entry + tail, 3, ""},
		{"too few", 200, `{"offsets":[` + entry + tail, 2, "1 offsets, want 2"},
		{"too many", 200, `{"offsets":[` + entry + "," + entry + tail, 1, "2 offsets, want 1"},
		{"none", 200, `{"offsets":[` + tail, 1, "0 offsets, want 1"},
		{"a failed record", 200, `{"offsets":[` + entry + "," + failed + tail, 2, "a record failed"},
		{"a failed record, spaced", 200, `{"offsets": [{"error_code" : 50003, "offset": null}]}`, 1, "a record failed"},
		{"another vendor's spelling", 200, `{"key_schema_id": null, "offsets": [{"offset": 7, "partition": 0}, {"offset": 8, "error_code": null}]}`, 2, ""},
		{"a wrong status", 503, `{"error_code":503,"message":"busy"}`, 1, "status 503"},
		{"cut", 200, `{"offsets":[` + entry + `,`, 2, "1 offsets, want 2"},
		{"empty", 200, ``, 1, "0 offsets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := checkProduced(c.records)(answer{c.status, []byte(c.body)})
			if (err == nil) != (c.err == "") || (err != nil && !strings.Contains(err.Error(), c.err)) {
				t.Errorf("checkProduced(%d)(%d %s) = %v, want %q", c.records, c.status, c.body, err, c.err)
			}
		})
	}
}

func TestCheckPut(t *testing.T) {
	for body, fails := range map[string]bool{`{"ShardId":"s","SequenceNumber":"1"}`: false, `{}`: true} {
		if err := checkPut(answer{200, []byte(body)}); (err != nil) != fails {
			t.Errorf("checkPut(200 %s) = %v", body, err)
		}
	}
	if checkPut(answer{429, []byte(`{"SequenceNumber":"1"}`)}) == nil {
		t.Error("checkPut takes a 429")
	}
}

// What the generator spends on one answer is taken from what it measures.
func BenchmarkCheckProduced1000(b *testing.B) {
	body := `{"offsets":[` + strings.TrimSuffix(strings.Repeat(`{"partition":0,"offset":1234567,"error_code":null,"error":null},`, 1000), ",") + `],"key_schema_id":null,"value_schema_id":null}`
	ans, check := answer{200, []byte(body)}, checkProduced(1000)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := check(ans); err != nil {
			b.Fatal(err)
		}
	}
}
