package svc_test

import (
	"fmt"
	"strings"
	"testing"

	"headrace/services/svc"
)

// end is a testing.TB that remembers how Need ended the test.
type end struct {
	testing.TB
	how string
}

func (e *end) Helper()                   {}
func (e *end) Skipf(f string, a ...any)  { e.how = "skip: " + fmt.Sprintf(f, a...); panic(e) }
func (e *end) Fatalf(f string, a ...any) { e.how = "fatal: " + fmt.Sprintf(f, a...); panic(e) }

func need(t *testing.T, name string) (value, how string) {
	e := &end{TB: t}
	defer func() {
		if r := recover(); r != nil && r != any(e) {
			panic(r)
		}
		how = e.how
	}()
	return svc.Need(e, name), ""
}

func TestNeed(t *testing.T) {
	const name = "HEADRACE_TEST_NOTHING"
	tests := []struct {
		claim         string
		ci, set       string
		value, wantIn string
	}{
		{"a set variable is handed out", "", "127.0.0.1:9092", "127.0.0.1:9092", ""},
		{"an unset one skips and says how to get it", "", "", "", "skip: HEADRACE_TEST_NOTHING is not set: run `make test`"},
		{"an unset one fails in CI", "true", "", "", "fatal: HEADRACE_TEST_NOTHING is not set"},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			t.Setenv("CI", tt.ci)
			t.Setenv(name, tt.set)
			value, how := need(t, name)
			if value != tt.value || !strings.HasPrefix(how, tt.wantIn) {
				t.Errorf("Need = %q, ended by %q; want %q, %q", value, how, tt.value, tt.wantIn)
			}
		})
	}
}
