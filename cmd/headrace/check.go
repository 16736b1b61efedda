package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headrace/batch/sink"
	"headrace/check"
	"headrace/lake/store"
)

// checkOptions are the command line of check.
type checkOptions struct {
	log     logFlags
	topics  []string
	streams []string
	sinks   []string // paths of connector files
	via     string
	write   bool
	json    bool
}

func newCheckCommand(p process) *cobra.Command {
	var flags checkOptions
	cmd := &cobra.Command{
		Use:   "check [FILE.properties]",
		Short: "Find what is wrong before users do",
		Long: `check asks one thing after the other: the configuration, the brokers' names, their ports, TLS, whether they are Kafka,
the login, its rights, topics, the schema registry, AWS and this machine's clock, Kinesis, the buckets of connectors, and the
way through API Gateway. Each answer is ok, warning, failed or skipped, with one cause and one next step.

It takes at most 15 s, shows no secret, and writes nothing without --write. FILE.properties and KAFKA_REST_… variables are
read as by serve.

Exit codes: 0 nothing has failed, 1 something has, 2 the configuration itself is wrong.`,
		Example: `  KAFKA_REST_BOOTSTRAP_SERVERS=127.0.0.1:9092 headrace check
  headrace check kafka-rest.properties --topic orders --sink connector.properties
  headrace check kafka-rest.properties --topic orders --via https://ID.execute-api.REGION.amazonaws.com/STAGE --write --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			from := sources{environ: p.environ}
			if len(args) == 1 {
				from.file = args[0]
			}
			return runCheck(cmd.Context(), p, from, flags)
		},
	}
	flags.log.add(cmd, "error")
	cmd.Flags().StringArrayVar(&flags.topics, "topic", nil, "topic that clients write to: is it there, may it be written? May be given again")
	cmd.Flags().StringArrayVar(&flags.streams, "stream", nil, "Kinesis stream that clients write to; may be given again")
	cmd.Flags().StringArrayVar(&flags.sinks, "sink", nil, "connector (CONNECTOR.properties): its bucket, topics and group; may be given again")
	cmd.Flags().StringVar(&flags.via, "via", "", "invoke URL of API Gateway: a request with a nonce goes through it to a gateway that runs")
	cmd.Flags().BoolVar(&flags.write, "write", false, "write one record to each topic and stream, one object to each bucket")
	cmd.Flags().BoolVar(&flags.json, "json", false, "one JSON object at the end")
	return cmd
}

// errChecked says that something was found; the findings are printed already.
var errChecked = errors.New("the check has found what will fail")

// runCheck reads the configuration, whatever is wrong with it, and has it looked at.
func runCheck(ctx context.Context, p process, from sources, flags checkOptions) error {
	log, err := flags.log.logger(p.stderr, slog.LevelError)
	if err != nil {
		return err
	}
	cfg, invalid := loadConfig(from)
	plan := checkPlan(cfg, invalid, flags)
	if plan.Via, err = viaURL(flags.via); err != nil {
		return usageError{err}
	}
	for _, path := range flags.sinks {
		bucket, err := checkBucket(path)
		if err != nil {
			return err
		}
		plan.Buckets = append(plan.Buckets, bucket)
	}
	report := func(r check.Result) { _ = writeResult(p.stdout, r) }
	if flags.json {
		report = func(check.Result) {}
	}
	began := time.Now()
	results := check.Run(ctx, plan, log, report)
	if flags.json {
		err = writeResults(p.stdout, results, time.Since(began))
	}
	switch {
	case err != nil:
		return err
	case invalid != nil:
		return usageError{errChecked}
	case check.Worst(results) == check.Failed:
		return errChecked
	}
	return nil
}

func viaURL(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("--via is %q: an invoke URL such as https://ID.execute-api.REGION.amazonaws.com/STAGE would work", userInfo.ReplaceAllString(raw, "://"+hidden+"@"))
	}
	return u, nil
}

// checkPlan says what of the configuration is to be looked at.
func checkPlan(cfg config, invalid error, flags checkOptions) check.Config {
	s := cfg.settings
	plan := check.Config{
		Given: s.lines(), Kafka: cfg.admin, Producer: cfg.producer,
		Topics: flags.topics, Streams: flags.streams, Write: flags.write,
	}
	var faults *invalidConfig
	if errors.As(invalid, &faults) {
		plan.Faults = faults.faults
	}
	for _, n := range s.notes {
		if n.level >= slog.LevelWarn {
			plan.Warnings = append(plan.Warnings, n.sentence())
		}
	}
	_, plan.Registry.Given = s.given["schema.registry.url"]
	plan.Registry.URLs = cfg.schema.URLs
	if client, urls, err := cfg.schema.Client(); err == nil && invalid == nil {
		plan.Registry.Client, plan.Registry.URLs = client, urls
	}
	if cfg.handlers.Kinesis && (len(flags.streams) > 0 || slices.ContainsFunc(plan.Given, func(g check.Setting) bool { return strings.HasPrefix(g.Key, "kinesis.") })) {
		plan.Kinesis = &cfg.kinesis
	}
	return plan
}

// lines are all given settings in the order in which they were read, secrets included: for eyes of the program only.
func (s *settings) lines() []check.Setting {
	var lines []check.Setting
	for _, key := range s.keys() {
		_, known := s.catalog.lookup(key)
		lines = append(lines, check.Setting{Key: key, Value: s.given[key].raw, Origin: s.given[key].origin, Known: known})
	}
	return lines
}

// sentence is a note as one line.
func (n note) sentence() string {
	var b strings.Builder
	b.WriteString(n.text)
	for i := 0; i+1 < len(n.attrs); i += 2 {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%v %v", sep, strings.ReplaceAll(fmt.Sprint(n.attrs[i]), "_", " "), n.attrs[i+1])
	}
	return b.String()
}

// checkBucket reads a connector as far as the check needs it.
func checkBucket(path string) (check.Bucket, error) {
	text, err := readBounded(path)
	if err != nil {
		return check.Bucket{}, usageError{fmt.Errorf("reading the connector: %w", err)}
	}
	cfg, _, err := sink.ParseConfig(text)
	if err != nil {
		return check.Bucket{}, usageError{fmt.Errorf("connector %s: %w", path, err)}
	}
	cfg.S3.Retries = 0
	return check.Bucket{
		Connector: path, Name: cfg.S3.Bucket, Region: cfg.S3.Region, Prefix: cfg.TopicsDir, Topics: cfg.Topics, Group: cfg.Group,
		Open: func(ctx context.Context) (store.Store, func(), error) { return sink.OpenStore(ctx, &cfg) },
	}, nil
}

// lineWidth is where the names of the checks end.
const lineWidth = 14

// writeResult prints one finding for people.
func writeResult(w io.Writer, r check.Result) error {
	_, err := fmt.Fprintf(w, "%-8s %-*s %s\n", r.Status, lineWidth, r.Check, r.Cause)
	if err == nil && r.Next != "" {
		_, err = fmt.Fprintf(w, "%-8s %-*s %s\n", "", lineWidth, "  next:", r.Next)
	}
	return err
}

// checkSummary is what --json prints.
type checkSummary struct {
	Status   check.Status   `json:"status"` // the worst: ok, warning or failed
	Checks   []check.Result `json:"checks"`
	Duration int64          `json:"duration_ms"`
}

func writeResults(w io.Writer, results []check.Result, took time.Duration) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(checkSummary{check.Worst(results), results, took.Milliseconds()}); err != nil {
		return fmt.Errorf("printing the findings: %w", err)
	}
	return nil
}
