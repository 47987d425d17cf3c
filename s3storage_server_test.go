package s3lect_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/s3server"
)

func openServer(t *testing.T, url string) *s3lect.S3Storage {
	t.Helper()
	storage, err := s3lect.OpenS3Storage(t.Context(), url)
	require.NoError(t, err)
	return storage
}

func TestARealServerTakesUnquotedETags(t *testing.T) {
	server := s3server.Start(t)
	server.Setenv(t)
	storage := openServer(t, server.URL(server.NewBucket(t))+"&etag=unquoted")
	etag, err := storage.PutIfMatchETag(t.Context(), "leader.json", []byte("first"), "")
	require.NoError(t, err)
	require.NoError(t, storage.PutIfMatch(t.Context(), "leader.json", []byte("second"), etag))
	assert.ErrorIs(t, storage.PutIfMatch(t.Context(), "leader.json", []byte("third"), etag), s3lect.ErrStoragePrecondition)
}

func TestAMissingBucketIsNotAMissingObject(t *testing.T) {
	server := s3server.Start(t)
	server.Setenv(t)
	storage := openServer(t, server.URL("nowhere"))
	_, _, err := storage.Get(t.Context(), "leader.json")
	assert.ErrorContains(t, err, `no bucket "nowhere"`)
	assert.NotErrorIs(t, err, s3lect.ErrStorageNotFound)
	err = storage.PutIfMatch(t.Context(), "leader.json", nil, "")
	assert.ErrorContains(t, err, `no bucket "nowhere"`)
}

func TestWrongCredentialsAreNamedAsSuch(t *testing.T) {
	server := s3server.Start(t)
	server.Setenv(t)
	bucket := server.NewBucket(t)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	storage := openServer(t, server.URL(bucket))
	_, _, err := storage.Get(t.Context(), "leader.json")
	assert.ErrorContains(t, err, "does not accept the credentials")
	assert.ErrorContains(t, err, bucket)
}
