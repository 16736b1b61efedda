package main

import (
	"bufio"
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// secretsDir is where these files expect mounted secrets; a test has them elsewhere.
const secretsDir = "/etc/kafka/secrets"

// mountSecrets makes the folder of secrets.
func mountSecrets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../keystore/testdata")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"password":             "canary-9\n",
		"kafka-rest.jaas.conf": "KafkaRest {\n  org.eclipse.jetty.jaas.spi.PropertyFileLoginModule required\n  debug=\"false\" file=\"" + dir + "/password.properties\";\n};\n",
		"password.properties":  "thisismyusername: canary-basic,thisismyrole\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// stock reads one file of testdata/stock: a property file, or variables one a line.
func stock(t *testing.T, path, secrets string) (text string, environ []string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = strings.ReplaceAll(string(raw), secretsDir, secrets)
	if !strings.HasSuffix(path, ".env") {
		return text, nil
	}
	scanner := bufio.NewScanner(strings.NewReader(text))
	for scanner.Scan() {
		if line := scanner.Text(); line != "" && !strings.HasPrefix(line, "#") {
			environ = append(environ, line)
		}
	}
	return "", environ
}

// ownPorts takes another port where a file names one, so that tests can run side by side.
var ownPorts = regexp.MustCompile(`(listeners=.*|LISTENERS=.*)`)

// startStock runs serve with a file of testdata/stock until it listens, and returns all that it logged.
func startStock(t *testing.T, path string, extra ...string) (s *served) {
	t.Helper()
	text, environ := stock(t, path, mountSecrets(t))
	port := regexp.MustCompile(`:80\d\d\b`)
	free := func(line string) string { return port.ReplaceAllString(line, ":0") }
	text = ownPorts.ReplaceAllStringFunc(text, free)
	for i := range environ {
		environ[i] = ownPorts.ReplaceAllStringFunc(environ[i], free)
	}
	ctx, stop := context.WithCancel(t.Context())
	s = &served{logs: newLogLines(), stop: stop, ended: make(chan int, 1)}
	args := []string{"serve", "--log-format", "json", "--log-level", "debug"}
	if text != "" {
		file := filepath.Join(t.TempDir(), "kafka-rest.properties")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	if !strings.Contains(text+strings.Join(environ, "\n"), "listeners=") && !strings.Contains(strings.Join(environ, "\n"), "LISTENERS=") {
		extra = append(extra, "KAFKA_REST_LISTENERS=http://127.0.0.1:0")
	}
	go func() {
		s.ended <- run(ctx, args, process{stdout: s.logs.write, stderr: t.Output(), environ: override(environ, extra)})
		_ = s.logs.write.Close()
	}()
	line := s.logs.wait(t, "Server started, listening for requests...")
	s.url = "http://" + strings.Replace(line["addresses"].([]any)[0].(string), "[::]", "127.0.0.1", 1)
	t.Cleanup(func() { s.end(t) })
	return s
}

// override puts variables in the place of those of the same name.
func override(environ, by []string) []string {
	byName := map[string]string{}
	for _, pair := range slices.Concat(environ, by) {
		name, _, _ := strings.Cut(pair, "=")
		byName[name] = pair
	}
	return slices.Collect(maps.Values(byName))
}

// TestStockFilesStart: the files of Confluent's packages, the environments of compose files, and the properties of ten
// pipelines, each of the shape in which they are published, start as they are, and end as they should.
func TestStockFilesStart(t *testing.T) {
	files, err := filepath.Glob("testdata/stock/*")
	if err != nil || len(files) != 18 {
		t.Fatalf("%d files, want 2 of the packages, 10 pipelines, 6 compose files (%v)", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			cleanAWS(t)
			s := startStock(t, path)
			if code := s.end(t); code != exitDone {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// cleanAWS takes the machine's own AWS settings away from a test.
func cleanAWS(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			_ = os.Unsetenv(name)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// TestStockFilesReachKafka: those whose login a stand-in has answer with its topics; only the brokers' address is another.
func TestStockFilesReachKafka(t *testing.T) {
	open := newKafka(t, "orders").ListenAddrs()[0]
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "client", "canary-c4"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	withUsers := cluster.ListenAddrs()[0]
	for path, broker := range map[string]string{
		"confluent-8.properties": open, "confluent-7.2.properties": open, "pipeline-08-local-browser.properties": open,
		"compose-01-all-in-one.env": open, "compose-02-zookeeper-ui.env": open, "compose-04-sasl-plaintext.env": withUsers,
		"compose-05-basic.env": open,
	} {
		t.Run(path, func(t *testing.T) {
			cleanAWS(t)
			s := startStock(t, filepath.Join("testdata/stock", path), "KAFKA_REST_BOOTSTRAP_SERVERS="+broker)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/topics", nil)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(path, "basic") {
				resp, err := http.DefaultClient.Do(req) // not by do: the page of a missing login is HTML
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusUnauthorized {
					t.Errorf("GET /topics as nobody: %d", resp.StatusCode)
				}
				req.SetBasicAuth("thisismyusername", "canary-basic")
			}
			if status, body := do(t, req); status != http.StatusOK || body != `["orders"]` {
				t.Errorf("GET /topics: %d %s", status, body)
			}
		})
	}
}
