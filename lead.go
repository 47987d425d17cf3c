package s3lect

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// Lead contests the leadership and runs work whenever this process leads, with the term as its
// fencing token. The work's context ends before the lease does: a tenth of the lease is left to
// stop in, and the [LeadershipEnd] that is its [context.Cause] says until when exactly. Nothing is
// released before the work has returned; if it overruns, its lease lapses, and this candidate
// claims nothing until it is back.
//
// When the work returns by itself, Lead releases the leadership and returns the work's error. When
// its leadership has ended first, the contest begins again once it has returned, and its error is
// only logged. When ctx ends, Lead ends the leadership in the ordinary order and returns the error
// of ctx.
//
// Lead stands in for Start and Stop: it starts the elector if nobody has, and then stops it on
// return. If somebody else stops the elector meanwhile the error is ErrStopped. Two calls at once on
// one elector are ErrAlreadyStarted. With OnAcquireLeadership configured, the work begins after it
// has succeeded.
func (e *S3Elector) Lead(ctx context.Context, work func(ctx context.Context, term int64) error) error {
	if work == nil {
		return errors.New("Lead needs a function to run")
	}
	a := &assignment{do: work, done: make(chan struct{})}
	r, own, err := e.assign(ctx, a)
	if err != nil {
		return err
	}
	defer e.unassign(a)
	select {
	case <-a.done:
	case <-r.done:
	case <-ctx.Done():
		if !own {
			r.do(func(now lease.Instant) { r.withdraw(now, a) })
			select {
			case <-a.done:
			case <-r.done:
			}
		}
	}
	if own {
		if err := r.halt(); err != nil {
			e.log.Debug("the leadership was not released after the work", "error", err)
		}
	}
	switch {
	case a.returned:
		return a.err
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return ErrStopped
	}
}

// assign gives the work to the run, a new one if there is none; own says that.
func (e *S3Elector) assign(ctx context.Context, a *assignment) (r *run, own bool, err error) {
	e.mu.Lock()
	if e.work != nil {
		e.mu.Unlock()
		return nil, false, fmt.Errorf("%w: Lead is already running on it", ErrAlreadyStarted)
	}
	e.work = a
	r, own = e.run, e.run == nil
	if own {
		e.run = newRun(ctx, e, a)
		r = e.run
	}
	e.mu.Unlock()
	if own {
		go r.loop(context.WithoutCancel(ctx))
	} else {
		r.do(func(lease.Instant) { r.assign(a) })
	}
	return r, own, nil
}

func (e *S3Elector) unassign(a *assignment) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.work == a {
		e.work = nil
	}
}
