package measure

import (
	"slices"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

// Fits reports whether a fault can be applied to a contender.
func Fits(c contender.Contender, f arena.Fault) bool {
	return f.Need == arena.Nothing || slices.Contains(c.Can, f.Need)
}

// Spared returns what of a fault cannot be applied to a contender, although the fault can.
func Spared(c contender.Contender, f arena.Fault) []arena.Need {
	return slices.DeleteFunc(slices.Clone(f.Parts), func(n arena.Need) bool { return slices.Contains(c.Can, n) })
}

// Overlaps runs five nodes through a fault for sixteen leases, and for three more when it is over, and returns who led when.
func Overlaps(c contender.Contender, s contender.Settings, fault arena.Fault, seed uint64) (arena.Verdict, error) {
	f, err := enter(c, s, 5, arena.Options{Seed: seed}, fault)
	if err != nil {
		return arena.Verdict{}, err
	}
	defer f.Close()
	if _, err := f.leader(); err != nil {
		return arena.Verdict{}, err
	}
	referee := f.Watch()
	fault.Rage(f.Arena, s.Lease, 16*s.Lease)
	time.Sleep(3 * s.Lease)
	return referee.Verdict(), nil
}
