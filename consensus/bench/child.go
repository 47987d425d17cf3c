//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// child is a node in a process of its own.
type child struct {
	config  childConfig
	storage storage.Storage
	node    *consensus.Node
	network *network
	stream  *stream   // nil if the machine is a counter
	peak    *heapPeak // nil, too
}

// runChild answers lines until there are no more, or it is told to stop.
func runChild(ctx context.Context, in *bufio.Reader, out io.Writer) error {
	lines := json.NewDecoder(in)
	answers := json.NewEncoder(out)
	var config childConfig
	if err := lines.Decode(&config); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	c, err := startNode(ctx, config)
	if err := answers.Encode(answer{Error: text(err)}); err != nil || c == nil {
		return err
	}
	for {
		var q question
		if err := lines.Decode(&q); err != nil {
			return errors.Join(c.stop(ctx), ignoreEnd(err))
		}
		a, err := c.answer(ctx, q)
		a.Error = text(err)
		if err := answers.Encode(a); err != nil || q.Do == askStop {
			return err
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func startNode(ctx context.Context, config childConfig) (*child, error) {
	c := &child{config: config, network: newNetwork(newTransport("tcp"))}
	var machine consensus.StateMachine = &counter{}
	if config.SnapshotMiB > 0 {
		c.stream, c.peak = newStream(config.SnapshotMiB), watchHeap()
		machine = c.stream
	}
	var err error
	if c.storage, err = config.Disk.open(ctx); err != nil {
		return nil, err
	}
	options := []consensus.Option{
		consensus.WithNodeID(config.Peer.ID),
		consensus.WithBindAddress(config.Peer.Address, config.Peer.Port),
		consensus.WithStateMachine(machine),
		consensus.WithStorage(c.storage),
		consensus.WithTransport(c.network),
		consensus.WithElectionTimeoutMin(config.Election),
		consensus.WithSnapshotInterval(rarely),
		consensus.WithLogger(quiet()),
	}
	if config.SnapshotMiB > 0 {
		options = append(options, consensus.WithTrailingLogs(1)) // a new node needs the snapshot
	}
	if len(config.Peers) > 0 {
		options = append(options, consensus.WithPeers(config.Peers))
	} else {
		options = append(options, consensus.WithJoin())
	}
	if c.node, err = consensus.New(options...); err != nil {
		return nil, err
	}
	return c, c.node.Start(ctx)
}

func (c *child) answer(ctx context.Context, q question) (answer, error) {
	switch q.Do {
	case askLeader:
		return answer{Yes: c.node.IsLeader() && c.node.GetClusterInfo().HealthyNodes == max(1, len(c.config.Peers))}, nil
	case askTakeOver:
		led, err := takeOver(ctx, c.node, q.Peer.ID)
		return answer{Yes: led}, err
	case askSnapshot:
		for range 8 {
			if err := c.node.Apply(ctx, consensus.Command{Type: "set"}); err != nil {
				return answer{}, err
			}
		}
		return answer{}, c.node.Snapshot(ctx)
	case askAdd:
		return answer{}, c.node.AddNonVoter(ctx, q.Peer.ID, q.Peer.Address, q.Peer.Port)
	case askRestored:
		select {
		case <-c.stream.restored:
			return answer{Yes: true}, nil
		case <-c.node.Done():
			return answer{}, c.node.Err()
		case <-ctx.Done():
			return answer{}, ctx.Err()
		}
	case askUsage:
		u, err := c.usage()
		return answer{Usage: u}, err
	case askStop:
		return answer{}, c.stop(ctx)
	}
	return answer{}, fmt.Errorf("%q is not known", q.Do)
}

func (c *child) stop(ctx context.Context) error {
	if c.peak != nil {
		c.peak.stop()
	}
	return errors.Join(c.node.Stop(ctx), c.storage.Close())
}
