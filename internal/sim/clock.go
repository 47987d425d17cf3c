package sim

import (
	"math/bits"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

const million = 1_000_000

// clock is a machine's two clocks as a function of true time. Both run at a wrong rate; the wall
// clock also steps; the monotonic one stands still while the machine is suspended. It is a plain
// value: its owner locks.
type clock struct {
	base     time.Time // true time of the readings below
	mono     time.Duration
	wall     int64 // ns since 1970
	monoRate int64 // parts per million of true time
	wallRate int64
	asleep   bool
}

func (c *clock) read(now time.Time) lease.Instant {
	d := now.Sub(c.base)
	i := lease.Instant{Mono: c.mono, Wall: c.wall + int64(scale(d, c.wallRate))}
	if !c.asleep {
		i.Mono += scale(d, c.monoRate)
	}
	return i
}

// rebase makes now the base, before something about the clock changes.
func (c *clock) rebase(now time.Time) {
	i := c.read(now)
	c.base, c.mono, c.wall = now, i.Mono, i.Wall
}

// until returns the true time from now until the monotonic clock shows due, rounded up so that a
// timer never fires early. The clock must not be asleep.
func (c *clock) until(now time.Time, due time.Duration) time.Duration {
	left := due - c.mono
	if left <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(left), million)
	quo, rem := bits.Div64(hi, lo, uint64(c.monoRate))
	if rem > 0 {
		quo++
	}
	return max(0, time.Duration(quo)-now.Sub(c.base))
}

// scale is d × ppm / 1,000,000, without overflow.
func scale(d time.Duration, ppm int64) time.Duration {
	return d/million*time.Duration(ppm) + d%million*time.Duration(ppm)/million
}
