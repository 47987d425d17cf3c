package consensus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

const (
	clusterTag = "cluster" // of a discovered node, so that two clusters can share a list
	// adoptEvery is how often a leader compares the list with the members although neither has changed, because an
	// attempt may have failed; and adoptTimeout is how long one attempt may take.
	adoptEvery   = 5 * time.Second
	adoptTimeout = 30 * time.Second
)

// startDiscovery registers this node and has the leader follow the list.
func (n *Node) startDiscovery(ctx context.Context, engine *raft.Raft) error {
	d := n.config.discovery
	if d == nil {
		return nil
	}
	if err := d.Start(ctx); err != nil {
		return fmt.Errorf("start discovery: %w", err)
	}
	n.closers = append(n.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), adoptTimeout)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			return fmt.Errorf("stop discovery: %w", err)
		}
		return nil
	})
	host, text, err := net.SplitHostPort(n.address)
	if err != nil {
		return fmt.Errorf("register with discovery: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("register with discovery: %w", err)
	}
	self := discovery.Node{ID: n.config.nodeID, Address: host, Port: port, Voter: n.wantsVote(), Tags: map[string]string{clusterTag: n.config.clusterID}}
	if err := self.Validate(); err != nil {
		return fmt.Errorf("%w: register with discovery: %w", ErrConfig, err)
	}
	// The discovery goes on trying by itself. A node that starts while the list cannot be reached is a member all the same.
	n.spawn(func() {
		if err := d.Register(n.ctx, self); err != nil {
			n.logger.Warn("node was not registered with discovery yet", "error", err)
		}
	})
	lists, err := d.Watch(n.ctx)
	if err != nil {
		return fmt.Errorf("watch discovery: %w", err)
	}
	n.spawn(func() { n.adopt(engine, lists) })
	return nil
}

// wantsVote is whether this node is to be a voter when it is found: unless its own list says otherwise.
func (n *Node) wantsVote() bool {
	for _, peer := range n.config.peers {
		if peer.ID == n.config.nodeID {
			return !peer.NonVoter
		}
	}
	return true
}

// adopt brings the membership in line with the list whenever this node leads.
func (n *Node) adopt(engine *raft.Raft, lists <-chan []discovery.Node) {
	ticker := time.NewTicker(adoptEvery)
	defer ticker.Stop()
	var list []discovery.Node
	seen := map[string]time.Time{} // when each member was on the list last
	busy := map[string]bool{}      // who is being added
	settled := make(chan string)   // who is not any more
	for {
		select {
		case next, ok := <-lists:
			if !ok {
				lists = nil
				continue
			}
			list = n.ours(next)
		case id := <-settled:
			delete(busy, id)
			continue
		case <-ticker.C:
		case <-n.ending:
			return
		}
		for _, node := range list {
			seen[node.ID] = time.Now()
		}
		if list == nil || engine.State() != raft.Leader {
			// What a follower has not seen is no reason for it to remove anybody once it leads.
			clear(seen)
			continue
		}
		for _, node := range list {
			if busy[node.ID] || isListed(engine, node) {
				continue
			}
			busy[node.ID] = true
			n.spawn(func() {
				n.adoptOne(node)
				select {
				case settled <- node.ID:
				case <-n.ending:
				}
			})
		}
		n.removeAbsent(engine, seen)
	}
}

// ours are the nodes on the list that do not belong to another cluster.
func (n *Node) ours(list []discovery.Node) []discovery.Node {
	kept := make([]discovery.Node, 0, len(list))
	for _, node := range list {
		if cluster, tagged := node.Tags[clusterTag]; tagged && cluster != n.config.clusterID {
			continue
		}
		kept = append(kept, node)
	}
	return kept
}

// isListed says whether a node is a member as the list has it.
func isListed(engine *raft.Raft, node discovery.Node) bool {
	member, err := findMember(engine, node.ID)
	return err == nil && (member.Suffrage == raft.Voter || !node.Voter)
}

// adoptOne adds one node. Each has its own goroutine: one that does not answer holds up nobody else.
func (n *Node) adoptOne(node discovery.Node) {
	ctx, cancel := context.WithTimeout(n.ctx, adoptTimeout)
	defer cancel()
	err := n.add(ctx, PeerConfig{ID: node.ID, Address: node.Address, Port: node.Port, NonVoter: !node.Voter})
	switch {
	case err == nil:
		n.logger.Info("added a node that discovery shows", "added", node.ID, "address", node.Address, "voter", node.Voter)
	case errors.Is(err, ErrNotLeader), errors.Is(err, ErrNoLeader), errors.Is(err, ErrNotStarted):
	default:
		n.logger.Warn("node that discovery shows was not added", "node", node.ID, "error", err)
	}
}

// removeAbsent removes members that have not been on the list for as long as was configured, one at a time and never this
// node. A member that was never seen counts from when this node began to look. One that answers stays: a list that has
// lost its entries must not take a cluster apart that works.
func (n *Node) removeAbsent(engine *raft.Raft, seen map[string]time.Time) {
	if n.config.removeAbsent == 0 {
		return
	}
	for _, member := range members(engine) {
		id := string(member.ID)
		if id == n.config.nodeID {
			continue
		}
		last, ok := seen[id]
		if !ok {
			seen[id] = time.Now()
			continue
		}
		if n.isHealthy(id) {
			seen[id] = time.Now() // both have to last
			continue
		}
		if time.Since(last) < n.config.removeAbsent {
			continue
		}
		ctx, cancel := context.WithTimeout(n.ctx, adoptTimeout)
		err := n.RemoveNode(ctx, id)
		cancel()
		if err != nil {
			n.logger.Warn("node that discovery does not show any more was not removed", "node", id, "error", err)
			continue
		}
		n.logger.Info("removed a node that discovery does not show any more", "removed", id, "after", n.config.removeAbsent)
	}
}

func (n *Node) isHealthy(id string) bool {
	for _, node := range n.GetClusterInfo().Nodes {
		if node.ID == id {
			return node.Healthy
		}
	}
	return false
}
