package schema

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"pgregory.net/rapid"

	"headrace/services/svc"
)

// foreignCase is one line to testdata/serdes.py.
type foreignCase struct {
	Format  Format `json:"format"`
	Topic   string `json:"topic"`
	Data    string `json:"data"`
	File    string `json:"file,omitempty"`
	Message string `json:"message,omitempty"`
}

type foreignAnswer struct {
	Value any    `json:"value"`
	Data  string `json:"data"`
	Error string `json:"error"`
}

// python runs the cases through Confluent's serializers, all in one process.
func python(t *testing.T, registry string, cases []foreignCase) []foreignAnswer {
	t.Helper()
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, c := range cases {
		if err := enc.Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, svc.Need(t, "HEADRACE_TEST_PYTHON"), "testdata/serdes.py", registry)
	cmd.Stdin = &in
	var errs bytes.Buffer
	cmd.Stderr = &errs
	began := time.Now()
	out, err := cmd.Output()
	t.Logf("serdes.py took %v, of the processor %v", time.Since(began), cmd.ProcessState.UserTime())
	if err != nil {
		t.Fatalf("serdes.py: %v\n%s", err, errs.Bytes())
	}
	answers := make([]foreignAnswer, 0, len(cases))
	dec := json.NewDecoder(bytes.NewReader(out))
	dec.UseNumber()
	for dec.More() {
		var a foreignAnswer
		if err := dec.Decode(&a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(cases) {
		t.Fatalf("serdes.py answered %d of %d cases\n%s", len(answers), len(cases), errs.Bytes())
	}
	return answers
}

// randoms are the seeds of the random schemas. Each is drawn anew from its number: a failure names it.
const randoms = 1000

// TestConfluentSerializers writes values of random schemas; Confluent's deserializers read them, their
// serializers write them again, and those bytes are read here.
func TestConfluentSerializers(t *testing.T) {
	svc.Need(t, "HEADRACE_TEST_PYTHON")
	registry := httptest.NewServer(newPlainRegistry())
	t.Cleanup(registry.Close)
	foreign(t, newFake(t, func(cfg *Config) { cfg.URLs = []string{registry.URL} }), randoms)
}

// TestConfluentSerializersOnARealRegistry is the same with fewer schemas, in a registry that checks them.
func TestConfluentSerializersOnARealRegistry(t *testing.T) {
	registry := svc.Need(t, "HEADRACE_TEST_REGISTRY")
	svc.Need(t, "HEADRACE_TEST_PYTHON")
	s := newFake(t, func(cfg *Config) { cfg.URLs = []string{registry} })
	foreign(t, s, 20)
}

func foreign(t *testing.T, s *Schemas, count int) {
	t.Helper()
	makers := []struct {
		format Format
		draw   *rapid.Generator[sample]
	}{{Avro, rapid.Custom(drawAvro)}, {JSONSchema, rapid.Custom(drawJSON)}, {Protobuf, rapid.Custom(drawProto)}}
	var cases []foreignCase
	var samples []sample
	run := fmt.Sprintf("foreign-%d", time.Now().UnixNano())
	for _, m := range makers {
		for seed := range count {
			x := m.draw.Example(seed)
			topic := fmt.Sprintf("%s-%s-%d", run, m.format, seed)
			codec, err := s.Codec(t.Context(), Query{Topic: topic, Format: m.format, Text: x.schema})
			if err != nil {
				t.Fatalf("%s seed %d: %v\n%s", m.format, seed, err, x.schema)
			}
			data, err := codec.Encode([]byte(x.value))
			if err != nil {
				t.Fatalf("%s seed %d: %v\n%s\n%s", m.format, seed, err, x.schema, x.value)
			}
			c := foreignCase{Format: m.format, Topic: topic, Data: hex.EncodeToString(data)}
			if p, ok := codec.codec.(*protoCodec); ok {
				file := protodesc.ToFileDescriptorProto(p.file)
				file.Name = new(fmt.Sprintf("case%d.proto", seed))
				raw, err := proto.Marshal(file)
				if err != nil {
					t.Fatal(err)
				}
				c.File, c.Message = base64.StdEncoding.EncodeToString(raw), "n.s.M"
			}
			cases, samples = append(cases, c), append(samples, x)
		}
	}
	t.Logf("%d cases written", len(cases))
	failed := 0
	for i, answer := range python(t, s.cfg.URLs[0], cases) {
		if err := s.agrees(t.Context(), cases[i], answer); err != nil {
			if failed++; failed > 5 {
				t.Fatal("and more")
			}
			t.Errorf("%s: %v\n%s\n%s", cases[i].Topic, err, samples[i].schema, samples[i].value)
		}
	}
}

// agrees compares what the others read and wrote with what is read here.
func (s *Schemas) agrees(ctx context.Context, c foreignCase, a foreignAnswer) error {
	if a.Error != "" {
		return fmt.Errorf("%s", a.Error)
	}
	mine, err := s.decoded(ctx, c.Data)
	if err != nil {
		return err
	}
	theirs, err := s.decoded(ctx, a.Data)
	if err != nil {
		return fmt.Errorf("reading their bytes: %w", err)
	}
	if diff := cmp.Diff(mine, theirs); diff != "" {
		return fmt.Errorf("their bytes are another value (- ours, + theirs): %s", diff)
	}
	if diff := cmp.Diff(mine, floats(a.Value)); diff != "" {
		return fmt.Errorf("they read another value (- ours, + theirs): %s", diff)
	}
	if c.Format == Avro && c.Data != a.Data && !hasMap(mine) {
		return fmt.Errorf("their bytes are %s, ours %s", a.Data, c.Data)
	}
	return nil
}

// hasMap reports whether there may be a map, whose order is nobody's.
func hasMap(v any) bool {
	raw, err := json.Marshal(v)
	return err != nil || bytes.Contains(raw, []byte(`"k0"`))
}

func (s *Schemas) decoded(ctx context.Context, data string) (any, error) {
	raw, err := hex.DecodeString(data)
	if err != nil {
		return nil, err
	}
	text, _, err := s.Decode(ctx, raw)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	return floats(v), nil
}

// floats makes numbers comparable: those with a point or an exponent by value, the others by digits.
func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && f != float64(int64(f)) {
			return f
		}
		if f, err := v.Float64(); err == nil && (f > 1<<53 || f < -1<<53) && !isInteger([]byte(v)) {
			return f
		}
		if i, err := v.Int64(); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil && f == float64(int64(f)) && f < 1<<53 && f > -1<<53 {
			return int64(f)
		}
		return v
	case map[string]any:
		for name := range v {
			v[name] = floats(v[name])
		}
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	}
	return v
}

// plainRegistry is a registry that takes any text. srfake compares a new one with all that it has, which
// takes a minute of 3,000.
type plainRegistry struct {
	mu    sync.Mutex
	texts []json.RawMessage // by id-1: {"schema":…,"schemaType":…}
	ids   map[string]int    // by subject and text
}

func newPlainRegistry() http.Handler {
	r := &plainRegistry{ids: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /subjects/{subject}", r.lookup)
	mux.HandleFunc("POST /subjects/{subject}/versions", r.register)
	mux.HandleFunc("GET /schemas/ids/{id}", r.byID)
	return mux
}

// body reads a schema and returns its key.
func (r *plainRegistry) body(req *http.Request) (key string, raw json.RawMessage) {
	var body struct {
		Schema string `json:"schema"`
		Type   string `json:"schemaType,omitempty"`
	}
	_ = json.NewDecoder(req.Body).Decode(&body)
	if body.Type == "AVRO" {
		body.Type = "" // as when it is left out
	}
	raw, _ = json.Marshal(body)
	return req.PathValue("subject") + " " + string(raw), raw
}

func (r *plainRegistry) lookup(w http.ResponseWriter, req *http.Request) {
	key, _ := r.body(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok := r.ids[key]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error_code":40403,"message":"Schema not found"}`)
		return
	}
	var found map[string]any
	_ = json.Unmarshal(r.texts[id-1], &found)
	found["subject"], found["id"], found["version"] = req.PathValue("subject"), id, 1
	_ = json.NewEncoder(w).Encode(found)
}

func (r *plainRegistry) register(w http.ResponseWriter, req *http.Request) {
	key, raw := r.body(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.ids[key]; !ok {
		r.texts = append(r.texts, raw)
		r.ids[key] = len(r.texts)
	}
	_ = json.NewEncoder(w).Encode(map[string]int{"id": r.ids[key]})
}

func (r *plainRegistry) byID(w http.ResponseWriter, req *http.Request) {
	id, _ := strconv.Atoi(req.PathValue("id"))
	r.mu.Lock()
	defer r.mu.Unlock()
	if id < 1 || id > len(r.texts) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error_code":40403,"message":"Schema not found"}`)
		return
	}
	_, _ = w.Write(r.texts[id-1])
}
