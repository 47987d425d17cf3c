package directory

import (
	"context"
	"fmt"
	"maps"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

// held is a registration with the goroutine that keeps it.
type held struct {
	registration Registration
	cancel       context.CancelFunc
	done         chan struct{}
}

// Register begins to keep a node on the list, and returns the outcome of the first attempt. After a failure it goes on trying.
func (c *Client) Register(ctx context.Context, node discovery.Node) error {
	if err := node.Validate(); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	r, ctx, leave, err := c.enter(ctx)
	if err != nil {
		return fmt.Errorf("register %s: %w", node.ID, err)
	}
	defer leave()
	if err := r.take(ctx); err != nil {
		return fmt.Errorf("register %s: %w", node.ID, err)
	}
	defer r.give()

	// What an earlier registration has put on the list stays there until this one replaces it.
	r.release(node.ID)
	node.Tags = maps.Clone(node.Tags)
	first := make(chan error, 1)
	h := &held{registration: c.source.Register(node), done: make(chan struct{})}
	holdCtx, cancel := context.WithCancel(r.ctx)
	h.cancel = cancel
	r.held[node.ID] = h
	r.work.Add(1) // this call is still under way, so that Stop cannot have been through
	go func() {
		defer r.work.Done()
		defer close(h.done)
		c.hold(holdCtx, h.registration, first)
	}()

	select {
	case err := <-first:
		if err != nil {
			return fmt.Errorf("register %s: %v: %w", node.ID, c.source, because(ctx, err))
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("register %s: %v: %w", node.ID, c.source, context.Cause(ctx))
	}
}

// hold tries again after every failure, and tells first the first outcome.
func (c *Client) hold(ctx context.Context, registration Registration, first chan<- error) {
	var pause backoff
	out := outage{logger: c.logger, source: c.source.String()}
	tell := func(err error) {
		select {
		case first <- err: // has room for one, which is all that is read
		default:
		}
	}
	for ctx.Err() == nil {
		err := registration.Keep(ctx, func() {
			out.end("node is registered again")
			pause.reset()
			tell(nil)
		})
		tell(because(ctx, err))
		if ctx.Err() != nil {
			return
		}
		out.begin("node cannot be kept registered", err)
		pause.wait(ctx)
	}
}

// Unregister takes a node off the list.
func (c *Client) Unregister(ctx context.Context, id string) error {
	if err := discovery.CheckID(id); err != nil {
		return fmt.Errorf("unregister: %w", err)
	}
	r, ctx, leave, err := c.enter(ctx)
	if err != nil {
		return fmt.Errorf("unregister %s: %w", id, err)
	}
	defer leave()
	if err := r.take(ctx); err != nil {
		return fmt.Errorf("unregister %s: %w", id, err)
	}
	defer r.give()

	if h := r.release(id); h != nil {
		err = h.registration.Withdraw(ctx)
	} else {
		err = c.source.Remove(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("unregister %s: %v: %w", id, c.source, because(ctx, err))
	}
	return nil
}

// release ends the goroutine that keeps a node, if there is one. The node stays on the list.
func (r *run) release(id string) *held {
	h := r.held[id]
	if h == nil {
		return nil
	}
	h.cancel()
	<-h.done
	delete(r.held, id)
	return h
}

// take waits for the turn to register or unregister.
func (r *run) take(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *run) give() { <-r.turn }
