package sim

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// recovery is how long it may take after the end of all trouble until a write has succeeded. The engine pauses up to ten seconds
// between its attempts at a node that has been away, and then there may be an election.
const recovery = 25 * time.Second

// settle has everything recover, asks for everything once more, and compares the machines.
func (w *world) settle() (took time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), recovery)
	defer cancel()
	for _, m := range w.members {
		if w.isFounder(m) || m.starts > 0 {
			m.startAgain(ctx)
		}
	}
	began := time.Now()
	c := newClient(w, len(w.clients))
	if !w.writes(ctx, c) {
		w.monitor.violate("no-recovery", "no write has succeeded %v after the end of all trouble", recovery)
		return recovery
	}
	took = time.Since(began)
	w.trace.add("world", "the first write after %v", took)
	w.readAll(ctx, c)
	w.compare()
	return took
}

// writes tries to write until it is done, at nodes that say they lead or at any.
func (w *world) writes(ctx context.Context, c *client) bool {
	for ctx.Err() == nil {
		if p := w.leader(); p != nil {
			o := &Operation{Client: c.number, Node: p.name(), Kind: "set", Key: w.keys[0]}
			if c.ask(p, o, time.Second); o.Outcome == Done {
				return true
			}
		}
		pause(ctx, 20*time.Millisecond)
	}
	return false
}

// readAll reads every key once more.
func (w *world) readAll(ctx context.Context, c *client) {
	for _, key := range w.keys {
		for {
			if ctx.Err() != nil {
				w.monitor.violate("no-recovery", "%s could not be read", key)
				return
			}
			o := &Operation{Client: c.number, Kind: "read", Key: key}
			if p := w.leader(); p != nil {
				o.Node = p.name()
				if c.ask(p, o, time.Second); o.Outcome == Done {
					break
				}
			}
			pause(ctx, 20*time.Millisecond)
		}
	}
}

// compare demands that the members' machines become equal.
func (w *world) compare() {
	ctx, cancel := context.WithTimeout(context.Background(), recovery)
	defer cancel()
	for {
		different := w.difference()
		if different == nil {
			return
		}
		if ctx.Err() != nil {
			w.monitor.violate("machines-differ", "%v after the end of all trouble: %v", 2*recovery, different)
			return
		}
		pause(ctx, 50*time.Millisecond)
	}
}

var errNoLeader = errors.New("there is no leader")

// difference says in what a member's machine is not like the leader's.
func (w *world) difference() error {
	leader := w.leader()
	if leader == nil {
		return errNoLeader
	}
	last, chain := leader.witness.state()
	state := w.dump(leader)
	info := leader.node.GetClusterInfo()
	for _, n := range info.Nodes {
		p := w.member(n.ID).current.Load()
		if p == nil {
			return errors.New(n.ID + " does not run")
		}
		if l, c := p.witness.state(); l != last || c != chain {
			return errors.New(p.name() + " has not applied what the leader has")
		}
		if !reflect.DeepEqual(w.dump(p), state) {
			return errors.New(p.name() + " is in another state than the leader")
		}
		if stats := p.node.GetStats(); stats.CommitIndex != info.CommitIndex || stats.Term != info.Term || p.node.GetLeader() != info.Leader {
			return errors.New(p.name() + " has not heard the leader's last word")
		}
	}
	return nil
}

func (w *world) dump(p *process) any {
	state, err := p.node.ReadStale(kv.List{})
	if err != nil {
		return err
	}
	return state
}

// startAgain starts a member's process, as long as it takes, but not longer than ctx.
func (m *member) startAgain(ctx context.Context) {
	for range 100 {
		if m.running() {
			return
		}
		if err := m.start(); err == nil {
			return
		} else if errors.Is(err, consensus.ErrForeignState) || errors.Is(err, consensus.ErrLogInconsistent) || errors.Is(err, consensus.ErrConfig) {
			m.world.monitor.violate("start", "%s does not start again: %v", m.id, err)
			return
		}
		pause(context.WithoutCancel(ctx), 50*time.Millisecond)
	}
	m.world.trace.add(m.id, "does not start")
}
