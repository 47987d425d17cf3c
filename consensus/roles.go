package consensus

import (
	"sync"

	"github.com/hashicorp/raft"
)

// roles follows what the engine tells of roles, leaders and members, in order and without ever holding it up, and
// calls the callbacks.
type roles struct {
	mu      sync.Mutex
	queue   []any
	changed chan struct{} // closed and replaced with each observation
	// candidate is called in the engine's own goroutine when it has become a candidate.
	candidate func()
}

func newRoles(candidate func()) *roles {
	return &roles{changed: make(chan struct{}), candidate: candidate}
}

// observe is called by the engine's goroutines for each observation. It only notes them: a channel would drop
// some when it is full, or hold the engine up.
func (r *roles) observe(o *raft.Observation) bool {
	switch data := o.Data.(type) {
	case raft.RaftState:
		if data == raft.Candidate {
			r.candidate()
		}
		r.note(data)
	case raft.LeaderObservation:
		r.note(data)
	}
	return false
}

// membersChanged is called by the applier.
func (r *roles) membersChanged() { r.note(membersChanged{}) }

type membersChanged struct{}

func (r *roles) note(event any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, event)
	close(r.changed)
	r.changed = make(chan struct{})
}

// change returns a channel that is closed at the next observation.
func (r *roles) change() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// take returns the observations since the last call, and a channel that is closed at the next one.
func (r *roles) take() ([]any, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.queue
	r.queue = nil
	return taken, r.changed
}

// follow logs changes and calls the callbacks until the node ends.
func (n *Node) follow(engine *raft.Raft) {
	role, leader, member := Role(""), "", false
	announce := func(next Role) {
		if next == role {
			return
		}
		n.logger.Info("role changed", "from", role, "to", next, "term", engine.CurrentTerm())
		if n.config.onRole != nil {
			n.config.onRole(role, next)
		}
		role = next
	}
	role = n.role(engine, raft.Follower)
	if n.config.onRole != nil {
		n.config.onRole(RoleStopped, role)
	}
	for {
		observations, changed := n.roles.take()
		for _, o := range observations {
			switch o := o.(type) {
			case raft.RaftState:
				elected := o == raft.Leader && role != RoleLeader
				announce(n.role(engine, o))
				if elected {
					n.counters.elections.Add(1)
					n.begin(engine)
				}
			case raft.LeaderObservation:
				if string(o.LeaderID) == leader {
					continue
				}
				leader = string(o.LeaderID)
				n.logger.Info("leader changed", "leader", leader, "address", o.LeaderAddr, "term", engine.CurrentTerm())
				if n.config.onLeader != nil {
					n.config.onLeader(leader, engine.CurrentTerm())
				}
			case membersChanged:
				announce(n.role(engine, engine.State())) // a vote may have been given or taken
				if _, err := findMember(engine, n.config.nodeID); err == nil {
					member = true
				} else if member {
					member = false
					n.logger.Warn("this node is not a member any more: end it and delete its data, or add it again")
				}
				if n.config.onMembers != nil {
					n.config.onMembers(n.GetClusterInfo().Nodes)
				}
			}
		}
		select {
		case <-changed:
		case <-n.ending:
			announce(RoleStopped)
			return
		}
	}
}

// follows says whether the engine follows a leader, or none, in a term.
func (n *Node) follows(term uint64) bool {
	engine := n.engine.Load()
	return engine != nil && engine.State() == raft.Follower && engine.CurrentTerm() == term
}

func (n *Node) becomesCandidate() { n.lease.BecomesCandidate() }

// begin is what a new leader does first: it tells the others where its API is, or that it has none any more.
func (n *Node) begin(engine *raft.Raft) {
	if n.applier.api(n.config.nodeID) == n.config.apiAddress {
		return
	}
	e := entry{kind: kindAPI, name: n.config.nodeID, data: []byte(n.config.apiAddress)}
	// Whether it arrives is seen by the next leader of this node at the latest.
	n.spawn(func() { _ = n.await(n.ctx, func() raft.Future { return engine.Apply(e.encode(), 0) }) })
}
