package handlers

import (
	"net/http"
	"time"
)

// Notebook is a ResponseWriter that keeps what an answer's status does not say, for the request
// log and the metrics. The server's writer is one, maybe below others. Its methods may be called
// by several goroutines at once.
type Notebook interface {
	// NoteErrorCode keeps the error_code of the answer, or a limiter's own code.
	NoteErrorCode(code int)
	// NoteProduce counts the end of one record of a v3 produce request: bytes of its JSON text,
	// time from its reading to its receipt, and its error_code, 0 or 200 when it was stored.
	NoteProduce(bytes int, took time.Duration, code int)
}

// notebookOf finds the notebook below w, or nil.
func notebookOf(w http.ResponseWriter) Notebook {
	for {
		switch v := w.(type) {
		case Notebook:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

// noteErrorCode keeps the error_code of an answer for the request log.
func noteErrorCode(w http.ResponseWriter, code int) {
	if n := notebookOf(w); n != nil {
		n.NoteErrorCode(code)
	}
}

// noteProduce counts the end of one record of a v3 produce request; see Notebook.
func noteProduce(w http.ResponseWriter, bytes int, took time.Duration, code int) {
	if n := notebookOf(w); n != nil {
		n.NoteProduce(bytes, took, code)
	}
}
