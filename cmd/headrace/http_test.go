package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestHTTPSide: what the properties of the HTTP side make of the real routes, as the contract has it
// (configuration.md §2.1, §3.2 and §8): endpoints that are taken away answer before the login is asked
// for, the login is Jetty's, and the request log has a line for each.
func TestHTTPSide(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	users := write("password.properties", "alice: MD5:5f4dcc3b5aa765d61d8327deb882cf99,user\nbob: CANARY,other\n")
	jaas := write("jaas.conf", "KafkaRest {\n  org.eclipse.jetty.jaas.spi.PropertyFileLoginModule required\n  file=\""+users+"\" debug=\"false\";\n};\n")
	file := write("kafka-rest.properties", "bootstrap.servers="+newKafka(t, "t").ListenAddrs()[0]+`
listeners=http://127.0.0.1:0, INTERNAL://127.0.0.1:0
listener.protocol.map=INTERNAL:http
authentication.method=BASIC
authentication.realm=KafkaRest
authentication.roles=user
listener.name.internal.authentication.method=NONE
api.endpoints.blocklist=api.v2.topics.list,api.v2.produce-to-topic.json,kinesis.streams.*
kinesis.region=eu-west-1
`)
	ctx, stop := context.WithCancel(t.Context())
	logs := newLogLines()
	stdout := &keptOutput{to: logs.write}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", file, "--log-format", "json"}, process{stdout: stdout, stderr: t.Output(), environ: []string{"KAFKAREST_OPTS=-Xmx1g -Djava.security.auth.login.config=" + jaas}})
		_ = logs.write.Close()
	}()
	defer func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d", code)
		}
	}()
	addresses := logs.wait(t, "Server started, listening for requests...")["addresses"].([]any)
	public, internal := addresses[0].(string), addresses[1].(string)
	const (
		json     = "application/vnd.kafka.json.v2+json"
		notFound = `{"error_code":404,"message":"HTTP 404 Not Found"}`
		no       = `{"error_code":405,"message":"HTTP 405 Method Not Allowed"}`
	)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, tt := range []struct {
		name, address, method, path, user, password, contentType string
		status                                                   int
		body                                                     string
	}{
		{"a blocked GET, without a login", public, "GET", "/topics", "", "", "", 404, notFound},
		{"a blocked POST, without a login", public, "POST", "/topics/t", "", "", json, 405, no},
		{"another format of it", public, "POST", "/topics/t", "", "", "application/vnd.kafka.binary.v2+json", 401, ""},
		{"a blocked group", public, "GET", "/streams/s", "", "", "", 404, notFound},
		{"another of the group", public, "DELETE", "/streams/s", "", "", "", 405, no},
		{"without a login", public, "GET", "/brokers", "", "", "", 401, "<h2>HTTP ERROR 401 Unauthorized</h2>"},
		{"a wrong password", public, "GET", "/brokers", "alice", "PASSWORD", "", 401, ""},
		{"a wrong role", public, "GET", "/brokers", "bob", "CANARY", "", 403, "<h2>HTTP ERROR 403 Forbidden</h2>"},
		{"a login", public, "GET", "/brokers", "alice", "password", "", 200, `{"brokers":[0]}`},
		{"blocked, with a login", public, "GET", "/topics", "alice", "password", "", 404, notFound},
		{"an unknown path, without a login", public, "GET", "/nosuch", "", "", "", 401, ""},
		{"an unknown path, with one", public, "GET", "/nosuch", "alice", "password", "", 404, notFound},
		{"the inner listener needs none", internal, "GET", "/brokers", "", "", "", 200, `{"brokers":[0]}`},
		{"but has no more endpoints", internal, "GET", "/topics", "", "", "", 404, notFound},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+tt.address+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.user != "" {
			req.SetBasicAuth(tt.user, tt.password)
		}
		if tt.contentType != "" {
			req.Header.Set("Content-Type", tt.contentType)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.body) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, resp.StatusCode, body, tt.status, tt.body)
		}
		if challenge := resp.Header.Get("WWW-Authenticate"); (challenge == `Basic realm="KafkaRest"`) != (tt.status == 401) {
			t.Errorf("%s: challenge %q", tt.name, challenge)
		}
	}
	stop()
	code := <-ended
	ended <- code
	text := stdout.String()
	for _, line := range []string{
		`127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /topics HTTP/1\.1" 404 \d+ "-" "Go-http-client/1\.1" \d+ 404 -`,
		`127\.0\.0\.1 - - \[.*\] "GET /brokers HTTP/1\.1" 401 \d+ "-" "Go-http-client/1\.1" \d+ - -`,
		`127\.0\.0\.1 - alice \[.*\] "GET /brokers HTTP/1\.1" 200 \d+ "-" "Go-http-client/1\.1" \d+ - -`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(text) {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
	if strings.Contains(text, "CANARY") || strings.Contains(text, "5f4dcc3b") || strings.Contains(text, "PASSWORD") {
		t.Errorf("the log shows a password:\n%s", text)
	}
}

// keptOutput keeps what goes through it.
type keptOutput struct {
	to   io.Writer
	mu   sync.Mutex
	kept bytes.Buffer
}

func (k *keptOutput) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept.Write(b)
	return k.to.Write(b)
}

func (k *keptOutput) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept.String()
}

// TestBasicFaults: what is wrong with a login is said at start, by the key and without what the files hold.
func TestBasicFaults(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	users := write("users", "a: b,c\n")
	broken := write("broken", "a: MD5:CANARY\n")
	module := func(class, options string) string {
		return write("jaas"+class+strconv.Itoa(len(options)), "KafkaRest { "+class+" required "+options+"; };\nother { x.Y required password=CANARY; };\n")
	}
	for _, tt := range []struct{ name, jaas, realm, want string }{
		{"no JAAS file", "", "KafkaRest", "BASIC needs a JAAS file: KAFKAREST_OPTS=-Djava.security.auth.login.config=FILE"},
		{"a file that there is not", filepath.Join(dir, "none"), "KafkaRest", "no such file"},
		{"no such section", module(loginModules[1], `file="`+users+`"`), "Kafka", `has no section "Kafka", which authentication.realm names`},
		{"another module", module("org.eclipse.jetty.jaas.spi.LdapLoginModule", `bindPassword="CANARY"`), "KafkaRest", "names org.eclipse.jetty.jaas.spi.LdapLoginModule: only"},
		{"no password file", module(loginModules[0], `debug="true"`), "KafkaRest", `no file="…"`},
		{"a password file that there is not", module(loginModules[0], `file="`+filepath.Join(dir, "none")+`"`), "KafkaRest", "reading the password file"},
		{"a broken password file", module(loginModules[0], `file="`+broken+`"`), "KafkaRest", "line 1: MD5: is not followed by 32"},
		{"no JAAS file at all", write("text", "{CANARY"), "KafkaRest", "reading the JAAS file"},
		{"both classes work", module(loginModules[1], `file="`+users+`"`), "KafkaRest", ""},
	} {
		var environ []string
		if tt.jaas != "" {
			environ = []string{"KAFKAREST_OPTS=-Djava.security.auth.login.config=" + tt.jaas}
		}
		_, err := load(t, "bootstrap.servers=b:1\nauthentication.method=BASIC\nauthentication.realm="+tt.realm, environ...)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "authentication.method") || strings.Contains(err.Error(), "CANARY")):
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}
