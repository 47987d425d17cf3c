package election

import (
	"context"
	"time"
)

// watch turns what the engine and the clock say into transitions, until stop is closed. The last one is to StateStopped.
func (e *Election) watch(ctx context.Context, g *engine, calls *callbacks, stop <-chan struct{}) {
	w := &watcher{election: e, engine: g, calls: calls, state: StateStopped, endLeadership: func() {}}
	for {
		_, answered := g.lease.Confirmed(w.term, 0) // before the look, so that nothing comes in between unseen
		w.look(ctx)
		select {
		case <-g.changed:
		case <-answered:
		case <-w.leaseEnd():
		case <-stop:
			w.change(ctx, StateStopped, w.term)
			return
		}
	}
}

type watcher struct {
	election *Election
	engine   *engine
	calls    *callbacks

	state         State
	term          uint64
	leader        string // ID; empty if none is known
	endLeadership context.CancelFunc
}

// look compares with what was true before.
func (w *watcher) look(ctx context.Context) {
	state, term := w.engine.state()
	if w.state == StateLeader && state == StateLeader && term != w.term {
		w.change(ctx, StateCandidate, w.term) // one leadership has ended and another has begun
	}
	if w.state == StateFollower && state == StateLeader {
		w.change(ctx, StateCandidate, term) // it was one, too shortly to be seen
	}
	if state != w.state {
		about := term
		if w.state == StateLeader {
			about = w.term
		}
		w.change(ctx, state, about)
	}
	w.term = term // and not that of now: the leadership that was told may be over, and another one have begun
	if leader, _ := w.engine.leader(); leader.ID != w.leader {
		w.leader = leader.ID
		w.election.config.Logger.Info("leader changed", "node", w.election.config.Node.ID, "leader", leader.ID, "address", leader.Address)
	}
}

func (w *watcher) change(ctx context.Context, to State, term uint64) {
	w.endLeadership()
	leader, _ := w.engine.leader()
	s := step{Transition: Transition{From: w.state, To: to, Term: term, Leader: leader, When: time.Now()}}
	if to == StateLeader {
		s.leadership, w.endLeadership = context.WithCancel(ctx)
	}
	w.state = to
	w.election.config.Logger.Info("state changed", "node", w.election.config.Node.ID,
		"from", s.From, "to", s.To, "term", s.Term, "leader", s.Leader.ID)
	w.calls.push(s)
}

// leaseEnd is when a leadership ends unless heartbeats are answered until then.
func (w *watcher) leaseEnd() <-chan time.Time {
	if w.state != StateLeader {
		return nil
	}
	return time.After(w.engine.remaining(w.term))
}
