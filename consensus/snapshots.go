package consensus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftstore"
)

// watchedSnapshots knows the newest snapshot, and marks what it opens, so that the applier knows which entry a
// snapshot ends with.
type watchedSnapshots struct {
	*raftstore.SnapshotStore
	newest atomic.Pointer[edge] // nil if there is no snapshot
	// closing is held while a snapshot becomes the newest. Who waits for it waits for I/O.
	closing chan struct{}
}

// edge is the last entry of a snapshot.
type edge struct{ index, term uint64 }

func (w *watchedSnapshots) index() uint64 {
	if e := w.newest.Load(); e != nil {
		return e.index
	}
	return 0
}

// find looks for the newest snapshot, once, at the start.
func (w *watchedSnapshots) find() error {
	list, err := w.List()
	if err != nil {
		return err
	}
	if len(list) > 0 {
		w.newest.Store(&edge{list[0].Index, list[0].Term})
	}
	return nil
}

// Open implements raft.SnapshotStore.
func (w *watchedSnapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, source, err := w.SnapshotStore.Open(id)
	if err != nil {
		return nil, nil, err
	}
	return meta, &openedSnapshot{ReadCloser: source, meta: meta}, nil
}

// Create implements raft.SnapshotStore.
func (w *watchedSnapshots) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	sink, err := w.SnapshotStore.Create(version, index, term, configuration, configurationIndex, trans)
	if err != nil {
		return nil, err
	}
	return &watchedSink{SnapshotSink: sink, snapshots: w, last: edge{index, term}}, nil
}

type watchedSink struct {
	raft.SnapshotSink
	snapshots *watchedSnapshots
	last      edge
}

// Close implements raft.SnapshotSink. A snapshot of this node may be overtaken by one that the leader has sent
// while it was written. Both the node and the engine would then take the older one for the newest.
func (s *watchedSink) Close() error {
	s.snapshots.closing <- struct{}{}
	defer func() { <-s.snapshots.closing }()
	if newest := s.snapshots.index(); newest > s.last.index {
		return errors.Join(fmt.Errorf("snapshot up to entry %d was overtaken by one up to entry %d", s.last.index, newest), s.Cancel())
	}
	if err := s.SnapshotSink.Close(); err != nil {
		return err
	}
	s.snapshots.newest.Store(&s.last)
	return nil
}

type openedSnapshot struct {
	io.ReadCloser
	meta *raft.SnapshotMeta
}

// position returns the entry that a snapshot ends with, from below the engine's counting reader.
func position(source io.ReadCloser) (index, term uint64) {
	for {
		switch s := source.(type) {
		case *openedSnapshot:
			return s.meta.Index, s.meta.Term
		case raft.ReadCloserWrapper:
			source = s.WrappedReadCloser()
		default:
			return 0, 0
		}
	}
}

// Snapshot takes a snapshot of this node's machine and shortens its log to the trailing entries. Without anything
// new since the last one it does nothing. After ctx has ended the snapshot goes on. The error is ErrSnapshotFailed.
func (n *Node) Snapshot(ctx context.Context) error {
	engine, err := n.running()
	if err != nil {
		return err
	}
	err = n.await(ctx, func() raft.Future { return engine.Snapshot() })
	if err == nil || errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrSnapshotFailed, err)
}
