package sim

import (
	"context"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// This file makes trouble for many members at once, and for what they know of each other. It is a
// nemesis of its own, beside the other.

var crowdActions = []action{
	{deaths, "die", (*nemesis).die},
	{deaths, "hang", (*nemesis).hang},
	{deaths, "go", (*nemesis).goHome},
	{lostHeartbeats, "silence", (*nemesis).silence},
	{lostHeartbeats, "isolate", (*nemesis).isolate},
	{mixedQuorums, "quorum", (*nemesis).requorum},
	{badRosters, "bad roster", (*nemesis).spoilRoster},
}

// some draws members, often many of them.
func (n *nemesis) some() (out []*process) {
	share := n.random.fraction()
	for _, node := range n.w.members() {
		p := n.w.process(node)
		if n.random.chance(share) && p != nil {
			out = append(out, p)
		}
	}
	return out
}

// die kills some members at once and starts most of them again after a while.
func (n *nemesis) die(*process) {
	pause, victims := n.random.between(0, 60*time.Second), n.some()
	for _, p := range victims {
		back := n.random.chance(0.85)
		config := p.configAtHome()
		if !n.w.take(p) {
			continue
		}
		p.crash()
		n.returns(p.node, config, pause, back)
	}
}

// goHome has some members leave in order, and come back.
func (n *nemesis) goHome(*process) {
	pause, victims := n.random.between(0, 60*time.Second), n.some()
	for _, p := range victims {
		back := n.random.chance(0.85)
		config := p.configAtHome()
		if !n.w.take(p) {
			continue
		}
		n.acts.Go(func() {
			p.end()
			n.w.keepClock(p)
			n.returns(p.node, config, pause, back)
		})
	}
}

// returns starts a node again after a while.
func (n *nemesis) returns(node int, config s3lect.ElectorConfig, pause time.Duration, back bool) {
	if !back {
		return
	}
	n.acts.Go(func() {
		n.w.calmOr(pause)
		n.startWhenObjectExists(node, config)
	})
}

// hang freezes some members at once.
func (n *nemesis) hang(*process) {
	d := n.random.between(time.Second, 60*time.Second)
	for _, p := range n.some() {
		n.alone("freeze "+p.name, func() {
			n.w.trace.add(p.name, "HANGS for %v", d)
			p.host.freeze()
			n.w.calmOr(d)
			p.host.thaw()
			n.w.trace.add(p.name, "hangs no more")
		})
	}
}

// silence cuts some members off the list of observers, and off nothing else.
func (n *nemesis) silence(*process) {
	kind := refusing + partition(n.random.below(4))
	d := n.random.between(2*time.Second, 60*time.Second)
	for _, p := range n.some() {
		n.alone("silence "+p.name, func() {
			n.w.trace.add(p.name, "SILENCED: list of observers %v for %v", kind, d)
			p.link.silence(kind)
			n.w.calmOr(d)
			p.link.silence(connected)
			n.w.trace.add(p.name, "no longer silenced")
		})
	}
}

// isolate cuts the ways from some members to all others.
func (n *nemesis) isolate(*process) {
	if !n.w.profile.has(peerMode) {
		return
	}
	there, back := n.direction()
	d := n.random.between(2*time.Second, 60*time.Second)
	for _, p := range n.some() {
		n.alone("isolate "+p.name, func() {
			n.w.trace.add(p.name, "ISOLATED: there %v, back %v, for %v", there, back, d)
			for _, other := range n.w.members() {
				n.block(p.node, other, there, back)
			}
			n.w.calmOr(d)
			for _, other := range n.w.members() {
				n.block(p.node, other, uncut, uncut)
			}
			n.w.trace.add(p.name, "no longer isolated")
		})
	}
}

// requorum changes how many members somebody needs, for how long it goes on without, and whether it
// may lead at all; and back after a while.
func (n *nemesis) requorum(p *process) {
	size := quorumKind(n.random.below(int(quorumKinds))).of(n.w.profile.nodes + n.w.profile.crowd.fleet)
	share, which := n.random.fraction(), n.random.below(3)
	d := n.random.between(5*time.Second, 60*time.Second)
	change := func(do func(*s3lect.ElectorConfig)) {
		n.command(p, "UpdateConfig", func(context.Context) error {
			p.updateConfig(do)
			return nil
		})
	}
	was := p.currentConfig()
	n.alone("requorum "+p.name, func() {
		change(func(c *s3lect.ElectorConfig) {
			switch which {
			case 0:
				c.QuorumSize = size
			case 1:
				c.GracePeriod = time.Duration(share * float64(c.LeaderTimeout))
			default:
				c.NonVoting = !c.NonVoting
			}
		})
		n.w.calmOr(d)
		change(func(c *s3lect.ElectorConfig) {
			c.QuorumSize, c.GracePeriod, c.NonVoting = was.QuorumSize, was.GracePeriod, was.NonVoting
		})
	})
}

// spoilRoster has a stranger overwrite the list of observers. Somebody takes that away, or puts back
// what was there.
func (n *nemesis) spoilRoster(*process) {
	d, fresh := n.random.between(time.Second, 60*time.Second), n.random.chance(0.5)
	junk := []byte([...]string{"hello", `{"observers":7,"version":1}`, "[]", "null", "", `{"leaderID":"x","lastUpdated":"2000-01-01T00:00:00Z"}`, "-"}[n.random.below(7)])
	n.alone("bad roster", func() {
		old := n.w.store.look(mainRoster)
		if n.w.store.replace(mainRoster, versionOf(mainRoster, junk)); !fresh {
			n.w.calmOr(d)
			n.w.store.replace(mainRoster, old)
			return
		}
		n.w.calmOr(d)
		n.w.store.replace(mainRoster, version{at: time.Now()})
	})
}

// take takes a node's process out of the list, for its end, unless somebody else has.
func (w *world) take(p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nodes[p.node] != p {
		return false
	}
	w.nodes[p.node], p.taken = nil, true
	w.clocks[p.node] = p.host.clockState()
	return true
}

// taken reports whether take has taken it.
func (w *world) taken(p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return p.taken
}

// keepClock notes the clocks of a machine whose process has ended.
func (w *world) keepClock(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clocks[p.node] = p.host.clockState()
}
