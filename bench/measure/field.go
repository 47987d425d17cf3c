// Package measure is what is measured of the contenders. Its functions run in a bubble of testing/synctest, where
// nothing else is said; its tests are the commands that run them, few times or many, and write down what comes of it.
package measure

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

// field is a contender on some nodes.
type field struct {
	*arena.Arena
	contender contender.Contender
	settings  contender.Settings
	dice      *rand.Rand
}

// enter starts the contender on so many nodes, within a renewal interval. Nobody leads yet.
func enter(c contender.Contender, s contender.Settings, nodes int, o arena.Options, fault arena.Fault) (*field, error) {
	f := &field{contender: c, settings: s}
	leases := rand.New(rand.NewPCG(o.Seed, 4)) //nolint:gosec // reproducible, not secret
	own := map[string]contender.Settings{}
	o.Launch = func(n *arena.Node) (arena.Candidate, error) {
		if _, ok := own[n.Name()]; !ok { // the same after a restart
			own[n.Name()] = s
			if fault.Leases != nil {
				own[n.Name()] = s.WithLease(fault.Leases(leases, s.Lease))
			}
		}
		return c.New(n, own[n.Name()])
	}
	f.Arena = arena.New(o)
	f.dice = f.Dice(3)
	// Anywhere in the interval, so that those that try in a fixed rhythm do not try one after another.
	starts := make([]time.Duration, nodes)
	for i := range starts {
		starts[i] = f.between(0, s.Renew)
	}
	slices.Sort(starts)
	began := time.Now()
	for _, start := range starts {
		n := f.Add()
		fault.Prepare(n)
		time.Sleep(time.Until(began.Add(start)))
		if err := f.Launch(n); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// leader waits until exactly one node leads.
func (f *field) leader() (*arena.Node, error) {
	patience := 100 * f.settings.Lease
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(arena.Tick) {
		if leaders := f.Leaders(); len(leaders) == 1 {
			return leaders[0], nil
		}
	}
	return nil, fmt.Errorf("%s: nobody led alone for %v; at last %d of %d nodes lead", f.contender.Name, patience, len(f.Leaders()), len(f.Nodes()))
}

// restart puts another process in the place of one that has ended, or crashes. It begins at any moment of an interval: one
// that began when somebody else has just won would try in the rhythm of that leader, and always just when its lease ends.
func (f *field) restart(n *arena.Node) error {
	time.Sleep(f.between(0, f.settings.Renew))
	return f.Launch(n.Replace())
}

// between draws a duration.
func (f *field) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(f.dice.Int64N(int64(hi-lo)))
}
