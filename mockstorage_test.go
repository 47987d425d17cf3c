package s3lect

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/filelock"
)

var _ interface {
	Storage
	ETagPutter
} = (*MockStorage)(nil)

func newDirectory(t *testing.T) *MockStorage {
	t.Helper()
	m, err := NewMockStorage(t.TempDir())
	require.NoError(t, err)
	return m
}

func TestMockStorageKeepsAnObjectInAFileOfItsKey(t *testing.T) {
	m := newDirectory(t)
	require.NoError(t, m.PutIfMatch(t.Context(), "jobs/nightly/leader.json", []byte("one"), ""))

	onDisk, err := os.ReadFile(filepath.Join(m.dir, "jobs", "nightly", "leader.json"))
	require.NoError(t, err)
	assert.Equal(t, "one", string(onDisk))
}

func TestMockStorageCreatesItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	m, err := NewMockStorage(dir)
	require.NoError(t, err)
	assert.DirExists(t, dir)

	require.NoError(t, m.Cleanup())
	assert.NoDirExists(t, dir, "the directory it created")
}

func TestMockStorageRefusesAnEmptyDirectoryName(t *testing.T) {
	_, err := NewMockStorage("")
	assert.ErrorContains(t, err, "empty")
}

func TestMockStorageOnAFileIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := NewMockStorage(file)
	assert.ErrorContains(t, err, file)
}

func TestCleanupLeavesWhatOthersPutIntoTheDirectory(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	require.NoError(t, os.WriteFile(mine, []byte("precious"), 0o600))
	m, err := NewMockStorage(dir)
	require.NoError(t, err)
	require.NoError(t, m.PutIfMatch(t.Context(), "a/leader.json", nil, ""))
	require.ErrorIs(t, m.PutIfMatch(t.Context(), "mine", nil, ""), ErrStoragePrecondition)

	require.NoError(t, m.Cleanup())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, "mine", entries[0].Name())
}

func TestNewMockHasADirectoryOfItsOwn(t *testing.T) {
	a, b := NewMock(), NewMock()
	assert.NotEqual(t, a.dir, b.dir)
	require.NoError(t, a.Cleanup())
	require.NoError(t, b.Cleanup())
	assert.NoDirExists(t, a.dir)
}

func TestAMissingDirectoryIsNotAMissingObject(t *testing.T) {
	m := newDirectory(t)
	require.NoError(t, os.RemoveAll(m.dir))

	_, _, err := m.Get(t.Context(), "leader.json")
	assert.ErrorContains(t, err, "directory is gone")
	assert.ErrorContains(t, err, m.dir)
	assert.NotErrorIs(t, err, ErrStorageNotFound)

	err = m.PutIfMatch(t.Context(), "leader.json", nil, "")
	assert.ErrorContains(t, err, "directory is gone")
	assert.NoDirExists(t, m.dir, "a write must not bring an empty store back")
}

func TestKeysThatLeaveTheDirectoryAreRefused(t *testing.T) {
	m := newDirectory(t)
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(m.dir, "out")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(m.dir, "link")))

	keys := []string{
		"", ".", "..", "../x", "a/../../x", "a/../b", "./a", "/etc/passwd", "a//b", "a/", "a\x00b", "\xff",
		".s3lect", ".s3lect/lock", ".S3Lect/x", "out/secret", "out/new", "link",
	}
	for _, key := range keys {
		_, _, err := m.Get(t.Context(), key)
		assert.Error(t, err, "read %q", key)
		if key != "out/new" { // there is no such object, and no way to find out
			assert.NotErrorIs(t, err, ErrStorageNotFound, "read %q", key)
		}
		assert.Error(t, m.PutIfMatch(t.Context(), key, []byte("y"), ""), "write %q", key)
		assert.Error(t, m.Delete(t.Context(), key), "delete %q", key)
		if !strings.Contains(key, "out/") && key != "link" { // links can be removed
			assert.ErrorIs(t, err, ErrStorageKey, "read %q", key)
		}
	}
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing written outside")
}

func TestAKeyThatIsADirectoryIsNamed(t *testing.T) {
	m := newDirectory(t)
	require.NoError(t, m.PutIfMatch(t.Context(), "a/b", nil, ""))

	_, _, err := m.Get(t.Context(), "a")
	assert.ErrorContains(t, err, `"a"`)
	assert.ErrorContains(t, err, "directory of that name")
	assert.ErrorContains(t, m.PutIfMatch(t.Context(), "a", nil, ""), "directory of that name")

	_, _, err = m.Get(t.Context(), "a/b/c")
	assert.ErrorIs(t, err, ErrStorageNotFound, "below a file there is no object")
	assert.ErrorContains(t, m.PutIfMatch(t.Context(), "a/b/c", nil, ""), "another key's object")
}

func TestALargeFileIsReadInPartAndComparedInWhole(t *testing.T) {
	m := newDirectory(t)
	large := bytes.Repeat([]byte("x"), 3*maxObjectSize)
	file := filepath.Join(m.dir, "large")
	require.NoError(t, os.WriteFile(file, large, 0o600))
	data, first, err := m.Get(t.Context(), "large")
	require.NoError(t, err)
	assert.Len(t, data, maxObjectSize+1)

	large[len(large)-1] = 'y'
	require.NoError(t, os.WriteFile(file, large, 0o600))
	_, second, err := m.Get(t.Context(), "large")
	require.NoError(t, err)
	assert.NotEqual(t, first, second)

	assert.ErrorContains(t, m.PutIfMatch(t.Context(), "new", large, ""), "too many")
}

func TestAWriterThatWaitsForTheLockEndsWithItsContext(t *testing.T) {
	m := newDirectory(t)
	root, err := os.OpenRoot(m.dir)
	require.NoError(t, err)
	defer root.Close()
	lock, err := lockStore(t.Context(), root)
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = m.PutIfMatch(ctx, "leader.json", []byte("x"), "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, _, err = m.Get(t.Context(), "leader.json")
	assert.ErrorIs(t, err, ErrStorageNotFound, "reads do not wait for the lock")
	assert.Len(t, workFiles(t, m.dir), 1, "the lock, and nothing unfinished")

	unlockStore(lock)
	assert.NoError(t, m.PutIfMatch(t.Context(), "leader.json", []byte("x"), ""))
}

func TestALockFileThatWasRemovedExcludesNobodyAndIsTakenAgain(t *testing.T) {
	m := newDirectory(t)
	root, err := os.OpenRoot(m.dir)
	require.NoError(t, err)
	defer root.Close()
	old, err := lockStore(t.Context(), root)
	require.NoError(t, err)
	assert.True(t, isLockFile(root, old))
	require.NoError(t, root.Remove(lockFile))
	assert.False(t, isLockFile(root, old), "a file that was removed")

	lock, err := lockStore(t.Context(), root)
	require.NoError(t, err)
	assert.False(t, isLockFile(root, old), "a file that was replaced")
	defer unlockStore(lock)
	require.NoError(t, filelock.Unlock(old))
	again, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = lockStore(again, root)
	assert.ErrorIs(t, err, context.DeadlineExceeded, "the lock is on the file that now has the name")
	require.NoError(t, old.Close())
}

func TestAbandonedWritesAreRemovedOnceTheyAreOld(t *testing.T) {
	m := newDirectory(t)
	root, err := os.OpenRoot(m.dir)
	require.NoError(t, err)
	defer root.Close()
	abandoned, err := writeTemp(root, []byte("old"))
	require.NoError(t, err)
	fresh, err := writeTemp(root, []byte("fresh"))
	require.NoError(t, err)
	long := time.Now().Add(-2 * staleAfter)
	require.NoError(t, root.Chtimes(abandoned, long, long))

	_, err = NewMockStorage(m.dir)
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Base(fresh)}, workFiles(t, m.dir))
}

func TestADirectoryStoreThatMovedAwayIsAnotherStore(t *testing.T) {
	m, err := NewMockStorage(filepath.Join(t.TempDir(), "store"))
	require.NoError(t, err)
	require.NoError(t, m.PutIfMatch(t.Context(), "leader.json", []byte("x"), ""))
	require.NoError(t, os.Rename(m.dir, m.dir+".old"))
	require.NoError(t, os.Mkdir(m.dir, 0o700))

	_, _, err = m.Get(t.Context(), "leader.json")
	assert.ErrorIs(t, err, ErrStorageNotFound)
}

func TestTheStoreStaysWhereItWasWhenTheWorkingDirectoryChanges(t *testing.T) {
	t.Chdir(t.TempDir())
	m, err := NewMockStorage("store")
	require.NoError(t, err)
	require.NoError(t, m.PutIfMatch(t.Context(), "leader.json", []byte("x"), ""))
	t.Chdir(t.TempDir())
	_, _, err = m.Get(t.Context(), "leader.json")
	assert.NoError(t, err)
}

func TestDeleteLeavesNoEmptyDirectories(t *testing.T) {
	m := newDirectory(t)
	require.NoError(t, m.PutIfMatch(t.Context(), "a/b/c", nil, ""))
	require.NoError(t, m.PutIfMatch(t.Context(), "a/d", nil, ""))
	require.NoError(t, m.Delete(t.Context(), "a/b/c"))
	require.NoError(t, m.Delete(t.Context(), "a/b/c"), "an object that is not there")
	assert.NoDirExists(t, filepath.Join(m.dir, "a", "b"))
	_, _, err := m.Get(t.Context(), "a/d")
	assert.NoError(t, err)
}

func TestErrorsOfADirectoryStoreNameKeyAndDirectory(t *testing.T) {
	m := newDirectory(t)
	_, _, err := m.Get(t.Context(), "leader.json")
	require.ErrorIs(t, err, ErrStorageNotFound)
	assert.ErrorContains(t, err, `"leader.json"`)
	assert.ErrorContains(t, err, m.dir)

	err = m.PutIfMatch(t.Context(), "leader.json", nil, strings.Repeat("0", 64))
	require.ErrorIs(t, err, ErrStoragePrecondition)
	assert.ErrorContains(t, err, `"leader.json"`)
}

func workFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := fs.ReadDir(os.DirFS(dir), workDir)
	require.NoError(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
