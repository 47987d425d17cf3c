package election

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// membership is who belongs to the fleet. It is the same on every node and for as long as the generation is.
type membership struct {
	Generation uint32
	Nodes      []Node // with this one, in the order of the IDs
}

// newMembership joins this node with its peers.
func newMembership(generation uint32, self Node, peers []Node) (membership, error) {
	nodes := []Node{self}
	for _, peer := range peers {
		if peer.ID != self.ID {
			nodes = append(nodes, peer)
		} else if peer.Address != self.Address || peer.NoVote != self.NoVote {
			return membership{}, fmt.Errorf("this node, %s, is at %q (NoVote %v) in Peers and at %q (NoVote %v) in Node",
				self.ID, peer.Address, peer.NoVote, self.Address, self.NoVote)
		}
	}
	slices.SortStableFunc(nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	for i := range nodes {
		nodes[i].Tags = maps.Clone(nodes[i].Tags)
	}
	m := membership{Generation: generation, Nodes: nodes}
	return m, errors.Join(m.check(), m.checkPeersOnce(self, peers))
}

func (m membership) check() error {
	var faults []error
	byAddress := map[string]string{}
	for i, node := range m.Nodes {
		if err := node.check(); err != nil {
			faults = append(faults, err)
		}
		if i > 0 && m.Nodes[i-1].ID == node.ID {
			faults = append(faults, fmt.Errorf("node %s is twice in Peers", node.ID))
		} else if other, taken := byAddress[node.Address]; taken && node.Address != "" {
			faults = append(faults, fmt.Errorf("nodes %s and %s have the same address %s", other, node.ID, node.Address))
		}
		byAddress[node.Address] = node.ID
	}
	if len(m.voters()) == 0 {
		faults = append(faults, errors.New("every node has NoVote set: nobody could ever be elected"))
	}
	return errors.Join(faults...)
}

// checkPeersOnce finds what check cannot see: this node's ID twice among its peers.
func (m membership) checkPeersOnce(self Node, peers []Node) error {
	found := 0
	for _, peer := range peers {
		if peer.ID == self.ID {
			found++
		}
	}
	if found > 1 {
		return fmt.Errorf("node %s is twice in Peers", self.ID)
	}
	return nil
}

func (m membership) voters() []Node {
	return slices.DeleteFunc(slices.Clone(m.Nodes), func(n Node) bool { return n.NoVote })
}

// find returns the node with an ID.
func (m membership) find(id string) (Node, bool) {
	i, found := slices.BinarySearchFunc(m.Nodes, id, func(n Node, id string) int { return cmp.Compare(n.ID, id) })
	if !found {
		return Node{}, false
	}
	node := m.Nodes[i]
	node.Tags = maps.Clone(node.Tags)
	return node, true
}

// identity lists what must be the same everywhere: the nodes without their tags.
func (m membership) identity() []Node {
	nodes := slices.Clone(m.Nodes)
	for i := range nodes {
		nodes[i].Tags = nil
	}
	return nodes
}

// clusterID is what nodes compare when they meet. Two that know different members could each find a majority that the other does
// not know of; two with different time-outs would not keep each other's leases. Both refuse each other. The parts that
// people mistake are legible.
func (m membership) clusterID(electionTimeout time.Duration) string {
	nodes, err := json.Marshal(m.identity())
	if err != nil {
		panic("election: a list of nodes cannot be encoded: " + err.Error())
	}
	return fmt.Sprintf("election-v1/generation-%d/timeout-%v/members-%.8x", m.Generation, electionTimeout, sha256.Sum256(nodes))
}

// configuration is the membership in the engine's terms.
func (m membership) configuration() raft.Configuration {
	var c raft.Configuration
	for _, node := range m.Nodes {
		suffrage := raft.Voter
		if node.NoVote {
			suffrage = raft.Nonvoter
		}
		c.Servers = append(c.Servers, raft.Server{
			Suffrage: suffrage, ID: raft.ServerID(node.ID), Address: raft.ServerAddress(node.Address),
		})
	}
	return c
}

// firstTerm is below every term in which somebody is elected in this generation, and above every term of the generations before.
func (m membership) firstTerm() uint64 { return uint64(m.Generation)<<32 + 1 }

// generationOf is the generation to which a term belongs.
func generationOf(term uint64) uint32 { return uint32(term >> 32) }
