//go:build linux

package main

import (
	"context"
	"errors"
	"time"
)

// handover measures how long a cluster commits nothing when its leader is asked to hand leadership on, and when it
// is stopped.
func (b *bench) handover(ctx context.Context) error {
	for _, election := range elections {
		if err := b.handoverOf(ctx, election); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) handoverOf(ctx context.Context, election time.Duration) (err error) {
	c, err := startCluster(ctx, b.place, clusterConfig{store: defaultStore, transport: newTransport("tcp"), election: election})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	var transfers, afterTransfers, afterStops []time.Duration
	for range b.options.handovers {
		began := time.Now()
		if err := c.leader.TransferLeadership(ctx, ""); err != nil {
			return err
		}
		transfers = append(transfers, time.Since(began))
		delay, err := c.firstWrite(ctx, c.leader.ID(), began)
		if err != nil {
			return err
		}
		afterTransfers = append(afterTransfers, delay)
		if err := c.Ready(ctx); err != nil {
			return err
		}
	}
	for range b.options.handovers {
		delay, err := c.stopLeader(ctx)
		if err != nil {
			return err
		}
		afterStops = append(afterStops, delay)
	}
	b.result.Handover = append(b.result.Handover,
		newDelayRow("`TransferLeadership`, until it returns", election, transfers),
		newDelayRow("`TransferLeadership`, until the next leader has committed", election, afterTransfers),
		newDelayRow("`Stop` of the leader, until the next one has committed", election, afterStops))
	return nil
}

// stopLeader returns how long it took from the call until another node had committed, and starts the node again.
func (c *cluster) stopLeader(ctx context.Context) (time.Duration, error) {
	var leader *member
	for _, m := range c.members {
		if m.node == c.leader {
			leader = m
		}
	}
	gone := leader.peer.ID
	began := time.Now()
	stopped := make(chan error, 1)
	node := leader.node
	leader.node = nil
	go func() { stopped <- node.Stop(ctx) }()
	delay, err := c.firstWrite(ctx, gone, began)
	if err := errors.Join(err, <-stopped, leader.storage.Close()); err != nil {
		return 0, err
	}
	if err := c.start(ctx, leader); err != nil {
		return 0, err
	}
	// It holds its vote back at first, and nobody restarts a node a few milliseconds after another one.
	select {
	case <-time.After(leader.node.Timing().ElectionMin):
	case <-ctx.Done():
	}
	return delay, c.Ready(ctx)
}
