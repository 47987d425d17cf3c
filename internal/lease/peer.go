package lease

import (
	"errors"
	"fmt"
	"time"
)

// ErrNotLeading is the answer of a peer that does not lead.
var ErrNotLeading = errors.New("the peer does not lead")

// Question is one request to the leader itself. It is over when Machine.Reply has been called for
// it, or when the machine has turned to another or to none; then whatever still runs of it is to be
// cancelled.
type Question struct {
	// Addr is the leader's address. It comes from the storage: whoever uses it has to check it.
	Addr string
	// Session, unless it is empty, lets the leader keep the answer back until it has a later version
	// of this session than After.
	Session string
	After   int64

	sent, deadline time.Duration
}

// Late returns for how long question and answer were on their way, if the word comes now.
func (q *Question) Late(now Instant, w *Word) time.Duration {
	return max(0, now.Mono-q.sent-w.Held)
}

// Word is what a leader tells of itself: the last version of the record that it wrote.
type Word struct {
	Record Record
	ETag   string
	// Poll is for how long the leader keeps an answer back at most; 0 if it answers at once.
	Poll time.Duration
	// Held is for how long it has kept this one back.
	Held time.Duration
	// Followers is how many ask it.
	Followers int
	// Observers is how many members it has heard from of late, itself included.
	Observers int
	// Observed says that it took the question for a heartbeat, and ObserverError why it did not.
	Observed      bool
	ObserverError string
}

// names reports whether the word names a version, of which it can be told whether it is news.
func (w *Word) names() bool {
	r := &w.Record
	return w.ETag != "" && r.Nonce != "" && r.Session != "" && r.Sequence > 0
}

// A question is put at most so often within a frequent interval, whatever the peer answers.
const maxQuestions = 4

// maxCuts is how many long polls in a row may fail, with plain answers between them, until plain
// questions have to do for three leases. Each costs reads.
const maxCuts = 3

// maxCrowd is the largest number of followers that makes a difference.
const maxCrowd = 10_000

// peer is the leader as a follower knows it from itself. What it says saves reads, and nothing
// else: it begins an observation of a version, and to claim that one a read must show it again.
type peer struct {
	// Whom the rest is about.
	session string
	term    int64
	addr    string

	question *Question // under way, or nil
	askAt    time.Duration
	asked    []time.Duration // the latest questions, of any leader
	poll     time.Duration
	cuts     int           // long polls in a row that came to nothing
	pollAt   time.Duration // not before: something on the way cuts them off
	answered bool          // the last question was
	heard    bool          // and the answer was the leader's, and named a version
	crowd    int           // followers of the last leader heard of
	lastWord Instant
	err      error // of the last question

	lastRead time.Duration // when the last read left that was answered
	alarm    time.Duration // reads that left before this moment came too early

	// What is seen rests on the leader's word, and no read has shown it yet.
	believed bool
	// The storage has contradicted the leader's word: it is not listened to before the storage shows
	// another version.
	unbelieved bool
}

// meet forgets all that is known of the leader from itself.
func (m *Machine) meet(now Instant) {
	m.peer = nil
	if m.cfg.Peers {
		// When the last read left is not known: the next one is not put off.
		m.peer = &peer{askAt: now.Mono, lastRead: now.Mono - 3*m.cfg.Lease, alarm: now.Mono}
	}
}

// hush drops the question under way: there is nobody to ask.
func (m *Machine) hush() {
	if m.peer != nil {
		m.peer.question, m.peer.err = nil, nil
	}
}

// Question returns the question that should be under way now, or nil.
func (m *Machine) Question() *Question {
	if m.peer == nil {
		return nil
	}
	return m.peer.question
}

// Heard returns when the leader last said something that counts, if ever, and the error of the last
// question.
func (m *Machine) Heard() (last Instant, err error) {
	if m.peer == nil {
		return Instant{}, nil
	}
	return m.peer.lastWord, m.peer.err
}

// heard reports whether the leader tells of its renewals by itself.
func (m *Machine) heard() bool { return m.peer != nil && m.peer.heard }

// Crowd returns the number of followers that the last leader has told of; 0 without peer mode.
func (m *Machine) Crowd() int {
	if m.peer == nil {
		return 0
	}
	return m.peer.crowd
}

// tooEarly takes note of a read that was answered, and reports whether it left before the leader fell
// silent, so that it cannot show what has become of it.
func (m *Machine) tooEarly(left time.Duration) bool {
	if m.peer == nil {
		return false
	}
	m.peer.lastRead = left
	return left < m.peer.alarm
}

// Asks reports whether this candidate asks a leader.
func (m *Machine) Asks() bool { return m.phase == following && m.askable() }

// askable reports whether there is a leader to ask.
func (m *Machine) askable() bool {
	r := &m.seen.record
	return m.peer != nil && !m.stopping && !m.busy && m.own == nil &&
		m.seen.sight == present && !r.Resigned() && r.Session != m.session &&
		r.LeaderAddr != "" && r.LeaderAddr != m.cfg.Addr
}

// ask puts a question to the leader when it is time to, and returns when it wants to be called
// again.
func (m *Machine) ask(now Instant) time.Duration {
	if !m.askable() {
		m.hush()
		return never
	}
	p, r := m.peer, &m.seen.record
	if p.session != r.Session || p.term != r.Term || p.addr != r.LeaderAddr {
		*p = peer{
			session: r.Session, term: r.Term, addr: r.LeaderAddr, askAt: now.Mono, pollAt: now.Mono,
			asked: p.asked, crowd: p.crowd, lastWord: p.lastWord, lastRead: p.lastRead, alarm: p.alarm,
		}
	}
	if q := p.question; q != nil && now.Mono >= q.deadline {
		m.Reply(now, nil, fmt.Errorf("ask the leader at %s: no answer within %v", q.Addr, q.deadline-q.sent))
	}
	if p.question != nil {
		return p.question.deadline
	}
	at := p.askAt
	if len(p.asked) == maxQuestions {
		at = max(at, p.asked[0]+m.cfg.Frequent)
	}
	if at > now.Mono {
		return at
	}
	q := &Question{Addr: r.LeaderAddr, sent: now.Mono, deadline: now.Mono + m.cfg.PeerTimeout}
	if p.poll > 0 && now.Mono >= p.pollAt {
		q.Session, q.After = r.Session, r.Sequence
		q.deadline += p.poll
	}
	if len(p.asked) == maxQuestions {
		p.asked = append(p.asked[:0], p.asked[1:]...)
	}
	p.asked = append(p.asked, now.Mono)
	p.question = q
	return q.deadline
}

// Reply ends the question under way: with the leader's word, or with an error.
func (m *Machine) Reply(now Instant, w *Word, err error) {
	p := m.peer
	q := p.question
	p.question = nil
	stranger := false
	if err == nil {
		err = m.judge(w)
		stranger = err != nil
	}
	if err == nil {
		m.told(now, q, w)
	} else {
		err = m.untold(now, q, err, stranger)
	}
	p.err = err
	m.emit(Event{Kind: Asked, Err: err})
}

// told takes in the leader's word.
func (m *Machine) told(now Instant, q *Question, w *Word) {
	p := m.peer
	p.answered = true
	p.crowd = min(w.Followers, maxCrowd)
	p.poll = max(0, min(w.Poll, max(m.seen.record.Lease, m.cfg.Lease)))
	p.heard = w.names() && !p.unbelieved
	if p.heard {
		p.lastWord = now
		if m.seen.record.precedes(w.Record) {
			m.believe(now, w)
		}
		if m.settled(now) {
			m.nextRead = max(m.nextRead, p.lastRead+m.peerReadInterval())
		}
	}
	polled := q.Session != ""
	if polled {
		p.cuts = 0
	}
	p.askAt = now.Mono
	if news := !polled || w.Record.Sequence > q.After; p.poll == 0 || now.Mono < p.pollAt || !news {
		p.askAt = max(now.Mono, q.sent+m.cfg.Frequent)
	}
}

// untold takes in that the leader gave no word, or somebody else one, and returns the error as it is
// to be told.
func (m *Machine) untold(now Instant, q *Question, err error, stranger bool) error {
	p := m.peer
	notLeading := errors.Is(err, ErrNotLeading)
	if q.Session != "" && !stranger && !notLeading {
		if p.cuts++; p.cuts >= maxCuts {
			p.pollAt = now.Mono + 3*m.cfg.Lease
		}
	}
	if p.answered || stranger && p.err == nil {
		// What it wrote last may still be on its way: read now, and once more when that has landed.
		p.alarm, m.nextRead = now.Mono+2*m.RoundTrip(), now.Mono
	}
	p.answered, p.heard, p.poll = false, false, 0
	p.askAt = now.Mono + m.cfg.Frequent + m.upTo(m.cfg.Frequent/4)
	if notLeading && p.err != nil {
		// Once is what a handover looks like. Twice, with a record that still names it, is worth telling.
		return fmt.Errorf("the leader on record answers at %s that it does not lead: is this the path of its endpoint?", q.Addr)
	}
	return err
}

// judge finds what makes a word another's than that of the leader whose record was read last. At
// its address a stranger may answer, a former incarnation, or a later one.
func (m *Machine) judge(w *Word) error {
	r := &m.seen.record
	switch {
	case w.Record.LeaderID != r.LeaderID || w.Record.Term != r.Term:
		return fmt.Errorf("the answer is of term %d of %.100q, the record of term %d of %.100q", w.Record.Term, w.Record.LeaderID, r.Term, r.LeaderID)
	case w.Record.Resigned():
		return errors.New("the answer is a resigned record, which no leader has")
	case w.Record.Session == "":
		return nil // of software that knows no sessions; it can count for nothing
	case w.Record.Session != r.Session:
		return fmt.Errorf("the answer is of another incarnation of %q", r.LeaderID)
	case w.names() && w.Record.Sequence == r.Sequence && w.Record.Nonce != r.Nonce:
		return fmt.Errorf("the answer names another write %d than the record", r.Sequence)
	}
	return nil
}

// believe begins to observe the version that the leader names. Who leads and where stays what the
// storage has said.
func (m *Machine) believe(now Instant, w *Word) {
	s := &m.seen
	m.peer.believed = true
	s.version = Version{w.ETag, w.Record.Nonce}
	s.record.Nonce, s.record.Sequence = w.Record.Nonce, w.Record.Sequence
	s.record.Lease, s.record.LastUpdated = w.Record.Lease, w.Record.LastUpdated
	s.since, s.again, s.lapsed = now, false, false
	s.renewals++
	m.lastLease = max(m.lastLease, w.Record.Lease)
	m.claimFails = 0
}

// proven says that what is seen was read from the storage.
func (m *Machine) proven() {
	if m.peer != nil {
		m.peer.believed = false
	}
}

// fresh says that the storage has shown a version that was not known before. The leader is listened
// to again, unless that version contradicts it.
func (m *Machine) fresh(contradicts bool) {
	m.proven()
	if m.peer != nil {
		m.peer.unbelieved = contradicts
		m.peer.heard = m.peer.heard && !contradicts
	}
}

// outdated reports whether a read left before the leader told of any later version than it shows.
// That the leader has told of yet another one meanwhile is no excuse: a peer that always has news
// would never be contradicted.
func (m *Machine) outdated(read observation, known Record) bool {
	return m.contradicts(read) && !read.record.precedes(known)
}

// contradicts reports whether a read shows an earlier version than the leader has told of: later
// ones were never written, then, or were taken back. Were the read not believed, a peer that is lost
// in the past, or lies, could put off a claim for ever.
func (m *Machine) contradicts(read observation) bool {
	return m.peer != nil && m.peer.believed && read.sight == present && read.record.precedes(m.seen.record)
}
