package server

import (
	"net/http"
	"sync"
	"time"

	"headrace/handlers"
)

// exchange is one request with its answer: the outermost writer, which remembers what the request
// log and the metrics want to know.
type exchange struct {
	http.ResponseWriter
	server  *Server
	started time.Time
	code    int
	bytes   int64 // of the body, as sent

	route    string // pattern of the router, "" for none
	endpoint handlers.Endpoint
	asked    bool // endpoint is known
	user     string
	let      bool // has passed the gate
	dos      bool // is under the DoS filter

	mu        sync.Mutex // handlers may note from several goroutines
	errorCode int
	produced  bool // NoteProduce was called
	failed    map[int]int
}

var _ handlers.Notebook = (*exchange)(nil)

// NoteErrorCode keeps the error_code of the answer, or a limiter's own code.
func (x *exchange) NoteErrorCode(code int) {
	x.mu.Lock()
	x.errorCode = code
	x.mu.Unlock()
}

// NoteProduce counts the end of one record of a v3 produce request.
func (x *exchange) NoteProduce(bytes int, took time.Duration, code int) {
	stored := code == 0 || code == http.StatusOK
	x.server.compat.produced(bytes, took, code)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.produced = true
	if stored {
		return
	}
	if x.failed == nil {
		x.failed = map[int]int{}
	}
	x.failed[code]++
}

func (x *exchange) WriteHeader(code int) {
	if x.code == 0 && code >= http.StatusOK {
		x.code = code
	}
	x.ResponseWriter.WriteHeader(code)
}

func (x *exchange) Write(b []byte) (int, error) {
	n, err := x.ResponseWriter.Write(b)
	x.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) status() int {
	if x.code == 0 {
		return http.StatusOK
	}
	return x.code
}

// exchangeOf finds the exchange below w. Every request of a server has one.
func exchangeOf(w http.ResponseWriter) *exchange {
	for {
		switch v := w.(type) {
		case *exchange:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			panic("no exchange below the writer")
		}
	}
}
