package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLivezURL(t *testing.T) {
	tests := []struct{ listeners, want string }{
		{"", "http://127.0.0.1:8082/livez"},
		{"http://0.0.0.0:9000", "http://127.0.0.1:9000/livez"},
		{"http://[::]:9000", "http://127.0.0.1:9000/livez"},
		{"http://:9000", "http://127.0.0.1:9000/livez"},
		{"http://10.0.0.7:9000", "http://10.0.0.7:9000/livez"},
		{"http://[fd00::7]:9000", "http://[fd00::7]:9000/livez"},
		{"https://0.0.0.0:8443, http://gateway:9000", "http://gateway:9000/livez"},
		{"not a listener", "http://127.0.0.1:8082/livez"},
	}
	for _, tt := range tests {
		if got := livezURL(tt.listeners); got != tt.want {
			t.Errorf("livezURL(%q) = %q, want %q", tt.listeners, got, tt.want)
		}
	}
}

func TestHealthcheckCommand(t *testing.T) {
	alive := true
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !alive || r.URL.Path != "/livez" {
			http.Error(w, "not alive", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(srv.Close)
	run := func(args ...string) error {
		cmd := newHealthcheckCommand(func(name string) string {
			if name == "KAFKA_REST_LISTENERS" {
				return srv.URL
			}
			return ""
		})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(args)
		return cmd.ExecuteContext(t.Context())
	}

	if err := run(); err != nil {
		t.Errorf("healthcheck of a live server: %v, want no error", err)
	}
	alive = false
	if err := run(); err == nil || !strings.Contains(err.Error(), "503 Service Unavailable: not alive") {
		t.Errorf("healthcheck of a dying server: %v, want its status and text", err)
	}
	srv.Close()
	if err := run("--url", srv.URL+"/livez"); err == nil || !strings.Contains(err.Error(), srv.URL) {
		t.Errorf("healthcheck of no server: %v, want an error that names the URL", err)
	}
}
