package kafkaclient

import (
	"fmt"
	"io"
	"time"

	"headrace/keystore"
)

// Login says how to get into the brokers: encrypted or not, and as whom. The zero value is security.protocol=PLAINTEXT.
// LoginFromKeys makes one of the Java client's keys.
type Login struct {
	TLS  *TLS  // nil: not encrypted (PLAINTEXT, SASL_PLAINTEXT)
	SASL *SASL // nil: nobody logs in (PLAINTEXT, SSL)
}

// Protocol is the Java client's security.protocol.
func (l Login) Protocol() string {
	switch {
	case l.TLS == nil && l.SASL == nil:
		return "PLAINTEXT"
	case l.SASL == nil:
		return "SSL"
	case l.TLS == nil:
		return "SASL_PLAINTEXT"
	}
	return "SASL_SSL"
}

// TLS are the Java client's ssl.* keys. The zero value believes the machine's authorities and checks the host's name.
type TLS struct {
	Trust        keystore.Trust
	Key          keystore.Key
	NoHostCheck  bool     // ssl.endpoint.identification.algorithm is empty: the chain is checked all the same
	Protocols    []string // ssl.enabled.protocols, by Java's names; empty: TLSv1.2 and TLSv1.3
	CipherSuites []string // ssl.cipher.suites, by Java's names, which are IANA's; empty: all that are safe
}

// SASL is who logs in, and how. What belongs to another mechanism than the one named is not read.
type SASL struct {
	Mechanism       string     // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM
	Username        string     // PLAIN, SCRAM
	Password        string     // PLAIN, SCRAM
	DelegationToken bool       // SCRAM: user and password are a delegation token's id and secret
	IAM             *IAM       // AWS_MSK_IAM, and OAUTHBEARER with Amazon's handler
	OAuth           *OAuth     // OAUTHBEARER with a token endpoint
	Unsecured       *Unsecured // OAUTHBEARER without a handler: for development, brokers believe it as it is
}

// IAM are the options of IAMLoginModule.
// Source: contract, configuration.md §5; aws-msk-iam-auth, README and MSKCredentialProvider.
type IAM struct {
	RoleARN         string        // awsRoleArn: assume this role
	SessionName     string        // awsRoleSessionName: part of the principal, so it never changes
	ExternalID      string        // awsRoleExternalId; not sent when AccessKeyID is given, as in Java
	STSRegion       string        // awsStsRegion; empty: the global endpoint
	AccessKeyID     string        // awsRoleAccessKeyId: who assumes the role, in place of the default chain
	SecretAccessKey string        // awsRoleSecretAccessKey
	SessionToken    string        // awsRoleSessionToken
	Profile         string        // awsProfileName: of the shared AWS files
	NoDefaultChain  bool          // awsAddDefaultProviders is not true: what is named, or nothing
	DebugIdentity   bool          // awsDebugCreds: say at debug level who we are to AWS
	FIPS            bool          // awsShouldUseFips
	Retries         int           // awsMaxRetries: tries beyond the first to get credentials
	MaxBackoff      time.Duration // awsMaxBackOffTimeMs: longest pause between them
}

// OAuth is a client credentials grant, or a file that holds a token.
type OAuth struct {
	TokenURL       string // sasl.oauthbearer.token.endpoint.url: https, http, or file for a token in a file
	ClientID       string
	ClientSecret   string
	Scope          string
	Extensions     map[string]string // sent to the broker with the token
	ScopeClaim     string            // sasl.oauthbearer.scope.claim.name
	SubjectClaim   string            // sasl.oauthbearer.sub.claim.name
	URLEncode      bool              // sasl.oauthbearer.header.urlencode: id and secret, before they are joined
	ConnectTimeout time.Duration     // sasl.login.connect.timeout.ms; 0: 10 s
	ReadTimeout    time.Duration     // sasl.login.read.timeout.ms; 0: 10 s
	Backoff        time.Duration     // sasl.login.retry.backoff.ms: the first pause between two tries
	BackoffMax     time.Duration     // sasl.login.retry.backoff.max.ms: the longest, and how long to try on
	Trust          keystore.Trust    // ssl.truststore.* in the JAAS line: of the endpoint alone
}

// Unsecured are the claims of a token that nobody signs.
// Source: Kafka's OAuthBearerUnsecuredLoginCallbackHandler.
type Unsecured struct {
	Strings    map[string]string   // unsecuredLoginStringClaim_NAME
	Numbers    map[string]float64  // unsecuredLoginNumberClaim_NAME
	Lists      map[string][]string // unsecuredLoginListClaim_NAME
	Lifetime   time.Duration       // unsecuredLoginLifetimeSeconds
	Extensions map[string]string   // unsecuredLoginExtension_NAME
}

// String names protocol and mechanism: the rest of a Login is secret, or leads to secrets.
func (l Login) String() string {
	if l.SASL == nil {
		return l.Protocol()
	}
	return l.Protocol() + " " + l.SASL.Mechanism
}

// Format prints what String returns, whatever the verb.
func (l Login) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.String()) }

// Format prints no secret.
func (t TLS) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "TLS") }

// Format prints no secret.
func (s SASL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.Mechanism) }

// Format prints no secret.
func (i IAM) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "IAM "+i.RoleARN) }

// Format prints no secret.
func (o OAuth) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "OAuth client "+o.ClientID) }
