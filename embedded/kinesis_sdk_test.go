package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// sdkClient returns an SDK client of a Kinesis that listens on loopback, with a short status delay.
func sdkClient(t *testing.T) (*kinesis.Client, *Kinesis) {
	t.Helper()
	cfg := DefaultKinesisConfig()
	cfg.StatusDelay = time.Millisecond
	k := NewKinesis(cfg, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := kinesis.New(kinesis.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(server.URL),
		HTTPClient:   &http.Client{Transport: transport},
		Retryer:      retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "any", SecretAccessKey: "any"}, nil
		}),
	})
	return client, k
}

// TestSDK drives the life of a stream with aws-sdk-go-v2, its waiter and its paginators.
func TestSDK(t *testing.T) {
	client, k := sdkClient(t)
	ctx := t.Context()
	name := aws.String("orders")
	if _, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	waiter := kinesis.NewStreamExistsWaiter(client, func(o *kinesis.StreamExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, 10*time.Millisecond
	})
	if err := waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: name}, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	one, err := client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: name, PartitionKey: aws.String("k"), Data: []byte("one")})
	if err != nil {
		t.Fatal(err)
	}
	many, err := client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamARN: aws.String(k.arn("orders")), Records: []types.PutRecordsRequestEntry{
		{PartitionKey: aws.String("k"), Data: []byte("two")}, {PartitionKey: aws.String("k"), Data: []byte("three")},
	}})
	if err != nil || aws.ToInt32(many.FailedRecordCount) != 0 {
		t.Fatalf("PutRecords = %v, %v", many, err)
	}
	start, err := client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: name, ShardId: one.ShardId, ShardIteratorType: types.ShardIteratorTypeAtTimestamp,
		Timestamp: aws.Time(time.Now().Add(-time.Minute)),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: start.ShardIterator})
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, r := range got.Records {
		text += string(r.Data) + " "
	}
	if text != "one two three " || aws.ToInt64(got.MillisBehindLatest) != 0 || got.NextShardIterator == nil {
		t.Errorf("read %q, behind %d, next %v", text, aws.ToInt64(got.MillisBehindLatest), got.NextShardIterator)
	}
	if at := aws.ToTime(got.Records[0].ApproximateArrivalTimestamp); time.Since(at).Abs() > time.Minute {
		t.Errorf("arrival %s, want about now", at)
	}
	pages := kinesis.NewDescribeStreamPaginator(client, &kinesis.DescribeStreamInput{StreamName: name, Limit: aws.Int32(1)})
	shards := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		shards += len(page.StreamDescription.Shards)
	}
	if shards != 2 {
		t.Errorf("the paginator found %d shards, want 2", shards)
	}
	streams, err := client.ListStreams(ctx, &kinesis.ListStreamsInput{})
	if err != nil || len(streams.StreamSummaries) != 1 || fmt.Sprint(streams.StreamNames) != "[orders]" {
		t.Errorf("ListStreams = %v, %v", streams, err)
	}
	if got := k.Records("orders"); got != 3 {
		t.Errorf("Records = %d, want 3", got)
	}
}

// TestSDKErrors: the SDK knows our errors by their types, and tries again what it should.
func TestSDKErrors(t *testing.T) {
	client, k := sdkClient(t)
	ctx := t.Context()
	name := aws.String("s")
	var missing *types.ResourceNotFoundException
	if _, err := client.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: name}); !errors.As(err, &missing) {
		t.Errorf("DescribeStream of nothing = %v, want ResourceNotFoundException", err)
	}
	var invalid *types.InvalidArgumentException
	if _, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("x")}); !errors.As(err, &invalid) {
		t.Errorf("GetRecords with no iterator = %v, want InvalidArgumentException", err)
	}
	if _, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	var inUse *types.ResourceInUseException
	if _, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)}); !errors.As(err, &inUse) {
		t.Errorf("CreateStream twice = %v, want ResourceInUseException", err)
	}
	for name, fault := range map[string]KinesisFault{
		"throttled":  {Operation: "ListStreams", Times: 2, Type: limitExceededException, Message: "Rate exceeded for account 000000000000."},
		"internal":   {Operation: "ListStreams", Times: 2, Type: "InternalFailure"},
		"connection": {Operation: "ListStreams", Times: 1, Drop: true},
	} {
		k.Inject(fault)
		if _, err := client.ListStreams(ctx, &kinesis.ListStreamsInput{}); err != nil {
			t.Errorf("%s: the SDK did not get over the fault: %v", name, err)
		}
	}
}
