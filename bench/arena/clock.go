package arena

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/env"
	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// Local returns the true duration in which this node's clock moves on by d. Durations that a library measures
// with the machine's clock are configured through it, which is as if that clock ran at the node's rate.
func (n *Node) Local(d time.Duration) time.Duration { return time.Duration(float64(d) / n.rate) }

// Shown returns what this node's clock shows for a true duration.
func (n *Node) Shown(d time.Duration) time.Duration { return time.Duration(float64(d) * n.rate) }

// Offset returns by how much its wall clock is ahead of true time, its rate apart.
func (n *Node) Offset() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.offset
}

// Step sets its wall clock.
func (n *Node) Step(offset time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.offset = offset
}

// Env is the node's clocks, randomness and way to its peers, for electors that take them.
func (n *Node) Env() *env.Env {
	return &env.Env{
		Now:           n.now,
		NewTimer:      func() env.Timer { return newTimer(n) },
		Uint64:        rand.Uint64,
		PeerTransport: (*asker)(n),
	}
}

func (n *Node) now() lease.Instant {
	passed := n.Shown(time.Since(n.arena.began))
	return lease.Instant{Mono: passed, Wall: n.arena.began.Add(passed + n.Offset()).UnixNano()}
}

// timer counts on a node's monotonic clock.
type timer struct {
	n *Node
	t *time.Timer
}

func newTimer(n *Node) *timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &timer{n, t}
}

func (t *timer) C() <-chan time.Time { return t.t.C }
func (t *timer) Stop()               { t.t.Stop() }

// Reset rounds up, so that the timer never fires before the node's clock shows its time.
func (t *timer) Reset(d time.Duration) { t.t.Reset(t.n.Local(max(d, 0)) + 1) }

var _ http.RoundTripper = (*asker)(nil)
