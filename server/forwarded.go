package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"headrace/handlers"
)

// forwarded takes scheme, host and client from the headers that proxies add, as Jetty's
// ForwardedRequestCustomizer does: those of everybody, or those of trusted proxies only.
func forwarded(everybody bool, trusted []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		prefix := r.Header.Get(handlers.PrefixHeader)
		delete(r.Header, handlers.PrefixHeader)
		if everybody || contains(trusted, r.RemoteAddr) {
			takeForwarded(r, trusted)
			if prefix = cleanPrefix(prefix); prefix != "" {
				r.Header[handlers.PrefixHeader] = []string{prefix}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// cleanPrefix returns the path that a proxy has taken off, such as the stage of an API Gateway: prod and /prod/ are /prod.
// What is no plain path is "".
func cleanPrefix(s string) string {
	s = strings.Trim(s, "/")
	if s == "" || len(s) > 255 || strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~/", c)
	}) {
		return ""
	}
	return "/" + s
}

// takeForwarded changes r to what the client sent to the first proxy. Forwarded (RFC 7239) goes
// before X-Forwarded-….
func takeForwarded(r *http.Request, trusted []netip.Prefix) {
	clients := forwardedFor(r)
	host, proto := firstOf(r, "X-Forwarded-Host"), firstOf(r, "X-Forwarded-Proto")
	if host == "" {
		host = firstOf(r, "X-Forwarded-Server")
	}
	if port := firstOf(r, "X-Forwarded-Port"); port != "" && host != "" && !strings.Contains(strings.TrimPrefix(host, "["), ":") {
		host = net.JoinHostPort(host, port)
	}
	if elements := splitForwarded(r.Header["Forwarded"]); len(elements) > 0 {
		clients = nil
		for i, pairs := range elements {
			if pairs["for"] != "" {
				clients = append(clients, pairs["for"])
			}
			if pairs["host"] != "" && i == 0 {
				host = pairs["host"]
			}
			if pairs["proto"] != "" && i == 0 {
				proto = pairs["proto"]
			}
		}
	}
	if isHost(host) {
		r.Host = host
	}
	if proto = strings.ToLower(proto); proto == "http" || proto == "https" {
		r.URL.Scheme = proto
	}
	if client := clientOf(clients, trusted); client != "" {
		r.RemoteAddr = client
	}
}

// clientOf picks the client's address from those that proxies noted, the client's first: that, or
// the last that is no trusted proxy, since a client may have invented those before it.
func clientOf(noted []string, trusted []netip.Prefix) string {
	for i, one := range slices.Backward(noted) {
		address, port := forwardedAddress(one)
		if !address.IsValid() {
			continue
		}
		if i == 0 || len(trusted) > 0 && !inPrefixes(trusted, address) {
			return net.JoinHostPort(address.String(), port)
		}
	}
	return ""
}

// forwardedAddress reads 1.2.3.4, 1.2.3.4:5, [::1]:5 and ::1.
func forwardedAddress(s string) (address netip.Addr, port string) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		_, port, _ = net.SplitHostPort(s)
		return ap.Addr(), port
	}
	address, _ = netip.ParseAddr(strings.Trim(s, "[]"))
	return address, "0"
}

func forwardedFor(r *http.Request) (clients []string) {
	for _, header := range r.Header["X-Forwarded-For"] {
		for client := range strings.SplitSeq(header, ",") {
			clients = append(clients, strings.TrimSpace(client))
		}
	}
	return clients
}

func firstOf(r *http.Request, name string) string {
	first, _, _ := strings.Cut(r.Header.Get(name), ",")
	return strings.TrimSpace(first)
}

// isHost reports whether s can stand in a URL as an authority without a user.
func isHost(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`/\@?#"<>`, c)
	})
}

// splitForwarded reads Forwarded headers: for=…;host=…;proto=…, one element for each proxy.
func splitForwarded(headers []string) (elements []map[string]string) {
	for _, header := range headers {
		for element := range strings.SplitSeq(header, ",") {
			pairs := map[string]string{}
			for pair := range strings.SplitSeq(element, ";") {
				name, value, ok := strings.Cut(pair, "=")
				if ok {
					pairs[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(value), `"`)
				}
			}
			if len(pairs) > 0 {
				elements = append(elements, pairs)
			}
		}
	}
	return elements
}
