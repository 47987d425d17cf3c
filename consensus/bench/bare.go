//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftstore"
	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// bare is three nodes of the engine alone: the same storage, the same transport and the same configuration as ours, and
// nothing of ours around it.
type bare struct {
	engines []*raft.Raft
	leader  *raft.Raft
	closers []func() error // in reverse order
}

// bareParts is what an engine is built from.
type bareParts struct {
	log       raft.LogStore
	stable    raft.StableStore
	snapshots raft.SnapshotStore
	transport raft.Transport
}

// engineConfig is what a node of ours gives its engine.
func engineConfig(id string) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(id)
	c.HeartbeatTimeout = loadElection
	c.ElectionTimeout = loadElection
	c.LeaderLeaseTimeout = loadElection
	c.MaxAppendEntries = 64
	c.BatchApplyCh = true
	c.SnapshotInterval = rarely
	c.ShutdownOnRemove = false
	c.NoLegacyTelemetry = true
	c.Logger = hclog.NewNullLogger()
	return c
}

// startBare starts the engine on a storage and a transport of ours.
func startBare(ctx context.Context, p *place, store string, t transport.Transport) (*bare, error) {
	return startEngines(ctx, func(b *bare, id, address string) (bareParts, error) {
		return b.ourParts(ctx, p, store, t, id, address)
	})
}

func (b *bare) ourParts(ctx context.Context, p *place, store string, t transport.Transport, id, address string) (bareParts, error) {
	d, err := p.newDisk(ctx, store)
	if err != nil {
		return bareParts{}, err
	}
	opened, err := d.open(ctx)
	if err != nil {
		return bareParts{}, err
	}
	b.closers = append(b.closers, func() error {
		return errors.Join(opened.Close(), d.remove(context.Background()))
	})
	kept, err := raftstore.New(opened)
	if err != nil {
		return bareParts{}, err
	}
	snapshots, err := raftstore.Snapshots(opened, 2, quiet())
	if err != nil {
		return bareParts{}, err
	}
	endpoint, err := t.Open(transport.Config{
		ClusterID: "bare", NodeID: id, Bind: address, Timeout: loadElection, MaxMessage: 66 << 20, Logger: quiet(),
	})
	if err != nil {
		return bareParts{}, err
	}
	b.closers = append(b.closers, endpoint.Close)
	cache, err := raft.NewLogCache(512, kept)
	return bareParts{log: cache, stable: kept, snapshots: snapshots, transport: endpoint}, err
}

// startReference starts the engine with what it brings: its log in memory and its own TCP transport.
func startReference(ctx context.Context) (*bare, error) {
	return startEngines(ctx, func(b *bare, _, address string) (bareParts, error) {
		t, err := raft.NewTCPTransport(address, nil, 3, loadElection, io.Discard)
		if err != nil {
			return bareParts{}, err
		}
		b.closers = append(b.closers, t.Close)
		store := raft.NewInmemStore()
		return bareParts{log: store, stable: store, snapshots: raft.NewInmemSnapshotStore(), transport: t}, nil
	})
}

// build makes the parts of the node with an ID and an address.
type build func(b *bare, id, address string) (bareParts, error)

func startEngines(ctx context.Context, parts build) (*bare, error) {
	peers, err := freePeers(nodesPerCluster)
	if err != nil {
		return nil, err
	}
	var members raft.Configuration
	for _, peer := range peers {
		address := net.JoinHostPort(peer.Address, strconv.Itoa(peer.Port))
		members.Servers = append(members.Servers, raft.Server{ID: raft.ServerID(peer.ID), Address: raft.ServerAddress(address)})
	}
	b := &bare{}
	for _, member := range members.Servers {
		if err := b.start(parts, member, members); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	if err := b.Ready(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *bare) start(parts build, self raft.Server, members raft.Configuration) error {
	built, err := parts(b, string(self.ID), string(self.Address))
	if err != nil {
		return err
	}
	config := engineConfig(string(self.ID))
	if err := raft.BootstrapCluster(config, built.log, built.stable, built.snapshots, built.transport, members); err != nil {
		return err
	}
	engine, err := raft.NewRaft(config, &bareCounter{}, built.log, built.stable, built.snapshots, built.transport)
	if err != nil {
		return err
	}
	b.engines = append(b.engines, engine)
	b.closers = append(b.closers, func() error { return engine.Shutdown().Error() })
	return nil
}

// Ready implements target.
func (b *bare) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		for _, engine := range b.engines {
			if engine.State() == raft.Leader && engine.Barrier(time.Minute).Error() == nil {
				b.leader = engine
				return nil
			}
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("no bare engine leads: %w", err)
		}
	}
}

// Write implements target. The engine keeps what it is given, so that a client needs a copy for each command; ours makes
// one by itself.
func (b *bare) Write(_ context.Context, _ int, data []byte) error {
	return b.leader.Apply(slices.Clone(data), 0).Error()
}

// Read implements target. The engine has no reads; this is the nearest to one.
func (b *bare) Read(context.Context, int) error { return b.leader.VerifyLeader().Error() }

// Compact implements target.
func (b *bare) Compact(context.Context) error {
	for _, engine := range b.engines {
		if err := engine.Snapshot().Error(); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
			return err
		}
	}
	return nil
}

// Close implements target.
func (b *bare) Close() error {
	var errs []error
	for i := len(b.closers) - 1; i >= 0; i-- {
		errs = append(errs, b.closers[i]())
	}
	return errors.Join(errs...)
}
