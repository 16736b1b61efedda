// Package server listens, routes and measures: the outer wall of the gateway. It knows neither
// Kafka nor Kinesis and never reads a request body.
package server

import (
	"io"
	"net/netip"
	"time"

	"headrace/handlers"
	"headrace/keystore"
)

// Config says where to listen, and what counts for all listeners together.
type Config struct {
	Listeners       []Listener
	ShutdownTimeout time.Duration // shutdown.graceful.ms
	PortSearch      bool          // a taken port: the next free one (dev)
	MaxConnections  int           // server.connection.limit: accepting pauses at it; 0: any number
	MaxRunning      int           // thread.pool.max, when given: requests that are worked on at once, streams aside; 0: any number
	MaxWaiting      int           // request.queue.capacity: requests beyond MaxRunning that wait; more is a 503
	ReadBytesPerSec int           // network.traffic.rate.limit.bytes.per.sec: read from all connections; 0: any number

	GatewayMax      time.Duration  // gateway.max.duration: 504 after it; 0: never
	GatewayMaxOfAll bool           // for every request, not only for those that Amazon API Gateway has sent
	TrustedProxies  []netip.Prefix // headrace.trusted.proxies: whose forwarded headers are believed

	Access    handlers.AccessList // api.endpoints.allowlist, .blocklist
	RateLimit RateLimit           // rate.limit.*

	RequestLog RequestLog
	Metrics    MetricsConfig
}

// Listener is one door, and the rules for those who come in by it.
type Listener struct {
	Name           string // of listener.protocol.map, in lower case; http or https for one without a name
	Address        string // host:port
	TLS            *TLS   // nil: plain http
	HTTP2          bool   // http2.enabled: HTTP/2 beside HTTP/1.1
	ProxyProtocol  bool   // proxy.protocol.enabled: each connection begins with a PROXY header, version 1 or 2
	MaxConnections int    // connector.connection.limit: accepting pauses at it; 0: any number
	Rules
}

// Rules are what requests of one listener must keep to.
type Rules struct {
	IdleTimeout    time.Duration // idle.timeout.ms
	RequestTimeout time.Duration // request.timeout.ms: 504 after it; 0: never
	MaxHeaderBytes int           // max.request.header.size: 431 over it
	Compression    bool          // compression.enable: gzip of answers to GET and POST
	LegacyURI      bool          // jetty.legacy.uri.compliance: ambiguous paths are taken too
	RejectOptions  bool          // reject.options.request: OPTIONS is a 403
	Headers        []Header      // response.http.headers.config, on every answer
	NoSniff        bool          // nosniff.prevention.enable
	HSTS           bool          // hsts.header.enable: on https only
	Forwarded      bool          // network.forwarded.request.customizer.enable: forwarded headers of anybody are believed
	Auth           *Auth         // authentication.method=BASIC; nil: no login
	CORS           *CORS         // nil: no access.control.* headers
	DoS            *DoS          // nil: no such filter
}

// TLS is the certificate of a listener and what it asks of its clients.
type TLS struct {
	Key          keystore.Key   // ssl.keystore.*
	Trust        keystore.Trust // ssl.truststore.*; zero: the machine's authorities
	Reload       bool           // ssl.keystore.reload
	Watch        string         // ssl.keystore.watch.location: looked at instead of the key store's file
	ClientAuth   string         // NONE, REQUESTED or REQUIRED
	Protocols    []string       // ssl.enabled.protocols; empty: TLSv1.2 and TLSv1.3
	Suites       []string       // ssl.cipher.suites; empty: Go's choice
	CheckSNI     bool           // sni.check.enabled: 421 when SNI is not the Host
	CheckSNIHost bool           // sni.host.check.enabled: 400 when the Host is not in the certificate
}

// Auth is a login by name and password.
type Auth struct {
	Realm     string   // authentication.realm, as the challenge names it
	Users     string   // path of the password file
	Roles     []string // authentication.roles
	SkipPaths []string // authentication.skip.paths: /health, /x/*
}

// CORS says which pages of other origins may call.
type CORS struct {
	Origins     []string // access.control.allow.origin
	Methods     []string // access.control.allow.methods
	Headers     []string // access.control.allow.headers
	Expose      []string // access.control.expose.headers
	SkipOptions bool     // access.control.skip.options: OPTIONS needs no login
}

// DoS bounds how fast a connection, and all of them, may ask: dos.filter.*.
type DoS struct {
	PerConnection int           // max.requests.per.connection.per.sec
	Global        int           // max.requests.per.sec
	Delay         time.Duration // delay.ms: below 0 refuses, 0 throttles, above delays first
	MaxWait       time.Duration // max.wait.ms
	Throttled     int           // throttled.requests
	ThrottleTime  time.Duration // throttle.ms
	MaxRequest    time.Duration // max.requests.ms
	IdleTracker   time.Duration // max.idle.tracker.ms
	InsertHeaders bool          // insert.headers
	Exempt        []netip.Prefix
}

// RateLimit is the general limit of permits: rate.limit.*. The zero value limits nothing.
type RateLimit struct {
	Enabled       bool
	PerSec        int            // permits.per.sec
	Timeout       time.Duration  // timeout.ms
	DefaultCost   int            // default.cost
	Costs         map[string]int // costs, by the endpoint's name
	PerCluster    int            // per.cluster.permits.per.sec
	ClusterExpiry time.Duration  // per.cluster.cache.expiry.ms
}

// RequestLog is one line for each answer.
type RequestLog struct {
	Format string    // headrace.request.log: reference, json or off
	Custom bool      // use.custom.request.logging: two more fields
	To     io.Writer // nil: nowhere
}

// MetricsConfig shapes the metrics that are called as the reference's.
type MetricsConfig struct {
	Prefix     string            // metrics.jmx.prefix
	Samples    int               // metrics.num.samples
	Window     time.Duration     // metrics.sample.window.ms
	MaxLatency time.Duration     // percentile.max.latency.ms
	Tags       map[string]string // metrics.tag.map
	SLO, SLA   time.Duration     // metrics.latency.slo.ms, .sla.ms; 0: not counted
	Threads    int               // thread.pool.max, which thread-pool-usage is a share of
}

// DefaultRules returns the reference's defaults.
func DefaultRules() Rules {
	return Rules{IdleTimeout: 30 * time.Second, MaxHeaderBytes: 8192, Compression: true}
}

// DefaultConfig returns the reference's defaults.
func DefaultConfig() Config {
	return Config{
		Listeners:       []Listener{{Name: "http", Address: "0.0.0.0:8082", HTTP2: true, Rules: DefaultRules()}},
		ShutdownTimeout: 5 * time.Second,
		GatewayMax:      28 * time.Second, // Amazon API Gateway gives up after 29
		RequestLog:      RequestLog{Format: "reference", Custom: true},
		Metrics:         MetricsConfig{Prefix: "kafka.rest", Samples: 2, Window: 30 * time.Second, MaxLatency: 10 * time.Second, Threads: 200},
	}
}
