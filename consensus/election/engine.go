package election

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/lease"
	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// engine is the Raft engine, restricted to what an election needs: votes that last, a log that does not, and no commands.
type engine struct {
	raft     *raft.Raft
	endpoint *endpoint
	lease    *lease.Endpoint // around endpoint
	members  membership
	voterIDs []raft.ServerID
	self     Node
	// margin is by how much this node ceases to lead before its lease ends.
	margin time.Duration
	// changed is signalled when state may give another answer.
	changed chan struct{}
	// resigned is set when this node is not to lead any more, whatever the engine says.
	resigned atomic.Bool
}

// startEngine binds the address and takes part.
func (e *Election) startEngine(votes *votes) (*engine, error) {
	inner, err := e.config.Transport.Open(transport.Config{
		ClusterID:  e.members.clusterID(e.config.ElectionTimeout),
		NodeID:     e.config.Node.ID,
		Bind:       e.config.Bind,
		Advertise:  e.config.Node.Address,
		TLS:        e.config.TLS,
		Timeout:    min(e.config.ConnectTimeout, e.config.ElectionTimeout/2),
		MaxMessage: mostMessage,
		Logger:     e.config.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("open transport: %w", err)
	}
	g := newEngine(e.config, e.members, inner, e.peers)
	if err := g.startRaft(e, votes); err != nil {
		_ = g.lease.Close() // there is a better error
		return nil, fmt.Errorf("start engine: %w", err)
	}
	g.endpoint.start()
	return g, nil
}

func newEngine(c Config, members membership, inner transport.Endpoint, peers *peers) *engine {
	g := &engine{
		members: members,
		self:    c.Node,
		margin:  lease.Duration(c.ElectionTimeout) - timingOf(c.ElectionTimeout).Lease,
		changed: make(chan struct{}, 1),
	}
	for _, voter := range members.voters() {
		g.voterIDs = append(g.voterIDs, raft.ServerID(voter.ID))
	}
	g.endpoint = newEndpoint(inner, g, peers)
	g.lease = lease.New(g.endpoint, lease.Options{
		Self:            raft.ServerID(g.self.ID),
		ElectionTimeout: c.ElectionTimeout,
		Voters:          g.voters,
		HoldBack:        c.ElectionTimeout, // after a first start it costs nothing: the others wait as long before they ask
	})
	return g
}

// mostMessage is far more than any message of an election has: entries without contents, and one with the members.
const mostMessage = 4 << 20

func (g *engine) startRaft(e *Election, votes *votes) error {
	// The log begins with the membership, the same on every node, and then gets an entry without contents for each leader. It
	// is lost with the process; doc.go says why nothing depends on it.
	log := raft.NewInmemStore()
	if err := log.StoreLog(&raft.Log{
		Index: 1,
		Term:  e.members.firstTerm(),
		Type:  raft.LogConfiguration,
		Data:  raft.EncodeConfiguration(e.members.configuration()),
	}); err != nil {
		return err
	}
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(g.self.ID)
	config.HeartbeatTimeout = e.config.ElectionTimeout
	config.ElectionTimeout = e.config.ElectionTimeout
	config.LeaderLeaseTimeout = e.config.ElectionTimeout // how soon it gives up; our own lease is shorter
	config.CommitTimeout = e.config.ElectionTimeout
	config.SnapshotInterval = 24 * time.Hour
	config.SnapshotThreshold = math.MaxUint64
	config.NoLegacyTelemetry = true
	config.Logger = engineLogger(e.config.Logger)
	var err error
	if g.raft, err = raft.NewRaft(config, noMachine{}, log, votes, raft.NewDiscardSnapshotStore(), g.lease); err != nil {
		return err
	}
	g.raft.RegisterObserver(raft.NewObserver(nil, false, g.observe))
	return nil
}

// observe is called by the engine with each of its changes. It must not block.
func (g *engine) observe(*raft.Observation) bool {
	signal(g.changed)
	return false
}

// state is what this node is at this moment, and in which term.
func (g *engine) state() (State, uint64) {
	for {
		term := g.raft.CurrentTerm()
		role := g.raft.State()
		if term != g.raft.CurrentTerm() {
			continue // the role may be that of either term
		}
		switch {
		case role == raft.Follower:
			return StateFollower, term
		case role == raft.Shutdown:
			return StateStopped, term
		case role == raft.Leader && !g.resigned.Load() && g.remaining(term) > 0:
			return StateLeader, term
		default:
			return StateCandidate, term
		}
	}
}

// remaining is how long this node still leads a term, if no more heartbeats are answered.
func (g *engine) remaining(term uint64) time.Duration { return g.lease.Remaining(term) - g.margin }

func (g *engine) voters() []raft.ServerID { return g.voterIDs }

// leader is the node that leads, as far as this one knows.
func (g *engine) leader() (Node, bool) {
	if state, _ := g.state(); state == StateLeader {
		return g.members.find(g.self.ID)
	}
	_, id := g.raft.LeaderWithID()
	if string(id) == g.self.ID {
		return Node{}, false // elected, and not sure to lead alone
	}
	return g.members.find(string(id))
}

// handOn has another voter lead, if the engine still does, and waits for that, for two election time-outs at the most. It is a
// courtesy: without it the others would notice by themselves, later.
func (g *engine) handOn(electionTimeout time.Duration) {
	if g.raft.State() != raft.Leader || len(g.voterIDs) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), electionTimeout)
	defer cancel()
	term := g.raft.CurrentTerm()
	heir, release, err := g.lease.HandOn(ctx, lease.Handover{
		Term:  term,
		Last:  g.raft.LastIndex,
		Begin: func() {}, // nothing is ever appended but by a new leader
		Beat:  func() { g.raft.VerifyLeader() },
		Lost:  func() bool { return g.raft.State() != raft.Leader || g.raft.CurrentTerm() != term },
	})
	if err != nil {
		return // no majority answers, so that somebody else leads soon or already
	}
	defer release()
	node, _ := g.members.find(string(heir))
	// Once in a life: with several attempts the engine may never come to an end, see handover.go of the module's root.
	_ = g.raft.LeadershipTransferToServer(heir, raft.ServerAddress(node.Address)).Error()
}

// shutDown ends the engine and frees the address.
func (g *engine) shutDown() error {
	if err := g.raft.Shutdown().Error(); err != nil {
		return fmt.Errorf("stop engine: %w", err)
	}
	return g.lease.Close()
}

// noMachine is a state machine without a state: there are no commands.
type noMachine struct{}

// Apply is called for entries that this package never appends.
func (noMachine) Apply(*raft.Log) any { return nil }

// Snapshot is never called: the log is never long enough.
func (noMachine) Snapshot() (raft.FSMSnapshot, error) { return nil, raft.ErrNothingNewToSnapshot }

// Restore is never called: there are no snapshots.
func (noMachine) Restore(snapshot io.ReadCloser) error { return snapshot.Close() }
