//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// clusterConfig is what a cluster of our nodes in this process is made of.
type clusterConfig struct {
	store     string
	transport transport.Transport
	// election is the least election time-out. In rounds under load it is long, so that a busy machine does not look like
	// a dead leader.
	election time.Duration
	// nonVoters is how many nodes without a vote there are besides the others.
	nonVoters int
}

// loadElection is the election time-out under load, of ours and of the bare engine.
const loadElection = time.Second

// rarely keeps snapshots out of the rounds: they are taken between them.
const rarely = 24 * time.Hour

// cluster is our nodes in this process.
type cluster struct {
	config  clusterConfig
	peers   []consensus.PeerConfig
	members []*member
	leader  *consensus.Node
}

// member is a node and what it stands on.
type member struct {
	peer    consensus.PeerConfig
	disk    *disk
	storage storage.Storage
	node    *consensus.Node
}

func startCluster(ctx context.Context, p *place, config clusterConfig) (*cluster, error) {
	peers, err := freePeers(nodesPerCluster + config.nonVoters)
	if err != nil {
		return nil, err
	}
	for i := range peers {
		peers[i].NonVoter = i >= nodesPerCluster
	}
	c := &cluster{config: config, peers: peers}
	for _, peer := range peers {
		d, err := p.newDisk(ctx, config.store)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		m := &member{peer: peer, disk: d}
		c.members = append(c.members, m)
		if err := c.start(ctx, m); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if err := c.Ready(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// start starts a member, for the first time or again.
func (c *cluster) start(ctx context.Context, m *member) error {
	var err error
	if m.storage, err = m.disk.open(ctx); err != nil {
		return err
	}
	m.node, err = consensus.New(
		consensus.WithNodeID(m.peer.ID),
		consensus.WithBindAddress(m.peer.Address, m.peer.Port),
		consensus.WithPeers(c.peers),
		consensus.WithStateMachine(&counter{}),
		consensus.WithStorage(m.storage),
		consensus.WithTransport(c.config.transport),
		consensus.WithElectionTimeoutMin(c.config.election),
		consensus.WithSnapshotInterval(rarely),
		consensus.WithLogger(quiet()),
	)
	if err != nil {
		return err
	}
	return m.node.Start(ctx)
}

// stop ends a member, whose data stay.
func (c *cluster) stop(ctx context.Context, m *member) error {
	var errs []error
	if m.node != nil {
		errs = append(errs, m.node.Stop(ctx))
	}
	if m.storage != nil {
		errs = append(errs, m.storage.Close())
	}
	m.node, m.storage = nil, nil
	return errors.Join(errs...)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Ready implements target: all members must have answered a leader that commits.
func (c *cluster) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		for _, m := range c.members {
			if !m.node.IsLeader() || m.node.GetClusterInfo().HealthyNodes < len(c.members) {
				continue
			}
			if err := m.node.Apply(ctx, consensus.Command{Type: "ready"}); err == nil {
				c.leader = m.node
				return nil
			}
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("nobody leads: %w", err)
		}
	}
}

// Write implements target.
func (c *cluster) Write(ctx context.Context, _ int, data []byte) error {
	return c.leader.Apply(ctx, consensus.Command{Type: "set", Data: data})
}

// Read implements target.
func (c *cluster) Read(ctx context.Context, _ int) error {
	_, err := c.leader.Read(ctx, nil)
	return err
}

// Compact implements target.
func (c *cluster) Compact(ctx context.Context) error {
	for _, m := range c.members {
		if err := m.node.Snapshot(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close implements target.
func (c *cluster) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	for _, m := range c.members {
		errs = append(errs, c.stop(ctx, m))
	}
	for _, m := range c.members {
		errs = append(errs, m.disk.remove(ctx))
	}
	return errors.Join(errs...)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
