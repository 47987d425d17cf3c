package sim

import (
	"slices"
	"time"
)

// member is an observer of an election.
type member struct{ key, id string }

// attendance is which members a process has been given signs of life of, and when, on its own
// monotonic clock.
type attendance struct {
	proofs  map[string]proof
	vouches []vouch
	since   time.Duration // since when there have been enough without a gap
}

// proof is when a member was last heard from.
type proof struct {
	mono, before time.Duration // the last time, and the one before that instant
	at           time.Time     // the last time in true time
}

// vouch is a leader's word that so many others are there, which counts until then.
type vouch struct {
	until  time.Duration
	others int
}

func newAttendance() *attendance { return &attendance{proofs: map[string]proof{}} }

func (a *attendance) heard(id string, now time.Duration) {
	p, at := a.proofs[id], time.Now()
	if !p.at.Equal(at) {
		p.before = p.mono
	}
	p.mono, p.at = now, at
	a.proofs[id] = p
}

func (a *attendance) vouched(now, until time.Duration, others int) {
	a.vouches = slices.DeleteFunc(a.vouches, func(v vouch) bool { return v.until < now })
	a.vouches = append(a.vouches, vouch{until, others})
}

// never is a moment that does not come.
const never = time.Duration(1<<63 - 1)

// until returns the moment until which there are so many others, unless more is heard of them; 0 if
// there never were. What was heard in this very instant counts only if latest is true: whether it was
// taken in already is not known.
func (a *attendance) until(others int, self string, lease time.Duration, latest bool) time.Duration {
	if others <= 0 {
		return never
	}
	until := time.Duration(0)
	for _, v := range a.vouches {
		if v.others >= others {
			until = max(until, v.until)
		}
	}
	now := time.Now()
	var heard []time.Duration
	for id, p := range a.proofs {
		mono := p.mono
		if !latest && p.at.Equal(now) {
			mono = p.before
		}
		if id != self && mono > 0 {
			heard = append(heard, mono)
		}
	}
	if len(heard) < others {
		return until
	}
	slices.Sort(heard)
	return max(until, heard[len(heard)-others]+lease)
}

// within counts the others that were heard from in that time.
func (a *attendance) within(d, now time.Duration, self string) (others int) {
	for id, p := range a.proofs {
		if id != self && p.mono > 0 && now-p.mono < d {
			others++
		}
	}
	return others
}

// looks is what a process has been shown of a list of observers.
type looks struct {
	at    time.Duration // the last look, on its own monotonic clock; 0 if there was none
	beats map[string]int64

	// Of those looks of which it is sure that they were taken in.
	sureAt    time.Duration
	sureBeats map[string]int64
	top       map[string]int64 // the highest ever shown
	version   int64            // likewise
}

// newcomers takes in that a list is shown now, and returns whose counters have grown, or have
// appeared, since an earlier look that is less than a lease old.
func (l *looks) newcomers(r *roster, now, lease time.Duration) (ids []string) {
	recent := l.at > 0 && now-l.at < lease
	beats := map[string]int64{}
	if r != nil {
		for _, o := range r.Observers {
			if last, known := l.beats[o.ID]; recent && (!known || o.Beats > last) {
				ids = append(ids, o.ID)
			}
			beats[o.ID] = o.Beats
		}
	}
	l.at, l.beats = now, beats
	return ids
}

// surely is newcomers for a list that is sure to be taken in: it returns those that have to count. A
// list that is older than one that was shown before does not.
func (l *looks) surely(r *roster, now, lease time.Duration) (ids []string) {
	if r.Version < l.version {
		return nil
	}
	recent := l.sureAt > 0 && now-l.sureAt < lease
	beats := map[string]int64{}
	for _, o := range r.Observers {
		_, known := l.sureBeats[o.ID]
		if top := l.top[o.ID]; recent && (!known && top == 0 || o.Beats > top) {
			ids = append(ids, o.ID)
		}
		beats[o.ID] = o.Beats
		l.top[o.ID] = max(l.top[o.ID], o.Beats)
	}
	l.sureAt, l.sureBeats, l.version = now, beats, r.Version
	return ids
}

// doubts takes in that a list may have been taken in or not.
func (l *looks) doubts(r *roster) {
	l.sureAt = 0
	if r == nil {
		return
	}
	l.version = max(l.version, r.Version)
	for _, o := range r.Observers {
		l.top[o.ID] = max(l.top[o.ID], o.Beats)
	}
}
