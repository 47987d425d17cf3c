package election

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// mostPending is the number of transitions that may wait for callbacks. More than that is one that hangs, and only the newest
// transition is of use to whoever wakes up then.
const mostPending = 64

// callbacks calls the functions of a Config one at a time, in the order of the transitions.
type callbacks struct {
	config Config
	report func(error)
	// abandon is closed when callbacks that are overdue are not waited for any more.
	abandon chan struct{}

	mu      sync.Mutex
	pending []step
	wake    chan struct{}

	told State // the state that has been entered last; empty between two
}

// step is a transition and, if it begins one, the context of the leadership.
type step struct {
	Transition
	leadership context.Context
}

func newCallbacks(c Config, report func(error)) *callbacks {
	return &callbacks{config: c, report: report, abandon: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// push never blocks.
func (c *callbacks) push(s step) {
	c.mu.Lock()
	late := len(c.pending) == mostPending
	if late {
		c.pending = c.pending[:0]
	}
	c.pending = append(c.pending, s)
	c.mu.Unlock()
	if late {
		c.report(fmt.Errorf("%w: %d of them", ErrCallbacksLate, mostPending))
	}
	signal(c.wake)
}

// signal wakes whoever waits, now or when it looks next.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// run ends after the step to StateStopped. An error says that a callback was left behind that has not returned.
func (c *callbacks) run(ctx context.Context) error {
	for range c.wake {
		for {
			next, found := c.next()
			if !found {
				break
			}
			if err := c.take(ctx, next); err != nil || next.To == StateStopped {
				return err
			}
		}
	}
	return nil
}

func (c *callbacks) next() (step, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 {
		return step{}, false
	}
	first := c.pending[0]
	c.pending = c.pending[1:]
	return first, true
}

// take tells of one step. A leadership that is over before its turn has come is not told of.
func (c *callbacks) take(ctx context.Context, s step) error {
	if s.over() || s.To == c.told && s.To != StateLeader {
		return nil
	}
	if c.told != "" {
		s.From = c.told
		if err := c.call(ctx, "Leave", c.told, s); err != nil {
			return err
		}
	}
	c.told = ""
	if s.over() {
		return nil
	}
	c.told = s.To
	return c.call(ctx, "Enter", s.To, s)
}

// over says whether a leadership has ended that the step begins.
func (s step) over() bool { return s.To == StateLeader && s.leadership.Err() != nil }

// call calls one function and waits for it. The error says that it was left behind.
func (c *callbacks) call(ctx context.Context, kind string, state State, s step) error {
	name, f := c.function(kind, state)
	if f == nil {
		return nil
	}
	failed := func(err error) error { return &CallbackError{Callback: name, Transition: s.Transition, Err: err} }
	if name == "EnterLeader" {
		ctx = s.leadership
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.config.CallBackTimeout)
		defer cancel()
	}
	returned := make(chan error, 1)
	go func() { returned <- f(ctx, s.Transition) }()
	overdue := time.NewTimer(c.config.CallBackTimeout)
	defer overdue.Stop()
	var err error
	select {
	case err = <-returned:
	case <-overdue.C:
		c.report(failed(fmt.Errorf("%w: %v", ErrCallbackOverdue, c.config.CallBackTimeout)))
		select {
		case err = <-returned:
		case <-c.abandon:
			return failed(fmt.Errorf("%w, and is left behind", ErrCallbackOverdue))
		}
	}
	if err != nil {
		c.report(failed(err))
	}
	return nil
}

// function is the callback for a change, and its name.
func (c *callbacks) function(kind string, state State) (string, Callback) {
	switch kind + string(state) {
	case "Enter" + string(StateLeader):
		return "EnterLeader", c.config.EnterLeader
	case "Leave" + string(StateLeader):
		return "LeaveLeader", c.config.LeaveLeader
	case "Enter" + string(StateFollower):
		return "EnterFollower", c.config.EnterFollower
	case "Leave" + string(StateFollower):
		return "LeaveFollower", c.config.LeaveFollower
	case "Enter" + string(StateCandidate):
		return "EnterCandidate", c.config.EnterCandidate
	case "Leave" + string(StateCandidate):
		return "LeaveCandidate", c.config.LeaveCandidate
	}
	return "", nil // nothing is called for a node that is stopped
}
