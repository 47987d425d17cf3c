// Package bbolt keeps a node's data with bbolt, a B+ tree in one file:
//
//	s, err := bbolt.Open("/var/lib/node-1")
//	node, err := consensus.New(consensus.WithStorage(s), ...)
//
// Every write is one transaction with two syncs. It is the simplest of the engines: nothing happens in the background,
// and memory is the operating system's page cache. Its file has room for what was there at most and is
// made smaller by Open alone, once more than half of it is free.
package bbolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/internal/guard"
)

// lockTime is how long a lock is waited for.
const lockTime = 100 * time.Millisecond

var bucketName = []byte("data")

// Storage is a storage.Storage in a directory.
type Storage struct {
	guard     guard.Guard
	directory string
	lock, db  *bbolt.DB
}

var (
	_ storage.Storage   = (*Storage)(nil)
	_ storage.Directory = (*Storage)(nil)
)

// Open opens the storage in a directory, which is created if it is not there. A directory that is open elsewhere, in this
// process or another one, is refused.
func Open(directory string) (*Storage, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	// A file of its own is locked, because the data are moved to another file when they are shrunk.
	lock, err := openFile(filepath.Join(directory, lockName))
	if err != nil {
		return nil, fmt.Errorf("open storage in %s: %w", directory, err)
	}
	db, err := openShrunk(directory)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open storage in %s: %w", directory, err), lock.Close())
	}
	return &Storage{directory: directory, lock: lock, db: db}, nil
}

func openFile(path string) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockTime,
		// The list of free pages is found anew at each opening instead of being written by each transaction.
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
	})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, errors.New("it is in use by another process, or opened twice by this one")
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

func createBucket(db *bbolt.DB) error {
	return db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketName)
		return err
	})
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

// Batch does all operations in one transaction. The context is looked at before it begins.
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
	if err := s.update(func(bucket *bbolt.Bucket) error { return apply(bucket, operations) }); err != nil {
		// A sync that has failed cannot be repeated: the system may have dropped what was to be written.
		return s.guard.Fail(fmt.Errorf("write to %s: %w", s.db.Path(), err))
	}
	return nil
}

func apply(bucket *bbolt.Bucket, operations []storage.Operation) error {
	bucket.FillPercent = 0.9 // logs grow at their end
	for _, operation := range operations {
		var err error
		if operation.Delete {
			err = bucket.Delete(operation.Key)
		} else {
			err = bucket.Put(operation.Key, operation.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
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
	var value []byte
	err := s.view(func(bucket *bbolt.Bucket) error {
		found := bucket.Get(key)
		if found == nil {
			return storage.ErrNotFound
		}
		value = slices.Clone(found)
		return nil
	})
	return value, err
}

// GetRange returns what is in a range.
func (s *Storage) GetRange(ctx context.Context, r storage.Range) ([]storage.Pair, error) {
	if err := s.guard.Enter(ctx); err != nil {
		return nil, err
	}
	defer s.guard.Leave()
	var pairs []storage.Pair
	err := s.view(func(bucket *bbolt.Bucket) error {
		cursor := bucket.Cursor()
		first, next := directions(cursor, r)
		for key, value := first(); key != nil && inRange(key, r); key, value = next() {
			pair := storage.Pair{Key: slices.Clone(key)}
			if !r.KeysOnly {
				pair.Value = slices.Clone(value)
			}
			pairs = append(pairs, pair)
			if len(pairs) == r.Limit {
				break
			}
		}
		return nil
	})
	return pairs, err
}

// directions returns how the first key of a range is found and how the one behind it.
func directions(cursor *bbolt.Cursor, r storage.Range) (first, next func() (key, value []byte)) {
	if !r.Reverse {
		return func() ([]byte, []byte) { return cursor.Seek(r.Start) }, cursor.Next
	}
	return func() ([]byte, []byte) {
		if r.End == nil {
			return cursor.Last()
		}
		if key, _ := cursor.Seek(r.End); key == nil { // all keys are before the end
			return cursor.Last()
		}
		return cursor.Prev()
	}, cursor.Prev
}

func inRange(key []byte, r storage.Range) bool {
	return bytes.Compare(key, r.Start) >= 0 && (r.End == nil || bytes.Compare(key, r.End) < 0)
}

// Close waits for calls that run and closes the file.
func (s *Storage) Close() error {
	if !s.guard.Close() {
		return nil
	}
	if err := errors.Join(s.db.Close(), s.lock.Close()); err != nil {
		return fmt.Errorf("close storage in %s: %w", s.directory, err)
	}
	return nil
}
