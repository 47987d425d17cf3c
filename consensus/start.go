package consensus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/lease"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftstore"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/pebble"
	"github.com/seed-6dc909bb/s3lect/consensus/transport"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/tcp"
)

const (
	snapshotsKept  = 2
	cachedEntries  = 512
	messageHeaders = 1 << 20 // what a message of the engine may have besides its entries
)

// start builds everything from the bottom up. What it has opened is in n.closers.
func (n *Node) start(ctx context.Context) error {
	n.roles = newRoles(n.becomesCandidate)
	n.reads = newReads()
	n.applier = newApplier(n.config.clusterID, n.config.machine, n.fail, n.roles.membersChanged)
	if err := n.openStorage(ctx); err != nil {
		return err
	}
	exists, err := raft.HasExistingState(n.store, n.store, n.snapshots)
	if err != nil {
		return n.startError(err)
	}
	if err := n.openTransport(exists); err != nil {
		return err
	}
	if err := n.bootstrap(exists); err != nil {
		return err
	}
	engine, err := n.startEngine()
	if err != nil {
		return err
	}
	// Whoever sees the engine finds somebody who takes commands.
	n.spawn(func() { n.commands.submit(engine, n.engineEnded) })
	n.spawn(func() { n.commands.wait(n.engineEnded) })
	n.engine.Store(engine)
	if err := n.Err(); err != nil {
		return err
	}
	n.spawn(func() { n.follow(engine) })
	n.spawn(func() { n.confirmReads(engine) })
	return n.startDiscovery(ctx, engine)
}

// openStorage opens what the node keeps, and makes sure that it is this node's.
func (n *Node) openStorage(ctx context.Context) error {
	s := n.config.storage
	if s == nil {
		opened, err := pebble.OpenWithLogger(n.config.dataPath(), n.logger)
		if err != nil {
			return fmt.Errorf("%w: open data directory: %w", ErrStorageUnavailable, err)
		}
		n.closers = append(n.closers, opened.Close)
		s = opened
	}
	if err := raftstore.Claim(ctx, s, n.config.clusterID, n.config.nodeID); err != nil {
		var foreign *raftstore.ForeignError
		if errors.As(err, &foreign) {
			return fmt.Errorf("%w: %w", ErrForeignState, err)
		}
		return storageError("read whose data this is", err)
	}
	kept, err := raftstore.New(s)
	if err != nil {
		return storageError("open log", err)
	}
	snapshots, err := raftstore.Snapshots(s, snapshotsKept, n.logger)
	if err != nil {
		return fmt.Errorf("%w: open snapshots: %w", ErrSnapshotFailed, err)
	}
	n.store = &guardedStore{log: kept, stable: kept, fail: n.fail}
	n.snapshots = &watchedSnapshots{SnapshotStore: snapshots, closing: make(chan struct{}, 1)}
	if err := n.snapshots.find(); err != nil {
		return fmt.Errorf("%w: %w", errRestoreFailed, err)
	}
	if newest := n.snapshots.newest.Load(); newest != nil {
		if err := discardContradiction(kept, *newest); err != nil {
			return storageError("compare log and snapshot", err)
		}
	}
	// The engine panics on entries it cannot read.
	if err := kept.Check(ctx, snapshots); err != nil {
		return storageError("check log", err)
	}
	return nil
}

func storageError(doing string, err error) error {
	var corrupt *raftstore.CorruptError
	if errors.As(err, &corrupt) {
		return fmt.Errorf("%w: %s: %w", ErrLogInconsistent, doing, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrStorageUnavailable, doing, err)
}

// openTransport binds the address. A node that has data may have answered a leader just before it ended.
func (n *Node) openTransport(hasData bool) error {
	promises, holdBack, err := newPromises(n.store, n.config.electionMin, hasData)
	if err != nil {
		return storageError("read what was promised", err)
	}
	t := n.config.transport
	if t == nil {
		t = tcp.New(tcp.Options{})
	}
	advertise := ""
	if n.config.advertiseHost != "" && n.config.advertisePort != 0 {
		advertise = net.JoinHostPort(n.config.advertiseHost, strconv.Itoa(n.config.advertisePort))
	}
	endpoint, err := t.Open(transport.Config{
		ClusterID: n.config.clusterID,
		NodeID:    n.config.nodeID,
		Bind:      net.JoinHostPort(n.config.bindHost, strconv.Itoa(n.config.bindPort)),
		Advertise: advertise,
		TLS:       n.config.tls,
		// A peer that does not answer for as long is not to hold up the messages behind.
		Timeout:    max(n.config.electionMin, time.Second),
		MaxMessage: int(min(maxAppendEntries*(int64(n.config.maxCommand)+1024)+messageHeaders, math.MaxInt32)),
		Logger:     n.logger,
	})
	if err != nil {
		return fmt.Errorf("open transport: %w", err)
	}
	n.address = string(endpoint.LocalAddr())
	n.lease = lease.New(endpoint, lease.Options{
		Self:            raft.ServerID(n.config.nodeID),
		ElectionTimeout: n.config.electionMin,
		Voters:          n.voters,
		HoldBack:        holdBack,
		Remember:        promises.remember,
		Screen:          n.screenInstall,
		Steady:          n.follows,
		Trim:            n.trimApplied,
	})
	n.closers = append(n.closers, n.lease.Close)
	if holdBack > n.config.electionMin {
		n.logger.Info("the node gives no votes yet, because it may have promised so before it ended", "for", holdBack)
		n.spawn(func() { n.lowerPromise(promises, holdBack) })
	}
	return nil
}

func (n *Node) lowerPromise(promises *promises, after time.Duration) {
	select {
	case <-time.After(after):
		_ = promises.lower() // the node has been stopped if it cannot write
	case <-n.ending:
	}
}

// voters are those of the newest membership. There are none before the engine runs.
func (n *Node) voters() []raft.ServerID {
	engine := n.engine.Load()
	if engine == nil {
		return nil
	}
	return voters(engine)
}

// bootstrap writes the first membership, unless there is one or the node is to be added by others.
func (n *Node) bootstrap(hasData bool) error {
	if hasData {
		if len(n.config.peers) > 0 {
			n.logger.Info("the node has data; the list of peers is not looked at")
		}
		return nil
	}
	if n.config.join {
		return nil
	}
	configuration, err := n.firstMembers()
	if err != nil {
		return err
	}
	if len(configuration.Servers) == 0 {
		n.logger.Info("the node has no data and no peers; it waits to be added")
		return nil
	}
	if err := raft.BootstrapCluster(n.engineConfig(), n.store, n.store, n.snapshots, n.lease, configuration); err != nil {
		return n.startError(fmt.Errorf("write first membership: %w", err))
	}
	return nil
}

// firstMembers is the list of peers with this node in it. Without a list, and without discovery to be found by, the
// node is the only member.
func (n *Node) firstMembers() (raft.Configuration, error) {
	var c raft.Configuration
	if len(n.config.peers) == 0 && n.config.discovery != nil {
		return c, nil
	}
	self := false
	for _, peer := range n.config.peers {
		suffrage := raft.Voter
		if peer.NonVoter {
			suffrage = raft.Nonvoter
		}
		if peer.ID == n.config.nodeID {
			self = true
			if peer.hostPort() != n.address {
				return c, configError("this node, %s, is listed at %s and other nodes would be told %s: use WithBindAddress or WithAdvertiseAddress",
					peer.ID, peer.hostPort(), n.address)
			}
		}
		c.Servers = append(c.Servers, raft.Server{Suffrage: suffrage, ID: raft.ServerID(peer.ID), Address: raft.ServerAddress(peer.hostPort())})
	}
	if !self {
		for _, server := range c.Servers {
			if string(server.Address) == n.address {
				return c, fmt.Errorf("%w: %w: peer %s has this node's address, %s", ErrConfig, ErrPeerExists, server.ID, n.address)
			}
		}
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(n.config.nodeID), Address: raft.ServerAddress(n.address)})
	}
	return c, nil
}

const maxAppendEntries = 64

func (n *Node) engineConfig() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(n.config.nodeID)
	c.HeartbeatTimeout = n.config.electionMin
	c.ElectionTimeout = n.config.electionMin
	c.LeaderLeaseTimeout = n.config.electionMin
	c.CommitTimeout = min(c.CommitTimeout, n.config.electionMin/10)
	c.MaxAppendEntries = maxAppendEntries
	// Commands come from one goroutine. Without a buffer the engine would find one of them at a time, and sync each alone.
	c.BatchApplyCh = true
	c.SnapshotInterval = n.config.snapshotInterval
	c.SnapshotThreshold = n.config.snapshotThreshold
	c.TrailingLogs = n.config.trailingLogs
	// A removed node stays a follower that nobody talks to. It can be looked at, and be added again.
	c.ShutdownOnRemove = false
	c.NoLegacyTelemetry = true
	c.Logger = engineLogger(n.logger)
	return c
}

func (n *Node) startEngine() (engine *raft.Raft, err error) {
	// The engine panics on a log it cannot read.
	defer func() {
		if p := recover(); p != nil {
			err = n.startError(fmt.Errorf("%v", p))
		}
	}()
	cache, err := raft.NewLogCache(cachedEntries, n.store)
	if err != nil {
		return nil, err
	}
	n.log = &snapshotEdge{LogStore: cache, snapshots: n.snapshots}
	if err := n.store.findForMachine(); err != nil {
		return nil, n.startError(err)
	}
	engine, err = raft.NewRaft(n.engineConfig(), n.applier, n.log, n.store, n.snapshots, n.lease)
	if err != nil {
		return nil, n.startError(err)
	}
	n.closers = append(n.closers, func() error {
		defer close(n.engineEnded)
		// Calls to peers that hang end with the endpoint, and the engine waits for them.
		ended := engine.Shutdown()
		err := n.lease.Close()
		return errors.Join(ended.Error(), err)
	})
	n.store.running.Store(true)
	engine.RegisterObserver(raft.NewObserver(nil, false, n.roles.observe))
	n.roles.note(engine.State()) // which may have changed before anybody looked
	return engine, nil
}

// startError is the cause of an error of the engine, which passes on the text of what went wrong at best.
func (n *Node) startError(err error) error {
	if failure := n.Err(); failure != nil {
		return failure
	}
	if damage := n.snapshots.Damage(); damage != nil {
		return fmt.Errorf("%w: %w", errRestoreFailed, damage)
	}
	return fmt.Errorf("start the engine: %w", err)
}
