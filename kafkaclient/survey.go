package kafkaclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Survey is what one login sees of a cluster, for `headrace check`.
type Survey struct {
	Nodes  []Node        // by ID
	Rights Operations    // on the cluster itself
	Topics []TopicSurvey // those asked for, in their order; else all that are visible, by name
	Groups []GroupSurvey // those asked for
}

// GroupSurvey is one consumer group as this login sees it.
type GroupSurvey struct {
	Name   string
	Err    error // a *kerr.Error: not to be seen
	Rights Operations
}

// Node is a broker, and where it says that it is reached.
type Node struct {
	ID      int32
	Address string // host:port
}

// TopicSurvey is one topic as this login sees it.
type TopicSurvey struct {
	Name       string
	Err        error // a *kerr.Error: missing, not to be seen, or without a leader
	Partitions int
	Leaderless int // partitions without a leader
	Rights     Operations
}

// Operations are the operations that a login may do on one thing, by Kafka's names: READ, WRITE,
// DESCRIBE_CONFIGS. The zero value is unknown.
type Operations struct {
	Known bool // the brokers have said
	bits  int32
}

// Allow reports whether the operation is among them.
func (o Operations) Allow(operation string) bool {
	op, err := kmsg.ParseACLOperation(operation)
	return err == nil && o.bits&(1<<uint(op)) != 0
}

// operationsOf reads a bit field. Source: KIP-430; the least number stands for unknown.
func operationsOf(bits int32) Operations {
	return Operations{Known: bits != math.MinInt32, bits: bits}
}

// Survey asks for the brokers, topics and groups, and the rights on them. Brokers of old tell no rights:
// they are then unknown, which is no error.
func (a *Admin) Survey(ctx context.Context, topics, groups []string) (Survey, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	for _, name := range topics {
		asked := kmsg.NewMetadataRequestTopic()
		asked.Topic = &name
		req.Topics = append(req.Topics, asked)
	}
	meta, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return Survey{}, fmt.Errorf("asking for brokers and topics: %w", err)
	}
	var s Survey
	for _, b := range meta.Brokers {
		s.Nodes = append(s.Nodes, Node{b.NodeID, net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))})
	}
	slices.SortFunc(s.Nodes, func(x, y Node) int { return cmp.Compare(x.ID, y.ID) })
	for _, t := range meta.Topics {
		s.Topics = append(s.Topics, surveyTopic(t))
	}
	slices.SortFunc(s.Topics, func(x, y TopicSurvey) int {
		return cmp.Or(cmp.Compare(slices.Index(topics, x.Name), slices.Index(topics, y.Name)), cmp.Compare(x.Name, y.Name))
	})
	if s.Rights, err = a.clusterRights(ctx); err != nil || len(groups) == 0 {
		return s, err
	}
	s.Groups, err = a.surveyGroups(ctx, groups)
	return s, err
}

func (a *Admin) surveyGroups(ctx context.Context, names []string) ([]GroupSurvey, error) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups, req.IncludeAuthorizedOperations = names, true
	var found []GroupSurvey
	for _, shard := range a.client.RequestSharded(ctx, req) { // each group is asked of its coordinator
		var refused *kerr.Error
		if errors.As(shard.Err, &refused) { // by the broker that was asked for the groups' coordinator
			for _, name := range shard.Req.(*kmsg.DescribeGroupsRequest).Groups {
				found = append(found, GroupSurvey{Name: name, Err: refused})
			}
			continue
		}
		if shard.Err != nil {
			return nil, fmt.Errorf("asking for groups: %w", shard.Err)
		}
		for _, g := range shard.Resp.(*kmsg.DescribeGroupsResponse).Groups {
			err := kerr.ErrorForCode(g.ErrorCode)
			if errors.Is(err, kerr.GroupIDNotFound) {
				err = nil // not yet made
			}
			found = append(found, GroupSurvey{g.Group, err, operationsOf(g.AuthorizedOperations)})
		}
	}
	return found, nil
}

func surveyTopic(t kmsg.MetadataResponseTopic) TopicSurvey {
	found := TopicSurvey{Err: kerr.ErrorForCode(t.ErrorCode), Partitions: len(t.Partitions), Rights: operationsOf(t.AuthorizedOperations)}
	if t.Topic != nil {
		found.Name = *t.Topic
	}
	for _, p := range t.Partitions {
		if p.Leader < 0 {
			found.Leaderless++
		}
	}
	return found
}

func (a *Admin) clusterRights(ctx context.Context) (Operations, error) {
	req := kmsg.NewPtrDescribeClusterRequest()
	req.IncludeClusterAuthorizedOperations = true
	cluster, err := req.RequestWith(ctx, a.client)
	if err != nil {
		if ctx.Err() != nil {
			return Operations{}, fmt.Errorf("asking for the rights on the cluster: %w", err)
		}
		return Operations{}, nil // before Kafka 2.8 there was no such question
	}
	if err := kerr.ErrorForCode(cluster.ErrorCode); err != nil {
		return Operations{}, fmt.Errorf("asking for the rights on the cluster: %w", err)
	}
	return operationsOf(cluster.ClusterAuthorizedOperations), nil
}

// ErrUnknown says that the brokers do not tell.
var ErrUnknown = errors.New("the brokers do not tell")

// MakesTopics reports whether brokers make a missing topic when it is first written to
// (auto.create.topics.enable). ErrUnknown: this login may not know.
func (a *Admin) MakesTopics(ctx context.Context, broker int32) (bool, error) {
	const key = "auto.create.topics.enable"
	all, err := a.kafka.DescribeBrokerConfigs(ctx, broker)
	if err != nil {
		return false, ErrUnknown
	}
	found := false
	makes := false
	_, err = all.On(strconv.Itoa(int(broker)), func(configs *kadm.ResourceConfig) error {
		for _, c := range configs.Configs {
			if c.Key == key && c.Value != nil {
				found, makes = true, *c.Value == "true"
			}
		}
		return configs.Err
	})
	if err != nil || !found {
		return false, ErrUnknown
	}
	return makes, nil
}
