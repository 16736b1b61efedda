package server

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Internal codes of the request log: which limiter has refused.
// Source: contract, configuration.md §8.
const (
	codePermits        = 429005
	codeClusterPermits = 429006
	codeDoSGlobal      = 429007
	codeDoSConnection  = 429008
)

// maxClusters bounds the limits that are kept by cluster: a client may invent ids.
const maxClusters = 1024

// limits is the general limit of permits.
type limits struct {
	cfg    RateLimit
	global *rate.Limiter

	mu       sync.Mutex
	clusters map[string]*clusterLimit
}

type clusterLimit struct {
	limiter *rate.Limiter
	used    time.Time
}

// newLimits returns nil when nothing is limited.
func newLimits(cfg RateLimit) *limits {
	if !cfg.Enabled {
		return nil
	}
	return &limits{cfg: cfg, global: perSecond(cfg.PerSec), clusters: map[string]*clusterLimit{}}
}

// perSecond lets n through in each second, and as many at once.
func perSecond(n int) *rate.Limiter { return rate.NewLimiter(rate.Limit(n), max(n, 1)) }

// unlimited are the endpoints that have limits of their own. Source: contract, kafka-rest-v3.md §3.5.
var unlimited = map[string]bool{streamEndpoint: true, "api.v3.batch-produce.produce-to-topic": true}

// admit takes the endpoint's permits, waiting for them at most as long as configured. It returns 0,
// or the code of the limiter that refuses: that of the cluster, which is asked first, or the global one.
func (l *limits) admit(ctx context.Context, endpoint, cluster string) int {
	cost, given := l.cfg.Costs[endpoint]
	if !given {
		cost = l.cfg.DefaultCost
	}
	if cost <= 0 || unlimited[endpoint] {
		return 0
	}
	if cluster != "" && !l.take(ctx, l.of(cluster, time.Now()), cost) {
		return codeClusterPermits
	}
	if !l.take(ctx, l.global, cost) {
		return codePermits
	}
	return 0
}

// take waits for permits. More than a second's worth can never come together: that many are then enough.
func (l *limits) take(ctx context.Context, limiter *rate.Limiter, cost int) bool {
	reservation := limiter.ReserveN(time.Now(), min(cost, limiter.Burst()))
	wait := reservation.Delay()
	if wait > l.cfg.Timeout {
		reservation.Cancel()
		return false
	}
	return sleep(ctx, wait) == nil
}

// of is the limit of one cluster.
func (l *limits) of(cluster string, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.clusters[cluster]
	if !ok {
		l.forget(now)
		found = &clusterLimit{limiter: perSecond(l.cfg.PerCluster)}
		l.clusters[cluster] = found
	}
	found.used = now
	return found.limiter
}

// forget drops the limits that were not used for long, and any when there are too many.
func (l *limits) forget(now time.Time) {
	for id, c := range l.clusters {
		if now.Sub(c.used) > l.cfg.ClusterExpiry || len(l.clusters) >= maxClusters {
			delete(l.clusters, id)
		}
	}
}

// sleep waits, or returns why ctx has ended first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
