// Package abandon makes calls that end with their context, whatever they do: one that does not heed it
// is left behind, in a goroutine of its own, and returns when it likes.
package abandon

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// ErrTooMany says that a call was not made because too many have not returned.
var ErrTooMany = errors.New("too many calls have not returned")

// Limit bounds how many calls are under way, those that were left behind among them.
type Limit struct {
	max      int64
	underWay atomic.Int64
}

// NewLimit returns a limit of most calls.
func NewLimit(most int) *Limit { return &Limit{max: int64(most)} }

// inside marks the context of a call that can be left behind.
type inside struct{}

// Inside reports whether the context is that of a call that can be left behind.
func Inside(ctx context.Context) bool { return ctx.Value(inside{}) != nil }

// outcome is what a call has returned, or the panic that has ended it.
type outcome[T any] struct {
	value T
	err   error
	fault error
}

// Call calls fn and returns what it returns, or the context's error once that has ended. A Call within
// fn, with its context or one derived from it, is made directly: it is left behind with the outer one.
// A panic of fn is the caller's, and nobody's once the call was left behind.
func Call[T any](ctx context.Context, limit *Limit, fn func(ctx context.Context) (T, error)) (result T, err error) {
	switch {
	case ctx.Done() == nil || Inside(ctx):
		return fn(ctx)
	case ctx.Err() != nil:
		return result, ctx.Err()
	case limit.underWay.Add(1) > limit.max:
		limit.underWay.Add(-1)
		return result, ErrTooMany
	}
	done := make(chan outcome[T], 1)
	go func() {
		defer limit.underWay.Add(-1)
		done <- caught(context.WithValue(ctx, inside{}, true), fn)
	}()
	select {
	case o := <-done:
		if o.fault != nil {
			panic(o.fault)
		}
		return o.value, o.err
	case <-ctx.Done():
		return result, ctx.Err()
	}
}

// caught has no panic end the process: its caller may be gone.
func caught[T any](ctx context.Context, fn func(context.Context) (T, error)) (o outcome[T]) {
	defer func() {
		if cause := recover(); cause != nil {
			o.fault = fmt.Errorf("%v\n%s", cause, debug.Stack())
		}
	}()
	o.value, o.err = fn(ctx)
	return o
}
