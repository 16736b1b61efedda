package schema

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// newFake returns a Schemas on a registry in this process.
func newFake(t testing.TB, change ...func(*Config)) *Schemas {
	t.Helper()
	server := httptest.NewServer(srfake.NewRegistry().Handler())
	t.Cleanup(server.Close)
	cfg := DefaultConfig()
	cfg.URLs = []string{server.URL}
	for _, fn := range change {
		fn(&cfg)
	}
	s, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func mustCodec(t *testing.T, s *Schemas, q Query) *Codec {
	t.Helper()
	c, err := s.Codec(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAvroThroughTheRegistry(t *testing.T) {
	s := newFake(t)
	text := `{"type":"record","name":"R","fields":[{"name":"a","type":["null","int"]}]}`
	c := mustCodec(t, s, Query{Topic: "t", Format: Avro, Text: text})
	if c.Subject() != "t-value" || c.ID() != 1 || c.Version() != 1 || c.Format() != Avro {
		t.Fatalf("codec = %s %d %d %s", c.Subject(), c.ID(), c.Version(), c.Format())
	}
	for name, q := range map[string]Query{
		"id": {Topic: "t", ID: 1}, "version": {Topic: "t", Version: 1}, "latest": {Topic: "t"},
		"subject": {Topic: "x", Subject: "t-value"}, "text": {Topic: "t", Format: Avro, Text: text + " "},
	} {
		if other := mustCodec(t, s, q); other.ID() != 1 || other.Version() != 1 || other.Subject() != "t-value" {
			t.Errorf("by %s: %s %d %d", name, other.Subject(), other.ID(), other.Version())
		}
	}
	data, err := c.Encode([]byte(`{"a":{"int":5}}`))
	if err != nil || string(data) != "\x00\x00\x00\x00\x01\x02\x0a" {
		t.Fatalf("data = %x, %v", data, err)
	}
	back, format, err := s.Decode(t.Context(), data)
	if err != nil || string(back) != `{"a":{"int":5}}` || format != Avro {
		t.Errorf("back = %s, %s, %v", back, format, err)
	}
	var misfit *PayloadError
	if _, err := c.Encode([]byte(`{"a":5}`)); !errors.As(err, &misfit) || misfit.Detail != "Expected start-union. Got VALUE_NUMBER_INT" {
		t.Errorf("misfit: %v", err)
	}
}

func TestRegistryFaults(t *testing.T) {
	s := newFake(t)
	mustCodec(t, s, Query{Topic: "other", Format: Avro, Text: `"string"`})
	for _, tt := range []struct {
		q    Query
		want string
		code int
	}{
		{Query{Topic: "t", ID: 99}, "Error when fetching schema by id. schemaId = 99\n", 40403},
		{Query{Topic: "t", ID: 1}, "Error when fetching schema version. subject = t-value, schema = \"string\"\n", 40401},
		{Query{Topic: "t", Version: 3}, "Error when fetching schema by version. subject = t-value, version = 3\n", 40402},
		{Query{Topic: "t"}, "Error when fetching latest schema version. subject = t-value\n", 40401},
	} {
		_, err := s.Codec(t.Context(), tt.q)
		var fault *RegistryError
		if !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), tt.want) || fault.Code != tt.code || !strings.Contains(fault.Cause, "; error code: 404") {
			t.Errorf("%+v: %v", tt.q, err)
		}
	}
	var query *QueryError
	if _, err := s.Codec(t.Context(), Query{Topic: "t", Strategy: RecordName}); !errors.As(err, &query) || query.Detail != "Cannot use schema_subject_strategy=RECORD_NAME without schema_id or schema." {
		t.Errorf("latest by record name: %v", err)
	}
	var invalid *InvalidSchemaError
	if _, err := s.Codec(t.Context(), Query{Topic: "t", Format: Avro, Text: `{"type":`}); !errors.As(err, &invalid) || !strings.HasPrefix(invalid.Detail, `Error when parsing raw schema. format = AVRO, schema = {"type":`) {
		t.Errorf("invalid: %v", err)
	}
}

func TestWithoutRegistry(t *testing.T) {
	s, err := New(DefaultConfig(), slog.New(slog.DiscardHandler), nil)
	if err != nil || s.On() {
		t.Fatal(err, s.On())
	}
	if _, err := s.Codec(t.Context(), Query{Topic: "t"}); !errors.Is(err, ErrNoRegistry) {
		t.Error(err)
	}
	if _, _, err := s.Decode(t.Context(), []byte("x")); !errors.Is(err, ErrNoRegistry) {
		t.Error(err)
	}
}

func TestUnreachableRegistry(t *testing.T) {
	server := httptest.NewServer(nil)
	url := server.URL
	server.Close()
	s := newFake(t, func(cfg *Config) { cfg.URLs = []string{url} })
	_, err := s.Codec(t.Context(), Query{Topic: "t", Format: Avro, Text: `{"type":"string"}`})
	if want := "Error when registering schema. format = AVRO, subject = t-value, schema = \"string\"\nConnection refused"; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	// The next URL is tried.
	working := newFake(t)
	s = newFake(t, func(cfg *Config) { cfg.URLs = append([]string{url}, working.cfg.URLs...) })
	mustCodec(t, s, Query{Topic: "t", Format: Avro, Text: `"string"`})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Codec(ctx, Query{Topic: "new", Format: Avro, Text: `"string"`}); err == nil {
		t.Error("a call that is over got a codec")
	}
}
