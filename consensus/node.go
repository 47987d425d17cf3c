package consensus

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/lease"
)

// Node is a member of a cluster. All methods are safe for concurrent use.
type Node struct {
	config config
	logger *slog.Logger

	mu      sync.Mutex
	started bool
	stopped bool               // Stop has been called
	giveUp  context.CancelFunc // ends a Start that is under way
	failure error              // why the node has ended by itself

	// Set once by Start, before engine is.
	address   string
	store     *guardedStore
	log       *snapshotEdge
	snapshots *watchedSnapshots
	applier   *applier
	lease     *lease.Endpoint
	reads     *reads
	roles     *roles
	closers   []func() error // in reverse order

	engine atomic.Pointer[raft.Raft] // nil before Start has succeeded
	// changing has room for one change of the membership.
	changing    chan struct{}
	handing     chan struct{}   // has room for one handover
	built       chan struct{}   // closed when Start has built everything, or given up
	engineEnded chan struct{}   // closed when all goroutines of the engine have
	ending      chan struct{}   // closed when the node begins to end
	done        chan struct{}   // closed when it has ended
	ctx         context.Context // of the goroutines that belong to the node; ends with it
	cancel      context.CancelFunc
	tasks       sync.WaitGroup

	commands *commands
	counters counters
	reported atomic.Uint64 // the largest index that was ever said to be applied
}

// New checks the options. Nothing is opened or bound before Start.
func New(options ...Option) (*Node, error) {
	c := defaultConfig()
	for _, option := range options {
		option(&c)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &Node{
		config:      c,
		logger:      c.logger.With("node", c.nodeID, "cluster", c.clusterID),
		changing:    make(chan struct{}, 1),
		handing:     make(chan struct{}, 1),
		built:       make(chan struct{}),
		engineEnded: make(chan struct{}),
		ending:      make(chan struct{}),
		done:        make(chan struct{}),
	}
	n.commands = newCommands()
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n, nil
}

// ID returns the node's ID.
func (n *Node) ID() string { return n.config.nodeID }

// Timing returns the times that are in force.
func (n *Node) Timing() Timing { return n.config.timing() }

// Address returns the host and port at which other nodes reach this one; empty before Start.
func (n *Node) Address() string {
	if n.engine.Load() == nil {
		return ""
	}
	return n.address
}

// Start opens the storage, binds the address and takes part. It returns once the node runs, not once there is a
// leader: see WaitForLeader. The context bounds Start alone.
//
// After an error everything is closed again and the node cannot be started any more.
func (n *Node) Start(ctx context.Context) error {
	n.mu.Lock()
	if n.started || n.stopped {
		n.mu.Unlock()
		return ErrAlreadyStarted
	}
	n.started = true
	ctx, n.giveUp = context.WithCancel(ctx)
	defer n.giveUp()
	n.mu.Unlock()

	err := n.start(ctx)
	close(n.built)
	if err != nil {
		n.end()
		return fmt.Errorf("start node %s: %w", n.config.nodeID, err)
	}
	timing := n.Timing()
	if n.config.electionMax != timing.ElectionMax || n.config.heartbeat != timing.HeartbeatMax {
		n.logger.Info("the largest election time-out and the heartbeat interval that are configured are limits, and not in force",
			"electionMax", n.config.electionMax, "heartbeat", n.config.heartbeat)
	}
	n.logger.Info("node runs", "address", n.address,
		"heartbeats", fmt.Sprintf("%v to %v", timing.HeartbeatMin, timing.HeartbeatMax),
		"elections", fmt.Sprintf("after %v to %v", timing.ElectionMin, timing.ElectionMax))
	return nil
}

// Stop ends the node: a leader first hands its leadership on, for as long as ctx allows and at most for the largest election
// time-out. The storage has been closed, if the node has opened it, and all goroutines have ended when it returns nil. After
// ctx has ended it returns an error and goes on in the background. A second call waits for the same end. A Start that is under way
// ends with an error.
func (n *Node) Stop(ctx context.Context) error {
	n.mu.Lock()
	if !n.started {
		n.mu.Unlock()
		return ErrNotStarted
	}
	first := !n.stopped
	n.stopped = true
	n.giveUp()
	n.mu.Unlock()

	if first {
		go func() {
			<-n.built
			n.handOn(ctx)
			n.end()
		}()
	}
	select {
	case <-n.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("node %s is still stopping: %w", n.config.nodeID, ctx.Err())
	}
}

// Done is closed when the node has ended: after Stop, or by itself, see Err.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err says why the node has ended, or is about to end, by itself; nil while it runs and after Stop.
func (n *Node) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failure
}

// fail ends the node because of an error. It returns at once: the goroutine that calls it may be one that the end
// waits for.
func (n *Node) fail(err error) {
	n.mu.Lock()
	first := n.failure == nil && !n.stopped
	if first {
		n.failure = err
	}
	n.mu.Unlock()
	if !first {
		return
	}
	n.logger.Error("node stops because of an error", "error", err)
	go func() {
		<-n.built
		n.end()
	}()
}

// end closes everything in the reverse order of Start, once; other callers wait.
func (n *Node) end() {
	n.mu.Lock()
	select {
	case <-n.ending:
		n.mu.Unlock()
		<-n.done
		return
	default:
	}
	close(n.ending)
	n.mu.Unlock()

	n.cancel()
	for i := len(n.closers) - 1; i >= 0; i-- {
		if err := n.closers[i](); err != nil {
			n.logger.Warn("node did not end cleanly", "error", err)
		}
	}
	n.tasks.Wait()
	n.logger.Info("node has ended")
	close(n.done)
}

// spawn runs a function that end waits for. It does nothing once the node ends.
func (n *Node) spawn(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.ending:
	default:
		n.tasks.Go(f)
	}
}

// ended is what calls get that the end of the node has cut off.
func (n *Node) ended() error {
	if err := n.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotStarted, err)
	}
	return ErrNotStarted
}

// running returns the engine, or an error that says that there is none.
func (n *Node) running() (*raft.Raft, error) {
	engine := n.engine.Load()
	if engine == nil {
		return nil, ErrNotStarted
	}
	select {
	case <-n.ending:
		return nil, n.ended()
	default:
		return engine, nil
	}
}

// IsLeader says whether this node leads, and that no other node is told the same at the same time, provided that
// clocks run within 5 % of true time over an election time-out. It becomes false by the clock alone when a majority of the
// voters has not answered for nine tenths of that time, also in a process that was stopped and goes on. It does not block.
//
// What is done because of it may still happen late. Where that does harm, bind commands to the term; see Command.Term.
func (n *Node) IsLeader() bool {
	engine, err := n.running()
	if err != nil {
		return false
	}
	// The term is read first: a lease that belongs to it is one of this node's leadership in that term.
	term := engine.CurrentTerm()
	return engine.State() == raft.Leader && n.lease.Leading(term)
}

// GetLeader returns the leader's ID as far as this node knows, empty if it knows of none.
func (n *Node) GetLeader() string {
	engine, err := n.running()
	if err != nil {
		return ""
	}
	_, id := engine.LeaderWithID()
	return string(id)
}

// GetTerm returns the current term; 0 if the node does not run.
func (n *Node) GetTerm() uint64 {
	engine, err := n.running()
	if err != nil {
		return 0
	}
	return engine.CurrentTerm()
}

// GetRole returns what the node does at the moment. A leader has this role from its election on; IsLeader becomes
// true when a majority has answered its first heartbeat.
func (n *Node) GetRole() Role {
	engine, err := n.running()
	if err != nil {
		return RoleStopped
	}
	return n.role(engine, engine.State())
}

func (n *Node) role(engine *raft.Raft, state raft.RaftState) Role {
	switch state {
	case raft.Leader:
		return RoleLeader
	case raft.Candidate:
		return RoleCandidate
	case raft.Shutdown:
		return RoleStopped
	}
	for _, server := range members(engine) {
		if server.ID == raft.ServerID(n.config.nodeID) && server.Suffrage == raft.Voter {
			return RoleFollower
		}
	}
	return RoleNonVoter
}

// members returns the newest membership, committed or not.
func members(engine *raft.Raft) []raft.Server {
	return engine.GetConfiguration().Configuration().Servers
}

func voters(engine *raft.Raft) []raft.ServerID {
	var ids []raft.ServerID
	for _, server := range members(engine) {
		if server.Suffrage == raft.Voter {
			ids = append(ids, server.ID)
		}
	}
	return ids
}

// WaitForLeader waits until a leader is known and returns its ID. When ctx ends the error is ErrElectionTimeout.
func (n *Node) WaitForLeader(ctx context.Context) (string, error) {
	for {
		changed := n.roleChange()
		if _, err := n.running(); err != nil {
			return "", err
		}
		if leader := n.GetLeader(); leader != "" {
			return leader, nil
		}
		select {
		case <-changed:
		case <-n.ending:
		case <-ctx.Done():
			return "", fmt.Errorf("%w: %w", ErrElectionTimeout, ctx.Err())
		}
	}
}

func (n *Node) roleChange() <-chan struct{} {
	if n.engine.Load() == nil {
		return nil
	}
	return n.roles.change()
}

// notLeader says who leads instead of this node.
func (n *Node) notLeader(engine *raft.Raft) error {
	address, id := engine.LeaderWithID()
	if id == "" || string(id) == n.config.nodeID {
		return ErrNoLeader
	}
	return &NotLeaderError{LeaderID: string(id), LeaderAddress: string(address), LeaderAPI: n.applier.api(string(id))}
}

// dataPath is where the default engine has its files below WithDataDir.
func (c *config) dataPath() string { return filepath.Join(c.dataDir, "pebble") }
