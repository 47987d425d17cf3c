package s3lect

import (
	"context"
	"maps"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// muster is what a run has that observes: it counts heartbeats of its own where others can see them,
// and counts the others.
type muster struct {
	keeper   *rosterKeeper
	id       string
	metadata map[string]string
	peers    bool          // in peer mode
	leaders  time.Duration // the leader's lease; 0 while it is not known

	due     time.Duration // the next round
	round   int           // number of the one under way, or of the last
	began   time.Duration // when that did
	limit   time.Duration // when it is given up
	cancel  context.CancelFunc
	rounds  int           // finished well since it began, or began anew to use the roster
	listed  bool          // its own entry may stand in the roster
	version int64         // of the roster at the last round
	busyAt  time.Duration // when the roster was last seen to be used, or a leadership began
	covered bool          // the leader takes its heartbeats
	fails   int           // rounds in a row
	err     error         // of the last round
	trouble trouble
	peerErr trouble // why the leader does not take its heartbeats
	short   bool    // it leads with too few members, which was told
}

// maxFarewell bounds how long a stop waits for the others to be told of it.
const maxFarewell = 2 * time.Second

// join begins to observe as the configuration says, or ends it. Another ID is another run's.
func (r *run) join(now lease.Instant) {
	if !r.config.observes() {
		r.depart()
		return
	}
	if r.muster == nil {
		r.muster = &muster{}
	}
	m := r.muster
	m.drop()
	m.keeper, m.id, m.metadata, m.peers = r.e.keeper(r.config), r.config.ServerID, r.config.ObserverMetadata, r.config.PeerMode
	m.due, m.began, m.busyAt, m.covered, m.rounds = now.Mono, now.Mono, now.Mono, false, 0
	if m.peers {
		m.due += m.interval() / 5 // until the leader has been asked
	}
}

// turned takes in that this process has begun or ceased to lead: others find it elsewhere now, and it
// them.
func (m *muster) turned(r *run, now lease.Instant) {
	if m != nil {
		m.busyAt, m.covered, m.rounds = now.Mono, false, 0
		m.due = min(m.due, now.Mono+r.upTo(m.interval()/5))
	}
}

// depart ends it, and takes the own entry off the roster.
func (r *run) depart() {
	m := r.muster
	if m == nil {
		return
	}
	r.muster = nil
	m.drop()
	m.keeper.attendance.Leave(m.id)
	var farewells []func(context.Context) error
	if m.listed {
		farewells = append(farewells, func(ctx context.Context) error { return m.keeper.change(ctx, m.id, strike(m.id)) })
	}
	if record, _, seen := r.machine.Seen(); m.covered && seen && r.peers != nil {
		client := r.peers.client.again() // because that one's connections are about to be closed
		farewells = append(farewells, func(ctx context.Context) error {
			defer client.close()
			return client.farewell(ctx, record.LeaderAddr, m.id)
		})
	}
	for _, farewell := range farewells {
		ctx, cancel := context.WithTimeout(r.base, min(m.keeper.lease/10, maxFarewell))
		r.rounds++
		go func() {
			defer cancel()
			err := farewell(ctx)
			r.do(func(lease.Instant) {
				r.rounds--
				if err != nil {
					r.log().Info("could not say that this observer leaves: the others will find out after a lease", "error", err)
				}
			})
		}()
	}
}

// observesAs reports whether it goes by that configuration.
func (m *muster) observesAs(config *ElectorConfig) bool {
	if m == nil || !config.observes() {
		return m == nil && !config.observes()
	}
	return m.id == config.ServerID && m.peers == config.PeerMode && m.keeper.lease == config.LeaderTimeout && maps.Equal(m.metadata, config.ObserverMetadata)
}

func (m *muster) drop() {
	if m.cancel != nil {
		m.cancel()
		m.cancel = nil
	}
}

// interval is the time between two heartbeats: a third of a lease, of the leader's where that is shorter,
// because the leader counts. But a record may say anything.
func (m *muster) interval() time.Duration {
	own := m.keeper.lease
	if m.leaders <= 0 {
		return own / 3
	}
	return max(min(own, m.leaders)/3, own/12)
}

// stay counts this process among those that are there.
func (r *run) stay(now lease.Instant) {
	m := r.muster
	if record, _, seen := r.machine.Seen(); seen {
		m.leaders = record.Lease
	}
	if !r.machine.Asks() {
		m.uncover(r, now)
	}
	if err := m.keeper.attendance.Heard(now.Mono, m.keeper.lease, m.id, m.metadata); err != nil {
		m.err = err
	}
}

// assure tells the machine until when there are enough members.
func (r *run) assure(now lease.Instant) {
	m := r.muster
	if m == nil {
		return
	}
	a := m.keeper.attendance
	if r.stopping || r.restart {
		a.Leave(m.id) // also in what a leader publishes with its resignation
	} else {
		r.stay(now)
	}
	if r.config.QuorumSize > 1 {
		r.machine.Assure(now, a.Until(r.config.QuorumSize-1, m.id, m.keeper.lease))
	}
}

// heardWord takes in what the leader has said about observers, or that it has said nothing.
func (r *run) heardWord(now lease.Instant, question *lease.Question, word *lease.Word) {
	m := r.muster
	if m == nil {
		return
	}
	last, err := r.machine.Heard()
	if word == nil || err != nil || last != now {
		m.uncover(r, now)
		return
	}
	vouched := m.keeper.lease - vouchedAge(m.keeper.lease, word.Poll) - question.Late(now, word)
	m.keeper.attendance.Vouch(now.Mono, now.Mono+vouched, word.Observers)
	switch m.peerErr.turn(now, word.ObserverError, nil) {
	case begun:
		r.log().Warn("the leader does not count this observer's heartbeats, the storage is used for them", "error", word.ObserverError)
	case over:
		r.log().Info("the leader counts this observer's heartbeats again")
	}
	if m.covered = word.Observed; m.covered {
		// Until the next answer should be there, but not so long that nobody would count it any more.
		next := min(word.Poll+r.config.PeerTimeout+r.upTo(m.interval()/5), vouchedAge(m.keeper.lease, word.Poll))
		m.due = max(m.due, now.Mono+next)
	}
}

// vouchedAge is how old the heartbeats may be that a leader vouches for: for the rest of a lease. Half of
// one, or a little more than the time between two questions, if that is longer.
func vouchedAge(leaseTime, poll time.Duration) time.Duration {
	return min(leaseTime, max(leaseTime/2, poll+leaseTime/20))
}

// uncover has the next heartbeat go to the storage soon: the leader that counted them is gone, perhaps,
// and many find out at once.
func (m *muster) uncover(r *run, now lease.Instant) {
	if !m.covered {
		return
	}
	m.covered, m.rounds = false, 0
	width := min(time.Duration(r.machine.Crowd())*r.machine.RoundTrip(), m.interval())
	m.due = min(m.due, now.Mono+r.upTo(max(m.interval()/5, width)))
}

// upTo returns a random duration in [0, d).
func (r *run) upTo(d time.Duration) time.Duration {
	return time.Duration(float64(r.e.env.Uint64()>>11) / (1 << 53) * float64(d))
}

const never = time.Duration(1<<63 - 1)
