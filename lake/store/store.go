package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"slices"
	"syscall"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Store is one bucket. All methods may be called at the same time.
type Store interface {
	// Put writes body as the object of that key, in place of any earlier one. When it
	// returns nil the object is durable; when it fails the object is the earlier one, or
	// body in full if only the answer was lost. body must not change until Put returns.
	Put(ctx context.Context, key string, body []byte) error

	// PutNew is Put for a key that must not be taken: when it is, PutNew fails with ErrExists and
	// changes nothing. After any other failure the object may be there, if only the answer was
	// lost; a repeat whose first try got through fails with ErrExists too, so who gets it must
	// look whose object it is.
	PutNew(ctx context.Context, key string, body []byte) error

	// Create begins an object that is handed over in parts. Nothing of it is seen before
	// Upload.Complete. Every Upload ends with Complete or Abort.
	Create(ctx context.Context, key string) (Upload, error)

	// Get opens the object of that key, or fails with ErrNotFound. The caller closes it.
	Get(ctx context.Context, key string) (io.ReadCloser, error)

	// List yields the objects whose keys begin with prefix, by rising key. An error ends it.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]

	// Delete removes the object of that key. One that is not there is no error.
	Delete(ctx context.Context, key string) error
}

// Upload is an object on its way in parts.
type Upload interface {
	// Part hands over part number (from 1). All parts but the last have the same size, at
	// least MinPartBytes. Parts may be handed over in any order and at the same time.
	Part(ctx context.Context, number int32, data []byte) error
	// Complete joins the parts; when it returns nil the object is durable.
	Complete(ctx context.Context) error
	// Abort drops the parts.
	Abort(ctx context.Context) error
}

// Object is one line of a List.
type Object struct {
	Key      string
	Size     int64     // bytes
	Modified time.Time // when it was last written
}

// MinPartBytes and MaxPartBytes bound the size of a part.
// Source: Amazon S3 user guide, multipart upload limits; the sink's reference stops at 2 GiB.
const (
	MinPartBytes = 5 << 20
	MaxPartBytes = 1<<31 - 1
)

// Sentinels of this package.
var (
	ErrNotFound = errors.New("no such object")
	ErrExists   = errors.New("the key is taken")
	ErrNoBucket = errors.New("non-existent bucket")
	errBadKey   = errors.New("the key does not name a file below the bucket's directory")
)

// Error says which call on which object failed.
type Error struct {
	Op  string // gerund: "putting"
	Key string
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("%s object %s: %v", e.Op, e.Key, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent reports whether repeating the call cannot help: the store understood the request
// and refused it (403, 404, another 4xx; a path that may not be written). Throttling, 5xx, a
// skewed clock, a full disk and everything that happened on the way are not permanent.
// Source: the sink's contract, "Failure handling".
func Permanent(err error) bool {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status := response.HTTPStatusCode()
		return status >= 400 && status < 500 && !passing(status, err)
	}
	return errors.Is(err, errBadKey) || errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrNotFound) ||
		errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) ||
		errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EROFS)
}

// passingCodes are refusals with a 4xx status that go away by themselves.
var passingCodes = []string{
	"RequestTimeTooSkewed", "RequestTimeout", "RequestTimeoutException", "SlowDown", "Throttling",
	"ThrottlingException", "RequestLimitExceeded", "RequestThrottled", "TooManyRequestsException", "OperationAborted",
	"ConditionalRequestConflict", // another conditional write of the key is under way
}

func passing(status int, err error) bool {
	if status == http.StatusRequestTimeout || status == http.StatusTooManyRequests {
		return true
	}
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(passingCodes, api.ErrorCode())
}
