package handlers

import (
	"cmp"
	"net/http"
	"slices"

	"headrace/kafkaclient"
)

// v3Cluster is a KafkaCluster.
type v3Cluster struct {
	head
	ClusterID              string `json:"cluster_id"`
	Controller             *link  `json:"controller"`
	ACLs                   link   `json:"acls"`
	Brokers                link   `json:"brokers"`
	BrokerConfigs          link   `json:"broker_configs"`
	ConsumerGroups         link   `json:"consumer_groups"`
	Topics                 link   `json:"topics"`
	PartitionReassignments link   `json:"partition_reassignments"`
}

func (n names) cluster(c kafkaclient.Cluster) v3Cluster {
	at := n.url("clusters", c.ID)
	body := v3Cluster{
		head:                   head{"KafkaCluster", metadata{at, n.crn("kafka", c.ID)}},
		ClusterID:              c.ID,
		ACLs:                   link{at + "/acls"},
		Brokers:                link{at + "/brokers"},
		BrokerConfigs:          link{at + "/broker-configs"},
		ConsumerGroups:         link{at + "/consumer-groups"},
		Topics:                 link{at + "/topics"},
		PartitionReassignments: link{at + "/topics/-/partitions/-/reassignment"},
	}
	if c.Controller >= 0 {
		body.Controller = &link{at + "/brokers/" + decimal(c.Controller)}
	}
	return body
}

// v3Clusters lists the one cluster that there is.
func (h *Handlers) v3Clusters(w http.ResponseWriter, r *http.Request) error {
	cluster, err := h.admin.Cluster(r.Context())
	if err != nil {
		return err
	}
	if cluster.ID == "" {
		return errOldKafka
	}
	n := h.namesFor(r)
	return writeList(w, r, "KafkaClusterList", n.url("clusters"), []v3Cluster{n.cluster(cluster)})
}

func (h *Handlers) v3Cluster(w http.ResponseWriter, r *http.Request) error {
	cluster, err := h.cluster(r, clusterWrapped)
	if err != nil {
		return err
	}
	return writeV3(w, http.StatusOK, h.namesFor(r).cluster(cluster))
}

// v3Broker is a KafkaBroker.
type v3Broker struct {
	head
	ClusterID         string  `json:"cluster_id"`
	BrokerID          int32   `json:"broker_id"`
	Host              *string `json:"host"`
	Port              *int32  `json:"port"`
	Rack              *string `json:"rack"`
	Configs           link    `json:"configs"`
	PartitionReplicas link    `json:"partition_replicas"`
}

func (n names) broker(cluster string, b kafkaclient.Broker) v3Broker {
	id := decimal(b.ID)
	at := n.url("clusters", cluster, "brokers", id)
	return v3Broker{
		head:      head{"KafkaBroker", metadata{at, n.crn("kafka", cluster, "broker", id)}},
		ClusterID: cluster, BrokerID: b.ID, Host: &b.Host, Port: &b.Port, Rack: b.Rack,
		Configs: link{at + "/configs"}, PartitionReplicas: link{at + "/partition-replicas"},
	}
}

func (h *Handlers) v3Brokers(w http.ResponseWriter, r *http.Request) error {
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	brokers := make([]v3Broker, 0, len(cluster.Brokers))
	for _, b := range cluster.Brokers {
		brokers = append(brokers, n.broker(cluster.ID, b))
	}
	return writeList(w, r, "KafkaBrokerList", n.url("clusters", cluster.ID, "brokers"), brokers)
}

func (h *Handlers) v3Broker(w http.ResponseWriter, r *http.Request) error {
	id, err := idParam(r, "broker_id")
	if err != nil {
		return err
	}
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	broker, ok := findBroker(cluster, id)
	if !ok {
		return errNotFound
	}
	return writeV3(w, http.StatusOK, h.namesFor(r).broker(cluster.ID, broker))
}

func findBroker(cluster kafkaclient.Cluster, id int32) (kafkaclient.Broker, bool) {
	at, ok := slices.BinarySearchFunc(cluster.Brokers, id, func(b kafkaclient.Broker, id int32) int { return cmp.Compare(b.ID, id) })
	if !ok {
		return kafkaclient.Broker{}, false
	}
	return cluster.Brokers[at], true
}

// v3BrokerReplicas lists all replicas on one broker, but for the brokers' own topics.
func (h *Handlers) v3BrokerReplicas(w http.ResponseWriter, r *http.Request) error {
	id, err := idParam(r, "broker_id")
	if err != nil {
		return err
	}
	cluster, err := h.cluster(r, clusterCannot)
	if err != nil {
		return err
	}
	if _, ok := findBroker(cluster, id); !ok {
		return notFound("Broker %d cannot be found.", id)
	}
	topics, err := h.admin.AllTopics(r.Context(), false)
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	var replicas []v3Replica
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			if !topic.Internal && slices.Contains(p.Replicas, id) {
				replicas = append(replicas, n.replica(cluster.ID, topic.Name, p, id))
			}
		}
	}
	return writeList(w, r, "KafkaReplicaList", n.url("clusters", cluster.ID, "brokers", decimal(id), "partition-replicas"), replicas)
}
