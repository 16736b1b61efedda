package kinesisclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// cleanAWS takes the machine's own AWS settings away from a test.
func cleanAWS(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			_ = os.Unsetenv(name)
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// realClient is a client without static credentials: the SDK's chain finds them.
func realClient(t *testing.T, log *slog.Logger, change func(*Config)) *Client {
	t.Helper()
	cfg := DefaultConfig()
	change(&cfg)
	c, err := New(t.Context(), cfg, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// checkSignature signs the received request once more with the same credentials and compares.
func checkSignature(t *testing.T, got call, host, region string, creds aws.Credentials) {
	t.Helper()
	at, err := time.Parse("20060102T150405Z", got.header.Get("X-Amz-Date"))
	if err != nil {
		t.Fatalf("X-Amz-Date: %v", err)
	}
	again := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Scheme: "http", Host: host, Path: "/"}, Host: host,
		Header: http.Header{
			"Content-Type": got.header.Values("Content-Type"),
			"X-Amz-Target": got.header.Values("X-Amz-Target"),
		},
		ContentLength: int64(len(got.body)),
	}
	sum := sha256.Sum256(got.body)
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, again, hex.EncodeToString(sum[:]), "kinesis", region, at); err != nil {
		t.Fatal(err)
	}
	if want := again.Header.Get("Authorization"); got.header.Get("Authorization") != want {
		t.Errorf("Authorization %q, want %q", got.header.Get("Authorization"), want)
	}
	if got.header.Get("X-Amz-Security-Token") != creds.SessionToken {
		t.Errorf("X-Amz-Security-Token %q, want %q", got.header.Get("X-Amz-Security-Token"), creds.SessionToken)
	}
}

func TestRequestsAreSigned(t *testing.T) {
	cases := []struct {
		name   string
		env    map[string]string
		files  map[string]string // environment variable → content of the file it names
		change func(*Config)
		region string
		creds  aws.Credentials
	}{
		{
			name: "environment with a session token",
			env: map[string]string{
				"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "s1", "AWS_SESSION_TOKEN": "token+1/=", "AWS_REGION": "eu-west-1",
			},
			region: "eu-west-1", creds: aws.Credentials{AccessKeyID: "AKIDENV", SecretAccessKey: "s1", SessionToken: "token+1/="},
		},
		{
			name:   "kinesis.region over AWS_REGION",
			env:    map[string]string{"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "s1", "AWS_REGION": "eu-west-1"},
			change: func(cfg *Config) { cfg.Region = "ap-south-1" },
			region: "ap-south-1", creds: aws.Credentials{AccessKeyID: "AKIDENV", SecretAccessKey: "s1"},
		},
		{
			name: "kinesis.profile",
			files: map[string]string{
				"AWS_SHARED_CREDENTIALS_FILE": "[other]\naws_access_key_id=AKIDPROFILE\naws_secret_access_key=s2\n",
				"AWS_CONFIG_FILE":             "[profile other]\nregion=us-west-2\n",
			},
			change: func(cfg *Config) { cfg.Profile = "other" },
			region: "us-west-2", creds: aws.Credentials{AccessKeyID: "AKIDPROFILE", SecretAccessKey: "s2"},
		},
		{
			name:   "a named endpoint without a region",
			env:    map[string]string{"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "s1"},
			region: fallbackRegion, creds: aws.Credentials{AccessKeyID: "AKIDENV", SecretAccessKey: "s1"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			cleanAWS(t)
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			for name, text := range tc.files {
				t.Setenv(name, writeFile(t, "aws", text))
			}
			u := &upstream{answer: answerText(200, stored)}
			server := httptest.NewServer(u)
			defer server.Close()
			t.Setenv("AWS_ENDPOINT_URL_KINESIS", server.URL)
			c := realClient(t, slog.New(slog.DiscardHandler), func(cfg *Config) {
				if tc.change != nil {
					tc.change(cfg)
				}
			})
			if _, err := c.Call(t.Context(), OpPutRecord, bodyOf(`{"Data":"eA=="}`)); err != nil {
				t.Fatal(err)
			}
			checkSignature(t, u.seen()[0], strings.TrimPrefix(server.URL, "http://"), tc.region, tc.creds)
		})
	}
}

// TestRole: the role is assumed once, under a constant session name, and its credentials sign.
func TestRole(t *testing.T) {
	cleanAWS(t)
	var mu sync.Mutex
	var asked []url.Values
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		mu.Lock()
		asked = append(asked, r.PostForm)
		mu.Unlock()
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
			<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>rs</SecretAccessKey><SessionToken>rt</SessionToken><Expiration>%s</Expiration>
			</Credentials></AssumeRoleResult></AssumeRoleResponse>`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer sts.Close()
	u := &upstream{answer: answerText(200, stored)}
	server := httptest.NewServer(u)
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s1")
	c := realClient(t, slog.New(slog.DiscardHandler), func(cfg *Config) {
		cfg.Endpoint, cfg.Region, cfg.RoleARN = server.URL, "eu-central-1", "arn:aws:iam::111122223333:role/writer"
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.Call(t.Context(), OpPutRecord, bodyOf(`{}`)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(asked) != 1 || asked[0].Get("RoleArn") != "arn:aws:iam::111122223333:role/writer" || asked[0].Get("RoleSessionName") != roleSession {
		t.Errorf("STS was asked %v, want once for the role with session name %s", asked, roleSession)
	}
	checkSignature(t, u.seen()[0], strings.TrimPrefix(server.URL, "http://"), "eu-central-1",
		aws.Credentials{AccessKeyID: "ASIAROLE", SecretAccessKey: "rs", SessionToken: "rt"})
}

func TestEndpoints(t *testing.T) {
	cases := []struct {
		name string
		env  map[string]string
		want string
	}{
		{"a region", map[string]string{"AWS_REGION": "eu-west-1"}, "https://kinesis.eu-west-1.amazonaws.com/"},
		{"another partition", map[string]string{"AWS_REGION": "cn-north-1"}, "https://kinesis.cn-north-1.amazonaws.com.cn/"},
		{"FIPS", map[string]string{"AWS_REGION": "us-east-1", "AWS_USE_FIPS_ENDPOINT": "true"}, "https://kinesis-fips.us-east-1.amazonaws.com/"},
		{"of the environment", map[string]string{"AWS_ENDPOINT_URL_KINESIS": "http://h:1/p"}, "http://h:1/p"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			cleanAWS(t)
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			c := realClient(t, slog.New(slog.DiscardHandler), func(*Config) {})
			s, err := c.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if s.endpoint.String() != tc.want {
				t.Errorf("endpoint %s, want %s", &s.endpoint, tc.want)
			}
		})
	}
}

// TestWithoutCredentials: a client starts without any, says so on each call and in Ready, and
// logs it loudly but once.
func TestWithoutCredentials(t *testing.T) {
	cleanAWS(t)
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	began := time.Now()
	c := realClient(t, log, func(cfg *Config) { cfg.Region = "eu-west-1" })
	if took := time.Since(began); took > 100*time.Millisecond {
		t.Errorf("New took %v", took)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("not ready before any call: %v", err)
	}
	for range 3 {
		if _, err := c.Call(t.Context(), OpListStreams, bodyOf(`{}`)); !errors.Is(err, ErrCredentials) {
			t.Errorf("error %v, want ErrCredentials", err)
		}
	}
	if err := c.Ready(t.Context()); !errors.Is(err, ErrCredentials) {
		t.Errorf("Ready %v, want ErrCredentials", err)
	}
	if n := strings.Count(out.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d error lines, want 1:\n%s", n, &out)
	}
}

func TestWithoutRegion(t *testing.T) {
	cleanAWS(t)
	c := realClient(t, slog.New(slog.DiscardHandler), func(*Config) {})
	if _, err := c.Call(t.Context(), OpListStreams, bodyOf(`{}`)); !errors.Is(err, ErrRegion) {
		t.Errorf("error %v, want ErrRegion", err)
	}
}

func TestReadyFollowsWhatKinesisSays(t *testing.T) {
	answers := []string{`{"__type":"UnrecognizedClientException","message":"bad token"}`, stored}
	u := &upstream{answer: func(w http.ResponseWriter, n int, _ call) { reply(w, 400-200*n, answers[n]) }}
	c := start(t, u, nil)
	if _, err := c.Call(t.Context(), OpPutRecord, bodyOf(`{}`)); !isClass(err, ClassAccess) {
		t.Fatalf("error %v, want one of access", err)
	}
	if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "UnrecognizedClientException") {
		t.Errorf("Ready %v, want the refusal", err)
	}
	if _, err := c.Call(t.Context(), OpPutRecord, bodyOf(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("Ready %v after a success", err)
	}
}

// TestExpiredCredentialsAreFetchedAgain: the service calls a cached session expired.
func TestExpiredCredentialsAreFetchedAgain(t *testing.T) {
	u := &upstream{answer: func(w http.ResponseWriter, n int, _ call) {
		if n == 0 {
			reply(w, 400, `{"__type":"ExpiredTokenException"}`)
			return
		}
		reply(w, 200, stored)
	}}
	c := start(t, u, nil)
	s, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fetched := 0
	s.creds = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		fetched++
		return aws.Credentials{AccessKeyID: "A", SecretAccessKey: "B"}, nil
	}))
	c.opened.Store(s)
	for range 2 {
		_, _ = c.Call(t.Context(), OpPutRecord, bodyOf(`{}`))
	}
	if fetched != 2 {
		t.Errorf("credentials fetched %d times, want 2", fetched)
	}
}
