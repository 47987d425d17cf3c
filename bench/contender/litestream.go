package contender

import (
	"context"
	"errors"
	"sync"

	"github.com/benbjohnson/litestream"
	lease "github.com/benbjohnson/litestream/s3"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
)

func litestreamLeaser() Contender {
	return Contender{
		Name: "litestream", Module: "github.com/benbjohnson/litestream", Store: S3, Can: []arena.Need{arena.Statuses, arena.ETags, arena.Offsets},
		About: "s3.Leaser, a lease that its caller acquires, renews and releases: here a third of a lease apart, and while it is contested, too. " +
			"Leads: from AcquireLease until IsExpired, or until a renewal says that it is lost.",
		New: func(n *arena.Node, s Settings) (arena.Candidate, error) { return newLitestream(n, s), nil },
	}
}

type litestreamCandidate struct {
	loop

	node     *arena.Node
	leaser   *lease.Leaser
	settings Settings

	mu   sync.Mutex
	held *litestream.Lease
}

func newLitestream(n *arena.Node, s Settings) *litestreamCandidate {
	l := lease.NewLeaser()
	l.SetLogger(silent)
	l.SetClient(&offsetClient{n.S3(), n})
	l.Bucket, l.Owner, l.TTL, l.Path = arena.Bucket, n.Name(), s.Lease, s.Key
	return &litestreamCandidate{node: n, leaser: l, settings: s}
}

// Question is IsExpired of the lease that is held.
func (c *litestreamCandidate) Question() func() bool {
	held := c.lease()
	return func() bool { return !held.IsExpired() }
}

// Leads is IsExpired. A wall clock that has been set meanwhile makes no difference to it: the end of a lease that was
// acquired here has a reading of the monotonic clock.
func (c *litestreamCandidate) Leads() bool {
	held := c.lease()
	return held != nil && !held.IsExpired()
}

func (c *litestreamCandidate) lease() *litestream.Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

func (c *litestreamCandidate) holds(l *litestream.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = l
}

// Start contests.
func (c *litestreamCandidate) Start() error {
	c.begin(c.run)
	return nil
}

func (c *litestreamCandidate) run(ctx context.Context) {
	periodically(ctx, c.settings.Renew, func() { c.step(ctx) })
	held := c.lease()
	c.holds(nil)
	if held != nil {
		releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.settings.Renew)
		defer cancel()
		_ = c.leaser.ReleaseLease(releasing, held) // it lapses otherwise
	}
}

// step acquires or renews. An attempt has until the next one.
func (c *litestreamCandidate) step(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.settings.Renew)
	defer cancel()
	held := c.lease()
	if held == nil || !c.Leads() {
		if l, err := c.leaser.AcquireLease(ctx); err == nil {
			c.holds(l)
		}
		return
	}
	switch l, err := c.leaser.RenewLease(ctx, held); {
	case err == nil:
		c.holds(l)
	case errors.Is(err, litestream.ErrLeaseNotHeld):
		c.holds(nil)
	}
}
