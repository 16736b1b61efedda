package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// pprofSource is a file that profiled builds of the gateway get and no other has.
//
//go:embed pprof.go.txt
var pprofSource []byte

// What the gateway needs to call the embedded Kinesis, which checks no signature.
const (
	kinesisRegion = "us-east-1"
	kinesisKey    = "bench"
	kinesisSecret = "bench"
)

// gatewayConfig says which gateway to run, and how.
type gatewayConfig struct {
	binary    string   // the program
	dir       string   // for its properties and its log
	bootstrap []string // Kafka
	kinesis   string   // endpoint
	extra     []string // more properties, key=value
	env       []string // more environment, NAME=value
	pprof     string   // host:port of its profiles; empty: none
}

// gateway is a running `headrace serve`, with all its defaults on: metrics, limits, idempotence,
// acks=all.
type gateway struct {
	cmd     *exec.Cmd
	base    *url.URL
	log     string        // file of its output
	exited  chan struct{} // closed when it has ended
	exit    error         // why, once exited is closed
	started time.Duration // from exec to the first 200 of /readyz
}

// buildGateway builds ./cmd/headrace of the module in the working directory to dir, as releases are
// built; with profiles, when asked, through a file that exists in this build only.
func buildGateway(ctx context.Context, dir string, profiled bool) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", fmt.Errorf("building the gateway: %w", err)
	}
	binary := filepath.Join(dir, "headrace")
	args := []string{"build", "-trimpath", "-ldflags=-s -w", "-o", binary}
	if profiled {
		overlay, err := writeOverlay(dir, filepath.Join(root, "cmd", "headrace", "bench_pprof.go"))
		if err != nil {
			return "", fmt.Errorf("building the gateway: %w", err)
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/headrace")...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the gateway: %w\n%s", err, out)
	}
	return binary, nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "headrace").Output()
	if err != nil {
		return "", fmt.Errorf("finding the module headrace from the working directory (run this in its checkout, or give --gateway-bin): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// writeOverlay writes the file of go build's -overlay that puts pprofSource at place.
func writeOverlay(dir, place string) (string, error) {
	source := filepath.Join(dir, "pprof.go")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {place: source}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, errors.Join(os.WriteFile(source, pprofSource, 0o600), os.WriteFile(file, overlay, 0o600))
}

// properties is the gateway's configuration file: where things are, and nothing else.
func (c gatewayConfig) properties(listen string) []byte {
	lines := []string{
		"listeners=http://" + listen,
		"bootstrap.servers=" + strings.Join(c.bootstrap, ","),
		"kinesis.endpoint=" + c.kinesis,
		"kinesis.region=" + kinesisRegion,
	}
	return []byte(strings.Join(append(lines, c.extra...), "\n") + "\n")
}

// startGateway starts the gateway on a free loopback port and waits until it is ready.
func startGateway(ctx context.Context, cfg gatewayConfig) (*gateway, error) {
	listen, err := freeAddress(ctx)
	if err != nil {
		return nil, fmt.Errorf("starting the gateway: %w", err)
	}
	file := filepath.Join(cfg.dir, "gateway.properties")
	if err := os.WriteFile(file, cfg.properties(listen), 0o600); err != nil {
		return nil, fmt.Errorf("starting the gateway: %w", err)
	}
	g := &gateway{
		base:   &url.URL{Scheme: "http", Host: listen},
		log:    filepath.Join(cfg.dir, "gateway.log"),
		exited: make(chan struct{}),
	}
	log, err := os.Create(g.log)
	if err != nil {
		return nil, fmt.Errorf("starting the gateway: %w", err)
	}
	defer log.Close()                               // the gateway has its own handle
	g.cmd = exec.Command(cfg.binary, "serve", file) //nolint:noctx // stop ends it
	g.cmd.Stdout, g.cmd.Stderr = log, log
	g.cmd.Env = append(gatewayEnv(os.Environ()), cfg.env...)
	if cfg.pprof != "" {
		g.cmd.Env = append(g.cmd.Env, "BENCH_PPROF="+cfg.pprof)
	}
	// The kernel ends it with this process, however that ends.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}

	begun := time.Now()
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the gateway: %w", err)
	}
	go func() { // ends with the gateway
		g.exit = g.cmd.Wait()
		close(g.exited)
	}()
	if err := g.waitReady(ctx); err != nil {
		err = g.blame(fmt.Errorf("starting the gateway: %w", err))
		g.stop()
		return nil, err
	}
	g.started = time.Since(begun)
	return g, nil
}

// gatewayEnv is env without what would change the gateway's configuration, and with AWS keys.
func gatewayEnv(env []string) []string {
	kept := slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		return strings.HasPrefix(entry, "KAFKA_REST_") || strings.HasPrefix(entry, "AWS_") || strings.HasPrefix(entry, "GOMEMLIMIT=")
	})
	return append(kept, "AWS_ACCESS_KEY_ID="+kinesisKey, "AWS_SECRET_ACCESS_KEY="+kinesisSecret, "AWS_EC2_METADATA_DISABLED=true")
}

// waitReady asks /readyz each 2 ms until it answers 200.
func (g *gateway) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	status := "no answer"
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base.String()+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			status = resp.Status
		}
		select {
		case <-ticker.C:
		case <-g.exited:
			return fmt.Errorf("it ended before it was ready: %w", errors.Join(g.exit, errors.New("see its log")))
		case <-ctx.Done():
			return fmt.Errorf("waiting for /readyz, last %s: %w", status, ctx.Err())
		}
	}
}

func (g *gateway) pid() int { return g.cmd.Process.Pid }

// stop ends the gateway as an operator does, with SIGTERM, and waits; after 15 s it kills it.
func (g *gateway) stop() {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(15*time.Second, func() { _ = g.cmd.Process.Kill() })
	defer kill.Stop()
	<-g.exited
}

// blame is err with what the gateway logged last.
func (g *gateway) blame(err error) error {
	text, readErr := os.ReadFile(g.log)
	if readErr != nil || len(bytes.TrimSpace(text)) == 0 {
		return err
	}
	return fmt.Errorf("%w; the gateway's last words:\n%s", err, bytes.TrimSpace(text[max(0, len(text)-2000):]))
}

// freeAddress returns a loopback address that was free a moment ago.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	address := listener.Addr().String()
	return address, listener.Close()
}
