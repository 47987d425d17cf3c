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
// a part of one. The ETag is the SHA-256 of the bytes. It has the capabilities [ETagPutter],
// [Lister] and [Deleter].
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

	mu        sync.Mutex
	written   map[string]struct{} // keys, for Cleanup
	forgotten bool                // whether there were more than are kept
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

// Delete implements [Deleter]. Directories that are empty without the object go with it.
func (m *MockStorage) Delete(ctx context.Context, key string) error {
	err := m.within(ctx, key, func(root *os.Root, name string) error {
		return removeObject(ctx, root, name)
	})
	if err != nil {
		return fmt.Errorf("delete object %q in directory %s: %w", key, m.dir, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.written, key)
	return nil
}

// Cleanup removes what this MockStorage has made: the whole directory if that did not exist before,
// else the objects it wrote and the store's own files. Nobody may be using the store any more. Of
// objects in a directory that existed before, at most 10,000 are remembered; Cleanup says so if there
// were more.
func (m *MockStorage) Cleanup() error {
	if m.created {
		if err := os.RemoveAll(m.dir); err != nil {
			return fmt.Errorf("clean up directory store: %w", err)
		}
		return nil
	}
	keys, err := m.forget()
	errs := []error{err}
	for key := range keys {
		errs = append(errs, m.Delete(context.Background(), key))
	}
	errs = append(errs, os.RemoveAll(filepath.Join(m.dir, workDir)))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("clean up directory store: %w", err)
	}
	return nil
}

// maxRemembered bounds the memory of a process that writes new keys for as long as it runs.
const maxRemembered = 10_000

func (m *MockStorage) remember(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.written) < maxRemembered {
		m.written[key] = struct{}{}
		return
	}
	_, known := m.written[key]
	m.forgotten = m.forgotten || !known
}

// forget returns the keys that were written, and an error if they are not all.
func (m *MockStorage) forget() (map[string]struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys, some := m.written, m.forgotten
	m.written, m.forgotten = map[string]struct{}{}, false
	if some {
		return keys, fmt.Errorf("more than %d objects were written: remove the others by hand", maxRemembered)
	}
	return keys, nil
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
	root, err := m.open()
	if err != nil {
		return err
	}
	defer root.Close()
	return fn(root, name)
}

func (m *MockStorage) open() (*os.Root, error) {
	root, err := os.OpenRoot(m.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the store's directory is gone; create it again, or open another store: %w", err)
	}
	return root, err
}
