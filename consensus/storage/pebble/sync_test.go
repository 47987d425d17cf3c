package pebble

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// openOn opens a storage on a file system that forgets, in a crash, what was not synced.
func openOn(t *testing.T, fs vfs.FS) *Storage {
	t.Helper()
	s := &Storage{directory: "data", broken: newBroken()}
	options := options(engineLog{slog.Default(), s.broken}, s.broken.tell)
	options.FS = fs
	var err error
	options.Lock, err = pebble.LockDirectory("data", fs)
	require.NoError(t, err)
	s.lock = options.Lock
	require.NoError(t, s.open(options))
	return s
}

var crashes = flag.Int("pebble.crashes", 8, "how often the machine crashes")

func TestNothingAnsweredIsLostWhenTheMachineCrashes(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	fs := vfs.NewCrashableMem()
	require.NoError(t, fs.MkdirAll("data", 0o700))
	written := 0
	for range *crashes {
		s := openOn(t, fs)
		for range 50 {
			key := fmt.Appendf(nil, "%09d", written)
			value := make([]byte, random.Intn(100_000))
			require.NoError(t, s.Batch(context.Background(), []storage.Operation{{Key: key, Value: value}, {Key: append(key, 'b'), Value: key}}))
			written++
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{}) // without anything that was not synced
		require.NoError(t, s.Close())
		fs = crashed

		s = openOn(t, fs)
		pairs, err := s.GetRange(context.Background(), storage.Range{KeysOnly: true})
		require.NoError(t, err)
		require.Len(t, pairs, 2*written)
		crashed = fs.CrashClone(vfs.CrashCloneCfg{})
		require.NoError(t, s.Close())
		fs = crashed
	}
}
