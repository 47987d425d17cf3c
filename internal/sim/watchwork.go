package sim

import (
	"context"
	"errors"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// This file judges hooks, work, and the contexts they get.

func (m *monitor) acquireBegins(ctx context.Context, p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.w.trace.add(p.name, "OnAcquireLeadership (term %d)", p.elector.Term())
	if p.m.hooks != hooksIdle {
		m.fail(Hooks, p, "OnAcquireLeadership while hooks are %v", p.m.hooks)
	}
	p.m.hooks, p.m.hookCtx, p.m.hookTerm = acquiring, ctx, max(p.m.term, p.elector.Term())
	p.m.standsBy = ""
	m.checkLeaders(m.live())
	m.w.poke()
}

func (m *monitor) acquireReturns(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.m.hooks = acquired
}

func (m *monitor) loseBegins(ctx context.Context, p *process) {
	leads, end := p.elector.IsLeader(), s3lect.LeadershipEndOf(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.w.trace.add(p.name, "OnLoseLeadership: %v", end)
	if end == nil {
		m.fail(Reasons, p, "OnLoseLeadership is not told why the leadership has ended")
	} else {
		m.ends(p, end)
	}
	if p.m.hooks != acquired {
		m.fail(Hooks, p, "OnLoseLeadership while hooks are %v", p.m.hooks)
	}
	if p.m.working {
		m.fail(Hooks, p, "OnLoseLeadership while work is running")
	}
	if leads {
		m.fail(Hooks, p, "OnLoseLeadership while IsLeader is true")
	}
	if p.m.hookCtx != nil && p.m.hookCtx.Err() == nil {
		m.fail(Hooks, p, "OnLoseLeadership before the context of OnAcquireLeadership has ended")
	}
	p.m.hooks = losing
}

func (m *monitor) loseReturns(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.m.hooks, p.m.hookTerm = hooksIdle, max(p.m.hookTerm, p.m.term)
}

var reasons = []error{s3lect.ErrLeaseExpired, s3lect.ErrLeadershipLost, s3lect.ErrResigned, s3lect.ErrTransferred, s3lect.ErrStopped, s3lect.ErrQuorumLost}

// contextEnded judges the end of the context that OnAcquireLeadership got.
func (m *monitor) contextEnded(ctx context.Context, p *process) {
	if p.host.isDead() {
		return
	}
	leads := p.elector.IsLeader()
	var end *s3lect.LeadershipEnd
	m.mu.Lock()
	defer m.mu.Unlock()
	if !errors.As(context.Cause(ctx), &end) {
		m.fail(WorkOverlap, p, "a leadership's context ended with %v instead of a LeadershipEnd", context.Cause(ctx))
		return
	}
	m.w.trace.add(p.name, "context ended: %v, others kept out until %v", end, end.Until)
	known := false
	for _, r := range reasons {
		known = known || errors.Is(end, r)
	}
	if !known {
		m.fail(WorkOverlap, p, "a leadership's context ended with an unknown reason: %v", end)
	}
	if errors.Is(end, s3lect.ErrResigned) || errors.Is(end, s3lect.ErrTransferred) || errors.Is(end, s3lect.ErrQuorumLost) {
		p.m.standsBy = p.m.session
	}
	if leads && p.m.hookCtx == ctx {
		m.fail(WorkOverlap, p, "IsLeader is true after the context has ended: %v", end)
	}
	p.m.endedAt = time.Now()
	m.ends(p, end)
	p.m.peers.end, p.m.peers.endAt = end, p.host.now()
	m.w.poke()
}

func (m *monitor) workBegins(ctx context.Context, p *process, term int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.w.trace.add(p.name, "work begins (term %d)", term)
	if p.m.working {
		m.fail(WorkOverlap, p, "work begins while work is running")
	}
	p.m.working, p.m.workCtx, p.m.workSince = true, ctx, time.Now()
	p.m.windingDown, p.m.overruns = false, false
	if p.elector.IsLeader() && p.elector.Term() != term {
		m.fail(Terms, p, "work was given term %d, Term() is %d", term, p.elector.Term())
	}
	for _, a := range m.live() {
		if a == p || a.m.key() != p.m.key() || !a.m.working || !a.m.windingDown || a.m.overruns {
			continue
		}
		if ctx.Err() == nil && !a.host.heldDuring(a.m.windSince) {
			m.fail(WorkOverlap, p, "work begins while %s winds down in the time it was given", a.name)
		}
	}
}

func (m *monitor) windingDown(p *process, given time.Duration, overruns bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.w.trace.add(p.name, "work winds down, given %v, overruns %v", given, overruns)
	p.m.windingDown, p.m.overruns, p.m.windSince = true, overruns, time.Now()
	p.m.deadline = time.Now().Add(given * 100 / 106)
}

func (m *monitor) workReturns(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.w.trace.add(p.name, "work returns")
	p.m.working = false
	m.checkLeaders(m.live())
}

// checkWork judges the work of a while p leads.
//
// A held process cannot know that its lease is over, and in the instant in which it goes on it has
// not been told yet: that is what terms are for. Neither can one that was suspended, until it looks
// at its wall clock.
func (m *monitor) checkWork(p, a *process) {
	if !a.m.working {
		return
	}
	c := a.host.condition()
	switch {
	case c.held || c.justResumed:
	case a.m.workCtx.Err() == nil:
		if c.suspendedAt.IsZero() || time.Since(c.suspendedAt) > noticeTime(a) {
			m.fail(WorkOverlap, a, "its work's context has not ended, and %s leads", p.name)
		}
	case a.m.windingDown && time.Now().Before(a.m.deadline):
		m.fail(WorkOverlap, a, "its work was promised %v more, and %s leads", time.Until(a.m.deadline), p.name)
	}
}

// noticeTime is how long an elector may take to notice that its wall clock has run ahead: timers
// count on the monotonic clock alone, so it has to look now and then.
func noticeTime(p *process) time.Duration { return p.m.maxLease / 10 }

// checkContexts holds an elector to ending its contexts as soon as it does not lead. Where the wall
// clock runs faster than the monotonic one, by a tenth at most, it finds that out by and by.
func (m *monitor) checkContexts(p *process) {
	c := p.host.condition()
	if c.held || c.justResumed || p.m.leading || !c.disturbedAt.IsZero() && time.Since(c.disturbedAt) < noticeTime(p) {
		return
	}
	lag := 10 * time.Millisecond
	if c.wallRuns {
		lag += noticeTime(p) / 8
	}
	for _, ctx := range []context.Context{p.m.hookCtx, p.m.workCtx} {
		if ctx != nil && ctx.Err() == nil && time.Since(p.m.endedAt) > lag {
			m.fail(WorkOverlap, p, "a context of term %d outlives its leadership, which ended at %v", p.m.term, p.m.endedAt.Sub(m.w.start))
		}
	}
}

func (m *monitor) leadReturned(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.m.working {
		m.fail(Hooks, p, "Lead returned while work was running")
	}
	if !p.habits.started && p.m.hooks != hooksIdle {
		m.fail(Hooks, p, "Lead returned while hooks are %v", p.m.hooks)
	}
	p.m.standsBy = ""
}

func (m *monitor) waitedForLeadership(p *process) {
	c := p.host.condition()
	if !p.elector.IsLeader() && !c.held && !c.dead {
		m.mu.Lock()
		instant := p.m.endedAt.Equal(time.Now()) // it was, and ended in this very instant
		m.mu.Unlock()
		if !instant {
			m.fail(Waiters, p, "WaitForLeadership returned nil to a non-leader")
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checkLeaders(m.live())
}

// watchedStatus judges what Watch tells: every leadership has a higher term than the last one.
func (m *monitor) watchedStatus(p *process, s s3lect.LeadershipStatus) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.host.isDead() || s.LockfilePath != mainKey {
		return
	}
	m.saysEnded(p, s)
	if s.IsLeader && !p.m.toldLeading && s.Term <= p.m.toldTerm {
		m.fail(Waiters, p, "Watch tells of a leadership of term %d after one of term %d", s.Term, p.m.toldTerm)
	}
	if s.IsLeader && p.m.toldLeading && s.Term < p.m.toldTerm {
		m.fail(Waiters, p, "Watch tells of term %d after term %d", s.Term, p.m.toldTerm)
	}
	p.m.toldLeading = s.IsLeader
	if s.IsLeader {
		p.m.toldTerm = s.Term
	}
}
