package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"headrace/kafkaclient"
	"headrace/peers"
)

// ConsumersConfig is what the routes under /consumers go by. Start from DefaultConsumersConfig.
type ConsumersConfig struct {
	RequestWait     time.Duration // consumer.request.timeout.ms: the longest read, unless the instance has its own
	RequestMaxBytes int64         // consumer.request.max.bytes: keys and values of one answer stay below
	FetchMinBytes   int64         // fetch.min.bytes: a read answers once it has more; -1: as soon as it has something
	Reset           string        // consumer.auto.offset.reset
	AutoCommit      bool          // consumer.enable.auto.commit
	FullWait        bool          // headrace.v2.read.full.wait: reads with FetchMinBytes -1 take their whole time, as the reference's
	OnUndecodable   string        // headrace.v2.on.undecodable: error, base64 or skip
	Extensions      bool          // headrace.v2.extensions: headers and timestamps without being asked by media type
	Heartbeat       time.Duration // headrace.v2.sse.heartbeat.ms: between signs of life of an event stream
	ServerID        string        // id: in names of instances
	// BaseURL is what base_uri begins with, without a slash at its end (headrace.v2.base.url); empty: as
	// advertised.listeners, host.name and the request say.
	BaseURL string
	// DecodeSchema turns the bytes of a record, with their schema's id in front, into JSON text;
	// nil: there is no schema registry.
	DecodeSchema func(ctx context.Context, data []byte) ([]byte, error)
}

// DefaultConsumersConfig returns the reference's defaults.
func DefaultConsumersConfig() ConsumersConfig {
	return ConsumersConfig{
		RequestWait: time.Second, RequestMaxBytes: 64 << 20, FetchMinBytes: -1,
		Reset: "latest", AutoCommit: true, OnUndecodable: "error", Heartbeat: 15 * time.Second,
	}
}

// Consumers answers the routes under /consumers. Make it with NewConsumers.
type Consumers struct {
	cfg       ConsumersConfig
	instances *kafkaclient.Instances
	budget    *Budget
	maxBody   int64
	log       *slog.Logger
	peers     *peers.Peers                 // nil: this is the only replica
	baseURL   func(r *http.Request) string // of Handlers
	answers   sync.Pool                    // of *recordsAnswer
}

// NewConsumers returns the handlers of consumer instances; bodies are of maxBody bytes at most and
// paid for from budget.
func NewConsumers(cfg ConsumersConfig, instances *kafkaclient.Instances, budget *Budget, maxBody int64, log *slog.Logger) *Consumers {
	c := &Consumers{cfg: cfg, instances: instances, budget: budget, maxBody: maxBody, log: log}
	c.answers.New = func() any { return new(recordsAnswer) }
	return c
}

// WithPeers lets calls go to the replica that has the instance. Call it before the routes are added.
func (c *Consumers) WithPeers(p *peers.Peers) { c.peers = p }

// mount adds the routes, in the order of the contract.
func (c *Consumers) mount(h *Handlers, r chi.Router) {
	c.baseURL = h.baseURL
	const instance = "/consumers/{group}/instances/{instance}"
	route := func(path string, get, post, del consumerCall) {
		var m methods
		if get != nil {
			m.get = h.consumer(c, get)
		}
		if post != nil {
			m.post = h.consumer(c, post)
		}
		if del != nil {
			m.delete = h.consumer(c, del)
		}
		h.resource(r, path, m)
	}
	route("/consumers/{group}", nil, c.create, nil)
	route(instance, nil, nil, c.remove)
	route(instance+"/subscription", c.subscription, c.subscribe, c.unsubscribe)
	route(instance+"/assignments", c.assignments, c.assign, nil)
	route(instance+"/positions", nil, c.seek, nil)
	route(instance+"/positions/beginning", nil, c.seekToBeginning, nil)
	route(instance+"/positions/end", nil, c.seekToEnd, nil)
	route(instance+"/offsets", c.committed, c.commit, nil)
	h.resource(r, instance+"/records", methods{get: h.records(c)})
}

// consumerCall answers one call; answer is the Content-Type that was agreed on.
type consumerCall func(w http.ResponseWriter, r *http.Request, answer string) error

// consumer is v2 for the routes under /consumers, which take and give more media types.
func (h *Handlers) consumer(c *Consumers, fn consumerCall) http.HandlerFunc {
	return h.negotiated(c, consumerTypes, func(w http.ResponseWriter, r *http.Request, chosen accepted) error {
		return fn(w, r, chosen.answer)
	})
}

// negotiated answers with fn once the request's media types pass.
func (h *Handlers) negotiated(c *Consumers, types []producible, fn func(http.ResponseWriter, *http.Request, accepted) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := acceptsConsumerBody(r); err != nil {
			h.writeError(w, r, h.errorType(r), err)
			return
		}
		chosen, ok := negotiate(r, types)
		if !ok {
			h.writeError(w, r, "", errNotAcceptable)
			return
		}
		own, done, err := c.passOn(w, r)
		if err == nil && !done {
			err = fn(w, own, chosen)
		}
		if err != nil {
			c.missing(w, r, err)
			h.writeError(w, r, chosen.answer, err)
		}
	}
}

// acceptsConsumerBody refuses a Content-Type that is none of v2's.
func acceptsConsumerBody(r *http.Request) error {
	mediaType, err := contentType(r)
	if err != nil || mediaType == "" || mediaType == typeV2 {
		return err
	}
	if _, ok := formats[mediaType]; !ok {
		return errUnsupportedMediaType
	}
	return nil
}

// find returns the instance of the path.
func (c *Consumers) find(r *http.Request) (*kafkaclient.Instance, error) {
	return c.instances.Find(pathParam(r, "group"), c.instanceName(r))
}

// create makes an instance (contract: kafka-rest-v2.md §4.2).
func (c *Consumers) create(w http.ResponseWriter, r *http.Request, answer string) error {
	asked := instanceRequest{format: string(formatBinary), autoReset: c.cfg.Reset, autoCommit: strconv.FormatBool(c.cfg.AutoCommit), minBytes: c.cfg.FetchMinBytes, waitMillis: c.cfg.RequestWait.Milliseconds()}
	if _, err := c.body(r, asked.read); err != nil {
		return err
	}
	spec := kafkaclient.InstanceSpec{
		Group: pathParam(r, "group"), Name: asked.instance(), MinBytes: asked.minBytes,
		Wait: time.Duration(min(asked.waitMillis, maxWaitMillis)) * time.Millisecond,
	}
	if spec.Name == "" {
		spec.Name = c.newName()
	}
	f, err := parseFormat(asked.format)
	if err != nil {
		return err
	}
	spec.Format = string(f)
	if c.peers != nil {
		spec.Name, _ = c.peers.Split(spec.Name)
	}
	if c.instances.Has(spec.Group, spec.Name) || asked.instance() != "" && c.taken(r, spec.Group, spec.Name) {
		return kafkaclient.ErrInstanceExists
	}
	if f.hasSchema() && c.cfg.DecodeSchema == nil {
		return &apiError{http.StatusInternalServerError, 50002, "Failed to construct kafka consumer"}
	}
	if spec.Reset, err = kafkaclient.ParseReset(asked.autoReset); err != nil {
		return unprocessable(42204, "Invalid consumer configuration: %s", err)
	}
	if spec.AutoCommit, err = parseAutoCommit(asked.autoCommit); err != nil {
		return err
	}
	i, err := c.instances.Create(spec)
	if err != nil {
		return err
	}
	name := c.shownName(i.Spec().Name)
	body := append([]byte(nil), `{"instance_id":`...)
	body = appendString(body, name)
	body = append(body, `,"base_uri":`...)
	body = appendString(body, c.base(r)+"/consumers/"+spec.Group+"/instances/"+name)
	writeBody(w, http.StatusOK, answer, append(body, '}'))
	return nil
}

// base is the URL that clients reach this server by.
func (c *Consumers) base(r *http.Request) string {
	if base, ok := r.Context().Value(peerBase{}).(string); ok {
		return base
	}
	if c.cfg.BaseURL != "" {
		return c.cfg.BaseURL
	}
	return c.baseURL(r)
}

// maxWaitMillis is a year: what is longer does not fit Go's nanoseconds some day.
const maxWaitMillis = 365 * 24 * 3600 * 1000

// newName makes a name as the reference does.
func (c *Consumers) newName() string {
	name := "rest-consumer-"
	if c.cfg.ServerID != "" {
		name += c.cfg.ServerID + "-"
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return name + fmt.Sprintf("%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// parseFormat reads an instance's format in any case.
func parseFormat(text string) (format, error) {
	switch f := format(strings.ToLower(text)); f {
	case formatBinary, formatJSON, formatAvro, formatJSONSchema, formatProtobuf:
		return f, nil
	case "string":
		return "", &apiError{http.StatusInternalServerError, http.StatusInternalServerError, "Invalid embedded format STRING for new consumer."}
	}
	return "", unprocessable(http.StatusUnprocessableEntity, "Invalid format type.")
}

// parseAutoCommit reads auto.commit.enable as the Java client does.
func parseAutoCommit(text string) (bool, error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case strings.EqualFold(trimmed, "true"):
		return true, nil
	case strings.EqualFold(trimmed, "false"):
		return false, nil
	}
	return false, unprocessable(42204, "Invalid consumer configuration: Invalid value %s for configuration enable.auto.commit: Expected value to be either true or false", text)
}

// remove deletes an instance.
func (c *Consumers) remove(w http.ResponseWriter, r *http.Request, _ string) error {
	if err := c.instances.Delete(r.Context(), pathParam(r, "group"), c.instanceName(r)); err != nil {
		return err
	}
	return noContent(w)
}

// subscribe sets the topics or the pattern; both given: the topics count.
func (c *Consumers) subscribe(w http.ResponseWriter, r *http.Request, _ string) error {
	var asked subscribeRequest
	if err := c.requiredBody(r, "subscribe.arg3", asked.read); err != nil {
		return err
	}
	i, err := c.find(r)
	if err != nil {
		return err
	}
	switch {
	case asked.hasTopics:
		err = i.Subscribe(r.Context(), asked.topics, "")
	case asked.hasPattern && asked.pattern == "":
		_, err = kafkaclient.TopicPattern("")
	case asked.hasPattern:
		err = i.Subscribe(r.Context(), nil, asked.pattern)
	}
	var invalid *kafkaclient.InvalidTopicError
	if errors.As(err, &invalid) && invalid.Topic == "" {
		err = badRequest("topics has an empty name: every entry has to name a topic")
	}
	if err != nil {
		return err
	}
	return noContent(w)
}

// subscription lists the topics that are subscribed to.
func (c *Consumers) subscription(w http.ResponseWriter, r *http.Request, answer string) error {
	i, err := c.find(r)
	if err != nil {
		return err
	}
	topics, err := i.Subscription(r.Context())
	if err != nil {
		return err
	}
	body := append([]byte(nil), `{"topics":[`...)
	for n, topic := range topics {
		if n > 0 {
			body = append(body, ',')
		}
		body = appendString(body, topic)
	}
	writeBody(w, http.StatusOK, answer, append(body, "]}"...))
	return nil
}

// unsubscribe ends a subscription, and an assignment too.
func (c *Consumers) unsubscribe(w http.ResponseWriter, r *http.Request, _ string) error {
	i, err := c.find(r)
	if err != nil {
		return err
	}
	if err := i.Unsubscribe(r.Context()); err != nil {
		return err
	}
	return noContent(w)
}

// assign gives the instance partitions.
func (c *Consumers) assign(w http.ResponseWriter, r *http.Request, _ string) error {
	asked, err := c.partitionsBody(r, "assign.arg3")
	if err != nil {
		return err
	}
	i, err := c.find(r)
	if err != nil {
		return err
	}
	if err := i.Assign(r.Context(), asked); err != nil {
		return err
	}
	return noContent(w)
}

// assignments lists the partitions that the instance has.
func (c *Consumers) assignments(w http.ResponseWriter, r *http.Request, answer string) error {
	i, err := c.find(r)
	if err != nil {
		return err
	}
	partitions, err := i.Assignment(r.Context())
	if err != nil {
		return err
	}
	body := append([]byte(nil), `{"partitions":[`...)
	for n, tp := range partitions {
		if n > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"topic":`...)
		body = appendString(body, tp.Topic)
		body = append(body, `,"partition":`...)
		body = append(strconv.AppendInt(body, int64(tp.Partition), 10), '}')
	}
	writeBody(w, http.StatusOK, answer, append(body, "]}"...))
	return nil
}
