package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// Kinds of violations, one for each promise.
const (
	TwoLeaders  = "two-leaders" // two processes saw IsLeader() == true at once
	TrustWindow = "trust"       // led longer than a confirmed write allows
	EarlyClaim  = "early-claim" // a claim before the holder's lease, or a successor's, was over
	Terms       = "terms"       // a term that did not grow, or is not the record's
	Hooks       = "hooks"       // not strictly acquire, lose, acquire
	WorkOverlap = "work"        // work of two leaderships at once, or a context that outlived its lease
	Released    = "release"     // released or claimed while work or a hook was running
	Overwritten = "overwritten" // an object that is no leader record was replaced
	Records     = "records"     // a record that breaks the format's rules
	Waiters     = "waiters"     // WaitForLeadership or Watch told what is not so
	Status      = "status"      // Term, Remaining, IsLeader or the status contradict each other
	Liveness    = "liveness"    // no leader, or no stable one, after the faults had ended
	HotLoop     = "hot-loop"    // too many requests
	Lost        = "lost"        // a leadership ended without need
	Unbounded   = "unbounded"   // an attempt, a question or a Stop without a bound
	Peers       = "peers"       // a leader answered, or a follower took an answer for, what is not so
	Quorum      = "quorum"      // led or claimed without enough members
	Demoted     = "demoted"     // a leadership ended for want of members who were there
	Damping     = "damping"     // claimed too soon after one that ended for want of members
	NonVoters   = "non-voters"  // a member that never leads claimed or led
	Roster      = "roster"      // a list of observers that breaks the format's rules, or lost one of them
	Attendance  = "attendance"  // did not tell who is there
	Reasons     = "reasons"     // told another reason for the end of a leadership than there was
)

// Violation is a promise that was broken.
type Violation struct {
	Kind    string
	At      time.Duration // since the start of the run
	Process string
	Text    string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s at %.4fs, %s: %s", v.Kind, v.At.Seconds(), v.Process, v.Text)
}

// Leadership is one leadership that was seen.
type Leadership struct {
	Process string
	Key     string
	Term    int64
	Since   time.Time
}

// monitor watches the whole cluster and judges it. It looks at every commit, every change of
// leadership, every answer, every action, and on a tick. Lock order: store, monitor, host.
type monitor struct {
	w *world

	mu          sync.Mutex
	everybody   []*process        // that ever was
	present     map[*process]bool // between start and stop or death
	nonces      map[string]bool
	topTerm     map[string]int64     // highest term on the storage, by key
	topLeader   map[string]int64     // highest term that led, by key
	written     map[string]*attempt  // what has landed, by nonce
	lived       map[member]time.Time // when an observer's last heartbeat has reached anybody
	listed      map[member]time.Time // when its counter on the storage has last changed
	meddled     map[string]time.Time // when a stranger has last changed its list of observers, by key
	leaderships []Leadership

	only       []string // kinds that count; all if empty
	failing    sync.Mutex
	violations []Violation
	failed     chan struct{} // closed at the first violation
}

func newMonitor(w *world) *monitor {
	return &monitor{
		w: w, present: map[*process]bool{}, nonces: map[string]bool{}, topTerm: map[string]int64{}, topLeader: map[string]int64{},
		written: map[string]*attempt{}, lived: map[member]time.Time{}, listed: map[member]time.Time{}, meddled: map[string]time.Time{}, failed: make(chan struct{}),
	}
}

// fail records a violation. It may be called with or without the monitor's lock.
func (m *monitor) fail(kind string, p *process, format string, args ...any) {
	if len(m.only) > 0 && !slices.Contains(m.only, kind) {
		return
	}
	name := "-"
	if p != nil {
		name = p.name
	}
	v := Violation{Kind: kind, At: m.w.elapsed(), Process: name, Text: fmt.Sprintf(format, args...)}
	m.failing.Lock()
	defer m.failing.Unlock()
	if len(m.violations) >= 20 {
		return
	}
	if len(m.violations) == 0 {
		close(m.failed)
	}
	m.violations = append(m.violations, v)
	m.w.trace.add(name, "*** VIOLATION %s: %s", v.Kind, v.Text)
}

// hookState is where an elector is in its strict alternation of hooks.
type hookState int

const (
	hooksIdle hookState = iota
	acquiring
	acquired
	losing
)

func (s hookState) String() string {
	return [...]string{"idle", "acquiring", "acquired", "losing"}[s]
}

// watched is what the monitor knows about one process.
type watched struct {
	running   bool // between start and stop
	stopping  bool
	startedAt time.Time
	maxLease  time.Duration // the longest it was ever configured with
	minLease  time.Duration // and the shortest

	session  string   // of its last write that was sent
	landed   *attempt // the last write of this session that took effect
	seen     *record  // the last record it was shown
	leading  bool
	term     int64
	since    time.Time
	endedAt  time.Time // its last leadership
	standsBy string    // the session in which it resigned, and stands back

	hooks    hookState
	hookCtx  context.Context
	hookTerm int64 // of the leadership whose acquire hook was last begun

	working     bool
	workCtx     context.Context
	workSince   time.Time
	windingDown bool
	windSince   time.Time
	deadline    time.Time // true time until which its lease keeps others out
	overruns    bool

	peers       peerWatch
	quorum      quorumWatch
	rosterRead  time.Time      // when it has last begun to read its list of observers
	requests    [2]requestRate // by kind of object
	toldLeading bool
	toldTerm    int64
}

// key is the election that the process takes part in, as its last write shows.
func (w *watched) key() string {
	if w.landed == nil {
		return ""
	}
	return w.landed.key
}

func (m *monitor) started(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.m.maxLease == 0 {
		m.everybody = append(m.everybody, p)
	}
	m.present[p] = true
	p.m.running, p.m.stopping = true, false
	p.m.seen = nil // a new session has seen nothing
	m.forgetPeers(p)
	m.beginsToCount(p)
	p.m.startedAt = time.Now()
	m.leases(p, p.currentConfig().LeaderTimeout)
}

func (m *monitor) reconfigured(p *process, c s3lect.ElectorConfig) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leases(p, c.LeaderTimeout)
	m.recounts(p, c)
	m.w.trace.add(p.name, "UpdateConfig key %s id %s timeout %v every %v quorum %d grace %v non-voting %v",
		c.LockfilePath, c.ServerID, c.LeaderTimeout, c.FrequentInterval, c.QuorumSize, c.GracePeriod, c.NonVoting)
	if old := p.currentConfig(); old.LockfilePath != c.LockfilePath || old.ServerID != c.ServerID {
		p.m.toldTerm, p.m.seen = 0, nil
		p.m.peers.unsure, p.m.peers.movedAt = true, time.Now()
	}
}

// leases notes the lease that a process is configured with. The lock is held.
func (m *monitor) leases(p *process, lease time.Duration) {
	p.m.maxLease = max(p.m.maxLease, lease)
	if p.m.minLease == 0 || lease < p.m.minLease {
		p.m.minLease = lease
	}
}

func (m *monitor) stopping(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.m.stopping = true
}

func (m *monitor) stopped(p *process, began time.Time) {
	if p.host.isDead() {
		return
	}
	if p.elector.IsLeader() {
		m.fail(Status, p, "IsLeader after Stop")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p.m.running = false
	delete(m.present, p)
	if p.m.hooks != hooksIdle {
		m.fail(Hooks, p, "stopped with hooks %v", p.m.hooks)
	}
	if p.m.working {
		m.fail(Hooks, p, "stopped while work was running")
	}
	if took := time.Since(began); !m.w.chaos() && began.After(m.w.calmSince) && took > p.m.maxLease+10*time.Second {
		m.fail(Unbounded, p, "Stop took %v", took)
	}
}

func (m *monitor) died(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.m.running, p.m.leading = false, false
	delete(m.present, p)
}

// live lists the processes that take part. The lock is held.
func (m *monitor) live() []*process {
	var out []*process
	for p := range m.present {
		if !p.host.isDead() {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *process) int { return cmp.Or(a.node-b.node, strings.Compare(a.name, b.name)) })
	return out
}

// leaders lists the processes that see themselves as leaders of the main election, each by its own
// clock at this instant.
func (m *monitor) leaders() []*process {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*process
	for _, p := range m.live() {
		if p.elector.IsLeader() && p.m.key() == mainKey {
			out = append(out, p)
		}
	}
	return out
}

// check judges the present moment.
func (m *monitor) check() {
	m.mu.Lock()
	live := m.live()
	m.checkLeaders(live)
	for _, p := range live {
		m.checkContexts(p)
		m.checkReading(p)
	}
	m.mu.Unlock()
	for _, p := range live {
		m.checkConsistency(p)
	}
}

// checkLeaders is the heart: at most one leader, its trust, its term, and nobody else's work.
func (m *monitor) checkLeaders(live []*process) {
	leader := map[string]*process{}
	for _, p := range live {
		if !m.observe(p) {
			continue
		}
		key := p.m.key()
		if other := leader[key]; other != nil {
			m.fail(TwoLeaders, p, "leads with term %d, and %s leads with term %d", p.m.term, other.name, other.m.term)
		}
		leader[key] = p
		m.checkTrust(p)
		m.checkMembers(p)
		for _, a := range live {
			if a != p && a.m.key() == key {
				m.checkWork(p, a)
			}
		}
	}
}

// observe notes whether a process leads, and judges a new leadership.
func (m *monitor) observe(p *process) bool {
	if !p.elector.IsLeader() {
		if p.m.leading {
			p.m.leading, p.m.endedAt = false, time.Now()
			m.w.trace.add(p.name, "no longer leads (term %d)", p.m.term)
		}
		return false
	}
	term := p.elector.Term()
	if p.m.leading && term == p.m.term || term == 0 {
		return true
	}
	if m.goesOn(p, term) {
		p.m.leading = true
		return true
	}
	p.m.leading, p.m.term, p.m.since = true, term, time.Now()
	key := p.m.key()
	m.w.trace.add(p.name, "LEADS %s with term %d", key, term)
	if term <= m.topLeader[key] {
		m.fail(Terms, p, "leads with term %d after a leadership with term %d", term, m.topLeader[key])
	}
	m.topLeader[key] = max(term, m.topLeader[key])
	if p.m.landed == nil || p.m.landed.record.Term != term {
		m.fail(Terms, p, "leads with term %d, which is not in a record it wrote", term)
	}
	m.leaderships = append(m.leaderships, Leadership{p.name, key, term, time.Now()})
	return true
}

// goesOn reports whether a process that says again that it leads is in the same leadership as before: a step of its wall clock
// had made it doubt, and another one has undone that before the elector took notice. Nobody has been told of an end then.
func (m *monitor) goesOn(p *process, term int64) bool {
	if term != p.m.term || term != m.topLeader[p.m.key()] {
		return false
	}
	switch p.m.hooks {
	case hooksIdle: // its hook is still to come, as when the process is frozen, or has been
		return p.m.hookTerm < term
	case acquiring, acquired:
		return p.m.hookCtx.Err() == nil
	default:
		return false
	}
}

// checkTrust holds a leader to its last write that took effect: sent + 0.9 × lease, by its own
// clock, and by true time with the permitted error of the rate.
func (m *monitor) checkTrust(p *process) {
	a := p.m.landed
	if a == nil {
		m.fail(TrustWindow, p, "leads without ever having written")
		return
	}
	if a.record.resigned() {
		m.fail(TrustWindow, p, "leads after having resigned")
	}
	trust := a.record.lease() * 9 / 10
	if used := p.host.now().Mono - a.sent.Mono; used > trust+time.Microsecond {
		m.fail(TrustWindow, p, "leads %v after its last successful write was sent, on its own clock; %v are allowed", used, trust)
	}
	if left, used := p.elector.Remaining(), p.host.now().Mono-a.sent.Mono; left > trust-used+time.Microsecond {
		m.fail(TrustWindow, p, "tells of %v that remain, %v after its last successful write was sent; %v are allowed", left, used, trust)
	}
	if used := time.Since(a.entered); used > trust*100/95+time.Microsecond {
		m.fail(TrustWindow, p, "leads %v after its last successful write was sent; %v are allowed", used, trust*100/95)
	}
}

// checkConsistency compares what an elector says of itself. Its answers are of several calls, so a
// contradiction counts only if it stays.
func (m *monitor) checkConsistency(p *process) {
	for try := 0; ; try++ {
		leads, term, left := p.elector.IsLeader(), p.elector.Term(), p.elector.Remaining()
		if contradiction := leads != (left > 0) || leads != (term > 0); !contradiction {
			return
		}
		if try == 3 {
			m.fail(Status, p, "IsLeader %v, Term %d, Remaining %v", leads, term, left)
			return
		}
		time.Sleep(time.Nanosecond)
	}
}
