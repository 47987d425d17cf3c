package consensus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
)

// Reads that are linearizable without an entry in the log follow section 6.4 of Ongaro's dissertation ("Consensus:
// Bridging Theory and Practice", 2014): a leader that has committed an entry of its own term notes the commit index, makes
// sure that it still led after that, waits until its machine has applied the entry, and asks the machine. Reads that
// arrive while one such round is under way share the next.
type reads struct {
	mu      sync.Mutex
	waiting []chan readPoint
	wanted  chan struct{} // has room for one

	barrierTerm uint64 // in which an entry is known to be committed; of the rounds' goroutine alone
}

// readPoint is the index a read has to wait for.
type readPoint struct {
	index uint64
	err   error
}

func newReads() *reads { return &reads{wanted: make(chan struct{}, 1)} }

// Read asks this node's machine once it has certainly applied everything that was committed when Read was called. It
// must be called at the leader; elsewhere the error is ErrNotLeader or ErrNoLeader. A leader that does not hear of a
// majority before ctx ends gives ErrNoQuorum. An error of the machine comes as a *MachineError with index 0.
func (n *Node) Read(ctx context.Context, query any) (any, error) {
	engine, err := n.running()
	if err != nil {
		return nil, err
	}
	if engine.State() != raft.Leader {
		return nil, n.notLeader(engine)
	}
	index, err := n.readPoint(ctx)
	if err != nil {
		return nil, err
	}
	applied, forget := n.applier.wait(index)
	defer forget()
	select {
	case <-applied:
	case <-ctx.Done():
		return nil, fmt.Errorf("entry %d is committed and not yet applied: %w", index, ctx.Err())
	case <-n.ending:
		return nil, n.ended()
	}
	return n.query(query)
}

// ReadStale asks this node's machine at once, on any node. The answer may be of any age: that of a node that is cut
// off from the others does not change any more.
func (n *Node) ReadStale(query any) (any, error) {
	if _, err := n.running(); err != nil {
		return nil, err
	}
	return n.query(query)
}

func (n *Node) query(query any) (any, error) {
	answer, err := n.applier.query(query)
	if errors.Is(err, ErrMachineFailed) {
		n.logger.Error("query failed", "error", err)
	}
	if err != nil {
		return nil, &MachineError{Err: err}
	}
	return answer, nil
}

// readPoint waits for a round that begins after the call.
func (n *Node) readPoint(ctx context.Context) (uint64, error) {
	point := make(chan readPoint, 1)
	n.reads.mu.Lock()
	n.reads.waiting = append(n.reads.waiting, point)
	n.reads.mu.Unlock()
	select {
	case n.reads.wanted <- struct{}{}:
	default:
	}
	select {
	case p := <-point:
		return p.index, p.err
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: %w", ErrNoQuorum, ctx.Err())
	case <-n.ending:
		return 0, n.ended()
	}
}

// confirmReads runs the rounds until the node ends.
func (n *Node) confirmReads(engine *raft.Raft) {
	for {
		select {
		case <-n.reads.wanted:
		case <-n.ending:
			return
		}
		n.reads.mu.Lock()
		waiting := n.reads.waiting
		n.reads.waiting = nil
		n.reads.mu.Unlock()
		index, err := n.confirm(engine)
		for _, point := range waiting {
			point <- readPoint{index, err}
		}
	}
}

// confirm returns a commit index that covers everything committed before the call.
func (n *Node) confirm(engine *raft.Raft) (uint64, error) {
	term := engine.CurrentTerm()
	if engine.State() != raft.Leader {
		return 0, n.notLeader(engine)
	}
	if err := n.barrier(engine, term); err != nil {
		return 0, err
	}
	index := engine.CommitIndex()
	question := n.lease.Question()
	if err := n.confirmLeadership(engine, term, question); err != nil {
		return 0, err
	}
	return index, nil
}

// barrier makes sure, once per term, that an entry of the term has been committed: before, the commit index of a new
// leader may be behind what its predecessor has acknowledged.
func (n *Node) barrier(engine *raft.Raft, term uint64) error {
	if n.reads.barrierTerm == term {
		return nil
	}
	if n.commands.held.Load() {
		return errHandingOn
	}
	var future raft.Future
	err := n.await(n.ctx, func() raft.Future {
		future = engine.Barrier(0)
		return future
	})
	switch {
	case errors.Is(err, raft.ErrLeadershipLost):
		return n.lostLeadership(engine)
	case errors.Is(err, raft.ErrNotLeader):
		return n.notLeader(engine)
	case err != nil:
		return err
	}
	// Everything before the barrier, and so the entries that are not for the machine, has gone past the applier.
	if indexed, ok := future.(raft.IndexFuture); ok {
		n.applier.reached(indexed.Index())
	}
	if engine.CurrentTerm() != term {
		return n.lostLeadership(engine)
	}
	n.reads.barrierTerm = term
	return nil
}

// confirmLeadership waits until a majority of the voters has answered a heartbeat of the term that was sent after the
// question. Asking the engine to verify makes it send them at once; its own verdict is not used, since it counts
// members that have no vote.
func (n *Node) confirmLeadership(engine *raft.Raft, term, question uint64) error {
	asked := false
	for {
		lost := n.roles.change()
		confirmed, changed := n.lease.Confirmed(term, question)
		if engine.State() != raft.Leader || engine.CurrentTerm() != term {
			return n.lostLeadership(engine)
		}
		if confirmed {
			return nil
		}
		if !asked {
			engine.VerifyLeader()
			asked = true
		}
		select {
		case <-changed:
		case <-lost:
		case <-n.ending:
			return n.ended()
		}
	}
}

// lostLeadership is what ends a call that a leader has begun: another one is known, or no majority has answered.
func (n *Node) lostLeadership(engine *raft.Raft) error {
	if err := n.notLeader(engine); !errors.Is(err, ErrNoLeader) {
		return err
	}
	return fmt.Errorf("%w: leadership was lost", ErrNoQuorum)
}
