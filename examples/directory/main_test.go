package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/examples/internal/transcript"
)

func TestAnotherCandidateLeadsWhenTheLeaderEnds(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	a, stopA, endedA := start(ctx, dir, "a")
	require.NoError(t, a.Await(ctx, "a leads, term 1\n"))
	b, stopB, endedB := start(ctx, dir, "b")
	require.NoError(t, b.Await(ctx, "b follows a, term "))
	assert.NotContains(t, b.String(), "b leads")

	stopA()
	require.NoError(t, <-endedA)
	require.NoError(t, b.Await(ctx, "b leads, term "))
	stopB()
	require.NoError(t, <-endedB)
}

func TestAnIDIsRequired(t *testing.T) {
	err := run(t.Context(), []string{"-dir", t.TempDir()}, transcript.New())
	assert.ErrorContains(t, err, "ServerID is required")
}

// start runs a candidate until it is stopped.
func start(ctx context.Context, dir, id string) (out *transcript.T, stop context.CancelFunc, ended <-chan error) {
	ctx, stop = context.WithCancel(ctx)
	out = transcript.New()
	result := make(chan error, 1)
	go func() { result <- run(ctx, []string{"-dir", dir, "-id", id, "-lease", "3s"}, out) }()
	return out, stop, result
}
