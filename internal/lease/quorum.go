package lease

import (
	"errors"
	"time"
)

// ErrTooFew says that a candidate keeps back because too few members are active.
var ErrTooFew = errors.New("too few members are active")

// quorum is what a candidate knows of how many others there are. It can end a leadership and keep a
// candidate back; no way leads from it to a claim or to trust.
type quorum struct {
	enough   time.Duration // until this moment, unless more is heard
	since    time.Duration // since this moment, without a gap
	withheld bool          // this candidate keeps back for want of members, or has stepped down for it
}

// Assure says that enough members are active until that moment, on the monotonic clock. It is to be
// called before Step, whenever that may have changed.
func (m *Machine) Assure(now Instant, until time.Duration) {
	q := &m.quorum
	if now.Mono >= q.enough && now.Mono < until {
		q.since = now.Mono
	}
	// What was enough until later and is not any more was enough until now: somebody has left, or
	// more are asked for.
	q.enough = max(until, min(q.enough, now.Mono))
}

// Short reports whether this candidate leads although too few members are active, and when that
// ends the leadership.
func (m *Machine) Short(now Instant) (until time.Duration, short bool) {
	return m.demotion(), m.phase == leading && !m.Quorate(now)
}

// Quorate reports whether enough members are active, or none are asked for.
func (m *Machine) Quorate(now Instant) bool { return !m.cfg.Quorum || now.Mono < m.quorum.enough }

// demotion returns when a leader steps down unless it hears from more members.
func (m *Machine) demotion() time.Duration {
	if !m.cfg.Quorum {
		return never
	}
	return min(m.quorum.enough, never-m.cfg.Grace) + m.cfg.Grace
}

// unfit returns why this candidate must not lead on although it is trusted to; 0 if it may.
func (m *Machine) unfit(now Instant) Reason {
	switch {
	case m.cfg.NonVoting:
		return Resigned
	case now.Mono >= m.demotion():
		return QuorumLost
	}
	return 0
}

// withhold returns the moment from which a leadership that is to be had then may be claimed, as far
// as members go. After a leader that has stepped down for want of members, their number must have
// been sufficient for a lease: where members come and go, leaders do not.
func (m *Machine) withhold(now Instant, vacant time.Duration) time.Duration {
	q := &m.quorum
	was := q.withheld
	claim := vacant
	switch r := &m.seen.record; {
	case !m.cfg.Quorum || m.cfg.NonVoting:
		q.withheld = false
	case !m.Quorate(now):
		q.withheld = vacant <= now.Mono || q.withheld && (m.busy || r.Resigned())
		claim = never
	case m.seen.sight == present && r.QuorumLost:
		claim = max(vacant, q.since+m.cfg.Lease)
		q.withheld = claim > max(vacant, now.Mono)
	default:
		q.withheld = false
	}
	if q.withheld != was {
		m.emit(Event{Kind: Withheld})
	}
	return claim
}
