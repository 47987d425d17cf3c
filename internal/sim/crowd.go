package sim

import (
	"fmt"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// crowd is what one seed makes of observers and quorum.
type crowd struct {
	quorum     quorumKind
	grace      float64 // GracePeriod as a share of LeaderTimeout; 0 means the default
	nonVoting  []bool  // by node
	mixed      []quorumKind
	silent     []bool // by node: whether it is no observer, unless it needs a quorum
	unverified []bool // by node: whether it asks without a certificate
	fleet      int    // members on top of the nodes, most of which never lead
	voters     int    // of these
}

// quorumKind is how many members a quorum takes.
type quorumKind int

const (
	noQuorum quorumKind = iota
	majority
	everybody
	twoMembers
	quorumKinds
)

func (k quorumKind) of(members int) int {
	return [...]int{0, members/2 + 1, members, 2}[k]
}

// drawCrowd draws who observes, who never leads, and who needs whom.
func (p *profile) drawCrowd(d *dice) {
	c := &p.crowd
	kind := majority + quorumKind(d.below(int(quorumKinds-majority)))
	if d.chance(0.4) {
		kind = majority
	}
	c.quorum = pick(p.has(quorums), kind, noQuorum)
	share := d.fraction()
	c.grace = [...]float64{0, share, share / 10, 0.001}[d.below(4)]
	for node := range p.nodes {
		other, differs := quorumKind(d.below(int(quorumKinds))), d.chance(0.5) && p.has(mixedQuorums)
		c.mixed = append(c.mixed, pick(differs, other, c.quorum))
		c.nonVoting = append(c.nonVoting, d.chance(0.4) && p.has(nonVoters) && node > 0)
		c.silent = append(c.silent, d.chance(0.3) && p.has(mixedQuorums))
		c.unverified = append(c.unverified, d.chance(0.5) && p.has(unverifiedPeers))
	}
	few := d.below(4)
	if p.has(fleets) {
		c.fleet, c.voters = 50-p.nodes, few
		p.chaos = min(p.chaos, 60*time.Second)
	}
}

// member makes a configuration that of a member of the crowd.
func (p *profile) member(c s3lect.ElectorConfig, node int) s3lect.ElectorConfig {
	if !p.has(observing) {
		return c
	}
	k := &p.crowd
	i := node % p.nodes
	c.QuorumSize = k.mixed[i].of(p.nodes + k.fleet)
	c.GracePeriod = time.Duration(k.grace * float64(c.LeaderTimeout))
	if !k.silent[i] {
		c.ObserverMetadata = map[string]string{"node": fmt.Sprint(node)}
	}
	c.NonVoting = k.nonVoting[i]
	if node >= p.nodes {
		c.NonVoting = node >= p.nodes+k.voters
	}
	return c
}

// startFleet starts the members on top of the nodes.
func (w *world) startFleet(like s3lect.ElectorConfig) {
	boot := w.dice("fleet boot")
	for range w.profile.crowd.fleet {
		time.Sleep(boot.between(0, 200*time.Millisecond))
		node := w.addNode()
		c := like
		c.ServerID, c.ServerAddr = fmt.Sprintf("node-%d", node), fmt.Sprintf("10.0.0.%d:8443", node+1)
		w.startNode(node, w.profile.member(c, node))
		w.fleet = append(w.fleet, node)
	}
}

// members lists the nodes that are there all the time, or would be if they lived.
func (w *world) members() []int {
	var nodes []int
	for node := range w.profile.nodes {
		nodes = append(nodes, node)
	}
	return append(nodes, w.fleet...)
}

// revive starts, mostly, all members that are dead when the trouble ends.
func (w *world) revive() {
	if d := w.dice("revival"); !w.profile.has(observing) || d.chance(0.25) {
		return
	}
	for _, node := range w.members() {
		w.mu.Lock()
		there, config := w.nodes[node] != nil, w.lastConfigs[node]
		w.mu.Unlock()
		if !there {
			w.startNode(node, config)
		}
	}
}

// observers counts those that run.
func (w *world) observers() map[string]bool {
	ids := map[string]bool{}
	for _, p := range w.running() {
		if c := p.currentConfig(); observes(c) {
			ids[c.ServerID] = true
		}
	}
	return ids
}

func observes(c s3lect.ElectorConfig) bool { return c.ObserverMetadata != nil || c.QuorumSize > 1 }

// electable reports whether there is anybody who may lead.
func (w *world) electable() bool {
	there := len(w.observers())
	for _, p := range w.running() {
		if c := p.currentConfig(); !c.NonVoting && c.QuorumSize <= max(there, 1) {
			return true
		}
	}
	return false
}

// quiet reports whether nothing delays the word of who is alive.
func (p *profile) quiet() bool {
	for _, f := range p.faults {
		switch f {
		case observing, quorums, deaths, nonVoters, clockRates, fleets, peerMode, crashes:
		default:
			return false
		}
	}
	return p.lateness == 0
}
