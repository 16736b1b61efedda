package kinesisclient

import "fmt"

// Permit is the right to have one request under way and to hold some bytes for it.
// It belongs to one goroutine.
type Permit struct {
	client *Client
	bytes  int64
}

// Admit lets one more request in. Over the limit it is ErrBusy: nobody waits in a queue.
func (c *Client) Admit() (Permit, error) {
	if n := c.inFlight.Add(1); n > int64(c.cfg.MaxInFlight) {
		c.inFlight.Add(-1)
		return Permit{}, fmt.Errorf("%w: %d is the limit", ErrBusy, c.cfg.MaxInFlight)
	}
	return Permit{client: c}, nil
}

// Hold accounts for n more bytes; over the limit it is ErrBusy. A request that is larger
// than the whole limit is let in when it is alone, or it would never be.
func (p *Permit) Hold(n int64) error {
	c := p.client
	if sum := c.inFlightBytes.Add(n); sum > c.cfg.MaxInFlightBytes && sum != n {
		c.inFlightBytes.Add(-n)
		return fmt.Errorf("%w: they hold %d bytes, %d is the limit", ErrBusy, sum-n, c.cfg.MaxInFlightBytes)
	}
	p.bytes += n
	return nil
}

// Release ends the request.
func (p *Permit) Release() {
	p.client.inFlightBytes.Add(-p.bytes)
	p.client.inFlight.Add(-1)
}
