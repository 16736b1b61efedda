package schema

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxAnswerBytes bounds an answer of the registry: a schema's text, escaped, with its references' names.
const maxAnswerBytes = 8 << 20

var errAnswerTooLarge = fmt.Errorf("the schema registry's answer is of more than %d bytes", maxAnswerBytes)

// errToken says that the OAuth server gave no token. Its own words may hold anything: they are not shown.
var errToken = errors.New("the OAuth server gave no token for the schema registry: check the issuer endpoint URL, the client id and the secret")

// transport sends requests of the registry's client with the login of their host.
type transport struct {
	base    *http.Transport
	headers http.Header
	users   map[string]*url.Userinfo // by host of the URL
	user    *url.Userinfo            // of hosts without one of their own
	token   func(context.Context) (string, error)
	metrics *metrics
}

// newTransport returns the transport and the URLs without their users.
func newTransport(cfg Config, m *metrics) (*transport, []string, error) {
	t := &transport{headers: cfg.Headers, users: map[string]*url.Userinfo{}, metrics: m}
	dialer := &net.Dialer{Timeout: cfg.ConnectTimeout}
	t.base = &http.Transport{
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: cfg.ConnectTimeout,
		TLSClientConfig:     cfg.TLS,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     time.Minute,
	}
	if cfg.ProxyURL != "" {
		proxy, err := url.Parse(cfg.ProxyURL)
		if err != nil {
			return nil, nil, errors.New("the proxy of the schema registry's client is not of the form http://host:port")
		}
		t.base.Proxy = http.ProxyURL(proxy)
	}
	if cfg.User != "" {
		t.user = url.UserPassword(cfg.User, cfg.Password)
	}
	switch {
	case cfg.Token != "":
		t.token = func(context.Context) (string, error) { return cfg.Token, nil }
	case cfg.OAuth != nil:
		t.token = newTokens(*cfg.OAuth, t.base).get
	}
	urls := make([]string, len(cfg.URLs))
	for i, text := range cfg.URLs {
		u, err := url.Parse(text)
		if err != nil {
			return nil, nil, fmt.Errorf("schema registry URL %d cannot be read", i+1)
		}
		if u.User != nil && t.user == nil {
			t.users[u.Host] = u.User
		}
		u.User = nil
		urls[i] = strings.TrimRight(u.String(), "/")
	}
	if o := cfg.OAuth; o != nil {
		t.headers = t.headers.Clone()
		if t.headers == nil {
			t.headers = http.Header{}
		}
		setIf(t.headers, "Target-Sr-Cluster", o.LogicalCluster)
		setIf(t.headers, "Confluent-Identity-Pool-Id", o.IdentityPoolID)
	}
	return t, urls, nil
}

// Client returns an HTTP client that logs in at the registry, and the registry's URLs without their users: for who
// only wants to know whether it answers. The caller closes its idle connections.
func (c Config) Client() (client *http.Client, urls []string, err error) {
	t, urls, err := newTransport(c, newMetrics(prometheus.NewRegistry()))
	if err != nil {
		return nil, nil, err
	}
	return &http.Client{
		Transport: t, Timeout: c.ReadTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, urls, nil
}

// CloseIdleConnections is for http.Client.
func (t *transport) CloseIdleConnections() { t.close() }

func setIf(header http.Header, name, value string) {
	if value != "" {
		header.Set(name, value)
	}
}

// RoundTrip sends one request. It is what http.RoundTripper demands: req stays as it is.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	for name, values := range t.headers {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if err := t.login(req); err != nil {
		t.metrics.calls.WithLabelValues("failed").Inc()
		return nil, err
	}
	start := time.Now()
	res, err := t.base.RoundTrip(req)
	t.metrics.seconds.Observe(time.Since(start).Seconds())
	switch {
	case err != nil:
		t.metrics.calls.WithLabelValues("failed").Inc()
		return nil, err
	case res.StatusCode >= http.StatusMultipleChoices:
		t.metrics.calls.WithLabelValues("refused").Inc()
	default:
		t.metrics.calls.WithLabelValues("ok").Inc()
	}
	res.Body = &boundedBody{ReadCloser: res.Body, left: maxAnswerBytes}
	return res, nil
}

func (t *transport) login(req *http.Request) error {
	user := t.user
	if user == nil {
		user = t.users[req.URL.Host]
	}
	switch {
	case t.token != nil:
		token, err := t.token(req.Context())
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	case user != nil:
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	return nil
}

func (t *transport) close() { t.base.CloseIdleConnections() }

// boundedBody fails where an answer gets too long.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errAnswerTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// tokens fetches OAuth tokens and keeps the current one.
type tokens struct {
	cfg    OAuth
	client *http.Client

	mu    sync.Mutex
	token string
	until time.Time // renewed from here on
}

func newTokens(cfg OAuth, base http.RoundTripper) *tokens {
	return &tokens{cfg: cfg, client: &http.Client{
		Transport:     base,
		Timeout:       tokenTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// tokenTimeout bounds the fetching of a token.
const tokenTimeout = 10 * time.Second

// get returns a token that is valid for a while. While one caller fetches, the others wait.
func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.until) {
		return t.token, nil
	}
	token, age, err := t.fetch(ctx)
	if err != nil {
		return "", err
	}
	// Renewed at 80 % of its life, as Confluent's client does.
	t.token, t.until = token, time.Now().Add(age*8/10)
	return token, nil
}

// defaultTokenAge is taken when the server does not say how long its token lives.
const defaultTokenAge = 5 * time.Minute

func (t *tokens) fetch(ctx context.Context) (token string, age time.Duration, err error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if t.cfg.Scope != "" {
		form.Set("scope", t.cfg.Scope)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.cfg.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, errToken
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(t.cfg.ClientID), url.QueryEscape(t.cfg.ClientSecret)) // RFC 6749 §2.3.1
	res, err := t.client.Do(req)
	if err != nil {
		return "", 0, errToken
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		AccessToken string  `json:"access_token"`
		ExpiresIn   float64 `json:"expires_in"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer)
	if err != nil || res.StatusCode != http.StatusOK || answer.AccessToken == "" {
		return "", 0, errToken
	}
	age = defaultTokenAge
	if answer.ExpiresIn > 0 && answer.ExpiresIn < float64(24*365*time.Hour/time.Second) {
		age = time.Duration(answer.ExpiresIn * float64(time.Second))
	}
	return answer.AccessToken, age, nil
}

// isTLS reports whether a connection failed for its certificate or protocol.
func isTLS(err error) bool {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		alert   tls.AlertError
	)
	return errors.As(err, &unknown) || errors.As(err, &name) || errors.As(err, &invalid) || errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert)
}

// tlsCause is what was wrong, without the URL.
func tlsCause(err error) string {
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) {
		return verify.Error()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err.Error()
	}
	return "its certificate or protocol does not fit"
}
