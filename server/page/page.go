// Package page serves the two pages of the gateway, the start page /ui/ and /docs, and their
// files, all of them inside the binary. It refuses to load anything from elsewhere: no CDN, no
// fonts, no telemetry, and a content security policy that holds the browser to it.
package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// assets holds the pages (*.html), what they load, and the licences of what was not made here.
// A name that ends in .gz is stored packed and served without the ending. vendor.sh makes those.
//
//go:embed files
var assets embed.FS

// policy lets the pages load and ask this server only. data: pictures are in Swagger UI's styles.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Handler returns what serves GET and HEAD of
//
//	/ui/        the start page
//	/docs       the OpenAPI document as a page; it asks for /openapi.json
//	/ui/{file}  what the two load
//
// each with or without a trailing slash; anything else is a 404. Mount it under these three
// routes. It works behind a path prefix too, as the pages link relative to themselves.
// It panics when the embedded files are broken, which the tests rule out.
func Handler() http.Handler {
	h, err := newHandler()
	if err != nil {
		panic(err)
	}
	return h
}

type handler struct {
	files map[string]file             // by the last part of their URL
	pages map[string]map[string]*page // by /docs or /ui, then by the way up to the root
}

func newHandler() (*handler, error) {
	h := &handler{files: map[string]file{}, pages: map[string]map[string]*page{}}
	entries, err := assets.ReadDir("files")
	if err != nil {
		return nil, fmt.Errorf("reading the pages' files: %w", err)
	}
	for _, entry := range entries {
		content, err := assets.ReadFile("files/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("reading the pages' files: %w", err)
		}
		name, packed := strings.CutSuffix(entry.Name(), ".gz")
		if path.Ext(name) != ".html" {
			h.files[name] = newFile(name, content, packed)
		}
	}
	for at, name := range map[string]string{"/ui": "start.html", "/docs": "docs.html"} {
		if h.pages[at], err = h.render(name); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// render makes a page in the two ways it can be reached: /docs is one step away from the root, /docs/ two.
func (h *handler) render(name string) (map[string]*page, error) {
	text, err := assets.ReadFile("files/" + name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	pages := map[string]*page{}
	for _, root := range []string{"./", "../"} {
		body, err := links{root: root, files: h.files}.fill(text)
		if err != nil {
			return nil, fmt.Errorf("rendering %s: %w", name, err)
		}
		pages[root] = &page{body: body, tag: `"` + hash(body) + `"`}
	}
	return pages, nil
}

// ServeHTTP answers as Handler says.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	asked := strings.TrimSuffix(r.URL.Path, "/")
	if pages, ok := h.pages[asked]; ok {
		pages[root(r)].serve(w, r)
		return
	}
	name, _ := strings.CutPrefix(asked, "/ui/")
	f, ok := h.files[name]
	if !ok {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	f.serve(w, r)
}

// root returns the way from what the browser asked for up to the root. A router may have cut the
// trailing slash from r.URL, but the browser has not.
func root(r *http.Request) string {
	asked, _, _ := strings.Cut(r.RequestURI, "?")
	if strings.HasSuffix(asked, "/") {
		return "../"
	}
	return "./"
}

// links fills in what a page leaves open: {{root}}, the way up to the root, and {{file NAME}}, the URL of a file of
// this package. Not html/template: it looks methods up by name, for which the linker keeps every method of the
// whole program, 9 MB of them.
type links struct {
	root  string
	files map[string]file
}

var open = regexp.MustCompile(`{{(root|file ([^}]*))}}`)

// fill returns text with its links. Both are of our own making: nothing in them needs an escape.
func (l links) fill(text []byte) ([]byte, error) {
	var missing error
	filled := open.ReplaceAllFunc(text, func(match []byte) []byte {
		name, isFile := strings.CutPrefix(strings.Trim(string(match), "{}"), "file ")
		if !isFile {
			return []byte(l.root)
		}
		f, ok := l.files[name]
		if !ok {
			missing = fmt.Errorf("there is no file %s", name)
		}
		// With the hash of its content it can be kept for long.
		return []byte(l.root + "ui/" + name + "?v=" + f.hash)
	})
	return filled, missing
}

// page is one rendered page.
type page struct {
	body []byte
	tag  string // its ETag
}

func (p *page) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache") // ask each time: it names the files' hashes
	w.Header().Set("ETag", p.tag)
	if unchanged(w, r, p.tag) {
		return
	}
	write(w, r, p.body)
}

// file is one file, plain or packed with gzip.
type file struct {
	mediaType string
	hash      string
	content   []byte
	packed    bool
}

func newFile(name string, content []byte, packed bool) file {
	mediaType := "text/plain; charset=utf-8"
	switch path.Ext(name) { // not mime.TypeByExtension, which asks the host's files
	case ".js":
		mediaType = "text/javascript; charset=utf-8"
	case ".css":
		mediaType = "text/css; charset=utf-8"
	case ".svg":
		mediaType = "image/svg+xml"
	}
	return file{mediaType: mediaType, hash: hash(content), content: content, packed: packed}
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", f.mediaType)
	header.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == f.hash {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	tag := `"` + f.hash + `"`
	if f.packed {
		header.Set("Vary", "Accept-Encoding")
		if takesGzip(r.Header.Get("Accept-Encoding")) {
			tag = `"` + f.hash + `-gzip"` // other bytes, other tag
			header.Set("Content-Encoding", "gzip")
		}
	}
	header.Set("ETag", tag)
	if unchanged(w, r, tag) {
		return
	}
	if f.packed && header.Get("Content-Encoding") == "" {
		unpack(w, r, f.content)
		return
	}
	write(w, r, f.content)
}

// unchanged answers 304 where the client has what tag stands for.
func unchanged(w http.ResponseWriter, r *http.Request, tag string) bool {
	for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(known), "W/") == tag {
			w.Header().Del("Content-Type")
			w.Header().Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}

func write(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that went away needs no answer
	}
}

// unpack serves packed content to a client that does not take gzip.
func unpack(w http.ResponseWriter, r *http.Request, packed []byte) {
	if r.Method == http.MethodHead {
		return
	}
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		http.Error(w, "the file is damaged", http.StatusInternalServerError)
		return
	}
	_, _ = io.Copy(w, plain) // a client that went away needs no answer; the tests read every file
}

// takesGzip reads an Accept-Encoding: gzip, x-gzip or *, and not with q=0.
func takesGzip(accept string) bool {
	for element := range strings.SplitSeq(accept, ",") {
		coding, parameters, err := mime.ParseMediaType(element)
		if err != nil || (coding != "gzip" && coding != "x-gzip" && coding != "*") {
			continue
		}
		q, err := strconv.ParseFloat(parameters["q"], 64)
		return err != nil || q > 0
	}
	return false
}

// hash returns 64 bits of SHA-256: enough to tell one version of a file from the next.
func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}
