package main

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/examples/internal/transcript"
	"github.com/seed-6dc909bb/s3lect/internal/certs"
)

func TestFollowerLeadsWhenTheLeaderEnds(t *testing.T) {
	dir, certDir := t.TempDir(), t.TempDir()
	_, err := certs.Make(certs.Options{Dir: certDir, Names: []string{"a", "b"}})
	require.NoError(t, err)
	out := transcript.New()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	stopA, endedA := start(t, dir, certDir, "a", out)
	require.NoError(t, out.Await(ctx, "a leads, term 1\n"))
	stopB, endedB := start(t, dir, certDir, "b", out)
	require.NoError(t, out.Await(ctx, "b follows a at 127.0.0.1:"))
	stopA()
	require.NoError(t, <-endedA)
	require.NoError(t, out.Await(ctx, "b leads, term 2\n"))
	assert.Contains(t, out.String(), "a stops: leadership of term 1 has ended: elector stopped")
	stopB()
	require.NoError(t, <-endedB)
}

// start runs a replica until it is stopped.
func start(t *testing.T, dir, certDir, id string, out *transcript.T) (stop context.CancelFunc, ended <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String() // free again, and hardly taken before the replica listens there
	require.NoError(t, listener.Close())
	ctx, stop := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		result <- run(ctx, []string{"-dir", dir, "-certs", certDir, "-id", id, "-addr", addr}, out)
	}()
	return stop, result
}

func TestMissingCertificatesAreNamed(t *testing.T) {
	certDir := t.TempDir()
	err := run(t.Context(), []string{"-dir", t.TempDir(), "-certs", certDir, "-id", "a"}, transcript.New())
	assert.ErrorContains(t, err, filepath.Join(certDir, "ca.pem"))
}
