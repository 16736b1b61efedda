package sink

import (
	"context"
	"strconv"
	"strings"
	"time"

	"headrace/kafkaclient"
	"headrace/lake/store"
)

// file is an object to be: records of one partition in a row.
type file struct {
	lane    *lane
	key     string
	first   int64 // offset of the first record in it
	last    int64
	records int
	bytes   int64 // of all parts

	body []byte // what is not handed over yet; belongs to the task that fills it

	// Guarded by uploads.mu.
	parts   [][]byte // handed over, not stored yet
	listed  bool     // in the lane's queue
	closed  bool     // no more parts come
	waiting bool     // ready for a worker
	flying  bool     // a worker has it
	done    bool     // durable
	dropped bool     // nobody wants it any more

	// Of the worker that has it.
	upload store.Upload // nil: not in parts, or not begun
	sent   int32        // parts stored
}

// objectKey is the name of the object that begins at offset first.
// Source: the sink's contract, "Object names".
func (c *Config) objectKey(tp kafkaclient.TopicPartition, first int64) string {
	partition := strconv.Itoa(int(tp.Partition))
	offset := strconv.FormatInt(first, 10)
	var b strings.Builder
	if c.TopicsDir != "" {
		b.WriteString(c.TopicsDir)
		b.WriteString(c.DirectoryDelim)
	}
	b.WriteString(tp.Topic)
	b.WriteString(c.DirectoryDelim)
	b.WriteString("partition=")
	b.WriteString(partition)
	b.WriteString(c.DirectoryDelim)
	b.WriteString(tp.Topic)
	b.WriteString(c.FileDelim)
	b.WriteString(partition)
	b.WriteString(c.FileDelim)
	for range c.OffsetDigits - len(offset) {
		b.WriteByte('0')
	}
	b.WriteString(offset)
	b.WriteString(c.Extension)
	return b.String()
}

// lane is the way of one partition through a task. Files leave it in offset order.
type lane struct {
	kafkaclient.TopicPartition
	task *task

	// Guarded by task.own.
	next      int64     // offset of the record to be handled next
	open      *file     // nil: the next record opens one
	hint      int       // bytes that the last file's buffer came to
	charged   int       // bytes of the open buffer counted in memory.open
	turnOver  bool      // has closed a file since its turn began
	notBefore time.Time // a parked lane goes on then

	// Guarded by uploads.mu.
	tail      int64   // where to go on reading when every file of the queue is durable
	seen      int64   // offset behind everything ever handled
	end       int64   // the partition's end, as last heard
	partial   int     // records in the open file
	committed int64   // offset last committed, or where reading began
	queue     []*file // not durable yet, by offset
	ready     []*file // those of the queue that wait for a worker
	inRing    bool
	flying    int   // files that workers have
	failing   bool  // the last upload failed: try one at a time
	refused   bool  // the store refused a file for good: the job ends
	pending   int64 // bytes handed over and not durable
	paused    bool  // not fetched until pending shrinks
	parked    bool  // not fetched until memory is free
	gone      bool

	ctx    context.Context // of its uploads
	cancel context.CancelFunc
}

// position is the offset that may be committed: everything before it is durable or was skipped.
func (l *lane) position() int64 {
	if len(l.queue) > 0 {
		return l.queue[0].first
	}
	return l.tail
}
