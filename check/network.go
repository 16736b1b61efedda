package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"headrace/kafkaclient"
)

// each asks all addresses at once and returns the errors of those that failed, in their order.
func each(addresses []string, ask func(address string) error) (good []string, bad []error) {
	errs := make([]error, len(addresses))
	var all sync.WaitGroup
	for i, address := range addresses {
		all.Go(func() { errs[i] = ask(address) })
	}
	all.Wait()
	for i, err := range errs {
		if err == nil {
			good = append(good, addresses[i])
		} else {
			bad = append(bad, err)
		}
	}
	return good, bad
}

// judge makes findings of what was asked of several brokers: one that works is enough to begin
// with, so the others are a warning then.
func judge(good []string, bad []error, explain func(error) (cause, next string), fine string) []Result {
	if len(bad) == 0 {
		return ok("%s", fine)
	}
	cause, next := explain(bad[0])
	if len(bad) > 1 {
		cause += fmt.Sprintf(" (and %d more of %d brokers)", len(bad)-1, len(good)+len(bad))
	}
	if len(good) > 0 {
		return []Result{warning(next, "%s", cause)}
	}
	return failed(next, "%s", cause)
}

func hosts(addresses []string) []string {
	var hosts []string
	for _, address := range addresses {
		host, _, err := net.SplitHostPort(address)
		if err == nil && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func (d *doctor) dns(ctx context.Context) []Result {
	names := hosts(d.cfg.Kafka.Brokers)
	if len(names) == 0 {
		return []Result{{Status: Skipped, Cause: "no broker is named", blocks: true}}
	}
	var mu sync.Mutex
	found := map[string]string{}
	good, bad := each(names, func(host string) error {
		addresses, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			return &kafkaclient.ConnectError{Address: net.JoinHostPort(host, "0"), Stage: kafkaclient.StageDial, Err: err}
		}
		mu.Lock()
		defer mu.Unlock()
		found[host] = addresses[0]
		return nil
	})
	var lines []string
	for _, host := range good {
		lines = append(lines, host+" is "+found[host])
	}
	for _, broker := range d.cfg.Kafka.Brokers {
		if host, _, err := net.SplitHostPort(broker); err == nil && found[host] != "" {
			d.open = append(d.open, broker)
		}
	}
	return judge(good, bad, d.explain(ctx), list(lines))
}

func (d *doctor) tcp(ctx context.Context) []Result {
	good, bad := each(d.open, func(address string) error { return dial(ctx, address) })
	d.open = good
	return judge(good, bad, d.explain(ctx), "open: "+list(good))
}

// dial opens a port and closes it again.
func dial(ctx context.Context, address string) error {
	began := time.Now()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return &kafkaclient.ConnectError{Address: address, Stage: kafkaclient.StageDial, Waited: time.Since(began), Err: err}
	}
	return conn.Close()
}

// agree makes a TLS connection with every broker whose port is open.
func (d *doctor) agree(ctx context.Context) []Result {
	if d.cfg.Kafka.Login.TLS == nil {
		return skipped("the file asks for no TLS (security.protocol is %s)", d.cfg.Kafka.Login.Protocol())
	}
	good, bad := each(d.open, func(address string) error {
		conn, err := d.cfg.Kafka.Dial(ctx, address, d.log)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	d.open = good
	return judge(good, bad, d.explain(ctx), "agreed with "+list(good))
}

// versions asks what needs no login, so that a port that is no Kafka is not taken for a wrong login.
func (d *doctor) versions(ctx context.Context) []Result {
	var calls atomic.Int64 // those of one broker: they differ only during an upgrade
	good, bad := each(d.open, func(address string) error {
		conn, err := d.cfg.Kafka.Dial(ctx, address, d.log)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		n, err := kafkaclient.AskVersions(ctx, conn, d.cfg.Kafka.ClientID)
		var remote *net.OpError
		switch {
		case errors.As(err, &remote) && remote.Op == "remote error": // with TLS 1.3 the broker's word on our certificate comes only now
			return &kafkaclient.ConnectError{Address: address, Stage: kafkaclient.StageTLS, Err: err}
		case err != nil:
			return &versionsError{address, err}
		}
		calls.Store(int64(n))
		return nil
	})
	d.open = good
	return judge(good, bad, func(err error) (string, string) { return d.versionsCause(ctx, err) },
		fmt.Sprintf("%d of %d brokers answer, with %d calls", len(good), len(good)+len(bad), calls.Load()))
}

// versionsError is a port that is open and does not answer as a broker does.
type versionsError struct {
	address string
	err     error
}

func (e *versionsError) Error() string { return e.address + ": " + e.err.Error() }

func (e *versionsError) Unwrap() error { return e.err }

func (d *doctor) versionsCause(ctx context.Context, err error) (cause, next string) {
	var asked *versionsError
	var connect *kafkaclient.ConnectError
	var timeout net.Error
	switch {
	case !errors.As(err, &asked), errors.As(err, &connect): // a port that speaks TLS to a client that does not is one
		return d.explain(ctx)(err)
	case errors.Is(err, kafkaclient.ErrNoKafka):
		return "what answers on " + asked.address + " is no Kafka broker", "bootstrap.servers with the brokers' own port"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return asked.address + " closes the connection at the first question: it is no broker, or wants TLS where client.security.protocol=" + d.cfg.Kafka.Login.Protocol() + " has none",
			"openssl s_client -connect " + asked.address
	case errors.As(err, &timeout) && timeout.Timeout():
		return asked.address + " takes the connection and does not answer: it is no broker, or overloaded", "nc -v " + strings.Replace(asked.address, ":", " ", 1)
	}
	return err.Error(), ""
}
