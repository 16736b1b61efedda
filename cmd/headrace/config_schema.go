package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"headrace/jaas"
	"headrace/keystore"
	"headrace/schema"
)

const (
	registryPrefix  = "schema.registry."
	strategyPackage = "io.confluent.kafka.serializers.subject."
)

// strategies are the subject name strategies by the name of their Java class.
var strategies = map[string]schema.Strategy{
	"topicnamestrategy": schema.TopicName, "recordnamestrategy": schema.RecordName, "topicrecordnamestrategy": schema.TopicRecordName,
}

// schemaConfig reads schema.registry.* and what the formats with a schema take from the clients' keys.
func (s *settings) schemaConfig() schema.Config {
	get := func(name string) value { return s.value(registryPrefix + name) }
	cfg := schema.DefaultConfig()
	cfg.URLs = s.registryURLs()
	cfg.ConnectTimeout = max(millis(get("http.connect.timeout.ms")), time.Millisecond)
	cfg.ReadTimeout = max(millis(get("http.read.timeout.ms")), time.Millisecond)
	cfg.Normalize = get("normalize.schemas").on
	cfg.KeyStrategy = s.strategy("key.subject.name.strategy")
	cfg.ValueStrategy = s.strategy("value.subject.name.strategy")
	cfg.Headers = s.registryHeaders()
	if host, port := get("proxy.host").text, get("proxy.port").number; host != "" && port > 0 {
		cfg.ProxyURL = "http://" + net.JoinHostPort(host, strconv.FormatInt(port, 10))
	}
	invalid, _ := s.client("consumer.", "json.fail.invalid.schema")
	cfg.FailInvalidJSON = invalid.on
	if len(cfg.URLs) == 0 {
		return cfg // nobody to log in at
	}
	s.registryLogin(&cfg)
	s.registryBearer(&cfg)
	cfg.TLS = s.registryTLS()
	return cfg
}

// registryURLs reads where the registry is. Explicitly empty there is none.
func (s *settings) registryURLs() []string {
	const key = registryPrefix + "url"
	var urls []string
	for _, entry := range s.value(key).list {
		if entry == "" {
			continue
		}
		u, err := url.Parse(entry)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			s.fault("%s: invalid value for configuration %s: expected http://host:port or https://host:port, several with commas between", s.at(key), key)
			continue
		}
		urls = append(urls, entry)
	}
	return urls
}

func (s *settings) strategy(name string) schema.Strategy {
	class := strings.ToLower(s.value(registryPrefix + name).text)
	return strategies[strings.TrimPrefix(class, strategyPackage)]
}

// registryHeaders reads schema.registry.request.header.<Name>.
func (s *settings) registryHeaders() http.Header {
	headers := http.Header{}
	for _, key := range s.keys() {
		name, ok := strings.CutPrefix(key, registryPrefix+"request.header.")
		if !ok {
			continue
		}
		text := s.value(key).text
		if name == "" || strings.ContainsAny(name, " \t\r\n:") || strings.ContainsAny(text, "\r\n") {
			s.fault("%s: invalid value for configuration %s: a header's name and its value on one line are expected", s.at(key), key)
			continue
		}
		headers.Set(name, text)
	}
	return headers
}

// registryLogin reads basic.auth.*: whose name and password go to the registry. A user in a URL needs no
// more than to stand there.
func (s *settings) registryLogin(cfg *schema.Config) {
	const source, info = registryPrefix + "basic.auth.credentials.source", registryPrefix + "basic.auth.user.info"
	switch strings.ToUpper(s.value(source).text) {
	case "USER_INFO":
		user, password, ok := strings.Cut(s.value(info).text, ":")
		if !ok || user == "" {
			s.fault("%s: %s = USER_INFO needs %s = user:password", s.at(source), source, info)
			return
		}
		cfg.User, cfg.Password = user, password
	case "SASL_INHERIT":
		line, key := s.client("producer.", "sasl.jaas.config")
		if key == "" {
			s.fault("%s: %s = SASL_INHERIT needs client.sasl.jaas.config, whose username and password it takes", s.at(source), source)
			return
		}
		entry, err := jaas.Parse(line.text)
		if err == nil && (entry.Options["username"] == "" || entry.Options["password"] == "") {
			err = errors.New("username and password are expected in it")
		}
		if err != nil {
			s.fault("%s: %s = SASL_INHERIT cannot take %s (%s): %v", s.at(source), source, key, s.at(key), err)
			return
		}
		cfg.User, cfg.Password = entry.Options["username"], entry.Options["password"]
	default:
		if _, given := s.given[info]; given && s.value(info).text != "" {
			s.warn("property has no effect", "key", info, "origin", s.at(info), "why", source+" is not USER_INFO")
		}
	}
}

// registryBearer reads bearer.auth.*.
func (s *settings) registryBearer(cfg *schema.Config) {
	const prefix = registryPrefix + "bearer.auth."
	const source = prefix + "credentials.source"
	get := func(name string) string { return s.value(prefix + name).text }
	switch strings.ToUpper(get("credentials.source")) {
	case "STATIC_TOKEN":
		if cfg.Token = get("token"); cfg.Token == "" {
			s.fault("%s: %s = STATIC_TOKEN needs %stoken", s.at(source), source, prefix)
		}
	case "OAUTHBEARER":
		cfg.OAuth = &schema.OAuth{
			TokenURL: get("issuer.endpoint.url"), ClientID: get("client.id"), ClientSecret: get("client.secret"), Scope: get("scope"),
			LogicalCluster: get("logical.cluster"), IdentityPoolID: get("identity.pool.id"),
		}
		for _, name := range []string{"issuer.endpoint.url", "client.id", "client.secret"} {
			if get(name) == "" {
				s.fault("%s: %s = OAUTHBEARER needs %s%s", s.at(source), source, prefix, name)
			}
		}
		if u, err := url.Parse(cfg.OAuth.TokenURL); cfg.OAuth.TokenURL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http") {
			s.fault("%s: invalid value for configuration %sissuer.endpoint.url: expected https://host/path", s.at(prefix+"issuer.endpoint.url"), prefix)
		}
	default:
		for _, name := range []string{"token", "client.id", "client.secret", "issuer.endpoint.url"} {
			if get(name) != "" {
				s.warn("property has no effect", "key", prefix+name, "origin", s.at(prefix+name), "why", source+" is not given")
			}
		}
	}
	if cfg.User != "" && (cfg.Token != "" || cfg.OAuth != nil) {
		s.fault("%s: %s and %s are both given: a registry takes one login", s.at(source), source, registryPrefix+"basic.auth.credentials.source")
	}
}

// registryFiles is what stands in the files of schema.registry.ssl.*.
type registryFiles struct {
	trust *x509.CertPool // nil: the machine's
	key   *tls.Certificate
}

// registryTLS reads schema.registry.ssl.*; nil when none is given. Files are read again when they change.
func (s *settings) registryTLS() *tls.Config {
	get := func(name string) string { return s.value(registryPrefix + "ssl." + name).text }
	trust := keystore.Trust{Type: get("truststore.type"), Path: get("truststore.location"), Password: get("truststore.password"), PEM: get("truststore.certificates")}
	key := keystore.Key{
		Type: get("keystore.type"), Path: get("keystore.location"), Password: get("keystore.password"), KeyPassword: get("key.password"),
		PEMKey: get("keystore.key"), PEMChain: get("keystore.certificate.chain"),
	}
	checkName := get("endpoint.identification.algorithm") != ""
	if trust.IsZero() && key.IsZero() && checkName {
		return nil
	}
	files, err := keystore.NewReloader(append(trust.Files(), key.Files()...), func() (f registryFiles, err error) {
		if !trust.IsZero() {
			if f.trust, err = trust.Load(); err != nil {
				return f, s.filed("truststore", []string{"truststore.location", "truststore.certificates"}, err)
			}
		}
		if !key.IsZero() {
			own, err := key.Load()
			if err != nil {
				return f, s.filed("keystore", []string{"keystore.location", "keystore.key", "keystore.certificate.chain"}, err)
			}
			f.key = &own
		}
		return f, nil
	}, nil)
	if err != nil {
		s.fault("%v", err)
		return nil
	}
	return tlsOf(files, checkName)
}

// filed names the key that brought an error of its file or text, and where it was given.
func (s *settings) filed(store string, text []string, err error) error {
	for _, name := range text {
		if key := registryPrefix + "ssl." + name; s.given[key].raw != "" {
			return fmt.Errorf("%s: invalid value for configuration %s: %w", s.at(key), key, err)
		}
	}
	return fmt.Errorf("%s: %w", store, err)
}

// tlsOf checks servers by the files of the moment.
func tlsOf(files *keystore.Reloader[registryFiles], checkName bool) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection checks the chain, against files that may change
		VerifyConnection: func(state tls.ConnectionState) error {
			opts := x509.VerifyOptions{Roots: files.Fresh().trust, Intermediates: x509.NewCertPool()}
			if checkName {
				opts.DNSName = state.ServerName
			}
			for _, cert := range state.PeerCertificates[1:] {
				opts.Intermediates.AddCert(cert)
			}
			_, err := state.PeerCertificates[0].Verify(opts)
			if err != nil {
				return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
			}
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if key := files.Fresh().key; key != nil {
				return key, nil
			}
			return &tls.Certificate{}, nil
		},
	}
}
