package sim

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// Violation is something that is not as promised.
type Violation struct {
	Kind string
	At   time.Duration
	Text string
}

func (v Violation) String() string {
	return fmt.Sprintf("  %s at %v: %s", v.Kind, v.At.Round(time.Microsecond), v.Text)
}

// mostViolations are enough to understand a run.
const mostViolations = 30

// monitor judges the run.
type monitor struct {
	world *world

	mu         sync.Mutex
	violations []Violation
	leaders    map[uint64]string // who has led a term, by its own word
	winners    map[uint64]string // who has won a term's election, by the engine's word
	log        []*process
}

func newMonitor(w *world) *monitor {
	return &monitor{world: w, leaders: map[uint64]string{}, winners: map[uint64]string{}}
}

func (m *monitor) violate(kind, format string, args ...any) {
	if only := m.world.options.Only; len(only) > 0 && !slices.Contains(only, kind) {
		return
	}
	v := Violation{kind, time.Since(m.world.began), fmt.Sprintf(format, args...)}
	m.world.trace.add("VIOLATION", "%v", v)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.violations) < mostViolations {
		m.violations = append(m.violations, v)
	}
}

func (m *monitor) failed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.violations) > 0
}

// note has the monitor know of a process.
func (m *monitor) note(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, p)
}

// look asks every node whether it leads. It is called every few milliseconds and whenever something has happened; fake time
// stands still meanwhile.
func (m *monitor) look() {
	var first *process
	for _, member := range m.world.members {
		p := member.current.Load()
		if p == nil {
			continue
		}
		term, leads := leadsIn(m.world.options, p)
		if !leads {
			continue
		}
		m.leads(term, p)
		if first == nil {
			first = p
			continue
		}
		// The first one led before the second was asked. If it still does, they led at the same time.
		firstTerm, still := leadsIn(m.world.options, first)
		if still && !p.isDead() && !first.isDead() {
			m.violate("two-leaders", "%s leads (term %d), and so does %s (term %d)", first.name(), firstTerm, p.name(), term)
		}
	}
}

// leadsIn returns whether a node leads, and in which term, as long as both belong together.
func leadsIn(o Options, p *process) (term uint64, leads bool) {
	for {
		before := p.node.GetTerm()
		leads = o.IsLeader(p.node)
		if term = p.node.GetTerm(); term == before {
			return term, leads
		}
	}
}

func (m *monitor) leads(term uint64, p *process) {
	m.mu.Lock()
	other, ok := m.leaders[term]
	m.leaders[term] = p.name()
	m.mu.Unlock()
	if ok && other != p.name() {
		m.violate("term-shared", "%s leads in term %d, and %s has", p.name(), term, other)
	}
}

// electionWon is how the engine's log says so, as the node hands it on.
const electionWon = "raft: election won"

// heard reads the engine's log.
func (m *monitor) heard(p *process, message string, attributes map[string]string) {
	if p.isDead() || message != electionWon {
		return
	}
	var term uint64
	if _, err := fmt.Sscan(attributes["term"], &term); err != nil {
		m.violate("log", "an election was won in term %q", attributes["term"])
		return
	}
	m.mu.Lock()
	other, ok := m.winners[term]
	m.winners[term] = p.name()
	m.mu.Unlock()
	if ok {
		m.violate("term-shared", "%s has won the election of term %d, and so had %s", p.name(), term, other)
	}
}

// judgeElections demands an election for every term that somebody has led, or the engine's log is not understood any more.
func (m *monitor) judgeElections() {
	for term, leader := range m.leaders {
		if winner := m.winners[term]; winner != leader {
			m.violate("log", "%s has led term %d, and the engine's log has its election won by %q", leader, term, winner)
		}
	}
}

func (m *monitor) role(p *process, from, to consensus.Role) {
	m.world.trace.add(p.name(), "was %s and is %s", from, to)
	if from == to {
		m.violate("callback", "%s tells a change from %s to %s", p.name(), from, to)
	}
	m.look()
}

func (m *monitor) leaderChange(p *process, leader string, term uint64) {
	m.world.trace.add(p.name(), "hears that %q leads term %d", leader, term)
	m.look()
}

func (m *monitor) membership(p *process, nodes []consensus.NodeInfo) {
	ids := make([]string, 0, len(nodes))
	for _, n := range nodes {
		ids = append(ids, fmt.Sprintf("%s(%s)", n.ID, map[bool]string{true: "voter", false: "nonvoter"}[n.Voter]))
	}
	m.world.trace.add(p.name(), "hears of the members %v", ids)
}

// pointed judges a hint at a leader.
func (m *monitor) pointed(p *process, e *consensus.NotLeaderError) {
	if target := m.world.member(e.LeaderID); target == nil || e.LeaderAddress != target.address() {
		m.violate("hint", "%s points at %q, %s", p.name(), e.LeaderID, e.LeaderAddress)
	}
}

// known are the errors that a client may get.
var known = []error{
	consensus.ErrNotLeader, consensus.ErrNoLeader, consensus.ErrNotStarted, consensus.ErrNoQuorum,
	consensus.ErrStaleTerm, consensus.ErrStorageUnavailable, consensus.ErrElectionTimeout,
}

// failure judges the error of an operation that has failed for certain.
func (m *monitor) failure(o *Operation, err error) {
	var machine *consensus.MachineError
	if errors.As(err, &machine) {
		m.violate("machine", "%v: the machine answers %v", o, err)
		return
	}
	for _, one := range known {
		if errors.Is(err, one) {
			if o.Bound == 0 && errors.Is(err, consensus.ErrStaleTerm) {
				m.violate("error", "%v was not bound to a term", o)
			}
			return
		}
	}
	if !isContext(err) {
		m.violate("error", "%v: an error that is none of the known ones", o)
	}
}

// sane is what was last seen of a process's counters.
type sane struct {
	stats consensus.Stats
	known bool
}

// inspect judges the counters of all nodes. One goroutine calls it.
func (m *monitor) inspect() {
	for _, member := range m.world.members {
		if p := member.current.Load(); p != nil {
			m.inspectOne(p)
		}
	}
}

func (m *monitor) inspectOne(p *process) {
	now, last := p.node.GetStats(), p.seen
	applied, _ := p.witness.state()
	if p.node.Err() != nil || p.stopping.Load() || p.isDead() {
		return // it ends, or has ended in between, and counts no more
	}
	p.seen = sane{now, true}
	complain := func(what string, then, now any) {
		m.violate("stats", "%s of %s goes from %v to %v", what, p.name(), then, now)
	}
	if last.known {
		for _, counter := range []struct {
			name      string
			then, now uint64
		}{
			{"Term", last.stats.Term, now.Term},
			{"CommitIndex", last.stats.CommitIndex, now.CommitIndex},
			{"LastApplied", last.stats.LastApplied, now.LastApplied},
			{"SnapshotIndex", last.stats.SnapshotIndex, now.SnapshotIndex},
			{"AppliedOps", last.stats.AppliedOps, now.AppliedOps},
			{"FailedOps", last.stats.FailedOps, now.FailedOps},
			{"LeaderElections", last.stats.LeaderElections, now.LeaderElections},
		} {
			if counter.now < counter.then {
				complain(counter.name, counter.then, counter.now)
			}
		}
	}
	switch {
	case now.LastApplied > now.CommitIndex:
		m.violate("stats", "%s has applied %d and committed %d", p.name(), now.LastApplied, now.CommitIndex)
	case m.world.ledger.before(now.LastApplied) > applied:
		m.violate("stats", "%s says it has applied %d and its machine is at %d", p.name(), now.LastApplied, applied)
	case now.AvgApplyLatency < 0:
		m.violate("stats", "%s has an average of %v", p.name(), now.AvgApplyLatency)
	}
	m.inspectCluster(p)
}

func (m *monitor) inspectCluster(p *process) {
	info := p.node.GetClusterInfo()
	leaders, healthy := 0, 0
	for i, n := range info.Nodes {
		if i > 0 && info.Nodes[i-1].ID >= n.ID {
			m.violate("info", "%s lists %s behind %s", p.name(), n.ID, info.Nodes[i-1].ID)
		}
		if n.Role == consensus.RoleLeader {
			leaders++
		}
		if n.Healthy {
			healthy++
		}
		if target := m.world.member(n.ID); target == nil || target.address() != n.Address {
			m.violate("info", "%s lists %s at %s", p.name(), n.ID, n.Address)
		}
	}
	switch {
	case leaders > 1:
		m.violate("info", "%s sees %d leaders: %+v", p.name(), leaders, info)
	case info.ClusterSize != len(info.Nodes) || info.HealthyNodes != healthy:
		m.violate("info", "%s counts %d members, %d healthy: %+v", p.name(), info.ClusterSize, info.HealthyNodes, info)
	case info.NodeID != p.member.id || info.ClusterID != "simulated":
		m.violate("info", "%s says it is %s of %s", p.name(), info.NodeID, info.ClusterID)
	}
}

// judgeHistory judges what was acknowledged against what was applied, and then whether there is an order that explains all answers.
func (m *monitor) judgeHistory() {
	last := m.world.ledger.last()
	for _, o := range m.world.history.operations {
		if o.Kind == "read" {
			continue
		}
		index, term := m.world.ledger.at(o.Number)
		switch {
		case o.Outcome == Failed && index != 0:
			m.violate("failed-but-done", "%v, and it was applied at index %d", o, index)
		case o.Outcome == Done && index == 0:
			m.violate("lost", "%v, and no machine has it; the last index is %d", o, last)
		case o.Outcome == Done && (index != o.Index || term != o.Term):
			m.violate("lost", "%v, and machines have it at index %d of term %d", o, index, term)
		}
	}
	m.judgeOrder()
}

// judgeOrder asks the checker. Of what is unknown and was applied by no machine, nobody can have seen anything.
// A checker that is not needed is not asked: a history that is wrong can take it minutes.
func (m *monitor) judgeOrder() {
	if only := m.world.options.Only; len(only) > 0 && !slices.Contains(only, "order") {
		return
	}
	var visible []*Operation
	for _, o := range m.world.history.operations {
		if index, _ := m.world.ledger.at(o.Number); o.Kind == "read" || o.Outcome != Unknown || index != 0 {
			visible = append(visible, o)
		}
	}
	result, info := Check(visible)
	if result == "Ok" {
		return
	}
	m.world.info = &info
	m.violate("order", "the checker finds no order that explains all answers: %s", result)
}
