package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"headrace/kafkaclient"
)

// brokerWait is how the container image waits for Kafka before it starts. Without either variable
// there is no wait: the server starts at once, and is ready when a broker answers.
// Source: the image's launch scripts (cub kafka-ready), contract "Environment variables of the container image".
type brokerWait struct {
	brokers int           // KAFKA_REST_CUB_KAFKA_MIN_BROKERS; 0: not given
	timeout time.Duration // KAFKA_REST_CUB_KAFKA_TIMEOUT; 0: not given
}

// The image's own values.
const (
	defaultWaitBrokers = 1
	defaultWait        = 40 * time.Second
	waitPause          = time.Second // between two questions
)

// until returns nil when enough brokers answer, or says after the timeout how many did. It asks
// with the admin client's login.
func (w brokerWait) until(ctx context.Context, cfg kafkaclient.Config, log *slog.Logger) error {
	if w.brokers == 0 && w.timeout == 0 {
		return nil
	}
	if w.brokers == 0 {
		w.brokers = defaultWaitBrokers
	}
	if w.timeout == 0 {
		w.timeout = defaultWait
	}
	admin, err := kafkaclient.NewAdmin(cfg, log)
	if err != nil {
		return err
	}
	defer admin.Close()
	log.Info("waiting for brokers before the start", "brokers", w.brokers, "timeout", w.timeout)
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	found, last := 0, error(nil)
	for {
		ids, err := admin.Brokers(ctx)
		found = max(found, len(ids))
		if len(ids) >= w.brokers {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for %d brokers (KAFKA_REST_CUB_KAFKA_MIN_BROKERS): %d answered within %v (KAFKA_REST_CUB_KAFKA_TIMEOUT)", w.brokers, found, w.timeout), last)
		case <-time.After(waitPause):
		}
	}
}
