package s3lect

import (
	"context"
	"errors"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// tenure is one leadership as hooks and work see it. Its steps are taken in this order, one at a
// time: the acquire hook, the work, the end, the lose hook, the release.
type tenure struct {
	term      int64
	ctx       context.Context // ends with the leadership
	cancel    context.CancelCauseFunc
	onAcquire func(ctx context.Context) error
	onLose    func(ctx context.Context) error
	end       *LeadershipEnd // nil while it lasts

	entered bool // the acquire hook was begun
	failed  bool // and has failed
	working *assignment
	left    bool // the lose hook was begun
	busy    bool // a hook or the work runs
	hooking bool // it is a hook
}

// assignment is the work of one call of Lead.
type assignment struct {
	do   func(ctx context.Context, term int64) error
	done chan struct{} // closed when nothing of it runs any more and its leadership is released

	// Set before done is closed.
	returned bool  // by itself, while leading
	err      error // then
}

// insideContext is what hooks and work are given: it knows whose they are, and to the lose hook also the
// end. Its values hide those of another elector's hook that Start may have been called from.
type insideContext struct {
	context.Context

	e   *S3Elector
	end *LeadershipEnd
}

func (c *insideContext) Value(key any) any {
	switch k := key.(type) {
	case insideKey:
		if k.e == c.e {
			return true
		}
	case endKey:
		return c.end
	}
	return c.Context.Value(key)
}

func newTenure(r *run, term int64) *tenure {
	ctx, cancel := context.WithCancelCause(&insideContext{r.base, r.e, nil})
	return &tenure{
		term:      term,
		ctx:       ctx,
		cancel:    cancel,
		onAcquire: r.config.OnAcquireLeadership,
		onLose:    r.config.OnLoseLeadership,
	}
}

// serve takes the next step of the tenure, if one can be taken, and reports whether it did.
func (r *run) serve(now lease.Instant) bool {
	t := r.tenure
	switch {
	case t == nil || t.busy:
		return false
	case t.end == nil && !t.entered:
		t.entered = true
		r.hook(t.ctx, now, t.onAcquire, r.acquireReturned)
	case t.end == nil && r.work != nil && t.working == nil && !t.failed:
		t.working = r.work
		r.employ(func() error { return t.working.do(t.ctx, t.term) }, r.workReturned)
	case t.end != nil && !t.left:
		t.left = true
		if t.entered {
			r.hook(&insideContext{r.base, r.e, t.end}, now, t.onLose, r.loseReturned)
		}
	case t.end != nil:
		r.tenure = nil
		r.machine.Release(now)
	default:
		return false
	}
	return true
}

// hook begins a hook. One that is not configured has returned already.
func (r *run) hook(ctx context.Context, now lease.Instant, hook func(ctx context.Context) error, then func(lease.Instant, error)) {
	if hook == nil {
		then(now, nil)
		return
	}
	r.tenure.hooking = true
	r.employ(func() error { return hook(ctx) }, then)
}

// employ runs f beside the loop, which hears of its return.
func (r *run) employ(f func() error, then func(lease.Instant, error)) {
	r.tenure.busy = true
	go func() {
		err := errNotReturned
		// Deferred, so that a goroutine that is ended by runtime.Goexit is not waited for for ever.
		defer func() {
			r.do(func(now lease.Instant) {
				r.tenure.busy, r.tenure.hooking = false, false
				then(now, err)
			})
		}()
		err = f()
	}()
}

var errNotReturned = errors.New("it ended its goroutine instead of returning")

func (r *run) acquireReturned(now lease.Instant, err error) {
	if err == nil {
		return
	}
	r.log().Error("OnAcquireLeadership has failed, the leadership is given up", "term", r.tenure.term, "error", err)
	r.tenure.failed = true
	r.machine.Resign(now, "")
}

func (r *run) loseReturned(_ lease.Instant, err error) {
	if err != nil {
		r.log().Error("OnLoseLeadership has failed", "term", r.tenure.term, "error", err)
	}
}

// workReturned tells work that is done from work that stopped because its leadership had ended:
// after that the contest goes on.
func (r *run) workReturned(now lease.Instant, err error) {
	if r.tenure.end != nil {
		if err != nil && !errors.Is(err, context.Canceled) {
			r.log().Info("work has stopped with an error after its leadership", "term", r.tenure.term, "error", err)
		}
		return
	}
	work := r.tenure.working
	work.returned, work.err = true, err
	r.assign(nil)
	r.onRelease = append(r.onRelease, func(error) { close(work.done) })
	r.machine.Resign(now, "")
}

// assign gives the work to the present leadership, and to all that follow; nil takes it from them.
func (r *run) assign(work *assignment) {
	r.work = work
	r.machine.Guard(work != nil)
}

// withdraw takes the work back. Its caller hears when it has returned and its leadership is
// released.
func (r *run) withdraw(now lease.Instant, work *assignment) {
	if r.work != work {
		return // it has returned by itself
	}
	r.assign(nil)
	if r.tenure == nil || r.tenure.working != work {
		close(work.done)
		return
	}
	r.onRelease = append(r.onRelease, func(error) { close(work.done) })
	r.machine.Resign(now, "")
}

// ended ends the contexts of hooks and work. IsLeader is already false and watchers are told.
func (r *run) ended(now lease.Instant, event lease.Event) {
	end := &LeadershipEnd{Term: event.Term, Reason: endReason(event.Reason).Err()}
	if left := now.Until(event.Until); left > 0 {
		end.Until = time.Now().Add(left)
	}
	r.tenure.end = end
	r.tenure.cancel(end)
	r.log().Info("leadership ended", "term", event.Term, "reason", end.Reason)
}
