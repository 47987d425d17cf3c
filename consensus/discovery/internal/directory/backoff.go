package directory

import (
	"context"
	"math/rand/v2"
	"time"
)

// The pauses between attempts at a source that fails.
const (
	leastPause = 250 * time.Millisecond
	mostPause  = 10 * time.Second
)

// backoff doubles its pauses, with jitter, so that a source that comes back is not met by everybody at once.
type backoff struct{ last time.Duration }

func (b *backoff) reset() { b.last = 0 }

// wait returns early when ctx ends.
func (b *backoff) wait(ctx context.Context) {
	b.last = min(max(leastPause, 2*b.last), mostPause)
	Pause(ctx, b.last-rand.N(b.last/4)) //nolint:gosec // spreads load, protects nothing
}

// Pause waits for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
