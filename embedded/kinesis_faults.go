package embedded

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// KinesisFault is something that goes wrong on purpose, for the tests of clients.
// It hits the call (or, with Record, the record) number First of those it looks at, and
// then every one that follows until Times are hit.
type KinesisFault struct {
	Operation string // the calls it looks at, such as "PutRecords"; empty: all
	Record    bool   // count and fail single records of PutRecord and PutRecords instead of calls
	First     int    // from 1; 0 means 1
	Times     int    // hits, then it is over; 0: for ever

	// What happens to a hit, any of:
	Latency time.Duration // the call waits before it is done
	Type    string        // it fails with this __type (or ErrorCode), and nothing is stored
	Message string        // of that failure
	Status  int           // of that failure; 0: 500 for InternalFailure, else 400. Not for records
	Drop    bool          // the call is done, then the connection is cut without an answer
}

// Inject replaces all faults, and counts from the beginning.
func (k *Kinesis) Inject(list ...KinesisFault) { k.faults.set(list) }

type faults struct {
	armed atomic.Bool // spares the lock when there is nothing to run into
	mu    sync.Mutex
	list  []fault
}

type fault struct {
	KinesisFault
	seen int
	hits int
}

func (f *faults) set(list []KinesisFault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = make([]fault, len(list))
	for i := range list {
		f.list[i].KinesisFault = list[i]
	}
	f.armed.Store(len(list) > 0)
}

// hit counts a call or record and returns the first fault that it runs into.
func (f *faults) hit(operation string, record bool) (KinesisFault, bool) {
	if !f.armed.Load() {
		return KinesisFault{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var found *fault
	for i := range f.list {
		one := &f.list[i]
		if one.Record != record || one.Operation != "" && one.Operation != operation {
			continue
		}
		one.seen++
		if found == nil && one.seen >= one.First && (one.Times == 0 || one.hits < one.Times) {
			found = one
			found.hits++
		}
	}
	if found == nil {
		return KinesisFault{}, false
	}
	return found.KinesisFault, true
}

// call lets a call run into a fault: it waits, or fails, or says that the answer is to be dropped.
// When ctx ends during the wait the call fails.
func (f *faults) call(ctx context.Context, operation string) (drop bool, err error) {
	hit, ok := f.hit(operation, false)
	if !ok {
		return false, nil
	}
	if hit.Latency > 0 {
		timer := time.NewTimer(hit.Latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false, errDropped
		}
	}
	if hit.Type != "" || hit.Status != 0 {
		return false, hit.err()
	}
	return hit.Drop, nil
}

// record lets one record run into a fault; nil: it does not.
func (f *faults) record(operation string) *kinesisError {
	hit, ok := f.hit(operation, true)
	if !ok {
		return nil
	}
	return hit.err()
}

func (f KinesisFault) err() *kinesisError {
	kind, status := f.Type, f.Status
	if kind == "" {
		kind = "InternalFailure"
	}
	if status == 0 {
		status = http.StatusBadRequest
		if kind == "InternalFailure" {
			status = http.StatusInternalServerError
		}
	}
	return &kinesisError{status, kind, f.Message}
}
