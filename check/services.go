package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/smithy-go"
	"github.com/prometheus/client_golang/prometheus"

	"headrace/kinesisclient"
	"headrace/lake/store"
)

// registry asks for the subjects, which needs the least rights.
func (d *doctor) registry(ctx context.Context) []Result {
	r := d.cfg.Registry
	if !r.Given || len(r.URLs) == 0 {
		return skipped("schema.registry.url is not given")
	}
	good, bad := each(r.URLs, func(base string) error { return d.askRegistry(ctx, base) })
	return judge(shownURLs(good), bad, registryCause, list(shownURLs(good))+" answers")
}

// statusError is an answer that is none.
type statusError struct {
	url    string
	status int
}

func (e *statusError) Error() string { return fmt.Sprintf("%s answers %d", e.url, e.status) }

func (d *doctor) askRegistry(ctx context.Context, base string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base, "/")+"/subjects", nil)
	if err != nil {
		return fmt.Errorf("schema.registry.url %s is no URL", shownURL(base))
	}
	client := d.cfg.Registry.Client
	if client == nil {
		client = http.DefaultClient
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return &urlError{shownURL(base), err}
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return &statusError{shownURL(base), resp.StatusCode}
	}
	return nil
}

// urlError is one of the way to a URL.
type urlError struct {
	url string
	err error
}

func (e *urlError) Error() string { return "asking " + e.url + ": " + lastCause(e.err) }

func (e *urlError) Unwrap() error { return e.err }

func registryCause(err error) (cause, next string) {
	var answered *statusError
	if errors.As(err, &answered) {
		switch answered.status {
		case http.StatusUnauthorized, http.StatusForbidden:
			return "the registry at " + answered.url + " refuses the login (" + strconv.Itoa(answered.status) + ")",
				"schema.registry.basic.auth.credentials.source=USER_INFO and schema.registry.basic.auth.user.info=USER:PASSWORD"
		case http.StatusNotFound:
			return "what answers at " + answered.url + " is no schema registry (404 for /subjects)", "schema.registry.url with the path of the registry's API"
		}
		return "the registry at " + answered.url + " answers " + strconv.Itoa(answered.status), "curl -sS " + answered.url + "/subjects"
	}
	var way *urlError
	if errors.As(err, &way) {
		return "the registry cannot be reached: " + err.Error(), "curl -sS " + way.url + "/subjects   # or schema.registry.url= (empty) without schemas"
	}
	return err.Error(), ""
}

// shownURL is a URL without its user.
func shownURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "[hidden]"
	}
	u.User = nil
	return u.String()
}

func shownURLs(all []string) []string {
	shown := make([]string, 0, len(all))
	for _, raw := range all {
		shown = append(shown, shownURL(raw))
	}
	return shown
}

// kinesis asks for the streams that are named, else for any.
func (d *doctor) kinesis(ctx context.Context) []Result {
	if d.cfg.Kinesis == nil {
		return skipped("nothing in the configuration speaks of Kinesis")
	}
	cfg := *d.cfg.Kinesis
	cfg.Tries, cfg.Budget = 1, slowTimeout
	client, err := kinesisclient.New(ctx, cfg, d.log, prometheus.NewRegistry())
	if err != nil {
		return failed("", "%v", err)
	}
	defer client.Close()
	call := func(op, body string) ([]byte, error) {
		b := kinesisclient.NewBody()
		defer b.Free()
		b.Bytes = append(b.Bytes, body...)
		answer, err := client.Call(ctx, op, b)
		if err != nil {
			return nil, err
		}
		return answer.Body, nil
	}
	if len(d.cfg.Streams) == 0 {
		if _, err := call(kinesisclient.OpListStreams, `{"Limit":1}`); err != nil {
			cause, next := kinesisCause(err, kinesisclient.OpListStreams, "*")
			return failed(next, "%s", cause)
		}
		return ok("streams can be listed; --stream NAME looks closer")
	}
	var results []Result
	for _, stream := range d.cfg.Streams {
		results = append(results, d.stream(stream, call)...)
	}
	return results
}

// stream looks at one stream, and writes to it when it is told to.
func (d *doctor) stream(name string, call func(op, body string) ([]byte, error)) []Result {
	fail := func(op string, err error) []Result {
		cause, next := kinesisCause(err, op, name)
		return failed(next, "stream %s: %s", name, cause)
	}
	answer, err := call(kinesisclient.OpDescribeStreamSummary, fmt.Sprintf(`{"StreamName":%q}`, name))
	if err != nil {
		return fail(kinesisclient.OpDescribeStreamSummary, err)
	}
	var summary struct {
		StreamDescriptionSummary struct{ StreamStatus string }
	}
	status := ""
	if json.Unmarshal(answer, &summary) == nil {
		status = summary.StreamDescriptionSummary.StreamStatus
	}
	switch {
	case status == "CREATING" || status == "DELETING":
		return failed("aws kinesis wait stream-exists --stream-name "+name, "stream %s cannot be written to: it is %s", name, status)
	case !d.cfg.Write:
		return ok("stream %s is there, %s", name, status)
	}
	if _, err := call(kinesisclient.OpPutRecord, fmt.Sprintf(`{"StreamName":%q,"PartitionKey":"headrace","Data":%q}`, name, base64Text(d.note()))); err != nil {
		return fail(kinesisclient.OpPutRecord, err)
	}
	return ok("a record was written to stream %s", name)
}

// kinesisCause words what Kinesis refuses.
func kinesisCause(err error, op, stream string) (cause, next string) {
	var api *kinesisclient.APIError
	if errors.As(err, &api) {
		switch api.Class() {
		case kinesisclient.ClassNotFound:
			return "there is no such stream in this region and account", "aws kinesis create-stream --stream-name " + stream + "   # or mend kinesis.region"
		case kinesisclient.ClassAccess:
			if api.Type == "AccessDeniedException" {
				return "the role lacks kinesis:" + op, fmt.Sprintf(`{"Effect":"Allow","Action":"kinesis:%s","Resource":"arn:aws:kinesis:REGION:ACCOUNT:stream/%s"}   # in the policy of the role`, op, stream)
			}
			return "Kinesis refuses the credentials: " + api.Type, "aws sts get-caller-identity"
		}
		return fmt.Sprintf("Kinesis answers %s", api.Type), "aws kinesis list-streams"
	}
	switch {
	case errors.Is(err, kinesisclient.ErrRegion):
		return "no AWS region is known for Kinesis", "kinesis.region=us-east-1"
	case errors.Is(err, kinesisclient.ErrCredentials):
		return "no AWS credentials were found for Kinesis", "aws sts get-caller-identity"
	case errors.Is(err, kinesisclient.ErrUnreachable), errors.Is(err, kinesisclient.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return "Kinesis cannot be reached: " + lastCause(err), "aws ec2 create-vpc-endpoint --vpc-id VPC --vpc-endpoint-type Interface --service-name com.amazonaws.REGION.kinesis-streams"
	}
	return lastCause(err), ""
}

// s3 opens the bucket of each connector and looks at the place it writes to.
func (d *doctor) s3(ctx context.Context) []Result {
	if len(d.cfg.Buckets) == 0 {
		return skipped("no connector is named; --sink CONNECTOR.properties looks at its bucket")
	}
	var results []Result
	for _, b := range d.cfg.Buckets {
		results = append(results, d.bucket(ctx, b)...)
	}
	return results
}

// checkObject is the key of what Write puts into a bucket for a moment, outside of the topics.
const checkObject = "headrace-check.json"

func (d *doctor) bucket(ctx context.Context, b Bucket) []Result {
	objects, free, err := b.Open(ctx)
	if err != nil {
		return bucketCause(err, b, "s3:ListBucket")
	}
	defer free()
	for _, err := range objects.List(ctx, b.Prefix) {
		if err != nil {
			return bucketCause(err, b, "s3:ListBucket")
		}
		break // one is enough
	}
	if !d.cfg.Write {
		return ok("bucket %s is there", b.Name)
	}
	if err := objects.Put(ctx, checkObject, d.note()); err != nil {
		return bucketCause(err, b, "s3:PutObject")
	}
	if err := objects.Delete(ctx, checkObject); err != nil {
		return []Result{warning("aws s3 rm s3://"+b.Name+"/"+checkObject, "%s was written to bucket %s, and may not be deleted again", checkObject, b.Name)}
	}
	return ok("an object was written to bucket %s and deleted again", b.Name)
}

// bucketCause words what S3 refuses. Source: Amazon S3 API reference, "Error responses".
func bucketCause(err error, b Bucket, action string) []Result {
	var api smithy.APIError
	code := ""
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	switch {
	case errors.Is(err, store.ErrNoBucket), code == "NoSuchBucket", strings.HasPrefix(err.Error(), "Non-existent"):
		return failed("aws s3 mb s3://"+b.Name+" --region "+b.Region, "there is no bucket %s", b.Name)
	case code == "AccessDenied", code == "Forbidden":
		resource := "arn:aws:s3:::" + b.Name
		if action != "s3:ListBucket" {
			resource += "/*"
		}
		result := failed(fmt.Sprintf(`{"Effect":"Allow","Action":%q,"Resource":%q}   # in the policy of the role`, action, resource), "the role lacks %s on bucket %s", action, b.Name)
		if action == "s3:ListBucket" { // the sink itself writes only
			result[0].Status = Warning
		}
		return result
	case code == "PermanentRedirect", code == "AuthorizationHeaderMalformed", code == "IllegalLocationConstraintException", code == "MovedPermanently", code == "301":
		return failed("aws s3api get-bucket-location --bucket "+b.Name+"   # and set s3.region to it", "bucket %s lies in another region than s3.region=%s", b.Name, b.Region)
	case code == "InvalidAccessKeyId":
		return failed("aws sts get-caller-identity", "S3 does not know the access key")
	case code == "SignatureDoesNotMatch":
		return failed("aws sts get-caller-identity", "the secret does not belong to the access key")
	case code == "RequestTimeTooSkewed":
		return failed("chronyc makestep   # or timedatectl set-ntp true", "this host's clock is wrong: S3 takes the request for too old or too young")
	case code != "":
		return failed("aws s3 ls s3://"+b.Name, "bucket %s: S3 answers %s", b.Name, code)
	}
	return failed("aws s3 ls s3://"+b.Name, "bucket %s cannot be reached: %s", b.Name, lastCause(err))
}
