package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// This file judges what leaders tell their peers, and what followers make of it.

// maxQuestions is how many questions one process may ask in any FrequentInterval.
const maxQuestions = 4

// peerWatch is what the monitor knows about one process as one that asks and answers.
type peerWatch struct {
	asked     [maxQuestions]time.Duration // the last questions, on its own monotonic clock
	askNext   int
	answering string        // the address at which the leader answered its last question
	pollLimit time.Duration // for how long that one lets a poll wait

	requests     int           // to the storage, under way
	lastRequest  lease.Instant // when the last one was made
	lastTrue     time.Time     // the same in true time
	lastRead     time.Time
	readFailed   bool      // the last read
	readAnswered time.Time // the last read that showed something
	readETag     string    // what it showed
	heardAt      time.Time // from the storage, whatever it was

	shown    *record // by the last read; nil if that was no record
	unsure   bool    // whether it has taken in what the storage answered
	known    int64   // the sequence of the last version it knows of, by the storage or by a peer
	sequence int64   // of its own last write
	movedAt  time.Time

	end   *s3lect.LeadershipEnd // of its last leadership
	endAt lease.Instant
}

// told is the body of an answer, read by the simulation itself.
type told struct {
	record
	ETag            string `json:"etag"`
	RemainingMillis int64  `json:"remainingMillis"`
	PollMillis      int64  `json:"pollMillis"`
	Observers       int    `json:"activeObservers"`
	Observed        bool   `json:"observed"`
}

// forgetPeers is called with the lock held when a process begins to contest: it has seen nothing.
func (m *monitor) forgetPeers(p *process) {
	p.m.peers = peerWatch{requests: p.m.peers.requests, lastRequest: p.host.now(), lastTrue: time.Now()}
}

func (m *monitor) readEntered(p *process, o object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o == rosterObject {
		p.m.rosterRead = time.Now()
		return
	}
	p.m.peers.lastRead = time.Now()
}

func (m *monitor) requestLeft(p *process, o object) {
	if o == rosterObject {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p.m.peers.requests--
}

// storageAnswered notes what the storage has answered a process. It is sure to take it in unless it
// was held, or gave the request up in this very instant.
func (m *monitor) storageAnswered(p *process, write bool, a answer, sure bool) {
	absent := errors.Is(a.err, s3lect.ErrStorageNotFound)
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &p.m.peers
	w.heardAt = time.Now()
	if !write {
		w.readFailed = a.err != nil && !absent
	}
	if a.err != nil && !absent {
		return
	}
	if !write {
		w.readAnswered, w.readETag = w.heardAt, a.version.etag
	}
	w.unsure = !sure
	if !sure || !w.shown.sameHolder(a.version.record) {
		w.answering = "" // that was another one
	}
	if sure {
		w.shown = a.version.record
	}
	if sure && w.shown != nil {
		w.known = w.shown.Sequence
	}
}

// claims holds a claim to what the last read has shown, in this instant: a peer's word is never
// enough.
func (m *monitor) claims(a *attempt) {
	if w := &a.p.m.peers; !w.readAnswered.Equal(time.Now()) || w.readETag != a.etag {
		m.fail(Peers, a.p, "claims version %s; the last read showed %s %v ago", a.etag, w.readETag, time.Since(w.readAnswered))
	}
}

// checkReading holds a follower to reading the storage once in three leases, whatever it hears.
func (m *monitor) checkReading(p *process) {
	c, w := p.host.condition(), &p.m.peers
	if !p.m.running || p.m.stopping || p.m.leading || c.held || w.requests > 0 || m.w.profile.has(deafness) || p.host.heldDuring(w.lastTrue) {
		return
	}
	longest := p.m.maxLease
	if w.shown != nil {
		longest = max(longest, w.shown.lease())
	}
	limit := 3*longest + p.m.maxLease/5 + 100*time.Millisecond
	if since := p.host.now().Mono - w.lastRequest.Mono; since > limit {
		m.fail(Peers, p, "has not asked the storage for %v; %v are allowed", since, limit)
		w.lastRequest = p.host.now()
	}
}

// asks judges that a process asks, and returns for how long it may wait for an answer.
func (m *monitor) asks(p *process, req *http.Request) (limit time.Duration) {
	config, now := p.currentConfig(), p.host.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &p.m.peers
	if !p.m.running && !p.host.isDead() {
		m.fail(Unbounded, p, "a question after Stop has returned")
	}
	if !config.PeerMode && !m.w.profile.has(mixedPeers) {
		m.fail(Peers, p, "asks %s although it is not in peer mode", req.URL)
	}
	movedLately := !w.movedAt.IsZero() && time.Since(w.movedAt) < 3*p.m.maxLease // a new contest begins to count anew
	// Who begins or ceases to observe has to ask as another one.
	movedLately = movedLately || m.w.profile.has(mixedQuorums) && time.Since(p.m.quorum.changedAt) < p.m.maxLease
	if leaves(req) {
		return config.LeaderTimeout // it is no question that comes again
	}
	if first := w.asked[w.askNext]; first > 0 && !movedLately && now.Mono-first < min(config.FrequentInterval, p.home.FrequentInterval) {
		m.fail(HotLoop, p, "%d questions in %v", maxQuestions+1, now.Mono-first)
	}
	w.asked[w.askNext] = now.Mono
	w.askNext = (w.askNext + 1) % len(w.asked)
	limit = config.PeerTimeout
	if limit == 0 {
		limit = s3lect.DefaultPeerTimeout
	}
	if req.URL.Query().Has("session") {
		limit += w.pollLimit
	}
	return limit*100/95 + 50*time.Millisecond
}

func (m *monitor) questionUnbounded(p *process, asked time.Time) {
	if p.host.isDead() || p.host.heldDuring(asked) {
		return
	}
	m.fail(Unbounded, p, "a question has been waiting for %v", time.Since(asked))
}

// answers notes that a question has arrived at a process and returns what judges its answer.
func (m *monitor) answers(p *process, q *question, req *http.Request) func(status int, body []byte) {
	arrived, led, term := p.host.now(), p.elector.IsLeader(), p.elector.Term()
	m.mu.Lock()
	session := p.m.session
	m.mu.Unlock()
	observed := m.heartbeat(p, req)
	polled := req.URL.Query().Get("session")
	return func(status int, body []byte) {
		if p.host.isDead() || q.isOver() {
			return // nobody hears it
		}
		waited := p.host.now().Mono - arrived.Mono
		switch {
		case status == http.StatusOK:
			m.judgeAnswer(p, req, body, waited, observed)
		case status == http.StatusNotFound && led && polled == session:
			m.judgeRefusal(p, session, term, waited)
		case status != http.StatusNotFound:
			m.fail(Peers, p, "answers %d: %.100s", status, body)
		}
	}
}

// judgeAnswer holds an answer, at the moment in which it is written, to what is so: the process
// leads, by a version that has landed, and it adds nothing to that.
func (m *monitor) judgeAnswer(p *process, req *http.Request, body []byte, waited time.Duration, observed func(bool)) {
	var t told
	if err := json.Unmarshal(body, &t); err != nil {
		m.fail(Peers, p, "answers what is no record: %v: %.200s", err, body)
		return
	}
	leads, remaining, now := p.elector.IsLeader(), p.elector.Remaining(), p.host.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checkLeaders(m.live())
	observed(t.Observed)
	age := vouchedAge(p.m.maxLease, time.Duration(t.PollMillis)*time.Millisecond)
	if c := p.currentConfig(); t.Observers > 1+p.m.quorum.count(c.LockfilePath).within(age, now.Mono, c.ServerID) {
		m.fail(Quorum, p, "answers that it has heard from %d members of late: %s", t.Observers, body)
	}
	landed := p.m.landed
	if landed == nil {
		m.fail(Peers, p, "answers as a leader without ever having written")
		return
	}
	left := now.Until(landed.sent.Add(landed.record.lease() / 10 * 9))
	if endedNow := p.m.endedAt.Equal(time.Now()); !leads && (left == 0 || !endedNow) {
		m.fail(Peers, p, "answers as the leader, and is not: %s", body)
	}
	v := m.written[t.Nonce]
	if p.habits.oldPeer {
		v = m.writtenAt(p, t.LastUpdated)
	}
	switch {
	case v == nil || v.p != p:
		m.fail(Peers, p, "answers with a version that it has not written, or that has not landed: %s", body)
		return
	case t.Term != v.record.Term || t.LeaderID != v.record.LeaderID || t.LeaderAddr != v.record.LeaderAddr:
		m.fail(Peers, p, "answers with another record than %+v, which it wrote: %s", v.record, body)
	case !t.LastUpdated.Equal(v.record.LastUpdated):
		m.fail(Peers, p, "answers that it renewed at %v, and it was at %v", t.LastUpdated, v.record.LastUpdated)
	}
	if p.habits.oldPeer {
		return
	}
	if t.ETag != "" && t.ETag != v.etagNow || t.Sequence != v.record.Sequence || t.Session != v.record.Session || t.LeaseMillis != v.record.LeaseMillis {
		m.fail(Peers, p, "answers with another version than %+v %s, which it wrote: %s", v.record, v.etagNow, body)
	}
	if told := time.Duration(t.RemainingMillis) * time.Millisecond; told < 0 || leads && told > min(remaining, left)+time.Millisecond {
		m.fail(Peers, p, "answers that %v remain; it is %v", told, min(remaining, left))
	}
	asked := req.URL.Query()
	if limit := time.Duration(t.PollMillis) * time.Millisecond; asked.Get("session") == t.Session && asked.Get("after") == strconv.FormatInt(t.Sequence, 10) && waited < limit-time.Millisecond {
		m.fail(Peers, p, "answers a poll after %v with nothing new; it lets polls wait for %v", waited, limit)
	}
}

// writtenAt finds the version that a plain answer speaks of. The lock is held.
func (m *monitor) writtenAt(p *process, at time.Time) *attempt {
	for _, v := range m.written {
		if v.p == p && v.record.LastUpdated.Equal(at) && !at.IsZero() {
			return v
		}
	}
	return nil
}

// judgeRefusal judges an answer to a poll that began under a leadership and has outlasted it: after
// a graceful end it comes when the resignation has landed or can no longer land, for whoever hears
// of it reads the storage at once. Why the leadership ended may become known in this instant only.
func (m *monitor) judgeRefusal(p *process, session string, term int64, waited time.Duration) {
	now, config := p.host.now(), p.currentConfig()
	v := m.w.store.look(config.LockfilePath)
	released := v.record == nil || v.record.Session != session || v.record.Term != term || v.record.resigned()
	if released || waited >= config.FrequentInterval {
		return
	}
	m.w.requests.Go(func() {
		time.Sleep(time.Nanosecond)
		m.mu.Lock()
		defer m.mu.Unlock()
		end := p.m.peers.end
		if end == nil || end.Term != term || p.host.isDead() || !p.m.peers.movedAt.IsZero() {
			return
		}
		since := now.Mono - p.m.peers.endAt.Mono
		// A step of the wall clock, or a suspension, brings the end of the lease nearer.
		ahead := time.Duration(now.Wall-p.m.peers.endAt.Wall) - since
		gone := end.Until.IsZero() || time.Until(end.Until)-max(0, ahead) < config.LeaderTimeout/20
		shown := p.m.peers.shown
		foreign := shown == nil || shown.Session != session // a stale read: it takes the leadership for lost
		switch {
		case errors.Is(end, s3lect.ErrStopped) && since >= config.LeaderTimeout/2, gone, foreign:
		case errors.Is(end, s3lect.ErrStopped), errors.Is(end, s3lect.ErrResigned), errors.Is(end, s3lect.ErrTransferred), errors.Is(end, s3lect.ErrQuorumLost):
			m.fail(Peers, p, "answers a poll %v after its leadership has ended (%v), with its record still standing", since, end)
		}
	})
}

// hears judges what a follower makes of an answer. It is sure to take it in unless it was held, or
// gave the question up in this very instant.
func (m *monitor) hears(p *process, req *http.Request, asked time.Time, r reply) {
	now, at, sure := time.Now(), p.host.now(), req.Context().Err() == nil && !p.host.heldDuring(asked)
	if leaves(req) {
		return
	}
	before := p.elector.GetLeadershipStatus()
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &p.m.peers
	if r.err != nil {
		if broken := errors.Is(r.err, errReset) || errors.Is(r.err, errUnreachable); broken && w.answering == req.URL.Host {
			m.readsSoon(p, now, at.Time().Sub(before.LeaderLastSeen))
		}
		w.answering = ""
		return
	}
	body, _ := io.ReadAll(r.response.Body)
	r.response.Body = io.NopCloser(bytes.NewReader(body))
	w.answering = ""
	if r.response.StatusCode != http.StatusOK {
		return
	}
	var t told
	_ = json.Unmarshal(body, &t) // what is garbled counts for nothing
	m.toldOf(p, t)
	if s := w.shown; sure && s != nil && s.LeaderID == t.LeaderID && s.Term == t.Term && (s.Session == t.Session || t.Session == "") {
		w.answering = req.URL.Host
	}
	w.pollLimit = time.Duration(t.PollMillis) * time.Millisecond
	if w.unsure || w.heardAt.Equal(now) || p.m.stopping || !p.m.running {
		return
	}
	counts := t.Nonce != "" && t.ETag != "" && t.sameHolder(w.shown) && !w.shown.resigned() && t.Sequence > w.known
	m.w.requests.Go(func() {
		time.Sleep(time.Nanosecond)
		after := p.elector.GetLeadershipStatus()
		m.mu.Lock()
		defer m.mu.Unlock()
		if !w.heardAt.Before(now) || p.m.stopping || !p.m.running || p.host.isDead() || w.movedAt.Equal(now) {
			return
		}
		took := after.LeaderLastSeen.Equal(at.Time())
		if counts && took {
			w.known = t.Sequence
		}
		if !counts && (took || !after.LeaderLastSeen.Equal(before.LeaderLastSeen) || after.Term != before.Term || after.LeaderID != before.LeaderID && after.LeaderID != "") {
			m.fail(Peers, p, "takes the word of a peer that must not count: %s; it knows sequence %d of %+v", body, w.known, w.shown)
		}
	})
}

// readsSoon demands a read of the storage in this instant, after the connection to a leader that
// had been answering is broken; within the random wait before a claim if its lease is over already.
// The lock is held.
func (m *monitor) readsSoon(p *process, broke time.Time, unseen time.Duration) {
	w := &p.m.peers
	limit := 10 * time.Millisecond
	if unseen < 0 || unseen >= p.currentConfig().LeaderTimeout {
		limit += p.m.maxLease / 9
	}
	if w.requests > 0 || w.readFailed || p.m.stopping || p.m.leading || m.w.profile.has(deafness) {
		return
	}
	m.w.requests.Go(func() {
		time.Sleep(limit)
		m.mu.Lock()
		defer m.mu.Unlock()
		if !p.m.running || p.m.stopping || p.host.isDead() || p.host.heldDuring(broke) || !w.movedAt.IsZero() {
			return
		}
		if w.lastRead.Before(broke) {
			m.fail(Peers, p, "does not read the storage although the connection to the leader has broken")
		}
	})
}
