package handlers

import (
	"cmp"
	"net/http"
	"slices"

	"headrace/kafkaclient"
)

// lags finds the group of the path and how far it is behind, by lag, the longest first, topic and
// partition.
func (h *Handlers) lags(r *http.Request) (cluster, group string, lags []kafkaclient.PartitionLag, err error) {
	cluster, g, err := h.group(r, groupNotFound)
	if err != nil {
		return "", "", nil, err
	}
	if lags, err = h.admin.Lags(r.Context(), g); err != nil {
		return "", "", nil, err
	}
	if len(lags) == 0 {
		return "", "", nil, notFound("Consumer group offsets could not be found.")
	}
	slices.SortStableFunc(lags, func(x, y kafkaclient.PartitionLag) int { return cmp.Compare(y.Lag(), x.Lag()) })
	return cluster, g.ID, lags, nil
}

// v3Lag is a KafkaConsumerLag.
type v3Lag struct {
	head
	ClusterID       string  `json:"cluster_id"`
	ConsumerGroupID string  `json:"consumer_group_id"`
	TopicName       string  `json:"topic_name"`
	PartitionID     int32   `json:"partition_id"`
	ConsumerID      string  `json:"consumer_id"` // "" when nobody reads the partition
	InstanceID      *string `json:"instance_id"`
	ClientID        string  `json:"client_id"`
	CurrentOffset   int64   `json:"current_offset"`
	LogEndOffset    int64   `json:"log_end_offset"`
	Lag             int64   `json:"lag"`
}

func (n names) lagURL(cluster, group string, p kafkaclient.TopicPartition) string {
	return n.url("clusters", cluster, "consumer-groups", group, "lags", p.Topic, "partitions", decimal(p.Partition))
}

func (n names) lag(cluster, group string, l kafkaclient.PartitionLag) v3Lag {
	body := v3Lag{
		head: head{"KafkaConsumerLag", metadata{
			n.lagURL(cluster, group, l.TopicPartition),
			n.crn("kafka", cluster, "consumer-group", group, "lag", l.Topic, "partition", decimal(l.Partition)),
		}},
		ClusterID: cluster, ConsumerGroupID: group, TopicName: l.Topic, PartitionID: l.Partition,
		CurrentOffset: l.Committed, LogEndOffset: l.End, Lag: l.Lag(),
	}
	if l.Member != nil {
		body.ConsumerID, body.InstanceID, body.ClientID = l.Member.ID, l.Member.InstanceID, l.Member.ClientID
	}
	return body
}

func (h *Handlers) v3Lags(w http.ResponseWriter, r *http.Request) error {
	cluster, group, lags, err := h.lags(r)
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	data := make([]v3Lag, 0, len(lags))
	for _, l := range lags {
		data = append(data, n.lag(cluster, group, l))
	}
	return writeList(w, r, "KafkaConsumerLagList", n.url("clusters", cluster, "consumer-groups", group, "lags"), data)
}

func (h *Handlers) v3Lag(w http.ResponseWriter, r *http.Request) error {
	id, err := idParam(r, "partition_id")
	if err != nil {
		return err
	}
	cluster, group, lags, err := h.lags(r)
	if err != nil {
		return err
	}
	p := kafkaclient.TopicPartition{Topic: pathParam(r, "topic_name"), Partition: id}
	at := slices.IndexFunc(lags, func(l kafkaclient.PartitionLag) bool { return l.TopicPartition == p })
	if at < 0 {
		return errNotFound
	}
	return writeV3(w, http.StatusOK, h.namesFor(r).lag(cluster, group, lags[at]))
}

// v3LagSummary is a KafkaConsumerGroupLagSummary: the whole lag of a group, and its longest one.
type v3LagSummary struct {
	head
	ClusterID         string  `json:"cluster_id"`
	ConsumerGroupID   string  `json:"consumer_group_id"`
	MaxLagConsumerID  string  `json:"max_lag_consumer_id"`
	MaxLagInstanceID  *string `json:"max_lag_instance_id"`
	MaxLagClientID    string  `json:"max_lag_client_id"`
	MaxLagTopicName   string  `json:"max_lag_topic_name"`
	MaxLagPartitionID int32   `json:"max_lag_partition_id"`
	MaxLag            int64   `json:"max_lag"`
	TotalLag          int64   `json:"total_lag"`
	MaxLagConsumer    link    `json:"max_lag_consumer"`
	MaxLagPartition   link    `json:"max_lag_partition"`
}

func (h *Handlers) v3LagSummary(w http.ResponseWriter, r *http.Request) error {
	cluster, group, lags, err := h.lags(r)
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	at := n.url("clusters", cluster, "consumer-groups", group)
	longest := n.lag(cluster, group, lags[0])
	body := v3LagSummary{
		head:      head{"KafkaConsumerGroupLagSummary", metadata{at + "/lag-summary", n.crn("kafka", cluster, "consumer-group", group, "lag-summary")}},
		ClusterID: cluster, ConsumerGroupID: group,
		MaxLagConsumerID: longest.ConsumerID, MaxLagInstanceID: longest.InstanceID, MaxLagClientID: longest.ClientID,
		MaxLagTopicName: longest.TopicName, MaxLagPartitionID: longest.PartitionID, MaxLag: longest.Lag,
		MaxLagConsumer:  link{at + "/consumers/" + longest.ConsumerID},
		MaxLagPartition: link{n.partitionURL(cluster, longest.TopicName, longest.PartitionID)},
	}
	for _, l := range lags {
		body.TotalLag += l.Lag()
	}
	return writeV3(w, http.StatusOK, body)
}
