package election

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// mostErrors is the number of errors that are kept for a slow reader of Errors.
const mostErrors = 64

// Election is one node's part in the election of a leader. All methods are safe for concurrent use.
type Election struct {
	config  Config
	members membership
	timing  Timing
	peers   *peers

	running atomic.Pointer[engine] // nil before and after

	begun    sync.Once
	stopping chan struct{}
	stop     sync.Once
	done     chan struct{}

	errorsMu sync.Mutex
	errors   chan error
	ended    bool // errors is closed
}

// New checks the configuration. Nothing is opened or bound before Run.
func New(config Config) (*Election, error) {
	config, members, err := config.complete()
	if err != nil {
		return nil, err
	}
	e := &Election{
		config:   config,
		members:  members,
		timing:   timingOf(config.ElectionTimeout),
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
		errors:   make(chan error, mostErrors),
	}
	e.peers = newPeers(members, config.Node.ID, config.ElectionTimeout, e.report, config.Logger)
	return e, nil
}

// Run takes part in the election until ctx ends, Stop is called, or the votes cannot be kept any more. It returns nil in the first two
// cases, once everything has ended. An Election is run once.
//
// On its way out a leader first ceases to be one, for itself, for the context of EnterLeader and for its callbacks, and then
// hands leadership on.
func (e *Election) Run(ctx context.Context) error {
	first := false
	e.begun.Do(func() { first = true })
	if !first {
		return ErrAlreadyRun
	}
	defer e.end()
	return e.run(ctx)
}

// Stop makes Run return and waits for that. If ctx ends first, its error is returned and Run ends later. An Election that
// has not been run cannot be run afterwards.
func (e *Election) Stop(ctx context.Context) error {
	e.begun.Do(e.end)
	e.stop.Do(func() { close(e.stopping) })
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the election has not ended yet: %w", ctx.Err())
	}
}

func (e *Election) end() {
	e.errorsMu.Lock()
	e.ended = true
	close(e.errors)
	e.errorsMu.Unlock()
	close(e.done)
}

// Errors gives what goes wrong while the election runs: *CallbackError, *PeerError, *VotesError, ErrCallbacksLate. Who does not read loses the
// oldest ones and holds nothing up. It is closed when Run returns.
func (e *Election) Errors() <-chan error { return e.errors }

// report never blocks.
func (e *Election) report(err error) {
	e.config.Logger.Warn("election is disturbed", "node", e.config.Node.ID, "error", err)
	e.errorsMu.Lock()
	defer e.errorsMu.Unlock()
	for !e.ended {
		select {
		case e.errors <- err:
			return
		default:
		}
		select {
		case <-e.errors: //nolint:errcheck // the oldest one makes room
		default:
		}
	}
}

// IsLeader says whether this node leads now. No two nodes of a fleet see true at the same time, as long as votes are kept and
// clocks run within 5 % of true time; whoever needs more hands the term to what it acts on. It is computed at the time of
// the call: a process that was frozen sees false at its first look.
func (e *Election) IsLeader() bool {
	state, _ := e.state()
	return state == StateLeader
}

// CurrentState returns this node's state.
func (e *Election) CurrentState() State {
	state, _ := e.state()
	return state
}

// Term returns the highest term this node knows of; 0 while it does not run. Whoever acts as the leader uses Transition.Term, which
// cannot change between two calls.
func (e *Election) Term() uint64 {
	_, term := e.state()
	return term
}

// Leader returns the node that leads as far as this one knows. On a node that cannot reach the leader it may be one that has been
// deposed, for up to three times ElectionTimeout.
func (e *Election) Leader() (Node, bool) {
	running := e.running.Load()
	if running == nil {
		return Node{}, false
	}
	return running.leader()
}

// ClusterState returns the members of the fleet in the order of their IDs, this node and those without a vote included. Each node
// asks the others once in an ElectionTimeout.
func (e *Election) ClusterState() []PeerState { return e.peers.states(e.state()) }

// Timing returns the times that are in force.
func (e *Election) Timing() Timing { return e.timing }

func (e *Election) state() (State, uint64) {
	running := e.running.Load()
	if running == nil {
		return StateStopped, 0
	}
	return running.state()
}
