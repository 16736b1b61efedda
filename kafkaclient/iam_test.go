package kafkaclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testRole = "arn:aws:iam::123456789012:role/kafka-rest"

var baseKey = stsKey{id: "AKIABASE", secret: "canary-base", arn: "arn:aws:iam::123456789012:user/base"}

func asBase(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", baseKey.id)
	t.Setenv("AWS_SECRET_ACCESS_KEY", baseKey.secret)
}

func options(change func(*IAM)) IAM {
	i := IAM{SessionName: defaultSessionName, MaxBackoff: time.Millisecond}
	change(&i)
	return i
}

// TestAssumeRole: what STS is asked, by the options.
func TestAssumeRole(t *testing.T) {
	for _, tt := range []struct {
		claim  string
		change func(*IAM)
		want   map[string]string
	}{
		{"the name of the session is constant", func(i *IAM) {}, map[string]string{"RoleSessionName": "aws-msk-iam-auth", "DurationSeconds": "3600", "ExternalId": ""}},
		{"name and external id as given", func(i *IAM) { i.SessionName, i.ExternalID = "mine", "ext" }, map[string]string{"RoleSessionName": "mine", "ExternalId": "ext"}},
		{"no external id beside a key of its own, as in Java", func(i *IAM) {
			i.ExternalID, i.AccessKeyID, i.SecretAccessKey = "ext", baseKey.id, baseKey.secret
		}, map[string]string{"ExternalId": ""}},
		{"a regional endpoint", func(i *IAM) { i.STSRegion = "eu-west-1" }, map[string]string{"RoleArn": testRole}},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			sts := newFakeSTS(t, "", baseKey)
			asBase(t)
			id := newIdentity(options(func(i *IAM) { i.RoleARN = testRole; tt.change(i) }), slog.New(slog.DiscardHandler))
			creds, err := id.creds.now(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(sts.assumed) != 1 || creds.SessionToken == "" || creds.source != "role "+testRole {
				t.Fatalf("%d calls of AssumeRole, credentials of %q; want one, of the role", len(sts.assumed), creds.source)
			}
			for name, want := range tt.want {
				if got := sts.assumed[0].Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestOneIdentity: clients with the same options share one AssumeRole, however many connections log in at once.
func TestOneIdentity(t *testing.T) {
	sts := newFakeSTS(t, "", baseKey)
	asBase(t)
	logins := NewLogins(slog.New(slog.DiscardHandler), nil)
	var running sync.WaitGroup
	for range 20 {
		running.Go(func() {
			id := logins.identityOf(options(func(i *IAM) { i.RoleARN = testRole }))
			if _, _, err := id.signing(t.Context(), "b-1.x.kafka.eu-west-1.amazonaws.com"); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if len(sts.assumed) != 1 {
		t.Errorf("%d calls of AssumeRole, want 1", len(sts.assumed))
	}
}

// TestFallBack: where the role cannot be had, the default chain stands in, as in Java, but with one warning that names both
// identities; it can be forbidden.
func TestFallBack(t *testing.T) {
	sts := newFakeSTS(t, "", baseKey)
	sts.deny = true
	asBase(t)
	var said lockedBuffer
	log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	id := newIdentity(options(func(i *IAM) { i.RoleARN = testRole; i.DebugIdentity = true }), log)
	for range 2 {
		creds, err := id.creds.now(t.Context())
		if err != nil || creds.AccessKeyID != baseKey.id {
			t.Fatalf("%s, %v; want the default chain's key", creds.AccessKeyID, err)
		}
		id.creds.forget()
	}
	if got := strings.Count(said.String(), "level=WARN"); got != 1 || !strings.Contains(said.String(), "role "+testRole) || !strings.Contains(said.String(), "identity="+baseKey.arn) {
		t.Errorf("%d warnings, want one that names both identities:\n%s", got, said.String())
	}
	if !strings.Contains(said.String(), "level=DEBUG") || strings.Contains(said.String(), "canary") {
		t.Errorf("who we are is not told at debug level, or a secret is:\n%s", said.String())
	}
	if len(sts.assumed) != 1 {
		t.Errorf("AssumeRole was asked for %d times: the source that gave credentials is to be asked first", len(sts.assumed))
	}

	strict := newIdentity(options(func(i *IAM) { i.RoleARN = testRole; i.NoDefaultChain = true }), log)
	_, err := strict.creds.now(t.Context())
	f := Config{}.Diagnose(t.Context(), &LoginError{"AWS_MSK_IAM", err})
	want := Finding{
		KindRoleDenied, "AWS STS does not allow " + baseKey.arn + " to assume the role " + testRole,
		`add to the trust policy of the role: {"Effect":"Allow","Principal":{"AWS":"` + baseKey.arn + `"},"Action":"sts:AssumeRole"}`,
	}
	if f != want {
		t.Errorf("finding %+v, want %+v; error %v", f, want, err)
	}
}

// TestSourceFindings: what keeps credentials from being had, told apart.
func TestSourceFindings(t *testing.T) {
	for _, tt := range []struct {
		claim string
		set   func(t *testing.T, sts *fakeSTS)
		want  Kind
	}{
		{"the secret of the assuming key", func(t *testing.T, _ *fakeSTS) { t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-wrong") }, KindWrongSecret},
		{"an unknown assuming key", func(t *testing.T, _ *fakeSTS) { t.Setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY") }, KindUnknownKey},
		{"STS is not there", func(t *testing.T, s *fakeSTS) { t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1") }, KindSTSUnreachable},
		{"this clock is wrong", func(t *testing.T, s *fakeSTS) { s.deny, s.skew = true, 20*time.Minute }, KindClockSkew},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			sts := newFakeSTS(t, "", baseKey)
			asBase(t)
			tt.set(t, sts)
			id := newIdentity(options(func(i *IAM) { i.RoleARN = testRole; i.NoDefaultChain = true }), slog.New(slog.DiscardHandler))
			_, err := id.creds.now(t.Context())
			if f := (Config{}).Diagnose(t.Context(), err); f.Kind != tt.want || strings.Contains(f.String()+fmt.Sprint(err), "canary") {
				t.Errorf("finding %s %s, want %s; error %v", f.Kind, f, tt.want, err)
			}
		})
	}
}

// TestPayload: the object that logs in has the fields of the protocol, and no secret.
func TestPayload(t *testing.T) {
	newFakeSTS(t, "", baseKey)
	asBase(t)
	id := newIdentity(options(func(*IAM) {}), slog.New(slog.DiscardHandler))
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	text, err := id.mskPayload(t.Context(), "b-1.x.abc.c2.kafka.eu-west-1.amazonaws.com", at)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got["x-amz-signature"]) != 64 {
		t.Errorf("signature %q", got["x-amz-signature"])
	}
	delete(got, "x-amz-signature")
	want := map[string]string{
		"version": "2020_10_22", "host": "b-1.x.abc.c2.kafka.eu-west-1.amazonaws.com", "user-agent": "headrace",
		"action": "kafka-cluster:Connect", "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-date": "20261124T120000Z",
		"x-amz-credential": "AKIABASE/20261124/eu-west-1/kafka-cluster/aws4_request", "x-amz-expires": "900", "x-amz-signedheaders": "host",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("payload (-want +got):\n%s", diff)
	}
}

func TestRegion(t *testing.T) {
	for host, want := range map[string]string{
		"b-1.demo.abc123.c2.kafka.us-east-1.amazonaws.com":          "us-east-1",
		"boot-abc.c1.kafka-serverless.ap-southeast-2.amazonaws.com": "ap-southeast-2",
		"b-1.demo.abc123.c2.kafka.cn-north-1.amazonaws.com.cn":      "cn-north-1",
		"b-1.demo.abc123.c2.kafka.us-gov-west-1.amazonaws.com":      "us-gov-west-1",
		"b-1-public.demo.abc.c2.kafka.eu-central-1.amazonaws.com.":  "eu-central-1",
		"kafka.internal": "", "localhost": "", "amazonaws.com": "", "x.amazonaws.com": "",
	} {
		if got := RegionOfBroker(host); got != want {
			t.Errorf("RegionOfBroker(%s) = %q, want %q", host, got, want)
		}
	}
	newFakeSTS(t, "")
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("[default]\nregion = eu-north-1\n[profile two]\nregion = sa-east-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", file)
	for _, tt := range []struct{ claim, env, profile, host, want string }{
		{"the broker's name wins", "us-west-2", "two", "b-1.a.b.c2.kafka.us-east-1.amazonaws.com", "us-east-1"},
		{"then the environment", "us-west-2", "two", "localhost", "us-west-2"},
		{"then the named profile", "", "two", "localhost", "sa-east-1"},
		{"or the default one", "", "", "localhost", "eu-north-1"},
		{"a profile that is missing is told elsewhere", "", "none", "localhost", "eu-north-1"},
	} {
		t.Setenv("AWS_REGION", tt.env)
		id := newIdentity(options(func(i *IAM) { i.Profile = tt.profile }), slog.New(slog.DiscardHandler))
		if got, err := id.region(t.Context(), tt.host); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.claim, got, err, tt.want)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", "none")
	t.Setenv("AWS_REGION", "")
	id := newIdentity(options(func(*IAM) {}), slog.New(slog.DiscardHandler))
	_, err := id.region(t.Context(), "localhost")
	if f := (Config{}).Diagnose(t.Context(), err); !errors.Is(err, errRegion) || f.Kind != KindNoRegion {
		t.Errorf("without any region: %v, %s; want %v", err, f.Kind, errRegion)
	}
}

// TestCredentialLife: the next ones are got well before the end, at times that differ from process to process.
func TestCredentialLife(t *testing.T) {
	now := time.Now()
	seen := map[time.Duration]bool{}
	for range 50 {
		got := obtained{}
		got.CanExpire, got.Expires = true, now.Add(time.Hour)
		life := credentialLife(got, now)
		left := got.Expires.Sub(life.renew)
		if left < 7*time.Minute+29*time.Second || left > 10*time.Minute || got.Expires.Sub(life.urgent) != 5*time.Minute {
			t.Fatalf("renewed %s before the end, urgent %s before; want 7.5 to 10 min, 5 min", left, got.Expires.Sub(life.urgent))
		}
		seen[left] = true
	}
	if len(seen) < 10 {
		t.Errorf("%d different times of 50, want jitter", len(seen))
	}
}
