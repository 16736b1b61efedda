package kinesisclient

import "fmt"

// Admit lets one more request in; end it with Leave. Over the limit it is ErrBusy: nobody
// waits in a queue.
func (c *Client) Admit() error {
	if n := c.inFlight.Add(1); n > int64(c.cfg.MaxInFlight) {
		c.inFlight.Add(-1)
		return fmt.Errorf("%w: %d is the limit", ErrBusy, c.cfg.MaxInFlight)
	}
	return nil
}

// Leave ends a request that Admit has let in.
func (c *Client) Leave() { c.inFlight.Add(-1) }
