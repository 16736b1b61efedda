//go:build cgo

package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"

	"headrace/lake/store"
)

// shaky is a directory whose writes fail now and then, before or after they landed.
type shaky struct {
	*store.Dir
	calm atomic.Bool
}

func (s *shaky) fault(write func() error) error {
	if s.calm.Load() {
		return write()
	}
	switch rand.IntN(12) {
	case 0:
		return errors.New("503 slow down")
	case 1:
		return errors.Join(write(), errors.New("connection reset"))
	}
	return write()
}

func (s *shaky) Put(ctx context.Context, key string, body []byte) error {
	return s.fault(func() error { return s.Dir.Put(ctx, key, body) })
}

func (s *shaky) PutNew(ctx context.Context, key string, body []byte) error {
	return s.fault(func() error { return s.Dir.PutNew(ctx, key, body) })
}
