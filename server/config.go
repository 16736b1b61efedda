// Package server listens, routes and measures: the outer wall of the gateway. It knows neither
// Kafka nor Kinesis and never reads a request body.
package server

import "time"

// Config says where to listen and what a connection may cost.
type Config struct {
	Listeners       []string      // listeners: http://host:port
	IdleTimeout     time.Duration // idle.timeout.ms
	ShutdownTimeout time.Duration // shutdown.graceful.ms
	MaxHeaderBytes  int           // max.request.header.size: 431 over it
	Compression     bool          // compression.enable: gzip of answers to GET and POST
	PortSearch      bool          // a taken port: the next free one (dev)
}

// DefaultConfig returns the reference's defaults.
func DefaultConfig() Config {
	return Config{
		Listeners:       []string{"http://0.0.0.0:8082"},
		IdleTimeout:     30 * time.Second,
		ShutdownTimeout: 5 * time.Second,
		MaxHeaderBytes:  8192,
		Compression:     true,
	}
}
