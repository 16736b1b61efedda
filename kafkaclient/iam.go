package kafkaclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http" //nolint:depguard // a request to be signed, which is never sent
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-msk-iam-sasl-signer-go/signer"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/twmb/franz-go/pkg/sasl"
)

var (
	roleARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

// mskLogin is the mechanism AWS_MSK_IAM: one signed JSON object. franz-go's own signs for the region of the broker's name
// or of the environment only, and gives the signature a third of the usual life.
// Source: contract, configuration.md §5; aws-msk-iam-auth, README.
type mskLogin struct{ identity *identity }

// Name is the mechanism's.
func (*mskLogin) Name() string { return "AWS_MSK_IAM" }

// Authenticate begins one login at the broker address.
func (l *mskLogin) Authenticate(ctx context.Context, address string) (sasl.Session, []byte, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the address %s: %w", address, err)
	}
	first, err := l.identity.mskPayload(ctx, host, time.Now())
	if err != nil {
		return nil, nil, &LoginError{Mechanism: "AWS_MSK_IAM", Err: err}
	}
	return mskSession{}, first, nil
}

type mskSession struct{}

// Challenge reads the broker's answer, an object with a request id.
func (mskSession) Challenge(answer []byte) (done bool, next []byte, err error) {
	if len(answer) == 0 {
		return false, nil, &LoginError{Mechanism: "AWS_MSK_IAM", Err: errors.New("the broker's answer is empty: it does not know MSK's IAM logins")}
	}
	return true, nil, nil
}

// signatureLife is how long brokers may take to look at a signature: 15 minutes.
const signatureLife = "900"

// userAgent is shown to IAM conditions on aws:UserAgent. It names no host.
const userAgent = "headrace"

// mskPayload is the object that logs in at host.
func (i *identity) mskPayload(ctx context.Context, host string, at time.Time) ([]byte, error) {
	region, creds, err := i.signing(ctx, host)
	if err != nil {
		return nil, err
	}
	query := url.Values{"Action": {"kafka-cluster:Connect"}, "X-Amz-Expires": {signatureLife}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("signing for %s: %w", host, err)
	}
	nothing := sha256.Sum256(nil)
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, creds, req, hex.EncodeToString(nothing[:]), "kafka-cluster", region, at.UTC())
	if err != nil {
		return nil, fmt.Errorf("signing for %s: %w", host, err)
	}
	parsed, err := url.Parse(signed)
	if err != nil {
		return nil, fmt.Errorf("signing for %s: the signer's answer is no URL", host)
	}
	object := map[string]string{"version": "2020_10_22", "host": host, "user-agent": userAgent}
	for name, values := range parsed.Query() {
		object[strings.ToLower(name)] = values[0]
	}
	return json.Marshal(object)
}

// mskToken makes tokens for OAUTHBEARER of signed URLs.
func mskToken(i *identity) func(ctx context.Context, address string) (bearer, error) {
	return func(ctx context.Context, address string) (bearer, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return bearer{}, fmt.Errorf("reading the address %s: %w", address, err)
		}
		region, creds, err := i.signing(ctx, host)
		if err != nil {
			return bearer{}, err
		}
		fixed := credentials.StaticCredentialsProvider{Value: creds}
		text, _, err := signer.GenerateAuthTokenFromCredentialsProvider(ctx, region, fixed)
		if err != nil {
			return bearer{}, fmt.Errorf("signing for %s: %w", region, err)
		}
		return bearer{token: text}, nil
	}
}

// identity is one IAM login: its credentials, got once for all clients and connections. Make it with newIdentity.
type identity struct {
	cfg   IAM
	log   *slog.Logger
	creds *renewed[obtained]
	place *renewed[string] // the region of the environment
	probe *renewed[Finding]

	// Only who gets credentials, one at a time, touches these.
	last   int  // the source that gave credentials last is asked first, as in Java
	warned bool // of a fall-back
	said   bool // who we are
}

// obtained are credentials and where they come from.
type obtained struct {
	aws.Credentials
	source string // for people: "role arn:…", "default credentials"
}

func newIdentity(cfg IAM, log *slog.Logger) *identity {
	i := &identity{cfg: cfg, log: log}
	i.creds = newRenewed("set of AWS credentials", log, i.obtain)
	i.place = newRenewed("region", log, i.findRegion)
	i.probe = newRenewed("answer of STS", log, i.ask)
	return i
}

// signing returns the region to sign for and the credentials to sign with.
func (i *identity) signing(ctx context.Context, host string) (string, aws.Credentials, error) {
	creds, err := i.creds.now(ctx)
	if err != nil {
		return "", aws.Credentials{}, err
	}
	region, err := i.region(ctx, host)
	return region, creds.Credentials, err
}

// CredentialsError says that there are no AWS credentials to log in with: one error for each source that was asked.
type CredentialsError struct {
	Sources []SourceError
}

// SourceError is why one source gave no credentials.
type SourceError struct {
	Source string // "profile NAME", "role ARN", "default credentials"
	Err    error
}

func (e *CredentialsError) Error() string {
	parts := make([]string, 0, len(e.Sources))
	for _, s := range e.Sources {
		parts = append(parts, s.Source+": "+s.Err.Error())
	}
	return "getting AWS credentials: " + strings.Join(parts, "; ")
}

// Unwrap returns the causes.
func (e *CredentialsError) Unwrap() []error {
	errs := make([]error, 0, len(e.Sources))
	for _, s := range e.Sources {
		errs = append(errs, s.Err)
	}
	return errs
}

// source is one place to get credentials from.
type source struct {
	name string
	load func(ctx context.Context) (aws.Credentials, error)
}

const defaultSource = "default credentials"

// sources are those of the options, in Java's order: profile, role, default chain.
func (i *identity) sources() []source {
	var all []source
	if i.cfg.Profile != "" {
		all = append(all, source{"profile " + i.cfg.Profile, func(ctx context.Context) (aws.Credentials, error) {
			return i.chain(ctx, config.WithSharedConfigProfile(i.cfg.Profile))
		}})
	}
	if i.cfg.RoleARN != "" {
		all = append(all, source{"role " + i.cfg.RoleARN, i.assume})
	}
	if !i.cfg.NoDefaultChain {
		all = append(all, source{defaultSource, func(ctx context.Context) (aws.Credentials, error) { return i.chain(ctx) }})
	}
	return all
}

// obtain gets credentials: the first source that has some counts, the one of last time is asked first.
func (i *identity) obtain(ctx context.Context, hurry bool) (lasting[obtained], error) {
	retries := i.cfg.Retries
	if !hurry {
		retries = 0
	}
	sources := i.sources()
	var faults CredentialsError
	for n := range sources {
		at := (i.last + n) % len(sources)
		creds, err := i.try(ctx, sources[at], retries)
		if err != nil {
			faults.Sources = append(faults.Sources, SourceError{sources[at].name, err})
			continue
		}
		i.last = at
		got := obtained{creds, sources[at].name}
		i.tell(ctx, got, faults)
		return credentialLife(got, time.Now()), nil
	}
	return lasting[obtained]{}, &faults
}

// try asks one source, with growing pauses between tries as the Java library makes them. A refusal is final.
func (i *identity) try(ctx context.Context, s source, retries int) (aws.Credentials, error) {
	const base = 500 * time.Millisecond
	for n := 0; ; n++ {
		creds, err := s.load(ctx)
		if err == nil && (creds.AccessKeyID == "" || creds.SecretAccessKey == "") {
			err = errors.New("they are empty")
		}
		if err == nil || n >= retries || final(err) {
			return creds, err
		}
		pause := rand.N(min(base<<min(n, 10), max(i.cfg.MaxBackoff, time.Millisecond)) + 1)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return creds, err
		}
	}
}

// final reports whether asking again will not help: the service has answered, and means it; or there is nobody to ask.
func final(err error) bool {
	var missing config.SharedConfigProfileNotExistError
	if errors.As(err, &missing) {
		return true
	}
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.ErrorCode() {
	case "Throttling", "ThrottlingException", "RequestLimitExceeded", "ServiceUnavailable", "InternalFailure", "InternalError", "IDPCommunicationError":
		return false
	}
	return true
}

// Lives of credentials. Brokers refuse a session that would end in a moment ("Session too short"), so the last minutes
// are not used while others can be had.
const (
	renewLeft  = 10 * time.Minute
	urgentLeft = 5 * time.Minute
	fixedLife  = time.Minute // then files are read again: keys in them may have been replaced
)

// credentialLife says when to get the next ones: 5 to 10 minutes before the end, or, for those that live less than
// half an hour, in the last third of their life.
func credentialLife(got obtained, now time.Time) lasting[obtained] {
	if !got.CanExpire {
		return lasting[obtained]{value: got, renew: now.Add(fixedLife), urgent: now.Add(24 * time.Hour), expires: now.Add(24 * time.Hour)}
	}
	life := got.Expires.Sub(now)
	renew, urgent := min(renewLeft, life/3), min(urgentLeft, life/6)
	renew -= rand.N(max((renew-urgent)/2, 1)) // jitter: many gateways were started at once
	return lasting[obtained]{value: got, renew: got.Expires.Add(-renew), urgent: got.Expires.Add(-urgent), expires: got.Expires}
}

// awsTimeout bounds one question to AWS: a login is to be refused within 15 seconds whatever is wrong.
const awsTimeout = 4 * time.Second

// chain loads credentials as the SDK's default chain does: environment, web identity, shared files, container, instance.
func (i *identity) chain(ctx context.Context, more ...func(*config.LoadOptions) error) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	cfg, err := i.awsConfig(ctx, more...)
	if err != nil {
		return aws.Credentials{}, err
	}
	return cfg.Credentials.Retrieve(ctx)
}

// awsConfig reads the environment and the shared AWS files. Sessions that they lead to bear a constant name.
func (i *identity) awsConfig(ctx context.Context, more ...func(*config.LoadOptions) error) (aws.Config, error) {
	with := append([]func(*config.LoadOptions) error{
		config.WithDefaultRegion(globalRegion),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }), // obtain tries again itself
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			if o.RoleSessionName == "" {
				o.RoleSessionName = i.cfg.SessionName
			}
		}),
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			if o.RoleSessionName == "" {
				o.RoleSessionName = i.cfg.SessionName
			}
		}),
	}, more...)
	cfg, err := config.LoadDefaultConfig(ctx, with...)
	if err != nil {
		return cfg, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	return cfg, nil
}

// globalRegion stands for STS's endpoint without a region. Source: the Java library's default of awsStsRegion.
const globalRegion = "aws-global"

// roleLife is what every role allows, and the most where one role assumes another.
const roleLife = time.Hour

// assume gets credentials of the role from STS.
func (i *identity) assume(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	client, err := i.stsClient(ctx, i.cfg.AccessKeyID, i.cfg.SecretAccessKey, i.cfg.SessionToken)
	if err != nil {
		return aws.Credentials{}, err
	}
	return stscreds.NewAssumeRoleProvider(client, i.cfg.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = i.cfg.SessionName
		o.Duration = roleLife
		if i.cfg.ExternalID != "" && i.cfg.AccessKeyID == "" {
			o.ExternalID = aws.String(i.cfg.ExternalID)
		}
	}).Retrieve(ctx)
}

// stsClient asks STS in the name of a key, or of the default chain when it is empty.
func (i *identity) stsClient(ctx context.Context, key, secret, session string) (*sts.Client, error) {
	var more []func(*config.LoadOptions) error
	if key != "" {
		more = append(more, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(key, secret, session)))
	}
	cfg, err := i.awsConfig(ctx, more...)
	if err != nil {
		return nil, err
	}
	return sts.NewFromConfig(cfg, func(o *sts.Options) {
		o.Region = globalRegion
		if i.cfg.STSRegion != "" {
			o.Region = i.cfg.STSRegion
		}
		if i.cfg.FIPS {
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
		}
	}), nil
}

// tell logs what is worth knowing about new credentials: once, when they are not those that were asked for, and who we
// are to AWS, when that is asked for.
func (i *identity) tell(ctx context.Context, got obtained, before CredentialsError) {
	if i.last > 0 && len(before.Sources) > 0 && !i.warned {
		i.warned = true
		i.log.Warn("the identity that is configured for Kafka cannot be had: logging in as another one, as the Java client does in silence",
			"wanted", before.Sources[0].Source, "why", before.Sources[0].Err, "used", got.source, "identity", i.name(ctx, got),
			"to_refuse_instead", `awsAddDefaultProviders="false"`)
	}
	if i.cfg.DebugIdentity && !i.said && i.log.Enabled(ctx, slog.LevelDebug) {
		i.said = true
		i.log.Debug("identity of the Kafka login", "source", got.source, "identity", i.name(ctx, got))
	}
}

// name asks AWS for the ARN of credentials.
func (i *identity) name(ctx context.Context, got obtained) string {
	arn, err := i.whoIs(ctx, got)
	if err != nil {
		return "not known"
	}
	return arn
}

func (i *identity) whoIs(ctx context.Context, got obtained) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	client, err := i.stsClient(ctx, got.AccessKeyID, got.SecretAccessKey, got.SessionToken)
	if err != nil {
		return "", err
	}
	answer, err := client.GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", err
	}
	return aws.ToString(answer.Arn), nil
}
