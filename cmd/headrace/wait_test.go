package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestWaitForBrokers: with the image's variables serve starts when enough brokers answer, else ends with exit code 1.
func TestWaitForBrokers(t *testing.T) {
	cluster := newKafka(t)
	cfg := mustLoad(t, "bootstrap.servers="+cluster.ListenAddrs()[0], "KAFKA_REST_CUB_KAFKA_MIN_BROKERS=1")
	if err := cfg.wait.until(t.Context(), cfg.admin, slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("one broker of one: %v", err)
	}
	if err := (brokerWait{}).until(t.Context(), cfg.admin, slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("no variable given: %v", err)
	}

	var stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code := run(ctx, []string{"serve"}, process{t.Output(), &stderr, []string{
		"KAFKA_REST_BOOTSTRAP_SERVERS=" + cluster.ListenAddrs()[0], "KAFKA_REST_CUB_KAFKA_MIN_BROKERS=2", "KAFKA_REST_CUB_KAFKA_TIMEOUT=1",
	}})
	const want = "waiting for 2 brokers (KAFKA_REST_CUB_KAFKA_MIN_BROKERS): 1 answered within 1s (KAFKA_REST_CUB_KAFKA_TIMEOUT)"
	if code != exitFailed || !strings.Contains(stderr.String(), want) {
		t.Errorf("exit code %d, %s; want 1, %s", code, stderr.String(), want)
	}
}

// TestPortVariable: the image stops at it with exit code 1, whatever else is wrong.
func TestPortVariable(t *testing.T) {
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"serve"}, process{t.Output(), &stderr, []string{"KAFKA_REST_PORT=80"}})
	if code != exitFailed || !strings.Contains(stderr.String(), "PORT is deprecated. Please use KAFKA_REST_LISTENERS instead.") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}

// TestJavaTrustStore: the JVM's trust store is that of a client that names none.
func TestJavaTrustStore(t *testing.T) {
	const opts = "KAFKAREST_OPTS=-Djavax.net.ssl.trustStore=/jvm.jks -Djavax.net.ssl.trustStorePassword=TOPSECRET"
	for _, tt := range []struct{ text, want string }{{"", "/jvm.jks"}, {"client.ssl.truststore.location=/own.jks", "/own.jks"}} {
		s := newSettings()
		s.set("bootstrap.servers", setting{raw: "b:1"})
		if key, value, ok := strings.Cut(tt.text, "="); ok {
			s.set(key, setting{raw: value})
		}
		s.readEnviron([]string{opts})
		s.takeJavaTrust()
		if got := s.given["client.ssl.truststore.location"].raw; got != tt.want {
			t.Errorf("%q: truststore %q, want %q", tt.text, got, tt.want)
		}
	}
}
