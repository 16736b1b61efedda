package kafkaclient

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"headrace/jaas"
	"headrace/keystore"
)

// KeyError says which key cannot work, and why. It quotes no secret.
type KeyError struct {
	Key string // as the Java client names it, without a prefix
	Msg string
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Msg }

// LoginKeys are the un-prefixed keys of the Java client that LoginFromKeys reads.
var loginKeys = []string{
	"security.protocol",
	"sasl.mechanism", "sasl.jaas.config", "sasl.client.callback.handler.class", "sasl.login.callback.handler.class", "sasl.login.class",
	"sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.scope.claim.name", "sasl.oauthbearer.sub.claim.name", "sasl.oauthbearer.header.urlencode",
	"sasl.login.connect.timeout.ms", "sasl.login.read.timeout.ms", "sasl.login.retry.backoff.ms", "sasl.login.retry.backoff.max.ms",
	"ssl.truststore.location", "ssl.truststore.password", "ssl.truststore.type", "ssl.truststore.certificates",
	"ssl.keystore.location", "ssl.keystore.password", "ssl.keystore.type", "ssl.keystore.key", "ssl.keystore.certificate.chain", "ssl.key.password",
	"ssl.endpoint.identification.algorithm", "ssl.enabled.protocols", "ssl.cipher.suites", "ssl.engine.factory.class",
}

// IsLoginKey reports whether LoginFromKeys reads the un-prefixed key.
func IsLoginKey(key string) bool { return slices.Contains(loginKeys, key) }

// LoginFromKeys makes a Login of the Java client's keys. get returns the value of an un-prefixed key, and whether it is
// given at all: an empty ssl.endpoint.identification.algorithm is another thing than none. It reads no file.
// warnings are for the log: options that have no effect. err joins one *KeyError for each key that cannot work.
func LoginFromKeys(get func(key string) (value string, given bool)) (login Login, warnings []string, err error) {
	k := &keyReader{get: get}
	switch protocol := strings.ToUpper(k.text("security.protocol", "PLAINTEXT")); protocol {
	case "PLAINTEXT":
	case "SSL":
		login.TLS = k.tls()
	case "SASL_PLAINTEXT":
		login.SASL = k.sasl()
	case "SASL_SSL":
		login.TLS, login.SASL = k.tls(), k.sasl()
	default:
		k.fault("security.protocol", "%q is no protocol: PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL would work", protocol)
	}
	return login, k.warnings, errors.Join(k.faults...)
}

// keyReader collects what is wrong while keys are read.
type keyReader struct {
	get      func(string) (string, bool)
	faults   []error
	warnings []string
}

func (k *keyReader) fault(key, format string, args ...any) {
	k.faults = append(k.faults, &KeyError{key, fmt.Sprintf(format, args...)})
}

func (k *keyReader) warn(format string, args ...any) {
	k.warnings = append(k.warnings, fmt.Sprintf(format, args...))
}

func trim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }

// text is a trimmed value, or otherwise where none is given.
func (k *keyReader) text(key, otherwise string) string {
	value, given := k.get(key)
	if !given {
		return otherwise
	}
	return trim(value)
}

func (k *keyReader) list(key string) []string {
	var out []string
	for entry := range strings.SplitSeq(k.text(key, ""), ",") {
		if entry = trim(entry); entry != "" {
			out = append(out, entry)
		}
	}
	return out
}

func (k *keyReader) millis(key string, otherwise time.Duration) time.Duration {
	value := k.text(key, "")
	if value == "" {
		return otherwise
	}
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil || number < 0 {
		k.fault(key, "%q is no number of milliseconds", value)
		return otherwise
	}
	return time.Duration(number) * time.Millisecond
}

func (k *keyReader) tls() *TLS {
	t := &TLS{
		Trust: keystore.Trust{
			Type: k.text("ssl.truststore.type", ""), Path: k.text("ssl.truststore.location", ""),
			Password: k.text("ssl.truststore.password", ""), PEM: k.text("ssl.truststore.certificates", ""),
		},
		Key: keystore.Key{
			Type: k.text("ssl.keystore.type", ""), Path: k.text("ssl.keystore.location", ""),
			Password: k.text("ssl.keystore.password", ""), KeyPassword: k.text("ssl.key.password", ""),
			PEMKey: k.text("ssl.keystore.key", ""), PEMChain: k.text("ssl.keystore.certificate.chain", ""),
		},
		NoHostCheck:  !strings.EqualFold(k.text("ssl.endpoint.identification.algorithm", "https"), "https"),
		Protocols:    k.list("ssl.enabled.protocols"),
		CipherSuites: k.list("ssl.cipher.suites"),
	}
	if algorithm := k.text("ssl.endpoint.identification.algorithm", ""); algorithm != "" && t.NoHostCheck {
		k.fault("ssl.endpoint.identification.algorithm", "%q is not known: https would work, or nothing for no check of host names", algorithm)
	}
	if class := k.text("ssl.engine.factory.class", ""); class != "" && class != "org.apache.kafka.common.security.ssl.DefaultSslEngineFactory" {
		k.fault("ssl.engine.factory.class", "%s is a Java class, which cannot be run: leave it out", class)
	}
	config, _, err := t.settings()
	if err != nil {
		k.faults = append(k.faults, err)
	} else if config.unused != "" {
		k.warn("ssl.cipher.suites: %s", config.unused)
	}
	return t
}

// Java classes that are known, by the last part of their names.
const (
	moduleIAM       = "IAMLoginModule"
	handlerIAM      = "IAMClientCallbackHandler"
	handlerIAMOAuth = "IAMOAuthBearerLoginCallbackHandler"
	handlerOAuth    = "OAuthBearerLoginCallbackHandler"
	moduleOAuth     = "OAuthBearerLoginModule"
	modulePlain     = "PlainLoginModule"
	moduleScram     = "ScramLoginModule"
)

// unsecuredHandler is Kafka's own, which serves when none is named.
const handlerUnsecured = "OAuthBearerUnsecuredLoginCallbackHandler"

func lastPart(class string) string { return class[strings.LastIndexByte(class, '.')+1:] }

// sasl reads the mechanism and its JAAS line. What it returns after a fault is not usable.
func (k *keyReader) sasl() *SASL {
	s := &SASL{Mechanism: strings.ToUpper(k.text("sasl.mechanism", "GSSAPI"))}
	modules := map[string]string{
		"PLAIN": modulePlain, "SCRAM-SHA-256": moduleScram, "SCRAM-SHA-512": moduleScram, "OAUTHBEARER": moduleOAuth, "AWS_MSK_IAM": moduleIAM,
	}
	module, known := modules[s.Mechanism]
	if !known {
		k.mechanism(s.Mechanism)
		return s
	}
	if class := k.text("sasl.login.class", ""); class != "" {
		k.fault("sasl.login.class", "%s is a Java class, which cannot be run: leave it out", class)
	}
	login, client := k.handlers(s.Mechanism)
	entry, ok := k.jaas(s.Mechanism, module)
	if !ok {
		return s
	}
	switch {
	case s.Mechanism == "AWS_MSK_IAM" || login == handlerIAMOAuth:
		s.IAM = k.iam(entry.Options)
	case s.Mechanism == "OAUTHBEARER" && login == handlerOAuth:
		s.OAuth = k.oauth(entry.Options)
	case s.Mechanism == "OAUTHBEARER" && client == handlerIAMOAuth:
		k.fault("sasl.login.callback.handler.class", "it is not given: Amazon's handler makes the token, so software.amazon.msk.auth.iam.%s belongs here too", handlerIAMOAuth)
	case s.Mechanism == "OAUTHBEARER":
		s.Unsecured = k.unsecured(entry.Options)
	default:
		s.Username, s.Password = k.userAndPassword(entry, module)
		s.DelegationToken = module == moduleScram && strings.EqualFold(entry.Options["tokenauth"], "true")
	}
	return s
}

// mechanism says why one is not served.
func (k *keyReader) mechanism(name string) {
	const others = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER and AWS_MSK_IAM would work"
	if name != "GSSAPI" {
		k.fault("sasl.mechanism", "%q is not known: %s", name, others)
		return
	}
	if _, given := k.get("sasl.mechanism"); !given {
		k.fault("sasl.mechanism", "it is not given, and is GSSAPI (Kerberos) then, which is not served here: name the one that the brokers' port has, %s", others)
		return
	}
	k.fault("sasl.mechanism", "GSSAPI (Kerberos) is not served here: use another one that the brokers have, %s", others)
}

// handlers reads the callback handlers' classes and refuses unknown ones. They bear on two mechanisms only.
func (k *keyReader) handlers(mechanism string) (login, client string) {
	known := map[string][]string{
		"sasl.login.callback.handler.class":  {handlerOAuth, handlerIAMOAuth, handlerUnsecured},
		"sasl.client.callback.handler.class": {handlerIAM, handlerIAMOAuth, "OAuthBearerSaslClientCallbackHandler"},
	}
	read := func(key string) string {
		class := k.text(key, "")
		if class != "" && !slices.Contains(known[key], lastPart(class)) {
			k.fault(key, "%s is a Java class, which cannot be run: %s would work", class, strings.Join(known[key], ", "))
		}
		return lastPart(class)
	}
	login, client = read("sasl.login.callback.handler.class"), read("sasl.client.callback.handler.class")
	if mechanism != "OAUTHBEARER" && login != "" {
		k.warn("sasl.login.callback.handler.class has no effect with sasl.mechanism=%s", mechanism)
	}
	if mechanism == "OAUTHBEARER" && client == handlerIAM {
		k.fault("sasl.client.callback.handler.class", "%s serves sasl.mechanism=AWS_MSK_IAM; with OAUTHBEARER it is %s, in sasl.login.callback.handler.class too", handlerIAM, handlerIAMOAuth)
	}
	return login, client
}

// jaas reads the JAAS line and holds its module to the mechanism.
func (k *keyReader) jaas(mechanism, module string) (jaas.Entry, bool) {
	const key = "sasl.jaas.config"
	line, given := k.get(key)
	if !given || trim(line) == "" {
		k.fault(key, "it is not given: sasl.mechanism=%s needs `…%s required …;`", mechanism, module)
		return jaas.Entry{}, false
	}
	entry, err := jaas.Parse(line)
	if err != nil {
		k.fault(key, "%v", err)
		return jaas.Entry{}, false
	}
	if entry.Class() != module {
		k.fault(key, "sasl.mechanism=%s needs the login module %s, got %s: change one of them", mechanism, module, entry.Module)
		return jaas.Entry{}, false
	}
	return entry, true
}

func (k *keyReader) userAndPassword(entry jaas.Entry, module string) (user, password string) {
	for _, option := range []string{"username", "password"} {
		if entry.Options[option] == "" {
			k.fault("sasl.jaas.config", "option %s of %s is missing", option, module)
		}
	}
	return entry.Options["username"], entry.Options["password"]
}

// defaultSessionName is the Java library's. IAM conditions and quotas by principal go by it.
const defaultSessionName = "aws-msk-iam-auth"

// iam reads the options of IAMLoginModule. Unknown ones are warned of: Java passes over them in silence.
func (k *keyReader) iam(options map[string]string) *IAM {
	const key = "sasl.jaas.config"
	i := &IAM{SessionName: defaultSessionName, Retries: 3, MaxBackoff: 5 * time.Second}
	number := func(name, value string) int {
		n, err := strconv.Atoi(trim(value))
		if err != nil || n < 0 {
			k.fault(key, "option %s is %q: a number from 0 on would work", name, value)
		}
		return n
	}
	for _, name := range sortedKeys(options) {
		value := options[name]
		switch name {
		case "awsRoleArn":
			i.RoleARN = trim(value)
		case "awsRoleSessionName":
			if value != "" {
				i.SessionName = value
			}
		case "awsRoleExternalId":
			i.ExternalID = value
		case "awsStsRegion":
			i.STSRegion = trim(value)
		case "awsRoleAccessKeyId":
			i.AccessKeyID = value
		case "awsRoleSecretAccessKey":
			i.SecretAccessKey = value
		case "awsRoleSessionToken":
			i.SessionToken = value
		case "awsProfileName":
			i.Profile = value
		case "awsAddDefaultProviders":
			i.NoDefaultChain = value != "true" // only this text, as in Java
		case "awsDebugCreds":
			i.DebugIdentity = strings.EqualFold(value, "true")
		case "awsShouldUseFips":
			i.FIPS = strings.EqualFold(value, "true")
		case "awsMaxRetries":
			i.Retries = number(name, value)
		case "awsMaxBackOffTimeMs":
			i.MaxBackoff = time.Duration(number(name, value)) * time.Millisecond
		case "awsMskRegionProvider":
			k.fault(key, "option awsMskRegionProvider is a Java class, which cannot be run: the region comes from the broker's name, then AWS_REGION")
		default:
			k.warn("sasl.jaas.config: option %s of the IAM login is not known and has no effect", name)
		}
	}
	k.checkIAM(*i)
	return i
}

func (k *keyReader) checkIAM(i IAM) {
	const key = "sasl.jaas.config"
	if i.RoleARN != "" && !roleARN.MatchString(i.RoleARN) {
		k.fault(key, "option awsRoleArn is %q: a role's ARN is arn:aws:iam::ACCOUNT:role/NAME (neither an instance profile's, a user's nor an assumed session's)", i.RoleARN)
	}
	if (i.AccessKeyID == "") != (i.SecretAccessKey == "") {
		k.fault(key, "options awsRoleAccessKeyId and awsRoleSecretAccessKey go together: one of them is missing")
	}
	if !sessionName.MatchString(i.SessionName) {
		k.fault(key, "option awsRoleSessionName is %q: 2 to 64 of the characters A-Z a-z 0-9 _ = , . @ - would work", i.SessionName)
	}
	if i.RoleARN == "" && (i.AccessKeyID != "" || i.ExternalID != "") {
		k.warn("sasl.jaas.config: options awsRole… have no effect without awsRoleArn")
	}
	if i.NoDefaultChain && i.RoleARN == "" && i.Profile == "" {
		k.fault(key, "option awsAddDefaultProviders is not true and neither awsRoleArn nor awsProfileName is given: there is nobody to log in as")
	}
}

// oauth reads the client credentials grant.
func (k *keyReader) oauth(options map[string]string) *OAuth {
	o := &OAuth{
		TokenURL: k.text("sasl.oauthbearer.token.endpoint.url", ""),
		ClientID: options["clientId"], ClientSecret: options["clientSecret"], Scope: options["scope"],
		Extensions: map[string]string{},
		ScopeClaim: k.text("sasl.oauthbearer.scope.claim.name", "scope"), SubjectClaim: k.text("sasl.oauthbearer.sub.claim.name", "sub"),
		URLEncode:      strings.EqualFold(k.text("sasl.oauthbearer.header.urlencode", ""), "true"),
		ConnectTimeout: k.millis("sasl.login.connect.timeout.ms", 0),
		ReadTimeout:    k.millis("sasl.login.read.timeout.ms", 0),
		Backoff:        k.millis("sasl.login.retry.backoff.ms", 100*time.Millisecond),
		BackoffMax:     k.millis("sasl.login.retry.backoff.max.ms", 10*time.Second),
		Trust: keystore.Trust{
			Type: options["ssl.truststore.type"], Path: options["ssl.truststore.location"],
			Password: options["ssl.truststore.password"], PEM: options["ssl.truststore.certificates"],
		},
	}
	for name, value := range options {
		if extension, ok := strings.CutPrefix(name, "extension_"); ok {
			o.Extensions[extension] = value
		}
	}
	k.extensions(o.Extensions)
	endpoint, err := url.Parse(o.TokenURL)
	switch {
	case o.TokenURL == "":
		k.fault("sasl.oauthbearer.token.endpoint.url", "it is not given: the token endpoint's URL is needed, https://…/token")
	case err != nil || endpoint.Scheme != "https" && endpoint.Scheme != "http" && endpoint.Scheme != "file":
		k.fault("sasl.oauthbearer.token.endpoint.url", "it is no URL of https, http or file")
	case endpoint.Scheme == "file":
	case o.ClientID == "" || o.ClientSecret == "":
		k.fault("sasl.jaas.config", "options clientId and clientSecret of %s are needed", moduleOAuth)
	}
	return o
}

// unsecured reads the claims of a token that nobody signs.
func (k *keyReader) unsecured(options map[string]string) *Unsecured {
	u := &Unsecured{Strings: map[string]string{}, Numbers: map[string]float64{}, Lists: map[string][]string{}, Extensions: map[string]string{}, Lifetime: time.Hour}
	for _, name := range sortedKeys(options) {
		value := options[name]
		rest, ok := strings.CutPrefix(name, "unsecuredLogin")
		if !ok {
			k.warn("sasl.jaas.config: option %s has no effect without sasl.login.callback.handler.class", name)
			continue
		}
		kind, claim, _ := strings.Cut(rest, "_")
		switch kind {
		case "StringClaim":
			u.Strings[claim] = value
		case "NumberClaim":
			number, err := strconv.ParseFloat(trim(value), 64)
			if err != nil {
				k.fault("sasl.jaas.config", "option %s is %q: a number would work", name, value)
			}
			u.Numbers[claim] = number
		case "ListClaim":
			u.Lists[claim] = listClaim(value)
		case "Extension":
			u.Extensions[claim] = value
		case "LifetimeSeconds":
			seconds, err := strconv.ParseInt(trim(value), 10, 32)
			if err != nil || seconds < 1 {
				k.fault("sasl.jaas.config", "option %s is %q: a number of seconds would work", name, value)
			}
			u.Lifetime = time.Duration(seconds) * time.Second
		case "PrincipalClaimName", "ScopeClaimName":
			// They name claims for the client's own checks alone.
		default:
			k.warn("sasl.jaas.config: option %s is not known and has no effect", name)
		}
	}
	if len(options) == 0 || len(u.Strings) == 0 {
		k.fault("sasl.jaas.config", "no token can be made: give sasl.login.callback.handler.class with a token endpoint, or unsecuredLoginStringClaim_sub for an unsecured token")
	}
	k.extensions(u.Extensions)
	return u
}

// listClaim splits a list by its own first character: "|a|b" is a and b.
func listClaim(value string) []string {
	if len(value) < 2 {
		return []string{}
	}
	return strings.Split(value[1:], value[:1])
}

// extensions refuses names and values that cannot travel in the exchange. Source: RFC 7628 §3.1; KIP-342.
func (k *keyReader) extensions(all map[string]string) {
	for _, name := range sortedKeys(all) {
		letters := strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
		if name == "" || !letters || name == "auth" || strings.ContainsFunc(all[name], func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r > '~' }) {
			k.fault("sasl.jaas.config", "extension %q cannot be sent: its name must be letters, other than auth, and its value printable ASCII", name)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
