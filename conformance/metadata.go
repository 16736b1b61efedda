package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// metadata holds the gateway to what it tells of brokers, topics and partitions.
func (s *suite) metadata(t *testing.T) {
	rows := []row{
		{name: "the root is an empty object", send: get("/"), want: answer{status: 200, body: `{}`}},
		{name: "a POST to the root takes null", send: request{path: "/", body: `null`}, want: answer{status: 200, body: `{}`}},
	}
	for _, rest := range []string{"", "/partitions", "/partitions/0", "/partitions/0/offsets"} {
		rows = append(rows,
			row{name: "an unknown topic is 40403 at TOPIC" + rest, send: get("/topics/NONE" + rest), want: unknownTopic},
			row{name: "an invalid name is 40002 at TOPIC" + rest, send: get("/topics/bad%20name%21" + rest), want: invalidTopic},
			row{name: "a name of 250 letters is 40002 at TOPIC" + rest, send: get("/topics/" + strings.Repeat("x", 250) + rest), want: invalidTopic})
	}
	rows = append(rows,
		row{name: "an unknown topic goes before an unknown partition", send: get("/topics/NONE/partitions/77"), want: unknownTopic},
		row{name: "a partition that is not there is 40402", send: get("/topics/TOPIC/partitions/3"), want: unknownPartition},
		row{name: "the offsets of a partition that is not there are 40402", send: get("/topics/TOPIC/partitions/3/offsets"), want: unknownPartition})
	s.rows(t, rows)
	t.Run("asking does not make a topic", func(t *testing.T) {
		if names := decode[[]string](s, t, get("/topics")); slices.Contains(names, s.prefix+"none") {
			t.Errorf("the topic that was asked for is there: %s", names)
		}
	})
	t.Run("topics are listed without internal ones", func(t *testing.T) {
		names := decode[[]string](s, t, get("/topics"))
		if !slices.Contains(names, s.topic) || !slices.Contains(names, s.other) {
			t.Errorf("the list lacks %s or %s: %s", s.topic, s.other, names)
		}
		if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, "__") }) {
			t.Errorf("the list has internal topics: %s", names)
		}
	})
	t.Run("a topic shows name, all its configuration, and partitions", s.wholeTopic)
	t.Run("partitions come by number", func(t *testing.T) {
		partitions := decode[[]partition](s, t, get("/topics/TOPIC/partitions"))
		for i, p := range partitions {
			p.hold(t, int32(i))
		}
		if len(partitions) != 3 {
			t.Errorf("%d partitions, want 3", len(partitions))
		}
		decode[partition](s, t, get("/topics/TOPIC/partitions/2")).hold(t, 2)
	})
	t.Run("the end offset is the next one", func(t *testing.T) {
		before := s.ends(t, "OTHER", 1)
		for range 3 {
			s.send(t, request{path: "/topics/OTHER/partitions/1", header: map[string]string{"Content-Type": typeJSON}, body: `{"records":[{"value":1}]}`})
		}
		if after := s.ends(t, "OTHER", 1); after.End != before.End+3 || after.Beginning != 0 {
			t.Errorf("offsets went from %+v to %+v, want 3 more", before, after)
		}
	})
}

// partition is how an answer shows one.
type partition struct {
	Partition *int32
	Leader    *int32
	Replicas  []struct {
		Broker *int32
		Leader *bool
		InSync *bool `json:"in_sync"`
	}
}

// hold checks that all members are there, and that the leader is one of the replicas.
func (p partition) hold(t *testing.T, id int32) {
	t.Helper()
	if p.Partition == nil || *p.Partition != id || p.Leader == nil || len(p.Replicas) == 0 {
		t.Fatalf("%+v, want partition %d with its leader and replicas", p, id)
	}
	leads := false
	for _, r := range p.Replicas {
		if r.Broker == nil || r.Leader == nil || r.InSync == nil {
			t.Fatalf("replica %+v lacks a member", r)
		}
		if *r.Leader != (*r.Broker == *p.Leader) {
			t.Errorf("broker %d says leader %t, the partition says %d", *r.Broker, *r.Leader, *p.Leader)
		}
		leads = leads || *r.Leader
	}
	if !leads {
		t.Errorf("leader %d is none of the replicas", *p.Leader)
	}
}

func (s *suite) wholeTopic(t *testing.T) {
	topic := decode[struct {
		Name       string
		Configs    map[string]*string
		Partitions []partition
	}](s, t, get("/topics/TOPIC"))
	if topic.Name != s.topic || len(topic.Partitions) != 3 {
		t.Errorf("%s with %d partitions, want %s with 3", topic.Name, len(topic.Partitions), s.topic)
	}
	for i, p := range topic.Partitions {
		p.hold(t, int32(i))
	}
	for _, name := range []string{"cleanup.policy", "retention.ms", "max.message.bytes"} {
		if value := topic.Configs[name]; value == nil || *value == "" {
			t.Errorf("configs has no %s, which stands at its default: %v", name, topic.Configs)
		}
	}
}

// offsets is the answer of …/offsets.
type offsets struct {
	Beginning int64 `json:"beginning_offset"`
	End       int64 `json:"end_offset"`
}

func (s *suite) ends(t *testing.T, topic string, partition int32) offsets {
	t.Helper()
	return decode[offsets](s, t, get(fmt.Sprintf("/topics/%s/partitions/%d/offsets", topic, partition)))
}

// decode sends a request that succeeds and returns its answer.
func decode[T any](s *suite, t *testing.T, r request) (v T) {
	t.Helper()
	resp, body := s.send(t, r)
	s.hold(t, ok, resp, body)
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	return v
}
