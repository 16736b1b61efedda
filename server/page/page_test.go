package page_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"headrace/server/page"
)

// get asks; header lines are "Name: value".
func get(t *testing.T, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	page.Handler().ServeHTTP(w, r)
	return w
}

var link = regexp.MustCompile(`(?:href|src)="([^"]*)"`)

// TestPagesLoadOnlyWhatIsHere follows every link of both pages, by each way to reach them: their
// own files are there and may be kept, and nothing leads to another host.
func TestPagesLoadOnlyWhatIsHere(t *testing.T) {
	own := map[string]bool{"/docs": true, "/ui/": true, "/metrics": true, "/readyz": true, "/openapi.json": true}
	for _, target := range []string{"/ui/", "/ui", "/docs", "/docs/", "/docs?x=1"} {
		t.Run(target, func(t *testing.T) {
			w := get(t, http.MethodGet, target)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
				t.Fatalf("%d, %q", w.Code, w.Header().Get("Content-Type"))
			}
			if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("Content-Security-Policy is %q", csp)
			}
			body := w.Body.String()
			for _, inline := range []string{"<style", " style=", " onclick=", "javascript:", "<script>"} {
				if strings.Contains(body, inline) {
					t.Errorf("the policy would block %q", inline)
				}
			}
			links := link.FindAllStringSubmatch(body, -1)
			if len(links) < 5 {
				t.Errorf("found only %d links", len(links))
			}
			base := httptest.NewRequest(http.MethodGet, target, nil).URL
			for _, found := range links {
				to, err := base.Parse(found[1])
				if err != nil || to.Host != base.Host || strings.HasPrefix(found[1], "//") {
					t.Errorf("%s leads elsewhere", found[1])
					continue
				}
				if own[to.Path] {
					continue
				}
				w := get(t, http.MethodGet, to.RequestURI())
				if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
					t.Errorf("%s: %d, Cache-Control %q", to.RequestURI(), w.Code, w.Header().Get("Cache-Control"))
				}
			}
		})
	}
}

// TestPackedFiles reads a packed file as a client with and one without gzip.
func TestPackedFiles(t *testing.T) {
	for _, name := range []string{"swagger-ui-bundle.js", "swagger-ui.css"} {
		plain := get(t, http.MethodGet, "/ui/"+name)
		if got := plain.Header().Get("Content-Encoding"); got != "" {
			t.Errorf("%s: Content-Encoding %q to a client that takes none", name, got)
		}
		packed := get(t, http.MethodGet, "/ui/"+name, "Accept-Encoding: br, gzip;q=0.5")
		if got := packed.Header().Get("Content-Encoding"); got != "gzip" {
			t.Errorf("%s: Content-Encoding %q, want gzip", name, got)
		}
		if plain.Header().Get("Etag") == packed.Header().Get("Etag") {
			t.Errorf("%s: one ETag for two encodings", name)
		}
		for _, w := range []*httptest.ResponseRecorder{plain, packed} {
			if w.Header().Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: Vary is %q", name, w.Header().Get("Vary"))
			}
		}
		reader, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if string(unpacked) != plain.Body.String() || len(unpacked) < 100_000 {
			t.Errorf("%s: %d bytes unpacked, %d plain", name, len(unpacked), plain.Body.Len())
		}
		if strings.Contains(string(unpacked), "sourceMappingURL=") {
			t.Errorf("%s asks for a source map that is not there", name)
		}
	}
}

// TestAcceptEncoding tells who gets packed bytes.
func TestAcceptEncoding(t *testing.T) {
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "GZIP": "gzip", "deflate, gzip": "gzip", "*": "gzip", "x-gzip": "gzip",
		"gzip;q=0": "", "gzip; q=0.0": "", "identity": "", "br": "", "gzip;q=x": "gzip", ";;,": "",
	} {
		w := get(t, http.MethodGet, "/ui/swagger-ui.css", "Accept-Encoding: "+accept)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: Content-Encoding %q, want %q", accept, got, want)
		}
	}
}

// TestNotModified spares a client what it has, in the encoding it has it.
func TestNotModified(t *testing.T) {
	for _, target := range []string{"/ui/", "/docs", "/ui/start.js", "/ui/swagger-ui.css"} {
		first := get(t, http.MethodGet, target, "Accept-Encoding: gzip")
		again := get(t, http.MethodGet, target, "Accept-Encoding: gzip", `If-None-Match: "x", W/`+first.Header().Get("Etag"))
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s: %d with %d bytes", target, again.Code, again.Body.Len())
		}
		if other := get(t, http.MethodGet, target, `If-None-Match: "x"`); other.Code != http.StatusOK {
			t.Errorf("%s: %d to a client that has another", target, other.Code)
		}
	}
}

// TestHead has the headers of a GET and no body.
func TestHead(t *testing.T) {
	for _, target := range []string{"/ui/", "/docs", "/ui/start.css", "/ui/swagger-ui-bundle.js"} {
		w := get(t, http.MethodHead, target)
		if w.Code != http.StatusOK || w.Body.Len() > 0 || w.Header().Get("Etag") != get(t, http.MethodGet, target).Header().Get("Etag") {
			t.Errorf("%s: %d, %d bytes, ETag %s", target, w.Code, w.Body.Len(), w.Header().Get("Etag"))
		}
	}
}

// TestUnknownFiles, the templates among them, are not served.
func TestUnknownFiles(t *testing.T) {
	for _, target := range []string{"/ui/start.html", "/ui/nosuch", "/ui/swagger-ui.css.gz", "/ui/../page.go", "/ui/a/b", "/", "/start.js"} {
		if w := get(t, http.MethodGet, target); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", target, w.Code)
		}
	}
}

// TestStaleLinkIsNotKept: a hash of another version must not bind this content for a year.
func TestStaleLinkIsNotKept(t *testing.T) {
	for _, target := range []string{"/ui/start.js", "/ui/start.js?v=0000000000000000"} {
		if got := get(t, http.MethodGet, target).Header().Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q", target, got)
		}
	}
}

// TestSize holds the pages to their budgets: 40 KB for the start page with all that it loads,
// 1.5 MB over the wire for what shows the document.
func TestSize(t *testing.T) {
	for target, most := range map[string]int{"/ui/": 40_000, "/docs": 1_500_000} {
		body := get(t, http.MethodGet, target).Body
		size := body.Len()
		for _, found := range link.FindAllStringSubmatch(body.String(), -1) {
			if strings.Contains(found[1], "?v=") && !strings.Contains(found[1], "LICENSE") {
				size += get(t, http.MethodGet, "/"+strings.TrimLeft(found[1], "./"), "Accept-Encoding: gzip").Body.Len()
			}
		}
		if size > most || size < 1000 {
			t.Errorf("%s takes %d bytes, want up to %d", target, size, most)
		}
		t.Logf("%s: %d bytes", target, size)
	}
}
