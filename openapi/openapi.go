// Package openapi holds the OpenAPI 3.1 document of every route: openapi.yaml, the one truth.
// It refuses to know how a route is served.
package openapi

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/goccy/go-yaml"
)

//go:embed openapi.yaml
var document string

// YAML returns the document as it was written.
func YAML() string { return document }

// JSON returns the document as JSON, members in the order in which they were written, for
// /openapi.json. The first call converts it (25 ms), later ones return the same bytes, which
// nobody may change. It panics on a broken document, which the tests of this room rule out.
func JSON() []byte { return converted() }

var converted = sync.OnceValue(func() []byte {
	text, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		panic(fmt.Errorf("converting openapi.yaml: %w", err))
	}
	return text
})
