package handlers

import (
	"context"
	"errors"
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

// Overdue is the cause of a request's context (context.Cause) when the server has given the request
// up. It knows how such a request is answered.
type Overdue interface {
	error
	// Answer answers; why is what the request was waiting for.
	Answer(w http.ResponseWriter, r *http.Request, why string)
}

// overdue returns why the server has given a request up, or nil.
func overdue(r *http.Request) Overdue {
	if r.Context().Err() == nil {
		return nil
	}
	var o Overdue
	if errors.As(context.Cause(r.Context()), &o) {
		return o
	}
	return nil
}
