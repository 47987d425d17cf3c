//go:build linux

package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// idleRow is what a node in a process of its own uses while nothing is asked of its cluster.
type idleRow struct {
	Store      string        `json:"store"`
	Role       string        `json:"role"`
	Goroutines int           `json:"goroutines"`
	Heap       uint64        `json:"heap"`
	RSS        uint64        `json:"rss"`
	CPU        time.Duration `json:"cpu"`      // per minute
	Messages   float64       `json:"messages"` // sent per second
}

// settling is how long a new cluster is left alone before it is looked at.
const settling = 2 * time.Second

// idle watches clusters of all stores at the same time: they do next to nothing.
func (b *bench) idle(ctx context.Context) error {
	rows := make([][]idleRow, len(b.options.stores))
	errs := make([]error, len(b.options.stores))
	var wait sync.WaitGroup
	for i, store := range b.options.stores {
		wait.Go(func() { rows[i], errs[i] = b.idleOn(ctx, store) })
	}
	wait.Wait()
	for _, of := range rows {
		b.result.Idle = append(b.result.Idle, of...)
	}
	return errors.Join(errs...)
}

func (b *bench) idleOn(ctx context.Context, store string) (rows []idleRow, err error) {
	const defaultElection = 500 * time.Millisecond
	k, err := startProcesses(ctx, b.place, store, defaultElection)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	if err := pause(ctx, settling); err != nil {
		return nil, err
	}
	before, err := k.usages()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := pause(ctx, b.options.idle); err != nil {
		return nil, err
	}
	after, err := k.usages()
	if err != nil {
		return nil, err
	}
	watched := time.Since(began)
	seen := map[string]bool{}
	for i, u := range after {
		role := "follower"
		if u.Leader {
			role = "leader"
		}
		if seen[role] {
			continue // one follower is like the other
		}
		seen[role] = true
		rows = append(rows, idleRow{
			Store: store, Role: role, Goroutines: u.Goroutines, Heap: u.Heap, RSS: u.RSS,
			CPU:      time.Duration(float64(u.CPU-before[i].CPUAfter) / watched.Minutes()),
			Messages: float64(u.Messages-before[i].Messages) / watched.Seconds(),
		})
	}
	return rows, nil
}

func (k *killable) usages() ([]usage, error) {
	var all []usage
	for _, p := range k.processes {
		u, err := usageOf(p)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}
