package main

import (
	"strings"
	"testing"

	"headrace/schema"
)

func TestRegistryKeys(t *testing.T) {
	cfg := mustLoad(t, `bootstrap.servers=b:1
schema.registry.url=http://u:p@a:1, https://b:2/base
schema.registry.basic.auth.credentials.source=USER_INFO
schema.registry.basic.auth.user.info=me:pass:word
schema.registry.normalize.schemas=true
schema.registry.key.subject.name.strategy=io.confluent.kafka.serializers.subject.RecordNameStrategy
schema.registry.value.subject.name.strategy=io.confluent.kafka.serializers.subject.TopicRecordNameStrategy
schema.registry.proxy.host=proxy
schema.registry.proxy.port=3128
schema.registry.request.header.X-Team=blue
consumer.json.fail.invalid.schema=true
null.request.body.always.publishes.empty.record=true
`)
	got := cfg.schema
	if len(got.URLs) != 2 || got.URLs[1] != "https://b:2/base" || got.User != "me" || got.Password != "pass:word" || !got.Normalize ||
		got.KeyStrategy != schema.RecordName || got.ValueStrategy != schema.TopicRecordName || got.ProxyURL != "http://proxy:3128" ||
		got.Headers.Get("X-Team") != "blue" || !got.FailInvalidJSON || !cfg.handlers.NullIsNull {
		t.Errorf("config = %+v", got)
	}
	inherited := mustLoad(t, `bootstrap.servers=b:1
schema.registry.basic.auth.credentials.source=SASL_INHERIT
client.security.protocol=SASL_PLAINTEXT
client.sasl.mechanism=PLAIN
client.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p;w";
`).schema
	if inherited.User != "u" || inherited.Password != "p;w" || inherited.URLs[0] != "http://localhost:8081" {
		t.Errorf("SASL_INHERIT: %q, %v", inherited.User, inherited.URLs)
	}
	bearer := mustLoad(t, `bootstrap.servers=b:1
schema.registry.bearer.auth.credentials.source=OAUTHBEARER
schema.registry.bearer.auth.issuer.endpoint.url=https://i/token
schema.registry.bearer.auth.client.id=id
schema.registry.bearer.auth.client.secret=s
schema.registry.bearer.auth.scope=sr
`).schema
	if o := bearer.OAuth; o == nil || *o != (schema.OAuth{TokenURL: "https://i/token", ClientID: "id", ClientSecret: "s", Scope: "sr"}) {
		t.Errorf("OAUTHBEARER: %+v", o)
	}
	if off := mustLoad(t, "bootstrap.servers=b:1\nschema.registry.url=\nschema.registry.basic.auth.credentials.source=USER_INFO\n").schema; len(off.URLs) != 0 {
		t.Errorf("explicitly empty: %v", off.URLs)
	}
	for text, want := range map[string]string{
		"schema.registry.url=http://u:TOPSECRET@":                                                                            "schema.registry.url",
		"schema.registry.basic.auth.credentials.source=USER_INFO":                                                            "needs schema.registry.basic.auth.user.info",
		"schema.registry.basic.auth.credentials.source=SASL_INHERIT\nclient.sasl.jaas.config=x required password=TOPSECRET;": "username and password are expected",
		"schema.registry.ssl.truststore.location=/nowhere.jks":                                                               "schema.registry.ssl.truststore.location",
		"schema.registry.basic.auth.credentials.source=USER_INFO\nschema.registry.basic.auth.user.info=u:TOPSECRET\nschema.registry.bearer.auth.credentials.source=STATIC_TOKEN\nschema.registry.bearer.auth.token=TOPSECRET": "one login",
	} {
		_, err := load(t, "bootstrap.servers=b:1\n"+text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "TOPSECRET") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
