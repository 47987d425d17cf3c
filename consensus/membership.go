package consensus

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// AddNode makes a node a voter. It must be called at the leader. The node first follows without a vote, and gets its vote
// once it answers and has the whole log, so that a wrong address or a slow start cannot cost the cluster its
// majority. If that does not happen before ctx ends, the node stays a member without a vote, and AddNode can be
// called again. A voter gives ErrPeerExists, as does the address of another member.
func (n *Node) AddNode(ctx context.Context, id, address string, port int) error {
	return n.add(ctx, PeerConfig{ID: id, Address: address, Port: port})
}

// AddNonVoter adds a node that follows and has no vote. AddNode gives it one later.
func (n *Node) AddNonVoter(ctx context.Context, id, address string, port int) error {
	return n.add(ctx, PeerConfig{ID: id, Address: address, Port: port, NonVoter: true})
}

func (n *Node) add(ctx context.Context, peer PeerConfig) error {
	if err := checkName("ID of the node", peer.ID); err != nil {
		return err
	}
	if err := checkPeerAddress(peer.ID, peer.Address, peer.Port); err != nil {
		return err
	}
	server := raft.Server{ID: raft.ServerID(peer.ID), Address: raft.ServerAddress(peer.hostPort())}
	err := n.changeMembers(ctx, func(engine *raft.Raft) error { return n.addWithoutVote(ctx, engine, server, peer.NonVoter) })
	if err != nil || peer.NonVoter {
		return err
	}
	return n.promote(ctx, server)
}

// addWithoutVote adds a server that is no member yet. One that is a member without a vote may stay that only if it is to get one.
func (n *Node) addWithoutVote(ctx context.Context, engine *raft.Raft, server raft.Server, nonVoter bool) error {
	for _, member := range members(engine) {
		switch {
		case member.ID != server.ID && member.Address == server.Address:
			return fmt.Errorf("%w: %s has the address %s", ErrPeerExists, member.ID, member.Address)
		case member.ID == server.ID && member.Address != server.Address:
			return fmt.Errorf("%w: %s, at %s; remove it first to change its address", ErrPeerExists, member.ID, member.Address)
		case member.ID == server.ID && (member.Suffrage == raft.Voter || nonVoter):
			return fmt.Errorf("%w: %s", ErrPeerExists, member.ID)
		case member.ID == server.ID:
			return nil
		}
	}
	err := n.await(ctx, func() raft.Future { return engine.AddNonvoter(server.ID, server.Address, 0, 0) })
	if err != nil {
		return n.changeError(engine, "add "+string(server.ID), err)
	}
	return nil
}

// promote gives a member its vote once it answers and has the whole log. Other changes go on meanwhile, since that may
// take long.
func (n *Node) promote(ctx context.Context, server raft.Server) error {
	question := n.lease.Question()
	for {
		if err := n.waitSynced(ctx, server, question); err != nil {
			return err
		}
		settled := false
		err := n.changeMembers(ctx, func(engine *raft.Raft) error {
			if synced, _ := n.lease.Synced(server.ID, question); !synced {
				return nil // it has gone again meanwhile
			}
			settled = true
			return n.giveVote(ctx, engine, server)
		})
		if settled || err != nil {
			return err
		}
	}
}

func (n *Node) giveVote(ctx context.Context, engine *raft.Raft, server raft.Server) error {
	member, err := findMember(engine, string(server.ID))
	switch {
	case err != nil:
		return fmt.Errorf("it was removed before it had a vote: %w", err)
	case member.Address != server.Address:
		return fmt.Errorf("%w: %s, at %s; it was added again before it had a vote", ErrPeerExists, member.ID, member.Address)
	case member.Suffrage == raft.Voter:
		return nil // another call was faster
	}
	err = n.await(ctx, func() raft.Future { return engine.AddVoter(server.ID, server.Address, 0, 0) })
	if err != nil {
		return n.changeError(engine, "give a vote to "+string(server.ID), err)
	}
	return nil
}

// waitSynced waits until a member answers and has the whole log.
func (n *Node) waitSynced(ctx context.Context, server raft.Server, question uint64) error {
	for {
		lost := n.roles.change()
		synced, changed := n.lease.Synced(server.ID, question)
		engine, err := n.running()
		if err != nil {
			return err
		}
		if engine.State() != raft.Leader {
			return fmt.Errorf("%s has been added without a vote: %w", server.ID, n.lostLeadership(engine))
		}
		if synced {
			return nil
		}
		if _, err := findMember(engine, string(server.ID)); err != nil {
			return fmt.Errorf("it was removed before it had a vote: %w", err)
		}
		select {
		case <-changed:
		case <-lost:
		case <-n.ending:
			return ErrNotStarted
		case <-ctx.Done():
			return fmt.Errorf("%s has been added without a vote, because it does not answer at %s or has not caught up yet; add it again once it has: %w",
				server.ID, server.Address, ctx.Err())
		}
	}
}

// RemoveNode removes a member, which then gets no entries any more. It must be called at the leader. It is refused with
// ErrInsufficientPeers if no majority of those who stay has been heard of.
//
// A leader does not remove itself, since a cluster whose leader is lost before the others have heard of its removal may
// never elect another one. It hands its leadership on instead and returns ErrNotLeader, which says whom to ask.
func (n *Node) RemoveNode(ctx context.Context, id string) error {
	return n.changeMembers(ctx, func(engine *raft.Raft) error { return n.removeMember(ctx, engine, id) })
}

func (n *Node) removeMember(ctx context.Context, engine *raft.Raft, id string) error {
	member, err := findMember(engine, id)
	if err != nil {
		return err
	}
	if member.Suffrage == raft.Voter {
		if err := n.waitRemaining(ctx, engine, member.ID); err != nil {
			return err
		}
	}
	if id == n.config.nodeID {
		if err := n.handOver(ctx, engine, ""); err != nil {
			return fmt.Errorf("remove %s, which leads: %w", id, err)
		}
		return n.notLeader(engine)
	}
	err = n.await(ctx, func() raft.Future { return engine.RemoveServer(member.ID, 0, 0) })
	if err != nil {
		return n.changeError(engine, "remove "+id, err)
	}
	return nil
}

func findMember(engine *raft.Raft, id string) (raft.Server, error) {
	for _, member := range members(engine) {
		if string(member.ID) == id {
			return member, nil
		}
	}
	return raft.Server{}, fmt.Errorf("%w: %s", ErrNodeNotFound, id)
}

// waitRemaining gives those who stay the time of an election to be heard of: a leader that was elected a moment ago has
// heard of nobody yet.
func (n *Node) waitRemaining(ctx context.Context, engine *raft.Raft, without raft.ServerID) error {
	patience := time.NewTimer(n.Timing().ElectionMax)
	defer patience.Stop()
	for {
		lost := n.roles.change()
		_, changed := n.lease.Synced(without, 0)
		err := n.checkRemaining(without)
		if err == nil {
			return nil
		}
		if engine.State() != raft.Leader {
			return n.lostLeadership(engine)
		}
		select {
		case <-changed:
		case <-lost:
		case <-patience.C:
			return err
		case <-ctx.Done():
			return err
		case <-n.ending:
			return ErrNotStarted
		}
	}
}

// checkRemaining refuses to leave a cluster that could not commit anything.
func (n *Node) checkRemaining(without raft.ServerID) error {
	left, healthy := 0, 0
	for _, node := range n.GetClusterInfo().Nodes {
		if !node.Voter || node.ID == string(without) {
			continue
		}
		left++
		if node.Healthy {
			healthy++
		}
	}
	if left == 0 {
		return fmt.Errorf("%w: %s is the last voter", ErrInsufficientPeers, without)
	}
	if healthy < left/2+1 {
		return fmt.Errorf("%w: without %s, %d of %d voters would be healthy, which is no majority", ErrInsufficientPeers, without, healthy, left)
	}
	return nil
}

// changeMembers makes one change of the membership at a time, at the leader.
func (n *Node) changeMembers(ctx context.Context, change func(engine *raft.Raft) error) error {
	engine, err := n.leading()
	if err != nil {
		return err
	}
	select {
	case n.changing <- struct{}{}:
		defer func() { <-n.changing }()
		if n.commands.held.Load() {
			return errHandingOn
		}
		return change(engine)
	case <-n.ending:
		return ErrNotStarted
	case <-ctx.Done():
		return fmt.Errorf("another change of the membership is under way: %w", ctx.Err())
	}
}

// leading returns the engine of a leader, or an error that says who leads.
func (n *Node) leading() (*raft.Raft, error) {
	engine, err := n.running()
	if err != nil {
		return nil, err
	}
	if engine.State() != raft.Leader {
		return nil, n.notLeader(engine)
	}
	return engine, nil
}

func (n *Node) changeError(engine *raft.Raft, doing string, err error) error {
	return fmt.Errorf("%s: %w", doing, n.applyError(engine, err))
}
