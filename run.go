package s3lect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/env"
	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// run is one Start of an elector: a loop that owns the state machine, performs what it asks for and
// tells the world what it decides. Everything that happens reaches it as a command or as the end of
// its timer, so that only the loop's goroutine touches the fields without a comment.
type run struct {
	e        *S3Elector
	commands chan command
	ending   chan struct{} // closed when it begins to stop
	done     chan struct{} // closed when everything has ended
	err      error         // why a leadership was not released; set before done is closed

	base       context.Context // for calls and hooks: the values of Start's context, not its end
	config     *ElectorConfig  // never changed, only replaced
	machine    *lease.Machine
	timer      env.Timer
	call       *lease.Call
	cancelCall context.CancelFunc
	calls      int32   // that have not returned, abandoned ones included
	questions  int32   // likewise, of those to peers
	peers      *peers  // nil without peer mode
	muster     *muster // nil unless it observes
	tenure     *tenure
	work       *assignment
	onRelease  []func(error) // to be called when the present leadership is released, or could not be
	trouble    trouble       // of the election
	rounds     int32         // like calls, of those for the list of observers
	stopping   bool
	restart    bool // the configuration names another candidate or key
}

// newRun is called with e.mu held. The work is that of a Lead that starts the elector; else nil.
func newRun(ctx context.Context, e *S3Elector, work *assignment) *run {
	r := &run{
		e:        e,
		commands: make(chan command),
		ending:   make(chan struct{}),
		done:     make(chan struct{}),
		base:     context.WithoutCancel(ctx),
		work:     work,
		config:   e.config,
		timer:    e.env.NewTimer(),
	}
	r.begin()
	return r
}

// begin starts the machine for the present configuration. What it knows of the terms under a key
// outlives both restarts and stops.
func (r *run) begin() {
	e := r.e
	e.introduce(r.config)
	if e.machine == nil {
		e.machine = lease.New(r.config.lease(), e.env.Uint64)
	}
	r.machine = e.machine
	now := e.env.Now()
	r.machine.Reconfigure(now, r.config.lease())
	r.machine.Guard(r.work != nil)
	r.machine.Start(now)
	r.meet()
}

// loop is the elector's one goroutine. It never waits for I/O, a hook or a caller.
func (r *run) loop(ctx context.Context) {
	forget := context.AfterFunc(ctx, func() { r.do(r.quit) })
	defer forget()
	r.join(r.e.env.Now())
	for {
		now := r.e.env.Now()
		wake := r.settle(now)
		if r.machine.Idle() && r.tenure == nil {
			if !r.restart || r.stopping {
				break
			}
			r.restartMachine()
			continue
		}
		r.timer.Reset(wake - now.Mono)
		select {
		case <-r.timer.C():
		case c := <-r.commands:
			r.obey(c)
		}
	}
	r.finish()
}

// command is something to be done in the loop.
type command struct {
	f    func(now lease.Instant)
	done chan struct{} // closed when it has taken effect
}

func (r *run) obey(c command) {
	now := r.e.env.Now()
	c.f(now)
	r.settle(now)
	close(c.done)
}

// do has the loop run f, and returns when that has taken effect: after f has ended a leadership,
// for example, IsLeader is false. The result is false if the loop has ended.
func (r *run) do(f func(now lease.Instant)) bool {
	c := command{f, make(chan struct{})}
	select {
	case r.commands <- c:
		<-c.done
		return true
	case <-r.done:
		return false
	}
}

// quit begins to stop.
func (r *run) quit(now lease.Instant) {
	if !r.stopping {
		r.stopping = true
		close(r.ending)
		r.machine.Stop(now)
	}
}

// halt stops the loop and waits until everything has ended.
func (r *run) halt() error {
	r.do(r.quit)
	<-r.done
	return r.err
}

// settle lets the machine, the calls and the tenure act on each other until nothing more can happen
// now, and returns when the machine wants to be asked again.
func (r *run) settle(now lease.Instant) (wake time.Duration) {
	for {
		r.assure(now)
		wake = r.machine.Step(now)
		r.tell(now)
		if !r.perform(now) && !r.inquire(now) && !r.serve(now) {
			break
		}
	}
	r.logMuster(now)
	return min(wake, r.attend(now))
}

// tell passes on what the machine has to say.
func (r *run) tell(now lease.Instant) {
	events := r.machine.Events()
	was, is := r.publish(now, events)
	for _, event := range events {
		switch event.Kind {
		case lease.Began:
			r.log().Info("leadership acquired", "term", event.Term)
			r.tenure = newTenure(r, event.Term)
			r.muster.turned(r, now)
		case lease.Ended:
			r.muster.turned(r, now)
			r.ended(now, event)
		case lease.Released:
			r.released(event)
		}
	}
	r.logStatus(now, was, is) // last, because a log can be slow
}

// released takes in that a leadership is over, its resignation included.
func (r *run) released(event lease.Event) {
	err := event.Err
	switch {
	case err == nil:
		r.log().Info("leadership released")
	case event.Reason == lease.Lost || event.Reason == lease.Expired:
		// There was nothing left to release, and its end has been logged.
	default:
		r.log().Warn("leadership not released: others have to wait until its lease runs out", "error", err)
	}
	if err != nil {
		err = fmt.Errorf("leadership ended, but %w", err)
	}
	if r.stopping && event.Reason != lease.Lost && event.Reason != lease.Expired {
		r.err = err
	}
	r.tellReleased(err)
}

// reconfigure takes in the elector's new configuration.
func (r *run) reconfigure(now lease.Instant) {
	config := r.e.current()
	if config.ServerID != r.config.ServerID || config.LockfilePath != r.config.LockfilePath {
		r.restart = true
		r.machine.Stop(now)
		return
	}
	r.config = config
	if !r.muster.observesAs(config) {
		r.join(now) // first, so that the old peers can be told of an end
	}
	if !r.peers.serve(config) {
		r.meet()
	}
	r.machine.Reconfigure(now, config.lease())
}

func (r *run) restartMachine() {
	r.restart, r.err = false, nil
	r.depart()
	r.config = r.e.current()
	r.e.mu.Lock()
	r.begin()
	r.e.mu.Unlock()
	r.join(r.e.env.Now())
}

// resign ends the leadership. The waiter hears when it is released; at once if it calls from inside
// a hook or the work, for which the release waits.
func (r *run) resign(now lease.Instant, successor string, inside bool, waiter chan error) {
	switch {
	case !r.machine.Resign(now, successor):
		waiter <- ErrNotLeader
	case inside || r.tenure != nil && r.tenure.hooking:
		waiter <- nil
	default:
		r.onRelease = append(r.onRelease, func(err error) { waiter <- err })
	}
}

// finish ends the run once nothing contests any more.
func (r *run) finish() {
	r.depart()
	r.awaitCalls()
	r.part()
	r.awaitLog()
	r.timer.Stop()
	e := r.e
	e.mu.Lock()
	e.run = nil
	e.mu.Unlock()
	r.tellReleased(errors.Join(ErrStopped, r.err))
	close(r.done)
}

// tellReleased tells everybody who waits for the end of a leadership.
func (r *run) tellReleased(err error) {
	for _, tell := range r.onRelease {
		tell(err)
	}
	r.onRelease = nil
}

func (r *run) log() *slog.Logger {
	return r.e.log.With("server", r.config.ServerID, "key", r.config.LockfilePath)
}
