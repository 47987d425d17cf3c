package consensus

import (
	"cmp"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// GetClusterInfo returns the cluster as this node sees it. The leader knows of everybody whether they answer; the others
// know that of the leader and of themselves.
func (n *Node) GetClusterInfo() ClusterInfo {
	info := ClusterInfo{ClusterID: n.config.clusterID, NodeID: n.config.nodeID, Nodes: []NodeInfo{}}
	engine, err := n.running()
	if err != nil {
		return info
	}
	_, leader := engine.LeaderWithID()
	info.Leader, info.Term, info.CommitIndex = string(leader), engine.CurrentTerm(), n.commitIndex(engine)
	role := n.GetRole()
	for _, server := range members(engine) {
		node := NodeInfo{
			ID: string(server.ID), Address: string(server.Address), API: n.applier.api(string(server.ID)),
			Voter: server.Suffrage == raft.Voter, Role: RoleFollower, LastContact: -1,
		}
		if !node.Voter {
			node.Role = RoleNonVoter
		}
		if server.ID == leader {
			node.Role = RoleLeader
		}
		if node.ID == n.config.nodeID {
			node.Role = role
		}
		if contact, ok := n.lastContact(engine, role, info, node.ID); ok {
			node.LastContact = contact
			node.Healthy = contact <= n.Timing().ElectionMax
		}
		if node.Healthy {
			info.HealthyNodes++
		}
		info.Nodes = append(info.Nodes, node)
	}
	slices.SortFunc(info.Nodes, func(a, b NodeInfo) int { return cmp.Compare(a.ID, b.ID) })
	info.ClusterSize = len(info.Nodes)
	return info
}

// lastContact is how long ago this node has heard of a member, if it has.
func (n *Node) lastContact(engine *raft.Raft, role Role, info ClusterInfo, id string) (time.Duration, bool) {
	switch {
	case id == n.config.nodeID:
		return 0, true
	case role == RoleLeader:
		at, ok := n.lease.LastAnswer(info.Term, raft.ServerID(id))
		return time.Since(at), ok
	case id == info.Leader:
		at := engine.LastContact()
		return time.Since(at), !at.IsZero()
	}
	return 0, false
}

// commitIndex is at least what the machine has applied: the engine's own begins at 0 after a start and stays behind a
// snapshot it was sent until the leader is heard of again.
func (n *Node) commitIndex(engine *raft.Raft) uint64 {
	return max(engine.CommitIndex(), n.applier.applied.Load())
}

// lastApplied is what the machine has applied, and what followed that was not for it when somebody last asked.
func (n *Node) lastApplied(engine *raft.Raft) uint64 {
	committed := n.commitIndex(engine)
	applied := n.applier.applied.Load()
	if applied >= n.store.forMachine.Load() {
		applied = committed
	}
	for {
		before := n.reported.Load()
		if applied <= before {
			return before
		}
		if n.reported.CompareAndSwap(before, applied) {
			return applied
		}
	}
}

// GetStats returns the node's counters and the ends of its log.
func (n *Node) GetStats() Stats {
	engine, err := n.running()
	if err != nil {
		return Stats{}
	}
	s := Stats{
		Term:            engine.CurrentTerm(),
		CommitIndex:     n.commitIndex(engine),
		LastApplied:     n.lastApplied(engine),
		SnapshotIndex:   n.snapshots.index(),
		AppliedOps:      n.applier.ops.Load(),
		FailedOps:       n.counters.failed.Load(),
		LeaderElections: n.counters.elections.Load(),
	}
	first, err := n.store.FirstIndex()
	last, err2 := n.store.LastIndex()
	if err == nil && err2 == nil && first > 0 && last >= first { // they are read one after the other
		s.LogSize = last - first + 1
	}
	if succeeded := n.counters.succeeded.Load(); succeeded > 0 {
		s.AvgApplyLatency = time.Duration(n.counters.latency.Load() / int64(succeeded))
	}
	return s
}
