// Package peers lets replicas of the gateway pass requests on to the one that can answer them. It
// contacts only the peers that it was configured with, and signs what it passes on.
// It refuses to know what the requests are about.
package peers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says who the replicas are. Start from DefaultConfig.
type Config struct {
	Peers  []string // headrace.peers: http://host:port of each replica, or one dns://name:port for all that the name resolves to
	Self   string   // headrace.peers.self: this replica's entry; empty: the one with an address of this host and a port of Ports
	Ports  []string // that this replica listens on
	Secret string   // headrace.peers.secret: the same for all replicas
	Probe  time.Duration
}

// DefaultConfig returns a config without replicas.
func DefaultConfig() Config { return Config{Probe: time.Second} }

// Validate names what cannot work.
func (c Config) Validate() error {
	var faults []error
	for _, peer := range c.Peers {
		u, err := url.Parse(peer)
		if err != nil || u.Host == "" || u.Port() == "" || u.Path != "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "dns" {
			faults = append(faults, fmt.Errorf("headrace.peers: %q is no peer: http://host:port, or dns://name:port alone, is wanted", peer))
		} else if u.Scheme == "dns" && len(c.Peers) > 1 {
			faults = append(faults, fmt.Errorf("headrace.peers: %q has to stand alone", peer))
		}
	}
	if len(c.Peers) > 0 && len(c.Secret) < minSecret {
		faults = append(faults, fmt.Errorf("headrace.peers.secret has %d characters: at least %d are wanted, the same for all peers", len(c.Secret), minSecret))
	}
	return errors.Join(faults...)
}

// minSecret is the fewest characters of a secret that is no joke.
const minSecret = 16

// DownError says that a peer cannot answer.
type DownError struct {
	Peer string // its URL; its tag when it is none of the configured ones
	Why  string
}

func (e *DownError) Error() string {
	return fmt.Sprintf("its server %s does not answer (%s)", e.Peer, e.Why)
}

// peer is one replica.
type peer struct {
	url, tag string
	failed   int           // probes in a row
	down     chan struct{} // closed while it does not answer
	why      string
}

func (p *peer) isDown() bool {
	select {
	case <-p.down:
		return true
	default:
		return false
	}
}

// Peers are the replicas. Make it with New; its methods may be called from any goroutine.
type Peers struct {
	cfg    Config
	log    *slog.Logger
	client *http.Client
	probes *http.Client

	mu    sync.Mutex
	all   []*peer
	self  string               // tag of this replica
	seen  map[string]time.Time // once-only numbers of signatures
	swept time.Time
	stop  context.CancelFunc
	ended chan struct{}
}

// New starts to watch the replicas. This one has to be among them.
func New(ctx context.Context, cfg Config, log *slog.Logger) (*Peers, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     5 * time.Second, // before the peer closes it: a request on a closing connection fails
	}
	p := &Peers{
		cfg: cfg, log: log, ended: make(chan struct{}), seen: map[string]time.Time{},
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		probes: &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext}, Timeout: dialTimeout},
	}
	if err := p.resolve(ctx); err != nil {
		return nil, err
	}
	if p.self == "" {
		return nil, fmt.Errorf("headrace.peers: none of %v is this replica: name it in headrace.peers.self", cfg.Peers)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	go p.watch(running)
	return p, nil
}

// dialTimeout bounds connecting to a peer, and a probe.
const dialTimeout = 2 * time.Second

// downAfter is how many probes in a row fail before a peer is given up.
const downAfter = 2

// Close ends the watch and the connections.
func (p *Peers) Close() {
	p.stop()
	<-p.ended
	p.client.CloseIdleConnections()
	p.probes.CloseIdleConnections()
}

// resolve finds out who the peers are now.
func (p *Peers) resolve(ctx context.Context) error {
	urls := p.cfg.Peers
	if name, ok := strings.CutPrefix(urls[0], "dns://"); ok {
		host, port, err := net.SplitHostPort(name)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		addrs, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			return fmt.Errorf("headrace.peers: looking up %s: %w", host, err)
		}
		slices.Sort(addrs)
		urls = nil
		for _, addr := range addrs {
			urls = append(urls, "http://"+net.JoinHostPort(addr, port))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.all
	p.all = nil
	for _, u := range urls {
		tag := tagOf(u)
		at := slices.IndexFunc(before, func(old *peer) bool { return old.tag == tag })
		if at >= 0 {
			p.all = append(p.all, before[at])
		} else {
			p.all = append(p.all, &peer{url: strings.TrimSuffix(u, "/"), tag: tag, down: make(chan struct{})})
		}
		if p.self == "" && p.isSelf(ctx, u) {
			p.self = tag
		}
	}
	return nil
}

// tagOf is how names carry a peer: eight letters and digits.
func tagOf(peerURL string) string {
	sum := sha256.Sum256([]byte(strings.TrimSuffix(peerURL, "/")))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
}

// isSelf reports whether a peer's URL is this replica's.
func (p *Peers) isSelf(ctx context.Context, peerURL string) bool {
	if p.cfg.Self != "" {
		return tagOf(p.cfg.Self) == tagOf(peerURL)
	}
	u, err := url.Parse(peerURL)
	if err != nil || !slices.Contains(p.cfg.Ports, u.Port()) {
		return false
	}
	local, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	hosts, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil {
		return false
	}
	for _, addr := range local {
		if ip, ok := addr.(*net.IPNet); ok && slices.Contains(hosts, ip.IP.String()) {
			return true
		}
	}
	return false
}

// watch asks the peers for signs of life until ctx ends.
func (p *Peers) watch(ctx context.Context) {
	defer close(p.ended)
	tick := time.NewTicker(p.cfg.Probe)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n%5 == 0 && strings.HasPrefix(p.cfg.Peers[0], "dns://") {
			if err := p.resolve(ctx); err != nil && ctx.Err() == nil {
				p.log.Warn("finding the peers failed: going on with those known", "err", err)
			}
		}
		var probing sync.WaitGroup
		for _, peer := range p.others() {
			probing.Go(func() { p.note(peer, p.probe(ctx, peer)) })
		}
		probing.Wait()
	}
}

// others lists the peers but this one.
func (p *Peers) others() []*peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.all), func(peer *peer) bool { return peer.tag == p.self })
}

func (p *Peers) probe(ctx context.Context, peer *peer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, peer.url+"/livez", nil)
	if err != nil {
		return err
	}
	resp, err := p.probes.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096))
	return resp.Body.Close()
}

// note keeps what a probe said.
func (p *Peers) note(peer *peer, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil && peer.isDown():
		p.log.Info("a peer answers again", "peer", peer.url)
		peer.failed, peer.down = 0, make(chan struct{})
	case err == nil:
		peer.failed = 0
	case !peer.isDown():
		peer.failed++
		peer.why = cause(err)
		if peer.failed >= downAfter {
			p.log.Warn("a peer does not answer", "peer", peer.url, "err", err)
			close(peer.down)
		}
	}
}

// cause is the last part of an error's text: what the connection said.
func cause(err error) string {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}

// Self is the tag of this replica.
func (p *Peers) Self() string { return p.self }

// separator stands between a name and the tag of its owner.
const separator = "~"

// Mark puts this replica's tag behind a name.
func (p *Peers) Mark(name string) string { return name + separator + p.self }

// Split takes the tag off a name that bears one.
func (p *Peers) Split(name string) (plain, tag string) {
	at := strings.LastIndex(name, separator)
	if at < 0 || len(name)-at-1 != 8 {
		return name, ""
	}
	return name[:at], name[at+1:]
}

// Order lists the tags of all peers in the order in which they are to own what key names; those
// that do not answer are left out. The same on every replica.
func (p *Peers) Order(key string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var tags []string
	for _, peer := range p.all {
		if peer.tag == p.self || !peer.isDown() {
			tags = append(tags, peer.tag)
		}
	}
	weight := func(tag string) string {
		sum := sha256.Sum256([]byte(tag + "\n" + key))
		return string(sum[:])
	}
	slices.SortFunc(tags, func(a, b string) int { return strings.Compare(weight(a), weight(b)) })
	return tags
}

// find returns the peer of a tag that may be asked.
func (p *Peers) find(tag string) (*peer, <-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, peer := range p.all {
		if peer.tag == tag {
			if peer.isDown() {
				return nil, nil, &DownError{peer.url, peer.why}
			}
			return peer, peer.down, nil
		}
	}
	return nil, nil, &DownError{tag, "it is none of headrace.peers"}
}

// Do passes r on with this body. base is what URLs in the answer begin with. The answer is the
// caller's to close. A peer that cannot answer is a *DownError; one that stops answering too,
// within a few seconds.
func (p *Peers) Do(r *http.Request, tag, base string, body []byte) (*http.Response, error) {
	peer, down, err := p.find(tag)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	go func() { // ends with ctx, which the answer's end cancels
		select {
		case <-down:
			cancel()
		case <-ctx.Done():
		}
	}()
	req, err := http.NewRequestWithContext(ctx, r.Method, peer.url+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		cancel()
		return nil, err
	}
	for _, name := range []string{"Accept", "Content-Type", "Authorization", "Last-Event-Id", "X-Request-Id"} {
		if values := r.Header[name]; values != nil {
			req.Header[name] = values
		}
	}
	p.sign(req, base, body, time.Now())
	resp, err := p.client.Do(req)
	if err != nil {
		cancel()
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		return nil, &DownError{peer.url, cause(err)}
	}
	resp.Body = &closing{resp.Body, cancel}
	return resp, nil
}

// closing ends the request with its answer.
type closing struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c *closing) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}
