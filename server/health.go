package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// readyTimeout bounds the question whether requests would succeed.
const readyTimeout = 2 * time.Second

// Version says which build this is.
type Version struct {
	Version   string `json:"version"`
	Commit    string `json:"commit,omitempty"`
	GoVersion string `json:"go_version"`
}

func (v Version) serve(w http.ResponseWriter, _ *http.Request) {
	writeStatus(w, http.StatusOK, v)
}

type status struct {
	Status string `json:"status"`
	Error  string `json:"error,omitempty"`
}

// live answers that the process serves requests: restart it when it does not.
func live(w http.ResponseWriter, _ *http.Request) {
	writeStatus(w, http.StatusOK, status{Status: "ok"})
}

// readiness answers whether requests can succeed: send none while it says 503.
func readiness(ready func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := ready(ctx); err != nil {
			w.Header().Set("Retry-After", "1")
			writeStatus(w, http.StatusServiceUnavailable, status{Status: "unavailable", Error: err.Error()})
			return
		}
		writeStatus(w, http.StatusOK, status{Status: "ok"})
	}
}

func writeStatus(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
