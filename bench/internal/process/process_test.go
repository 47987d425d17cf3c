//go:build unix

package process

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProgramsRunWhereTheyAreToldTo(t *testing.T) {
	directory := t.TempDir()
	out, err := Output(t.Context(), directory, io.Discard, "sh", "-c", "pwd -P; echo heard >&2")
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(out, directory), out)

	_, err = Output(t.Context(), directory, io.Discard, "sh", "-c", "exit 3")
	require.ErrorContains(t, err, "sh -c exit 3: exit status 3")
}

// Everything that the shell has started holds the pipe open. What it starts in the background heeds no interrupt.
func TestInterruptionEndsWhatTheProgramHasStartedAndLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	require.NoError(t, reader.SetReadDeadline(time.Now().Add(3*Grace)))
	interrupted := errors.New("interrupted")
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ended := make(chan error, 1)
	go func() {
		defer writer.Close()
		ended <- Run(ctx, ".", writer, nil, "sh", "-c", "trap exit INT; mktemp >&2; sleep 3600 & echo started; wait")
	}()
	said := bufio.NewReader(reader)
	line, err := said.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started\n", line)
	cancel(interrupted)
	require.ErrorIs(t, <-ended, interrupted)
	_, err = said.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	require.Empty(t, left)
}
