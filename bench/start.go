package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// startResult is what starting the gateway took, again and again.
type startResult struct {
	ReadyMillis  []float64 `json:"ready_ms"`       // from exec to the first 200 of /readyz, each start
	IdleResident int64     `json:"idle_rss_bytes"` // of the last start, after idle
}

// measureStart starts the gateway times times, and lets the last one idle.
func measureStart(ctx context.Context, cfg gatewayConfig, times int, idle time.Duration, progress io.Writer) (startResult, error) {
	var res startResult
	for n := range times {
		g, err := startGateway(ctx, cfg)
		if err != nil {
			return res, err
		}
		res.ReadyMillis = append(res.ReadyMillis, micros(g.started)/1000)
		if n == times-1 {
			err = res.rest(ctx, g, idle)
		}
		g.stop()
		if err != nil {
			return res, err
		}
	}
	_, _ = fmt.Fprintf(progress, "start: ready after %.0f ms (median of %d), %.1f MB resident after %s idle\n",
		median(res.ReadyMillis), times, megabytes(res.IdleResident), idle)
	return res, nil
}

func (s *startResult) rest(ctx context.Context, g *gateway, idle time.Duration) error {
	if err := sleepUntil(ctx, time.Now().Add(idle)); err != nil {
		return err
	}
	m, err := memoryOf(g.pid())
	s.IdleResident = m.Resident
	return err
}

// megabytes is n bytes in MB of 1,000,000 bytes.
func megabytes(n int64) float64 { return float64(n) / 1e6 }
