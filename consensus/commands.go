package consensus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// commands gives the engine the commands of all callers and waits for what comes of them, with one goroutine for each
// of the two: the engine knows no contexts, so that callers cannot call it themselves, and a goroutine for every command
// would cost more than all else that is done for it here. Commands are waited for in the order in which the engine gets
// them, which is the order of the log: otherwise one that comes later would hold up others that have long been applied.
type commands struct {
	mu     sync.Mutex
	queue  []*queued // what the engine is to get
	ended  bool
	wanted chan struct{} // tells submit; has room for one
	handed chan *queued  // what it has got
	spare  sync.Pool     // of *queued

	held    atomic.Bool   // while leadership is handed on, the engine gets none
	pending atomic.Int64  // the engine has, and has not answered
	idle    chan struct{} // tells hold that there may be none; has room for one
}

// queued is a command that somebody waits for.
type queued struct {
	encoded []byte
	future  raft.ApplyFuture // once the engine has got it
	answer  chan error       // has room for one
}

// inFlight is how many commands the engine may have at once.
const inFlight = 4096

// errBusy says that the engine has not got a command, and will not.
var errBusy = errors.New("the engine is busy and has not taken the command")

// errEnded says the same because the engine has ended.
var errEnded = errors.New("the engine has ended")

func newCommands() *commands {
	return &commands{wanted: make(chan struct{}, 1), handed: make(chan *queued, inFlight), idle: make(chan struct{}, 1)}
}

// do waits for a command until ctx or the engine ends, and returns the response of the applier.
func (c *commands) do(ctx context.Context, encoded []byte) (any, error) {
	mine, ok := c.spare.Get().(*queued)
	if !ok {
		mine = &queued{answer: make(chan error, 1)}
	}
	mine.encoded = encoded
	if err := c.enqueue(mine); err != nil {
		return nil, err
	}
	select {
	case err := <-mine.answer:
		var response any
		if err == nil {
			response = mine.future.Response()
		}
		mine.encoded, mine.future = nil, nil
		c.spare.Put(mine)
		return response, err
	case <-ctx.Done():
		if c.withdraw(mine) {
			return nil, fmt.Errorf("%w: %w", errBusy, ctx.Err())
		}
		return nil, ctx.Err()
	}
}

func (c *commands) enqueue(added *queued) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return errEnded
	}
	if c.queue = append(c.queue, added); len(c.queue) == 1 {
		select {
		case c.wanted <- struct{}{}:
		default:
		}
	}
	return nil
}

// withdraw says whether the engine has not got a command, and then it will not.
func (c *commands) withdraw(unwanted *queued) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.queue, unwanted)
	if i < 0 {
		return false
	}
	c.queue = slices.Delete(c.queue, i, i+1)
	return true
}

// submit runs until the engine has ended. The engine may make it wait.
func (c *commands) submit(engine *raft.Raft, engineEnded <-chan struct{}) {
	defer close(c.handed)
	var batch []*queued
	for ended := false; !ended; {
		select {
		case <-c.wanted:
		case <-engineEnded:
			ended = true
		}
		c.mu.Lock()
		batch, c.queue, c.ended = c.queue, batch[:0], ended
		c.mu.Unlock()
		for _, next := range batch {
			c.pending.Add(1) // before the look at held, see hold
			if c.held.Load() {
				c.settled()
				next.answer <- errHandingOn
				continue
			}
			next.future = engine.Apply(next.encoded, 0)
			c.handed <- next
		}
		clear(batch)
	}
}

// wait answers what submit has handed on.
func (c *commands) wait(engineEnded chan struct{}) {
	for next := range c.handed {
		endWith(next.future, engineEnded)
		err := next.future.Error()
		c.settled()
		next.answer <- err
	}
}

func (c *commands) settled() {
	if c.pending.Add(-1) == 0 {
		select {
		case c.idle <- struct{}{}:
		default:
		}
	}
}

// hold keeps all commands from the engine until release. It returns once the engine has answered those it has, which are in its
// log long before, or after a time.
func (c *commands) hold(ctx context.Context, atMost time.Duration) {
	c.held.Store(true)
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	for c.pending.Load() > 0 {
		select {
		case <-c.idle:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (c *commands) release() { c.held.Store(false) }
