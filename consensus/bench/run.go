//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// bench is one run.
type bench struct {
	options options
	place   *place
	result  *result
}

// part is one of the measurements.
type part struct {
	name    string
	measure func(b *bench, ctx context.Context) error
}

// parts are all measurements, in their order.
func parts() []part {
	return []part{
		{"commits", (*bench).commits},
		{"overhead", (*bench).overhead},
		{"reads", (*bench).reads},
		{"failover", (*bench).failover},
		{"handover", (*bench).handover},
		{"restore", (*bench).restore},
		{"idle", (*bench).idle},
	}
}

func allParts() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// run measures and writes the result. What has been measured before an error is written, too.
func run(ctx context.Context, o options) (err error) {
	p, err := newPlace(o.directory)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	b := &bench{options: o, place: p, result: &result{Head: newHead(ctx, o, p.directory)}}
	began := time.Now()
	for _, part := range parts() {
		if !slices.Contains(o.parts, part.name) {
			continue
		}
		since := time.Now()
		if measureErr := part.measure(b, ctx); measureErr != nil {
			err = errors.Join(err, fmt.Errorf("measure %s: %w", part.name, measureErr))
		}
		progress("%s took %v", part.name, time.Since(since).Round(time.Second))
		if ctx.Err() != nil {
			break
		}
	}
	b.result.Head.Took = time.Since(began).Round(time.Second).String()
	return errors.Join(err, b.result.write(o))
}

func progress(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, arguments...)...)
}

// round puts a target under load. A leadership that is lost, which happens when the machine is busy with something else,
// costs the round and not the run.
func round(ctx context.Context, t target, clients int, length time.Duration, do call) (sample, error) {
	const attempts = 4
	var err error
	for attempt := range attempts {
		var s sample
		if s, err = load(ctx, clients, length, do); err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return sample{}, ctx.Err()
		}
		progress("round with %d clients failed (%d of %d): %v", clients, attempt+1, attempts, err)
		if readyErr := t.Ready(ctx); readyErr != nil {
			return sample{}, errors.Join(err, readyErr)
		}
	}
	return sample{}, err
}

// writes is the load of commits.
func writes(t target, size int) call {
	data := make([]byte, size)
	return func(ctx context.Context, client int) error { return t.Write(ctx, client, data) }
}

// shuffledBy returns the indexes up to n, in one order and the next time in the other, so that what the machine does
// over time does not favour one.
func shuffledBy(round, n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}
