package lease

import (
	"fmt"
	"time"
)

// Config is what one candidate brings to the election.
type Config struct {
	ID, Addr   string
	Lease      time.Duration // for how long it may hold, and waits at least; whole milliseconds
	Frequent   time.Duration // between renewals, and between reads while unsettled
	Infrequent time.Duration // between reads while settled

	PeerTimeout time.Duration // for a question that is answered at once, and on top of a poll
	Grace       time.Duration // for how long a leader holds on without a quorum

	Peers     bool // ask the leader instead of reading
	NonVoting bool // never claim
	Quorum    bool // claim and hold only with enough active members, as Assure tells
}

// never is a moment that does not come.
const never = time.Duration(1<<63 - 1)

// phase is what the machine is busy with.
type phase uint8

const (
	idle       phase = iota // not contesting
	following               // observing, and waiting for the moment to claim
	claiming                // a claim is under way
	confirming              // a claim of unknown outcome has landed; one more write decides
	leading                 // holding and renewing
	resigning               // writing the resignation of a leadership that has ended
)

// Machine is one candidate. It is not safe for concurrent use. The driver calls Step whenever
// something has happened or the moment that Step named has come, performs the call that Call
// returns, reports its end with Answer, and tells the world what Events returns.
type Machine struct {
	cfg    Config
	random func() uint64

	phase    phase
	stopping bool
	busy     bool // work of an ended leadership still runs
	guarded  bool // a leadership ends early enough for its work to stop in time
	// known is whether anything was ever seen or written under this key; what is absent
	// afterwards was removed, and its holder may still trust its lease.
	known       bool
	approaching bool // waiting a random time before a claim, or reading once more
	session     string
	writes      int64 // of this session
	call        *Call
	events      []Event

	seen      observation
	highest   int64 // the highest term ever seen
	lastLease time.Duration

	// A follower's plan.
	nextRead   time.Duration
	claimAt    time.Duration // when the random wait ends
	claimAfter time.Duration // not before: failed claims are paced
	standBack  time.Duration // not before: after a resignation others come first
	readFails  int
	claimFails int
	lastErr    error
	doubt      error         // why a claim was refused, until a read shows whether somebody was faster
	rtt        time.Duration // smoothed time of a storage call; 0: unknown
	peer       *peer         // the leader, as this candidate knows it from itself; nil without peer mode
	quorum     quorum

	own *reign
}

// New returns a machine that is idle.
func New(cfg Config, random func() uint64) *Machine {
	return &Machine{cfg: cfg, random: random}
}

// Start begins to contest, as a new incarnation.
func (m *Machine) Start(now Instant) {
	m.phase, m.stopping = following, false
	m.session, m.writes = m.id(), 0
	m.own = nil
	m.call = nil
	m.nextRead = now.Mono
	m.approaching, m.claimAfter, m.standBack = false, now.Mono, now.Mono
	m.seen = observation{} // nothing was observed while it was stopped
	m.readFails, m.claimFails, m.lastErr, m.doubt = 0, 0, nil, nil
	m.quorum = quorum{enough: -never, since: -never}
	m.meet(now)
}

// Stop ends the contest: at once for a follower; for a leader in the ordinary order, so that Idle
// becomes true only after Release and the resignation.
func (m *Machine) Stop(now Instant) {
	m.stopping = true
	switch m.phase {
	case leading:
		m.end(now, Stopped, "")
	case confirming:
		m.abandon(now)
	case resigning:
		m.hurry(now)
	case following:
		if !m.busy {
			m.phase, m.call = idle, nil
		}
	}
}

// Idle reports whether the machine contests nothing and has nothing left to write.
func (m *Machine) Idle() bool { return m.phase == idle }

// Reconfigure changes the lease, the intervals or the address. A leader publishes them at once.
func (m *Machine) Reconfigure(now Instant, cfg Config) {
	if cfg.Quorum && !m.cfg.Quorum {
		m.quorum.enough = now.Mono // nobody has been asked for before
	}
	m.cfg = cfg
	m.quorum.withheld = m.quorum.withheld && cfg.Quorum
	if cfg.Peers != (m.peer != nil) {
		m.meet(now)
	}
	m.nextRead = min(m.nextRead, now.Mono+m.readInterval(now))
	if m.own != nil {
		m.own.urgent = true
	}
}

// Guard sets whether leaderships have work that needs time to stop. If so they end that much
// earlier than their trust does.
func (m *Machine) Guard(on bool) { m.guarded = on }

// grace is how long before its trust a guarded leadership ends: a tenth of the lease that the trust
// was counted with, but not so much that the ordinary renewal would come too late. Intervals are at
// most four fifths of their lease, which leaves a twentieth.
func (m *Machine) grace() time.Duration {
	if !m.guarded {
		return 0
	}
	lease := m.own.lease
	return min(lease/10, max(lease/20, (trusted(lease)-m.cfg.Frequent)/2))
}

// Call returns the call that should be under way now, or nil.
func (m *Machine) Call() *Call { return m.call }

// Events returns what has happened since the last time.
func (m *Machine) Events() []Event {
	events := m.events
	m.events = nil
	return events
}

// Trust returns the term and the moment until which this process is trusted to lead; ok is false
// when it does not lead.
func (m *Machine) Trust() (term int64, until Instant, ok bool) {
	if m.phase != leading {
		return 0, Instant{}, false
	}
	return m.own.term, m.own.trust, true
}

// Session returns the identity of the present incarnation.
func (m *Machine) Session() string { return m.session }

// Renewed returns when the last confirmed write of the present leadership was sent.
func (m *Machine) Renewed() Instant { return m.own.renewed }

// Step advances the machine to now and returns the moment, on the monotonic clock, at which it
// wants to be called again if nothing else happens.
func (m *Machine) Step(now Instant) time.Duration {
	if m.call != nil && now.Mono >= m.call.deadline {
		m.Answer(now, Answer{Kind: Failed, Err: fmt.Errorf("no answer from the storage within %v", m.call.deadline-m.call.sent.Mono)})
	}
	if m.phase != following {
		m.hush()
	}
	switch m.phase {
	case idle:
		return never
	case following:
		return m.follow(now)
	case claiming:
		return m.call.deadline
	default:
		return m.hold(now)
	}
}

// Answer ends the call under way.
func (m *Machine) Answer(now Instant, a Answer) {
	call := m.call
	m.call = nil
	m.measure(now.Mono-call.sent.Mono, a.Kind)
	switch {
	case call.Record == nil && m.phase == following:
		m.followRead(now, call, a)
	case call.Record == nil:
		m.holdRead(now, a)
	case m.phase == claiming:
		m.claimed(now, call, a)
	default:
		m.holdWritten(now, call, a)
	}
}

// read begins a read.
func (m *Machine) read(now Instant) {
	m.call = &Call{sent: now, deadline: now.Mono + m.attemptTimeout(), known: m.seen.record}
}

// write begins a conditional write. It must be the last thing that happens before the request
// leaves: trust is counted from here.
func (m *Machine) write(now Instant, r Record, etag string) {
	r.LeaderID, r.LeaderAddr = m.cfg.ID, m.cfg.Addr
	m.writes++
	r.Term, r.Session, r.Nonce, r.Sequence = m.own.term, m.session, m.id(), m.writes
	r.Lease = m.cfg.Lease
	m.call = &Call{Record: &r, ETag: etag, sent: now, deadline: now.Mono + m.attemptTimeout()}
	m.own.attempts = append(m.own.attempts, attempt{record: r, sent: now})
}

func (m *Machine) emit(e Event) { m.events = append(m.events, e) }

func (m *Machine) checked(err error) { m.emit(Event{Kind: Checked, Err: err}) }

// id returns 128 random bits.
func (m *Machine) id() string { return fmt.Sprintf("%016x%016x", m.random(), m.random()) }
