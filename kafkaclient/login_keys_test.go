package kafkaclient

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"headrace/keystore"
)

// from reads a login from lines of key=value.
func from(text string) (Login, []string, error) {
	given := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			given[key] = value
		}
	}
	return LoginFromKeys(func(key string) (string, bool) { value, ok := given[key]; return value, ok })
}

const iamLine = "security.protocol=SASL_SSL\nsasl.mechanism=AWS_MSK_IAM\nsasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required"

func TestLoginFromKeys(t *testing.T) {
	iam := func(change func(*IAM)) Login {
		i := IAM{SessionName: "aws-msk-iam-auth", Retries: 3, MaxBackoff: 5 * time.Second}
		change(&i)
		return Login{TLS: &TLS{}, SASL: &SASL{Mechanism: "AWS_MSK_IAM", IAM: &i}}
	}
	tests := []struct {
		claim, text string
		want        Login
		protocol    string
	}{
		{"nothing", "", Login{}, "PLAINTEXT"},
		{"any case", "security.protocol=ssl", Login{TLS: &TLS{}}, "SSL"},
		{
			"all of TLS", "security.protocol=SSL\nssl.truststore.location= /t \nssl.truststore.password=p\nssl.truststore.type=PEM\nssl.keystore.location=/k\nssl.keystore.password=q\nssl.key.password=r\nssl.endpoint.identification.algorithm=\nssl.enabled.protocols=TLSv1.2, TLSv1.3\nssl.cipher.suites=TLS_AES_128_GCM_SHA256",
			Login{TLS: &TLS{
				Trust: keystore.Trust{Type: "PEM", Path: "/t", Password: "p"}, Key: keystore.Key{Path: "/k", Password: "q", KeyPassword: "r"},
				NoHostCheck: true, Protocols: []string{"TLSv1.2", "TLSv1.3"}, CipherSuites: []string{"TLS_AES_128_GCM_SHA256"},
			}},
			"SSL",
		},
		{
			"a delegation token", "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=scram-sha-256\nsasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=u password=p tokenauth=true;",
			Login{SASL: &SASL{Mechanism: "SCRAM-SHA-256", Username: "u", Password: "p", DelegationToken: true}},
			"SASL_PLAINTEXT",
		},
		{"IAM without options", iamLine + ";", iam(func(*IAM) {}), "SASL_SSL"},
		{
			"IAM with every option", iamLine + ` awsRoleArn="arn:aws-cn:iam::123456789012:role/path/r" awsRoleSessionName="s1" awsRoleExternalId="e" awsStsRegion="cn-north-1" awsRoleAccessKeyId="k" awsRoleSecretAccessKey="s" awsRoleSessionToken="t" awsProfileName="p" awsAddDefaultProviders="True" awsDebugCreds="true" awsShouldUseFips="true" awsMaxRetries="7" awsMaxBackOffTimeMs="100";`,
			iam(func(i *IAM) {
				*i = IAM{
					RoleARN: "arn:aws-cn:iam::123456789012:role/path/r", SessionName: "s1", ExternalID: "e", STSRegion: "cn-north-1",
					AccessKeyID: "k", SecretAccessKey: "s", SessionToken: "t", Profile: "p",
					NoDefaultChain: true, // only "true" counts
					DebugIdentity:  true, FIPS: true, Retries: 7, MaxBackoff: 100 * time.Millisecond,
				}
			}), "SASL_SSL",
		},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			got, warnings, err := from(tt.text)
			if err != nil || len(warnings) > 0 {
				t.Fatalf("error %v, warnings %q", err, warnings)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || got.Protocol() != tt.protocol {
				t.Errorf("protocol %s, want %s; login (-want +got):\n%s", got.Protocol(), tt.protocol, diff)
			}
		})
	}
}

// TestLoginFaults: each fault names its key and what would work, and no value that may be secret.
func TestLoginFaults(t *testing.T) {
	const sasl = "security.protocol=SASL_SSL\n"
	const oauth = sasl + "sasl.mechanism=OAUTHBEARER\nsasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
	const handler = "\nsasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler"
	tests := []struct{ claim, text, want string }{
		{"no mechanism", sasl, "sasl.mechanism: it is not given, and is GSSAPI (Kerberos) then"},
		{"Kerberos", sasl + "sasl.mechanism=GSSAPI", "sasl.mechanism: GSSAPI (Kerberos) is not served here: use another one"},
		{"an unknown mechanism", sasl + "sasl.mechanism=NTLM", `sasl.mechanism: "NTLM" is not known`},
		{"no JAAS line", sasl + "sasl.mechanism=PLAIN", "sasl.jaas.config: it is not given: sasl.mechanism=PLAIN needs `…PlainLoginModule required …;`"},
		{"no semicolon", iamLine, "sasl.jaas.config: the final ; is missing after the control flag"},
		{"another module", sasl + "sasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=u password=canary;", "needs the login module PlainLoginModule, got org.apache.kafka.common.security.scram.ScramLoginModule"},
		{"no password", sasl + "sasl.mechanism=PLAIN\nsasl.jaas.config=a.PlainLoginModule required username=u;", "option password of PlainLoginModule is missing"},
		{"a custom handler", oauth + "a=1;\nsasl.login.callback.handler.class=com.acme.Handler", "com.acme.Handler is a Java class, which cannot be run"},
		{"a login class", iamLine + ";\nsasl.login.class=com.acme.Login", "sasl.login.class: com.acme.Login is a Java class"},
		{"no token endpoint", oauth + `clientId="c" clientSecret="canary";` + handler, "sasl.oauthbearer.token.endpoint.url: it is not given"},
		{"no client secret", oauth + `clientId="c";` + handler + "\nsasl.oauthbearer.token.endpoint.url=https://idp/token", "clientId and clientSecret of OAuthBearerLoginModule are needed"},
		{"a reserved extension", oauth + `clientId="c" clientSecret="canary" extension_auth="x";` + handler + "\nsasl.oauthbearer.token.endpoint.url=https://idp/token", `extension "auth" cannot be sent`},
		{"no handler and no claim", oauth + `clientId="c" clientSecret="canary";`, "no token can be made"},
		{"half of Amazon's handlers", oauth + "a=1;\nsasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler", "sasl.login.callback.handler.class: it is not given"},
		{"a user's ARN", iamLine + ` awsRoleArn="arn:aws:iam::123456789012:user/u";`, "a role's ARN is arn:aws:iam::ACCOUNT:role/NAME"},
		{"an instance profile's ARN", iamLine + ` awsRoleArn="arn:aws:iam::123456789012:instance-profile/u";`, "neither an instance profile's"},
		{"half a key", iamLine + ` awsRoleArn="arn:aws:iam::123456789012:role/r" awsRoleSecretAccessKey="canary";`, "awsRoleAccessKeyId and awsRoleSecretAccessKey go together"},
		{"a Java region provider", iamLine + ` awsMskRegionProvider="com.acme.R";`, "awsMskRegionProvider is a Java class"},
		{"nobody to log in as", iamLine + ` awsAddDefaultProviders="false";`, "there is nobody to log in as"},
		{"a bad session name", iamLine + ` awsRoleSessionName="a b";`, "awsRoleSessionName"},
		{"bad retries", iamLine + ` awsMaxRetries="many";`, `option awsMaxRetries is "many"`},
		{"an unknown protocol of TLS", "security.protocol=SSL\nssl.enabled.protocols=TLSv9", `ssl.enabled.protocols: "TLSv9" is no protocol`},
		{"old protocols alone", "security.protocol=SSL\nssl.enabled.protocols=SSLv3", "none of them is safe enough"},
		{"suites that fit no protocol", "security.protocol=SSL\nssl.enabled.protocols=TLSv1.3\nssl.cipher.suites=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ssl.cipher.suites: none of"},
		{"an unknown algorithm", "security.protocol=SSL\nssl.endpoint.identification.algorithm=ldaps", `"ldaps" is not known`},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			_, warnings, err := from(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if text := fmt.Sprint(err, warnings); strings.Contains(text, "canary") {
				t.Errorf("%s holds a secret", text)
			}
		})
	}
}

func TestLoginWarnings(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{iamLine + ` awsRoleArm="x";`, "option awsRoleArm of the IAM login is not known"},
		{iamLine + ` awsRoleExternalId="x";`, "have no effect without awsRoleArn"},
		{iamLine + ";\nssl.cipher.suites=TLS_DHE_RSA_WITH_AES_256_GCM_SHA384,TLS_AES_128_GCM_SHA256", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384 cannot be served here"},
		{iamLine + ";\nsasl.login.callback.handler.class=a.IAMOAuthBearerLoginCallbackHandler", "has no effect with sasl.mechanism=AWS_MSK_IAM"},
	} {
		_, warnings, err := from(tt.text)
		if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], tt.want) {
			t.Errorf("%s: error %v, warnings %q, want one with %q", tt.text, err, warnings, tt.want)
		}
	}
}

// TestLoginPrintsNoSecret: whatever the verb, also inside of other structs.
func TestLoginPrintsNoSecret(t *testing.T) {
	login, _, err := from(iamLine + ` awsRoleArn="arn:aws:iam::123456789012:role/r" awsRoleAccessKeyId="k" awsRoleSecretAccessKey="canary";` + "\nssl.truststore.password=canary")
	if err != nil {
		t.Fatal(err)
	}
	cfg := ProducerConfig{Config: Config{Login: login}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{cfg, login, login.TLS, *login.TLS, login.SASL, *login.SASL, *login.SASL.IAM, OAuth{ClientSecret: "canary"}} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "canary") {
				t.Errorf("%s of %T prints %s", verb, v, got)
			}
		}
	}
}
