package handlers

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"headrace/kafkaclient"
)

// v3Group is a KafkaConsumerGroup.
type v3Group struct {
	head
	ClusterID            string `json:"cluster_id"`
	ConsumerGroupID      string `json:"consumer_group_id"`
	IsSimple             bool   `json:"is_simple"`
	PartitionAssignor    string `json:"partition_assignor"`
	State                string `json:"state"`
	Type                 string `json:"type"`
	IsMixedConsumerGroup bool   `json:"is_mixed_consumer_group"`
	Coordinator          link   `json:"coordinator"`
	Consumers            link   `json:"consumers"`
	LagSummary           link   `json:"lag_summary"`
}

func (n names) group(cluster string, g kafkaclient.Group) v3Group {
	at := n.url("clusters", cluster, "consumer-groups", g.ID)
	return v3Group{
		head:      head{"KafkaConsumerGroup", metadata{at, n.crn("kafka", cluster, "consumer-group", g.ID)}},
		ClusterID: cluster, ConsumerGroupID: g.ID, IsSimple: g.Simple, PartitionAssignor: g.Assignor,
		State: constant(g.State), Type: constant(g.Type), IsMixedConsumerGroup: g.Mixed,
		Coordinator: link{n.url("clusters", cluster, "brokers", decimal(g.Coordinator))},
		Consumers:   link{at + "/consumers"}, LagSummary: link{at + "/lag-summary"},
	}
}

// constant writes a word of Kafka's as Java names constants: PreparingRebalance is
// PREPARING_REBALANCE.
func constant(word string) string {
	var b strings.Builder
	for i, c := range word {
		if i > 0 && unicode.IsUpper(c) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(c))
	}
	return b.String()
}

func (h *Handlers) v3Groups(w http.ResponseWriter, r *http.Request) error {
	cluster, err := h.cluster(r, clusterCould)
	if err != nil {
		return err
	}
	groups, err := h.admin.Groups(r.Context())
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	data := make([]v3Group, 0, len(groups))
	for _, g := range groups {
		data = append(data, n.group(cluster.ID, g))
	}
	return writeList(w, r, "KafkaConsumerGroupList", n.url("clusters", cluster.ID, "consumer-groups"), data)
}

// group finds the group of the path; missing is the error when there is none.
func (h *Handlers) group(r *http.Request, missing func(id string) error) (cluster string, g kafkaclient.Group, err error) {
	c, err := h.cluster(r, clusterCould)
	if err != nil {
		return "", g, err
	}
	id := pathParam(r, "consumer_group_id")
	g, err = h.admin.Group(r.Context(), id)
	if errors.Is(err, kafkaclient.ErrNoGroup) {
		err = missing(id)
	}
	return c.ID, g, err
}

func groupNotExist(id string) error   { return notFound("Consumer Group %s does not exist.", id) }
func groupNotFound(id string) error   { return notFound("Consumer Group %s could not be found.", id) }
func consumerMissing(id string) error { return notFound("Consumer %s does not exist.", id) }
func plainNotFound(string) error      { return errNotFound }

func (h *Handlers) v3Group(w http.ResponseWriter, r *http.Request) error {
	cluster, group, err := h.group(r, plainNotFound)
	if err != nil {
		return err
	}
	return writeV3(w, http.StatusOK, h.namesFor(r).group(cluster, group))
}

// v3Consumer is a KafkaConsumer: a member of a group.
type v3Consumer struct {
	head
	ClusterID       string  `json:"cluster_id"`
	ConsumerGroupID string  `json:"consumer_group_id"`
	ConsumerID      string  `json:"consumer_id"`
	InstanceID      *string `json:"instance_id"`
	ClientID        string  `json:"client_id"`
	Assignments     link    `json:"assignments"`
}

func (n names) consumer(cluster, group string, m kafkaclient.GroupMember) v3Consumer {
	at := n.url("clusters", cluster, "consumer-groups", group, "consumers", m.ID)
	return v3Consumer{
		head:      head{"KafkaConsumer", metadata{at, n.crn("kafka", cluster, "consumer-group", group, "consumer", m.ID)}},
		ClusterID: cluster, ConsumerGroupID: group, ConsumerID: m.ID, InstanceID: m.InstanceID, ClientID: m.ClientID,
		Assignments: link{at + "/assignments"},
	}
}

func (h *Handlers) v3Consumers(w http.ResponseWriter, r *http.Request) error {
	cluster, group, err := h.group(r, groupNotExist)
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	data := make([]v3Consumer, 0, len(group.Members))
	for _, m := range group.Members {
		data = append(data, n.consumer(cluster, group.ID, m))
	}
	return writeList(w, r, "KafkaConsumerList", n.url("clusters", cluster, "consumer-groups", group.ID, "consumers"), data)
}

// member finds the group and the member of the path; missing is the error when only that is missing.
func (h *Handlers) member(r *http.Request, missing func(id string) error) (cluster, group string, m kafkaclient.GroupMember, err error) {
	cluster, g, err := h.group(r, groupNotExist)
	if err != nil {
		return "", "", m, err
	}
	id := pathParam(r, "consumer_id")
	at := slices.IndexFunc(g.Members, func(m kafkaclient.GroupMember) bool { return m.ID == id })
	if at < 0 {
		return "", "", m, missing(id)
	}
	return cluster, g.ID, g.Members[at], nil
}

func (h *Handlers) v3Consumer(w http.ResponseWriter, r *http.Request) error {
	cluster, group, member, err := h.member(r, plainNotFound)
	if err != nil {
		return err
	}
	return writeV3(w, http.StatusOK, h.namesFor(r).consumer(cluster, group, member))
}

// v3Assignment is a KafkaConsumerAssignment.
type v3Assignment struct {
	head
	ClusterID       string `json:"cluster_id"`
	ConsumerGroupID string `json:"consumer_group_id"`
	ConsumerID      string `json:"consumer_id"`
	TopicName       string `json:"topic_name"`
	PartitionID     int32  `json:"partition_id"`
	Partition       link   `json:"partition"`
	Lag             link   `json:"lag"`
}

func (n names) assignment(cluster, group, member string, p kafkaclient.TopicPartition) v3Assignment {
	id := decimal(p.Partition)
	at := n.url("clusters", cluster, "consumer-groups", group, "consumers", member, "assignments", p.Topic, "partitions", id)
	return v3Assignment{
		head: head{"KafkaConsumerAssignment", metadata{
			at, n.crn("kafka", cluster, "consumer-group", group, "consumer", member, "assignment", p.Topic, "partition", id),
		}},
		ClusterID: cluster, ConsumerGroupID: group, ConsumerID: member, TopicName: p.Topic, PartitionID: p.Partition,
		Partition: link{n.partitionURL(cluster, p.Topic, p.Partition)}, Lag: link{n.lagURL(cluster, group, p)},
	}
}

func (h *Handlers) v3Assignments(w http.ResponseWriter, r *http.Request) error {
	cluster, group, member, err := h.member(r, consumerMissing)
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	data := make([]v3Assignment, 0, len(member.Assigned))
	for _, p := range member.Assigned {
		data = append(data, n.assignment(cluster, group, member.ID, p))
	}
	return writeList(w, r, "KafkaConsumerAssignmentList", n.url("clusters", cluster, "consumer-groups", group, "consumers", member.ID, "assignments"), data)
}

func (h *Handlers) v3Assignment(w http.ResponseWriter, r *http.Request) error {
	id, err := idParam(r, "partition_id")
	if err != nil {
		return err
	}
	cluster, group, member, err := h.member(r, consumerMissing)
	if err != nil {
		return err
	}
	p := kafkaclient.TopicPartition{Topic: pathParam(r, "topic_name"), Partition: id}
	if !slices.Contains(member.Assigned, p) {
		return errNotFound
	}
	return writeV3(w, http.StatusOK, h.namesFor(r).assignment(cluster, group, member.ID, p))
}
