// Package memory keeps a node's data in the memory of the process, for tests and trials:
//
//	node, err := consensus.New(consensus.WithStorage(memory.New()), ...)
//
// Nothing survives the end of the process. A node of a real cluster that forgets its votes and its log can give
// its vote twice in one term, and the cluster can then have two leaders and lose what it has committed.
package memory

import (
	"context"
	"slices"
	"sync"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// Storage is a storage.Storage in memory.
type Storage struct {
	mu      sync.RWMutex
	content *content // nil once closed
}

// content is what survives a Reopen.
type content struct {
	keys   sortedKeys
	values map[string][]byte
}

// New returns an empty storage.
func New() *Storage {
	return &Storage{content: &content{values: map[string][]byte{}}}
}

// Reopen returns a storage with everything the old one has answered for, as after a crash and a restart. The old
// one is closed by it: a process that is thought dead cannot write any more.
func (s *Storage) Reopen() *Storage {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.content
	s.content = nil
	if kept == nil {
		return &Storage{} // closed stays closed
	}
	return &Storage{content: kept}
}

// Set writes one value.
func (s *Storage) Set(ctx context.Context, key, value []byte) error {
	return s.Batch(ctx, []storage.Operation{{Key: key, Value: value}})
}

// Delete removes a key.
func (s *Storage) Delete(ctx context.Context, key []byte) error {
	return s.Batch(ctx, []storage.Operation{{Key: key, Delete: true}})
}

// Batch does all operations, or none if one of them is not allowed.
func (s *Storage) Batch(ctx context.Context, operations []storage.Operation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := storage.CheckBatch(operations); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.content == nil {
		return storage.ErrClosed
	}
	for _, operation := range operations {
		s.content.apply(operation)
	}
	return nil
}

func (c *content) apply(operation storage.Operation) {
	key := string(operation.Key)
	_, there := c.values[key]
	switch {
	case operation.Delete && there:
		delete(c.values, key)
		c.keys.remove(key)
	case operation.Delete:
	default:
		c.values[key] = slices.Clone(operation.Value)
		if !there {
			c.keys.insert(key)
		}
	}
}

// Get returns the value of a key, or storage.ErrNotFound.
func (s *Storage) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := storage.CheckKey(key); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.content == nil {
		return nil, storage.ErrClosed
	}
	value, there := s.content.values[string(key)]
	if !there {
		return nil, storage.ErrNotFound
	}
	return slices.Clone(value), nil
}

// GetRange returns what is in a range.
func (s *Storage) GetRange(ctx context.Context, r storage.Range) ([]storage.Pair, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.content == nil {
		return nil, storage.ErrClosed
	}
	keys := s.content.keys.between(r.Start, r.End)
	n := len(keys)
	if r.Limit > 0 {
		n = min(n, r.Limit)
	}
	pairs := make([]storage.Pair, n)
	for i := range pairs {
		key := keys[i]
		if r.Reverse {
			key = keys[len(keys)-1-i]
		}
		pairs[i].Key = []byte(key)
		if !r.KeysOnly {
			pairs[i].Value = slices.Clone(s.content.values[key])
		}
	}
	return pairs, nil
}

// Close ends the use of the storage and forgets what is in it.
func (s *Storage) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content = nil
	return nil
}
