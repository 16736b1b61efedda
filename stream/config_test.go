package stream

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseConfig(t *testing.T) {
	cfg, warnings, err := ParseConfig([]byte(`# users' own
streams = streaming-demo-pin , streaming-demo-geo
tables.url : s3://lake/tables?region=eu-west-1
start.position=2026-01-31T12:00:00Z
commit.rows=5
kinesis.region=eu-west-1
`))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("ParseConfig = %v, warnings %q", err, warnings)
	}
	if strings.Join(cfg.Streams, " ") != "streaming-demo-pin streaming-demo-geo" || cfg.TablesURL != "s3://lake/tables?region=eu-west-1" ||
		!cfg.Start.At.Equal(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)) || cfg.CommitRows != 5 || cfg.CommitBytes != 32<<20 ||
		cfg.CommitInterval != time.Second || cfg.JobName != "headrace" || cfg.Pipeline != "pinterest" || cfg.Kinesis.Region != "eu-west-1" {
		t.Errorf("config = %+v", cfg)
	}
}

func TestFaultsOfConfig(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", []string{"streams", "tables.url"}},
		{"both kinds of streams", "streams=a\nstreams.regex=a\ntables.url=x", []string{"exactly one of streams and streams.regex"}},
		{"a misspelt key", "streams=a\ntables.url=x\ncommit.row=5", []string{`line 3: unknown key "commit.row"`, "commit.rows"}},
		{"another misspelt key", "stream=a\ntables.url=x", []string{`unknown key "stream"`, "streams"}},
		{"a key that is not built", "streams=a\ntables.url=x\nreader=fanout", []string{`unknown key "reader"`}},
		{"numbers", "streams=a\ntables.url=x\ncommit.rows=0\ncommit.bytes=many\ncommit.interval.ms=-1", []string{"commit.rows is \"0\"", "commit.bytes is \"many\"", "commit.interval.ms is \"-1\""}},
		{"a start", "streams=a\ntables.url=x\nstart.position=yesterday", []string{"yesterday", "oldest, latest"}},
		{"a regex", "streams.regex=(\ntables.url=x", []string{"streams.regex", "missing closing"}},
		{"a template", "streams=a\ntables.url=x\ntable.name={prefix}_{stream}", []string{"table.name", "{event}"}},
		{"a job", "streams=a\ntables.url=x\njob.name=a/b", []string{"job.name", "without slashes"}},
		{"an endpoint", "streams=a\ntables.url=x\nkinesis.endpoint=host:1", []string{"kinesis.endpoint"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ParseConfig([]byte(tt.text))
			var faults *ConfigError
			if !errors.As(err, &faults) {
				t.Fatalf("ParseConfig = %v, want a ConfigError", err)
			}
			for _, word := range tt.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error %q does not name %s", err, word)
				}
			}
		})
	}
}
