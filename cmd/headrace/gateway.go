package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"headrace/handlers"
	"headrace/kafkaclient"
	"headrace/kinesisclient"
	"headrace/peers"
	"headrace/schema"
	"headrace/server"
)

// job is work beside the gateway, such as a sink. It ends when its context does.
type job func(ctx context.Context) error

// gateway is the HTTP server and the clients behind it. Make it with newGateway.
type gateway struct {
	log       *slog.Logger
	server    *server.Server
	producer  *kafkaclient.Producer
	admin     *kafkaclient.Admin
	instances *kafkaclient.Instances // nil: no v2
	peers     *peers.Peers           // nil: the only replica
	kinesis   *kinesisclient.Client  // nil: no such routes
	schemas   *schema.Schemas
	drain     time.Duration       // longest wait for buffered records at the end
	logins    *kafkaclient.Logins // of all clients
	login     string              // for the log: "SASL_SSL AWS_MSK_IAM"
}

// newRegistry holds the metrics of one process.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// newGateway wires the rooms. It opens no connection: Kafka and Kinesis may come up later.
func newGateway(ctx context.Context, cfg config, log *slog.Logger, reg *prometheus.Registry) (*gateway, error) {
	if cfg.producer.Logins == nil {
		cfg.share(kafkaclient.NewLogins(log, reg))
	}
	g := &gateway{log: log, drain: cfg.server.ShutdownTimeout, logins: cfg.producer.Logins, login: cfg.admin.Login.String()}
	var err error
	if g.producer, err = kafkaclient.NewProducer(cfg.producer, log, reg); err != nil {
		return nil, err
	}
	if g.admin, err = kafkaclient.NewAdmin(cfg.admin, log); err != nil {
		return nil, errors.Join(err, g.close(ctx))
	}
	budget := handlers.NewBudget(cfg.handlers.MemoryBudgetBytes)
	var streams *handlers.Streams
	if cfg.handlers.Kinesis {
		if g.kinesis, err = kinesisclient.New(ctx, cfg.kinesis, log, reg); err != nil {
			return nil, errors.Join(err, g.close(ctx))
		}
		streams = handlers.NewStreams(g.kinesis, cfg.handlers, budget, log)
	}
	if g.schemas, err = schema.New(cfg.schema, log, reg); err != nil {
		return nil, errors.Join(err, g.close(ctx))
	}
	api := handlers.New(cfg.handlers, g.producer, g.admin, streams, g.schemas, budget, log)
	if cfg.handlers.V2 {
		if g.instances, err = kafkaclient.NewInstances(cfg.instances, log, reg); err != nil {
			return nil, errors.Join(err, g.close(ctx))
		}
		if g.schemas.On() {
			cfg.consumers.DecodeSchema = func(ctx context.Context, data []byte) ([]byte, error) {
				text, _, err := g.schemas.Decode(ctx, data)
				return text, err
			}
		}
		consumers := handlers.NewConsumers(cfg.consumers, g.instances, budget, cfg.handlers.MaxRequestBytes, log)
		if len(cfg.peers.Peers) > 0 {
			if g.peers, err = peers.New(ctx, cfg.peers, log); err != nil {
				return nil, errors.Join(err, g.close(ctx))
			}
			consumers.WithPeers(g.peers)
		}
		api.WithConsumers(consumers)
	}
	b := thisBuild()
	version := server.Version{Version: b.version, Commit: b.revision, GoVersion: b.goVersion}
	if g.server, err = server.New(cfg.server, api, version, g.ready, log, reg); err != nil {
		return nil, errors.Join(err, g.close(ctx))
	}
	return g, nil
}

// ready says what keeps requests from succeeding.
func (g *gateway) ready(ctx context.Context) error {
	err := g.kafkaReady(ctx)
	if g.kinesis != nil {
		err = errors.Join(err, g.kinesis.Ready(ctx))
	}
	return err
}

// run listens, and answers requests until ctx ends. Then it takes no more requests, answers those
// under way, ends the jobs, writes what the producer holds, and closes all. A job that fails does
// not take the gateway along, as a failed task leaves a Connect worker at work: its error is
// logged at once, and returned at the end.
func (g *gateway) run(ctx context.Context, jobs ...job) error {
	if err := g.server.Listen(ctx); err != nil {
		return errors.Join(err, g.close(ctx))
	}
	var failed failures
	group, serving := errgroup.WithContext(ctx)
	working, endJobs := context.WithCancel(context.WithoutCancel(ctx)) // jobs outlive the last request
	defer endJobs()
	group.Go(func() error {
		defer endJobs()
		return g.server.Serve(serving)
	})
	group.Go(func() error {
		g.logins.Run(serving)
		return nil
	})
	group.Go(func() error {
		g.watchKafka(serving)
		return nil
	})
	for _, work := range jobs {
		group.Go(func() error {
			err := work(working)
			if err != nil {
				g.log.Error("a job beside the gateway has failed and will not go on by itself; requests are still answered", "err", err)
				failed.add(err)
			}
			return nil
		})
	}
	g.log.Info("Server started, listening for requests...", "addresses", g.server.Addrs())
	group.Go(func() error {
		superviseBySystemd(serving, g.log, func(ctx context.Context) bool { return answers(ctx, g.server.Handler()) })
		return nil
	})
	err := errors.Join(group.Wait(), failed.join(), g.close(ctx))
	if err == nil {
		g.log.Info("server stopped")
	}
	return err
}

// failures are errors of several goroutines.
type failures struct {
	mu   sync.Mutex
	errs []error
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *failures) join() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.errs...)
}

// close flushes the producer and closes the clients, on a clock of its own: ctx may be over.
func (g *gateway) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(g.drain, time.Second))
	defer cancel()
	var err error
	if g.peers != nil {
		g.peers.Close()
	}
	if g.instances != nil {
		err = g.instances.Close(ctx)
	}
	err = errors.Join(err, g.producer.Close(ctx))
	if g.admin != nil {
		g.admin.Close()
	}
	if g.kinesis != nil {
		g.kinesis.Close()
	}
	if g.schemas != nil {
		g.schemas.Close()
	}
	if err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	return nil
}
