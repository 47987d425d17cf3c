package s3lect

import (
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	_ Lister  = (*MockStorage)(nil)
	_ Deleter = (*MockStorage)(nil)
)

func keysOf(t *testing.T, list iter.Seq2[string, error]) (keys []string) {
	t.Helper()
	for key, err := range list {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func TestADirectoryListsObjectsAndNothingElse(t *testing.T) {
	m := newDirectory(t)
	for _, key := range []string{"a", "jobs/a.json", "jobs/b/c.json", "jobs.json", ".hidden/x", "b/.s3lect/x"} {
		require.NoError(t, m.PutIfMatch(t.Context(), key, []byte("x"), ""))
	}
	// What a writer that was killed leaves, and what is not this store's.
	require.NoError(t, os.WriteFile(filepath.Join(m.dir, workDir, tempPrefix+"ABC"), []byte("x"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(m.dir, "empty"), 0o700))
	if runtime.GOOS != "windows" {
		require.NoError(t, os.Symlink("a", filepath.Join(m.dir, "link")))
		require.NoError(t, os.Symlink("..", filepath.Join(m.dir, "jobs", "loop")))
	}

	assert.Equal(t, []string{".hidden/x", "a", "b/.s3lect/x", "jobs.json", "jobs/a.json", "jobs/b/c.json"}, keysOf(t, m.List(t.Context(), "")))
	assert.Equal(t, []string{"jobs.json", "jobs/a.json", "jobs/b/c.json"}, keysOf(t, m.List(t.Context(), "jobs")))
	assert.Equal(t, []string{"jobs/b/c.json"}, keysOf(t, m.List(t.Context(), "jobs/b/")))
	for _, prefix := range []string{".s3lect", ".s3lect/", "/", "../", "./", "jobs//", "jobs/../", "a/", "missing/"} {
		assert.Empty(t, keysOf(t, m.List(t.Context(), prefix)), prefix)
	}
}

func TestAListThatIsNotWantedAnyMoreEnds(t *testing.T) {
	m := newDirectory(t)
	for _, key := range []string{"a", "b/c", "d"} {
		require.NoError(t, m.PutIfMatch(t.Context(), key, nil, ""))
	}
	for key, err := range m.List(t.Context(), "") {
		require.NoError(t, err)
		assert.Equal(t, "a", key)
		break
	}
}

// The consumer of a list may delete what it is told of.
func TestObjectsCanBeDeletedWhileTheyAreListed(t *testing.T) {
	m := newDirectory(t)
	for _, key := range []string{"a/1", "a/2", "b/1", "c"} {
		require.NoError(t, m.PutIfMatch(t.Context(), key, nil, ""))
	}
	for key, err := range m.List(t.Context(), "") {
		require.NoError(t, err)
		require.NoError(t, m.Delete(t.Context(), key))
		if key == "a/1" {
			require.NoError(t, m.Delete(t.Context(), "b/1"), "with its directory, which is next")
		}
	}
	assert.Empty(t, keysOf(t, m.List(t.Context(), "")))
}

func TestAListOfADirectoryThatIsGoneIsNotEmpty(t *testing.T) {
	m := newDirectory(t)
	require.NoError(t, os.RemoveAll(m.dir))
	for key, err := range m.List(t.Context(), "jobs/") {
		assert.Empty(t, key)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorContains(t, err, `list objects "jobs/" in directory `+m.dir)
		return
	}
	t.Fatal("no error")
}
