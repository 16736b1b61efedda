package check

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// executeAPI is the host of a stage: id, region. Source: API Gateway developer guide, "Invoke a REST API".
var executeAPI = regexp.MustCompile(`^([a-z0-9]+)\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$`)

// through is an answer that came through API Gateway.
type through struct {
	status  int
	kind    string // x-amzn-errortype: API Gateway's own refusal
	body    []byte
	carried bool // the nonce came back: the gateway itself has answered
}

// message is the text of API Gateway's own errors.
func (t through) message() string {
	var m struct{ Message string }
	if json.Unmarshal(t.body, &m) != nil {
		return ""
	}
	return m.Message
}

// maxThrough bounds an answer.
const maxThrough = 64 << 10

// gateway sends a request with a nonce through API Gateway and looks whether this gateway answers it.
func (d *doctor) gateway(ctx context.Context) []Result {
	via := d.cfg.Via
	if via == nil {
		return skipped("--via INVOKE_URL is not given")
	}
	if m := executeAPI.FindStringSubmatch(via.Hostname()); m != nil && via.Scheme == "http" {
		secure := *via
		secure.Scheme = "https"
		return failed("--via "+secure.String(), "API Gateway is called by https only, but --via is an http URL")
	}
	got, err := d.send(ctx, http.MethodGet, "version", nil)
	if err != nil {
		return viaCause(err, via)
	}
	if results := d.wayIn(ctx, got); results != nil {
		return results
	}
	results := ok("a request came through and was answered by headrace")
	if d.cfg.Write {
		results = append(results, d.writeThrough(ctx)...)
	}
	return results
}

// send makes one call below the URL.
func (d *doctor) send(ctx context.Context, method, path string, body []byte) (through, error) {
	target := d.cfg.Via.JoinPath(path)
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return through{}, err
	}
	req.Header.Set("X-Request-Id", d.nonce)
	if body != nil {
		req.Header.Set("Content-Type", "application/vnd.kafka.json.v2+json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return through{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxThrough))
	if err != nil {
		return through{}, err
	}
	kind, _, _ := strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	return through{resp.StatusCode, kind, text, resp.Header.Get("X-Request-Id") == d.nonce}, nil
}

// wayIn says where a request for /version has got lost; nil: it came through.
func (d *doctor) wayIn(ctx context.Context, got through) []Result {
	stage := strings.Trim(d.cfg.Via.Path, "/")
	id := d.cfg.Via.Hostname()
	if m := executeAPI.FindStringSubmatch(id); m != nil {
		id = m[1]
	}
	deploy := "aws apigateway create-deployment --rest-api-id " + id + " --stage-name " + orWord(stage, "STAGE")
	const integration = "http://HOST:8082/{proxy} as the integration's URL, with the path parameter proxy = method.request.path.proxy"
	switch message := got.message(); {
	case got.carried && got.status == http.StatusOK && isVersion(got.body):
		return nil
	case got.carried && got.status == http.StatusOK:
		return failed(integration, "every request arrives as / : the integration's URL lacks {proxy}")
	case got.carried && got.status == http.StatusNotFound:
		return failed(integration, "the gateway is reached, but by another path than the one called: {proxy} is not handed on, or stands beside something else")
	case got.carried:
		return failed("the access log of this gateway, request_id "+d.nonce, "the gateway is reached and answers %d", got.status)
	case got.status == http.StatusForbidden && (got.kind == "MissingAuthenticationTokenException" || message == "Missing Authentication Token"):
		if root, err := d.send(ctx, http.MethodGet, "", nil); err == nil && root.carried {
			return failed("headrace openapi --apigateway   # import what it writes, then "+deploy, "the API has / but no resource {proxy+}: only the root of the gateway can be called")
		}
		return failed(deploy, "the API has no resource for this path: {proxy+} with the method ANY is missing, or the API was not deployed since it was made")
	case got.status == http.StatusForbidden && (got.kind == "ForbiddenException" || message == "Forbidden"):
		return failed(deploy, "the API is not deployed: there is no stage %q", stage)
	case got.status == http.StatusNotFound && message == "Not Found":
		return failed(deploy, "the API has no route for this path")
	case got.status == http.StatusGatewayTimeout:
		return failed("aws ec2 authorize-security-group-ingress --group-id SG-OF-THIS-HOST --protocol tcp --port 8082 --cidr 0.0.0.0/0   # or a VPC link",
			"API Gateway does not get through to this host: its security group is closed, it has no public address, or the integration names another")
	case got.status >= 500 && message != "":
		return failed("http://HOST:8082/{proxy} as the integration's URL, not https", "API Gateway reaches this host but cannot talk to it (%d %s): likely the integration's URL is https and the listener speaks http", got.status, message)
	}
	return failed("aws apigateway get-integration --rest-api-id "+id+" --resource-id RESOURCE --http-method ANY", "something answers %d, but it is not headrace: the request id that was sent did not come back", got.status)
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func isVersion(body []byte) bool {
	var v map[string]any
	return json.Unmarshal(body, &v) == nil && v["version"] != nil
}

// viaCause words a call that had no answer.
func viaCause(err error, via *url.URL) []Result {
	var lookup *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return failed("aws apigateway get-rest-apis", "the name %s does not exist: there is no such API in this region, or it is private", via.Hostname())
	case errors.As(err, &timeout) && timeout.Timeout():
		return failed("curl -v "+via.JoinPath("livez").Redacted(), "%s does not answer in time", via.Hostname())
	}
	return failed("curl -v "+via.JoinPath("livez").Redacted(), "%s cannot be called: %s", via.Hostname(), lastCause(err))
}

// writeThrough produces one record to each topic through API Gateway.
func (d *doctor) writeThrough(ctx context.Context) []Result {
	var results []Result
	for _, topic := range d.cfg.Topics {
		got, err := d.send(ctx, http.MethodPost, "topics/"+url.PathEscape(topic), fmt.Appendf(nil, `{"records":[{"value":%s}]}`, d.note()))
		if err != nil {
			results = append(results, viaCause(err, d.cfg.Via)...)
			continue
		}
		if got.status != http.StatusOK || !bytes.Contains(got.body, []byte(`"error_code":null`)) {
			results = append(results, failed("headrace check --topic "+topic+" --write", "a record for topic %s came through, but was not stored: %d", topic, got.status)...)
			continue
		}
		results = append(results, ok("a record came through to topic %s", topic)...)
	}
	return results
}
