package raftstore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftstore"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
)

func TestDataOfAnotherNodeOrClusterAreRefused(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		s := p.storage(t)
		_, err := raftstore.ReadIdentity(t.Context(), s)
		require.ErrorIs(t, err, storage.ErrNotFound)
		require.NoError(t, raftstore.Claim(t.Context(), s, "cluster", "node"))
		s = p.reopen(t, s)
		require.NoError(t, raftstore.Claim(t.Context(), s, "cluster", "node"))

		for _, wanted := range [][2]string{{"cluster", "other"}, {"other", "node"}, {"", ""}} {
			err := raftstore.Claim(t.Context(), s, wanted[0], wanted[1])
			var foreign *raftstore.ForeignError
			require.ErrorAs(t, err, &foreign)
			assert.Equal(t, raftstore.ForeignError{
				ClusterID: "cluster", NodeID: "node", WantedClusterID: wanted[0], WantedNodeID: wanted[1],
			}, *foreign)
		}
		found, err := raftstore.ReadIdentity(t.Context(), s)
		require.NoError(t, err)
		assert.Equal(t, raftstore.Identity{ClusterID: "cluster", NodeID: "node"}, found)
	})
}

func TestDataWithoutAnIdentityAreNotClaimed(t *testing.T) {
	s := newPlace(t, "memory").storage(t)
	require.NoError(t, newStore(t, s).StoreLogs(entries(1, 3)))
	requireCorrupt(t, raftstore.Claim(t.Context(), s, "cluster", "node"), 0)
}

func TestADamagedIdentityIsNamed(t *testing.T) {
	s := newPlace(t, "memory").storage(t)
	require.NoError(t, raftstore.Claim(t.Context(), s, "cluster", "node"))
	require.NoError(t, s.Set(t.Context(), []byte("i"), []byte("nonsense")))
	requireCorrupt(t, raftstore.Claim(t.Context(), s, "cluster", "node"), 0)
}

// inDirectory is a storage that says it has a directory.
type inDirectory struct {
	*memory.Storage
	directory string
}

func (d inDirectory) Directory() string { return d.directory }

func TestAnEmptyStorageBesideSnapshotsIsNotClaimed(t *testing.T) {
	s := inDirectory{memory.New(), t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(s.directory, "snapshots", "1-7-12345"), 0o700))
	err := raftstore.Claim(t.Context(), s, "cluster", "node")
	requireCorrupt(t, err, 0)
	assert.ErrorContains(t, err, "1-7-12345")
}
