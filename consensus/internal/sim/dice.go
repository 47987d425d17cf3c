package sim

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// dice is a stream of random decisions with one purpose, derived from the seed, so that one decision more in one place
// leaves all others as they were. It may be shared.
type dice struct {
	mu     sync.Mutex
	stream *rand.Rand
}

func newDice(seed uint64, purpose string) *dice {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return &dice{stream: rand.New(rand.NewPCG(seed, h.Sum64()))} //nolint:gosec // it must be predictable
}

// part is uniform in [0, 1).
func (d *dice) part() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stream.Float64()
}

// upTo is uniform in [0, n).
func (d *dice) upTo(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stream.IntN(n)
}

// chance is true with probability p. It draws whatever p is.
func (d *dice) chance(p float64) bool { return d.part() < p }

// between is uniform in [lo, hi].
func (d *dice) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(d.part()*float64(hi-lo))
}

// shuffled is a random order of what it is given.
func shuffled[T any](d *dice, of []T) []T {
	d.mu.Lock()
	defer d.mu.Unlock()
	mixed := append([]T{}, of...)
	d.stream.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	return mixed
}

// pick is one of several.
func pick[T any](d *dice, of ...T) T { return of[d.upTo(len(of))] }
