package handlers

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"

	"headrace/kafkaclient"
	"headrace/schema"
)

// noSchemas is a server without a registry.
func noSchemas(t testing.TB, log *slog.Logger) *schema.Schemas {
	t.Helper()
	schemas, err := schema.New(schema.DefaultConfig(), log, nil)
	if err != nil {
		t.Fatal(err)
	}
	return schemas
}

// rest starts the routes over a fake Kafka, without a registry; both end with the test.
func rest(t testing.TB, change func(*Config), opts ...kfake.Opt) (*httptest.Server, *kfake.Cluster) {
	t.Helper()
	return restOn(t, change, noSchemas(t, slog.New(slog.DiscardHandler)), opts...)
}

// restWith is rest that hands out the handlers.
func restWith(t testing.TB, change func(*Config), made func(*Handlers), opts ...kfake.Opt) (*httptest.Server, *kfake.Cluster) {
	t.Helper()
	return restMade(t, change, made, noSchemas(t, slog.New(slog.DiscardHandler)), opts...)
}

// restOn is rest with schemas.
func restOn(t testing.TB, change func(*Config), schemas *schema.Schemas, opts ...kfake.Opt) (*httptest.Server, *kfake.Cluster) {
	t.Helper()
	return restMade(t, change, func(*Handlers) {}, schemas, opts...)
}

func restMade(t testing.TB, change func(*Config), made func(*Handlers), schemas *schema.Schemas, opts ...kfake.Opt) (*httptest.Server, *kfake.Cluster) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.DefaultNumPartitions(4)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := kafkaclient.DefaultProducerConfig()
	cfg.Brokers = cluster.ListenAddrs()
	cfg.MaxBlock = 200 * time.Millisecond
	log := slog.New(slog.DiscardHandler)
	producer, err := kafkaclient.NewProducer(cfg, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	admin, err := kafkaclient.NewAdmin(cfg.Config, log)
	if err != nil {
		t.Fatal(err)
	}
	hcfg := DefaultConfig()
	if change != nil {
		change(&hcfg)
	}
	router := chi.NewRouter()
	api := New(hcfg, producer, admin, nil, schemas, NewBudget(hcfg.MemoryBudgetBytes), log)
	made(api)
	api.Routes(router)
	srv := httptest.NewServer(router)
	t.Cleanup(func() {
		srv.Close()
		admin.Close()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		_ = producer.Close(ctx)
	})
	return srv, cluster
}
