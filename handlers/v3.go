package handlers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"headrace/kafkaclient"
)

// v3Routes adds the routes of the v3 API, in the order of the contract.
func (h *Handlers) v3Routes(r chi.Router) {
	read := func(fn func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
		return h.v3(acceptsAnyBody, fn)
	}
	write := func(fn func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
		return h.v3(acceptsJSONBody, fn)
	}
	add := func(path string, m methods) { h.resource(r, path, m) }

	add("/v3/clusters", methods{get: read(h.v3Clusters)})
	const cluster = "/v3/clusters/{cluster_id}"
	add(cluster, methods{get: read(h.v3Cluster)})
	add(cluster+"/brokers", methods{get: read(h.v3Brokers)})
	add(cluster+"/brokers/{broker_id}", methods{get: read(h.v3Broker)})
	add(cluster+"/brokers/{broker_id}/partition-replicas", methods{get: read(h.v3BrokerReplicas)})

	add(cluster+"/brokers/-/configs", methods{get: read(h.v3AllBrokerConfigs)})
	for _, of := range []struct {
		path  string
		scope configScope
	}{
		{"/brokers/{broker_id}/configs", h.brokerScope},
		{"/broker-configs", h.clusterScope},
		{"/topics/{topic_name}/configs", h.topicScope},
	} {
		path, scope := cluster+of.path, of.scope
		add(path, methods{get: read(h.v3Configs(scope))})
		add(path+"/{name}", methods{get: read(h.v3Config(scope)), put: write(h.v3SetConfig(scope)), delete: read(h.v3ResetConfig(scope))})
		add(path+":alter", methods{post: write(h.v3AlterConfigs(scope))})
	}
	add(cluster+"/topics/-/configs", methods{get: read(h.v3AllTopicConfigs)})
	add(cluster+"/topics/-/configs:alter", methods{post: write(h.v3AlterTopics)})

	add(cluster+"/topics", methods{get: read(h.v3Topics), post: write(h.v3CreateTopic)})
	const topic = cluster + "/topics/{topic_name}"
	add(topic, methods{get: read(h.v3Topic), patch: write(h.v3GrowTopic), delete: read(h.v3DeleteTopic)})
	add(topic+"/partitions", methods{get: read(h.v3Partitions)})
	const partition = topic + "/partitions/{partition_id}"
	add(partition, methods{get: read(h.v3Partition)})
	add(partition+"/offset", methods{get: read(h.v3Offsets)})
	add(partition+"/replicas", methods{get: read(h.v3Replicas)})
	add(partition+"/replicas/{broker_id}", methods{get: read(h.v3Replica)})
	add(partition+"/reassignment", methods{get: read(h.v3Reassignment)})
	add(topic+"/partitions/-/reassignment", methods{get: read(h.v3TopicReassignments)})
	add(cluster+"/topics/-/partitions/-/reassignment", methods{get: read(h.v3Reassignments)})

	add(cluster+"/consumer-groups", methods{get: read(h.v3Groups)})
	const group = cluster + "/consumer-groups/{consumer_group_id}"
	add(group, methods{get: read(h.v3Group)})
	add(group+"/consumers", methods{get: read(h.v3Consumers)})
	add(group+"/consumers/{consumer_id}", methods{get: read(h.v3Consumer)})
	add(group+"/consumers/{consumer_id}/assignments", methods{get: read(h.v3Assignments)})
	add(group+"/consumers/{consumer_id}/assignments/{topic_name}/partitions/{partition_id}", methods{get: read(h.v3Assignment)})
	add(group+"/lag-summary", methods{get: read(h.v3LagSummary)})
	add(group+"/lags", methods{get: read(h.v3Lags)})
	add(group+"/lags/{topic_name}/partitions/{partition_id}", methods{get: read(h.v3Lag)})

	add(cluster+"/acls", methods{get: read(h.v3ACLs), post: write(h.v3CreateACL), delete: read(h.v3DeleteACLs)})
	add(cluster+"/acls:batch", methods{post: write(h.v3CreateACLs)})
	h.v3RecordRoutes(r)
}

// v3 answers a call of the v3 API with fn once its Content-Type and its Accept header can be met:
// the one way out for errors of the v3 API. accepts says which bodies are taken.
func (h *Handlers) v3(accepts func(*http.Request) error, fn func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := accepts(r); err != nil {
			h.writeError(w, r, h.errorType(r), err)
			return
		}
		if !acceptsJSON(r) {
			h.writeError(w, r, "", errNotAcceptable)
			return
		}
		if err := fn(w, r); err != nil {
			h.writeError(w, r, typeJSON, err)
		}
	}
}

// acceptsJSONBody refuses a Content-Type other than application/json; without one it is that.
func acceptsJSONBody(r *http.Request) error {
	mediaType, err := contentType(r)
	if err == nil && mediaType != "" && mediaType != typeJSON {
		err = errUnsupportedMediaType
	}
	return err
}

// acceptsJSON reports whether the Accept header admits application/json. q=0 excludes nothing,
// as in the reference.
func acceptsJSON(r *http.Request) bool {
	headers := r.Header["Accept"]
	if len(headers) == 0 || len(headers) == 1 && headers[0] == "" {
		return true
	}
	for _, header := range headers {
		for entry := range strings.SplitSeq(header, ",") {
			mediaType, _, err := mime.ParseMediaType(entry)
			if err != nil {
				continue
			}
			switch mediaType {
			case typeJSON, "application/*", "*/*":
				return true
			}
		}
	}
	return false
}

// writeV3 answers with v as JSON.
func writeV3(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	writeBody(w, status, typeJSON, bytes.TrimSuffix(body.Bytes(), []byte("\n")))
	return nil
}

// noContent answers 204.
func noContent(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// link leads to another resource.
type link struct {
	Related string `json:"related"`
}

// metadata of one resource; resource_name is left out where a kind has none.
type metadata struct {
	Self         string `json:"self"`
	ResourceName string `json:"resource_name,omitempty"`
}

// head is what every object of the v3 API begins with.
type head struct {
	Kind     string   `json:"kind"`
	Metadata metadata `json:"metadata"`
}

func (h head) self() string { return h.Metadata.Self }

// listMetadata of a collection. next is null unless a page was asked for and is not the last.
type listMetadata struct {
	Self string  `json:"self"`
	Next *string `json:"next"`
}

// list is a collection.
type list[T any] struct {
	Kind     string       `json:"kind"`
	Metadata listMetadata `json:"metadata"`
	Data     []T          `json:"data"`
}

// object is a member of a collection.
type object interface{ self() string }

// writeList answers with a collection; with ?page_size= in the request with a page of it.
func writeList[T object](w http.ResponseWriter, r *http.Request, kind, self string, data []T) error {
	page, next, err := pageOf(r, self, data)
	if err != nil {
		return err
	}
	if page == nil {
		page = []T{}
	}
	return writeV3(w, http.StatusOK, list[T]{Kind: kind, Metadata: listMetadata{Self: self, Next: next}, Data: page})
}

// maxPage is the most entries that may be asked for.
const maxPage = 1_000_000

// pageOf returns the part of data that the request asks for, and the URL of the next one, nil
// behind the last. Without page_size that is all, as in the reference, which has no pages. A
// page_token names the entry that the page stands behind, so entries that come and go elsewhere
// move nothing.
func pageOf[T object](r *http.Request, self string, data []T) (page []T, next *string, err error) {
	query := r.URL.Query()
	size := len(data)
	if text := query.Get("page_size"); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 1 || size > maxPage {
			return nil, nil, badRequest("page_size is %.40q: a whole number from 1 to %d would work", text, maxPage)
		}
	}
	if token := query.Get("page_token"); token != "" {
		last, err := base64.RawURLEncoding.DecodeString(token)
		at := slices.IndexFunc(data, func(o T) bool { return placeOf(o) == string(last) })
		if err != nil || at < 0 {
			return nil, nil, badRequest("page_token is %.200q, which stands behind no entry of this list, or of one that is gone: take it from metadata.next, or begin again without it", token)
		}
		data = data[at+1:]
	}
	if size >= len(data) {
		return data, nil, nil
	}
	separator := "?"
	if strings.Contains(self, "?") {
		separator = "&"
	}
	url := self + separator + "page_size=" + strconv.Itoa(size) + "&page_token=" + base64.RawURLEncoding.EncodeToString([]byte(placeOf(data[size-1])))
	return data[:size], &url, nil
}

// placeOf is the URL of an object without scheme and host, which may differ from call to call.
func placeOf(o object) string {
	_, rest, _ := strings.Cut(o.self(), "://")
	return rest[strings.IndexByte(rest, '/')+1:]
}

// names makes the URLs and CRNs of one answer. Make it with namesFor.
type names struct {
	base string // URL of /v3, without a slash at its end
	crns string // what every CRN begins with
}

func (h *Handlers) namesFor(r *http.Request) names {
	return names{base: h.baseURL(r) + "/v3", crns: "crn://" + strings.Trim(h.cfg.CRNAuthority, "/") + "/"}
}

// url joins segments behind /v3/, as they are.
func (n names) url(segments ...string) string {
	return n.base + "/" + strings.Join(segments, "/")
}

// crn joins types and ids, which take turns; the last type may stand alone.
func (n names) crn(pairs ...string) string {
	var b strings.Builder
	b.WriteString(n.crns)
	for i, part := range pairs {
		switch {
		case i == 0:
		case i%2 == 1:
			b.WriteByte('=')
		default:
			b.WriteByte('/')
		}
		b.WriteString(strings.Trim(part, "/"))
	}
	return b.String()
}

// decimal writes a number of a URL.
func decimal(n int32) string { return strconv.Itoa(int(n)) }

// idParam returns a number in the path. Text that is no 32-bit integer is a 404, as in the reference.
func idParam(r *http.Request, name string) (int32, error) {
	id, err := strconv.ParseInt(pathParam(r, name), 10, 32)
	if err != nil {
		return 0, errNotFound
	}
	return int32(id), nil
}

// notFound is a 404 with a text of its own.
func notFound(format string, args ...any) *apiError {
	return &apiError{http.StatusNotFound, http.StatusNotFound, fmt.Sprintf(format, args...)}
}

// errOldKafka: the broker does not tell which cluster it belongs to.
var errOldKafka = &apiError{http.StatusBadGateway, http.StatusBadGateway, "Kafka protocol version not supported.: Metadata Response protocol version >= 2 required."}

// Texts for a cluster that is not ours; they differ by endpoint.
const (
	clusterCannot  = "Cluster %s cannot be found."
	clusterCould   = "Cluster %s could not be found."
	clusterWrapped = ""
)

// cluster describes the cluster behind us, which the path must name; else a 404 with the text.
func (h *Handlers) cluster(r *http.Request, otherwise string) (kafkaclient.Cluster, error) {
	cluster, err := h.admin.Cluster(r.Context())
	if err != nil {
		return cluster, err
	}
	if cluster.ID == "" {
		return cluster, errOldKafka
	}
	if id := pathParam(r, "cluster_id"); id != cluster.ID {
		if otherwise == clusterWrapped {
			return cluster, errNotFound
		}
		return cluster, notFound(otherwise, id)
	}
	return cluster, nil
}
