package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"headrace/openapi"
)

// printed runs headrace openapi and returns what it writes to standard output and standard error.
func printed(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"openapi"}, args...), process{stdout: &stdout, stderr: &stderr})
	return stdout.String(), stderr.String(), code
}

// TestOpenAPIPrintsTheDocument: byte for byte, and as JSON the one that is served.
func TestOpenAPIPrintsTheDocument(t *testing.T) {
	if out, errs, code := printed(t); code != exitDone || out != openapi.YAML() || errs != "" {
		t.Errorf("openapi: exit code %d, %d bytes of %d, %s", code, len(out), len(openapi.YAML()), errs)
	}
	if out, errs, code := printed(t, "--json"); code != exitDone || out != string(openapi.JSON())+"\n" || errs != "" {
		t.Errorf("openapi --json: exit code %d, %d bytes, %s", code, len(out), errs)
	}
}

// TestOpenAPIUsage: what API Gateway could not reach is told at once.
func TestOpenAPIUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		says string // "": it is taken
	}{
		{[]string{"--apigateway"}, "needs --uri"},
		{[]string{"--uri", "http://h:8082"}, "are for --apigateway"},
		{[]string{"--custom-domain"}, "are for --apigateway"},
		{[]string{"--apigateway", "--uri", "h:8082"}, "no scheme and host"},
		{[]string{"--apigateway", "--uri", "http://:8082"}, "no scheme and host"},
		{[]string{"--apigateway", "--uri", "ftp://h"}, "no scheme and host"},
		{[]string{"--apigateway", "--uri", "http://h:8082/{proxy}"}, "more than"},
		{[]string{"--apigateway", "--uri", "http://h?x=1"}, "more than"},
		{[]string{"--apigateway", "--uri", "http://localhost:8082"}, "does not reach"},
		{[]string{"--apigateway", "--uri", "http://0.0.0.0:8082"}, "does not reach"},
		{[]string{"--apigateway", "--uri", "http://h:80 82"}, "no URL"},
		{[]string{"--apigateway", "--uri", "https://h.example/base/"}, ""},
		{[]string{"--apigateway", "--uri", "http://${stageVariables.headrace}"}, ""},
		{[]string{"--apigateway", "--uri", "http://${stageVariables.host}:8082"}, ""},
	} {
		_, errs, code := printed(t, tt.args...)
		if tt.says == "" && code != exitDone || tt.says != "" && (code != exitUsage || !strings.Contains(errs, tt.says)) {
			t.Errorf("%q: exit code %d, %q, want %q", tt.args, code, errs, tt.says)
		}
	}
}

// deployedImport is the import file of docker/aws, for all its stages.
const deployedImport = root + "/docker/aws/api.json"

var deployedArgs = []string{"--apigateway", "--uri", "http://${stageVariables.headrace}", "--vpc-link", "${stageVariables.vpcLinkId}"}

// TestImportFileOfDocker holds docker/aws/api.json to the command that makes it.
func TestImportFileOfDocker(t *testing.T) {
	out, _, _ := printed(t, deployedArgs...)
	if *update {
		if err := os.WriteFile(deployedImport, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(deployedImport)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out, string(text)); diff != "" {
		t.Errorf("docker/aws/api.json is old: run `go test ./cmd/headrace -run ImportFile -update`\n%s", diff)
	}
}

// apiImport is an import file as API Gateway reads it.
type apiImport struct {
	OpenAPI string                               `json:"openapi"`
	Paths   map[string]map[string]importedMethod `json:"paths"`
	Binary  []string                             `json:"x-amazon-apigateway-binary-media-types"`
}

type importedMethod struct {
	Parameters []struct {
		Name, In string
		Required bool
	} `json:"parameters"`
	Integration integration `json:"x-amazon-apigateway-integration"`
}

type integration struct {
	Type           string            `json:"type"`
	HTTPMethod     string            `json:"httpMethod"`
	URI            string            `json:"uri"`
	Parameters     map[string]string `json:"requestParameters"`
	Timeout        int               `json:"timeoutInMillis"`
	ConnectionType string            `json:"connectionType"`
	ConnectionID   string            `json:"connectionId"`
}

func readImport(t *testing.T, text string) apiImport {
	t.Helper()
	var api apiImport
	if err := json.Unmarshal([]byte(text), &api); err != nil {
		t.Fatal(err)
	}
	return api
}

// TestImportFileIsValid: OpenAPI 3.0.1 for a library that knows it, and within API Gateway's own rules: each integration is
// complete, within 29 s, and maps each variable of its URI from a parameter that its method declares.
func TestImportFileIsValid(t *testing.T) {
	out, errs, code := printed(t, "--apigateway", "--uri", "http://h.example:8082/")
	if code != exitDone {
		t.Fatal(errs)
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	api := readImport(t, out)
	if api.OpenAPI != "3.0.1" || !slices.Equal(api.Binary, []string{"*/*"}) {
		t.Errorf("openapi %q, binary media types %q", api.OpenAPI, api.Binary)
	}
	var routes []string
	for path, methods := range api.Paths {
		for name, method := range methods {
			routes = append(routes, name+" "+path)
			i := method.Integration
			want := strings.ToUpper(name)
			if name == "x-amazon-apigateway-any-method" {
				want = "ANY"
			}
			if i.Type != "http_proxy" || i.HTTPMethod != want || i.Timeout != 29_000 || !strings.HasPrefix(i.URI, "http://h.example:8082/") || strings.Contains(i.URI, "8082//") {
				t.Errorf("%s %s: integration %+v", name, path, i)
			}
			if i.ConnectionType != "" {
				t.Errorf("%s %s: a VPC link that nobody asked for", name, path)
			}
			declared := map[string]bool{}
			for _, p := range method.Parameters {
				declared["method.request."+p.In+"."+p.Name] = p.Required
			}
			for _, variable := range pathVariables(i.URI) {
				from := i.Parameters["integration.request.path."+variable]
				if !declared[from] {
					t.Errorf("%s %s: {%s} of %s is mapped from %q, which the method does not declare", name, path, variable, i.URI, from)
				}
			}
		}
	}
	slices.Sort(routes)
	want := []string{
		"delete /streams/{stream}", "get /streams", "get /streams/{stream}", "post /streams/{stream}",
		"post /streams/{stream}/record", "post /streams/{stream}/records",
		"put /streams/{stream}/record", "put /streams/{stream}/records",
		"x-amazon-apigateway-any-method /", "x-amazon-apigateway-any-method /{proxy+}",
	}
	if diff := cmp.Diff(want, routes); diff != "" {
		t.Error(diff)
	}
}

// TestImportFileForACustomDomain: its paths have no stage, so none is told.
func TestImportFileForACustomDomain(t *testing.T) {
	out, errs, code := printed(t, "--apigateway", "--uri", "http://h.example:8082", "--custom-domain")
	if code != exitDone || strings.Contains(out, "context.stage") || !strings.Contains(out, "context.domainName") {
		t.Errorf("exit code %d, %s\n%s", code, errs, out)
	}
}

// ServeHTTP does with a request what API Gateway does with this import: the resource that fits best, its method or ANY, the
// integration's URI with its path variables, and the headers that it adds. What no resource has is a 403, as there.
func (api apiImport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, stage := r.URL.EscapedPath(), "/prod"
	path, ok := strings.CutPrefix(path, stage)
	method, values := api.find(r.Method, path)
	if !ok || method == nil {
		http.Error(w, `{"message":"Missing Authentication Token"}`, http.StatusForbidden)
		return
	}
	target := method.Integration.URI
	for to, from := range method.Integration.Parameters {
		if name, isPath := strings.CutPrefix(to, "integration.request.path."); isPath {
			target = strings.ReplaceAll(target, "{"+name+"}", values[strings.TrimPrefix(from, "method.request.path.")])
		}
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, target+"?"+r.URL.RawQuery, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	req.Header = r.Header.Clone()
	req.Header.Set("X-Amzn-Apigateway-Api-Id", "abc123")
	req.Header.Set("X-Forwarded-For", "203.0.113.7")
	req.Header.Set("X-Forwarded-Proto", "https")
	req.Header.Set("X-Forwarded-Port", "443")
	context := map[string]string{"context.domainName": "abc123.execute-api.eu-west-1.amazonaws.com", "context.stage": "prod"}
	for to, from := range method.Integration.Parameters {
		if name, isHeader := strings.CutPrefix(to, "integration.request.header."); isHeader {
			req.Header.Set(name, context[from])
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusGatewayTimeout)
		return
	}
	defer func() { _ = res.Body.Close() }()
	w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, res.Body)
}

// find returns the method for a path and the values of its variables; {proxy+} takes what is left.
func (api apiImport) find(method, path string) (*importedMethod, map[string]string) {
	asked := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for resource, methods := range api.Paths {
		values, parts := map[string]string{}, strings.Split(strings.TrimPrefix(resource, "/"), "/")
		fits := len(parts) == len(asked) && resource != "/{proxy+}"
		for i := 0; fits && i < len(parts); i++ {
			if names := pathVariables(parts[i]); names != nil {
				values[names[0]] = asked[i]
			} else {
				fits = parts[i] == asked[i]
			}
		}
		if m, ok := methods[strings.ToLower(method)]; fits && ok {
			return &m, values
		}
		if m, ok := methods["x-amazon-apigateway-any-method"]; fits && ok {
			return &m, values
		}
		if fits {
			return nil, nil
		}
	}
	m := api.Paths["/{proxy+}"]["x-amazon-apigateway-any-method"]
	return &m, map[string]string{"proxy": strings.TrimPrefix(path, "/")}
}

// TestThroughTheImportFile sends what users' scripts send through a stand-in for API Gateway that follows the import file,
// and compares with what headrace answers without it.
func TestThroughTheImportFile(t *testing.T) {
	s := startServe(t, "headrace.trusted.proxies=127.0.0.1\nbootstrap.servers="+newKafka(t, "demo.pin").ListenAddrs()[0]+"\n"+embeddedKinesis(t))
	// The command refuses loopback; the stand-in stands where headrace is.
	out, _, _ := printed(t, "--apigateway", "--uri", "http://h.example:8082")
	gateway := httptest.NewServer(readImport(t, strings.ReplaceAll(out, "http://h.example:8082", s.url)))
	t.Cleanup(gateway.Close)

	send := func(base, method, path, contentType, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if contentType != "" {
			req.Header.Set("Content-Type", contentType)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	const kafkaJSON, record = "application/vnd.kafka.json.v2+json", `{"Data":{"index":1},"PartitionKey":"a"}`
	for _, tt := range []struct {
		method, path, contentType, body string
		status                          int
		says                            string
	}{
		{"GET", "/", "", "", 200, `{}`},
		{"GET", "/topics", "", "", 200, `["demo.pin"]`},
		{"GET", "/topics/demo.pin/partitions/0", "", "", 200, `"partition":0`},
		{"POST", "/topics/demo.pin", kafkaJSON, `{"records":[{"value":{"index":1}}]}`, 200, `"offset":0`},
		{"POST", "/topics/demo.pin", "text/plain", `{}`, 415, `"error_code":415`},
		{"POST", "/streams/a-stream", "application/json", `{"ShardCount":1}`, 200, ""},
		{"GET", "/streams?limit=1", "", "", 200, `"a-stream"`},
		{"PUT", "/streams/a-stream/record", "application/json", record, 200, `"shardId-000000000000"`},
		{"PUT", "/streams/none/record", "application/json", record, 404, "ResourceNotFoundException"},
		{"PUT", "/streams/a-stream/records", "application/json", `{"records":[{"data":"x","partition-key":"a"}]}`, 200, `"FailedRecordCount":0`},
		{"GET", "/streams/a-stream", "", "", 200, `"StreamName":"a-stream"`},
		{"PATCH", "/streams/a-stream", "", "", 403, "Missing Authentication Token"},
		{"GET", "/livez", "", "", 200, ""},
		{
			"POST", "/consumers/g", "application/vnd.kafka.v2+json", `{"name":"i","format":"json"}`, 200,
			`"base_uri":"https://abc123.execute-api.eu-west-1.amazonaws.com:443/prod/consumers/g/instances/i"`,
		},
		{"DELETE", "/consumers/g/instances/i", "", "", 204, ""},
		{"DELETE", "/streams/a-stream", "", "", 200, ""},
	} {
		status, body := send(gateway.URL+"/prod", tt.method, tt.path, tt.contentType, tt.body)
		if status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s %s: %d %s, want %d with %s", tt.method, tt.path, status, body, tt.status, tt.says)
		}
	}
}
