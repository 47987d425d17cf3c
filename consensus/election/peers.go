package election

import (
	"log/slog"
	"sync"
	"time"
)

// peers remembers when each member was last heard from and what it said.
type peers struct {
	members  membership
	self     string
	patience patience
	report   func(error)
	logger   *slog.Logger

	mu    sync.Mutex
	known map[string]*contact
}

// patience is how long a peer may stay away.
type patience struct {
	report  time.Duration // before it is reported
	healthy time.Duration // before it is not healthy any more
}

type contact struct {
	last     time.Time
	state    State
	term     uint64
	failing  time.Time // since when calls fail; zero if they do not
	reported bool
}

func newPeers(members membership, self string, electionTimeout time.Duration, report func(error), logger *slog.Logger) *peers {
	p := &peers{
		members: members, self: self, report: report, logger: logger,
		patience: patience{report: electionTimeout, healthy: 3 * electionTimeout},
		known:    map[string]*contact{},
	}
	for _, node := range members.Nodes {
		p.known[node.ID] = &contact{state: StateUnknown}
	}
	return p
}

// member says whether a node belongs to the fleet.
func (p *peers) member(id string) bool {
	_, found := p.known[id] // the keys never change
	return found
}

// told notes that a peer has said what it is.
func (p *peers) told(id string, state State, term uint64) {
	p.update(id, func(c *contact) { c.state, c.term = state, term })
}

// heard notes that a peer has answered.
func (p *peers) heard(id string) { p.update(id, func(*contact) {}) }

func (p *peers) update(id string, f func(*contact)) {
	p.mu.Lock()
	c, found := p.known[id]
	if !found {
		p.mu.Unlock()
		return
	}
	returned := c.reported
	c.last, c.failing, c.reported = time.Now(), time.Time{}, false
	f(c)
	p.mu.Unlock()
	if returned {
		p.logger.Info("node answers again", "node", id)
	}
}

// failed notes that a call to a peer has failed.
func (p *peers) failed(id string, err error) {
	p.mu.Lock()
	c, found := p.known[id]
	if !found {
		p.mu.Unlock()
		return
	}
	if c.failing.IsZero() {
		c.failing = time.Now()
	}
	report := !c.reported && time.Since(c.failing) >= p.patience.report
	c.reported = c.reported || report
	p.mu.Unlock()
	if report {
		node, _ := p.members.find(id)
		p.report(&PeerError{Node: node, Err: err})
	}
}

// states lists the members, with this one as it is told.
func (p *peers) states(state State, term uint64) []PeerState {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	list := make([]PeerState, 0, len(p.members.Nodes))
	for _, node := range p.members.Nodes {
		node, _ = p.members.find(node.ID)
		if node.ID == p.self {
			list = append(list, PeerState{Node: node, State: state, Term: term, Healthy: true, LastContact: now})
			continue
		}
		c := p.known[node.ID]
		s := PeerState{Node: node, State: StateUnknown, Term: c.term, LastContact: c.last}
		if s.Healthy = !c.last.IsZero() && now.Sub(c.last) <= p.patience.healthy; s.Healthy {
			s.State = c.state
		}
		list = append(list, s)
	}
	return list
}
