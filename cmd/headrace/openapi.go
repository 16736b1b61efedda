package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"headrace/handlers"
	"headrace/openapi"
)

// openapiFlags are the command line of openapi.
type openapiFlags struct {
	json       bool
	apiGateway bool
	uri        string // where API Gateway reaches headrace
	vpcLink    string // id of a VPC link; "": over the internet
	domain     bool   // clients use a custom domain name, whose paths do not begin with the stage
}

func newOpenAPICommand() *cobra.Command {
	var flags openapiFlags
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Print the OpenAPI document, or an import file for Amazon API Gateway",
		Long: `openapi prints the OpenAPI 3.1 document of every route, as YAML or with --json as JSON.

With --apigateway it prints an import file for a REST API of Amazon API Gateway (OpenAPI 3.0.1, JSON): each Kinesis
route by its name, and {proxy+} for all others, handed on as they are to --uri. A stage variable may stand for the
host, so that each stage has its own: --uri 'http://${stageVariables.headrace}'.`,
		Example: `  headrace openapi
  headrace openapi --apigateway --uri http://ec2-203-0-113-7.compute-1.amazonaws.com:8082 >api.json
  headrace openapi --apigateway --uri http://nlb.example.internal:8082 --vpc-link abc123 >api.json
  aws apigateway import-rest-api --endpoint-configuration types=REGIONAL --body fileb://api.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := flags.document()
			if err != nil {
				return usageError{err}
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	set := cmd.Flags()
	set.BoolVar(&flags.json, "json", false, "print the document as JSON")
	set.BoolVar(&flags.apiGateway, "apigateway", false, "print an import file for Amazon API Gateway; needs --uri")
	set.StringVar(&flags.uri, "uri", "", "where API Gateway reaches headrace: http://HOST:8082")
	set.StringVar(&flags.vpcLink, "vpc-link", "", "id of the VPC link through which it does (default: over the internet)")
	set.BoolVar(&flags.domain, "custom-domain", false, "clients use a custom domain name: no stage stands before their paths")
	return cmd
}

// document returns what is asked for. Its error is one of usage.
func (f openapiFlags) document() ([]byte, error) {
	switch {
	case !f.apiGateway && (f.uri != "" || f.vpcLink != "" || f.domain):
		return nil, errors.New("--uri, --vpc-link and --custom-domain are for --apigateway")
	case f.apiGateway:
		var err error
		if f.uri, err = integrationBase(f.uri); err != nil {
			return nil, err
		}
		return f.importFile()
	case f.json:
		return append(slices.Clip(openapi.JSON()), '\n'), nil
	}
	return []byte(openapi.YAML()), nil
}

// stageVariable is how an integration's URI names a variable of the stage. Source: Amazon API Gateway developer guide,
// "Use stage variables".
var stageVariable = regexp.MustCompile(`\$\{stageVariables\.[A-Za-z0-9_]+}`)

// integrationBase checks --uri and returns it without a slash at its end.
func integrationBase(uri string) (string, error) {
	const form = "give http://HOST:8082, as API Gateway reaches it"
	if uri == "" {
		return "", errors.New("--apigateway needs --uri: " + form)
	}
	u, err := url.Parse(stageVariable.ReplaceAllString(uri, "stage-variable"))
	switch {
	case err != nil:
		return "", fmt.Errorf("--uri %q is no URL: %s", uri, form)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", fmt.Errorf("--uri %q has no scheme and host: %s", uri, form)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.ContainsAny(u.Path, "{}"):
		return "", fmt.Errorf("--uri %q has more than scheme, host, port and a path: %s", uri, form)
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		return "", fmt.Errorf("--uri %q is this host, which API Gateway does not reach: %s", uri, form)
	}
	return strings.TrimSuffix(uri, "/"), nil
}

// gatewayTimeoutMillis is the longest that API Gateway waits for an integration unless the account's quota was raised.
// Source: Amazon API Gateway developer guide, "Quotas for configuring and running a REST API". headrace answers before:
// gateway.max.duration.
const gatewayTimeoutMillis = 29_000

// importFile returns a REST API for Amazon API Gateway whose methods hand all on to f.uri. OpenAPI 3.0.1 is the newest
// that it imports. No schemas are in it: bodies are checked here, with the texts that clients know, and API Gateway's
// models lack half of JSON Schema (no oneOf, no examples).
// Source: Amazon API Gateway developer guide, "OpenAPI extensions for API Gateway", "Important notes for REST APIs".
func (f openapiFlags) importFile() ([]byte, error) {
	type object = map[string]any
	integration := func(method, path string, variables []string) object {
		parameters := object{
			// API Gateway sends its integration's host, not the one that the client has asked.
			"integration.request.header.X-Forwarded-Host": "context.domainName",
		}
		if !f.domain {
			parameters["integration.request.header."+handlers.PrefixHeader] = "context.stage"
		}
		for _, name := range variables {
			parameters["integration.request.path."+name] = "method.request.path." + name
		}
		target := object{
			"type":                "http_proxy",
			"httpMethod":          method,
			"uri":                 f.uri + path,
			"passthroughBehavior": "when_no_match",
			"requestParameters":   parameters,
			"timeoutInMillis":     gatewayTimeoutMillis,
		}
		if f.vpcLink != "" {
			target["connectionType"], target["connectionId"] = "VPC_LINK", f.vpcLink
		}
		return target
	}
	// operation is one method. What it answers is described to no end: an http_proxy hands on every status.
	operation := func(method, path string, variables []string) object {
		op := object{
			"responses":                       object{"default": object{"description": "As headrace answers"}},
			"x-amazon-apigateway-integration": integration(method, path, variables),
		}
		var parameters []object
		for _, name := range variables {
			parameters = append(parameters, object{"name": name, "in": "path", "required": true, "schema": object{"type": "string"}})
		}
		if parameters != nil {
			op["parameters"] = parameters
		}
		return op
	}

	doc, err := readOperations()
	if err != nil {
		return nil, err
	}
	paths := object{
		"/":         object{"x-amazon-apigateway-any-method": operation("ANY", "/", nil)},
		"/{proxy+}": object{"x-amazon-apigateway-any-method": operation("ANY", "/{proxy}", []string{"proxy"})},
	}
	for path, methods := range doc.Paths {
		if path != "/streams" && !strings.HasPrefix(path, "/streams/") {
			continue
		}
		item := object{}
		for method, named := range methods {
			op := operation(strings.ToUpper(method), path, pathVariables(path))
			op["operationId"], op["summary"] = named.OperationID, named.Summary
			item[method] = op
		}
		paths[path] = item
	}
	text, err := json.MarshalIndent(object{
		"openapi": "3.0.1",
		"info": object{
			"title":       doc.Info.Title,
			"version":     doc.Info.Version,
			"description": "Made by `headrace openapi --apigateway`.",
		},
		"paths": paths,
		// Every body is handed on byte by byte, packed answers too.
		"x-amazon-apigateway-binary-media-types": []string{"*/*"},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the import file: %w", err)
	}
	return append(text, '\n'), nil
}

// operations is what an import file needs of the document.
type operations struct {
	Info  struct{ Title, Version string }
	Paths map[string]map[string]struct{ OperationID, Summary string }
}

func readOperations() (operations, error) {
	var doc operations
	if err := json.Unmarshal(openapi.JSON(), &doc); err != nil {
		return doc, fmt.Errorf("reading the OpenAPI document: %w", err)
	}
	return doc, nil
}

var pathVariable = regexp.MustCompile(`{([^}]+)}`)

// pathVariables are the names in braces of a path.
func pathVariables(path string) (names []string) {
	for _, match := range pathVariable.FindAllStringSubmatch(path, -1) {
		names = append(names, match[1])
	}
	return names
}
