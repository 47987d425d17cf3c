package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/examples/internal/transcript"
)

func TestTheLeaderStepsDownWhenItIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	a, stopA, endedA := start(ctx, dir, "a")
	require.NoError(t, a.Await(ctx, "a waits for others\n"))
	assert.NotContains(t, a.String(), "a leads")

	c, stopC, endedC := start(ctx, dir, "c", "-vote=false", "-zone", "eu-3")
	require.NoError(t, a.Await(ctx, "a leads, term 1, with a in zone here, c in zone eu-3\n"))
	require.NoError(t, c.Await(ctx, "c follows a, term 1\n"))

	stopC()
	require.NoError(t, <-endedC)
	require.NoError(t, a.Await(ctx, "a waits for others (its term 1 has ended: quorum lost)\n"))

	_, stopB, endedB := start(ctx, dir, "b")
	require.NoError(t, a.Await(ctx, "term 2"))
	assert.NotContains(t, c.String(), "c leads")
	for _, stop := range []context.CancelFunc{stopA, stopB} {
		stop()
	}
	require.NoError(t, <-endedA)
	require.NoError(t, <-endedB)
}

func TestAnIDIsRequired(t *testing.T) {
	err := run(t.Context(), []string{"-dir", t.TempDir()}, transcript.New())
	assert.ErrorContains(t, err, "ServerID is required")
}

// start runs a member until it is stopped.
func start(ctx context.Context, dir, id string, more ...string) (out *transcript.T, stop context.CancelFunc, ended <-chan error) {
	ctx, stop = context.WithCancel(ctx)
	out = transcript.New()
	result := make(chan error, 1)
	args := append([]string{"-dir", dir, "-id", id, "-lease", "3s"}, more...)
	go func() { result <- run(ctx, args, out) }()
	return out, stop, result
}
