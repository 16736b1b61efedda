package kafkaclient

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Cluster is a Kafka cluster as a broker describes it.
type Cluster struct {
	ID         string // "" from brokers before 0.10.1
	Controller int32  // a broker's id; -1: none. Brokers in KRaft mode name one of them at random
	Brokers    []Broker
}

// Broker is one broker of a cluster.
type Broker struct {
	ID   int32
	Host string
	Port int32
	Rack *string
}

// Cluster describes the cluster, brokers by id.
func (a *Admin) Cluster(ctx context.Context) (Cluster, error) {
	meta, err := a.metadata(ctx, []kmsg.MetadataRequestTopic{}, false)
	if err != nil {
		return Cluster{}, fmt.Errorf("describing the cluster: %w", err)
	}
	c := Cluster{Controller: meta.ControllerID, Brokers: make([]Broker, 0, len(meta.Brokers))}
	if meta.ClusterID != nil {
		c.ID = *meta.ClusterID
	}
	for _, b := range meta.Brokers {
		c.Brokers = append(c.Brokers, Broker{ID: b.NodeID, Host: b.Host, Port: b.Port, Rack: b.Rack})
	}
	slices.SortFunc(c.Brokers, func(x, y Broker) int { return cmp.Compare(x.ID, y.ID) })
	return c, nil
}
