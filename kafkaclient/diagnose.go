package kafkaclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Finding is what keeps a client from Kafka, in plain sentences for who runs the gateway. No secret is in it.
type Finding struct {
	Kind  Kind   // which of the known causes; KindUnknown when it is none of them
	Cause string // what is wrong, with what was got; no full stop
	Next  string // what to do next; no full stop
}

func (f Finding) String() string {
	if f.Next == "" {
		return f.Cause
	}
	return f.Cause + ": " + f.Next
}

// Kind names a cause, in the way of a metric's label.
type Kind string

// Causes, in the order in which a connection meets them.
const (
	KindDNS               Kind = "dns"                // the broker's name is not known
	KindRefused           Kind = "refused"            // nothing listens on the port
	KindTimeout           Kind = "timeout"            // nobody answers: a security group, a firewall, a wrong address
	KindUnreachable       Kind = "unreachable"        // no way to the address
	KindPlaintextPort     Kind = "plaintext_port"     // we speak TLS, the port does not
	KindTLSPort           Kind = "tls_port"           // the port speaks TLS, we do not
	KindTLSName           Kind = "tls_name"           // the certificate is for another name
	KindTLSUnknownCA      Kind = "tls_unknown_ca"     // who signed it is not believed
	KindTLSExpired        Kind = "tls_expired"        // the certificate, or the clock
	KindTLSClientCert     Kind = "tls_client_cert"    // the broker wants another client certificate, or one at all
	KindTLSOther          Kind = "tls_other"          // no version or suite in common, and the rest
	KindFiles             Kind = "files"              // key or trust stores cannot be read
	KindLoginMissing      Kind = "login_missing"      // the port wants a login and none is configured
	KindMechanism         Kind = "mechanism"          // the port does not have sasl.mechanism
	KindWrongSecret       Kind = "wrong_secret"       // user or password; the secret of an AWS key; an OAuth client's secret
	KindUnknownKey        Kind = "unknown_key"        // AWS does not know the access key
	KindExpiredSession    Kind = "expired_session"    // AWS session credentials have ended
	KindNoCredentials     Kind = "no_credentials"     // nothing gives AWS credentials
	KindRoleDenied        Kind = "role_denied"        // STS refuses AssumeRole
	KindSTSUnreachable    Kind = "sts_unreachable"    // STS does not answer
	KindNoRegion          Kind = "no_region"          // nothing tells the region
	KindWrongRegion       Kind = "wrong_region"       // signed for another one than the brokers', as far as can be seen
	KindClockSkew         Kind = "clock_skew"         // this machine's clock
	KindConnectDenied     Kind = "connect_denied"     // valid identity without kafka-cluster:Connect
	KindPrincipalChanged  Kind = "principal_changed"  // re-authentication as somebody else
	KindTokenEndpoint     Kind = "token_endpoint"     // no token can be had
	KindTokenRefused      Kind = "token_refused"      // the broker does not take the token
	KindMissingPermission Kind = "missing_permission" // the login is fine, the right is not there
	KindUnknown           Kind = "unknown"
)

// Diagnose finds the cause of an error of this package, of a client with this configuration. With an IAM login it may
// ask STS who we are, a few seconds at most and not more often than every few seconds; ctx bounds it.
// It knows nothing of single topics: see MissingPermission.
func (c Config) Diagnose(ctx context.Context, err error) Finding {
	if err == nil {
		return Finding{}
	}
	for _, look := range []func(context.Context, error) (Finding, bool){
		c.filesFinding, c.dialFinding, c.tlsFinding, c.helloFinding, c.awsFinding, c.tokenFinding, c.refusalFinding, c.rightFinding, c.silenceFinding,
	} {
		if f, ok := look(ctx, err); ok {
			return f
		}
	}
	return Finding{Kind: KindUnknown, Cause: err.Error()}
}

func (c Config) filesFinding(_ context.Context, err error) (Finding, bool) {
	var key *KeyError
	if !errors.As(err, &key) {
		return Finding{}, false
	}
	return Finding{KindFiles, key.Error(), "correct " + key.Key}, true
}

// where is the broker that an error speaks of.
func where(err error) (address, port string) {
	var connect *ConnectError
	if !errors.As(err, &connect) {
		return "the broker", ""
	}
	_, port, _ = net.SplitHostPort(connect.Address)
	return connect.Address, port
}

// mskPorts are what Amazon MSK listens with on which port. Source: Amazon MSK, "Port information".
var mskPorts = map[string]string{
	"9092": "PLAINTEXT", "9094": "SSL", "9096": "SASL_SSL with SCRAM-SHA-512", "9098": "SASL_SSL with AWS_MSK_IAM or OAUTHBEARER",
	"9194": "SSL from outside", "9196": "SASL_SSL with SCRAM-SHA-512 from outside", "9198": "SASL_SSL with AWS_MSK_IAM from outside",
}

// portHint says what MSK has on a port, for brokers of Amazon's.
func portHint(address, port string) string {
	host, _, _ := net.SplitHostPort(address)
	if RegionOfBroker(host) == "" || mskPorts[port] == "" {
		return ""
	}
	return fmt.Sprintf(" (on MSK, port %s is %s)", port, mskPorts[port])
}

func (c Config) dialFinding(_ context.Context, err error) (Finding, bool) {
	var connect *ConnectError
	if !errors.As(err, &connect) || connect.Stage != StageDial {
		return Finding{}, false
	}
	var dns *net.DNSError
	host, port, _ := net.SplitHostPort(connect.Address)
	switch {
	case errors.As(err, &dns) && dns.IsTimeout:
		return Finding{KindDNS, fmt.Sprintf("the name server does not answer when asked for %s", host), "check this machine's name server: getent hosts " + host}, true
	case errors.As(err, &dns):
		return Finding{KindDNS, fmt.Sprintf("the broker's name %s is not known", host), "check bootstrap.servers, and that this machine is in the brokers' network: getent hosts " + host}, true
	case errors.Is(err, syscall.ECONNREFUSED):
		return Finding{KindRefused, fmt.Sprintf("nothing listens on %s: the connection was refused at once", connect.Address), "check the port in bootstrap.servers, and that the broker runs" + portHint(connect.Address, port)}, true
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Finding{KindUnreachable, fmt.Sprintf("there is no route to %s", connect.Address), "check the address in bootstrap.servers, and this machine's network"}, true
	case isTimeout(err):
		return Finding{
			KindTimeout, fmt.Sprintf("%s does not answer at all (waited %s)", connect.Address, connect.Waited.Round(100*time.Millisecond)),
			"let the brokers' security group or firewall admit this machine on port " + port,
		}, true
	}
	return Finding{KindUnreachable, connect.Error(), "check bootstrap.servers"}, true
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// tlsFinding looks at what went wrong while both sides agreed on keys. A broker says that it does not take our certificate
// in an alert that, with TLS 1.3, comes when the connection is in use.
func (c Config) tlsFinding(_ context.Context, err error) (Finding, bool) {
	var (
		connect   *ConnectError
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	address, port := where(err)
	alert, alerted := alertOf(err)
	during := errors.As(err, &connect) && connect.Stage == StageTLS
	switch {
	case errors.As(err, &name):
		return Finding{
			KindTLSName, fmt.Sprintf("the certificate of %s is for other names (%s)", address, certNames(name.Certificate)),
			"use one of these names in bootstrap.servers and the brokers' advertised.listeners, or empty ssl.endpoint.identification.algorithm to check no names",
		}, true
	case errors.As(err, &authority):
		return Finding{
			KindTLSUnknownCA, fmt.Sprintf("the certificate of %s is signed by somebody who is not trusted (%s)", address, issuer(authority.Cert)),
			"put the authority's certificate into ssl.truststore.location",
		}, true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Finding{KindTLSExpired, fmt.Sprintf("the certificate of %s is not valid now: %s to %s, this machine's clock says %s", address,
			date(invalid.Cert.NotBefore), date(invalid.Cert.NotAfter), date(time.Now())), "renew the broker's certificate, or set this machine's clock"}, true
	case alerted:
		return c.alertFinding(address, alert), true
	case errors.As(err, &record), during && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return Finding{
			KindPlaintextPort, fmt.Sprintf("%s does not speak TLS", address),
			"use the port that does, or security.protocol=" + otherProtocol(c.Login.Protocol(), "SSL", "PLAINTEXT") + portHint(address, port),
		}, true
	case during && isTimeout(err):
		return Finding{
			KindPlaintextPort, fmt.Sprintf("%s is open but does not answer in TLS (waited %s)", address, connect.Waited.Round(100*time.Millisecond)),
			"check that this port speaks TLS" + portHint(address, port),
		}, true
	case during:
		return Finding{KindTLSOther, connect.Error(), "check ssl.enabled.protocols and ssl.cipher.suites against the broker's"}, true
	}
	return Finding{}, false
}

// alertOf finds the alert that the other side has sent. crypto/tls keeps its type to itself, but for QUIC.
func alertOf(err error) (tls.AlertError, bool) {
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" || remote.Err == nil {
		return 0, false
	}
	for alert := range tls.AlertError(255) {
		if alert.Error() == remote.Err.Error() {
			return alert, true
		}
	}
	return 0, false
}

// otherProtocol is security.protocol with one part replaced.
func otherProtocol(protocol, part, other string) string {
	if login, ok := strings.CutSuffix(protocol, part); ok {
		return login + other
	}
	return protocol
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func certNames(cert *x509.Certificate) string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "it has none"
	}
	return strings.Join(names, ", ")
}

func issuer(cert *x509.Certificate) string {
	if cert == nil {
		return "not known"
	}
	return "issuer " + cert.Issuer.String()
}

// Alerts that speak of our certificate. Source: RFC 8446 §6.
var clientCertAlerts = map[tls.AlertError]string{
	42: "it is bad", 43: "it is of a kind that is not supported", 44: "it is revoked", 45: "it has expired", 46: "it is not acceptable",
	48: "the broker does not know who signed it", 49: "access is denied", 116: "the broker wants one and none was sent",
}

func (c Config) alertFinding(address string, alert tls.AlertError) Finding {
	why, ours := clientCertAlerts[alert]
	own := c.Login.TLS != nil && !c.Login.TLS.Key.IsZero()
	switch {
	case ours && !own:
		return Finding{KindTLSClientCert, fmt.Sprintf("%s wants a client certificate and none is configured", address), "name one in ssl.keystore.location, signed by an authority that the brokers trust"}
	case ours:
		return Finding{KindTLSClientCert, fmt.Sprintf("%s refuses this client's certificate: %s", address, why), "name one in ssl.keystore.location that is signed by an authority that the brokers trust"}
	case alert == 40 && !own: // handshake failure: what some say for a missing certificate, too
		return Finding{KindTLSClientCert, fmt.Sprintf("%s breaks TLS off: it may want a client certificate, and none is configured", address), "name one in ssl.keystore.location, or check ssl.cipher.suites"}
	}
	return Finding{KindTLSOther, fmt.Sprintf("%s breaks TLS off: %v", address, alert), "check ssl.enabled.protocols and ssl.cipher.suites against the broker's"}
}

// helloFinding looks at ports that close the connection at the first requests.
func (c Config) helloFinding(_ context.Context, err error) (Finding, bool) {
	var connect *ConnectError
	var first *kgo.ErrFirstReadEOF
	address, port := where(err)
	if errors.As(err, &connect) && connect.Stage == StageHello {
		return Finding{
			KindTLSPort, fmt.Sprintf("%s does not take unencrypted connections", address),
			"set security.protocol=" + otherProtocol(c.Login.Protocol(), "PLAINTEXT", "SSL") + ", or SASL_SSL where the port wants a login too" + portHint(address, port),
		}, true
	}
	if errors.As(err, &first) && c.Login.SASL == nil {
		return Finding{
			KindLoginMissing, "the broker closes the connection at the first request: it wants a login, and none is configured",
			"set security.protocol=SASL_" + c.Login.Protocol() + ", sasl.mechanism and sasl.jaas.config" + c.ports(),
		}, true
	}
	return Finding{}, false
}

// awsFinding looks at why there are no AWS credentials, or no region.
func (c Config) awsFinding(_ context.Context, err error) (Finding, bool) {
	var none *CredentialsError
	switch {
	case errors.Is(err, errRegion):
		return Finding{KindNoRegion, errRegion.Error(), "set AWS_REGION in the gateway's environment to the brokers' region"}, true
	case !errors.As(err, &none) || len(none.Sources) == 0:
		return Finding{}, false
	}
	// The first source is the one that was meant; the default chain only stands in.
	return sourceFinding(none.Sources[0]), true
}

func sourceFinding(s SourceError) Finding {
	if skew, ok := clockSkew(s.Err); ok {
		return skewFinding(skew)
	}
	var missing config.SharedConfigProfileNotExistError
	var answer smithy.APIError
	role, isRole := strings.CutPrefix(s.Source, "role ")
	switch {
	case errors.As(s.Err, &missing):
		return Finding{KindNoCredentials, fmt.Sprintf("the profile %s is in none of the shared AWS files", missing.Profile), "correct awsProfileName, or set AWS_SHARED_CREDENTIALS_FILE for the gateway"}
	case !errors.As(s.Err, &answer) && isRole && unreachable(s.Err):
		return Finding{KindSTSUnreachable, "AWS STS cannot be reached to assume the role " + role, "let this machine reach sts.amazonaws.com on port 443, or set awsStsRegion and a VPC endpoint of STS"}
	case !errors.As(s.Err, &answer):
		return Finding{KindNoCredentials, "there are no AWS credentials: " + s.Source + " gave none", "attach an instance profile to this machine, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the gateway"}
	}
	if f, ok := keyFinding(answer.ErrorCode(), "STS refuses the key that is to assume the role"); ok {
		return f
	}
	if isRole && answer.ErrorCode() == "AccessDenied" {
		return roleDenied(role, answer.ErrorMessage())
	}
	return Finding{KindNoCredentials, fmt.Sprintf("%s gives no AWS credentials: %s %s", s.Source, answer.ErrorCode(), answer.ErrorMessage()), "check the options awsRole… of sasl.jaas.config"}
}

// callerARN finds who asked in the words of STS.
var callerARN = regexp.MustCompile(`arn:aws[a-z-]*:(?:iam|sts)::\d{12}:[\w+=,.@/-]+`)

// roleDenied quotes the caller as STS names it, and the statement that is missing.
func roleDenied(role, message string) Finding {
	caller := callerARN.FindString(message)
	if caller == "" || caller == role {
		return Finding{KindRoleDenied, fmt.Sprintf("AWS STS does not allow this gateway to assume the role %s", role), "let the role's trust policy name the gateway's own identity with sts:AssumeRole (and its external id), and allow that identity sts:AssumeRole on the role"}
	}
	return Finding{
		KindRoleDenied, fmt.Sprintf("AWS STS does not allow %s to assume the role %s", caller, role),
		"add to the trust policy of the role: " + TrustStatement(caller),
	}
}

// sessionARN matches the ARN of a role's session. A trust policy names the role itself.
var sessionARN = regexp.MustCompile(`^arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/`)

// TrustStatement is the statement for a role's trust policy that lets the caller assume it.
func TrustStatement(caller string) string {
	if m := sessionARN.FindStringSubmatch(caller); m != nil {
		caller = fmt.Sprintf("arn:%s:iam::%s:role/%s", m[1], m[2], m[3])
	}
	return fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole"}`, caller)
}

func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return isTimeout(err) || errors.As(err, &op) || errors.As(err, &dns)
}

// keyFinding looks at AWS's words about a key.
func keyFinding(code, who string) (Finding, bool) {
	switch code {
	case "SignatureDoesNotMatch", "IncompleteSignature":
		return Finding{KindWrongSecret, who + ": the secret does not belong to the access key", "correct the secret access key"}, true
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId":
		return Finding{KindUnknownKey, who + ": AWS does not know the access key", "create a key and configure it, or use an instance profile"}, true
	case "ExpiredToken", "ExpiredTokenException":
		return Finding{KindExpiredSession, who + ": the session has expired", "get new session credentials; keys of a role that are set in the environment end after some hours: use awsRoleArn or an instance profile"}, true
	}
	return Finding{}, false
}

// tolerated is what clocks may differ by. Source: AWS, Signature Version 4.
const tolerated = 5 * time.Minute

// clockSkew compares an answer's date with this machine's clock.
func clockSkew(err error) (time.Duration, bool) {
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPResponse() == nil {
		return 0, false
	}
	server, dateErr := time.Parse(time.RFC1123, answer.HTTPResponse().Header.Get("Date"))
	if dateErr != nil {
		return 0, false
	}
	skew := time.Since(server)
	return skew, skew.Abs() > tolerated
}

func skewFinding(skew time.Duration) Finding {
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	return Finding{KindClockSkew, fmt.Sprintf("this machine's clock is %s %s AWS's: signatures are refused", skew.Abs().Round(time.Second), direction), "set the clock: chronyc makestep, or timedatectl set-ntp true"}
}

// tokenFinding looks at why there is no OAuth token.
func (c Config) tokenFinding(_ context.Context, err error) (Finding, bool) {
	var token *TokenError
	switch {
	case !errors.As(err, &token):
		return Finding{}, false
	case token.Code == "invalid_client" || token.Code == "unauthorized_client" || token.Status == 401:
		return Finding{KindWrongSecret, fmt.Sprintf("%s does not know the client id, or the secret is wrong", token.Endpoint), "correct clientId and clientSecret in sasl.jaas.config"}, true
	case token.Status == 404 || token.Status == 405:
		return Finding{KindTokenEndpoint, token.Error(), "correct sasl.oauthbearer.token.endpoint.url: it must be the token endpoint itself, not the issuer"}, true
	case token.Code != "":
		return Finding{KindTokenEndpoint, token.Error(), "check scope in sasl.jaas.config and what the client may do there"}, true
	}
	return Finding{KindTokenEndpoint, token.Error(), "let this machine reach the token endpoint"}, true
}

// refusalFinding looks at logins that the broker has refused.
func (c Config) refusalFinding(ctx context.Context, err error) (Finding, bool) {
	login := c.Login.SASL
	switch {
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		name := ""
		if login != nil {
			name = login.Mechanism
		}
		return Finding{KindMechanism, fmt.Sprintf("the brokers' port does not have sasl.mechanism=%s", name), "use the port that has it, or a mechanism that this port has" + c.ports()}, true
	case errors.Is(err, kerr.IllegalSaslState):
		return Finding{KindLoginMissing, "the brokers' port takes no login, or not at this moment", "check security.protocol against the port" + c.ports()}, true
	case !errors.Is(err, kerr.SaslAuthenticationFailed):
		return Finding{}, false
	case login == nil:
		return Finding{KindLoginMissing, "the broker wants a login and none is configured", "set security.protocol, sasl.mechanism and sasl.jaas.config"}, true
	case login.IAM != nil:
		return c.iamFinding(ctx, err), true
	case login.Mechanism == "OAUTHBEARER":
		return Finding{KindTokenRefused, "the broker refuses the token: it is for another audience or issuer, or signed by a key that the broker does not know", "compare the token's iss, aud and scope with sasl.oauthbearer.expected.* of the brokers"}, true
	}
	return Finding{KindWrongSecret, fmt.Sprintf("the broker refuses user %q by %s: the user is not known there, or the password is wrong", login.Username, login.Mechanism), "correct username and password in sasl.jaas.config"}, true
}

// ports says what MSK has on the ports in use.
func (c Config) ports() string {
	for _, broker := range c.Brokers {
		if _, port, err := net.SplitHostPort(broker); err == nil {
			if hint := portHint(broker, port); hint != "" {
				return hint
			}
		}
	}
	return ""
}

// iamFinding asks STS who we are: brokers say "Access denied" whatever is wrong.
func (c Config) iamFinding(ctx context.Context, err error) Finding {
	if strings.Contains(strings.ToLower(err.Error()), "session too short") { // only their text tells
		return Finding{KindExpiredSession, "the broker refuses AWS credentials that end in a moment", "wait: the next ones are being got"}
	}
	if strings.Contains(err.Error(), "Cannot change principals") { // Kafka's text for a re-authentication as somebody else
		return Finding{KindPrincipalChanged, "the broker refuses to go on as another identity than the connection began with", "keep awsRoleSessionName and the identity constant"}
	}
	if c.Logins == nil {
		return Finding{KindConnectDenied, "the broker denies access to this AWS identity", "allow it kafka-cluster:Connect on the cluster"}
	}
	identity := c.Logins.identityOf(*c.Login.SASL.IAM)
	found, probeErr := identity.probe.now(ctx)
	if probeErr != nil {
		return Finding{KindConnectDenied, "the broker denies access, and STS could not be asked who we are", "check that the identity is allowed kafka-cluster:Connect, and that this machine reaches STS"}
	}
	if found.Kind != KindConnectDenied {
		return found
	}
	return c.deniedFinding(ctx, identity, found.Cause)
}

// deniedFinding is for a valid identity: its right is missing, or the region is wrong, which the broker's name would tell.
func (c Config) deniedFinding(ctx context.Context, i *identity, arn string) Finding {
	const right = "allow it kafka-cluster:Connect on the cluster, in a policy of the role or user"
	for _, broker := range c.Brokers {
		host, _, err := net.SplitHostPort(broker)
		if err != nil || RegionOfBroker(host) != "" {
			continue
		}
		region, err := i.region(ctx, host)
		if err != nil {
			continue
		}
		return Finding{
			KindWrongRegion, fmt.Sprintf("the broker denies access to %s, whose credentials AWS knows; the login was signed for region %s, which the environment says, since the name %s tells none", arn, region, host),
			"set AWS_REGION to the brokers' region or use their own names; if it is right, " + right,
		}
	}
	return Finding{KindConnectDenied, fmt.Sprintf("the broker denies access to %s: it lacks kafka-cluster:Connect", arn), right}
}

// probeEvery is how often STS is asked at most.
const probeEvery = 5 * time.Second

// ask looks at the credentials with the help of STS. Cause of a KindConnectDenied is the ARN alone.
func (i *identity) ask(ctx context.Context, _ bool) (lasting[Finding], error) {
	f, err := i.examine(ctx)
	until := time.Now().Add(probeEvery)
	return lasting[Finding]{value: f, renew: until, urgent: until, expires: until}, err
}

func (i *identity) examine(ctx context.Context) (Finding, error) {
	creds, err := i.creds.now(ctx)
	if err != nil {
		var none *CredentialsError
		if errors.As(err, &none) && len(none.Sources) > 0 {
			return sourceFinding(none.Sources[0]), nil
		}
		return Finding{}, err
	}
	arn, err := i.whoIs(ctx, creds)
	if err == nil {
		return Finding{Kind: KindConnectDenied, Cause: arn}, nil
	}
	if skew, ok := clockSkew(err); ok {
		return skewFinding(skew), nil
	}
	var answer smithy.APIError
	if errors.As(err, &answer) {
		if f, ok := keyFinding(answer.ErrorCode(), "the broker denies access, and AWS says why"); ok {
			i.creds.forget() // files may hold a better key by now
			return f, nil
		}
	}
	return Finding{}, err
}

// rightFinding looks at what a logged-in client may not do.
func (c Config) rightFinding(_ context.Context, err error) (Finding, bool) {
	for _, r := range []struct {
		err    error
		what   string
		action string
	}{
		{kerr.TopicAuthorizationFailed, "the topic", "kafka-cluster:DescribeTopic, WriteData or ReadData"},
		{kerr.GroupAuthorizationFailed, "the consumer group", "kafka-cluster:DescribeGroup and AlterGroup"},
		{kerr.ClusterAuthorizationFailed, "the cluster", "kafka-cluster:DescribeCluster, AlterCluster or WriteDataIdempotently"},
		{kerr.TransactionalIDAuthorizationFailed, "the transactional id", "kafka-cluster:DescribeTransactionalId and AlterTransactionalId"},
	} {
		if !errors.Is(err, r.err) {
			continue
		}
		if c.Login.SASL != nil && c.Login.SASL.IAM != nil {
			return Finding{KindMissingPermission, "this AWS identity lacks a right on " + r.what, "allow it " + r.action + " there"}, true
		}
		return Finding{KindMissingPermission, "the user of this login lacks a right on " + r.what, "add an ACL with kafka-acls.sh --add"}, true
	}
	return Finding{}, false
}

// MissingPermission names the IAM action that a refused operation needs.
// operation is one of describe, write, read, create, delete, alter, group, cluster.
// Source: Amazon MSK, "Semantics of IAM authorization policy actions and resources".
func MissingPermission(operation, resource string) Finding {
	actions := map[string]string{
		"describe": "kafka-cluster:DescribeTopic", "write": "kafka-cluster:WriteData", "read": "kafka-cluster:ReadData",
		"create": "kafka-cluster:CreateTopic", "delete": "kafka-cluster:DeleteTopic", "alter": "kafka-cluster:AlterTopic",
		"group": "kafka-cluster:AlterGroup", "cluster": "kafka-cluster:DescribeCluster",
	}
	action := actions[operation]
	return Finding{KindMissingPermission, fmt.Sprintf("%s is not allowed on %s", action, resource), fmt.Sprintf("allow %s on %s in a policy of the role or user", action, resource)}
}

func (c Config) silenceFinding(ctx context.Context, err error) (Finding, bool) {
	if !isTimeout(err) && !errors.Is(err, ErrTimeout) {
		return Finding{}, false
	}
	if c.Logins != nil {
		if cause := c.Logins.recent(); cause != nil { // the wait ended between two tries
			return c.Diagnose(ctx, cause), true
		}
	}
	return Finding{KindTimeout, "no broker answered in time", "check bootstrap.servers, and that the brokers' security group or firewall admits this machine"}, true
}
