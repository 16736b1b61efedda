package handlers

import (
	"net/http"
	"strings"
)

// AccessList says which endpoints are served: those of the allow list, or all when it is empty,
// less those of the block list. The zero value serves all.
// Source: contract, configuration.md §2.1.
type AccessList map[string]bool // names of those that are not served

// NewAccessList makes a list of names of endpoints and of groups (api.v2.consumers.*). unknown are
// entries that no endpoint or group bears: as in the reference they count for nothing.
func NewAccessList(allow, block []string) (list AccessList, unknown []string) {
	all := endpointNames()
	allowed, unknownAllowed := matching(all, allow)
	refused, unknownRefused := matching(all, block)
	for name := range all {
		if len(allow) > 0 && !allowed[name] || refused[name] {
			if list == nil {
				list = AccessList{}
			}
			list[name] = true
		}
	}
	return list, append(unknownAllowed, unknownRefused...)
}

// IsEmpty reports whether everything is served.
func (a AccessList) IsEmpty() bool { return len(a) == 0 }

// Blocks reports whether the endpoint of this name is not served.
func (a AccessList) Blocks(name string) bool { return a[name] }

// matching expands entries to names of endpoints.
func matching(all map[string]bool, entries []string) (found map[string]bool, unknown []string) {
	found = map[string]bool{}
	for _, entry := range entries {
		group, isGroup := strings.CutSuffix(entry, ".*")
		known := false
		for name := range all {
			if name == entry || isGroup && groupOf(name) == group {
				found[name], known = true, true
			}
		}
		if !known {
			unknown = append(unknown, entry)
		}
	}
	return found, unknown
}

// groupOf is the resource that an endpoint belongs to: all of its name but the last part.
// api.v3.partitions.list.offsets belongs to api.v3.partitions all the same.
func groupOf(name string) string {
	parts := strings.Split(name, ".")
	if parts[0] != "api" {
		return parts[0] + "." + parts[1]
	}
	return strings.Join(parts[:3], ".")
}

// endpointNames are the names of all endpoints in all formats.
func endpointNames() map[string]bool {
	all := map[string]bool{}
	for _, e := range endpoints {
		if !e.HasFormat() {
			all[e.Name] = true
			continue
		}
		for _, f := range formats {
			all[e.In(string(f)).Name] = true
		}
	}
	return all
}

// IsEndpoint reports whether an endpoint is called so.
func IsEndpoint(name string) bool { return endpointNames()[name] }

// Blocked answers a request for an endpoint that is not served: as if the route (GET) or its
// method were not there.
func (h *Handlers) Blocked(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		h.NotFound(w, r)
		return
	}
	h.writeError(w, r, "", errMethodNotAllowed)
}

// RateLimited answers a request that the general limit of permits refuses, in the shape of its API.
func (h *Handlers) RateLimited(w http.ResponseWriter, r *http.Request) {
	switch {
	case h.streams != nil && strings.HasPrefix(strings.TrimPrefix(r.URL.Path, strings.TrimSuffix(h.cfg.KinesisBasePath, "/")), "/streams"):
		w.Header().Set("Retry-After", retryAfter)
		h.streams.writeError(w, r, &streamError{http.StatusTooManyRequests, "ThrottlingException", errRateLimited.message})
	case strings.HasPrefix(r.URL.Path, "/v3/"):
		h.writeError(w, r, typeJSON, errRateLimited)
	default:
		answer, err := acceptV2(r)
		if err != nil {
			answer = h.errorType(r)
		}
		h.writeError(w, r, answer, errRateLimited)
	}
}
