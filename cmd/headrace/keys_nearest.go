package main

import (
	"slices"
	"strings"
)

// isServer reports whether name is a key of its own, although it begins like a client's:
// consumer.request.timeout.ms, producer.threads.
func (c *catalog) isServer(name string) bool {
	_, ok := c.server[name]
	return ok
}

// nearest finds the key that the author of an unknown one may have meant, and why it is not the
// same; "" if there is none close by.
func (c *catalog) nearest(name string) (near, why string) {
	if p, ok := find(c.client, name); ok && name != "" {
		return c.prefixed(p, name), "without a prefix it reaches no Kafka client"
	}
	for _, layer := range clients {
		rest, ok := strings.CutPrefix(name, layer.prefix)
		if !ok {
			continue
		}
		if _, ok := c.lookup(rest); ok {
			return rest, "it takes no prefix"
		}
	}
	for rest := name; ; {
		_, after, more := strings.Cut(rest, ".")
		if !more {
			break
		}
		if rest = after; c.isServer(rest) {
			return rest, "it takes no prefix"
		}
		if p, ok := c.client[rest]; ok {
			return c.prefixed(p, rest), "only the prefixes client., producer., consumer. and admin. reach a Kafka client"
		}
	}
	return c.closest(name), ""
}

// prefixed is a client key with the prefix under which it takes effect.
func (c *catalog) prefixed(p property, name string) string {
	for _, layer := range clients {
		if p.layers == layer.letter {
			return layer.prefix + name
		}
	}
	return "client." + name
}

// closest finds the key with the fewest typing errors, at most one in three letters and three in all.
func (c *catalog) closest(name string) string {
	limit := min(len(name)/3, 3)
	best, fewest := "", limit+1
	candidates := c.names()
	for bare := range c.client { // security.protcol: close to a key that lacks its prefix
		candidates = append(candidates, bare)
	}
	slices.Sort(candidates)
	for _, candidate := range candidates {
		if n := edits(strings.ToLower(name), candidate, fewest); n < fewest {
			best, fewest = candidate, n
		}
	}
	if p, ok := c.client[best]; ok && !c.isServer(best) {
		return c.prefixed(p, best)
	}
	return best
}

// edits counts the letters to insert, drop, change or swap with their neighbour to make b of a;
// it stops counting at limit. Source: the optimal string alignment distance.
func edits(a, b string, limit int) int {
	if a == b {
		return 0
	}
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		lowest := i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			lowest = min(lowest, row[j])
		}
		if lowest >= limit {
			return limit
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
