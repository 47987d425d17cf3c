package sim

import "time"

// timer is an env.Timer on a host's monotonic clock. The channel holds one value at most, and a
// Reset or Stop empties it, so that nothing of an earlier setting is received afterwards.
type timer struct {
	h    *host
	c    chan time.Time
	real *time.Timer

	// Under the host's lock.
	due    time.Duration // on the host's monotonic clock
	missed bool          // was due while the process was held
}

func (h *host) newTimer() *timer { return &timer{h: h, c: make(chan time.Time, 1)} }

func (t *timer) C() <-chan time.Time { return t.c }

func (t *timer) Reset(d time.Duration) {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	t.clear()
	t.due = t.h.clock.read(time.Now()).Mono + max(d, 0)
	if t.h.lateness > 0 {
		t.due += t.due % t.h.lateness // as good as random, and the same when the seed replays
	}
	t.h.timers[t] = struct{}{}
	t.arm()
}

func (t *timer) Stop() {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	t.clear()
}

func (t *timer) clear() {
	delete(t.h.timers, t)
	t.missed = false
	if t.real != nil {
		t.real.Stop()
	}
	select {
	case <-t.c:
	default:
	}
}

// arm sets the underlying timer for what is left. The host's lock is held.
func (t *timer) arm() {
	if t.h.suspended {
		return // armed again on waking
	}
	d := t.h.clock.until(time.Now(), t.due)
	if t.real == nil {
		t.real = time.AfterFunc(d, t.fire)
	} else {
		t.real.Reset(d)
	}
}

func (t *timer) fire() {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	if _, running := t.h.timers[t]; !running || t.h.suspended {
		return
	}
	if t.h.clock.read(time.Now()).Mono < t.due {
		t.arm() // an earlier setting's, or rounded down when the clocks got a new base
		return
	}
	if t.h.resumed != nil {
		t.missed = true
		return
	}
	t.deliver()
}

func (t *timer) deliver() {
	delete(t.h.timers, t)
	t.missed = false
	select {
	case t.c <- time.Unix(0, t.h.clock.read(time.Now()).Wall):
	default:
	}
}
