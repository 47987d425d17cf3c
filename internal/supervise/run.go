//go:build unix

package supervise

import (
	"context"
	"sync"
	"syscall"
	"time"
)

// Run starts the job, and returns when the command has ended and nothing it has started is left in
// its process group.
//
// When ctx ends, the group gets SIGTERM and, after the grace period but always before KillBy,
// SIGKILL. The first signal received from signals is forwarded and starts the grace period; another
// one kills at once. What the command leaves behind when it ends by itself gets SIGTERM and has the
// grace period too.
//
// The deadline holds also while this process is stopped or slow: the command's guard knows it.
func (j *Job) Run(ctx context.Context, signals <-chan syscall.Signal) (Status, Cause, error) {
	// The clock is read before Remaining is asked: a delay between the two makes the deadline earlier.
	now := time.Now()
	p, err := Start(j.Spec, j.guardDeadline(now, j.Remaining()))
	if err != nil {
		return Status{}, ByItself, err
	}
	stopRefreshing := j.refresh(ctx, p)
	defer stopRefreshing()
	status, cause := j.wait(ctx, signals, p)
	return status, cause, nil
}

// guardDeadline is later than the supervisor's own: the guard kills where the supervisor failed to.
func (j *Job) guardDeadline(now time.Time, left time.Duration) time.Time {
	return now.Add(left - j.Margin/2)
}

// refresh keeps telling the guard its deadline until ctx ends.
func (j *Job) refresh(ctx context.Context, p *Process) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(j.Refresh)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				// At its end wait sends the last word. A zero sent here would cut the grace period.
				now := time.Now()
				if left := j.Remaining(); left > 0 {
					p.Extend(j.guardDeadline(now, left))
				}
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

func (j *Job) wait(ctx context.Context, signals <-chan syscall.Signal, p *Process) (Status, Cause) {
	e := newEnding(p)
	exited, revoked := p.Exited(), ctx.Done()
	for {
		select {
		case <-p.Done(): // perhaps in the place of exited, which is closed too
			return p.Status(), e.causeOf(p.Status())
		case <-exited:
			exited = nil
			e.ask(ByItself, syscall.SIGTERM)
			e.killBy(time.Now().Add(j.Grace))
		case <-revoked:
			revoked = nil
			deadline := j.KillBy(context.Cause(ctx))
			p.Extend(deadline.Add(-j.Margin / 2))
			e.ask(Revoked, syscall.SIGTERM)
			e.killBy(time.Now().Add(j.Grace))
			e.killBy(deadline.Add(-j.Margin))
		case s := <-signals:
			if e.cause == Stopped {
				p.Kill()
				continue
			}
			e.ask(Stopped, s)
			e.because(Stopped)
			e.killBy(time.Now().Add(j.Grace))
		case <-e.kill.C:
			p.Kill()
		}
	}
}

// ending is how far the end of a process has come.
type ending struct {
	p      *Process
	asked  bool
	cause  Cause
	kill   *time.Timer
	killAt time.Time // zero while kill is not set
}

func newEnding(p *Process) *ending {
	e := &ending{p: p, kill: time.NewTimer(0)}
	e.kill.Stop()
	return e
}

// ask sends the first request to end. Only an operator's signal is sent on top of another: many
// programs take a second one as an order to drop everything.
func (e *ending) ask(c Cause, s syscall.Signal) {
	if !e.asked || c == Stopped {
		e.p.Signal(s)
	}
	if !e.asked {
		e.because(c)
	}
}

func (e *ending) because(c Cause) { e.asked, e.cause = true, c }

// causeOf also knows an end that the guard has made. One that the operator asked for before it stays
// that.
func (e *ending) causeOf(s Status) Cause {
	if s.Expired && e.cause == ByItself {
		return Revoked
	}
	return e.cause
}

// killBy sets the moment of killing; of several, the earliest counts.
func (e *ending) killBy(at time.Time) {
	if e.killAt.IsZero() || at.Before(e.killAt) {
		e.killAt = at
		e.kill.Reset(time.Until(at))
	}
}
