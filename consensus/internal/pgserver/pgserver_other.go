//go:build !unix

package pgserver

import "testing"

// Server is a server of its own with a database of its own.
type Server struct{}

// Start skips the test.
func Start(t testing.TB, _ ...string) *Server {
	t.Helper()
	t.Skip("PostgreSQL is started on Unix alone")
	return nil
}

// Shared skips the test.
func Shared(t testing.TB) (url string) {
	t.Helper()
	Start(t)
	return ""
}

// KillShared does nothing.
func KillShared() {}

// URL is not called.
func (*Server) URL() string { return "" }

// Up is not called.
func (*Server) Up() {}

// Kill is not called.
func (*Server) Kill() {}

// Pause is not called.
func (*Server) Pause() {}

// Resume is not called.
func (*Server) Resume() {}

// Exec is not called.
func (*Server) Exec(string, ...any) {}
