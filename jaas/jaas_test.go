package jaas

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
	tests := []struct {
		claim, line string
		want        Entry
	}{
		{"a usual line", plain + ` required username="alice" password="a\"b\\c";`, Entry{plain, "required", map[string]string{"username": "alice", "password": `a"b\c`}}},
		{"bare values", plain + ` required username=alice password=s3cret;`, Entry{plain, "required", map[string]string{"username": "alice", "password": "s3cret"}}},
		{"no options", "software.amazon.msk.auth.iam.IAMLoginModule required;", Entry{"software.amazon.msk.auth.iam.IAMLoginModule", "required", map[string]string{}}},
		{"white space anywhere", "  " + plain + "\n\tSufficient\n username = alice\n password\n=\n'x y' ; ", Entry{plain, "sufficient", map[string]string{"username": "alice", "password": "x y"}}},
		{
			"a role", `software.amazon.msk.auth.iam.IAMLoginModule required awsRoleArn="arn:aws:iam::123456789012:role/r" awsStsRegion="eu-west-1";`,
			Entry{"software.amazon.msk.auth.iam.IAMLoginModule", "required", map[string]string{"awsRoleArn": "arn:aws:iam::123456789012:role/r", "awsStsRegion": "eu-west-1"}},
		},
		{"a bare role", `M required awsRoleArn=arn:aws:iam::123456789012:role/a.b_c@d,e+f-g;`, Entry{"M", "required", map[string]string{"awsRoleArn": "arn:aws:iam::123456789012:role/a.b_c@d,e+f-g"}}},
		{"marks inside quotes", `M optional a=";={}" b='"';`, Entry{"M", "optional", map[string]string{"a": ";={}", "b": `"`}}},
		{"escapes as of Java", `M required a="\101\n\q\477";`, Entry{"M", "required", map[string]string{"a": "A\nq'7"}}},
		{"comments", "M required // one\n a=1 /* two\n */ b=2;", Entry{"M", "required", map[string]string{"a": "1", "b": "2"}}},
		{"the last of two", "M required a=1 a=2;", Entry{"M", "required", map[string]string{"a": "2"}}},
		{"an empty value", `M required a="";`, Entry{"M", "required", map[string]string{"a": ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			got, err := Parse(tt.line)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Parse(%q) differs (-want +got):\n%s", tt.line, diff)
			}
		})
	}
	if class := (Entry{Module: plain}).Class(); class != "PlainLoginModule" {
		t.Errorf("Class = %q", class)
	}
}

// TestParseSaysWhatIsWrong: the usual mistakes are named, and no value of an option is quoted.
func TestParseSaysWhatIsWrong(t *testing.T) {
	tests := []struct{ claim, line, want string }{
		{"no semicolon", `M required username="u" password="canary"`, "the final ; is missing after option password"},
		{"no semicolon, no option", `M required`, "the final ; is missing after the control flag"},
		{"nothing", "  ", "class name is missing"},
		{"no flag", `a.M;`, "the control flag is missing after the login module a.M"},
		{"an option for a flag", `M canary=1;`, "is no control flag"},
		{"no equals sign", `M required username canary;`, "= is missing after what stands behind the control flag"},
		{"no value", `M required username=;`, "the value of option username is missing"},
		{"broken over two lines", "M required username=\"can\nary\";", "broken over two lines"},
		{"no closing quote", `M required username="canary;`, "does not end"},
		{"a comment without end", `M required /* canary;`, "/* does not end"},
		{"stray mark", `M required =canary;`, `"=" is not expected after the control flag`},
		{"two modules", `M required a=1; N required b=canary;`, ErrSeveralModules.Error()},
		{"a broken second", `M required a=1; canary`, ErrSeveralModules.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			_, err := Parse(tt.line)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Parse(%q) = %v, want an error with %q", tt.line, err, tt.want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("error %q quotes a value", err)
			}
		})
	}
}

func TestParseFile(t *testing.T) {
	const file = `// of a REST proxy
KafkaRest {
  org.eclipse.jetty.jaas.spi.PropertyFileLoginModule required
    file="/etc/kafka-rest/password.properties"
    debug="false";
};

KafkaClient {
  A required a=1;
  B sufficient;
};
Empty { };`
	got, err := ParseFile(file)
	want := map[string][]Entry{
		"KafkaRest":   {{"org.eclipse.jetty.jaas.spi.PropertyFileLoginModule", "required", map[string]string{"file": "/etc/kafka-rest/password.properties", "debug": "false"}}},
		"KafkaClient": {{"A", "required", map[string]string{"a": "1"}}, {"B", "sufficient", map[string]string{}}},
		"Empty":       nil,
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseFile differs (-want +got):\n%s", diff)
	}
	for _, tt := range []struct{ text, want string }{
		{"A {\n M required a=1\n};", "line 3: \"}\" is not expected after option a"},
		{"A {\n M required a=1;\n}", "line 3: ; is missing after the } of section A"},
		{"A {\n M required a=1;\n", "section A is not closed"},
		{"A M required;", "{ is missing after the name of section A"},
		{"{}", "the name of a section is expected"},
	} {
		_, err := ParseFile(tt.text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseFile(%q) = %v, want a *SyntaxError with %q", tt.text, err, tt.want)
		}
	}
}

// FuzzParse: no text makes the reader panic, and what it has read it reads again from its own writing.
func FuzzParse(f *testing.F) {
	f.Add(`org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="a\"b\\c";`)
	f.Add("A {\n M required a=1 /* x */;\n};")
	f.Add(`M required a="\477\`)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = ParseFile(text)
		entry, err := Parse(text)
		if err != nil {
			return
		}
		line := entry.Line()
		again, err := Parse(line)
		if err != nil {
			t.Fatalf("Parse of its own writing %q: %v", line, err)
		}
		if diff := cmp.Diff(entry, again); diff != "" {
			t.Errorf("%q read again differs:\n%s", line, diff)
		}
	})
}
