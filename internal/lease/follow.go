package lease

import (
	"errors"
	"fmt"
	"time"
)

// ErrDuplicate says that another live process uses this candidate's ID.
var ErrDuplicate = errors.New("another live process uses the same ID")

// Version identifies what a read showed. On real servers the ETag of one version can come with the
// body of another, so neither is enough: when either differs, it is another version.
type Version struct{ ETag, Nonce string }

type sight uint8

const (
	nothing sight = iota // no answer yet, or nothing that can be judged
	vacant               // there is no object
	present              // a record
)

// observation is what a follower last saw, and since when it has seen nothing else.
type observation struct {
	sight     sight
	again     bool // the last read showed what an earlier one had shown
	lapsed    bool // its lease has run out
	version   Version
	record    Record
	since     Instant       // the answer that first showed it
	termSince time.Duration // the answer that first showed its term
	renewals  int           // how often the same session was seen to have written again
}

// Seen returns the record last seen and when its version was first seen; ok is false when there is
// none.
func (m *Machine) Seen() (record Record, since Instant, ok bool) {
	return m.seen.record, m.seen.since, m.seen.sight == present
}

// Lapsed reports whether the leader of that record has not renewed it for so long that nobody leads.
func (m *Machine) Lapsed() bool { return m.seen.lapsed }

// HighestTerm returns the highest term ever seen.
func (m *Machine) HighestTerm() int64 { return m.highest }

// Troubles returns the number of checks that failed since the last one that did not, and the error
// of the latest.
func (m *Machine) Troubles() (int, error) {
	fails := m.readFails + m.claimFails
	if m.own != nil && m.phase != following {
		fails += m.own.fails
	}
	switch {
	case fails > 0:
		return fails, m.lastErr
	case m.duplicated():
		return 0, ErrDuplicate
	case m.quorum.withheld:
		return 0, ErrTooFew
	}
	return 0, nil
}

// duplicated reports whether somebody else lives under this candidate's ID. A former incarnation's
// last write may land late; only a second renewal shows that it is alive.
func (m *Machine) duplicated() bool {
	s := &m.seen
	return s.sight == present && s.renewals > 1 && !s.record.Resigned() &&
		s.record.LeaderID == m.cfg.ID && s.record.Session != m.session
}

// follow is a follower's loop: ask the leader, if that is wanted, and read the storage.
func (m *Machine) follow(now Instant) time.Duration {
	asked := m.ask(now) // first: a question that fails makes for a read
	return min(asked, m.look(now), m.lapse(now))
}

// lapse takes note that the lease of what is seen has run out, and returns when it will have. A read that
// is under way in that moment may show that the leader goes on.
func (m *Machine) lapse(now Instant) time.Duration {
	s := &m.seen
	if s.lapsed || s.sight != present || s.record.Resigned() {
		return never
	}
	if at := s.since.Mono + max(s.record.Lease, m.cfg.Lease) + m.attemptTimeout(); now.Mono < at {
		return at
	}
	s.lapsed = true
	m.emit(Event{Kind: Lapsed})
	return never
}

// look reads now and then; when the leadership can be claimed it waits a little, reads once more,
// and claims if nothing has changed.
func (m *Machine) look(now Instant) time.Duration {
	if m.call != nil {
		return m.call.deadline
	}
	claim := m.claimable(now)
	switch {
	case claim > now.Mono:
		m.approaching = false
	case !m.approaching:
		m.approaching = true
		m.claimAt = now.Mono
		if m.seen.record.Successor != m.cfg.ID { // else nobody else claims now
			m.claimAt += m.upTo(m.claimSpread())
		}
	}
	switch {
	case m.approaching && m.claimAt > now.Mono:
		return m.claimAt
	case m.approaching || m.nextRead <= now.Mono:
		m.read(now)
		return m.call.deadline
	}
	return min(claim, m.nextRead)
}

// claimable returns the moment from which this candidate may take over what it sees, for all that is
// known now.
func (m *Machine) claimable(now Instant) time.Duration { return m.withhold(now, m.vacant()) }

// vacant returns the moment from which the leadership that this candidate sees is to be had.
func (m *Machine) vacant() time.Duration {
	s := &m.seen
	wait := time.Duration(0)
	standBack := m.standBack
	switch {
	case m.busy || m.stopping || m.cfg.NonVoting || s.sight == nothing:
		return never
	case s.sight == vacant && m.known:
		wait = max(m.lastLease, m.cfg.Lease)
	case s.sight == vacant:
	case !s.record.Resigned():
		wait = max(s.record.Lease, m.cfg.Lease)
	case s.record.Successor == m.cfg.ID:
		standBack = s.since.Mono // it was asked to
	case s.record.Successor != "":
		wait = s.record.Lease
		if wait == 0 {
			wait = m.cfg.Lease
		}
	}
	return max(s.since.Mono+wait, standBack, m.claimAfter)
}

// settled reports whether a leader is there that has given no reason to look more often.
func (m *Machine) settled(now Instant) bool {
	s := &m.seen
	return s.sight == present && !s.record.Resigned() && (!s.again || m.heard()) && !m.busy &&
		m.readFails == 0 && m.claimFails == 0 && now.Mono < s.since.Mono+max(s.record.Lease, m.cfg.Lease) &&
		now.Mono-s.termSince >= 2*max(s.record.Lease, m.cfg.Lease)
}

// followRead digests a read.
func (m *Machine) followRead(now Instant, call *Call, a Answer) {
	confirm := m.approaching
	m.approaching = false
	if a.Kind != OK && a.Kind != Absent {
		m.readFailed(now, a)
		return
	}
	m.readFails = 0
	if a.Kind == OK && m.own != nil {
		if at := m.own.find(a.Record.Nonce); at != nil && !m.busy {
			m.landed(now, a, at)
			return
		}
	}
	same := m.observe(now, call.known, a)
	if m.doubt != nil && same {
		m.claimFails++
		m.lastErr = fmt.Errorf("claim refused although the record is unchanged: %w; if this goes on, the storage does not understand the condition: run \"s3lect probe\"", m.doubt)
	}
	m.doubt = nil
	m.nextRead = call.sent.Mono + m.readInterval(now)
	if m.seen.termSince == now.Mono {
		// All followers have read just now, to see who won. Were they to go on in step, none of
		// them would be early to see the leader's last version.
		m.nextRead -= m.upTo(m.cfg.Frequent)
	}
	if m.tooEarly(call.sent.Mono) {
		m.nextRead = max(now.Mono, m.peer.alarm)
	}
	m.checked(nil)
	switch {
	case !confirm || !same || m.claimable(now) > now.Mono:
	case m.highest >= MaxTerm-1:
		m.claimFails++
		m.lastErr = fmt.Errorf("term %d is the last one, and terms only grow: choose another key", m.highest)
		m.claimAfter = now.Mono + m.cfg.Frequent
	default:
		m.claim(now)
	}
}

// readFailed paces the next read. What was seen before stays seen: the version could only be
// claimed after another read has shown it. An object that is not a record is different: what comes
// after it is observed anew.
func (m *Machine) readFailed(now Instant, a Answer) {
	m.readFails++
	m.lastErr = a.Err
	if a.Kind == Bad {
		m.known = true
		m.seen = observation{since: now, termSince: now.Mono}
		m.fresh(false)
	}
	m.nextRead = now.Mono + m.pace(m.readFails, a.Kind)
	m.claimAfter = max(m.claimAfter, m.nextRead)
	m.checked(a.Err)
}

// observe takes in what a read has shown, which left when that version was known, and reports whether
// it is what was seen before.
func (m *Machine) observe(now Instant, known Record, a Answer) (same bool) {
	next := observation{sight: vacant, since: now, termSince: now.Mono}
	if a.Kind == OK {
		next.sight = present
		next.version = Version{a.ETag, a.Record.Nonce}
		next.record = *a.Record
	}
	last := &m.seen
	// Under another number, too, it would be a peer's invention that the version is news.
	if next.sight == last.sight && next.version == last.version && !next.record.precedes(last.record) {
		last.record = next.record // the storage's word goes above a peer's
		if next.sight == present {
			m.lastLease = next.record.Lease
		}
		last.again = true
		m.proven()
		return true
	}
	if m.outdated(next, known) {
		return false
	}
	m.fresh(m.contradicts(next))
	if next.sight == present {
		m.known = true
		if next.record.Term < m.highest { // from the past: whoever holds it now may hold it for longer
			m.lastLease = max(m.lastLease, next.record.Lease)
		} else {
			m.lastLease = next.record.Lease
		}
		m.highest = max(m.highest, next.record.Term)
		if last.sight == present && last.record.Term == next.record.Term && last.record.Session == next.record.Session {
			next.termSince = last.termSince
			next.renewals = last.renewals + 1
		}
	}
	if m.busy && m.own != nil && next.sight == present && next.record.Session == m.session {
		// Of the ended leadership still: a read from the past, or a write that has landed late and
		// that its resignation has to replace.
		if at := m.own.find(next.version.Nonce); at != nil {
			m.own.adopt(*at, "")
			m.own.learn(next.version.ETag)
		}
	} else {
		m.own = nil // nothing of it can land any more, and nothing is left to release
	}
	m.seen = next
	m.claimFails = 0
	return false
}

// claim writes this candidate's record over the version that it has just seen again.
func (m *Machine) claim(now Instant) {
	if m.own == nil {
		m.own = &reign{}
	}
	m.own.term = max(m.highest, m.seen.record.Term) + 1
	m.phase = claiming
	m.write(now, Record{LastUpdated: now.Time()}, m.seen.version.ETag)
}

// claimed digests the end of a claim.
func (m *Machine) claimed(now Instant, call *Call, a Answer) {
	if a.Kind == Refused {
		m.checked(nil)
	} else {
		m.checked(a.Err)
	}
	if a.Kind == OK {
		m.confirmed(now, *m.own.find(call.Record.Nonce), a.ETag)
		return
	}
	if m.stopping {
		m.phase = idle
		return
	}
	m.phase = following
	m.claimAfter = now.Mono + m.pace(m.claimFails+1, a.Kind)
	if a.Kind == Refused {
		// In all likelihood somebody was faster, and nothing is wrong. The read-back shows it.
		m.doubt = a.Err
		m.nextRead = now.Mono
		return
	}
	m.claimFails++
	m.lastErr = a.Err
	m.nextRead = m.claimAfter
}

// landed takes in a read that shows a claim of unknown outcome. It did land, but how long ago is
// uncertain: one more write decides.
func (m *Machine) landed(now Instant, a Answer, at *attempt) {
	m.checked(nil)
	m.phase = confirming
	m.own.term = a.Record.Term
	m.own.adopt(*at, "")
	m.own.learn(a.ETag)
	m.own.readAt, m.own.renewAt = now.Mono, now
	m.watchOwn(now)
	if m.unwilling(now) {
		m.abandon(now)
	}
}
