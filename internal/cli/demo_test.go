package cli

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/demo"
)

func TestDemoRefusesBadNumbersByName(t *testing.T) {
	for text, args := range map[string][]string{
		"--members 2 must be between 3 and 9":       {"--members", "2"},
		"--lease 1ms must be between 500ms and 30s": {"--lease", "1ms"},
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
