// Package guard stands in front of an engine: it lets no call in after Close or after a failure, and has Close wait for
// the calls that run.
package guard

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// Guard is ready to be used when it is zero.
type Guard struct {
	calls   sync.RWMutex // held for reading by calls that run, and for writing by Close
	closed  bool
	failure atomic.Pointer[error]
}

// Enter admits a call, which Leave must follow unless there is an error.
func (g *Guard) Enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.calls.RLock()
	if g.closed {
		g.calls.RUnlock()
		return storage.ErrClosed
	}
	if failure := g.failure.Load(); failure != nil {
		g.calls.RUnlock()
		return *failure
	}
	return nil
}

// Leave ends a call.
func (g *Guard) Leave() { g.calls.RUnlock() }

// Fail has all further calls fail with an error that is storage.ErrFailed. It returns that error, which is the first
// one if there have been several.
func (g *Guard) Fail(err error) error {
	failed := fmt.Errorf("%w: %w", storage.ErrFailed, err)
	g.failure.CompareAndSwap(nil, &failed)
	return *g.failure.Load()
}

// Failed says whether Fail has been called.
func (g *Guard) Failed() bool { return g.failure.Load() != nil }

// Close waits until no call runs and admits no more. It returns false if it has been called before.
func (g *Guard) Close() bool {
	g.calls.Lock()
	defer g.calls.Unlock()
	first := !g.closed
	g.closed = true
	return first
}
