package measure

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

// Leading starts a contender alone, in real time, and waits until it leads. Close the arena.
func Leading(ctx context.Context, c contender.Contender, s contender.Settings) (*arena.Arena, arena.Candidate, error) {
	a := arena.New(arena.Options{Seed: 1, Latency: [2]time.Duration{time.Microsecond, 2 * time.Microsecond}})
	n := a.Add()
	candidate, err := c.New(n, s)
	if err != nil {
		a.Close()
		return nil, nil, err
	}
	if err := n.Run(candidate); err != nil {
		a.Close()
		return nil, nil, err
	}
	for !candidate.Leads() {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			a.Close()
			return nil, nil, errors.Join(errors.New("nobody leads"), context.Cause(ctx))
		}
	}
	return a, candidate, nil
}

// Question asks so often on each of some processors, all at once, and returns the time between two answers, whichever
// processor gave them, in nanoseconds.
func Question(ask func() bool, processors, times int) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for range processors {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			for range times {
				ask()
			}
		})
	}
	ready.Wait()
	began := time.Now()
	close(start)
	done.Wait()
	return float64(time.Since(began).Nanoseconds()) / float64(processors*times)
}
