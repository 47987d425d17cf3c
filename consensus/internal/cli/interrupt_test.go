//go:build unix

package cli

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftd"
)

func TestAConfigurationThatDoesNotComeCanBeInterrupted(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "config")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	term := newTerminal(t)
	term.Run = func(ctx context.Context, _ raftd.Options) error { return ctx.Err() }
	ended := make(chan int, 1)
	go func() { ended <- term.Main([]string{"run", "--config", fifo}) }()
	term.signals <- os.Interrupt
	term.signals <- os.Interrupt
	assert.Equal(t, 130, <-term.aborted)
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	<-ended
}
