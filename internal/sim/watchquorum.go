package sim

import (
	"errors"
	"net/http"
	"slices"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// This file judges who may lead and claim for want of members, and why leaderships end.

// timerLag is how late a timer's work may be seen to have happened.
const timerLag = 20 * time.Millisecond

// quorumWatch is what the monitor knows about one process as one that counts members.
type quorumWatch struct {
	counts map[string]*attendance // by the leader record's key: all that may count
	sure   map[string]*attendance // and all that has to
	looks  map[string]*looks      // by the same key

	changedAt   time.Time // its configuration, in true time
	changedMono time.Duration

	ends map[reign]error            // why its leaderships have ended
	said map[reign]s3lect.EndReason // and why Watch says so
}

// reign is one leadership.
type reign struct {
	key  string
	term int64
}

// beginsToCount is called with the lock held when a process begins to contest. What it has heard
// before may count still, but need not.
func (m *monitor) beginsToCount(p *process) {
	q := &p.m.quorum
	if q.counts == nil {
		q.counts, q.looks = map[string]*attendance{}, map[string]*looks{}
		q.ends, q.said = map[reign]error{}, map[reign]s3lect.EndReason{}
	}
	q.sure = map[string]*attendance{}
	for _, l := range q.looks {
		l.sureAt = 0
	}
	q.changedAt, q.changedMono = time.Now(), p.host.now().Mono
	for _, a := range q.counts {
		a.since = q.changedMono
	}
}

// recounts is called with the lock held when the configuration is about to change.
func (m *monitor) recounts(p *process, c s3lect.ElectorConfig) {
	old := p.currentConfig()
	if old.QuorumSize == c.QuorumSize && old.GracePeriod == c.GracePeriod && old.LeaderTimeout == c.LeaderTimeout &&
		old.NonVoting == c.NonVoting && old.ServerID == c.ServerID && old.LockfilePath == c.LockfilePath {
		return
	}
	q := &p.m.quorum
	q.changedAt, q.changedMono = time.Now(), p.host.now().Mono
	if old.QuorumSize != c.QuorumSize || old.LeaderTimeout != c.LeaderTimeout || old.ServerID != c.ServerID || old.LockfilePath != c.LockfilePath {
		for _, a := range q.counts {
			a.since = 0
		}
	}
	p.m.requests[rosterObject].latest = nil // it takes itself off the list, and registers anew
}

func (q *quorumWatch) count(key string) *attendance  { return find(q.counts, key, newAttendance) }
func (q *quorumWatch) surely(key string) *attendance { return find(q.sure, key, newAttendance) }
func (q *quorumWatch) looksAt(key string) *looks {
	return find(q.looks, key, func() *looks { return &looks{beats: map[string]int64{}, top: map[string]int64{}} })
}

func find[T any](in map[string]*T, key string, fresh func() *T) *T {
	if in[key] == nil {
		in[key] = fresh()
	}
	return in[key]
}

// takes lets a process take in signs of life, and notes whether there are enough from now on.
func (m *monitor) takes(p *process, key string, now time.Duration, do func(*attendance)) {
	c, a := p.currentConfig(), p.m.quorum.count(key)
	before := a.until(c.QuorumSize-1, c.ServerID, c.LeaderTimeout, true)
	do(a)
	if before <= now && now < a.until(c.QuorumSize-1, c.ServerID, c.LeaderTimeout, true) {
		a.since = now
	}
}

// graceOf is for how long a leader may go on with too few members.
func graceOf(c s3lect.ElectorConfig) time.Duration {
	return pick(c.GracePeriod == 0, c.LeaderTimeout, c.GracePeriod)
}

// heartbeat notes that a question has arrived at a process, and returns what notes that it says to
// have taken it for a heartbeat.
func (m *monitor) heartbeat(p *process, req *http.Request) (observed func(bool)) {
	id, verified := req.URL.Query().Get("observer"), req.TLS != nil && len(req.TLS.VerifiedChains) > 0
	now, key := p.host.now().Mono, p.currentConfig().LockfilePath
	m.mu.Lock()
	defer m.mu.Unlock()
	if leaves(req) {
		delete(p.m.quorum.surely(key).proofs, id)
		id = "" // it is no heartbeat, whatever else it is
	}
	if id != "" && verified {
		m.takes(p, key, now, func(a *attendance) { a.heard(id, now) })
		m.lived[member{key, id}] = time.Now()
	}
	return func(told bool) {
		switch {
		case !told:
		case !verified || id == "":
			m.fail(Quorum, p, "has taken a question for a heartbeat of %q; verified: %v", id, verified)
		default:
			p.m.quorum.surely(key).heard(id, now)
		}
	}
}

// leaves reports whether a question says that the observer in it leaves.
func leaves(req *http.Request) bool { return req.URL.Query().Has("leaving") }

// vouchedAge is how old the heartbeats may be that a leader vouches for: half a lease, or a little more
// than the time between two questions. Its word counts for the rest of a lease.
func vouchedAge(lease, poll time.Duration) time.Duration {
	return min(lease, max(lease/2, poll+lease/20))
}

// toldOf notes that a leader has told a process of how many members there are. The lock is held.
func (m *monitor) toldOf(p *process, t told) {
	observers, poll := t.Observers, time.Duration(max(0, t.PollMillis))*time.Millisecond
	if observers <= 2 {
		return
	}
	now, c := p.host.now().Mono, p.currentConfig()
	m.takes(p, c.LockfilePath, now, func(a *attendance) { a.vouched(now, now+p.m.maxLease-vouchedAge(p.m.maxLease, poll), observers-2) })
}

// claimsWithMembers judges a claim that is about to leave. The lock is held.
func (m *monitor) claimsWithMembers(a *attempt, replaced version) {
	p, c := a.p, a.p.currentConfig()
	q := &p.m.quorum
	if time.Since(q.changedAt) < timerLag && !q.changedAt.Equal(p.m.startedAt) {
		return // which configuration it is that it goes by is not known
	}
	if c.NonVoting {
		m.fail(NonVoters, p, "claims term %d", a.record.Term)
	}
	if c.QuorumSize <= 1 {
		return
	}
	now, count := a.sent.Mono, q.count(a.key)
	if until := count.until(c.QuorumSize-1, c.ServerID, c.LeaderTimeout, true); now > until {
		m.fail(Quorum, p, "claims term %d, and had %d members until %v ago", a.record.Term, c.QuorumSize, now-until)
		return
	}
	if r := replaced.record; replaced.etag == a.etag && r != nil && r.QuorumLost && r.resigned() && now-count.since < c.LeaderTimeout-time.Millisecond {
		m.fail(Damping, p, "claims term %d after a leadership that ended for want of members, and has had %d members for %v only", a.record.Term, c.QuorumSize, now-count.since)
	}
}

// checkMembers holds a leader to its members: it may go on without enough of them for the grace
// period after the last one it needs was heard from less than a lease ago. The lock is held.
func (m *monitor) checkMembers(p *process) {
	c, at, now := p.currentConfig(), p.host.condition(), p.host.now().Mono
	q := &p.m.quorum
	if at.held || at.justResumed || time.Since(q.changedAt) < timerLag {
		return
	}
	if c.NonVoting {
		m.fail(NonVoters, p, "leads with term %d", p.m.term)
	}
	if c.QuorumSize <= 1 {
		return
	}
	key := p.m.key()
	until := max(q.count(key).until(c.QuorumSize-1, c.ServerID, c.LeaderTimeout, true), q.changedMono)
	if limit := until + graceOf(c) + timerLag; now > limit {
		m.fail(Quorum, p, "leads with term %d, and has not had %d members for %v; the grace period is %v", p.m.term, c.QuorumSize, now-until, graceOf(c))
	}
	m.checkDeaths(p, key, c)
}

// checkDeaths holds a leader to the same in terms of who lives, where nothing delays the word of it:
// after its last heartbeat a member can be counted for a lease by whoever hears of it, which takes a
// heartbeat's interval and a read; with peer mode half a lease more, because the leader looks at the
// storage when it has not heard from a member for so long.
func (m *monitor) checkDeaths(p *process, key string, c s3lect.ElectorConfig) {
	if !m.w.profile.quiet() || time.Since(p.m.quorum.changedAt) < 2*p.m.maxLease {
		return
	}
	var lived []time.Time
	for who, at := range m.lived {
		if who.key == key && who.id != c.ServerID {
			lived = append(lived, at)
		}
	}
	if need := c.QuorumSize - 1; len(lived) >= need {
		slices.SortFunc(lived, time.Time.Compare)
		last := lived[len(lived)-need]
		limit := c.LeaderTimeout + graceOf(c) + c.LeaderTimeout/3
		if c.PeerMode {
			limit += c.LeaderTimeout / 2
		}
		if since := time.Since(last); since > limit*100/95+2*m.w.profile.latency[1]+timerLag {
			m.fail(Quorum, p, "leads with term %d %v after the last heartbeat of one of %d members", p.m.term, since, c.QuorumSize)
		}
	}
}

// ends notes why a leadership of a process has ended, and judges that. It is called with the lock held.
func (m *monitor) ends(p *process, end *s3lect.LeadershipEnd) {
	q, of := &p.m.quorum, reign{p.m.key(), end.Term}
	if q.ends[of] != nil {
		return
	}
	q.ends[of] = end.Reason
	m.agree(p, of)
	if errors.Is(end, s3lect.ErrQuorumLost) {
		m.demoted(p, of)
	}
}

// demoted judges that a leadership has ended for want of members: they must have been missing for as
// long as is tolerated.
func (m *monitor) demoted(p *process, of reign) {
	c, q, now := p.currentConfig(), &p.m.quorum, p.host.now().Mono
	if q.changedAt.After(p.m.since) && time.Since(q.changedAt) < 2*p.m.maxLease*100/95 {
		return // what was heard before may count no more, for a lease and the grace period
	}
	if c.QuorumSize <= 1 {
		m.fail(Demoted, p, "its term %d has ended for want of members, and it asks for none", of.term)
		return
	}
	until := q.surely(of.key).until(c.QuorumSize-1, c.ServerID, c.LeaderTimeout, false)
	if left := until + graceOf(c) - now; left > time.Millisecond {
		m.fail(Demoted, p, "its term %d has ended for want of members; %d were there, for %v more with the grace period", of.term, c.QuorumSize, left)
	}
}

// saysEnded judges what Watch says of the end of leaderships. The lock is held.
func (m *monitor) saysEnded(p *process, s s3lect.LeadershipStatus) {
	q, of := &p.m.quorum, reign{s.LockfilePath, s.EndedTerm}
	switch {
	case s.IsLeader && s.EndReason != 0:
		m.fail(Reasons, p, "Watch tells of a leadership of term %d, and why it has ended: %v", s.Term, s.EndReason)
	case (s.EndReason == 0) != (s.EndedTerm == 0), s.EndReason != 0 && s.EndReason.Err() == nil:
		m.fail(Reasons, p, "Watch tells of the end %q of term %d", s.EndReason, s.EndedTerm)
	case !s.IsLeader && p.m.toldLeading && p.m.toldTerm > 0 && s.EndedTerm != p.m.toldTerm:
		m.fail(Reasons, p, "Watch tells that term %d has ended, but of the end of term %d", p.m.toldTerm, s.EndedTerm)
	case s.EndReason != 0:
		q.said[of] = s.EndReason
		m.agree(p, of)
	}
}

// agree holds what Watch has said of the end of a leadership to what its contexts have said.
func (m *monitor) agree(p *process, of reign) {
	ended, said := p.m.quorum.ends[of], p.m.quorum.said[of]
	if ended != nil && said != 0 && !errors.Is(ended, said.Err()) {
		m.fail(Reasons, p, "Watch tells that term %d has ended because of %q, its context said %v", of.term, said, ended)
	}
}

// judgeResignation holds the record of a resignation to why the leadership has ended. The lock is
// held.
func (m *monitor) judgeResignation(p *process, r *record) {
	end := p.m.quorum.ends[reign{p.m.key(), r.Term}]
	if end != nil && errors.Is(end, s3lect.ErrQuorumLost) != r.QuorumLost {
		m.fail(Reasons, p, "releases term %d with quorumLost %v, and it has ended because of %v", r.Term, r.QuorumLost, end)
	}
}
