// Package jaas reads how Java logs in: the one line of sasl.jaas.config, and files of named sections.
// It refuses to run login modules, and to expand ${system properties} of files.
package jaas

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Entry is one login module with its options.
type Entry struct {
	Module  string            // class name, for example org.apache.kafka.common.security.plain.PlainLoginModule
	Flag    string            // required, requisite, sufficient or optional
	Options map[string]string // values without their quotes
}

// Class is the last part of the module's class name: PlainLoginModule.
func (e Entry) Class() string { return e.Module[strings.LastIndexByte(e.Module, '.')+1:] }

// SyntaxError says what is wrong with a text, and where. It quotes names of options, never their values.
type SyntaxError struct {
	Line int // from 1
	Msg  string
}

func (e *SyntaxError) Error() string {
	if e.Line > 1 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Msg)
	}
	return e.Msg
}

// ErrSeveralModules says that a line names more than one login module, which Kafka's clients refuse.
var ErrSeveralModules = errors.New("exactly one login module is expected, more are given")

// Parse reads a value of sasl.jaas.config: `CLASS FLAG (key=value)* ;`. Values are bare, or in single or double quotes
// with backslash escapes inside; of an option given twice the last counts; // and /* */ comments are passed over.
// Source: Kafka's JaasConfig, whose rules are those of java.io.StreamTokenizer.
func Parse(line string) (Entry, error) {
	p := &parser{lexer: lexer{rest: line, line: 1}}
	p.next()
	if p.kind == end {
		return Entry{}, &SyntaxError{1, "the login module's class name is missing: CLASS required key=\"value\";"}
	}
	entry, err := p.entry()
	if err != nil {
		return Entry{}, err
	}
	if p.kind != end {
		return Entry{}, ErrSeveralModules
	}
	return entry, nil
}

// ParseFile reads a JAAS file: `NAME { CLASS FLAG (key=value)* ; … } ;` and so on. The answer maps each section's name to
// its modules in order. Of a section given twice the last counts.
// Source: javax.security.auth.login.Configuration, Java SE 17.
func ParseFile(text string) (map[string][]Entry, error) {
	p := &parser{lexer: lexer{rest: text, line: 1}}
	p.next()
	sections := map[string][]Entry{}
	for p.kind != end {
		name := p.text
		if p.kind == mark {
			return nil, p.fault("the name of a section is expected, got %q", p.text)
		}
		p.next()
		if err := p.want("{", "after the name of section "+name); err != nil {
			return nil, err
		}
		var entries []Entry
		for !p.is("}") {
			if p.kind == end {
				return nil, p.fault("section %s is not closed: } and ; are missing", name)
			}
			entry, err := p.entry()
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry)
		}
		p.next()
		if err := p.want(";", "after the } of section "+name); err != nil {
			return nil, err
		}
		sections[name] = entries
	}
	return sections, nil
}

// parser has read one token ahead.
type parser struct {
	lexer
	token
}

func (p *parser) next() { p.token = p.lexer.next() }

func (p *parser) is(punctuation string) bool { return p.kind == mark && p.text == punctuation }

func (p *parser) fault(format string, args ...any) error {
	if p.broken != "" {
		return &SyntaxError{p.token.line, p.broken}
	}
	return &SyntaxError{p.token.line, fmt.Sprintf(format, args...)}
}

// want takes one punctuation mark.
func (p *parser) want(punctuation, where string) error {
	if !p.is(punctuation) {
		return p.fault("%s is missing %s", punctuation, where)
	}
	p.next()
	return nil
}

// entry reads one module up to and with its semicolon.
func (p *parser) entry() (Entry, error) {
	if p.kind == mark {
		return Entry{}, p.fault("a login module's class name is expected, got %q", p.text)
	}
	e := Entry{Module: p.text, Options: map[string]string{}}
	p.next()
	e.Flag = strings.ToLower(p.text)
	switch {
	case p.kind == end || p.kind == mark:
		return Entry{}, p.fault("the control flag is missing after the login module%s: required would work", named(e.Module))
	case e.Flag != "required" && e.Flag != "requisite" && e.Flag != "sufficient" && e.Flag != "optional":
		return Entry{}, p.fault("the word after the login module%s is no control flag: required, requisite, sufficient and optional would work", named(e.Module))
	}
	p.next()
	last := "the control flag"
	for !p.is(";") {
		if p.kind == end {
			return Entry{}, p.fault("the final ; is missing after %s", last)
		}
		if p.kind == mark {
			return Entry{}, p.fault("%q is not expected after %s: key=value or ; would work", p.text, last)
		}
		key := p.text
		p.next()
		if !p.is("=") {
			return Entry{}, p.fault("= is missing after what stands behind %s: key=value or ; would work", last)
		}
		p.next()
		if p.kind != word && p.kind != quoted {
			return Entry{}, p.fault("the value of option %s is missing", key)
		}
		e.Options[key] = p.text
		last = "option " + key
		p.next()
	}
	p.next()
	return e, nil
}

// named is a module's name for a message, where it is that of a class: anything else might be a secret.
func named(module string) string {
	if !strings.Contains(module, ".") {
		return ""
	}
	return " " + module
}

// kind is what a token is.
type kind int

const (
	end    kind = iota // of the text
	word               // bare
	quoted             // in quotes, which are gone
	mark               // one of ; = { }
)

type token struct {
	kind kind
	text string
	line int
}

// lexer cuts a text into tokens.
type lexer struct {
	rest   string
	line   int
	broken string // what is wrong with the text itself; the tokens then end
}

// marks end a bare word and stand for themselves.
const marks = ";={}"

func (l *lexer) next() token {
	l.skip()
	t := token{line: l.line}
	if l.rest == "" || l.broken != "" {
		return t
	}
	switch c := l.rest[0]; {
	case strings.IndexByte(marks, c) >= 0:
		t.kind, t.text, l.rest = mark, l.rest[:1], l.rest[1:]
	case c == '"' || c == '\'':
		t.kind, t.text = quoted, l.quoted(c)
		if l.broken != "" {
			t.kind = end
		}
	default:
		n := strings.IndexFunc(l.rest, func(r rune) bool { return r <= ' ' || strings.ContainsRune(marks+"\"'", r) })
		if n < 0 {
			n = len(l.rest)
		}
		t.kind, t.text, l.rest = word, l.rest[:n], l.rest[n:]
	}
	return t
}

// skip passes over white space and comments.
func (l *lexer) skip() {
	for l.rest != "" {
		switch {
		case l.rest[0] <= ' ':
			if l.rest[0] == '\n' {
				l.line++
			}
			l.rest = l.rest[1:]
		case strings.HasPrefix(l.rest, "//"):
			n := strings.IndexByte(l.rest, '\n')
			if n < 0 {
				n = len(l.rest)
			}
			l.rest = l.rest[n:]
		case strings.HasPrefix(l.rest, "/*"):
			n := strings.Index(l.rest, "*/")
			if n < 0 {
				l.broken = "a comment that begins with /* does not end"
				return
			}
			l.line += strings.Count(l.rest[:n], "\n")
			l.rest = l.rest[n+2:]
		default:
			return
		}
	}
}

// quoted reads up to the closing quote. It ends with its line at the latest, as in Java.
func (l *lexer) quoted(quote byte) string {
	var out strings.Builder
	s := l.rest[1:]
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote:
			l.rest = s[i+1:]
			return out.String()
		case c == '\n' || c == '\r':
			l.broken = "a quoted value is broken over two lines: join them, in a property file with a backslash at the end of the first outside of the quotes"
			return ""
		case c == '\\' && i+1 < len(s):
			r, n := unescape(s[i+1:])
			out.WriteByte(r)
			i += n
		default:
			out.WriteByte(c)
		}
	}
	l.broken = "a quoted value does not end: its closing " + string(quote) + " is missing"
	return ""
}

// unescape reads what follows a backslash: the byte it stands for, and how many were read.
// Source: java.io.StreamTokenizer.
func unescape(s string) (c byte, n int) {
	const letters, meanings = "abfnrtv", "\a\b\f\n\r\t\v"
	if at := strings.IndexByte(letters, s[0]); at >= 0 {
		return meanings[at], 1
	}
	octal := func(c byte) bool { return c >= '0' && c <= '7' }
	if !octal(s[0]) {
		return s[0], 1
	}
	value := int(s[0] - '0')
	for n = 1; n < len(s) && octal(s[n]) && (n == 1 || n == 2 && s[0] <= '3'); n++ {
		value = value*8 + int(s[n]-'0')
	}
	return byte(value), n
}

// Line writes the entry as a value of sasl.jaas.config, options sorted by name. It holds their secrets.
func (e Entry) Line() string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`)
	var out strings.Builder
	fmt.Fprintf(&out, `"%s" %s`, quote.Replace(e.Module), e.Flag)
	for _, key := range slices.Sorted(maps.Keys(e.Options)) {
		fmt.Fprintf(&out, ` "%s"="%s"`, quote.Replace(key), quote.Replace(e.Options[key]))
	}
	return out.String() + ";"
}
