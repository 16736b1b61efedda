//go:build !cgo

package sql

import "context"

// Built says whether this build has the engine.
const Built = false

// DB is an engine, which this build has not.
type DB struct{}

// Open fails with ErrNoEngine.
func Open(context.Context, Config, *Pipeline) (*DB, error) { return nil, ErrNoEngine }

// Close does nothing.
func (*DB) Close() error { return nil }

// Add fails with ErrNoEngine.
func (*DB) Add(context.Context, string, int64, []byte) (string, error) { return "", ErrNoEngine }

// Forget fails with ErrNoEngine.
func (*DB) Forget(context.Context, string) error { return ErrNoEngine }

// Clean fails with ErrNoEngine.
func (*DB) Clean(context.Context, string, bool) error { return ErrNoEngine }

// Parquet fails with ErrNoEngine.
func (*DB) Parquet(context.Context, string) ([]byte, int64, error) { return nil, 0, ErrNoEngine }

// Read fails with ErrNoEngine.
func (*DB) Read(context.Context, string, []string) error { return ErrNoEngine }

// Ask fails with ErrNoEngine.
func (*DB) Ask(context.Context, Question) (Answer, error) { return Answer{}, ErrNoEngine }
