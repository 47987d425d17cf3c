package measure

import (
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

// Event is something that happens to a leader.
type Event struct {
	Name string
	// strike makes it happen and returns what makes the node a candidate again.
	strike func(*field, *arena.Node) func() error
}

// Events are what costs a leader its leadership. The frozen and the cut off ones come back after three leases, or
// when somebody else leads, whichever comes later.
func Events() []Event {
	return []Event{
		Crash(),
		{"graceful stop", func(f *field, n *arena.Node) func() error {
			n.Stop()
			return func() error {
				n.AwaitEnd()
				return f.restart(n)
			}
		}},
		{"frozen leader", func(f *field, n *arena.Node) func() error {
			n.Freeze()
			return after(3*f.settings.Lease, n.Thaw)
		}},
		{"cut off from storage", func(f *field, n *arena.Node) func() error {
			n.CutOff(true, false)
			return after(3*f.settings.Lease, n.Mend)
		}},
	}
}

// Crash is the death of a leader's process: its connections break.
func Crash() Event {
	return Event{"crash", func(f *field, n *arena.Node) func() error {
		n.Crash()
		return func() error { return f.restart(n) }
	}}
}

func after(d time.Duration, do func()) func() error {
	began := time.Now()
	return func() error {
		time.Sleep(max(0, d-time.Since(began)))
		do()
		return nil
	}
}

// Gaps has an event happen to a leader so many times, each at a random moment of a settled leadership, and returns
// for how long there was no other leader after each.
func Gaps(c contender.Contender, s contender.Settings, e Event, seed uint64, times int) ([]time.Duration, error) {
	f, err := enter(c, s, 5, arena.Options{Seed: seed}, arena.Fault{})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []time.Duration
	for range times {
		time.Sleep(f.between(4*s.Lease, 5*s.Lease))
		leader, err := f.leader()
		if err != nil {
			return nil, err
		}
		began := time.Now()
		restore := e.strike(f, leader)
		gap, err := f.withoutOther(leader, began)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
		out = append(out, gap)
		if err := restore(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// withoutOther waits for another leader and returns how long ago that is. None within a hundred leases is an error: a
// figure that was cut off would be taken for one that was measured.
func (f *field) withoutOther(old *arena.Node, began time.Time) (time.Duration, error) {
	limit := 100 * f.settings.Lease
	for time.Since(began) < limit {
		for _, n := range f.Leaders() {
			if n != old {
				return time.Since(began), nil
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, fmt.Errorf("no other leader for %v", limit)
}
