package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"headrace/embedded"
	"headrace/emulate"
	"headrace/kinesisclient"
	"headrace/lake/sql"
	"headrace/stream"
)

// What dev serves: the names that the users' scripts and notebooks know.
const (
	devPrefix = "demo"
	devBucket = "demo-bucket"
	devListen = "127.0.0.1:8082"
)

const (
	devKinesisPort = 4567
	devSeed        = 1
)

// devEvents are the three events of a post.
var devEvents = []string{"pin", "geo", "user"}

// devConnector is the users' own sink configuration, but for the place of the bucket, and for
// what becomes of a null or of text that is no JSON: whoever tries things out posts some, and
// the users' own would stop at it.
const devConnector = `name=demo-sink
connector.class=io.confluent.connect.s3.S3SinkConnector
storage.class=io.confluent.connect.s3.storage.S3Storage
format.class=io.confluent.connect.s3.format.json.JsonFormat
partitioner.class=io.confluent.connect.storage.partitioner.DefaultPartitioner
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
schema.compatibility=NONE
behavior.on.null.values=ignore
errors.tolerance=all
flush.size=1
tasks.max=3
topics.regex=demo.*
s3.region=us-east-1
s3.bucket.name=` + devBucket + "\n"

// devFlags are the command line of dev.
type devFlags struct {
	log     logFlags
	data    string
	listen  string
	emulate int
	once    bool
	json    bool
}

func newDevCommand(p process) *cobra.Command {
	var flags devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Everything on this machine, nothing to install: Kafka, Kinesis, a bucket, tables and the gateway",
		Long: `dev runs all of it in one process, on loopback only and without an account: a Kafka on 127.0.0.1:9092, a Kinesis on
127.0.0.1:4567, a bucket as a directory below --data, the sink that fills it, Delta tables beside it, the stream job that
fills those, and the gateway on 127.0.0.1:8082. A port that is taken is replaced by the next free one. Kafka and Kinesis
live in memory and end with the process; bucket and tables stay, and are moved to --data/earlier when dev starts again.

--emulate N posts N posts (three events each) through the gateway, both ways: /topics/demo.* and
/streams/streaming-demo-*/record. With --once dev ends when all of them are in the bucket and in the tables.`,
		Example: `  headrace dev
  headrace dev --emulate 200 --once --json --data /tmp/headrace-data`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if flags.once && flags.emulate == 0 {
				return usageError{errors.New("--once ends when the emulated posts are stored: give --emulate N with it")}
			}
			if flags.emulate < 0 {
				return usageError{fmt.Errorf("--emulate is %d: 0 or more would work", flags.emulate)}
			}
			return dev(cmd.Context(), p, flags)
		},
	}
	flags.log.add(cmd, "warn")
	cmd.Flags().StringVar(&flags.data, "data", "headrace-data", "directory for the bucket and the tables")
	cmd.Flags().StringVar(&flags.listen, "listen", devListen, "where the gateway listens, HOST:PORT")
	cmd.Flags().IntVar(&flags.emulate, "emulate", 0, "post so many posts at the start")
	cmd.Flags().BoolVar(&flags.once, "once", false, "end when the emulated posts are stored")
	cmd.Flags().BoolVar(&flags.json, "json", false, "print one JSON object at the end, and no text for people")
	return cmd
}

// laptop is what dev runs.
type laptop struct {
	flags    devFlags
	p        process
	log      *slog.Logger
	kafka    *embedded.Kafka
	kinesis  *embedded.Kinesis
	gateway  *gateway
	sink     *sinkJob
	tables   *streamJob         // nil: this build has no SQL engine
	stop     context.CancelFunc // ends all
	endpoint string             // of Kinesis
	summary  devSummary
}

// devSummary is what --json prints.
type devSummary struct {
	Emulated int64                    `json:"emulated"`
	Topics   map[string]devTopic      `json:"topics"`
	Streams  map[string]devStreamSize `json:"streams"`
	Tables   map[string]devTable      `json:"tables,omitempty"`
}

type devTopic struct {
	Records int64 `json:"records"`
	Objects int64 `json:"objects"`
}

type devStreamSize struct {
	Records int64 `json:"records"`
}

type devTable struct {
	Rows int64 `json:"rows"`
}

// dev runs everything in this process until ctx ends or, with --once, the posts are stored.
func dev(ctx context.Context, p process, flags devFlags) error {
	log, err := flags.log.logger(p.stderr, slog.LevelWarn)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	l := &laptop{flags: flags, p: p, log: log, stop: stop}
	if err := l.moveEarlier(); err != nil {
		return err
	}
	closeStreams, err := l.startStreams(ctx)
	defer closeStreams()
	if err != nil {
		return err
	}
	jobs := []job{l.orEnd(l.sink.Run), l.orEnd(l.play)}
	if l.tables != nil {
		jobs = append(jobs, l.orEnd(l.tables.Run))
	}
	if err := l.gateway.run(ctx, jobs...); err != nil {
		return err
	}
	if flags.json {
		return json.NewEncoder(p.stdout).Encode(l.summary)
	}
	return nil
}

// orEnd ends all when work fails.
func (l *laptop) orEnd(work job) job {
	return func(ctx context.Context) error {
		err := work(ctx)
		if err != nil {
			l.stop()
		}
		return err
	}
}

// bucketDir is where the objects go.
func (l *laptop) bucketDir() string { return filepath.Join(l.flags.data, "s3", devBucket) }

// tablesDir is where the tables go.
func (l *laptop) tablesDir() string { return filepath.Join(l.flags.data, "tables") }

// moveEarlier makes room: offsets and sequence numbers start anew, so that new objects would take
// the names of those of an earlier run, and new rows would come behind places that are not there.
func (l *laptop) moveEarlier() error {
	earlier := filepath.Join(l.flags.data, "earlier", time.Now().UTC().Format("20060102-150405.000")+"-")
	for _, dir := range []string{l.bucketDir(), l.tablesDir()} {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(earlier), 0o755); err != nil {
			return fmt.Errorf("making room for new data: %w", err)
		}
		place := earlier + filepath.Base(dir)
		if err := os.Rename(dir, place); err != nil {
			return fmt.Errorf("making room for new data: %w", err)
		}
		l.log.Warn("the data of an earlier run were moved", "to", place)
	}
	return nil
}

// startStreams starts Kafka, Kinesis and what reads and writes them. The function that it
// returns stops what was started, also after an error.
func (l *laptop) startStreams(ctx context.Context) (closeAll func(), err error) {
	var closers []func()
	closeAll = func() {
		for _, closer := range slices.Backward(closers) {
			closer()
		}
	}
	if l.kafka, err = embedded.StartKafka(ctx, embedded.KafkaPort); err != nil {
		return closeAll, err
	}
	closers = append(closers, l.kafka.Close)
	l.tellOtherPort("Kafka", embedded.KafkaPort, l.kafka.Addr())
	ln, err := embedded.Listen(ctx, devKinesisPort)
	if err != nil {
		return closeAll, fmt.Errorf("starting the embedded Kinesis: %w", err)
	}
	l.endpoint = "http://" + ln.Addr().String()
	l.tellOtherPort("Kinesis", devKinesisPort, ln.Addr().String())
	l.kinesis = embedded.NewKinesis(embedded.DefaultKinesisConfig(), l.log)
	server := &http.Server{Handler: l.kinesis, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	closers = append(closers, func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			l.log.Error("the embedded Kinesis had ended", "err", err)
		}
		_ = l.kinesis.Close()
	})
	cfg, err := l.config()
	if err != nil {
		return closeAll, err
	}
	if err := l.makeTopics(ctx, cfg.kinesis); err != nil {
		return closeAll, err
	}
	reg := newRegistry()
	if err := l.openSink(ctx, cfg, reg); err != nil {
		return closeAll, err
	}
	closers = append(closers, l.sink.close)
	if err := l.openTables(ctx, reg); err != nil {
		return closeAll, err
	}
	if l.tables != nil {
		closers = append(closers, l.tables.close)
	}
	l.gateway, err = newGateway(ctx, cfg, l.log, reg)
	return closeAll, err
}

// tellOtherPort says so when something listens on another port than people expect.
func (l *laptop) tellOtherPort(what string, port int, addr string) {
	if !strings.HasSuffix(addr, fmt.Sprintf(":%d", port)) {
		l.log.Warn("port is taken, using another", "of", what, "port", port, "used", addr)
	}
}

// config is the gateway's, as a user's file would say it.
func (l *laptop) config() (config, error) {
	const origin = "headrace dev"
	from := sources{flags: map[string]setting{
		"bootstrap.servers": {raw: l.kafka.Addr(), origin: origin},
		"listeners":         {raw: listenURL(l.flags.listen), origin: "flag --listen"},
		"kinesis.endpoint":  {raw: l.endpoint, origin: origin},
		"kinesis.region":    {raw: embedded.DefaultKinesisConfig().Region, origin: origin},
	}}
	cfg, err := loadConfig(from)
	cfg.server.PortSearch = true
	cfg.kinesis.StaticKey, cfg.kinesis.StaticSecret = "dev", "dev" // which the embedded Kinesis does not check
	return cfg, err
}

// makeTopics makes the topics and streams that the users' scripts post to.
func (l *laptop) makeTopics(ctx context.Context, cfg kinesisclient.Config) error {
	client, err := kinesisclient.New(ctx, cfg, l.log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer client.Close()
	for _, event := range devEvents {
		if err := l.kafka.CreateTopic(topicName(event), 1); err != nil {
			return fmt.Errorf("making topic %s: %w", topicName(event), err)
		}
		if err := makeStream(ctx, client, streamName(event)); err != nil {
			return fmt.Errorf("making stream %s: %w", streamName(event), err)
		}
	}
	return nil
}

// streamTimeout bounds the making of one stream.
const streamTimeout = 10 * time.Second

// makeStream makes a stream of one shard and waits until it can be written to.
func makeStream(ctx context.Context, client *kinesisclient.Client, name string) error {
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	call := func(op, text string) ([]byte, error) {
		body := kinesisclient.NewBody()
		defer body.Free()
		body.Bytes = append(body.Bytes, text...)
		answer, err := client.Call(ctx, op, body)
		if err != nil {
			return nil, err
		}
		return answer.Body, nil
	}
	if _, err := call("CreateStream", fmt.Sprintf(`{"StreamName":%q,"ShardCount":1}`, name)); err != nil {
		return err
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		text, err := call("DescribeStreamSummary", fmt.Sprintf(`{"StreamName":%q}`, name))
		if err != nil {
			return err
		}
		var answer struct {
			StreamDescriptionSummary struct{ StreamStatus string }
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			return fmt.Errorf("reading the stream's status: %w", err)
		}
		if answer.StreamDescriptionSummary.StreamStatus == "ACTIVE" {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func topicName(event string) string { return devPrefix + "." + event }

func streamName(event string) string { return "streaming-" + devPrefix + "-" + event }

// openSink makes the sink with the configuration that users have.
func (l *laptop) openSink(ctx context.Context, cfg config, reg prometheus.Registerer) (err error) {
	data, err := filepath.Abs(l.flags.data)
	if err != nil {
		return fmt.Errorf("finding the data directory: %w", err)
	}
	text := devConnector + "store.url=file://" + filepath.ToSlash(filepath.Join(data, "s3")) + "\n"
	l.sink, err = newSink(ctx, []byte(text), cfg.consumer, l.log, reg)
	return err
}

// openTables makes the stream job with the names that users' notebooks have.
func (l *laptop) openTables(ctx context.Context, reg prometheus.Registerer) error {
	text := fmt.Sprintf("streams.regex=%s\ntables.url=%s\nkinesis.endpoint=%s\nkinesis.region=%s\n",
		streamName("(pin|geo|user)"), filepath.ToSlash(l.tablesDir()), l.endpoint, embedded.DefaultKinesisConfig().Region)
	cfg, _, err := stream.ParseConfig([]byte(text))
	if err != nil {
		return err
	}
	cfg.Kinesis.StaticKey, cfg.Kinesis.StaticSecret = "dev", "dev"
	l.tables, err = newStream(ctx, cfg, l.log, reg)
	if errors.Is(err, sql.ErrNoEngine) {
		l.log.Warn("the streams are not carried into tables", "why", err)
		return nil
	}
	return err
}

// play greets, posts what --emulate asks for and, with --once, ends all when it is stored.
func (l *laptop) play(ctx context.Context) error {
	base := "http://" + l.gateway.server.Addrs()[0]
	if !l.flags.json {
		l.greet(base)
	}
	if l.flags.emulate == 0 {
		<-ctx.Done()
		l.count()
		return nil
	}
	if err := l.post(ctx, base); err != nil || ctx.Err() != nil {
		return err
	}
	if err := l.waitFor(ctx, "the bucket", l.missingObjects); err != nil {
		return err
	}
	if err := l.waitFor(ctx, "the tables", l.missingRows); err != nil {
		return err
	}
	l.count()
	if !l.flags.json {
		l.report()
	}
	if l.flags.once {
		l.stop()
		return nil
	}
	<-ctx.Done()
	l.count()
	return nil
}

// post sends the posts through the gateway's own door.
func (l *laptop) post(ctx context.Context, base string) error {
	cfg := emulate.DefaultConfig()
	cfg.Target, cfg.Prefix, cfg.Count = base, devPrefix, l.flags.emulate
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	posts, err := emulate.New(cfg, emulate.Sample(devSeed).Source(), client, l.log)
	if err != nil {
		return err
	}
	summary, err := posts.Run(ctx)
	l.summary.Emulated = summary.Posts
	if err != nil && len(summary.Causes) > 0 {
		err = fmt.Errorf("%w, first: %s: %s", err, summary.Causes[0].Place, summary.Causes[0].Text)
	}
	return err
}

// stall is how long nothing may arrive before dev gives up.
const stall = 30 * time.Second

// waitFor waits until nothing is missing at a place.
func (l *laptop) waitFor(ctx context.Context, place string, missing func() int64) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	last, moved := missing(), time.Now()
	for {
		left := missing()
		if left <= 0 {
			return nil
		}
		if left != last {
			last, moved = left, time.Now()
		}
		if time.Since(moved) > stall {
			return fmt.Errorf("waiting for %s: %d records are not there, and nothing came for %s", place, left, stall)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// missingObjects counts the topics' records that are no objects yet.
func (l *laptop) missingObjects() int64 {
	stats := l.sink.Stats()
	missing := -stats.Total.Objects - stats.SkippedNull - stats.SkippedBad
	for _, event := range devEvents {
		missing += l.kafka.Records(topicName(event))
	}
	return missing
}

// missingRows counts the streams' records that are no rows, nor rejects, yet.
func (l *laptop) missingRows() (missing int64) {
	if l.tables == nil {
		return 0
	}
	for _, table := range l.tables.Stats().Tables {
		missing -= table.Rows + table.Rejects
	}
	for _, event := range devEvents {
		missing += l.kinesis.Records(streamName(event))
	}
	return missing
}

// count fills the summary.
func (l *laptop) count() {
	l.summary.Topics, l.summary.Streams = map[string]devTopic{}, map[string]devStreamSize{}
	stats := l.sink.Stats()
	for _, event := range devEvents {
		topic, stream := topicName(event), streamName(event)
		l.summary.Topics[topic] = devTopic{Records: l.kafka.Records(topic), Objects: stats.Topics[topic].Objects}
		l.summary.Streams[stream] = devStreamSize{Records: l.kinesis.Records(stream)}
	}
	if l.tables == nil {
		return
	}
	l.summary.Tables = map[string]devTable{}
	for name, table := range l.tables.Stats().Tables {
		l.summary.Tables[name] = devTable{Rows: table.Rows}
	}
}

// greet says what runs where and what to try.
func (l *laptop) greet(base string) {
	_, _ = fmt.Fprintf(l.p.stdout, `headrace dev: everything runs here, on loopback only. Ctrl-C ends it.

  gateway  %s   (start page %s/ui/, API %s/docs)
  Kafka    %s
  Kinesis  %s
  bucket   %s
  tables   %s

Try:
  curl -s -H 'Content-Type: application/vnd.kafka.json.v2+json' -d '{"records":[{"value":{"hello":"world"}}]}' %s/topics/demo.pin
  curl -s -X PUT -H 'Content-Type: application/json' -d '{"Data":{"hello":"world"},"PartitionKey":"k"}' %s/streams/streaming-demo-pin/record

`, base, base, base, l.kafka.Addr(), l.endpoint, l.bucketDir(), l.tablesPlace(), base, base)
}

// tablesPlace is where people find the tables, or why there are none.
func (l *laptop) tablesPlace() string {
	if l.tables == nil {
		return "none: " + sql.ErrNoEngine.Error()
	}
	return l.tablesDir()
}

// report says where the emulated posts have gone.
func (l *laptop) report() {
	_, _ = fmt.Fprintf(l.p.stdout, "%d posts emulated, three events each, to topics and to streams:\n", l.summary.Emulated)
	for _, event := range devEvents {
		topic, stream := topicName(event), streamName(event)
		_, _ = fmt.Fprintf(l.p.stdout, "  %-10s %6d records  %6d objects in %s\n", topic, l.summary.Topics[topic].Records,
			l.summary.Topics[topic].Objects, filepath.Join(l.bucketDir(), "topics", topic))
		_, _ = fmt.Fprintf(l.p.stdout, "  %-10s %6d records  in stream %s\n", "", l.summary.Streams[stream].Records, stream)
		if table := devPrefix + "_" + event + "_table"; l.tables != nil {
			_, _ = fmt.Fprintf(l.p.stdout, "  %-10s %6d rows     in %s\n", "", l.summary.Tables[table].Rows, filepath.Join(l.tablesDir(), table))
		}
	}
}
