package raftstore_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftstore"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
)

// onBothKinds runs a test with snapshots in files and in chunks.
func onBothKinds(t *testing.T, test func(t *testing.T, s storage.Storage)) {
	t.Helper()
	t.Run("files", func(t *testing.T) { test(t, inDirectory{memory.New(), t.TempDir()}) })
	t.Run("chunks", func(t *testing.T) { test(t, memory.New()) })
}

func openSnapshots(tb testing.TB, s storage.Storage) *raftstore.SnapshotStore {
	tb.Helper()
	snapshots, err := raftstore.Snapshots(s, 2, nil)
	require.NoError(tb, err)
	return snapshots
}

var members = raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "127.0.0.1:1"}, {ID: "b", Address: "127.0.0.1:2", Suffrage: raft.Nonvoter}}}

// begin creates a snapshot and writes its content in pieces.
func begin(tb testing.TB, snapshots *raftstore.SnapshotStore, index, term uint64, content []byte) raft.SnapshotSink {
	tb.Helper()
	_, trans := raft.NewInmemTransport("")
	sink, err := snapshots.Create(raft.SnapshotVersionMax, index, term, members, index-1, trans)
	require.NoError(tb, err)
	random := rand.New(rand.NewSource(1))
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 1+random.Intn(300_000))
		written, err := sink.Write(rest[:n])
		require.NoError(tb, err)
		require.Equal(tb, n, written)
		rest = rest[n:]
	}
	return sink
}

func take(tb testing.TB, snapshots *raftstore.SnapshotStore, index, term uint64, content []byte) string {
	tb.Helper()
	sink := begin(tb, snapshots, index, term, content)
	require.NoError(tb, sink.Close())
	require.NoError(tb, sink.Close(), "a second Close")
	return sink.ID()
}

func contentOf(size int, seed int64) []byte {
	content := make([]byte, size)
	_, _ = rand.New(rand.NewSource(seed)).Read(content)
	return content
}

func requireNewest(t *testing.T, snapshots *raftstore.SnapshotStore, index uint64, content []byte) {
	t.Helper()
	metas, err := snapshots.List()
	require.NoError(t, err)
	require.Len(t, metas, 1)
	require.Equal(t, index, metas[0].Index)
	meta, reader, err := snapshots.Open(metas[0].ID)
	require.NoError(t, err)
	require.Equal(t, index, meta.Index)
	require.Equal(t, members, meta.Configuration)
	require.Equal(t, index-1, meta.ConfigurationIndex)
	require.Equal(t, int64(len(content)), meta.Size)
	got, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, got), "content")
	require.NoError(t, reader.Close())
}

func TestTheNewestSnapshotIsReadAsItWasWritten(t *testing.T) {
	onBothKinds(t, func(t *testing.T, s storage.Storage) {
		t.Helper()
		snapshots := openSnapshots(t, s)
		metas, err := snapshots.List()
		require.NoError(t, err)
		require.Empty(t, metas)
		index := uint64(9)
		for _, size := range []int{0, 1, 1 << 20, 1<<20 + 1, 5 << 20} {
			index++
			content := contentOf(size, int64(size))
			take(t, snapshots, index, index/4, content)
			requireNewest(t, snapshots, index, content)
			requireNewest(t, openSnapshots(t, s), index, content)
		}
	})
}

func TestAnUnfinishedSnapshotIsNotSeenAndIsRemoved(t *testing.T) {
	onBothKinds(t, func(t *testing.T, s storage.Storage) {
		t.Helper()
		snapshots := openSnapshots(t, s)
		take(t, snapshots, 10, 1, []byte("old"))
		before := footprint(t, s)
		begin(t, snapshots, 20, 1, contentOf(3<<20, 1)) // and then the process dies
		requireNewest(t, snapshots, 10, []byte("old"))
		require.Greater(t, footprint(t, s), before)
		requireNewest(t, openSnapshots(t, s), 10, []byte("old"))
		require.Equal(t, before, footprint(t, s))

		sink := begin(t, snapshots, 30, 1, contentOf(3<<20, 1))
		require.NoError(t, sink.Cancel())
		require.NoError(t, sink.Cancel(), "a second Cancel")
		require.Equal(t, before, footprint(t, s))
		requireNewest(t, snapshots, 10, []byte("old"))
	})
}

func TestOldSnapshotsMakeRoom(t *testing.T) {
	onBothKinds(t, func(t *testing.T, s storage.Storage) {
		t.Helper()
		snapshots := openSnapshots(t, s)
		for index := uint64(1); index <= 5; index++ {
			take(t, snapshots, index*10, 1, contentOf(2<<20, int64(index)))
		}
		require.Less(t, footprint(t, s), 2*(2<<20)+10_000)
		requireNewest(t, snapshots, 50, contentOf(2<<20, 5))
	})
}

func TestASnapshotThatIsReadIsNotTakenAway(t *testing.T) {
	onBothKinds(t, func(t *testing.T, s storage.Storage) {
		t.Helper()
		snapshots := openSnapshots(t, s)
		content := contentOf(4<<20, 1)
		id := take(t, snapshots, 10, 1, content)
		_, reader, err := snapshots.Open(id)
		require.NoError(t, err)
		_, second, err := snapshots.Open(id)
		require.NoError(t, err)
		for index := uint64(20); index <= 50; index += 10 {
			take(t, snapshots, index, 1, []byte("newer"))
		}
		require.NoError(t, second.Close())
		got, err := io.ReadAll(reader)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, got))
		require.NoError(t, reader.Close())
		require.NoError(t, reader.Close(), "a second Close")
		require.Less(t, footprint(t, s), 10_000, "the old one is gone now")

		_, _, err = snapshots.Open(id)
		require.Error(t, err)
		require.NoError(t, snapshots.Damage(), "one that has made room is not damaged")
	})
}

// TestADamagedSnapshotIsNamedAndNothingOlderIsUsed damages the newest snapshot in every way.
func TestADamagedSnapshotIsNamedAndNothingOlderIsUsed(t *testing.T) {
	onBothKinds(t, func(t *testing.T, s storage.Storage) {
		t.Helper()
		snapshots := openSnapshots(t, s)
		content := contentOf(2<<20+5, 1)
		take(t, snapshots, 10, 1, []byte("old"))
		id := take(t, snapshots, 20, 1, content)
		for name, damage := range damages(t, s, id) {
			t.Run(name, func(t *testing.T) {
				repair := damage()
				defer repair()
				damaged := openSnapshots(t, s)
				got, err := readNewest(damaged)
				var corrupt *raftstore.CorruptError
				require.ErrorAs(t, err, &corrupt)
				assert.ErrorContains(t, err, id)
				assert.Equal(t, corrupt, damaged.Damage())
				assert.True(t, bytes.HasPrefix(content, got), "nothing that is damaged is handed out")
			})
		}
		requireNewest(t, openSnapshots(t, s), 20, content)
	})
}

func readNewest(snapshots *raftstore.SnapshotStore) ([]byte, error) {
	metas, err := snapshots.List()
	if err != nil {
		return nil, err
	}
	_, reader, err := snapshots.Open(metas[0].ID)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return io.ReadAll(reader)
}

// damages returns what can happen to a snapshot, each as a function that does it and returns its repair.
func damages(t *testing.T, s storage.Storage, id string) map[string]func() func() {
	t.Helper()
	found := map[string]func() func(){}
	if directory, ok := s.(storage.Directory); ok {
		for _, name := range []string{"meta.json", "state.bin"} {
			path := filepath.Join(directory.Directory(), "snapshots", id, name)
			intact, err := os.ReadFile(path)
			require.NoError(t, err)
			write := func(b []byte) func() func() {
				return func() func() {
					require.NoError(t, os.WriteFile(path, b, 0o600))
					return func() { require.NoError(t, os.WriteFile(path, intact, 0o600)) }
				}
			}
			found[name+" has lost its end"] = write(intact[:len(intact)-3])
			found[name+" is empty"] = write(nil)
			found[name+" has changed"] = write(bytes.Replace(intact, intact[len(intact)/2:len(intact)/2+9], []byte("!!!!!!!!!"), 1))
			found[name+" is gone"] = func() func() {
				require.NoError(t, os.Remove(path))
				return func() { require.NoError(t, os.WriteFile(path, intact, 0o600)) }
			}
		}
		return found
	}
	pairs, err := s.GetRange(t.Context(), storage.Range{})
	require.NoError(t, err)
	for _, pair := range pairs {
		if !bytes.Contains(pair.Key, []byte(id)) {
			continue
		}
		write := func(b []byte) func() func() {
			return func() func() {
				require.NoError(t, s.Set(t.Context(), pair.Key, b))
				return func() { require.NoError(t, s.Set(t.Context(), pair.Key, pair.Value)) }
			}
		}
		name := fmt.Sprintf("%q", pair.Key)
		found[name+" has lost its end"] = write(pair.Value[:len(pair.Value)-3])
		found[name+" is empty"] = write(nil)
		found[name+" has changed"] = write(append([]byte{pair.Value[0] + 1}, pair.Value[1:]...))
		if pair.Key[0] == 'c' {
			found[name+" is gone"] = func() func() {
				require.NoError(t, s.Delete(t.Context(), pair.Key))
				return func() { require.NoError(t, s.Set(t.Context(), pair.Key, pair.Value)) }
			}
		}
	}
	require.Len(t, found, 4*3+3, "three chunks and a description")
	return found
}

// footprint returns how many bytes there are.
func footprint(t *testing.T, s storage.Storage) int {
	t.Helper()
	pairs, err := s.GetRange(t.Context(), storage.Range{})
	require.NoError(t, err)
	size := 0
	for _, pair := range pairs {
		size += len(pair.Key) + len(pair.Value)
	}
	directory, ok := s.(storage.Directory)
	if !ok {
		return size
	}
	require.NoError(t, filepath.Walk(directory.Directory(), func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			size += int(info.Size())
		}
		return err
	}))
	return size
}

func TestSnapshotsThatCannotBeKeptAreRefused(t *testing.T) {
	_, err := raftstore.Snapshots(memory.New(), 0, nil)
	assert.ErrorContains(t, err, "at least one")
	onBothKinds(t, func(t *testing.T, s storage.Storage) {
		t.Helper()
		_, err := openSnapshots(t, s).Create(7, 1, 1, members, 1, nil)
		assert.ErrorContains(t, err, "version")
	})
}
