// Package badger keeps a node's data with Badger, a log-structured merge tree:
//
//	s, err := badger.Open("/var/lib/node-1")
//	node, err := consensus.New(consensus.WithStorage(s), ...)
//
// Every write is one record in the engine's write-ahead log with one sync, which writes that come at the same time
// share. What is deleted is given back by compactions in the background.
//
// The engine writes through memory maps, and a process that does so on a disk that has become full is killed by the
// system (SIGBUS). So writes are refused while less than [Reserve] is free. Do not have anything else fill the disk.
package badger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/internal/guard"
)

// Storage is a storage.Storage in a directory.
type Storage struct {
	guard     guard.Guard
	directory string
	db        *badger.DB
	large     largeValues
}

var (
	_ storage.Storage   = (*Storage)(nil)
	_ storage.Directory = (*Storage)(nil)
)

// Open opens the storage in a directory, which is created if it is not there. A directory that is open elsewhere, in this
// process or another one, is refused. The engine logs to slog.Default().
func Open(directory string) (*Storage, error) { return OpenWithLogger(directory, slog.Default()) }

// OpenWithLogger is Open with a place for the engine's log.
func OpenWithLogger(directory string, logger *slog.Logger) (*Storage, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	db, err := badger.Open(engineOptions(directory, logger))
	if err != nil {
		if strings.Contains(err.Error(), "Cannot acquire directory lock") {
			err = fmt.Errorf("it is in use by another process, or opened twice by this one: %w", err)
		}
		return nil, fmt.Errorf("open storage in %s: %w", directory, err)
	}
	s := &Storage{directory: directory, db: db}
	if err := s.large.find(db); err != nil {
		return nil, errors.Join(fmt.Errorf("open storage in %s: %w", directory, err), db.Close())
	}
	return s, nil
}

// memTable is how much the engine gathers in memory before it writes a table. A transaction may have 15 % of it, which
// must be more than the largest piece.
const memTable = 8 << 20

// engineOptions are made for some thousand log entries that come and go: memory and disk in use stay within some ten MB.
func engineOptions(directory string, logger *slog.Logger) badger.Options {
	return badger.DefaultOptions(directory).
		WithLogger(engineLog{logger}).
		WithSyncWrites(true).
		WithDetectConflicts(false). // transactions write only
		WithMetricsEnabled(false).  // they are one set for the whole process
		WithMemTableSize(memTable).
		WithNumMemtables(3).
		WithNumLevelZeroTables(2).
		WithNumLevelZeroTablesStall(8).
		WithNumCompactors(2).
		// Without compression there is no need for a cache: tables are mapped into memory.
		WithCompression(options.None).
		WithBlockCacheSize(0).
		// Nothing goes into the value log: the engine only logs an error of its sync, and does not return it.
		// Values are cut into pieces that stay below the threshold instead, see largeValues. So there is no
		// value log to be cleaned either.
		WithValueThreshold(threshold).
		WithValueLogFileSize(threshold)
}

// Directory returns where the storage is.
func (s *Storage) Directory() string { return s.directory }

// Set writes one value.
func (s *Storage) Set(ctx context.Context, key, value []byte) error {
	return s.Batch(ctx, []storage.Operation{{Key: key, Value: value}})
}

// Delete removes a key.
func (s *Storage) Delete(ctx context.Context, key []byte) error {
	return s.Batch(ctx, []storage.Operation{{Key: key, Delete: true}})
}

// Batch does all operations in as few transactions as possible. The context is looked at before it begins.
func (s *Storage) Batch(ctx context.Context, operations []storage.Operation) error {
	if err := storage.CheckBatch(operations); err != nil {
		return err
	}
	if err := s.guard.Enter(ctx); err != nil {
		return err
	}
	defer s.guard.Leave()
	if len(operations) == 0 {
		return nil
	}
	if err := checkSpace(s.directory, operations); err != nil {
		return err
	}
	if err := s.write(operations); err != nil {
		return s.guard.Fail(fmt.Errorf("write to %s: %w", s.directory, err))
	}
	return nil
}

func (s *Storage) write(operations []storage.Operation) error {
	s.large.mu.RLock()
	if !s.large.touchedBy(operations) {
		defer s.large.mu.RUnlock()
		return apply(s.db, operations, nil)
	}
	s.large.mu.RUnlock()
	s.large.mu.Lock()
	defer s.large.mu.Unlock()
	return s.large.write(s.db, operations)
}

// apply does operations in their order. Where a head is given for one, it is written instead of the value.
func apply(db *badger.DB, operations []storage.Operation, heads map[int][]byte) error {
	w := newWriter(db)
	defer w.discard()
	keys := make([]byte, 0, keysSize(operations))
	for i, operation := range operations {
		start := len(keys)
		keys = append(append(keys, spaceValues), operation.Key...)
		entry := badger.NewEntry(keys[start:len(keys):len(keys)], operation.Value)
		if head, ok := heads[i]; ok {
			entry.Value = head
			entry = entry.WithMeta(metaLarge)
		}
		if err := w.add(entry, operation.Delete); err != nil {
			return err
		}
	}
	return w.commit()
}

func keysSize(operations []storage.Operation) int {
	size := 0
	for _, operation := range operations {
		size += 1 + len(operation.Key)
	}
	return size
}

// Get returns the value of a key, or storage.ErrNotFound.
func (s *Storage) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := storage.CheckKey(key); err != nil {
		return nil, err
	}
	if err := s.guard.Enter(ctx); err != nil {
		return nil, err
	}
	defer s.guard.Leave()
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	item, err := txn.Get(valueKey(key))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, storage.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", s.directory, err)
	}
	value, err := valueOf(txn, item)
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", s.directory, err)
	}
	return value, nil
}

// Close waits for calls that run and closes the engine.
func (s *Storage) Close() error {
	if !s.guard.Close() {
		return nil
	}
	if err := s.closeEngine(); err != nil {
		return fmt.Errorf("close storage in %s: %w", s.directory, err)
	}
	return nil
}
