package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthDeadline bounds one health check: a server that needs longer for /livez is no use to anybody.
const healthDeadline = 2 * time.Second

// newHealthcheckCommand returns the hidden command by which an image without shell or curl asks after its
// own server. getenv is os.Getenv.
func newHealthcheckCommand(getenv func(string) string) *cobra.Command {
	var target string
	cmd := &cobra.Command{
		Use:    "healthcheck",
		Short:  "Ask the server of this host whether it is alive (for HEALTHCHECK in an image)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if target == "" {
				target = livezURL(getenv("KAFKA_REST_LISTENERS"))
			}
			return checkHealth(cmd.Context(), target)
		},
	}
	cmd.Flags().StringVar(&target, "url", "", "what to ask (default: /livez of the first http listener of KAFKA_REST_LISTENERS, else of port 8082)")
	return cmd
}

// livezURL returns the address of /livez for a `listeners` value: its first http listener, on loopback where
// it listens on every address; without one, the default port.
func livezURL(listeners string) string {
	host, port := "127.0.0.1", "8082"
	for listener := range strings.SplitSeq(listeners, ",") {
		u, err := url.Parse(strings.TrimSpace(listener))
		if err != nil || u.Scheme != "http" || u.Port() == "" {
			continue
		}
		port = u.Port()
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "" && (ip == nil || !ip.IsUnspecified()) {
			host = u.Hostname()
		}
		break
	}
	return "http://" + net.JoinHostPort(host, port) + "/livez"
}

// checkHealth returns nil when target answers 200 within healthDeadline.
func checkHealth(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, healthDeadline)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", target, err)
	}
	// A transport of its own: a proxy of the environment has no part in this.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking %s: %w", target, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 200))
		return fmt.Errorf("asking %s: answered %s: %s", target, res.Status, text)
	}
	return nil
}
