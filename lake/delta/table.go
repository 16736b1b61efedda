package delta

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"headrace/lake/store"
)

// Sentinels of this package.
var (
	// ErrCovered says that a transaction's version is in the table already: its rows are there.
	ErrCovered = errors.New("the transaction is in the table already")
	// ErrProtocol says that a table asks for more than this package can do.
	ErrProtocol = errors.New("the table asks for more than can be done here")
	// ErrNoTable says that there is no table at the place.
	ErrNoTable = errors.New("there is no Delta table")
	// ErrSchema says that files or a table have other columns than wanted.
	ErrSchema = errors.New("the columns differ")
	// errConflict ends a rearrangement whose files are no longer part of the table.
	errConflict = errors.New("another writer has changed the same files")
)

// Config says how a table is written.
type Config struct {
	Engine          string // who writes, as other engines see it in the log: "headrace/1.0"
	CheckpointEvery int64  // commits from one checkpoint to the next
}

// DefaultConfig returns what the protocol recommends.
func DefaultConfig() Config { return Config{Engine: "headrace", CheckpointEvery: 10} }

// removeAge is how long a removed file is remembered, and kept from a vacuum, for readers of
// older versions. Source: PROTOCOL.md and Delta's delta.deletedFileRetentionDuration, one week.
const removeAge = 7 * 24 * time.Hour

// Table is one Delta table, for one writer of several. Its methods may be called at the same time.
type Table struct {
	cfg   Config
	log   *slog.Logger
	store store.Store
	dir   string
	jrnl  journal

	mu   sync.Mutex // held while a commit is under way
	snap *snapshot
}

// Open opens the table in folder dir of a store, and makes it with these columns when there is
// none. A table with other columns fails with ErrSchema, one that asks for more than can be
// written here with ErrProtocol.
func Open(ctx context.Context, in store.Store, dir string, columns Schema, cfg Config, log *slog.Logger) (*Table, error) {
	t := newTable(in, dir, cfg, log)
	var err error
	if t.snap, err = t.jrnl.latest(ctx); err != nil {
		return nil, fmt.Errorf("opening table %s: %w", dir, err)
	}
	if t.snap.version < 0 {
		if err := t.create(ctx, columns); err != nil {
			return nil, fmt.Errorf("making table %s: %w", dir, err)
		}
	}
	if err := t.snap.writable(); err != nil {
		return nil, fmt.Errorf("opening table %s: %w", dir, err)
	}
	if err := columns.fits(t.snap.schema); err != nil {
		return nil, fmt.Errorf("opening table %s: %w: %w", dir, ErrSchema, err)
	}
	return t, nil
}

// Load opens a table whatever its columns are, for reading, Compact and Vacuum. There must be one:
// else it fails with ErrNoTable.
func Load(ctx context.Context, in store.Store, dir string, cfg Config, log *slog.Logger) (*Table, error) {
	t := newTable(in, dir, cfg, log)
	var err error
	if t.snap, err = t.jrnl.latest(ctx); err == nil && t.snap.version < 0 {
		err = ErrNoTable
	}
	if err == nil {
		err = t.snap.readable()
	}
	if err != nil {
		return nil, fmt.Errorf("opening table %s: %w", dir, err)
	}
	return t, nil
}

func newTable(in store.Store, dir string, cfg Config, log *slog.Logger) *Table {
	return &Table{cfg: cfg, log: log.With("table", dir), store: in, dir: dir, jrnl: journal{in, dir + "/_delta_log"}}
}

// create writes version 0, or finds that another has done so.
func (t *Table) create(ctx context.Context, columns Schema) error {
	schema, err := columns.text()
	if err != nil {
		return err
	}
	reader, writer := int32(readerVersion), int32(writerVersion)
	id, now := uuid.NewString(), time.Now().UnixMilli()
	_, err = t.commit(ctx, operation{name: "CREATE TABLE", blind: true}, func(s *snapshot) ([]action, error) {
		if s.version >= 0 {
			return nil, errConflict
		}
		return []action{
			{Protocol: &protocol{&reader, &writer}},
			{MetaData: &metaData{
				ID: &id, Format: fileFormat{"parquet", map[string]string{}}, SchemaString: &schema,
				PartitionColumns: []string{}, Configuration: map[string]string{}, CreatedTime: &now,
			}},
		}, nil
	})
	if errors.Is(err, errConflict) {
		return nil // the other's table is as good: its columns are compared next
	}
	return err
}

// Version is the newest version that is known. Refresh learns of others' commits.
func (t *Table) Version() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snap.version
}

// Columns are the table's columns, in order.
func (t *Table) Columns() Schema {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snap.schema
}

// Refresh reads the commits that were made since.
func (t *Table) Refresh(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refresh(ctx)
}

func (t *Table) refresh(ctx context.Context) error {
	if err := t.jrnl.follow(ctx, t.snap); err != nil {
		return fmt.Errorf("reading table %s: %w", t.dir, err)
	}
	return nil
}

// Last is the highest version of an application's transactions in the table; ok says whether there is one.
func (t *Table) Last(appID string) (version int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, ok := t.snap.txns[appID]
	if !ok {
		return 0, false
	}
	return value(last.Version), true
}

// Notes yields the notes of the commits from the newest known version back to after, those that
// have one. It ends early, without an error, where the log's older commits were cleaned away.
func (t *Table) Notes(ctx context.Context, after int64) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for version := t.Version(); version > after; version-- {
			actions, err := t.jrnl.commit(ctx, version)
			if errors.Is(err, store.ErrNotFound) {
				return
			}
			if err != nil {
				yield("", fmt.Errorf("reading commit %d of table %s: %w", version, t.dir, err))
				return
			}
			for _, a := range actions {
				if a.CommitInfo != nil && a.CommitInfo.UserMetadata != "" && !yield(a.CommitInfo.UserMetadata, nil) {
					return
				}
			}
		}
	}
}

// Txn names a batch: Version rises with each batch of the application AppID.
type Txn struct {
	AppID   string
	Version int64
}

// Append makes files part of the table, all or none, in one commit that also holds txns, and note for
// whoever reads the log (Notes; empty: none). It returns the version of that commit. When the table holds one of txns already, at that version or a higher
// one, it fails with ErrCovered and changes nothing. After another failure the commit may have
// landed all the same: repeat with the same txns, which finds out. Files are never deleted here.
func (t *Table) Append(ctx context.Context, files []File, note string, txns ...Txn) (int64, error) {
	op := operation{name: "STREAMING UPDATE", blind: true, note: note, parameters: map[string]string{"outputMode": "Append"}}
	if len(txns) == 0 {
		op = operation{name: "WRITE", blind: true, note: note, parameters: map[string]string{"mode": "Append", "partitionBy": "[]"}}
	}
	var rows, size int64
	for _, f := range files {
		rows += f.Rows
		size += value(f.add.Size)
	}
	op.metrics = map[string]string{"numFiles": fmt.Sprint(len(files)), "numOutputRows": fmt.Sprint(rows), "numOutputBytes": fmt.Sprint(size)}
	now := time.Now().UnixMilli()
	t.mu.Lock()
	defer t.mu.Unlock()
	columns := t.snap.schema
	return t.commit(ctx, op, func(s *snapshot) ([]action, error) {
		if err := columns.fits(s.schema); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSchema, err)
		}
		var actions []action
		for _, x := range txns {
			if last, ok := s.txns[x.AppID]; ok && value(last.Version) >= x.Version {
				return nil, fmt.Errorf("%w: %s is at version %d, this is %d", ErrCovered, x.AppID, value(last.Version), x.Version)
			}
			actions = append(actions, action{Txn: &txn{&x.AppID, &x.Version, &now}})
		}
		for _, f := range files {
			actions = append(actions, action{Add: f.add})
		}
		return actions, nil
	})
}

// operation is what commitInfo tells people.
type operation struct {
	name       string
	blind      bool // it read nothing of the table
	parameters map[string]string
	metrics    map[string]string
	note       string
}

// commit writes the next version. build makes its actions for the newest snapshot, and is asked
// again for each newer one: a writer that was first costs a try, nothing else. Callers hold t.mu, but
// for the first commit.
//
// A try whose answer was lost is repeated with the same bytes under the same number: as long as
// it is not known what became of them, no other number is tried, so they cannot land twice.
func (t *Table) commit(ctx context.Context, op operation, build func(*snapshot) ([]action, error)) (int64, error) {
	for {
		if t.snap.version >= 0 {
			if err := t.snap.writable(); err != nil {
				return 0, fmt.Errorf("writing table %s: %w", t.dir, err)
			}
		}
		actions, err := build(t.snap)
		if err != nil {
			return 0, err
		}
		info := t.info(op)
		landed, err := t.land(ctx, info.ID, append([]action{{CommitInfo: info}}, actions...))
		if err != nil {
			return 0, fmt.Errorf("committing version %d of table %s: %w", t.snap.version+1, t.dir, err)
		}
		if !landed {
			if err := t.refresh(ctx); err != nil {
				return 0, err
			}
			continue
		}
		if err := t.snap.advance(actions); err != nil {
			return 0, err
		}
		version := t.snap.version
		t.checkpoint(ctx)
		return version, nil
	}
}

func (t *Table) info(op operation) *commitInfo {
	info := &commitInfo{
		Timestamp: time.Now().UnixMilli(), Operation: op.name, OperationParameters: op.parameters, OperationMetrics: op.metrics,
		IsBlindAppend: op.blind, EngineInfo: t.cfg.Engine, UserMetadata: op.note, ID: uuid.NewString(),
	}
	if info.OperationParameters == nil {
		info.OperationParameters = map[string]string{}
	}
	if read := t.snap.version; read >= 0 {
		info.ReadVersion = &read
	}
	return info
}

// land brings one commit under the next number, however often that takes. False: another has the number.
func (t *Table) land(ctx context.Context, id string, actions []action) (bool, error) {
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	lines.SetEscapeHTML(false)
	for _, a := range actions {
		if err := lines.Encode(a); err != nil {
			return false, err
		}
	}
	version := t.snap.version + 1
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := t.store.PutNew(ctx, t.jrnl.commitKey(version), body.Bytes())
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, store.ErrExists):
			return t.owns(ctx, version, id)
		case store.Permanent(err) || ctx.Err() != nil:
			return false, err
		}
		t.log.Warn("a commit is tried again", "version", version, "err", err)
		select {
		case <-ctx.Done():
			return false, errors.Join(err, ctx.Err())
		case <-time.After(pause/2 + mathrand.N(pause/2)):
		}
	}
}

// owns reports whether the commit of that version is the one of that id.
func (t *Table) owns(ctx context.Context, version int64, id string) (bool, error) {
	actions, err := t.jrnl.commit(ctx, version)
	if err != nil {
		return false, err
	}
	for _, a := range actions {
		if a.CommitInfo != nil && a.CommitInfo.ID == id {
			return true, nil
		}
	}
	return false, nil
}

// checkpoint writes one when it is due. Without it nothing is lost but time.
func (t *Table) checkpoint(ctx context.Context) {
	if t.cfg.CheckpointEvery <= 0 || t.snap.version == 0 || t.snap.version%t.cfg.CheckpointEvery != 0 {
		return
	}
	expired := time.Now().Add(-removeAge).UnixMilli()
	if err := t.jrnl.writeCheckpoint(ctx, t.snap, expired); err != nil {
		t.log.Warn("a checkpoint could not be written; the table is complete without it", "version", t.snap.version, "err", err)
	}
}
