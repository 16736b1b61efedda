package kafkaclient

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http" //nolint:depguard // the token endpoint; nothing of our own routes
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
)

// bearer is a token for one login, with what goes along.
type bearer struct {
	token      string
	extensions map[string]string
}

// bearerLogin is the mechanism OAUTHBEARER. franz-go's own gives up at the broker's first word of refusal, before the
// broker has said why; this one hears it to the end, so that a refusal is kerr.SaslAuthenticationFailed as elsewhere.
// Source: RFC 7628 §3.
type bearerLogin struct {
	bearer func(ctx context.Context, host string) (bearer, error)
}

// Name is the mechanism's.
func (*bearerLogin) Name() string { return "OAUTHBEARER" }

// Authenticate begins one login.
func (l *bearerLogin) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	b, err := l.bearer(ctx, host)
	if err != nil {
		return nil, nil, &LoginError{Mechanism: "OAUTHBEARER", Err: err}
	}
	first := []byte("n,,\x01auth=Bearer " + b.token + "\x01")
	for _, name := range sortedKeys(b.extensions) {
		first = append(first, name+"="+b.extensions[name]+"\x01"...)
	}
	return &bearerSession{}, append(first, '\x01'), nil
}

type bearerSession struct{ refused bool }

// Challenge reads the broker's answer: nothing means welcome, anything is a refusal, which is to be confirmed.
func (s *bearerSession) Challenge(answer []byte) (done bool, next []byte, err error) {
	switch {
	case len(answer) == 0:
		return true, nil, nil
	case s.refused:
		return false, nil, &LoginError{Mechanism: "OAUTHBEARER", Err: errors.New("the broker refuses the token")}
	}
	s.refused = true
	return false, []byte{1}, nil
}

// LoginError says that a login could not even be tried: there is no token, or there are no credentials.
type LoginError struct {
	Mechanism string
	Err       error
}

func (e *LoginError) Error() string { return "logging in by " + e.Mechanism + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *LoginError) Unwrap() error { return e.Err }

// TokenError says what the token endpoint answered. It quotes error codes of RFC 6749 alone, nothing that was sent.
type TokenError struct {
	Endpoint string // scheme, host and path
	Status   int    // of HTTP; 0: there was no answer
	Code     string // "invalid_client" and so on; empty: none
	Err      error  // when there was no answer, or one that cannot be read
}

func (e *TokenError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("asking %s for a token: %v", e.Endpoint, e.Err)
	case e.Code != "":
		return fmt.Sprintf("asking %s for a token: the answer is %d %s", e.Endpoint, e.Status, e.Code)
	}
	return fmt.Sprintf("asking %s for a token: the answer is %d", e.Endpoint, e.Status)
}

// Unwrap returns the cause.
func (e *TokenError) Unwrap() error { return e.Err }

// lasting reports whether asking again will not help. Source: Kafka's HttpAccessTokenRetriever.
func (e *TokenError) lasting() bool {
	return e.Status >= 400 && e.Status < 500 && e.Status != http.StatusRequestTimeout && e.Status != http.StatusTooManyRequests &&
		e.Status != http.StatusTooEarly || e.Status == http.StatusNotImplemented || e.Status == http.StatusHTTPVersionNotSupported
}

// tokenSource keeps one token and gets the next before it ends. Make it with newTokenSource.
type tokenSource struct {
	cfg    OAuth
	client *http.Client
	tokens *renewed[string]
}

const (
	loginTimeout  = 10 * time.Second // of connecting, and of reading: the JVM's are endless
	maxTokenBytes = 1 << 20
	// renewAt is the share of a token's life after which the next one is got, jittered downwards.
	// Source: Kafka's sasl.login.refresh.window.factor and .jitter.
	renewAt, renewJitter = 0.8, 0.05
	urgentAt             = 0.95
	// plainLife is the life of a token that does not tell its own: Kafka's brokers demand one of a JWT.
	plainLife = 5 * time.Minute
)

func newTokenSource(cfg OAuth, log *slog.Logger) (*tokenSource, error) {
	timeout := func(d time.Duration) time.Duration {
		if d <= 0 {
			return loginTimeout
		}
		return d
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: timeout(cfg.ConnectTimeout)}).DialContext,
		TLSHandshakeTimeout:   timeout(cfg.ConnectTimeout),
		ResponseHeaderTimeout: timeout(cfg.ReadTimeout),
		MaxIdleConnsPerHost:   1,
		IdleConnTimeout:       time.Minute,
	}
	if !cfg.Trust.IsZero() {
		pool, err := cfg.Trust.Load()
		if err != nil {
			return nil, &KeyError{"sasl.jaas.config", "option ssl.truststore: " + err.Error()}
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	t := &tokenSource{cfg: cfg, client: &http.Client{
		Transport:     transport,
		Timeout:       timeout(cfg.ConnectTimeout) + timeout(cfg.ReadTimeout),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the secret goes nowhere else
	}}
	t.tokens = newRenewed("token", log, t.next)
	return t, nil
}

// bearer returns a token that is good now.
func (t *tokenSource) bearer(ctx context.Context, _ string) (bearer, error) {
	text, err := t.tokens.now(ctx)
	return bearer{text, t.cfg.Extensions}, err
}

// next gets a token, trying on for sasl.login.retry.backoff.max.ms; once only where there is no hurry.
func (t *tokenSource) next(ctx context.Context, hurry bool) (lasting[string], error) {
	ask := t.ask
	if path, ok := strings.CutPrefix(t.cfg.TokenURL, "file:"); ok {
		ask = func(context.Context) (lasting[string], error) { return fileToken(path) }
	}
	began := time.Now()
	for try := 0; ; try++ {
		got, err := ask(ctx)
		var refused *TokenError
		if err == nil || !hurry || errors.As(err, &refused) && refused.lasting() {
			return got, err
		}
		pause := min(t.cfg.Backoff<<min(try, 16), t.cfg.BackoffMax)
		if time.Since(began)+pause > t.cfg.BackoffMax {
			return got, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return got, err
		}
	}
}

// ask makes one client credentials grant. Source: RFC 6749 §4.4; Kafka's HttpAccessTokenRetriever.
func (t *tokenSource) ask(ctx context.Context) (lasting[string], error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if t.cfg.Scope != "" {
		form.Set("scope", t.cfg.Scope)
	}
	fault := &TokenError{Endpoint: endpointName(t.cfg.TokenURL)}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.cfg.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		fault.Err = errors.New("its URL cannot be used")
		return lasting[string]{}, fault
	}
	id, secret := t.cfg.ClientID, t.cfg.ClientSecret
	if t.cfg.URLEncode {
		id, secret = url.QueryEscape(id), url.QueryEscape(secret)
	}
	req.SetBasicAuth(id, secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	answer, err := t.client.Do(req)
	if err != nil {
		var outer *url.Error // quotes the URL, which may hold a secret
		if errors.As(err, &outer) {
			err = outer.Err
		}
		fault.Err = err
		return lasting[string]{}, fault
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxTokenBytes))
	if err != nil {
		fault.Err = err
		return lasting[string]{}, fault
	}
	return fault.read(answer.StatusCode, body)
}

// grantErrors are the only words of an answer that are passed on. Source: RFC 6749 §5.2.
var grantErrors = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}

// read makes a token, or itself, of an answer.
func (e *TokenError) read(status int, body []byte) (lasting[string], error) {
	var answer struct {
		AccessToken string      `json:"access_token"`
		ExpiresIn   json.Number `json:"expires_in"`
		Error       string      `json:"error"`
	}
	err := json.Unmarshal(body, &answer)
	e.Status = status
	if status != http.StatusOK && status != http.StatusCreated {
		if slices.Contains(grantErrors, answer.Error) {
			e.Code = answer.Error
		}
		return lasting[string]{}, e
	}
	if err != nil || answer.AccessToken == "" {
		e.Err = errors.New("the answer holds no access_token")
		return lasting[string]{}, e
	}
	var expires time.Time // not told
	if life, err := answer.ExpiresIn.Int64(); err == nil && life > 0 {
		expires = time.Now().Add(time.Duration(life) * time.Second)
	}
	return newToken(answer.AccessToken, expires), nil
}

// endpointName is a URL without what may be secret in it.
func endpointName(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the token endpoint"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// fileToken reads a token that something else keeps fresh in a file.
func fileToken(path string) (lasting[string], error) {
	path = "/" + strings.TrimLeft(path, "/")
	fault := &TokenError{Endpoint: "file:" + path}
	file, err := os.Open(path)
	if err != nil {
		fault.Err = errors.Unwrap(err)
		return lasting[string]{}, fault
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxTokenBytes))
	if err == nil && strings.TrimSpace(string(text)) == "" {
		err = errors.New("the file is empty")
	}
	if err != nil {
		fault.Err = err
		return lasting[string]{}, fault
	}
	return newToken(strings.TrimSpace(string(text)), time.Time{}), nil
}

// newToken finds out how long a token is good: as the endpoint says, or as the token itself does when it is a JWT.
func newToken(text string, expires time.Time) lasting[string] {
	now := time.Now()
	if own := jwtExpiry(text); !own.IsZero() && (expires.IsZero() || own.Before(expires)) {
		expires = own
	}
	if expires.IsZero() {
		expires = now.Add(plainLife)
	}
	life := float64(expires.Sub(now))
	return lasting[string]{
		value:   text,
		renew:   now.Add(time.Duration((renewAt - renewJitter*rand.Float64()) * life)),
		urgent:  now.Add(time.Duration(urgentAt * life)),
		expires: expires,
	}
}

// jwtExpiry reads the claim exp; zero where there is none.
func jwtExpiry(text string) time.Time {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var exp struct {
		Exp float64 `json:"exp"`
	}
	if json.Unmarshal(claims, &exp) != nil || exp.Exp <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(exp.Exp), 0)
}

// bearer makes a token that nobody signs. Source: Kafka's OAuthBearerUnsecuredLoginCallbackHandler.
func (u Unsecured) bearer(context.Context, string) (bearer, error) {
	now := time.Now()
	claims := map[string]any{}
	for name, value := range u.Strings {
		claims[name] = value
	}
	for name, value := range u.Numbers {
		claims[name] = value
	}
	for name, value := range u.Lists {
		claims[name] = value
	}
	seconds := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
	if claims["iat"] == nil {
		claims["iat"] = seconds(now)
	}
	if claims["exp"] == nil {
		claims["exp"] = seconds(now.Add(u.Lifetime))
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return bearer{}, fmt.Errorf("making an unsecured token: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return bearer{encode([]byte(`{"alg":"none"}`)) + "." + encode(text) + ".", u.Extensions}, nil
}
