//go:build linux

package main

import (
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// counter is the state machine of the measurements: it costs next to nothing.
type counter struct{ entries atomic.Uint64 }

func (c *counter) Apply(consensus.LogEntry) error {
	c.entries.Add(1)
	return nil
}

func (c *counter) Snapshot() (*consensus.Snapshot, error) {
	return &consensus.Snapshot{Data: []byte("counter")}, nil
}

func (c *counter) Restore(*consensus.Snapshot) error { return nil }

func (c *counter) Query(any) (any, error) { return c.entries.Load(), nil }

// bareCounter is the same for the bare engine.
type bareCounter struct{ entries atomic.Uint64 }

func (c *bareCounter) Apply(*raft.Log) any {
	c.entries.Add(1)
	return nil
}

// ApplyBatch implements raft.BatchingFSM, as our machine behind a node does.
func (c *bareCounter) ApplyBatch(logs []*raft.Log) []any {
	c.entries.Add(uint64(len(logs)))
	return make([]any, len(logs))
}

func (c *bareCounter) Snapshot() (raft.FSMSnapshot, error) { return bareSnapshot{}, nil }

func (c *bareCounter) Restore(source io.ReadCloser) error { return source.Close() }

type bareSnapshot struct{}

func (bareSnapshot) Persist(sink raft.SnapshotSink) error {
	_, err := sink.Write([]byte("counter"))
	return err
}

func (bareSnapshot) Release() {}
