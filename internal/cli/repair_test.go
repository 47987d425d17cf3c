package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func assertStored(t *testing.T, storage s3lect.Storage, want string) {
	t.Helper()
	data, _, err := storage.Get(t.Context(), "leader.json")
	require.NoError(t, err)
	assert.Equal(t, want, string(data))
}

func TestRepairOnlyShowsUnlessForced(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	put(t, storage, badRecord)
	code, out, says := newTerminal(t).on(storage).run(with("repair")...)
	assert.Equal(t, exitBad, code)
	assert.Regexp(t, `^state  not a leader record
error  object "leader.json" is not a leader record: .*

The object, 27 bytes:
\{"term": 41, "leaderID": 3\}

If it is not needed, --force replaces it; --backup FILE keeps it in a file.
$`, out)
	assert.Empty(t, says)
	assertStored(t, storage, badRecord)
}

func TestBytesThatATerminalWouldObeyAreEncoded(t *testing.T) {
	t.Parallel()
	assert.Equal(t, ":\na\tb\nc é", shown([]byte("a\tb\nc é\n")))
	for _, data := range []string{"\x1b[2J", "\xff\xfe", "\u009b2J", "a\rb", "\xc3("} {
		encoded, isEncoded := strings.CutPrefix(shown([]byte(data)), " (base64):\n")
		assert.True(t, isEncoded)
		back, err := base64.StdEncoding.DecodeString(encoded)
		require.NoError(t, err)
		assert.Equal(t, data, string(back))
	}
}

func TestOnlyTheBeginningOfALargeObjectIsShown(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	put(t, storage, strings.Repeat("x", 511)+"éyyy") // cut within a character
	code, out, _ := newTerminal(t).on(storage).run(with("repair")...)
	assert.Equal(t, exitBad, code)
	assert.Contains(t, out, "The object, 516 bytes, of which these are the first 512:\nxxx")
	assert.NotContains(t, out, "yyy")
}

func TestReplacedObjectIsShownWholeWhereItIsKeptNowhereElse(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	put(t, storage, strings.Repeat("x", 600)+"end")
	code, out, _ := newTerminal(t).on(storage).run(with("repair", "--force", "--lease", "1ms")...)
	assert.Equal(t, exitOK, code)
	assert.Contains(t, out, "xend\n")
}

func TestNothingIsWrongWithAValidRecordOrNone(t *testing.T) {
	t.Parallel()
	for _, record := range []string{heldRecord, resignedRecord, ""} {
		storage := memory.New()
		if record != "" {
			put(t, storage, record)
		}
		code, out, says := newTerminal(t).on(storage).run(with("repair")...)
		assert.Equal(t, exitOK, code)
		assert.Contains(t, out, "Nothing is wrong with it.")
		assert.Empty(t, says)
	}
}

func TestForcedRepairLeavesAResignedRecordWithAHigherTerm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		term int64
	}{
		"above the old":          {nil, 42},
		"as high as was ordered": {[]string{"--min-term", "1000"}, 1000},
		"never below the old":    {[]string{"--min-term", "3"}, 42},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				storage := memory.New()
				put(t, storage, badRecord)
				start := time.Now()
				code, out, says := newTerminal(t).on(storage).run(with("repair", append(c.args, "--force", "--json")...)...)
				assert.Equal(t, exitOK, code, says)
				assert.Equal(t, lease, time.Since(start), "a leader from before the damage has a lease to find out")
				record, err := s3lect.ReadLeaderRecord(t.Context(), storage, "leader.json")
				require.NoError(t, err)
				assert.True(t, record.Resigned())
				assert.Equal(t, c.term, record.Term)

				var f finding
				require.NoError(t, json.Unmarshal([]byte(out), &f))
				assert.Equal(t, badRecord, string(f.Old), "nothing is lost")
				assert.Equal(t, c.term, f.Repaired.Term)
			})
		})
	}
}

func TestBackupKeepsTheOldBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := memory.New()
		put(t, storage, "\x00\x01 not text")
		backup := filepath.Join(t.TempDir(), "old")
		code, out, says := newTerminal(t).on(storage).run(with("repair", "--force", "--backup", backup, "--lease", "1s")...)
		assert.Equal(t, exitOK, code, says)
		assert.Contains(t, out, "The object's 11 bytes are kept in "+backup)
		assert.Contains(t, out, "Replaced by a resigned record with term 1: an election can begin.")
		kept, err := os.ReadFile(backup)
		require.NoError(t, err)
		assert.Equal(t, "\x00\x01 not text", string(kept))
	})
}

func TestAnObjectThatCannotBeBackedUpWholeIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	object := filepath.Join(dir, "leader.json")
	large := bytes.Repeat([]byte("x"), 3<<20)
	require.NoError(t, os.WriteFile(object, large, 0o600))
	backup := filepath.Join(t.TempDir(), "old")
	at := []string{"repair", "--store", "file://" + filepath.ToSlash(dir), "--key", "leader.json"}

	code, _, says := newTerminal(t).run(append(at, "--force", "--backup", backup, "--lease", "1ms")...)
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, says, "storage's own tools, or choose another key")
	assert.NoFileExists(t, backup)
	kept, err := os.ReadFile(object)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(large, kept), "the object is whole")

	code, out, _ := newTerminal(t).run(at...)
	assert.Equal(t, exitBad, code)
	assert.Contains(t, out, "The object, more than 1048576 bytes, of which these are the first 512:")
	assert.Contains(t, out, "It is too large to be replaced here: copy and remove it with the storage's own tools")
	assert.NotContains(t, out, "--force")
}

func TestNothingIsReplacedWithoutItsBackup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := memory.New()
		put(t, storage, badRecord)
		backup := filepath.Join(t.TempDir(), "old")
		require.NoError(t, os.WriteFile(backup, []byte("an earlier one"), 0o600))
		start := time.Now()
		code, _, says := newTerminal(t).on(storage).run(with("repair", "--force", "--backup", backup)...)
		assert.Equal(t, exitFailure, code)
		assert.Contains(t, says, "nothing was replaced: the backup "+backup+" exists already")
		assert.Zero(t, time.Since(start), "said before the object is watched")
		assertStored(t, storage, badRecord)

		code, _, says = newTerminal(t).on(storage).run(with("repair", "--force", "--backup", filepath.Join(backup, "x"))...)
		assert.Equal(t, exitFailure, code)
		assert.Contains(t, says, "nothing was replaced: create the backup: ")
		assertStored(t, storage, badRecord)
	})
}

func TestRepairGivesWayToWhoeverWrites(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		record string
		args   []string
	}{
		"a bad record that is written": {badRecord, nil},
		"a leader that is alive":       {heldRecord, []string{"--replace-valid"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				storage := memory.New()
				put(t, storage, c.record)
				time.AfterFunc(10*time.Second, func() { put(t, storage, renewedRecord) })
				code, _, says := newTerminal(t).on(storage).run(with("repair", append(c.args, "--force")...)...)
				assert.Equal(t, exitFailure, code)
				assert.Contains(t, says, "has been written in the meantime, and was left as it is")
				assertStored(t, storage, renewedRecord)
			})
		})
	}
}

func TestValidRecordNeedsAFurtherWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := memory.New()
		put(t, storage, heldRecord)
		code, _, says := newTerminal(t).on(storage).run(with("repair", "--force")...)
		assert.Equal(t, exitFailure, code)
		assert.Contains(t, says, `"leader.json" is a valid leader record`)
		assertStored(t, storage, heldRecord)

		code, _, says = newTerminal(t).on(storage).run(with("repair", "--force", "--replace-valid")...)
		assert.Equal(t, exitOK, code, says)
		record, err := s3lect.ReadLeaderRecord(t.Context(), storage, "leader.json")
		require.NoError(t, err)
		assert.True(t, record.Resigned())
		assert.EqualValues(t, 8, record.Term)
	})
}

func TestRepairRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--force", "--min-term", "0"}, "--min-term 0 must be at least 1"},
		{[]string{"--lease", "0s"}, "--lease 0s must be positive"},
		{[]string{"--replace-valid"}, "--replace-valid needs --force as well"},
		{[]string{"--backup", "old.bin"}, "--backup needs --force as well"},
		{[]string{"--min-term", "5"}, "--min-term needs --force as well"},
	} {
		code, _, says := newTerminal(t).run(with("repair", c.args...)...)
		assert.Equal(t, exitUsage, code)
		assert.Contains(t, says, c.says)
	}
}
