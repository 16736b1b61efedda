package kafkaclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrNoGroup says that a group does not exist, or may not be seen.
var ErrNoGroup = errors.New("there is no such group")

// Group is a consumer group, of the classic protocol or of KIP-848.
type Group struct {
	ID          string
	Simple      bool   // only stores offsets: its members, if any, assign partitions themselves
	Assignor    string // such as range; "" while there is none
	State       string // Kafka's word, such as Stable
	Type        string // Kafka's word: Classic or Consumer
	Mixed       bool   // KIP-848, with a member that is not known to speak it
	Coordinator int32  // a broker's id
	Members     []GroupMember
}

// GroupMember is one member, with what it has been assigned.
type GroupMember struct {
	ID         string
	InstanceID *string // group.instance.id of a static member
	ClientID   string
	Host       string
	Assigned   []TopicPartition // by topic and partition
}

// comparePartitions orders by topic, then by partition.
func comparePartitions(topicX string, partitionX int32, topicY string, partitionY int32) int {
	return cmp.Or(cmp.Compare(topicX, topicY), cmp.Compare(partitionX, partitionY))
}

// Types of groups, as Kafka names them. Source: GroupType.
const (
	typeClassic  = "Classic"
	typeConsumer = "Consumer"
)

// Groups describes all consumer groups, by id; those that may not be described are left out.
func (a *Admin) Groups(ctx context.Context) ([]Group, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	resp, err := a.listGroups(ctx)
	if err != nil {
		return nil, err
	}
	var classic, consumer []string
	for _, g := range resp.Groups {
		switch {
		case g.ProtocolType != "consumer" && g.ProtocolType != "":
		case strings.EqualFold(g.GroupType, typeConsumer):
			consumer = append(consumer, g.Group)
		case g.GroupType == "" || strings.EqualFold(g.GroupType, typeClassic):
			classic = append(classic, g.Group)
		}
	}
	groups, err := a.describeClassic(ctx, classic)
	if err != nil {
		return nil, err
	}
	more, err := a.describeConsumer(ctx, consumer)
	if err != nil {
		return nil, err
	}
	groups = append(groups, more...)
	slices.SortFunc(groups, func(x, y Group) int { return cmp.Compare(x.ID, y.ID) })
	return groups, nil
}

// listGroups lists the groups of all brokers.
func (a *Admin) listGroups(ctx context.Context) (resp *kmsg.ListGroupsResponse, err error) {
	err = patiently(ctx, func() error {
		if resp, err = kmsg.NewPtrListGroupsRequest().RequestWith(ctx, a.client); err != nil {
			return fmt.Errorf("listing groups: %w", err)
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	return resp, err
}

// coordinatorErrors pass: the coordinator of a group is just being found, made or moved.
var coordinatorErrors = []error{kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator}

func isCoordinator(err error) bool {
	return slices.ContainsFunc(coordinatorErrors, func(target error) bool { return errors.Is(err, target) })
}

// The pause between two questions for a coordinator, the first and the longest. On a cluster that
// has never had a group, the first question makes the topic of their offsets, which takes a second.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// patiently calls ask until it fails with something else than a coordinator error, or ctx ends.
func patiently(ctx context.Context, ask func() error) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := ask()
		if !isCoordinator(err) {
			return err
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return err
		}
	}
}

// Group describes one consumer group. One that does not exist, or may not be seen, is ErrNoGroup.
func (a *Admin) Group(ctx context.Context, id string) (Group, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	groups, err := a.describeClassic(ctx, []string{id})
	if err != nil {
		return Group{}, err
	}
	if len(groups) == 1 {
		return groups[0], nil
	}
	groups, err = a.describeConsumer(ctx, []string{id})
	if err == nil && len(groups) == 1 {
		return groups[0], nil
	}
	if ctx.Err() != nil {
		return Group{}, fmt.Errorf("describing group %s: %w", id, err)
	}
	return Group{}, ErrNoGroup // also from brokers that do not know KIP-848, and say so with an error
}

// describeClassic describes those of the groups that the classic protocol runs.
func (a *Admin) describeClassic(ctx context.Context, ids []string) ([]Group, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = ids
	var groups []Group
	err := a.sharded(ctx, req, func(broker int32, resp kmsg.Response) error {
		for _, g := range resp.(*kmsg.DescribeGroupsResponse).Groups {
			if err := kerr.ErrorForCode(g.ErrorCode); isCoordinator(err) {
				return err
			} else if err != nil || g.State == "Dead" {
				continue
			}
			group := Group{
				ID: g.Group, Simple: g.ProtocolType == "", Assignor: g.Protocol, State: g.State, Type: typeClassic,
				Coordinator: broker, Members: make([]GroupMember, 0, len(g.Members)),
			}
			for _, m := range g.Members {
				group.Members = append(group.Members, GroupMember{
					ID: m.MemberID, InstanceID: m.InstanceID, ClientID: m.ClientID, Host: m.ClientHost, Assigned: classicAssignment(m.MemberAssignment),
				})
			}
			sortMembers(group.Members)
			groups = append(groups, group)
		}
		return nil
	}, func() { groups = nil })
	return groups, err
}

// classicAssignment reads what the leader of a group assigned to a member; nothing when it is of
// another protocol than the consumers'.
func classicAssignment(data []byte) []TopicPartition {
	var assignment kmsg.ConsumerMemberAssignment
	if len(data) == 0 || assignment.ReadFrom(data) != nil {
		return nil
	}
	var all []TopicPartition
	for _, t := range assignment.Topics {
		for _, p := range t.Partitions {
			all = append(all, TopicPartition{t.Topic, p})
		}
	}
	return sortPartitions(all)
}

// describeConsumer describes those of the groups that run by KIP-848.
func (a *Admin) describeConsumer(ctx context.Context, ids []string) ([]Group, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = ids
	var groups []Group
	err := a.sharded(ctx, req, func(broker int32, resp kmsg.Response) error {
		for _, g := range resp.(*kmsg.ConsumerGroupDescribeResponse).Groups {
			if err := kerr.ErrorForCode(g.ErrorCode); isCoordinator(err) {
				return err
			} else if err != nil {
				continue
			}
			group := Group{
				ID: g.Group, Assignor: g.AssignorName, State: g.State, Type: typeConsumer,
				Coordinator: broker, Members: make([]GroupMember, 0, len(g.Members)),
			}
			for _, m := range g.Members {
				member := GroupMember{ID: m.MemberID, InstanceID: m.InstanceID, ClientID: m.ClientID, Host: m.ClientHost}
				for _, t := range m.Assignment.TopicPartitions {
					for _, p := range t.Partitions {
						member.Assigned = append(member.Assigned, TopicPartition{t.Topic, p})
					}
				}
				sortPartitions(member.Assigned)
				group.Members = append(group.Members, member)
				group.Mixed = group.Mixed || m.MemberType != upgradedMember
			}
			sortMembers(group.Members)
			groups = append(groups, group)
		}
		return nil
	}, func() { groups = nil })
	return groups, err
}

// upgradedMember is the type of a member that speaks KIP-848. Source: ConsumerGroupDescribe v1.
const upgradedMember = 1

func sortMembers(members []GroupMember) {
	slices.SortFunc(members, func(x, y GroupMember) int { return cmp.Compare(x.ID, y.ID) })
}

func sortPartitions(all []TopicPartition) []TopicPartition {
	slices.SortFunc(all, func(x, y TopicPartition) int {
		return comparePartitions(x.Topic, x.Partition, y.Topic, y.Partition)
	})
	return all
}

// sharded sends req to the brokers that can answer it and calls see for each answer. It fails when
// one of them does not answer. While it fails for a coordinator it begins again, with forget.
func (a *Admin) sharded(ctx context.Context, req kmsg.Request, see func(broker int32, resp kmsg.Response) error, forget func()) error {
	return patiently(ctx, func() error {
		forget()
		for _, shard := range a.client.RequestSharded(ctx, req) {
			if shard.Err != nil {
				return fmt.Errorf("asking broker %s: %w", brokerName(shard.Meta), shard.Err)
			}
			if err := see(shard.Meta.NodeID, shard.Resp); err != nil {
				return err
			}
		}
		return nil
	})
}

func brokerName(b kgo.BrokerMetadata) string {
	if b.NodeID < 0 {
		return "for the group's coordinator"
	}
	return fmt.Sprintf("%d at %s:%d", b.NodeID, b.Host, b.Port)
}
