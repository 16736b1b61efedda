package kafkaclient

import (
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kslog"
)

// options turns the settings that every client has into franz-go's.
func (c Config) options() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.SoftwareNameAndVersion("headrace", "1"), // an empty version is refused
		kgo.DisableClientMetrics(),                  // which would be counted for brokers that nobody asks
		kgo.DialTimeout(c.DialTimeout),
		kgo.RequestTimeoutOverhead(c.RequestTimeout),
		kgo.ConnIdleTimeout(c.ConnIdleTimeout),
		kgo.MetadataMaxAge(c.MetadataMaxAge),
		kgo.RetryBackoffFn(func(tries int) time.Duration {
			return min(c.RetryBackoff<<min(tries-1, 20), c.RetryBackoffMax)
		}),
	}
	if c.Rack != "" {
		opts = append(opts, kgo.Rack(c.Rack))
	}
	return opts
}

// logger lets franz-go write to log.
func logger(log *slog.Logger) kgo.Logger { return kslog.New(log) }
