package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"headrace/services/svc"
)

// TestSchemasBothWays: what the gateway writes is read by Confluent's deserializers, what their serializers write is read
// through the gateway, by a real Kafka and a real registry, in all three formats.
func TestSchemasBothWays(t *testing.T) {
	broker, registry, python := svc.Need(t, "HEADRACE_TEST_KAFKA"), svc.Need(t, "HEADRACE_TEST_REGISTRY"), svc.Need(t, "HEADRACE_TEST_PYTHON")
	s := startServe(t, "bootstrap.servers="+broker+"\nkinesis.enable=false\nschema.registry.url=http://127.0.0.1:1,"+registry+"\n")
	for _, tt := range []struct{ format, schema, value, python, first, second string }{
		{
			"avro", `{"type":"record","name":"Pin","namespace":"test","fields":[{"name":"id","type":"long"},{"name":"tag","type":["null","string"],"default":null}]}`,
			`{"id":7,"tag":{"string":"ü"}}`, `{"id":7,"tag":"ü"}`, `{"id":7,"tag":{"string":"ü"}}`, `{"id":8,"tag":{"string":"from Python"}}`,
		},
		{
			"jsonschema", `{"$schema":"http://json-schema.org/draft-07/schema#","title":"Pin","type":"object","properties":{"id":{"type":"integer"},"tag":{"type":"string"}},"required":["id"]}`,
			`{"id": 7, "tag": "ü"}`, `{"id":7,"tag":"ü"}`, `{"id":7,"tag":"ü"}`, `{"id":8,"tag":"from Python"}`,
		},
		{
			"protobuf", `syntax = "proto3"; package test; message Pin { int64 id = 1; string tag = 2; }`,
			`{"id":"7","tag":"ü"}`, `{"id":"7","tag":"ü"}`, `{"id":"7","tag":"ü"}`, `{"id":"8","tag":"from Python"}`,
		},
	} {
		t.Run(tt.format, func(t *testing.T) {
			topic := fmt.Sprintf("schema-%s-%d", tt.format, time.Now().UnixNano())
			createTopic(t, []string{broker}, topic, 1)
			text, err := json.Marshal(tt.schema)
			if err != nil {
				t.Fatal(err)
			}
			embedded := "application/vnd.kafka." + tt.format + ".v2+json"
			body := s.call(t, http.MethodPost, "/topics/"+topic, embedded, "", fmt.Sprintf(`{"value_schema":%s,"records":[{"value":%s}]}`, text, tt.value), http.StatusOK)
			if strings.Contains(body, `"value_schema_id":null`) || !strings.Contains(body, `"offset":0`) {
				t.Fatalf("POST /topics: %s", body)
			}
			read := command(t, nil, "", python, "testdata/serdes.py", broker, registry, topic, tt.format)
			if diff := cmp.Diff(jsonOf(t, tt.python), jsonOf(t, read)); diff != "" {
				t.Errorf("Python read (- want, + got): %s", diff)
			}
			group := "/consumers/" + topic
			s.call(t, http.MethodPost, group, "application/vnd.kafka.v2+json", "", `{"name":"c","format":"`+tt.format+`","auto.offset.reset":"earliest"}`, http.StatusOK)
			s.call(t, http.MethodPost, group+"/instances/c/assignments", "application/vnd.kafka.v2+json", "", `{"partitions":[{"topic":"`+topic+`","partition":0}]}`, http.StatusNoContent)
			s.call(t, http.MethodPost, group+"/instances/c/positions/beginning", "application/vnd.kafka.v2+json", "", `{"partitions":[{"topic":"`+topic+`","partition":0}]}`, http.StatusNoContent)
			var values []any
			awaitTrue(t, "both records", func() bool {
				var records []struct{ Value any }
				answer := s.call(t, http.MethodGet, group+"/instances/c/records", "", embedded, "", http.StatusOK)
				if err := json.Unmarshal([]byte(answer), &records); err != nil {
					t.Fatal(err)
				}
				for _, rec := range records {
					values = append(values, rec.Value)
				}
				return len(values) >= 2
			})
			if diff := cmp.Diff([]any{jsonOf(t, tt.first), jsonOf(t, tt.second)}, values); diff != "" {
				t.Errorf("read through the gateway (- want, + got): %s", diff)
			}
			s.call(t, http.MethodDelete, group+"/instances/c", "", "", "", http.StatusNoContent)
		})
	}
}

// TestRealRegistryFaults: the answers of a registry that checks what it gets.
func TestRealRegistryFaults(t *testing.T) {
	registry := svc.Need(t, "HEADRACE_TEST_REGISTRY")
	cluster := newKafka(t, "orders")
	s := startServe(t, "bootstrap.servers="+cluster.ListenAddrs()[0]+"\nkinesis.enable=false\nschema.registry.url="+registry+"\n")
	const avro = "application/vnd.kafka.avro.v2+json"
	topic := fmt.Sprintf("faults-%d", time.Now().UnixNano())
	first := `{"value_schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}","records":[{"value":{"a":1}}]}`
	s.call(t, http.MethodPost, "/topics/"+topic, avro, "", first, http.StatusOK)
	compat, err := http.NewRequestWithContext(t.Context(), http.MethodPut, registry+"/config/"+topic+"-value", strings.NewReader(`{"compatibility":"BACKWARD"}`))
	if err != nil {
		t.Fatal(err)
	}
	compat.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	res, err := http.DefaultClient.Do(compat)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("asking for compatibility: %v, %v", res, err)
	}
	_ = res.Body.Close()
	for _, tt := range []struct{ name, body, want string }{
		{
			"an incompatible schema", `{"value_schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":\"int\"}]}","records":[{"value":{"a":1,"b":2}}]}`,
			"Error serializing message. Error when registering schema. format = AVRO, subject = " + topic + "-value, schema = ",
		},
		{"an id that is nowhere", `{"value_schema_id":99999999,"records":[{"value":{"a":1}}]}`, "Error serializing message. Error when fetching schema by id. schemaId = 99999999\n"},
	} {
		var answer struct {
			Code    int `json:"error_code"`
			Message string
		}
		if err := json.Unmarshal([]byte(s.call(t, http.MethodPost, "/topics/"+topic, avro, "", tt.body, http.StatusUnprocessableEntity)), &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Code != 42207 || !strings.HasPrefix(answer.Message, tt.want) || !strings.Contains(answer.Message, "; error code: 4") {
			t.Errorf("%s: %d %s", tt.name, answer.Code, answer.Message)
		}
	}
}

// call sends one request and wants a status.
func (s *served) call(t *testing.T, method, path, contentType, accept, body string, want int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		req.Body = http.NoBody
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	status, answer := do(t, req)
	if status != want {
		t.Fatalf("%s %s: %d %s, want %d", method, path, status, answer, want)
	}
	return answer
}

func jsonOf(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
