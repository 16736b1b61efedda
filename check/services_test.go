package check

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headrace/embedded"
	"headrace/kafkaclient"
	"headrace/kinesisclient"
	"headrace/lake/store"
)

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return server
}

// of takes one step alone.
func of(t *testing.T, cfg Config, name string) []Result {
	t.Helper()
	d := &doctor{cfg: cfg, log: slog.New(slog.DiscardHandler), nonce: "nonce-of-the-test"}
	for _, s := range d.steps() {
		if s.name != name {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), s.limit)
		defer cancel()
		results := s.run(ctx)
		for i := range results {
			results[i].Check = name
		}
		return results
	}
	t.Fatalf("there is no check %s", name)
	return nil
}

func TestRegistry(t *testing.T) {
	answers := func(status int) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/subjects" {
				status = http.StatusNotFound
			}
			if status == http.StatusOK && r.Header.Get("Authorization") == "" {
				status = http.StatusUnauthorized
			}
			w.WriteHeader(status)
		}).URL
	}
	withUser := func(raw string) string { return strings.Replace(raw, "://", "://u:TOPSECRET@", 1) }
	for _, tt := range []struct {
		name string
		urls []string
		want finding
	}{
		{"well", []string{withUser(answers(200))}, finding{"registry", OK, "answers", ""}},
		{"without its login", []string{answers(200)}, finding{"registry", Failed, "refuses the login (401)", "schema.registry.basic.auth.user.info"}},
		{"a wrong login", []string{withUser(answers(403))}, finding{"registry", Failed, "refuses the login (403)", ""}},
		{"another server", []string{withUser(answers(404))}, finding{"registry", Failed, "is no schema registry", ""}},
		{"a sick one", []string{withUser(answers(500))}, finding{"registry", Failed, "answers 500", "curl"}},
		{"nothing listens", []string{"http://u:TOPSECRET@" + closed(t)}, finding{"registry", Failed, "cannot be reached", "schema.registry.url= (empty)"}},
		{"one of two", []string{"http://" + closed(t), withUser(answers(200))}, finding{"registry", Warning, "cannot be reached", ""}},
	} {
		cfg := at()
		cfg.Registry = Registry{URLs: tt.urls, Given: true}
		results := of(t, cfg, "registry")
		has(t, results, tt.want)
		if strings.Contains(shown(results), "TOPSECRET") {
			t.Errorf("%s: a secret is shown:\n%s", tt.name, shown(results))
		}
	}
}

// fakeSTS imitates Amazon's: who the caller is, and whether the role is given to it.
type fakeSTS struct {
	arn      string
	refusal  string // code for everything
	assumes  bool   // else AccessDenied
	skew     time.Duration
	assuming url.Values // what was asked last
}

func (s *fakeSTS) start(t *testing.T) {
	t.Helper()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		w.Header().Set("Content-Type", "text/xml")
		w.Header().Set("Date", time.Now().Add(s.skew).UTC().Format(http.TimeFormat))
		refuse := func(code, message string) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`, code, message)
		}
		switch action := form.Get("Action"); {
		case s.refusal != "":
			refuse(s.refusal, "no")
		case action == "GetCallerIdentity":
			_, _ = fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>%s</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`, s.arn)
		case action == "AssumeRole" && !s.assumes:
			refuse("AccessDenied", "User: "+s.arn+" is not authorized to perform: sts:AssumeRole")
		default:
			s.assuming = form
			var escaped strings.Builder
			_ = xml.EscapeText(&escaped, []byte("TOPSECRET"))
			_, _ = fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>%[1]s</SecretAccessKey><SessionToken>%[1]s</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, escaped.String())
		}
	})
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
}

func TestAWS(t *testing.T) {
	const (
		host = "arn:aws:sts::123456789012:assumed-role/web/i-0123"
		role = "arn:aws:iam::123456789012:role/kafka"
	)
	for _, tt := range []struct {
		name    string
		sts     *fakeSTS
		role    string
		kinesis string // region of the streams
		want    finding
	}{
		{"without a role", &fakeSTS{arn: host}, "", "", finding{"aws", OK, "the login to Kafka goes as " + host, ""}},
		{"with a role", &fakeSTS{arn: host, assumes: true}, role, "", finding{"aws", OK, "goes as " + role + ", by way of " + host, ""}},
		{
			"a role that is not given", &fakeSTS{arn: host}, role, "",
			finding{"aws", Failed, host + " may not assume " + role, `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/web"},"Action":"sts:AssumeRole"}   # paste into the trust policy of kafka`},
		},
		{
			"no role is needed", &fakeSTS{arn: host}, "arn:aws:iam::123456789012:role/web", "",
			finding{"aws", Failed, "awsRoleArn names the role that this host has already, by its instance profile: no role needs to be assumed", "leave awsRoleArn out"},
		},
		{"its own role, once more", &fakeSTS{arn: host, assumes: true}, "arn:aws:iam::123456789012:role/web", "", finding{"aws", Warning, "this host already has the role", "leave awsRoleArn out"}},
		{"an unknown key", &fakeSTS{refusal: "InvalidClientTokenId"}, "", "", finding{"aws", Failed, "AWS does not know the access key", "aws sts get-caller-identity"}},
		{"a wrong secret", &fakeSTS{refusal: "SignatureDoesNotMatch"}, "", "", finding{"aws", Failed, "the secret does not belong to the access key", ""}},
		{"an expired session", &fakeSTS{refusal: "ExpiredToken"}, "", "", finding{"aws", Failed, "the session's credentials have expired", ""}},
		{"a clock that is behind", &fakeSTS{arn: host, skew: 20 * time.Minute}, "", "", finding{"aws", Failed, "behind AWS's: signatures are refused from 5 min on", "chronyc makestep"}},
		{"a clock that is behind, and refused for it", &fakeSTS{refusal: "SignatureDoesNotMatch", skew: 20 * time.Minute}, "", "", finding{"aws", Failed, "behind AWS's", "chronyc makestep"}},
		{"a clock that runs ahead", &fakeSTS{arn: host, skew: -2 * time.Minute}, "", "", finding{"aws", Warning, "ahead of AWS's", "chronyc makestep"}},
		{"streams in another region", &fakeSTS{arn: host}, "", "eu-west-1", finding{"aws", Warning, "the brokers are in us-east-1, but streams are looked for in eu-west-1", "kinesis.region=us-east-1"}},
		{"streams in the same region", &fakeSTS{arn: host}, "", "us-east-1", finding{"aws", OK, "", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cleanAWS(t)
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIAX")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "TOPSECRET")
			tt.sts.start(t)
			cfg := at(mskBroker + ":9098")
			cfg.Kafka.Login.SASL = &kafkaclient.SASL{Mechanism: "AWS_MSK_IAM", IAM: &kafkaclient.IAM{RoleARN: tt.role, SessionName: "aws-msk-iam-auth"}}
			if tt.kinesis != "" {
				cfg.Kinesis = &kinesisclient.Config{Region: tt.kinesis}
			}
			results := of(t, cfg, "aws")
			has(t, results, tt.want)
			if strings.Contains(shown(results), "TOPSECRET") {
				t.Errorf("a secret is shown:\n%s", shown(results))
			}
		})
	}
}

// TestAWSExternalID: the id is sent, and is in the statement to paste by a stand-in only.
func TestAWSExternalID(t *testing.T) {
	cleanAWS(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAX")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	cfg := at(mskBroker + ":9098")
	cfg.Kafka.Login.SASL = &kafkaclient.SASL{IAM: &kafkaclient.IAM{RoleARN: "arn:aws:iam::123456789012:role/kafka", SessionName: "s-1", ExternalID: "TOPSECRET"}}
	service := &fakeSTS{arn: "arn:aws:iam::123456789012:user/bob", assumes: true}
	service.start(t)
	has(t, of(t, cfg, "aws"), finding{"aws", OK, "", ""})
	if got := service.assuming; got.Get("ExternalId") != "TOPSECRET" || got.Get("RoleSessionName") != "s-1" {
		t.Errorf("STS was asked %v", got)
	}
	service.assumes = false
	results := of(t, cfg, "aws")
	has(t, results, finding{"aws", Failed, "user/bob may not assume", `"AWS":"arn:aws:iam::123456789012:user/bob"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"THE-EXTERNAL-ID"}}}`})
	if strings.Contains(shown(results), "TOPSECRET") {
		t.Errorf("a secret is shown:\n%s", shown(results))
	}
}

func TestAWSWithoutCredentials(t *testing.T) {
	cleanAWS(t)
	cfg := at(mskBroker + ":9098")
	cfg.Kafka.Login.SASL = &kafkaclient.SASL{IAM: &kafkaclient.IAM{}}
	has(t, of(t, cfg, "aws"), finding{"aws", Failed, "no AWS credentials were found", "associate-iam-instance-profile"})
}

// TestAWSWithoutSTS: a subnet without a way out.
func TestAWSWithoutSTS(t *testing.T) {
	cleanAWS(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAX")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://"+silent(t))
	cfg := at(mskBroker + ":9098")
	cfg.Kafka.Login.SASL = &kafkaclient.SASL{IAM: &kafkaclient.IAM{}}
	has(t, of(t, cfg, "aws"), finding{"aws", Failed, "STS does not answer", "create-vpc-endpoint"})
}

func TestKinesis(t *testing.T) {
	cleanAWS(t)
	ctx := t.Context()
	now := time.Now()
	settings := embedded.DefaultKinesisConfig()
	settings.StatusDelay, settings.Now = time.Minute, func() time.Time { return now }
	kinesis := embedded.NewKinesis(settings, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = kinesis.Close() })
	server := serve(t, kinesis.ServeHTTP)
	cfg := kinesisclient.DefaultConfig()
	cfg.Endpoint, cfg.Region, cfg.StaticKey, cfg.StaticSecret = server.URL, "us-east-1", "AKIAX", "TOPSECRET"
	createStream(ctx, t, cfg, "clicks")
	has(t, of(t, Config{Kinesis: &cfg, Streams: []string{"clicks"}}, "kinesis"), finding{"kinesis", Failed, "stream clicks cannot be written to: it is CREATING", "aws kinesis wait"})
	now = now.Add(2 * time.Minute)
	with := func(change func(*kinesisclient.Config), streams ...string) Config {
		own := cfg
		if change != nil {
			change(&own)
		}
		return Config{Kinesis: &own, Streams: streams}
	}
	refuse := func(op, kind string) func() {
		return func() {
			kinesis.Inject(embedded.KinesisFault{Operation: op, Type: kind, Message: "User: x is not authorized"})
		}
	}
	writes := with(nil, "clicks")
	writes.Write = true
	for _, tt := range []struct {
		name  string
		setUp func()
		cfg   Config
		want  finding
	}{
		{"any stream", nil, with(nil), finding{"kinesis", OK, "streams can be listed", ""}},
		{"a stream", nil, with(nil, "clicks"), finding{"kinesis", OK, "stream clicks is there, ACTIVE", ""}},
		{"a missing stream", nil, with(nil, "orders"), finding{"kinesis", Failed, "stream orders: there is no such stream in this region and account", "aws kinesis create-stream --stream-name orders"}},
		{"a missing right", refuse("DescribeStreamSummary", "AccessDeniedException"), with(nil, "clicks"), finding{"kinesis", Failed, "lacks kinesis:DescribeStreamSummary", `"Action":"kinesis:DescribeStreamSummary"`}},
		{"a missing right to list", refuse("ListStreams", "AccessDeniedException"), with(nil), finding{"kinesis", Failed, "lacks kinesis:ListStreams", ""}},
		{"an unknown key", refuse("", "UnrecognizedClientException"), with(nil), finding{"kinesis", Failed, "refuses the credentials: UnrecognizedClientException", ""}},
		{"a missing right to write", refuse("PutRecord", "AccessDeniedException"), writes, finding{"kinesis", Failed, "lacks kinesis:PutRecord", ""}},
		{"a record", nil, writes, finding{"kinesis", OK, "a record was written to stream clicks", ""}},
		{"nothing listens", nil, with(func(c *kinesisclient.Config) { c.Endpoint = "http://" + closed(t) }), finding{"kinesis", Failed, "Kinesis cannot be reached", ""}},
		{"no region", nil, with(func(c *kinesisclient.Config) { c.Endpoint, c.Region = "", "" }), finding{"kinesis", Failed, "no AWS region is known", "kinesis.region="}},
		{"no credentials", nil, with(func(c *kinesisclient.Config) { c.StaticKey = "" }), finding{"kinesis", Failed, "no AWS credentials were found for Kinesis", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kinesis.Inject()
			if tt.setUp != nil {
				tt.setUp()
			}
			before := kinesis.Records("clicks")
			results := of(t, tt.cfg, "kinesis")
			has(t, results, tt.want)
			wrote := kinesis.Records("clicks") - before
			if want := int64(map[bool]int{true: 1}[tt.cfg.Write && tt.want.status == OK]); wrote != want {
				t.Errorf("%d records were written, want %d", wrote, want)
			}
			if strings.Contains(shown(results), "TOPSECRET") {
				t.Errorf("a secret is shown:\n%s", shown(results))
			}
		})
	}
}

func createStream(ctx context.Context, t *testing.T, cfg kinesisclient.Config, name string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, cfg.Endpoint, strings.NewReader(`{"StreamName":"`+name+`","ShardCount":1}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "Kinesis_20131202.CreateStream")
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAX/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=x")
	req.Header.Set("X-Amz-Date", "20260101T000000Z")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("creating stream %s: %d %s", name, resp.StatusCode, text)
	}
}

// TestBuckets: a directory for a bucket, and what S3 refuses, by its codes.
func TestBuckets(t *testing.T) {
	cleanAWS(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lake"), 0o700); err != nil {
		t.Fatal(err)
	}
	there := Bucket{Name: "lake", Prefix: "topics/", Open: func(context.Context) (store.Store, func(), error) {
		s, err := store.OpenDir(dir, "lake")
		return s, func() {}, err
	}}
	s3 := func(code string, status int) Bucket {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if code == "" && r.Method != http.MethodPut {
				w.Header().Set("Content-Type", "application/xml")
				_, _ = io.WriteString(w, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)
				return
			}
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `<Error><Code>%s</Code><Message>no</Message></Error>`, orWord(code, "AccessDenied"))
		})
		return Bucket{Name: "lake", Region: "us-east-1", Prefix: "topics/", Open: func(ctx context.Context) (store.Store, func(), error) {
			s, err := store.OpenS3(ctx, store.S3Config{Bucket: "lake", Region: "us-east-1", Endpoint: server.URL, PathStyle: true, AccessKeyID: "AKIAX", SecretAccessKey: "TOPSECRET", Connections: 1})
			if err != nil {
				return nil, nil, err
			}
			return s, s.Close, nil
		}}
	}
	for _, tt := range []struct {
		name   string
		bucket Bucket
		write  bool
		want   finding
	}{
		{"there", there, false, finding{"s3", OK, "bucket lake is there", ""}},
		{"written to", there, true, finding{"s3", OK, "an object was written to bucket lake and deleted again", ""}},
		{"missing", s3("NoSuchBucket", 404), false, finding{"s3", Failed, "there is no bucket lake", "aws s3 mb s3://lake"}},
		{"may not be listed", s3("AccessDenied", 403), false, finding{"s3", Warning, "lacks s3:ListBucket on bucket lake", `"Action":"s3:ListBucket"`}},
		{"may not be written", s3("", 403), true, finding{"s3", Failed, "lacks s3:PutObject on bucket lake", `"Resource":"arn:aws:s3:::lake/*"`}},
		{"another region", s3("PermanentRedirect", 301), false, finding{"s3", Failed, "bucket lake lies in another region than s3.region=us-east-1", "get-bucket-location"}},
		{"an unknown key", s3("InvalidAccessKeyId", 403), false, finding{"s3", Failed, "S3 does not know the access key", ""}},
		{"a wrong secret", s3("SignatureDoesNotMatch", 403), false, finding{"s3", Failed, "the secret does not belong to the access key", ""}},
		{"a wrong clock", s3("RequestTimeTooSkewed", 403), false, finding{"s3", Failed, "this host's clock is wrong", "chronyc"}},
	} {
		cfg := at()
		cfg.Buckets, cfg.Write = []Bucket{tt.bucket}, tt.write
		results := of(t, cfg, "s3")
		t.Run(tt.name, func(t *testing.T) { has(t, results, tt.want) })
		if strings.Contains(shown(results), "TOPSECRET") {
			t.Errorf("a secret is shown:\n%s", shown(results))
		}
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "lake")); len(left) > 0 {
		t.Errorf("%v lies in the bucket, want nothing", left)
	}
}

// apiGateway imitates a stage of API Gateway in front of a gateway.
type apiGateway struct {
	resources func(path string) bool      // that the API has
	target    func(path string) string    // what the integration makes of a path
	answer    func(w http.ResponseWriter) // in place of the integration; nil: none
	stage     string
}

func (g apiGateway) start(t *testing.T) *url.URL {
	t.Helper()
	behind := func(w http.ResponseWriter, r *http.Request, path string) { // headrace, as far as it matters
		w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
		w.Header().Set("Content-Type", "application/json")
		body, _ := io.ReadAll(r.Body)
		switch {
		case path == "/version":
			_, _ = io.WriteString(w, `{"version":"1.2.3"}`)
		case path == "/":
			_, _ = io.WriteString(w, `{}`)
		case path == "/topics/orders" && r.Method == http.MethodPost && json.Valid(body):
			_, _ = io.WriteString(w, `{"offsets":[{"partition":0,"offset":4,"error_code":null,"error":null}]}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error_code":404,"message":"HTTP 404 Not Found"}`)
		}
	}
	refuse := func(w http.ResponseWriter, kind, message string) {
		w.Header().Set("X-Amzn-Errortype", kind)
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"message":%q}`, message)
	}
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		path, ok := strings.CutPrefix(r.URL.Path, "/prod")
		switch {
		case !ok || g.stage != "prod":
			refuse(w, "ForbiddenException", "Forbidden")
		case !g.resources(orWord(path, "/")):
			refuse(w, "MissingAuthenticationTokenException", "Missing Authentication Token")
		case g.answer != nil:
			g.answer(w)
		default:
			behind(w, r, g.target(orWord(path, "/")))
		}
	})
	u, err := url.Parse(server.URL + "/prod")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAPIGateway(t *testing.T) {
	all := func(string) bool { return true }
	rootOnly := func(path string) bool { return path == "/" }
	none := func(string) bool { return false }
	same := func(path string) string { return path }
	says := func(status int, text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	for _, tt := range []struct {
		name string
		api  apiGateway
		want finding
	}{
		{"well", apiGateway{all, same, nil, "prod"}, finding{"api gateway", OK, "a request came through and was answered by headrace", ""}},
		{"no {proxy} in the integration", apiGateway{all, func(string) string { return "/" }, nil, "prod"}, finding{"api gateway", Failed, "the integration's URL lacks {proxy}", "http://HOST:8082/{proxy}"}},
		{"{proxy} that is not handed on", apiGateway{all, func(string) string { return "/{proxy}" }, nil, "prod"}, finding{"api gateway", Failed, "by another path than the one called", "method.request.path.proxy"}},
		{"no {proxy+} in the API", apiGateway{rootOnly, same, nil, "prod"}, finding{"api gateway", Failed, "the API has / but no resource {proxy+}", "headrace openapi --apigateway"}},
		{"nothing in the API", apiGateway{none, same, nil, "prod"}, finding{"api gateway", Failed, "was not deployed since it was made", "aws apigateway create-deployment"}},
		{"not deployed", apiGateway{all, same, nil, "other"}, finding{"api gateway", Failed, `the API is not deployed: there is no stage "prod"`, "aws apigateway create-deployment"}},
		{"https to a listener that speaks http", apiGateway{all, same, says(500, `{"message": "Internal server error"}`), "prod"}, finding{"api gateway", Failed, "likely the integration's URL is https and the listener speaks http", "not https"}},
		{"a closed security group", apiGateway{all, same, says(504, `{"message": "Endpoint request timed out"}`), "prod"}, finding{"api gateway", Failed, "does not get through to this host", "authorize-security-group-ingress"}},
		{"another server", apiGateway{all, same, says(200, `hello`), "prod"}, finding{"api gateway", Failed, "it is not headrace", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := at()
			cfg.Via = tt.api.start(t)
			has(t, of(t, cfg, "api gateway"), tt.want)
		})
	}
	t.Run("with a record", func(t *testing.T) {
		cfg := at()
		cfg.Via, cfg.Write, cfg.Topics = apiGateway{all, same, nil, "prod"}.start(t), true, []string{"orders", "other"}
		has(t, of(t, cfg, "api gateway"), finding{"api gateway", OK, "a record came through to topic orders", ""}, finding{"api gateway", Failed, "a record for topic other came through, but was not stored: 404", ""})
	})
	for _, tt := range []struct {
		via  string
		want finding
	}{
		{"http://abc123.execute-api.us-east-1.amazonaws.com/prod", finding{"api gateway", Failed, "API Gateway is called by https only", "--via https://abc123.execute-api.us-east-1.amazonaws.com/prod"}},
		{"https://no-such-api.invalid/prod", finding{"api gateway", Failed, "there is no such API", "aws apigateway get-rest-apis"}},
		{"http://" + closed(t), finding{"api gateway", Failed, "cannot be called: connection refused", "curl -v"}},
		{"http://" + silent(t), finding{"api gateway", Failed, "does not answer in time", ""}},
	} {
		cfg := at()
		cfg.Via, _ = url.Parse(tt.via)
		has(t, of(t, cfg, "api gateway"), tt.want)
	}
}
