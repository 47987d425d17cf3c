//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// call is one request of a client, numbered from 0.
type call func(ctx context.Context, client int) error

// load keeps a number of clients busy, each with one request at a time. What ends within the length of a round is
// counted, after a warm-up of a tenth of it. The first error ends the round.
func load(ctx context.Context, clients int, length time.Duration, do call) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, length+time.Minute)
	defer cancel()
	begin := time.Now().Add(length / 10)
	end := begin.Add(length)

	before := cpuTime()
	began := time.Now()
	latencies := make([][]time.Duration, clients)
	errs := make([]error, clients)
	var wait sync.WaitGroup
	for client := range clients {
		wait.Go(func() {
			latencies[client], errs[client] = oneClient(ctx, client, begin, end, do)
			if errs[client] != nil {
				cancel()
			}
		})
	}
	wait.Wait()
	if err := firstCause(errs); err != nil {
		return sample{}, err
	}
	cpu := (cpuTime() - before).Seconds() / time.Since(began).Seconds()
	var all []time.Duration
	for _, l := range latencies {
		all = append(all, l...)
	}
	if len(all) == 0 {
		return sample{}, fmt.Errorf("no request of %d clients ended within %v", clients, length)
	}
	return newSample(all, length, cpu), nil
}

func oneClient(ctx context.Context, client int, begin, end time.Time, do call) ([]time.Duration, error) {
	var latencies []time.Duration
	for sent := time.Now(); ; {
		if err := do(ctx, client); err != nil {
			return nil, err
		}
		now := time.Now()
		if now.After(end) {
			return latencies, nil
		}
		if now.After(begin) {
			latencies = append(latencies, now.Sub(sent))
		}
		sent = now
	}
}

// firstCause prefers an error that is not merely the end of the others.
func firstCause(errs []error) error {
	var first error
	for _, err := range errs {
		if err == nil {
			continue
		}
		if first == nil || isCancelled(first) {
			first = err
		}
	}
	return first
}
