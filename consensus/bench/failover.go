//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// elections are the least election time-outs failovers are measured with: a short one and the default.
var elections = []time.Duration{150 * time.Millisecond, 500 * time.Millisecond}

// failover measures how long a cluster commits nothing after its leader is cut off, and after its process is killed: until
// another node has committed its first command.
func (b *bench) failover(ctx context.Context) error {
	for _, election := range elections {
		for _, kind := range []struct {
			what  string
			start func(ctx context.Context, election time.Duration) (victims, error)
		}{
			{"the leader is cut off from the network", b.startCuttable},
			{"the leader's process is killed", b.startKillable},
		} {
			row, err := b.manyTimes(ctx, kind.what, election, kind.start)
			if err != nil {
				return fmt.Errorf("%s, %v: %w", kind.what, election, err)
			}
			b.result.Failover = append(b.result.Failover, row)
			progress("%s, %v: p50 %v, p99 %v", row.What, row.Election, row.P50, row.P99)
		}
	}
	return nil
}

// victims is a cluster whose leader can be lost.
type victims interface {
	// lose takes the leader away and returns how long it took until another one had committed.
	lose(ctx context.Context) (time.Duration, error)
	// recover brings it back and waits until all members are well.
	recover(ctx context.Context) error
	Close() error
}

// manyTimes loses leaders in several clusters at once: most of the time nothing happens in them.
func (b *bench) manyTimes(ctx context.Context, what string, election time.Duration, start func(context.Context, time.Duration) (victims, error)) (delayRow, error) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	var delays []time.Duration
	clusters := min(b.options.clusters, b.options.failovers)
	errs := make([]error, clusters)
	left := make(chan struct{}, b.options.failovers)
	for range b.options.failovers {
		left <- struct{}{}
	}
	close(left)
	for i := range clusters {
		wait.Go(func() {
			errs[i] = loseAll(ctx, election, start, left, func(delay time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				delays = append(delays, delay)
			})
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return delayRow{}, err
	}
	return newDelayRow(what, election, delays), nil
}

func newDelayRow(what string, election time.Duration, delays []time.Duration) delayRow {
	slices.Sort(delays)
	return delayRow{
		What: what, Election: election, Runs: len(delays),
		P50: quantile(delays, 0.5), P99: quantile(delays, 0.99), Max: delays[len(delays)-1],
	}
}

func loseAll(ctx context.Context, election time.Duration, start func(context.Context, time.Duration) (victims, error), left <-chan struct{}, report func(time.Duration)) (err error) {
	v, err := start(ctx, election)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	for range left {
		// The loss comes at any moment between two heartbeats.
		if err := pause(ctx, time.Duration(rand.Int64N(int64(election/5)))); err != nil { //nolint:gosec // no secret
			return err
		}
		delay, err := v.lose(ctx)
		if err != nil {
			return err
		}
		report(delay)
		if err := v.recover(ctx); err != nil {
			return err
		}
	}
	return nil
}

// cuttable is a cluster in this process.
type cuttable struct {
	*cluster
	network *network
}

func (b *bench) startCuttable(ctx context.Context, election time.Duration) (victims, error) {
	n := newNetwork(newTransport("tcp"))
	c, err := startCluster(ctx, b.place, clusterConfig{store: defaultStore, transport: n, election: election})
	if err != nil {
		return nil, err
	}
	return &cuttable{c, n}, nil
}

func (c *cuttable) lose(ctx context.Context) (time.Duration, error) {
	gone := c.leader.ID()
	began := time.Now()
	c.network.cut(gone)
	return c.firstWrite(ctx, gone, began)
}

// firstWrite returns how long after a moment another member than the one that is gone has committed a command.
func (c *cluster) firstWrite(ctx context.Context, gone string, began time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	type answer struct {
		led  bool
		err  error
		when time.Time
	}
	answers := make(chan answer, len(c.members))
	asked := 0
	for _, m := range c.members {
		if m.node == nil || m.node.ID() == gone {
			continue
		}
		asked++
		go func() {
			led, err := takeOver(ctx, m.node, gone)
			answers <- answer{led, err, time.Now()}
		}()
	}
	var errs []error
	for range asked {
		a := <-answers
		if a.led {
			return a.when.Sub(began), nil
		}
		errs = append(errs, a.err)
	}
	return 0, errors.Join(append(errs, errors.New("nobody has taken over"))...)
}

func (c *cuttable) recover(ctx context.Context) error {
	c.network.heal()
	return c.Ready(ctx)
}
