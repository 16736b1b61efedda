package kafkaclient

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// errLate is the end of a record whose time of delivery is over.
var errLate = fmt.Errorf("%w: %w", ErrTimeout, kgo.ErrRecordTimeout)

// lifetime is the context of records that are handed over at about the same time: it ends with errLate
// when their time of delivery is over. franz-go's own limit counts from a record's timestamp, which
// may be any time.
type lifetime struct {
	context.Context //nolint:containedctx // it is one

	began  time.Time
	cancel context.CancelFunc
}

// Err is errLate once the time is over.
func (l *lifetime) Err() error {
	if l.Context.Err() == nil {
		return nil
	}
	return errLate
}

// lifetimeStep is how long the same context is given to all records: making one for each would cost
// more than sending it.
const lifetimeStep = time.Second

// lifetime returns the context of records that are handed over now.
func (p *Producer) lifetime(now time.Time) context.Context {
	current := p.life.Load()
	step := min(lifetimeStep, p.cfg.DeliveryTimeout/10)
	if current != nil && now.Sub(current.began) < step {
		return current
	}
	ctx, cancel := context.WithDeadline(context.Background(), now.Add(p.cfg.DeliveryTimeout+step))
	next := &lifetime{Context: ctx, began: now, cancel: cancel}
	if !p.life.CompareAndSwap(current, next) {
		cancel() // another caller was first
		return p.life.Load()
	}
	return next
}
