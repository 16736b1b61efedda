package handlers

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Receipts of records that a limit keeps out. Texts: contract, kafka-rest-v3.md §3.3.
var (
	errTooLong = badRequest("Bad Request: Error processing message: Produce request size is larger than allowed threshold")
	errTooOld  = &apiError{http.StatusRequestTimeout, http.StatusRequestTimeout, "Streaming connection open for longer than allowed: Connection will be closed."}
	errRate    = &apiError{http.StatusTooManyRequests, http.StatusTooManyRequests, "Request rate limit exceeded: The rate limit of requests per second has been exceeded."}
)

// RecordRates limits the records of v3 produce requests (api.v3.produce.rate.limit.*). The zero
// value limits nothing.
type RecordRates struct {
	On             bool
	Requests       int           // records a second of one cluster id
	RequestsGlobal int           // records a second of all
	Bytes          int           // bytes of JSON text a second of one cluster id
	BytesGlobal    int           // bytes of JSON text a second of all
	Expiry         time.Duration // a cluster id that was not seen for so long is forgotten
	Wait           time.Duration // rate.limit.timeout.ms: a record is held back so long at most
}

// maxClusters is how many cluster ids are limited apart: clients invent them.
const maxClusters = 1024

// rateError is errRate with the code by which the request log tells the limiters apart.
type rateError struct{ noted int }

func (e *rateError) Error() string { return errRate.Error() }
func (e *rateError) Unwrap() error { return errRate }

// notedCode is the code of a receipt as the request log shows it.
func notedCode(err error, code int) int {
	var limited *rateError
	if err != nil && errors.As(err, &limited) {
		return limited.noted
	}
	return code
}

// recordLimits holds records to their limits.
type recordLimits struct {
	maxText int64
	rates   RecordRates

	requests, bytes *rate.Limiter // of all

	mu       sync.Mutex
	clusters map[string]*clusterRates
}

// clusterRates are the limiters of one cluster id.
type clusterRates struct {
	requests, bytes *rate.Limiter
	used            time.Time
}

func newRecordLimits(cfg Config) *recordLimits {
	l := &recordLimits{maxText: cfg.MaxRequestBytes, rates: cfg.RecordRates, clusters: map[string]*clusterRates{}}
	if cfg.RecordTextLimit > 0 {
		l.maxText = min(l.maxText, cfg.RecordTextLimit)
	}
	l.requests, l.bytes = perSecond(cfg.RecordRates.RequestsGlobal), perSecond(cfg.RecordRates.BytesGlobal)
	return l
}

func perSecond(n int) *rate.Limiter { return rate.NewLimiter(rate.Limit(n), n) }

// tooLong reports whether the text of one record may not be that long.
func (l *recordLimits) tooLong(bytes int) bool { return int64(bytes) > l.maxText }

// allow takes a record of so many bytes, or says that it is one too many. It may wait a little.
func (l *recordLimits) allow(ctx context.Context, cluster string, bytes int) error {
	if !l.rates.On {
		return nil
	}
	now := time.Now()
	own := l.of(cluster, now)
	// Order and codes: contract, kafka-rest-v3.md §3.5 and configuration.md §8.
	var wait time.Duration
	for _, one := range []struct {
		limiter *rate.Limiter
		n       int
		code    int
	}{{l.requests, 1, 429001}, {l.bytes, bytes, 429003}, {own.requests, 1, 429002}, {own.bytes, bytes, 429004}} {
		// A record of more than a second's bytes empties the bucket.
		taken := one.limiter.ReserveN(now, min(one.n, one.limiter.Burst()))
		delay := taken.DelayFrom(now)
		if !taken.OK() || delay > l.rates.Wait {
			taken.CancelAt(now)
			return &rateError{one.code}
		}
		wait = max(wait, delay)
	}
	if wait == 0 {
		return nil
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// of returns the limiters of a cluster id.
func (l *recordLimits) of(cluster string, now time.Time) *clusterRates {
	l.mu.Lock()
	defer l.mu.Unlock()
	own, ok := l.clusters[cluster]
	if !ok {
		l.forget(now)
		own = &clusterRates{requests: perSecond(l.rates.Requests), bytes: perSecond(l.rates.Bytes)}
		l.clusters[cluster] = own
	}
	own.used = now
	return own
}

// forget drops cluster ids that were not seen for long and, of too many, the oldest.
func (l *recordLimits) forget(now time.Time) {
	if len(l.clusters) < maxClusters {
		return
	}
	oldest, at := "", now
	for id, c := range l.clusters {
		if now.Sub(c.used) > l.rates.Expiry {
			delete(l.clusters, id)
		} else if c.used.Before(at) {
			oldest, at = id, c.used
		}
	}
	if len(l.clusters) >= maxClusters {
		delete(l.clusters, oldest)
	}
}
