package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// Listen opens the listeners of the configuration.
func (s *Server) Listen(ctx context.Context) error {
	for _, d := range s.doors {
		if err := d.listen(ctx); err != nil {
			s.closeListeners()
			return fmt.Errorf("listening on %s: %w", d.listener.URL(), err)
		}
	}
	return nil
}

// URL is the listener as the configuration has it, with its protocol for a scheme.
func (l Listener) URL() string {
	if l.TLS != nil {
		return "https://" + l.Address
	}
	return "http://" + l.Address
}

func (d *door) listen(ctx context.Context) error {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", d.listener.Address)
	if errors.Is(err, syscall.EADDRINUSE) && d.server.cfg.PortSearch {
		ln, err = d.nextFree(ctx)
	}
	if err != nil {
		return err
	}
	d.ln = d.wrapped(ln)
	return nil
}

// wrapped adds what the configuration asks of connections.
func (d *door) wrapped(ln net.Listener) net.Listener {
	if d.server.connections != nil {
		ln = &limitedListener{Listener: ln, places: d.server.connections, closed: make(chan struct{})}
	}
	if n := d.listener.MaxConnections; n > 0 {
		ln = &limitedListener{Listener: ln, places: make(chan struct{}, n), closed: make(chan struct{})}
	}
	if d.server.traffic != nil {
		ln = &throttledListener{ln, d.server.traffic}
	}
	if d.listener.ProxyProtocol {
		ln = &proxyListener{ln}
	}
	return ln
}

// nextFree listens on the next port after the listener's that is free.
func (d *door) nextFree(ctx context.Context) (net.Listener, error) {
	host, text, err := net.SplitHostPort(d.listener.Address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	for next := port + 1; next <= port+100; next++ {
		ln, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(next)))
		if err == nil {
			d.server.log.Warn("port is taken, using another", "port", port, "used", next)
			return ln, nil
		}
	}
	return nil, fmt.Errorf("no free port from %d to %d", port, port+100)
}

// Addrs lists the addresses that are listened on, in the order of the configuration.
func (s *Server) Addrs() []string {
	addrs := make([]string, 0, len(s.doors))
	for _, d := range s.doors {
		if d.ln != nil {
			addrs = append(addrs, d.ln.Addr().String())
		}
	}
	return addrs
}

func (s *Server) closeListeners() {
	for _, d := range s.doors {
		if d.ln != nil {
			_ = d.ln.Close()
		}
	}
}

// limitedListener accepts no connection while as many are open as there are places. Several
// listeners may share them.
type limitedListener struct {
	net.Listener
	places chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &limitedConn{Conn: conn, places: l.places}, nil
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	once   sync.Once
	places chan struct{}
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.places })
	return err
}

// throttledListener bounds how fast all connections together are read.
type throttledListener struct {
	net.Listener
	limiter *rate.Limiter
}

func (l *throttledListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &throttledConn{conn, l.limiter}, nil
}

type throttledConn struct {
	net.Conn
	limiter *rate.Limiter
}

// maxPause bounds one pause of a throttled connection.
const maxPause = time.Minute

// Read reads what is there and then waits until that much may have been read. The pause comes
// before the bytes are handed on, so that a client is slowed down and not refused.
func (c *throttledConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b[:min(len(b), c.limiter.Burst())])
	if n > 0 {
		time.Sleep(min(c.limiter.ReserveN(time.Now(), n).Delay(), maxPause))
	}
	return n, err
}
