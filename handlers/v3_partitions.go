package handlers

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"headrace/kafkaclient"
)

// v3Partition is a KafkaPartition.
type v3Partition struct {
	head
	ClusterID    string `json:"cluster_id"`
	TopicName    string `json:"topic_name"`
	PartitionID  int32  `json:"partition_id"`
	Leader       *link  `json:"leader"`
	Replicas     link   `json:"replicas"`
	Reassignment link   `json:"reassignment"`
}

func (n names) partitionURL(cluster, topic string, id int32) string {
	return n.url("clusters", cluster, "topics", topic, "partitions", decimal(id))
}

func (n names) partition(cluster, topic string, p kafkaclient.Partition) v3Partition {
	at := n.partitionURL(cluster, topic, p.ID)
	body := v3Partition{
		head:      head{"KafkaPartition", metadata{at, n.crn("kafka", cluster, "topic", topic, "partition", decimal(p.ID))}},
		ClusterID: cluster, TopicName: topic, PartitionID: p.ID,
		Replicas: link{at + "/replicas"}, Reassignment: link{at + "/reassignment"},
	}
	if p.Leader >= 0 {
		body.Leader = &link{at + "/replicas/" + decimal(p.Leader)}
	}
	return body
}

func (h *Handlers) v3Partitions(w http.ResponseWriter, r *http.Request) error {
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	topic, err := h.admin.Topic(r.Context(), pathParam(r, "topic_name"))
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	data := make([]v3Partition, 0, len(topic.Partitions))
	for _, p := range topic.Partitions {
		data = append(data, n.partition(cluster.ID, topic.Name, p))
	}
	return writeList(w, r, "KafkaPartitionList", n.url("clusters", cluster.ID, "topics", topic.Name, "partitions"), data)
}

// onePartition finds the partition of the path; missing is the error when only that is missing.
func (h *Handlers) onePartition(r *http.Request, missing func(cluster, topic string, id int32) error) (cluster, topic string, p kafkaclient.Partition, err error) {
	id, err := idParam(r, "partition_id")
	if err != nil {
		return "", "", p, err
	}
	c, err := h.cluster(r, clusterWrapped)
	if err != nil {
		return "", "", p, err
	}
	name := pathParam(r, "topic_name")
	t, err := h.admin.Topic(r.Context(), name)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return "", "", p, &apiError{http.StatusNotFound, 40403, fmt.Sprintf("This server does not host topic-partition %d for topic %s", id, name)}
	}
	if err != nil {
		return "", "", p, err
	}
	at, ok := slices.BinarySearchFunc(t.Partitions, id, func(p kafkaclient.Partition, id int32) int { return cmp.Compare(p.ID, id) })
	if !ok {
		return "", "", p, missing(c.ID, name, id)
	}
	return c.ID, name, t.Partitions[at], nil
}

func (h *Handlers) v3Partition(w http.ResponseWriter, r *http.Request) error {
	cluster, topic, p, err := h.onePartition(r, func(string, string, int32) error { return errNotFound })
	if err != nil {
		return err
	}
	return writeV3(w, http.StatusOK, h.namesFor(r).partition(cluster, topic, p))
}

// v3PartitionOffsets is a KafkaPartitionWithOffsets.
type v3PartitionOffsets struct {
	head
	ClusterID      string `json:"cluster_id"`
	TopicName      string `json:"topic_name"`
	PartitionID    int32  `json:"partition_id"`
	EarliestOffset int64  `json:"earliest_offset"`
	LatestOffset   int64  `json:"latest_offset"`
}

// bothEnds is the only offset_type that there is.
const bothEnds = "earliest_and_latest"

func (h *Handlers) v3Offsets(w http.ResponseWriter, r *http.Request) error {
	if query := r.URL.Query(); query.Has("offset_type") && query.Get("offset_type") != bothEnds {
		return badRequest("offset_type:%s is invalid", query.Get("offset_type"))
	}
	cluster, topic, p, err := h.onePartition(r, func(string, string, int32) error { return errPartitionNotFound })
	if err != nil {
		return err
	}
	offsets, err := h.admin.PartitionOffsets(r.Context(), topic, p.ID)
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	return writeV3(w, http.StatusOK, v3PartitionOffsets{
		head: head{"KafkaPartitionWithOffsets", metadata{
			n.partitionURL(cluster, topic, p.ID) + "/offset",
			n.crn("kafka", cluster, "topic", topic, "partition", decimal(p.ID), "offset_type", bothEnds),
		}},
		ClusterID: cluster, TopicName: topic, PartitionID: p.ID, EarliestOffset: offsets.Beginning, LatestOffset: offsets.End,
	})
}

// v3Replica is a KafkaReplica.
type v3Replica struct {
	head
	ClusterID   string `json:"cluster_id"`
	TopicName   string `json:"topic_name"`
	PartitionID int32  `json:"partition_id"`
	BrokerID    int32  `json:"broker_id"`
	IsLeader    bool   `json:"is_leader"`
	IsInSync    bool   `json:"is_in_sync"`
	Broker      link   `json:"broker"`
}

func (n names) replica(cluster, topic string, p kafkaclient.Partition, broker int32) v3Replica {
	id := decimal(broker)
	return v3Replica{
		head: head{"KafkaReplica", metadata{
			n.partitionURL(cluster, topic, p.ID) + "/replicas/" + id,
			n.crn("kafka", cluster, "topic", topic, "partition", decimal(p.ID), "replica", id),
		}},
		ClusterID: cluster, TopicName: topic, PartitionID: p.ID, BrokerID: broker,
		IsLeader: broker == p.Leader, IsInSync: slices.Contains(p.InSync, broker),
		Broker: link{n.url("clusters", cluster, "brokers", id)},
	}
}

func partitionGone(cluster, topic string, id int32) error {
	return notFound("Partition %d of topic %s could not be found on cluster %s.", id, topic, cluster)
}

func (h *Handlers) v3Replicas(w http.ResponseWriter, r *http.Request) error {
	cluster, topic, p, err := h.onePartition(r, partitionGone)
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	data := make([]v3Replica, 0, len(p.Replicas))
	for _, broker := range p.Replicas {
		data = append(data, n.replica(cluster, topic, p, broker))
	}
	return writeList(w, r, "KafkaReplicaList", n.partitionURL(cluster, topic, p.ID)+"/replicas", data)
}

func (h *Handlers) v3Replica(w http.ResponseWriter, r *http.Request) error {
	broker, err := idParam(r, "broker_id")
	if err != nil {
		return err
	}
	cluster, topic, p, err := h.onePartition(r, partitionGone)
	if err != nil {
		return err
	}
	if !slices.Contains(p.Replicas, broker) {
		return errNotFound
	}
	return writeV3(w, http.StatusOK, h.namesFor(r).replica(cluster, topic, p, broker))
}

// v3Reassignment is a KafkaReassignment.
type v3Reassignment struct {
	head
	ClusterID        string  `json:"cluster_id"`
	TopicName        string  `json:"topic_name"`
	PartitionID      int32   `json:"partition_id"`
	AddingReplicas   []int32 `json:"adding_replicas"`
	RemovingReplicas []int32 `json:"removing_replicas"`
	Replicas         link    `json:"replicas"`
}

// reassignment of one partition. word is what its own URL and CRN end in: the reference has
// another one in lists.
func (n names) reassignment(cluster string, ra kafkaclient.Reassignment, word string) v3Reassignment {
	at := n.partitionURL(cluster, ra.Topic, ra.Partition)
	return v3Reassignment{
		head: head{"KafkaReassignment", metadata{
			at + "/" + word,
			n.crn("kafka", cluster, "topic", ra.Topic, "partition", decimal(ra.Partition), word),
		}},
		ClusterID: cluster, TopicName: ra.Topic, PartitionID: ra.Partition,
		AddingReplicas: notNull(ra.Adding), RemovingReplicas: notNull(ra.Removing), Replicas: link{at + "/replicas"},
	}
}

// notNull makes nil an empty array of JSON.
func notNull(ids []int32) []int32 {
	if ids == nil {
		return []int32{}
	}
	return ids
}

func (h *Handlers) v3Reassignment(w http.ResponseWriter, r *http.Request) error {
	id, err := idParam(r, "partition_id")
	if err != nil {
		return err
	}
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	all, err := h.admin.Reassignments(r.Context())
	if err != nil {
		return err
	}
	topic := pathParam(r, "topic_name")
	at := slices.IndexFunc(all, func(ra kafkaclient.Reassignment) bool { return ra.Topic == topic && ra.Partition == id })
	if at < 0 {
		return errNotFound
	}
	return writeV3(w, http.StatusOK, h.namesFor(r).reassignment(cluster.ID, all[at], "reassignment"))
}

// v3TopicReassignments lists what is being moved of one topic.
func (h *Handlers) v3TopicReassignments(w http.ResponseWriter, r *http.Request) error {
	topic := pathParam(r, "topic_name")
	return h.reassignments(w, r, topic, func(ra kafkaclient.Reassignment) bool { return ra.Topic == topic })
}

// v3Reassignments lists all that is being moved.
func (h *Handlers) v3Reassignments(w http.ResponseWriter, r *http.Request) error {
	return h.reassignments(w, r, "-", func(kafkaclient.Reassignment) bool { return true })
}

func (h *Handlers) reassignments(w http.ResponseWriter, r *http.Request, topic string, wanted func(kafkaclient.Reassignment) bool) error {
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	all, err := h.admin.Reassignments(r.Context())
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	var data []v3Reassignment
	for _, ra := range all {
		if wanted(ra) {
			data = append(data, n.reassignment(cluster.ID, ra, "reassignments"))
		}
	}
	return writeList(w, r, "KafkaReassignmentList", n.url("clusters", cluster.ID, "topics", topic, "partitions/-/reassignment"), data)
}
