package handlers

import (
	"net/http"
	"slices"

	"headrace/kafkaclient"
	"headrace/rawjson"
)

// root answers GET / as the reference does. A browser is led to the start page before it
// comes here.
func (h *Handlers) root(w http.ResponseWriter, _ *http.Request, answer string) error {
	writeBody(w, http.StatusOK, answer, []byte("{}"))
	return nil
}

// postRoot answers POST /, which takes an object of strings and does nothing with it.
func (h *Handlers) postRoot(w http.ResponseWriter, r *http.Request, answer string) error {
	b, err := readBody(r, h.budget, h.cfg.MaxRequestBytes)
	if err != nil {
		return err
	}
	defer b.release()
	text, err := rawjson.UTF8(b.bytes)
	if err != nil {
		return badRequest("%s", err)
	}
	s := rawjson.NewScanner(text)
	if err := readStringMap(s); err != nil {
		return err
	}
	return h.root(w, r, answer)
}

// readStringMap checks that the text is an object whose members are texts, or absent.
func readStringMap(s *rawjson.Scanner) error {
	kind, err := s.Kind()
	if err != nil || kind == rawjson.End {
		return err
	}
	if kind == rawjson.Null {
		if _, err := s.Value(); err != nil {
			return err
		}
		return s.Finish()
	}
	if err := s.Object(); err != nil {
		return err
	}
	for {
		name, ok, err := s.Member()
		if err != nil {
			return err
		}
		if !ok {
			return s.Finish()
		}
		if kind, err = s.Kind(); err != nil {
			return err
		}
		if kind == rawjson.Object || kind == rawjson.Array {
			return badRequest("member %q: a string is wanted", name)
		}
		if _, err := s.Value(); err != nil {
			return err
		}
	}
}

func (h *Handlers) brokers(w http.ResponseWriter, r *http.Request, answer string) error {
	ids, err := h.admin.Brokers(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, answer, map[string][]int32{"brokers": ids})
}

func (h *Handlers) topics(w http.ResponseWriter, r *http.Request, answer string) error {
	names, err := h.admin.Topics(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, answer, names)
}

// topicBody is the answer to GET /topics/{topic}.
type topicBody struct {
	Name       string             `json:"name"`
	Configs    map[string]*string `json:"configs"`
	Partitions []partitionBody    `json:"partitions"`
}

type partitionBody struct {
	Partition int32         `json:"partition"`
	Leader    int32         `json:"leader"`
	Replicas  []replicaBody `json:"replicas"`
}

type replicaBody struct {
	Broker int32 `json:"broker"`
	Leader bool  `json:"leader"`
	InSync bool  `json:"in_sync"`
}

func (h *Handlers) topic(w http.ResponseWriter, r *http.Request, answer string) error {
	topic, err := h.admin.Topic(r.Context(), pathParam(r, "topic"))
	if err != nil {
		return err
	}
	configs, err := h.admin.TopicConfigs(r.Context(), topic.Name)
	if err != nil {
		return err
	}
	body := topicBody{Name: topic.Name, Configs: make(map[string]*string, len(configs)), Partitions: partitionBodies(topic)}
	for _, c := range configs {
		body.Configs[c.Name] = c.Value
	}
	return writeJSON(w, answer, body)
}

func (h *Handlers) partitions(w http.ResponseWriter, r *http.Request, answer string) error {
	topic, err := h.admin.Topic(r.Context(), pathParam(r, "topic"))
	if err != nil {
		return err
	}
	return writeJSON(w, answer, partitionBodies(topic))
}

func (h *Handlers) partition(w http.ResponseWriter, r *http.Request, answer string) error {
	topic, at, err := h.findPartition(r)
	if err != nil {
		return err
	}
	return writeJSON(w, answer, partitionBodies(topic)[at])
}

func (h *Handlers) offsets(w http.ResponseWriter, r *http.Request, answer string) error {
	topic, at, err := h.findPartition(r)
	if err != nil {
		return err
	}
	offsets, err := h.admin.PartitionOffsets(r.Context(), topic.Name, topic.Partitions[at].ID)
	if err != nil {
		return err
	}
	return writeJSON(w, answer, struct {
		Beginning int64 `json:"beginning_offset"`
		End       int64 `json:"end_offset"`
	}{offsets.Beginning, offsets.End})
}

// findPartition returns the topic of the path and the index of the path's partition in it.
func (h *Handlers) findPartition(r *http.Request) (topic kafkaclient.Topic, at int, err error) {
	id, err := partitionParam(r)
	if err != nil {
		return topic, 0, err
	}
	if topic, err = h.admin.Topic(r.Context(), pathParam(r, "topic")); err != nil {
		return topic, 0, err
	}
	at = slices.IndexFunc(topic.Partitions, func(p kafkaclient.Partition) bool { return p.ID == id })
	if at < 0 {
		return topic, 0, errPartitionNotFound
	}
	return topic, at, nil
}

func partitionBodies(topic kafkaclient.Topic) []partitionBody {
	bodies := make([]partitionBody, 0, len(topic.Partitions))
	for _, p := range topic.Partitions {
		body := partitionBody{Partition: p.ID, Leader: p.Leader, Replicas: make([]replicaBody, 0, len(p.Replicas))}
		for _, broker := range p.Replicas {
			body.Replicas = append(body.Replicas, replicaBody{Broker: broker, Leader: broker == p.Leader, InSync: slices.Contains(p.InSync, broker)})
		}
		bodies = append(bodies, body)
	}
	return bodies
}
