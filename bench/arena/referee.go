package arena

import (
	"sync"
	"time"
)

// Tick is how often a referee looks who leads. Two leaders that it has seen once count for so long.
const Tick = 20 * time.Millisecond

// Verdict is what a referee has seen.
type Verdict struct {
	Watched time.Duration
	Led     time.Duration // with one leader or more
	Two     time.Duration // with more than one
	Longest time.Duration // without a break
}

// Referee looks who leads.
type Referee struct {
	arena   *Arena
	stop    chan struct{}
	stopped chan struct{}

	mu      sync.Mutex
	verdict Verdict
	row     time.Duration // with two leaders, until now
}

// Watch begins to look. Ask for the [Referee.Verdict] before the arena is closed.
func (a *Arena) Watch() *Referee {
	r := &Referee{arena: a, stop: make(chan struct{}), stopped: make(chan struct{})}
	a.mu.Lock()
	a.referee = r
	a.mu.Unlock()
	go r.run()
	return r
}

func (r *Referee) run() {
	defer close(r.stopped)
	ticker := time.NewTicker(Tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.look(len(r.arena.Leaders()))
		case <-r.stop:
			return
		}
	}
}

func (r *Referee) look(leaders int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verdict.Watched += Tick
	if leaders > 0 {
		r.verdict.Led += Tick
	}
	if leaders < 2 {
		r.row = 0
		return
	}
	r.two()
}

func (r *Referee) two() {
	r.row += Tick
	r.verdict.Two += Tick
	r.verdict.Longest = max(r.verdict.Longest, r.row)
}

// awakes asks a process that stands still whether it leads, before it goes on and hears anything.
func (r *Referee) awakes(n *Node) {
	if !n.frozen() || !n.wouldLead() || len(r.arena.Leaders()) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.row == 0 {
		r.two()
	}
}

// Verdict ends the watch.
func (r *Referee) Verdict() Verdict {
	close(r.stop)
	<-r.stopped
	return r.verdict
}
