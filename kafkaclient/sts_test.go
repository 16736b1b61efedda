package kafkaclient

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// stsKey is an access key that the fake STS knows, and a broker too when it is written to its file.
type stsKey struct {
	id, secret, session string
	expires             time.Time // zero: never
	arn                 string
	denied              bool // by the broker: no kafka-cluster:Connect
}

// fakeSTS is AWS STS at the wire: it checks signatures and answers as AWS does. With a file of a broker's, the broker
// believes the keys as well.
type fakeSTS struct {
	*httptest.Server
	brokerFile string // empty: none

	mu      sync.Mutex
	keys    map[string]stsKey
	deny    bool          // AssumeRole is refused
	life    time.Duration // of a session; 0: an hour
	skew    time.Duration // of its clock
	assumed []url.Values  // the forms of the AssumeRole calls
	asked   int           // GetCallerIdentity calls
	serial  int
}

func newFakeSTS(t *testing.T, brokerFile string, keys ...stsKey) *fakeSTS {
	t.Helper()
	f := &fakeSTS{brokerFile: brokerFile, keys: map[string]stsKey{}}
	for _, key := range keys {
		f.add(key)
	}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_STS": f.URL, "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none,
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	return f
}

// add makes a key known to all, with a name that no other test's key has.
func (f *fakeSTS) add(key stsKey) {
	f.keys[key.id] = key
	if f.brokerFile == "" {
		return
	}
	or := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	line := key.id + " " + key.secret + " " + or(key.session) + " "
	if key.expires.IsZero() {
		line += "- "
	} else {
		line += fmt.Sprint(key.expires.Unix()) + " "
	}
	line += or(key.arn)
	if key.denied {
		line += " deny"
	}
	file, err := os.OpenFile(f.brokerFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	if _, err := file.WriteString(line + "\n"); err != nil {
		panic(err)
	}
	if err := file.Close(); err != nil {
		panic(err)
	}
}

func (f *fakeSTS) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Date", time.Now().Add(f.skew).UTC().Format(http.TimeFormat))
	body, _ := io.ReadAll(r.Body)
	key, code := f.check(r, body)
	if code != "" {
		fail(w, code, "as AWS says it")
		return
	}
	form, _ := url.ParseQuery(string(body))
	switch form.Get("Action") {
	case "GetCallerIdentity":
		f.asked++
		_, _ = fmt.Fprintf(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>%s</Arn><UserId>u</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, key.arn)
	case "AssumeRole":
		f.assumed = append(f.assumed, form)
		if f.deny {
			fail(w, "AccessDenied", "User: "+key.arn+" is not authorized to perform: sts:AssumeRole on resource: "+form.Get("RoleArn"))
			return
		}
		f.assume(w, form)
	}
}

var authorization = regexp.MustCompile(`Credential=([^/]+)/(\d+)/([^/]+)/sts/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]+)`)

// check finds the key of a request and looks at its signature.
func (f *fakeSTS) check(r *http.Request, body []byte) (key stsKey, code string) {
	m := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return key, "MissingAuthenticationToken"
	}
	key, ok := f.keys[m[1]]
	if !ok {
		return key, "InvalidClientTokenId"
	}
	copied, _ := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), strings.NewReader(string(body)))
	for name := range strings.SplitSeq(m[4], ";") {
		if value := r.Header.Get(name); value != "" && name != "host" && name != "content-length" {
			copied.Header.Set(name, value)
		}
	}
	copied.ContentLength = r.ContentLength
	at, _ := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	sum := sha256.Sum256(body)
	creds := aws.Credentials{AccessKeyID: key.id, SecretAccessKey: key.secret, SessionToken: key.session}
	_ = v4.NewSigner().SignHTTP(r.Context(), creds, copied, hex.EncodeToString(sum[:]), "sts", m[3], at)
	if again := authorization.FindStringSubmatch(copied.Header.Get("Authorization")); again == nil || again[5] != m[5] {
		return key, "SignatureDoesNotMatch"
	}
	if !key.expires.IsZero() && time.Now().After(key.expires) {
		return key, "ExpiredToken"
	}
	return key, ""
}

func (f *fakeSTS) assume(w http.ResponseWriter, form url.Values) {
	life := f.life
	if life == 0 {
		life = time.Hour
	}
	f.serial++
	role := form.Get("RoleArn")
	name := role[strings.LastIndexByte(role, '/')+1:]
	key := stsKey{
		id: fmt.Sprintf("ASIA%s%d", strings.ToUpper(filepath.Base(f.URL[len("http://127.0.0.1:"):])), f.serial), secret: fmt.Sprintf("canary-secret-%d", f.serial), session: fmt.Sprintf("canary-token-%d", f.serial),
		expires: time.Now().Add(life).Truncate(time.Second), arn: "arn:aws:sts::123456789012:assumed-role/" + name + "/" + form.Get("RoleSessionName"),
	}
	f.add(key)
	_, _ = fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials><AssumedRoleUser><Arn>%s</Arn><AssumedRoleId>x:y</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>`,
		key.id, key.secret, key.session, key.expires.UTC().Format(time.RFC3339), key.arn)
}

func fail(w http.ResponseWriter, code, message string) {
	w.WriteHeader(http.StatusForbidden)
	_, _ = fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code, message)
}
