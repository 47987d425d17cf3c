package sim

import (
	"context"
	"errors"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

var errHook = errors.New("hook failed")

// onAcquire is the program's OnAcquireLeadership.
func (p *process) onAcquire(ctx context.Context) error {
	p.host.wait()
	if p.host.isDead() {
		return nil
	}
	p.w.monitor.acquireBegins(ctx, p)
	p.users.Go(func() {
		<-ctx.Done()
		p.host.wait()
		p.w.monitor.contextEnded(ctx, p)
	})
	p.dawdle(ctx.Done())
	fail := p.hookDice.chance(p.habits.failHook) && p.w.chaos()
	p.w.monitor.acquireReturns(p)
	if fail {
		p.w.trace.add(p.name, "OnAcquireLeadership fails")
		return errHook
	}
	return nil
}

// onLose is the program's OnLoseLeadership.
func (p *process) onLose(ctx context.Context) error {
	p.host.wait()
	if p.host.isDead() {
		return nil
	}
	p.w.monitor.loseBegins(ctx, p)
	p.dawdle(ctx.Done())
	fail := p.hookDice.chance(p.habits.failHook) && p.w.chaos()
	p.w.monitor.loseReturns(p)
	if fail {
		return errHook
	}
	return nil
}

// dawdle is the time a hook takes.
func (p *process) dawdle(ctxDone <-chan struct{}) {
	d := p.hookDice.between(time.Microsecond, 20*time.Millisecond)
	slow := p.hookDice.between(0, 2*p.currentConfig().LeaderTimeout)
	if p.hookDice.chance(p.habits.slowHook) && p.w.chaos() {
		d = slow
	}
	if p.habits.quickHooks {
		return
	}
	if p.hookDice.chance(p.habits.stubborn) {
		ctxDone = p.w.calm // hears nothing, but does not outlast the faults
	}
	p.host.sleep(d, ctxDone)
}

// leadUntil calls Lead until ctx ends.
func (p *process) leadUntil(ctx context.Context) {
	for {
		err := p.leadOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if p.host.isDead() {
			<-ctx.Done()
			return
		}
		p.w.trace.add(p.name, "Lead returned: %v", err)
		p.w.monitor.leadReturned(p)
		p.pause(ctx, p.leadDice, 100*time.Millisecond, 5*time.Second)
	}
}

// leadOnce calls Lead; for a while if the elector goes on contesting without it.
func (p *process) leadOnce(ctx context.Context) error {
	if p.habits.started {
		limited, cancel := context.WithCancel(ctx)
		defer cancel()
		defer time.AfterFunc(p.leadDice.between(10*time.Second, 120*time.Second), func() {
			if p.w.chaos() {
				cancel()
			}
		}).Stop()
		ctx = limited
	}
	return p.elector.Lead(ctx, p.work)
}

var errWorkDone = errors.New("work is done")

// work is the program's work. When its context ends it winds down: mostly in the time it is given,
// sometimes not.
func (p *process) work(ctx context.Context, term int64) error {
	p.host.wait()
	if p.host.isDead() {
		return nil
	}
	p.w.monitor.workBegins(ctx, p, term)
	own := p.workDice.between(time.Second, 40*time.Second)
	returns := p.workDice.chance(p.habits.returns) && p.w.chaos()
	if !returns {
		own = 1000 * time.Hour
	}
	p.host.sleep(own, ctx.Done())
	if ctx.Err() == nil {
		if p.host.isDead() {
			return nil
		}
		p.w.monitor.workReturns(p)
		return errWorkDone
	}
	p.windDown(ctx)
	p.w.monitor.workReturns(p)
	return nil
}

func (p *process) windDown(ctx context.Context) {
	given := time.Duration(0)
	var end *s3lect.LeadershipEnd
	if errors.As(context.Cause(ctx), &end) && !end.Until.IsZero() {
		given = max(0, time.Until(end.Until))
	}
	overruns := p.workDice.chance(p.habits.overrun) && p.w.chaos()
	p.w.monitor.windingDown(p, given, overruns)
	if overruns {
		p.host.sleep(given+p.workDice.between(0, 2*p.currentConfig().LeaderTimeout), p.w.calm)
		return
	}
	// Just short of what is given: the worst that well-behaved work may do.
	d := time.Duration(p.workDice.fraction() * float64(given))
	if p.workDice.chance(0.5) {
		d = given - time.Millisecond
	}
	p.host.sleep(max(d, 0), nil)
}
