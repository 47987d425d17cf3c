package storagetest

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

const (
	trimRounds  = 80
	trimEntries = 500     // that are there at a time
	trimValue   = 8 << 10 // bytes of each
	// trimLimit is how much disk is used at most: engines write their data several times and
	// collect garbage by the ten MB, later on a slow machine.
	trimLimit = 200 << 20
)

// testTrim appends and deletes as a log does, much more than may stay on the disk. The limit is looked at after each round,
// because it is only over time that space is given back.
func testTrim(t *testing.T, s storage.Storage) {
	t.Helper()
	directory, ok := s.(storage.Directory)
	if !ok {
		t.Skip("the storage is in no directory of this machine")
	}
	largest := int64(0)
	for round := range trimRounds {
		operations := make([]storage.Operation, 0, 2*trimEntries)
		for i := range trimEntries {
			number := round*trimEntries + i
			operations = append(operations, storage.Operation{Key: numbered("log", number), Value: randomBytes(int64(number), trimValue)})
			if round > 0 {
				operations = append(operations, storage.Operation{Key: numbered("log", number-trimEntries), Delete: true})
			}
		}
		require.NoError(t, s.Batch(t.Context(), operations))
		largest = max(largest, usedBytes(t, directory.Directory()))
	}
	total := trimRounds * trimEntries * trimValue
	t.Logf("%d MiB written, %d MiB kept, at most %d MiB used", total>>20, trimEntries*trimValue>>20, largest>>20)
	require.Less(t, largest, int64(trimLimit))
	require.Len(t, rangeKeys(t, s), trimEntries)
}

// usedBytes returns how much of the disk the files below a directory have. Files may come and go meanwhile.
func usedBytes(t *testing.T, directory string) int64 {
	t.Helper()
	used := int64(0)
	_ = filepath.WalkDir(directory, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it has just been removed
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			used += allocated(info)
		}
		return nil
	})
	return used
}
