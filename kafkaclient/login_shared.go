package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"headrace/keystore"
)

// Logins keeps what the clients of one process share when they log in alike: certificates read from files, tokens, and
// AWS credentials. Make one with NewLogins and put it into every Config; a client whose Config has none gets its own.
type Logins struct {
	log     *slog.Logger
	metrics *keystore.Metrics // nil: not counted
	open    func(ctx context.Context, network, address string) (net.Conn, error)

	fault atomic.Pointer[fault] // the last connection that could not be opened, while none could be since

	mu         sync.Mutex
	keys       map[keyFiles]*keystore.Reloader[tlsKeys]
	identities map[IAM]*identity
	tokens     map[string]*tokenSource
}

// fault is why there is no connection.
type fault struct {
	err error
	at  time.Time
}

// faultMemory is how long a connection that could not be opened explains that nobody answers.
const faultMemory = 30 * time.Second

// dialed remembers how opening a connection went.
func (l *Logins) dialed(err error) {
	if err == nil {
		if l.fault.Load() != nil {
			l.fault.Store(nil)
		}
		return
	}
	if !errors.Is(err, context.Canceled) {
		l.fault.Store(&fault{err, time.Now()})
	}
}

// recent is why connections could not be opened a moment ago; nil when they could.
func (l *Logins) recent() error {
	if f := l.fault.Load(); f != nil && time.Since(f.at) < faultMemory {
		return f.err
	}
	return nil
}

// keyFiles are the files of a TLS, which clients with the same ones share.
type keyFiles struct {
	trust keystore.Trust
	key   keystore.Key
}

// NewLogins returns an empty one. reg may be nil.
func NewLogins(log *slog.Logger, reg prometheus.Registerer) *Logins {
	l := &Logins{
		log:  log,
		open: new(net.Dialer).DialContext,
		keys: map[keyFiles]*keystore.Reloader[tlsKeys]{}, identities: map[IAM]*identity{}, tokens: map[string]*tokenSource{},
	}
	if reg != nil {
		l.metrics = keystore.NewMetrics(reg)
	}
	return l
}

// Run looks at the files every few seconds until ctx ends. Without it they are looked at when a connection is opened.
func (l *Logins) Run(ctx context.Context) {
	var running sync.WaitGroup
	l.mu.Lock()
	for _, keys := range l.keys {
		running.Go(func() { keys.Run(ctx) })
	}
	l.mu.Unlock()
	running.Wait()
}

// dialer opens connections as cfg says. The first read of the files happens here: an error names the key.
func (l *Logins) dialer(cfg Config) (*dialer, error) {
	d := &dialer{timeout: cfg.DialTimeout, open: l.open, dialed: l.dialed}
	if cfg.Login.TLS == nil {
		return d, nil
	}
	var err error
	if d.tls, _, err = cfg.Login.TLS.settings(); err != nil {
		return nil, err
	}
	d.keys, err = l.keysOf(*cfg.Login.TLS)
	return d, err
}

// options are franz-go's for one client's login. An error names the key that cannot be used.
func (l *Logins) options(cfg Config) ([]kgo.Opt, error) {
	d, err := l.dialer(cfg)
	if err != nil {
		return nil, err
	}
	opts := []kgo.Opt{kgo.Dialer(d.dial)}
	if cfg.Login.SASL != nil {
		mechanism, err := l.mechanism(*cfg.Login.SASL, cfg.Brokers)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

func (l *Logins) keysOf(t TLS) (*keystore.Reloader[tlsKeys], error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := keyFiles{t.Trust, t.Key}
	if keys := l.keys[name]; keys != nil {
		return keys, nil
	}
	files := append(t.Trust.Files(), t.Key.Files()...)
	count := func(error) {}
	if l.metrics != nil && len(files) > 0 {
		count = l.metrics.Watch("kafka")
	}
	keys, err := keystore.NewReloader(files, t.load, func(err error) {
		count(err)
		if err != nil {
			l.log.Error("changed certificates cannot be loaded, the old ones stay in force", "err", err)
			return
		}
		l.log.Info("changed certificates loaded: new connections to Kafka use them", "files", files)
	})
	if err != nil {
		return nil, err
	}
	l.keys[name] = keys
	return keys, nil
}

// mechanism returns franz-go's for a login. It asks nobody yet.
func (l *Logins) mechanism(s SASL, brokers []string) (sasl.Mechanism, error) {
	switch {
	case s.Mechanism == "PLAIN":
		return plain.Auth{User: s.Username, Pass: s.Password}.AsMechanism(), nil
	case s.Mechanism == "SCRAM-SHA-256":
		return scram.Auth{User: s.Username, Pass: s.Password, IsToken: s.DelegationToken}.AsSha256Mechanism(), nil
	case s.Mechanism == "SCRAM-SHA-512":
		return scram.Auth{User: s.Username, Pass: s.Password, IsToken: s.DelegationToken}.AsSha512Mechanism(), nil
	case s.Mechanism == "AWS_MSK_IAM" && s.IAM != nil:
		return &mskLogin{l.identityOf(*s.IAM)}, nil
	case s.Mechanism == "OAUTHBEARER" && s.IAM != nil:
		return &bearerLogin{mskToken(l.identityOf(*s.IAM))}, nil
	case s.Mechanism == "OAUTHBEARER" && s.OAuth != nil:
		tokens, err := l.tokensOf(*s.OAuth)
		if err != nil {
			return nil, err
		}
		return &bearerLogin{tokens.bearer}, nil
	case s.Mechanism == "OAUTHBEARER" && s.Unsecured != nil:
		return &bearerLogin{s.Unsecured.bearer}, nil
	}
	return nil, fmt.Errorf("sasl.mechanism %q cannot be used with what else is given", s.Mechanism)
}

func (l *Logins) identityOf(i IAM) *identity {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.identities[i] == nil {
		l.identities[i] = newIdentity(i, l.log)
	}
	return l.identities[i]
}

func (l *Logins) tokensOf(o OAuth) (*tokenSource, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := fmt.Sprintf("%q", []any{o.TokenURL, o.ClientID, o.ClientSecret, o.Scope, o.Extensions, o.URLEncode, o.Trust.Path, o.Trust.PEM})
	if l.tokens[name] != nil {
		return l.tokens[name], nil
	}
	tokens, err := newTokenSource(o, l.log)
	if err != nil {
		return nil, err
	}
	l.tokens[name] = tokens
	return tokens, nil
}
