package raftstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// SnapshotStore is a raft.SnapshotStore that knows one snapshot only: the newest. The engine would fall back to an older
// one if the newest is damaged, and go on with a log that no longer begins there. Older ones are kept for people.
type SnapshotStore struct {
	kept   snapshotKeeper
	damage atomic.Pointer[CorruptError]
}

// snapshotKeeper is where snapshots are.
type snapshotKeeper interface {
	create(meta raft.SnapshotMeta, trans raft.Transport) (raft.SnapshotSink, error)
	// newest returns nil if there is none.
	newest() (*raft.SnapshotMeta, error)
	open(id string) (*raft.SnapshotMeta, io.ReadCloser, error)
}

var _ raft.SnapshotStore = (*SnapshotStore)(nil)

// Snapshots keeps snapshots in files below the storage's directory, or in the storage itself if it has none. So many
// of the newest are kept as retain says, at least one. What a crash has left of an unfinished one is removed.
func Snapshots(s storage.Storage, retain int, logger *slog.Logger) (*SnapshotStore, error) {
	if retain < 1 {
		return nil, fmt.Errorf("open snapshots: %d cannot be kept, at least one must be", retain)
	}
	if logger == nil {
		logger = slog.Default()
	}
	var kept snapshotKeeper
	var err error
	if directory, ok := s.(storage.Directory); ok {
		kept, err = openSnapshotFiles(directory.Directory(), retain, logger)
	} else {
		kept, err = openSnapshotChunks(context.Background(), s, retain, logger)
	}
	if err != nil {
		return nil, fmt.Errorf("open snapshots: %w", err)
	}
	return &SnapshotStore{kept: kept}, nil
}

// Create begins a snapshot. It is there once its sink has been closed without an error.
func (s *SnapshotStore) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration,
	configurationIndex uint64, trans raft.Transport,
) (raft.SnapshotSink, error) {
	return s.kept.create(raft.SnapshotMeta{
		Version: version, Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	}, trans)
}

// List returns the newest snapshot, or a [*CorruptError] if its description is damaged.
func (s *SnapshotStore) List() ([]*raft.SnapshotMeta, error) {
	newest, err := s.kept.newest()
	if err != nil {
		return nil, s.noted(err)
	}
	if newest == nil {
		return nil, nil
	}
	return []*raft.SnapshotMeta{newest}, nil
}

// Open returns what is in a snapshot. Data that are damaged are a [*CorruptError], here or when they are read, and
// are not handed out.
func (s *SnapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, content, err := s.kept.open(id)
	if err != nil {
		return nil, nil, s.noted(err)
	}
	return meta, &notingReader{ReadCloser: content, store: s}, nil
}

// Damage returns the [*CorruptError] that was found last, nil if there was none. The engine logs what Open returns and
// does not hand it on.
func (s *SnapshotStore) Damage() error {
	if damage := s.damage.Load(); damage != nil {
		return damage
	}
	return nil
}

func (s *SnapshotStore) noted(err error) error {
	var damage *CorruptError
	if errors.As(err, &damage) {
		s.damage.Store(damage)
	}
	return err
}

type notingReader struct {
	io.ReadCloser
	store  *SnapshotStore
	closed bool
}

func (r *notingReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return io.EOF itself
		err = r.store.noted(err)
	}
	return n, err
}

func (r *notingReader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	return r.ReadCloser.Close()
}

func corruptSnapshot(id string, err error) error {
	return &CorruptError{What: "snapshot " + id, Err: err}
}
