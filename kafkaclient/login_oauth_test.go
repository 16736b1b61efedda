package kafkaclient

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tokenEndpoint answers with each of answers in turn, the last one for ever. It wants the client gateway with its secret.
func tokenEndpoint(t *testing.T, answers ...func(w http.ResponseWriter)) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1)) - 1
		id, secret, _ := r.BasicAuth()
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || id != "gateway" || secret != "canary secret" ||
			r.PostForm.Get("grant_type") != "client_credentials" || r.PostForm.Get("scope") != "kafka" {
			t.Errorf("%s %s with form %v as %s", r.Method, r.URL, r.PostForm, id)
		}
		answers[min(n, len(answers)-1)](w)
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/token?tenant=canary", asked
}

func answer(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func oauthOf(url string) OAuth {
	return OAuth{
		TokenURL: url, ClientID: "gateway", ClientSecret: "canary secret", Scope: "kafka",
		Backoff: time.Millisecond, BackoffMax: 2 * time.Second, ReadTimeout: 300 * time.Millisecond,
		Extensions: map[string]string{"logicalCluster": "lkc-1"},
	}
}

func TestTokens(t *testing.T) {
	silent := func(http.ResponseWriter) { <-time.After(400 * time.Millisecond) } // longer than oauthOf waits
	good := answer(200, `{"access_token":"t1","expires_in":3600}`)
	tests := []struct {
		claim   string
		answers []func(http.ResponseWriter)
		asked   int64
		token   string
		kind    Kind
	}{
		{"one is got once", []func(http.ResponseWriter){good}, 1, "t1", ""},
		{"an endpoint in trouble is asked again", []func(http.ResponseWriter){answer(503, ""), answer(500, "canary"), good}, 3, "t1", ""},
		{"one that does not answer too", []func(http.ResponseWriter){silent, good}, 2, "t1", ""},
		{"a wrong secret is final", []func(http.ResponseWriter){answer(401, `{"error":"invalid_client","error_description":"canary"}`), good}, 1, "", KindWrongSecret},
		{"a wrong scope is final", []func(http.ResponseWriter){answer(400, `{"error":"invalid_scope"}`), good}, 1, "", KindTokenEndpoint},
		{"a wrong path is final", []func(http.ResponseWriter){answer(404, `<html>canary`), good}, 1, "", KindTokenEndpoint},
		{"an answer without a token", []func(http.ResponseWriter){answer(200, `{"canary":"x"}`), good}, 2, "t1", ""},
		{"redirects are not followed: the secret goes nowhere else", []func(http.ResponseWriter){func(w http.ResponseWriter) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(307)
		}, good}, 2, "t1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			url, asked := tokenEndpoint(t, tt.answers...)
			source, err := newTokenSource(oauthOf(url), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer source.client.CloseIdleConnections()
			for range 3 {
				got, err := source.bearer(t.Context(), "")
				if got.token != tt.token || (err == nil) != (tt.token != "") || err == nil && got.extensions["logicalCluster"] != "lkc-1" {
					t.Errorf("token %q with %v, %v; want %q", got.token, got.extensions, err, tt.token)
				}
				if f := (Config{}).Diagnose(t.Context(), err); f.Kind != tt.kind {
					t.Errorf("finding %s %s, want %s", f.Kind, f, tt.kind)
				}
				if strings.Contains(fmt.Sprint(err), "canary") {
					t.Errorf("error %v holds a secret", err)
				}
			}
			if asked.Load() != tt.asked {
				t.Errorf("asked %d times, want %d", asked.Load(), tt.asked)
			}
		})
	}
}

func TestTokenLife(t *testing.T) {
	claims := func(exp int64) string {
		return "h." + base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf(`{"exp":%d}`, exp))) + ".s"
	}
	now := time.Now()
	for _, tt := range []struct {
		claim, token string
		told         time.Duration
		want         time.Duration
	}{
		{"as the endpoint says", "opaque", time.Hour, time.Hour},
		{"as the token says", claims(now.Add(10 * time.Minute).Unix()), 0, 10 * time.Minute},
		{"the shorter of the two", claims(now.Add(10 * time.Minute).Unix()), time.Hour, 10 * time.Minute},
		{"nobody says", "opaque", 0, 5 * time.Minute},
		{"not a JWT after all", "a.!!.c", 0, 5 * time.Minute},
	} {
		expires := time.Time{}
		if tt.told > 0 {
			expires = now.Add(tt.told)
		}
		got := newToken(tt.token, expires)
		if life := got.expires.Sub(now); life < tt.want-2*time.Second || life > tt.want+2*time.Second {
			t.Errorf("%s: %s, want %s", tt.claim, life, tt.want)
		}
		if share := float64(got.renew.Sub(now)) / float64(got.expires.Sub(now)); share < 0.74 || share > 0.81 {
			t.Errorf("%s: renewed after %.2f of its life, want 0.75 to 0.8", tt.claim, share)
		}
	}
}

func TestTokenInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("canary-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := newTokenSource(OAuth{TokenURL: "file://" + path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := source.bearer(t.Context(), ""); err != nil || got.token != "canary-token" {
		t.Errorf("token %q, %v", got.token, err)
	}
	none, err := newTokenSource(OAuth{TokenURL: "file:///none/token"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var fault *TokenError
	if _, err := none.bearer(t.Context(), ""); !errors.As(err, &fault) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the file: %v", err)
	}
}

func TestUnsecuredToken(t *testing.T) {
	login, _, err := from("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\nsasl.jaas.config=a.OAuthBearerLoginModule required " +
		`unsecuredLoginStringClaim_sub="me" unsecuredLoginNumberClaim_n="1.5" unsecuredLoginListClaim_scope="|a|b" unsecuredLoginLifetimeSeconds="60" unsecuredLoginExtension_x="y";`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := login.SASL.Unsecured.bearer(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(got.token, ".")
	head, _ := base64.RawURLEncoding.DecodeString(parts[0])
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]any
	if err := json.Unmarshal(body, &claims); err != nil || string(head) != `{"alg":"none"}` || len(parts) != 3 || parts[2] != "" {
		t.Fatalf("token %s, %v", got.token, err)
	}
	life := claims["exp"].(float64) - claims["iat"].(float64)
	delete(claims, "exp")
	delete(claims, "iat")
	want := map[string]any{"sub": "me", "n": 1.5, "scope": []any{"a", "b"}}
	if diff := cmp.Diff(want, claims); diff != "" || life < 59 || life > 61 || got.extensions["x"] != "y" {
		t.Errorf("lives %.0f s, extensions %v, claims (-want +got):\n%s", life, got.extensions, diff)
	}
}

// TestBearerHearsTheBroker: a refusal is confirmed, so that the broker says why; a second one ends it.
func TestBearerHearsTheBroker(t *testing.T) {
	u := Unsecured{Strings: map[string]string{"sub": "me"}, Lifetime: time.Minute, Extensions: map[string]string{"b": "2", "a": "1"}}
	session, first, err := (&bearerLogin{u.bearer}).Authenticate(t.Context(), "h:1")
	if err != nil || !strings.HasPrefix(string(first), "n,,\x01auth=Bearer ") || !strings.HasSuffix(string(first), "\x01a=1\x01b=2\x01\x01") {
		t.Fatalf("first message %q, %v", first, err)
	}
	if done, next, err := session.Challenge([]byte(`{"status":"invalid_token"}`)); done || string(next) != "\x01" || err != nil {
		t.Errorf("after a refusal: %t, %q, %v; want it confirmed", done, next, err)
	}
	var login *LoginError
	if _, _, err := session.Challenge([]byte("again")); !errors.As(err, &login) {
		t.Errorf("after a second one: %v, want a *LoginError", err)
	}
	session, _, _ = (&bearerLogin{u.bearer}).Authenticate(t.Context(), "h:1")
	if done, _, err := session.Challenge(nil); !done || err != nil {
		t.Errorf("after a welcome: %t, %v", done, err)
	}
}
