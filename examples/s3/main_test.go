package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/examples/internal/transcript"
	"github.com/seed-6dc909bb/s3lect/internal/s3server"
)

func TestAnotherCandidateIsSwitchedOnWhenTheLeaderEnds(t *testing.T) {
	server := s3server.Start(t)
	server.Setenv(t)
	store := server.URL(server.NewBucket(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	a, stopA, endedA := start(ctx, store, "a")
	require.NoError(t, a.Await(ctx, "a: on, term 1\n"))
	b, stopB, endedB := start(ctx, store, "b")

	stopA()
	require.NoError(t, <-endedA)
	assert.Contains(t, a.String(), "a: off\n")
	require.NoError(t, b.Await(ctx, "b: on, term "))
	stopB()
	require.NoError(t, <-endedB)
	assert.Contains(t, b.String(), "b: off\n")
}

func TestABucketThatIsMissingIsAnErrorAtOnce(t *testing.T) {
	server := s3server.Start(t)
	server.Setenv(t)
	err := run(t.Context(), []string{"-store", server.URL("no-such-bucket"), "-id", "a"}, transcript.New())
	assert.ErrorContains(t, err, `there is no bucket "no-such-bucket"`)
}

// start runs a candidate until it is stopped.
func start(ctx context.Context, store, id string) (out *transcript.T, stop context.CancelFunc, ended <-chan error) {
	ctx, stop = context.WithCancel(ctx)
	out = transcript.New()
	result := make(chan error, 1)
	go func() { result <- run(ctx, []string{"-store", store, "-id", id, "-lease", "3s"}, out) }()
	return out, stop, result
}
