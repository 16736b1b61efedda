package sink

import (
	"cmp"
	"slices"
	"time"
)

// When files that cannot be closed yet fill the memory (many partitions, a large flush.size),
// some lanes are parked: their open file is dropped, they are not fetched, and later read again
// from that file's first record. The files come out the same, only later. Lanes go on in turn:
// one that has closed a file, or has read all there is, makes room for the next.

// parkedPause is how long a lane that has read all there is stays parked at least: its records
// will be read again, which is worth it only when more have come.
const parkedPause = 5 * time.Second

// relieve parks and unparks lanes after a poll. own is held.
func (t *task) relieve() {
	if t.uploads.memory.open.Load() > t.uploads.memory.limit*3/4 {
		t.parkSmallest()
	}
	if len(t.parked) == 0 {
		return
	}
	t.endTurns()
	t.unparkNext()
}

// parkSmallest parks open lanes, those with the most in hand last, until the task's are down to
// its share of half the memory. One goes on in any case.
func (t *task) parkSmallest() {
	open := t.openLanes()
	slices.SortFunc(open, func(a, b *lane) int {
		// A file that is partly stored costs the most to begin again.
		return cmp.Or(cmp.Compare(b.open.bytes, a.open.bytes), cmp.Compare(b.charged, a.charged))
	})
	share := t.uploads.memory.limit / 2 / int64(t.cfg.TasksMax)
	kept := int64(0)
	for i, l := range open {
		if kept += int64(l.charged); i > 0 && kept > share {
			kept -= int64(l.charged)
			t.park(l)
		}
	}
}

func (t *task) openLanes() []*lane {
	t.uploads.mu.Lock()
	defer t.uploads.mu.Unlock()
	var open []*lane
	for _, l := range t.lanes {
		if l.open != nil {
			open = append(open, l)
		}
	}
	return open
}

// endTurns parks the lanes whose turn is over while others wait.
func (t *task) endTurns() {
	t.uploads.mu.Lock()
	var over []*lane
	for _, l := range t.lanes {
		if !l.parked && (l.turnOver || l.open != nil && l.next >= l.end) {
			over = append(over, l)
		}
	}
	t.uploads.mu.Unlock()
	for _, l := range over {
		t.park(l)
	}
}

// park stops fetching a lane and goes back to the first record that is in no closed file.
func (t *task) park(l *lane) {
	l.notBefore = time.Time{}
	if l.next >= l.end {
		l.notBefore = time.Now().Add(parkedPause)
	}
	t.consumer.Pause(l.TopicPartition)
	if l.open != nil {
		t.dropOpen(l)
		t.consumer.Seek(l.TopicPartition, l.next)
	}
	l.turnOver = false
	t.uploads.mu.Lock()
	l.parked = true
	t.uploads.mu.Unlock()
	t.parked = append(t.parked, l)
	t.log.Debug("partition waits for memory", "topic", l.Topic, "partition", l.Partition, "offset", l.next)
}

// unparkNext lets the next lane go on while half of the memory is free of open files: the next
// polls show how much it needs.
func (t *task) unparkNext() {
	for _, l := range slices.Clone(t.parked) {
		if t.uploads.memory.open.Load() > t.uploads.memory.limit/2 {
			return
		}
		if time.Now().Before(l.notBefore) {
			continue
		}
		t.unpark(l)
		l.turnOver = false
		t.uploads.mu.Lock()
		t.fetchAgain(l)
		t.uploads.mu.Unlock()
		return
	}
}

// unpark takes the lane off the list of those that wait.
func (t *task) unpark(l *lane) {
	t.parked = slices.DeleteFunc(t.parked, func(other *lane) bool { return other == l })
	t.uploads.mu.Lock()
	defer t.uploads.mu.Unlock()
	l.parked = false
}

func (t *task) anyParked() bool {
	t.own.Lock()
	defer t.own.Unlock()
	return len(t.parked) > 0
}
