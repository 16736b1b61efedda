package properties

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// ParseAny reads a connector file in any of the three forms that Connect's standalone worker takes:
// a flat JSON object of strings, {"name":…,"config":{…}}, or a property file.
// Source: Kafka's ConnectStandalone.parseConnectorConfigurationFile.
func ParseAny(text []byte) (File, error) {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		return ParseJSON(text)
	}
	return Parse(text)
}

// ParseJSON reads a flat JSON object as a property file: each member is an entry, numbers and
// booleans count as their text, null as not given. Where there is a member "config" holding an
// object, its members are the entries, and "name" one more unless they have their own.
// The error is a *SyntaxError.
func ParseJSON(text []byte) (File, error) {
	j := &jsonReader{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	j.dec.UseNumber()
	f, err := j.file()
	if err != nil {
		return File{}, &SyntaxError{j.line(), err.Error()}
	}
	return f, nil
}

type jsonReader struct {
	text []byte
	dec  *json.Decoder
}

// line is the line on which the decoder stands.
func (j *jsonReader) line() int {
	done := min(int(j.dec.InputOffset()), len(j.text))
	return 1 + bytes.Count(j.text[:done], []byte("\n"))
}

func (j *jsonReader) file() (File, error) {
	if err := j.open(); err != nil {
		return File{}, err
	}
	f, wrapped, err := j.members(true)
	if err != nil {
		return File{}, err
	}
	if _, err := j.dec.Token(); err != io.EOF {
		return File{}, fmt.Errorf("text after the object's end")
	}
	if wrapped == nil {
		return f, nil
	}
	if name, ok := f.Last()["name"]; ok {
		if _, own := wrapped.Last()["name"]; !own {
			wrapped.Entries = append(wrapped.Entries, name)
		}
	}
	return *wrapped, nil
}

func (j *jsonReader) open() error {
	token, err := j.dec.Token()
	if err != nil {
		return fmt.Errorf("reading JSON: %w", err)
	}
	if token != json.Delim('{') {
		return fmt.Errorf("%v where an object of strings is expected", token)
	}
	return nil
}

// members reads up to the closing brace. Only the outer object may hold "config" as an object.
func (j *jsonReader) members(outer bool) (f File, config *File, err error) {
	first := map[string]int{}
	for j.dec.More() {
		name, err := j.dec.Token()
		if err != nil {
			return f, nil, fmt.Errorf("reading a name: %w", err)
		}
		key, line := name.(string), j.line()
		value, err := j.dec.Token()
		if err != nil {
			return f, nil, fmt.Errorf("reading the value of %q: %w", key, err)
		}
		switch value := value.(type) {
		case json.Delim:
			if !outer || key != "config" || value != '{' {
				return f, nil, fmt.Errorf("the value of %q is an object or array: a string is expected", key)
			}
			inner, _, err := j.members(false)
			if err != nil {
				return f, nil, err
			}
			config = &inner
		case nil:
			f.warn(line, "%q is null: taken as not given", key)
		default:
			if before, twice := first[key]; twice {
				f.warn(line, "%q was already given on line %d: the later value counts", key, before)
			}
			first[key] = line
			f.Entries = append(f.Entries, Entry{key, fmt.Sprint(value), line})
		}
	}
	_, err = j.dec.Token()
	if err != nil {
		return f, nil, fmt.Errorf("reading JSON: %w", err)
	}
	return f, config, nil
}
