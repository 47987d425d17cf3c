package s3lect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
	"github.com/seed-6dc909bb/s3lect/internal/roster"
)

// attend begins a round when one is due, and returns when it wants to be asked again.
func (r *run) attend(now lease.Instant) time.Duration {
	m := r.muster
	if m == nil || r.stopping || r.restart {
		return never
	}
	if m.cancel != nil {
		if now.Mono < m.limit {
			return m.limit
		}
		m.drop() // a storage that ignores its context
		r.failed(now, fmt.Errorf("no answer from the storage about the list of observers within %v", m.limit-m.began))
	}
	due := m.due
	if r.leadsPeers() && m.fails == 0 {
		due = min(due, r.nextLook(now))
	}
	switch {
	case due > now.Mono:
		return due
	case r.rounds == maxCalls:
		r.failed(now, fmt.Errorf("%d requests about the list of observers have not returned, although their contexts were cancelled", maxCalls))
		return m.due
	}
	ctx, cancel := context.WithTimeout(r.base, m.interval()) // later it would be worth nothing any more
	m.began, m.limit = now.Mono, now.Mono+m.interval()+m.keeper.lease/20
	m.cancel = cancel
	m.round++
	r.rounds++
	round, keeper, id, what := m.round, m.keeper, m.id, lookAt
	if !r.leadsPeers() {
		m.listed = true
		what = m.beat()
	}
	go func() {
		defer cancel()
		err := keeper.change(ctx, id, what)
		r.do(func(now lease.Instant) { r.attended(now, m, round, err) })
	}()
	return m.limit
}

// leadsPeers reports whether the others tell this leader that they are there.
func (r *run) leadsPeers() bool { return r.config.PeerMode && r.e.IsLeader() }

// beat counts a heartbeat in the roster. All that makes for a round sees who else is there.
func (m *muster) beat() rosterEdit {
	id, metadata := m.id, m.metadata
	return func(list *roster.Roster) (bool, error) { return true, list.Register(id, metadata) }
}

// lookAt only sees who is there.
func lookAt(*roster.Roster) (bool, error) { return false, nil }

// strike takes an observer off the roster.
func strike(id string) rosterEdit {
	return func(list *roster.Roster) (bool, error) { return list.Remove(id), nil }
}

// attended takes in the end of a round.
func (r *run) attended(now lease.Instant, m *muster, round int, err error) {
	r.rounds--
	if m != r.muster || m.cancel == nil || m.round != round {
		return
	}
	m.cancel = nil
	if err != nil {
		r.failed(now, err)
		return
	}
	m.err, m.fails = nil, 0
	m.rounds++
	if v := m.keeper.attendance.Version(); v != m.version {
		m.version, m.busyAt = v, now.Mono
	}
	m.due = max(now.Mono, m.began+m.pause(r))
}

// failed paces the next round after one that came to nothing: no heartbeat should be missed by others.
func (r *run) failed(now lease.Instant, err error) {
	m := r.muster
	m.err = err
	m.fails++
	d := m.interval() / 2
	switch {
	case m.fails == 1 && !errors.Is(err, ErrStorageThrottled):
		d /= 2
	case m.fails > 3 && errors.Is(err, ErrStoragePrecondition):
		// The storage never takes a write. But a look that is not within a lease of the last proves nothing.
		d = 2 * m.interval()
	}
	m.due = now.Mono + d + r.upTo(m.interval()/4)
}

// pause is the time from one round to the next.
func (m *muster) pause(r *run) time.Duration {
	d := m.interval()
	switch {
	case r.leadsPeers():
		d = 3 * m.keeper.lease // unless nextLook is sooner
	case m.rounds == 1:
		d /= 5 // that it is there shows by a second heartbeat
	}
	return d - r.upTo(d/25)
}

// nextLook is when a leader that hears from the others by themselves looks who uses the roster all the
// same: seldom, unless somebody does, or has fallen silent and may have turned to it.
func (r *run) nextLook(now lease.Instant) time.Duration {
	m, leaseTime := r.muster, r.muster.keeper.lease
	soon := m.began + m.interval()
	_, short := r.machine.Short(now)
	switch {
	case short:
		return m.began + m.interval()/5
	case now.Mono-m.busyAt < 2*leaseTime:
		return soon
	}
	return max(soon, m.keeper.attendance.Quiet(vouchedAge(leaseTime, pollLimit(r.config)), m.id))
}
