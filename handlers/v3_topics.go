package handlers

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"headrace/kafkaclient"
	"headrace/rawjson"
)

// v3Topic is a KafkaTopic.
type v3Topic struct {
	head
	ClusterID              string   `json:"cluster_id"`
	TopicName              string   `json:"topic_name"`
	IsInternal             bool     `json:"is_internal"`
	ReplicationFactor      int      `json:"replication_factor"` // of partition 0
	PartitionsCount        int      `json:"partitions_count"`
	Partitions             link     `json:"partitions"`
	Configs                link     `json:"configs"`
	PartitionReassignments link     `json:"partition_reassignments"`
	AuthorizedOperations   []string `json:"authorized_operations"` // empty unless asked for
}

func (n names) topic(cluster string, t kafkaclient.Topic) v3Topic {
	at := n.url("clusters", cluster, "topics", t.Name)
	body := v3Topic{
		head:      head{"KafkaTopic", metadata{at, n.crn("kafka", cluster, "topic", t.Name)}},
		ClusterID: cluster, TopicName: t.Name, IsInternal: t.Internal, PartitionsCount: len(t.Partitions),
		Partitions: link{at + "/partitions"}, Configs: link{at + "/configs"}, PartitionReassignments: link{at + "/partitions/-/reassignment"},
		AuthorizedOperations: t.Operations,
	}
	if len(t.Partitions) > 0 {
		body.ReplicationFactor = len(t.Partitions[0].Replicas)
	}
	if body.AuthorizedOperations == nil {
		body.AuthorizedOperations = []string{}
	}
	return body
}

// v3Topics lists all topics but the brokers' own.
func (h *Handlers) v3Topics(w http.ResponseWriter, r *http.Request) error {
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	topics, err := h.admin.AllTopics(r.Context(), isTrue(r, "includeAuthorizedOperations"))
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	data := make([]v3Topic, 0, len(topics))
	for i := range topics {
		if !topics[i].Internal {
			data = append(data, n.topic(cluster.ID, topics[i]))
		}
	}
	return writeList(w, r, "KafkaTopicList", n.url("clusters", cluster.ID, "topics"), data)
}

// isTrue reads a boolean of the query as the reference does: anything but "true" is false.
func isTrue(r *http.Request, name string) bool {
	return strings.EqualFold(r.URL.Query().Get(name), "true")
}

func (h *Handlers) v3Topic(w http.ResponseWriter, r *http.Request) error {
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	describe := h.admin.Topic
	if isTrue(r, "include_authorized_operations") {
		describe = h.admin.TopicWithOperations
	}
	topic, err := describe(r.Context(), pathParam(r, "topic_name"))
	if err != nil {
		return err
	}
	return writeV3(w, http.StatusOK, h.namesFor(r).topic(cluster.ID, topic))
}

// v3CreateTopic makes a topic, 201, or with validate_only tells what would be made, 200.
func (h *Handlers) v3CreateTopic(w http.ResponseWriter, r *http.Request) error {
	topic, err := h.readNewTopic(r)
	if err != nil {
		return err
	}
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	created, err := h.admin.CreateTopic(r.Context(), topic)
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	body := n.topic(cluster.ID, kafkaclient.Topic{Name: topic.Name})
	body.PartitionsCount, body.ReplicationFactor = int(created.Partitions), int(created.ReplicationFactor)
	if created.Partitions < 0 { // the caller may not know: what was asked for
		body.PartitionsCount, body.ReplicationFactor = 0, 0
		if topic.Partitions != nil {
			body.PartitionsCount = int(*topic.Partitions)
		}
		if topic.ReplicationFactor != nil {
			body.ReplicationFactor = int(*topic.ReplicationFactor)
		}
	}
	w.Header().Set("Location", body.self())
	status := http.StatusCreated
	if topic.ValidateOnly {
		status = http.StatusOK
	}
	return writeV3(w, status, body)
}

func (h *Handlers) readNewTopic(r *http.Request) (kafkaclient.NewTopic, error) {
	var (
		topic       kafkaclient.NewTopic
		name        *string
		replication *int32
	)
	err := h.readV3(r, emptyBody, fields{
		"topic_name":           textInto("topic_name", &name),
		"partitions_count":     intInto("partitions_count", &topic.Partitions),
		"replication_factor":   intInto("replication_factor", &replication),
		"replicas_assignments": func(s *rawjson.Scanner) (err error) { topic.Assignments, err = readAssignments(s); return err },
		"configs":              func(s *rawjson.Scanner) (err error) { topic.Configs, err = readTopicConfigs(s); return err },
		"validate_only":        boolInto("validate_only", &topic.ValidateOnly),
	})
	switch {
	case err != nil:
		return topic, err
	case name == nil:
		return topic, nullMember("CreateTopicRequest", "topicName")
	case !kafkaclient.ValidTopic(*name):
		return topic, unprocessable(42206, "Payload error. Invalid topic name.")
	case replication != nil:
		if *replication < math.MinInt16 || *replication > math.MaxInt16 {
			return topic, badRequest("Numeric value (%d) out of range of short", *replication)
		}
		factor := int16(*replication)
		topic.ReplicationFactor = &factor
	}
	topic.Name = *name
	return topic, nil
}

// readAssignments reads {"0":[1,2],"1":[2,3]}: brokers by partition.
func readAssignments(s *rawjson.Scanner) (map[int32][]int32, error) {
	kind, err := s.Kind()
	if err != nil {
		return nil, err
	}
	switch kind {
	case rawjson.Null:
		_, err := s.Value()
		return nil, err
	case rawjson.Object:
	default:
		return nil, badRequest("replicas_assignments is %s, an object of arrays of brokers is wanted", kindName(kind))
	}
	if err := s.Object(); err != nil {
		return nil, err
	}
	assignments := map[int32][]int32{}
	for {
		name, ok, err := s.Member()
		if err != nil || !ok {
			return assignments, err
		}
		partition, err := strconv.ParseInt(string(name), 10, 32)
		if err != nil {
			return nil, badRequest("replicas_assignments has %.40q, the number of a partition is wanted", name)
		}
		var brokers []int32
		_, err = readArray(s, fmt.Sprintf("replicas_assignments.%d", partition), func() error {
			var id *int32
			if err := intInto("a broker", &id)(s); err != nil {
				return err
			}
			if id == nil {
				return badRequest("replicas_assignments.%d has no broker where one is wanted", partition)
			}
			brokers = append(brokers, *id)
			return nil
		})
		if err != nil {
			return nil, err
		}
		assignments[int32(partition)] = brokers
	}
}

// readTopicConfigs reads [{"name":…,"value":…}].
func readTopicConfigs(s *rawjson.Scanner) (map[string]*string, error) {
	configs := map[string]*string{}
	_, err := readArray(s, "configs", func() error {
		var name, value *string
		if err := readMembers(s, "a config", fields{"name": textInto("name", &name), "value": textInto("value", &value)}); err != nil {
			return err
		}
		if name == nil {
			return nullMember("ConfigEntry", "name")
		}
		configs[*name] = value
		return nil
	})
	return configs, err
}

// v3GrowTopic gives a topic more partitions. The reference knows an unknown topic before an
// unknown cluster.
func (h *Handlers) v3GrowTopic(w http.ResponseWriter, r *http.Request) error {
	var count *int32
	err := h.readV3(r, "Request body is empty. Partitions_count is required.", fields{"partitions_count": intInto("partitions_count", &count)})
	if err != nil {
		return err
	}
	if count == nil {
		return nullMember("UpdatePartitionCountRequest", "partitionsCount")
	}
	name := pathParam(r, "topic_name")
	if _, err := h.admin.Topic(r.Context(), name); err != nil {
		return err
	}
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	if err := h.admin.GrowTopic(r.Context(), name, *count, nil); err != nil {
		return err
	}
	topic, err := h.admin.Topic(r.Context(), name)
	if err != nil {
		return err
	}
	body := h.namesFor(r).topic(cluster.ID, topic)
	body.PartitionsCount = max(body.PartitionsCount, int(*count)) // a broker may hear of it later than the controller
	return writeV3(w, http.StatusOK, body)
}

func (h *Handlers) v3DeleteTopic(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.cluster(r, clusterCannot); err != nil {
		return err
	}
	if err := h.admin.DeleteTopic(r.Context(), pathParam(r, "topic_name")); err != nil {
		return err
	}
	return noContent(w)
}
