package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"headrace/handlers"
)

// addressInto fills in what absolute URLs in answers are made of.
func (s *settings) addressInto(cfg *handlers.Config) {
	const key = "advertised.listeners"
	protocols := s.listenerProtocols()
	cfg.HostName = s.value("host.name").text
	cfg.Port = int(s.value("port").number)
	for _, entry := range s.value(key).list {
		protocol, authority, err := advertised(entry, protocols)
		if err != nil {
			s.fault("%s: invalid value %q for configuration %s: %v", s.at(key), entry, key, err)
			continue
		}
		if cfg.Advertised == nil {
			cfg.Advertised = map[string]string{}
		}
		cfg.Advertised[protocol] = authority
	}
	for _, entry := range s.value("listeners").list { // its faults are told where it is read for listening
		u, err := url.Parse(entry)
		if err != nil {
			continue
		}
		if cfg.ListenerPorts == nil {
			cfg.ListenerPorts = map[string]int{}
		}
		if port, err := strconv.Atoi(u.Port()); err == nil {
			cfg.ListenerPorts[protocols[strings.ToLower(u.Scheme)]] = port
		}
	}
}

// advertised reads one entry of advertised.listeners: http or https, and host or host:port.
func advertised(entry string, protocols map[string]string) (protocol, authority string, err error) {
	u, err := url.Parse(entry)
	if err != nil || u.Host == "" {
		return "", "", fmt.Errorf("expected scheme://host:port, for example https://proxy.example.com:443")
	}
	protocol, ok := protocols[strings.ToLower(u.Scheme)]
	if !ok {
		return "", "", fmt.Errorf("unknown scheme %q: expected http, https, or a name of listener.protocol.map", u.Scheme)
	}
	return protocol, u.Host, nil
}
