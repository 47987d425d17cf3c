package main

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/examples/internal/transcript"
)

func TestOneReplicaAtATimeDoesTheJob(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		out := transcript.New()
		stopA, endedA := start(t, dir, "a", out)
		require.NoError(t, out.Await(t.Context(), "a cleans up, term 1\na cleans up, term 1\n"))
		stopB, endedB := start(t, dir, "b", out)
		require.NoError(t, out.Await(t.Context(), "a cleans up, term 1\na cleans up, term 1\na cleans up, term 1\n"))
		assert.NotContains(t, out.String(), "b cleans up")

		stopA()
		require.NoError(t, <-endedA)
		assert.Contains(t, out.String(), "a stops: leadership of term 1 has ended: elector stopped")
		require.NoError(t, out.Await(t.Context(), "a stops: leadership of term 1 has ended: elector stopped\nb cleans up, term 2\n"))

		stopB()
		require.NoError(t, <-endedB)
	})
}

func TestAnIDIsRequired(t *testing.T) {
	err := run(t.Context(), []string{"-dir", t.TempDir()}, transcript.New())
	assert.ErrorContains(t, err, "ServerID is required")
}

// start runs a replica until it is stopped.
func start(t *testing.T, dir, id string, out *transcript.T) (stop context.CancelFunc, ended <-chan error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- run(ctx, []string{"-dir", dir, "-id", id}, out) }()
	return stop, result
}
