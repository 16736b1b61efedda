package handlers

import (
	"net"
	"net/http"
	"strconv"
)

// PrefixHeader holds the path that a proxy has taken off a request, such as /prod for a stage of API Gateway, with a slash
// before and none behind. The server lets it through from trusted proxies only.
const PrefixHeader = "X-Forwarded-Prefix"

// baseURL is what absolute URLs in the answer to r begin with, without a slash at its end:
// the request's scheme, and the first of advertised.listeners of that scheme, host.name with the
// port of the last listener of that scheme, and the host that the client used with the path that a
// proxy has taken off (contract: kafka-rest-v2.md §4.2; the path is our own).
func (h *Handlers) baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.URL.Scheme == "https" {
		scheme = "https"
	}
	if authority := h.cfg.Advertised[scheme]; authority != "" {
		return scheme + "://" + authority
	}
	if h.cfg.HostName == "" {
		return scheme + "://" + r.Host + r.Header.Get(PrefixHeader)
	}
	if _, _, err := net.SplitHostPort(r.Host); err != nil { // the client named no port
		return scheme + "://" + h.cfg.HostName
	}
	port, ok := h.cfg.ListenerPorts[scheme]
	if !ok {
		port = h.cfg.Port
	}
	return scheme + "://" + net.JoinHostPort(h.cfg.HostName, strconv.Itoa(port))
}
