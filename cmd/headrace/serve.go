package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"headrace/kafkaclient"
)

// serveFlags are the command line of serve.
type serveFlags struct {
	log    logFlags
	listen string
	sinks  []string // paths of connector files
	jobs   []string // paths of stream jobs' files
	print  bool
}

func newServeCommand(p process) *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve [FILE.properties]",
		Short: "Answer HTTP requests: the gateway",
		Long: `serve answers HTTP requests until it is told to stop (SIGTERM, Ctrl-C): requests under way are then answered,
a second signal ends it at once.

FILE.properties is a Confluent kafka-rest.properties as it is. Environment variables KAFKA_REST_… win over the
file, flags over both; without FILE only these are read.`,
		Example: `  KAFKA_REST_BOOTSTRAP_SERVERS=127.0.0.1:9092 headrace serve --listen 127.0.0.1:8082
  KAFKA_REST_BOOTSTRAP_SERVERS=127.0.0.1:9092 headrace serve --print-config`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			from := sources{environ: p.environ, flags: map[string]setting{}}
			if len(args) == 1 {
				from.file = args[0]
			}
			if flags.listen != "" {
				from.flags["listeners"] = setting{raw: listenURL(flags.listen), origin: "flag --listen"}
			}
			return serve(cmd.Context(), p, from, flags)
		},
	}
	flags.log.add(cmd, "info")
	cmd.Flags().StringVar(&flags.listen, "listen", "", "where to listen, HOST:PORT or http://HOST:PORT (wins over listeners and port)")
	cmd.Flags().StringArrayVar(&flags.sinks, "sink", nil, "run this S3 sink connector (CONNECTOR.properties) beside it; may be given again")
	cmd.Flags().StringArrayVar(&flags.jobs, "stream", nil, "run this stream job (STREAM.properties) beside it; may be given again")
	cmd.Flags().BoolVar(&flags.print, "print-config", false, "print every setting in force with its origin, secrets hidden, and end")
	return cmd
}

// listenURL makes an entry of listeners of what people write behind --listen.
func listenURL(listen string) string {
	if strings.Contains(listen, "://") {
		return listen
	}
	if strings.HasPrefix(listen, ":") {
		listen = "0.0.0.0" + listen
	}
	return "http://" + listen
}

// serve runs one gateway until ctx ends.
func serve(ctx context.Context, p process, from sources, flags serveFlags) error {
	cfg, err := loadConfig(from)
	if flags.print {
		return printConfig(p, cfg, err, flags.log)
	}
	log, logErr := flags.log.logger(p.stdout, cfg.level)
	if logErr != nil {
		return logErr
	}
	if err != nil {
		cfg.settings.logNotes(log)
		return err
	}
	cfg.settings.log(log)
	if _, err := memlimit.Set(memlimit.WithLogger(log)); err != nil {
		log.Warn("memory limit of this container is not known", "err", err)
	}
	if err := cfg.wait.until(ctx, cfg.admin, log); err != nil {
		return err
	}
	reg := newRegistry()
	cfg.share(kafkaclient.NewLogins(log, reg))
	jobs, closeJobs, err := openSinks(ctx, flags.sinks, cfg, log, reg)
	defer closeJobs()
	if err != nil {
		return err
	}
	for _, path := range flags.jobs {
		streaming, err := openStream(ctx, path, log, reg)
		if err != nil {
			return err
		}
		defer streaming.close()
		jobs = append(jobs, streaming.Run)
	}
	cfg.server.RequestLog.To = p.stdout
	g, err := newGateway(ctx, cfg, log, reg)
	if err != nil {
		return err
	}
	return g.run(ctx, jobs...)
}

// openSinks reads all connector files, so that a wrong one is told before anything starts. The
// function that it returns frees what was opened, also after an error.
func openSinks(ctx context.Context, paths []string, cfg config, log *slog.Logger, reg prometheus.Registerer) (jobs []job, closeAll func(), err error) {
	var closers []func()
	closeAll = func() {
		for _, free := range closers {
			free()
		}
	}
	for _, path := range paths {
		sink, err := openSink(ctx, path, cfg.consumer, log, reg)
		if err != nil {
			return nil, closeAll, err
		}
		closers = append(closers, sink.close)
		jobs = append(jobs, sink.Run)
	}
	return jobs, closeAll, nil
}

// printConfig writes the settings in force to standard output, and what is odd or wrong with them
// to standard error.
func printConfig(p process, cfg config, invalid error, flags logFlags) error {
	log, err := flags.logger(p.stderr, slog.LevelInfo)
	if err != nil {
		return err
	}
	cfg.settings.logNotes(log)
	if err := cfg.settings.print(p.stdout); err != nil {
		return fmt.Errorf("printing the configuration: %w", err)
	}
	return invalid
}
