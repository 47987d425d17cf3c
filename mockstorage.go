package s3lect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// MockStorage is a [Storage] on a directory of the local file system. Its name is historical: it is
// a real store. Any number of processes on one machine may share the directory; compare-and-swap
// between them rests on a file lock. An object is a file whose path is the key, replaced by rename
// and synced to disk before a write returns, so that a reader, a crash or a full disk never leaves
// a part of one. The ETag is the SHA-256 of the bytes. It has the capability [ETagPutter].
//
// The store keeps its lock and unfinished writes in a subdirectory named ".s3lect". Do not remove
// that while the store is in use. What a killed writer left there is harmless, and is removed when
// the store is next opened, once it is some minutes old. A process that is frozen in the
// microseconds in which it holds the lock keeps others from writing, not from reading, until it is
// continued or killed.
//
// Keys must be relative slash-separated paths without empty, "." or ".." segments; the first
// segment must not be ".s3lect". Symbolic links are followed only to directories below the store's
// own. A key cannot be an object and the directory of another ("a" and "a/b"). On Windows, names
// that it reserves or alters are refused. On a file system that ignores case or normalizes Unicode,
// as those of macOS and Windows do, keys that differ in nothing else are one object: keep to lower
// case there. Objects have at most 1 MiB; of a larger file that somebody else put there, Get
// returns the first 1 MiB and one byte.
//
// Network file systems are not supported: their locks and renames promise less. All methods are
// safe for concurrent use. A context ends the wait for the lock, but not a single call to the file
// system.
type MockStorage struct {
	dir     string // absolute, so that changing the working directory does not move the store
	created bool   // the directory did not exist before

	mu      sync.Mutex
	written map[string]struct{} // keys, for Cleanup
}

// NewMock returns a MockStorage on a new temporary directory, which Cleanup removes. It panics if
// that cannot be created, since it has no error to return; use [NewMockStorage] where that matters.
func NewMock() *MockStorage {
	dir, err := os.MkdirTemp("", "s3lect-")
	if err != nil {
		panic(fmt.Sprintf("create a temporary directory for a MockStorage: %v", err))
	}
	return newMockStorage(dir, true)
}

// NewMockStorage returns a MockStorage on baseDir, which is created if it does not exist. It needs
// no permission to write where it does: such a store can only be read.
func NewMockStorage(baseDir string) (*MockStorage, error) {
	if baseDir == "" {
		return nil, errors.New("open directory store: the directory's name is empty")
	}
	dir, err := filepath.Abs(baseDir)
	if err != nil {
		return nil, fmt.Errorf("open directory store %q: %w", baseDir, err)
	}
	_, err = os.Stat(dir)
	created := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("open directory store %s: %w", dir, err)
	}
	if created {
		syncAbove(dir)
	}
	m := newMockStorage(dir, created)
	removeStaleTemps(dir)
	return m, nil
}

func newMockStorage(dir string, created bool) *MockStorage {
	return &MockStorage{dir: dir, created: created, written: map[string]struct{}{}}
}

// Get implements [Storage].
func (m *MockStorage) Get(ctx context.Context, key string) (data []byte, etag string, err error) {
	err = m.within(ctx, key, func(root *os.Root, name string) error {
		data, etag, err = readObject(ctx, root, name)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("read object %q in directory %s: %w", key, m.dir, err)
	}
	return data, etag, nil
}

// PutIfMatch implements [Storage].
func (m *MockStorage) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	_, err := m.PutIfMatchETag(ctx, key, data, etag)
	return err
}

// PutIfMatchETag implements [ETagPutter].
func (m *MockStorage) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (newETag string, err error) {
	err = m.within(ctx, key, func(root *os.Root, name string) error {
		if err := checkObjectSize(data); err != nil {
			return err
		}
		return replaceObject(ctx, root, name, data, etag)
	})
	if err != nil {
		return "", fmt.Errorf("write object %q in directory %s: %w", key, m.dir, err)
	}
	m.remember(key)
	return contentETag(data), nil
}

// Delete removes an object, whatever its version, and the directories that are empty without it.
// There need not be such an object. An election never deletes; this is for tidying up after one.
func (m *MockStorage) Delete(ctx context.Context, key string) error {
	err := m.within(ctx, key, func(root *os.Root, name string) error {
		return removeObject(ctx, root, name)
	})
	if err != nil {
		return fmt.Errorf("delete object %q in directory %s: %w", key, m.dir, err)
	}
	return nil
}

// Cleanup removes what this MockStorage has made: the whole directory if that did not exist before,
// else the objects it wrote and the store's own files. Nobody may be using the store any more.
func (m *MockStorage) Cleanup() error {
	if m.created {
		if err := os.RemoveAll(m.dir); err != nil {
			return fmt.Errorf("clean up directory store: %w", err)
		}
		return nil
	}
	var errs []error
	for key := range m.forget() {
		errs = append(errs, m.Delete(context.Background(), key))
	}
	errs = append(errs, os.RemoveAll(filepath.Join(m.dir, workDir)))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("clean up directory store: %w", err)
	}
	return nil
}

func (m *MockStorage) remember(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.written[key] = struct{}{}
}

func (m *MockStorage) forget() map[string]struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := m.written
	m.written = map[string]struct{}{}
	return keys
}

// within calls fn with the store's directory and the file name of a key. The directory is opened
// anew for each call: one that was moved away and made again is another store, for every process
// at once.
func (m *MockStorage) within(ctx context.Context, key string, fn func(root *os.Root, name string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, err := objectFile(key)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(m.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the store's directory is gone; create it again, or open another store: %w", err)
	}
	if err != nil {
		return err
	}
	defer root.Close()
	return fn(root, name)
}
