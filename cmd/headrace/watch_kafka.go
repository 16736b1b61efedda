package main

import (
	"context"
	"fmt"
	"time"

	"headrace/kafkaclient"
)

const (
	// askKafka bounds one question whether Kafka can be used: longer than a broker's address may take to be dialled.
	askKafka = 12 * time.Second
	// askAgain is how long Kafka is left alone until it is asked again.
	askAgain = 10 * time.Second
)

// watchKafka says in the log, once at start, whether Kafka can be used, and with what login; while it cannot, why, in one
// sentence, and again when the reason changes. The gateway does not wait for it.
func (g *gateway) watchKafka(ctx context.Context) {
	var last kafkaclient.Kind
	for {
		f, ok := g.askKafka(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case ok:
			g.log.Info("Kafka answers", "login", g.login)
			return
		case f.Kind != last:
			g.log.Error("Kafka cannot be used", "login", g.login, "cause", f.Cause, "next", f.Next)
			last = f.Kind
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return
		}
	}
}

func (g *gateway) askKafka(ctx context.Context) (f kafkaclient.Finding, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, askKafka)
	defer cancel()
	err := g.admin.Ping(ctx)
	return g.admin.Diagnose(ctx, err), err == nil
}

// kafkaReady says what keeps Kafka from being used now.
func (g *gateway) kafkaReady(ctx context.Context) error {
	err := g.admin.Ping(ctx)
	if err == nil {
		return nil
	}
	f := g.admin.Diagnose(ctx, err)
	if f.Kind == kafkaclient.KindUnknown {
		return err
	}
	return fmt.Errorf("kafka cannot be used: %s", f)
}
