package schema

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/twmb/franz-go/pkg/sr"
)

const latestVersion = -1 // to sr

// Limits of what one schema may refer to, directly and further on.
const (
	maxReferences     = 200
	maxReferenceDepth = 20
)

// registry asks the schema registry. Every method is one question, its error worded by registryError.
type registry struct {
	client    *sr.Client
	transport *transport
	params    sr.Param
	maxBytes  int // of one schema's text, and of all that it refers to
}

func newRegistry(cfg Config, log *slog.Logger, m *metrics) (*registry, error) {
	t, urls, err := newTransport(cfg, m)
	if err != nil {
		return nil, err
	}
	client, err := sr.NewClient(
		sr.URLs(urls...),
		sr.UserAgent("headrace"),
		sr.HTTPClient(&http.Client{
			Transport: t,
			Timeout:   cfg.ReadTimeout,
			// A login must not follow to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		sr.LogFn(func(_ int8, msg string, attrs ...any) { log.Debug(msg, attrs...) }), //nolint:sloglint // the client's words
	)
	if err != nil {
		return nil, fmt.Errorf("making the schema registry's client: %w", err)
	}
	r := &registry{client: client, transport: t, maxBytes: cfg.MaxSchemaBytes}
	if cfg.Normalize {
		r.params = sr.Normalize
	}
	return r, nil
}

func (r *registry) close() { r.transport.close() }

func (r *registry) byID(ctx context.Context, id int) (sr.Schema, error) {
	return r.client.SchemaByID(ctx, id)
}

func (r *registry) byVersion(ctx context.Context, subject string, version int) (sr.SubjectSchema, error) {
	return r.client.SchemaByVersion(ctx, subject, version)
}

// versionOf is the version that a schema has under subject.
func (r *registry) versionOf(ctx context.Context, subject string, c *compiled) (int, error) {
	found, err := r.client.LookupSchema(sr.WithParams(ctx, r.params), subject, c.schema)
	if err != nil {
		return 0, registryError(fmt.Sprintf("Error when fetching schema version. subject = %s, schema = %s", subject, c.codec.canonical()), err)
	}
	return found.Version, nil
}

// findOrRegister looks a schema up under subject and registers it if the lookup fails, for
// whatever reason: so does the reference.
func (r *registry) findOrRegister(ctx context.Context, subject string, c *compiled) (id, version int, err error) {
	ctx = sr.WithParams(ctx, r.params)
	found, err := r.client.LookupSchema(ctx, subject, c.schema)
	if err == nil {
		return found.ID, found.Version, nil
	}
	id, err = r.client.RegisterSchema(ctx, subject, c.schema, -1, -1)
	if err != nil {
		return 0, 0, registryError(fmt.Sprintf("Error when registering schema. format = %s, subject = %s, schema = %s", c.format, subject, c.codec.canonical()), err)
	}
	version, err = r.versionOf(ctx, subject, c)
	return id, version, err
}

// reference is a schema that another refers to by name.
type reference struct{ name, text string }

// references fetches what a schema refers to, and what that refers to, each before those who need it.
func (r *registry) references(ctx context.Context, refs []sr.SchemaReference) ([]reference, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	w := &referenceWalk{registry: r, seen: map[string]bool{}}
	err := w.add(ctx, refs, 1)
	return w.found, err
}

type referenceWalk struct {
	registry *registry
	seen     map[string]bool
	found    []reference
	bytes    int
}

func (w *referenceWalk) add(ctx context.Context, refs []sr.SchemaReference, depth int) error {
	if depth > maxReferenceDepth {
		return fmt.Errorf("schemas refer to each other more than %d deep", maxReferenceDepth)
	}
	for _, ref := range refs {
		if w.seen[ref.Name] {
			continue
		}
		w.seen[ref.Name] = true
		if len(w.seen) > maxReferences {
			return fmt.Errorf("a schema refers to more than %d others", maxReferences)
		}
		found, err := w.registry.byVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return registryError(fmt.Sprintf("Error when fetching schema by version. subject = %s, version = %d", ref.Subject, ref.Version), err)
		}
		if w.bytes += len(found.Schema.Schema); w.bytes > w.registry.maxBytes {
			return fmt.Errorf("the schemas that one refers to are of more than %d bytes together", w.registry.maxBytes)
		}
		if err := w.add(ctx, found.References, depth+1); err != nil {
			return err
		}
		w.found = append(w.found, reference{ref.Name, found.Schema.Schema})
	}
	return nil
}
