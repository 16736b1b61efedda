package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

// Skews of the clock. Source: AWS accepts signatures that are five minutes off at most (IAM user
// guide, "Troubleshoot signed requests"); ours is an early warning.
const (
	maxSkew  = 5 * time.Minute
	warnSkew = time.Minute
)

// identity is one way to be somebody to AWS.
type identity struct {
	use        string // what it is for
	roleKey    string // the setting that names the role
	role       string // to assume; empty: none
	session    string // name of its sessions
	externalID string
	profile    string
	region     string
	stsRegion  string
	fixed      aws.CredentialsProvider // nil: the default chain
}

// identities are those that the configuration needs. A Kinesis elsewhere than at Amazon knows no STS.
func (d *doctor) identities() []identity {
	var all []identity
	if d.byIAM() {
		iam := d.cfg.Kafka.Login.SASL.IAM
		id := identity{
			use: "the login to Kafka", roleKey: "awsRoleArn", role: iam.RoleARN, session: iam.SessionName, externalID: iam.ExternalID,
			profile: iam.Profile, region: d.region(), stsRegion: iam.STSRegion,
		}
		if iam.AccessKeyID != "" && iam.SecretAccessKey != "" {
			id.externalID = "" // as Java does it
			id.fixed = credentials.NewStaticCredentialsProvider(iam.AccessKeyID, iam.SecretAccessKey, iam.SessionToken)
		}
		all = append(all, id)
	}
	if k := d.cfg.Kinesis; k != nil && (k.Endpoint == "" || strings.Contains(k.Endpoint, ".amazonaws.com")) && k.StaticKey == "" {
		all = append(all, identity{use: "Kinesis", roleKey: "kinesis.role.arn", role: k.RoleARN, session: "headrace", profile: k.Profile, region: k.Region})
	}
	return all
}

// aws asks who this host is to AWS, whether it may be whom the configuration wants, and what time it is there.
func (d *doctor) aws(ctx context.Context) []Result {
	ids := d.identities()
	if len(ids) == 0 {
		return skipped("neither the login to Kafka nor Kinesis needs AWS")
	}
	var results []Result
	for i, id := range ids {
		if i > 0 && id.profile == ids[0].profile && id.role == ids[0].role && ids[0].fixed == nil {
			continue // the same again
		}
		results = append(results, d.identify(ctx, id)...)
	}
	return append(results, d.regions(ctx)...)
}

// identify goes the way of one identity.
func (d *doctor) identify(ctx context.Context, id identity) []Result {
	clock := &clockWatch{next: http.DefaultTransport}
	client, err := id.sts(ctx, clock)
	if err != nil {
		return failed("aws configure list --profile "+id.profile, "%s: reading the AWS configuration: %v", id.use, err)
	}
	who, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	skew := clock.judge()
	if err != nil {
		if len(skew) > 0 && skew[0].Status == Failed {
			return skew
		}
		cause, next := awsCause(err)
		return append(failed(next, "%s: %s", id.use, cause), skew...)
	}
	if id.role == "" {
		return append(ok("%s goes as %s", id.use, aws.ToString(who.Arn)), skew...)
	}
	return append(id.assume(ctx, client, aws.ToString(who.Arn)), skew...)
}

// sts is a client with the identity that a role would be assumed from.
func (id identity) sts(ctx context.Context, transport http.RoundTripper) (*sts.Client, error) {
	options := []func(*config.LoadOptions) error{
		config.WithSharedConfigProfile(id.profile),
		config.WithRetryMaxAttempts(1),
		config.WithLogger(logging.Nop{}), // its words would stand between the findings
	}
	if id.fixed != nil {
		options = append(options, config.WithCredentialsProvider(id.fixed))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	region := cfg.Region
	for _, r := range []string{id.stsRegion, id.region} {
		if r != "" && r != "REGION" {
			region = r
			break
		}
	}
	if region == "" {
		region = "us-east-1"
	}
	return sts.NewFromConfig(cfg, func(o *sts.Options) {
		o.Region = region
		o.HTTPClient = &http.Client{Transport: transport, Timeout: slowTimeout}
	}), nil
}

// assume tries the role, as who.
func (id identity) assume(ctx context.Context, client *sts.Client, who string) []Result {
	input := &sts.AssumeRoleInput{RoleArn: &id.role, RoleSessionName: &id.session, DurationSeconds: aws.Int32(900)}
	if id.externalID != "" {
		input.ExternalId = &id.externalID
	}
	_, err := client.AssumeRole(ctx, input)
	own := principal(who) == id.role
	var api smithy.APIError
	switch {
	case err == nil && own:
		return []Result{warning("leave "+id.roleKey+" out", "%s: this host already has the role %s, and assumes it once more", id.use, id.role)}
	case err == nil:
		return ok("%s goes as %s, by way of %s", id.use, id.role, who)
	case own:
		return failed("leave "+id.roleKey+" out", "%s: %s names the role that this host has already, by its instance profile: no role needs to be assumed, and it may not assume itself", id.use, id.roleKey)
	case errors.As(err, &api) && api.ErrorCode() == "AccessDenied":
		return failed(id.trust(who), "%s: %s may not assume %s: its trust policy does not name it, the policy of %s does not allow sts:AssumeRole, or there is no such role", id.use, who, id.role, lastPart(principal(who)))
	}
	cause, next := awsCause(err)
	return failed(next, "%s: assuming %s: %s", id.use, id.role, cause)
}

// trust is the statement that lets who assume the role.
func (id identity) trust(who string) string {
	condition := ""
	if id.externalID != "" {
		condition = `,"Condition":{"StringEquals":{"sts:ExternalId":"THE-EXTERNAL-ID"}}`
	}
	return fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole"%s}   # paste into the trust policy of %s`, principal(who), condition, lastPart(id.role))
}

// principal is what a policy calls the caller: of a session its role.
func principal(who string) string {
	if m := assumedRole.FindStringSubmatch(who); m != nil {
		return fmt.Sprintf("arn:%s:iam::%s:role/%s", m[1], m[2], m[3])
	}
	return who
}

func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// awsCause words what AWS refuses by its codes. Source: STS API reference, "Common Errors".
func awsCause(err error) (cause, next string) {
	const look = "aws sts get-caller-identity"
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "InvalidClientTokenId", "UnrecognizedClientException":
			return "AWS does not know the access key", look
		case "SignatureDoesNotMatch", "InvalidSignatureException":
			return "the secret does not belong to the access key", look
		case "ExpiredToken", "ExpiredTokenException":
			return "the session's credentials have expired", "renew them; on EC2 take the instance profile's, which renew themselves"
		case "RequestExpired", "RequestTimeTooSkewed":
			return "this host's clock is wrong: AWS takes the request for too old or too young", "chronyc tracking"
		case "AccessDenied", "AccessDeniedException":
			return "AWS refuses: " + api.ErrorMessage(), look
		case "RegionDisabledException":
			return "STS is switched off for this account in this region", "awsStsRegion=us-east-1"
		}
		return "AWS answers " + api.ErrorCode(), look
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "no EC2 IMDS role found"), strings.Contains(text, "failed to refresh cached credentials"), strings.Contains(text, "get credentials"):
		return "no AWS credentials were found: not in the environment, a profile, the container's or the instance's metadata", "aws ec2 associate-iam-instance-profile --instance-id ID --iam-instance-profile Name=PROFILE"
	case errors.Is(err, context.DeadlineExceeded):
		return "STS does not answer: this host has no way to the internet, or the VPC no endpoint for STS", "aws ec2 create-vpc-endpoint --vpc-id VPC --vpc-endpoint-type Interface --service-name com.amazonaws.REGION.sts"
	}
	return "STS cannot be reached: " + lastCause(err), look
}

// lastCause is the innermost error: what the layers before it say is for programmers.
func lastCause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// clockWatch compares the Date of answers with this host's clock.
type clockWatch struct {
	next http.RoundTripper
	skew atomic.Int64 // nanoseconds that this host is ahead
	seen atomic.Bool
}

// RoundTrip passes the request on.
func (c *clockWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if there, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.skew.Store(int64(time.Since(there)))
		c.seen.Store(true)
	}
	return resp, nil
}

func (c *clockWatch) judge() []Result {
	skew := time.Duration(c.skew.Load())
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	const next = "chronyc makestep   # or timedatectl set-ntp true"
	switch size := skew.Abs(); {
	case !c.seen.Load() || size < warnSkew:
		return nil
	case size < maxSkew:
		return []Result{warning(next, "this host's clock is %v %s AWS's: from 5 min on, signatures are refused", size.Round(time.Second), direction)}
	default:
		return failed(next, "this host's clock is %v %s AWS's: signatures are refused from 5 min on", size.Round(time.Second), direction)
	}
}

// regions compares where the brokers are with where streams are looked for.
func (d *doctor) regions(ctx context.Context) []Result {
	brokers := d.region()
	if d.cfg.Kinesis == nil || brokers == "REGION" {
		return nil
	}
	streams := d.cfg.Kinesis.Region
	if streams == "" {
		if cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(d.cfg.Kinesis.Profile)); err == nil {
			streams = cfg.Region
		}
	}
	if streams == "" || streams == brokers {
		return nil
	}
	return []Result{warning("kinesis.region="+brokers, "the brokers are in %s, but streams are looked for in %s", brokers, streams)}
}
