package sim

import (
	"context"
	"slices"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// trouble is something that goes wrong for a while. It returns when all is well again.
type trouble func(ctx context.Context, w *world, d *dice)

// rage makes trouble until ctx ends.
func (w *world) rage(ctx context.Context, d *dice) {
	for ctx.Err() == nil {
		pause(ctx, d.between(0, 1500*time.Millisecond))
		if ctx.Err() == nil {
			pick(d, w.options.Weather.troubles...)(ctx, w, d)
		}
	}
}

// lasting is how long trouble stays: short enough not to be noticed, or long enough for elections.
func (w *world) lasting(d *dice) time.Duration {
	if d.chance(0.2) {
		return d.between(0, w.cluster.Election)
	}
	return d.between(w.cluster.Election, 8*w.cluster.Election)
}

// parted cuts ways for a while.
func (w *world) parted(ctx context.Context, d *dice, what string, ways ...way) {
	w.trace.add("network", "%s: %v", what, ways)
	restore := w.network.cut(ways...)
	pause(ctx, w.lasting(d))
	restore()
	w.trace.add("network", "%s is over", what)
}

// between are all ways from some to others, and back if both.
func between(from, to []string, both bool) (ways []way) {
	for _, a := range from {
		for _, b := range to {
			if a == b {
				continue
			}
			ways = append(ways, way{a, b})
			if both {
				ways = append(ways, way{b, a})
			}
		}
	}
	return ways
}

func (w *world) ids() (ids []string) {
	for _, m := range w.members {
		ids = append(ids, m.id)
	}
	return ids
}

// target is the leader, or another node if there is none.
func (w *world) target(d *dice) string {
	if p := w.leader(); p != nil {
		return p.member.id
	}
	return pick(d, w.ids()...)
}

// others are all but some.
func (w *world) others(some ...string) []string {
	return slices.DeleteFunc(w.ids(), func(id string) bool { return slices.Contains(some, id) })
}

func halves(ctx context.Context, w *world, d *dice) {
	ids := shuffled(d, w.ids())
	at := 1 + d.upTo(len(ids)-1)
	w.parted(ctx, d, "halves", between(ids[:at], ids[at:], true)...)
}

func lonelyLeader(ctx context.Context, w *world, d *dice) {
	l := w.target(d)
	w.parted(ctx, d, "the leader is alone", between([]string{l}, w.others(l), true)...)
}

func lonelyNode(ctx context.Context, w *world, d *dice) {
	l := pick(d, w.ids()...)
	w.parted(ctx, d, "a node is alone", between([]string{l}, w.others(l), true)...)
}

// bridge leaves one node that reaches both sides, which do not reach each other.
func bridge(ctx context.Context, w *world, d *dice) {
	ids := shuffled(d, w.ids())
	at := 2 + d.upTo(len(ids)-2)
	w.parted(ctx, d, "a bridge", between(ids[1:at], ids[at:], true)...)
}

// minority leaves the leader with all who have no vote, or may have none any more, and with fewer than half of those who have.
// A leader that has been away from them needs a while until it talks to all again.
func minority(ctx context.Context, w *world, d *dice) {
	pause(ctx, d.between(0, 3*time.Second))
	here := []string{w.target(d)}
	voters := 0
	for _, m := range w.members {
		p := m.current.Load()
		switch {
		case m.id == here[0]:
		case p != nil && p.node.GetRole() == consensus.RoleNonVoter:
			here = append(here, m.id)
		default:
			voters++
		}
	}
	rest := w.others(here...)
	alone := d.upTo(max(1, voters/2))
	if d.chance(0.5) { // and so busy with its disk that it does not notice
		release := w.member(here[0]).disk.hold()
		defer release()
	}
	w.parted(ctx, d, "a minority with the leader", between(append(here, rest[:alone]...), rest[alone:], true)...)
}

// mute has a node that is not heard.
func mute(ctx context.Context, w *world, d *dice) {
	l := w.target(d)
	w.parted(ctx, d, "mute", between([]string{l}, w.others(l), false)...)
}

// deaf has a node that does not hear.
func deaf(ctx context.Context, w *world, d *dice) {
	l := w.target(d)
	w.parted(ctx, d, "deaf", between(w.others(l), []string{l}, false)...)
}

func oneWay(ctx context.Context, w *world, d *dice) {
	var ways []way
	for range 1 + d.upTo(4) {
		ids := shuffled(d, w.ids())
		ways = append(ways, way{ids[0], ids[1]})
	}
	w.parted(ctx, d, "one way", ways...)
}

// crash has one to all but a majority of the nodes crash, at the leader's end as a rule.
func crash(ctx context.Context, w *world, d *dice) {
	victims := append([]string{w.target(d)}, shuffled(d, w.ids())...)
	w.crashed(ctx, d, victims[:1+d.upTo(1+len(w.members)/2)])
}

func crashAll(ctx context.Context, w *world, d *dice) { w.crashed(ctx, d, w.ids()) }

func (w *world) crashed(ctx context.Context, d *dice, ids []string) {
	var down []*member
	for _, id := range ids {
		m := w.member(id)
		if m.claim() {
			if m.running() {
				down = append(down, m)
				m.crash()
			} else {
				m.free()
			}
		}
	}
	pause(ctx, w.lasting(d))
	for _, m := range shuffled(d, down) {
		m.startAgain(ctx)
		m.free()
		pause(ctx, d.between(0, 200*time.Millisecond))
	}
}

// forgetful parts one node from the leader, or all, and has the others end and start again, over and over. They forget what they have
// promised the leader, unless it is on their disks, while the first one asks for their votes.
func forgetful(ctx context.Context, w *world, d *dice) {
	l := w.target(d)
	others := shuffled(d, w.others(l))
	away, again := others[:1], others[1:]
	if d.chance(0.3) { // all of them
		away, again = others, others
	}
	w.trace.add("network", "%s does not reach %v, and %v end and start again", l, away, again)
	restore := w.network.cut(between([]string{l}, away, true)...)
	defer restore()
	for range 1 + d.upTo(8) {
		pause(ctx, d.between(0, 2*w.cluster.Election))
		if ctx.Err() != nil {
			return
		}
		for _, id := range again {
			if m := w.member(id); m.claim() {
				if m.running() {
					m.crash()
					m.startAgain(ctx)
				}
				m.free()
			}
		}
	}
}

// restart stops a node in order and starts it again.
func restart(ctx context.Context, w *world, d *dice) {
	id := w.target(d)
	if d.chance(0.5) {
		id = pick(d, w.ids()...)
	}
	m := w.member(id)
	if !m.claim() {
		return
	}
	defer m.free()
	if !m.running() {
		return
	}
	m.stop()
	pause(ctx, w.lasting(d))
	m.startAgain(ctx)
}

// badDisk has the writes of one node fail. The node ends, and is started again when the disk is well.
func badDisk(ctx context.Context, w *world, d *dice) {
	m := w.member(w.target(d))
	if !m.claim() {
		return
	}
	defer m.free()
	p := m.current.Load()
	if p == nil {
		return
	}
	w.trace.add(p.name(), "disk goes bad")
	p.excused.Store(true)
	m.disk.fail(true)
	pause(ctx, w.lasting(d))
	m.disk.fail(false)
	w.trace.add(p.name(), "disk is well")
	// Whoever has met the error ends, soon. Whoever has not goes on.
	pause(context.WithoutCancel(ctx), 200*time.Millisecond)
	if p.node.Err() != nil {
		<-p.ended
	}
	m.startAgain(ctx)
}

func freezeLeader(ctx context.Context, w *world, d *dice) { w.frozen(ctx, d, w.target(d)) }

func freezeNode(ctx context.Context, w *world, d *dice) { w.frozen(ctx, d, pick(d, w.ids()...)) }

// frozen has a node hear nothing, say nothing and write nothing for a while. That is as near as goroutines that share a
// clock with the others come to a process that was stopped.
func (w *world) frozen(ctx context.Context, d *dice, id string) {
	m := w.member(id)
	w.trace.add("network", "%s freezes", id)
	restore := w.network.cut(between([]string{id}, w.others(id), true)...)
	release := m.disk.hold()
	pause(ctx, w.lasting(d))
	release()
	restore()
	w.trace.add("network", "%s thaws", id)
}
