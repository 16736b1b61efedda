package kafkaclient

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConfigEntry is one setting of a topic or broker that is in force.
type ConfigEntry struct {
	Name      string
	Value     *string // nil: a secret, or not set
	Default   bool
	ReadOnly  bool
	Sensitive bool
	Source    string // such as DYNAMIC_TOPIC_CONFIG, as Kafka's admin client names them; UNKNOWN for newer ones
	Synonyms  []ConfigSynonym
}

// ConfigSynonym is a place where a setting may come from, the most specific first.
type ConfigSynonym struct {
	Name   string
	Value  *string
	Source string
}

// configSources are what Kafka's admin client calls the sources (ConfigEntry.ConfigSource).
var configSources = map[kmsg.ConfigSource]string{
	1: "DYNAMIC_TOPIC_CONFIG", 2: "DYNAMIC_BROKER_CONFIG", 3: "DYNAMIC_DEFAULT_BROKER_CONFIG", 4: "STATIC_BROKER_CONFIG",
	5: "DEFAULT_CONFIG", 6: "DYNAMIC_BROKER_LOGGER_CONFIG", 8: "DYNAMIC_GROUP_CONFIG",
}

func sourceName(source kmsg.ConfigSource) string {
	if name, ok := configSources[source]; ok {
		return name
	}
	return "UNKNOWN"
}

// ConfigResource is what settings belong to. Make it with TopicResource, BrokerResource or AllBrokers.
type ConfigResource struct {
	kind kmsg.ConfigResourceType
	name string
}

// TopicResource is a topic.
func TopicResource(name string) ConfigResource {
	return ConfigResource{kmsg.ConfigResourceTypeTopic, name}
}

// BrokerResource is one broker.
func BrokerResource(id int32) ConfigResource {
	return ConfigResource{kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(id))}
}

// AllBrokers is the cluster-wide default of all brokers. Only what was set there at run time is
// told of it.
func AllBrokers() ConfigResource { return ConfigResource{kind: kmsg.ConfigResourceTypeBroker} }

// TopicConfigs lists all settings in force for a topic, defaults included, by name.
func (a *Admin) TopicConfigs(ctx context.Context, name string) ([]ConfigEntry, error) {
	all, err := a.Configs(ctx, TopicResource(name))
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// Configs lists the settings in force for each resource, by name; the answer has the order of
// resources. The first resource that is refused fails the call.
func (a *Admin) Configs(ctx context.Context, resources ...ConfigResource) ([][]ConfigEntry, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms = true
	place := make(map[ConfigResource]int, len(resources))
	for i, r := range resources {
		place[r] = i
		asked := kmsg.NewDescribeConfigsRequestResource()
		asked.ResourceType, asked.ResourceName = r.kind, r.name
		req.Resources = append(req.Resources, asked)
	}
	all := make([][]ConfigEntry, len(resources))
	if len(resources) == 0 {
		return all, nil
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, fmt.Errorf("describing configs: %w", err)
	}
	answered := 0
	for i := range resp.Resources {
		r := &resp.Resources[i]
		if err := brokerError(r.ErrorCode, r.ErrorMessage); err != nil {
			return nil, err
		}
		if at, ok := place[ConfigResource{r.ResourceType, r.ResourceName}]; ok {
			all[at] = configEntries(r.Configs)
			answered++
		}
	}
	if answered != len(place) {
		return nil, fmt.Errorf("describing configs: the brokers answer for %d of %d resources", answered, len(place))
	}
	return all, nil
}

func configEntries(configs []kmsg.DescribeConfigsResponseResourceConfig) []ConfigEntry {
	entries := make([]ConfigEntry, 0, len(configs))
	for i := range configs {
		c := &configs[i]
		entry := ConfigEntry{
			Name: c.Name, Value: c.Value, Default: c.Source == kmsg.ConfigSourceDefaultConfig || c.IsDefault,
			ReadOnly: c.ReadOnly, Sensitive: c.IsSensitive, Source: sourceName(c.Source),
			Synonyms: make([]ConfigSynonym, 0, len(c.ConfigSynonyms)),
		}
		if entry.Sensitive {
			entry.Value = nil
		}
		for _, s := range c.ConfigSynonyms {
			synonym := ConfigSynonym{Name: s.Name, Value: s.Value, Source: sourceName(s.Source)}
			if entry.Sensitive {
				synonym.Value = nil
			}
			entry.Synonyms = append(entry.Synonyms, synonym)
		}
		entries = append(entries, entry)
	}
	slices.SortFunc(entries, func(x, y ConfigEntry) int { return cmp.Compare(x.Name, y.Name) })
	return entries
}

// ConfigChange sets one setting, or resets it to what it is without.
type ConfigChange struct {
	Name   string
	Value  *string
	Delete bool   // reset; Value is ignored
	Op     string // APPEND and SUBTRACT change a list; "" sets
}

// ResourceChanges are changes of one resource, all of which are made, or none.
type ResourceChanges struct {
	Resource ConfigResource
	Changes  []ConfigChange
}

// AlterConfigs makes the changes in one request; the answer has the order of resources and is nil
// where they were made. validateOnly checks and changes nothing.
func (a *Admin) AlterConfigs(ctx context.Context, resources []ResourceChanges, validateOnly bool) ([]error, error) {
	if len(resources) == 0 {
		return nil, nil
	}
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.ValidateOnly = validateOnly
	place := make(map[ConfigResource]int, len(resources))
	for i, r := range resources {
		place[r.Resource] = i
		req.Resources = append(req.Resources, alterResource(r))
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, fmt.Errorf("altering configs: %w", err)
	}
	errs := make([]error, len(resources))
	for i := range errs {
		errs[i] = kerr.UnknownServerError // until the brokers have answered for it
	}
	for _, r := range resp.Resources {
		if at, ok := place[ConfigResource{r.ResourceType, r.ResourceName}]; ok {
			errs[at] = brokerError(r.ErrorCode, r.ErrorMessage)
		}
	}
	return errs, nil
}

func alterResource(changes ResourceChanges) kmsg.IncrementalAlterConfigsRequestResource {
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = changes.Resource.kind, changes.Resource.name
	for _, change := range changes.Changes {
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Value, config.Op = change.Name, change.Value, kmsg.IncrementalAlterConfigOpSet
		switch {
		case change.Delete:
			config.Value, config.Op = nil, kmsg.IncrementalAlterConfigOpDelete
		case change.Op == "APPEND":
			config.Op = kmsg.IncrementalAlterConfigOpAppend
		case change.Op == "SUBTRACT":
			config.Op = kmsg.IncrementalAlterConfigOpSubtract
		}
		r.Configs = append(r.Configs, config)
	}
	return r
}
