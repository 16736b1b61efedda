package emulate

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// maxCauses is how many different causes of failure are kept.
const maxCauses = 5

// Counts are numbers of events. Sent = Acknowledged + Failed once a run has ended.
type Counts struct {
	Sent         int64 `json:"sent"`         // events, however often each was tried
	Acknowledged int64 `json:"acknowledged"` // the answer says that it is stored
	Failed       int64 `json:"failed"`       // all others
	Unknown      int64 `json:"unknown"`      // of the failed: no answer came, it may be stored all the same
	Retried      int64 `json:"retried"`      // requests that were repeated after 429 or 503
}

// Place is a topic or stream and what was sent there.
type Place struct {
	Name   string
	Stream bool
	Counts
}

// Cause is a reason for which events were not acknowledged.
type Cause struct {
	Place string `json:"place"` // where it was seen first
	Text  string `json:"cause"`
	Count int64  `json:"count"`
}

// Summary is the outcome of a run.
type Summary struct {
	Posts       int64
	Elapsed     time.Duration
	Places      []Place // in the order in which the events of a post go out
	Causes      []Cause // the first few, in the order in which they came
	OtherCauses int64   // events that failed for more causes than are kept
}

// Total adds up all places.
func (s Summary) Total() Counts {
	var total Counts
	for _, p := range s.Places {
		total.Sent += p.Sent
		total.Acknowledged += p.Acknowledged
		total.Failed += p.Failed
		total.Unknown += p.Unknown
		total.Retried += p.Retried
	}
	return total
}

// MarshalJSON writes {"posts":n,"seconds":s,"topics":{name:counts},"streams":{name:counts},"causes":[…],"other_causes":n}.
func (s Summary) MarshalJSON() ([]byte, error) {
	out := struct {
		Posts       int64             `json:"posts"`
		Seconds     float64           `json:"seconds"`
		Topics      map[string]Counts `json:"topics,omitempty"`
		Streams     map[string]Counts `json:"streams,omitempty"`
		Causes      []Cause           `json:"causes,omitempty"`
		OtherCauses int64             `json:"other_causes,omitempty"`
	}{s.Posts, s.Elapsed.Seconds(), map[string]Counts{}, map[string]Counts{}, s.Causes, s.OtherCauses}
	for _, p := range s.Places {
		if p.Stream {
			out.Streams[p.Name] = p.Counts
			continue
		}
		out.Topics[p.Name] = p.Counts
	}
	return json.Marshal(out)
}

// WriteTable writes the summary for people.
func (s Summary) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "sent\tacknowledged\tfailed\tretried\t  to")
	for _, p := range s.Places {
		kind := "topic"
		if p.Stream {
			kind = "stream"
		}
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t  %s %s\n", p.Sent, p.Acknowledged, p.Failed, p.Retried, kind, p.Name)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	total := s.Total()
	perSecond := 0.0
	if s.Elapsed > 0 {
		perSecond = float64(s.Posts) / s.Elapsed.Seconds()
	}
	_, err := fmt.Fprintf(w, "%d posts in %s, %.0f a second: %d of %d events acknowledged\n",
		s.Posts, s.Elapsed.Round(time.Millisecond), perSecond, total.Acknowledged, total.Sent)
	for _, c := range s.Causes {
		_, err = fmt.Fprintf(w, "failed %d × (first at %s): %s\n", c.Count, c.Place, c.Text)
	}
	if s.OtherCauses > 0 {
		_, err = fmt.Fprintf(w, "failed %d × for other causes\n", s.OtherCauses)
	}
	if total.Unknown > 0 {
		_, err = fmt.Fprintf(w, "%d failed events got no answer: they were not sent again and may be stored all the same\n", total.Unknown)
	}
	if total.Retried > 0 {
		_, err = fmt.Fprintf(w, "%d requests were repeated after 429 or 503: a server that stores and yet says no has those events twice\n", total.Retried)
	}
	return err
}

// counts are the Counts of one door while it is in use.
type counts struct {
	sent, acknowledged, failed, unknown, retried atomic.Int64
}

// read takes the outcomes before the number sent, so that the sum never exceeds it.
func (c *counts) read() Counts {
	var out Counts
	out.Unknown = c.unknown.Load()
	out.Failed = c.failed.Load()
	out.Acknowledged = c.acknowledged.Load()
	out.Retried = c.retried.Load()
	out.Sent = c.sent.Load()
	return out
}

// tally keeps what is counted over all doors.
type tally struct {
	posts atomic.Int64

	mu     sync.Mutex
	start  time.Time
	ended  time.Time
	causes []Cause
	other  int64
}

func newTally() *tally { return &tally{start: time.Now()} }

func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.start = time.Now()
}

func (t *tally) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = time.Now()
}

func (t *tally) cause(d *door, err error) {
	text := err.Error()
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.causes {
		if t.causes[i].Text == text {
			t.causes[i].Count++
			return
		}
	}
	if len(t.causes) == maxCauses {
		t.other++
		return
	}
	t.causes = append(t.causes, Cause{Place: d.name, Text: text, Count: 1})
}

func (t *tally) summary(doors []*door) Summary {
	s := Summary{Posts: t.posts.Load()}
	for _, d := range doors {
		s.Places = append(s.Places, Place{Name: d.name, Stream: d.stream, Counts: d.counts.read()})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	until := t.ended
	if until.IsZero() {
		until = time.Now()
	}
	s.Elapsed = until.Sub(t.start)
	s.Causes = append(s.Causes, t.causes...)
	s.OtherCauses = t.other
	return s
}
