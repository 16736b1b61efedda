package sink

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"headrace/kafkaclient"
)

// Partial is the end of a partition that is too short for an object: flush.size is not reached.
type Partial struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`  // of the first record that is not written
	Records   int64  `json:"records"` // not written; the next run reads them again
}

// Progress is told while a job catches up.
type Progress struct {
	Stats
	Total int64 // records (offsets, to be exact) that there were to read at the start
	Left  int64 // of these, not durable yet and not known to be unwritable
}

// caughtUpEvery is how often RunUntilCaughtUp looks.
const caughtUpEvery = 100 * time.Millisecond

// RunUntilCaughtUp works until every record that was in the topics at the start is durable and
// committed, and then ends as Run does. Records at the end of a partition that do not fill an
// object stay unwritten, as always: they are returned. Partitions that another member of the
// group holds count as caught up when that member has committed all that fills an object.
// progress, if not nil, is told now and then. A topic named in topics that does not exist is an
// error; a topics.regex that matches nothing is not.
func (j *Job) RunUntilCaughtUp(ctx context.Context, progress func(Progress)) ([]Partial, error) {
	var partials []Partial
	err := j.run(ctx, func(ctx context.Context) error {
		c := &catchUp{job: j, progress: progress, elsewhere: map[kafkaclient.TopicPartition]time.Time{}}
		if err := c.wait(ctx); err != nil {
			return err
		}
		partials = c.partials
		return errEnded
	})
	return partials, err
}

// catchUp watches a job until the goal is reached.
type catchUp struct {
	job       *Job
	progress  func(Progress)
	goal      map[kafkaclient.TopicPartition]kafkaclient.Position // at the start
	total     int64
	partials  []Partial
	elsewhere map[kafkaclient.TopicPartition]time.Time // since when no task here holds it
}

// elsewhereAfter is how long a partition that is held by no task here must have been so: it may
// only be on its way from one task to another.
const elsewhereAfter = 3 * time.Second

func (c *catchUp) wait(ctx context.Context) error {
	consumer := c.job.tasks[0].consumer
	goal, err := consumer.Positions(ctx)
	if err != nil {
		return err
	}
	c.goal = goal
	if err := c.missing(); err != nil {
		return err
	}
	for _, p := range goal {
		c.total += p.End - min(p.From(), p.End)
	}
	tick := time.NewTicker(caughtUpEvery)
	defer tick.Stop()
	if len(goal) == 0 {
		c.job.log.Warn("no topic matches", "regex", c.job.cfg.TopicsRegex.String())
		return nil // and no member joins a group for nothing
	}
	for {
		committed, err := consumer.Committed(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		done, left := c.check(committed)
		if c.progress != nil {
			c.progress(Progress{Stats: c.job.Stats(), Total: c.total, Left: left})
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// missing names a topic that the configuration lists and Kafka does not have.
func (c *catchUp) missing() error {
	for _, topic := range c.job.cfg.Topics {
		found := false
		for tp := range c.goal {
			found = found || tp.Topic == topic
		}
		if !found {
			return fmt.Errorf("topic %s does not exist", topic)
		}
	}
	return nil
}

// check compares the goal with where the group and this process's lanes stand.
func (c *catchUp) check(committed map[kafkaclient.TopicPartition]int64) (done bool, left int64) {
	u := c.job.uploads
	u.mu.Lock()
	defer u.mu.Unlock()
	done = true
	for _, t := range c.job.tasks {
		done = done && t.joined
	}
	c.partials = nil
	for tp, goal := range c.goal {
		at := max(goal.From(), committed[tp])
		if at >= goal.End {
			continue
		}
		p := Partial{Topic: tp.Topic, Partition: tp.Partition, Offset: at, Records: goal.End - at}
		l, held := c.job.lane(tp)
		switch {
		case l != nil && l.seen >= goal.End && l.settled() && l.committed >= l.position():
			p.Offset = l.position()
			if p.Records = int64(l.partial); p.Records > 0 {
				c.partials = append(c.partials, p)
			}
		case c.isElsewhere(tp, held) && p.Records < int64(c.job.cfg.FlushSize):
			c.partials = append(c.partials, p)
		default:
			done = false
			left += p.Records
		}
	}
	slices.SortFunc(c.partials, func(a, b Partial) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return done, left
}

// settled says that every closed file is durable. An open one may be in the queue as its last
// file, when parts of it have been handed over. uploads.mu is held.
func (l *lane) settled() bool { return len(l.queue) == 0 || !l.queue[0].closed }

func (c *catchUp) isElsewhere(tp kafkaclient.TopicPartition, held bool) bool {
	if held {
		delete(c.elsewhere, tp)
		return false
	}
	since, ok := c.elsewhere[tp]
	if !ok {
		c.elsewhere[tp] = time.Now()
		return false
	}
	return time.Since(since) >= elsewhereAfter
}

// lane finds the partition's lane, and whether a task of this process holds the partition.
// uploads.mu is held.
func (j *Job) lane(tp kafkaclient.TopicPartition) (l *lane, held bool) {
	for _, t := range j.tasks {
		if t.assigned[tp] {
			return t.lanes[tp], true
		}
	}
	return nil, false
}
