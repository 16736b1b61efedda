// Package openapi holds the OpenAPI 3.1 document of every route: openapi.yaml, the one truth.
// It refuses to know how a route is served.
package openapi

import (
	_ "embed"
	"fmt"

	"github.com/goccy/go-yaml"
)

//go:embed openapi.yaml
var document string

// YAML returns the document as it was written.
func YAML() string { return document }

// JSON returns the document as JSON, members in the order in which they were written, for
// /openapi.json. It converts at every call (some milliseconds): ask once and keep the answer.
// An error means that the document itself is broken, which the tests of this room rule out.
func JSON() ([]byte, error) {
	text, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		return nil, fmt.Errorf("converting openapi.yaml: %w", err)
	}
	return text, nil
}
