package sink

import (
	"context"
	"sync"
	"sync/atomic"
)

// memory counts the bytes of a job's files against the limit that the operator has set.
type memory struct {
	limit   int64
	open    atomic.Int64 // of buffers that are being filled
	pending atomic.Int64 // handed over, and not durable

	waiting atomic.Int64
	mu      sync.Mutex
	freed   chan struct{} // closed at the next release
}

func newMemory(limit int64) *memory { return &memory{limit: limit, freed: make(chan struct{})} }

// full says that the limit is reached and that uploads will free some.
func (m *memory) full() bool {
	pending := m.pending.Load()
	return pending > 0 && pending+m.open.Load() > m.limit
}

// wait pushes back: it returns when memory is not full, or with ctx's error.
func (m *memory) wait(ctx context.Context) error {
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	for {
		m.mu.Lock()
		freed := m.freed
		m.mu.Unlock()
		if !m.full() {
			return ctx.Err()
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// release gives back pending bytes.
func (m *memory) release(n int64) {
	m.pending.Add(-n)
	if m.waiting.Load() == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.freed)
	m.freed = make(chan struct{})
}
