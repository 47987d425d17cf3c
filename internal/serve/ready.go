package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

const (
	probeInterval = time.Second // between the starts of two reads
	probeTimeout  = 2 * time.Second
)

// readiness tells whether the storage answers. However many ask, there is one read a second, and
// never two at the same time: one that a storage without manners never ends is the last.
type readiness struct {
	read func(ctx context.Context) error
	log  *slog.Logger

	mu     sync.Mutex // guards what follows
	latest *probe
	failed bool // by the log
	told   bool // whether the log has said anything yet
}

// probe is one read.
type probe struct {
	began time.Time
	done  chan struct{}
	err   error // once done is closed
}

func (p *probe) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// check returns why the storage cannot be used, by the present or a recent read.
func (r *readiness) check(ctx context.Context) error {
	p := r.present()
	patience := time.NewTimer(time.Until(p.began.Add(probeTimeout)))
	defer patience.Stop()
	select {
	case <-p.done:
		return p.err
	case <-patience.C:
		if p.ended() {
			return p.err
		}
		err := fmt.Errorf("no answer within %v: %w", probeTimeout, context.DeadlineExceeded)
		r.tell(err)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// present returns the read under way, or the latest one if it is recent, or a new one.
func (r *readiness) present() *probe {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.latest != nil && (!r.latest.ended() || time.Since(r.latest.began) < probeInterval) {
		return r.latest
	}
	p := &probe{began: time.Now(), done: make(chan struct{})}
	r.latest = p
	go r.probe(p)
	return p
}

// probe is waited for by those who ask. Nobody waits longer than they do: a storage that does not
// heed its context must not hold up the end of the server.
func (r *readiness) probe(p *probe) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	p.err = r.readOnce(ctx)
	r.tell(p.err)
	close(p.done)
}

// readOnce keeps a fault of the storage from ending the server.
func (r *readiness) readOnce(ctx context.Context) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("the storage has a fault: %v\n%s", fault, debug.Stack())
		}
	}()
	return r.read(ctx)
}

// tell logs what has changed.
func (r *readiness) tell(err error) {
	r.mu.Lock()
	news := !r.told || r.failed != (err != nil)
	r.told, r.failed = true, err != nil
	r.mu.Unlock()
	switch {
	case !news:
	case err != nil:
		r.log.Error("the storage does not answer as it should, so this server is not ready", "error", err)
	default:
		r.log.Info("the storage answers: ready")
	}
}

// reason says in public what is wrong. Names of buckets and servers are for the log.
func reason(err error) string {
	switch {
	case errors.Is(err, s3lect.ErrStorageThrottled):
		return "the storage asks to slow down"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "the storage has not answered in time"
	}
	return "the storage does not answer as it should; the server's log says why"
}
