package roster

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// keptFor is for how many leases a member is remembered that is not heard from.
const keptFor = 10

// Attendance is whom one process has heard from, and when. All times are readings of its monotonic
// clock; none comes from another machine. It is safe for concurrent use.
type Attendance struct {
	mu      sync.Mutex
	members map[string]*member
	size    int           // of the members as a list, in bytes, at most
	looked  bool          // at the roster
	look    time.Duration // when it last did
	version int64         // that it saw then
	told    string        // nonce of the leader record whose list was taken in last
	vouched vouch
}

// Never is a moment before all others.
const Never = time.Duration(math.MinInt64)

// member is an observer as it is known here.
type member struct {
	metadata map[string]string
	size     int

	proof   time.Duration // last heartbeat of which it is known that it happened then
	proven  bool          // there was one
	shown   time.Duration // last heartbeat as far as is known, that of a first sight included
	unsure  bool          // that is a first sight, and no more
	hearsay bool          // known from a leader's list alone

	direct  bool          // that heartbeat came from the member itself, not by way of the roster
	listed  bool          // in the roster
	beats   int64         // there
	changed time.Duration // when they were last seen to differ
	gone    bool          // it has left, although it stood in the roster still
}

// vouch is what a leader has said of how many are active.
type vouch struct {
	at     time.Duration
	until  time.Duration
	others int // beside the leader and this process
	all    int
}

// NewAttendance returns one that knows nobody.
func NewAttendance() *Attendance { return &Attendance{members: map[string]*member{}} }

// Heard takes in a heartbeat that came from the member itself. The error is ErrFull if the list of
// members has no room for it.
func (a *Attendance) Heard(now, leaseTime time.Duration, id string, metadata map[string]string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.members[id]
	if m == nil || !maps.Equal(m.metadata, metadata) {
		a.forget(now, leaseTime)
		n := size(id, metadata)
		known := 0
		if m != nil {
			known = m.size
		}
		if a.size-known+n > maxRegistered {
			return full(id, len(a.members))
		}
		m = a.enter(id, metadata)
	}
	m.proof, m.proven, m.shown, m.direct, m.gone = now, true, now, true, false
	m.unsure, m.hearsay = false, false
	return nil
}

// Saw takes in the roster as it was read. A counter that has grown since a look less than a lease ago is a
// heartbeat; one that is seen for the first time may be of any age, and so may one that has shrunk,
// because the observer has registered anew or a read was torn.
func (a *Attendance) Saw(now, leaseTime time.Duration, r *Roster) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.looked && now-a.look < leaseTime && r.Version < a.version {
		a.begunAnew(now)
		return // in all likelihood a read that was overtaken
	}
	a.saw(now, leaseTime, r, a.looked && now-a.look < leaseTime)
}

// Wrote takes in the roster as this process has written it. It is no old read, whatever its version. It
// proves nothing: what is new in it this process has made.
func (a *Attendance) Wrote(now, leaseTime time.Duration, r *Roster) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.saw(now, leaseTime, r, false)
}

func (a *Attendance) saw(now, leaseTime time.Duration, r *Roster, recent bool) {
	anew := r.Version < a.version // perhaps put back from a copy, with the dead on it
	recent = recent && !anew
	a.looked, a.look, a.version = true, now, r.Version
	if anew {
		a.begunAnew(now)
	}
	for id, m := range a.members {
		if !m.listed || r.Find(id) != nil {
			continue
		}
		m.listed = false
		if !m.direct && !anew {
			a.drop(id) // it has said that it leaves
		}
	}
	for i := range r.Observers {
		a.sawEntry(now, recent, &r.Observers[i])
	}
	a.forget(now, leaseTime)
}

// begunAnew takes in that the list may have been: then so were its counters, and nobody has departed.
func (a *Attendance) begunAnew(now time.Duration) {
	for _, m := range a.members {
		m.changed = now
	}
}

func (a *Attendance) sawEntry(now time.Duration, recent bool, entry *Entry) {
	m := a.members[entry.ID]
	known := m != nil && m.listed
	if known && m.beats == entry.Beats {
		return
	}
	if m == nil || !maps.Equal(m.metadata, entry.Metadata) {
		m = a.enter(entry.ID, entry.Metadata)
	}
	m.unsure, m.hearsay = !recent || known && entry.Beats <= m.beats, false
	if !m.unsure {
		m.proof, m.proven = now, true
	}
	m.listed, m.beats, m.changed, m.shown, m.direct, m.gone = true, entry.Beats, now, now, false, false
}

// Told takes in the list that a leader has published in the version of its record that has this nonce. The
// ages are what the leader has said, and so much more as that version is old at least.
func (a *Attendance) Told(now time.Duration, nonce string, older time.Duration, observers []lease.Observer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if nonce == a.told {
		return
	}
	a.told = nonce
	named := map[string]bool{}
	for i := range observers {
		named[observers[i].ID] = true
		a.toldOf(now, older, &observers[i])
	}
	for id, m := range a.members {
		if m.hearsay && !named[id] {
			a.drop(id) // it has left, or the leader has forgotten it
		}
	}
}

func (a *Attendance) toldOf(now, older time.Duration, o *lease.Observer) {
	m := a.members[o.ID]
	if m == nil && (o.ID == "" || a.size+size(o.ID, o.Metadata) > maxRegistered) {
		return
	}
	age := time.Duration(min(max(o.AgeMillis, 0), lease.MaxLease.Milliseconds()*keptFor)) * time.Millisecond
	heard := now - age - older
	switch {
	case m == nil:
		m = a.enter(o.ID, o.Metadata)
		m.shown, m.hearsay = heard, true
	case m.unsure && older == 0 || heard > m.shown:
		m.shown, m.unsure = heard, false
		a.enter(o.ID, o.Metadata)
	}
}

// Vouch takes in that a leader counts so many members that are active, itself and this process
// included, until then.
func (a *Attendance) Vouch(now, until time.Duration, all int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.vouched = vouch{at: now, until: until, others: all - 2, all: all}
}

// Leave forgets a member, but for its counter in the roster where it stands in one: to see that again
// is no heartbeat.
func (a *Attendance) Leave(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.members[id]; m != nil && m.listed {
		m.proven, m.direct, m.gone = false, false, true
		return
	}
	a.drop(id)
}

// Until returns the moment until which so many members other than self are active unless more is heard
// from them; Never if there never were so many.
func (a *Attendance) Until(others int, self string, leaseTime time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	until := Never
	if a.vouched.others >= others {
		until = a.vouched.until
	}
	var proofs []time.Duration
	for id, m := range a.members {
		if m.proven && id != self {
			proofs = append(proofs, m.proof)
		}
	}
	if len(proofs) < others {
		return until
	}
	slices.Sort(proofs)
	return max(until, proofs[len(proofs)-others]+leaseTime)
}

// Active returns how many members are known to have been heard from within that time, self included.
// What others vouch for does not count.
func (a *Attendance) Active(now, within time.Duration, self string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 1
	for id, m := range a.members {
		if id != self && m.proven && now-m.proof < within {
			n++
		}
	}
	return n
}

// Vouched returns how many were active by the leader's last word; 0 if that is not younger than that. It
// is for people: as a proof the word may count for less long.
func (a *Attendance) Vouched(now, within time.Duration) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now-a.vouched.at >= within {
		return 0
	}
	return a.vouched.all
}

// Quiet returns the first moment at which nothing was heard from some member for that long; the highest
// of all moments if there is no other member.
func (a *Attendance) Quiet(within time.Duration, self string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := time.Duration(math.MaxInt64)
	for id, m := range a.members {
		if id != self && !m.gone {
			first = min(first, m.shown+within)
		}
	}
	return first
}

// Version returns that of the roster when it was last seen.
func (a *Attendance) Version() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.version
}

// Member is an observer as it is known here.
type Member struct {
	ID       string
	Metadata map[string]string
	Heard    time.Duration // when its last heartbeat was received, as far as is known
}

// Members returns all that are known, sorted by ID.
func (a *Attendance) Members() []Member { return a.list(false) }

func (a *Attendance) list(directly bool) []Member {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Member, 0, len(a.members))
	for id, m := range a.members {
		if !m.gone && (m.direct || !directly) {
			out = append(out, Member{id, maps.Clone(m.metadata), m.shown})
		}
	}
	slices.SortFunc(out, func(x, y Member) int { return strings.Compare(x.ID, y.ID) })
	return out
}

// Published returns those who were heard from within that time as a list for the leader record, sorted
// by ID. If there are more than fit, it is those heard from last. A process that does not look at the
// roster all the time publishes those alone that it has heard from directly.
func (a *Attendance) Published(now, within time.Duration, directly bool) []lease.Observer {
	members := a.list(directly)
	slices.SortStableFunc(members, func(x, y Member) int { return cmp.Compare(y.Heard, x.Heard) })
	var out []lease.Observer
	left := maxRegistered
	for _, m := range members {
		if left -= size(m.ID, m.Metadata); left < 0 || now-m.Heard >= within {
			break
		}
		out = append(out, lease.Observer{ID: m.ID, AgeMillis: (now - m.Heard).Milliseconds(), Metadata: m.Metadata})
	}
	slices.SortFunc(out, func(x, y lease.Observer) int { return strings.Compare(x.ID, y.ID) })
	return out
}

// Departed returns the registered observers of a roster whose counters were not seen to change for so
// many leases that they are taken for gone.
func (a *Attendance) Departed(now, leaseTime time.Duration, r *Roster) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var ids []string
	for i := range r.Observers {
		entry := &r.Observers[i]
		m := a.members[entry.ID]
		if m != nil && m.listed && m.beats == entry.Beats && now-m.changed >= keptFor*leaseTime {
			ids = append(ids, entry.ID)
		}
	}
	return ids
}

// forget drops those who were not heard from for long, and stand nowhere.
func (a *Attendance) forget(now, leaseTime time.Duration) {
	for id, m := range a.members {
		if !m.listed && now-m.shown >= keptFor*leaseTime {
			a.drop(id)
		}
	}
}

func (a *Attendance) enter(id string, metadata map[string]string) *member {
	m := a.members[id]
	if m == nil {
		m = &member{}
		a.members[id] = m
	}
	a.size -= m.size
	m.metadata, m.size = maps.Clone(metadata), size(id, metadata)
	a.size += m.size
	return m
}

func (a *Attendance) drop(id string) {
	if m := a.members[id]; m != nil {
		a.size -= m.size
		delete(a.members, id)
	}
}
