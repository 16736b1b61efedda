package schema

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// cache keeps what loading has brought, the least recently used leaves first. Of several who want
// the same, one loads and all get it. Make it with newCache.
type cache[K comparable, V any] struct {
	limit    int64         // bytes
	faultAge time.Duration // how long a fault that says "there is none" is kept; 0: not at all
	timeout  time.Duration // of one load
	metrics  *metrics

	mu      sync.Mutex
	entries map[K]*list.Element // of *entry
	recent  *list.List          // front: used last
	bytes   int64
	loading map[K]*load[V]
	loads   sync.WaitGroup
}

type entry[K comparable, V any] struct {
	key   K
	value V
	err   error     // a fault that is kept
	until time.Time // of a fault
	bytes int64
}

// load is one loading under way.
type load[V any] struct {
	done   chan struct{}
	cancel context.CancelFunc
	value  V
	err    error
}

func newCache[K comparable, V any](limit int64, faultAge, timeout time.Duration, m *metrics) *cache[K, V] {
	return &cache[K, V]{
		limit: limit, faultAge: faultAge, timeout: timeout, metrics: m,
		entries: map[K]*list.Element{}, recent: list.New(), loading: map[K]*load[V]{},
	}
}

// get returns what is kept for key, or what fn loads, which also says its bytes. A caller who
// leaves early ends nobody else's load: fn runs under a context of its own.
func (c *cache[K, V]) get(ctx context.Context, key K, fn func(context.Context) (V, int64, error)) (V, error) {
	c.mu.Lock()
	if e, ok := c.kept(key); ok {
		c.mu.Unlock()
		return e.value, e.err
	}
	l, running := c.loading[key]
	if !running {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
		l = &load[V]{done: make(chan struct{}), cancel: cancel}
		c.loading[key] = l
		c.loads.Go(func() {
			defer cancel()
			c.finish(own, key, l, fn)
		})
	}
	c.mu.Unlock()
	select {
	case <-l.done:
		return l.value, l.err
	case <-ctx.Done():
		var none V
		return none, registryError("Error when waiting for a schema", ctx.Err())
	}
}

// kept finds a live entry.
func (c *cache[K, V]) kept(key K) (*entry[K, V], bool) {
	element, ok := c.entries[key]
	if !ok {
		return nil, false
	}
	e := element.Value.(*entry[K, V])
	if e.err != nil && time.Now().After(e.until) {
		c.remove(element)
		return nil, false
	}
	c.recent.MoveToFront(element)
	return e, true
}

func (c *cache[K, V]) finish(ctx context.Context, key K, l *load[V], fn func(context.Context) (V, int64, error)) {
	var bytes int64
	l.value, bytes, l.err = fn(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(l.done)
	delete(c.loading, key)
	e := &entry[K, V]{key: key, value: l.value, bytes: bytes}
	if l.err != nil {
		if c.faultAge == 0 || !isMissing(l.err) {
			return
		}
		e.err, e.until, e.bytes = l.err, time.Now().Add(c.faultAge), codecBytes
	}
	c.add(e)
}

// isMissing reports whether the registry has said that there is no such schema.
func isMissing(err error) bool {
	var fault *RegistryError
	return errors.As(err, &fault) && (fault.Code == 40401 || fault.Code == 40402 || fault.Code == 40403)
}

// add keeps e if it is not larger than everything; others make room.
func (c *cache[K, V]) add(e *entry[K, V]) {
	if e.bytes > c.limit {
		return
	}
	c.entries[e.key] = c.recent.PushFront(e)
	c.grow(e.bytes)
	for c.bytes > c.limit {
		c.remove(c.recent.Back())
	}
}

func (c *cache[K, V]) remove(element *list.Element) {
	e := c.recent.Remove(element).(*entry[K, V])
	delete(c.entries, e.key)
	c.grow(-e.bytes)
}

func (c *cache[K, V]) grow(n int64) {
	c.bytes += n
	c.metrics.cacheBytes.Add(float64(n))
}

// close ends all loads and waits for them.
func (c *cache[K, V]) close() {
	c.mu.Lock()
	for _, l := range c.loading {
		l.cancel()
	}
	c.mu.Unlock()
	c.loads.Wait()
}
