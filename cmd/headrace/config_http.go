package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"headrace/handlers"
	"headrace/jaas"
	"headrace/keystore"
	"headrace/server"
)

// serverConfig fills what the HTTP side needs.
func (s *settings) serverConfig() server.Config {
	cfg := server.DefaultConfig()
	cfg.Listeners = s.listeners()
	cfg.ShutdownTimeout = millis(s.value("shutdown.graceful.ms"))
	cfg.MaxConnections = int(max(s.value("server.connection.limit").number, 0))
	if _, given := s.given["thread.pool.max"]; given {
		cfg.MaxRunning = int(s.value("thread.pool.max").number)
		cfg.MaxWaiting = int(s.value("request.queue.capacity").number)
	}
	if s.value("network.traffic.rate.limit.enable").on {
		cfg.ReadBytesPerSec = int(s.value("network.traffic.rate.limit.bytes.per.sec").number)
	}
	cfg.GatewayMax = s.gatewayMax()
	_, cfg.GatewayMaxOfAll = s.given["gateway.max.duration"]
	cfg.TrustedProxies = s.networks("headrace.trusted.proxies", s.value("headrace.trusted.proxies").list)
	cfg.Access = s.accessList()
	cfg.RateLimit = s.rateLimit()
	cfg.RequestLog.Format = strings.ToLower(s.value("headrace.request.log").text)
	cfg.RequestLog.Custom = s.value("use.custom.request.logging").on
	if s.loggerLevel(s.value("request.logger.name").text) > slog.LevelInfo {
		cfg.RequestLog.Format = "off"
	}
	cfg.Metrics = s.compatMetrics()
	return cfg
}

// listeners reads where to listen. port counts only when listeners is empty.
func (s *settings) listeners() []server.Listener {
	protocols := s.listenerProtocols()
	entries := s.value("listeners").list
	if given, ok := s.given["port"]; ok && len(entries) > 0 {
		s.warn("property has no effect", "key", "port", "origin", given.origin, "why", "listeners is given")
	}
	if len(entries) == 0 {
		entries = []string{fmt.Sprintf("http://0.0.0.0:%d", s.value("port").number)}
	}
	var listeners []server.Listener
	for _, entry := range entries {
		l, protocol, err := listener(entry, protocols)
		if err != nil {
			s.fault("%s: invalid value %q for configuration listeners: %v", s.at("listeners"), entry, err)
			continue
		}
		s.fill(&l, protocol)
		listeners = append(listeners, l)
	}
	if len(listeners) == 0 { // for what is wrong with the rest
		s.fill(&server.Listener{Name: "http"}, "http")
	}
	s.unknownListeners(listeners)
	return listeners
}

// listener reads one entry of listeners.
func listener(entry string, protocols map[string]string) (l server.Listener, protocol string, err error) {
	scheme, rest, ok := strings.Cut(entry, "://")
	if !ok {
		return l, "", fmt.Errorf("expected scheme://host:port, for example http://0.0.0.0:8082")
	}
	protocol, ok = protocols[strings.ToLower(scheme)]
	if !ok {
		return l, "", fmt.Errorf("unknown scheme %q: expected http, https, or a name of listener.protocol.map", scheme)
	}
	address, err := hostPort(strings.TrimSuffix(rest, "/"), 0)
	if err != nil {
		return l, "", fmt.Errorf("%w after the scheme, for example http://0.0.0.0:8082", err)
	}
	return server.Listener{Name: strings.ToLower(scheme), Address: address}, protocol, nil
}

// listenerProtocols maps schemes and names of listeners, in lower case, to http or https.
func (s *settings) listenerProtocols() map[string]string {
	const key = "listener.protocol.map"
	protocols := map[string]string{"http": "http", "https": "https"}
	named := map[string]bool{}
	for _, entry := range s.value(key).list {
		name, protocol, _ := strings.Cut(strings.ToLower(entry), ":")
		other := map[string]string{"http": "https", "https": "http"}
		switch {
		case name == "" || protocol != "http" && protocol != "https":
			s.fault("%s: invalid value %q for configuration %s: expected NAME:http or NAME:https", s.at(key), entry, key)
		case named[name]:
			s.fault("%s: invalid value %q for configuration %s: the name is given twice", s.at(key), entry, key)
		case other[name] == protocol:
			s.fault("%s: invalid value %q for configuration %s: a scheme cannot stand for another", s.at(key), entry, key)
		default:
			named[name] = true
			protocols[name] = protocol
		}
	}
	return protocols
}

// listenerKey is the name under which key is given for one listener: its own, else the general one.
func (s *settings) listenerKey(name, key string) string {
	for given := range s.given {
		rest, ok := strings.CutPrefix(given, "listener.name.")
		if !ok {
			continue
		}
		if of, its, _ := strings.Cut(rest, "."); strings.EqualFold(of, name) && its == key {
			return given
		}
	}
	return key
}

// unknownListeners warns of settings for listeners that there are not.
func (s *settings) unknownListeners(listeners []server.Listener) {
	for _, key := range s.keys() {
		rest, ok := strings.CutPrefix(key, "listener.name.")
		name, _, _ := strings.Cut(rest, ".")
		if ok && !slices.ContainsFunc(listeners, func(l server.Listener) bool { return strings.EqualFold(l.Name, name) }) {
			s.warn("property has no effect", "key", key, "origin", s.given[key].origin, "why", "no listener has this name")
		}
	}
}

// scope is the settings of one listener.
type scope struct {
	*settings
	name string
}

// of is the value in force for the listener; key is the name that gave it.
func (s scope) of(name string) value   { return s.value(s.key(name)) }
func (s scope) key(name string) string { return s.listenerKey(s.name, name) }
func (s scope) invalid(name string, err error) {
	key := s.key(name)
	s.fault("%s: invalid value for configuration %s: %v", s.at(key), key, err)
}

// fill sets all that may differ by listener.
func (s *settings) fill(l *server.Listener, protocol string) {
	in := scope{s, l.Name}
	l.HTTP2 = in.of("http2.enabled").on
	l.ProxyProtocol = in.of("proxy.protocol.enabled").on
	l.MaxConnections = int(max(in.of("connector.connection.limit").number, 0))
	if protocol == "https" {
		l.TLS = in.tls()
	}
	r := &l.Rules
	if r.IdleTimeout = millis(in.of("idle.timeout.ms")); r.IdleTimeout == 0 {
		r.IdleTimeout = -1 // for ever, to net/http: 0 would mean another timeout
	}
	r.RequestTimeout = millis(in.of("request.timeout.ms"))
	r.MaxHeaderBytes = int(in.of("max.request.header.size").number)
	r.Compression = in.of("compression.enable").on
	r.LegacyURI = in.of("jetty.legacy.uri.compliance").on
	r.RejectOptions = in.of("reject.options.request").on
	r.NoSniff = in.of("nosniff.prevention.enable").on
	r.HSTS = in.of("hsts.header.enable").on
	r.Forwarded = in.of("network.forwarded.request.customizer.enable").on
	var err error
	if r.Headers, err = server.ParseHeaders(in.of("response.http.headers.config").text); err != nil {
		in.invalid("response.http.headers.config", err)
	}
	r.Auth = in.auth()
	r.CORS = in.cors()
	r.DoS = in.dos()
}

func (s scope) tls() *server.TLS {
	cfg := &server.TLS{
		Key: keystore.Key{
			Type: s.of("ssl.keystore.type").text, Path: s.of("ssl.keystore.location").text,
			Password: s.of("ssl.keystore.password").text, KeyPassword: s.of("ssl.key.password").text,
		},
		Trust: keystore.Trust{
			Type: s.of("ssl.truststore.type").text, Path: s.of("ssl.truststore.location").text, Password: s.of("ssl.truststore.password").text,
		},
		Reload: s.of("ssl.keystore.reload").on, Watch: s.of("ssl.keystore.watch.location").text,
		ClientAuth: s.clientAuth(),
		Protocols:  s.of("ssl.enabled.protocols").list, Suites: s.of("ssl.cipher.suites").list,
		CheckSNI: s.of("sni.check.enabled").on, CheckSNIHost: s.of("sni.host.check.enabled").on,
	}
	if cfg.Key.Path == "" {
		s.fault("%s: listeners names https, but ssl.keystore.location is not given: name a JKS, PKCS12 or PEM file with certificate and key", s.at("listeners"))
		return cfg
	}
	if _, _, _, err := server.Handshake(cfg.Protocols, cfg.Suites); err != nil {
		s.fault("%s: invalid value: %v", s.at(s.key("ssl.enabled.protocols")), err)
		return cfg
	}
	if err := cfg.Check(); err != nil {
		s.fault("%s: %s cannot be used: %v", s.at(s.key("ssl.keystore.location")), s.key("ssl.keystore.location"), err)
	}
	return cfg
}

// clientAuth is ssl.client.authentication, or where only that is given the older ssl.client.auth.
func (s scope) clientAuth() string {
	if _, given := s.given[s.key("ssl.client.authentication")]; !given && s.of("ssl.client.auth").on {
		return "REQUIRED"
	}
	return strings.ToUpper(s.of("ssl.client.authentication").text)
}

// loginModules are the classes that read a password file: Jetty's, up to version 11 and from 12 on.
var loginModules = []string{
	"org.eclipse.jetty.jaas.spi.PropertyFileLoginModule",
	"org.eclipse.jetty.security.jaas.spi.PropertyFileLoginModule",
}

// jaasProperty is the JVM's property that names the JAAS file.
const jaasProperty = "java.security.auth.login.config"

// auth reads authentication.*: the JAAS section that the realm names leads to the password file.
func (s scope) auth() *server.Auth {
	key := s.key("authentication.method")
	switch strings.ToUpper(s.of("authentication.method").text) {
	case "NONE":
		return nil
	case "BEARER":
		s.fault("%s: %s = BEARER cannot be honoured: it needs a Java plug-in; BASIC and NONE would work", s.at(key), key)
		return nil
	}
	realm := s.of("authentication.realm").text
	cfg := &server.Auth{Realm: realm, Roles: s.of("authentication.roles").list, SkipPaths: s.of("authentication.skip.paths").list}
	file, given := s.java[jaasProperty]
	if !given {
		s.fault("%s: %s = BASIC needs a JAAS file: KAFKAREST_OPTS=-D%s=FILE, with a section %q that names the password file", s.at(key), key, jaasProperty, realm)
		return cfg
	}
	var err error
	if cfg.Users, err = passwordFile(file.raw, realm); err == nil {
		err = cfg.Check()
	}
	if err != nil {
		s.fault("%s: %s = BASIC cannot be used: %v (JAAS file by %s)", s.at(key), key, err, file.origin)
	}
	return cfg
}

// passwordFile finds the password file that a section of a JAAS file names. Errors quote no options.
func passwordFile(path, section string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("reading the JAAS file: %w", err)
	}
	if info.Size() > maxFileBytes {
		return "", fmt.Errorf("reading the JAAS file: %s is larger than %d bytes", path, maxFileBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the JAAS file: %w", err)
	}
	sections, err := jaas.ParseFile(string(text))
	if err != nil {
		return "", fmt.Errorf("reading the JAAS file %s: %w", path, err)
	}
	entries, ok := sections[section]
	switch {
	case !ok:
		return "", fmt.Errorf("%s has no section %q, which authentication.realm names", path, section)
	case len(entries) != 1:
		return "", fmt.Errorf("section %q of %s names %d login modules: one is expected", section, path, len(entries))
	case !slices.Contains(loginModules, entries[0].Module):
		return "", fmt.Errorf("section %q of %s names %s: only %s is known", section, path, entries[0].Module, strings.Join(loginModules, " and "))
	case entries[0].Options["file"] == "":
		return "", fmt.Errorf("section %q of %s gives its module no file=\"…\"", section, path)
	}
	return entries[0].Options["file"], nil
}

func (s scope) cors() *server.CORS {
	origins := s.of("access.control.allow.origin").list
	if len(origins) == 0 {
		return nil
	}
	return &server.CORS{
		Origins: origins, Methods: s.of("access.control.allow.methods").list, Headers: s.of("access.control.allow.headers").list,
		Expose: s.of("access.control.expose.headers").list, SkipOptions: s.of("access.control.skip.options").on,
	}
}

func (s scope) dos() *server.DoS {
	key := s.key("dos.filter.ip.whitelist")
	exempt := s.networks(key, s.value(key).list)
	if !s.of("dos.filter.enabled").on {
		return nil
	}
	return &server.DoS{
		PerConnection: int(s.of("dos.filter.max.requests.per.connection.per.sec").number),
		Global:        int(s.of("dos.filter.max.requests.per.sec").number),
		Delay:         millis(s.of("dos.filter.delay.ms")),
		MaxWait:       millis(s.of("dos.filter.max.wait.ms")),
		Throttled:     int(s.of("dos.filter.throttled.requests").number),
		ThrottleTime:  millis(s.of("dos.filter.throttle.ms")),
		MaxRequest:    millis(s.of("dos.filter.max.requests.ms")),
		IdleTracker:   millis(s.of("dos.filter.max.idle.tracker.ms")),
		InsertHeaders: s.of("dos.filter.insert.headers").on,
		Exempt:        exempt,
	}
}

// networks reads addresses, and networks such as 10.0.0.0/8.
func (s *settings) networks(key string, entries []string) []netip.Prefix {
	var networks []netip.Prefix
	for _, entry := range entries {
		if entry == "" {
			continue
		}
		network, err := netip.ParsePrefix(entry)
		if address, addressErr := netip.ParseAddr(entry); addressErr == nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			s.fault("%s: invalid value %q for configuration %s: expected an address or a network, for example 10.0.0.0/8", s.at(key), entry, key)
			continue
		}
		networks = append(networks, network.Masked())
	}
	return networks
}

// gatewayMax reads gateway.max.duration: with a unit, or in milliseconds.
func (s *settings) gatewayMax() time.Duration {
	const key = "gateway.max.duration"
	text := s.value(key).text
	if number, err := strconv.ParseInt(text, 10, 64); err == nil && number >= 0 && number <= maxMillis {
		return time.Duration(number) * time.Millisecond
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		s.fault("%s: invalid value %q for configuration %s: expected a time such as 28s, or milliseconds", s.at(key), text, key)
	}
	return d
}

// accessList reads which endpoints are served. A name that none has counts for nothing, as in the reference.
func (s *settings) accessList() handlers.AccessList {
	var unknown []string
	lists := map[string][]string{}
	for _, key := range []string{"api.endpoints.allowlist", "api.endpoints.blocklist"} {
		lists[key] = slices.DeleteFunc(s.value(key).list, func(entry string) bool { return entry == "" })
		if _, unknown = handlers.NewAccessList(lists[key], nil); len(unknown) > 0 {
			s.warn("entries have no effect: no endpoint or group has these names", "key", key, "origin", s.at(key), "names", strings.Join(unknown, ","))
		}
	}
	access, _ := handlers.NewAccessList(lists["api.endpoints.allowlist"], lists["api.endpoints.blocklist"])
	return access
}

func (s *settings) rateLimit() server.RateLimit {
	cfg := server.RateLimit{Costs: s.costs()}
	if !s.value("rate.limit.enable").on {
		return server.RateLimit{}
	}
	cfg.Enabled = true
	cfg.PerSec = int(s.value("rate.limit.permits.per.sec").number)
	cfg.Timeout = millis(s.value("rate.limit.timeout.ms"))
	cfg.DefaultCost = int(s.value("rate.limit.default.cost").number)
	cfg.PerCluster = int(s.value("rate.limit.per.cluster.permits.per.sec").number)
	cfg.ClusterExpiry = millis(s.value("rate.limit.per.cluster.cache.expiry.ms"))
	return cfg
}

// costs reads rate.limit.costs: endpoint.name=cost each.
func (s *settings) costs() map[string]int {
	const key = "rate.limit.costs"
	costs := map[string]int{}
	for _, entry := range s.value(key).list {
		if entry == "" {
			continue
		}
		name, text, _ := strings.Cut(entry, "=")
		cost, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
		if err != nil || cost < 0 {
			s.fault("%s: invalid value %q for configuration %s: expected ENDPOINT=COST, for example api.v2.topics.list=2", s.at(key), entry, key)
			continue
		}
		if name = strings.TrimSpace(name); !handlers.IsEndpoint(name) {
			s.warn("entries have no effect: no endpoint or group has these names", "key", key, "origin", s.at(key), "names", name)
		}
		costs[name] = int(cost)
	}
	return costs
}

func (s *settings) compatMetrics() server.MetricsConfig {
	cfg := server.MetricsConfig{
		Prefix:  s.value("metrics.jmx.prefix").text,
		Samples: int(s.value("metrics.num.samples").number), Window: millis(s.value("metrics.sample.window.ms")),
		MaxLatency: time.Duration(s.value("percentile.max.latency.ms").double * float64(time.Millisecond)),
		Threads:    int(s.value("thread.pool.max").number),
	}
	if s.value("metrics.latency.slo.sla.enable").on {
		cfg.SLO, cfg.SLA = millis(s.value("metrics.latency.slo.ms")), millis(s.value("metrics.latency.sla.ms"))
	}
	const key = "metrics.tag.map"
	for _, entry := range s.value(key).list {
		name, value, ok := strings.Cut(entry, ":")
		switch name = strings.TrimSpace(name); {
		case entry == "":
		case !ok || name == "":
			s.fault("%s: invalid value for configuration %s: expected NAME:VALUE each", s.at(key), key)
		default:
			if cfg.Tags == nil {
				cfg.Tags = map[string]string{}
			}
			cfg.Tags[name] = strings.TrimSpace(value)
		}
	}
	return cfg
}
