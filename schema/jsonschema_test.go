package schema

import (
	"strings"
	"testing"
)

func mustJSON(t testing.TB, text string) valueCodec {
	t.Helper()
	c, _, err := newJSON(text, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestJSONSchemaChecks(t *testing.T) {
	const pin = `{"type":"object","properties":{"id":{"type":"integer"},"tag":{"type":["string","null"]},"n":{"type":"number"}},"required":["id"],"additionalProperties":false}`
	for _, tt := range []struct{ schema, value, want, misfit string }{
		{pin, ` { "id" : 7 , "tag" : "a b" } `, `{"id":7,"tag":"a b"}`, ""},
		{pin, `{"n":2.0,"id":7}`, `{"n":2.0,"id":7}`, ""},
		{pin, `{"id":2.0}`, "", "#/id: got number, want integer"},
		{pin, `{"id":"7"}`, "", "#/id: got string, want integer"},
		{pin, `{"tag":"x"}`, "", "#: missing property 'id'"},
		{pin, `{"id":1,"zz":1}`, "", "#: additional properties 'zz' not allowed"},
		{pin, `null`, "", "#: got null, want object"},
		{`{"type":["null","string"]}`, `null`, `null`, ""}, // four letters, as the reference
		{`{"type":"integer"}`, `1e3`, "", "#: got number, want integer"},
		{`{"type":"integer"}`, `12345678901234567890123`, `12345678901234567890123`, ""},
		{`{"type":["integer","number"]}`, `2.0`, `2.0`, ""},
		{`{"type":"string","format":"date"}`, `"2024-13-01"`, "", "#: '2024-13-01' is not valid date: parsing time \"2024-13-01\": month out of range"},
		{`{"type":"number"}`, `1e10000000`, "", "the exponent of a number has 8 digits, at most 3 are taken"},
		{`{"$ref":"#/definitions/a","definitions":{"a":{"type":"boolean"}}}`, `true`, `true`, ""},
		{`{"$schema":"https://json-schema.org/draft/2020-12/schema","prefixItems":[{"type":"integer"}]}`, `["x"]`, "", "#/0: got string, want integer"},
		{`true`, `"\ud83d\ude00"`, `"\ud83d\ude00"`, ""},
	} {
		got, err := mustJSON(t, tt.schema).encode(nil, []byte(tt.value))
		if tt.misfit != "" && (err == nil || err.Error() != tt.misfit) || tt.misfit == "" && (err != nil || string(got) != tt.want) {
			t.Errorf("%s for %s: %s, %v, want %s%s", tt.value, tt.schema, got, err, tt.want, tt.misfit)
		}
	}
}

func TestJSONSchemaLoadsNothing(t *testing.T) {
	for _, ref := range []string{"http://127.0.0.1:1/a.json", "file:///etc/passwd", "other.json"} {
		if _, _, err := newJSON(`{"$ref":"`+ref+`"}`, nil, false); err == nil || !strings.Contains(err.Error(), "nothing is loaded from elsewhere") {
			t.Errorf("$ref %s: %v", ref, err)
		}
	}
	refs := []reference{{"other.json", `{"type":"integer"}`}, {"http://x/y.json", `{"$ref":"other.json"}`}}
	for _, ref := range []string{"other.json", "http://x/y.json"} {
		c, _, err := newJSON(`{"$ref":"`+ref+`"}`, refs, false)
		if err != nil {
			t.Errorf("$ref %s: %v", ref, err)
			continue
		}
		if _, err := c.encode(nil, []byte(`"x"`)); err == nil {
			t.Errorf("$ref %s is not checked", ref)
		}
	}
}

// TestJSONFailInvalidSchema: what does not fit is refused on reading only when asked for.
func TestJSONFailInvalidSchema(t *testing.T) {
	for _, strict := range []bool{false, true} {
		c, name, err := newJSON(`{"title":"T","type":"integer"}`, nil, strict)
		if err != nil || name != "T" {
			t.Fatal(err, name)
		}
		if _, err := c.decode(nil, []byte(`"x"`)); (err != nil) != strict {
			t.Errorf("strict %t: %v", strict, err)
		}
		if _, err := c.decode(nil, []byte(`{`)); err == nil {
			t.Error("broken JSON is read")
		}
		if _, err := c.decode(nil, nil); err == nil {
			t.Error("nothing is read as JSON")
		}
	}
}
