package lease

import (
	"errors"
	"fmt"
	"time"
)

// ErrLapsed says that a resignation was not written because the lease is gone.
var ErrLapsed = errors.New("not released: the lease has lapsed, or another candidate has taken over")

// attempt is a write that left and whose outcome is not known.
type attempt struct {
	record Record
	sent   Instant
}

// reign is one leadership, from its claim to its resignation.
type reign struct {
	term      int64
	version   Version // the last of its own that is known to have landed; the ETag can be unknown
	glimpsed  string  // the ETag with which the last read showed that version; one more must agree
	record    Record  // of that version
	attempts  []attempt
	trust     Instant
	lease     time.Duration // that trust was counted with
	renewed   Instant       // when the write that trust rests on was sent
	renewAt   Instant       // when to write next, by whichever clock gets there first, as with trust
	urgent    bool          // write as soon as possible: the configuration has changed
	unclear   bool          // read back before the next write
	readAt    time.Duration // when to
	fails     int           // calls in a row that confirmed nothing
	reason    Reason        // why it ended
	successor string
	giveUp    time.Duration // when to stop trying to write the resignation
}

// find returns the attempt with the nonce, or nil.
func (r *reign) find(nonce string) *attempt {
	for i := range r.attempts {
		if r.attempts[i].record.Nonce == nonce {
			return &r.attempts[i]
		}
	}
	return nil
}

// adopt takes in that an attempt has landed. All others replaced the same version, so that none of
// them can land any more. The ETag is the storage's word on this write; empty if there is none.
func (r *reign) adopt(at attempt, etag string) {
	r.version = Version{etag, at.record.Nonce}
	r.glimpsed = ""
	r.record = at.record
	r.attempts = nil
	r.unclear = etag == ""
	r.fails = 0
}

// learn takes in the ETag with which a read has shown the last version that landed. The server may
// have paired this body with the ETag of a later version, a stranger's: to write over that one
// would destroy it. Only when two reads agree is the ETag used.
func (r *reign) learn(etag string) (known bool) {
	switch etag {
	case r.version.ETag:
	case r.glimpsed:
		r.version.ETag = etag
	default:
		r.glimpsed = etag
		r.unclear = true
		return false
	}
	r.unclear, r.glimpsed = false, ""
	return true
}

// hold is the loop of whoever's record stands: write when it is time, and read back whenever the
// outcome of a write is not known.
func (m *Machine) hold(now Instant) time.Duration {
	r := m.own
	ends := never
	switch m.phase {
	case leading:
		left := now.Until(r.trust) - m.grace()
		if left <= 0 {
			m.end(now, Expired, "")
			return m.follow(now)
		}
		if reason := m.unfit(now); reason != 0 {
			m.end(now, reason, "")
			return m.follow(now)
		}
		// The wall clock can run ahead, after a suspension above all, while timers count on the
		// monotonic one: look now and then.
		ends = min(now.Mono+min(left, m.lease()/16), m.demotion())
	case resigning:
		if ends = r.giveUp; now.Mono >= ends || !now.Before(r.trust) {
			m.released(now, ErrLapsed)
			return m.Step(now)
		}
	}
	if m.call == nil {
		switch {
		case r.unclear && now.Mono >= r.readAt:
			m.read(now)
		case r.unclear:
			return min(ends, r.readAt)
		case r.urgent || !now.Before(r.renewAt):
			m.renew(now)
		default:
			return min(ends, now.Mono+now.Until(r.renewAt))
		}
	}
	return min(ends, m.call.deadline)
}

// renew writes the record anew: of a leader to extend its trust, of a candidate whose claim has
// landed to begin it, of a former leader to resign.
func (m *Machine) renew(now Instant) {
	r := m.own
	record := Record{LastUpdated: now.Time()}
	if m.phase == resigning {
		record = Record{Successor: r.successor, QuorumLost: r.reason == QuorumLost}
	}
	m.write(now, record, r.version.ETag)
	if m.phase == leading {
		// A follower may count the lease of this write from now on, whether its reply arrives or not.
		r.trust = r.trust.earlier(now.Add(trusted(m.cfg.Lease)))
		r.lease = min(r.lease, m.cfg.Lease)
	}
	r.urgent = false
	r.renewAt = now.Add(m.renewInterval())
}

// holdWritten digests the end of a renewal or of a resignation.
func (m *Machine) holdWritten(now Instant, call *Call, a Answer) {
	r := m.own
	if a.Kind == OK {
		m.checked(nil)
		m.confirmed(now, *r.find(call.Record.Nonce), a.ETag)
		return
	}
	m.holdFailed(a)
	r.renewAt = now.Add(m.holdPace(a.Kind))
	r.unclear = true
	if r.readAt = r.renewAt.Mono; a.Kind == Refused {
		r.readAt = now.Mono
	}
}

// holdRead digests a read-back: the second table of the protocol's section on outcomes.
func (m *Machine) holdRead(now Instant, a Answer) {
	r := m.own
	switch {
	case a.Kind == Absent:
		m.unseated(now, a)
		return
	case a.Kind != OK:
		m.holdFailed(a)
		r.readAt = now.Mono + m.holdPace(a.Kind)
		return
	}
	landed := r.find(a.Record.Nonce)
	switch {
	case landed != nil:
		m.checked(nil)
		m.confirmed(now, *landed, "")
		r.learn(a.ETag)
	case a.Record.Nonce == r.version.Nonce:
		// Nothing has landed since. If the ETag is another than before, one of the two came with
		// the wrong body, or it was not known.
		m.checked(nil)
		if doubt := r.glimpsed != ""; !r.learn(a.ETag) && doubt {
			m.holdFailed(Answer{Kind: Failed, Err: errors.New("the storage answers one version with changing ETags")})
			r.readAt = now.Mono + m.holdPace(Failed)
		}
	case a.Record.Session == m.session:
		// An earlier version of its own: a read that came from the past. Ask again.
		m.holdFailed(Answer{Kind: Failed, Err: errors.New("the storage answered with an earlier version")})
		r.readAt = now.Mono + m.holdPace(Failed)
	default:
		m.unseated(now, a)
	}
}

func (m *Machine) holdFailed(a Answer) {
	m.own.fails++
	m.lastErr = a.Err
	m.checked(a.Err)
}

// confirmed takes in that a write has landed, and what that means.
func (m *Machine) confirmed(now Instant, at attempt, etag string) {
	r := m.own
	was := m.phase
	r.adopt(at, etag)
	m.watchOwn(now)
	m.readFails, m.claimFails = 0, 0
	r.readAt = now.Mono // if the ETag is to be learned before the next write
	if at.record.Resigned() {
		m.released(now, nil)
		return
	}
	if was == resigning {
		r.renewAt = now // a late renewal has landed; resign on top of it
		return
	}
	trust := at.sent.Add(trusted(at.record.Lease))
	switch {
	case was != leading && !now.Before(trust):
		m.phase = confirming // too late to lead on; write again
		r.renewAt = now
	case was != leading:
		r.trust, r.lease, r.renewed = trust, at.record.Lease, at.sent
		r.renewAt = at.sent.Add(m.renewInterval())
		m.phase = leading
		if m.unwilling(now) {
			m.abandon(now)
			return
		}
		m.quorum.withheld = false
		m.emit(Event{Kind: Began, Term: r.term})
	default:
		// The end of the trust that was is checked by Step, before anything else is.
		if now.Before(r.trust) {
			r.trust, r.lease, r.renewed = trust, at.record.Lease, at.sent
		}
		r.renewAt = at.sent.Add(m.renewInterval())
	}
}

// unseated takes in a read that shows that the record is another's, or gone.
func (m *Machine) unseated(now Instant, a Answer) {
	m.checked(nil)
	switch m.phase {
	case leading:
		m.end(now, Lost, "")
	case resigning:
		m.released(now, ErrLapsed)
	default:
		m.phase = following
	}
	m.own = nil
	m.observe(now, Record{}, a)
	m.nextRead = now.Mono + m.readInterval(now)
}

// end ends the leadership, now. Its work may still run: until Release, nothing is claimed.
func (m *Machine) end(now Instant, reason Reason, successor string) {
	r := m.own
	r.reason, r.successor = reason, successor
	if reason.yields() {
		m.standBack = now.Mono + m.cfg.Lease
	}
	if reason == QuorumLost {
		m.quorum.withheld = true
	}
	m.readFails = r.fails // the storage is no better for the end
	m.call = nil
	m.phase, m.busy = following, true
	m.nextRead = now.Mono + m.readInterval(now)
	m.watchOwn(now)
	e := Event{Kind: Ended, Term: r.term, Reason: reason}
	if reason != Lost {
		e.Until = r.trust
	}
	m.emit(e)
}

// Resign ends the leadership of this process, in favour of the successor if one is named. It
// reports whether there was one to end. The candidate stands back for a lease.
func (m *Machine) Resign(now Instant, successor string) bool {
	if m.phase != leading {
		return false
	}
	reason := Resigned
	if successor != "" {
		reason = Transferred
	}
	m.end(now, reason, successor)
	return true
}

// Release says that nothing of the ended leadership runs any more. The resignation is written now,
// unless the lease is gone: then another may lead, and there is nothing to give.
func (m *Machine) Release(now Instant) {
	m.busy = false
	r := m.own
	if r == nil || r.reason == Lost || !now.Before(r.trust) {
		m.released(now, ErrLapsed)
		return
	}
	m.resign(now)
}

// unwilling reports whether a claim that has landed is not to become a leadership.
func (m *Machine) unwilling(now Instant) bool {
	return m.stopping || m.cfg.NonVoting || !m.Quorate(now)
}

// abandon gives up a record of its own that never became a leadership: it is unwilling.
func (m *Machine) abandon(now Instant) {
	m.own.trust = now.Add(m.cfg.Lease)
	m.own.reason = Stopped
	if !m.stopping && !m.Quorate(now) {
		m.own.reason = QuorumLost
		m.quorum.withheld = true
	}
	m.resign(now)
}

func (m *Machine) resign(now Instant) {
	r := m.own
	m.phase, m.call = resigning, nil
	r.readAt, r.renewAt = now.Mono, now
	r.giveUp = now.Mono + max(0, now.Until(r.trust))
	if m.stopping {
		m.hurry(now)
	}
}

// hurry bounds a resignation: a shutdown does not wait for ever.
func (m *Machine) hurry(now Instant) {
	m.own.giveUp = min(m.own.giveUp, now.Mono+m.cfg.Lease/2)
}

// released ends the reign: the resignation is confirmed, or given up.
func (m *Machine) released(now Instant, err error) {
	reason := Lost
	if m.own != nil {
		reason = m.own.reason
	}
	if reason.yields() {
		m.standBack = now.Mono + m.cfg.Lease
	}
	m.own, m.call = nil, nil
	m.phase = following
	if m.stopping {
		m.phase = idle
	}
	// Soon enough to know who leads now, and late enough for that one to have claimed.
	m.nextRead = min(m.nextRead, now.Mono+8*m.RoundTrip())
	m.emit(Event{Kind: Released, Reason: reason, Err: err})
}

// Standing is what a candidate can tell its peers of itself.
type Standing int

const (
	// Aside is a candidate that does not lead.
	Aside Standing = iota
	// Leading is a leader.
	Leading
	// Leaving is a leader that was, and whose resignation is still to be written.
	Leaving
)

// Standing returns where this candidate stands, and of a leader the last version that it is known to
// have written. The ETag can be unknown.
func (m *Machine) Standing() (standing Standing, record Record, etag string) {
	switch {
	case m.phase == leading:
		return Leading, m.own.record, m.own.version.ETag
	case m.phase == resigning, m.busy && m.own != nil && m.own.reason != Lost:
		return Leaving, Record{}, ""
	}
	return Aside, Record{}, ""
}

// watchOwn makes this process's own record the version that it watches as a follower.
func (m *Machine) watchOwn(now Instant) {
	r := m.own
	m.known = true
	m.highest = max(m.highest, r.term)
	m.lastLease = r.record.Lease
	m.fresh(false)
	m.seen = observation{sight: present, version: r.version, record: r.record, since: now, termSince: now.Mono}
	if r.version.ETag == "" {
		m.seen.sight = nothing
	}
}

// yields reports whether others come first after a leadership that ended so.
func (r Reason) yields() bool { return r == Resigned || r == Transferred || r == QuorumLost }

func (r Reason) String() string {
	switch r {
	case Expired:
		return "expired"
	case Lost:
		return "lost"
	case Resigned:
		return "resigned"
	case Transferred:
		return "transferred"
	case Stopped:
		return "stopped"
	case QuorumLost:
		return "quorum lost"
	}
	return fmt.Sprintf("Reason(%d)", int(r))
}
