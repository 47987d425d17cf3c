package compare

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	isLeader = `package m

import "testing"

func BenchmarkIsLeader(b *testing.B) {
	for b.Loop() {
	}
}
`
	records = `package lease

import "testing"

func BenchmarkEncodeRecord(b *testing.B) {
	for b.Loop() {
	}
}
`
	speed = `package sim

import (
	"flag"
	"fmt"
	"testing"
)

var seeds = flag.Int("sim.speed", 0, "")

func TestSpeedOfTheMixedSchedule(*testing.T) { fmt.Println("BenchmarkMixedSeed", *seeds, "1000 ns/op 5 seeds/s") }
`
)

// repository returns one with two revisions. The first has the benchmark of IsLeader alone.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	for _, name := range []string{"tools/go.mod", "tools/go.sum"} {
		text, err := os.ReadFile("../../" + name)
		require.NoError(t, err)
		put(name, string(text))
	}
	put("go.mod", "module example.com/m\n\ngo 1.25\n")
	put("m_test.go", isLeader)
	git(t, root, "init", "--quiet")
	commit(t, root)
	put("internal/lease/lease_test.go", records)
	put("internal/sim/sim_test.go", speed)
	commit(t, root)
	return root
}

func commit(t *testing.T, root string) {
	t.Helper()
	git(t, root, "add", ".")
	git(t, root, "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false", "commit", "--quiet", "-m", "x")
}

func git(t *testing.T, root string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = root
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", said)
	return string(said)
}

func requireNothingLeft(t *testing.T, root, temporary string) {
	t.Helper()
	assert.Equal(t, 1, strings.Count(git(t, root, "worktree", "list"), "\n"), "worktrees")
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	for _, entry := range left {
		assert.NotContains(t, entry.Name(), "compare-")
	}
}

// temporary makes directories for temporary files be below one that it returns.
func temporary(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	t.Setenv("TMPDIR", directory)
	return directory
}

func TestTwoRevisionsAreComparedByBenchstat(t *testing.T) {
	root, temporary := repository(t), temporary(t)
	var out, log bytes.Buffer
	require.NoError(t, os.WriteFile(filepath.Join(root, "m_test.go"), []byte("no Go at all"), 0o600))
	t.Chdir(filepath.Join(root, "internal"))
	require.NoError(t, Run(t.Context(), Options{Root: "..", Count: 2, Time: "10x", Seeds: 3}, &out, &log))
	assert.Contains(t, log.String(), "what is not committed is not compared:\nM m_test.go")
	text := out.String()
	assert.Contains(t, text, "HEAD^ has no benchmark of the record: there is nothing to compare with.\n")
	assert.Contains(t, text, "HEAD^ has no measurement of the simulation's speed: there is nothing to compare with.\n")
	assert.NotContains(t, text, "has no benchmark of IsLeader")
	assert.NotContains(t, text, "HEAD has no")
	for _, expected := range []string{"HEAD^", "IsLeader", "IsLeader-2", "EncodeRecord", "MixedSeed", "seeds/s", "sec/op"} {
		assert.Contains(t, text, expected)
	}
	requireNothingLeft(t, root, temporary)
}

func TestRevisionsThatCannotBeComparedAreErrors(t *testing.T) {
	root, temporary := repository(t), temporary(t)
	for base, message := range map[string]string{"no-such-thing": `there is no revision "no-such-thing" here: name a commit`, "HEAD": "are the same commit"} {
		err := Run(t.Context(), Options{Root: root, Base: base, Count: 1, Time: "1x", Seeds: 1}, io.Discard, io.Discard)
		assert.ErrorContains(t, err, message)
	}
	requireNothingLeft(t, root, temporary)
}

func TestNothingIsMeasuredWithoutBenchstat(t *testing.T) {
	root, temporary := repository(t), temporary(t)
	require.NoError(t, os.RemoveAll(filepath.Join(root, "tools")))
	var log bytes.Buffer
	err := Run(t.Context(), Options{Root: root, Count: 1, Time: "1x", Seeds: 1}, io.Discard, &log)
	require.ErrorContains(t, err, "build benchstat")
	assert.NotContains(t, log.String(), "run 1 of")
	requireNothingLeft(t, root, temporary)
}

// interrupter interrupts at the first run.
type interrupter struct{ interrupt context.CancelCauseFunc }

var errInterrupted = errors.New("interrupted")

func (i interrupter) Write(data []byte) (int, error) {
	if strings.HasPrefix(string(data), "run 1 of") {
		i.interrupt(errInterrupted)
	}
	return len(data), nil
}

func TestInterruptionLeavesNothingBehind(t *testing.T) {
	root, temporary := repository(t), temporary(t)
	ctx, interrupt := context.WithCancelCause(t.Context())
	err := Run(ctx, Options{Root: root, Count: 1, Time: "1x", Seeds: 1}, io.Discard, interrupter{interrupt})
	require.ErrorIs(t, err, errInterrupted)
	requireNothingLeft(t, root, temporary)
}
