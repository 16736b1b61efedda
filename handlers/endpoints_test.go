package handlers

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
)

// TestEveryRouteHasAName: whoever adds a route gives it the name that lists and metrics know.
func TestEveryRouteHasAName(t *testing.T) {
	r := chi.NewRouter()
	New(DefaultConfig(), nil, nil, &Streams{}, nil, nil, nil).Routes(r)
	routes := 0
	err := chi.Walk(r, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method == http.MethodOptions {
			return nil
		}
		routes++
		if _, ok := EndpointOf(method, route); !ok {
			t.Errorf("%s %s has no name: add it to endpoints.go", method, route)
		}
		return nil
	})
	if err != nil || routes < 10 {
		t.Errorf("%d routes walked, %v", routes, err)
	}
}

func TestEndpointOf(t *testing.T) {
	for _, tt := range []struct{ method, route, accept, contentType, name, metric string }{
		{"GET", "/", "", "", "api.v2.root.get", "root.get+v2"},
		{"HEAD", "/topics/{topic}", "", "", "api.v2.topics.get", "topic.get+v2"},
		{"POST", "/topics/{topic}", "", "", "api.v2.produce-to-topic.binary", "topic.produce-binary+v2"},
		{"POST", "/topics/{t}", "", "application/vnd.kafka.jsonschema.v2+json", "api.v2.produce-to-topic.json-schema", "topic.produce-jsonschema+v2"},
		{"POST", "/topics/{t}/partitions/{p}", "", "application/vnd.kafka.json.v2+json; charset=utf-8", "api.v2.produce-to-partition.json", "partition.produce-json+v2"},
		{"GET", "/consumers/{g}/instances/{i}/records", "application/vnd.kafka.avro.v2+json", "", "api.v2.consumers.consume-avro", "consumer.records.read-avro+v2"},
		{"GET", "/consumers/{g}/instances/{i}/records", "*/*", "", "api.v2.consumers.consume-binary", "consumer.records.read-binary+v2"},
		{"GET", "/v3/clusters/{cluster_id}/topics/-/configs", "", "", "api.v3.topic-configs.list", "v3.topics.configs.list"},
		{"POST", "/prod/streams/{stream}/record", "", "", "kinesis.record.put", "kinesis.record.put"},
		{"GET", "/streams/", "", "", "kinesis.streams.list", "kinesis.streams.list"},
		{"DELETE", "/brokers", "", "", "", ""},
	} {
		r := httptest.NewRequest(tt.method, "/", nil)
		r.Header.Set("Accept", tt.accept)
		if tt.contentType != "" {
			r.Header.Set("Content-Type", tt.contentType)
		}
		e, ok := EndpointOf(tt.method, tt.route)
		if e.HasFormat() {
			e = e.In(FormatOf(r))
		}
		if e.Name != tt.name || e.Metric != tt.metric || ok != (tt.name != "") {
			t.Errorf("%s %s = %+v, %t, want %s, %s", tt.method, tt.route, e, ok, tt.name, tt.metric)
		}
	}
}

func TestAccessList(t *testing.T) {
	for _, tt := range []struct {
		name         string
		allow, block []string
		served       []string
		refused      []string
	}{
		{"all", nil, nil, []string{"api.v2.root.get", "api.v3.topics.list"}, nil},
		{"one", []string{"api.v2.topics.list"}, nil, []string{"api.v2.topics.list"}, []string{"api.v2.topics.get", "api.v3.topics.list", "kinesis.record.put"}},
		{"a group", []string{"api.v2.produce-to-topic.*"}, nil, []string{"api.v2.produce-to-topic.json-schema"}, []string{"api.v2.produce-to-partition.json"}},
		{"a group less one", []string{"api.v2.consumers.*"}, []string{"api.v2.consumers.create"}, []string{"api.v2.consumers.consume-avro"}, []string{"api.v2.consumers.create", "api.v2.topics.get"}},
		{"all but a group", nil, []string{"api.v3.topics.*"}, []string{"api.v3.topic-configs.list"}, []string{"api.v3.topics.create"}},
		{"longer names", nil, []string{"api.v3.partitions.*"}, []string{"api.v2.partitions.list"}, []string{"api.v3.partitions.list.offsets", "api.v3.partitions.get"}},
		{"kinesis", nil, []string{"kinesis.streams.*"}, []string{"kinesis.record.put"}, []string{"kinesis.streams.delete"}},
	} {
		list, unknown := NewAccessList(tt.allow, tt.block)
		if len(unknown) > 0 {
			t.Errorf("%s: %q are not known", tt.name, unknown)
		}
		for _, name := range tt.served {
			if list.Blocks(name) {
				t.Errorf("%s: %s is blocked", tt.name, name)
			}
		}
		for _, name := range tt.refused {
			if !list.Blocks(name) {
				t.Errorf("%s: %s is served", tt.name, name)
			}
		}
	}
	// The reference's groups are literal: api.v2.* is none.
	entries := []string{"api.v2.*", "api.v2.topic.list", "*", ""}
	if list, unknown := NewAccessList(nil, entries); !list.IsEmpty() || len(unknown) != len(entries) {
		t.Errorf("%q blocks something, unknown are %q", entries, unknown)
	}
}

func TestBlockedAnswers(t *testing.T) {
	h := New(DefaultConfig(), nil, nil, nil, nil, nil, nil)
	for method, want := range map[string]string{
		"GET": `404 {"error_code":404,"message":"HTTP 404 Not Found"}`, "HEAD": `404 {"error_code":404,"message":"HTTP 404 Not Found"}`,
		"POST": `405 {"error_code":405,"message":"HTTP 405 Method Not Allowed"}`, "DELETE": `405 {"error_code":405,"message":"HTTP 405 Method Not Allowed"}`,
	} {
		w := httptest.NewRecorder()
		h.Blocked(w, httptest.NewRequest(method, "/topics/t", nil))
		if diff := cmp.Diff(want, strconv.Itoa(w.Code)+" "+w.Body.String()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", method, diff)
		}
	}
}
