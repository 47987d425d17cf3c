package sim

import (
	"context"
	"errors"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// operate adds, promotes and removes members until ctx ends.
func (w *world) operate(ctx context.Context, d *dice) {
	for ctx.Err() == nil {
		pause(ctx, d.between(0, 2*time.Second))
		leader := w.leader()
		if leader == nil || ctx.Err() != nil {
			continue
		}
		info := leader.node.GetClusterInfo()
		one := pick(d, w.members...)
		index := -1
		voters := 0
		for i, n := range info.Nodes {
			if n.Voter {
				voters++
			}
			if n.ID == one.id {
				index = i
			}
		}
		limited, cancel := context.WithTimeout(ctx, d.between(100*time.Millisecond, 3*time.Second))
		switch {
		case index < 0:
			w.join(ctx, limited, d, leader, one)
		case !info.Nodes[index].Voter && d.chance(0.6):
			w.tell("promotes "+one.id, leader, leader.node.AddNode(limited, one.id, one.id, port))
		case voters > 3 || !info.Nodes[index].Voter:
			w.remove(limited, d, leader, one)
		}
		cancel()
	}
}

// join adds a member that is not one yet, or not any more.
func (w *world) join(ctx, limited context.Context, d *dice, leader *process, one *member) {
	if !one.claim() {
		return
	}
	defer one.free()
	if !one.running() {
		one.startAgain(ctx)
	}
	if d.chance(0.5) {
		w.tell("adds "+one.id, leader, leader.node.AddNode(limited, one.id, one.id, port))
	} else {
		w.tell("adds non-voter "+one.id, leader, leader.node.AddNonVoter(limited, one.id, one.id, port))
	}
}

// remove takes a member out. Its process may stay for a while.
func (w *world) remove(ctx context.Context, d *dice, leader *process, one *member) {
	if p := one.current.Load(); p != nil {
		p.excused.Store(true)
	}
	err := leader.node.RemoveNode(ctx, one.id)
	w.tell("removes "+one.id, leader, err)
	if err == nil && d.chance(0.5) && one.claim() {
		defer one.free()
		one.stop()
	}
}

// handOver has leaders hand over until ctx ends.
func (w *world) handOver(ctx context.Context, d *dice) {
	for ctx.Err() == nil {
		pause(ctx, d.between(0, 2*time.Second))
		leader := w.leader()
		if leader == nil || ctx.Err() != nil {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, d.between(50*time.Millisecond, 2*time.Second))
		if d.chance(0.4) {
			w.tell("steps down", leader, leader.node.StepDown(limited))
		} else {
			to := pick(d, w.ids()...)
			err := leader.node.TransferLeadership(limited, to)
			w.tell("hands over to "+to, leader, err)
		}
		cancel()
	}
}

// photograph takes snapshots by hand until ctx ends.
func (w *world) photograph(ctx context.Context, d *dice, every time.Duration) {
	for ctx.Err() == nil {
		pause(ctx, d.between(every/6, every))
		processes := w.processes()
		if len(processes) == 0 {
			continue
		}
		p := pick(d, processes...)
		limited, cancel := context.WithTimeout(ctx, d.between(50*time.Millisecond, 3*time.Second))
		w.tell("takes a snapshot", p, p.node.Snapshot(limited))
		cancel()
	}
}

// expected are the errors that an operator may get.
var expected = append([]error{
	consensus.ErrUnknownOutcome, consensus.ErrNodeNotFound, consensus.ErrPeerExists, consensus.ErrInsufficientPeers,
	consensus.ErrSnapshotFailed,
}, known...)

// tell writes what came of an operator's call, and judges its error.
func (w *world) tell(what string, p *process, err error) {
	w.trace.add(p.name(), "%s: %v", what, err)
	if err == nil || isContext(err) || p.isDead() {
		return
	}
	for _, one := range expected {
		if errors.Is(err, one) {
			return
		}
	}
	w.monitor.violate("error", "%s %s: an error that is none of the known ones: %v", p.name(), what, err)
}

func isContext(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
