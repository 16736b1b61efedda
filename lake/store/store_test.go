package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stores opens one store of each kind.
func stores(t *testing.T) map[string]Store {
	t.Helper()
	dir, err := OpenDir(t.TempDir(), "bucket")
	if err != nil {
		t.Fatalf("OpenDir: %v", err)
	}
	all := map[string]Store{"Dir": dir}
	if s := realS3(t); s != nil {
		all["S3"] = s
	}
	return all
}

// realS3 opens the S3 server of the environment, or says what is missed without it.
func realS3(t *testing.T) Store {
	t.Helper()
	endpoint := os.Getenv("HEADRACE_TEST_S3")
	if endpoint == "" {
		if os.Getenv("CI") != "" {
			t.Error("HEADRACE_TEST_S3 is not set: in CI the S3 store must be tested")
		}
		t.Log("HEADRACE_TEST_S3 is not set: the S3 store is not tested")
		return nil
	}
	s, err := OpenS3(t.Context(), s3Config(endpoint, os.Getenv("HEADRACE_TEST_S3_BUCKET")))
	if err != nil {
		t.Fatalf("OpenS3: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

func s3Config(endpoint, bucket string) S3Config {
	return S3Config{
		Bucket: bucket, Region: "us-east-1", Endpoint: endpoint, PathStyle: true,
		AccessKeyID: "test", SecretAccessKey: "testsecret",
		Retries: 2, RetryBackoff: time.Millisecond, Connections: 4,
	}
}

// TestStores holds every Store to the same promises.
func TestStores(t *testing.T) {
	for name, s := range stores(t) {
		prefix := fmt.Sprintf("%s-%d/", strings.ToLower(t.Name()), time.Now().UnixNano())
		t.Run(name, func(t *testing.T) {
			t.Run("an object reads back as it was put", func(t *testing.T) { testPut(t, s, prefix+"put/") })
			t.Run("a list is by key and by prefix", func(t *testing.T) { testList(t, s, prefix+"list/") })
			t.Run("an object in parts is seen when complete", func(t *testing.T) { testParts(t, s, prefix+"parts/") })
			t.Run("an aborted object is never seen", func(t *testing.T) { testAbort(t, s, prefix+"abort/") })
			t.Run("many objects at once", func(t *testing.T) { testParallel(t, s, prefix+"many/") })
			t.Run("of many who take a key one wins", func(t *testing.T) { testPutNew(t, s, prefix+"new/") })
			t.Run("a deleted object is gone", func(t *testing.T) { testDelete(t, s, prefix+"delete/") })
			t.Run("a missing object is ErrNotFound", func(t *testing.T) {
				if _, err := s.Get(t.Context(), prefix+"missing"); !errors.Is(err, ErrNotFound) || !Permanent(err) {
					t.Errorf("Get = %v, want ErrNotFound, permanent", err)
				}
			})
			t.Run("a context that is over stops a write", func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := s.Put(ctx, prefix+"late", []byte("x")); !errors.Is(err, context.Canceled) || Permanent(err) {
					t.Errorf("Put = %v, want context.Canceled, not permanent", err)
				}
			})
		})
	}
}

func read(t *testing.T, s Store, key string) string {
	t.Helper()
	body, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get(%s): %v", key, err)
	}
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("reading %s: %v", key, err)
	}
	return string(text)
}

func testPut(t *testing.T, s Store, prefix string) {
	for _, key := range []string{"plain", "topics/a.b_c-d/partition=0/a.b_c-d+0+0000000017.json", "sp ace/ü+%25=&"} {
		for _, body := range []string{"", "{\"a\":1}\n", strings.Repeat("long", 100_000), "short again"} {
			if err := s.Put(t.Context(), prefix+key, []byte(body)); err != nil {
				t.Fatalf("Put(%s, %d bytes): %v", key, len(body), err)
			}
			if got := read(t, s, prefix+key); got != body {
				t.Errorf("Get(%s) has %d bytes, want %d", key, len(got), len(body))
			}
		}
	}
}

func testPutNew(t *testing.T, s Store, prefix string) {
	var wins, losses atomic.Int32
	var writers sync.WaitGroup
	for i := range 16 {
		writers.Go(func() {
			switch err := s.PutNew(t.Context(), prefix+"log/0.json", []byte(strconv.Itoa(i))); {
			case err == nil:
				wins.Add(1)
			case errors.Is(err, ErrExists):
				losses.Add(1)
			default:
				t.Errorf("PutNew: %v", err)
			}
		})
	}
	writers.Wait()
	if wins.Load() != 1 || losses.Load() != 15 {
		t.Errorf("%d writers won and %d lost, want 1 and 15", wins.Load(), losses.Load())
	}
	was := read(t, s, prefix+"log/0.json")
	if err := s.PutNew(t.Context(), prefix+"log/0.json", []byte("later")); !errors.Is(err, ErrExists) {
		t.Errorf("PutNew of a taken key = %v, want ErrExists", err)
	}
	if now := read(t, s, prefix+"log/0.json"); now != was {
		t.Errorf("a lost PutNew changed the object from %q to %q", was, now)
	}
	if diff := cmp.Diff([]string{"log/0.json " + strconv.Itoa(len(was))}, keys(t, s, prefix)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

func testDelete(t *testing.T, s Store, prefix string) {
	for _, key := range []string{"a/1", "a/2"} {
		if err := s.Put(t.Context(), prefix+key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // one that is not there is no error
		if err := s.Delete(t.Context(), prefix+"a/1"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	for object, err := range s.List(t.Context(), prefix) {
		if err != nil || object.Key != prefix+"a/2" || time.Since(object.Modified).Abs() > time.Hour {
			t.Errorf("List = %+v, %v, want only a/2, modified now", object, err)
		}
	}
}

func keys(t *testing.T, s Store, prefix string) []string {
	t.Helper()
	var got []string
	for object, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List(%s): %v", prefix, err)
		}
		got = append(got, fmt.Sprintf("%s %d", strings.TrimPrefix(object.Key, prefix), object.Size))
	}
	return got
}

func testList(t *testing.T, s Store, prefix string) {
	for _, key := range []string{"b/2", "a/1", "a-1", "b/10", "c"} {
		if err := s.Put(t.Context(), prefix+key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"a-1 3", "a/1 3", "b/10 4", "b/2 3", "c 1"}, keys(t, s, prefix)); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"0 4"}, keys(t, s, prefix+"b/1")); diff != "" {
		t.Errorf("List of b/1 (-want +got):\n%s", diff)
	}
	if got := keys(t, s, prefix+"none"); got != nil {
		t.Errorf("List of nothing = %v", got)
	}
	for _, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Error(err)
		}
		break // a caller may stop early
	}
}

func testParts(t *testing.T, s Store, prefix string) {
	parts := [][]byte{bytes.Repeat([]byte("1"), MinPartBytes), bytes.Repeat([]byte("2"), MinPartBytes), []byte("3")}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}} {
		key := prefix + fmt.Sprint(order)
		upload, err := s.Create(t.Context(), key)
		if err != nil {
			t.Fatalf("Create: %v", err)
		}
		for _, i := range order {
			if err := upload.Part(t.Context(), int32(i+1), parts[i]); err != nil {
				t.Fatalf("Part(%d): %v", i+1, err)
			}
		}
		if got := keys(t, s, key); got != nil {
			t.Errorf("before Complete there is %v", got)
		}
		if err := upload.Complete(t.Context()); err != nil {
			t.Fatalf("Complete: %v", err)
		}
		if got, want := read(t, s, key), string(bytes.Join(parts, nil)); got != want {
			t.Errorf("the object has %d bytes, want %d in order", len(got), len(want))
		}
	}
}

func testAbort(t *testing.T, s Store, prefix string) {
	upload, err := s.Create(t.Context(), prefix+"x")
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	if err := upload.Part(t.Context(), 1, bytes.Repeat([]byte("1"), MinPartBytes)); err != nil {
		t.Fatalf("Part: %v", err)
	}
	for range 2 {
		if err := upload.Abort(t.Context()); err != nil {
			t.Errorf("Abort: %v", err)
		}
	}
	if got := keys(t, s, prefix); got != nil {
		t.Errorf("after Abort there is %v", got)
	}
}

func testParallel(t *testing.T, s Store, prefix string) {
	const n = 64
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			if err := s.Put(t.Context(), fmt.Sprintf("%sp%d/%03d", prefix, i%4, i), fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := len(keys(t, s, prefix)); got != n {
		t.Errorf("%d objects, want %d", got, n)
	}
}

func TestDirKeepsToItsBucket(t *testing.T) {
	base := t.TempDir()
	dir, err := OpenDir(base, "bucket")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"../x", "a/../../x", "", ".", "a/"} {
		if err := dir.Put(t.Context(), key, nil); err == nil || !Permanent(err) {
			t.Errorf("Put(%q) = %v, want a permanent error", key, err)
		}
	}
	for _, bucket := range []string{"..", "a/b", ""} {
		if _, err := OpenDir(base, bucket); err == nil {
			t.Errorf("OpenDir(%q) succeeds", bucket)
		}
	}
}

// TestDirLeavesNothingHalf: no temporary file stands among the objects at any time, and those of
// a process that died long ago are swept away.
func TestDirLeavesNothingHalf(t *testing.T) {
	base := t.TempDir()
	dir, err := OpenDir(base, "bucket")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Create(t.Context(), "killed"); err != nil {
		t.Fatal(err)
	}
	if got := keys(t, dir, ""); got != nil {
		t.Errorf("an unfinished object shows as %v", got)
	}
	left, err := filepath.Glob(filepath.Join(base, tempDir, "*"))
	if err != nil || len(left) != 1 {
		t.Fatalf("temporary files: %v, %v", left, err)
	}
	for _, age := range []time.Duration{0, 2 * tempAge} {
		if err := os.Chtimes(left[0], time.Now(), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDir(base, "bucket"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(left[0]); errors.Is(err, fs.ErrNotExist) != (age > tempAge) {
			t.Errorf("a temporary file of age %v: %v", age, err)
		}
	}
}

// TestS3Failures puts a server in place of S3 that answers every object call with one failure.
func TestS3Failures(t *testing.T) {
	tests := []struct {
		status    int
		code      string
		permanent bool
		tries     int
	}{
		{500, "InternalError", false, 3},
		{503, "SlowDown", false, 3},
		{403, "RequestTimeTooSkewed", false, 1},
		{429, "TooManyRequests", false, 1},
		{403, "AccessDenied", true, 1},
		{404, "NoSuchBucket", true, 1},
		{412, "PreconditionFailed", true, 1},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			tries := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodHead {
					return // the bucket is there
				}
				tries++
				w.WriteHeader(tt.status)
				_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", tt.code)
			}))
			defer server.Close()
			s, err := OpenS3(t.Context(), s3Config(server.URL, "b"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = s.Put(t.Context(), "k", []byte("x"))
			if err == nil || Permanent(err) != tt.permanent {
				t.Errorf("Put = %v, Permanent = %v, want %v", err, Permanent(err), tt.permanent)
			}
			if tries < tt.tries {
				t.Errorf("%d tries, want %d at least", tries, tt.tries)
			}
			if !strings.Contains(fmt.Sprint(err), "object k") {
				t.Errorf("the error %v does not name the object", err)
			}
		})
	}
}

// TestS3LostAnswer: the answer to Complete is lost, and the second try hears that the upload is
// gone. The object decides whether all is well.
func TestS3LostAnswer(t *testing.T) {
	for stored, want := range map[string]bool{"whole": true, "bad": false} {
		t.Run(stored, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, "/k"):
					w.Header().Set("Content-Length", fmt.Sprint(len(stored)))
				case r.Method == http.MethodPost && r.URL.Query().Has("uploads"):
					_, _ = fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
				case r.Method == http.MethodPost:
					w.WriteHeader(http.StatusNotFound)
					_, _ = fmt.Fprint(w, "<Error><Code>NoSuchUpload</Code></Error>")
				case r.Method == http.MethodPut:
					w.Header().Set("ETag", `"1"`)
				}
			}))
			defer server.Close()
			s, err := OpenS3(t.Context(), s3Config(server.URL, "b"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			upload, err := s.Create(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			if err := upload.Part(t.Context(), 1, []byte("whole")); err != nil {
				t.Fatal(err)
			}
			if err := upload.Complete(t.Context()); (err == nil) != want {
				t.Errorf("Complete = %v, want success: %v", err, want)
			}
		})
	}
}

func TestS3BucketIsChecked(t *testing.T) {
	tests := []struct {
		name, code string
		status     int
		missing    bool
		opens      bool
	}{
		{"a missing bucket", "NoSuchBucket", 404, true, false},
		{"a login that may not list", "AccessDenied", 403, false, true},
		{"a wrong secret", "SignatureDoesNotMatch", 403, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(tt.status)
				if r.Method == http.MethodGet {
					_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", tt.code)
				}
			}))
			defer server.Close()
			s, err := OpenS3(t.Context(), s3Config(server.URL, "b"))
			if s != nil {
				defer s.Close()
			}
			if (err == nil) != tt.opens || errors.Is(err, ErrNoBucket) != tt.missing {
				t.Errorf("OpenS3 = %v", err)
			}
		})
	}
	t.Run("against a real server", func(t *testing.T) {
		if realS3(t) == nil {
			t.Skip("HEADRACE_TEST_S3 is not set")
		}
		if _, err := OpenS3(t.Context(), s3Config(os.Getenv("HEADRACE_TEST_S3"), "no-such-bucket")); !errors.Is(err, ErrNoBucket) {
			t.Errorf("OpenS3 = %v, want ErrNoBucket", err)
		}
		cfg := s3Config(os.Getenv("HEADRACE_TEST_S3"), os.Getenv("HEADRACE_TEST_S3_BUCKET"))
		cfg.SecretAccessKey = "wrong"
		if _, err := OpenS3(t.Context(), cfg); err == nil || errors.Is(err, ErrNoBucket) {
			t.Errorf("OpenS3 with a wrong secret = %v, want a refusal", err)
		}
	})
}

func TestPermanent(t *testing.T) {
	permanent := []error{fs.ErrPermission, syscall.EROFS, syscall.ENAMETOOLONG, &Error{"putting", "k", syscall.ENOTDIR}}
	passing := []error{errors.New("connection reset"), syscall.ENOSPC, context.DeadlineExceeded, io.ErrUnexpectedEOF}
	for _, err := range slices.Concat(permanent, passing) {
		if want := slices.Contains(permanent, err); Permanent(err) != want {
			t.Errorf("Permanent(%v) = %v, want %v", err, Permanent(err), want)
		}
	}
}

func BenchmarkDirPut(b *testing.B) {
	dir, err := OpenDir(b.TempDir(), "bucket")
	if err != nil {
		b.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), 600)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for i := 0; b.Loop(); i++ {
		if err := dir.Put(b.Context(), fmt.Sprintf("t/partition=0/t+0+%010d.json", i), body); err != nil {
			b.Fatal(err)
		}
	}
}
