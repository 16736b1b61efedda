package kinesisclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	// roleSession is constant: by default the SDK invents a name that changes with time, and
	// IAM conditions and quotas by principal stop matching.
	roleSession = "headrace"
	// fallbackRegion is signed for where the endpoint is named and no region is.
	fallbackRegion = "us-east-1"
	// openTimeout bounds the reading of files and of the instance's region.
	openTimeout = 5 * time.Second
	// refusalMemory is how long a failure to get credentials is answered without asking again:
	// on a machine without any, each question to the instance metadata takes seconds.
	refusalMemory = 5 * time.Second
	// doubtMemory is how long Ready reports a refusal that no later call has disproved: a
	// gateway taken out of service for it gets no call that could.
	doubtMemory = time.Minute
	// idleTimeout is below the minute after which network address translators forget.
	idleTimeout = 50 * time.Second
)

// session is what calls are signed and sent with. It is made at the first call and kept.
type session struct {
	endpoint  url.URL
	region    string
	creds     aws.CredentialsProvider
	signer    *v4.Signer
	transport *http.Transport
}

// refusal is a failure to get credentials, remembered.
type refusal struct {
	err   error
	until time.Time
}

// session returns the one session, made by the first of concurrent callers.
func (c *Client) session(ctx context.Context) (*session, error) {
	if s := c.opened.Load(); s != nil {
		return s, nil
	}
	done := c.opening.DoChan("", func() (any, error) {
		// The others wait for this too: the first one's end must not be theirs.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
		defer cancel()
		s, err := c.open(ctx)
		if err == nil {
			c.opened.Store(s)
			c.log.Info("kinesis client ready", "endpoint", s.endpoint.Host, "region", s.region)
		}
		return s, err
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case result := <-done:
		s, _ := result.Val.(*session)
		return s, result.Err
	}
}

func (c *Client) open(ctx context.Context) (*session, error) {
	cfg, err := c.awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	options := kinesis.NewFromConfig(cfg).Options() // knows AWS_ENDPOINT_URL_KINESIS and its like
	if c.cfg.Endpoint != "" {
		options.BaseEndpoint = aws.String(c.cfg.Endpoint)
	}
	if cfg.Region == "" && options.BaseEndpoint != nil {
		cfg.Region = fallbackRegion
	}
	if cfg.Region == "" {
		cfg.Region = instanceRegion(ctx, cfg)
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("%w: set kinesis.region, or AWS_REGION in the environment", ErrRegion)
	}
	endpoint, err := options.EndpointResolverV2.ResolveEndpoint(ctx, kinesis.EndpointParameters{
		Region:       aws.String(cfg.Region),
		UseFIPS:      aws.Bool(options.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(options.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
		Endpoint:     options.BaseEndpoint,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: finding the endpoint for %q: %w", ErrRegion, cfg.Region, err)
	}
	if endpoint.URI.Path == "" {
		endpoint.URI.Path = "/"
	}
	if c.cfg.RoleARN != "" {
		cfg.Credentials = aws.NewCredentialsCache(
			stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), c.cfg.RoleARN, nameRoleSession), refreshEarly)
	}
	return &session{
		endpoint: endpoint.URI, region: cfg.Region, creds: cfg.Credentials,
		signer: v4.NewSigner(), transport: c.newTransport(cfg),
	}, nil
}

// awsConfig reads what the environment and the shared AWS files say.
func (c *Client) awsConfig(ctx context.Context) (aws.Config, error) {
	if c.cfg.StaticKey != "" {
		return aws.Config{
			Region:      c.cfg.Region,
			Credentials: credentials.NewStaticCredentialsProvider(c.cfg.StaticKey, c.cfg.StaticSecret, ""),
		}, nil
	}
	with := []func(*config.LoadOptions) error{
		config.WithCredentialsCacheOptions(refreshEarly),
		config.WithAssumeRoleCredentialOptions(nameRoleSession),
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			if o.RoleSessionName == "" {
				o.RoleSessionName = roleSession
			}
		}),
	}
	if c.cfg.Region != "" {
		with = append(with, config.WithRegion(c.cfg.Region))
	}
	if c.cfg.Profile != "" {
		with = append(with, config.WithSharedConfigProfile(c.cfg.Profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, with...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("%w: reading the AWS configuration: %w", ErrCredentials, err)
	}
	return cfg, nil
}

func nameRoleSession(o *stscreds.AssumeRoleOptions) {
	if o.RoleSessionName == "" {
		o.RoleSessionName = roleSession
	}
}

// refreshEarly renews credentials one to two minutes before they end.
func refreshEarly(o *aws.CredentialsCacheOptions) {
	o.ExpiryWindow, o.ExpiryWindowJitterFrac = 2*time.Minute, 0.5
}

// instanceRegion asks the machine where it is; empty when it is no EC2 instance.
func instanceRegion(ctx context.Context, cfg aws.Config) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	answer, err := imds.NewFromConfig(cfg).GetRegion(ctx, nil)
	if err != nil {
		return ""
	}
	return answer.Region
}

// newTransport returns the SDK's transport (proxy, certificate bundle, TLS settings), made
// for many concurrent calls to one host.
func (c *Client) newTransport(cfg aws.Config) *http.Transport {
	client, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	t := client.GetTransport()
	t.MaxIdleConns = 0 // no limit beside the next one
	t.MaxIdleConnsPerHost = c.cfg.MaxInFlight
	t.MaxConnsPerHost = 0
	t.IdleConnTimeout = idleTimeout
	t.DisableCompression = true // the answer is relayed as it is
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	return t
}

// credentials returns the session and the credentials to sign with now. They are cached and
// renewed, by one caller at a time.
func (c *Client) credentials(ctx context.Context) (*session, aws.Credentials, error) {
	if r := c.refused.Load(); r != nil && time.Now().Before(r.until) {
		return nil, aws.Credentials{}, r.err
	}
	s, err := c.session(ctx)
	if err != nil {
		return nil, aws.Credentials{}, c.refuse(ctx, err)
	}
	creds, err := s.creds.Retrieve(ctx)
	if err != nil {
		return nil, aws.Credentials{}, c.refuse(ctx, fmt.Errorf("%w: %w", ErrCredentials, err))
	}
	return s, creds, nil
}

// refuse remembers, for a while, that there are no credentials because of err.
func (c *Client) refuse(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("loading credentials: %w", context.Cause(ctx))
	}
	c.refused.Store(&refusal{err: err, until: time.Now().Add(refusalMemory)})
	c.access.doubt(c.log, err)
	return err
}

// forgetExpired drops cached credentials that the service calls expired.
func (s *session) forgetExpired(api *APIError) {
	if cache, ok := s.creds.(*aws.CredentialsCache); ok && api.Type == "ExpiredTokenException" {
		cache.Invalidate()
	}
}

// Values of headers that all requests share. The transport and the signer only read them.
var (
	contentTypeValue = []string{contentType}
	userAgentValue   = []string{"headrace"}
)

// request returns an unsigned request for op.
func (s *session) request(ctx context.Context, op *operation, body *Body) *http.Request {
	endpoint := s.endpoint // the signer writes to it
	req := &http.Request{
		Method: http.MethodPost,
		URL:    &endpoint,
		Host:   endpoint.Host,
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Content-Type": contentTypeValue,
			"User-Agent":   userAgentValue,
			"X-Amz-Target": op.target,
		},
		ContentLength: int64(len(body.Bytes)),
		Body:          body.reader(),
		GetBody:       func() (io.ReadCloser, error) { return body.reader(), nil },
	}
	return req.WithContext(ctx)
}

// sign adds the headers of Signature Version 4. The signer keeps the key derived for the day.
func (s *session) sign(ctx context.Context, creds aws.Credentials, req *http.Request, body []byte, at time.Time) error {
	sum := sha256.Sum256(body)
	return s.signer.SignHTTP(ctx, creds, req, hex.EncodeToString(sum[:]), service, s.region, at)
}

// access remembers whether our credentials work.
type access struct {
	doubted atomic.Pointer[doubt]
	logged  atomic.Int64 // Unix seconds of the last log line
}

type doubt struct {
	err error
	at  time.Time
}

// logEvery is how often, in seconds, a refusal that goes on is logged.
const logEvery = 30

// doubt notes that the credentials were refused or not found.
func (a *access) doubt(log *slog.Logger, err error) {
	now := time.Now()
	a.doubted.Store(&doubt{err: err, at: now})
	last := a.logged.Load()
	if now.Unix()-last < logEvery || !a.logged.CompareAndSwap(last, now.Unix()) {
		return
	}
	log.Error("kinesis refuses this gateway's credentials, or it has none", "err", err)
}

// prove notes that the credentials work.
func (a *access) prove() {
	if a.doubted.Load() != nil {
		a.doubted.Store(nil)
	}
}

// Ready tells whether Kinesis accepts our credentials, as far as calls have shown: it asks
// nobody itself. A refusal counts until a call succeeds, or for a minute.
func (c *Client) Ready(context.Context) error {
	d := c.access.doubted.Load()
	if d == nil || time.Since(d.at) > doubtMemory {
		return nil
	}
	var api *APIError
	if errors.As(d.err, &api) {
		return fmt.Errorf("kinesis refuses the gateway's credentials: %w", d.err)
	}
	return d.err
}
