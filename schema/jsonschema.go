package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// jsonCodec is a JSON Schema as valueCodec. Values are checked and stored as they came, without white space.
type jsonCodec struct {
	schema *jsonschema.Schema
	text   string
	strict bool // values are checked when they are read too
}

// rootURL is where a schema stands that has no $id.
const rootURL = "headrace:///schema.json"

// newJSON reads a schema. Nothing is loaded from the network or from files: $ref finds what is in the
// schema, in refs by its name, and the drafts' own meta-schemas. name is the title.
func newJSON(text string, refs []reference, strict bool) (codec valueCodec, name string, err error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, "", fmt.Errorf("the schema is no JSON: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7) // as Confluent's serializer
	compiler.UseLoader(referenceLoader(refs))
	compiler.RegisterVocabulary(wholeNumbers())
	compiler.AssertVocabs()
	if err := compiler.AddResource(rootURL, doc); err != nil {
		return nil, "", err
	}
	compiled, err := compiler.Compile(rootURL)
	if err != nil {
		return nil, "", err
	}
	if object, ok := doc.(map[string]any); ok {
		name, _ = object["title"].(string)
	}
	return &jsonCodec{schema: compiled, text: text, strict: strict}, name, nil
}

// referenceLoader finds schemas by the name of a reference, which is what $ref says: a whole URL, or
// the end of one.
type referenceLoader []reference

// Load is a method of jsonschema.URLLoader.
func (l referenceLoader) Load(url string) (any, error) {
	for _, ref := range l {
		if url == ref.name || strings.HasSuffix(url, "/"+strings.TrimPrefix(ref.name, "/")) {
			return jsonschema.UnmarshalJSON(strings.NewReader(ref.text))
		}
	}
	return nil, errors.New("it is not among the schema's references, and nothing is loaded from elsewhere")
}

// wholeNumbers adds what the reference's validator holds of integers: 2.0 is none
// (contract: kafka-rest-v2.md §3.2). To the specification it is.
func wholeNumbers() *jsonschema.Vocabulary {
	return &jsonschema.Vocabulary{
		URL: "headrace:whole-numbers",
		Compile: func(_ *jsonschema.CompilerContext, object map[string]any) (jsonschema.SchemaExt, error) {
			var types []any
			switch t := object["type"].(type) {
			case string:
				types = []any{t}
			case []any:
				types = t
			}
			integer := false
			for _, t := range types {
				if t == "number" {
					return nil, nil //nolint:nilnil // the vocabulary's way to say that nothing is to be checked
				}
				integer = integer || t == "integer"
			}
			if !integer {
				return nil, nil //nolint:nilnil // as above
			}
			return wholeNumber{}, nil
		},
	}
}

type wholeNumber struct{}

// Validate is a method of jsonschema.SchemaExt.
func (wholeNumber) Validate(ctx *jsonschema.ValidatorContext, v any) {
	if n, ok := v.(json.Number); ok && strings.ContainsAny(n.String(), ".eE") {
		ctx.AddError(&kind.Type{Got: "number", Want: []string{"integer"}})
	}
}

func (c *jsonCodec) encode(dst, text []byte) ([]byte, error) {
	if err := c.check(text); err != nil {
		return dst, err
	}
	return appendCompact(dst, text), nil
}

func (c *jsonCodec) decode(dst, data []byte) ([]byte, error) {
	if c.strict {
		if err := c.check(data); err != nil {
			return dst, err
		}
		return appendCompact(dst, data), nil
	}
	if !json.Valid(data) {
		return dst, errors.New("the bytes behind the schema's id are no JSON")
	}
	return appendCompact(dst, data), nil
}

// check holds a value to the schema.
func (c *jsonCodec) check(text []byte) error {
	if err := checkExponents(text); err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("reading the value: %w", err)
	}
	var misfit *jsonschema.ValidationError
	switch err := c.schema.Validate(value); {
	case errors.As(err, &misfit):
		return errors.New(misfitText(misfit))
	default:
		return err
	}
}

// maxExponentDigits bounds exponents: the validator works out all digits of a number.
const maxExponentDigits = 3

// checkExponents refuses numbers such as 1e9999999.
func checkExponents(text []byte) error {
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '"':
			c := cursor{text: text, pos: i}
			if _, _, err := c.raw(); err != nil {
				return err
			}
			i = c.pos - 1
		case b == 'E' || b == 'e' && i > 0 && text[i-1] >= '0' && text[i-1] <= '9':
			digits := bytes.TrimLeft(numberAt(text[i+1:]), "+-0")
			if len(digits) > maxExponentDigits {
				return fmt.Errorf("the exponent of a number has %d digits, at most %d are taken", len(digits), maxExponentDigits)
			}
		}
	}
	return nil
}

// shownMisfits is how many reasons stand in one error.
const shownMisfits = 3

// misfitText lists where a value does not fit, and why: `#/a/b: got string, want integer`.
func misfitText(err *jsonschema.ValidationError) string {
	printer := message.NewPrinter(language.English)
	var reasons []string
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			walk(cause)
		}
		if len(e.Causes) > 0 || len(reasons) > shownMisfits {
			return
		}
		where := []string{"#"}
		for _, token := range e.InstanceLocation {
			where = append(where, strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
		}
		reasons = append(reasons, shortened(strings.Join(where, "/")+": "+e.ErrorKind.LocalizedString(printer)))
	}
	walk(err)
	if len(reasons) > shownMisfits {
		reasons = append(reasons[:shownMisfits], "…")
	}
	return strings.Join(reasons, "; ")
}

func (c *jsonCodec) kafkaNull([]byte) bool { return false } // the reference writes the letters null

func (c *jsonCodec) indexes() []byte { return nil }

func (c *jsonCodec) canonical() string { return compactSchema(c.text, false) }
