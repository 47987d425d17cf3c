package sim

import (
	"context"
	"fmt"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// This file makes trouble between the nodes.

// cut cuts the ways between a node and another one, often the leader: one way or both.
func (n *nemesis) cut(p *process) {
	other := n.random.below(n.w.profile.nodes)
	there, back := n.direction()
	d := n.random.between(2*time.Second, 60*time.Second)
	leaders := n.w.monitor.leaders()
	if n.random.chance(0.5) && len(leaders) > 0 {
		other = leaders[0].node
	}
	if other == p.node {
		return
	}
	n.alone(fmt.Sprint("cut ", min(p.node, other), max(p.node, other)), func() {
		n.w.trace.add(p.name, "way to n%d %v, from there %v, for %v", other, there, back, d)
		n.block(p.node, other, there, back)
		n.w.calmOr(d)
		n.block(p.node, other, uncut, uncut)
		n.w.trace.add(p.name, "ways to and from n%d are open", other)
	})
}

// cutOff cuts the ways between a node and all others. Its way to the storage stays as it is.
func (n *nemesis) cutOff(p *process) {
	there, back := n.direction()
	d := n.random.between(2*time.Second, 60*time.Second)
	n.alone("cut off", func() {
		n.w.mu.Lock()
		nodes := len(n.w.nodes)
		n.w.mu.Unlock()
		n.w.trace.add(p.name, "CUT OFF from its peers: there %v, back %v, for %v", there, back, d)
		for other := range nodes {
			n.block(p.node, other, there, back)
		}
		n.w.calmOr(d)
		for other := range nodes {
			n.block(p.node, other, uncut, uncut)
		}
		n.w.trace.add(p.name, "no longer cut off")
	})
}

// direction draws which of two ways are cut, and how.
func (n *nemesis) direction() (there, back cut) {
	kind, which := pick(n.random.chance(0.5), breaking, swallowed), n.random.below(3)
	return pick(which != 1, kind, uncut), pick(which != 0, kind, uncut)
}

func (n *nemesis) block(a, b int, there, back cut) {
	n.w.network.cut(way{a, b}, there)
	n.w.network.cut(way{b, a}, back)
}

// join has one more node take part for a while.
func (n *nemesis) join(p *process) {
	d, crashes := n.random.between(20*time.Second, 90*time.Second), n.random.chance(0.3)
	config := p.configAtHome()
	n.alone("join", func() {
		n.awaitObject()
		node := n.w.addNode()
		config.ServerID, config.ServerAddr = fmt.Sprintf("node-%d", node), fmt.Sprintf("10.0.0.%d:8443", node+1)
		third := n.w.startNode(node, config)
		n.w.calmOr(d)
		n.w.leave(third)
		if crashes {
			third.crash()
			return
		}
		third.end()
	})
}

// switchPeerMode turns peer mode on or off while the elector runs.
func (n *nemesis) switchPeerMode(p *process) {
	on := n.random.chance(0.5)
	n.command(p, fmt.Sprintf("peer mode %v", on), func(context.Context) error {
		p.updateConfig(func(c *s3lect.ElectorConfig) { c.PeerMode = on })
		return nil
	})
}
