package raftstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// pageSize is how many keys are looked at or deleted in one step.
const pageSize = 4096

// Store is a raft.LogStore and a raft.StableStore on a storage. All methods are safe for concurrent use.
//
// It does not declare itself a raft.MonotonicLogStore, which would have the engine throw away the whole log with each
// snapshot it is sent, acknowledged entries behind a late one included. Instead, an entry that does not follow the
// last one stands for a snapshot that covers everything before it, see [Store.StoreLogs].
type Store struct {
	storage storage.Storage

	// The log as it is meant to be. Both are 0 if it is empty.
	first, last atomic.Uint64

	// changing is held by whoever changes the log, while it does: changes have an order.
	// Whoever waits for it waits for I/O, which takes time in a simulation as well: a mutex would stop its clock.
	changing turn
	// stored is the first entry that may still be on the storage: it lags behind first while a head is deleted.
	stored uint64
	// unsettled is set by a change that has failed. The storage may then have entries outside of first and last.
	unsettled bool
}

var (
	_ raft.LogStore    = (*Store)(nil)
	_ raft.StableStore = (*Store)(nil)
)

// New opens the log on a storage. It looks at all keys, not at the entries, and returns a [*CorruptError] if one of
// them is missing.
func New(s storage.Storage) (*Store, error) {
	store := &Store{storage: s, changing: make(turn, 1)}
	first, last, err := store.bounds(context.Background())
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	store.first.Store(first)
	store.last.Store(last)
	store.stored = first
	return store, nil
}

// bounds returns the first and the last index there are, or an error if one in between is missing.
func (s *Store) bounds(ctx context.Context) (first, last uint64, err error) {
	start := logStart
	for {
		pairs, err := s.storage.GetRange(ctx, storage.Range{Start: start, End: logEnd, Limit: pageSize, KeysOnly: true})
		if err != nil {
			return 0, 0, err
		}
		for _, pair := range pairs {
			index, err := indexOfLogKey(pair.Key)
			if err != nil {
				return 0, 0, err
			}
			if first == 0 {
				first = index
			} else if index != last+1 {
				return 0, 0, corruptEntry(last+1, errMissing)
			}
			last = index
		}
		if len(pairs) < pageSize {
			return first, last, nil
		}
		start = logKey(last + 1)
	}
}

// FirstIndex returns the index of the first entry, 0 if there is none.
func (s *Store) FirstIndex() (uint64, error) { return s.first.Load(), nil }

// LastIndex returns the index of the last entry, 0 if there is none.
func (s *Store) LastIndex() (uint64, error) { return s.last.Load(), nil }

func (s *Store) contains(index uint64) bool {
	return index != 0 && s.first.Load() <= index && index <= s.last.Load()
}

// GetLog reads an entry. One before the first or behind the last is raft.ErrLogNotFound; one in between that cannot be
// had is a [*CorruptError].
func (s *Store) GetLog(index uint64, log *raft.Log) error {
	if !s.contains(index) {
		return raft.ErrLogNotFound
	}
	var key [logKeySize]byte
	value, err := s.storage.Get(context.Background(), appendLogKey(key[:0], index))
	if errors.Is(err, storage.ErrNotFound) {
		if !s.contains(index) { // deleted in the meantime
			return raft.ErrLogNotFound
		}
		return corruptEntry(index, errMissing)
	}
	if err != nil {
		return fmt.Errorf("read log entry %d: %w", index, err)
	}
	if err := decodeEntry(value, index, log); err != nil {
		return corruptEntry(index, err)
	}
	return nil
}

// turn is a lock that is held over I/O.
type turn chan struct{}

func (t turn) take() { t <- struct{}{} }
func (t turn) give() { <-t }
