package roundsim

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// dice is a stream of random decisions with one purpose, derived from the seed. Each purpose has a
// stream of its own, for one goroutine, so that one decision more in one place leaves all others as
// they were.
type dice struct{ *rand.Rand }

func newDice(seed uint64, purpose string) dice {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return dice{rand.New(rand.NewPCG(seed, h.Sum64()))} //nolint:gosec // it must be predictable
}

// chance is true with probability p. It draws whatever p is.
func (d dice) chance(p float64) bool { return d.Float64() < p }

// between is uniform in [lo, hi].
func (d dice) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(d.Int64N(int64(hi-lo)+1))
}

// pick is one of several.
func pick[T any](d dice, of []T) T { return of[d.IntN(len(of))] }
