package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"headrace/embedded"
)

// What the hidden subcommands run: each listens on a free loopback port, tells it on standard
// output, and ends with standard input.

// bareServer is E: net/http with nothing behind it. It reads a request's whole body and answers
// one fixed document; PUT /answer sets the document, so that it can be the very bytes that
// the gateway answered.
type bareServer struct {
	answer atomic.Pointer[[]byte]
}

func newBareServer() *bareServer {
	s := &bareServer{}
	document := []byte(`{"offsets":[{"partition":0,"offset":0,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`)
	s.answer.Store(&document)
	return s
}

func (s *bareServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut && r.URL.Path == "/answer" {
		document, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswerBytes))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.answer.Store(&document)
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	document := *s.answer.Load()
	w.Header().Set("Content-Type", "application/vnd.kafka.v2+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write(document)
}

// runHTTP serves h on a free loopback port until the parent is done.
func runHTTP(ctx context.Context, stdin io.Reader, stdout io.Writer, h http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening on a free port of 127.0.0.1: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	if err := announce(ctx, stdin, stdout, listener.Addr().String()); err != nil {
		return err
	}
	_ = server.Close()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// runKinesis serves the embedded Kinesis.
func runKinesis(ctx context.Context, stdin io.Reader, stdout io.Writer, log *slog.Logger) error {
	k := embedded.NewKinesis(embedded.DefaultKinesisConfig(), log)
	err := runHTTP(ctx, stdin, stdout, k)
	if closeErr := k.Close(); err == nil {
		err = closeErr
	}
	return err
}

// runKafka is the broker when no real one is given: kfake, which acknowledges but does not keep the
// values, so that a long run does not fill the memory.
func runKafka(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BlackholeProduce())
	if err != nil {
		return fmt.Errorf("starting kfake: %w", err)
	}
	defer cluster.Close()
	return announce(ctx, stdin, stdout, cluster.ListenAddrs()[0])
}
