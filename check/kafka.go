package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"headrace/kafkaclient"
	"headrace/record"
)

// explain words an error of a connection, a login or a right as the whole program does.
func (d *doctor) explain(ctx context.Context) func(error) (cause, next string) {
	return func(err error) (cause, next string) {
		// It may ask STS, where the time of the step that failed is over.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), explainTimeout)
		defer cancel()
		found := d.cfg.Kafka.Diagnose(ctx, err)
		return found.Cause, prefixed(found.Next)
	}
}

// clientKey is a key as Java clients name it. In a kafka-rest.properties it needs a prefix.
var clientKey = regexp.MustCompile(`(^|[ ,])((?:security\.protocol|sasl\.(?:mechanism|jaas\.config|oauthbearer\.token)|ssl\.)[a-z.]*)`)

func prefixed(text string) string { return clientKey.ReplaceAllString(text, "${1}client.$2") }

// explainTimeout bounds what an explanation may ask.
const explainTimeout = 2 * time.Second

// wanted are the topics and groups that are asked for by name.
func (d *doctor) wanted() (topics, groups []string) {
	topics = slices.Clone(d.cfg.Topics)
	for _, b := range d.cfg.Buckets {
		topics = append(topics, b.Topics...)
		if b.Group != "" {
			groups = append(groups, b.Group)
		}
	}
	slices.Sort(topics)
	return slices.Compact(topics), groups
}

// login gets in, and looks whether the brokers can be reached where they say they are.
func (d *doctor) login(ctx context.Context) []Result {
	admin, err := kafkaclient.NewAdmin(d.cfg.Kafka, d.log)
	if err != nil {
		return failed(nextOf(err.Error()), "%v", err)
	}
	d.admin = admin
	topics, groups := d.wanted()
	d.survey, err = admin.Survey(ctx, topics, groups)
	switch {
	case len(d.survey.Nodes) > 0 && err == nil:
		return append(d.loggedIn(), d.advertised(ctx)...)
	case len(d.survey.Nodes) > 0: // a later question was not answered
		if results := d.advertised(ctx); len(results) > 0 {
			return results
		}
	}
	cause, next := d.explain(ctx)(err)
	if cause == err.Error() && errors.Is(err, io.EOF) && d.cfg.Kafka.Login.SASL != nil {
		cause = "the broker ends the connection during the login by " + d.cfg.Kafka.Login.SASL.Mechanism + " without a reason: the port takes no such login, or refuses this one"
		next = "the broker's log; and client.security.protocol and client.sasl.jaas.config against the port"
	}
	return failed(next, "%s", cause)
}

func (d *doctor) loggedIn() []Result {
	how := d.cfg.Kafka.Login.Protocol()
	if sasl := d.cfg.Kafka.Login.SASL; sasl != nil {
		how += " " + sasl.Mechanism
	}
	return ok("%s, by %s", count(len(d.survey.Nodes), "broker"), how)
}

// advertised dials the brokers where the cluster says they are, which clients do after the first answer.
func (d *doctor) advertised(ctx context.Context) []Result {
	var addresses []string
	at := map[string]int32{}
	for _, n := range d.survey.Nodes {
		at[n.Address] = n.ID
		if !slices.Contains(d.open, n.Address) {
			addresses = append(addresses, n.Address)
		}
	}
	_, bad := each(addresses, func(address string) error { return dial(ctx, address) })
	if len(bad) == 0 {
		return nil
	}
	var dialled *kafkaclient.ConnectError
	if !errors.As(bad[0], &dialled) {
		return nil
	}
	cause, _ := d.explain(ctx)(bad[0])
	return failed("advertised.listeners of the broker with an address that this host reaches",
		"the brokers in bootstrap.servers answer, but broker %d says it is at %s, and that cannot be reached from here: %s", at[dialled.Address], dialled.Address, cause)
}

// right is an operation that a client needs.
type right struct {
	operation string // Kafka's name
	action    string // IAM's, behind kafka-cluster:
	needed    bool   // else only by some clients: a warning
}

// The rights that the gateway needs. Source of the actions: MSK developer guide, "Semantics of IAM
// authorization policy actions and resources".
var (
	clusterRights = []right{{"IDEMPOTENT_WRITE", "WriteDataIdempotently", true}, {"DESCRIBE", "DescribeCluster", false}}
	topicRights   = []right{{"DESCRIBE", "DescribeTopic", true}, {"WRITE", "WriteData", true}, {"READ", "ReadData", false}, {"DESCRIBE_CONFIGS", "DescribeTopicDynamicConfiguration", false}}
	sinkRights    = []right{{"DESCRIBE", "DescribeTopic", true}, {"READ", "ReadData", true}}
	groupRights   = []right{{"DESCRIBE", "DescribeGroup", true}, {"READ", "AlterGroup", true}}
)

// rights compares what the brokers let this login do with what the gateway needs. It tries nothing.
func (d *doctor) rights(context.Context) []Result {
	iam := d.cfg.Kafka.Login.SASL != nil && d.cfg.Kafka.Login.SASL.IAM != nil
	var results []Result
	if need := slices.Clone(clusterRights); d.survey.Rights.Known {
		need[0].needed = iam && d.cfg.Producer.Idempotent
		if !need[0].needed {
			need = need[1:] // since Kafka 3.0 a right to write to a topic is enough
		}
		results = append(results, d.missing("cluster", "", d.survey.Rights, nil, need)...)
	}
	known := d.survey.Rights.Known
	for _, t := range d.survey.Topics {
		if need := d.needOn(t.Name); need != nil {
			known = known || t.Rights.Known
			results = append(results, d.missing("topic", t.Name, t.Rights, t.Err, need)...)
		}
	}
	for _, g := range d.survey.Groups {
		known = known || g.Rights.Known
		results = append(results, d.missing("group", g.Name, g.Rights, g.Err, groupRights)...)
	}
	switch {
	case len(results) > 0:
		return results
	case !known:
		return skipped("the brokers do not tell rights")
	}
	topics, groups := d.wanted()
	return ok("nothing is missing on the cluster, %s and %s", count(len(topics), "topic"), count(len(groups), "group"))
}

// needOn are the rights needed on a topic that was asked for; nil for another.
func (d *doctor) needOn(topic string) []right {
	if slices.Contains(d.cfg.Topics, topic) {
		return topicRights
	}
	for _, b := range d.cfg.Buckets {
		if slices.Contains(b.Topics, topic) {
			return sinkRights
		}
	}
	return nil
}

// missing makes at most two findings: what stops requests, and what stops only some.
func (d *doctor) missing(kind, name string, has kafkaclient.Operations, err error, need []right) []Result {
	if errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.GroupAuthorizationFailed) {
		has, need = kafkaclient.Operations{Known: true}, need[:1] // the others may well be there
	} else if err != nil || !has.Known {
		return nil
	}
	lacks := map[bool][]right{}
	for _, r := range need {
		if !has.Allow(r.operation) {
			lacks[r.needed] = append(lacks[r.needed], r)
		}
	}
	var results []Result
	if lacking := lacks[true]; len(lacking) > 0 {
		results = failed(d.grant(kind, name, lacking), "%s", d.lacking(kind, name, lacking, "requests"))
	}
	if lacking := lacks[false]; len(lacking) > 0 {
		results = append(results, warning(d.grant(kind, name, lacking), "%s", d.lacking(kind, name, lacking, "some requests")))
	}
	return results
}

func (d *doctor) lacking(kind, name string, rights []right, who string) string {
	return fmt.Sprintf("the login lacks %s on %s: %s will fail", d.names(rights), strings.TrimSpace("the "+kind+" "+name), who)
}

// names are the rights in the words of who gives them.
func (d *doctor) names(rights []right) string {
	var names []string
	for _, r := range rights {
		if d.byIAM() {
			names = append(names, "kafka-cluster:"+r.action)
		} else {
			names = append(names, r.operation)
		}
	}
	return strings.Join(names, ", ")
}

func (d *doctor) byIAM() bool {
	sasl := d.cfg.Kafka.Login.SASL
	return sasl != nil && sasl.IAM != nil
}

// grant is what gives the rights: a statement for the role's policy, or an ACL.
func (d *doctor) grant(kind, name string, rights []right) string {
	if d.byIAM() {
		resource := "arn:aws:kafka:" + d.region() + ":ACCOUNT:" + kind + "/CLUSTER/*"
		if name != "" {
			resource += "/" + name
		}
		return fmt.Sprintf(`{"Effect":"Allow","Action":["%s"],"Resource":"%s"}   # in the policy of the role`, strings.ReplaceAll(d.names(rights), ", ", `","`), resource)
	}
	var command strings.Builder
	command.WriteString("kafka-acls.sh --bootstrap-server " + d.cfg.Kafka.Brokers[0] + " --add --allow-principal User:NAME")
	for _, r := range rights {
		command.WriteString(" --operation " + r.operation)
	}
	if kind == "cluster" {
		return command.String() + " --cluster"
	}
	return command.String() + " --" + kind + " " + name
}

// region is that of the brokers, by their name.
func (d *doctor) region() string {
	for _, host := range hosts(d.cfg.Kafka.Brokers) {
		if m := mskHost.FindStringSubmatch(host); m != nil {
			return m[2]
		}
	}
	return "REGION"
}

// topics looks for those asked for: are they there, have they leaders, would they be made?
func (d *doctor) topics(ctx context.Context) []Result {
	topics, _ := d.wanted()
	if len(topics) == 0 {
		return ok("%s visible; --topic NAME looks closer", count(len(d.survey.Topics), "topic"))
	}
	var results []Result
	for _, t := range d.survey.Topics {
		if slices.Contains(topics, t.Name) {
			results = append(results, d.topic(ctx, t)...)
		}
	}
	if d.cfg.Write {
		results = append(results, d.write(ctx)...)
	}
	return results
}

func (d *doctor) topic(ctx context.Context, t kafkaclient.TopicSurvey) []Result {
	switch {
	case errors.Is(t.Err, kerr.UnknownTopicOrPartition):
		return d.missingTopic(ctx, t.Name)
	case errors.Is(t.Err, kerr.TopicAuthorizationFailed):
		return skipped("topic %s may not be seen", t.Name)
	case t.Err != nil:
		cause, next := d.explain(ctx)(t.Err)
		return failed(next, "topic %s: %s", t.Name, cause)
	case t.Leaderless > 0:
		return failed("kafka-topics.sh --bootstrap-server "+d.cfg.Kafka.Brokers[0]+" --describe --unavailable-partitions",
			"%d of %d partitions of topic %s have no leader: their records will fail", t.Leaderless, t.Partitions, t.Name)
	}
	return ok("topic %s has %s, all with a leader", t.Name, count(t.Partitions, "partition"))
}

func (d *doctor) missingTopic(ctx context.Context, name string) []Result {
	create := "headrace topics --bootstrap-server " + d.cfg.Kafka.Brokers[0] + " --create --topic " + name
	makes, err := d.admin.MakesTopics(ctx, d.survey.Nodes[0].ID)
	switch {
	case err != nil:
		return []Result{warning(create, "topic %s does not exist, and this login may not know whether the brokers make it at the first record (auto.create.topics.enable)", name)}
	case !makes:
		return failed(create, "topic %s does not exist, and the brokers make none (auto.create.topics.enable=false)", name)
	}
	return []Result{warning(create, "topic %s does not exist: the brokers will make it at the first record, with their own number of partitions", name)}
}

// write produces one record to each topic that clients write to.
func (d *doctor) write(ctx context.Context) []Result {
	producer, err := kafkaclient.NewProducer(d.cfg.Producer, d.log, prometheus.NewRegistry())
	if err != nil {
		return failed("", "%v", err)
	}
	defer func() { _ = producer.Close(ctx) }()
	var results []Result
	for _, topic := range d.cfg.Topics {
		acks := producer.Produce(ctx, []record.Record{{Topic: topic, Partition: record.AnyPartition, Value: d.note()}})
		if err := acks[0].Err; err != nil {
			cause, next := d.explain(ctx)(err)
			results = append(results, failed(next, "writing to topic %s: %s", topic, cause)...)
			continue
		}
		results = append(results, ok("a record was written to topic %s, partition %d, offset %d", topic, acks[0].Partition, acks[0].Offset)...)
	}
	return results
}

// note is what is written where --write asks for it.
func (d *doctor) note() []byte { return fmt.Appendf(nil, `{"headrace_check":%q}`, d.nonce) }
