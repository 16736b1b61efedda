// Package check finds out why a gateway with this configuration would not work: it asks one thing
// after the other, from the configuration to the way through API Gateway, and says of each what
// is wrong and what to do. It writes nothing unless it is told to, and shows no secret.
package check

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"headrace/kafkaclient"
	"headrace/kinesisclient"
	"headrace/lake/store"
)

// Config is what to look at. What is empty is skipped.
type Config struct {
	Given    []Setting // the configuration as it stands in the file and the environment
	Faults   []string  // what start would refuse
	Warnings []string  // what start would warn of

	Kafka    kafkaclient.Config         // as the admin client has it
	Producer kafkaclient.ProducerConfig // with Write
	Topics   []string                   // that clients will write to
	Registry Registry
	Kinesis  *kinesisclient.Config // nil: the routes are off, or nothing in the file speaks of them
	Streams  []string              // that clients will write to
	Buckets  []Bucket
	Via      *url.URL // where API Gateway is called; nil: not
	Write    bool     // write one record or object where clients would
}

// Setting is one line of the configuration.
type Setting struct {
	Key, Value string
	Origin     string // "FILE:12", "environment variable NAME"
	Known      bool   // a key that there is
}

// Registry is how to reach the schema registry.
type Registry struct {
	URLs   []string     // may hold a user
	Given  bool         // the configuration names them: the default is not asked
	Client *http.Client // with its login; nil: Go's own, which knows users of URLs only
}

// Bucket is where a connector writes to.
type Bucket struct {
	Connector string // path of its file
	Name      string // of the bucket
	Region    string
	Prefix    string   // first part of its objects' keys
	Topics    []string // that the connector reads, where it names them
	Group     string   // that it reads them in
	Open      func(ctx context.Context) (objects store.Store, free func(), err error)
}

// Status of one finding.
type Status string

// OK: as it should be. Warning: it works, but look. Failed: requests will fail. Skipped: not asked.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Result is one finding. Cause is one sentence, also of what is well; Next is one command or one
// change, empty when there is nothing to do.
type Result struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Cause  string `json:"cause"`
	Next   string `json:"next,omitempty"`

	blocks bool     // what comes after cannot be asked
	keys   []string // settings that it speaks of, so that no second finding does
}

// Limits of time. The longest way, DNS to topics, is 13 s.
const (
	allOfIt      = 14 * time.Second
	dnsTimeout   = 2 * time.Second
	dialTimeout  = 2 * time.Second
	tlsTimeout   = 2 * time.Second
	askTimeout   = 2 * time.Second
	loginTimeout = 4 * time.Second
	slowTimeout  = 4 * time.Second // another service
)

// step is one check.
type step struct {
	name  string
	after []string // not asked when one of these has failed
	limit time.Duration
	run   func(ctx context.Context) []Result
}

// doctor is what the steps have found out so far. A step reads only what those that it comes
// after have written.
type doctor struct {
	cfg    Config
	log    *slog.Logger
	nonce  string
	open   []string // brokers whose port is open
	admin  *kafkaclient.Admin
	survey kafkaclient.Survey
}

// Run makes all checks, those that do not build on each other at the same time, and hands each
// finding to report in the order of the checks. It ends within 15 s.
func Run(ctx context.Context, cfg Config, log *slog.Logger, report func(Result)) []Result {
	ctx, cancel := context.WithTimeout(ctx, allOfIt)
	defer cancel()
	cfg.Kafka.Logins = kafkaclient.NewLogins(log, nil) // one for all that log in alike
	cfg.Producer.Logins = cfg.Kafka.Logins
	d := &doctor{cfg: cfg, log: log, nonce: rand.Text()}
	defer func() {
		if d.admin != nil {
			d.admin.Close()
		}
	}()
	steps := d.steps()
	done := make(map[string]chan []Result, len(steps))
	for _, s := range steps {
		done[s.name] = make(chan []Result, 1)
	}
	for _, s := range steps {
		go func() { done[s.name] <- d.take(ctx, s, done) }()
	}
	var all []Result
	for _, s := range steps {
		results := <-done[s.name]
		done[s.name] <- results
		for _, r := range results {
			report(r)
		}
		all = append(all, results...)
	}
	return all
}

// steps lists all checks, in order.
func (d *doctor) steps() []step {
	return []step{
		{"config", nil, time.Second, d.config},
		{"dns", nil, dnsTimeout, d.dns},
		{"tcp", []string{"dns"}, dialTimeout, d.tcp},
		{"tls", []string{"tcp"}, tlsTimeout, d.agree},
		{"api versions", []string{"tls"}, askTimeout, d.versions},
		{"login", []string{"config", "api versions"}, loginTimeout, d.login},
		{"rights", []string{"login"}, askTimeout, d.rights},
		{"topics", []string{"login"}, slowTimeout, d.topics},
		{"registry", nil, slowTimeout, d.registry},
		{"aws", nil, slowTimeout, d.aws},
		{"kinesis", []string{"aws"}, slowTimeout, d.kinesis},
		{"s3", nil, slowTimeout, d.s3},
		{"api gateway", nil, slowTimeout, d.gateway},
	}
}

// take waits for the steps that s comes after, then takes it.
func (d *doctor) take(ctx context.Context, s step, done map[string]chan []Result) []Result {
	for _, name := range s.after {
		results := <-done[name]
		done[name] <- results
		if slices.ContainsFunc(results, func(r Result) bool { return r.blocks }) {
			return []Result{{Check: s.name, Status: Skipped, Cause: because(name, results), blocks: true}}
		}
	}
	if ctx.Err() != nil {
		return []Result{{Check: s.name, Status: Skipped, Cause: "there was no time left", blocks: true}}
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	began := time.Now()
	results := s.run(ctx)
	d.log.Debug("checked", "check", s.name, "took", time.Since(began), "findings", len(results))
	for i := range results {
		results[i].Check = s.name
		results[i].blocks = results[i].blocks || results[i].Status == Failed
	}
	return results
}

// because names the step that failed first.
func because(name string, results []Result) string {
	for _, r := range results {
		if r.blocks && r.Status == Skipped {
			return r.Cause
		}
	}
	return name + " has failed"
}

// Worst is the worst status of all: failed, warning or ok.
func Worst(results []Result) Status {
	worst := OK
	for _, r := range results {
		if r.Status == Failed || r.Status == Warning && worst == OK {
			worst = r.Status
		}
	}
	return worst
}

func ok(format string, args ...any) []Result {
	return []Result{{Status: OK, Cause: fmt.Sprintf(format, args...)}}
}

func skipped(format string, args ...any) []Result {
	return []Result{{Status: Skipped, Cause: fmt.Sprintf(format, args...)}}
}

func failed(next, format string, args ...any) []Result {
	return []Result{{Status: Failed, Cause: fmt.Sprintf(format, args...), Next: next}}
}

func warning(next, format string, args ...any) Result {
	return Result{Status: Warning, Cause: fmt.Sprintf(format, args...), Next: next}
}

// list names some things, and how many more there are.
func list(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// count is a number of things: "1 topic", "2 topics".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
