package lease

import "time"

// Instant is one reading of a process's two clocks. Readings of different processes are never
// compared.
type Instant struct {
	// Mono is the monotonic clock, since some moment fixed for the process. On most systems it
	// does not count while the machine is suspended.
	Mono time.Duration
	// Wall is the wall clock, in nanoseconds since 1970. It can step.
	Wall int64
}

// Add returns the moment d later on both clocks.
func (i Instant) Add(d time.Duration) Instant {
	return Instant{Mono: i.Mono + d, Wall: i.Wall + int64(d)}
}

// Before reports whether i lies before the deadline on both clocks. The time elapsed since the
// deadline was set is thereby taken as the larger of the two, so that a machine that was suspended
// finds its lease gone.
func (i Instant) Before(deadline Instant) bool {
	return i.Mono < deadline.Mono && i.Wall < deadline.Wall
}

// earlier returns, on each clock, the earlier of the two moments.
func (i Instant) earlier(o Instant) Instant {
	return Instant{Mono: min(i.Mono, o.Mono), Wall: min(i.Wall, o.Wall)}
}

// Until returns the time left until the deadline on whichever clock reaches it first; 0 when it
// has passed.
func (i Instant) Until(deadline Instant) time.Duration {
	return max(0, min(deadline.Mono-i.Mono, time.Duration(deadline.Wall-i.Wall)))
}

// Time is the wall clock reading as a time in UTC.
func (i Instant) Time() time.Time { return time.Unix(0, i.Wall).UTC() }
