package sim

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// dice is a stream of random decisions with one purpose. Each purpose has a stream of its own,
// derived from the seed, so that one decision more or fewer in one place leaves all others as they
// were, and a failing seed replays.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newDice(seed uint64, purpose string) *dice {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return &dice{r: rand.New(rand.NewPCG(seed, h.Sum64()))} //nolint:gosec // it must be predictable
}

// chance is true with probability p. It draws whatever p is, so that changing one probability does
// not shift the other decisions.
func (d *dice) chance(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64() < p
}

// between is uniform in [lo, hi].
func (d *dice) between(lo, hi time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return lo + time.Duration(d.r.Int64N(int64(hi-lo)+1))
}

// fraction is uniform in [0, 1).
func (d *dice) fraction() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64()
}

// below is uniform in [0, n).
func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

func (d *dice) uint64() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Uint64()
}
