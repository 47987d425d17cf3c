// Package pebble keeps a node's data with Pebble, a log-structured merge tree:
//
//	s, err := pebble.Open("/var/lib/node-1")
//	node, err := consensus.New(consensus.WithStorage(s), ...)
//
// Every write is one record in the engine's write-ahead log with one sync, which writes that come at the same time
// share. What is deleted is given back by compactions in the background.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/internal/guard"
)

// largestRecord is the size from which on a batch is written in several records.
const largestRecord = 128 << 20

// Storage is a storage.Storage in a directory.
type Storage struct {
	guard     guard.Guard
	directory string
	lock      *pebble.Lock
	db        *pebble.DB
	broken    *broken
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
	lock, err := pebble.LockDirectory(directory, vfs.Default)
	if err != nil {
		return nil, fmt.Errorf("open storage in %s: it is in use by another process, or opened twice by this one: %w", directory, err)
	}
	s := &Storage{directory: directory, lock: lock, broken: newBroken()}
	options := options(engineLog{logger, s.broken}, s.broken.tell)
	options.Lock = lock
	if err := s.open(options); err != nil {
		return nil, errors.Join(fmt.Errorf("open storage in %s: %w", directory, err), lock.Close())
	}
	return s, nil
}

func (s *Storage) open(options *pebble.Options) error {
	return s.broken.run(func() (err error) {
		s.db, err = pebble.Open(s.directory, options)
		return err
	})
}

// options are made for some thousand log entries that come and go: memory and disk in use stay within some ten MB.
//
// An error in the background is the end: the engine would go on trying to write its tables, and have writers wait until
// it can.
func options(logger pebble.Logger, backgroundError func(error)) *pebble.Options {
	return &pebble.Options{
		FormatMajorVersion:          pebble.FormatNewest,
		Logger:                      logger,
		EventListener:               &pebble.EventListener{BackgroundError: backgroundError},
		CacheSize:                   8 << 20,
		MemTableSize:                8 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       2,
		LBaseMaxBytes:               16 << 20,
		MaxOpenFiles:                256,
	}
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

// Batch does all operations at once, or, if they are very large, in several steps. The context is looked at before it
// begins.
func (s *Storage) Batch(ctx context.Context, operations []storage.Operation) error {
	if err := storage.CheckBatch(operations); err != nil {
		return err
	}
	if err := s.guard.Enter(ctx); err != nil {
		return err
	}
	defer s.guard.Leave()
	for len(operations) > 0 {
		count, size := record(operations)
		if err := s.write(operations[:count], size); err != nil {
			return s.guard.Fail(fmt.Errorf("write to %s: %w", s.directory, err))
		}
		operations = operations[count:]
	}
	return nil
}

// record returns how many of the operations go into one record, and about how large it is.
func record(operations []storage.Operation) (count, size int) {
	const overhead = 16
	for _, operation := range operations {
		next := len(operation.Key) + len(operation.Value) + overhead
		if count > 0 && size+next > largestRecord {
			break
		}
		size += next
		count++
	}
	return count, size
}

func (s *Storage) write(operations []storage.Operation, size int) error {
	batch := s.db.NewBatchWithSize(size)
	for _, operation := range operations {
		var err error
		if operation.Delete {
			err = batch.Delete(operation.Key, nil)
		} else {
			err = batch.Set(operation.Key, operation.Value, nil)
		}
		if err != nil {
			return errors.Join(err, batch.Close())
		}
	}
	// If this fails, the batch is the engine's: it may still be at work on it.
	if err := s.broken.run(func() error { return s.db.Apply(batch, pebble.Sync) }); err != nil {
		return err
	}
	return batch.Close()
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
	found, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, storage.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", s.directory, err)
	}
	value := slices.Clone(found)
	return value, closer.Close()
}

// GetRange returns what is in a range.
func (s *Storage) GetRange(ctx context.Context, r storage.Range) ([]storage.Pair, error) {
	if err := s.guard.Enter(ctx); err != nil {
		return nil, err
	}
	defer s.guard.Leave()
	pairs, err := s.getRange(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", s.directory, err)
	}
	return pairs, nil
}

func (s *Storage) getRange(ctx context.Context, r storage.Range) ([]storage.Pair, error) {
	if r.End != nil && string(r.Start) >= string(r.End) {
		return nil, nil
	}
	lower := r.Start
	if len(lower) == 0 {
		lower = nil // Pebble's own checks, which the race detector switches on, look at the first byte of a bound
	}
	iterator, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: r.End})
	if err != nil {
		return nil, err
	}
	first, next := iterator.First, iterator.Next
	if r.Reverse {
		first, next = iterator.Last, iterator.Prev
	}
	var pairs []storage.Pair
	for valid := first(); valid; valid = next() {
		pair := storage.Pair{Key: slices.Clone(iterator.Key())}
		if !r.KeysOnly {
			value, err := iterator.ValueAndErr()
			if err != nil {
				return nil, errors.Join(err, iterator.Close())
			}
			pair.Value = slices.Clone(value)
		}
		pairs = append(pairs, pair)
		if len(pairs) == r.Limit {
			break
		}
	}
	return pairs, iterator.Close() // with what has kept it from going on
}

// Close waits for calls that run and closes the engine.
func (s *Storage) Close() error {
	if !s.guard.Close() {
		return nil
	}
	if err := s.broken.close(func() error { return errors.Join(s.db.Close(), s.lock.Close()) }); err != nil {
		return fmt.Errorf("close storage in %s: %w", s.directory, err)
	}
	return nil
}
