package cli

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/demo"
)

func TestDemoRefusesBadNumbersByName(t *testing.T) {
	for text, args := range map[string][]string{
		"--members 2 must be between 3 and 9":            {"--members", "2"},
		"--peers and --quorum are two demos: choose one": {"--peers", "--quorum"},
		"--lease 1ms must be between 500ms and 30s":      {"--lease", "1ms"},
	} {
		cmd := newDemoCommand()
		cmd.SetArgs(args)
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		err := cmd.Execute()
		require.ErrorContains(t, err, text)
		exit, ok := asExit(err)
		require.True(t, ok)
		assert.Equal(t, exitUsage, exit.code)
	}
}

func TestDemoMemberIsHiddenAndSaysWhoStartsIt(t *testing.T) {
	cmd := newDemoMemberCommand()
	assert.True(t, cmd.Hidden)
	assert.Equal(t, demo.MemberCommand, cmd.Name())
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	cmd.SetArgs([]string{"alpha"})
	require.ErrorContains(t, cmd.Execute(), "started by s3lect demo, not by hand")
}

func TestADemoThatNobodyReadsLeavesNothingBehind(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no signal for a broken pipe")
	}
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "demo", "--lease", "500ms")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, out.Close())

	require.Error(t, cmd.Wait())
	assert.Equal(t, signalCode(syscall.SIGPIPE), cmd.ProcessState.ExitCode())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}
