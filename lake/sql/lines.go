package sql

import (
	"bytes"
	"regexp"
	"strconv"

	"headrace/rawjson"
)

// keyPattern is text that is an integer. Source: the cleaning rules' integer rule: 33.0 is 33.
const keyPattern = `^([+-]?[0-9]{1,18})([.]0+)?$`

var integer = regexp.MustCompile(keyPattern)

// Reasons why a record is set aside.
const (
	NoObject = "not a JSON object"
	NoKey    = "no integer key"
)

// reader turns JSON lines into the texts of a table's fields.
type reader struct {
	key    int            // its place among the fields
	fields map[string]int // name → place
}

func newReader(t Table) *reader {
	r := &reader{fields: map[string]int{}}
	for i, name := range t.Fields {
		r.fields[name] = i
		if name == t.Key {
			r.key = i
		}
	}
	return r
}

// read puts the fields' texts into row, which has a place for each: strings as they are, numbers
// and booleans as their JSON text, null or missing as nil. It returns why the record is set
// aside, or "". line is overwritten; the texts are slices of it.
func (r *reader) read(line []byte, row [][]byte) (reason string) {
	clear(row)
	scanner := rawjson.NewScanner(line)
	if kind, err := scanner.Kind(); err != nil || kind != rawjson.Object {
		return NoObject
	}
	if scanner.Object() != nil {
		return NoObject
	}
	for {
		name, ok, err := scanner.Member()
		if err != nil {
			return NoObject
		}
		if !ok {
			break
		}
		place, wanted := r.fields[string(name)]
		value, err := scanner.Value()
		if err != nil {
			return NoObject
		}
		if wanted {
			row[place] = text(value)
		}
	}
	if scanner.Finish() != nil {
		return NoObject
	}
	if !isInteger(row[r.key]) {
		return NoKey
	}
	return ""
}

// text is a value as text; nil for null.
func text(value []byte) []byte {
	switch value[0] {
	case 'n':
		return nil
	case '"':
		return rawjson.Unquote(value)
	}
	return value
}

// isInteger reports whether a key is usable: spaces around it do not count, it fits 32 bits.
func isInteger(key []byte) bool {
	parts := integer.FindSubmatch(bytes.Trim(key, " "))
	if parts == nil {
		return false
	}
	_, err := strconv.ParseInt(string(parts[1]), 10, 32)
	return err == nil
}
