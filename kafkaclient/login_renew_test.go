package kafkaclient

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestRenewed: one asks at a time, nobody waits while the one at hand is good, the last good one is used until its end when
// the next cannot be had, and not beyond.
func TestRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked, asking, most := 0, 0, 0
		var refuse error
		r := newRenewed("token", slog.New(slog.DiscardHandler), func(ctx context.Context, hurry bool) (lasting[int], error) {
			mu.Lock()
			asked++
			asking++
			most = max(most, asking)
			n, err := asked, refuse
			mu.Unlock()
			defer func() { mu.Lock(); asking--; mu.Unlock() }()
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return lasting[int]{}, ctx.Err()
			}
			now := time.Now()
			return lasting[int]{value: n, renew: now.Add(60 * time.Second), urgent: now.Add(80 * time.Second), expires: now.Add(100 * time.Second)}, err
		})
		all := func(claim string, want int, wait time.Duration) {
			t.Helper()
			var running sync.WaitGroup
			for range 10 {
				running.Go(func() {
					began := time.Now()
					got, err := r.now(t.Context())
					if took := time.Since(began); err != nil || got != want || took > wait {
						t.Errorf("%s: %d, %v after %s; want %d within %s", claim, got, err, took, want, wait)
					}
				})
			}
			running.Wait()
		}
		all("the first one is waited for", 1, time.Second)
		all("it is kept", 1, 0)
		time.Sleep(65 * time.Second)
		var others sync.WaitGroup
		others.Go(func() {
			if got, err := r.now(t.Context()); err != nil || got != 2 {
				t.Errorf("who comes first after 65 s: %d, %v; want the next one", got, err)
			}
		})
		synctest.Wait()
		all("the others do not wait meanwhile", 1, 0)
		others.Wait()
		all("the next one", 2, 0)

		refuse = errors.New("no")
		time.Sleep(90 * time.Second)
		all("the last one while it is good", 2, time.Second)
		time.Sleep(10 * time.Second)
		if _, err := r.now(t.Context()); !errors.Is(err, refuse) {
			t.Errorf("beyond its end: %v, want %v", err, refuse)
		}
		if most != 1 {
			t.Errorf("%d asked at once, want 1", most)
		}
	})
}
