package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"headrace/kafkaclient"
)

// describeTopics prints topics and their partitions, or only those that a report is about.
func (t *topicsTool) describeTopics(ctx context.Context) error {
	names, err := t.described(ctx)
	if err != nil || len(names) == 0 {
		return err
	}
	topics, err := t.admin.DescribeTopics(ctx, names)
	if err != nil {
		return err
	}
	resources := make([]kafkaclient.ConfigResource, len(topics))
	for i := range topics {
		resources[i] = kafkaclient.TopicResource(topics[i].Name)
	}
	configs, err := t.admin.Configs(ctx, resources...)
	if err != nil {
		return err
	}
	moved, err := t.moved(ctx)
	if err != nil {
		return err
	}
	for i := range topics {
		if err := t.printTopic(topics[i], configs[i], moved); err != nil {
			return err
		}
	}
	return nil
}

// described lists the names of the topics that are meant.
func (t *topicsTool) described(ctx context.Context) (names []string, err error) {
	var topics []kafkaclient.Topic
	if t.topicID == "" {
		topics, err = t.mustMatch(ctx)
	} else {
		topics, err = t.admin.AllTopics(ctx, false)
		topics = slices.DeleteFunc(topics, func(topic kafkaclient.Topic) bool { return topicIDText(topic.ID) != t.topicID })
		if err == nil && len(topics) == 0 && !t.ifExists {
			err = fmt.Errorf("TopicId '%s' does not exist as expected", t.topicID)
		}
	}
	for _, topic := range topics {
		names = append(names, topic.Name)
	}
	return names, err
}

// topicIDText writes a topic's id as Kafka does.
func topicIDText(id [16]byte) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// moved finds the partitions that are being moved. Who may not ask for them sees none.
func (t *topicsTool) moved(ctx context.Context) (map[kafkaclient.TopicPartition]kafkaclient.Reassignment, error) {
	all, err := t.admin.Reassignments(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, nil
	}
	moved := make(map[kafkaclient.TopicPartition]kafkaclient.Reassignment, len(all))
	for _, r := range all {
		moved[kafkaclient.TopicPartition{Topic: r.Topic, Partition: r.Partition}] = r
	}
	return moved, nil
}

func (t *topicsTool) printTopic(topic kafkaclient.Topic, configs []kafkaclient.ConfigEntry, moved map[kafkaclient.TopicPartition]kafkaclient.Reassignment) error {
	var set []string
	minISR := 1
	for _, c := range configs {
		if c.Value == nil {
			continue
		}
		if !c.Default {
			set = append(set, c.Name+"="+*c.Value)
		}
		if c.Name == "min.insync.replicas" {
			var err error
			if minISR, err = strconv.Atoi(*c.Value); err != nil {
				return fmt.Errorf("topic %s: min.insync.replicas is %q", topic.Name, *c.Value)
			}
		}
	}
	onlySome := t.underReplicated || t.unavailable || t.underMinISR || t.atMinISR
	if !onlySome && (!t.overrides || len(set) > 0) {
		factor := 0
		if len(topic.Partitions) > 0 {
			factor = len(topic.Partitions[0].Replicas)
			if r, ok := moved[kafkaclient.TopicPartition{Topic: topic.Name, Partition: topic.Partitions[0].ID}]; ok {
				factor -= len(r.Adding)
			}
		}
		t.print("Topic: %s\tTopicId: %s\tPartitionCount: %d\tReplicationFactor: %d\tConfigs: %s\n",
			topic.Name, topicIDText(topic.ID), len(topic.Partitions), factor, strings.Join(set, ","))
	}
	if t.overrides {
		return nil
	}
	for _, p := range topic.Partitions {
		r, moving := moved[kafkaclient.TopicPartition{Topic: topic.Name, Partition: p.ID}]
		if t.reports(p, len(p.Replicas)-len(r.Adding), minISR) {
			t.printPartition(topic.Name, p, r, moving)
		}
	}
	return nil
}

// reports reports whether a partition is what the flags ask for.
func (t *topicsTool) reports(p kafkaclient.Partition, factor, minISR int) bool {
	switch {
	case t.underReplicated:
		return len(p.InSync) < factor
	case t.unavailable:
		return p.Leader < 0
	case t.underMinISR:
		return len(p.InSync) < minISR
	case t.atMinISR:
		return len(p.InSync) == minISR
	}
	return true
}

func (t *topicsTool) printPartition(topic string, p kafkaclient.Partition, r kafkaclient.Reassignment, moving bool) {
	leader := "none"
	if p.Leader >= 0 {
		leader = strconv.Itoa(int(p.Leader))
	}
	t.print("\tTopic: %s\tPartition: %d\tLeader: %s\tReplicas: %s\tIsr: %s", topic, p.ID, leader, joined(p.Replicas), joined(p.InSync))
	if moving {
		t.print("\tAdding Replicas: %s\tRemoving Replicas: %s", joined(r.Adding), joined(r.Removing))
	}
	t.print("\tElr: %s\tLastKnownElr: %s\n", told(p.Eligible), told(p.LastEligible))
}

// told lists brokers; nil is not told by the broker.
func told(ids []int32) string {
	if ids == nil {
		return "N/A"
	}
	return joined(ids)
}

func joined(ids []int32) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.Itoa(int(id))
	}
	return strings.Join(texts, ",")
}
