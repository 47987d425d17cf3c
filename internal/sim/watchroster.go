package sim

import (
	"errors"
	"maps"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// This file judges what becomes of lists of observers.

// keptFor is for how many leases an observer stays on the list that is not heard from.
const keptFor = 10

// mainRoster is the list of observers of the election that everybody takes part in.
const mainRoster = mainKey + rosterSuffix

// rosterAnswered notes what a process was shown of a list of observers, and whose heartbeats that
// tells it of.
func (m *monitor) rosterAnswered(p *process, key string, write bool, a answer, sure bool) {
	absent := errors.Is(a.err, s3lect.ErrStorageNotFound)
	if a.err != nil && !absent || a.version.bad() {
		return
	}
	key = key[:len(key)-len(rosterSuffix)]
	now, c := p.host.now().Mono, p.currentConfig()
	m.mu.Lock()
	defer m.mu.Unlock()
	q, r := &p.m.quorum, a.version.roster
	l := q.looksAt(key)
	if ids := l.newcomers(r, now, p.m.maxLease); !write && len(ids) > 0 {
		m.takes(p, key, now, func(count *attendance) {
			for _, id := range ids {
				count.heard(id, now)
			}
		})
	}
	for id := range q.surely(key).proofs {
		if r.find(id) == nil {
			delete(q.surely(key).proofs, id) // it may count as gone
		}
	}
	if r == nil || !sure {
		l.doubts(r)
		return
	}
	lease := min(c.LeaderTimeout, p.home.LeaderTimeout)
	if ids := l.surely(r, now, lease); !write {
		for _, id := range ids {
			if !p.speaksFor(id) { // nor is it another under a former name
				q.surely(key).heard(id, now)
			}
		}
	}
}

// rosterWriteEntered judges a write of a list of observers that is about to leave.
func (m *monitor) rosterWriteEntered(a *attempt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a.read = a.p.m.rosterRead
	if a.roster == nil {
		m.fail(Roster, a.p, "writes something that is no list of observers: %.200s", a.data)
	}
}

// rosterCommitted judges a change of a list of observers: whoever makes it counts a heartbeat of its
// own, or takes itself off, and leaves all others as they are, except for those it has not seen alive
// for long. The store's lock and the monitor's are held.
func (m *monitor) rosterCommitted(key string, old, next version, a *attempt) {
	key = key[:len(key)-len(rosterSuffix)]
	if a == nil {
		m.w.trace.add("store", "the observers of %s were changed by somebody: %.150s", key, next.data)
		m.meddled[key] = time.Now()
		return
	}
	p := a.p
	// A read that was torn by the stranger's own write has shown the list with the ETag of what is there
	// now. Then it was written since that read began.
	unseen := m.w.profile.has(tornReads) && old.at.After(a.read)
	if old.bad() && !unseen {
		m.fail(Overwritten, p, "replaced an object that is no list of observers: %.100s", old.data)
	}
	if next.roster == nil {
		return // judged when it was sent
	}
	if old.roster != nil && next.roster.Version <= old.roster.Version && !m.w.profile.has(tornReads) {
		m.fail(Roster, p, "writes version %d of the list of observers after version %d", next.roster.Version, old.roster.Version)
	}
	counted := false
	for _, o := range next.roster.Observers {
		counted = m.judgeEntry(p, key, old.roster.find(o.ID), o) || counted
	}
	if old.roster == nil {
		return
	}
	for _, o := range old.roster.Observers {
		if next.roster.find(o.ID) == nil {
			m.judgeRemoval(p, key, o)
			counted = true
		}
	}
	if !counted && !m.w.profile.has(tornReads) {
		m.fail(Roster, p, "writes the list of observers, and counts no heartbeat: %s", next.data)
	}
}

// judgeEntry judges an entry of a list that a process has written, and reports whether it counts a
// heartbeat.
func (m *monitor) judgeEntry(p *process, key string, before *rosterEntry, now rosterEntry) bool {
	torn := m.w.profile.has(tornReads) // then it may have written over what it has not read
	mine := p.speaksFor(now.ID)
	switch {
	case !mine && before == nil && !torn:
		m.fail(Roster, p, "enters observer %q, which it is not", now.ID)
	case !mine && !torn && (before.Beats != now.Beats || !maps.Equal(before.Metadata, now.Metadata)):
		m.fail(Roster, p, "changes the entry of another observer from %+v to %+v", *before, now)
	case mine && before != nil && now.Beats < before.Beats && !torn:
		m.fail(Roster, p, "takes its own counter from %d back to %d", before.Beats, now.Beats)
	}
	if before != nil && now.Beats == before.Beats {
		return false
	}
	m.listed[member{key, now.ID}] = time.Now()
	if mine {
		m.lived[member{key, now.ID}] = time.Now()
		m.w.trace.add("store", "%s of %s: heartbeat %d by %s", now.ID, key, now.Beats, p.name)
	}
	return true
}

// judgeRemoval judges that a process has taken an observer off the list: itself, or one whose counter
// has stood still for ten of its leases.
func (m *monitor) judgeRemoval(p *process, key string, o rosterEntry) {
	m.w.trace.add("store", "%s of %s is taken off the list by %s", o.ID, key, p.name)
	if p.speaksFor(o.ID) || m.w.profile.has(tornReads) {
		return
	}
	kept := keptFor * p.m.minLease * fastestNum / fastestDen
	if at, meddled := m.meddled[key]; meddled && time.Since(at) < 2*kept {
		return // a counter that began anew can have come to a number that is remembered
	}
	if still := time.Since(m.listed[member{key, o.ID}]); still < kept {
		m.fail(Roster, p, "takes observer %q off the list, whose last heartbeat is %v old; %v are demanded", o.ID, still, kept)
	}
}

// speaksFor reports whether the observer is this process.
func (p *process) speaksFor(id string) bool {
	return id == p.home.ServerID || id == p.home.ServerID+"-renamed"
}
