package openapi_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"headrace/openapi"
)

// TestDocumentIsValid reads the served JSON with a library that knows OpenAPI 3.1.
func TestDocumentIsValid(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openapi.JSON())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.DisableExamplesValidation()); err != nil { // examples: below
		t.Error(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("openapi is %q, want 3.1", doc.OpenAPI)
	}
}

// TestOperationsAreComplete holds every operation to what a reader and a generator need.
func TestOperationsAreComplete(t *testing.T) {
	doc := whole(t)
	tags := map[string]bool{}
	for _, tag := range doc["tags"].([]any) {
		tags[tag.(map[string]any)["name"].(string)] = false
	}
	ids := map[string]string{}
	for path, item := range doc["paths"].(map[string]any) {
		for method, node := range item.(map[string]any) {
			name := strings.ToUpper(method) + " " + path
			op, ok := node.(map[string]any)
			if !ok {
				t.Errorf("%s is no operation", name)
				continue
			}
			id, _ := op["operationId"].(string)
			if other := ids[id]; id == "" || other != "" {
				t.Errorf("%s: operationId %q is empty or also that of %s", name, id, other)
			}
			ids[id] = name
			if summary, _ := op["summary"].(string); summary == "" || strings.HasSuffix(summary, ".") {
				t.Errorf("%s: summary %q: want one, without a full stop", name, summary)
			}
			for _, tag := range op["tags"].([]any) {
				if _, ok := tags[tag.(string)]; !ok {
					t.Errorf("%s: tag %q is not declared", name, tag)
				}
				tags[tag.(string)] = true
			}
			variables := strings.Count(path, "{")
			for _, parameter := range list(op["parameters"]) {
				if resolve(t, doc, parameter)["in"] == "path" {
					variables--
				}
			}
			if variables != 0 {
				t.Errorf("%s: its path parameters are not those of the path", name)
			}
			responses := op["responses"].(map[string]any)
			if !slices.ContainsFunc(slices.Collect(maps.Keys(responses)), func(status string) bool { return status[0] == '2' }) {
				t.Errorf("%s has no success", name)
			}
			for status, response := range responses {
				headers, _ := resolve(t, doc, response)["headers"].(map[string]any)
				if headers["X-Request-Id"] == nil {
					t.Errorf("%s %s does not name X-Request-Id", name, status)
				}
			}
		}
	}
	for tag, used := range tags {
		if !used {
			t.Errorf("tag %q is not used", tag)
		}
	}
}

// TestReferences finds dead ones, and components that nothing refers to.
func TestReferences(t *testing.T) {
	doc := whole(t)
	used := map[string]bool{}
	walk("#", doc, func(place string, node map[string]any) {
		if ref, ok := node["$ref"].(string); ok {
			used[ref] = true
			if _, err := at(doc, ref); err != nil {
				t.Errorf("%s: %v", place, err)
			}
		}
	})
	for kind, members := range doc["components"].(map[string]any) {
		for name := range members.(map[string]any) {
			if ref := "#/components/" + kind + "/" + name; !used[ref] {
				t.Errorf("%s is not used", ref)
			}
		}
	}
}

// TestSchemasAndExamples compiles every schema of the document under JSON Schema 2020-12, and
// holds every example to the schema beside it.
func TestSchemasAndExamples(t *testing.T) {
	doc := whole(t)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	var schemas, examples int
	walk("#", doc, func(place string, node map[string]any) {
		if _, ok := node["schema"]; !ok || strings.Contains(place, "/examples/") {
			return
		}
		schema, err := compiler.Compile("openapi.json" + place + "/schema")
		if err != nil {
			t.Errorf("%s: %v", place, err)
			return
		}
		schemas++
		check := func(name string, value any) {
			examples++
			if err := schema.Validate(value); err != nil {
				t.Errorf("%s: example %s: %v", place, name, err)
			}
		}
		if example, ok := node["example"]; ok {
			check("", example)
		}
		if named, ok := node["examples"].(map[string]any); ok {
			for name, example := range named {
				check(name, example.(map[string]any)["value"])
			}
		}
	})
	for name := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
		if _, err := compiler.Compile("openapi.json#/components/schemas/" + name); err != nil {
			t.Errorf("schema %s: %v", name, err)
		}
	}
	if schemas < 50 || examples < 50 {
		t.Errorf("saw %d schemas and %d examples: the walk misses most", schemas, examples)
	}
}

// TestEveryJSONBodyHasAnExample: the page shows them, and fuzzers start from them.
func TestEveryJSONBodyHasAnExample(t *testing.T) {
	walk("#", whole(t), func(place string, node map[string]any) {
		content, _ := node["content"].(map[string]any)
		for mediaType, node := range content {
			media := node.(map[string]any)
			if strings.Contains(place, "openapi.json") || !strings.HasSuffix(mediaType, "json") {
				continue
			}
			if media["example"] == nil && media["examples"] == nil {
				t.Errorf("%s: %s has no example", place, mediaType)
			}
		}
	})
}

// TestRequestSchemas holds the request schemas to what the contracts take and refuse.
func TestRequestSchemas(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi.json", whole(t)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		schema, body string
		want         bool
	}{
		{"ProduceJSON", `{"records":[{"value":{"a":[1,null]}}]}`, true},
		{"ProduceJSON", `{"records":[{}]}`, true},
		{"ProduceJSON", `{"records":[{"key":null,"value":null,"partition":null}]}`, true},
		{"ProduceJSON", `{"records":[{"value":1,"partition":"1"},{"partition":""},{"partition":1.9}]}`, true},
		{"ProduceJSON", `{"records":[{"value":1}],"value_schema":"{\"type\":\"string\"}"}`, true},
		{"ProduceJSON", `{"records":[]}`, false},
		{"ProduceJSON", `{"records":null}`, false},
		{"ProduceJSON", `{}`, false},
		{"ProduceJSON", `null`, false},
		{"ProduceJSON", `[]`, false},
		{"ProduceJSON", `{"records":[null]}`, false},
		{"ProduceJSON", `{"records":{"value":1}}`, false},
		{"ProduceJSON", `{"records":[{"value":1,"partition":-1}]}`, false},
		{"ProduceJSON", `{"records":[{"value":1,"partition":"x"}]}`, false},
		{"ProduceJSON", `{"records":[{"value":1,"partition":true}]}`, false},
		{"ProduceJSON", `{"records":[{"value":1,"partition":3000000000}]}`, false},
		{"ProduceJSON", `{"records":[{"value":1,"header":[]}]}`, false},
		{"ProduceJSON", `{"records":[{"value":1}],"zzz":null}`, false},
		{"ProduceBinary", `{"records":[{"key":"a2V5","value":"dmFsdWU="}]}`, true},
		{"ProduceBinary", `{"records":[{"value":"Zm9vYg=="},{"value":"Zm9vYg="},{"value":"Zm9vYg"}]}`, true},
		{"ProduceBinary", `{"records":[{"value":""},{"value":"=="},{"value":"Zm9v===="},{"value":null}]}`, true},
		{"ProduceBinary", `{"records":[{"value":"fooba"}]}`, false},
		{"ProduceBinary", `{"records":[{"value":"Zm9v=Zm9v"}]}`, false},
		{"ProduceBinary", `{"records":[{"value":"_-_-"}]}`, false},
		{"ProduceBinary", `{"records":[{"value":"Zm 9"}]}`, false},
		{"ProduceBinary", `{"records":[{"value":{"a":1}}]}`, false},
		{"CreateStream", `{}`, true},
		{"CreateStream", `{"ShardCount":"3","StreamName":"other"}`, true},
		{"CreateStream", `{"ShardCount":""}`, true},
		{"CreateStream", `{"ShardCount":null}`, true},
		{"CreateStream", `{"ShardCount":0}`, false},
		{"CreateStream", `{"ShardCount":1.5}`, false},
		{"CreateStream", `{"ShardCount":"five"}`, false},
		{"CreateStream", `{"StreamModeDetails":{"StreamMode":"SOMETIMES"}}`, false},
		{"PutRecord", `{"Data":{"index":1},"PartitionKey":"p"}`, true},
		{"PutRecord", `{"Data":"","PartitionKey":7}`, true},
		{"PutRecord", `{"Data":null,"PartitionKey":"p"}`, false},
		{"PutRecord", `{"Data":1,"PartitionKey":""}`, false},
		{"PutRecord", `{"Data":1,"PartitionKey":"` + strings.Repeat("é", 256) + `"}`, true},
		{"PutRecord", `{"Data":1,"PartitionKey":"` + strings.Repeat("k", 257) + `"}`, false},
		{"PutRecord", `{"Data":1}`, false},
		{"PutRecords", `{"records":[{"data":"","partition-key":"p"}]}`, true},
		{"PutRecords", `{"records":[]}`, false},
		{"PutRecords", `{"records":[{"data":null,"partition-key":"p"}]}`, false},
		{"PutRecords", `{"records":[` + strings.Repeat(`{"data":1,"partition-key":"p"},`, 500) + `{"data":1,"partition-key":"p"}]}`, false},
	} {
		schema, err := compiler.Compile("openapi.json#/components/schemas/" + tt.schema)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(tt.body))
		if err != nil {
			t.Fatalf("%s: %v", tt.body, err)
		}
		if got := schema.Validate(value) == nil; got != tt.want {
			t.Errorf("%s takes %.80s: %v, want %v", tt.schema, tt.body, got, tt.want)
		}
	}
}

func whole(t *testing.T) map[string]any {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(openapi.JSON()))
	if err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any)
}

// walk calls see for every object of the document, with its place as a URI fragment.
func walk(place string, node any, see func(place string, node map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		see(place, node)
		for _, name := range slices.Sorted(maps.Keys(node)) {
			walk(place+"/"+escape.Replace(name), node[name], see)
		}
	case []any:
		for i, element := range node {
			walk(fmt.Sprintf("%s/%d", place, i), element, see)
		}
	}
}

var escape = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "+", "%2B")

// at returns what a reference such as #/components/schemas/Error names.
func at(doc map[string]any, ref string) (map[string]any, error) {
	node := any(doc)
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		members, _ := node.(map[string]any)
		node = members[part]
	}
	found, ok := node.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("there is no %s", ref)
	}
	return found, nil
}

// resolve returns the object itself, or what it refers to.
func resolve(t *testing.T, doc map[string]any, node any) map[string]any {
	t.Helper()
	object := node.(map[string]any)
	ref, ok := object["$ref"].(string)
	if !ok {
		return object
	}
	found, err := at(doc, ref)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func list(node any) []any {
	elements, _ := node.([]any)
	return elements
}
