// Package rawjson reads JSON text without decoding it: it checks a value against RFC 8259,
// strips the white space between its tokens and hands out the bytes that are left, with
// digits, member order and escapes as the sender wrote them.
// It refuses to build trees: who needs one uses encoding/json.
package rawjson

import "fmt"

// Limits of the scanner, those of the reference's reader (contract: kafka-rest-v2.md §1.3).
const (
	MaxDepth        = 1000 // nested arrays and objects
	MaxNumberDigits = 1000 // digits of one number
)

// Kind is the type of a JSON value, known from its first byte.
type Kind byte

// The kinds of values. End means that no value is left.
const (
	End Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// SyntaxError says what is wrong with a text and at which byte, from 0.
type SyntaxError struct {
	Offset int
	Msg    string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset) }
