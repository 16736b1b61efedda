package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"headrace/emulate"
)

// How often emulate tells how far it is: on a terminal, and elsewhere.
const (
	barInterval  = 100 * time.Millisecond
	lineInterval = 5 * time.Second
)

// emulateFlags are the command line of emulate.
type emulateFlags struct {
	emulate.Config
	log    logFlags
	mode   string
	source string
	seed   uint64
	json   bool
}

func newEmulateCommand(p process) *cobra.Command {
	flags := emulateFlags{Config: emulate.DefaultConfig()}
	cmd := &cobra.Command{
		Use:   "emulate --target URL",
		Short: "Post sample events as the users' scripts do, and count what is acknowledged",
		Long: `emulate plays the two posting scripts. A post is three events, rows of pinterest_data, geolocation_data and
user_data with the same number. Each is sent by POST to the topics PREFIX.pin, .geo and .user (--mode batch), by PUT to the
streams streaming-PREFIX-pin, -geo and -user (--mode streaming), or both.

--source is one of
  sample       invented posts with realistic dirt, rows 0 to 10999 in order and then again; the same for a seed everywhere
  FILE         JSON lines, {"pinterest_data":{"index":7,…},"geolocation_data":{"ind":7,…},"user_data":{"ind":7,…}}; read once
  mysql://USER:PASSWORD@HOST:PORT/DATABASE
               the three tables, a random row per post; characters such as @ in the password are written %40

An event counts as acknowledged only when the answer says where it is stored: a status of 200 with an error inside has failed.
After 429 and 503 a request is repeated, up to 5 times and 30 s, as Retry-After says. After a lost connection or a missing
answer it is not, since the event may be stored: it has failed, and is counted as unknown. Ctrl-C finishes the posts under way.

The exit code is 1 when anything was not acknowledged.`,
		Example: `  headrace emulate --target http://127.0.0.1:8082 --count 1000
  headrace emulate --target http://127.0.0.1:8082 --prefix demo --mode batch --rate 10 --count 50 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags.Mode = emulate.Mode(flags.mode)
			return runEmulate(cmd.Context(), p, flags)
		},
	}
	flags.log.add(cmd, "warn")
	set := cmd.Flags()
	set.StringVar(&flags.Target, "target", "", "base URL of the gateway, with its stage if it has one: https://HOST/prod (required)")
	set.StringVar(&flags.Prefix, "prefix", flags.Prefix, "of the topics and streams")
	set.StringVar(&flags.mode, "mode", string(flags.Mode), "batch, streaming or both")
	set.StringVar(&flags.source, "source", "sample", "sample, mysql://… or a JSON-lines FILE")
	set.IntVar(&flags.Count, "count", 0, "posts to send, three events each; 0 goes on until stopped, or to the end of FILE")
	set.Float64Var(&flags.Rate, "rate", 0, "posts a second at most; 0 is as fast as it goes")
	set.IntVar(&flags.Concurrency, "concurrency", flags.Concurrency, "posts under way at a time; with 1 they are sent in order")
	set.Uint64Var(&flags.seed, "seed", 1, "chooses the sample, or the order of the rows of a database")
	set.BoolVar(&flags.json, "json", false, "no progress; one JSON object at the end")
	if err := cmd.MarkFlagRequired("target"); err != nil {
		panic(err) // the flag is three lines above
	}
	return cmd
}

// runEmulate posts until all is sent or ctx ends, and writes the summary to standard output.
func runEmulate(ctx context.Context, p process, flags emulateFlags) error {
	log, err := flags.log.logger(p.stderr, slog.LevelWarn)
	if err != nil {
		return err
	}
	if err := flags.Validate(); err != nil {
		return usageError{err}
	}
	source, err := emulate.OpenSource(ctx, flags.source, flags.seed)
	if err != nil {
		var name *emulate.SourceNameError
		if errors.As(err, &name) {
			return usageError{err}
		}
		return err
	}
	emulator, err := emulate.New(flags.Config, source, nil, log)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	hide := func() {}
	if !flags.json {
		hide = showProgress(p.stderr, emulator, flags.Count)
	}
	summary, err := emulator.Run(ctx)
	hide()
	write := summary.WriteTable
	if flags.json {
		write = func(w io.Writer) error { return json.NewEncoder(w).Encode(summary) }
	}
	return errors.Join(err, write(p.stdout), source.Close())
}

// showProgress tells on w how far a run is, until the function that it returns is called: a bar on a terminal, else a
// plain line now and then.
func showProgress(w io.Writer, e *emulate.Emulator, count int) (hide func()) {
	interval, show, clear := lineInterval, func(s emulate.Summary) {
		total := s.Total()
		_, _ = fmt.Fprintf(w, "%d posts in %s: %d of %d events acknowledged, %d failed\n",
			s.Posts, s.Elapsed.Round(time.Second), total.Acknowledged, total.Sent, total.Failed)
	}, func() {}
	if isTerminal(w) {
		interval, show, clear = progressBar(w, count)
	}
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		defer clear()
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				show(e.Summary())
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		ended.Wait()
	}
}

// progressBar makes a bar of posts; without a count it has no end.
func progressBar(w io.Writer, count int) (interval time.Duration, show func(emulate.Summary), clear func()) {
	length := count
	if count == 0 {
		length = -1
	}
	bar := progressbar.NewOptions(length,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription("posting"),
		progressbar.OptionSetItsString("posts"),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionClearOnFinish(),
	)
	show = func(s emulate.Summary) {
		if failed := s.Total().Failed; failed > 0 {
			bar.Describe(fmt.Sprintf("posting, %d failed", failed))
		}
		_ = bar.Set64(s.Posts) // a bar that cannot be drawn stops nothing
	}
	return barInterval, show, func() { _ = bar.Clear() }
}
