package properties

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	oracle "github.com/magiconair/properties"
)

var update = flag.Bool("update", false, "ask the java on PATH for testdata/java.json anew")

// texts are property files with every turn of the syntax. testdata/java.json holds what Java 17 makes of each.
var texts = []string{
	"", "\n\n", "   \n\t\f\n", "# only\n! comments\n  # indented\n\f!x\n",
	"a=b", "a = b", "a:b", "a b", "a\tb", "a\fb", "a : b", "a =: b", "a == b", "a  =  = b", "a", "a=", "a:", "a ", "=b", ":b", " = b", "= =",
	"bootstrap.servers PLAINTEXT://x:1", "bootstrap.servers=PLAINTEXT://x:1,SSL://y:2\n",
	"a=b ", "a=b\t \n", "a= b # no comment", "a=b ! neither\n", "a=#b", "#a=b\\\nc=d", "!a=b\\\nc=d",
	"a\\ b=c", "a\\=b=c", "a\\:b:c", "\\#a=b", "\\!a=b", "\\ a=b", "a\\\\=b", "a\\\\\\=b=c", "a=\\=\\:\\ \\#",
	"a=\\t\\n\\r\\f\\\\", "\\t=x", "a=C:\\dir\\new\\users", "a=\\q\\z\\0\\\"\\'", "a=\\b\\a",
	"a=\\u0041", "a=\\u00e9\\u20AC", "\\u0061=b", "a=\\ud83d\\ude00", "a=\\u0020b", "a=\\\\u0041", "a\\u003db=c",
	"a=\\u", "a=\\u12", "a=\\u12g4", "a=\\uu0041", "a=\\u+041", "\\u00=b", "a=\\u00\\\n41", "a=\\u 041",
	"a=b\\\nc", "a=b\\\r\nc", "a=b\\\rc", "a=b\\\n   \t\fc\n", "a=b\\\n\nc=d", "a=b\\\n# c\nd=e", "a=b\\\n", "a=b\\", "a=b\\\\\nc=d", "a=b\\\\\\\nc=d",
	"\\\na=b", "\\\n#a=b\nc=d", "\\\n\\\na=b", "\\\n\n\na=b", "a\\\nb=c", "a\\\n=c", "a\\\n  b\\\n c = d\\\n e\nf=g", "a=\\\nb", "a=\\\n  \\\n  b", "a\\\n\nb=c",
	"a=b\\ \nc=d", "\\", "\\\n", "\\\n\n", "a=b\n\\\r\n#", "a = 1,\\\n    2,\\\n    3\n",
	"a=1\na=2\nb=3\na=4\n", "a=1\rb=2\r\nc=3\n\rd=4\n\n", "a=1\r\r\nb=2",
	"a=\xe9", "\xe9=a", "a=caf\xc3\xa9", "\xef\xbb\xbfa=b", "a=\x00b", "a=\x7f\x80\xff", "a\x00=b", "a\x0b=c", "a=\x85b", "a=\\\xe9", "a\xa0b=c",
	"zookeeper.connect = z-1.kafka.us-east-1.amazonaws.com:2181,z-2:2181\n" +
		"client.sasl.jaas.config = software.amazon.msk.auth.iam.IAMLoginModule required awsRoleArn=\"arn:aws:iam::1:role/x\";\n",
	"client.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\\n  username=\"a\" \\\n  password=\"b\\\"c\\\\d\";\n",
}

// TestParseAgainstJava holds Parse to what java.util.Properties itself made of each text.
func TestParseAgainstJava(t *testing.T) {
	if *update {
		askJava(t)
	}
	recorded, err := os.ReadFile("testdata/java.json")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(recorded)), "\n")
	if len(lines) != len(texts) {
		t.Fatalf("testdata/java.json has %d answers for %d texts: run with -update", len(lines), len(texts))
	}
	for i, text := range texts {
		var want map[string]string
		if err := json.Unmarshal([]byte(lines[i]), &want); err != nil {
			t.Fatal(err)
		}
		f, err := Parse([]byte(text))
		if want == nil {
			if err == nil {
				t.Errorf("Parse(%q) = %v, Java refuses it", text, f.Entries)
			}
			continue
		}
		if err != nil {
			t.Errorf("Parse(%q): %v; Java says %v", text, err, want)
			continue
		}
		if diff := cmp.Diff(want, values(f)); diff != "" {
			t.Errorf("Parse(%q) (-java +ours)\n%s", text, diff)
		}
	}
}

func askJava(t *testing.T) {
	var in bytes.Buffer
	for _, text := range texts {
		in.WriteString(base64.StdEncoding.EncodeToString([]byte(text)) + "\n")
	}
	cmd := exec.CommandContext(t.Context(), "java", "testdata/Load.java")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("asking java: %v", err)
	}
	if err := os.WriteFile("testdata/java.json", out, 0o600); err != nil {
		t.Fatal(err)
	}
}

func values(f File) map[string]string {
	got := map[string]string{}
	for key, e := range f.Last() {
		got[key] = e.Value
	}
	return got
}

func TestParseLines(t *testing.T) {
	text := "# one\r\na=1\rb = 2\\\n  3\n\n c=4\na=5\n"
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := File{
		Entries:  []Entry{{"a", "1", 2}, {"b", "23", 3}, {"c", "4", 6}, {"a", "5", 7}},
		Warnings: []Warning{{7, `"a" was already given on line 2: the later value counts`}},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("Parse(%q) (-want +got)\n%s", text, diff)
	}
	if got := f.Last()["a"]; got.Value != "5" || got.Line != 7 {
		t.Errorf("Last()[a] = %v, want the one of line 7", got)
	}
}

func TestParseFaults(t *testing.T) {
	_, err := Parse([]byte("a=\\u12g4\nb=ok\n\nc\\u=1\n"))
	want := `line 1: reading the value of "a": malformed \u escape: four hexadecimal digits must follow \u` + "\n" +
		`line 4: reading the key: malformed \u escape: four hexadecimal digits must follow \u`
	if err == nil || err.Error() != want {
		t.Errorf("Parse: got\n%v\nwant\n%s", err, want)
	}
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Line != 1 {
		t.Errorf("errors.As found %v, want line 1", syntax)
	}
	if _, err := Parse(bytes.Repeat([]byte("a=\\u\n"), 1000)); strings.Count(err.Error(), "\n") != maxFaults-1 {
		t.Errorf("1000 faults are told on %d lines, want %d", strings.Count(err.Error(), "\n")+1, maxFaults)
	}
}

func TestParseWarnings(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a byte outside ASCII", "a=1\nb=\xe9", `line 2: "b" holds bytes outside ASCII, which are read as ISO-8859-1: write \uXXXX to be sure`},
		{"a byte order mark", "\xef\xbb\xbf# x\n", "line 1: the file begins with a UTF-8 byte order mark, which becomes part of the first key: save it without one"},
		{"a dropped backslash", `a=C:\dir`, `line 1: "a" holds a backslash that is dropped: write \\ for one`},
		{"blank after the backslash", "a=1,\\ \n2", "line 1: white space after the last backslash: the line is not continued"},
		{"a comment that is none", "a=1,\\\n# x", "line 2: this line is no comment but the end of line 1, which ends in a backslash"},
		{"a continuation into a blank line", "a=1,\\\n\nb=2", "line 2: the backslash at the end of the line before continues into a blank line"},
		{"a continuation into the end", "a=1,\\", "line 1: the backslash at the end of the file continues into nothing"},
	} {
		f, err := Parse([]byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if len(f.Warnings) == 0 || f.Warnings[0].String() != tt.want {
			t.Errorf("%s: warnings %v, want %s", tt.name, f.Warnings, tt.want)
		}
	}
	f, err := Parse([]byte("# \xe9\na = \\t\\u00e9\\n \\= \\\\ \\#\nb=1\\\n 2\n"))
	if err != nil || len(f.Warnings) > 0 {
		t.Errorf("a blameless text: %v, warnings %v", err, f.Warnings)
	}
}

// FuzzParse holds Parse to another implementation, with its expansion of ${} off.
func FuzzParse(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Parse(text)
		for _, e := range got.Entries {
			if e.Line < 1 || e.Line > 1+bytes.Count(text, []byte("\n"))+bytes.Count(text, []byte("\r")) {
				t.Errorf("Parse(%q): entry %v has a line outside the text", text, e)
			}
		}
		if differs(text, got) {
			return
		}
		loader := &oracle.Loader{Encoding: oracle.ISO_8859_1, DisableExpansion: true}
		want, oracleErr := loader.LoadBytes(text)
		if (err == nil) != (oracleErr == nil) {
			t.Fatalf("Parse(%q): %v; the other says %v", text, err, oracleErr)
		}
		if err != nil {
			return
		}
		if !maps.Equal(values(got), want.Map()) {
			t.Errorf("Parse(%q) (-other +ours)\n%s", text, cmp.Diff(want.Map(), values(got)))
		}
	})
}

var (
	// A continued line that both read alike: '=' and the value have begun on the line.
	plainContinued = regexp.MustCompile(`^[a-z.]+=[a-z].*$`)
	// Escapes that the other reads otherwise: surrogates, and those cut by a continuation.
	oddEscape = regexp.MustCompile(`(?i)\\u(d[89a-f]|[0-9a-f]{0,3}\\\n)`)
)

// differs reports whether the other implementation is known to read text otherwise than Java:
// it knows no \r\n after a backslash, no continued keys, no empty keys, no NUL, drops a byte
// order mark, makes two characters of a surrogate pair, and refuses a backslash at the very end.
func differs(text []byte, got File) bool {
	if bytes.ContainsAny(text, "\r\x00") || bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) || oddEscape.Match(text) {
		return true
	}
	for _, e := range got.Entries {
		if e.Key == "" {
			return true
		}
	}
	continued := false
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines {
		now := endsInBackslash(line)
		if now && (i == len(lines)-1 || !continued && !plainContinued.Match(line)) {
			return true
		}
		continued = now
	}
	return continued
}
