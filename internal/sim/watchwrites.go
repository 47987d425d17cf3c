package sim

import "time"

// This file judges requests and what they do to the storage.

const (
	// maxPerSecond is how many requests one process may make in any second to its leader record.
	maxPerSecond = 25
	// maxRosterPerSecond is the same for the list of observers: a heartbeat is a read and a write, and
	// one that is refused waits before it reads again, longer each time.
	maxRosterPerSecond = 20
	// fastest is how much true time a wait takes at least, as a share of what the waiting process's
	// clock shows: 1 / 1.05.
	fastestNum, fastestDen = 100, 105
)

// requestRate is how often a process has made requests to one kind of object.
type requestRate struct {
	latest []time.Time // a ring of so many as may be made in a second
	next   int
	total  int
}

// note counts a request that is made now. If it is one more than may be made in a second, the result
// is in what time they were made.
func (r *requestRate) note(now time.Time, most int) (within time.Duration, many bool) {
	r.total++
	if r.latest == nil {
		r.latest = make([]time.Time, most)
	}
	oldest := r.latest[r.next]
	r.latest[r.next] = now
	r.next = (r.next + 1) % most
	within = now.Sub(oldest)
	return within, !oldest.IsZero() && within < time.Second
}

func (m *monitor) requestEntered(p *process, o object) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if o == leaderRecord {
		p.m.peers.requests++
	}
	if p.host.isDead() {
		return
	}
	if !p.m.running {
		m.fail(Unbounded, p, "a request after Stop has returned")
	}
	if o == leaderRecord {
		p.m.peers.lastRequest, p.m.peers.lastTrue = p.host.now(), now
	}
	most := pick(o == rosterObject, maxRosterPerSecond, maxPerSecond)
	if within, many := p.m.requests[o].note(now, most); many {
		m.fail(HotLoop, p, "%d requests to the %v in %v", most+1, o, within)
	}
}

// attemptLimit is how long one attempt may take at most in true time: a fifth of the lease on the
// slowest clock, and a little for late timers.
func (m *monitor) attemptLimit(p *process) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return p.m.maxLease/5*100/95 + 50*time.Millisecond
}

func (m *monitor) attemptUnbounded(p *process, entered time.Time) {
	if !p.host.isDead() && !p.host.heldDuring(entered) {
		m.fail(Unbounded, p, "an attempt is not given up after %v", time.Since(entered))
	}
}

// writeEntered judges a write that is about to leave.
func (m *monitor) writeEntered(a *attempt) {
	p := a.p
	if p.host.isDead() {
		return
	}
	if objectOf(a.key) == rosterObject {
		m.rosterWriteEntered(a)
		return
	}
	leads := p.elector.IsLeader()
	// What it replaces can tell as well whether a candidate was asked to claim: a held process is not
	// sure to have taken in what it was shown last. Looked at first, because of the order of the locks.
	replaced := m.w.store.look(a.key)
	m.mu.Lock()
	defer m.mu.Unlock()
	r := a.record
	if r == nil {
		m.fail(Records, p, "writes something that is no record: %.200s", a.data)
		return
	}
	if r.Session == "" || r.LeaderID == "" || r.Term <= 0 || r.LeaseMillis <= 0 || r.lease() > time.Hour {
		m.fail(Records, p, "writes an incomplete record: %s", a.data)
	}
	if r.Nonce == "" || m.nonces[r.Nonce] {
		m.fail(Records, p, "writes nonce %q, which is not fresh", r.Nonce)
	}
	m.nonces[r.Nonce] = true
	if r.Session != p.m.session {
		p.m.session, p.m.landed, p.m.peers.sequence = r.Session, nil, 0
	}
	if r.Sequence <= p.m.peers.sequence {
		m.fail(Records, p, "writes sequence %d after %d", r.Sequence, p.m.peers.sequence)
	}
	p.m.peers.sequence = r.Sequence
	idle := p.m.hooks == hooksIdle && !p.m.working
	switch {
	case r.resigned():
		if !idle {
			m.fail(Released, p, "releases term %d while work is running (%v) or hooks are not idle (%v)", r.Term, p.m.working, p.m.hooks)
		}
		if leads {
			m.fail(Released, p, "releases term %d while IsLeader is true", r.Term)
		}
		m.judgeResignation(p, r)
	case p.m.landed == nil || !r.sameHolder(p.m.landed.record) || p.m.landed.record.resigned():
		if !idle {
			m.fail(Released, p, "claims term %d while work of an earlier term is running (%v) or hooks are not idle (%v)", r.Term, p.m.working, p.m.hooks)
		}
		m.claims(a)
		m.claimsWithMembers(a, replaced)
		if r.Successor != "" {
			m.fail(Records, p, "a claim names a successor")
		}
		lease := p.currentConfig().LeaderTimeout * fastestNum / fastestDen
		asked := p.m.seen != nil && p.m.seen.Successor == r.LeaderID ||
			replaced.etag == a.etag && replaced.record != nil && replaced.record.Successor == r.LeaderID
		if since := time.Since(p.m.endedAt); p.m.standsBy == r.Session && !asked && !m.w.profile.has(reconfigurations) && since < lease {
			m.fail(EarlyClaim, p, "claims %v after it has resigned; it stands back for a lease of at least %v", since, lease)
		}
	}
}

// committed judges a change of an object. The store's lock is held, so changes come in order.
func (m *monitor) committed(key string, old, next version, a *attempt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if objectOf(key) == rosterObject {
		m.rosterCommitted(key, old, next, a)
		return
	}
	defer m.w.poke()
	top := m.topTerm[key]
	if next.record != nil {
		m.topTerm[key] = max(top, next.record.Term)
	}
	if a == nil {
		m.w.trace.add("store", "%s was changed by somebody: %.150s", key, next.data)
		return
	}
	if old.bad() {
		m.fail(Overwritten, a.p, "replaced an object that is no leader record: %.100s", old.data)
	}
	if next.record == nil {
		return // judged when it was sent
	}
	m.w.trace.add("store", "%s <- %s term %d nonce %s%s", key, a.p.name, next.record.Term, next.record.Nonce, map[bool]string{true: " RESIGNED"}[next.record.resigned()])
	if old.record.sameHolder(next.record) {
		m.judgeRenewal(old.record, next.record, a)
	} else {
		m.judgeClaim(old, next.record, top, a)
	}
	a.etagNow, m.written[next.record.Nonce] = next.etag, a
	if a.record.Session == a.p.m.session {
		a.p.m.landed = a
	}
	m.checkLeaders(m.live())
}

func (m *monitor) judgeRenewal(old, next *record, a *attempt) {
	if old.LeaderID != next.LeaderID {
		m.fail(Records, a.p, "changed the leader's ID from %s to %s within a leadership", old.LeaderID, next.LeaderID)
	}
	if old.resigned() && !next.resigned() {
		m.fail(Terms, a.p, "took back its resignation of term %d without a next term", old.Term)
	}
}

func (m *monitor) judgeClaim(old version, next *record, top int64, a *attempt) {
	if next.resigned() {
		m.fail(Records, a.p, "resigned term %d, which was not its own", next.Term)
	}
	if next.Term <= top {
		m.fail(Terms, a.p, "claimed term %d; there was a term %d before", next.Term, top)
	}
	if old.record == nil {
		return
	}
	if next.Term != old.record.Term+1 {
		m.fail(Terms, a.p, "claimed term %d after term %d", next.Term, old.record.Term)
	}
	kept := old.record.lease() * fastestNum / fastestDen
	age := time.Since(old.at)
	if !old.record.resigned() && age < kept {
		m.fail(EarlyClaim, a.p, "claimed a record of %s that is %v old; its lease is %v", old.record.LeaderID, age, old.record.lease())
	}
	if s := old.record.Successor; old.record.resigned() && s != "" && s != next.LeaderID && age < kept {
		m.fail(EarlyClaim, a.p, "claimed %v after %s handed over to %s; the lease is %v", age, old.record.LeaderID, s, old.record.lease())
	}
}

// highestTerm is the highest there ever was on the storage.
func (m *monitor) highestTerm(key string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topTerm[key]
}

// saw notes the record that a process was shown last.
func (m *monitor) saw(p *process, r *record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.m.seen = r
}

// allHaveSeen reports whether every process that takes part in the election was last shown a record
// of the present leadership, with its present lease.
func (m *monitor) allHaveSeen(key string, r *record) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.live() {
		if p.currentConfig().LockfilePath != key {
			continue
		}
		if s := p.m.seen; s == nil || !s.sameHolder(r) || s.LeaseMillis != r.LeaseMillis {
			return false
		}
	}
	return true
}
