package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kgo"

	"headrace/services/svc"
)

// load is a topic filled before the sink starts. Its records are known beforehand.
type load struct {
	topic      string
	partitions int
	records    int // over all partitions
	bytes      int // of a value, roughly
}

// value is the record of partition p at offset n.
func (l load) value(p, n int) []byte {
	size := l.bytes - (n*37)%(l.bytes/2)
	return fmt.Appendf(nil, `{"topic":%q,"partition":%d,"n":%d,"price":%d.50,"text":"é %s"}`, l.topic, p, n, n%97, strings.Repeat("x", size))
}

// count is how many records partition p has.
func (l load) count(p int) int {
	n := l.records / l.partitions
	if p < l.records%l.partitions {
		n++
	}
	return n
}

// objects is what the sink must make of the loads: by key, the content. Ends that do not fill an
// object are not written.
func objects(loads []load, flush int) map[string]string {
	want := map[string]string{}
	for _, l := range loads {
		for p := range l.partitions {
			for first := 0; first+flush <= l.count(p); first += flush {
				var lines bytes.Buffer
				for n := first; n < first+flush; n++ {
					lines.Write(append(l.value(p, n), '\n'))
				}
				want[fmt.Sprintf("topics/%s/partition=%d/%s+%d+%010d.json", l.topic, p, l.topic, p, first)] = lines.String()
			}
		}
	}
	return want
}

// fill makes the topic and writes its records.
func (l load) fill(t *testing.T, k *kafka) {
	t.Helper()
	k.topic(t, l.topic, int32(l.partitions), nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var recs []*kgo.Record
	for p := range l.partitions {
		for n := range l.count(p) {
			recs = append(recs, &kgo.Record{Topic: l.topic, Partition: int32(p), Value: l.value(p, n)})
		}
	}
	if err := k.client.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		t.Fatalf("filling %s: %v", l.topic, err)
	}
}

// bucket is where a sink writes: a directory, or a bucket of a real S3 whose objects are also files.
type bucket struct {
	name   string
	files  string   // the bucket's directory
	lines  []string // of the connector
	remote *s3.Client
}

// directoryBucket is a bucket in a directory of the test.
func directoryBucket(t *testing.T, name string) *bucket {
	t.Helper()
	dir := t.TempDir()
	return &bucket{name: name, files: filepath.Join(dir, name), lines: []string{"store.url=file://" + dir}}
}

// s3Bucket is a new bucket of the real S3; it goes with the test.
func s3Bucket(t *testing.T, name string) *bucket {
	t.Helper()
	endpoint := svc.Need(t, "HEADRACE_TEST_S3")
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("test", "testsecret", ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatalf("making bucket %s: %v", name, err)
	}
	b := &bucket{
		name: name, files: filepath.Join(svc.Need(t, "HEADRACE_TEST_S3_DIR"), name), remote: client,
		lines: []string{"store.url=" + endpoint, "s3.region=us-east-1", "aws.access.key.id=test", "aws.secret.access.key=testsecret"},
	}
	t.Cleanup(func() { _ = os.RemoveAll(b.files) })
	return b
}

// written counts the objects that were written since then, by the times of their files.
func (b *bucket) written(since time.Time) (n int, first time.Time) {
	_ = filepath.WalkDir(filepath.Join(b.files, "topics"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // not there yet, or not any more
		}
		if info, err := entry.Info(); err == nil && !info.ModTime().Before(since) {
			n++
			if at := info.ModTime(); first.IsZero() || at.Before(first) {
				first = at
			}
		}
		return nil
	})
	return n, first
}

// objects reads all objects, as any reader of the bucket would.
func (b *bucket) objects(t *testing.T) map[string]string {
	t.Helper()
	if b.remote != nil {
		return b.remoteObjects(t)
	}
	found := map[string]string{}
	err := filepath.WalkDir(b.files, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		key, relErr := filepath.Rel(b.files, path)
		if err != nil || relErr != nil {
			return fmt.Errorf("%w, %w", err, relErr)
		}
		found[filepath.ToSlash(key)] = string(text)
		return nil
	})
	if err != nil {
		t.Fatalf("reading %s: %v", b.files, err)
	}
	return found
}

func (b *bucket) remoteObjects(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	pages := s3.NewListObjectsV2Paginator(b.remote, &s3.ListObjectsV2Input{Bucket: &b.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatalf("listing %s: %v", b.name, err)
		}
		for _, o := range page.Contents {
			answer, err := b.remote.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.name, Key: o.Key})
			if err != nil {
				t.Fatalf("reading %s: %v", *o.Key, err)
			}
			text, err := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if err != nil {
				t.Fatalf("reading %s: %v", *o.Key, err)
			}
			found[aws.ToString(o.Key)] = string(text)
		}
	}
	return found
}

// leftovers says what kills left beside the objects: nothing that a reader sees.
func (b *bucket) leftovers(t *testing.T) string {
	t.Helper()
	if b.remote == nil {
		files, _ := os.ReadDir(filepath.Join(filepath.Dir(b.files), ".headrace-tmp"))
		return fmt.Sprintf("%d unfinished files beside the bucket", len(files))
	}
	answer, err := b.remote.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b.name})
	if err != nil {
		t.Fatalf("listing the uploads of %s: %v", b.name, err)
	}
	return fmt.Sprintf("%d unfinished uploads", len(answer.Uploads))
}

// connector is one configuration at work, in one life after the other.
type connector struct {
	name   string
	bucket *bucket
	env    []string
	file   string
	dir    string
}

func newConnector(t *testing.T, name, bootstrap string, b *bucket, loads []load, flush int) *connector {
	t.Helper()
	c := &connector{name: name, bucket: b, dir: t.TempDir(), env: []string{"KAFKA_REST_BOOTSTRAP_SERVERS=" + bootstrap}}
	c.file = filepath.Join(c.dir, "connector.properties")
	var topics []string
	for _, l := range loads {
		topics = append(topics, l.topic)
	}
	text := strings.Join(append([]string{
		"name=" + name,
		"connector.class=io.confluent.connect.s3.S3SinkConnector",
		"storage.class=io.confluent.connect.s3.storage.S3Storage",
		"format.class=io.confluent.connect.s3.format.json.JsonFormat",
		"partitioner.class=io.confluent.connect.storage.partitioner.DefaultPartitioner",
		"key.converter=org.apache.kafka.connect.storage.StringConverter",
		"value.converter=org.apache.kafka.connect.json.JsonConverter",
		"value.converter.schemas.enable=false",
		"schema.compatibility=NONE",
		"tasks.max=3",
		"topics=" + strings.Join(topics, ","),
		"s3.bucket.name=" + b.name,
		"s3.part.size=5242880", // the least: the large topic's objects go in parts
		"flush.size=" + strconv.Itoa(flush),
	}, b.lines...), "\n")
	if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *connector) start(t *testing.T) *child {
	t.Helper()
	return start(t, c.dir, c.env, "batch", "sink", c.file, "--until-caught-up", "--json", "--log-level", "info")
}

// finish lets the connector catch up and returns how many objects this life wrote.
func (c *connector) finish(t *testing.T) int {
	t.Helper()
	p := c.start(t)
	until(t, 3*time.Minute, "the sink has caught up", p.ended)
	if p.exit != nil {
		t.Fatalf("the sink ended: %v\n%s", p.exit, p.lastWords())
	}
	text, err := os.ReadFile(p.out)
	if err != nil {
		t.Fatal(err)
	}
	var summary struct{ Objects int }
	if err := json.Unmarshal(text, &summary); err != nil {
		t.Fatalf("reading the summary %q: %v", text, err)
	}
	return summary.Objects
}

// killed is what a series of kills was like.
type killed struct {
	writes   int             // objects written by the lives that were killed
	idle     int             // kills before the life had written anything
	silences []time.Duration // from a restart to its first object
}

// afterDeath is how long what a killed life had sent may still arrive at the S3 server. The next
// life writes nothing so soon.
const afterDeath = 150 * time.Millisecond

// killOften starts the connector n times and kills it each time: mostly when it has written a few
// objects, sometimes at any moment of its start.
func (c *connector) killOften(t *testing.T, rnd *rand.Rand, n, total int) killed {
	t.Helper()
	var k killed
	for i := range n {
		p := c.start(t)
		since := p.began.Add(afterDeath)
		if i%5 == 4 {
			pause(t.Context(), time.Duration(rnd.IntN(2000))*time.Millisecond)
		} else {
			goal := 1 + rnd.IntN(max(1, total/(2*n)))
			until(t, 2*time.Minute, fmt.Sprintf("life %d writes %d objects", i, goal), func() bool {
				if p.ended() {
					t.Fatalf("life %d ended before it could be killed, %v:\n%s", i, p.exit, p.lastWords())
				}
				got, _ := c.bucket.written(since)
				return got >= goal
			})
			pause(t.Context(), time.Duration(rnd.IntN(20))*time.Millisecond)
		}
		p.kill()
		got, first := c.bucket.written(since)
		k.writes += got
		switch {
		case got == 0:
			k.idle++
		case i > 0:
			k.silences = append(k.silences, first.Sub(p.began))
		}
	}
	return k
}

// TestSinkSurvivesKills kills the sink again and again while it works. Afterwards the bucket holds
// exactly what an uninterrupted run of the same configuration leaves, byte for byte.
func TestSinkSurvivesKills(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	t.Parallel()
	k := dial(t, svc.Need(t, "HEADRACE_TEST_KAFKA"))
	run := strconv.FormatInt(time.Now().UnixNano(), 36)
	var all sync.WaitGroup // all at once, however few processors: mostly they wait for the group
	for flush, sizes := range map[int][3]int{1: {1500, 1500, 150}, 100: {20000, 15000, 300}} {
		prefix := fmt.Sprintf("chaos-%s-%d", run, flush)
		loads := []load{
			{prefix + ".pin", 3, sizes[0] + 50, 400},
			{prefix + ".geo", 2, sizes[1] + 30, 200},
			{prefix + ".user", 1, sizes[2] + 7, 90_000},
		}
		for _, l := range loads {
			l.fill(t, k)
		}
		for store, open := range map[string]func(*testing.T, string) *bucket{"directory": directoryBucket, "s3": s3Bucket} {
			all.Go(func() {
				t.Run(fmt.Sprintf("flush.size=%d to %s", flush, store), func(t *testing.T) {
					sinkSurvives(t, k.bootstrap, prefix+"-"+store, open, loads, flush)
				})
			})
		}
	}
	all.Wait()
}

func sinkSurvives(t *testing.T, bootstrap, prefix string, open func(*testing.T, string) *bucket, loads []load, flush int) {
	want := objects(loads, flush)
	calm := newConnector(t, prefix+"-calm", bootstrap, open(t, prefix+"-calm"), loads, flush)
	n := calm.finish(t)
	compare(t, "the uninterrupted run", calm.bucket.objects(t), want)

	c := newConnector(t, prefix+"-killed", bootstrap, open(t, prefix+"-killed"), loads, flush)
	times := kills(t)
	began := time.Now()
	k := c.killOften(t, random(t), times, len(want))
	last := c.finish(t)
	compare(t, "the killed run", c.bucket.objects(t), calm.bucket.objects(t))
	t.Logf("%d kills in %s, %d of them before the first object; %d objects (%d in the uninterrupted run), %d written again; from a restart to its first object %s; left behind: %s",
		times, time.Since(began).Round(time.Second), k.idle, len(want), n, k.writes+last-len(want), spread(k.silences), c.bucket.leftovers(t))
	if k.idle > times/2 {
		t.Errorf("%d of %d kills came before the sink had written anything: this shows too little", k.idle, times)
	}
}

// compare reports keys that are missing, too many, or hold other bytes.
func compare(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	faults := 0
	fault := func(format string, args ...any) {
		if faults++; faults <= 10 {
			t.Errorf(what+": "+format, args...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		text, ok := got[key]
		switch {
		case !ok:
			fault("%s is missing", key)
		case text != want[key]:
			fault("%s holds %d bytes %.80q, want %d bytes %.80q", key, len(text), text, len(want[key]), want[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			fault("%s is there, and should not", key)
		}
	}
	if faults > 10 {
		t.Errorf("%s: %d faults in all", what, faults)
	}
}
