package demo

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/filelock"
)

func TestNobodyIsFrozenWhileTheStorageIsLocked(t *testing.T) {
	dir := t.TempDir()
	storage, err := s3lect.NewMockStorage(dir)
	require.NoError(t, err)
	require.NoError(t, storage.PutIfMatch(t.Context(), "leader.json", []byte("{}"), ""))
	lock, err := os.OpenFile(filepath.Join(dir, ".s3lect", "lock"), os.O_RDWR, 0)
	require.NoError(t, err, "the lock has another name now: freezeApart must know it")
	defer func() { assert.NoError(t, lock.Close()) }()
	require.NoError(t, filelock.Lock(t.Context(), lock))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Were it to freeze a process, it would be this one, and the test would not end.
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	require.ErrorIs(t, freezeApart(ctx, self, dir), context.Canceled)
}
