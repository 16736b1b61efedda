package kafkaclient

import (
	"fmt"
	"regexp"
)

// PatternError says that a topic pattern cannot be used here.
type PatternError struct {
	Pattern string
	Why     string
}

func (e *PatternError) Error() string {
	return fmt.Sprintf("topic_pattern %q cannot be used: %s", e.Pattern, e.Why)
}

// TopicPattern compiles a Java regular expression that has to match a topic's whole name. What
// RE2 does not have, or reads otherwise, is a *PatternError.
func TopicPattern(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, &PatternError{pattern, "it is empty; .* matches every topic"}
	}
	if why := nestedClass(pattern); why != "" {
		return nil, &PatternError{pattern, why}
	}
	if _, err := regexp.Compile(pattern); err != nil { // alone: a stray ) must not close our group
		return nil, &PatternError{pattern, err.Error() + " (look-around, back references and possessive quantifiers of Java are not supported here)"}
	}
	return regexp.MustCompile("^(?:" + pattern + ")$"), nil
}

// nestedClass finds what RE2 would read otherwise than Java without saying so: classes inside
// classes and their intersections.
func nestedClass(pattern string) string {
	inClass, first := false, false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '\\' && i+1 < len(pattern) && pattern[i+1] == 'Q' && !inClass:
			i = endOfQuote(pattern, i)
		case c == '\\':
			i++
			first = false
		case !inClass && c == '[':
			inClass, first = true, true
			if i+1 < len(pattern) && pattern[i+1] == '^' {
				i++
			}
		case inClass && c == ']' && !first:
			inClass = false
		case inClass && c == '[':
			return "a [ inside a character class is a class of its own in Java, which is not supported here; write \\[ for the character"
		case inClass && c == '&' && i+1 < len(pattern) && pattern[i+1] == '&':
			return "&& in a character class is an intersection in Java, which is not supported here"
		default:
			first = false
		}
	}
	return ""
}

// endOfQuote returns the last byte of the \Q…\E that starts at i.
func endOfQuote(pattern string, i int) int {
	for j := i + 2; j+1 < len(pattern); j++ {
		if pattern[j] == '\\' && pattern[j+1] == 'E' {
			return j + 1
		}
	}
	return len(pattern)
}
