package memory_test

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

var _ interface {
	s3lect.Storage
	s3lect.ETagPutter
	s3lect.Lister
	s3lect.Deleter
} = (*memory.Storage)(nil)

func TestOneNameIsOneStore(t *testing.T) {
	name := rand.Text() // a name lives as long as the process
	require.NoError(t, memory.Open(name).PutIfMatch(t.Context(), "leader.json", []byte("x"), ""))
	data, _, err := memory.Open(name).Get(t.Context(), "leader.json")
	require.NoError(t, err)
	assert.Equal(t, "x", string(data))

	_, _, err = memory.Open(name+"2").Get(t.Context(), "leader.json")
	assert.ErrorIs(t, err, s3lect.ErrStorageNotFound)
}

func TestAnETagDoesNotComeBackAfterADelete(t *testing.T) {
	s := memory.New()
	first, err := s.PutIfMatchETag(t.Context(), "k", nil, "")
	require.NoError(t, err)
	require.NoError(t, s.Delete(t.Context(), "k"))
	second, err := s.PutIfMatchETag(t.Context(), "k", nil, "")
	require.NoError(t, err)
	assert.NotEqual(t, first, second)
}

func TestBytesAreNotShared(t *testing.T) {
	s := memory.New()
	given := []byte("abc")
	require.NoError(t, s.PutIfMatch(t.Context(), "k", given, ""))
	given[0] = 'X'
	got, _, err := s.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "abc", string(got))
	got[0] = 'Y'
	again, _, err := s.Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Equal(t, "abc", string(again))
}

func TestTheEmptyKeyIsRefused(t *testing.T) {
	s := memory.New()
	assert.ErrorContains(t, s.PutIfMatch(t.Context(), "", nil, ""), "key is empty")
	assert.ErrorContains(t, s.Delete(t.Context(), ""), "key is empty")
	_, _, err := s.Get(t.Context(), "")
	assert.ErrorContains(t, err, "key is empty")
}
