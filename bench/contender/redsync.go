package contender

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-redsync/redsync/v4"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
)

func redsyncMutex() Contender {
	return Contender{
		Name: "redsync", Module: "github.com/go-redsync/redsync/v4", Store: Redis, Can: []arena.Need{arena.Rates, arena.Offsets},
		About: "A mutex on one Redis, tried and extended a third of its expiry apart. Leads: from Lock until Until, " +
			"or until Extend says that it is taken.",
		New: func(n *arena.Node, s Settings) (arena.Candidate, error) { return newRedsync(n, s), nil },
	}
}

type redsyncCandidate struct {
	loop

	node     *arena.Node
	settings Settings
	mutex    *redsync.Mutex // only its own goroutine calls it
	// until is the mutex's Until, which may not be asked while it is extended.
	until atomic.Pointer[time.Time]
}

func newRedsync(n *arena.Node, s Settings) *redsyncCandidate {
	// Its clock measures the expiry, and the server's, which is right, the time to live.
	expiry := n.Local(s.Lease)
	return &redsyncCandidate{
		node: n, settings: s,
		mutex: redsync.New(keys{n}).NewMutex(s.Key, redsync.WithExpiry(expiry), redsync.WithTries(1)),
	}
}

// Question compares the clock with Until, as redsync's documentation asks for. The mutex itself is not for concurrent use.
func (c *redsyncCandidate) Question() func() bool { return c.Leads }

func (c *redsyncCandidate) Leads() bool {
	until := c.until.Load()
	return until != nil && time.Now().Before(*until)
}

func (c *redsyncCandidate) leadsUntil(t time.Time) { c.until.Store(&t) }

// Start contests.
func (c *redsyncCandidate) Start() error {
	c.begin(c.run)
	return nil
}

func (c *redsyncCandidate) run(ctx context.Context) {
	periodically(ctx, c.node.Local(c.settings.Renew), func() { c.step(ctx) })
	led := c.Leads()
	c.leadsUntil(time.Time{})
	if led {
		releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.settings.Renew)
		defer cancel()
		_, _ = c.mutex.UnlockContext(releasing) // it expires otherwise
	}
}

// step locks or extends. An attempt has until the next one.
func (c *redsyncCandidate) step(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.settings.Renew)
	defer cancel()
	if !c.Leads() {
		if c.mutex.TryLockContext(ctx) == nil {
			c.leadsUntil(c.mutex.Until())
		}
		return
	}
	var taken *redsync.ErrTaken
	switch held, err := c.mutex.ExtendContext(ctx); {
	case held:
		c.leadsUntil(c.mutex.Until())
	case errors.As(err, &taken):
		c.leadsUntil(time.Time{})
	}
}
