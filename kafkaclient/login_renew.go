package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// renewed keeps something that ends, a token or credentials, and gets the next one before it does: one caller at a time
// asks, those who come meanwhile use the one at hand while it is good.
type renewed[V any] struct {
	what string // for the log: "token"
	log  *slog.Logger
	// get asks for the next one. hurry is false while the one at hand is still good: then one try is enough.
	get    func(ctx context.Context, hurry bool) (lasting[V], error)
	asking chan struct{} // holds one: who has it may ask

	mu      sync.Mutex
	current lasting[V]
	refusal error     // of the last try, when it failed
	tried   time.Time // when that was
}

// lasting is a value with its times.
type lasting[V any] struct {
	value   V
	renew   time.Time // from here on who comes first asks for the next one
	urgent  time.Time // from here on everybody waits for it
	expires time.Time
}

// refusalMemory is how long a failure answers those who waited for the same thing, and those who come at once after.
const refusalMemory = time.Second

// goodPatience is how long somebody who has a good one waits for the next.
const goodPatience = 5 * time.Second

func newRenewed[V any](what string, log *slog.Logger, get func(context.Context, bool) (lasting[V], error)) *renewed[V] {
	return &renewed[V]{what: what, log: log, get: get, asking: make(chan struct{}, 1)}
}

// now returns one that is good now.
func (r *renewed[V]) now(ctx context.Context) (V, error) {
	have := r.have()
	if time.Now().Before(have.renew) {
		return have.value, nil
	}
	select {
	case r.asking <- struct{}{}:
	default:
		if time.Now().Before(have.urgent) {
			return have.value, nil // somebody is asking
		}
		select {
		case r.asking <- struct{}{}:
		case <-ctx.Done():
			return have.value, fmt.Errorf("waiting for a %s: %w", r.what, context.Cause(ctx))
		}
	}
	defer func() { <-r.asking }()
	return r.next(ctx)
}

// next asks, unless somebody else just did.
func (r *renewed[V]) next(ctx context.Context) (V, error) {
	have := r.have()
	if time.Now().Before(have.renew) {
		return have.value, nil
	}
	good := time.Now().Before(have.expires)
	if refusal := r.refused(); refusal != nil {
		return have.value, r.unless(good, refusal)
	}
	if good {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, goodPatience)
		defer cancel()
	}
	next, err := r.get(ctx, !good)
	r.keep(next, err)
	if err == nil {
		return next.value, nil
	}
	good = time.Now().Before(have.expires)
	if good {
		r.log.Warn("the next "+r.what+" cannot be had: the last one is used while it is good", "err", err, "until", have.expires) //nolint:sloglint // one of few words
	}
	return have.value, r.unless(good, err)
}

// unless is err, or nil where there is something good.
func (*renewed[V]) unless(good bool, err error) error {
	if good {
		return nil
	}
	return err
}

// refused is the failure of a moment ago.
func (r *renewed[V]) refused() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.tried) < refusalMemory {
		return r.refusal
	}
	return nil
}

func (r *renewed[V]) keep(next lasting[V], err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.current = next
	}
	if errors.Is(err, context.Canceled) {
		err = nil // one caller's end is not the others'
	}
	r.refusal, r.tried = err, time.Now()
}

func (r *renewed[V]) have() lasting[V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

// forget makes the next caller ask anew: the one at hand was refused.
func (r *renewed[V]) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.refusal = lasting[V]{}, nil
}
