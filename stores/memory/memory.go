// Package memory is a storage that lives and dies with its process: for tests, for trying things
// out, and for elections among the goroutines of one program.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/seed-6dc909bb/s3lect"
)

// Storage is an [s3lect.Storage] in memory, with the capabilities [s3lect.ETagPutter],
// [s3lect.Lister] and [s3lect.Deleter]. It is linearizable and takes any key but the empty one. Every write gets an ETag of its own, also one
// with the same bytes as before. All methods are safe for concurrent use.
type Storage struct {
	mu      sync.Mutex
	objects map[string]object
	writes  uint64
}

type object struct {
	data []byte
	etag string
}

var (
	namedMu sync.Mutex
	named   = map[string]*Storage{}
)

// New returns an empty storage.
func New() *Storage { return &Storage{objects: map[string]object{}} }

// Open returns the storage of a name: the same one for all who ask for it in this process, for as
// long as the process lives.
func Open(name string) *Storage {
	namedMu.Lock()
	defer namedMu.Unlock()
	if named[name] == nil {
		named[name] = New()
	}
	return named[name]
}

// Get implements [s3lect.Storage].
func (s *Storage) Get(ctx context.Context, key string) (data []byte, etag string, err error) {
	if err := check(ctx, key); err != nil {
		return nil, "", fmt.Errorf("read object %q in memory: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if !ok {
		return nil, "", fmt.Errorf("read object %q in memory: %w", key, s3lect.ErrStorageNotFound)
	}
	return bytes.Clone(o.data), o.etag, nil
}

// PutIfMatch implements [s3lect.Storage].
func (s *Storage) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	_, err := s.PutIfMatchETag(ctx, key, data, etag)
	return err
}

// PutIfMatchETag implements [s3lect.ETagPutter].
func (s *Storage) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (newETag string, err error) {
	if err := check(ctx, key); err != nil {
		return "", fmt.Errorf("write object %q in memory: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[key].etag != etag {
		return "", fmt.Errorf("write object %q in memory: %w", key, s3lect.ErrStoragePrecondition)
	}
	s.writes++ // never falls, so that an ETag does not come back after a Delete
	o := object{data: append([]byte{}, data...), etag: strconv.FormatUint(s.writes, 10)}
	s.objects[key] = o
	return o.etag, nil
}

// Delete implements [s3lect.Deleter].
func (s *Storage) Delete(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return fmt.Errorf("delete object %q in memory: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

// List implements [s3lect.Lister]. It yields the keys of one moment, in order.
func (s *Storage) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, key := range s.keys(prefix) {
			if ctx.Err() != nil {
				break
			}
			if !yield(key, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield("", fmt.Errorf("list objects %q in memory: %w", prefix, err))
		}
	}
}

func (s *Storage) keys(prefix string) (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.objects {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func check(ctx context.Context, key string) error {
	if key == "" {
		return fmt.Errorf("the key is empty: %w", s3lect.ErrStorageKey)
	}
	return ctx.Err()
}
