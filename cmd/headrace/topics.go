package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"headrace/kafkaclient"
)

// topicsFlags are the command line of topics: that of kafka-topics.sh.
type topicsFlags struct {
	log                                   logFlags
	bootstrap, commandConfig              string
	create, list, describe, delete, alter bool

	topic, topicID    string
	partitions        int32
	replicationFactor int32
	replicaAssignment string
	configs           []string
	deleteConfigs     []string

	ifExists, ifNotExists, excludeInternal                           bool
	underReplicated, unavailable, underMinISR, atMinISR, overrides   bool
	partitionsGiven, replicationFactorGiven, replicaAssignmentsGiven bool
}

func newTopicsCommand(p process) *cobra.Command {
	var f topicsFlags
	cmd := &cobra.Command{
		Use:   "topics --bootstrap-server HOST:PORT (--create|--list|--describe|--alter|--delete) [--topic NAME]",
		Short: "Create, list, describe, grow or delete topics, as kafka-topics.sh does",
		Long: `topics takes the options of kafka-topics.sh, without Java. --command-config is a client.properties
as Kafka's tools take it, logins included, or a kafka-rest.properties. What it prints has the shape
of the Java tool's, tabs included; topics stand in the order of their names.

--topic is a regular expression, but with --create. What fails ends with exit code 1, wrong usage with 2.`,
		Example: `  headrace topics --bootstrap-server broker:9092 --create --topic orders --partitions 3 --if-not-exists
  headrace topics --bootstrap-server broker:9098 --command-config client.properties --describe --topic 'orders.*'
  headrace topics --bootstrap-server broker:9092 --describe --under-replicated-partitions`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.partitionsGiven = cmd.Flags().Changed("partitions")
			f.replicationFactorGiven = cmd.Flags().Changed("replication-factor")
			f.replicaAssignmentsGiven = cmd.Flags().Changed("replica-assignment")
			if err := f.check(); err != nil {
				return usageError{err}
			}
			return topics(cmd.Context(), p, f)
		},
	}
	f.add(cmd)
	return cmd
}

func (f *topicsFlags) add(cmd *cobra.Command) {
	f.log.add(cmd, "warn")
	flags := cmd.Flags()
	flags.StringVar(&f.bootstrap, "bootstrap-server", "", "brokers to begin with, host:port, comma-separated")
	flags.StringVar(&f.commandConfig, "command-config", "", "property file that says how to reach Kafka")
	flags.BoolVar(&f.create, "create", false, "create a topic")
	flags.BoolVar(&f.list, "list", false, "list the topics")
	flags.BoolVar(&f.describe, "describe", false, "describe topics")
	flags.BoolVar(&f.alter, "alter", false, "give topics more partitions")
	flags.BoolVar(&f.delete, "delete", false, "delete topics")
	flags.StringVar(&f.topic, "topic", "", "the topic; but with --create a regular expression for topics")
	flags.StringVar(&f.topicID, "topic-id", "", "the id of the topic to describe")
	flags.Int32Var(&f.partitions, "partitions", 0, "partitions of the topic in all (default: the broker's)")
	flags.Int32Var(&f.replicationFactor, "replication-factor", 0, "replicas of each partition (default: the broker's)")
	flags.StringVar(&f.replicaAssignment, "replica-assignment", "", "brokers of each partition: 1:2,2:3 is 1 and 2 for partition 0, 2 and 3 for partition 1")
	flags.StringArrayVar(&f.configs, "config", nil, "a setting of the new topic, NAME=VALUE; may be given several times")
	flags.StringArrayVar(&f.deleteConfigs, "delete-config", nil, "taken and without effect, as in the Java tool since 4.0")
	flags.BoolVar(&f.ifExists, "if-exists", false, "with --alter, --delete, --describe: a topic that is not there is no error")
	flags.BoolVar(&f.ifNotExists, "if-not-exists", false, "with --create: a topic that is there is no error")
	flags.BoolVar(&f.excludeInternal, "exclude-internal", false, "with --list, --describe: leave the brokers' own topics out")
	flags.BoolVar(&f.underReplicated, "under-replicated-partitions", false, "with --describe: only partitions with replicas out of sync")
	flags.BoolVar(&f.unavailable, "unavailable-partitions", false, "with --describe: only partitions without a leader")
	flags.BoolVar(&f.underMinISR, "under-min-isr-partitions", false, "with --describe: only partitions with fewer replicas in sync than min.insync.replicas")
	flags.BoolVar(&f.atMinISR, "at-min-isr-partitions", false, "with --describe: only partitions with just min.insync.replicas in sync")
	flags.BoolVar(&f.overrides, "topics-with-overrides", false, "with --describe: only topics with settings of their own")
	flags.Int("partition-size-limit-per-response", 0, "taken and without effect: answers of any size are read")
}

// check refuses what does not go together, as the Java tool does.
func (f *topicsFlags) check() error {
	actions := 0
	for _, action := range []bool{f.create, f.list, f.describe, f.alter, f.delete} {
		if action {
			actions++
		}
	}
	switch {
	case actions != 1:
		return errors.New("the command must include exactly one action: --list, --describe, --create, --alter or --delete")
	case f.topic == "" && (f.create || f.alter || f.delete):
		return errors.New("--topic is missing")
	case f.alter && len(f.configs) > 0:
		return errors.New("--config does not go with --alter: settings of a topic that is there are changed by kafka-configs.sh, or PUT /v3/clusters/…/topics/…/configs/NAME")
	case len(f.configs) > 0 && !f.create:
		return errors.New("--config goes with --create only")
	case f.partitionsGiven && f.partitions <= 0:
		return fmt.Errorf("--partitions is %d: a number from 1 would work", f.partitions)
	case f.replicationFactorGiven && (f.replicationFactor < 1 || f.replicationFactor > math.MaxInt16):
		return fmt.Errorf("--replication-factor is %d: a number from 1 to 32767 would work", f.replicationFactor)
	case f.create && f.replicaAssignmentsGiven && (f.partitionsGiven || f.replicationFactorGiven):
		return errors.New("--replica-assignment says how many partitions and replicas there are: leave --partitions and --replication-factor out")
	case f.alter && !f.partitionsGiven:
		return errors.New("--alter needs --partitions")
	case f.topicID != "" && !f.describe:
		return errors.New("--topic-id goes with --describe only")
	case f.excludeInternal && !f.list && !f.describe:
		return errors.New("--exclude-internal goes with --list and --describe only")
	case f.ifNotExists && !f.create:
		return errors.New("--if-not-exists goes with --create only")
	case f.ifExists && (f.create || f.list):
		return errors.New("--if-exists goes with --alter, --delete and --describe only")
	}
	return f.checkReports()
}

func (f *topicsFlags) checkReports() error {
	reports := 0
	for _, report := range []bool{f.underReplicated, f.unavailable, f.underMinISR, f.atMinISR, f.overrides} {
		if report {
			reports++
		}
	}
	switch {
	case reports > 0 && !f.describe:
		return errors.New("the options that choose partitions or topics with overrides go with --describe only")
	case reports > 1:
		return errors.New("only one of --under-replicated-partitions, --unavailable-partitions, --under-min-isr-partitions, --at-min-isr-partitions and --topics-with-overrides can be given")
	}
	return nil
}

// topicsTool is one run of topics.
type topicsTool struct {
	topicsFlags
	admin *kafkaclient.Admin
	out   io.Writer
}

// topics does what the flags say.
func topics(ctx context.Context, p process, f topicsFlags) error {
	log, err := f.log.logger(p.stderr, slog.LevelWarn)
	if err != nil {
		return err
	}
	from := sources{file: f.commandConfig, environ: p.environ}
	if f.bootstrap != "" {
		from.flags = map[string]setting{"bootstrap.servers": {raw: f.bootstrap, origin: "--bootstrap-server"}}
	}
	cfg, settings, err := loadKafka(from, "admin.")
	settings.logNotes(log)
	if err != nil {
		return err
	}
	if len(cfg.Brokers) == 0 {
		return usageError{errors.New("--bootstrap-server is missing: host:port of a broker")}
	}
	admin, err := kafkaclient.NewAdmin(cfg, log)
	if err != nil {
		return err
	}
	defer admin.Close()
	tool := &topicsTool{topicsFlags: f, admin: admin, out: p.stdout}
	if err := tool.run(ctx); err != nil {
		// Scripts find the Java tool's line where it prints it.
		_, _ = fmt.Fprintf(p.stdout, "Error while executing topic command : %v\n", words(err))
		return err
	}
	return nil
}

// words is an error in Kafka's own words, where it is Kafka's.
func words(err error) string {
	var (
		told  *kafkaclient.BrokerError
		kafka *kerr.Error
	)
	switch {
	case errors.As(err, &told):
		return told.Message
	case errors.As(err, &kafka):
		return kafka.Description
	}
	return err.Error()
}

func (t *topicsTool) run(ctx context.Context) error {
	switch {
	case t.create:
		return t.createTopic(ctx)
	case t.list:
		topics, err := t.matching(ctx)
		for _, topic := range topics {
			t.print("%s\n", topic.Name)
		}
		return err
	case t.describe:
		return t.describeTopics(ctx)
	case t.alter:
		return t.growTopics(ctx)
	}
	return t.deleteTopics(ctx)
}

func (t *topicsTool) print(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format, args...) }

func (t *topicsTool) createTopic(ctx context.Context) error {
	topic := kafkaclient.NewTopic{Name: t.topic, Configs: map[string]*string{}}
	for _, config := range t.configs {
		name, value, ok := strings.Cut(config, "=")
		if !ok {
			return fmt.Errorf("Invalid topic config: all configs to be added must be in the format \"key=val\", not %q", config) //nolint:staticcheck // the Java tool's words
		}
		value = strings.TrimSpace(value)
		topic.Configs[strings.TrimSpace(name)] = &value
	}
	if t.partitionsGiven {
		topic.Partitions = &t.partitions
	}
	if t.replicationFactorGiven {
		factor := int16(t.replicationFactor) //nolint:gosec // checked
		topic.ReplicationFactor = &factor
	}
	if t.replicaAssignment != "" {
		brokers, err := assignments(t.replicaAssignment)
		if err != nil {
			return err
		}
		topic.Assignments = map[int32][]int32{}
		for i, b := range brokers {
			topic.Assignments[int32(i)] = b //nolint:gosec // as many as stand on a command line
		}
	}
	if strings.ContainsAny(t.topic, "._") {
		t.print("WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.\n")
	}
	_, err := t.admin.CreateTopic(ctx, topic)
	if t.ifNotExists && errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	if err == nil {
		t.print("Created topic %s.\n", t.topic)
	}
	return err
}

// assignments reads 1:2,2:3: the brokers of each partition in turn.
func assignments(text string) (all [][]int32, err error) {
	for partition := range strings.SplitSeq(text, ",") {
		var brokers []int32
		for id := range strings.SplitSeq(partition, ":") {
			broker, err := strconv.ParseInt(strings.TrimSpace(id), 10, 32)
			if err != nil {
				return nil, fmt.Errorf("--replica-assignment has %q where a broker's id is wanted, as in 1:2,2:3", id)
			}
			if slices.Contains(brokers, int32(broker)) {
				return nil, fmt.Errorf("Partition replica lists may not contain duplicate entries: %d", broker) //nolint:staticcheck // the Java tool's words
			}
			brokers = append(brokers, int32(broker))
		}
		if len(all) > 0 && len(brokers) != len(all[0]) {
			return nil, fmt.Errorf("Partition %d has different replication factor: %v", len(all), brokers) //nolint:staticcheck // the Java tool's words
		}
		all = append(all, brokers)
	}
	return all, nil
}

// matching lists the topics that the flags mean, by name.
func (t *topicsTool) matching(ctx context.Context) ([]kafkaclient.Topic, error) {
	pattern := strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(t.topic), ",", "|"), " ", "")
	pattern = strings.Trim(pattern, `"'`)
	wanted, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return nil, fmt.Errorf("--topic is no regular expression: %w", err)
	}
	all, err := t.admin.AllTopics(ctx, false)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(topic kafkaclient.Topic) bool {
		return topic.Internal && t.excludeInternal || t.topic != "" && !wanted.MatchString(topic.Name)
	}), nil
}

// mustMatch is matching, of which there must be one when --topic is given, but for --if-exists.
func (t *topicsTool) mustMatch(ctx context.Context) ([]kafkaclient.Topic, error) {
	topics, err := t.matching(ctx)
	if err == nil && len(topics) == 0 && t.topic != "" && !t.ifExists {
		err = fmt.Errorf("Topic '%s' does not exist as expected", t.topic) //nolint:staticcheck // the Java tool's words
	}
	return topics, err
}

func (t *topicsTool) growTopics(ctx context.Context) error {
	topics, err := t.mustMatch(ctx)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		var added [][]int32
		if t.replicaAssignment != "" {
			all, err := assignments(t.replicaAssignment)
			if err != nil {
				return err
			}
			if len(all) <= len(topic.Partitions) {
				return fmt.Errorf("--replica-assignment has %d partitions, topic %s has %d already: name all of them, the new ones last", len(all), topic.Name, len(topic.Partitions))
			}
			added = all[len(topic.Partitions):]
		}
		if err := t.admin.GrowTopic(ctx, topic.Name, t.partitions, added); err != nil {
			return err
		}
	}
	return nil
}

func (t *topicsTool) deleteTopics(ctx context.Context) error {
	topics, err := t.mustMatch(ctx)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		if err := t.admin.DeleteTopic(ctx, topic.Name); err != nil {
			return err
		}
	}
	return nil
}
