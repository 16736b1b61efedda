package delta

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"headrace/lake/store"
)

// maxLogBytes bounds one file of the log that is read into memory.
const maxLogBytes = 1 << 30

// journal is the table's folder _delta_log.
type journal struct {
	store store.Store
	dir   string // "tables/pin/_delta_log"
}

func (j journal) commitKey(version int64) string { return fmt.Sprintf("%s/%020d.json", j.dir, version) }

func (j journal) checkpointKey(version int64) string {
	return fmt.Sprintf("%s/%020d.checkpoint.parquet", j.dir, version)
}

// checkpointRef is the file _last_checkpoint.
type checkpointRef struct {
	Version int64 `json:"version"`
	Size    int64 `json:"size"` // actions
	Parts   int   `json:"parts,omitempty"`
}

// keys are the files of a checkpoint. Source: PROTOCOL.md, checkpoint naming schemes.
func (j journal) checkpointKeys(ref checkpointRef) []string {
	if ref.Parts == 0 {
		return []string{j.checkpointKey(ref.Version)}
	}
	var keys []string
	for part := 1; part <= ref.Parts; part++ {
		keys = append(keys, fmt.Sprintf("%s/%020d.checkpoint.%010d.%010d.parquet", j.dir, ref.Version, part, ref.Parts))
	}
	return keys
}

// latest reads the table as it is now: version -1 when there is none.
func (j journal) latest(ctx context.Context) (*snapshot, error) {
	if ref, err := j.lastCheckpoint(ctx); err == nil {
		if s, err := j.checkpoint(ctx, ref); err == nil {
			return s, j.follow(ctx, s)
		}
		// A checkpoint only saves time: without it the commits, or an older one, tell the same.
	}
	s := noTable()
	if err := j.follow(ctx, s); err != nil || s.version >= 0 {
		return s, err
	}
	return j.oldest(ctx)
}

// oldest is for a log whose first commits were cleaned away: it begins with a checkpoint.
func (j journal) oldest(ctx context.Context) (*snapshot, error) {
	refs, commits, err := j.list(ctx)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		s, err := j.checkpoint(ctx, ref)
		if err == nil {
			return s, j.follow(ctx, s)
		}
		if ctx.Err() != nil {
			return nil, err
		}
	}
	if commits > 0 {
		return nil, fmt.Errorf("reading the log %s: it has %d commits, but neither commit 0 nor a checkpoint that can be read", j.dir, commits)
	}
	return noTable(), nil
}

// list finds the checkpoints whose files are all there, newest first, and counts the commits.
func (j journal) list(ctx context.Context) (refs []checkpointRef, commits int, err error) {
	parts := map[checkpointRef]int{}
	for object, err := range j.store.List(ctx, j.dir+"/") {
		if err != nil {
			return nil, 0, fmt.Errorf("listing the log: %w", err)
		}
		names := strings.Split(strings.TrimPrefix(object.Key, j.dir+"/"), ".")
		version, err := strconv.ParseInt(names[0], 10, 64)
		switch {
		case err != nil || len(names[0]) != 20:
		case len(names) == 2 && names[1] == "json":
			commits++
		case len(names) == 3 && names[1] == "checkpoint" && names[2] == "parquet":
			parts[checkpointRef{Version: version}]++
		case len(names) == 5 && names[1] == "checkpoint" && names[4] == "parquet":
			if n, err := strconv.Atoi(names[3]); err == nil {
				parts[checkpointRef{Version: version, Parts: n}]++
			}
		}
	}
	for ref, found := range parts {
		if found == max(1, ref.Parts) {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b checkpointRef) int { return cmp.Compare(b.Version, a.Version) })
	return refs, commits, nil
}

// follow applies the commits behind s, up to the newest.
func (j journal) follow(ctx context.Context, s *snapshot) error {
	for {
		actions, err := j.commit(ctx, s.version+1)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			err = s.advance(actions)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", j.commitKey(s.version+1), err)
		}
	}
}

// commit reads one commit.
func (j journal) commit(ctx context.Context, version int64) ([]action, error) {
	text, err := j.read(ctx, j.commitKey(version))
	if err != nil {
		return nil, err
	}
	return decode(text)
}

// decode reads a commit's text. Actions of a kind that this package does not know come out empty.
func decode(text []byte) ([]action, error) {
	var actions []action
	for lines := json.NewDecoder(bytes.NewReader(text)); ; {
		var a action
		switch err := lines.Decode(&a); {
		case errors.Is(err, io.EOF):
			return actions, nil
		case err != nil:
			return nil, fmt.Errorf("action %d: %w", len(actions)+1, err)
		}
		actions = append(actions, a)
	}
}

func (j journal) lastCheckpoint(ctx context.Context) (checkpointRef, error) {
	var ref checkpointRef
	text, err := j.read(ctx, j.dir+"/_last_checkpoint")
	if err != nil {
		return ref, err
	}
	return ref, json.Unmarshal(text, &ref)
}

func (j journal) checkpoint(ctx context.Context, ref checkpointRef) (*snapshot, error) {
	s := noTable()
	for _, key := range j.checkpointKeys(ref) {
		body, err := j.read(ctx, key)
		if err != nil {
			return nil, err
		}
		rows, err := parquet.Read[action](bytes.NewReader(body), int64(len(body)))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", key, err)
		}
		if err := s.advance(rows); err != nil {
			return nil, fmt.Errorf("reading %s: %w", key, err)
		}
	}
	s.version = ref.Version
	return s, nil
}

func (j journal) read(ctx context.Context, key string) ([]byte, error) {
	body, err := j.store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(io.LimitReader(body, maxLogBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	if len(text) > maxLogBytes {
		return nil, fmt.Errorf("reading %s: it is larger than %d bytes", key, maxLogBytes)
	}
	return text, nil
}

// writeCheckpoint puts s into a checkpoint and then points to it, unless a newer one is pointed to.
func (j journal) writeCheckpoint(ctx context.Context, s *snapshot, expired int64) error {
	rows := s.actions(expired)
	var body bytes.Buffer
	if err := parquet.Write(&body, rows, parquet.Compression(&parquet.Snappy)); err != nil {
		return fmt.Errorf("encoding checkpoint %d: %w", s.version, err)
	}
	if err := j.store.Put(ctx, j.checkpointKey(s.version), body.Bytes()); err != nil {
		return err
	}
	if ref, err := j.lastCheckpoint(ctx); err == nil && ref.Version >= s.version {
		return nil
	}
	text, err := json.Marshal(checkpointRef{Version: s.version, Size: int64(len(rows))})
	if err != nil {
		return err
	}
	return j.store.Put(ctx, j.dir+"/_last_checkpoint", text)
}
