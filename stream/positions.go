package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"

	"headrace/lake/delta"
	"headrace/lake/store"
)

// place is how far a shard is in a table.
type place struct {
	After string `json:"after,omitempty"` // sequence number of the last record that is in
	End   bool   `json:"end,omitempty"`   // the shard is closed, and all of it is in
	Txn   int64  `json:"txn"`             // commits for this shard; the version of its Delta transaction
}

// positions are the places of one stream's shards in one table. Each commit's note holds the places it
// has moved, so rows and places cannot part; a file beside the log, written now and then,
// saves reading all notes.
type positions struct {
	table  *delta.Table
	store  store.Store
	key    string // of the file
	app    string // of the transactions: job/stream
	places map[string]place
	saved  int64 // table version of the file; -1: there is none
}

// note is what a commit says of places.
type note struct {
	App     string           `json:"headrace"`
	Version int64            `json:"version,omitempty"` // of the table; only in the file
	Shards  map[string]place `json:"shards"`
}

// savedEvery is how many table versions pass between two writings of the file.
const savedEvery = 50

// loadPositions reads where a stream's shards are in a table.
func loadPositions(ctx context.Context, table *delta.Table, in store.Store, dir, job, stream string) (*positions, error) {
	p := &positions{
		table: table, store: in, key: fmt.Sprintf("%s/_headrace/%s/%s.json", dir, job, stream),
		app: job + "/" + stream, places: map[string]place{}, saved: -1,
	}
	file, err := p.read(ctx)
	if err != nil {
		return nil, err
	}
	for text, err := range table.Notes(ctx, file.Version) {
		if err != nil {
			return nil, err
		}
		var n note
		if json.Unmarshal([]byte(text), &n) != nil || n.App != p.app {
			continue // somebody else's
		}
		for shard, at := range n.Shards {
			if _, newer := p.places[shard]; !newer {
				p.places[shard] = at
			}
		}
	}
	for shard, at := range file.Shards {
		if _, newer := p.places[shard]; !newer {
			p.places[shard] = at
		}
	}
	return p, nil
}

func (p *positions) read(ctx context.Context) (note, error) {
	none := note{Version: -1}
	body, err := p.store.Get(ctx, p.key)
	if errors.Is(err, store.ErrNotFound) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	defer func() { _ = body.Close() }()
	var file note
	text, err := io.ReadAll(body)
	if err != nil {
		return none, err
	}
	if json.Unmarshal(text, &file) != nil || file.App != p.app || file.Version > p.table.Version() {
		return none, nil // it only saves time
	}
	p.saved = file.Version
	return file, nil
}

// at is a shard's place. ok is false for a shard that no commit has moved. A shard whose commits
// are known and whose place is not was cleaned away with the log: going on would double or lose rows.
func (p *positions) at(shard string) (at place, ok bool, err error) {
	at, ok = p.places[shard]
	last, committed := p.table.Last(p.txn(shard).AppID)
	if committed && last != at.Txn {
		return place{}, false, fmt.Errorf("shard %s: the table has commit %d of it, but what that commit says of its place is %d: the log was cleaned, or another process with this job.name is at work", shard, last, at.Txn)
	}
	return at, ok, nil
}

func (p *positions) txn(shard string) delta.Txn {
	return delta.Txn{AppID: p.app + "/" + shard, Version: p.places[shard].Txn + 1}
}

// commit makes files part of the table together with the places that shards have reached.
func (p *positions) commit(ctx context.Context, files []delta.File, reached map[string]place) error {
	next := map[string]place{}
	var txns []delta.Txn
	for shard, at := range reached {
		x := p.txn(shard)
		at.Txn = x.Version
		next[shard] = at
		txns = append(txns, x)
	}
	text, err := json.Marshal(note{App: p.app, Shards: next})
	if err != nil {
		return err
	}
	if _, err := p.table.Append(ctx, files, string(text), txns...); err != nil {
		return err
	}
	maps.Copy(p.places, next)
	return nil
}

// save writes the file when it is old. Without it nothing is lost but time.
func (p *positions) save(ctx context.Context, now bool) error {
	version := p.table.Version()
	if version == p.saved || !now && version < p.saved+savedEvery {
		return nil
	}
	text, err := json.Marshal(note{App: p.app, Version: version, Shards: p.places})
	if err != nil {
		return err
	}
	if err := p.store.Put(ctx, p.key, text); err != nil {
		return err
	}
	p.saved = version
	return nil
}

// before reports whether sequence number a is smaller than b. They are decimal numbers of up to 129 digits.
func before(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}
