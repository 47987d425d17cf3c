//go:build !unix

package redisserver

import "testing"

// Stall would stop the server's process, which cannot be done on this system.
func (*Server) Stall(tb testing.TB) {
	tb.Helper()
	tb.Skip("a process cannot be stopped on this system")
}

// Continue ends a Stall.
func (*Server) Continue(testing.TB) {}
