package handlers

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"headrace/kafkaclient"
	"headrace/rawjson"
)

// v3Config is a KafkaBrokerConfig, KafkaClusterConfig or KafkaTopicConfig.
type v3Config struct {
	head
	ClusterID   string            `json:"cluster_id"`
	Name        string            `json:"name"`
	Value       *string           `json:"value"`
	IsReadOnly  bool              `json:"is_read_only"`
	IsSensitive bool              `json:"is_sensitive"`
	Source      string            `json:"source"`
	Synonyms    []v3ConfigSynonym `json:"synonyms"`
	BrokerID    *int32            `json:"broker_id,omitempty"`   // of KafkaBrokerConfig
	ConfigType  string            `json:"config_type,omitempty"` // of KafkaClusterConfig
	TopicName   string            `json:"topic_name,omitempty"`  // of KafkaTopicConfig
	IsDefault   bool              `json:"is_default"`
}

type v3ConfigSynonym struct {
	Name   string  `json:"name"`
	Value  *string `json:"value"`
	Source string  `json:"source"`
}

// otherConfigs is a path where the reference reads a word that can only be broker.
var otherConfigs = regexp.MustCompile(`^/v3/clusters/[^/]+/([^/]+)-configs(/[^/]+|:alter)?$`)

// configured is what the settings of a path belong to.
type configured struct {
	cluster  string
	resource kafkaclient.ConfigResource
	kind     string   // of one setting: KafkaTopicConfig
	url      []string // segments of the collection
	crn      []string // of one setting, without its name
	what     string   // in texts: TOPIC orders
	broker   *int32
	all      bool // cluster-wide: only what was set is told, and anything may be set
	topic    string
}

// configScope finds out what the settings of a request's path belong to.
type configScope func(r *http.Request) (configured, error)

func (h *Handlers) brokerScope(r *http.Request) (configured, error) {
	id, err := idParam(r, "broker_id")
	if err != nil {
		return configured{}, err
	}
	cluster, err := h.cluster(r, clusterWrapped)
	if err != nil {
		return configured{}, err
	}
	if _, ok := findBroker(cluster, id); !ok { // the reference asks for it for 60 s and answers 500
		return configured{}, notFound("Broker %d cannot be found.", id)
	}
	return configuredBroker(cluster.ID, id), nil
}

func configuredBroker(cluster string, id int32) configured {
	return configured{
		cluster: cluster, resource: kafkaclient.BrokerResource(id), kind: "KafkaBrokerConfig",
		url: []string{"clusters", cluster, "brokers", decimal(id), "configs"}, crn: []string{"kafka", cluster, "broker", decimal(id), "config"},
		what: "BROKER " + decimal(id), broker: &id,
	}
}

func (h *Handlers) clusterScope(r *http.Request) (configured, error) {
	cluster, err := h.cluster(r, clusterWrapped)
	return configured{
		cluster: cluster.ID, resource: kafkaclient.AllBrokers(), kind: "KafkaClusterConfig",
		url: []string{"clusters", cluster.ID, "broker-configs"}, crn: []string{"kafka", cluster.ID, "broker-config"},
		what: "BROKER ", all: true,
	}, err
}

func (h *Handlers) topicScope(r *http.Request) (configured, error) {
	cluster, err := h.cluster(r, clusterWrapped)
	return configuredTopic(cluster.ID, pathParam(r, "topic_name")), err
}

func configuredTopic(cluster, topic string) configured {
	return configured{
		cluster: cluster, resource: kafkaclient.TopicResource(topic), kind: "KafkaTopicConfig",
		url: []string{"clusters", cluster, "topics", topic, "configs"}, crn: []string{"kafka", cluster, "topic", topic, "config"},
		what: "TOPIC " + topic, topic: topic,
	}
}

func (n names) config(of configured, entry kafkaclient.ConfigEntry) v3Config {
	body := v3Config{
		head:      head{of.kind, metadata{n.url(append(slices.Clip(of.url), entry.Name)...), n.crn(append(slices.Clip(of.crn), entry.Name)...)}},
		ClusterID: of.cluster, Name: entry.Name, Value: entry.Value, IsReadOnly: entry.ReadOnly, IsSensitive: entry.Sensitive,
		Source: entry.Source, Synonyms: make([]v3ConfigSynonym, 0, len(entry.Synonyms)),
		BrokerID: of.broker, TopicName: of.topic, IsDefault: entry.Default,
	}
	if of.all {
		body.ConfigType = "BROKER"
	}
	for _, s := range entry.Synonyms {
		body.Synonyms = append(body.Synonyms, v3ConfigSynonym(s))
	}
	return body
}

// configs reads the settings of one resource, by name.
func (h *Handlers) configs(r *http.Request, of configured) ([]kafkaclient.ConfigEntry, error) {
	all, err := h.admin.Configs(r.Context(), of.resource)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func (h *Handlers) v3Configs(scope configScope) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		of, err := scope(r)
		if err != nil {
			return err
		}
		entries, err := h.configs(r, of)
		if err != nil {
			return err
		}
		n := h.namesFor(r)
		data := make([]v3Config, 0, len(entries))
		for _, entry := range entries {
			data = append(data, n.config(of, entry))
		}
		return writeList(w, r, of.kind+"List", n.url(of.url...), data)
	}
}

func (h *Handlers) v3Config(scope configScope) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		of, err := scope(r)
		if err != nil {
			return err
		}
		entries, err := h.configs(r, of)
		if err != nil {
			return err
		}
		at := indexOf(entries, pathParam(r, "name"))
		if at < 0 {
			return errNotFound
		}
		return writeV3(w, http.StatusOK, h.namesFor(r).config(of, entries[at]))
	}
}

func indexOf(entries []kafkaclient.ConfigEntry, name string) int {
	return slices.IndexFunc(entries, func(e kafkaclient.ConfigEntry) bool { return e.Name == name })
}

// v3SetConfig sets one setting, which must be known; cluster-wide any name is taken.
func (h *Handlers) v3SetConfig(scope configScope) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var value *string
		if err := h.readV3(r, nullInput, fields{"value": textInto("value", &value)}); err != nil {
			return err
		}
		of, err := scope(r)
		if err != nil {
			return err
		}
		if !of.all {
			if err := h.mustKnow(r, of); err != nil {
				return err
			}
		}
		return h.alter(w, r, of, []kafkaclient.ConfigChange{{Name: pathParam(r, "name"), Value: value}}, false)
	}
}

// v3ResetConfig makes one setting what it is by default.
func (h *Handlers) v3ResetConfig(scope configScope) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		of, err := scope(r)
		if err != nil {
			return err
		}
		if err := h.mustKnow(r, of); err != nil {
			return err
		}
		return h.alter(w, r, of, []kafkaclient.ConfigChange{{Name: pathParam(r, "name"), Delete: true}}, false)
	}
}

// mustKnow refuses a setting in the path that the resource does not have.
func (h *Handlers) mustKnow(r *http.Request, of configured) error {
	entries, err := h.configs(r, of)
	if err != nil {
		return err
	}
	if name := pathParam(r, "name"); indexOf(entries, name) < 0 {
		return notFound("Config %s cannot be found for %s in cluster %s.", name, of.what, of.cluster)
	}
	return nil
}

func (h *Handlers) alter(w http.ResponseWriter, r *http.Request, of configured, changes []kafkaclient.ConfigChange, validateOnly bool) error {
	if len(changes) > 0 {
		errs, err := h.admin.AlterConfigs(r.Context(), []kafkaclient.ResourceChanges{{Resource: of.resource, Changes: changes}}, validateOnly)
		if err != nil {
			return err
		}
		if errs[0] != nil {
			return errs[0]
		}
	}
	return noContent(w)
}

// v3AlterConfigs makes several changes, all or none. Only on topics does validate_only act.
func (h *Handlers) v3AlterConfigs(scope configScope) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var (
			changes      []kafkaclient.ConfigChange
			given        bool
			validateOnly bool
		)
		err := h.readV3(r, nullInput, fields{
			"data":          func(s *rawjson.Scanner) (err error) { changes, given, err = readChanges(s, "data"); return err },
			"validate_only": boolInto("validate_only", &validateOnly),
		})
		if err != nil {
			return err
		}
		if !given {
			return nullMember("AlterConfigBatchRequestData", "data")
		}
		of, err := scope(r)
		if err != nil {
			return err
		}
		if !of.all {
			entries, err := h.configs(r, of)
			if err != nil {
				return err
			}
			if !knowsAll(entries, changes) {
				return errNotFound
			}
		}
		return h.alter(w, r, of, changes, validateOnly && of.topic != "")
	}
}

func knowsAll(entries []kafkaclient.ConfigEntry, changes []kafkaclient.ConfigChange) bool {
	return !slices.ContainsFunc(changes, func(c kafkaclient.ConfigChange) bool { return indexOf(entries, c.Name) < 0 })
}

// readChanges reads [{"name":…,"value":…,"operation":…}]; false for null.
func readChanges(s *rawjson.Scanner, what string) (changes []kafkaclient.ConfigChange, given bool, err error) {
	given, err = readArray(s, what, func() error {
		var name, value, operation *string
		err := readMembers(s, fmt.Sprintf("%s[%d]", what, len(changes)), fields{
			"name": textInto("name", &name), "value": textInto("value", &value), "operation": wordInto("AlterOperation", &operation, "SET", "DELETE"),
		})
		if err != nil {
			return err
		}
		if name == nil {
			return nullMember("AlterEntry", "name")
		}
		changes = append(changes, kafkaclient.ConfigChange{Name: *name, Value: value, Delete: operation != nil && *operation == "DELETE"})
		return nil
	})
	return changes, given, err
}

// v3AllBrokerConfigs lists the settings of all brokers, broker by broker.
func (h *Handlers) v3AllBrokerConfigs(w http.ResponseWriter, r *http.Request) error {
	cluster, err := h.cluster(r, clusterWrapped)
	if err != nil {
		return err
	}
	var scopes []configured
	for _, b := range cluster.Brokers {
		scopes = append(scopes, configuredBroker(cluster.ID, b.ID))
	}
	return h.writeConfigs(w, r, scopes, "KafkaBrokerConfigList", "clusters", cluster.ID, "brokers/-/configs")
}

// v3AllTopicConfigs lists the settings of all topics but the brokers' own, topic by topic.
func (h *Handlers) v3AllTopicConfigs(w http.ResponseWriter, r *http.Request) error {
	cluster, err := h.cluster(r, clusterWrapped)
	if err != nil {
		return err
	}
	topics, err := h.admin.Topics(r.Context())
	if err != nil {
		return err
	}
	var scopes []configured
	for _, topic := range topics {
		scopes = append(scopes, configuredTopic(cluster.ID, topic))
	}
	return h.writeConfigs(w, r, scopes, "KafkaTopicConfigList", "clusters", cluster.ID, "topics/-/configs")
}

func (h *Handlers) writeConfigs(w http.ResponseWriter, r *http.Request, scopes []configured, kind string, self ...string) error {
	resources := make([]kafkaclient.ConfigResource, len(scopes))
	for i := range scopes {
		resources[i] = scopes[i].resource
	}
	all, err := h.admin.Configs(r.Context(), resources...)
	if err != nil {
		return err
	}
	n := h.namesFor(r)
	var data []v3Config
	for i, entries := range all {
		for _, entry := range entries {
			data = append(data, n.config(scopes[i], entry))
		}
	}
	return writeList(w, r, kind, n.url(self...), data)
}

// topicChanges are the changes of one topic in a call for several.
type topicChanges struct {
	topic   string
	changes []kafkaclient.ConfigChange
}

// v3Failure is a topic whose changes were refused.
type v3Failure struct {
	TopicName string `json:"topic_name"`
	ErrorCode int    `json:"error_code"`
	Message   string `json:"message"`
}

// v3AlterTopics changes settings of several topics, each all or none. What is not known changes
// nothing anywhere; a topic that Kafka refuses is told of in a 207.
func (h *Handlers) v3AlterTopics(w http.ResponseWriter, r *http.Request) error {
	var (
		all          []topicChanges
		given        bool
		validateOnly bool
	)
	err := h.readV3(r, nullInput, fields{
		"data":          func(s *rawjson.Scanner) (err error) { all, given, err = readTopicChanges(s); return err },
		"validate_only": boolInto("validate_only", &validateOnly),
	})
	if err != nil {
		return err
	}
	if !given {
		return nullMember("AlterTopicConfigsBatchRequest", "data")
	}
	if _, err := h.cluster(r, clusterWrapped); err != nil {
		return err
	}
	resources := make([]kafkaclient.ConfigResource, len(all))
	changes := make([]kafkaclient.ResourceChanges, 0, len(all))
	for i := range all {
		resources[i] = kafkaclient.TopicResource(all[i].topic)
	}
	known, err := h.admin.Configs(r.Context(), resources...)
	if err != nil {
		return err
	}
	for i := range all {
		if !knowsAll(known[i], all[i].changes) {
			return errNotFound
		}
		changes = append(changes, kafkaclient.ResourceChanges{Resource: resources[i], Changes: all[i].changes})
	}
	errs, err := h.admin.AlterConfigs(r.Context(), changes, validateOnly)
	if err != nil {
		return err
	}
	var failures []v3Failure
	for i, err := range errs {
		if err != nil {
			api := toAPIError(err)
			failures = append(failures, v3Failure{all[i].topic, api.code, api.message})
		}
	}
	if len(failures) == 0 {
		return noContent(w)
	}
	return writeV3(w, http.StatusMultiStatus, struct {
		Failures []v3Failure `json:"failures"`
	}{failures})
}

// readTopicChanges reads [{"topic_name":…,"configs":[…]}]. Of a topic listed twice the last counts.
func readTopicChanges(s *rawjson.Scanner) (all []topicChanges, given bool, err error) {
	given, err = readArray(s, "data", func() error {
		var (
			topic   *string
			changes []kafkaclient.ConfigChange
			given   bool
		)
		err := readMembers(s, fmt.Sprintf("data[%d]", len(all)), fields{
			"topic_name": textInto("topic_name", &topic),
			"configs":    func(s *rawjson.Scanner) (err error) { changes, given, err = readChanges(s, "configs"); return err },
		})
		switch {
		case err != nil:
			return err
		case topic == nil:
			return nullMember("AlterTopicConfigsEntry", "topicName")
		case !given:
			return nullMember("AlterTopicConfigsEntry", "configs")
		}
		all = slices.DeleteFunc(all, func(t topicChanges) bool { return t.topic == *topic })
		all = append(all, topicChanges{*topic, changes})
		return nil
	})
	return all, given, err
}
