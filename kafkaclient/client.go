package kafkaclient

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kslog"
)

// options turns the settings that every client has into franz-go's. An error names what of the login cannot be used.
func (c Config) options(log *slog.Logger) ([]kgo.Opt, error) {
	login, err := c.shared(log).Logins.options(c)
	if err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.SoftwareNameAndVersion("headrace", "1"), // an empty version is refused
		kgo.DisableClientMetrics(),                  // which would be counted for brokers that nobody asks
		kgo.WithLogger(logger(log)),
		kgo.RequestTimeoutOverhead(c.RequestTimeout),
		kgo.ConnIdleTimeout(c.ConnIdleTimeout),
		kgo.MetadataMaxAge(c.MetadataMaxAge),
		kgo.MetadataMinAge(min(c.MetadataMaxAge, metadataMinAge)),
		kgo.RetryBackoffFn(func(tries int) time.Duration {
			return min(c.RetryBackoff<<min(tries-1, 20), c.RetryBackoffMax)
		}),
	}
	if c.Rack != "" {
		opts = append(opts, kgo.Rack(c.Rack))
	}
	return append(opts, login...), nil
}

// shared is the config with Logins of its own, unless it has some.
func (c Config) shared(log *slog.Logger) Config {
	if c.Logins == nil {
		c.Logins = NewLogins(log, nil)
	}
	return c
}

// metadataMinAge is how long who needs to know more waits for the next look at the cluster: for a
// partition's new leader, say. franz-go's own 5 s come on top of the election: measured, 10.3 s of
// silence after a leader's death where the election took 5.
const metadataMinAge = 250 * time.Millisecond

// quietLogger lets franz-go write to a log. What it calls information is about its own
// workings, every metadata load and heartbeat: that is debug to us.
type quietLogger struct {
	kgo.Logger
	log *slog.Logger
}

func logger(log *slog.Logger) kgo.Logger { return quietLogger{kslog.New(log), log} }

// Level is the least that is worth making words for.
func (q quietLogger) Level() kgo.LogLevel {
	if q.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

// Log writes one message of franz-go.
func (q quietLogger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	if level == kgo.LogLevelInfo {
		q.log.Debug(msg, keyvals...) //nolint:sloglint // franz-go's words
		return
	}
	q.Logger.Log(level, msg, keyvals...)
}
