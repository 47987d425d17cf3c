package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/examples/internal/transcript"
)

func TestOneWorkerDoesTheJob(t *testing.T) {
	t.Parallel()
	out := transcript.New()
	require.NoError(t, run(t.Context(), []string{"-id", "w", "-workers", "4", "-round", "r"}, out))
	said := out.String()
	assert.Equal(t, 1, strings.Count(said, ": I do the job of r\n"), said)
	elected := regexp.MustCompile(`(?m)^(w-\d): I do the job of r$`).FindStringSubmatch(said)
	require.NotNil(t, elected, said)
	assert.Equal(t, 3, strings.Count(said, ": not me, "+elected[1]+" is elected\n"), said)
	assert.Contains(t, said, elected[1]+": it is done\n")
}

func TestSeveralProgramsCompeteOnOneServer(t *testing.T) {
	t.Parallel()
	server := start(t, &service{})
	a, b := transcript.New(), transcript.New()
	require.NoError(t, run(t.Context(), []string{"-server", server.url, "-id", "a", "-round", "r"}, a))
	require.NoError(t, run(t.Context(), []string{"-server", server.url, "-id", "b", "-round", "r"}, b))
	assert.Equal(t, 1, strings.Count(a.String(), "I do the job"), a.String())
	assert.Equal(t, 5, strings.Count(b.String(), "not me, a-"), b.String())
	state, err := server.rounds.Completed(t.Context(), "billing", "r")
	require.NoError(t, err)
	require.NotNil(t, state.Completed)
	assert.True(t, strings.HasPrefix(state.Completed.ID, "a-"), state.Completed.ID)
}

func TestHelpIsNoFailure(t *testing.T) {
	t.Parallel()
	require.NoError(t, run(t.Context(), []string{"-h"}, transcript.New()))
}

func TestAServerThatIsNoURLIsNamed(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"-server", "localhost:8080"}, transcript.New())
	assert.ErrorContains(t, err, "localhost:8080")
}
