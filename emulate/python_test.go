package emulate

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/examples/posts.jsonl anew")

const examples = "../docs/examples"

// TestExamplePosts holds the rows that the Python scripts have built in to the sample. Remake them with -update.
func TestExamplePosts(t *testing.T) {
	var want bytes.Buffer
	for row := range 100 {
		p := Sample(1).Post(row)
		fmt.Fprintf(&want, `{"pinterest_data":%s,"geolocation_data":%s,"user_data":%s}`+"\n", p.Pin, p.Geo, p.User)
	}
	name := filepath.Join(examples, "posts.jsonl")
	if *update {
		if err := os.WriteFile(name, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// script is one of the Python scripts and what it sends for an event.
type script struct {
	file   string
	method string
	path   func(event string) string
	mime   string
	body   func(event, key string, value []byte) string
}

var scripts = []script{
	{
		file: "user_posting_emulation.py", method: "POST", mime: "application/vnd.kafka.json.v2+json",
		path: func(event string) string { return "/topics/demo." + event },
		body: func(_, _ string, value []byte) string {
			return `{"records": [{"value": ` + string(value) + `}]}`
		},
	},
	{
		file: "user_posting_emulation_streaming.py", method: "PUT", mime: "application/json",
		path: func(event string) string { return "/streams/streaming-demo-" + event + "/record" },
		body: func(event, key string, value []byte) string {
			return `{"StreamName": "streaming-demo-` + event + `", "Data": ` + string(value) + `, "PartitionKey": "` + key + `"}`
		},
	},
}

// python gives the interpreter that HEADRACE_TEST_PYTHON names, after a look whether it has the packages.
func python(t *testing.T, packages ...string) string {
	t.Helper()
	interpreter := os.Getenv("HEADRACE_TEST_PYTHON")
	if interpreter == "" {
		missing(t, "HEADRACE_TEST_PYTHON is not set: want a Python 3 with "+strings.Join(packages, ", "))
	}
	for _, name := range packages {
		if out, err := exec.CommandContext(t.Context(), interpreter, "-c", "import "+name).CombinedOutput(); err != nil {
			missing(t, fmt.Sprintf("%s has no package %s: %v %s", interpreter, name, err, out))
		}
	}
	return interpreter
}

// startRecorder serves the stand-in; or, when HEADRACE_TEST_GATEWAY names a running gateway with the topics and streams of
// the prefix demo, that gateway with the stand-in listening on the wire.
func (g *gateway) startRecorder(t *testing.T) (url string) {
	t.Helper()
	real := os.Getenv("HEADRACE_TEST_GATEWAY")
	if real == "" {
		return g.start(t)
	}
	return g.startBefore(t, real)
}

func (g *gateway) startBefore(t *testing.T, target string) string {
	t.Helper()
	base, err := url.Parse(target)
	if err != nil {
		t.Fatalf("HEADRACE_TEST_GATEWAY: %v", err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(base) }}
	srv := httptest.NewServer(g.listen(proxy))
	t.Cleanup(srv.Close)
	return srv.URL
}

func runScript(t *testing.T, interpreter string, s script, env []string, args ...string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), interpreter, append([]string{filepath.Join(examples, s.file)}, args...)...)
	cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1,localhost", "PYTHONDONTWRITEBYTECODE=1", "PYTHONIOENCODING=utf-8")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// checkScriptRequests holds the requests of a script to three events a post, each byte as json.dumps writes it.
func checkScriptRequests(t *testing.T, s script, got []request, posts int) {
	t.Helper()
	if len(got) != 3*posts {
		t.Fatalf("%d requests, want %d", len(got), 3*posts)
	}
	for i, req := range got {
		var row int
		event := events[i%3]
		_, tail, _ := strings.Cut(got[i-i%3].Body, `"index": `)
		if _, err := fmt.Sscan(strings.TrimRight(strings.SplitN(tail, ",", 2)[0], " "), &row); err != nil {
			t.Fatalf("request %d has no index: %s", i, req.Body)
		}
		post := Sample(1).Post(row)
		want := request{Method: s.method, Path: s.path(event.name), ContentType: s.mime, Body: s.body(event.name, post.Key, asPython(event.of(post)))}
		if diff := cmp.Diff(want, req); diff != "" {
			t.Errorf("request %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestPythonScripts(t *testing.T) {
	interpreter := python(t, "requests")
	for _, s := range scripts {
		t.Run(s.file, func(t *testing.T) {
			var g gateway
			out, err := runScript(t, interpreter, s, nil, "--url", g.startRecorder(t)+"/", "--builtin", "--count", "20", "--no-sleep")
			if err != nil || !strings.HasSuffix(out, "20 posts, 0 of 60 records failed\n") {
				t.Errorf("%v, output:\n%s", err, out)
			}
			checkScriptRequests(t, s, g.requests(), 20)
		})
	}
}

func TestPythonScriptsFailOnAnErrorInside(t *testing.T) {
	interpreter := python(t, "requests")
	for _, s := range scripts {
		t.Run(s.file, func(t *testing.T) {
			g := gateway{answer: func(r request) (int, http.Header, string) {
				if !strings.Contains(r.Path, "geo") {
					return 0, nil, ""
				}
				return 200, nil, `{"offsets":[{"partition":null,"offset":null,"error_code":50003,"error":"no"}],"__type":"InternalFailure"}`
			}}
			out, err := runScript(t, interpreter, s, nil, "--url", g.start(t), "--builtin", "--count", "2", "--no-sleep")
			if err == nil || !strings.HasSuffix(out, "2 posts, 2 of 6 records failed\n") {
				t.Errorf("%v, output:\n%s", err, out)
			}
		})
	}
}

func TestPythonScriptsWithMySQL(t *testing.T) {
	interpreter := python(t, "requests", "sqlalchemy", "pymysql")
	address := testDatabase(t)
	for _, s := range scripts {
		t.Run(s.file, func(t *testing.T) {
			var g gateway
			out, err := runScript(t, interpreter, s, []string{"DATABASE_URL=" + address}, "--url", g.startRecorder(t), "--count", "20", "--no-sleep")
			if err != nil || !strings.HasSuffix(out, "20 posts, 0 of 60 records failed\n") {
				t.Errorf("%v, output:\n%s", err, out)
			}
			checkScriptRequests(t, s, g.requests(), 20)
		})
	}
}

// asPython writes compact JSON as Python's json.dumps does: a blank after , and :, and only ASCII.
func asPython(compact []byte) []byte {
	var out bytes.Buffer
	inText, escaped := false, false
	for _, r := range string(compact) {
		switch {
		case r > '~' && r <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
			continue
		}
		out.WriteRune(r)
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == '"':
			inText = !inText
		case !inText && (r == ',' || r == ':'):
			out.WriteByte(' ')
		}
	}
	return out.Bytes()
}
