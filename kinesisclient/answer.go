package kinesisclient

import (
	"bytes"
	"encoding/json"

	"headrace/rawjson"
)

// dropNulls returns a JSON object without the members that are null, at any depth: one of
// the stand-ins writes them, Amazon does not, and clients test for presence. All other bytes
// stay. Text that it cannot read is returned as it is.
func dropNulls(text []byte) []byte {
	if !bytes.Contains(text, []byte("null")) {
		return text
	}
	s := rawjson.NewScanner(bytes.Clone(text))
	out, err := appendWithoutNulls(make([]byte, 0, len(text)), s)
	if err != nil || s.Finish() != nil {
		return text
	}
	return out
}

func appendWithoutNulls(out []byte, s *rawjson.Scanner) ([]byte, error) {
	kind, err := s.Kind()
	if err != nil {
		return nil, err
	}
	switch kind {
	case rawjson.Object:
		return appendObject(out, s)
	case rawjson.Array:
		return appendArray(out, s)
	}
	value, err := s.Value()
	return append(out, value...), err
}

func appendObject(out []byte, s *rawjson.Scanner) ([]byte, error) {
	if err := s.Object(); err != nil {
		return nil, err
	}
	out = append(out, '{')
	first := len(out)
	for {
		name, ok, err := s.Member()
		if err != nil {
			return nil, err
		}
		if !ok {
			return append(out, '}'), nil
		}
		kind, err := s.Kind()
		if err != nil {
			return nil, err
		}
		if kind == rawjson.Null {
			if _, err := s.Value(); err != nil {
				return nil, err
			}
			continue
		}
		if len(out) > first {
			out = append(out, ',')
		}
		quoted, err := json.Marshal(string(name))
		if err != nil {
			return nil, err
		}
		out = append(append(out, quoted...), ':')
		if out, err = appendWithoutNulls(out, s); err != nil {
			return nil, err
		}
	}
}

func appendArray(out []byte, s *rawjson.Scanner) ([]byte, error) {
	if err := s.Array(); err != nil {
		return nil, err
	}
	out = append(out, '[')
	first := len(out)
	for {
		ok, err := s.Element()
		if err != nil {
			return nil, err
		}
		if !ok {
			return append(out, ']'), nil
		}
		if len(out) > first {
			out = append(out, ',')
		}
		if out, err = appendWithoutNulls(out, s); err != nil {
			return nil, err
		}
	}
}
