package lease

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// leaderSide knows when the heartbeats that the voters have answered were sent.
type leaderSide struct {
	self   raft.ServerID
	voters func() []raft.ServerID
	lease  time.Duration

	granted atomic.Pointer[grant] // nil: there is no lease

	mu      sync.Mutex
	marking int    // transfers under way, during which there is no lease
	numbers uint64 // of heartbeats, questions about them and pipelines, in their order
	term    uint64
	// heard and trusted are the newest heartbeats each member has answered in this term: all of them, and those with
	// numbers above trustFrom, which is where the last transfer ended. While one is under way trusted is not used.
	heard, trusted map[raft.ServerID]beat
	trustFrom      uint64
	synced         map[raft.ServerID]*watchedPipeline // the newest one, while it is open
	changed        chan struct{}                      // closed and replaced with each answer
}

// grant is the lease of a term.
type grant struct {
	term uint64
	from time.Time // when the heartbeats were sent that a majority has answered
}

// beat is a heartbeat. The number orders what the clock does not.
type beat struct {
	at     time.Time
	number uint64
	last   uint64 // the last index of the log of the one who has answered
}

func (l *leaderSide) init(options Options) {
	l.self, l.voters, l.lease = options.Self, options.Voters, Duration(options.ElectionTimeout)
	l.heard, l.trusted = map[raft.ServerID]beat{}, map[raft.ServerID]beat{}
	l.synced = map[raft.ServerID]*watchedPipeline{}
	l.changed = make(chan struct{})
}

// beat numbers a heartbeat that is about to be sent, and says whether it is marked.
func (l *leaderSide) beat() (beat, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.numbers++
	return beat{at: time.Now(), number: l.numbers}, l.marking > 0
}

func (l *leaderSide) answered(id raft.ServerID, term uint64, sent beat) {
	voters := l.voters()
	l.mu.Lock()
	defer l.mu.Unlock()
	if term < l.term {
		return
	}
	l.forget(term)
	if sent.number > l.heard[id].number {
		l.heard[id] = sent
	}
	if sent.number > l.trustFrom && sent.number > l.trusted[id].number {
		l.trusted[id] = sent
	}
	if newest, ok := l.majority(voters, l.trusted); ok && l.marking == 0 {
		l.granted.Store(&grant{term: term, from: newest.at})
	}
	l.tell()
}

func (l *leaderSide) enter(term uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(term)
}

// opening is called before a pipeline is opened, which may take long.
func (l *leaderSide) opening(id raft.ServerID) *watchedPipeline {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.numbers++
	return &watchedPipeline{id: id, term: l.term, number: l.numbers, leader: l}
}

// caughtUp does not take a pipeline of an earlier leadership, or of a member that was removed and added again, for the newest.
func (l *leaderSide) caughtUp(p *watchedPipeline) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if newest := l.synced[p.id]; p.term < l.term || newest != nil && newest.number > p.number {
		return
	}
	l.synced[p.id] = p
	l.tell()
}

// fellBehind does not take the end of an earlier pipeline, which the engine may close late, for that of the newest.
func (l *leaderSide) fellBehind(p *watchedPipeline) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.synced[p.id] == p {
		delete(l.synced, p.id)
		l.tell()
	}
}

// forget drops what was known of earlier terms. The caller holds mu.
func (l *leaderSide) forget(term uint64) {
	if term > l.term {
		l.term = term
		clear(l.heard)
		clear(l.trusted)
		clear(l.synced)
	}
}

// tell wakes those who wait for a change. The caller holds mu.
func (l *leaderSide) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// majority returns the newest heartbeat such that a majority of the voters has answered it or a later one. This node
// is one of the majority and answers nothing, so that it is left out of the count on both sides. The caller holds mu.
func (l *leaderSide) majority(voters []raft.ServerID, beats map[raft.ServerID]beat) (beat, bool) {
	need := len(voters)/2 + 1
	var answered []beat
	for _, id := range voters {
		if id == l.self {
			need--
		} else if sent, ok := beats[id]; ok {
			answered = append(answered, sent)
		}
	}
	if need == 0 || len(answered) < need {
		return beat{}, false // a voter that is alone needs no lease
	}
	slices.SortFunc(answered, func(a, b beat) int { return cmp.Compare(b.number, a.number) })
	return answered[need-1], true
}

func (l *leaderSide) alone() bool {
	voters := l.voters()
	return len(voters) == 1 && voters[0] == l.self
}

// Leading says whether the lease of a term runs. The caller has read the term before, and asks the engine whether it still
// is the leader. It does not block and does not allocate.
func (e *Endpoint) Leading(term uint64) bool { return e.Remaining(term) > 0 }

// Remaining is how long the lease of a term still runs, if it is not extended; not positive if it does not. That of a voter
// that is alone never ends.
func (e *Endpoint) Remaining(term uint64) time.Duration {
	l := &e.leader
	if g := l.granted.Load(); g != nil && g.term == term {
		return l.lease - elapsed(g.from, time.Now())
	}
	if l.alone() {
		return l.lease
	}
	return 0
}

// elapsed is the larger of what the monotonic and the wall clock say: the former stands still on many systems while the machine
// is suspended. A step of the wall clock can cost a leadership and never prolongs one.
func elapsed(from, now time.Time) time.Duration {
	return max(now.Sub(from), now.Round(0).Sub(from.Round(0)))
}

// Question returns a number for Confirmed.
func (e *Endpoint) Question() uint64 {
	e.leader.mu.Lock()
	defer e.leader.mu.Unlock()
	e.leader.numbers++
	return e.leader.numbers
}

// Confirmed says whether a majority of the voters has answered heartbeats of the term that were sent after the
// question was asked, and returns a channel that is closed when that may have changed.
func (e *Endpoint) Confirmed(term, question uint64) (bool, <-chan struct{}) {
	l := &e.leader
	voters, alone := l.voters(), l.alone()
	l.mu.Lock()
	defer l.mu.Unlock()
	if alone {
		return true, l.changed
	}
	if term != l.term {
		return false, l.changed
	}
	newest, ok := l.majority(voters, l.heard)
	return ok && newest.number > question, l.changed
}

// LastAnswer returns when the newest heartbeat that a member has answered in a term was sent.
func (e *Endpoint) LastAnswer(term uint64, id raft.ServerID) (time.Time, bool) {
	l := &e.leader
	l.mu.Lock()
	defer l.mu.Unlock()
	if term != l.term {
		return time.Time{}, false
	}
	sent, ok := l.heard[id]
	return sent.at, ok
}

// Synced says whether a member is being sent entries as they come, because it has all before, and has answered a heartbeat
// since a question. It returns a channel that is closed when that may have changed.
func (e *Endpoint) Synced(id raft.ServerID, question uint64) (bool, <-chan struct{}) {
	l := &e.leader
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced[id] != nil && l.heard[id].number > question, l.changed
}

// Why HandOn has failed.
var (
	// ErrNoTarget says that no other voter, or not the one that was named, has answered and has the whole log.
	ErrNoTarget = errors.New("the voter that leadership is to go to does not answer or has not caught up")
	// ErrLost says that there is no leadership any more.
	ErrLost = errors.New("leadership was lost")
)

// Handover says how leadership is to be handed on.
type Handover struct {
	Term  uint64
	To    raft.ServerID   // empty for any voter
	Avoid []raft.ServerID // who is taken if there is nobody else
	Last  func() uint64   // the index of the last entry of this node's log
	Begin func()          // is called once there is a target: from now on the log should not become longer
	Beat  func()          // has the engine send heartbeats at once
	Lost  func() bool     // whether the leadership of the term is over
}

// HandOn gives the lease up and returns once a majority of the voters knows, with a voter that has the whole log and has
// answered since. If there is no such voter, nothing happens. The caller then tells that one to stand for election, and
// calls release when that has come to an end, one way or the other.
func (e *Endpoint) HandOn(ctx context.Context, h Handover) (target raft.ServerID, release func(), err error) {
	l := &e.leader
	if err := e.await(ctx, h, func() bool { return l.hasTarget(h) }, func() {}); err != nil {
		return "", nil, err
	}
	h.Begin()
	l.mu.Lock()
	l.marking++
	l.granted.Store(nil)
	l.numbers++
	question := l.numbers
	l.mu.Unlock()

	var once sync.Once
	release = func() { once.Do(l.unmark) }
	h.Beat()
	err = e.await(ctx, h, func() bool {
		confirmed, _ := e.Confirmed(h.Term, question)
		if confirmed {
			target = l.target(h, question)
		}
		return target != ""
	}, h.Beat)
	if err != nil {
		release()
		return "", nil, err
	}
	return target, release, nil
}

// await waits until a condition is true that changes with the answers of members, and calls a function from time to time.
func (e *Endpoint) await(ctx context.Context, h Handover, condition func() bool, again func()) error {
	l := &e.leader
	ticker := time.NewTicker(l.lease / 20)
	defer ticker.Stop()
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		if h.Lost() {
			return ErrLost
		}
		if condition() {
			return nil
		}
		select {
		case <-changed:
		case <-ticker.C:
			again()
		case <-ctx.Done():
			return errors.Join(ErrNoTarget, context.Cause(ctx))
		}
	}
}

// TellToStand has another node stand for election without waiting for its election time-out.
func (e *Endpoint) TellToStand(id raft.ServerID, address raft.ServerAddress) error {
	from := header
	from.ID, from.Addr = []byte(e.leader.self), e.EncodePeer(e.leader.self, e.LocalAddr())
	return e.TimeoutNow(id, address, &raft.TimeoutNowRequest{RPCHeader: from}, &raft.TimeoutNowResponse{})
}

// unmark ends a transfer. The heartbeats up to here, marked or not, may be answered by voters whose promise is lifted.
func (l *leaderSide) unmark() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.trusted)
	l.trustFrom = l.numbers
	l.marking--
}

// hasTarget says whether a voter that leadership can go to is being sent entries as they come.
func (l *leaderSide) hasTarget(h Handover) bool {
	voters := l.voters()
	l.mu.Lock()
	defer l.mu.Unlock()
	return h.Term == l.term && len(l.eligible(h, voters)) > 0
}

// eligible are the voters that leadership can go to once they have the whole log. The caller holds mu.
func (l *leaderSide) eligible(h Handover, voters []raft.ServerID) []raft.ServerID {
	all := slices.DeleteFunc(slices.Clone(voters), func(id raft.ServerID) bool {
		return id == l.self || h.To != "" && id != h.To || l.synced[id] == nil
	})
	wanted := slices.DeleteFunc(slices.Clone(all), func(id raft.ServerID) bool { return slices.Contains(h.Avoid, id) })
	if len(wanted) > 0 {
		return wanted
	}
	return all
}

// target returns the voter with the whole log that has answered the newest heartbeat since a question; empty if there is none.
func (l *leaderSide) target(h Handover, question uint64) (target raft.ServerID) {
	voters, last := l.voters(), h.Last()
	l.mu.Lock()
	defer l.mu.Unlock()
	newest := question
	for _, id := range l.eligible(h, voters) {
		if heard := l.heard[id]; heard.last >= last && heard.number > newest {
			newest, target = heard.number, id
		}
	}
	return target
}
