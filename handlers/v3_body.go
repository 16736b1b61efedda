package handlers

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"headrace/rawjson"
)

// fields says how to read each member of an object: the reader stands before its value.
// Of a member given twice the last counts.
type fields map[string]func(*rawjson.Scanner) error

// readV3 reads the body of r, an object of these members, and nothing behind it. A member that
// is not among them is a 422. No body, and null, is a 422/42206 with the text empty.
func (h *Handlers) readV3(r *http.Request, empty string, m fields) error {
	b, err := readBody(r, h.budget, h.cfg.MaxRequestBytes)
	if err != nil {
		return err
	}
	defer b.release()
	text, err := rawjson.UTF8(b.bytes)
	if err != nil {
		return badRequest("%s", err)
	}
	s := rawjson.NewScanner(text)
	kind, err := s.Kind()
	if err != nil {
		return err
	}
	if kind == rawjson.End || kind == rawjson.Null {
		if kind == rawjson.Null {
			if _, err := s.Value(); err != nil {
				return err
			}
			if err := s.Finish(); err != nil {
				return err
			}
		}
		return unprocessable(42206, "Payload error. %s", empty)
	}
	if err := readMembers(s, "the body", m); err != nil {
		return err
	}
	return s.Finish()
}

// readMembers reads an object of these members. what names it in errors.
func readMembers(s *rawjson.Scanner, what string, m fields) error {
	kind, err := s.Kind()
	if err != nil {
		return err
	}
	if kind != rawjson.Object {
		return badRequest("%s is %s, an object is wanted", what, kindName(kind))
	}
	if err := s.Object(); err != nil {
		return err
	}
	for {
		name, ok, err := s.Member()
		if err != nil || !ok {
			return err
		}
		read, known := m[string(name)]
		if !known {
			return unprocessable(http.StatusUnprocessableEntity, "Unrecognized field: %s", name)
		}
		if err := read(s); err != nil {
			return err
		}
	}
}

// readArray calls element before each element of an array and reports whether there was an array:
// false for null.
func readArray(s *rawjson.Scanner, what string, element func() error) (ok bool, err error) {
	kind, err := s.Kind()
	if err != nil {
		return false, err
	}
	switch kind {
	case rawjson.Null:
		_, err := s.Value()
		return false, err
	case rawjson.Array:
	default:
		return false, badRequest("%s is %s, an array is wanted", what, kindName(kind))
	}
	if err := s.Array(); err != nil {
		return false, err
	}
	for {
		more, err := s.Element()
		if err != nil || !more {
			return true, err
		}
		if err := element(); err != nil {
			return true, err
		}
	}
}

// textInto reads a string; numbers and booleans are taken as their text, null is nil.
func textInto(name string, to **string) func(*rawjson.Scanner) error {
	return func(s *rawjson.Scanner) error {
		kind, err := s.Kind()
		if err != nil {
			return err
		}
		var value []byte
		switch kind {
		case rawjson.Null:
			*to = nil
			_, err := s.Value()
			return err
		case rawjson.Object, rawjson.Array:
			return badRequest("%s is %s, a string is wanted", name, kindName(kind))
		case rawjson.String:
			value, err = s.Text()
		default:
			value, err = s.Value()
		}
		text := string(value)
		*to = &text
		return err
	}
}

// boolInto reads a boolean as leniently as the reference's reader: "true" is true, numbers are
// false when they are 0; null and "" leave it false.
func boolInto(name string, to *bool) func(*rawjson.Scanner) error {
	return func(s *rawjson.Scanner) error {
		var text *string
		if err := textInto(name, &text)(s); err != nil {
			return err
		}
		if text == nil || strings.TrimSpace(*text) == "" {
			*to = false
			return nil
		}
		switch value := strings.ToLower(strings.TrimSpace(*text)); value {
		case "true":
			*to = true
		case "false":
			*to = false
		default:
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return badRequest("%s is %.40q, true or false is wanted", name, value)
			}
			*to = n != 0
		}
		return nil
	}
}

// intInto reads a 32-bit integer, leniently; null and "" are nil.
func intInto(name string, to **int32) func(*rawjson.Scanner) error {
	return func(s *rawjson.Scanner) error {
		n, ok, err := readInt(s, name)
		*to = nil
		if err == nil && ok {
			*to = &n
		}
		return err
	}
}

// nullMember is the 400 for a member that must be there.
func nullMember(class, member string) *apiError {
	return badRequest("Cannot construct instance of `%s`, problem: Null %s", class, member)
}

// Texts for a body that is not there.
const (
	nullInput  = "Null input provided. Data is required."
	emptyInput = "Empty input provided. Data is required."
	emptyBody  = "Request body is empty. Data is required."
)

// wordInto reads one of words, in their case; null is nil. class names them in errors.
func wordInto(class string, to **string, words ...string) func(*rawjson.Scanner) error {
	return func(s *rawjson.Scanner) error {
		if err := textInto(class, to)(s); err != nil {
			return err
		}
		if *to != nil && !slices.Contains(words, **to) {
			return badRequest("Cannot deserialize value of type `%s` from String %.80q: not one of the values accepted for Enum class: [%s]",
				class, **to, strings.Join(words, ", "))
		}
		return nil
	}
}

// badWord is the 404 for a word in the path or query that is none of those that there are.
func badWord(class, word string) *apiError {
	return notFound("The valid values for %s do not include '%s'", class, word)
}
