package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// S3Config says which bucket to use and how to reach it. Field comments name the connector's key.
type S3Config struct {
	Bucket          string        // s3.bucket.name
	Region          string        // s3.region; used for signing, with an endpoint too
	Endpoint        string        // store.url; empty: Amazon's own
	PathStyle       bool          // s3.path.style.access.enabled: bucket in the path, not in the host name
	AccessKeyID     string        // aws.access.key.id; with the secret: instead of the default chain
	SecretAccessKey string        // aws.secret.access.key
	Retries         int           // s3.part.retries: repeats of one call, beyond the first try
	RetryBackoff    time.Duration // s3.retry.backoff.ms: base of the exponential back-off with full jitter
	Connections     int           // connections kept open between calls
}

// maxRetryBackoff is the reference's longest pause between two tries of one call.
// Source: the sink's contract, s3.retry.backoff.ms.
const maxRetryBackoff = 24 * time.Hour

// answerTimeout is how long S3 may take to answer a request that it has got in full.
const answerTimeout = 30 * time.Second

// S3 is a Store in one bucket of Amazon S3, or of a server that speaks its protocol.
type S3 struct {
	client *s3.Client
	conns  *http.Transport
	bucket string
}

var _ Store = (*S3)(nil)

// OpenS3 connects to a bucket and checks that it is there; it never makes one.
// A bucket that is missing fails with ErrNoBucket. Call Close when done.
func OpenS3(ctx context.Context, cfg S3Config) (*S3, error) {
	buildable := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = cfg.Connections
		t.MaxIdleConnsPerHost = cfg.Connections
		t.ResponseHeaderTimeout = answerTimeout
		t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	})
	options := []func(*config.LoadOptions) error{
		config.WithRegion(cfg.Region),
		config.WithHTTPClient(buildable), // takes AWS_CA_BUNDLE
		config.WithRetryer(func() aws.Retryer { return newRetryer(cfg) }),
		// The payload's SHA-256 is signed anyway; older servers stumble over more checksums.
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	if cfg.AccessKeyID != "" && cfg.SecretAccessKey != "" {
		fixed := aws.Credentials{AccessKeyID: cfg.AccessKeyID, SecretAccessKey: cfg.SecretAccessKey, Source: "configuration"}
		options = append(options, config.WithCredentialsProvider(aws.CredentialsProviderFunc(
			func(context.Context) (aws.Credentials, error) { return fixed, nil })))
	}
	awsConfig, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	// The SDK's client hands out copies of its transport only: connections that nobody could close.
	if built, ok := awsConfig.HTTPClient.(*awshttp.BuildableClient); ok {
		buildable = built
	}
	transport := buildable.GetTransport()
	client := s3.NewFromConfig(awsConfig, func(o *s3.Options) {
		o.HTTPClient = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a signature is for one host
		}}
		o.UsePathStyle = cfg.PathStyle
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(cfg.Endpoint)
		}
	})
	s := &S3{client: client, conns: transport, bucket: cfg.Bucket}
	if err := s.check(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func newRetryer(cfg S3Config) aws.Retryer {
	base := cfg.RetryBackoff
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = cfg.Retries + 1
		o.RateLimiter = ratelimit.None // the quota would end retries early when the endpoint is down
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			limit := float64(base) * math.Pow(2, float64(attempt))
			return time.Duration(rand.Float64() * min(limit, float64(maxRetryBackoff))), nil
		})
	})
}

// Close closes the connections that are idle.
func (s *S3) Close() { s.conns.CloseIdleConnections() }

// check asks for the bucket. HEAD answers carry no reason, so a failed one is asked again with a GET.
// Who may write but not list gets AccessDenied there: the bucket exists.
func (s *S3) check(ctx context.Context) error {
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	if err == nil {
		return nil
	}
	_, err = s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, MaxKeys: aws.Int32(1)})
	var api smithy.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api) && api.ErrorCode() == "NoSuchBucket":
		return ErrNoBucket
	case errors.As(err, &api) && api.ErrorCode() == "AccessDenied":
		return nil
	}
	return fmt.Errorf("asking for bucket %s: %w", s.bucket, err)
}

// contentType is what the replaced sink sets, whatever the format.
const contentType = "application/octet-stream"

// Put sends one PutObject.
func (s *S3) Put(ctx context.Context, key string, body []byte) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(body), ContentType: aws.String(contentType),
	})
	if err != nil {
		return &Error{"putting", key, err}
	}
	return nil
}

// PutNew sends one PutObject with If-None-Match.
// Source: Amazon S3 user guide, conditional writes: 412 when the key is taken.
func (s *S3) PutNew(ctx context.Context, key string, body []byte) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(body), ContentType: aws.String(contentType), IfNoneMatch: aws.String("*"),
	})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "PreconditionFailed" {
		err = ErrExists
	}
	if err != nil {
		return &Error{"putting", key, err}
	}
	return nil
}

// Delete sends one DeleteObject.
func (s *S3) Delete(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
	var missing *types.NoSuchKey
	if err != nil && !errors.As(err, &missing) {
		return &Error{"deleting", key, err}
	}
	return nil
}

// Create begins a multipart upload.
func (s *S3) Create(ctx context.Context, key string) (Upload, error) {
	out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: &key, ContentType: aws.String(contentType),
	})
	if err != nil {
		return nil, &Error{"creating", key, err}
	}
	return &s3Upload{s: s, key: key, id: aws.ToString(out.UploadId)}, nil
}

type s3Upload struct {
	s   *S3
	key string
	id  string

	mu    sync.Mutex
	parts []types.CompletedPart
	size  int64
}

func (u *s3Upload) Part(ctx context.Context, number int32, data []byte) error {
	out, err := u.s.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.s.bucket, Key: &u.key, UploadId: &u.id, PartNumber: &number, Body: bytes.NewReader(data),
	})
	if err != nil {
		return &Error{"writing a part of", u.key, err}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts = append(u.parts, types.CompletedPart{PartNumber: &number, ETag: out.ETag})
	u.size += int64(len(data))
	return nil
}

func (u *s3Upload) Complete(ctx context.Context) error {
	u.mu.Lock()
	parts, size := slices.Clone(u.parts), u.size
	u.mu.Unlock()
	slices.SortFunc(parts, func(a, b types.CompletedPart) int { return cmp.Compare(*a.PartNumber, *b.PartNumber) })
	_, err := u.s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.s.bucket, Key: &u.key, UploadId: &u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if isGone(err) && u.s.holds(ctx, u.key, size) {
		return nil // completed by a try whose answer was lost
	}
	if err != nil {
		return &Error{"completing", u.key, err}
	}
	return nil
}

// isGone reports whether S3 no longer knows an upload.
func isGone(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "NoSuchUpload"
}

// holds reports whether the object is there and has that size.
func (s *S3) holds(ctx context.Context, key string, size int64) bool {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	return err == nil && aws.ToInt64(out.ContentLength) == size
}

func (u *s3Upload) Abort(ctx context.Context) error {
	_, err := u.s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &u.s.bucket, Key: &u.key, UploadId: &u.id,
	})
	if err != nil && !isGone(err) {
		return &Error{"aborting", u.key, err}
	}
	return nil
}

// Get opens the object of that key.
func (s *S3) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	var missing *types.NoSuchKey
	if errors.As(err, &missing) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, &Error{"getting", key, err}
	}
	return out.Body, nil
}

// List asks page by page.
func (s *S3) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Object{}, &Error{"listing", prefix, err})
				return
			}
			for _, o := range page.Contents {
				if strings.HasSuffix(*o.Key, "/") {
					continue // a directory marker of some console
				}
				if !yield(Object{Key: *o.Key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}
