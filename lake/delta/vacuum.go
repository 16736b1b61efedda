package delta

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// MinRetention is the shortest age that Vacuum takes without force: a reader may still be at a file
// that was removed, and a writer at one that it has not committed yet.
// Source: Delta's delta.deletedFileRetentionDuration, whose default is one week.
const MinRetention = removeAge

// Vacuum deletes files in the table's folder that are not part of the table and have not been for
// retention: what compaction replaced, and what killed writers left behind. It never touches the
// log, nor names that begin with "_" or ".". A retention below MinRetention is refused, unless
// forced: then nobody may read or write meanwhile. dry only counts. It returns how many files and bytes.
func (t *Table) Vacuum(ctx context.Context, retention time.Duration, forced, dry bool) (files int, size int64, err error) {
	if retention < MinRetention && !forced {
		return 0, 0, fmt.Errorf("vacuum of table %s keeps files for %s, which is less than %s: readers and writers at work may still need them", t.dir, retention, MinRetention)
	}
	if err := t.Refresh(ctx); err != nil {
		return 0, 0, err
	}
	before := time.Now().Add(-retention)
	keep, err := t.needed(before)
	if err != nil {
		return 0, 0, err
	}
	for object, err := range t.store.List(ctx, t.dir+"/") {
		if err != nil {
			return files, size, fmt.Errorf("vacuum of table %s: %w", t.dir, err)
		}
		name := strings.TrimPrefix(object.Key, t.dir+"/")
		if strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") || keep[object.Key] || !object.Modified.Before(before) {
			continue
		}
		if !dry {
			if err := t.store.Delete(ctx, object.Key); err != nil {
				return files, size, fmt.Errorf("vacuum of table %s: %w", t.dir, err)
			}
		}
		files, size = files+1, size+object.Size
	}
	return files, size, nil
}

// needed are the keys of the files that are part of the table, or were after before.
func (t *Table) needed(before time.Time) (map[string]bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.snap.writable(); err != nil {
		return nil, fmt.Errorf("vacuum of table %s: %w", t.dir, err)
	}
	keep := map[string]bool{}
	for path := range t.snap.adds {
		key, err := t.key(path)
		if err != nil {
			return nil, err
		}
		keep[key] = true
	}
	for path, r := range t.snap.removes {
		if key, err := t.key(path); err == nil && value(r.DeletionTimestamp) >= before.UnixMilli() {
			keep[key] = true
		}
	}
	return keep, nil
}
