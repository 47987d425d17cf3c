package arena

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Errors that a sender sees.
var (
	errReset = errors.New("connection reset by peer")
	errDead  = errors.New("the process is dead")
)

// request is one request at a node's border.
type request[T any] struct {
	write bool
	serve func(ctx context.Context, torn time.Duration) T // by the store
	// status makes the answer that the store gives instead of serving; nil if there is no such answer.
	status func(code int) T
	// refused reports whether the store has not met the request's condition.
	refused func(T) bool
}

// outcome is what the sender hears.
type outcome[T any] struct {
	answer T
	err    error
}

// send takes a request over the node's border to the store and its answer back. It returns when the answer has
// arrived, or ctx has ended; but not while the process is frozen.
func send[T any](ctx context.Context, n *Node, r request[T]) (T, error) {
	var none T
	if !n.cross() {
		return none, errDead
	}
	f := n.arena.draw(n, r.write, r.status != nil)
	began := time.Now()
	answered := make(chan outcome[T], 1)
	n.arena.under.Go(func() { travel(ctx, n, r, f, answered) })
	var o outcome[T]
	select {
	case o = <-answered:
	case <-ctx.Done():
		o.err = fmt.Errorf("request: %w", context.Cause(ctx))
	case <-n.died:
		o.err = errDead
	}
	n.arena.count(r.write, o.err == nil && r.refused(o.answer), time.Since(began))
	if !n.cross() {
		return none, errDead
	}
	return o.answer, o.err
}

// travel is the way of a request, whatever its sender does meanwhile.
func travel[T any](ctx context.Context, n *Node, r request[T], f fate, answered chan<- outcome[T]) {
	n.arena.sleep(f.there)
	switch {
	case f.lost:
		return
	case f.broken:
		n.arena.sleep(f.back)
		answered <- outcome[T]{err: errReset}
		return
	case f.code != 0:
		n.arena.sleep(f.back)
		answered <- outcome[T]{answer: r.status(f.code)}
		return
	case f.late > 0:
		answered <- outcome[T]{err: errReset}
		n.arena.sleep(f.late)
		r.serve(context.WithoutCancel(ctx), 0)
		return
	}
	answer := r.serve(ctx, f.torn)
	n.arena.sleep(f.back)
	if way, _ := n.ways(); way == hanging || f.unheard {
		return
	}
	if f.cutOff {
		answered <- outcome[T]{err: errReset}
		return
	}
	answered <- outcome[T]{answer: answer}
}

func (a *Arena) count(write, refused bool, took time.Duration) {
	a.mu.Lock()
	if write {
		a.counts.Writes++
	} else {
		a.counts.Reads++
	}
	if refused {
		a.counts.Refused++
	}
	a.mu.Unlock()
	if a.options.Seen != nil {
		a.options.Seen(write, took, refused)
	}
}

// latency is that of a round trip, split between there and back.
func (a *Arena) latency(r *rand.Rand, write bool) (there, back time.Duration) {
	if a.options.Server != nil {
		return 0, 0 // a real server has its own
	}
	var d time.Duration
	if a.options.Delay != nil {
		d = a.options.Delay(r, write)
	} else {
		d = between(r, a.options.Latency[0], a.options.Latency[1])
	}
	there = time.Duration(r.Float64() * float64(d))
	return there, d - there
}
