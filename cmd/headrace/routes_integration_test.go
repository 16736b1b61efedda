package main

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"headrace/openapi/spectest"
)

// TestRoutesAreTheDocuments: the program answers the operations of the OpenAPI document, and no other.
func TestRoutesAreTheDocuments(t *testing.T) {
	cfg, err := loadConfig(sources{flags: map[string]setting{"bootstrap.servers": {raw: "127.0.0.1:1"}, "kinesis.region": {raw: "us-east-1"}}})
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGateway(t.Context(), cfg, slog.New(slog.DiscardHandler), newRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.close(t.Context()) })

	var served, documented []string
	err = chi.Walk(g.server.Router(), func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		// Every path has HEAD and OPTIONS, which the document says once for all.
		if method != http.MethodHead && method != http.MethodOptions {
			served = append(served, method+" "+documentPath(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range spectest.Routes() {
		documented = append(documented, route.Method+" "+documentPath(route.Path))
	}
	slices.Sort(served)
	slices.Sort(documented)
	if diff := cmp.Diff(slices.Compact(documented), slices.Compact(served)); diff != "" {
		t.Errorf("routes differ (-document +router):\n%s", diff)
	}
}

// documentPath writes a path in one way: a slash at its end is nothing, and the pages are files of /ui.
func documentPath(path string) string {
	path = strings.TrimSuffix(strings.Replace(path, "/ui/*", "/ui/{file}", 1), "/")
	if path == "" {
		return "/"
	}
	return path
}
