package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"headrace/emulate"
	"headrace/lake/sql"
)

// runDevOnce runs headrace dev --once with posts and returns its summary.
func runDevOnce(t *testing.T, dir string, posts int, listen string) (summary devSummary, stderr string) {
	t.Helper()
	var stdout, errs bytes.Buffer
	args := []string{"dev", "--emulate", fmt.Sprint(posts), "--once", "--json", "--data", dir, "--listen", listen}
	if code := run(t.Context(), args, process{stdout: &stdout, stderr: &errs}); code != exitDone {
		t.Fatalf("exit code %d, want %d:\n%s", code, exitDone, errs.String())
	}
	decoder := json.NewDecoder(&stdout)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&summary); err != nil {
		t.Fatalf("the summary: %v", err)
	}
	if decoder.More() {
		t.Error("there is more on standard output than the summary")
	}
	return summary, errs.String()
}

// TestDevOnce: what was posted is in the bucket, object by object, and in the streams; a second run starts anew and
// keeps what the first one wrote.
func TestDevOnce(t *testing.T) {
	const posts = 50
	dir := t.TempDir()
	summary, _ := runDevOnce(t, dir, posts, "127.0.0.1:0")
	want := devSummary{Emulated: posts, Topics: map[string]devTopic{}, Streams: map[string]devStreamSize{}, Tables: map[string]devTable{}}
	for _, event := range []string{"pin", "geo", "user"} {
		want.Topics["demo."+event] = devTopic{Records: posts, Objects: posts}
		want.Streams["streaming-demo-"+event] = devStreamSize{Records: posts}
		if sql.Built {
			want.Tables["demo_"+event+"_table"] = devTable{Rows: posts}
		}
	}
	if !sql.Built {
		want.Tables = nil
	}
	if diff := cmp.Diff(want, summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	holdBucket(t, filepath.Join(dir, "s3", "demo-bucket"), posts)

	const fewer = 3
	summary, _ = runDevOnce(t, dir, fewer, "127.0.0.1:0")
	if summary.Emulated != fewer {
		t.Errorf("%d posts in the second run, want %d", summary.Emulated, fewer)
	}
	holdBucket(t, filepath.Join(dir, "s3", "demo-bucket"), fewer)
	earlier, err := filepath.Glob(filepath.Join(dir, "earlier", "*-demo-bucket"))
	if err != nil || len(earlier) != 1 {
		t.Fatalf("buckets of earlier runs: %v, %v, want one", earlier, err)
	}
	holdBucket(t, earlier[0], posts)
}

// holdBucket holds a bucket to the first posts of the sample: one object each, named by its offset, without a gap, with
// one line that is what was posted.
func holdBucket(t *testing.T, bucket string, posts int) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for row := range posts {
		post := emulate.Sample(devSeed).Post(row)
		for event, value := range map[string][]byte{"pin": post.Pin, "geo": post.Geo, "user": post.User} {
			want[fmt.Sprintf("topics/demo.%s/partition=0/demo.%s+0+%010d.json", event, event, row)] = compact(t, value) + "\n"
		}
	}
	err := filepath.WalkDir(bucket, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(bucket, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		got[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%.2000s", bucket, diff)
	}
}

func compact(t *testing.T, value []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDevTakesOtherPorts: with its ports taken, dev takes the next free ones, and says so.
func TestDevTakesOtherPorts(t *testing.T) {
	for _, port := range []string{"9092", "4567"} { // taken already is as good
		if ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+port); err == nil {
			t.Cleanup(func() { _ = ln.Close() })
		}
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	summary, stderr := runDevOnce(t, t.TempDir(), 2, ln.Addr().String())
	if summary.Topics["demo.user"].Objects != 2 {
		t.Errorf("summary %+v, want 2 objects a topic", summary)
	}
	if n := strings.Count(stderr, "port is taken, using another"); n != 3 {
		t.Errorf("dev says %d times that it took another port, want 3 (Kafka, Kinesis, gateway):\n%s", n, stderr)
	}
}
