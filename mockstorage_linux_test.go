package s3lect

import (
	"bytes"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnUnwritableDirectoryIsNamedAndCanBeRead(t *testing.T) {
	dir := t.TempDir()
	writable, err := NewMockStorage(dir)
	require.NoError(t, err)
	require.NoError(t, writable.PutIfMatch(t.Context(), "leader.json", []byte("old"), ""))
	_, etag, err := writable.Get(t.Context(), "leader.json")
	require.NoError(t, err)
	for _, unwritable := range []string{filepath.Join(dir, workDir), dir} {
		require.NoError(t, os.Chmod(unwritable, 0o555))
		t.Cleanup(func() { assert.NoError(t, os.Chmod(unwritable, 0o755)) }) // so that it can be removed
	}
	openTo(t, filepath.Dir(dir))
	withoutPrivileges(t)

	m, err := NewMockStorage(dir)
	require.NoError(t, err)
	err = m.PutIfMatch(t.Context(), "leader.json", []byte("new"), etag)
	require.ErrorIs(t, err, os.ErrPermission)
	assert.ErrorContains(t, err, dir)
	assert.ErrorContains(t, err, "must be writable")
	data, _, err := m.Get(t.Context(), "leader.json")
	require.NoError(t, err)
	assert.Equal(t, "old", string(data))
}

// openTo lets other users pass through a test's own directory.
func openTo(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.Chmod(dir, 0o755))
}

// withoutPrivileges makes file permissions count for the superuser too, on this thread alone,
// which ends with the test.
func withoutPrivileges(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	runtime.LockOSThread() // never unlocked: the thread goes away with the goroutine
	_, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
	require.Zero(t, errno)
	t.Cleanup(func() { _, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0) })
}

func TestAFullDiskLeavesTheObjectAsItWas(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mounting a small file system needs privileges; the next test needs none: %v", err)
	}
	defer func() { assert.NoError(t, syscall.Unmount(dir, 0)) }()
	checkWriteThatDoesNotFit(t, dir, syscall.ENOSPC)
}

func TestAWriteThatIsCutShortLeavesTheObjectAsItWas(t *testing.T) {
	limitFileSize(t, 64<<10)
	checkWriteThatDoesNotFit(t, t.TempDir(), syscall.EFBIG)
}

// limitFileSize makes writes beyond so many bytes of a file fail, as those to a full disk do, until
// the test ends. It holds for the whole process, so the test must not run beside others.
func limitFileSize(t *testing.T, most uint64) {
	t.Helper()
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	signal.Ignore(syscall.SIGXFSZ)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: most, Max: before.Max}))
	t.Cleanup(func() {
		assert.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
		signal.Reset(syscall.SIGXFSZ)
	})
}

func checkWriteThatDoesNotFit(t *testing.T, dir string, reason error) {
	t.Helper()
	m, err := NewMockStorage(dir)
	require.NoError(t, err)
	require.NoError(t, m.PutIfMatch(t.Context(), "leader.json", []byte("old"), ""))
	_, etag, err := m.Get(t.Context(), "leader.json")
	require.NoError(t, err)

	err = m.PutIfMatch(t.Context(), "leader.json", bytes.Repeat([]byte("x"), 128<<10), etag)
	require.ErrorIs(t, err, reason)
	assert.ErrorContains(t, err, "as it was")
	data, _, err := m.Get(t.Context(), "leader.json")
	require.NoError(t, err)
	assert.Equal(t, "old", string(data))
	assert.Equal(t, []string{"lock"}, workFiles(t, dir), "the unfinished write is removed")
	assert.NoError(t, m.PutIfMatch(t.Context(), "leader.json", []byte("new"), etag), "a write that fits")
}
