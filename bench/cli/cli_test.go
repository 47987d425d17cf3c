package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

func TestATableWhoseServerIsNotInstalledIsLeftAsItWas(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var said bytes.Buffer
	c := Command()
	c.SetArgs([]string{"measure", "etcd"})
	c.SetErr(&said)
	require.NoError(t, c.ExecuteContext(t.Context()))
	assert.Contains(t, said.String(), "left as it was: measure etcd: what it needs is not installed: etcd")
}

// repositoryWithoutResults returns its root, and the directory that results are kept in.
func repositoryWithoutResults(t *testing.T) (root, results string) {
	t.Helper()
	root = t.TempDir()
	results = filepath.Join(root, "bench", "results")
	require.NoError(t, os.MkdirAll(results, 0o755))
	return root, results
}

// tried measures three tables, the second of which does what it is told to, and returns which measurement of each is kept, and what
// was said.
func tried(ctx context.Context, t *testing.T, second func() error) (kept map[string]string, said string, err error) {
	t.Helper()
	root, results := repositoryWithoutResults(t)
	var all []table
	for _, name := range []string{"first", "second", "third"} {
		require.NoError(t, (&result.Table{Name: name, Go: "old"}).Write(filepath.Join(results, name+".json")))
		all = append(all, table{name, "Title", func(context.Context, string, bool, io.Writer) (*result.Table, error) {
			found := &result.Table{Name: name, Go: "new"}
			if name == "second" {
				return found, second()
			}
			return found, nil
		}})
	}
	var log bytes.Buffer
	c := &cobra.Command{}
	c.SetErr(&log)
	c.SetContext(ctx)
	err = measureTables(c, root, all, false)
	kept = map[string]string{}
	for _, x := range all {
		found, err := result.Read(filepath.Join(results, x.name+".json"))
		require.NoError(t, err)
		kept[x.name] = found.Go
	}
	return kept, log.String(), err
}

func TestATableThatFailsDoesNotCostTheOthers(t *testing.T) {
	failure := errors.New("too slow")
	kept, said, err := tried(t.Context(), t, func() error { return failure })
	require.ErrorIs(t, err, failure)
	assert.Contains(t, said, "left as it was: too slow\n[3 of 3] third: Title")
	assert.Equal(t, map[string]string{"first": "new", "second": "old", "third": "new"}, kept)
}

func TestAnInterruptedMeasurementKeepsWhatWasMeasuredBefore(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	kept, said, err := tried(ctx, t, func() error {
		interrupt()
		return ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.NotContains(t, said, "third")
	assert.Equal(t, map[string]string{"first": "new", "second": "old", "third": "old"}, kept)
}

func TestResultsOfNoTableAreAnError(t *testing.T) {
	_, err := readKept("../..")
	require.NoError(t, err)

	_, results := repositoryWithoutResults(t)
	require.NoError(t, os.Mkdir(filepath.Join(results, "below"), 0o755))
	require.NoError(t, (&result.Table{Name: "the-moon"}).Write(filepath.Join(results, "the-moon.json")))
	t.Chdir(filepath.Join(results, "below"))
	c := Command()
	c.SetArgs([]string{"render"})
	c.SetErr(io.Discard)
	err = c.ExecuteContext(t.Context())
	require.ErrorContains(t, err, `there is no table "the-moon"`)
	require.ErrorContains(t, err, "remove ")
}

// list runs the command list in a directory.
func list(t *testing.T, directory string) (said string, err error) {
	t.Helper()
	t.Chdir(directory)
	var out bytes.Buffer
	c := Command()
	c.SetArgs([]string{"list"})
	c.SetOut(&out)
	c.SetErr(io.Discard)
	err = c.ExecuteContext(t.Context())
	return out.String(), err
}

func TestTheListSaysHowLongTheKeptTablesTook(t *testing.T) {
	_, results := repositoryWithoutResults(t)
	require.NoError(t, (&result.Table{Name: "gaps", Took: 83*time.Second + time.Millisecond}).Write(filepath.Join(results, "gaps.json")))
	said, err := list(t, results)
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^gaps +1m23s +Time without a leader$`, said)
	assert.Regexp(t, `(?m)^etcd +– +etcd's`, said)
}

func TestTheListNamesTheTablesEvenIfAKeptOneCannotBeRead(t *testing.T) {
	_, results := repositoryWithoutResults(t)
	require.NoError(t, os.WriteFile(filepath.Join(results, "gaps.json"), []byte("{"), 0o600))
	said, err := list(t, results)
	require.ErrorContains(t, err, "gaps.json")
	assert.Regexp(t, `(?m)^gaps +– +Time without a leader$`, said)
}

func TestTablesThatCannotBeMeasuredAreSaidBeforeAnyIs(t *testing.T) {
	for _, names := range [][]string{nil, {"failover", "the-moon"}} {
		c := Command()
		c.SetArgs(append([]string{"measure"}, names...))
		c.SetErr(io.Discard)
		require.ErrorContains(t, c.ExecuteContext(t.Context()), "make list prints those that there are")
	}
}

// TestTheTestsThatFillTablesExist is since go test passes where it finds no test of a name.
func TestTheTestsThatFillTablesExist(t *testing.T) {
	sources, err := filepath.Glob("../measure/*_test.go")
	require.NoError(t, err)
	var all bytes.Buffer
	for _, name := range sources {
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		all.Write(source)
	}
	for _, s := range sideBySide {
		assert.Contains(t, all.String(), "func "+s.test+"(t *testing.T)", s.name)
	}
}
