// Command bench measures headrace against its ceilings, in one run on one machine: E, a bare
// net/http server; K, franz-go straight to the same broker; and the AWS SDK straight to the same
// Kinesis. It can measure any other base URL in the same rounds. README.md says what each figure
// means. It holds no product code.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// The hidden subcommands: this program as its own ceilings and stand-ins.
const (
	bareCommand    = "serve-bare"
	kafkaCommand   = "serve-kafka"
	kinesisCommand = "serve-kinesis"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

// options is what the flags say.
type options struct {
	bootstrap   string
	gatewayBin  string
	set         []string
	env         []string
	rounds      int
	window      time.Duration
	warm        time.Duration
	loads       []string
	connections []int
	streams     []int
	partitions  int
	other       string
	otherPID    int
	json        string
	pprofDir    string
	starts      int
	idle        time.Duration
	flood       flood
}

func newCommand() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:           "bench",
		Short:         "Measure headrace against its ceilings, in one run",
		Example:       "  go build -o /tmp/bench ./bench && /tmp/bench all --json /tmp/figures.json",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&o.bootstrap, "bootstrap", "", "Kafka brokers, host:port,…; without it a kfake is started")
	flags.StringVar(&o.gatewayBin, "gateway-bin", "", "the headrace program to measure; without it ./cmd/headrace is built")
	flags.StringArrayVar(&o.set, "set", nil, "one more property of the gateway, key=value (repeatable)")
	flags.StringArrayVar(&o.env, "env", nil, "one more variable of the gateway's environment, NAME=value (repeatable)")
	flags.StringVar(&o.json, "json", "", "file for the raw results, every pass of every round")

	produce := &cobra.Command{
		Use: "produce", Short: "Five produce loads against E and K",
		Example: "  bench produce --bootstrap 127.0.0.1:9092 --rounds 9 --seconds 1s\n  bench produce --loads 1x16,100x16 --pprof /tmp/profiles",
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), parts{produce: true}) },
	}
	kinesis := &cobra.Command{
		Use: "kinesis", Short: "PUT /streams/{s}/record against the SDK on the embedded Kinesis",
		Example: "  bench kinesis --connections 16,64",
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), parts{kinesis: true}) },
	}
	stream := &cobra.Command{
		Use: "stream", Short: "Streaming produce of REST v3 against one asynchronous client",
		Example: "  bench stream --bootstrap 127.0.0.1:9092 --streams 1,4",
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), parts{stream: true}) },
	}
	memory := &cobra.Command{
		Use: "memory", Short: "Flood a gateway of little memory with large bodies",
		Example: "  bench memory --flood-connections 500 --flood-body 10485760",
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), parts{memory: true}) },
	}
	start := &cobra.Command{
		Use: "start", Short: "Time from start to ready, and memory when idle",
		Example: "  bench start --bootstrap 127.0.0.1:9092 --starts 10",
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), parts{start: true}) },
	}
	all := &cobra.Command{
		Use: "all", Short: "All of them, in one run on one broker",
		Example: "  bench all --bootstrap 127.0.0.1:9092 --json figures.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), parts{start: true, produce: true, stream: true, kinesis: true, memory: true})
		},
	}
	for _, cmd := range []*cobra.Command{produce, stream, kinesis, all} {
		o.loadFlags(cmd)
	}
	for _, cmd := range []*cobra.Command{memory, all} {
		o.floodFlags(cmd)
	}
	for _, cmd := range []*cobra.Command{start, all} {
		cmd.Flags().IntVar(&o.starts, "starts", 10, "how often to start the gateway")
		cmd.Flags().DurationVar(&o.idle, "idle", 10*time.Second, "how long it idles before its memory is read")
	}
	for _, cmd := range []*cobra.Command{produce, all} {
		cmd.Flags().StringSliceVar(&o.loads, "loads", []string{"1x1", "1x16", "1x64", "100x16", "1000x4"}, "loads, RECORDSxCONNECTIONS")
	}
	for _, cmd := range []*cobra.Command{produce, stream, all} {
		cmd.Flags().IntVar(&o.partitions, "partitions", 1, "partitions of the topic")
	}
	for _, cmd := range []*cobra.Command{stream, all} {
		cmd.Flags().IntSliceVar(&o.streams, "streams", []int{1, 4}, "connections of the stream loads")
	}
	for _, cmd := range []*cobra.Command{kinesis, all} {
		cmd.Flags().IntSliceVar(&o.connections, "connections", []int{16, 64}, "connections of the Kinesis loads")
	}
	root.AddCommand(all, produce, stream, kinesis, memory, start)
	root.AddCommand(hiddenCommands()...)
	return root
}

func (o *options) loadFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&o.rounds, "rounds", 9, "rounds: each subject once, in turn")
	flags.DurationVar(&o.window, "seconds", time.Second, "how long each subject is measured in a round")
	flags.DurationVar(&o.warm, "warm", 300*time.Millisecond, "how long each subject runs before that, uncounted")
	flags.StringVar(&o.other, "other", "", "another base URL to measure in the same rounds; it must write to the same broker")
	flags.IntVar(&o.otherPID, "other-pid", 0, "its process, for processor time and memory")
	flags.StringVar(&o.pprofDir, "pprof", "", "directory for profiles of the gateway, one a load (builds it with them)")
}

func (o *options) floodFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&o.flood.Connections, "flood-connections", 500, "connections of the memory test")
	flags.IntVar(&o.flood.Requests, "flood-requests", 2, "requests on each of them, one after the other")
	flags.IntVar(&o.flood.BodyBytes, "flood-body", 10<<20, "bytes of each body")
	flags.IntVar(&o.flood.RecordBytes, "flood-record", eventBytes, "bytes of each record in it")
	flags.StringVar(&o.flood.MemoryLimit, "flood-limit", "256MiB", "GOMEMLIMIT of the gateway")
}

func hiddenCommands() []*cobra.Command {
	return []*cobra.Command{
		{Use: bareCommand, Hidden: true, RunE: func(cmd *cobra.Command, _ []string) error {
			return runHTTP(cmd.Context(), os.Stdin, os.Stdout, newBareServer())
		}},
		{Use: kafkaCommand, Hidden: true, RunE: func(cmd *cobra.Command, _ []string) error {
			return runKafka(cmd.Context(), os.Stdin, os.Stdout)
		}},
		{Use: kinesisCommand, Hidden: true, RunE: func(cmd *cobra.Command, _ []string) error {
			return runKinesis(cmd.Context(), os.Stdin, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
		}},
	}
}

// parts says which measurements a run takes.
type parts struct{ start, produce, stream, kinesis, memory bool }

// run takes them, on one broker, and writes the report. A figure that is missed is no error: it
// stands in the report. A wrong answer is one.
func (o *options) run(ctx context.Context, p parts) error {
	dir, err := os.MkdirTemp("", "headrace-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: *o, report: report{Environment: describeEnvironment()}}
	err = b.prepare(ctx, dir)
	defer b.close()
	if err != nil {
		return err
	}
	steps := []struct {
		wanted bool
		run    func(context.Context) error
	}{{p.start, b.start}, {p.produce || p.stream || p.kinesis, func(ctx context.Context) error { return b.loads(ctx, p) }}, {p.memory, b.memory}}
	for _, step := range steps {
		if !step.wanted {
			continue
		}
		if err := step.run(ctx); err != nil {
			return errors.Join(err, b.write()) // what was measured until then is kept
		}
	}
	return b.write()
}

// bench is one run.
type bench struct {
	options
	report  report
	broker  *broker
	kinesis *child
	gateway gatewayConfig
}

func (b *bench) prepare(ctx context.Context, dir string) (err error) {
	if b.gatewayBin == "" || b.pprofDir != "" {
		if b.gatewayBin, err = buildGateway(ctx, dir, b.pprofDir != ""); err != nil {
			return err
		}
	}
	if b.broker, err = openBroker(ctx, b.bootstrap); err != nil {
		return err
	}
	if b.kinesis, err = startChild(ctx, kinesisCommand); err != nil {
		return err
	}
	b.report.Environment.Broker = b.broker.name
	b.gateway = gatewayConfig{binary: b.gatewayBin, dir: dir, bootstrap: b.broker.bootstrap, kinesis: b.kinesis.url(), extra: b.set, env: b.env}
	return nil
}

func (b *bench) close() {
	if b.kinesis != nil {
		b.kinesis.stop()
	}
	if b.broker != nil {
		b.broker.close()
	}
}

func (b *bench) start(ctx context.Context) error {
	res, err := measureStart(ctx, b.gateway, b.starts, b.idle, os.Stderr)
	b.report.Start = &res
	return err
}

// loads measures the produce loads and the Kinesis loads on one gateway.
func (b *bench) loads(ctx context.Context, p parts) error {
	r := &runner{
		broker: b.broker, kinesis: b.kinesis, events: makeEvents(eventCount), rounds: b.rounds,
		timing: timing{b.warm, b.window}, partitions: b.partitions, otherPID: b.otherPID, pprofDir: b.pprofDir, progress: os.Stderr,
	}
	b.report.Environment.Rounds, b.report.Environment.Window, b.report.Environment.Other = b.rounds, b.window.String(), b.other
	shapes, err := parseLoads(b.options.loads)
	if err != nil {
		return err
	}
	if b.other != "" {
		if r.other, err = url.Parse(strings.TrimRight(b.other, "/")); err != nil || r.other.Scheme != "http" && r.other.Scheme != "https" || r.other.Host == "" {
			return fmt.Errorf("--other %q: want http://HOST:PORT[/PATH], or https", b.other)
		}
	}
	cfg := b.gateway
	if b.pprofDir != "" {
		if err := os.MkdirAll(b.pprofDir, 0o750); err != nil {
			return err
		}
		if cfg.pprof, err = freeAddress(ctx); err != nil {
			return err
		}
		r.pprof = cfg.pprof
	}
	if r.bare, err = startChild(ctx, bareCommand); err != nil {
		return err
	}
	defer r.bare.stop()
	if r.gateway, err = startGateway(ctx, cfg); err != nil {
		return err
	}
	defer r.gateway.stop()
	if err := b.takeLoads(ctx, r, p, shapes); err != nil {
		return r.gateway.blame(err)
	}
	after, err := memoryOf(r.gateway.pid())
	b.report.After = &after
	return err
}

func (b *bench) takeLoads(ctx context.Context, r *runner, p parts, shapes []load) error {
	if p.produce {
		for _, l := range shapes {
			res, err := r.produceLoad(ctx, l)
			if err != nil {
				return err
			}
			b.report.Results = append(b.report.Results, res)
		}
	}
	if p.stream {
		for _, connections := range b.streams {
			res, err := r.streamLoad(ctx, connections)
			if err != nil {
				return err
			}
			b.report.Results = append(b.report.Results, res)
		}
	}
	if p.kinesis {
		for _, connections := range b.connections {
			res, err := r.putRecordLoad(ctx, connections)
			if err != nil {
				return err
			}
			b.report.Results = append(b.report.Results, res)
		}
	}
	return nil
}

func parseLoads(texts []string) ([]load, error) {
	loads := make([]load, len(texts))
	for i, text := range texts {
		var err error
		if loads[i], err = parseLoad(text); err != nil {
			return nil, err
		}
	}
	return loads, nil
}

// memory floods a gateway of its own, whose memory is limited.
func (b *bench) memory(ctx context.Context) error {
	topic := fmt.Sprintf("bench-flood-%d", time.Now().UnixMilli())
	if err := b.broker.createTopic(ctx, topic, 1); err != nil {
		return err
	}
	cfg := b.gateway
	cfg.env = []string{"GOMEMLIMIT=" + b.flood.MemoryLimit}
	g, err := startGateway(ctx, cfg)
	if err != nil {
		return err
	}
	defer g.stop()
	res, err := b.flood.run(ctx, g, topic, makeEvents(eventCount))
	b.report.Flood = &res
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "memory: peak %.0f MB, answers %s, %.0f s\n", megabytes(res.Peak), res.statusList(), res.Seconds)
	return b.broker.deleteTopic(ctx, topic)
}

// write writes the Markdown to standard output and the raw results to --json.
func (b *bench) write() error {
	if err := writeMarkdown(os.Stdout, b.report); err != nil {
		return err
	}
	if b.json == "" {
		return nil
	}
	raw, err := json.MarshalIndent(b.report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(b.json, append(raw, '\n'), 0o600)
}
