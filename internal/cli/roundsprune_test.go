package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// recordRound stores a round that was won some time ago.
func recordRound(t *testing.T, storage s3lect.Storage, system, round string, ago time.Duration) {
	t.Helper()
	record := fmt.Sprintf(`{"system":%q,"round":%q,"version":1,"nonce":"n","elected":{"id":"a","address":"h","at":%q}}`,
		system, round, time.Now().Add(-ago).UTC().Format(time.RFC3339))
	require.NoError(t, storage.PutIfMatch(t.Context(), "rounds/"+system+"/"+round+".json", []byte(record), ""))
}

// withRounds are two old rounds and the latest of one system, an only one of another, and a stranger.
func withRounds(t *testing.T) *memory.Storage {
	t.Helper()
	storage := memory.New()
	recordRound(t, storage, "s", "1", 50*time.Hour)
	recordRound(t, storage, "s", "2", 30*time.Hour)
	recordRound(t, storage, "s", "3", 2*time.Hour)
	recordRound(t, storage, "t", "1", 50*time.Hour)
	require.NoError(t, storage.PutIfMatch(t.Context(), "rounds/readme.txt", []byte("hello"), ""))
	require.NoError(t, storage.PutIfMatch(t.Context(), "leader.json", []byte(heldRecord), ""))
	return storage
}

// left are the keys that are still there.
func left(t *testing.T, storage s3lect.Lister) (keys int) {
	t.Helper()
	for _, err := range storage.List(t.Context(), "") {
		require.NoError(t, err)
		keys++
	}
	return keys
}

func TestPruneRemovesOldRoundsAndSaysWhich(t *testing.T) {
	t.Parallel()
	storage := withRounds(t)
	code, out, says := newTerminal(t).on(storage).run("rounds", "prune", "--store", "s3://bucket", "--older-than", "24h")
	assert.Equal(t, exitOK, code, says)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 4)
	for i, round := range []string{"1", "2"} {
		assert.Regexp(t, `^removed s/`+round+`: elected a at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`, lines[1+i])
	}
	assert.Equal(t, "removed 2 rounds, kept 2, left alone 1 object that is no round", lines[3])
	assert.Equal(t, 4, left(t, storage))
	r, err := rounds.New(storage, rounds.Options{})
	require.NoError(t, err)
	state, err := r.Elected(t.Context(), "t", "1")
	require.NoError(t, err)
	assert.NotNil(t, state.Elected, "the latest of a system stays, however old")
}

func TestDryRunRemovesNothing(t *testing.T) {
	t.Parallel()
	storage := withRounds(t)
	code, out, says := newTerminal(t).on(storage).run("rounds", "prune", "--store", "s3://bucket", "--older-than", "24h", "--dry-run")
	assert.Equal(t, exitOK, code, says)
	assert.Equal(t, 2, strings.Count(out, "would remove s/"))
	assert.Contains(t, out, "\nwould remove 2 rounds, kept 2")
	assert.Equal(t, 6, left(t, storage))
}

func TestPruneNamesWhatIsNoRound(t *testing.T) {
	t.Parallel()
	storage := withRounds(t)
	require.NoError(t, storage.PutIfMatch(t.Context(), "rounds/s/2026.json", []byte("hello"), ""))
	for _, args := range [][]string{{"--dry-run"}, nil} {
		_, out, _ := newTerminal(t).on(storage).run(append([]string{"rounds", "prune", "--store", "s3://bucket", "--older-than", "24h"}, args...)...)
		assert.True(t, strings.HasPrefix(out, "left alone rounds/readme.txt: no round\nleft alone rounds/s/2026.json: no round\n"), out)
		assert.Contains(t, out, "left alone 2 objects that are no rounds\n")
	}
}

func TestPruneKeepsToItsPrefix(t *testing.T) {
	t.Parallel()
	storage := withRounds(t)
	code, out, says := newTerminal(t).on(storage).run("rounds", "prune", "--store", "s3://bucket", "--older-than", "24h", "--prefix", "others")
	assert.Equal(t, exitOK, code, says)
	assert.Equal(t, "removed 0 rounds, kept 0\n", out)
	assert.Equal(t, 6, left(t, storage))
}

func TestPruneSaysWhatIsWrongWithItsFlags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no age":    {[]string{"--store", "s3://b"}, "--older-than is required"},
		"too young": {[]string{"--store", "s3://b", "--older-than", "59m"}, "--older-than 59m0s is less than 1h0m0s: clocks of machines differ"},
		"negative":  {[]string{"--store", "s3://b", "--older-than", "-24h"}, "--older-than -24h0m0s is less than"},
		"no store":  {[]string{"--older-than", "24h"}, "--store is required"},
		"memory":    {[]string{"--store", "mem:x", "--older-than", "24h"}, "--store mem:x: no other process sees a storage in memory"},
		"prefix":    {[]string{"--store", "s3://b", "--older-than", "24h", "--prefix", "/"}, "--prefix: "},
		"argument":  {[]string{"--store", "s3://b", "--older-than", "24h", "all"}, `"s3lect rounds prune" takes no arguments, but there is "all"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storage := withRounds(t)
			code, out, says := newTerminal(t).on(storage).run(append([]string{"rounds", "prune"}, c.args...)...)
			assert.Equal(t, exitUsage, code)
			assert.Contains(t, says, c.says)
			assert.Empty(t, out)
			assert.Equal(t, 6, left(t, storage))
		})
	}
}

func TestEnvironmentNeverPrunes(t *testing.T) {
	t.Parallel()
	storage := withRounds(t)
	term := newTerminal(t).on(storage)
	term.env = map[string]string{"S3LECT_STORE": "s3://bucket", "S3LECT_OLDER_THAN": "24h"}
	code, _, says := term.run("rounds", "prune")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, says, "--older-than is required")
	assert.Equal(t, 6, left(t, storage))
}

func TestPruneNeedsAStorageThatCanListAndDelete(t *testing.T) {
	t.Parallel()
	code, out, says := newTerminal(t).on(struct{ s3lect.Storage }{withRounds(t)}).run("rounds", "prune", "--store", "s3://bucket", "--older-than", "24h")
	assert.Equal(t, exitUsage, code)
	assert.Empty(t, out)
	assert.Contains(t, says, "s3lect: --store s3://bucket: this storage cannot tell which objects it has, or not remove them")
}

func TestPruneDoesNotCreateADirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mistyped")
	code, _, says := newTerminal(t).run("rounds", "prune", "--store", "file://"+filepath.ToSlash(dir), "--older-than", "24h")
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, says, "there is no such directory")
	assert.NoDirExists(t, dir)
}

// sticky is a storage from which nothing can be removed.
type sticky struct{ *memory.Storage }

func (sticky) Delete(context.Context, string) error { return os.ErrPermission }

func TestPruneThatFailsSaysWhatItHasDone(t *testing.T) {
	t.Parallel()
	code, out, says := newTerminal(t).on(sticky{withRounds(t)}).run("rounds", "prune", "--store", "s3://bucket", "--older-than", "24h")
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, out, "removed 0 rounds")
	assert.Contains(t, says, "s3lect: prune rounds: ")
}

func TestPruneWorksOnADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	storage, err := s3lect.NewMockStorage(dir)
	require.NoError(t, err)
	recordRound(t, storage, "s", "1", 50*time.Hour)
	recordRound(t, storage, "s", "2", 30*time.Hour)
	code, out, says := newTerminal(t).run("rounds", "prune", "--store", "file://"+filepath.ToSlash(dir), "--older-than", "24h")
	assert.Equal(t, exitOK, code, says)
	assert.Contains(t, out, "removed 1 round, kept 1\n")
}
