//go:build unix

package redisserver

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Stall stops the server's process: connections stay open, and nothing answers.
func (s *Server) Stall(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, s.Process.Signal(syscall.SIGSTOP))
}

// Continue ends a Stall.
func (s *Server) Continue(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, s.Process.Signal(syscall.SIGCONT))
}
