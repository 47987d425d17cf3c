package consensus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/lease"
)

// The engine can hand leadership on, too. It is not asked to: a goroutine of it waits for ever if the leadership ends while
// two attempts at the same node are under way, and from then on this node refuses everything whenever it leads. What it
// would do is a message, sent once the target has the whole log (section 3.10 of Ongaro's thesis, "Consensus: Bridging
// Theory and Practice", 2014).

// errHandingOn is what calls get meanwhile.
var errHandingOn = fmt.Errorf("%w: leadership is being handed on", ErrNoLeader)

// TransferLeadership hands leadership to a voter and returns once that one leads; an empty ID means one that has the whole log.
// It must be called at the leader. Commands are refused with ErrNoLeader meanwhile. The error is
// ErrElectionTimeout if the other one did not catch up or was not elected within the largest election time-out, after
// which this node goes on leading if nobody else does.
func (n *Node) TransferLeadership(ctx context.Context, id string) error {
	engine, err := n.leading()
	if err != nil {
		return err
	}
	if id == n.config.nodeID {
		return nil
	}
	if id != "" {
		member, err := findMember(engine, id)
		if err != nil {
			return err
		}
		if member.Suffrage != raft.Voter {
			return fmt.Errorf("%w: %s has no vote", ErrInsufficientPeers, id)
		}
	}
	if len(voters(engine)) < 2 {
		return fmt.Errorf("%w: there is no other voter", ErrInsufficientPeers)
	}
	return n.handOver(ctx, engine, id)
}

// StepDown hands leadership on to whichever other voter has the whole log.
func (n *Node) StepDown(ctx context.Context) error { return n.TransferLeadership(ctx, "") }

// handOver gives the lease up before the target is told to stand for election, since the others then vote for it
// although they hear of this leader.
func (n *Node) handOver(ctx context.Context, engine *raft.Raft, id string) error {
	select {
	case n.handing <- struct{}{}:
		defer func() { <-n.handing }()
	default:
		return errHandingOn
	}
	ctx, cancel := context.WithTimeoutCause(ctx, n.Timing().ElectionMax, errors.New("there was no time left"))
	defer cancel()
	var refused []raft.ServerID
	for {
		target, err := n.handOverOnce(ctx, engine, raft.ServerID(id), refused)
		if err == nil || target == "" || ctx.Err() != nil || errors.Is(err, ErrNotStarted) {
			return err // an end of this node is no refusal
		}
		// A node that has just been started gives no votes, its own included, for a moment.
		if slices.Contains(refused, target) {
			select {
			case <-time.After(n.Timing().ElectionMin / 10):
			case <-ctx.Done():
				return err
			}
		}
		refused = append(refused, target)
	}
}

// handOverOnce returns the node that was told to stand for election and has not, if there is one.
func (n *Node) handOverOnce(ctx context.Context, engine *raft.Raft, to raft.ServerID, refused []raft.ServerID) (raft.ServerID, error) {
	defer n.commands.release()
	term := engine.CurrentTerm()
	target, release, err := n.lease.HandOn(ctx, lease.Handover{
		Term:  term,
		To:    to,
		Avoid: refused,
		Last:  engine.LastIndex,
		Begin: func() { n.commands.hold(ctx, n.Timing().ElectionMin/2) },
		Beat:  n.beater(engine),
		Lost:  func() bool { return engine.State() != raft.Leader || engine.CurrentTerm() != term },
	})
	if errors.Is(err, lease.ErrLost) {
		return "", n.lostLeadership(engine)
	}
	if err != nil {
		return "", fmt.Errorf("%w: hand leadership on: %w", ErrElectionTimeout, err)
	}
	defer release()
	if err := n.tellToStand(ctx, engine, target); err != nil {
		return target, err
	}
	return "", n.waitSuccessor(ctx, engine, term, string(to))
}

// beater returns a function that makes the engine send heartbeats at once. It does not wait for the engine, which may be busy
// with its disk, and has one request under way at a time.
func (n *Node) beater(engine *raft.Raft) func() {
	free := make(chan struct{}, 1)
	return func() {
		select {
		case free <- struct{}{}:
			n.spawn(func() {
				engine.VerifyLeader()
				<-free
			})
		default:
		}
	}
}

func (n *Node) tellToStand(ctx context.Context, engine *raft.Raft, target raft.ServerID) error {
	server, err := findMember(engine, string(target))
	if err != nil {
		return err
	}
	told := make(chan error, 1)
	n.spawn(func() { told <- n.lease.TellToStand(server.ID, server.Address) })
	select {
	case err = <-told:
	case <-n.ending:
		return n.ended()
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w: tell %s to stand for election: %w", ErrElectionTimeout, target, err)
	}
	return nil
}

// waitSuccessor waits until a node leads a later term: the wanted one if there is one.
func (n *Node) waitSuccessor(ctx context.Context, engine *raft.Raft, term uint64, wanted string) error {
	for {
		changed := n.roles.change()
		now := engine.CurrentTerm() // first: this node forgets that it leads before it takes a later term
		_, id := engine.LeaderWithID()
		leader := string(id)
		switch {
		case leader == "" || now == term:
		case leader == wanted, wanted == "" && leader != n.config.nodeID:
			return nil
		default:
			return fmt.Errorf("%w: %s was elected", ErrElectionTimeout, leader)
		}
		select {
		case <-changed:
		case <-n.ending:
			return n.ended()
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrElectionTimeout, context.Cause(ctx))
		}
	}
}

// handOn is the polite end of a leadership. It makes the cluster be without a leader for a shorter time, and is no
// condition for anything.
func (n *Node) handOn(ctx context.Context) {
	engine, err := n.leading()
	if err != nil || len(voters(engine)) < 2 {
		return
	}
	if err := n.handOver(ctx, engine, ""); err != nil {
		n.logger.Warn("leadership was not handed on", "error", err)
	}
}
