package demo

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
)

func newTestLink(t *testing.T) *link {
	t.Helper()
	storage, err := s3lect.NewMockStorage(t.TempDir())
	require.NoError(t, err)
	return &link{storage: storage}
}

func TestRequestsAreCountedByWhatCameOfThem(t *testing.T) {
	l, ctx := newTestLink(t), t.Context()
	_, _, err := l.Get(ctx, "k")
	require.ErrorIs(t, err, s3lect.ErrStorageNotFound)
	etag, err := l.PutIfMatchETag(ctx, "k", []byte("1"), "")
	require.NoError(t, err)
	require.NotEmpty(t, etag, "the storage's capability is passed on")
	require.ErrorIs(t, l.PutIfMatch(ctx, "k", []byte("2"), ""), s3lect.ErrStoragePrecondition)
	data, got, err := l.Get(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, "1", string(data))
	assert.Equal(t, etag, got)
	assert.Equal(t, requests{Reads: 2, Writes: 2, Refused: 1}, l.requests())
}

// plainStorage cannot report the ETag of what it writes, and fails.
type plainStorage struct{ err error }

func (s plainStorage) Get(context.Context, string) ([]byte, string, error) { return nil, "", s.err }
func (s plainStorage) PutIfMatch(context.Context, string, []byte, string) error {
	return s.err
}

func TestAStorageWithoutTheCapabilityStillWorks(t *testing.T) {
	l := &link{storage: plainStorage{}}
	etag, err := l.PutIfMatchETag(t.Context(), "k", nil, "")
	require.NoError(t, err)
	assert.Empty(t, etag)
}

func TestErrorsOfTheStorageCountAsUnanswered(t *testing.T) {
	boom := errors.New("boom")
	l := &link{storage: plainStorage{boom}}
	_, _, err := l.Get(t.Context(), "k")
	require.ErrorIs(t, err, boom)
	require.ErrorIs(t, l.PutIfMatch(t.Context(), "k", nil, ""), boom)
	assert.Equal(t, requests{Reads: 1, Writes: 1, Failed: 2}, l.requests())
}

func TestACutLinkHangsUntilTheContextEnds(t *testing.T) {
	l := newTestLink(t)
	l.cut.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, l.PutIfMatch(ctx, "k", []byte("1"), ""), context.DeadlineExceeded)
	_, _, err := l.Get(ctx, "k")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, requests{Reads: 1, Writes: 1, Failed: 2}, l.requests())

	l.cut.Store(false)
	_, _, err = l.Get(t.Context(), "k")
	require.ErrorIs(t, err, s3lect.ErrStorageNotFound, "what hung was never done")
}
