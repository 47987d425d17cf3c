package consensus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// counters are what GetStats reports of the calls at this node.
type counters struct {
	elections atomic.Uint64
	succeeded atomic.Uint64
	failed    atomic.Uint64
	latency   atomic.Int64 // sum over those that succeeded, in nanoseconds
}

// Apply returns once a majority has committed the command and this node's machine has applied it. It must be called at
// the leader; elsewhere the error is ErrNotLeader, which says who leads, or ErrNoLeader.
//
// An error of the machine comes as a *MachineError: the command is committed and stays so. With ErrUnknownOutcome
// the command may be applied now, later or never. With every other error it never will be. The engine keeps what is needed of
// the command; Data may be used again afterwards.
func (n *Node) Apply(ctx context.Context, command Command) error {
	_, err := n.ApplyResult(ctx, command)
	return err
}

// ApplyResult is Apply with what the machine answered, and where in the log the command is.
func (n *Node) ApplyResult(ctx context.Context, command Command) (Result, error) {
	began := time.Now()
	result, err := n.apply(ctx, command)
	if err != nil {
		n.counters.failed.Add(1)
		return result, err
	}
	n.counters.succeeded.Add(1)
	n.counters.latency.Add(int64(time.Since(began)))
	return result, nil
}

func (n *Node) apply(ctx context.Context, command Command) (Result, error) {
	engine, err := n.running()
	if err != nil {
		return Result{}, err
	}
	if err := n.checkCommand(command); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if engine.State() != raft.Leader {
		return Result{}, n.notLeader(engine)
	}
	if term := engine.CurrentTerm(); command.Term != 0 && command.Term != term {
		return Result{}, fmt.Errorf("%w: the command is bound to term %d, this is term %d", ErrStaleTerm, command.Term, term)
	}
	e := entry{kind: kindCommand, term: command.Term, name: command.Type, data: command.Data}
	response, err := n.commands.do(ctx, e.encode())
	if err != nil {
		return Result{}, n.applyError(engine, err)
	}
	o, ok := response.(*outcome)
	if !ok {
		return Result{}, &UnknownOutcomeError{Err: errors.New("the engine gave no response")}
	}
	if !isAnswer(o.err) && (errors.Is(o.err, ErrMachineFailed) || errors.Is(o.err, ErrLogInconsistent)) {
		return Result{}, &UnknownOutcomeError{Err: o.err}
	}
	return o.result, o.err
}

func (n *Node) checkCommand(command Command) error {
	if len(command.Type) > longestType {
		return fmt.Errorf("%w: its type has %d bytes, %d are allowed", ErrTooLarge, len(command.Type), longestType)
	}
	if len(command.Data) > n.config.maxCommand {
		return fmt.Errorf("%w: it has %d bytes, %d are allowed, see WithMaxCommandSize", ErrTooLarge, len(command.Data), n.config.maxCommand)
	}
	return nil
}

// applyError tells what certainly has not happened from what is not known.
func (n *Node) applyError(engine *raft.Raft, err error) error {
	switch {
	case errors.Is(err, errBusy), errors.Is(err, errHandingOn):
		return err
	case errors.Is(err, errEnded):
		return n.ended()
	case errors.Is(err, raft.ErrRaftShutdown):
		err = n.ended()
	case errors.Is(err, raft.ErrNotLeader):
		return n.notLeader(engine)
	case errors.Is(err, raft.ErrLeadershipLost):
		return &UnknownOutcomeError{Err: fmt.Errorf("leadership was lost before a majority had the command: %w", ErrNoQuorum)}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		if !n.IsLeader() {
			err = fmt.Errorf("%w: %w", ErrNoQuorum, err)
		}
	}
	return &UnknownOutcomeError{Err: err}
}
