package check

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"headrace/kinesisclient"
)

// given are lines of a file, key=value each; a key that begins in ? is none that there is.
func given(lines ...string) []Setting {
	var all []Setting
	for i, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		name, unknown := strings.CutPrefix(key, "?")
		all = append(all, Setting{Key: name, Value: value, Origin: "f:" + itoa(i+1), Known: !unknown})
	}
	return all
}

const (
	iamModule = "software.amazon.msk.auth.iam.IAMLoginModule required"
	mskBroker = "b-1.demo.abc123.c2.kafka.us-east-1.amazonaws.com"
)

// TestTraps: what newcomers walk into, named before anything is dialled.
func TestTraps(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lines   []Setting
		brokers []string
		faults  []string
		warns   []string
		want    []finding // all of them
	}{
		{
			"a JAAS value broken over two lines", given("client.sasl.jaas.config="+iamModule, `?awsRoleArn="arn:aws:iam::123456789012:role/x";`, "listeners=http://0.0.0.0:1"), nil,
			[]string{"f:1: client.sasl.jaas.config: a ; is missing"},
			[]string{"unknown property has no effect: key awsRoleArn, origin f:2"},
			[]finding{{"config", Failed, "client.sasl.jaas.config (f:1) is broken over two lines: what follows was read as keys of their own, awsRoleArn (f:2)", "end each of its lines but the last in a backslash"}},
		},
		{
			"one whose module stands alone", given("client.sasl.jaas.config=", `?software.amazon.msk.auth.iam.IAMLoginModule=required;`), nil, nil, nil,
			[]finding{{"config", Failed, "is broken over two lines", ""}},
		},
		{
			"one without its semicolon", given(`client.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="TOPSECRET"`), nil, nil, nil,
			[]finding{{"config", Failed, "client.sasl.jaas.config (f:1) lacks the ; at its end", "semicolon"}},
		},
		{
			"one that is none", given(`producer.sasl.jaas.config=TOPSECRET;`), nil,
			[]string{"f:1: producer.sasl.jaas.config cannot be read"},
			nil,
			[]finding{{"config", Failed, "producer.sasl.jaas.config (f:1) cannot be read", "CLASS required"}},
		},
		{
			"security keys without a prefix", given("security.protocol=SASL_SSL", "sasl.mechanism=AWS_MSK_IAM", "sasl.jaas.config="+iamModule+";"),
			[]string{mskBroker + ":9098"},
			nil,
			[]string{"unknown property has no effect: key security.protocol, origin f:1"},
			[]finding{{
				"config", Failed, "security.protocol, sasl.mechanism, sasl.jaas.config (f:1) have no prefix and so no effect",
				"write client.security.protocol=SASL_SSL, client.sasl.mechanism=AWS_MSK_IAM, client.sasl.jaas.config in their place",
			}},
		},
		{
			"one beside those with a prefix", given("security.protocol=SSL", "client.security.protocol=SSL"), nil, nil, nil,
			[]finding{{"config", Warning, "security.protocol (f:1) has no prefix", ""}},
		},
		{
			"an instance profile for a role", given("client.sasl.jaas.config=" + iamModule + ` awsRoleArn="arn:aws:iam::123456789012:instance-profile/web";`), nil,
			[]string{"f:1: awsRoleArn is wrong"},
			nil,
			[]finding{{"config", Failed, "awsRoleArn is an instance profile", "aws iam get-instance-profile --instance-profile-name web"}},
		},
		{
			"a session for a role", given("client.sasl.jaas.config=" + iamModule + ` awsRoleArn="arn:aws:sts::123456789012:assumed-role/web/i-0123";`), nil, nil, nil,
			[]finding{{"config", Failed, "awsRoleArn is a session of a role", "awsRoleArn=arn:aws:iam::123456789012:role/web"}},
		},
		{
			"a user for a role", given("client.sasl.jaas.config=" + iamModule + ` awsRoleArn="arn:aws:iam::123456789012:user/bob";`), nil, nil, nil,
			[]finding{{"config", Failed, "awsRoleArn is a user: arn:aws:iam::123456789012:user/bob is not the ARN of a role", "role/NAME"}},
		},
		{
			"a cluster for a role", given("client.sasl.jaas.config=" + iamModule + ` awsRoleArn="arn:aws:kafka:us-east-1:123456789012:cluster/demo/x";`), nil, nil, nil,
			[]finding{{"config", Failed, "awsRoleArn is a cluster", ""}},
		},
		{
			"a name for a role", given("client.sasl.jaas.config=" + iamModule + ` awsRoleArn="web";`), nil, nil, nil,
			[]finding{{"config", Failed, "awsRoleArn is no ARN at all", ""}},
		},
		{
			"a fault of the start", given("port=x"), nil,
			[]string{`f:1: invalid value "x" for configuration port: expected a 32-bit integer`},
			[]string{"odd"},
			[]finding{{"config", Failed, `invalid value "x" for configuration port`, "expected a 32-bit integer"}, {"config", Warning, "odd", ""}},
		},
		{
			"nothing", given("client.security.protocol=SASL_SSL", "client.sasl.mechanism=AWS_MSK_IAM", "client.sasl.jaas.config="+iamModule+` awsRoleArn="arn:aws:iam::123456789012:role/a/b";`),
			[]string{mskBroker + ":9098"},
			nil, nil,
			[]finding{{"config", OK, "3 keys", ""}},
		},
	} {
		cfg := at(tt.brokers...)
		cfg.Given, cfg.Faults, cfg.Warnings = tt.lines, tt.faults, tt.warns
		d := &doctor{cfg: cfg, log: slog.New(slog.DiscardHandler)}
		results := d.config(t.Context())
		for i := range results {
			results[i].Check = "config"
		}
		t.Run(tt.name, func(t *testing.T) {
			has(t, results, tt.want...)
			if len(results) != len(tt.want) || strings.Contains(shown(results), "TOPSECRET") {
				t.Errorf("findings:\n%s", shown(results))
			}
		})
	}
}

// TestPorts holds MSK's table of ports to each login.
func TestPorts(t *testing.T) {
	logins := map[string][]Setting{
		"PLAINTEXT":              nil,
		"SSL":                    given("client.security.protocol=SSL"),
		"SASL_SSL SCRAM-SHA-512": given("client.security.protocol=SASL_SSL", "client.sasl.mechanism=SCRAM-SHA-512"),
		"SASL_SSL AWS_MSK_IAM":   given("client.security.protocol=SASL_SSL", "client.sasl.mechanism=AWS_MSK_IAM"),
		"SASL_SSL OAUTHBEARER by AWS_MSK_IAM": given("client.security.protocol=sasl_ssl", "client.sasl.mechanism=OAUTHBEARER",
			"client.sasl.login.callback.handler.class=software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler"),
	}
	right := map[string]string{
		"9092": "PLAINTEXT", "9094": "SSL", "9096": "SASL_SSL SCRAM-SHA-512", "9098": "AWS_MSK_IAM",
		"9194": "SSL", "9196": "SASL_SSL SCRAM-SHA-512", "9198": "AWS_MSK_IAM",
	}
	for login, lines := range logins {
		for port, wants := range right {
			cfg := at(mskBroker + ":" + port)
			cfg.Given = lines
			results := (&doctor{cfg: cfg}).wrongPort()
			fits := login == wants || wants == "AWS_MSK_IAM" && strings.HasSuffix(login, wants)
			if fits != (len(results) == 0) {
				t.Errorf("%s on port %s: %v", login, port, results)
			}
			if !fits && !strings.Contains(results[0].Cause, "port "+port+" of MSK, which is for ") {
				t.Errorf("%s on port %s: %v", login, port, results)
			}
		}
	}
	for _, tt := range []struct{ broker, want string }{
		{mskBroker + ":8082", "which MSK does not serve"},
		{"boot-abc.c2.kafka-serverless.eu-west-1.amazonaws.com:9098", "the file logs in by PLAINTEXT"},
		{"kafka.example.com:9098", ""}, // not Amazon's
	} {
		var got string
		for _, r := range (&doctor{cfg: at(tt.broker)}).wrongPort() {
			got = r.Cause
		}
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.broker, got, tt.want)
		}
	}
	if got := (&doctor{cfg: at(mskBroker + ":9098")}).wrongPort()[0].Next; got != "client.security.protocol=SASL_SSL and client.sasl.mechanism=AWS_MSK_IAM   # or bootstrap.servers with port 9092" {
		t.Errorf("next: %s", got)
	}
}

// TestKinesisRole: the role of the Kinesis routes is looked at like that of the login.
func TestKinesisRole(t *testing.T) {
	cfg := at()
	cfg.Kinesis = &kinesisclient.Config{RoleARN: "arn:aws:iam::1:role/x"}
	results := (&doctor{cfg: cfg}).wrongARN()
	if len(results) != 1 || !strings.Contains(results[0].Cause, "kinesis.role.arn") {
		t.Errorf("findings: %v", results)
	}
}

func TestPrefixed(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"set security.protocol=SSL, sasl.mechanism and sasl.jaas.config", "set client.security.protocol=SSL, client.sasl.mechanism and client.sasl.jaas.config"},
		{"put it into ssl.truststore.location", "put it into client.ssl.truststore.location"},
		{"client.security.protocol", "client.security.protocol"},
		{"compare with sasl.oauthbearer.expected.* of the brokers", "compare with sasl.oauthbearer.expected.* of the brokers"},
	} {
		if diff := cmp.Diff(tt.want, prefixed(tt.text)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.text, diff)
		}
	}
}
