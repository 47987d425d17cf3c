package sim

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/env"
	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// host is the machine and the operating system as one process sees them: its clocks, its timers,
// and whether it runs at all.
//
// A frozen process (a stop signal, a long pause) has running clocks, and nothing else runs: its
// timers do not fire, answers from the storage are not delivered, requests about to leave do not
// leave. A suspended machine is the same with a monotonic clock that stands still. A dead process
// is cut off from the world for good; what is left of its goroutines runs to its end unnoticed.
type host struct {
	lateness time.Duration // timers fire up to this much late

	mu        sync.Mutex
	clock     clock
	timers    map[*timer]struct{} // the running ones
	freezes   int                 // holding the process now
	suspended bool
	dead      bool
	resumed   chan struct{} // closed when nothing holds the process any more; nil while it runs
	died      chan struct{}

	// For the invariants, in true time.
	heldSince, resumedAt time.Time
	disturbedAt          time.Time // of the last suspension's end or step of the wall clock
	steppedBackAt        time.Time
	suspendedAt          time.Time // end of the last suspension
}

func newHost(c clock, lateness time.Duration) *host {
	return &host{clock: c, lateness: lateness, timers: map[*timer]struct{}{}, died: make(chan struct{})}
}

// env is what the elector gets instead of the real machine. Its random bits have a stream of their
// own.
func (h *host) env(bits *dice, peers http.RoundTripper) *env.Env {
	return &env.Env{
		Now:           h.now,
		NewTimer:      func() env.Timer { return h.newTimer() },
		Uint64:        bits.uint64,
		PeerTransport: peers,
	}
}

// now reads the process's clocks; also while it is held, which is how others look at it.
func (h *host) now() lease.Instant {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock.read(time.Now())
}

// clockState returns a copy of the clocks, for a process that is started on the same machine.
func (h *host) clockState() clock {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock.rebase(time.Now())
	c := h.clock
	c.asleep = false
	return c
}

// freeze stops the process until thaw is called as often.
func (h *host) freeze() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead {
		return
	}
	h.freezes++
	h.hold()
}

func (h *host) thaw() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.freezes > 0 {
		h.freezes--
		h.release()
	}
}

func (h *host) suspend() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead || h.suspended {
		return
	}
	h.suspended = true
	h.clock.rebase(time.Now())
	h.clock.asleep = true
	h.hold()
}

func (h *host) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.suspended {
		return
	}
	now := time.Now()
	h.suspended = false
	h.clock.rebase(now)
	h.clock.asleep = false
	h.suspendedAt, h.disturbedAt = now, now
	for t := range h.timers {
		t.arm()
	}
	h.release()
}

// step moves the wall clock.
func (h *host) step(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock.wall += int64(d)
	h.disturbedAt = time.Now()
	if d < 0 {
		h.steppedBackAt = h.disturbedAt
	}
}

// kill cuts the process off for good and lets what is left of it run out.
func (h *host) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead {
		return
	}
	h.dead = true
	close(h.died)
	h.freezes = 0
	if h.suspended {
		h.suspended = false
		h.clock.rebase(time.Now())
		h.clock.asleep = false
		for t := range h.timers {
			t.arm()
		}
	}
	h.release()
}

// hold and release are called with the lock held.
func (h *host) hold() {
	if h.resumed == nil {
		h.resumed = make(chan struct{})
		h.heldSince = time.Now()
	}
}

func (h *host) release() {
	if h.resumed == nil || h.freezes > 0 || h.suspended {
		return
	}
	close(h.resumed)
	h.resumed = nil
	h.resumedAt = time.Now()
	var missed []*timer
	for t := range h.timers {
		if t.missed {
			missed = append(missed, t)
		}
	}
	slices.SortFunc(missed, func(a, b *timer) int { return int(a.due - b.due) })
	for _, t := range missed {
		t.deliver()
	}
}

// wait returns once the process runs (a dead one does, in its way).
func (h *host) wait() {
	for {
		h.mu.Lock()
		resumed := h.resumed
		h.mu.Unlock()
		if resumed == nil {
			return
		}
		<-resumed
	}
}

// sleep waits for d on the process's own clock, or until something of it is closed, or the process
// dies, and returns when the process runs.
func (h *host) sleep(d time.Duration, until <-chan struct{}) {
	t := h.newTimer()
	t.Reset(d)
	select {
	case <-t.C():
	case <-until:
	case <-h.died:
	}
	t.Stop()
	h.wait()
}

func (h *host) isDead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dead
}

// condition is what the invariants have to know about a process at one moment.
type condition struct {
	dead, held, justResumed bool
	wallRuns                bool // faster than the monotonic clock
	disturbedAt             time.Time
	suspendedAt             time.Time
}

func (h *host) condition() condition {
	h.mu.Lock()
	defer h.mu.Unlock()
	return condition{
		dead: h.dead, held: h.resumed != nil, justResumed: h.resumedAt.Equal(time.Now()),
		wallRuns:    h.clock.wallRate > h.clock.monoRate,
		disturbedAt: h.disturbedAt, suspendedAt: h.suspendedAt,
	}
}

// heldDuring reports whether the process was held at some moment since then.
func (h *host) heldDuring(since time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.resumed != nil || !h.resumedAt.IsZero() && !h.resumedAt.Before(since)
}
