package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/examples/internal/transcript"
	"github.com/seed-6dc909bb/s3lect/storagetest"
)

// The suite tells whether a storage keeps the contract. This is all it takes to run it.
func TestStorageKeepsTheContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) s3lect.Storage {
		t.Helper()
		return open(t, newServer())
	})
}

func TestAWrongURLDoesNotLookLikeAnAbsentRecord(t *testing.T) {
	_, _, err := open(t, http.NotFoundHandler()).Get(t.Context(), "leader.json")
	require.Error(t, err)
	assert.NotErrorIs(t, err, s3lect.ErrStorageNotFound)
}

func TestBeingAskedToSlowDownIsPassedOn(t *testing.T) {
	store := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	_, _, err := store.Get(t.Context(), "leader.json")
	require.ErrorIs(t, err, s3lect.ErrStorageThrottled)
	assert.ErrorIs(t, store.PutIfMatch(t.Context(), "leader.json", nil, ""), s3lect.ErrStorageThrottled)
}

func TestCandidatesTakeTurns(t *testing.T) {
	out := transcript.New()
	require.NoError(t, run(t.Context(), out))
	assert.Equal(t, "a leads, term 1\nb leads, term 2\nc leads, term 3\n", out.String())
}

func open(t *testing.T, handler http.Handler) *storage {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &storage{client: server.Client(), url: server.URL + "/"}
}
