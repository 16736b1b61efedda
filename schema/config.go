package schema

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Config says how to reach a schema registry. Start from DefaultConfig.
type Config struct {
	URLs []string // tried in turn; a user in one of them logs in there; empty: no registry

	User, Password string // basic login at every URL, before one in the URL; User "": none
	Token          string // bearer login with a fixed token; "": none
	OAuth          *OAuth // bearer login with tokens of an OAuth server; nil: none

	TLS            *tls.Config // for https; nil: the system's certificates
	ProxyURL       string      // http://host:port; "": none, also none of the environment
	ConnectTimeout time.Duration
	ReadTimeout    time.Duration // until the whole answer of one call is there
	Headers        http.Header   // sent with every call

	Normalize                  bool // the registry compares normalized texts
	KeyStrategy, ValueStrategy Strategy

	// FailInvalidJSON refuses to decode what does not fit its JSON Schema
	// (json.fail.invalid.schema). Encoding always refuses it.
	FailInvalidJSON bool

	CacheBytes     int64         // of all schemas kept
	FaultAge       time.Duration // how long a schema that is not there counts as missing
	MaxSchemaBytes int           // of one schema's text
}

// OAuth is a login with client credentials (RFC 6749 §4.4).
type OAuth struct {
	TokenURL               string
	ClientID, ClientSecret string
	Scope                  string // "": none is asked for
	LogicalCluster         string // sent as target-sr-cluster; "": not sent
	IdentityPoolID         string // sent as Confluent-Identity-Pool-Id; "": not sent
}

// DefaultConfig returns the settings of Confluent's client, without a registry.
func DefaultConfig() Config {
	return Config{
		ConnectTimeout: time.Minute,
		ReadTimeout:    time.Minute,
		KeyStrategy:    TopicName,
		ValueStrategy:  TopicName,
		CacheBytes:     32 << 20,
		FaultAge:       time.Second,
		MaxSchemaBytes: 1 << 20,
	}
}

// Validate names the first field that cannot work. No URL is shown: there may be a password in it.
func (c Config) Validate() error {
	for i, text := range c.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("schema registry URL %d is not of the form http://host:port or https://host:port", i+1)
		}
	}
	if !c.KeyStrategy.known() || !c.ValueStrategy.known() {
		return fmt.Errorf("subject name strategies %q and %q: %s, %s or %s is wanted", c.KeyStrategy, c.ValueStrategy, TopicName, RecordName, TopicRecordName)
	}
	if c.ProxyURL != "" {
		if u, err := url.Parse(c.ProxyURL); err != nil || u.Host == "" {
			return errors.New("the proxy of the schema registry's client is not of the form http://host:port")
		}
	}
	if o := c.OAuth; o != nil && (o.TokenURL == "" || o.ClientID == "" || o.ClientSecret == "") {
		return errors.New("OAUTHBEARER for the schema registry needs an issuer endpoint URL, a client id and a client secret")
	}
	if c.CacheBytes < 1<<10 || c.MaxSchemaBytes < 1 || c.ConnectTimeout <= 0 || c.ReadTimeout <= 0 {
		return errors.New("the cache, the largest schema and the timeouts of the schema registry's client must be above 0")
	}
	return nil
}
